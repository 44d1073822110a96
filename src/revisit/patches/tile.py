"""Cuts the scaled cubes of all regions into a patch store with labels and a geographic split.

Patches lie on the grid of the split's blocks, so none crosses from one part into another. Regions are
read block by block: memory does not grow with them.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from revisit import stage
from revisit.cube.contract import codecs
from revisit.cube.labels.worldcover import WORLDCOVER
from revisit.cube.split import PARTS, TRAIN, distance
from revisit.errors import RevisitError
from revisit.files import atomic
from revisit.patches.ground import Ground, Region, grounds, open_regions, scaling_of, years_seen
from revisit.patches.kinds.pairs import SENSORS, pairs
from revisit.patches.kinds.yearly import yearly
from revisit.patches.montage import montage
from revisit.patches.writer import Look, PatchWriter, Place
from revisit.provenance import code_version, config_hash

CLASS_FRACTION = 0.1  # share of a patch from which a class is its label, where the collection does not say


class Collection:
    """What is cut from the cubes of some regions: the config's entry, with what the cubes add to it."""

    def __init__(self, name: str, regions: Sequence[Region], settings: dict[str, Any]) -> None:
        self.name, self.regions = name, regions
        self.entry: dict[str, Any] = stage.setting(settings, "collection")
        self.split: dict[str, Any] = stage.setting(settings, "split")
        self.seed = int(stage.setting(settings, "seed"))
        self.kind, self.pixels = self.entry["kind"], int(self.entry["patch_pixels"])
        self.scaling = {sensor: scaling_of(cube) for sensor, cube in regions[0].cubes.items()}
        self.bands = {sensor: list(scaling["bands"]) for sensor, scaling in self.scaling.items()}
        self.years = years_seen(regions) if self.kind == "yearly" else {}
        self._check()

    def samples(self, ground: Ground) -> tuple[list[dict[str, Look]], str]:
        """Samples of a place, each a look by sensor; where there are none, why."""
        if self.kind == "pairs":
            return pairs(ground.looks, self.entry, [self.seed, int(ground.x), int(ground.y)])
        return yearly(ground.looks, self.years, self.scaling, self.entry["min_valid"])

    def _check(self) -> None:
        where = f"collection {self.name}"
        if self.split["block_pixels"] % self.pixels:
            raise RevisitError(
                f"{where}: patch_pixels is {self.pixels}, which does not divide block_pixels, "
                f"{self.split['block_pixels']}; a block must hold whole patches"
            )
        if self.kind == "pairs" and set(self.bands) != set(SENSORS):
            raise RevisitError(
                f"{where}: pairs need {' and '.join(SENSORS)}, but the cubes are of {list(self.bands)}"
            )
        if unknown := set(self.entry.get("classes", ())) - set(WORLDCOVER):
            raise RevisitError(
                f"{where}: classes {sorted(unknown)} are no codes of WorldCover, {list(WORLDCOVER)}"
            )
        year = self.entry.get("label_year")
        labels = [region.labels for region in self.regions if region.labels is not None]
        for what, years in [*self.years.items(), *(("land cover", cube.attrs["years"]) for cube in labels)]:
            if year is not None and year not in years:
                raise RevisitError(
                    f"{where}: label_year is {year}, but {what} has {years}; choose a year of all"
                )


def tile(
    name: str,
    cube_paths: Sequence[str | Path],
    label_paths: Sequence[str | Path],
    patches_path: str | Path,
    settings: dict[str, Any],
) -> None:
    """Write the patch store of the collection ``name``.

    ``settings`` has ``seed``, ``split`` and ``collection``, the collection's entry of the config. Raises
    RevisitError where the cubes do not belong together or lack what the collection asks for, and where
    a part of the split gets no sample.
    """
    split, seed = stage.setting(settings, "split"), int(stage.setting(settings, "seed"))
    regions = open_regions(cube_paths, label_paths, split, seed)
    collection = Collection(name, regions, settings)
    pixels, resolution = collection.pixels, regions[0].grid.resolution
    times = {sensor: len(collection.years.get(sensor, [0])) for sensor in collection.bands}
    places = sum((region.grid.height // pixels) * (region.grid.width // pixels) for region in regions)
    most = places * int(collection.entry.get("samples_per_place", 1))
    with atomic(patches_path) as aside, codecs():
        writer = PatchWriter(aside, collection.bands, times, pixels, most)
        covers: list[np.ndarray] = []
        for looks, ground, place in _all_samples(collection):
            writer.append(looks, ground.land_cover, place)
            covers.append(_cover(ground.land_cover))
        writer.check_parts(split)
        distances = _distances(writer.places, pixels * resolution)
        classes, labels = _labels(covers, writer.places, collection.entry) if label_paths else ([], None)
        writer.finish(
            {} if labels is None else {"multi_label": labels},
            {
                "stage": "patches",
                "kind": collection.kind,
                "collection": name,
                "regions": [region.name for region in regions],
                "classes": [WORLDCOVER[code].name for code in classes],
                "class_codes": classes,
                "bands": collection.bands,
                "scaling": collection.scaling,
                "patch_pixels": pixels,
                "resolution_m": resolution,
                "years": collection.years,
                "label_year": collection.entry.get("label_year"),
                "split": {**split, "seed": seed},
                "split_distance_m": distances,
                "source_cubes": [Path(path).as_posix() for path in cube_paths],
                "config_hash": config_hash(settings),
                "code_version": code_version(),
            },
        )
    spoken = ", ".join(f"{pair} {metres:g} m" for pair, metres in distances.items())
    stage.log.info("%d samples; between the parts: %s", len(writer.places), spoken)


def _all_samples(collection: Collection) -> Iterator[tuple[dict[str, Look], Ground, Place]]:
    """The samples of all regions, and a line in the log for each region."""
    position = 0
    for number, region in enumerate(collection.regions):
        kept, lost = Counter[str](), Counter[str]()
        for ground in grounds(region, collection.pixels, collection.split["block_pixels"]):
            samples, cause = collection.samples(ground)
            if not samples:
                lost[cause] += 1
                continue
            kept[PARTS[ground.part]] += 1
            for looks in samples:
                yield (
                    looks,
                    ground,
                    Place(ground.x, ground.y, region.grid.epsg, number, position, ground.part),
                )
            position += 1
        found = ", ".join(f"{kept[part]} {part}" for part in PARTS)
        without = "".join(f"; {count} without {cause}" for cause, count in lost.most_common(5))
        stage.log.info("%s: places: %s%s", region.name, found, without)


def _cover(land_cover: np.ndarray) -> np.ndarray:
    """Share of the patch that each class of WorldCover covers: (11,)."""
    counts = np.bincount(land_cover.ravel(), minlength=256)
    return counts[list(WORLDCOVER)] / land_cover.size


def _labels(
    covers: Sequence[np.ndarray], places: Sequence[Place], entry: Mapping[str, Any]
) -> tuple[list[int], np.ndarray]:
    """Codes of the classes that are labels, and which samples have them: uint8 (sample, class)."""
    codes = list(WORLDCOVER)
    shown = np.stack(covers) >= entry.get("min_class_fraction", CLASS_FRACTION)
    training = np.array([place.split == TRAIN for place in places])
    classes = entry.get("classes") or [
        code for code, column in zip(codes, shown[training].T, strict=True) if column.any()
    ]
    return classes, shown[:, [codes.index(code) for code in classes]].astype(np.uint8)


def _distances(places: Sequence[Place], side: float) -> dict[str, float]:
    """Least metres between the edges of patches of two parts, among patches of one reference system."""
    table = np.array([(place.x, place.y, place.epsg, place.split) for place in places])
    distances = {}
    for one, other in ((0, 2), (0, 1), (1, 2)):
        least = np.inf
        for epsg in np.unique(table[:, 2]):
            first, second = (
                table[(table[:, 2] == epsg) & (table[:, 3] == part), :2] for part in (one, other)
            )
            least = min(least, distance(first, second, side))
        if np.isfinite(least):
            distances[f"{PARTS[one]}-{PARTS[other]}"] = least
    return distances


def _run(arguments: argparse.Namespace) -> None:
    tile(arguments.collection, arguments.cubes, arguments.labels, arguments.out, arguments.settings)
    montage(arguments.out, arguments.quicklook)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = stage.parser(__doc__)
    arguments.add_argument("--collection", required=True, help="its name in the config")
    arguments.add_argument(
        "--cubes", type=Path, nargs="+", required=True, help="scaled.zarr of all regions, sensors"
    )
    arguments.add_argument("--labels", type=Path, nargs="*", default=[], help="labels.zarr of all regions")
    arguments.add_argument("--out", type=Path, required=True, help="patch store to make, .zarr")
    arguments.add_argument("--quicklook", type=Path, required=True, help="picture to make, .png")
    return stage.main(_run, arguments, argv)


if __name__ == "__main__":
    raise SystemExit(main())
