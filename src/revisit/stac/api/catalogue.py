"""Writes the catalogue of a study's products: collections.json and items.json beside its folders.

It is what ``revisit serve`` answers from, for readers without a server: a GIS draws the outlines in
``items.json``, pystac reads it as an ItemCollection. Addresses are relative to the study's folder.

Job: outputs ``collections`` and ``found`` (the Items), in the study's folder.
"""

from pathlib import Path

from revisit.files import write_json
from revisit.job import Job
from revisit.stac.api.describe import described
from revisit.stac.api.study import products


def run(job: Job) -> None:
    """Write the catalogue of the folder that the outputs lie in."""
    catalogue(job.target("collections"), job.target("found"))


def catalogue(collections_path: Path, items_path: Path) -> None:
    """Write the collections and Items of the products in the folder of these files."""
    collections, items = products(items_path.parent)
    whole = [
        described(one, [item for item in items if item["collection"] == one["id"]]) for one in collections
    ]
    write_json(items_path, {"type": "FeatureCollection", "features": items})
    write_json(collections_path, whole)
