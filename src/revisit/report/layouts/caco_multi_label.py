"""Micro mAP of scenes by model: BigEarthNet's columns of CACo's main table."""

from revisit.report.cells import Scores
from revisit.report.layout import COLLAPSED, CUT, INTERVAL, Block, Layout
from revisit.report.layouts import model_rows

BATCHES = "SeCo and CACo average micro mAP over batches; ours is of the whole test split."


def _blocks(scores: Scores) -> list[Block]:
    return model_rows.blocks(scores, "micro_map")


LAYOUT = Layout(
    title="Multi-label classification (CACo, BigEarthNet)",
    task="multi-label",
    blocks=_blocks,
    notes=(BATCHES, INTERVAL, COLLAPSED, CUT),
    dots="mAP in %",
)
