"""Protects parts of one's own: a file and a few lines of config add one, and only what is new runs.

Follows docs/adding-a-method.md and docs/adding-parts.md word by word, in a checkout in which the small study
has run, and so protects the two pages. For that a page names the file of a block of Python in the sentence
before ("Write `path/of/the/file.py`:"); blocks of YAML are merged into the config, those of shell are run.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from revisit import parts

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WRITE = re.compile(r"\bWrite (`[^`]+\.py`[^:]*):\s*\Z")
LIMIT_S = 540
FILES = (
    "mymethods/denoise.py",
    "mine/pixels.py",
    "mine/main_class.py",
    "mine/accuracies.py",
    "mine/latest.py",
)
REPORT = (
    "Merge the scores",
    "Join the tables",
    "Lay out ",
    "Draw ",
    "Write the report page",
    "Hold the claims",
)
BEFORE = {"masking", "land-cover"}  # experiments of the small study


@dataclass
class Followed:
    """A checkout in which both pages were followed, and what the commands of each said."""

    checkout: Any
    said: dict[str, str]


class Reader:
    """Does what a page says in the folder of a checkout."""

    def __init__(self, checkout: Any) -> None:
        self.checkout = checkout
        self.config = yaml.safe_load((checkout.folder / "study.yaml").read_text())

    def follow(self, page: str) -> str:
        """Follow a page to its end; returns what its commands said."""
        text, said = (ROOT / "docs" / page).read_text(encoding="utf-8"), ""
        for block in BLOCK.finditer(text):
            language, content = block.groups()
            if language == "python":
                self._write(text[: block.start()], content)
            elif language == "yaml":
                merge(self.config, yaml.safe_load(content))
            elif language in ("sh", "bash"):
                said += self._run(content)
        return said

    def _write(self, before: str, content: str) -> None:
        sentence = WRITE.search(before)
        assert sentence, f"no file is named before the block\n{content[:200]}"
        name, *empty = re.findall(r"`([^`]+\.py)`", sentence[1])
        path = self.checkout.folder / name
        path.parent.mkdir(exist_ok=True)
        assert not path.exists(), f"{name} exists; the page would overwrite it"
        path.write_text(content)
        for other in empty:
            (self.checkout.folder / other).touch()

    def _run(self, commands: str) -> str:
        # The study of a command that names none; the checks of the small study read its own file.
        for name in ("config.yaml", "study.yaml"):
            (self.checkout.folder / name).write_text(yaml.safe_dump(self.config, sort_keys=False))
        # The package is not installed here but lies in src.
        commands = commands.replace("PYTHONPATH=$PWD", "PYTHONPATH=$PWD:$PWD/src")
        done = subprocess.run(
            ["bash", "-e", "-c", commands],
            cwd=self.checkout.folder,
            env=self.checkout.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_S,
        )
        assert done.returncode == 0, done.stdout[-8000:]
        return done.stdout


def merge(into: dict[str, Any], entries: dict[str, Any]) -> None:
    """Put entries into a config, each where it belongs."""
    for key, value in entries.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def jobs(said: str) -> set[str]:
    """The jobs that were planned or run, in the words of their rules."""
    return set(re.findall(r"^Job \d+: (.+)$", said, re.MULTILINE))


def work(said: str) -> set[str]:
    """The same without tables, figures and the page."""
    return {job for job in jobs(said) if not job.startswith(REPORT)}


@pytest.fixture(scope="module")
def mine(study: Any, tmp_path_factory: pytest.TempPathFactory) -> Followed:
    """A copy of the study with everything that the pages add, run."""
    checkout = study.copy(tmp_path_factory.mktemp("outside") / "study")
    path = os.pathsep.join((str(checkout.folder / "src"), str(checkout.folder)))
    checkout.environment = {**study.environment, "PYTHONPATH": path}
    reader = Reader(checkout)
    said = {"method": "", "parts": ""}
    # "Add ... its name to the `methods` of an experiment"
    reader.config["experiments"]["masking"]["methods"].append("denoise")
    said["method"] = reader.follow("adding-a-method.md")
    said["parts"] = reader.follow("adding-parts.md")
    return Followed(checkout, said)


@pytest.fixture
def edit(mine: Followed) -> Iterator[Callable[[str, str, str], None]]:
    """Edits a file of the checkout and puts it back afterwards."""
    kept: dict[Path, str] = {}

    def edited(name: str, old: str, new: str) -> None:
        path = mine.checkout.folder / name
        kept.setdefault(path, path.read_text())
        mine.checkout.edit(name, old, new)

    yield edited
    for path, text in kept.items():
        path.write_text(text)


METHOD = {
    "Pretrain denoise on s1+s2 of pairs, seed 0",
    *(f"Train denoise on s1+s2 for masking, fine-tune, labels 1, seed {seed}" for seed in (0, 1)),
    "Embed s1+s2 of pairs with denoise of s1+s2, seed 0",
    "Probe denoise on s1+s2 for masking, linear",
}
NETWORK = {
    "Train pixels on s1 for land-cover, supervised, labels 1, seed 0",
    "Choose the best model of land-cover",  # it may be the new one
    *(f"Map {region} with the best model of land-cover" for region in ("east", "west")),
}
TASK = {
    *(f"Probe {method} on s1+s2 for main-class, linear" for method in ("scratch", "3dmae-3dm")),
    *(f"Find the floor {floor} on s1+s2 for main-class" for floor in ("band-statistics", "class-prior")),
}
KIND = {
    "Tile east for the collection latest",
    "Tile west for the collection latest",
    "Index the collection latest",
}


def test_the_page_knows_every_sort_of_part() -> None:
    """Its table names contract, room and constant as they are."""
    page = (ROOT / "docs/adding-parts.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\w+) \| `(\w+)` in `(.+?)` \| `(.+?)/` \| `(\w+)` \|", page, re.MULTILINE)
    rooms = {sort: parts.Room(room.replace("/", "."), constant) for sort, _, _, room, constant in listed}
    assert rooms == {sort: room for sort, room in parts.ROOMS.items() if sort != "method"}
    for _, contract, path, _, _ in listed:
        assert re.search(rf"^class {contract}\b", (ROOT / "src" / path).read_text(), re.MULTILINE), path


def test_a_method_plans_its_pretraining_and_evaluations_and_nothing_else(mine: Followed) -> None:
    assert work(mine.said["method"]) == METHOD


def test_parts_run_what_is_new_and_nothing_else(mine: Followed) -> None:
    assert work(mine.said["parts"]) == METHOD | NETWORK | TASK | KIND
    assert {f"Draw bars/{name}" for name in (*BEFORE, "main-class")} <= jobs(mine.said["parts"])
    assert mine.checkout.planned() == {}


def test_every_number_that_was_there_stays_and_the_new_ones_stand_beside(mine: Followed, study: Any) -> None:
    before, after = (one.table().decode().splitlines() for one in (study, mine.checkout))
    assert set(before) <= set(after)
    header = after[0].split(",")
    added = {tuple(line.split(",")[header.index(name)] for name in ("experiment", "method", "metric"))
             for line in set(after) - set(before)}  # fmt: skip
    assert {(experiment, method) for experiment, method, _ in added} == {
        ("masking", "denoise"),
        ("land-cover", "pixels"),
        ("main-class", "scratch"),
        ("main-class", "3dmae-3dm"),
        ("main-class", "band-statistics"),
        ("main-class", "class-prior"),
    }
    assert {metric for experiment, _, metric in added if experiment == "main-class"} == {
        "accuracy",
        "accuracy_gain",
        "accuracy_over_floor",
        "accuracy_under_best",
    }


def test_a_layout_shows_the_numbers_of_the_merged_table(mine: Followed) -> None:
    results = mine.checkout.folder / "results"
    (laid_out,) = (results / "tables/main-class").glob("*.md")
    text = laid_out.read_text()
    assert text.startswith("# Main class of a scene\n")
    titles = {"scratch": "Channel ViT from scratch, untrained", "3dmae-3dm": "3DMAE (3DM)"}
    for method, title in titles.items():
        path = results / f"scores/main-class/{method}/s1+s2/linear/labels1/seed0.json"
        (found,) = json.loads(path.read_text())["values"]
        assert 0.2 < found["value"] < 1
        assert f"| {title} | this run | {100 * found['value']:.1f} |" in text
    page = (results / "report.html").read_text()
    for shown in ("Main class of a scene", "Single pixels", "Bars"):
        assert shown in page, shown


def test_a_kind_of_ones_own_makes_a_collection(mine: Followed) -> None:
    patches = mine.checkout.folder / "results/patches/latest"
    index = json.loads((patches / "index.json").read_text())
    assert (index["kind"], index["regions"]) == ("mine.latest:Latest", ["east", "west"])
    assert all(store["samples"] == store["places"] > 0 for store in index["stores"])
    assert (patches / "quicklook.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("edits", "rerun"),
    [
        ([("mymethods/denoise.py", ".square().mean()", ".abs().mean()")], METHOD),
        (
            [("mine/pixels.py", "nn.ReLU()", "nn.GELU()"), ("mine/latest.py", ".argmax()", ".argmin()")],
            NETWORK | KIND,
        ),
        ([("mine/main_class.py", "float((outputs", "1 - float((outputs")], TASK),
        ([(name, '"""\n', '"""\n# A comment.\n') for name in FILES], None),
    ],
    ids=["method", "network and kind", "task", "comments"],
)
def test_an_edit_of_a_part_reruns_its_jobs_and_no_others(
    mine: Followed, edit: Any, edits: Any, rerun: Any
) -> None:
    for name, old, new in edits:
        edit(name, old, new)
    said = mine.checkout.snakemake("--dry-run")
    if rerun is None:
        assert jobs(said) == set()
    else:
        assert work(said) == rerun


def test_an_edit_of_a_layout_lays_out_its_tables_alone(mine: Followed, edit: Any) -> None:
    edit("mine/accuracies.py", '"accuracy in per cent"', '"accuracy in %"')
    planned = jobs(mine.checkout.snakemake("--dry-run"))
    (table,) = (job for job in planned if job.startswith(("Merge ", "Join ", "Lay out ")))
    assert table.endswith(" of main-class")


def test_what_a_part_says_of_itself_is_checked_again_after_an_edit(mine: Followed, edit: Any) -> None:
    """A checked study is kept; it must not outlive the part it was checked with."""
    edit("mine/accuracies.py", 'task="mine.main_class:MAIN_CLASS"', 'task="segmentation"')
    with pytest.raises(AssertionError, match="lays out segmentation"):
        mine.checkout.snakemake("--dry-run")
