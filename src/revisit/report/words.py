"""The words that tables and figures print for modalities, metrics and protocols.

What has no word here is printed as it is. Titles of methods and experiments come from the config (see
revisit.report.facts).
"""

MODALITIES = {"s1": "S1", "s2": "S2", "s1+s2": "S1+S2", "rgb": "RGB", "s1+rgb": "S1+RGB"}
SAR_MODALITIES = {"s1": "SAR", "s1+rgb": "SAR+RGB", "s1+s2": "SAR+S2"}  # as the land-cover tables call them
METRICS = {
    "micro_map": "mAP (micro)",
    "macro_map": "mAP (macro)",
    "iou": "IoU",
    "f1": "F1",
    "miou": "mIoU",
}
GAIN = "_gain"  # ends the metric of a row that holds a difference of scores
TRAINING = {  # what of the network learns from labels
    "fine-tune": "whole network trained",
    "supervised": "whole network trained",
    "linear": "linear probe",
}


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


def training(protocol: str) -> str:
    return TRAINING.get(protocol, protocol)
