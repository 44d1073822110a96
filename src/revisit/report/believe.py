"""What a reader must know before believing the numbers of a study; only what applies to this one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from revisit.report import words
from revisit.report.facts import Facts
from revisit.report.published.lookup import caveat

Row = dict[str, Any]
Index = Mapping[str, Any]


@dataclass(frozen=True)
class Point:
    """One thing to know: ``text`` says what it is, ``names`` of which runs it holds."""

    title: str
    text: str
    names: tuple[str, ...] = ()


def points(rows: Sequence[Row], facts: Facts, indexes: Sequence[Index], simulated: bool) -> list[Point]:
    """What holds of these rows of all.csv, and of the collections that have these indexes."""
    found = [
        _simulated(simulated),
        _luck(rows, facts),
        _intervals(rows),
        *(_split(index) for index in indexes if index["collection"] in {row["dataset"] for row in rows}),
        _below_floor(rows, facts),
        _cut(rows, facts),
        _collapsed(rows, facts),
        _leaked(rows, facts),
        *(_published(name, facts) for name in facts.names()),
    ]
    return [point for point in found if point]


def _simulated(simulated: bool) -> Point | None:
    text = (
        "Imagery and labels are simulated (the embedded archive). Scores tell whether the line works and how "
        "methods compare on these landscapes; they say nothing of real ones."
    )
    return Point("Simulated Earth", text) if simulated else None


def _luck(rows: Sequence[Row], facts: Facts) -> Point | None:
    """How many runs are behind a score, and which luck its interval leaves out."""
    counts = sorted({row["seeds"] for row in rows if row["seeds"] and row["protocol"] != words.FLOOR})
    if not counts:
        return None
    runs = (
        f"{counts[0]} to {counts[-1]} runs" if len(counts) > 1 else f"{counts[0]} run{'s' * (counts[0] > 1)}"
    )
    seeds = len({encoder.seed for encoder in facts.encoders if not encoder.baseline})
    pretraining = {
        0: "",
        1: " Every encoder was pretrained once: how lucky that was is in no interval.",
    }.get(seeds, f" Encoders were pretrained with {seeds} seeds.")
    return Point("Seeds", f"A score is the mean of {runs}.{pretraining}")


def _intervals(rows: Sequence[Row]) -> Point | None:
    """Which interval answers which question, where there is one over test places."""
    counts = sorted({row["test_places"] for row in rows if row["test_ci_low"] is not None})
    if not counts:
        return None
    places = f"{counts[0]:,} to {counts[-1]:,}" if len(counts) > 1 else f"{counts[0]:,}"
    text = (
        "Would other runs score so on these test places? The interval over runs says (in brackets; ci_low, "
        "ci_high). Would these runs score so on other places of the same regions? The interval over test "
        "places says, of headline metrics and of gains (in braces; test_ci_low, test_ci_high): the middle "
        f"95 % of the scores on {places} places drawn anew from those tested, all dates of a place together, "
        "and the same places for both rows of a gain. Neither holds the luck of the other. Places near each "
        "other are alike, so that the second is rather too narrow; of few places it is rough. Other regions "
        "are in neither."
    )
    return Point("Two intervals", text)


def _split(index: Index) -> Point:
    """The one draw that all runs share, the classes it does not show, and how near its parts are."""
    stores = index["stores"]
    test = sum(store["parts"]["test"] for store in stores)
    total = sum(store["samples"] for store in stores)
    if own := index.get("source_set"):
        text = f"{test} of {total} samples, by the lists of {own}, are the test split of all runs."
    else:
        regions = sum(store["parts"]["test"] > 0 for store in stores)
        text = (
            f"{test} of {total} samples, in {regions} region{'s' * (regions > 1)}, are the test split of all "
            "runs. They were drawn once."
        )
    shown = index.get("class_samples", {}).get("test", ())
    if absent := [name for name, count in zip(index["classes"], shown, strict=False) if not count]:
        text += f" Classes without a labelled test sample: {', '.join(absent)}."
    least = {pair.replace("-", " to "): metres for pair, metres in index["split_distance_m"].items()}
    if least:
        spoken = ", ".join(f"{pair} {metres:.0f} m" for pair, metres in least.items())
        text += f" Least distance between patches: {spoken}."
    if 0 in least.values():
        text += " Where parts touch, scores are those of neighbours of what was learnt."
    return Point(f"Test split of {index['collection']}", text)


def _below_floor(rows: Sequence[Row], facts: Facts) -> Point | None:
    below = [row for row in rows if row["metric"].endswith(words.OVER_FLOOR) and row["value"] < 0]
    text = "A floor, which needs no trained network, scores higher than these runs:"
    return Point("Below the best floor", text, _named(below, facts)) if below else None


def _cut(rows: Sequence[Row], facts: Facts) -> Point | None:
    cut = [row for row in rows if row["converged"] is False]
    text = "A training had not converged when its budget ended (‡):"
    return Point("Cut off by the budget", text, _named(cut, facts)) if cut else None


def _collapsed(rows: Sequence[Row], facts: Facts) -> Point | None:
    collapsed = [row for row in rows if row["collapsed"]]
    text = "The encoder collapsed in pretraining (†); these scores say nothing of the method:"
    return Point("Collapsed", text, _named(collapsed, facts)) if collapsed else None


def _leaked(rows: Sequence[Row], facts: Facts) -> Point | None:
    leaked = [row for row in rows if row.get("test_places_seen")]
    text = "The encoder was pretrained on places of the test split (§; tables/leaks.md says how many):"
    return Point("Pretrained on test places", text, _named(leaked, facts)) if leaked else None


def _published(name: str, facts: Facts) -> Point | None:
    if text := caveat(facts.experiments[name].published_as):
        return Point(
            f"Published numbers beside {facts.title(name)}", f"{text[0].upper()}{text[1:]} with this run's."
        )
    return None


def _named(rows: Iterable[Row], facts: Facts) -> tuple[str, ...]:
    """Runs by what tables print of them, each once, with the amounts of labels it holds for."""
    titles = {(run.experiment, run.method): run.title for run in facts.runs}
    named: dict[str, list[Row]] = {}
    for row in rows:
        key = (row["experiment"], row["method"])
        text = (
            f"{facts.title(row['experiment'])}: {titles.get(key, row['method'])}, "
            f"{words.modality(row['modality'])}, {words.training(row['protocol'])}"
        )
        named.setdefault(text, []).append(row)
    return tuple(f"{text} ({words.labels(*of)})" for text, of in named.items())
