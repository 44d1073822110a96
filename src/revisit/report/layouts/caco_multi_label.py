"""Micro mAP of scenes by model: BigEarthNet's columns of CACo's main table."""

from revisit.report.layout import COLLAPSED, CUT, INTERVAL, Layout
from revisit.report.layouts import model_rows

BATCHES = "SeCo and CACo average micro mAP over batches; ours is of the whole test split."

LAYOUT = Layout(
    title="Multi-label classification (CACo, BigEarthNet)",
    task="multi-label",
    blocks=model_rows.showing("micro_map"),
    notes=(BATCHES, INTERVAL, COLLAPSED, CUT),
    dots="mAP in %",
)
