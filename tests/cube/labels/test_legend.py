"""Protects the meaning of codes: no two classes share one, names and colours come back as they were."""

import numpy as np
import pytest

from revisit.cube.labels.legend import LabelClass, Legend, simple
from revisit.cube.labels.ready import ready
from revisit.errors import RevisitError
from revisit.record import read

READY = {"worldcover": 11, "io-lulc": 8, "dynamic-world": 9, "corine-3": 44, "corine-1": 5}


@pytest.mark.parametrize(("name", "classes"), READY.items())
def test_ready_legends_are_whole(name: str, classes: int) -> None:
    legend = ready(name, "test")
    assert len(legend.classes) == classes
    assert all(one.colour for one in legend.classes) and len(set(legend.colours.values())) == classes
    assert Legend.of(legend.described()).described() == legend.described()


def test_ready_legends_read_what_files_have() -> None:
    """CORINE's rasters number its classes on, its polygons have their codes; Dynamic World begins at 0."""
    three, one = ready("corine-3", "test"), ready("corine-1", "test")
    # Grid codes and codes of the product's legend: first, forest, last, and those that are no class.
    for value, code in {1: 111, 23: 311, 44: 523, 412: 412, 48: 0, 255: 0, 995: 0}.items():
        assert three.meanings[value] == code
        assert one.meanings[value] == code // 100
    assert len(set(one.meanings) - {0}) == 2 * 44 + 7 + 5  # values, ignored ones, names
    world = ready("dynamic-world", "test")
    assert (world.meanings[0], world.meanings[8]) == (1, 9)
    assert ready("io-lulc", "test").meanings[10] == 0  # clouds
    assert ready("worldcover", "test").meanings[0] == 0


def test_an_unknown_ready_legend_is_refused() -> None:
    with pytest.raises(
        RevisitError, match=r"labels\.legend: no ready legend 'corine'.*did you mean 'corine-"
    ):
        ready("corine", "labels.legend")


@pytest.mark.parametrize(
    ("classes", "ignore", "message"),
    [
        (
            [{"code": 1, "name": "A"}, {"code": 1, "name": "B", "values": [2]}],
            [],
            "code 1 is that of 'A' and",
        ),
        ([{"code": 1, "name": "Oil seed"}, {"code": 2, "name": "Oil-Seed"}], [], "name 'oilseed' is that of"),
        (
            [{"code": 1, "name": "A", "values": [3, 4]}, {"code": 4, "name": "B"}],
            [],
            "value 4 is that of 'A'",
        ),
        ([{"code": 1, "name": "A"}], [7, 1], "1 is to be ignored, and is of the class 'A'"),
        ([{"code": 1, "name": "Oil seed"}], ["oilseed"], "'oilseed' is to be ignored, and is of"),
        ([{"code": 0, "name": "A"}], [], r"classes\.0\.code: .*greater than or equal to 1"),
        ([{"code": 70_000, "name": "A"}], [], r"classes\.0\.code: .*less than or equal to 65535"),
        ([{"code": 1, "name": "A", "colour": "red"}], [], r"classes\.0\.colour: "),
    ],
)
def test_a_legend_that_contradicts_itself_is_refused(classes, ignore, message: str) -> None:
    with pytest.raises(RevisitError, match=message):
        read(Legend, {"title": "mine", "classes": classes, "ignore": ignore}, "labels")


def test_names_of_other_spelling_are_the_same() -> None:
    assert simple("Transitional woodland/shrub") == simple("Transitional woodland-shrub")
    assert simple("Peat bogs") == simple("Peatbogs") != simple("Salt marshes")
    assert simple(" 311 ") == 311


def test_classes_without_a_colour_get_their_own() -> None:
    """Told apart among sixty, and the same wherever the legend is written."""
    legend = Legend(title="mine", classes=[LabelClass(code=n, name=f"c{n}") for n in range(1, 61)])
    assert len(set(legend.colours.values())) == 60
    assert Legend.of(legend.described()).colours == legend.colours


def test_a_picture_has_the_colours_and_white_where_there_is_no_class() -> None:
    codes = np.array([[0, 10], [300, 7]], np.uint16)
    classes = [
        LabelClass(code=10, name="A", colour="#102030"),
        LabelClass(code=300, name="B", colour="#ff0000"),
    ]
    legend = Legend(title="mine", classes=classes)
    assert legend.painted(codes).tolist() == [
        [[255] * 3, [16, 32, 48]], [[255, 0, 0], [255] * 3]
    ]  # fmt: skip
    assert legend.dtype == np.uint16 and ready("worldcover", "test").dtype == np.uint8
