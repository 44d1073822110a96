"""Protects long runs: killed without warning at any stage, the next run ends in the same table to the bit."""

import os
import signal
import subprocess
import time

import pytest

pytestmark = pytest.mark.slow

# A target that needs the stage and none after it, and what snakemake prints when its job starts.
STAGES = [
    ("archive/east", "Simulate the archive"),
    ("scenes/east/sentinel-2/2020/manifest.json", "Download sentinel-2"),
    ("cubes/east/sentinel-1/raw.zarr", "Stack sentinel-1"),
    ("cubes/east/sentinel-2/aligned.zarr", "Co-register"),
    ("patches/yearly/west.zarr", "Tile west"),
    ("patches/yearly/index.json", "Index the collection"),
    ("encoders/yearly/stmim/s1/seed0/encoder.safetensors", "Pretrain stmim"),
    ("scores/masking/scratch/s1+s2/fine-tune/labels1/seed0.json", "Train scratch"),
    ("scores/land-cover/unet/s1/supervised/labels1/seed1.json", "Train unet"),
]


def kill_at(checkout, target: str, message: str) -> None:
    """Run until a job of the stage has been under way for a moment, then kill every process at once."""
    run = checkout.start(f"results/{target}")
    while message not in checkout.log.read_text():
        assert run.poll() is None, f"ended before {message!r}: {checkout.log.read_text()[-4000:]}"
        time.sleep(0.1)
    time.sleep(1.5)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    checkout.snakemake("--unlock")


@pytest.mark.timeout(1200)
def test_killed_at_every_stage_the_table_is_the_same(study, checkout):
    for target, message in STAGES:
        kill_at(checkout, target, message)
    checkout.snakemake("results/tables/all.csv")
    assert checkout.table() == study.table()


def test_two_workflows_in_one_folder_are_one_too_many(checkout):
    """The second is refused by Snakemake's lock, and the first goes on."""
    target = "results/archive/east"
    first = checkout.start(target)
    try:
        while "Simulate the archive" not in checkout.log.read_text():
            assert first.poll() is None, checkout.log.read_text()[-4000:]
            time.sleep(0.1)
        second = checkout.command(target)
        told = subprocess.run(
            second, cwd=checkout.folder, env=checkout.environment, capture_output=True, text=True
        )
        assert told.returncode != 0
        assert "lock" in told.stdout + told.stderr
        assert first.poll() in (None, 0)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
