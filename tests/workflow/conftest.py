"""A small study run for real, twice, in checkouts of their own that tests may edit.

Once as it is, and once under names that say nothing and in little space. Whoever needs the results of a study
takes those, or a copy.
"""

import copy
import csv
import io
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml

from revisit.evaluation.columns import COSTS

ROOT = Path(__file__).parents[2]
LIMIT_S = 540
TIF = "ds/images/remote_sensing/otherDatasets/sentinel_2/tif"  # of EuroSAT
PARTS = ("Snakefile", "config.yaml", "workflow", "src", "slurm", "profiles", "envs")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need the small study run, so that ``make test`` has two halves."""
    for item in items:
        if Path(__file__).parent in item.path.parents and "study" in getattr(item, "fixturenames", ()):
            item.add_marker("study")


def environment(folder: Path) -> dict[str, str]:
    """Jobs must import the code of this folder, and find this interpreter first."""
    return {
        **os.environ,
        "PYTHONPATH": str(folder / "src"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


class Checkout:
    """A copy of the project in which snakemake runs the study of tests/study.yaml."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "snakemake.log"
        for part in PARTS:
            source, target = ROOT / part, folder / part
            if source.is_symlink():
                target.symlink_to(source.readlink())
            elif source.is_dir():
                shutil.copytree(source, target)  # compiled files too, which saves a second
            else:
                shutil.copy(source, target)
        shutil.copy(ROOT / "tests/study.yaml", folder / "study.yaml")
        self.environment = environment(folder)

    def copy(self, folder: Path) -> "Checkout":
        """This checkout in another folder, with all that has been made in it."""
        other = copy.copy(self)
        other.folder, other.log, other.environment = folder, folder / "snakemake.log", environment(folder)
        shutil.copytree(self.folder, folder, symlinks=True)
        return other

    def command(self, *arguments: str, profile: str = "workflow/profiles/local") -> list[str]:
        # A real cluster is asked less often how its jobs are.
        often = ("--slurm-init-seconds-before-status-checks", "3")
        own = often if profile == "slurm" else ("--cores", "2")
        return [
            *(sys.executable, "-m", "snakemake", *arguments, "--profile", profile, *own),
            *("--configfile", "study.yaml"),
        ]

    def snakemake(self, *arguments: str, profile: str = "workflow/profiles/local") -> str:
        """Run snakemake to its end; return what it printed. Fails the test where it fails or hangs."""
        run = self.start(*arguments, profile=profile)
        try:
            run.wait(timeout=LIMIT_S)
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
        text = self.log.read_text()
        assert run.returncode == 0, text[-8000:]
        return text

    def start(self, *arguments: str, profile: str = "workflow/profiles/local") -> subprocess.Popen[bytes]:
        """Start snakemake in a process group of its own."""
        with self.log.open("wb") as log:
            return subprocess.Popen(
                self.command(*arguments, profile=profile),
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs a dry run would run, by rule; {} where there is nothing to do."""
        text = self.snakemake("--dry-run", *arguments)
        if "Nothing to be done" in text:
            return {}
        table = text.split("Job stats:")[-1].split("total")[0].splitlines()[3:]
        return {line.split()[0]: int(line.split()[1]) for line in table if line.strip()}

    def table(self) -> bytes:
        """all.csv without the columns of costs, which no two runs share."""
        text = (self.folder / "results/tables/all.csv").read_text()
        rows = list(csv.DictReader(io.StringIO(text)))
        out = io.StringIO()
        names = [name for name in rows[0] if name not in COSTS]
        writer = csv.DictWriter(out, names, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return out.getvalue().encode()

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new, 1))

    def append(self, name: str, text: str) -> None:
        with (self.folder / name).open("a") as file:
            file.write(text)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The small study, run to its end. Tests that edit it put it back."""
    checkout = Checkout(tmp_path_factory.mktemp("study"))
    checkout.snakemake()
    return checkout


class Names:
    """New names of what a study names freely: names that say nothing.

    Their alphabet runs against the order of the config, so that an order by name would show.
    """

    def __init__(self, study: Mapping[str, Any]) -> None:
        methods = study["pretraining"]["methods"]
        networks = [row for one in study["experiments"].values() for row in one.get("networks", ())]
        free = [*study["regions"], *study["collections"], *methods, *study["experiments"], *networks]
        assert len(set(free)) == len(free), "two things of one name cannot be told apart in what is printed"
        self.new = {name: f"n{900 - number}" for number, name in enumerate(free)}

    def study(self, study: Mapping[str, Any]) -> dict[str, Any]:
        """The study under its new names; its order, titles and published names stay.

        What has no title is printed by its name, so it gets that for a title.
        """
        result = copy.deepcopy(dict(study))
        experiments = result["experiments"].values()
        rows = [one["networks"] for one in experiments if "networks" in one]
        for titled in (result["pretraining"]["methods"], result["experiments"], *rows):
            for name, entry in titled.items():
                entry.setdefault("title", name)
        for section in (result, result["archive"], result["pretraining"]):
            for key in {"regions", "collections", "experiments", "biomes", "tiles", "methods"} & set(section):
                section[key] = self._keys(section[key])
        result["cube"]["limits_from"] = self._list(study["cube"]["limits_from"])
        for collection in result["collections"].values():
            if "regions" in collection:
                collection["regions"] = self._list(collection["regions"])
        for entry in result["pretraining"]["methods"].values():
            entry["collection"] = self.new[entry["collection"]]
            entry["parents"] = self._list(entry.get("parents", []))
        for experiment in experiments:
            experiment["collection"] = self.new[experiment["collection"]]
            if "methods" in experiment:
                experiment["methods"] = self._list(experiment["methods"])
            if "networks" in experiment:
                experiment["networks"] = self._keys(experiment["networks"])
            for network in experiment.get("networks", {}).values():
                for key in {"pretrained", "encoder_of"} & set(network):
                    network[key] = self.new[network[key]]
        return result

    def back(self, text: str) -> str:
        """What was printed, under the old names."""
        old = {new: name for name, new in self.new.items()}
        return re.sub(r"\bn\d{3}\b", lambda found: old[found[0]], text)

    def _keys(self, content: Mapping[str, Any]) -> dict[str, Any]:
        return {self.new[name]: value for name, value in content.items()}

    def _list(self, names: list[str]) -> list[str]:
        return [self.new[name] for name in names]


@pytest.fixture(scope="session")
def names(study: Checkout) -> Names:
    return Names(yaml.safe_load((study.folder / "study.yaml").read_text()))


@pytest.fixture(scope="session")
def renamed(study: Checkout, names: Names, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The small study under other names and keeping little, run to its end. Tests leave it as it is."""
    checkout = Checkout(tmp_path_factory.mktemp("renamed"))
    path = checkout.folder / "study.yaml"
    other = names.study(yaml.safe_load(path.read_text()))
    other["keep"] = {"scenes": False, "raw": False, "aligned": False, "models": "best"}
    path.write_text(yaml.safe_dump(other, sort_keys=False))
    checkout.snakemake()
    return checkout


@pytest.fixture(scope="session")
def eurosat() -> Callable[[Path], None]:
    """``write_eurosat``."""
    return write_eurosat


def write_eurosat(folder: Path) -> None:
    """Ten scenes of three classes; River differs from Forest in nothing but its level."""
    random, lists = np.random.default_rng(0), dict.fromkeys(("train", "val", "test"), "")
    for number, name in enumerate(("Forest", "River", "SeaLake")):
        (folder / TIF / name).mkdir(parents=True)
        for scene in range(1, 11):
            numbers = random.normal(900 + 400 * number, 100, (13, 64, 64)).astype(np.uint16)
            about = {"driver": "GTiff", "width": 64, "height": 64, "count": 13, "dtype": "uint16"}
            place = {"crs": 32632, "transform": rasterio.Affine(10, 0, 4e5 + 1000 * scene, 0, -10, 5e6)}
            with rasterio.open(folder / TIF / name / f"{name}_{scene}.tif", "w", **about, **place) as file:
                file.write(numbers)
            lists[{0: "val", 1: "test"}.get(scene % 5, "train")] += f"{name}_{scene}.jpg\n"
    for part, text in lists.items():
        (folder / f"eurosat-{part}.txt").write_text(text)


@pytest.fixture(scope="session")
def cluster(shared: Path) -> Iterator[None]:
    """A real Slurm on this machine, with two fake GPUs; stopped afterwards."""
    sandbox = shared / "slurm/sandbox.sh"
    missing = [tool for tool in ("slurmctld", "slurmd", "sbatch", "munged") if not shutil.which(tool)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"a Slurm sandbox needs root and {', '.join(missing) or 'no more tools'}")
    command = [sandbox, "start", "--no-dbd"]
    started = subprocess.run(command, capture_output=True, text=True)
    if started.returncode:  # it waits half a minute for its nodes, which is short on a busy machine
        started = subprocess.run(command, capture_output=True, text=True)
    assert started.returncode == 0, started.stderr
    try:
        for partition in (
            "cpu",
            "gpu",
            "spot",
        ):  # as long as the profile says
            subprocess.run(["scontrol", "update", f"PartitionName={partition}", "MaxTime=2-0"], check=True)
        yield
    finally:
        subprocess.run([sandbox, "stop"], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout in which nothing has run yet."""
    return Checkout(tmp_path)


@pytest.fixture
def restored(study: Checkout):
    """The study, to edit at will: sources and config are put back afterwards."""
    kept = study.folder / "kept"
    kept.mkdir()
    for name in ("src", "study.yaml", "workflow"):
        source = study.folder / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, kept / name)
    yield study
    for name in ("src", "study.yaml", "workflow"):
        target = study.folder / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
        shutil.move(kept / name, target)
    kept.rmdir()
