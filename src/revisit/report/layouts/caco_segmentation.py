"""Mean IoU of maps by model: DynamicEarthNet's columns of CACo's tables (main, parts)."""

from revisit.report.cells import Scores
from revisit.report.layout import Block, Layout
from revisit.report.layouts import model_rows


def _blocks(scores: Scores) -> list[Block]:
    return model_rows.blocks(scores, "miou")


LAYOUT = Layout(
    title="Segmentation (CACo, DynamicEarthNet)", task="segmentation", blocks=_blocks, dots="mIoU in %"
)
