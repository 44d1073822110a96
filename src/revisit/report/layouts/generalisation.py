"""Precision, recall and F1 of scenes by model, far from where it was pretrained: 3DMAE's Table III."""

from revisit.report.cells import Scores
from revisit.report.layout import INTERVAL, Block, Layout
from revisit.report.layouts import model_rows
from revisit.report.layouts.class_rows import AVERAGES

# Its F1 are not those of its precision and recall, as a micro average would have it.
INFERRED = (
    "3DMAE's Table III does not say how it averages: it is taken for the mean over classes. Its F1 of "
    "ResNet50 is above both precision and recall, which no such mean can be."
)


def _blocks(scores: Scores) -> list[Block]:
    return model_rows.blocks(scores, "precision", "recall", "f1", of=AVERAGES[0])


LAYOUT = Layout(
    title="Generalisation to other regions: multi-label classification (3DMAE, Table III)",
    task="multi-label",
    blocks=_blocks,
    notes=(INFERRED, INTERVAL),
    dots="mean over classes in %",
)
