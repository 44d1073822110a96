"""Accuracy of scenes by model: EuroSAT's columns of CACo's tables (main, parts, change estimates, SimCLR)."""

from revisit.report.cells import Scores
from revisit.report.layout import COLLAPSED, CUT, INTERVAL, Block, Layout
from revisit.report.layouts import model_rows

PROBE = "SeCo's code probes with batch norms in training mode; CACo's and ours leave the encoder as it is."


def _blocks(scores: Scores) -> list[Block]:
    return model_rows.blocks(scores, "accuracy")


LAYOUT = Layout(
    title="Scene classification (CACo, EuroSAT)",
    task="single-label",
    blocks=_blocks,
    notes=(PROBE, INTERVAL, COLLAPSED, CUT),
    dots="accuracy in %",
)
