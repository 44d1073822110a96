"""Breaks one rule of the code at a time, and shows that a test notices.

    python tests/mutants.py              every mutant of mutants.yaml
    python tests/mutants.py augmentation those whose rule has this word

A mutant that survives is a bug no test would notice. Each is made in a copy of the tree, in which its tests
are run; the tests are first run unbroken, so that one which fails anyway proves nothing.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import yaml
from tqdm import tqdm

TESTS = Path(__file__).parent
ROOT = TESTS.parent


class Mutant(NamedTuple):
    """``rule``: what is broken, in words. In ``file``, below src/revisit, ``old`` becomes ``new``."""

    rule: str
    file: str
    old: str
    new: str
    tests: str


def mutants(word: str) -> list[Mutant]:
    """The mutants whose rule has this word."""
    entries = yaml.safe_load((TESTS / "mutants.yaml").read_text(encoding="utf-8"))
    return [Mutant(**entry) for entry in entries if word in entry["rule"]]


def passes(copy: Path, tests: str) -> bool:
    """Whether these tests (paths below tests/, apart by spaces) pass in the copy."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *(f"tests/{path}" for path in tests.split())],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
    )
    if done.returncode not in (0, 1):
        raise SystemExit(
            f"error: pytest ended with {done.returncode} on {tests}: {done.stdout.decode()[-800:]}"
        )
    return done.returncode == 0


def survivors(chosen: Iterable[Mutant], copy: Path) -> list[Mutant]:
    """The mutants that no test of theirs notices."""
    alive, sound = [], set[str]()
    for mutant in tqdm(list(chosen), desc="mutants", disable=None):
        path = copy / "src/revisit" / mutant.file
        text = path.read_text(encoding="utf-8")
        if text.count(mutant.old) != 1:
            raise SystemExit(
                f"error: mutants.yaml: {mutant.rule!r}: its `old` stands {text.count(mutant.old)} times in "
                f"{mutant.file}; bring it up to date"
            )
        if mutant.tests not in sound and not passes(copy, mutant.tests):
            raise SystemExit(f"error: {mutant.tests} fails unbroken; mend it first")
        sound.add(mutant.tests)
        path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        died = not passes(copy, mutant.tests)
        path.write_text(text, encoding="utf-8")
        tqdm.write(f"{'dies' if died else 'SURVIVES'}  {mutant.rule}")
        alive += [] if died else [mutant]
    return alive


def main() -> int:
    """1 where a mutant survives."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("word", nargs="?", default="", help="only mutants whose rule has this word")
    chosen = mutants(parser.parse_args().word)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("src", "tests", "docs", "workflow"):
            shutil.copytree(ROOT / name, Path(folder, name), symlinks=True)
        for name in ("pyproject.toml", "config.yaml", "Snakefile"):
            shutil.copy(ROOT / name, folder)
        alive = survivors(chosen, Path(folder))
    print(f"{len(chosen) - len(alive)} of {len(chosen)} mutants die")
    return 1 if alive else 0


if __name__ == "__main__":
    raise SystemExit(main())
