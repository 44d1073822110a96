"""Mean IoU of maps by model: DynamicEarthNet's columns of CACo's tables (main, parts)."""

from revisit.report.cells import Scores
from revisit.report.layout import INTERVAL, Block, Layout
from revisit.report.layouts import model_rows

LOSS = "CACo trains maps with the Dice loss alone; ours have 0.4 of cross-entropy and 0.6 of Dice."


def _blocks(scores: Scores) -> list[Block]:
    return model_rows.blocks(scores, "miou")


LAYOUT = Layout(
    title="Segmentation (CACo, DynamicEarthNet)",
    task="segmentation",
    blocks=_blocks,
    notes=(LOSS, INTERVAL),
    dots="mIoU in %",
)
