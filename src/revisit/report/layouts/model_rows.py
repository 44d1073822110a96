"""What the tables of whole scenes and maps share: a row a model, a column a modality and metric."""

from revisit.report import cells, words
from revisit.report.cells import Line, Scores
from revisit.report.layout import Block


def blocks(scores: Scores, *metrics: str) -> list[Block]:
    """One block per setting, the whole network trained on all labels first; scores of no single class."""
    lines = [Line((model.title,), model, {}) for model in scores.models]
    columns = {
        " ".join((words.modality(name), *([words.metric(metric)] if len(metrics) > 1 else []))): {
            "modality": name,
            "class": "all",
            "metric": metric,
        }
        for name in cells.modalities(scores.models)
        for metric in metrics
    }
    heading = f"{', '.join(map(words.metric, metrics))} in per cent"
    return [
        scores.block(heading, setting, ("model",), lines, columns, unit=words.PERCENT, form=words.SHARE)
        for setting in scores.settings
    ]
