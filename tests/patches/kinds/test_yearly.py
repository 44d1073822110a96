"""Composites fill small gaps only, and a year without enough of them drops its place or is masked."""

from typing import Any

import numpy as np
import pytest

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


def kind(missing_years: str, years: list[int]) -> Yearly:
    given = {"kind": "yearly", "patch_pixels": 12, "min_valid": 0.9, "label_year": 2020}
    entry = YearlyEntry.model_validate(given | {"missing_years": missing_years})
    return Yearly(entry, {"sentinel-2": Sensed(SCALING, years)}, 0)


def test_drop() -> None:
    """One bad year loses the place, and the first is named."""
    years = [2019, 2020, 2021]
    assert kind("drop", years).samples(ground(2021)) == ([], "enough of sentinel-2 in 2021")
    (sample,), cause = kind("drop", years).samples(ground(None))
    assert cause == ""
    assert sample["sentinel-2"].valid.all()


def test_mask() -> None:
    """Masked, the place keeps its other years."""
    (sample,), _ = kind("mask", [2019, 2020, 2021]).samples(ground(2021))
    look = sample["sentinel-2"]
    np.testing.assert_array_equal(np.isnat(look.times), [False, False, True])
    np.testing.assert_array_equal(look.valid.all(axis=(1, 2)), [True, True, False])
    assert not look.valid[2].any()


@pytest.mark.parametrize("missing_years", ["drop", "mask"])
def test_the_labels_year_is_never_missing(missing_years: str) -> None:
    """A place without the year of its labels is none, even where other years may lack."""
    cause = "enough of sentinel-2 in 2020"
    assert kind(missing_years, [2019, 2020, 2021]).samples(ground(2020)) == ([], cause)
    assert kind(missing_years, [2019, 2021]).samples(ground(None)) == ([], cause)
