"""Dates are single clear images, each with the label map of its year; change is between two of them."""

from typing import Any

import numpy as np
import pytest
import zarr

from revisit.cube.contract import codecs
from revisit.cube.labels.change import CHANGE, CHANGED, SAME, change
from revisit.cube.labels.legend import BY_YEAR
from revisit.cube.labels.ready import ready
from revisit.cube.write import create_array, write_coordinates
from revisit.errors import RevisitError
from revisit.files import atomic
from revisit.patches.kind import Ground, Look, Sensed
from revisit.patches.kinds.bitemporal import Bitemporal, BitemporalEntry, season_apart
from revisit.patches.kinds.dates import Dates, DatesEntry

SIDE = 8
COMMON = {"patch_pixels": SIDE, "min_valid": 0.9}
NONE = np.zeros((SIDE, SIDE), np.uint8)


def look(*times: str, cloudy: tuple[int, ...] = ()) -> Look:
    """Dates whose values are their number."""
    values = np.arange(len(times), dtype=np.uint8)[:, None, None, None] * np.ones(
        (1, 2, SIDE, SIDE), np.uint8
    )
    valid = np.ones((len(times), SIDE, SIDE), bool)
    valid[list(cloudy), :2] = False
    return Look(values, valid, np.array(times, "datetime64[ns]"))


def ground(optical: Look, **maps: int) -> Ground:
    """A place with label maps of one class each, by year."""
    by_year = {int(year[1:]): np.full((SIDE, SIDE), code, np.uint8) for year, code in maps.items()}
    return Ground(10, 20, 0, {"sentinel-2": optical}, NONE, by_year=by_year)


def dates(**own: Any) -> Dates:
    entry = DatesEntry.model_validate({"kind": "dates", "samples_per_place": 9, **COMMON, **own})
    return Dates(entry, {}, 3)


def bitemporal(label_years: Any = (), **own: Any) -> Bitemporal:
    entry = BitemporalEntry.model_validate({"kind": "bitemporal", "years": [2017, 2021], **COMMON, **own})
    return Bitemporal(entry, {"sentinel-2": Sensed({}, [2017, 2021])}, 3, label_years)


def test_every_clear_date_is_a_sample_with_the_map_of_its_year() -> None:
    """The nearest year's, of two the earlier; too far from any map, or where that is blank, there is none."""
    times = ("2016-06-01", "2017-06-01", "2018-01-01", "2019-06-01", "2020-06-01", "2025-06-01")
    place = ground(look(*times, cloudy=(1,)), y2017=10, y2021=30)
    kind = dates(label_years_apart=3)
    samples, _ = kind.samples(place)
    assert [int(sample["sentinel-2"].values[0, 0, 0, 0]) for sample in samples] == [0, 2, 3, 4, 5]
    maps = [kind.label_map(place, sample) for sample in samples]
    assert [None if one is None else int(one[0, 0]) for one in maps] == [10, 10, 10, 30, None]
    assert dates(label_years_apart=0).label_map(place, samples[1]) is None
    blank = ground(look(*times), y2017=0)
    assert kind.label_map(blank, samples[0]) is None
    assert kind.samples(ground(look("2017-01-01", cloudy=(0,)))) == ([], "a clear date of sentinel-2")


def test_one_of_few_dates_is_labelled() -> None:
    """Where fewer are taken than there are, one is near a label map, if any is."""
    times = [f"{year}-0{month}-01" for year in (2000, 2005, 2010) for month in (1, 5, 9)] + ["2017-03-01"]
    kind, place = dates(samples_per_place=1), ground(look(*times), y2017=10)
    ((sample,), _) = kind.samples(place)
    assert kind.label_map(place, sample) is not None


def test_the_two_dates_are_of_one_season() -> None:
    """Clear ones, as near as there are across the turn of the year too, the earlier year's first."""
    times = ("2017-01-02", "2017-07-01", "2019-07-01", "2021-06-01", "2021-07-02", "2021-12-30")
    (sample,), _ = bitemporal().samples(ground(look(*times)))
    assert sample["sentinel-2"].values[:, 0, 0, 0].tolist() == [1, 4]
    (sample,), _ = bitemporal().samples(ground(look(*times, cloudy=(1,))))
    assert sample["sentinel-2"].values[:, 0, 0, 0].tolist() == [0, 5]
    apart = season_apart(*(np.array([time], "datetime64[ns]") for time in ("2017-01-02", "2021-12-30")))
    assert apart[0, 0] == pytest.approx(3.25)  # from day 363 of 365.25 to day 1, counted from 0


def test_a_place_without_such_dates_is_lost() -> None:
    """With the cause; a pair of summer and winter would show what the season changes."""
    far = ground(look("2017-01-02", "2021-07-02"))
    assert bitemporal().samples(far) == ([], "dates of sentinel-2 near each other in season")
    assert bitemporal(max_season_apart=183).samples(far)[0]
    assert bitemporal().samples(ground(look("2017-01-02"))) == ([], "a clear date of sentinel-2 in 2021")


def test_change_is_another_class() -> None:
    """Where either year has no label nothing is known."""
    before, after = np.array([[10, 10, 0], [30, 300, 0]]), np.array([[10, 50, 10], [0, 44, 0]])
    found = change(before.astype(np.uint16), after.astype(np.uint16))
    assert found.dtype == np.uint8
    assert found.tolist() == [[SAME, CHANGED, 0], [0, CHANGED, 0]]
    assert CHANGE.codes == [SAME, CHANGED]
    place = ground(look("2017-07-01", "2021-07-01"), y2017=10, y2021=30)
    kind = bitemporal()
    (sample,), _ = kind.samples(place)
    found = kind.label_map(place, sample)
    assert found is not None and (found == CHANGED).all()
    assert kind.label_map(ground(look("2017-07-01"), y2017=10), sample) is None
    assert kind.label_map(ground(look("2017-07-01"), y2017=10, y2021=0), sample) is None


def test_one_map_for_both_years_is_refused() -> None:
    """It would say that nothing ever changes; a later file over it tells the years apart."""
    with pytest.raises(RevisitError, match="one label map holds for both 2017 and 2021"):
        bitemporal([[2017, 2018, 2021]])
    for apart in ([[2017], [2021]], [[2017, 2021], [2021]], [[2019]], []):
        bitemporal(apart)


def test_collections(cubes: Any, tmp_path: Any) -> None:
    """From label cubes with a map a year, through tiling and index, to a store: images, dates, labels."""
    for region in cubes.left:
        codes = cubes.content[region, "labels"]
        later = np.where(np.arange(cubes.size)[:, None] < 64, codes, np.roll(codes, 16, axis=1))
        grid, path = cubes.grid(region), tmp_path / f"{region}.zarr"
        with atomic(path) as aside, codecs():
            zarr.create_group(aside, zarr_format=3)
            flags = ready("worldcover", "test").flags()
            create_array(aside, "land_cover", grid.shape, ("y", "x"), "uint8", 0, flags)[:] = later
            stacked = create_array(aside, BY_YEAR, (2, *grid.shape), ("year", "y", "x"), "uint8", 0, flags)
            stacked[:] = np.stack([codes, later])
            about = {"stage": "labels", "sensor": "truth", "region": region, "unit": "class"}
            years = {"year": ("year", np.array([2019, 2020]))}
            write_coordinates(
                aside, grid, years, about | {"code_version": "test", "map_years": ["2020", "2019"]}
            )

    def collect(kind: str, **own: Any) -> Any:
        entry = {"kind": kind, "patch_pixels": cubes.patch, "min_valid": 0.9, **own}
        folder = tmp_path / kind
        stores = [
            cubes.tile(folder, region, entry, labels=[tmp_path / f"{region}.zarr"]) for region in cubes.left
        ]
        return cubes.index(folder, stores, entry)

    store = collect("bitemporal", years=[2019, 2020], sensors=["sentinel-2"])
    everything = np.arange(store.samples)
    assert store.legend.described() == CHANGE.described()
    assert store.images(everything, ["red", "blue"]).shape[1:] == (2, 2, cubes.patch, cubes.patch)
    years = store.dates(["red"])[0].astype("datetime64[ns]").astype("datetime64[Y]").astype(int) + 1970
    assert (years == [2019, 2020]).all()
    maps, where = store.land_cover(everything), store.where()
    top = where["y"] > 5_400_000 - 640
    assert SAME in (shown := set(np.unique(maps[top & store.labelled]))) and CHANGED not in shown
    assert set(np.unique(maps[store.labelled])) == {0, SAME, CHANGED}

    store = collect("dates", samples_per_place=4, label_years_apart=0)
    everything = np.arange(store.samples)
    assert (list(store.bands), store.times(["red"])) == (["sentinel-2"], 0)
    assert store.samples > len(np.unique(store.positions))
    years = store.dates(["red"])[0, :, 0].astype("datetime64[ns]").astype("datetime64[Y]").astype(int) + 1970
    maps, where = store.land_cover(everything), store.where()
    for sample in everything[::7]:
        region = str(where["region"][sample])
        cube = zarr.open_array(tmp_path / f"{region}.zarr" / BY_YEAR)[int(years[sample]) - 2019]
        row = int((5_400_000 - where["y"][sample]) / 10 - cubes.patch / 2)
        column = int((where["x"][sample] - cubes.left[region]) / 10 - cubes.patch / 2)
        expected = cube[row : row + cubes.patch, column : column + cubes.patch]
        np.testing.assert_array_equal(maps[sample], expected)
