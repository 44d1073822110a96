"""What the land-cover tables share: IoU, precision, recall and F1 of each class, then of all classes."""

import itertools
from collections.abc import Sequence

from revisit.report import words
from revisit.report.cells import Line, Model, Scores
from revisit.report.layout import Block

AVERAGES = ("macro avg", "weighted avg")
PRINTED = ("Cropland", "Build-up", "Water", "Others")  # the order of STMIM's tables; other classes follow
WHOLE = "all"  # the name of what is of no single class
OF_CLASSES = ("iou", "precision", "recall", "f1")
OF_ALL = ("miou", "accuracy")


def blocks(scores: Scores, runs: Sequence[tuple[str, Model]]) -> list[Block]:
    """Two blocks a setting: a row a metric and run (modality, model), a column a class; then all classes."""
    others = [name for name in scores.classes if name not in (*AVERAGES, *PRINTED, WHOLE)]
    of_classes = (*AVERAGES, *(name for name in PRINTED if name in scores.classes), *sorted(others))
    made = []
    for setting in scores.settings:
        for metrics, columns in (
            (OF_CLASSES, {name: {"class": name} for name in of_classes}),
            (OF_ALL, {"all classes": {"class": WHOLE}}),
        ):
            lines = [
                Line(
                    (words.metric(metric), words.sar_modality(modality), model.title),
                    model,
                    {"metric": metric, "modality": modality},
                )
                for metric, (modality, model) in itertools.product(metrics, runs)
            ]
            heading = f"{', '.join(map(words.metric, metrics))} in per cent"
            labels = ("metric", "data", "model")
            made.append(
                scores.block(heading, setting, labels, lines, columns, unit=words.PERCENT, form=words.SHARE)
            )
    return made
