"""Benchmark sets written in their true layouts, made into collections as the workflow does."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from revisit.evaluation import score_floor
from revisit.evaluation.floors import pixel_statistics
from revisit.files import read_json
from revisit.job import Job
from revisit.patches import import_set, index_set, survey
from revisit.patches.store import PatchStore

SIGMA = 3.0


class Sets:
    """What the tests of all importers share."""

    @staticmethod
    def write(
        path: Path,
        numbers: np.ndarray,
        corner: tuple[float, float] | None = None,
        epsg: int = 32632,
        pixel: float = 10,
    ) -> None:
        """A GeoTIFF of (band, y, x); without a reference system where it has no upper left corner."""
        path.parent.mkdir(parents=True, exist_ok=True)
        count, height, width = numbers.shape
        place: dict[str, Any] = {}
        if corner is not None:
            place = {"crs": epsg, "transform": Affine(pixel, 0, corner[0], 0, -pixel, corner[1])}
        about = {"width": width, "height": height, "count": count, "dtype": numbers.dtype}
        with rasterio.open(path, "w", driver="GTiff", **about, **place) as file:
            file.write(numbers)

    @staticmethod
    def survey(
        out: Path, processes: int = 2, cube_limits: Sequence[Path] = (), **entry: Any
    ) -> dict[str, str]:
        """List and measure the set of an entry of ``imports``, called ``some``."""
        made = {"samples": str(out / "samples.csv"), "limits": str(out / "limits.json")}
        settings = {"entry": entry, "clip_sigma": SIGMA}
        given = {"cube_limits": [str(path) for path in cube_limits]}
        survey.run(Job("", {"collection": "some"}, given, made, settings, processes))
        return made

    def collect(
        self, out: Path, processes: int = 2, cube_limits: Sequence[Path] = (), **entry: Any
    ) -> PatchStore:
        """The collection ``some`` in the folder ``out``, made by the three stages."""
        made, stores = self.survey(out, processes, cube_limits, **entry), entry.get("stores", 1)
        paths = [str(out / f"{number}-of-{stores}.zarr") for number in range(1, stores + 1)]
        for number, path in enumerate(paths, start=1):
            names, settings = {"collection": "some", "region": Path(path).stem}, {"number": number}
            import_set.run(Job("", names, made, {"patches": path}, settings | {"entry": entry}, processes))
        about = index_set.Settings(entry=entry, study="test")
        index_set.index_set("some", [Path(path) for path in paths], out / "index.json", about)
        return PatchStore(out)

    @staticmethod
    def scored(store: PatchStore, task: str, floor: str, modality: str) -> dict[str, float]:
        """What a floor that sees the images scores of all classes: from the collection to its score file."""
        out = store.path / f"{task}-{floor}"
        names = {"experiment": "some", "method": floor, "modality": modality, "protocol": "floor"}
        settings = {"task": task, "experiment": {}, "protocol": floor, "pretrained": False}
        repeat = {"label_fraction": 1.0, "label_count": None, "seed": 0, "pretraining_seed": None}
        given = {"patches": str(store.path / "index.json")}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pixel_statistics, "PIXELS", 500)
            score_floor.run(Job("", names, given, {"scores": str(out)}, settings | {"repeats": [repeat]}))
        content = read_json(out / "labels1/seed0.json")
        assert content["columns"]["dataset"] == "some"
        assert content["samples"]["test"] == len(store.indices("test", labelled=True)) > 0
        found = {one["metric"]: one["value"] for one in content["values"] if one["class"] == "all"}
        assert found and all(0 <= value <= 1 for value in found.values())
        return found

    @staticmethod
    def write_bands(folder: Path, numbers: Mapping[str, np.ndarray], corner: tuple[float, float]) -> None:
        """The patch of BigEarthNet of this folder: a file for each band, on its own grid of 1,200 m."""
        for band, content in numbers.items():
            path = folder / f"{folder.name}_{band}.tif"
            Sets.write(path, content[None], corner, 32633, 1200 / len(content))

    @staticmethod
    def read_bands(folder: Path, bands: Iterable[str]) -> np.ndarray:
        """Those bands of a patch of BigEarthNet at 10 m: between centres bilinear, the edge going on.

        Not a number where a saturated one is mixed in.
        """
        found = []
        for band in bands:
            with rasterio.open(folder / f"{folder.name}_{band}.tif") as file:
                coarse = file.read(1).astype(float)
            coarse[coarse == 65535] = np.nan
            fine, own = np.arange(120) + 0.5, (np.arange(len(coarse)) + 0.5) * 120 / len(coarse)
            rows = np.stack([np.interp(fine, own, line) for line in coarse])
            found.append(np.stack([np.interp(fine, own, line) for line in rows.T]).T)
        return np.stack(found)

    @staticmethod
    def check(store: PatchStore, sensor: str, values: np.ndarray, valid: np.ndarray, unit: str) -> None:
        """Limits and images of a sensor are those of these values, in order of the store's samples.

        ``values`` (sample, [time,] band, y, x) in the unit, ``valid`` (sample, [time,] y, x). By definition:
        the mean ∓ 3 standard deviations of all valid training pixels are 0 and 255; what is not valid is 128.
        """
        training = store.indices("train")
        pixels = np.moveaxis(values, -3, 0)[:, training][:, valid[training]].astype(float)
        means, deviations = pixels.mean(axis=1), pixels.std(axis=1)
        about = store.scaling[sensor]
        assert (about["source_unit"], about["clip_sigma"]) == (unit, SIGMA)
        limits = [about["bands"][band] for band in store.bands[sensor]]
        np.testing.assert_allclose([band["mean"] for band in limits], means, rtol=1e-5)
        np.testing.assert_allclose([band["std"] for band in limits], deviations, rtol=1e-5)
        assert {band["valid_pixels"] for band in limits} == {pixels.shape[1]}
        spread = (2 * SIGMA * deviations)[:, None, None]
        steps = np.rint(((values - means[:, None, None]) / spread + 0.5).clip(0, 1) * 255)
        steps = np.where(np.expand_dims(valid, -3), steps, 128)
        apart = np.abs(store.images(np.arange(store.samples), store.bands[sensor]) - steps)
        # Halves round either way in single and double precision.
        assert apart.max() <= 1
        assert (apart > 0).mean() < 1e-3


@pytest.fixture(scope="session")
def sets() -> Sets:
    """What the tests of all importers share."""
    return Sets()
