"""From COGs behind a STAC API to the raw cube: against odc-stac, and against merely reading the pixels.

    pip install odc-stac && python benchmarks/imagery.py results --region plain

Takes the Sentinel-2 items that a run on the embedded archive found, serves them as that run did, and times
    read        every window read over HTTP in 8 threads and thrown away: what decoding alone takes
    revisit     download (clips kept, with checksums) and stack, to the raw cube
    odc-stac    odc.stac.load onto the same grid in large dask chunks, to a Zarr store of digital numbers
each `--repeats` times in turn, and gives medians as MB of decoded pixels a second. odc-stac has less to do:
it keeps no clips, checks nothing and neither masks nor turns numbers into reflectance.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pystac
import rasterio
from odc.geo.geobox import GeoBox
from odc.stac import load

from revisit.cube.grid import Grid, region_grid
from revisit.cube.stacking import stack
from revisit.errors import RevisitError
from revisit.files import read_json
from revisit.job import Job
from revisit.record import Record, read
from revisit.stac import adapter, download
from revisit.stac.clip import GDAL, Area, _open, _window
from revisit.stac.local import endpoint, resolve
from revisit.stac.providers import source

SENSOR = "sentinel-2"
Kind = TypeVar("Kind", bound=Record)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="the results folder of a run on the embedded archive")
    parser.add_argument("--region", default="plain")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    bench = Bench(arguments.results, arguments.region)
    ways: dict[str, Callable[[], object]] = {
        "read": bench.read,
        "revisit": bench.revisit,
        "odc-stac": bench.odc_stac,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(arguments.repeats):
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begin)
    middle = {name: statistics.median(each) for name, each in seconds.items()}
    size = bench.bytes / 1e6
    print(f"{len(bench.items)} scenes, {size:.0f} MB of pixels")
    for name, each in middle.items():
        print(f"{name:9} {each:6.2f} s {size / each:6.0f} MB/s  {middle['read'] / each:5.0%} of read")
    print(f"revisit / odc-stac: {middle['odc-stac'] / middle['revisit']:.2f}")


class Bench:
    """One region's items, where they are served from, and the grid they go to."""

    def __init__(self, results: Path, region: str) -> None:
        self.region, self.folder = region, results / "archive" / region
        fetched = _settings(results / "logs/download" / region / SENSOR, download.Settings)
        self.download = fetched.model_copy(update={"slots": None})
        self.stack = _settings(results / "logs/stack" / region, stack.Settings)
        self.items = read_json(results / "items" / region / f"{SENSOR}.json")["features"]
        self.origin = source(self.download.provider, SENSOR, self.download.providers)
        self.bands = adapter.wanted(SENSOR, self.stack.bands)
        self.grid: Grid = region_grid(self.stack, self.stack.resolution_m)
        self.bytes = 0

    def read(self) -> None:
        area = Area.around(self.stack.bbox, self.stack.epsg)

        def window(href: str) -> int:
            with rasterio.Env(**GDAL), _open(href) as file:
                return int(file.read(1, window=_window(file, area)).nbytes)

        with endpoint(self.origin, self.folder) as url, ThreadPoolExecutor(8) as pool:
            hrefs = [resolve(item["assets"][band]["href"], url) for item in self.items for band in self.bands]
            self.bytes = sum(pool.map(window, hrefs))

    def revisit(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            manifests = []
            for year in sorted({int(adapter.moment(item)[:4]) for item in self.items}):
                out = Path(folder, str(year), "manifest.json")
                download.download(self.items, self.region, SENSOR, year, out, self.download, self.folder)
                manifests.append(out)
            stack.stack(
                manifests,
                Path(folder, "raw.zarr"),
                region=self.region,
                sensor=SENSOR,
                settings=self.stack,
                threads=os.cpu_count() or 1,
            )

    def odc_stac(self) -> None:
        with tempfile.TemporaryDirectory() as folder, endpoint(self.origin, self.folder) as url:
            items = [pystac.Item.from_dict(item) for item in self.items]
            for item in items:
                for asset in item.assets.values():
                    asset.href = resolve(asset.href, url)
            cube = load(
                items,
                bands=self.bands,
                geobox=GeoBox(self.grid.shape, self.grid.transform, self.grid.crs),
                chunks={"x": 2048, "y": 2048},
                groupby="solar_day",
                resampling={"scl": "nearest", "*": "bilinear"},
                dtype="uint16",
                nodata=0,
            )
            cube.to_zarr(Path(folder, "cube.zarr"), consolidated=False)


def _settings(folder: Path, kind: type[Kind]) -> Kind:
    """The settings of the run's own job, whose file lies beside its log."""
    for path in sorted(folder.glob("*.json")):
        job = Job.read(path)
        if job.names.get("sensor") == SENSOR:
            return read(kind, job.settings, str(path))
    raise RevisitError(f"{folder}: no job of {SENSOR}; run the study first")


if __name__ == "__main__":
    main()
