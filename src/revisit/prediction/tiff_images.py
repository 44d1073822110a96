"""An image of one's own, a file that GDAL reads, checked before a model takes it for what it knows.

Numbers alone do not say what they are of: names of bands and their units stand in the file (descriptions and
unit types of its bands), or are given; and values far from all that the model learnt from are refused.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.errors
from numpy.typing import NDArray
from rasterio.windows import Window

from revisit.cube.grid import Block
from revisit.cube.scaling.scaled_values import ROUNDED, dtype_of_all, to_scaled
from revisit.errors import RevisitError
from revisit.patches.batch import MISSING
from revisit.patches.modality import sensor_of
from revisit.prediction.images import Images, Place, check_resolution, limits

SCALED = "scaled"  # the unit of values that are scaled to 8 bit as the model's were
LOOKED_AT = 256  # pixels a side of the reduced image that is held against the limits
FEW = 0.5  # of the values must lie near the limits
DATE_TAG, DATE_FORMAT = "TIFFTAG_DATETIME", "%Y:%m:%d %H:%M:%S"


class TiffImages(Images):
    """The image of a file.

    ``names`` of its bands in order, their ``units`` (one for all, or one each), ``factor`` and ``offset``,
    which make the unit of the values (value * factor + offset): those of the file where not given. ``when``:
    the year or day it is of. Raises RevisitError where the file is not what the model takes.
    """

    def __init__(
        self,
        card: Mapping[str, Any],
        path: Path,
        names: Sequence[str] | None = None,
        units: Sequence[str] | None = None,
        factor: float | None = None,
        offset: float | None = None,
        when: str | None = None,
    ) -> None:
        self.path, self.card, self.dtype = path, card, dtype_of_all(card["scaling"])
        try:
            self.file = rasterio.open(path)
        except rasterio.errors.RasterioIOError as error:
            raise RevisitError(f"{path}: no image that GDAL reads ({error})") from None
        self.place = self._placed()
        self.numbers = self._find(names)
        self.scaled = self._check_units(units)
        ours = [number - 1 for number in self.numbers]
        scales, offsets = np.array(self.file.scales)[ours], np.array(self.file.offsets)[ours]
        self.factor = scales if factor is None else np.full(len(ours), factor)
        self.offset = offsets if offset is None else np.full(len(ours), offset)
        self.limits = limits(card, card["bands"])
        self._check_values()
        self.period = _period(when) or self._dated()

    def read(self, block: Block) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        window = Window.from_slices(*block)
        values, seen = self._values(window=window)
        if not self.scaled:
            values = to_scaled(values, *self.limits, self.dtype)
        image = np.where(seen, values, self.dtype.type(MISSING))
        return image, seen.all(0)

    def _values(self, **how: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Values (band, y, x), in their unit or as they are where scaled, and which are there."""
        stored = self.file.read(self.numbers, **how)
        seen = (self.file.read_masks(self.numbers, **how) > 0) & np.isfinite(stored)
        if self.scaled:
            return stored, seen
        by_band = (slice(None), None, None)
        return stored.astype(np.float32) * self.factor[by_band] + self.offset[by_band], seen

    def _placed(self) -> Place:
        file, crs = self.file, self.file.crs
        if (
            crs is None
            or not crs.is_projected
            or not math.isclose(crs.linear_units_factor[1], 1, rel_tol=1e-3)
        ):
            found, metres = crs.to_string() if crs else "no reference system", self.card["resolution_m"]
            raise RevisitError(
                f"{self.path}: not in metres ({found}); warp it to UTM, such as "
                f"gdalwarp -t_srs EPSG:32631 -tr {metres} {metres}"
            )
        transform = file.transform
        if transform.b or transform.d or not math.isclose(transform.a, -transform.e, rel_tol=1e-3):
            raise RevisitError(
                f"{self.path}: not north up with square pixels ({tuple(transform)[:6]}); warp it"
            )
        check_resolution(self.path, transform.a, self.card)
        code = crs.to_epsg()
        return Place(f"EPSG:{code}" if code else crs.to_wkt(), transform, file.width, file.height)

    def _find(self, names: Sequence[str] | None) -> list[int]:
        """The numbers of the model's bands in the file."""
        there = list(names or self.file.descriptions)
        wanted, count = ",".join(self.card["bands"]), self.file.count
        if names is not None and len(names) != count:
            raise RevisitError(
                f"{self.path}: has {count} bands, --bands names {len(names)}; name each, in order"
            )
        if None in there:
            raise RevisitError(
                f"{self.path}: its bands have no names; name all {count} in order by --bands; it takes "
                f"{wanted}"
            )
        if missing := [band for band in self.card["bands"] if band not in there]:
            raise RevisitError(
                f"{self.path}: has no band {', '.join(missing)}, only {', '.join(there)}; the model takes "
                f"{wanted}: name bands by --bands"
            )
        return [there.index(band) + 1 for band in self.card["bands"]]

    def _check_units(self, units: Sequence[str] | None) -> bool:
        """Whether the values are scaled already; raises RevisitError where their unit is not the model's."""
        count = self.file.count
        if units is not None and len(units) not in (1, count):
            raise RevisitError(
                f"{self.path}: has {count} bands, --units names {len(units)}; give one, or one each"
            )
        known = list(units or self.file.units)
        known = known * count if len(known) == 1 else known
        found = []
        for band, number in zip(self.card["bands"], self.numbers, strict=True):
            own, unit = self.card["scaling"][sensor_of(band)]["source_unit"], known[number - 1]
            if unit not in (own, SCALED):
                said = f"in {unit}" if unit else "of no unit that the file tells"
                raise RevisitError(
                    f"{self.path}: band {band!r} is {said}, the model takes {own}; say --units {own} (and "
                    f"--factor of digital numbers), or {SCALED} if it is scaled between the model's limits"
                )
            found.append(unit)
        if len({unit == SCALED for unit in found}) > 1:
            raise RevisitError(f"{self.path}: some bands are scaled and others are not; give all alike")
        scaled = bool(found[0] == SCALED)
        types = {self.file.dtypes[number - 1] for number in self.numbers}
        if scaled and self.dtype != ROUNDED:
            raise RevisitError(
                f"{self.path}: scaled values are rounded to 8 bit, which the model's images were not; give "
                "physical ones"
            )
        if scaled and types != {"uint8"}:
            raise RevisitError(f"{self.path}: scaled values are uint8, these are {', '.join(sorted(types))}")
        return scaled

    def _check_values(self) -> None:
        """Raise RevisitError where the values lie elsewhere than all that the model learnt from."""
        if self.scaled:
            return
        side = min(1.0, LOOKED_AT / max(self.place.shape))
        height, width = (max(1, round(length * side)) for length in self.place.shape)
        values, seen = self._values(out_shape=(len(self.numbers), height, width))
        for band, own, there, low, high in zip(self.card["bands"], values, seen, *self.limits, strict=True):
            if not there.any():
                continue
            unit = self.card["scaling"][sensor_of(band)]["source_unit"]
            if unit == "dB" and own[there].min() >= 0:
                raise RevisitError(
                    f"{self.path}: band {band!r} is nowhere below 0 dB; of linear power take 10 log10 first"
                )
            near = np.abs(own[there] - (low + high) / 2) <= 1.5 * (high - low)
            if near.mean() < FEW:
                median = float(np.median(own[there]))
                raise RevisitError(
                    f"{self.path}: values of {band!r} (median {median:.4g}) are not in {unit} as the model "
                    f"knows it, {low:.4g} to {high:.4g}; mend --units, --factor or --offset"
                )

    def _dated(self) -> tuple[str, str]:
        """When the image is of, by the file's own words; else when it was written, which is in doubt."""
        told = self.file.tags().get(DATE_TAG, "")
        try:
            moment = datetime.strptime(told, DATE_FORMAT).replace(tzinfo=UTC)
        except ValueError:
            moment = datetime.fromtimestamp(int(self.path.stat().st_mtime), UTC)
            self.doubt = (
                f"{self.path} does not say when it was taken ({DATE_TAG}); the map is dated by the file, "
                f"{moment.date()}: give --when"
            )
        text = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        return text, text


def _period(when: str | None) -> tuple[str, str] | None:
    """A year or a day as first and last moment."""
    if when is None:
        return None
    try:
        first, last = (f"{when}-01-01", f"{when}-12-31") if len(when) == 4 else (when, when)
        datetime.fromisoformat(first)
    except ValueError:
        raise RevisitError(f"--when {when}: neither a year nor a date such as 2020-07-01") from None
    return f"{first}T00:00:00Z", f"{last}T23:59:59Z"
