"""Protects large studies: stages that gather thousands of files run from job files, and commands stay short.

Each stage gets more inputs than a process may usually open files (1,024), made from real ones of the small
study, and is started as the workflow starts it.
"""

import csv
import importlib.util
import json
import re
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
MANY = 1100
REGIONS = 100
BY_REGION = {
    "archive",
    "search",
    "download",
    "stack",
    "coregister",
    "moments",
    "scale",
    "labels",
    "tile",
    "predict",
}
LONGEST = 200  # characters of a command


class Grown:
    """A copy of the study's results, by links, that can be made larger; runs jobs with more inputs."""

    def __init__(self, study: Any, folder: Path) -> None:
        self.study, self.folder, self.results = study, folder, folder / "results"
        self.results.mkdir()
        for path in (study.folder / "results").iterdir():
            if path.name not in ("report.html", "report_files"):
                (self.results / path.name).symlink_to(path)

    def open(self, name: str) -> Path:
        """A folder of the results that can be added to; what it holds is linked one level further down."""
        path = self.results / name
        linked = path.resolve()
        path.unlink()
        path.mkdir()
        for child in linked.iterdir():
            (path / child.name).symlink_to(child)
        return path

    def run(self, job: str, change: Any) -> None:
        """Run a job of the study after ``change`` of what its file says; within a minute."""
        content = json.loads((self.study.folder / f"results/logs/{job}.json").read_text())
        change(content)
        content["log"] = "grown.log"
        own = self.folder / "job.json"
        own.write_text(json.dumps(content))
        command = ["revisit", "run", own.name]
        assert len(" ".join(command)) < LONGEST
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.study.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture
def grown(study: Any, tmp_path: Path) -> Grown:
    return Grown(study, tmp_path)


def test_scores(grown: Grown) -> None:
    """The merged table of many score files has all their rows."""
    score = "scores/masking/scratch/s1+s2/linear/labels1/seed0.json"
    real = json.loads((grown.results / score).read_text())
    folder = grown.folder / "scores"
    folder.mkdir()
    for number in range(MANY):
        real["columns"]["method"] = f"method{number}"
        (folder / f"{number}.json").write_text(json.dumps(real))
        (folder / f"{number}.npz").symlink_to((grown.results / score).with_suffix(".npz"))

    def many(job: dict[str, Any]) -> None:
        (run,) = (
            run
            for run in job["settings"]["runs"]
            if (run["experiment"], run["method"], run["protocol"]) == ("masking", "scratch", "linear")
        )
        job["settings"]["runs"] = [{**run, "method": f"method{number}"} for number in range(MANY)]
        job["settings"]["tested"] = []
        job["input"]["scores"] = [f"scores/{number}.json" for number in range(MANY)]
        job["input"]["predictions"] = [f"scores/{number}.npz" for number in range(MANY)]
        job["output"] = {"table": "all.csv", "leaks": "leaks.csv"}

    grown.run("scores/masking", many)
    with (grown.folder / "all.csv").open(newline="") as file:
        methods = [row["method"] for row in csv.DictReader(file)]
    assert len(methods) == MANY * (len(real["values"]) + 1)  # one more is how far it stays under the best
    assert len(set(methods)) == MANY


def test_moments(grown: Grown) -> None:
    """Limits pooled over many regions that are alike are those of one."""
    real = json.loads((grown.results / "cubes/east/sentinel-1/moments.json").read_text())
    (grown.folder / "moments").mkdir()
    for number in range(MANY):
        (grown.folder / f"moments/{number}.json").write_text(json.dumps({**real, "region": f"r{number}"}))

    def gather(count: int, out: str) -> dict[str, Any]:
        def change(job: dict[str, Any]) -> None:
            job["input"] = {"moments": [f"moments/{number}.json" for number in range(count)]}
            job["output"] = {"limits": out}

        grown.run("limits/sentinel-1", change)
        content: dict[str, Any] = json.loads((grown.folder / out).read_text())
        return content

    one, all_of_them = gather(1, "one.json"), gather(MANY, "all.json")
    assert len(all_of_them["regions"]) == MANY
    for band, limits in one["bands"].items():
        pooled = all_of_them["bands"][band]
        assert pooled.pop("valid_pixels") == MANY * limits.pop("valid_pixels")
        assert pooled == pytest.approx(limits, rel=1e-9)


def test_stores(grown: Grown) -> None:
    """The index of a collection of many regions counts the samples of all."""
    stores = grown.folder / "results/patches"
    real = stores.resolve() / "yearly/east.zarr"
    content = json.loads((real / "zarr.json").read_text())
    about = content["attributes"]
    bounds = dict(about["bounds"])
    collection = grown.folder / "patches"
    collection.mkdir()
    for number in range(MANY):
        store = collection / f"r{number}.zarr"
        store.mkdir()
        for path in real.iterdir():
            if path.is_dir():
                (store / path.name).symlink_to(path)
        # Side by side, 10 km from corner to corner.
        east, north = 10_000 * (number % 50), 10_000 * (number // 50)
        about["region"] = f"r{number}"
        about["bounds"] = {
            part: [box[0] + east, box[1] + north, box[2] + east, box[3] + north]
            for part, box in bounds.items()
        }
        (store / "zarr.json").write_text(json.dumps(content))

    def many(job: dict[str, Any]) -> None:
        job["input"] = {"stores": [f"patches/r{number}.zarr" for number in range(MANY)]}
        job["output"] = {"index": "patches/index.json", "quicklook": "patches/quicklook.png"}

    grown.run("index/yearly", many)
    index = json.loads((collection / "index.json").read_text())
    assert sum(store["samples"] for store in index["stores"]) == MANY * about["samples"]
    assert index["split_distance_m"] == about["split_distance_m"]
    assert (collection / "quicklook.png").stat().st_size > 1000


def test_cards_and_shifts(grown: Grown) -> None:
    """The page of many encoders and cubes lists them all."""
    shifts = (grown.results / "cubes/east/sentinel-1/shifts.csv").read_text()
    card = json.loads((grown.results / "encoders/pairs/scratch/s1+s2/seed0/card.json").read_text())
    cubes, encoders = grown.open("cubes"), grown.open("encoders")
    added: dict[str, list[str]] = {"shifts": [], "cards": []}
    for number in range(MANY):
        for path, text in (
            (cubes / f"r{number}/sentinel-1/shifts.csv", shifts),
            (encoders / f"c{number}/card.json", json.dumps({**card, "method": f"encoder-{number}"})),
        ):
            path.parent.mkdir(parents=True)
            path.write_text(text)
            added["shifts" if path.suffix == ".csv" else "cards"].append(
                path.relative_to(grown.folder).as_posix()
            )

    def many(job: dict[str, Any]) -> None:
        for name, paths in added.items():
            job["input"][name] += paths

    grown.run("page", many)
    text = (grown.results / "report.html").read_text()
    for number in range(0, MANY, 100):
        assert f">encoder-{number}<" in text
        assert f">r{number}<" in text


def test_plan(checkout: Any) -> None:
    """A study of 100 regions plans every region's jobs, and none of its commands grows with their number."""
    small = yaml.safe_load((checkout.folder / "study.yaml").read_text())
    large = planning().many_regions(small, REGIONS)
    for sensor in ("sentinel-1", "sentinel-2"):
        large["search"][sensor]["years"] = small["search"][sensor]["years"]
    of_small = checkout.planned()
    (checkout.folder / "study.yaml").write_text(yaml.safe_dump(large, sort_keys=False))
    text = checkout.snakemake("--dry-run", "--printshellcmds")
    commands = re.findall(r"^Shell command: (revisit run .*)$", text, re.MULTILINE)
    jobs = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE)}
    assert len(commands) == jobs.pop("total") - 1  # all of them but `all`
    assert max(map(len, commands)) < LONGEST
    more = REGIONS // len(small["regions"])
    assert jobs == {name: count * (more if name in BY_REGION else 1) for name, count in of_small.items()}


def planning() -> ModuleType:
    """benchmarks/planning.py, which makes large studies."""
    spec = importlib.util.spec_from_file_location("planning", ROOT / "benchmarks/planning.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
