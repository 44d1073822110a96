"""What lies beside every cube: a contact sheet, a GeoTIFF that any GIS opens, and its STAC Item."""

from collections.abc import Sequence
from pathlib import Path

from revisit.cube.contact_sheet import contact_sheet
from revisit.cube.contract import open_cube
from revisit.cube.item import Link, item_id, item_path, write_item
from revisit.cube.median_image import median_image
from revisit.files import read_json


def write_beside(path: str | Path, sheet: str | Path, sources: Sequence[Link]) -> None:
    """Draw and describe the cube at ``path``: ``sheet`` (PNG), and .tif and .json of the cube's own name."""
    cube = open_cube(path)
    contact_sheet(cube, sheet)
    median_image(cube, Path(path).with_suffix(".tif"))
    write_item(cube, path, sources)


def cube_link(path: str | Path) -> Link:
    """The cube at ``path`` as the source of another."""
    attributes = read_json(Path(path) / "zarr.json")["attributes"]  # opening it all takes a tenth of a second
    return Link(item_id(attributes), item_path(path))
