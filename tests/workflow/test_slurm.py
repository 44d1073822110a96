"""Protects the cluster: the line makes the same table on a real Slurm, and trainings go on after faults.

Five trainings of the same encoder run beside each other. Four are frozen (SIGSTOP) as soon as they have saved
something, so that each fault finds them midway on a machine of any speed. One waits for its time limit, in
minutes; meanwhile the line runs.
"""

import copy
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.slurm, pytest.mark.timeout(1200)]

PROFILE = "workflow/profiles/slurm/profile.yaml"
# Where each runs. Two share the node of the GPUs, one of them in the partition whose jobs are preempted.
PARTITIONS = {
    "undisturbed": "cpu",
    "late": "cpu",
    "cancelled": "cpu",
    "preempted": "spot",
    "node-down": "gpu",
}
ON_GPUS = ("preempted", "node-down")
Found = TypeVar("Found")


def slurm(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def wait(what: Callable[[], Found], seconds: float = 400) -> Found:
    """What is asked for, as soon as it is there."""
    limit = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.05)
    return found


def processes() -> list[tuple[psutil.Process, list[str]]]:
    """Each process of this machine with its command."""
    return [(process, process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]


def jobs(name: str) -> dict[int, tuple[str, str]]:
    """State and time limit of each job of a training so far, by Slurm's number."""
    lines = slurm("squeue", "--states=all", "--noheader", "--format=%i|%k|%T|%l").splitlines()
    rows = [line.split("|") for line in lines if f"wildcards_pairs_{name}_" in line]
    return {int(number): (state, limit) for number, _, state, limit in rows}


def frozen(folder: Path, name: str) -> int:
    """Freeze the training once it has saved something; the number of its job."""
    wait((folder / f"results/checkpoints/pairs/{name}/s1+s2/seed0/checkpoint.pt").exists)
    described = f"results/logs/pretrain/pairs/{name}/s1+s2/0.json"
    (process,) = (process for process, command in processes() if described in command)
    process.suspend()
    (number,) = jobs(name)
    return number


def start_again(number: int) -> None:
    """Start a requeued job once nothing is left of its first start; Slurm itself waits for two minutes."""
    wait(lambda: slurm("squeue", "--noheader", f"--job={number}", "--format=%T").strip() == "PENDING")
    steps = f"slurmstepd: [{number}."
    wait(lambda: not any(steps in " ".join(command) for _, command in processes()))
    time.sleep(3)  # a node refuses the job in the second in which it ended it
    slurm("scontrol", "update", f"JobId={number}", "StartTime=now")


def cause_faults(folder: Path) -> dict[str, int]:
    """Let each fault happen to its training; the numbers of their first jobs."""
    numbers = {name: frozen(folder, name) for name in ("late", "cancelled", "preempted", "node-down")}
    slurm("scontrol", "update", f"JobId={numbers['late']}", "TimeLimit=1")
    slurm("scancel", str(numbers["cancelled"]))
    # One of the node's two GPUs for a job that goes first.
    slurm("sbatch", "--partition=gpu", "--gpus=1", "--mem=100", "--output=/dev/null", "--wrap=true")
    start_again(numbers["preempted"])
    slurm("scontrol", "update", "NodeName=gpu1", "State=down", "Reason=test")
    start_again(numbers["node-down"])
    # It may be back by itself already, which is no error.
    subprocess.run(["scontrol", "update", "NodeName=gpu1", "State=resume"], capture_output=True)
    return numbers


@pytest.fixture(scope="module")
def line(study: Any, cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """The second half of the line under way on the cluster, with the profile as it is."""
    checkout = study.copy(tmp_path_factory.mktemp("line") / "copy")
    results = checkout.folder / "results"
    for made in ("encoders/pairs/simsiam", "features/pairs/simsiam", "scores/contrast/simsiam"):
        shutil.rmtree(results / made)
    shutil.rmtree(results / "scores/land-cover/unet")
    shutil.rmtree(results / "tables")
    run = checkout.start("results/tables/all.csv", profile="slurm")
    yield checkout, run
    if run.poll() is None:
        os.killpg(run.pid, signal.SIGKILL)


def test_whatever_ends_a_training_it_goes_on_to_the_same_weights(study, cluster, tmp_path, request):
    checkout = study.copy(tmp_path / "copy")
    content = yaml.safe_load((checkout.folder / "study.yaml").read_text())
    entries = content["pretraining"]["methods"]
    for name in PARTITIONS:
        often = {"steps": 120, "checkpoint_minutes": 0.002, "published_as": None, "title": name}
        entries[name] = copy.deepcopy(entries["3dmae-3dm"]) | often
    (checkout.folder / "study.yaml").write_text(yaml.safe_dump(content))
    # The profile as it is, but for memory and places on nodes as small as the sandbox's.
    profile = yaml.safe_load((checkout.folder / PROFILE).read_text())
    profile["set-resources"]["pretrain_reconstructing"] |= {
        "mem_mb": 900,
        "slurm_partition": f"{PARTITIONS}[wildcards.method]",
        "gpu": f"1 if wildcards.method in {ON_GPUS} else 0",
    }
    (checkout.folder / PROFILE).write_text(yaml.safe_dump(profile))

    folders = {name: f"results/encoders/pairs/{name}/s1+s2/seed0" for name in PARTITIONS}
    run = checkout.start(*(f"{folder}/encoder.safetensors" for folder in folders.values()), profile="slurm")
    try:
        numbers = cause_faults(checkout.folder)
        # Beside what is left, once none is there that the line's jobs for GPUs would preempt.
        wait(lambda: all(state == "COMPLETED" for name in ON_GPUS for state, _ in jobs(name).values()))
        request.getfixturevalue("line")
        assert run.wait(timeout=240) == 0, checkout.log.read_text()[-8000:]
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
        # The sandbox has no cgroups: what a job started may outlive it there.
        for process, command in processes():
            if any(str(checkout.folder) in word for word in command):
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    ends = {name: [end for _, end in sorted(jobs(name).items())] for name in PARTITIONS}
    first, retry = "1-00:00:00", "2-00:00:00"
    assert ends == {
        "undisturbed": [("COMPLETED", first)],
        "late": [("TIMEOUT", "1:00"), ("COMPLETED", retry)],
        "cancelled": [("CANCELLED", first), ("COMPLETED", retry)],
        "preempted": [("COMPLETED", first)],
        "node-down": [("COMPLETED", first)],
    }
    for name in ON_GPUS:
        assert "Restarts=1" in slurm("scontrol", "show", "job", str(numbers[name]))
    for name in numbers:
        log = (checkout.folder / f"results/logs/pretrain/pairs/{name}/s1+s2/0.log").read_text()
        assert "going on after step" in log, f"{name}: {log}"
        for file in ("encoder.safetensors", "log.csv", "reconstruction.npz"):
            same = (checkout.folder / folders["undisturbed"] / file).read_bytes()
            assert (checkout.folder / folders[name] / file).read_bytes() == same, f"{name}: {file}"


def test_profile_slurm_makes_the_same_table(study, line):
    checkout, run = line
    assert run.wait(timeout=400) == 0, checkout.log.read_text()[-8000:]
    assert checkout.table() == study.table()
    submitted = checkout.log.read_text().count("has been submitted with SLURM jobid")
    assert submitted == 9  # pretrain, embed, probe, train, tables of four experiments, their joint one
