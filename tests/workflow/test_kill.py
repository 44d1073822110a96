"""Protects long runs: killed without warning amid its jobs, the next run ends in the same scores to the bit.

In a copy of the small study from which one of its two regions is gone, with all that was made of both.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

# Targets that need the stage and none after it, and what snakemake prints when their jobs start.
STAGES = [
    {"scenes/east/sentinel-2/2020/manifest.json": "Download sentinel-2 scenes of east, 2020"},
    {"cubes/east/sentinel-2/aligned.zarr": "Co-register"},
    {"patches/yearly/west.zarr": "Tile west"},
    {  # both at once
        "encoders/yearly/stmim/s1/seed0/encoder.safetensors": "Pretrain stmim",
        "scores/land-cover/unet/s1/supervised/labels1/seed0.json": "Train unet",
    },
    {"scores/masking/scratch/s1+s2/fine-tune/labels1/seed0.json": "Train scratch"},
]
OF_REGIONS = ("archive", "items", "scenes", "cubes")


def forget_a_region(results: Path) -> None:
    """Remove what is of the region east, and of both."""
    for path in results.iterdir():
        if path.name not in OF_REGIONS:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name in (*(f"{part}/east" for part in OF_REGIONS), "cubes/limits"):
        shutil.rmtree(results / name)


def kill_at(checkout: Any, stage: dict[str, str]) -> None:
    """Run until jobs of the stage have been under way for a moment, then kill every process at once."""
    run = checkout.start(*(f"results/{target}" for target in stage))
    while not all(message in (said := checkout.log.read_text()) for message in stage.values()):
        assert run.poll() is None, f"ended before {stage}: {said[-4000:]}"
        time.sleep(0.1)
    time.sleep(1.5)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    checkout.snakemake("--unlock")


def made(results: Path) -> dict[str, Any]:
    """Weights, predictions, scores and arrays of patches; not what a run cost, nor when it was."""
    found: dict[str, Any] = {}
    for path in (path for part in ("patches", "encoders", "scores") for path in (results / part).rglob("*")):
        name = str(path.relative_to(results))
        if path.is_file() and path.suffix in ("", ".npz", ".safetensors"):
            found[name] = path.read_bytes()
        elif name.startswith("scores/") and path.suffix == ".json":
            found[name] = json.loads(path.read_text())["values"]
    return found


@pytest.mark.timeout(1200)
def test_killed_at_every_stage_the_scores_are_the_same(study, tmp_path):
    checkout = study.copy(tmp_path / "copy")
    results = checkout.folder / "results"
    forget_a_region(results)
    for stage in STAGES:
        kill_at(checkout, stage)
    checkout.snakemake(*(f"results/{target}" for stage in STAGES for target in stage))
    after, before = made(results), made(study.folder / "results")
    assert after == {name: before[name] for name in after}
    assert {
        f"patches/{kind}/{region}.zarr" for kind in ("pairs", "yearly") for region in ("east", "west")
    } <= {str(path.relative_to(results)) for path in results.glob("patches/*/*.zarr")}
    assert {
        name for name in after if name.startswith(("encoders", "scores")) and not name.endswith("npz")
    } == {
        "encoders/yearly/stmim/s1/seed0/encoder.safetensors",
        "encoders/pairs/scratch/s1+s2/seed0/encoder.safetensors",
        "scores/land-cover/unet/s1/supervised/labels1/seed0.json",
        "scores/masking/scratch/s1+s2/fine-tune/labels1/seed0.json",
    }


def test_two_workflows_in_one_folder_are_one_too_many(checkout):
    """The second is refused by Snakemake's lock, and the first goes on."""
    first = checkout.start()
    try:
        while "Simulate the archive" not in checkout.log.read_text():
            assert first.poll() is None, checkout.log.read_text()[-4000:]
            time.sleep(0.1)
        told = subprocess.run(
            checkout.command(), cwd=checkout.folder, env=checkout.environment, capture_output=True, text=True
        )
        assert told.returncode != 0
        assert "lock" in told.stdout + told.stderr
        assert first.poll() in (None, 0)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
