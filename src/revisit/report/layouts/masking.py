"""Multi-label mAP in per cent by model and modality, as 3DMAE's Table I compares masking strategies."""

from revisit.report.cells import Scores
from revisit.report.layout import COLLAPSED, CUT, INTERVAL, Block, Layout
from revisit.report.layouts import model_rows


def _blocks(scores: Scores) -> list[Block]:
    return model_rows.blocks(scores, "micro_map")


LAYOUT = Layout(
    title="Masking strategies: multi-label classification (3DMAE, Table I)",
    task="multi-label",
    blocks=_blocks,
    notes=(
        "3DMAE's Table I does not say whether its mAP is micro or macro.",
        INTERVAL,
        COLLAPSED,
        CUT,
    ),
    dots="mAP in %",
)
