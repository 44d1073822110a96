"""Multi-label mAP in per cent by model and modality, as 3DMAE's Table I compares masking strategies."""

from revisit.report import cells, words
from revisit.report.cells import Line, Scores
from revisit.report.layout import COLLAPSED, CUT, INTERVAL, Block, Layout

METRIC = "micro_map"


def _blocks(scores: Scores) -> list[Block]:
    """One block per setting, the whole network trained on all labels first: publications report that."""
    lines = [Line((model.title,), model, {}) for model in scores.models]
    columns = {
        words.modality(name): {"modality": name, "class": "all", "metric": METRIC}
        for name in cells.modalities(scores.models)
    }
    heading = f"{words.metric(METRIC)} in per cent"
    return [
        scores.block(heading, setting, ("model",), lines, columns, unit=words.PERCENT, form=words.SHARE)
        for setting in scores.settings
    ]


LAYOUT = Layout(
    title="Masking strategies: multi-label classification (3DMAE, Table I)",
    task="multi-label",
    blocks=_blocks,
    notes=(
        "3DMAE's Table I does not say whether its mAP is micro or macro.",
        INTERVAL,
        COLLAPSED,
        CUT,
    ),
    dots="mAP in %",
)
