"""Protects the memory of what lies on a region's grid without dates: it does not grow with the region."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revisit.cube.labels.ready import ready
from revisit.job import Job

DEGREES = {"labels": 1 / 12_000, "dem": 1 / 3600}  # pixels of WorldCover and of Copernicus DEM
MEASURED = """
import sys
from importlib import import_module
from pathlib import Path
from revisit.job import Job

job = Job.read(sys.argv[1])
import_module(job.stage).run(job)
status = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's count of peak memory")
@pytest.mark.parametrize("stage", DEGREES)
def test_memory_does_not_grow_with_the_region(
    tmp_path: Path, download: Callable[..., Any], settings: Callable[..., Any], stage: str
) -> None:
    """Four times the region in at most 1.2 times the memory, in kilobytes."""
    running = []
    for metres in (20_400, 40_800):
        job = _job(tmp_path / str(metres), stage, download, settings(["red"], metres).bbox)
        job.write(tmp_path / f"{metres}.json")
        running.append(
            subprocess.Popen(
                [sys.executable, "-c", MEASURED, tmp_path / f"{metres}.json"],
                env={**os.environ, "MALLOC_ARENA_MAX": "1"},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    small, large = (int(process.communicate()[0]) for process in running)
    assert large < 1.2 * small, (small, large)


def _job(folder: Path, stage: str, download: Callable[..., Any], bbox: list[float]) -> Job:
    """The job of a stage, from a map in degrees as large as the region."""
    degree = DEGREES[stage]
    west, south, east, north = bbox
    height, width = (int((high - low) / degree) + 12 for low, high in ((south, north), (west, east)))
    random, place = np.random.default_rng(1), {"bbox": bbox, "resolution_m": 10}
    about = {"resolution": degree, "left": west - 6 * degree, "top": north + 6 * degree, "crs": "EPSG:4326"}
    scenes = download(stage)
    scenes.folder = folder
    if stage == "dem":
        metres = random.normal(300, 50, (height, width)).astype(np.float32)
        scenes.add("tile", "2021-04-22T00:00:00Z", {"elevation": metres}, unit="metres", **about)
        module = "revisit.cube.elevation"
    else:
        legend = ready("worldcover", "test")
        codes = random.choice(legend.codes, (height, width)).astype(np.uint8)
        scenes.add("tile", "2020-01-01T00:00:00Z", {"map": codes}, unit="class", **about)
        module = "revisit.cube.labels.labels"
        place |= {"source": "worldcover", "legend": legend.content()}
    outputs = {"cube": str(folder / f"{stage}.zarr"), "quicklook": str(folder / f"{stage}.png")}
    return Job(module, {"region": "here"}, {"manifests": str(scenes.manifest())}, outputs, place)
