"""What a repeat of a run is called in paths: ``labels0.1/seed2.json`` in the folder of its run."""

from collections.abc import Mapping
from typing import Any


def labels_of(repeat: Mapping[str, Any]) -> str:
    """The labels that a repeat keeps, a number or a share, as paths have them."""
    return str(repeat["label_count"] or f"{repeat['label_fraction']:g}")


def score_file(repeat: Mapping[str, Any]) -> str:
    """Path of a repeat's score file in the folder of its run."""
    return f"labels{labels_of(repeat)}/seed{repeat['seed']}.json"
