"""Protects the benchmark of reading, which writes a collection of its own as tiling does."""

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "reading.py"


def test_all_ways_read_the_same_patches(tmp_path: Path) -> None:
    """The script compares what each way read; here it must come to its figures."""
    command = [sys.executable, str(SCRIPT), "--gigabytes", "0.005", "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^(\w+) +[1-9]\d* patches/s", done.stdout, re.MULTILINE) == ["flat", "store", "zarr"]
    assert not list(tmp_path.iterdir())
