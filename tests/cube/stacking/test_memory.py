"""Protects stacking's memory: it does not grow with the region."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


def random(seed: int, size: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1200, 5000, (size, size), dtype=np.uint16)


def classes(size: int) -> np.ndarray:
    return np.full((size, size), 4, np.uint8)


MEASURED = """
import json, sys
from contextlib import suppress
from pathlib import Path
with suppress(ImportError):  # where it is installed xarray imports it with the first slice
    import dask.array
from revisit.cube.stacking.stack import Settings, stack
from revisit.provenance import code_version

def kilobytes(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))

code_version()
settings = Settings(**json.loads(sys.argv[3]))
stack([sys.argv[1]], sys.argv[2], region="here", sensor="sentinel-2", settings=settings)
print(kilobytes("VmHWM"))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's count of peak memory")
def test_memory_does_not_grow_with_the_region(tmp_path, download, settings) -> None:
    """Four times the region in at most 1.2 times the memory, in kilobytes."""
    peaks = []
    for pixels, months in ((2040, 4), (4080, 2)):
        scenes = download("sentinel-2")
        scenes.folder = scenes.folder.with_name(str(pixels))
        bands = {name: random(number, pixels) for number, name in enumerate(["red", "nir"])}
        for month in range(1, months + 1):
            scenes.add(f"m{month}", f"2020-0{month}-01T10:00:00Z", bands | {"scl": classes(size=pixels)})
        arguments = [str(scenes.manifest()), str(tmp_path / f"{pixels}.zarr")]
        arguments.append(settings(["red", "nir"], pixels * 10).model_dump_json())
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, *arguments],
            env={**os.environ, "MALLOC_ARENA_MAX": "1"},  # else how threads meet decides
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout))
    assert peaks[1] < 1.2 * peaks[0], peaks
