"""Protects long runs: killed without warning at any stage, the next run ends in the same table to the bit."""

import os
import signal
import time

import pytest

pytestmark = pytest.mark.slow

# What snakemake prints when a job of the stage starts.
STAGES = [
    "Simulate the archive",
    "Download sentinel-2",
    "Stack sentinel-1",
    "Co-register",
    "Tile the collection",
    "Pretrain stmim",
    "Classify with",
    "Map land cover",
]


def kill_at(checkout, message: str) -> None:
    """Run until a job of the stage has been under way for a moment, then kill every process at once."""
    run = checkout.start("results/tables/all.csv")
    while message not in checkout.log.read_text():
        assert run.poll() is None, f"ended before {message!r}: {checkout.log.read_text()[-4000:]}"
        time.sleep(0.1)
    time.sleep(1.5)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    checkout.snakemake("--unlock")


@pytest.mark.timeout(1200)
def test_killed_at_every_stage_the_table_is_the_same(study, checkout):
    for message in STAGES:
        kill_at(checkout, message)
    checkout.snakemake("results/tables/all.csv")
    assert checkout.table() == study.table()
