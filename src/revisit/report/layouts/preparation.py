"""What each step of the preparation of imagery is worth: rows that learn the same maps from other cubes."""

from revisit.report import cells, words
from revisit.report.cells import CELL, Line, Scores
from revisit.report.layout import INTERVAL, Block, Layout
from revisit.report.layouts.class_rows import WHOLE

PLACES = (
    "All rows are of the same regions and split; how many dates of a place are clear, and whether any is, "
    "depends on the mask. A row that was tested on other places than the first has no difference to it."
)
PAIRED = (
    "Differences are in percentage points, run by run: both rows had the same seed. In brackets: their 95 % "
    "interval over runs; in braces: over which places are in the test split. An interval that holds 0 "
    "decides nothing."
)


def _blocks(scores: Scores) -> list[Block]:
    """Two blocks a way of learning and an amount of labels, whatever collection a row is of.

    The scores, and their differences to the first row, if there are any.
    """
    named = [dict(zip(CELL, key, strict=True)) for key in scores.rows]
    learnt_from = {one["method"]: one["dataset"] for one in named}
    lines = [
        Line((model.title,), model, {"dataset": learnt_from[model.method]})
        for model in scores.models
        if model.method
    ]
    modalities = cells.modalities(scores.models)
    columns = {
        f"{words.modality(modality)} {words.metric(metric)}": {
            "modality": modality, "class": WHOLE, "metric": metric,
        }
        for modality in modalities
        for metric in ("miou", "accuracy")
    }  # fmt: skip
    over_first = {
        f"{words.modality(modality)} {words.metric('miou')} over the first": {
            "modality": modality, "class": WHOLE, "metric": f"miou{words.OVER_FIRST}",
        }
        for modality in modalities
    }  # fmt: skip
    settings = {
        tuple(one[name] for name in one if name != "dataset"): one for one in reversed(scores.settings)
    }
    made = []
    for one in reversed(settings.values()):
        of, unit = (one, ("cubes",), lines), words.PERCENT
        made += [
            scores.block("mIoU and accuracy in per cent", *of, columns, unit, words.SHARE),
            scores.block("less the first row", *of, over_first, unit, words.POINTS, test_places=True),
        ]
    return [block for block in made if block.rows]


LAYOUT = Layout(
    title="Preparation of imagery: land cover from cubes made otherwise",
    task="segmentation",
    blocks=_blocks,
    notes=(PLACES, INTERVAL, PAIRED),
    dots="score in %",
)
