"""Cubes of noise in two regions, with clouds and labels, and a way to make collections of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from affine import Affine

from revisit.cube.contract import codecs
from revisit.cube.grid import Grid
from revisit.cube.labels.ready import ready
from revisit.cube.split import Split
from revisit.cube.write import create_array, create_cube, write_coordinates
from revisit.files import atomic
from revisit.patches import index, tile
from revisit.patches.store import PatchStore

UNITS = {"sentinel-1": "dB", "sentinel-2": "reflectance"}
LIMITS = {"sentinel-1": (-24.0, 0.0), "sentinel-2": (-0.1, 0.4)}
YEARS = {"sentinel-1": [2019, 2020], "sentinel-2": [2019, 2020]}
WORLDCOVER = ready("worldcover", "test")
ENTRIES = {
    "pairs": {"max_days_apart": 10, "samples_per_place": 2, "min_class_fraction": 0.1},
    "yearly": {"label_year": 2020},
    "series": {"dates": 4, "min_dates": 2},
}


class Cubes:
    """Cubes of two regions in a folder, what is in them, and what is made of them."""

    size, patch = 128, 16
    split = Split(block_pixels=16, gap_pixels=8, train=0.5, val=0.25, test=0.25)
    places = 56  # of each region: the gaps between three strips cost one row of eight patches
    bands = {"sentinel-1": ["vv", "vh"], "sentinel-2": ["blue", "green", "red"]}
    times = {
        "sentinel-1": ["2019-01-04", "2019-07-10", "2020-01-22", "2020-07-03", "2020-08-20"],
        "sentinel-2": ["2019-01-10", "2019-07-01", "2020-07-01", "2020-07-09", "2020-11-30"],
    }
    left = {"here": 600_000, "there": 610_000}

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.content: dict[tuple[str, str], Any] = {}
        for region in self.left:
            for sensor in self.bands:
                path = self.scaled(region, sensor)
                self.content[region, sensor] = self.write_scaled(path, region, sensor)
            self.content[region, "labels"] = self.write_labels(self.labels(region), region)

    def scaled(self, region: str, sensor: str) -> Path:
        return self.folder / f"{region}-{sensor}.zarr"

    def labels(self, region: str) -> Path:
        return self.folder / f"{region}-labels.zarr"

    def grid(self, region: str) -> Grid:
        return Grid(32631, Affine(10, 0, self.left[region], 0, -10, 5_400_000), self.size, self.size)

    def entry(self, kind: str, /, **changes: Any) -> dict[str, Any]:
        """A collection's entry of the config."""
        return {"kind": kind, "patch_pixels": self.patch, "min_valid": 0.9, **ENTRIES[kind], **changes}

    def settings(self, entry: dict[str, Any], **split: Any) -> tile.Settings:
        changed = self.split.model_copy(update=split)
        return tile.Settings(seed=4, split=changed, collection=entry, years=YEARS, legend=WORLDCOVER)

    def tile(self, out: Path, region: str, entry: dict[str, Any], **given: Any) -> Path:
        """Tile one region of the collection ``some`` into the folder ``out``; its store."""
        store = out / f"{region}.zarr"
        cubes = given.get("cubes", [self.scaled(region, sensor) for sensor in self.bands])
        labels = given.get("labels", [self.labels(region)])
        settings = self.settings(entry, **given.get("split", {}))
        elevation, threads = given.get("elevation", ()), given.get("threads", 1)
        tile.tile("some", region, cubes, labels, store, settings, elevation, threads)
        return store

    def index(
        self, out: Path, stores: list[Path], entry: dict[str, Any], name: str = "some", **split: Any
    ) -> PatchStore:
        """Index the stores of a collection in the folder ``out``."""
        changed = self.split.model_copy(update=split)
        settings = index.Settings(seed=4, split=changed, collection=entry, study="test")
        index.index(name, stores, out / "index.json", settings)
        return PatchStore(out)

    def collect(self, out: Path, entry: dict[str, Any], **given: Any) -> PatchStore:
        """Tile both regions, the later first, and index them."""
        stores = [self.tile(out, region, entry, **given) for region in self.left]
        return self.index(out, stores, entry, **given.get("split", {}))

    def write_scaled(
        self, path: Path, region: str, sensor: str, **other: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """A scaled cube of noise, in which clouds cover a third of one date and a whole place of all 2019.

        ``upper``, ``stage``, ``times``: another limit, stage or dates than usual; ``clouded``: rows
        that no date shows; ``dtype``: float32 for values that are the usual ones once they are rounded.
        """
        times = other.get("times", self.times[sensor])
        random = np.random.default_rng([len(region), len(sensor), ord(sensor[-1])])
        shape = (len(times), len(self.bands[sensor]), self.size, self.size)
        values = random.integers(0, 256, shape, dtype=np.uint8)
        if (dtype := other.get("dtype", "uint8")) == "float32":
            values = (values + random.uniform(-0.49, 0.49, shape)).clip(0, 255).astype(np.float32)
        valid = np.ones((shape[0], self.size, self.size), bool)
        if sensor == "sentinel-2":
            valid[2, :45] = False
            valid[:2, 80:96, 80:96] = False
            valid[:, 3, 5] = False
            valid[:, other.get("clouded", slice(0))] = False
        lower, high = LIMITS[sensor]
        upper = other.get("upper", high)
        columns = {"lower": lower, "upper": upper, "mean": 0.1, "std": 0.2, "valid_pixels": 9}
        with create_cube(
            path, self.grid(region), dates=shape[0], bands=self.bands[sensor], sensor=sensor, region=region,
            stage=other.get("stage", "scaled"), unit="scaled", settings={}, dtype=dtype,
            attributes={"clip_sigma": 3.0, "source_unit": UNITS[sensor]},
            band_coordinates={name: [value] * shape[1] for name, value in columns.items()},
        ) as writer:  # fmt: skip
            for date, time in enumerate(times):
                writer.write((slice(0, self.size), slice(0, self.size)), values[date], valid[date])
                writer.keep(np.datetime64(time))
        return values, valid

    def write_labels(self, path: Path, region: str) -> np.ndarray:
        """Columns of trees, crops and water, a little moss, and none."""
        grid = self.grid(region)
        codes = np.repeat(np.array([10, 40, 80, 0], np.uint8), 32)[None].repeat(self.size, axis=0)
        codes[40:42, 40:42] = 100
        with atomic(path) as aside, codecs():
            zarr.create_group(aside, zarr_format=3)
            flags = WORLDCOVER.flags()
            create_array(aside, "land_cover", grid.shape, ("y", "x"), "uint8", 0, flags)[:] = codes
            attributes = {"stage": "labels", "sensor": "worldcover", "region": region, "unit": "class"}
            attributes["code_version"] = "test"
            write_coordinates(aside, grid, {}, attributes | {"map_years": ["2020"]})
        return codes


@pytest.fixture(scope="session")
def cubes(tmp_path_factory: pytest.TempPathFactory) -> Cubes:
    """Cubes and labels of two regions."""
    return Cubes(tmp_path_factory.mktemp("cubes"))


@pytest.fixture(scope="session")
def pair_store(cubes: Cubes, tmp_path_factory: pytest.TempPathFactory) -> PatchStore:
    """A collection of pairs of both regions."""
    return cubes.collect(tmp_path_factory.mktemp("pairs"), cubes.entry("pairs"))
