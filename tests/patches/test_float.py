"""Patches of float cubes are those of 8 bit before rounding; what differs is the rounding alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from revisit.errors import RevisitError
from revisit.files import write_json
from revisit.inspect import inspect
from revisit.patches.batch import MISSING
from revisit.patches.montage import montage
from revisit.patches.standardise import standardise
from revisit.patches.store import PatchStore

HALF_A_STEP = 0.5 * 6 / 255  # standardised, as limits are three deviations to either side


@pytest.fixture(scope="module")
def floats(cubes: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """The cubes of each region as float32."""
    folder = tmp_path_factory.mktemp("floats")
    made: dict[str, list[Path]] = {}
    for region in cubes.left:
        made[region] = [folder / f"{region}-{sensor}.zarr" for sensor in cubes.bands]
        for path, sensor in zip(made[region], cubes.bands, strict=True):
            cubes.write_scaled(path, region, sensor, dtype="float32")
    return made


def collect(cubes: Any, out: Path, kind: str, floats: dict[str, list[Path]] | None) -> PatchStore:
    entry = cubes.entry(kind)
    given = {region: {"cubes": floats[region]} if floats else {} for region in cubes.left}
    stores = [cubes.tile(out, region, entry, **given[region]) for region in cubes.left]
    return cubes.index(out, stores, entry)


@pytest.mark.parametrize(("kind", "steps"), [("pairs", 1), ("series", 1), ("yearly", 2)])
def test_images_differ_by_rounding_alone(
    cubes: Any, floats: dict[str, list[Path]], tmp_path: Path, kind: str, steps: int
) -> None:
    """Dates by half a step, composites by two halves: of 8 bit they are rounded once more when averaged."""
    eight = collect(cubes, tmp_path / "8", kind, None)
    other = collect(cubes, tmp_path / "32", kind, floats)
    assert (eight.dtype, other.dtype) == (np.uint8, np.float32)
    bands, samples = ["red", "vh", "blue", "vv"], np.arange(eight.samples)
    usual, found = (store.batch(samples, bands) for store in (eight, other))
    assert found.images.dtype == np.float32 and found.images.shape == usual.images.shape
    for name in ("samples", "places", "dates", "present", "coordinates"):
        np.testing.assert_array_equal(getattr(found, name), getattr(usual, name))
    apart = [standardise(torch.from_numpy(images), 3.0) for images in (usual.images, found.images)]
    difference = (apart[0] - apart[1]).abs()
    assert 0.5 * HALF_A_STEP < difference.max() <= steps * HALF_A_STEP + 1e-5
    if steps == 1:
        np.testing.assert_array_equal(np.rint(found.images), usual.images)
    here = cubes.tile(tmp_path / "again", "here", cubes.entry(kind), cubes=floats["here"])
    told = inspect(here)
    assert "float32, 0 to 255 between the limits" in told


def test_what_was_not_seen_is_as_ever(cubes: Any, floats: dict[str, list[Path]], tmp_path: Path) -> None:
    """``MISSING`` to the bit in the same pixels: methods tell by it what to leave out of a loss."""
    eight = collect(cubes, tmp_path / "8", "series", None)
    other = collect(cubes, tmp_path / "32", "series", floats)
    bands, samples = ["blue", "green", "red"], np.arange(eight.samples)
    empty = [(store.images(samples, bands) == MISSING).all(-3) for store in (eight, other)]
    assert empty[1].any() and (empty[0] | ~empty[1]).all()  # of 8 bit some valid pixels happen to be
    assert (empty[0] != empty[1]).mean() < 1e-4


def test_the_picture_is_the_same(cubes: Any, floats: dict[str, list[Path]], tmp_path: Path) -> None:
    """Colours are 0 to 255: matplotlib would take floats for 0 to 1, and show white."""
    pictures = []
    for out, given in ((tmp_path / "8", None), (tmp_path / "32", floats)):
        collect(cubes, out, "pairs", given)
        montage(out, out / "montage.png")
        pictures.append((out / "montage.png").read_bytes())
    assert pictures[0] == pictures[1]


def test_types_are_not_mixed(cubes: Any, floats: dict[str, list[Path]], tmp_path: Path) -> None:
    """Neither in a region nor in a collection; and a store is not what its index does not say it is."""
    entry = cubes.entry("pairs")
    mixed = [cubes.scaled("here", "sentinel-1"), floats["here"][1]]
    with pytest.raises(RevisitError, match=r"region here: its cubes are of float32 and uint8; scale all"):
        cubes.tile(tmp_path, "here", entry, cubes=mixed)
    stores = [
        cubes.tile(tmp_path, "here", entry),
        cubes.tile(tmp_path, "there", entry, cubes=floats["there"]),
    ]
    with pytest.raises(RevisitError, match=r"scaling.*scale all with one limits\.json"):
        cubes.index(tmp_path, stores, entry)
    store = collect(cubes, tmp_path / "32", "pairs", floats)
    for sensor in store.attrs["scaling"].values():
        del sensor["dtype"]
    write_json(tmp_path / "32/index.json", store.attrs)
    with pytest.raises(RevisitError, match="float32, not scaled to uint8"):
        PatchStore(tmp_path / "32").images(np.arange(2), ["vv"])
