"""A STAC Item for each cube: where and when it is, what is in it, and what it was made from."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr
from rasterio.warp import transform_bounds, transform_geom
from shapely.geometry import shape

from revisit import __version__
from revisit.cube.contract import grid_of
from revisit.cube.conventions import LINEAGE
from revisit.cube.degrees import bbox_and_geometry, unwrapped
from revisit.files import read_json, write_json

EXTENSIONS = [
    "https://stac-extensions.github.io/zarr/v1.1.0/schema.json",
    "https://stac-extensions.github.io/datacube/v2.2.0/schema.json",
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
]


class Link(NamedTuple):
    """What a cube was made from: a STAC Item's id, and where it lies."""

    id: str
    path: Path


def item_path(cube: str | Path) -> Path:
    """Where the Item of a cube lies: beside it."""
    return Path(cube).with_suffix(".json")


def item_id(attributes: Mapping[str, Any]) -> str:
    """Id of the Item of a cube with these attributes."""
    return "-".join(attributes[key] for key in ("region", "sensor", "stage"))


def scene_links(manifests: Iterable[str | Path]) -> list[Link]:
    """The downloaded scenes of some manifests; their Items lie beside the manifest."""
    return [
        Link(scene["id"], Path(path).with_name("items.json"))
        for path in manifests
        for scene in read_json(path)["scenes"]
    ]


def write_item(cube: xr.Dataset, path: str | Path, sources: Sequence[Link]) -> None:
    """Write the Item of the cube at ``path`` beside it; ``sources`` become its ``derived_from`` links."""
    path = Path(path)
    grid = grid_of(cube)
    place, projection = located(grid.crs, grid.bounds, grid.shape, list(grid.transform)[:6])
    begin, end = _period(cube)
    content: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": EXTENSIONS,
        "id": item_id(cube.attrs),
        **place,
        "properties": {
            "datetime": None,
            "start_datetime": begin,
            "end_datetime": end,
            **projection,
            "cube:dimensions": _dimensions(cube, grid.epsg),
            "cube:variables": {
                name: {
                    "type": "data",
                    "dimensions": [str(axis) for axis in cube[name].dims],
                    "description": cube[name].attrs.get("long_name", name),
                    **({"unit": cube[name].attrs["units"]} if "units" in cube[name].attrs else {}),
                }
                for name in sorted(str(name) for name in cube.data_vars)
            },
            "processing:lineage": LINEAGE[cube.attrs["stage"]],
            "processing:software": {"revisit": __version__},
            **{
                f"revisit:{key}": cube.attrs[key]
                for key in ("region", "sensor", "stage", "config_hash", "code_version")
            },
        },
        "assets": {
            "cube": {
                "href": f"./{path.name}",
                "type": "application/vnd.zarr; version=3",
                "roles": ["data"],
                "zarr:node_type": "group",
                "zarr:zarr_format": 3,
                "zarr:consolidated": True,
            },
            **_pictures(path),
        },
        "links": [derived_from(link, path.parent) for link in sources],
    }
    write_json(item_path(path), content)


def _period(cube: xr.Dataset) -> tuple[str, str]:
    if "time" in cube.coords:
        times = cube["time"].values.astype("datetime64[ms]")
        return f"{times[0]}Z", f"{times[-1]}Z"
    years = cube.attrs["years"]
    return f"{min(years)}-01-01T00:00:00Z", f"{max(years)}-12-31T23:59:59Z"


def _dimensions(cube: xr.Dataset, epsg: int) -> dict[str, Any]:
    dimensions: dict[str, Any] = {
        axis: {
            "type": "spatial",
            "axis": axis,
            "extent": [float(cube[axis].min()), float(cube[axis].max())],
            "step": abs(float(cube[axis][1] - cube[axis][0])),
            "reference_system": epsg,
        }
        for axis in ("x", "y")
    }
    if "time" in cube.coords:
        times = [f"{time}Z" for time in cube["time"].values.astype("datetime64[ms]")]
        dimensions["time"] = {"type": "temporal", "extent": [times[0], times[-1]], "values": times}
        dimensions["band"] = {"type": "bands", "values": cube["band"].values.tolist()}
    return dimensions


def _pictures(path: Path) -> dict[str, Any]:
    kinds = {
        ".png": {"type": "image/png", "roles": ["thumbnail"]},
        ".tif": {"type": "image/tiff; application=geotiff; profile=cloud-optimized", "roles": ["overview"]},
    }
    found = {suffix: path.with_suffix(suffix) for suffix in kinds}
    return {
        kinds[suffix]["roles"][0]: {"href": f"./{picture.name}", **kinds[suffix]}
        for suffix, picture in found.items()
        if picture.exists()
    }


def located(
    crs: str, bounds: Sequence[float], size: Sequence[int], transform: Sequence[float]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """``geometry`` and ``bbox`` of an Item, and the properties that say where it lies in its own system.

    ``crs``: EPSG code or WKT. ``bounds``: left, bottom, right, top in its unit; ``size``: (height, width).
    """
    left, bottom, right, top = bounds
    outline = [(left, top), (left, bottom), (right, bottom), (right, top), (left, top)]
    geometry = transform_geom(crs, "EPSG:4326", {"type": "Polygon", "coordinates": [outline]}, precision=7)
    place = {
        "geometry": bbox_and_geometry(unwrapped(shape(geometry)))["geometry"],
        "bbox": [round(degree, 7) for degree in transform_bounds(crs, "EPSG:4326", *bounds)],
    }
    return place, {
        "proj:code" if crs.startswith("EPSG:") else "proj:wkt2": crs,
        "proj:shape": list(size),
        "proj:transform": list(transform),
        "proj:bbox": list(bounds),
    }


def derived_from(link: Link, folder: Path) -> dict[str, str]:
    """The link of an Item in ``folder`` to what it was made from."""
    href = Path(os.path.relpath(link.path, folder)).as_posix()
    return {"rel": "derived_from", "href": href, "type": "application/geo+json", "title": link.id}
