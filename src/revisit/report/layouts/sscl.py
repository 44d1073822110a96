"""Recall of each class, their mean (AA) and overall accuracy (OA) by model, from few labels: SSCL's table."""

from revisit.report import cells, words
from revisit.report.cells import Line, Scores
from revisit.report.layout import DEVIATION, INTERVAL, Block, Layout
from revisit.report.layouts.class_rows import AVERAGES, WHOLE

# The order of the poster; other classes follow.
PRINTED = ("forest", "shrubland", "grassland", "wetlands", "croplands", "urban", "barren", "water")
UNSTATED = (
    "SSCL does not say of how many labelled samples its table is; it stands beside every number of ours."
)


def _blocks(scores: Scores) -> list[Block]:
    """A block a setting: a row a modality and model, a column a class, then both averages."""
    classes = [name for name in scores.classes if name not in (*AVERAGES, WHOLE)]
    classes.sort(key=lambda name: (_rank(name), name))
    columns = {name: {"class": name, "metric": "recall"} for name in classes}
    columns |= {
        "AA": {"class": "macro avg", "metric": "recall"},
        "OA": {"class": WHOLE, "metric": "accuracy"},
    }
    lines = [
        Line((words.modality(modality), model.title), model, {"modality": modality})
        for modality in cells.modalities(scores.models)
        for model in scores.models
        if modality in model.modalities
    ]
    heading = "recall of each class, their mean (AA) and overall accuracy (OA) in per cent"
    return [
        scores.block(
            heading, setting, ("data", "model"), lines, columns, words.PERCENT, words.SHARE, deviations=True
        )
        for setting in scores.settings
    ]


def _rank(name: str) -> int:
    return PRINTED.index(name.casefold()) if name.casefold() in PRINTED else len(PRINTED)


LAYOUT = Layout(
    title="Land cover from few labels (SSCL, DFC2020)",
    task="segmentation",
    blocks=_blocks,
    notes=(UNSTATED, DEVIATION, INTERVAL),
)
