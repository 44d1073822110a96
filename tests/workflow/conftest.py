"""A small study run for real, once, in a checkout of its own that tests may edit."""

import csv
import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from revisit.evaluation.columns import COSTS

ROOT = Path(__file__).parents[2]
LIMIT_S = 540
PARTS = ("Snakefile", "config.yaml", "workflow", "src", "slurm", "envs")


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
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        shutil.copy(ROOT / "tests/study.yaml", folder / "study.yaml")
        # Jobs must import this copy, and find this interpreter first.
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(folder / "src"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

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


@pytest.fixture(scope="session")
def cluster(shared: Path) -> Iterator[None]:
    """A real Slurm on this machine, with two fake GPUs; stopped afterwards."""
    sandbox = shared / "slurm/sandbox.sh"
    missing = [tool for tool in ("slurmctld", "slurmd", "sbatch", "munged") if not shutil.which(tool)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"a Slurm sandbox needs root and {', '.join(missing) or 'no more tools'}")
    subprocess.run([sandbox, "start", "--no-dbd"], check=True, capture_output=True)
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
