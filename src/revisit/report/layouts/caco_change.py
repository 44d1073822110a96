"""F1, precision and recall of changed pixels by model: OSCD's columns of CACo's tables (main, SimCLR)."""

from revisit.report.cells import Scores
from revisit.report.layout import INTERVAL, Block, Layout
from revisit.report.layouts import model_rows

LOSS = (
    "SeCo's code, which CACo builds on, trains with binary cross-entropy and Adam at a rate that falls by a "
    "twentieth an epoch; ours with 0.4 of cross-entropy and 0.6 of Dice, by the recipe of the experiment."
)
NORMS = (
    "SeCo's code has batch norms of the frozen encoder in training mode, as the protocol frozen-adapting; "
    "frozen leaves the encoder as it is. The published number stands beside both."
)


def _blocks(scores: Scores) -> list[Block]:
    return model_rows.blocks(scores, "f1", "precision", "recall")


LAYOUT = Layout(
    title="Change detection (CACo, OSCD)",
    task="change",
    blocks=_blocks,
    notes=(LOSS, NORMS, INTERVAL),
    dots="score of changed pixels in %",
)
