"""A STAC Item for each cube: where and when it is, what is in it, and what it was made from."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr
from rasterio.warp import transform_bounds, transform_geom
from shapely.geometry import shape

from revisit import __version__
from revisit.cube.contract import VARIABLES, grid_of
from revisit.cube.degrees import bbox_and_geometry, unwrapped
from revisit.files import read_json, write_json

EXTENSIONS = [
    "https://stac-extensions.github.io/zarr/v1.1.0/schema.json",
    "https://stac-extensions.github.io/datacube/v2.2.0/schema.json",
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
]
LINEAGE = {
    "raw": "Scenes snapped to one grid, mosaicked by pass, turned into physical units.",
    "aligned": "Dates of the raw cube moved onto each other.",
    "scaled": "Values of the aligned cube between the limits of their band, as 8 bits.",
    "dem": "Elevation interpolated from the tiles of a model.",
    "labels": "Land cover taken from the nearest pixel of its map.",
}


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
    grid, variable = grid_of(cube), VARIABLES[cube.attrs["unit"]]
    left, bottom, right, top = grid.bounds
    outline = [(left, top), (left, bottom), (right, bottom), (right, top), (left, top)]
    geometry = transform_geom(
        grid.crs, "EPSG:4326", {"type": "Polygon", "coordinates": [outline]}, precision=7
    )
    begin, end = _period(cube)
    content: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": EXTENSIONS,
        "id": item_id(cube.attrs),
        "geometry": bbox_and_geometry(unwrapped(shape(geometry)))["geometry"],
        "bbox": [round(degree, 7) for degree in transform_bounds(grid.crs, "EPSG:4326", *grid.bounds)],
        "properties": {
            "datetime": None,
            "start_datetime": begin,
            "end_datetime": end,
            "proj:code": grid.crs,
            "proj:shape": list(grid.shape),
            "proj:transform": list(grid.transform)[:6],
            "proj:bbox": list(grid.bounds),
            "cube:dimensions": _dimensions(cube, grid.epsg),
            "cube:variables": {
                name: {
                    "type": "data",
                    "dimensions": [str(axis) for axis in cube[name].dims],
                    "description": cube[name].attrs.get("long_name", name),
                    **({"unit": cube.attrs["unit"]} if name == variable else {}),
                }
                for name in sorted(str(name) for name in cube.data_vars)
            },
            "processing:lineage": LINEAGE[cube.attrs["stage"]],
            "processing:software": {"revisit": __version__},
            "revisit:stage": cube.attrs["stage"],
            "revisit:config_hash": cube.attrs["config_hash"],
            "revisit:code_version": cube.attrs["code_version"],
        },
        "assets": {
            "cube": {
                "href": f"./{path.name}",
                "type": "application/vnd.zarr; version=3",
                "roles": ["data"],
                "zarr:node_type": "group",
                "zarr:zarr_format": 3,
                "zarr:consolidated": False,
            },
            **_pictures(path),
        },
        "links": [_derived_from(link, path.parent) for link in sources],
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


def _derived_from(link: Link, folder: Path) -> dict[str, str]:
    href = Path(os.path.relpath(link.path, folder)).as_posix()
    return {"rel": "derived_from", "href": href, "type": "application/geo+json", "title": link.id}
