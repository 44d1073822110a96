"""What encoders have seen of the places they are tested on: of each row of scores, and as a table.

An encoder has seen the training places of the collection it was pretrained on, and what the encoders have
seen that it started from. Labels are another matter: the split keeps those of test places from every row.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from revisit.errors import RevisitError
from revisit.files import read_json
from revisit.patches.nearness import Footprints, Nearness, footprints, nearness
from revisit.record import Record
from revisit.report import words
from revisit.trace import ENCODER, Ref, Results, started

KEY = ("experiment", "method", "modality", "protocol")
COLUMNS = (*KEY, "pretrained_on", "tested_on", "test_places", "same", "overlapped", "distance_m", "unknown")
NOTES = (
    "Counted are places of labelled test samples: same are those that pretraining has seen too, overlapped "
    "those whose footprint any place of pretraining overlaps. The distance is the least between their edges.",
    "Images of a place at another date are of the same place.",
)

Row = dict[str, Any]


class Tested(Record):
    """A row of scores: its encoders, and the collection it is tested on."""

    experiment: str
    """Free name of the experiment."""
    method: str
    """Free name of the row."""
    modality: str
    """Such as s1+s2."""
    protocol: str
    """Such as fine-tune."""
    encoders: list[Path]
    """Its encoders, of one pretraining seed."""
    index: Path
    """Index of the collection."""


class Seen(NamedTuple):
    """What an encoder learnt from: indexes of collections with the bands it saw; and what nobody knows."""

    collections: tuple[tuple[Path, tuple[str, ...]], ...] = ()
    unknown: tuple[str, ...] = ()

    def __or__(self, other: "Seen") -> "Seen":
        """What both have learnt from, each once, in the order of the encoders."""
        return Seen(
            tuple(dict.fromkeys(self.collections + other.collections)),
            tuple(dict.fromkeys(self.unknown + other.unknown)),
        )


def seen(path: Path) -> Seen:
    """What the encoder at a path of a study's results has learnt from, and those that it started from."""
    results, ref = started(path)
    return _seen(results, Ref(ENCODER, ref.path))


def _seen(results: Results, ref: Ref) -> Seen:
    node = results.node(ref)
    if not node.there:
        raise RevisitError(f"{ref.path}: has no card beside it; pretrain it again")
    card = read_json(ref.path.with_name("card.json"))
    index, *parents = node.made_of
    found = Seen()
    if card.get("weights_of"):
        found |= Seen(unknown=(f"weights of {card['weights_of']}",))
    if card.get("steps"):
        found |= Seen(((index.path, tuple(card["bands"])),))
    for parent in parents:
        found |= _seen(results, parent)
    missing = len(card.get("parents", ())) - len(parents)
    return found | (Seen(unknown=("a parent that is gone",)) if missing > 0 else Seen())


def check(encoders: Sequence[Path], index: Path) -> Row:
    """How the test places of a collection lie to what these encoders have seen.

    ``same``, ``overlapped`` and ``distance_m`` are None where nothing was learnt, or nothing is known of
    places. Raises RevisitError for what is no encoder or no collection.
    """
    learnt = Seen()
    for path in encoders:
        learnt |= seen(path)
    tested = _footprints(index, "test", (), labelled=True)
    unknown = list(learnt.unknown)
    if tested.unplaced:
        unknown.append(f"{tested.unplaced} test samples of {index.parent.name} without coordinates")
    found: Nearness | None = None
    for other, bands in learnt.collections:
        train = _footprints(other, "train", bands, labelled=False)
        if train.unplaced:
            unknown.append(f"{train.unplaced} samples of {other.parent.name} without coordinates")
        near = nearness(tested, train)
        found = found | near if found else near
    known = found is not None and found.metres is not None
    return {
        "pretrained_on": " + ".join(dict.fromkeys(other.parent.name for other, _ in learnt.collections))
        or "none",
        "tested_on": index.parent.name,
        "test_places": len(tested.epsg),
        "same": int(found.same.sum()) if found and known else None,
        "overlapped": int(found.overlapped.sum()) if found and known else None,
        "distance_m": found.metres if found else None,
        "unknown": "; ".join(unknown),
    }


@cache
def _footprints(index: Path, part: str, bands: tuple[str, ...], labelled: bool) -> Footprints:
    return footprints(index, part, bands, labelled)


def checked(tested: Sequence[Tested]) -> list[Row]:
    """A row for each of these; those alike are looked at once."""
    known: dict[tuple[Any, ...], Row] = {}
    rows = []
    for one in tested:
        key = (*one.encoders, one.index)
        if key not in known:
            known[key] = check(one.encoders, one.index)
        rows.append({name: getattr(one, name) for name in KEY} | known[key])
    return rows


def to_csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def to_markdown(rows: Sequence[Row]) -> str:
    """The same to read: rows that are alike but for the way of learning once."""
    lines = ["# What pretraining has seen of test places", "", f"{said(rows)}", ""]
    head = ("method", "modality", *COLUMNS[len(KEY) :])
    lines += [f"| {' | '.join(name.replace('_', ' ') for name in head)} |", f"|{' --- |' * len(head)}"]
    alike = dict.fromkeys(
        tuple("–" if row[name] in (None, "") else _shown(name, row[name]) for name in head) for row in rows
    )
    lines += [f"| {' | '.join(cells)} |" for cells in alike]
    return "\n".join([*lines, "", *(f"- {note}" for note in NOTES), ""])


def _shown(name: str, value: Any) -> str:
    if name == "modality":
        return words.modality(value)
    return f"{value:.0f}" if name == "distance_m" else str(value)


def said(rows: Sequence[Mapping[str, Any]]) -> str:
    """In a sentence, whether anything is amiss."""
    leaking = [row for row in rows if row["overlapped"]]
    unknown = sum(bool(row["unknown"]) for row in rows)
    text = f"{len(leaking)} of {len(rows)} rows are by encoders that were pretrained on test places"
    return f"{text}; of {unknown} not all is known." if unknown else f"{text}."
