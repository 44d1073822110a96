"""WorldCover codes to the four classes."""

import numpy as np
import pytest

from revisit.cube.labels.worldcover import WORLDCOVER
from revisit.errors import RevisitError
from revisit.evaluation.metrics import IGNORE
from revisit.evaluation.tasks.landcover import CLASSES, LandClass, Legend


def test_every_code_has_a_class_and_no_label_is_ignored() -> None:
    """Crop is Cropland, built is Build-up, permanent water is Water, all else Others, 0 nothing."""
    legend = Legend(CLASSES)
    codes = np.array([[0, 40, 50], [80, 10, 95]], np.uint8)
    assert legend.merge(codes).tolist() == [[IGNORE, 1, 0], [2, 3, 3]]
    assert (legend.merge(np.array(list(WORLDCOVER), np.uint8)) != IGNORE).all()


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({"Water": [81], "Land": [10]}, "81 of 'Water'"),
        ({"Water": [80], "Wet": [80, 90]}, "'Water' and in 'Wet'"),
        ({"Water": [80]}, "at least two"),
    ],
)
def test_a_wrong_mapping_is_named(classes: dict[str, list[int]], message: str) -> None:
    """A mistyped code would silently drop a class."""
    with pytest.raises(RevisitError, match=message):
        Legend([LandClass(name=name, codes=codes) for name, codes in classes.items()])
