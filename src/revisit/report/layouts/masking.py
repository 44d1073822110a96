"""Multi-label mAP in per cent by model and modality, as 3DMAE's Table I compares masking strategies."""

from revisit.report.layout import COLLAPSED, CUT, INTERVAL, Layout
from revisit.report.layouts import model_rows

LAYOUT = Layout(
    title="Masking strategies: multi-label classification (3DMAE, Table I)",
    task="multi-label",
    blocks=model_rows.showing("micro_map"),
    notes=(
        "3DMAE's Table I does not say whether its mAP is micro or macro.",
        INTERVAL,
        COLLAPSED,
        CUT,
    ),
    dots="mAP in %",
)
