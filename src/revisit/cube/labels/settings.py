"""Where the labels of a study come from, and what their codes mean: the section `labels` of the config."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

from pydantic import Field, model_validator

from revisit.cube.labels.label_file import LabelFile, check_file
from revisit.cube.labels.legend import LabelClass, Legend
from revisit.cube.labels.maps import MAPS
from revisit.cube.labels.ready import ready
from revisit.errors import RevisitError
from revisit.record import Record, read

OWN_TITLE = "own labels"


class Labels(Record):
    """Where labels come from, and what their codes mean."""

    legend: str | None = None
    """A ready legend: worldcover, io-lulc, dynamic-world, corine-3 or corine-1. That of the map where the
    search asks for one."""
    classes: list[LabelClass] | None = Field(None, min_length=1)
    """A legend of your own, in place of a ready one."""
    ignore: list[int | str] = []
    """Values, numbers or names, that are no label; beside those that a ready legend ignores."""
    files: list[LabelFile] = []
    """Files of your own, in place of a map from the catalogue. Where several have a label, that of the newest
    is taken."""

    regions: list[str] | None = None
    """Regions that have labels; all if absent. The others serve pretraining alone."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.legend is not None and self.classes is not None:
            raise ValueError("has both legend and classes; keep one")
        return self


class Labelling(NamedTuple):
    """What the labels of a study are made of: a map that is searched for or else files, and their years."""

    searched: str | None
    files: Sequence[LabelFile]
    years: list[int]
    legend: Legend


def labelling(labels: Labels | None, searched: Mapping[str, Any]) -> Labelling | None:
    """The labels of a study; None where it has none. ``searched``: its search, by sensor or map.

    Raises RevisitError where they contradict each other, or files cannot be labels.
    """
    maps = [name for name in searched if name in MAPS]
    if len(maps) > 1:
        raise RevisitError(f"search: {' and '.join(maps)} are both label maps; leave all but one out")
    if labels is None and not maps:
        return None
    labels = labels or Labels()
    if labels.files and maps:
        raise RevisitError(f"labels.files: are the labels, and so is search.{maps[0]}; leave one of them out")
    if not labels.files and not maps:
        raise RevisitError("labels: without a map; add labels.files, or a map such as search.worldcover")
    legend = _legend(labels, maps[0] if maps else None)
    for number, file in enumerate(labels.files):
        check_file(file, f"labels.files.{number}")
    years = searched[maps[0]]["years"] if maps else [year for file in labels.files for year in file.years]
    return Labelling(maps[0] if maps else None, labels.files, sorted(set(years)), legend)


def _legend(labels: Labels, searched: str | None) -> Legend:
    """The legend of a study's labels, with all that is ignored."""
    usual = MAPS[searched] if searched else None
    if labels.classes is not None:
        about = {"title": OWN_TITLE, "classes": [one.content() for one in labels.classes], "ignore": []}
        where = "labels"
    else:
        name = labels.legend or usual
        if name is None:
            raise RevisitError(
                "labels.legend is missing; name a ready one such as corine-3, or give labels.classes"
            )
        if usual and name != usual:
            raise RevisitError(
                f"labels.legend: {name!r} is not that of search.{searched}, {usual!r}; leave it out"
            )
        about, where = ready(name, "labels.legend").content(), "labels"
    return read(Legend, {**about, "ignore": [*about["ignore"], *labels.ignore]}, where)
