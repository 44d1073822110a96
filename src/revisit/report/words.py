"""The words and units that tables and figures print for modalities, metrics and protocols.

What has no word here is printed as it is. Titles of methods and experiments come from the config (see
revisit.report.facts).

One unit holds everywhere: scores are shares, printed in per cent with one decimal; differences of scores
(gains) are printed in percentage points with their sign. Only all.csv, for programs, holds fractions of 1.
"""

from collections.abc import Mapping
from typing import Any

PERCENT = 100.0  # from a fraction to what is printed
SHARE = ".1f"  # form of a score in per cent
POINTS = "+.1f"  # form of a gain in percentage points; -0.0 is below 0, +0.0 is not
UNITS = "Scores are in per cent, gains in percentage points."
NOT_COMPARABLE = "not comparable"  # what every published number is with ours

IMAGES = {"s1": "S1", "s2": "S2", "s1+s2": "S1+S2", "rgb": "RGB", "s1+rgb": "S1+RGB"}
MODALITIES = IMAGES | {f"{name}+dem": f"{title}+DEM" for name, title in IMAGES.items()}
SAR_MODALITIES = {"s1": "SAR", "s1+rgb": "SAR+RGB", "s1+s2": "SAR+S2"}  # as the land-cover tables call them
METRICS = {
    "micro_map": "mAP (micro)",
    "batch_map": "mAP (micro, of batches)",
    "macro_map": "mAP (macro)",
    "iou": "IoU",
    "f1": "F1",
    "miou": "mIoU",
}
GAIN = "_gain"  # ends the metric of a row that holds a difference of scores
OVER_FLOOR = "_over_floor"  # ends that of a difference to the best floor
OVER_FEWER = "_over_fewer"  # ends that of a difference to the same on fewer sensors
UNDER_BEST = "_under_best"  # ends that of a difference to the best of the same images, labels and learning
DIFFERENCES = (GAIN, OVER_FLOOR, OVER_FEWER, UNDER_BEST)
OVER_FIRST = "_over_first"  # that to the first row, which learns from another collection: layouts may show it
FLOOR = "floor"  # the protocol of a row that no network made: what a score must beat to mean something
TRAINING = {  # what of the network learns from labels
    "fine-tune": "whole network trained",
    "supervised": "whole network trained",
    "frozen": "encoder frozen, decoder trained",
    "frozen-adapting": "encoder frozen but for its batch norms, decoder trained",
    "linear": "linear probe",
    "knn": "nearest neighbours",
    FLOOR: "floor, no network",
}
WHOLE = "fine-tune"  # the protocol that stands for all which train the whole network


def modality(name: str) -> str:
    return MODALITIES.get(name, name)


def sar_modality(name: str) -> str:
    """The same where radar is told from optical imagery."""
    return SAR_MODALITIES.get(name) or modality(name)


def modality_rank(name: str) -> tuple[int, str]:
    """Sort key: the order above, then the alphabet."""
    known = list(MODALITIES)
    return (known.index(name) if name in known else len(known), name)


def metric(name: str) -> str:
    return METRICS.get(name) or name.replace("_", " ")


def share(value: float) -> str:
    """A fraction as it is printed."""
    return f"{PERCENT * value:{SHARE}} %"


def labels(*rows: Mapping[str, Any], of_all: str = " of the labels") -> str:
    """The amounts of labels that rows of an experiment, or settings of blocks, are of, each once."""
    amounts = sorted({amount(row) for row in rows})
    if any(row["label_count"] is not None for row in rows):
        return f"{' and '.join(f'{count:,.0f}' for count in amounts)} labelled samples"
    return f"{' and '.join(f'{PERCENT * share:.4g}' for share in amounts)} %{of_all}"


def amount(row: Mapping[str, Any]) -> float:
    """How many labels a row is of, a share or a count: those of an experiment are all one or the other."""
    found: float = row["label_fraction"] if row["label_count"] is None else row["label_count"]
    return found


def training(protocol: str) -> str:
    return TRAINING.get(protocol, protocol)


def is_floor(row: Mapping[str, Any]) -> bool:
    """Whether a row of all.csv is one to beat: it needs no network, or one frozen as it was drawn."""
    untrained = row["pretrain_data"] == "none" and training(row["protocol"]) != training(WHOLE)
    return row["protocol"] == FLOOR or untrained
