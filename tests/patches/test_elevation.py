"""Protects elevation in patches: its metres, at every time of a place, from cube to a step of pretraining."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr

from revisit.cube.contract import codecs
from revisit.cube.scaling import elevation, limits
from revisit.cube.scaling.scaled_values import from_scaled
from revisit.cube.split import TRAIN, areas, split_map
from revisit.cube.write import create_array, write_coordinates
from revisit.errors import RevisitError
from revisit.files import atomic, read_json, write_json
from revisit.methods.method import build_method
from revisit.patches.batch import MISSING, NO_DATE
from revisit.patches.modality import bands_of
from revisit.patches.montage import montage
from revisit.patches.standardise import standardise
from revisit.patches.store import PatchStore
from revisit.training.batches import batches
from revisit.training.pretrain import describe

SEA = slice(112, 128)  # the last row of patches, which has no elevation
VIT = {"name": "channel-vit", "dim": 16, "depth": 1, "heads": 2, "patch_pixels": 4}
MASKED = {"name": "mae3d", "mask": "3dm", "encoder": VIT, "decoder": {"dim": 8, "depth": 1, "heads": 2}}
SIMSIAM = {"name": "simsiam", "encoder": VIT, "width": 16, "hidden": 8}


class Heights:
    """Elevation of the regions of ``Cubes``, its limits, and collections that hold it."""

    def __init__(self, cubes: Any, folder: Path) -> None:
        self.cubes, self.folder, self.metres = cubes, folder, {}
        moments = []
        for region in cubes.left:
            self.metres[region] = self.write(region)
            settings = elevation.Settings(seed=4, split=cubes.split)
            moments.append(folder / f"{region}-moments.json")
            write_json(moments[-1], elevation.moments(self.cube(region), settings))
        write_json(self.limits, limits.limits(moments, limits.Settings(clip_sigma=3)))

    @property
    def limits(self) -> Path:
        return self.folder / "limits.json"

    def cube(self, region: str) -> Path:
        return self.folder / f"{region}-dem.zarr"

    def write(self, region: str, **attributes: Any) -> np.ndarray:
        """Hills, other ones in each region; none in the sea, nor at one pixel inland."""
        grid = self.cubes.grid(region)
        rows, columns = np.mgrid[: grid.shape[0], : grid.shape[1]]
        metres = (40 * np.sin(rows / 9 + len(region)) + 30 * np.cos(columns / 7)).astype(np.float32)
        metres[SEA] = metres[20, 30] = np.nan
        with atomic(self.cube(region)) as aside, codecs():
            zarr.create_group(aside, zarr_format=3)
            create_array(aside, "elevation", grid.shape, ("y", "x"), "float32", np.nan, {"units": "m"})[:] = (
                metres
            )
            about = {"stage": "dem", "sensor": "dem", "region": region, "unit": "m", "code_version": "test"}
            write_coordinates(aside, grid, {}, about | attributes)
        return metres

    def collect(self, out: Path, kind: str, **changes: Any) -> PatchStore:
        entry = self.cubes.entry(kind, **changes)
        stores = [
            self.cubes.tile(out, region, entry, elevation=[self.cube(region), self.limits])
            for region in self.cubes.left
        ]
        return self.cubes.index(out, stores, entry)

    def at(self, store: PatchStore, sample: int) -> np.ndarray:
        """The metres of a sample's patch, by its centre."""
        where = {name: values[sample] for name, values in store.where().items()}
        grid = self.cubes.grid(str(where["region"]))
        half = store.patch_pixels // 2
        row = round((grid.transform.f - where["y"]) / 10) - half
        column = round((where["x"] - grid.transform.c) / 10) - half
        return self.metres[where["region"]][row : row + 2 * half, column : column + 2 * half]


@pytest.fixture(scope="module")
def heights(cubes: Any, tmp_path_factory: pytest.TempPathFactory) -> Heights:
    return Heights(cubes, tmp_path_factory.mktemp("heights"))


@pytest.fixture(scope="module")
def stores(heights: Heights, tmp_path_factory: pytest.TempPathFactory) -> dict[str, PatchStore]:
    """A collection of each kind, with elevation."""
    return {
        kind: heights.collect(tmp_path_factory.mktemp(kind), kind) for kind in ("pairs", "yearly", "series")
    }


def test_limits_are_of_training_pixels_that_have_elevation(heights: Heights) -> None:
    training = [
        heights.metres[region][
            split_map(
                areas(heights.cubes.grid(region), heights.cubes.split, 4, region),
                heights.cubes.grid(region).whole,
            )
            == TRAIN
        ]
        for region in heights.cubes.left
    ]
    values = np.concatenate(training).astype(np.float64)
    found = read_json(heights.limits)
    assert found["unit"] == "m" and found["clip_sigma"] == 3
    band = found["bands"]["elevation"]
    assert band["mean"] == pytest.approx(np.nanmean(values)) and band["std"] == pytest.approx(
        np.nanstd(values)
    )
    assert band["valid_pixels"] == (~np.isnan(values)).sum() < values.size


@pytest.mark.parametrize("kind", ["pairs", "yearly", "series"])
def test_metres_of_the_cube_at_every_time(heights: Heights, stores: dict[str, PatchStore], kind: str) -> None:
    """Between the limits to 1.5 steps, as 128 is left out; ``MISSING`` where, and only where, it has none."""
    store, samples = stores[kind], np.arange(stores[kind].samples)
    bands = bands_of("s1+s2+dem", store.bands)
    assert bands[-1] == "elevation"
    images = store.images(samples, bands)
    images = images if store.attrs["time_axis"] else images[:, None]
    assert images.shape[1] == {"pairs": 1, "yearly": 2, "series": 4}[kind]
    limits = store.scaling["dem"]["bands"]["elevation"]
    lower, upper = (np.array([limits[key]]) for key in ("lower", "upper"))
    for sample in samples:
        metres, scaled = heights.at(store, sample), images[sample, :, -1]
        assert (scaled == scaled[0]).all()
        np.testing.assert_array_equal(scaled[0] == MISSING, np.isnan(metres))
        found = from_scaled(scaled[:1], lower, upper)[0]
        step = (upper[0] - lower[0]) / 255
        there = ~np.isnan(metres)
        np.testing.assert_allclose(found[there], metres.clip(*lower, *upper)[there], atol=1.51 * step)
        assert np.abs(found[there] - metres.clip(*lower, *upper)[there]).mean() < 0.3 * step


def test_of_float_cubes_it_is_not_rounded_either(heights: Heights, tmp_path: Path) -> None:
    """So that all of a store is of one type; 128 is left out by the least there is."""
    path, cubes = tmp_path / "vv.zarr", heights.cubes
    cubes.write_scaled(path, "here", "sentinel-1", dtype="float32")
    optical = tmp_path / "red.zarr"
    cubes.write_scaled(optical, "here", "sentinel-2", dtype="float32")
    entry, given = cubes.entry("pairs"), [heights.cube("here"), heights.limits]
    made = cubes.tile(tmp_path, "here", entry, cubes=[path, optical], elevation=given)
    store = cubes.index(tmp_path, [made], entry)
    found = store.images(np.arange(store.samples), ["elevation"])[:, 0]
    assert found.dtype == np.float32
    limits = store.scaling["dem"]["bands"]["elevation"]
    lower, upper = (np.array([limits[key]]) for key in ("lower", "upper"))
    for sample in range(store.samples):
        metres = heights.at(store, sample)
        there = ~np.isnan(metres)
        back = from_scaled(found[sample][None], lower, upper)[0]
        np.testing.assert_allclose(back[there], metres.clip(*lower, *upper)[there], atol=1e-3)
        np.testing.assert_array_equal(found[sample] == MISSING, ~there)


@pytest.mark.parametrize("kind", ["pairs", "yearly", "series"])
def test_it_has_no_date_and_is_always_there(stores: dict[str, PatchStore], kind: str) -> None:
    """What a sample has of its times is what its images say."""
    store, samples = stores[kind], np.arange(stores[kind].samples)
    images, both = (bands_of(modality, store.bands) for modality in ("s1+s2", "s1+s2+dem"))
    np.testing.assert_array_equal(store.present(both), store.present(images))
    assert store.years(both) == store.years(images) and store.times(both) == store.times(images)
    batch, alone = store.batch(samples, both), store.batch(samples, images)
    assert batch.sensors == ("sentinel-1", "sentinel-2", "dem")
    assert (batch.dates[..., -1] == NO_DATE).all() and batch.present[..., -1].all()
    np.testing.assert_array_equal(batch.dates[..., :-1], alone.dates)
    np.testing.assert_array_equal(batch.present[..., :-1], alone.present)
    np.testing.assert_array_equal(batch.images[..., :-1, :, :], alone.images)
    if store.attrs["time_axis"]:
        np.testing.assert_array_equal(store.images(samples, both, 1), batch.images[:, 1])


def test_one_copy_a_place_is_stored(stores: dict[str, PatchStore]) -> None:
    store = zarr.open_group(stores["yearly"].path / "here.zarr", mode="r")
    assert store["dem"].shape[1] == 1 and store["sentinel-2"].shape[1] == 2
    assert set(np.unique(store["dem_valid"][:])) <= {0, 1}


def test_a_place_without_enough_of_it_is_lost_and_counted(
    heights: Heights, stores: dict[str, PatchStore], tmp_path: Path
) -> None:
    """By the share of valid pixels that images need too; and nothing else of the collection changes."""
    store, without = stores["pairs"], heights.cubes.collect(tmp_path, heights.cubes.entry("pairs"))
    assert store.attrs["lost"]["without enough elevation"] > 0
    valid = [~np.isnan(heights.at(without, sample)) for sample in range(without.samples)]
    sea = np.mean(valid, axis=(1, 2)) < 0.9
    assert sea.any() and store.samples == (~sea).sum()
    for bands in (["vv", "vh"], ["blue", "green", "red"]):
        kept = without.images(np.flatnonzero(~sea), bands)
        np.testing.assert_array_equal(store.images(np.arange(store.samples), bands), kept)


def test_elevation_of_elsewhere_is_refused(heights: Heights, tmp_path: Path) -> None:
    given = [heights.cube("there"), heights.limits]
    with pytest.raises(RevisitError, match="of region there, not here"):
        heights.cubes.tile(tmp_path, "here", heights.cubes.entry("pairs"), elevation=given)
    optical = {**read_json(heights.limits), "unit": "dB"}
    write_json(tmp_path / "limits.json", optical)
    with pytest.raises(RevisitError, match="unit is dB, but m"):
        given = [heights.cube("here"), tmp_path / "limits.json"]
        heights.cubes.tile(tmp_path, "here", heights.cubes.entry("pairs"), elevation=given)


def test_it_is_drawn(stores: dict[str, PatchStore], tmp_path: Path) -> None:
    montage(stores["yearly"].path, tmp_path / "m.png")
    assert (tmp_path / "m.png").stat().st_size > 5000


@pytest.mark.parametrize("entry", [MASKED, SIMSIAM], ids=lambda entry: entry["name"])
def test_a_step_of_pretraining(stores: dict[str, PatchStore], entry: dict[str, Any]) -> None:
    """The elevation reaches the method as it is stored, and its loss and gradients are finite."""
    store = stores["pairs"]
    bands = bands_of("s1+s2+dem", store.bands)
    torch.manual_seed(0)
    method = build_method(entry, describe(store, bands))
    drawn = batches(store, bands, store.indices("train"), 8, 0, 1, series=False, pin=False)
    batch = next(drawn(0))
    generator = torch.Generator().manual_seed(0)
    views = method.views(batch, generator)
    loss = method.loss(views)["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    weights = method.encoder.state_dict()
    assert any(len(weight) == len(bands) or weight.shape[1:2] == (len(bands),) for weight in weights.values())
    assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)
    if "patches" in views:  # 3DMAE crops nothing here, it flips
        stored = standardise(batch.images[:, -1], 3.0).flatten(1).sort(1).values
        torch.testing.assert_close(views["patches"][:, :, -1].flatten(1).sort(1).values, stored)
        holds = batch.images[:, -1] != MISSING
        assert torch.equal(views["data"][:, :, -1].sum((1, 2)), holds.sum((1, 2)))
