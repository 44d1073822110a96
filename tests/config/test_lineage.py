"""An entry starts from encoders that there are, of its own modality, and not from itself."""

from typing import Any

import pytest

from revisit.config.lineage import parents_of
from revisit.config.study import Entry
from revisit.errors import RevisitError

NET = {"name": "channel-unet", "width": 8}
COLLECTIONS: dict[str, Any] = {
    "pairs": {"bands": {"sentinel-1": ["vv", "vh"], "sentinel-2": ["red", "nir"]}, "patch_pixels": 32}
}


def entry(*parents: str, **changes: Any) -> Entry:
    method = {"name": "core", "encoder": NET}
    given = {"collection": "pairs", "modalities": ["s1+s2"], "parents": list(parents), "method": method}
    return Entry.model_validate({**given, "steps": 1, **changes})


def test_shapes_of_parents() -> None:
    """Of the bands and the side that the parent is trained on, in the order they are named."""
    cropped = entry(method={"name": "unifeat", "encoder": NET, "crop_pixels": 16})
    found = parents_of("mine", "s1+s2", {"mine": entry("b", "a"), "a": entry(), "b": cropped}, COLLECTIONS)
    bands = ["vv", "vh", "red", "nir"]
    assert found == [{**NET, "bands": bands, "image_pixels": side} for side in (16, 32)]
    assert parents_of("a", "s1+s2", {"a": entry()}, COLLECTIONS) == []


def test_a_parent_of_one_modality_is_taken_as_it_is() -> None:
    """A generator sees both sensors, and its child one."""
    (found,) = parents_of("mine", "s1", {"mine": entry("a"), "a": entry(modalities=["s1+s2"])}, COLLECTIONS)
    assert found["bands"][:2] == ["vv", "vh"] and len(found["bands"]) > 2


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"a": entry("mine")}, r"mine\.parents: 'a' starts from 'mine' in its turn"),
        ({"a": entry("b"), "b": entry("mine")}, r"mine\.parents: 'a' starts from 'mine' in its turn"),
        ({"b": entry()}, r"mine\.parents: 'a' is not defined, there is b, mine"),
        (
            {"a": entry(modalities=["s1", "s2"])},
            r"on s1, s2, not on 's1\+s2'; add it to .*a\.modal",
        ),
        ({"a": entry(collection="pears")}, r"methods\.a\.collection: 'pears' is not defined"),
    ],
)
def test_faults_are_named(others: dict[str, Entry], message: str) -> None:
    with pytest.raises(RevisitError, match=message):
        parents_of("mine", "s1+s2", {"mine": entry("a"), **others}, COLLECTIONS)
