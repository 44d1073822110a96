"""Protects the measurements that no test runs: each still finds what it measures, and says how it is used."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PARTS = {"gpu_cases", "gpu_training", "regions"}  # which others import


SCRIPTS = [path for path in sorted(BENCHMARKS.glob("*.py")) if path.stem not in PARTS]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_measurement_tells_how_it_is_used(path: Path) -> None:
    if path.stem == "imagery" and not importlib.util.find_spec("odc"):
        pytest.skip("odc-stac, which it measures against, is not installed")
    done = subprocess.run([sys.executable, path, "--help"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout
