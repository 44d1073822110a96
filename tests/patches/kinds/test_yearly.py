"""Composites fill small gaps only, and a year without enough of them is masked, not the place lost."""

from dataclasses import replace
from typing import Any

import numpy as np

from revisit.patches.kind import Ground, Look, Sensed
from revisit.patches.kinds.yearly import Yearly, YearlyEntry, annual

SCALING: dict[str, Any] = {"source_unit": "reflectance", "bands": {}}


def test_gaps_of_a_year() -> None:
    """A small gap gets its neighbours' median and is valid; a large one is not, and counts as the mean."""
    values = np.full((1, 1, 12, 12), 50, np.uint8)
    valid = np.ones((1, 12, 12), bool)
    valid[0, 1, 1] = False
    valid[0, 5:12, 5:12] = False
    values[0, 0, 1, 1] = 255
    look = Look(values, valid, np.array(["2020-03-01"], "datetime64[ns]"))
    composite = annual(look, [2019, 2020], SCALING)
    assert not composite.valid[0].any()
    assert composite.valid[1, 1, 1]
    assert composite.values[1, 0, 1, 1] == 50
    assert composite.valid[1].sum() == 12 * 12 - 5 * 5


def ground(cloudy: int | None) -> Ground:
    """A place with a date in each of 2019, 2020 and 2021, that of ``cloudy`` half covered."""
    valid = np.ones((3, 12, 12), bool)
    if cloudy is not None:
        valid[cloudy - 2019, :6] = False
    times = np.array(["2019-05-01", "2020-05-01", "2021-05-01"], "datetime64[ns]")
    values = np.full((3, 1, 12, 12), 50, np.uint8)
    return Ground(0, 0, 0, {"sentinel-2": Look(values, valid, times)}, np.zeros((12, 12), np.uint8))


def kind(years: list[int], **changes: Any) -> Yearly:
    given = {"kind": "yearly", "patch_pixels": 12, "min_valid": 0.9, "label_year": 2020}
    entry = YearlyEntry.model_validate(given | changes)
    return Yearly(entry, {"sentinel-2": Sensed(SCALING, years)}, 0)


def test_a_missing_year_is_masked() -> None:
    """The place keeps its other years."""
    (sample,), cause = kind([2019, 2020, 2021]).samples(ground(2021))
    assert cause == ""
    look = sample["sentinel-2"]
    np.testing.assert_array_equal(np.isnat(look.times), [False, False, True])
    np.testing.assert_array_equal(look.valid.all(axis=(1, 2)), [True, True, False])
    assert not look.valid[2].any()


def test_a_required_year() -> None:
    """A year that the collection asks for loses the place that lacks it, in its cube or under cloud."""
    years = [2019, 2020, 2021]
    assert kind(years, required_years=[2021, 2020]).samples(ground(2021)) == (
        [],
        "enough of sentinel-2 in 2021",
    )
    assert len(kind(years, required_years=[2021]).samples(ground(2020))[0]) == 1
    assert kind([2019, 2021], required_years=[2020]).samples(ground(None))[0] == []


def test_no_year_at_all() -> None:
    """A place without any year of a sensor is none."""
    assert kind([2020]).samples(ground(2020)) == ([], "enough of sentinel-2 in any year")


def test_the_label_belongs_to_its_year() -> None:
    """Of maps of several years it is that of the label's own, else of the nearest that is near enough.

    Without a composite of the year, or with a map of another time, a sample is kept unlabelled.
    """

    def code(cloudy: int, *map_years: int, **changes: Any) -> int | None:
        """The code that labels the place, where the map of a year has the code of its last two digits."""
        maps = {year: np.full((12, 12), year % 100, np.uint8) for year in map_years}
        place = replace(ground(cloudy), by_year=maps, land_cover=np.full((12, 12), 99, np.uint8))
        yearly = kind([2019, 2020, 2021], **changes)
        (sample,), _ = yearly.samples(place)
        labels = yearly.label_map(place, sample)
        return None if labels is None else int(labels[0, 0])

    assert code(2021, 2020) == 20
    assert code(2020, 2020) is None  # no composite
    assert code(2021) is None  # no map
    assert code(2021, 2020, 2021) == 20
    assert code(2021, 2019, 2021) == 19
    assert code(2021, 2021, label_years_apart=0) is None
    assert code(2021, 2018, 2021, label_years_apart=2) == 21
