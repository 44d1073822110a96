"""Accuracy of SAR scenes by level of contrast: alone, with optical aid, with clusters."""

from revisit.report.cells import Scores
from revisit.report.layout import INTERVAL, Block, Layout
from revisit.report.layouts import model_rows

UNSTATED = (
    "The source says that optical aid improves features by 20 %, but neither by which metric nor over what."
)


def _blocks(scores: Scores) -> list[Block]:
    return model_rows.blocks(scores, "accuracy")


LAYOUT = Layout(
    title="Optical aid for SAR scenes",
    task="single-label",
    blocks=_blocks,
    notes=(UNSTATED, INTERVAL),
    dots="accuracy in %",
)
