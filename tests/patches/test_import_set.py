"""The samples of a set are shared out among its stores by whole places."""

import pytest

from revisit.errors import RevisitError
from revisit.patches import import_set
from revisit.patches.benchmark import Sample


def names(samples: list[Sample]) -> list[str]:
    return [sample.name for sample in samples]


def test_places_stay_whole() -> None:
    """Samples of one place, which may be far apart in the list, are in one store; none is lost."""
    samples = [Sample(f"{place}{month}", "train", place, ()) for month in (1, 2) for place in "abcde"]
    shares = [names(import_set._share("some", samples, number, 2)) for number in (1, 2)]
    assert shares == [["a1", "b1", "c1", "a2", "b2", "c2"], ["d1", "e1", "d2", "e2"]]


def test_no_store_is_empty() -> None:
    """Of a set that is there in part each store has samples, and all that are left out are counted once."""
    samples = [Sample(f"{n}", "train", f"{n}", (), left_out="gone" if n < 7 else "") for n in range(10)]
    shares = [import_set._share("some", samples, number, 3) for number in (1, 2, 3)]
    assert [sum(not one.left_out for one in share) for share in shares] == [1, 1, 1]
    assert sorted(name for share in shares for name in names(share)) == sorted(names(samples))
    with pytest.raises(RevisitError, match=r"imports.some.stores: 4, but there are samples of 3 places; ask"):
        import_set._share("some", samples, 1, 4)
