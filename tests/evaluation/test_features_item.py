"""The Item of a file of features leads a stranger to the place, the time and the encoder."""

from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import shapely

from revisit.evaluation.embed import embed
from revisit.evaluation.features_item import EDGE, _outline


def test_it_names_images_encoder_and_sources(pairs: Path, vits: list[Path], tmp_path: Path) -> None:
    """Two files of one encoder have two ids; the period is that of the images, not of the cubes."""
    items = {}
    for modality in ("s1", "s1+rgb"):
        embed(pairs, vits[0], modality, tmp_path / f"{modality}.npz")
        items[modality] = pystac.Item.from_file(tmp_path / f"{modality}.json")
        core = items[modality].clone()
        core.stac_extensions = []  # their schemas are on the web alone
        core.validate()
    one = items["s1+rgb"]
    assert one.id.startswith("pairs-") and one.id != items["s1"].id
    assert one.properties["revisit:pretrained"] == "s1+rgb"
    assert one.properties["start_datetime"] == one.properties["end_datetime"] == "2020-07-01T00:00:00.000Z"
    assert Path(one.assets["features"].get_absolute_href()).is_file()
    (source,) = [link for link in one.links if link.rel == "derived_from"]
    assert source.get_href(transform_href=False).endswith("cubes/here/sentinel-1/scaled.json")


def test_the_outline_is_a_box_a_region_also_over_the_180th_meridian() -> None:
    places: dict[str, Any] = {
        "region": np.array(["a", "a", "b", "b"]),
        "longitude": np.array([5.0, 5.1, 179.99, -179.99]),
        "latitude": np.array([50.0, 50.1, -17.0, -17.1]),
    }
    outline = _outline(places)
    assert len(shapely.get_parts(outline)) == 2
    west, south, east, north = max(part.bounds for part in shapely.get_parts(outline))
    assert (west, east) == pytest.approx((179.99 - EDGE, 180.01 + EDGE))
    assert (south, north) == pytest.approx((-17.1 - EDGE, -17 + EDGE))
