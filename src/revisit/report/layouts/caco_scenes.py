"""Accuracy of scenes by model: EuroSAT's columns of CACo's tables (main, parts, change estimates, SimCLR)."""

from revisit.report.layout import COLLAPSED, CUT, INTERVAL, Layout
from revisit.report.layouts import model_rows

PROBE = "SeCo's code probes with batch norms in training mode; CACo's and ours leave the encoder as it is."

LAYOUT = Layout(
    title="Scene classification (CACo, EuroSAT)",
    task="single-label",
    blocks=model_rows.showing("accuracy"),
    notes=(PROBE, INTERVAL, COLLAPSED, CUT),
    dots="accuracy in %",
)
