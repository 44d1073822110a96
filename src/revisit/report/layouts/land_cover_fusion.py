"""Land cover from SAR, from optical imagery and from both, as STMIM compares what fusion adds."""

from revisit.report import cells
from revisit.report.cells import Scores
from revisit.report.layout import Block, Layout
from revisit.report.layouts import class_rows

SAR = "s1"


def _blocks(scores: Scores) -> list[Block]:
    """Networks that were given SAR alone say nothing of fusion and are left out."""
    models = [model for model in scores.models if set(model.modalities) - {SAR}]
    runs = [
        (modality, model)
        for modality in cells.modalities(models)
        for model in models
        if modality in model.modalities
    ]
    return class_rows.blocks(scores, runs)


LAYOUT = Layout("Land cover from SAR and RGB (STMIM, fusion)", "segmentation", _blocks)
