"""Land cover from SAR alone, as STMIM compares its network with others."""

from revisit.report.cells import Scores
from revisit.report.layout import Block, Layout
from revisit.report.layouts import class_rows

SAR = "s1"


def _blocks(scores: Scores) -> list[Block]:
    return class_rows.blocks(scores, [(SAR, model) for model in scores.models if SAR in model.modalities])


LAYOUT = Layout("Land cover from SAR (STMIM, comparison with baselines)", "segmentation", _blocks)
