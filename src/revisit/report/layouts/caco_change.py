"""F1, precision and recall of changed pixels by model: OSCD's columns of CACo's tables (main, SimCLR)."""

from revisit.report.cells import Scores
from revisit.report.layout import Block, Layout
from revisit.report.layouts import model_rows


def _blocks(scores: Scores) -> list[Block]:
    return model_rows.blocks(scores, "f1", "precision", "recall")


LAYOUT = Layout(
    title="Change detection (CACo, OSCD)", task="change", blocks=_blocks, dots="score of changed pixels in %"
)
