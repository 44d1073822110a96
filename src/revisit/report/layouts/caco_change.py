"""F1, precision and recall of changed pixels by model: OSCD's columns of CACo's tables (main, SimCLR)."""

from revisit.report.layout import Layout
from revisit.report.layouts import model_rows

LAYOUT = Layout(
    title="Change detection (CACo, OSCD)",
    task="change",
    blocks=model_rows.showing("f1", "precision", "recall"),
    dots="score of changed pixels in %",
)
