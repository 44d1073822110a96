"""Protects the check that an encoder has not seen where it is tested: nearest, same, overlapping places."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyproj import Geod, Transformer

from revisit.cube.zones import EARTH
from revisit.patches.nearness import Footprints, Nearness, footprints, nearness
from revisit.patches.store import PatchStore

SIDE = 160.0


def placed(*degrees: Sequence[float], epsg: int, side: float) -> Footprints:
    """Squares around these longitudes and latitudes."""
    centres = Transformer.from_crs(4326, epsg, always_xy=True).transform(*np.array(degrees, float).T)
    return places(*np.column_stack(centres), epsg=epsg, side=side)


def places(*centres: Sequence[float], epsg: int = 32631, side: float = SIDE) -> Footprints:
    metres = np.array(centres, float).reshape(-1, 2)
    degrees = np.column_stack(Transformer.from_crs(epsg, 4326, always_xy=True).transform(*metres.T))
    return Footprints(np.full(len(metres), epsg), metres, degrees, side)


HERE = (500_000, 5_400_000)


def counted(found: Nearness) -> tuple[int, int, int, float | None]:
    return len(found.same), int(found.same.sum()), int(found.overlapped.sum()), found.metres


@pytest.mark.parametrize(
    ("test", "train", "expected"),
    [
        # 160 m between edges along x; 300 m and 400 m along both
        ([(500_320, 5_400_000)], [HERE], (1, 0, 0, 160.0)),
        ([(500_460, 5_400_560)], [HERE], (1, 0, 0, 500.0)),
        ([(500_160, 5_400_000)], [HERE], (1, 0, 0, 0.0)),  # they touch, and do not overlap
        ([HERE, (500_100, 5_400_000), (500_900, 5_400_000)], [HERE], (3, 1, 2, 0.0)),
        ([HERE], [], (1, 0, 0, None)),
        ([], [HERE], (0, 0, 0, None)),
    ],
)
def test_by_hand(test: list, train: list, expected: tuple) -> None:
    found = nearness(places(*test), places(*train))
    assert counted(found) == pytest.approx(expected)


def test_the_nearest_edge_is_not_that_of_the_nearest_centre() -> None:
    """Of two squares the diagonal one has the nearer centre, the straight one the nearer edge."""
    straight, diagonal = (500_000 + 300, 5_400_000), (500_000 - 205, 5_400_000 - 205)
    assert np.hypot(205, 205) < 300
    found = nearness(places(HERE, side=100), places(straight, diagonal, side=100))
    assert found.metres == pytest.approx(np.hypot(105, 105))
    straight = (500_000 + 240, 5_400_000)
    wide = (500_000 - 165, 5_400_000 - 165)
    found = nearness(places(HERE, side=100), places(straight, wide, side=100))
    assert np.hypot(165, 165) < 240 and found.metres == pytest.approx(np.hypot(65, 65))


def test_against_every_pair() -> None:
    """The tree finds what a look at every pair finds, of squares of two sizes, near and apart."""
    random = np.random.default_rng(1)
    for shift in (0, 3000, 20_000):
        test = np.round(random.uniform(0, 4000, (60, 2)), 1) + HERE
        east = np.array([shift, 0])
        train = np.round(random.uniform(0, 4000, (80, 2)), 1) + HERE + east
        train[:5] = test[:5] + east
        found = nearness(places(*test), places(*train, side=90.0))
        gaps = np.abs(test[:, None] - train[None]) - (SIDE + 90) / 2
        np.testing.assert_array_equal(found.overlapped, (gaps < 0).all(axis=2).any(axis=1))
        apart = np.hypot(*np.moveaxis(np.maximum(gaps, 0), 2, 0)).min()
        assert found.metres == pytest.approx(apart)
        assert not found.same.any()  # squares of another size are other footprints
    assert nearness(places(*test), places(*test)).same.all()


def test_across_zones() -> None:
    """The same ground in the next zone overlaps, though its numbers are others; 400 m beside it do not."""
    border = Transformer.from_crs(4326, 32631, always_xy=True).transform(6.0, 48.0)
    beyond = Transformer.from_crs(32631, 32632, always_xy=True).transform(*border)
    found = nearness(places(border), places(beyond, epsg=32632))
    assert counted(found) == (1, 0, 1, 0.0)
    beside = Transformer.from_crs(32631, 32632, always_xy=True).transform(border[0] + 400, border[1])
    found = nearness(places(border), places(beside, epsg=32632))
    assert not found.overlapped.any() and found.metres == pytest.approx(400 - SIDE, abs=12)  # zones lie askew


@pytest.mark.parametrize("longitude", [3.0, 5.6], ids=["middle of the zone", "near its edge"])
@pytest.mark.parametrize("latitude", [0.0, 45.0, 65.0])
@pytest.mark.parametrize(("epsg", "other"), [(EARTH, EARTH), (EARTH, 32631), (32631, EARTH)])
def test_imported_sets_lie_as_far_apart_as_on_the_ground(
    longitude: float, latitude: float, epsg: int, other: int
) -> None:
    """Against geodesics, along and across: 300 m between edges, touching ones, 300 m over each other.

    Metres of a zone are up to 0.1 % longer or shorter, and its north is up to 3 degrees askew.
    """
    side, here = 1200.0, (longitude, latitude)
    for azimuth in (0, 90, 180, 270):
        for between, expected in ((1500, 300), (1203, 3), (1197, 0), (900, 0)):
            there = Geod(ellps="WGS84").fwd(*here, azimuth, between)[:2]
            found = nearness(placed(here, epsg=epsg, side=side), placed(there, epsg=other, side=side))
            assert found.overlapped.tolist() == [expected == 0]
            assert found.metres == pytest.approx(expected, abs=2.5)
            assert not found.same.any()
    assert nearness(placed(here, epsg=epsg, side=side), placed(here, epsg=other, side=side)).same.all()


def test_neighbours_of_an_imported_set_touch_across_the_border_of_zones() -> None:
    """Patches of a set are cut from one image, whichever zone their centres lie in: no overlap is made up."""
    west = (5.995, 62.0)
    east = Geod(ellps="WGS84").fwd(*west, 90, 1200)[:2]
    for here, there in ((west, east), (east, west)):
        found = nearness(placed(here, epsg=EARTH, side=1190), placed(there, epsg=EARTH, side=1190))
        assert not found.overlapped.any() and found.metres == pytest.approx(10, abs=3)


def test_far_apart_is_by_the_globe() -> None:
    """From Paris to Rome, about 1106 km, in two zones."""
    paris = Transformer.from_crs(4326, 32631, always_xy=True).transform(2.3522, 48.8566)
    rome = Transformer.from_crs(4326, 32633, always_xy=True).transform(12.4964, 41.9028)
    found = nearness(places(paris), places(rome, epsg=32633))
    assert found.metres == pytest.approx(1_107_000, rel=2e-3)


def test_parts_of_a_collection_are_as_far_apart_as_its_index_says(pair_store: PatchStore) -> None:
    """Two ways to the same number; and a part lies wholly on itself."""
    train, test = (footprints(pair_store.path / "index.json", part) for part in ("train", "test"))
    found = nearness(test, train)
    assert found.metres == pair_store.attrs["split_distance_m"]["train-test"]
    assert counted(found)[1:3] == (0, 0)
    assert len(found.same) == len(np.unique(pair_store.positions[pair_store.indices("test")])) > 0
    whole = nearness(test, test)
    assert whole.same.all() and whole.overlapped.all()


def test_others_of_two_collections_count_together() -> None:
    """A place that both overlap counts once, and the nearer one is the distance."""
    test = places(HERE, (500_900, 5_400_000))
    one, other = (nearness(test, places(train)) for train in (HERE, (500_910, 5_400_000)))
    assert counted(one | other) == counted(other | one) == (2, 1, 2, 0.0)
    assert counted(nearness(test, places()) | one) == counted(one)


def test_only_what_was_seen_or_is_labelled_counts(pair_store: PatchStore) -> None:
    index = pair_store.path / "index.json"
    labelled = footprints(index, "test", labelled=True)
    positions = pair_store.positions[pair_store.indices("test", labelled=True)]
    assert len(labelled.epsg) == len(np.unique(positions))
    assert len(labelled.epsg) < len(footprints(index, "test").epsg)
    assert len(footprints(index, "train", ["red"]).epsg) == len(footprints(index, "train").epsg)


def test_a_collection_without_coordinates(pair_store: PatchStore, tmp_path: Path) -> None:
    """Its samples are unplaced: no distance is made up."""
    copied = tmp_path / "unplaced"
    shutil.copytree(pair_store.path, copied)
    shutil.rmtree(copied / "here.zarr/coordinates")
    header = copied / "here.zarr/zarr.json"
    content: dict[str, Any] = json.loads(header.read_text())
    for key in ("stored_files", "stored_bytes"):
        content["attributes"].pop(key)
    header.write_text(json.dumps(content))
    found = footprints(copied / "index.json", "test")
    assert len(found.epsg) == 0 and found.unplaced == len(pair_store.indices("test"))
    assert nearness(found, found).metres is None
