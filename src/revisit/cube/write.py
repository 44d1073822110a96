"""Makes cubes: date by date and block by block, so that memory does not grow with the region."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import DTypeLike
from zarr.codecs import BloscCodec

from revisit.cube import conventions
from revisit.cube.bands import about_bands
from revisit.cube.contract import DATE_COORDINATES, VARIABLES, codecs
from revisit.cube.conventions import MASK_FILL, SCALED_FILL
from revisit.cube.grid import Block, Grid
from revisit.cube.packing import REFLECTANCE_MISSING, pack_reflectance
from revisit.files import atomic, census
from revisit.provenance import code_version, config_hash

CHUNK = 256
# A date of a cube up to so many pixels a side is four chunks, which every GDAL from 3.12 reads. Of a larger
# one it is a shard of many, which takes GDAL 3.13: 20 x 20 km on 200 dates would be 38,400 files otherwise.
SMALL = 1024
# Pixels a side that stages write at a time: whole shards, which are written at once or slowly.
BLOCK = 2048

# Of each unit: data type and what chunks hold that were never written.
_KINDS: dict[str, tuple[str, float]] = {
    "reflectance": ("int16", REFLECTANCE_MISSING),
    "dB": ("float32", np.nan),
}
_SCALED: dict[str, tuple[str, float]] = {"uint8": ("uint8", SCALED_FILL), "float32": ("float32", np.nan)}


class CubeWriter:
    """Writes the dates of a cube; made by ``create_cube``.

    Dates are kept one after another. Their blocks are written before, in any order, and by several threads
    where these say of which date they are.
    """

    def __init__(
        self,
        path: Path,
        grid: Grid,
        dates: int,
        bands: Sequence[str],
        unit: str,
        dtype: DTypeLike,
        scene_classification: bool,
        behind: Executor | None,
    ) -> None:
        self._grid, self._bands, self._unit, self._path = grid, list(bands), unit, path
        self._dates: list[dict[str, Any]] = []
        self._valid_pixels, self._counting = np.zeros(dates, int), Lock()
        self._behind = behind
        self._stored: Future[None] | None = None
        zarr.create_group(path, zarr_format=3)
        cube = ((dates, len(bands), *grid.shape), ("time", "band", "y", "x"))
        flat = ((dates, *grid.shape), ("time", "y", "x"))
        kind = _SCALED[np.dtype(dtype).name] if unit == "scaled" else _KINDS[unit]
        self._arrays = [
            create_array(path, VARIABLES[unit], *cube, *kind, conventions.VALUES[unit]),
            create_array(path, "valid", *flat, "uint8", MASK_FILL, conventions.VALID),
        ]
        if scene_classification:
            self._arrays.append(
                create_array(path, "scl", *flat, "uint8", 0, conventions.SCENE_CLASSIFICATION)
            )

    def write(
        self,
        block: Block,
        values: np.ndarray,
        valid: np.ndarray,
        classes: np.ndarray | None = None,
        date: int | None = None,
    ) -> None:
        """Write a block (rows, columns) of the present date, or of the number ``date``.

        ``values`` (band, y, x) is float32 reflectance or dB with NaN where missing, int16 steps of
        reflectance (revisit.cube.packing), or of unit ``scaled`` and its ``dtype``; ``valid`` (y, x) is true
        where the pixel is to be used; ``classes`` (y, x) is the scene classification. The arrays must not be
        changed afterwards.
        Blocks that begin at multiples of 2048 pixels share no chunk and no shard.
        """
        date = self._present if date is None else date
        with self._counting:
            self._valid_pixels[date] += np.count_nonzero(valid)
        if self._behind is None:
            self._store(date, block, values, valid, classes)
            return
        if self._stored:
            self._stored.result()  # one block behind at most, or memory would grow
        self._stored = self._behind.submit(self._store, date, block, values, valid, classes)

    def wait(self) -> None:
        """Wait for the block that is being stored behind, whatever becomes of it."""
        wait([self._stored] if self._stored else [])

    def _store(
        self, date: int, block: Block, values: np.ndarray, valid: np.ndarray, classes: np.ndarray | None
    ) -> None:
        at = slice(date, date + 1)  # the rust codecs take no bare index
        floats = self._unit == "reflectance" and values.dtype.kind == "f"
        self._arrays[0][(at, slice(None), *block)] = (pack_reflectance(values) if floats else values)[None]
        self._arrays[1][(at, *block)] = valid[None].astype(np.uint8)
        if classes is not None:
            self._arrays[2][(at, *block)] = classes[None]

    def name(self, quantity: str) -> None:
        """Say what the values are, where it is not what a cube of their unit mostly holds."""
        self._arrays[0].attrs["long_name"] = quantity

    @property
    def _present(self) -> int:
        """Number of the date that is kept next."""
        return len(self._dates)

    @property
    def valid_fraction(self) -> float:
        """Share of valid pixels in what was written of the present date."""
        return float(self._valid_pixels[self._present] / (self._grid.width * self._grid.height))

    def keep(self, time: np.datetime64, **coordinates: Any) -> None:
        """Close the present date and go on to the next; ``coordinates`` are among DATE_COORDINATES."""
        unknown = set(coordinates) - set(DATE_COORDINATES)
        if unknown:
            raise ValueError(f"no such coordinate of a date: {sorted(unknown)}")
        defaults = {name: default for name, (default, _) in DATE_COORDINATES.items()}
        date = defaults | {"valid_fraction": self.valid_fraction} | coordinates | {"time": time}
        self._dates.append(date)

    def drop(self) -> None:
        """Forget the present date; the next is written over it."""
        self._valid_pixels[self._present] = 0

    def finish(self, attributes: Mapping[str, Any], band_coordinates: Mapping[str, Sequence[Any]]) -> None:
        """Write the coordinates and attributes, which make the group a cube."""
        if self._stored:
            self._stored.result()
        for array in self._arrays:
            if array.shape[0] > len(self._dates):
                array.resize((len(self._dates), *array.shape[1:]))
        times = np.array([date["time"] for date in self._dates], dtype="datetime64[ns]")
        coordinates: dict[str, Any] = {
            "time": ("time", times, conventions.TIME),
        }
        for name, (_, meaning) in DATE_COORDINATES.items():
            coordinates[name] = (
                "time",
                _column([date[name] for date in self._dates]),
                {"long_name": meaning},
            )
        for name, column in {"band": self._bands, **band_coordinates}.items():
            about = conventions.about_band(name, attributes.get("source_unit"))
            coordinates[name] = ("band", _column(column), about)
        write_coordinates(self._path, self._grid, coordinates, {**attributes, "unit": self._unit})


@contextmanager
def create_cube(
    path: str | Path,
    grid: Grid,
    *,
    dates: int,
    bands: Sequence[str],
    sensor: str,
    region: str,
    stage: str,
    unit: str,
    settings: Mapping[str, Any],
    dtype: DTypeLike = "uint8",
    scene_classification: bool = False,
    band_coordinates: Mapping[str, Sequence[Any]] | None = None,
    attributes: Mapping[str, Any] | None = None,
    behind: Executor | None = None,
) -> Iterator[CubeWriter]:
    """Make a cube of at most ``dates`` dates: it is at ``path`` once the block ends without an error.

    ``unit`` is ``reflectance``, ``dB`` or ``scaled``, which is of ``dtype`` uint8 or float32; ``settings``
    are the stage's, kept as a hash.
    ``attributes`` and ``band_coordinates`` (name: one value a band) are written at the end, so they
    may be filled in the block. Blocks are compressed and stored by the thread that writes them, or ``behind``
    it, while it makes the next one.
    """
    with atomic(path) as aside, codecs():
        writer = CubeWriter(aside, grid, dates, bands, unit, dtype, scene_classification, behind)
        try:
            yield writer
        finally:
            writer.wait()  # what went wrong is removed, and nothing may be stored there meanwhile
        writer.finish(
            {
                **(attributes or {}),
                "stage": stage,
                "sensor": sensor,
                "region": region,
                "config_hash": config_hash(settings),
                "code_version": code_version(),
            },
            {**about_bands(bands), **(band_coordinates or {})},
        )


def create_array(
    path: Path,
    name: str,
    shape: tuple[int, ...],
    dimensions: tuple[str, ...],
    dtype: str,
    fill: float,
    attributes: Mapping[str, Any],
) -> zarr.Array[Any]:
    """A compressed array of a cube; a chunk holds all bands of one date.

    Cubes up to 1024 pixels a side have chunks of half of that; larger ones chunks of 256 x 256 pixels, in
    shards of up to 2048 x 2048.
    """
    sizes = dict(zip(dimensions, shape, strict=True))
    space = {axis: sizes[axis] for axis in ("y", "x")}
    sharded = max(space.values()) > SMALL
    half = {axis: size if size <= CHUNK else -(-size // 2) for axis, size in space.items()}
    chunks = {**sizes, "time": 1, **({"y": CHUNK, "x": CHUNK} if sharded else half)}
    shards = chunks | {axis: min(BLOCK, -(-size // CHUNK) * CHUNK) for axis, size in space.items()}
    return zarr.create_array(
        path,
        name=name,
        shape=shape,
        chunks=tuple(chunks[axis] for axis in dimensions),
        shards=tuple(shards[axis] for axis in dimensions) if sharded else None,
        dtype=dtype,
        fill_value=fill,
        # Against zstd, half the time to write and a third to read, for 4 to 29 % more space.
        compressors=[BloscCodec(cname="lz4", clevel=1, shuffle="bitshuffle")],
        dimension_names=dimensions,
        attributes={**attributes, "grid_mapping": "spatial_ref"},
        zarr_format=3,
    )


def write_coordinates(
    path: Path, grid: Grid, coordinates: Mapping[str, Any], attributes: Mapping[str, Any]
) -> None:
    """Add coordinates, the reference system and attributes to a group that has its arrays."""
    dataset = xr.Dataset(
        coords={
            **coordinates,
            "y": ("y", grid.y, conventions.about_axis("y")),
            "x": ("x", grid.x, conventions.about_axis("x")),
            "spatial_ref": ((), 0, conventions.about_reference(grid)),
        },
        attrs=conventions.about_cube(grid, attributes),
    )
    encoding: dict[str, dict[str, Any]] = {
        str(name): {"_FillValue": None}
        for name, variable in dataset.variables.items()
        if variable.dtype.kind == "f"
    }
    if "time" in coordinates:
        encoding["time"] = {"units": "microseconds since 1970-01-01", "dtype": "int64"}
    with warnings.catch_warnings():  # zarr: consolidated metadata have no final specification in v3 yet
        warnings.simplefilter("ignore")
        # Over HTTP nothing can be listed: what a group holds must stand in its own metadata.
        dataset.to_zarr(path, mode="a", zarr_format=3, consolidated=True, encoding=encoding)
        zarr.open_group(path, mode="r+").attrs.update(census(path))


def _column(values: Sequence[Any]) -> np.ndarray:
    """Text as objects: xarray writes numpy's fixed-length text in a type Zarr v3 does not specify."""
    return np.array(values, dtype=object if isinstance(values[0], str) else None)
