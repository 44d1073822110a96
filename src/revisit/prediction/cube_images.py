"""The image of a region from its cubes, made as the samples were that the model learnt from.

Annual composites where these were composites, else single dates. Cubes in physical units are scaled between
the model's own limits; scaled ones must have been scaled between the same. Values are rounded to 8 bit for a
model that learnt from such; one that learnt from others takes no cube that was rounded.
"""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from revisit.cube.bands import ELEVATION
from revisit.cube.beside import cube_link
from revisit.cube.contract import grid_of, open_cube, values_of
from revisit.cube.grid import Block, inside, widened
from revisit.cube.scaling.scaled_values import dtype_of_all, rounded, to_scaled
from revisit.errors import RevisitError
from revisit.nets.rescale import check_scaling
from revisit.patches.batch import MISSING
from revisit.patches.ground import Elevation, sensed
from revisit.patches.kind import Look, years_of
from revisit.patches.kinds.yearly import GAP_REACH, annual
from revisit.patches.spread import DAY
from revisit.prediction.images import Images, Place, by_sensor, check_resolution, limits

PIECE = 256  # pixels a side that are read at a time: a chunk of a cube
STRIP_VALUES = 4_000_000  # of all dates and bands that one composite is made of at a time
STAGES = ("scaled", "aligned")  # raw dates lie beside each other only as well as they came


class CubeImages(Images):
    """The image of a region in a year (``when`` 2020), or near a day (``when`` 2020-07-01).

    ``cubes``: by sensor, with that of elevation as ``dem``. ``when`` None: the year of the labels that the
    model learnt, or the clearest date. Raises RevisitError where the cubes are not what the model takes.
    """

    def __init__(self, card: Mapping[str, Any], cubes: Mapping[str, Path], when: str | None = None) -> None:
        self.card, self.bands, self.dtype = card, by_sensor(card), dtype_of_all(card["scaling"])
        if missing := [sensor for sensor in self.bands if sensor not in cubes]:
            raise RevisitError(
                f"{next(iter(cubes.values()))}: no cube of {' or '.join(missing)}, which the model takes; "
                "give the folder of a region, which holds the cubes of all sensors"
            )
        self.cubes: dict[str, xr.Dataset] = {}
        for sensor in self.bands:
            self.cubes[sensor] = self._open(sensor, cubes[sensor])
        grids = {grid_of(cube) for cube in self.cubes.values()}
        if len(grids) > 1:
            names = " and ".join(str(cubes[sensor]) for sensor in self.bands)
            raise RevisitError(f"{names}: lie on different grids; make all with one bbox")
        (grid,) = grids
        check_resolution(cubes[next(iter(self.bands))], grid.resolution, card)
        self.place = Place(grid.crs, grid.transform, grid.width, grid.height)
        self.region = next(iter(self.cubes.values())).attrs["region"]
        self.sources = [cube_link(cubes[sensor]) for sensor in self.bands]
        self.year, self.dates = self._choose(when)
        self.period = self._period()

    def _open(self, sensor: str, path: Path) -> xr.Dataset:
        """The cube of a sensor; raises RevisitError where the model cannot take it."""
        if sensor == ELEVATION:
            return open_cube(path, stage="dem")
        cube, own = open_cube(path, sensor=sensor), self.card["scaling"][sensor]
        if missing := [band for band in self.bands[sensor] if band not in cube["band"].values]:
            has = ", ".join(cube["band"].values.tolist())
            raise RevisitError(f"{path}: has no band {missing[0]!r}, which the model takes; it has {has}")
        if cube.attrs["stage"] == "scaled":
            try:
                check_scaling(path, {sensor: own}, {sensor: sensed(cube).scaling}, self.bands[sensor])
            except RevisitError:
                raise RevisitError(
                    f"{path}: scaled between other limits than the model's images; give the aligned cube "
                    "beside it, or the folder of the region: physical values are scaled as the model's were"
                ) from None
            if _was_rounded(cube, self.card):
                raise RevisitError(
                    f"{path}: rounded to 8 bit, which the model's images were not; give the aligned cube "
                    "beside it, or the folder of the region"
                )
        elif cube.attrs["unit"] != own["source_unit"]:
            unit = cube.attrs["unit"]
            raise RevisitError(
                f"{path}: in {unit}, the model learnt from {own['source_unit']}; give such a cube"
            )
        elif cube.attrs["stage"] == "raw":
            self.doubt = f"{path} is not co-registered, as the model's images were; give the aligned cube"
        return cube

    def _choose(self, when: str | None) -> tuple[int | None, dict[str, NDArray[Any]]]:
        """The year of a composite, if it is one, and numbers of the dates of each sensor."""
        times = {name: cube["time"].values for name, cube in self.cubes.items() if name != ELEVATION}
        if (year := self.card["composite_year"]) is not None:
            year = _year(when) if when else year
            dates = {sensor: np.flatnonzero(years_of(own) == year) for sensor, own in times.items()}
            for sensor, chosen in dates.items():
                if not len(chosen):
                    there = ", ".join(map(str, np.unique(years_of(times[sensor]))))
                    self.lacking = f"{sensor} has no date of {year}, only of {there}"
            return year, dates
        moment = self._moment(times, when)
        nearest = {sensor: int(np.argmin(np.abs(own - moment))) for sensor, own in times.items()}
        return None, {sensor: np.array([number]) for sensor, number in nearest.items()}

    def _moment(self, times: Mapping[str, NDArray[Any]], when: str | None) -> np.datetime64:
        """To what each sensor's nearest date is taken: the day asked for, else that of the clearest date.

        For a model of pairs, of the dates that have one of the other sensor near enough the best in this way.
        """
        leading = max(times)  # Sentinel-2, where there is one: clouds leave it less choice
        own, most = times[leading], self.card.get("max_days_apart")  # older cards do not say it
        day = None if when is None else _day(when)
        if day is not None and most is None:
            return day
        worse = -self.cubes[leading]["valid_fraction"].values if day is None else np.abs(own - day)
        apart: NDArray[Any] = np.zeros(len(own))
        for other in times.values():
            apart = np.maximum(apart, np.abs(own[:, None] - other).min(axis=1) / DAY)
        least, most = float(apart.min()), np.inf if most is None else most
        if least > most:
            self.lacking = (
                f"{' and '.join(times)} have no dates within {most:g} days of each other, as the model's "
                f"samples were, the nearest are {least:.3g} days apart"
            )
        near = apart <= max(least, most)
        moment: np.datetime64 = own[near][np.argmin(worse[near])]
        return moment

    def _period(self) -> tuple[str, str]:
        if self.year is not None:
            return f"{self.year}-01-01T00:00:00Z", f"{self.year}-12-31T23:59:59Z"
        taken = [self.cubes[sensor]["time"].values[dates] for sensor, dates in self.dates.items()]
        moments = np.concatenate(taken).astype("datetime64[s]")
        return f"{moments.min()}Z", f"{moments.max()}Z"

    def read(self, block: Block) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        rows, columns = block
        shape = rows.stop - rows.start, columns.stop - columns.start
        image, valid = (
            np.empty((len(self.card["bands"]), *shape), self.dtype),
            np.full(shape, not self.lacking),
        )
        for piece in _pieces(block):
            here = inside(piece, block)
            first = 0
            for sensor, bands in self.bands.items():
                values, seen = self._seen(sensor, piece)
                image[first : first + len(bands), *here] = np.where(seen, values, values.dtype.type(MISSING))
                valid[here] &= seen
                first += len(bands)
        return image, valid

    def _seen(self, sensor: str, block: Block) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """What a sensor saw of a block: (band, y, x), and where (y, x)."""
        if sensor == ELEVATION:
            look = Elevation(self.cubes[sensor], self.card["scaling"][sensor]).look(block)
            return look.values[0], look.valid[0]
        if self.year is None:
            look = self._look(sensor, block)
            return look.values[0], look.valid[0]
        # Gaps are filled from pixels around them, so blocks are read with some more on each side.
        wide = widened(block, GAP_REACH, self.place.shape)
        here = inside(block, wide)
        values, valid = self._composite(sensor, self._look(sensor, wide))
        return values[:, *here], valid[here]

    def _composite(self, sensor: str, look: Look) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The composite of the year, strip by strip: it takes four bytes of each date, and sorts them."""
        assert self.year is not None
        scaling = self.card["scaling"][sensor]
        scaling = {**scaling, "bands": {band: scaling["bands"][band] for band in self.bands[sensor]}}
        dates, bands, height, width = look.values.shape
        step = max(16, STRIP_VALUES // max(1, dates * bands * width))
        values, valid = np.empty((bands, height, width), self.dtype), np.empty((height, width), bool)
        for top in range(0, height, step):
            until, above = min(top + step, height), max(0, top - GAP_REACH)
            below = min(until + GAP_REACH, height)
            part = Look(look.values[:, :, above:below], look.valid[:, above:below], look.times)
            made = annual(part, [self.year], scaling)
            strip = slice(top - above, until - above)
            values[:, top:until], valid[top:until] = made.values[0][:, strip], made.valid[0][strip]
        return values, valid

    def _look(self, sensor: str, block: Block) -> Look:
        """The chosen dates of a sensor, scaled; one by one, as a cube is stored."""
        rows, columns = block
        cube, names = self.cubes[sensor], self.bands[sensor]
        index = [cube["band"].values.tolist().index(band) for band in names]
        lower, upper = limits(self.card, names)
        dates = self.dates[sensor]
        shape = rows.stop - rows.start, columns.stop - columns.start
        values, valid = (
            np.empty((len(dates), len(names), *shape), self.dtype),
            np.empty((len(dates), *shape), bool),
        )
        for number, date in enumerate(dates):
            stored = values_of(cube)[date, :, rows, columns].values[index]
            if cube.attrs["stage"] == "scaled":
                values[number] = rounded(stored, self.dtype)
            else:
                values[number] = to_scaled(stored, lower, upper, self.dtype)
            valid[number] = cube["valid"][date, rows, columns].values.astype(bool)
        return Look(values, valid, cube["time"].values[dates])


def region_cubes(folder: Path, card: Mapping[str, Any]) -> dict[str, Path]:
    """The cubes in the folder of a region that a model takes: scaled ones where they are as its images were.

    Raises RevisitError where a sensor has no cube.
    """
    found = {}
    for sensor in by_sensor(card):
        if sensor == ELEVATION:
            paths = [folder / "dem.zarr"]
        else:
            paths = [folder / sensor / f"{stage}.zarr" for stage in STAGES]
        fitting = [
            path
            for path in paths
            if path.is_dir() and (path.stem != "scaled" or _same_scaling(path, sensor, card))
        ]
        if not fitting:
            wanted = "cube"
            if (folder / sensor).is_dir():
                wanted = "aligned cube, nor one scaled as the model's images,"
            raise RevisitError(f"{folder}: has no {wanted} of {sensor}, which the model takes; make it first")
        found[sensor] = fitting[0]
    return found


def _same_scaling(path: Path, sensor: str, card: Mapping[str, Any]) -> bool:
    try:
        cube = open_cube(path, sensor=sensor)
        given = {sensor: sensed(cube).scaling}
        check_scaling(path, {sensor: card["scaling"][sensor]}, given, by_sensor(card)[sensor])
    except RevisitError:
        return False
    return not _was_rounded(cube, card)


def _was_rounded(cube: xr.Dataset, card: Mapping[str, Any]) -> bool:
    """Whether a scaled cube lacks what a model's images had: what rounding to 8 bit takes away."""
    return values_of(cube).dtype.kind == "u" and dtype_of_all(card["scaling"]).kind == "f"


def _pieces(block: Block) -> list[Block]:
    """A block cut along the chunks of cubes."""
    cuts = []
    for part in block:
        edges = [part.start, *range(part.start // PIECE * PIECE + PIECE, part.stop, PIECE), part.stop]
        cuts.append([slice(*pair) for pair in pairwise(edges)])
    return [(rows, columns) for rows in cuts[0] for columns in cuts[1]]


def _year(when: str) -> int:
    if len(when) == 4 and when.isdigit():
        return int(when)
    raise RevisitError(f"--when {when}: the model maps composites of a year; give one, such as 2020")


def _day(when: str) -> np.datetime64:
    try:
        return np.datetime64(when if len(when) > 4 else f"{when}-07-01", "ns")
    except ValueError:
        raise RevisitError(f"--when {when}: no date; give one such as 2020-07-01") from None
