"""The catalogue of a study on disk, for readers without a server."""

from pathlib import Path

import pystac

from revisit.files import read_json
from revisit.job import Job
from revisit.stac.api import catalogue


def test_pystac_reads_collections_items_and_finds_every_file(results: Path) -> None:
    """Addresses are relative to the catalogue, so that the folder may be moved or published as it is."""
    written = {"collections": str(results / "collections.json"), "found": str(results / "items.json")}
    catalogue.run(Job("catalogue", output=written))
    items = pystac.ItemCollection.from_file(written["found"])
    collections = {content["id"]: content for content in read_json(written["collections"])}
    assert len(items) == 16
    for entry in items:
        assert entry.collection_id in collections
        for asset in entry.assets.values():
            assert (results / asset.href).exists(), asset.href
    for content in collections.values():
        assert content["summaries"] and content["item_assets"]
        pystac.Collection.from_dict(content).validate()
