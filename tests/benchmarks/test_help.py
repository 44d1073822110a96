"""Protects the measurements that no test runs: each still finds what it measures, and says how it is used."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PARTS = {"gpu_cases", "gpu_training", "regions"}  # which others import
SCRIPTS = [path for path in sorted(BENCHMARKS.glob("*.py")) if path.stem not in PARTS]
# All in one process, which loads torch once.
ASKS = """
import contextlib, io, json, runpy, sys
sys.path.insert(0, sys.argv[1])
told = {}
for name in sys.argv[2:]:
    sys.argv, out = [name, "--help"], io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            runpy.run_path(f"{sys.path[0]}/{name}.py", run_name="__main__")
    except SystemExit as end:
        told[name] = out.getvalue() if not end.code else f"ended with {end.code}"
    except Exception as error:
        told[name] = repr(error)
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told() -> dict[str, str]:
    """What each script says when it is asked for help."""
    command = [sys.executable, "-c", ASKS, str(BENCHMARKS), *(path.stem for path in SCRIPTS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    answers: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return answers


@pytest.mark.parametrize("name", [path.stem for path in SCRIPTS])
def test_a_measurement_tells_how_it_is_used(name: str, told: dict[str, str]) -> None:
    if name == "imagery" and not importlib.util.find_spec("odc"):
        pytest.skip("odc-stac, which it measures against, is not installed")
    assert "usage:" in told[name], told[name]
