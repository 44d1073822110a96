"""Codes of a legend to the classes of a map task."""

import numpy as np
import pytest

from revisit.cube.labels.ready import ready
from revisit.errors import RevisitError
from revisit.evaluation.metrics import IGNORE
from revisit.evaluation.tasks.landcover import LandClass, Merging

WORLDCOVER = ready("worldcover", "test")


def test_every_code_has_a_class_and_no_label_is_ignored() -> None:
    """Crop is Cropland, built is Build-up, permanent water is Water, all else Others, 0 nothing."""
    four = Merging(None, WORLDCOVER)
    assert four.names == ("Build-up", "Cropland", "Water", "Others")
    codes = np.array([[0, 40, 50], [80, 10, 95]], np.uint8)
    assert four.merge(codes).tolist() == [[IGNORE, 1, 0], [2, 3, 3]]
    assert (four.merge(np.array(WORLDCOVER.codes)) != IGNORE).all()


def test_classes_of_another_legend_stand_for_themselves_and_keep_its_colours() -> None:
    """Codes of CORINE need 16 bits; what merges several has the colour of the first, or one of its own."""
    corine = ready("corine-3", "test")
    each = Merging(None, corine)
    assert each.names == tuple(corine.names.values())
    assert each.merge(np.array([311, 0, 523], np.uint16)).tolist() == [22, IGNORE, 43]
    assert each.colours[22] == "#80ff00"
    merged = [
        LandClass(name="Forest", codes=[312, 313]),
        LandClass(name="Water", codes=[512], colour="#000001"),
    ]
    two = Merging(merged, corine)
    assert two.colours == ("#00a600", "#000001")
    assert two.merge(np.array([313, 311, 512])).tolist() == [0, IGNORE, 1]


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({"Water": [81], "Land": [10]}, "81 of 'Water' is no code of ESA WorldCover; they are"),
        ({"Water": [80], "Wet": [80, 90]}, "'Water' and in 'Wet'"),
        ({"Water": [80]}, "at least two"),
    ],
)
def test_a_wrong_mapping_is_named(classes: dict[str, list[int]], message: str) -> None:
    """A mistyped code would silently drop a class."""
    with pytest.raises(RevisitError, match=message):
        Merging([LandClass(name=name, codes=codes) for name, codes in classes.items()], WORLDCOVER)
