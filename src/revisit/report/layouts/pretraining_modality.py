"""Multi-label mAP by what encoders were pretrained on, a sensor or both, and tuned on: 3DMAE's Table II."""

from revisit.report.cells import Scores
from revisit.report.layout import INTERVAL, Block, Layout
from revisit.report.layouts import model_rows


def _blocks(scores: Scores) -> list[Block]:
    return model_rows.blocks(scores, "micro_map")


LAYOUT = Layout(
    title="Pretraining on one sensor or on both: multi-label classification (3DMAE, Table II)",
    task="multi-label",
    blocks=_blocks,
    notes=("3DMAE's Table II does not say whether its mAP is micro or macro.", INTERVAL),
    dots="mAP in %",
)
