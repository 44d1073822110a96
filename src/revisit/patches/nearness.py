"""How near patches to test on lie to others, such as those that an encoder was pretrained on.

Distances are in metres of a UTM zone. Centres of imported sets lie in a projection of the whole Earth, whose
metres are not those on the ground; a set's patches are taken for squares to the north in the zone of those
they are compared with, or in the zone around them where these are of a set too.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Geod, Transformer
from scipy.spatial import KDTree

from revisit.cube.zones import EARTH, zones_of
from revisit.patches.store import PatchStore

FAR_M = (
    100_000.0  # beyond it, distances are between centres: what lies so far apart tells nothing of the other
)
SLACK = 1.01  # metres of a UTM zone are not those on the ground, by up to this
TOUCH_M = 0.01  # what overlaps by less touches: far above what projections round, far below a pixel


class Footprints(NamedTuple):
    """Squares on the ground, each once: reference system (n,), centres (n, 2) in its metres and in degrees,
    their side in metres on the ground.

    ``unplaced`` samples have no coordinates.
    """

    epsg: NDArray[np.int64]
    centres: NDArray[np.float64]
    degrees: NDArray[np.float64]
    side: float
    unplaced: int = 0


class Nearness(NamedTuple):
    """How places to test on lie to others.

    Of each place to test on (n,): whether it is the ``same`` as one of the others, and whether any of them
    overlaps it (the same one too); the least ``metres`` between edges of all, 0 where any overlap, None where
    there are none.
    """

    same: NDArray[np.bool_]
    overlapped: NDArray[np.bool_]
    metres: float | None

    def __or__(self, other: "Nearness") -> "Nearness":
        """How they lie to the others of both."""
        known = [one.metres for one in (self, other) if one.metres is not None]
        return Nearness(
            self.same | other.same, self.overlapped | other.overlapped, min(known) if known else None
        )


def footprints(index: Path, part: str, bands: Sequence[str] = (), labelled: bool = False) -> Footprints:
    """The places of a part of a collection, by its index.

    Of all samples, or of those with an image of ``bands``, or with labels. Where the collection has no
    coordinates, all samples are unplaced.
    """
    store = PatchStore(index)
    indices = store.indices(part, labelled)
    if bands:
        seen = store.present(bands)
        indices = indices[seen.reshape(len(seen), -1).any(axis=1)[indices]]
    side = store.patch_pixels * float(store.attrs["resolution_m"])
    folders = [store.path.parent / one["path"] for one in store.attrs["stores"]]
    if not all((folder / "coordinates").is_dir() for folder in folders):
        nothing = np.empty((0, 2))
        return Footprints(np.empty(0, np.int64), nothing, nothing, side, len(indices))
    where = store.where()
    names = ("epsg", "x", "y", "longitude", "latitude")
    rows = np.column_stack([np.asarray(where[name], np.float64)[indices] for name in names])
    there = np.isfinite(rows).all(axis=1)
    places = np.unique(rows[there], axis=0)
    return Footprints(places[:, 0].astype(np.int64), places[:, 1:3], places[:, 3:], side, int((~there).sum()))


def nearness(tested: Footprints, others: Footprints) -> Nearness:
    """How the places to test on lie to the others."""
    same, overlapped = np.zeros((2, len(tested.epsg)), bool)
    if not len(tested.epsg) or not len(others.epsg):
        return Nearness(same, overlapped, None)
    tree, here = KDTree(_on_the_globe(others.degrees)), _on_the_globe(tested.degrees)
    apart, nearest = tree.query(here)
    first = int(apart.argmin())
    if apart[first] > FAR_M:
        ends = tested.degrees[first], others.degrees[nearest[first]]
        return Nearness(same, overlapped, float(Geod(ellps="WGS84").inv(*ends[0], *ends[1])[2]))
    # Edges are nearer than centres, by no more than the way from the centre to a corner of both.
    corners = (tested.side + others.side) / np.sqrt(2)
    reach = SLACK * (max(float(apart[first]), corners) + corners)
    close = np.flatnonzero(apart <= reach)
    found = tree.query_ball_point(here[close], reach)
    one = np.repeat(close, [len(several) for several in found])
    other = np.concatenate([np.asarray(several, np.int64) for several in found])
    metres, over, alike = _edges(tested, one, others, other)
    overlapped[one[over]], same[one[alike]] = True, True
    return Nearness(same, overlapped, 0.0 if over.any() else float(np.min(metres)))


def _edges(
    tested: Footprints, one: NDArray[np.int64], others: Footprints, other: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Of pairs: metres between edges, whether they overlap, and whether they are the same square."""
    metres, over = np.zeros(len(one)), np.zeros(len(one), bool)
    zones, theirs = _zones(tested, one, others, other)
    here, there = _centres(tested, one, zones), _centres(others, other, theirs)
    away = np.abs(here - there)
    alike = zones == theirs
    gaps = away - (tested.side + others.side) / 2
    metres[alike] = np.hypot(*np.maximum(gaps[alike], 0).T)
    over[alike] = (gaps[alike] < -TOUCH_M).all(axis=1)
    same = alike & (away <= TOUCH_M).all(axis=1) & (tested.side == others.side)
    for epsg, into in np.unique(np.column_stack([theirs, zones])[~alike], axis=0):
        pairs = np.flatnonzero((theirs == epsg) & (zones == into))
        squares = _squares(there[pairs], others.side)
        projection = Transformer.from_crs(int(epsg), int(into), always_xy=True)
        projected = shapely.transform(squares, _by(projection))
        own = _squares(here[pairs], tested.side)
        metres[pairs] = shapely.distance(own, projected)
        over[pairs] = shapely.area(shapely.intersection(own, projected)) > TOUCH_M * tested.side
    return metres, over, same


def _zones(
    tested: Footprints, one: NDArray[np.int64], others: Footprints, other: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The UTM zones that both squares of each pair are looked at in: their own, those of sets the other's."""
    own, theirs = tested.epsg[one], others.epsg[other]
    zones = np.where(own == EARTH, theirs, own)
    zones = np.where(zones == EARTH, zones_of(tested.degrees)[one], zones)
    return zones, np.where(theirs == EARTH, zones, theirs)


def _centres(of: Footprints, chosen: NDArray[np.int64], zones: NDArray[np.int64]) -> NDArray[np.float64]:
    """Centres of the chosen squares in these zones, which are their own except for imported sets."""
    centres, elsewhere = of.centres[chosen], of.epsg[chosen] == EARTH
    for zone in np.unique(zones[elsewhere]):
        pairs = np.flatnonzero(elsewhere & (zones == zone))
        places, pair_places = np.unique(chosen[pairs], return_inverse=True)
        projection = Transformer.from_crs(4326, int(zone), always_xy=True)
        centres[pairs] = _by(projection)(of.degrees[places])[pair_places]
    return centres


def _by(projection: Transformer) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """A projection of places (n, 2), as shapely takes it."""
    return lambda places: np.column_stack(projection.transform(places[:, 0], places[:, 1]))


def _squares(centres: NDArray[np.float64], side: float) -> NDArray[np.object_]:
    squares: NDArray[np.object_] = shapely.box(*(centres - side / 2).T, *(centres + side / 2).T)
    return squares


def _on_the_globe(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places (n, 2: longitude, latitude) as metres from the Earth's centre (n, 3)."""
    globe = Transformer.from_crs(4979, 4978, always_xy=True)
    longitude, latitude = degrees.T
    return np.column_stack(globe.transform(longitude, latitude, np.zeros(len(degrees))))
