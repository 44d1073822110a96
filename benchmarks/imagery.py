"""From COGs behind a STAC API to the raw cube: against odc-stac, and against merely reading the pixels.

    pip install 'odc-stac[dask]' && python benchmarks/imagery.py FOLDER

Simulates Sentinel-2 archives of regions of 5 and 20 km in FOLDER (once), serves each over HTTP from a process
of its own, as providers are elsewhere, and times
    read     every window read in 8 threads and thrown away: what decoding alone takes
    revisit  download (clips kept, with checksums) and stack, to the raw cube in reflectance
    tuned    odc.stac.load in dask chunks of 2048 pixels, written to Zarr through zarrs
    usual    the same in chunks of 512 pixels, written by zarr-python
each `--repeats` times in turn; gives medians, and MB of decoded pixels a second. odc-stac has less to do: it
keeps no clips, checks nothing and neither masks nor turns numbers into reflectance.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dask
import pystac
import rasterio
from odc.geo.geobox import GeoBox
from odc.stac import load
from regions import Region

from revisit.cube.contract import codecs
from revisit.stac.clip import GDAL, Area, _open, _window
from revisit.stac.local import resolve

THREADS = os.cpu_count() or 1


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the archives are made and kept")
    parser.add_argument("--kilometres", type=int, nargs="+", default=[5, 20], help="sizes of the regions")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    for size in arguments.kilometres:
        compare(Bench(arguments.folder, size), arguments.repeats)


def compare(bench: "Bench", repeats: int) -> None:
    """Time all ways in turn and print their medians."""
    ways: dict[str, Callable[[], object]] = {
        "read": bench.read,
        "revisit": bench.revisit,
        "tuned": bench.tuned,
        "usual": bench.usual,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begin)
    middle = {name: statistics.median(each) for name, each in seconds.items()}
    size = bench.bytes / 1e6
    print(f"{bench.kilometres} km, {len(bench.items)} scenes, {size:.0f} MB of pixels")
    for name, each in middle.items():
        print(f"{name:9} {each:6.2f} s {size / each:6.0f} MB/s  {middle['read'] / each:5.0%} of read")
    parts = {name: statistics.median(each) for name, each in bench.parts.items()}
    print("of revisit:", ", ".join(f"{name} {each:.2f} s" for name, each in parts.items()))
    for name in ("tuned", "usual"):
        print(f"revisit is {middle[name] / middle['revisit']:.2f} times as fast as {name}")


class Bench(Region):
    """A region, and the ways from its archive to its cube."""

    def __init__(self, folder: Path, kilometres: int) -> None:
        super().__init__(folder, kilometres)
        self.bytes = 0
        self.parts: dict[str, list[float]] = {"download": [], "stack": []}

    def read(self) -> None:
        area = Area.around(self.stack.bbox, self.stack.epsg)

        def window(href: str) -> int:
            with rasterio.Env(**GDAL), _open(href) as file:
                return int(file.read(1, window=_window(file, area)).nbytes)

        with ThreadPoolExecutor(8) as pool:
            assets = [item["assets"][band] for item in self.items for band in self.bands]
            hrefs = [resolve(asset["href"], self.address) for asset in assets]
            self.bytes = sum(pool.map(window, hrefs))

    def revisit(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            manifests = self.fetch(Path(folder))
            middle = time.perf_counter()
            self.make_raw(manifests, Path(folder, "raw.zarr"), THREADS)
            self.parts["download"].append(middle - begin)
            self.parts["stack"].append(time.perf_counter() - middle)

    def tuned(self) -> None:
        with codecs():
            self._odc_stac(2048)

    def usual(self) -> None:
        self._odc_stac(512)

    def _odc_stac(self, pixels: int) -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            dask.config.set(scheduler="threads", num_workers=max(THREADS, 4)),
        ):
            items = [pystac.Item.from_dict(item) for item in self.items]
            for asset in (asset for item in items for asset in item.assets.values()):
                asset.href = resolve(asset.href, self.address)
            cube = load(
                items,
                bands=self.bands,
                geobox=GeoBox(self.grid.shape, self.grid.transform, self.grid.crs),
                chunks={"x": pixels, "y": pixels},
                groupby="solar_day",
                resampling={"scl": "nearest", "*": "bilinear"},
                dtype="uint16",
                nodata=0,
            )
            cube.to_zarr(Path(folder, "cube.zarr"), consolidated=False)


if __name__ == "__main__":
    main()
