"""What each step of the preparation of imagery is worth: rows that learn the same maps from other cubes."""

from revisit.report import cells, words
from revisit.report.cells import CELL, Line, Scores
from revisit.report.layout import CUT, INTERVAL, Block, Layout
from revisit.report.layouts.class_rows import WHOLE

PLACES = "All rows are of the same ground; how many dates of it are clear depends on the mask."


def _blocks(scores: Scores) -> list[Block]:
    """A block a way of learning and an amount of labels, whatever collection a row is of."""
    named = [dict(zip(CELL, key, strict=True)) for key in scores.rows]
    of = {one["method"]: one["dataset"] for one in named}
    lines = [
        Line((model.title,), model, {"dataset": of[model.method]}) for model in scores.models if model.method
    ]
    columns = {
        f"{words.modality(modality)} {words.metric(metric)}": {
            "modality": modality, "class": WHOLE, "metric": metric,
        }
        for modality in cells.modalities(scores.models)
        for metric in ("miou", "accuracy")
    }  # fmt: skip
    settings = {
        tuple(one[name] for name in one if name != "dataset"): one for one in reversed(scores.settings)
    }
    return [
        scores.block(
            "mIoU and accuracy in per cent", one, ("cubes",), lines, columns, words.PERCENT, words.SHARE
        )
        for one in reversed(settings.values())
    ]


LAYOUT = Layout(
    title="Preparation of imagery: land cover from cubes made otherwise",
    task="segmentation",
    blocks=_blocks,
    notes=(PLACES, INTERVAL, CUT),
    dots="score in %",
)
