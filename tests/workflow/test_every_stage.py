"""Protects every stage against a full disk, signals and a second run: one line, and the same result after.

The jobs of the small study, and of rules that it does not need, are run again by hand, each in a copy of the
results.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from revisit.evaluation.columns import COSTS
from revisit.files import remove, sha256
from revisit.stac.download import FETCHED

ROOT = Path(__file__).parents[2]
RULES = [
    *("archive", "search", "download", "stack", "coregister", "moments", "limits", "scale", "labels"),
    *("dem", "dem_moments", "tile", "index", "survey", "import_set", "index_set"),
    *("pretrain", "generate", "embed", "similarity", "evaluate", "probe", "floor"),
    *("best_model", "predict", "scores", "tables", "gains", "claims", "table", "figure", "page", "catalogue"),
]
NOT_RUN = {
    "best_seed": "the stage of best_model",
    "true_change": "needs an encoder of CACo and maps of several years; writes one table, as gains does",
    "change_estimates": "reads what true_change writes; its two files are written as those of gains are",
}
PIX2PIX = {
    "name": "pix2pix",
    "encoder": {"name": "unet-generator", "levels": 2, "width": 4},
    "discriminator": {"layers": 1, "width": 4},
}


class Line:
    """The results of a study, to run its jobs again in."""

    def __init__(self, study: Any, folder: Path) -> None:
        self.whole = study.folder
        self.folder = folder
        # Links: what is made anew takes the place of one. Logs alone are written into.
        shutil.copytree(self.whole / "results", folder / "results", symlinks=True, copy_function=os.link)
        shutil.rmtree(folder / "results/logs")
        shutil.copytree(self.whole / "results/logs", folder / "results/logs")
        self.jobs = {rule: self._first(rule) for rule in RULES}
        modules = sorted({job["stage"] for _, job in self.jobs.values()})
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("forked_jobs.py")), *modules],
            cwd=folder,
            env=study.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _first(self, rule: str) -> tuple[str, dict[str, Any]]:
        """The first job of a rule: its file, as the study has it, and what that says."""
        logs = self.folder / "results/logs"
        files = [logs / f"{rule}.json", *sorted((logs / rule).rglob("*.json"))]
        file = next(file for file in files if file.is_file())
        return str(file.relative_to(self.folder)), json.loads(file.read_text())

    def run(self, rule: str, **disturbance: Any) -> tuple[int, str]:
        """Run the job of a rule anew: its status and what it said."""
        assert self.process.stdin and self.process.stdout
        print(json.dumps({"job": self.jobs[rule][0], **disturbance}), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        return answer["status"], answer["said"]

    def outputs(self, rule: str) -> list[str]:
        """Paths of what a job makes."""
        given = self.jobs[rule][1]["output"].values()
        return [path for each in given for path in ([each] if isinstance(each, str) else each)]

    def clear(self, rule: str) -> None:
        """Remove what a job made, as Snakemake does before it is run again, and what a download fetched."""
        for path in self.outputs(rule):
            remove(self.folder / path)
            remove((self.folder / path).with_name(FETCHED))

    def put_back(self, rule: str) -> None:
        """The outputs as the study has them, for the jobs after this one."""
        self.clear(rule)
        for path in self.outputs(rule):
            source, target = (folder / path for folder in (self.whole, self.folder))
            if source.is_symlink():  # the clips of a download
                source, target = (one.with_name(FETCHED) for one in (source, target))
                (self.folder / path).symlink_to(FETCHED)
            shutil.copytree(source, target, copy_function=os.link) if source.is_dir() else os.link(
                source, target
            )

    def assert_no_room(self, rule: str, status: int, said: str) -> None:
        """The job ended in one line that names what it could not write, and left no half of it."""
        assert status == 1, said
        told = assert_one_line(said)
        assert re.search(r"cannot be written \(.*\); ", told)
        folders = {str(Path(path).parent) for path in self.outputs(rule)}
        assert any(f" {folder}/" in told for folder in folders), told
        self.assert_nothing_half_made(rule)

    def assert_nothing_half_made(self, rule: str, aside: bool = True) -> None:
        """What there is of the outputs is as the study has it, and nothing lies ``aside``."""
        for path in self.outputs(rule):
            if (self.folder / path).exists():
                assert content(self.folder / path) == content(self.whole / path), path
            beside = [file for file in (self.folder / path).parent.rglob(".*") if ".part" in file.name]
            assert not aside or not beside

    def assert_made_again(self, rule: str) -> None:
        """The job, left in peace, makes what the study has, to the bit."""
        status, said = self.run(rule)
        assert status == 0, said
        for path in self.outputs(rule):
            assert content(self.folder / path) == content(self.whole / path), path


def content(path: Path) -> Any:
    """What a file or folder is, without what a run cost and the journal of a download, which names places."""
    if path.is_dir():
        every = (file for file in path.rglob("*") if file.is_file() and file.name[0] != ".")
        files = sorted(file for file in every if file.name != "journal.jsonl")
        return {str(file.relative_to(path)): sha256(file) for file in files}
    return _costless(json.loads(path.read_text())) if path.suffix == ".json" else sha256(path)


def _costless(given: Any) -> Any:
    if isinstance(given, list):
        return [_costless(each) for each in given]
    if isinstance(given, dict):
        return {key: _costless(value) for key, value in given.items() if key not in COSTS}
    return given


def assert_one_line(said: str) -> str:
    """The line of the error, the only one, and no trace."""
    lines = [line for line in said.splitlines() if " error: " in line]
    assert len(lines) == 1, said
    assert "Traceback" not in said and "Logging error" not in said, said
    return lines[0]


@pytest.fixture(scope="module")
def grown(
    study,
    eurosat: Callable[[Path], None],
    heights: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    """A copy of the study with what it lacks: elevation, an imported set, images that a generator made."""
    checkout = study.copy(tmp_path_factory.mktemp("grown") / "copy")
    plain = yaml.safe_load((checkout.folder / "study.yaml").read_text())

    def make(targets: list[str], more: dict[str, Any]) -> None:
        (checkout.folder / "study.yaml").write_text(yaml.safe_dump(plain | more, sort_keys=False))
        checkout.snakemake(*targets)

    tiles = heights(checkout.folder / "heights", plain["regions"]["west"]["bbox"])
    own = {"inherits": "embedded", "sensors": {"dem": {"from": "heights"}}}
    dem = {"provider": "own", "providers": {"heights": tiles, "own": own}}
    make(["results/cubes/west/dem-moments.json"], {**dem, "search": plain["search"] | {"dem": {}}})

    eurosat(checkout.folder / "EuroSAT")
    sets = {"imports": {"scenes": {"set": "eurosat", "folder": str(checkout.folder / "EuroSAT")}}}
    entry = {"collection": "pairs", "modalities": ["s1+s2"], "steps": 2, "batch_size": 8, "method": PIX2PIX}
    methods = plain["pretraining"]["methods"] | {"pix2pix": entry}
    make(
        [
            *("results/patches/scenes/index.json", "catalogue"),
            "results/generated/pairs/pix2pix/s1+s2/seed0.zarr",
        ],
        {**sets, "pretraining": plain["pretraining"] | {"methods": methods}},
    )
    return checkout


@pytest.fixture(scope="module")
def line(grown: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    made = Line(grown, tmp_path_factory.mktemp("again"))
    yield made
    assert made.process.stdin
    made.process.stdin.close()
    made.process.wait(timeout=60)


@pytest.fixture(params=RULES)
def rule(request: pytest.FixtureRequest, line: Line) -> Iterator[str]:
    """Each rule of the line, its outputs put back at the end."""
    yield request.param
    line.put_back(request.param)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """A disk of so many bytes at a folder, for the life of the block."""
    if os.geteuid() != 0:
        pytest.skip("a disk that is really full needs root, to mount a small one")
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a disk that is really full needs mount: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_no_rule_is_forgotten() -> None:
    """Each rule of the workflow is stopped below, or said why not."""
    rules = "".join(path.read_text() for path in sorted(ROOT.glob("workflow/rules/*.smk")))
    jobs = re.findall(r'plan\.job\(\s*"(\w+)"', rules)
    assert len(jobs) == rules.count("plan.job(")
    assert sorted(jobs) == sorted([*RULES, *NOT_RUN])


@pytest.mark.slow
def test_a_stage_that_is_stopped_leaves_nothing_half_made(line: Line, rule: str) -> None:
    """A disk that fills at the first byte and in the largest file, SIGTERM, SIGKILL; then the same result."""
    paths = [line.whole / path for path in line.outputs(rule)]
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]
    largest = max(file.stat().st_size for file in files)
    for most in (0, largest // 2) if len(files) > 1 else (0,):
        line.clear(rule)
        line.assert_no_room(rule, *line.run(rule, file_bytes=most))
    line.clear(rule)
    status, said = line.run(rule, signal=signal.SIGTERM, at=("open", 1))
    assert status in (1, 128 + signal.SIGTERM), said
    assert_one_line(said)
    line.assert_nothing_half_made(rule)
    line.clear(rule)
    last = ("open", 9) if rule == "archive" else ("os.rename", len(paths))  # its one rename comes late
    status, said = line.run(rule, signal=signal.SIGKILL, at=last)
    assert status == 128 + signal.SIGKILL, said
    line.assert_made_again(rule)
    line.assert_nothing_half_made(rule)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["download", "stack", "tile"], indirect=True)
def test_a_disk_that_is_really_full(line: Line, rule: str) -> None:
    """It has room for half of what is made; with room for all, the same result."""
    paths = [line.whole / path for path in line.outputs(rule)]
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]
    room = sum(file.stat().st_size for file in files) // 2
    line.clear(rule)
    with small_disk((line.folder / line.outputs(rule)[0]).parent, room):
        status, said = line.run(rule)
        assert "No space left on device" in said
        line.assert_no_room(rule, status, said)
    line.assert_made_again(rule)
