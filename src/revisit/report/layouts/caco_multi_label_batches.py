"""BigEarthNet's columns of CACo's main table, scored as published and cleanly: mAP of batches, and of all."""

from revisit.report.cells import Scores
from revisit.report.layout import INTERVAL, Block, Layout
from revisit.report.layouts import model_rows

BATCHES = (
    "The published mAP, here beside both of ours, is averaged over batches, as the code of SeCo has it, on "
    "which CACo's builds."
)


def _blocks(scores: Scores) -> list[Block]:
    return model_rows.blocks(scores, "batch_map", "micro_map")


LAYOUT = Layout(
    title="Multi-label classification as published (CACo, BigEarthNet)",
    task="multi-label-batches",
    blocks=_blocks,
    notes=(BATCHES, INTERVAL),
    dots="mAP in %",
)
