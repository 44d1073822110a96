"""The figures that the works report, and the experiments of ours that reproduce their tables.

``published.csv`` holds the figures as they are printed: BigEarthNet mAP in per cent, land-cover metrics
as fractions. Ours are fractions throughout, so ``lookup`` gives fractions too.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from revisit.report import names


@dataclass(frozen=True)
class Reproduction:
    """How one of our experiments maps to tables of a work; ``unit`` is what one of their units is in ours."""

    tables: tuple[str, ...]
    modalities: dict[str, str]
    metrics: dict[str, str]
    unit: float


REPRODUCED = {
    "masking": Reproduction(
        tables=("I_BigEarthNet-MM_finetuned",),
        modalities=names.MODALITIES,
        metrics={"micro_map": "mAP"},
        unit=0.01,
    ),
    "land-cover": Reproduction(
        tables=("STMIM_A_SAR_comparison", "STMIM_B_multimodal"),
        modalities=names.SAR_MODALITIES,
        metrics={
            "iou": "IoU",
            "precision": "precision",
            "recall": "recall",
            "f1": "F1",
            "miou": "mIoU",
            "accuracy": "accuracy",
        },
        unit=1.0,
    ),
}


def lookup(cell: Mapping[str, Any]) -> tuple[float, str] | None:
    """The published value of a cell as a fraction and the table it stands in, or None where there is none.

    ``cell`` is a row of ours: experiment, method, modality, protocol, label_fraction, class and metric are
    read. Both works train the whole network, on all labels (``label_fraction`` 1).
    """
    reproduction = REPRODUCED.get(cell["experiment"])
    whole = names.training(cell["protocol"]) == names.training("fine-tune")
    if reproduction is None or not whole or cell["label_fraction"] != 1.0:
        return None
    theirs = (
        names.METHODS.get(cell["method"]),
        reproduction.modalities.get(cell["modality"]),
        reproduction.metrics.get(cell["metric"]),
        cell["class"].casefold(),
    )
    for table in reproduction.tables:
        if row := _rows().get((table, *theirs)):
            return round(float(row["value"]) * reproduction.unit, 6), f"{row['source']}, {table}"
    return None


@cache
def _rows() -> dict[tuple[str | None, ...], dict[str, str]]:
    text = files("revisit.report").joinpath("published.csv").read_text(encoding="utf-8")
    return {
        (row["table"], row["method"], row["modality"], row["metric"], row["class"].casefold()): row
        for row in csv.DictReader(text.splitlines())
    }
