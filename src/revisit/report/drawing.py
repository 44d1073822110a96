"""The contract of a figure: what it is drawn of and from, when it applies, and where the page shows it.

A figure is one file in ``figures/`` that offers itself as ``FIGURE``. Which figures a study has is asked at
planning, so such a file imports matplotlib only while it draws.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from revisit import parts
from revisit.report import words
from revisit.report.facts import Facts

Source = Literal[
    "table",
    "shifts",
    "histories",
    "changes",
    "predictions",
    "features",
    "reconstruction",
    "mixture",
    "similarity",
]


@dataclass(frozen=True)
class Drawing:
    """A figure, one for the study, for each experiment or for each encoder.

    ``source`` is what it is drawn from: all.csv of the study or of the experiment (``table``), shifts.csv of
    every cube (``shifts``), log.csv of every encoder that is no baseline (``histories``), the estimates of
    every encoder that estimates change beside what has changed (``changes``), .npz of every run of the
    experiment (``predictions``), or features and predictions, in turn, of its first probe of each method and
    modality (``features``), all in the order of the facts; reconstruction.npz, changes.csv and mixture.csv
    (``mixture``), or the similarity of the encoder.
    ``applies`` gets the facts of the study, of one experiment or of one encoder; ``draw`` the files, these
    facts and the PNG to write.
    """

    per: Literal["study", "experiment", "encoder"]
    source: Source
    title: str
    section: Literal["results", "pretraining", "coregistration"]
    caption: str
    applies: Callable[[Facts], bool]
    draw: Callable[[Sequence[Path], Facts, Path], None]


def figures(facts: Facts) -> list[dict[str, Any]]:
    """Every figure of a study, as the plan and the page need it, in JSON.

    ``figure`` (its name), ``path`` below figures/ without suffix, ``source``, ``experiment`` (or None),
    ``encoder`` (its folder below encoders/, or None), ``settings`` (all that revisit.report.figure needs),
    ``modules`` (the parts it loads by name), ``title``, ``group``, ``section`` and ``caption``.
    """
    return [one for name in parts.names("figure") for one in _of(name, parts.find("figure", name), facts)]


def _of(name: str, drawing: Drawing, facts: Facts) -> Iterator[dict[str, Any]]:
    for path, title, of in _subjects(drawing, facts):
        if not drawing.applies(of):
            continue
        layouts = [layout for experiment in of.experiments.values() for layout in experiment.layouts]
        of_table = layouts if drawing.per == "experiment" and drawing.source == "table" else []
        yield {
            "figure": name,
            "path": "/".join((name, *path)),
            "source": drawing.source,
            "experiment": path[0] if drawing.per == "experiment" else None,
            "encoder": "/".join(path) if drawing.per == "encoder" else None,
            "settings": {"figure": name, **of.content()},
            "modules": [
                parts.module_of("figure", name),
                *(parts.module_of("layout", layout) for layout in of_table),
            ],
            "title": ": ".join(filter(None, (drawing.title, title))),
            "group": drawing.title,
            "section": drawing.section,
            "caption": drawing.caption,
        }


def _subjects(drawing: Drawing, facts: Facts) -> Iterator[tuple[tuple[str, ...], str, Facts]]:
    """Path, title and facts of each thing that a figure may be drawn of."""
    if drawing.per == "study":  # of cubes or encoders; nothing else of the study is to redraw it
        of_encoders = drawing.source in ("histories", "changes")
        yield (), "", Facts(encoders=facts.encoders) if of_encoders else Facts()
    elif drawing.per == "experiment":
        for name in facts.names():
            yield (name,), facts.title(name), facts.of_experiment(name)
    else:
        for one in facts.encoders:
            path = (one.collection, one.entry, one.modality, f"seed{one.seed}")
            title = f"{one.title}, {words.modality(one.modality)}, seed {one.seed}"
            yield path, title, facts.of_encoder(one)
