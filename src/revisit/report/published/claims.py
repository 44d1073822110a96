"""What the sources claim in words, ``claims.yaml``, with the printed numbers that each claim stands on."""

import csv
import math
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple, Self

import yaml
from pydantic import model_validator

from revisit.errors import RevisitError
from revisit.record import Record, read
from revisit.report.published.lookup import UNPRINTED, WORKS

CLAIMS = "claims.yaml"
PER_CENT = 0.01
Role = Literal["twin", "floor"]


class Line(NamedTuple):
    """A line of a source: its number as a fraction, and what names rows of ours that stand for it.

    ``value`` is None where the source shows it without a number. ``experiment`` and ``row`` are keys of
    ``published_as``, "" where no row of ours can; ``label_fraction`` is None where the source gives no share
    of the labels.
    """

    value: float | None
    experiment: str
    row: str
    modality: str
    protocol: str
    label_fraction: float | None
    class_: str
    metric: str


class Claim(Record):
    """One claim: that ``better`` scores higher than ``than``; or, where no score tells, why none does."""

    source: str
    """Where it is made."""
    claim: str
    """What is claimed."""
    where: dict[str, str] = {}
    """Columns of the source that both sides share."""
    better: dict[str, str] | Role = {}
    """Columns of the line that is to be higher, or its role."""
    than: dict[str, str] | Role = {}
    """Columns of the line it is higher than, or its role."""
    labels: float | Literal["fewer"] | None = None
    """Share of the labels of both, where it is not that of the lines; `fewer`: those of `better` alone."""
    other_places: bool = False
    """Whether the claim is of where pretraining images are from, which rows of one collection cannot tell."""
    caveat: str = ""
    """What of the printed numbers is doubtful."""
    unscored: str = ""
    """Why no difference of scores tells."""

    @model_validator(mode="after")
    def _two_sides(self) -> Self:
        lines = [side for side in (self.better, self.than) if isinstance(side, dict)]
        if bool(self.unscored) == any(lines):
            raise ValueError(f"{self.claim!r} needs either better and than, or unscored")
        if not self.unscored and not all(lines):
            raise ValueError(f"{self.claim!r} lacks better or than")
        if not lines:
            raise ValueError(f"{self.claim!r}: one of better and than must be a line of the source")
        return self

    def side(self, name: Literal["better", "than"]) -> Line | Role:
        """The line or role of a side; raises RevisitError where its columns do not tell one line."""
        own: dict[str, str] | Role = getattr(self, name)
        return line_of({**self.where, **own}) if isinstance(own, dict) else own

    def published(self) -> float | None:
        """The difference that the source prints, as a fraction; None where it does not print both."""
        if self.unscored or self.labels is not None:
            return None
        better, than = self.side("better"), self.side("than")
        if not (isinstance(better, Line) and isinstance(than, Line)):
            return None
        if better.value is None or than.value is None:
            return None
        return round(better.value - than.value, 6)


def claims() -> list[Claim]:
    """All claims, in the order of the file."""
    return [read(Claim, entry, f"{CLAIMS}, claim {number}") for number, entry in enumerate(_entries(), 1)]


def line_of(columns: Mapping[str, str]) -> Line:
    """The one line with these columns, as printed; raises RevisitError where none or several have them."""
    found = [line for line in _lines() if all(line.get(name) == text for name, text in columns.items())]
    if len(found) != 1:
        words = ", ".join(f"{name} {text!r}" for name, text in columns.items())
        raise RevisitError(f"{CLAIMS}: {len(found)} lines of the sources have {words}; name one")
    (line,) = found
    value, fraction = float(line.get("value") or "nan"), line.get("label_fraction", "")
    # What no row of ours stands for has no unit of ours: above 1 it is in per cent.
    unit = float(line["our_unit"]) if line["our_unit"] else PER_CENT if value > 1 else 1.0
    return Line(
        value=None if math.isnan(value) else value * unit,
        experiment=line["our_experiment"],
        row=line["our_row"],
        modality=line["our_modality"],
        protocol=line["our_protocol"],
        label_fraction=float(fraction) if fraction.replace(".", "").isdigit() else None,
        class_=line["class"],
        metric=line["our_metric"],
    )


@cache
def _entries() -> list[dict[str, Any]]:
    text = files("revisit.report.published").joinpath(CLAIMS).read_text(encoding="utf-8")
    entries: list[dict[str, Any]] = yaml.safe_load(text)
    return entries


@cache
def _lines() -> list[dict[str, str]]:
    """The lines of all works that hold a number, and what is shown without one."""
    texts = (
        files("revisit.report.published").joinpath(work).read_text(encoding="utf-8").splitlines()
        for work in (*WORKS, UNPRINTED)
    )
    return [line for text in texts for line in csv.DictReader(text) if line.get("value") != ""]
