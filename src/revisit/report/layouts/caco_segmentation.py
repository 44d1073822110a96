"""Mean IoU of maps by model: DynamicEarthNet's columns of CACo's tables (main, parts)."""

from revisit.report.layout import Layout
from revisit.report.layouts import model_rows

LAYOUT = Layout(
    title="Segmentation (CACo, DynamicEarthNet)",
    task="segmentation",
    blocks=model_rows.showing("miou"),
    dots="mIoU in %",
)
