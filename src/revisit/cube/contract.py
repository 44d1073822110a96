"""What a cube is, and how one is opened: stage, sensor, unit and bands are checked, never assumed.

A cube is a Zarr v3 group with plain chunks and dimensions (time, band, y, x). CF and GeoZarr
(proj:, spatial:) attributes both say where it lies, so xarray, rioxarray and GDAL >= 3.12 open it.
``revisit.cube.write`` makes cubes.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
import zarr
from affine import Affine

from revisit.cube.grid import Grid
from revisit.errors import RevisitError
from revisit.files import check_whole, read_json

# The variable that holds the values, for each unit.
VARIABLES = {
    "reflectance": "reflectance",
    "dB": "backscatter",
    "scaled": "scaled",
    "class": "land_cover",
    "m": "elevation",
}

# Coordinates along time: what a date has when its maker says nothing, and what they mean.
DATE_COORDINATES: dict[str, tuple[str | int | float, str]] = {
    "source_items": ("", "STAC items the date was made of"),
    "platform": ("", "satellite"),
    "relative_orbit": (-1, "relative orbit, -1 where unknown"),
    "orbit_state": ("", "ascending or descending"),
    "processing_baseline": ("", "processing baseline of the product"),
    "offset_applied": (0.0, "offset added to make reflectance, NaN where the scenes of a date differ"),
    "valid_fraction": (0.0, "share of valid pixels"),
    "shift_x": (0.0, "pixels the content was moved by, eastwards"),
    "shift_y": (0.0, "pixels the content was moved by, southwards"),
    "shift_error": (float("nan"), "standard error of the shift found, pixels"),
    "shift_confidence": (0.0, "confidence in the shift, 0 to 1"),
}


Chunks = dict[str, int] | Literal["auto"]


def codecs() -> Any:
    """A context in which arrays are opened with the rust codecs, where those are installed."""
    found = find_spec("zarrs") is not None
    return zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"} if found else {})


def open_cube(
    path: str | Path,
    stage: str | None = None,
    unit: str | None = None,
    bands: Sequence[str] | None = None,
    sensor: str | None = None,
    chunks: Chunks | None = None,
    packed: bool = False,
) -> xr.Dataset:
    """Open a cube lazily: slices of its variables are read when ``.values`` is asked for.

    With ``chunks`` the variables are dask arrays, for reductions over more than fits in memory: ``{}`` takes
    the cube's chunks (a date of 256 x 256 pixels, all bands), ``"auto"`` multiples of them that suit dask,
    a mapping sizes by dimension. ``values_of(open_cube(path, chunks="auto")).mean("time").compute()`` then
    runs on all cores. It takes the extra ``revisit[dask]``, which is none of the line's own needs: where dask
    is installed xarray imports it with the first slice, half a second of every job.

    Reflectance and backscatter come as float32 with NaN where nothing was seen, ``scaled`` as
    uint8, or as float32 where it was not rounded; ``packed`` leaves reflectance as it is stored, in int16
    steps (revisit.cube.packing).
    ``valid`` (time, y, x; 1 or 0) says which pixels to use: a pixel under cloud has values too.
    Raises RevisitError where ``path`` is no finished cube, where files of it are gone, or where its stage,
    unit, sensor or bands (names and order) are not those asked for.
    """
    path = Path(path)
    with codecs():
        try:
            raw = xr.open_zarr(
                path, chunks=None, consolidated=False, mask_and_scale=False, decode_coords="all"
            )
            if chunks is not None:
                raw = raw.assign(_in_chunks(path, raw, chunks))
        except (OSError, KeyError, ValueError, zarr.errors.BaseZarrError) as error:
            reason = "no such folder" if not path.exists() else f"not a Zarr group that can be read ({error})"
            if (path / "zarr.json").is_file() and _stage(path) in ("patches", "generated"):
                raise RevisitError(
                    f"{path}: holds patches and is no cube; revisit inspect tells of it"
                ) from None
            raise RevisitError(f"{path}: {reason}; run the stage that makes it") from error
    if "stage" not in raw.attrs or not set(VARIABLES.values()) & set(raw.variables):
        raise RevisitError(f"{path}: not a finished cube; remove it and run its stage again")
    check_whole(path, raw.attrs)
    found = {key: raw.attrs.get(key) for key in ("stage", "unit", "sensor")}
    found["bands"] = raw["band"].values.tolist() if "band" in raw.coords else None
    wanted = {
        "stage": stage,
        "unit": unit,
        "sensor": sensor,
        "bands": list(bands) if bands is not None else None,
    }
    for key, value in wanted.items():
        if value is not None and found[key] != value:
            raise RevisitError(f"{path}: {key} is {found[key]}, but {value} was asked for")
    for variable in raw.data_vars.values():
        if "scale_factor" in variable.attrs:  # a float32 factor makes xarray decode to float32, not float64
            variable.attrs["scale_factor"] = np.float32(variable.attrs["scale_factor"])
    cube = xr.decode_cf(raw, decode_coords=False, mask_and_scale=not packed)
    for coordinate in cube.coords.values():
        coordinate.load()
    _as_netcdf(cube)
    return cube


def _stage(store: Path) -> str | None:
    stage: str | None = read_json(store / "zarr.json").get("attributes", {}).get("stage")
    return stage


def _as_netcdf(cube: xr.Dataset) -> None:
    """Let ``cube.to_netcdf`` work, and keep to CF: what is JSON in Zarr has types in netCDF."""
    cube.attrs.pop("zarr_conventions", None)  # a list of objects
    for variable in cube.variables.values():
        for key in {"flag_values", "valid_range"} & set(variable.attrs):
            variable.attrs[key] = list(np.asarray(variable.attrs[key], variable.dtype))
    for coordinate in cube.coords.values():
        coordinate.encoding.setdefault("_FillValue", None)


def _in_chunks(path: Path, raw: xr.Dataset, chunks: Chunks) -> dict[str, xr.DataArray]:
    """The variables of a cube as dask arrays; its coordinates are left out, text has no size to chunk by."""
    if find_spec("dask") is None:
        raise RevisitError(f"{path}: to open a cube in chunks takes dask; pip install 'revisit[dask]'")
    coordinates = [str(name) for name in raw.coords]
    lazy = xr.open_zarr(
        path, chunks=chunks, consolidated=False, mask_and_scale=False, drop_variables=coordinates
    )
    return {str(name): raw[name].copy(data=lazy[name].data) for name in raw.data_vars}


def values_of(cube: xr.Dataset) -> xr.DataArray:
    """The variable with the values of a cube, (time, band, y, x)."""
    return cube[VARIABLES[cube.attrs["unit"]]]


def clearest(cube: xr.Dataset, most: int) -> np.ndarray:
    """Numbers of at most so many dates, those with most valid pixels, in the order of time."""
    return np.sort(np.argsort(-cube["valid_fraction"].values, kind="stable")[:most])


def about_date(cube: xr.Dataset, date: int) -> dict[str, Any]:
    """What a cube says of a date, for the cube made of it; not the valid fraction, which is its own."""
    at = cube.isel(time=date)
    return {name: at[name].values.item() for name in DATE_COORDINATES if name != "valid_fraction"}


def grid_of(cube: xr.Dataset) -> Grid:
    """The grid a cube lies on."""
    x, y = cube["x"].values, cube["y"].values
    resolution = cube.attrs["spatial:transform"][0]
    transform = Affine(resolution, 0, x[0] - resolution / 2, 0, -resolution, y[0] + resolution / 2)
    return Grid(int(cube.attrs["proj:code"].removeprefix("EPSG:")), transform, len(x), len(y))
