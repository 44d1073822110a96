"""Names as they are printed: configuration slugs to the works' names, in the order the works list them."""

METHODS = {
    "d-simclr": "ResNet50",
    "swinssl": "SwinSSL",
    "dino-mm": "DINO-MM",
    "satvit-v1": "SatViT-v1",
    "satvit-v2": "SatViT-v2",
    "3dmae-rm": "3DMAE-RM",
    "3dmae-rc": "3DMAE-RC",
    "3dmae-rm+rc": "3DMAE-RM+RC",
    "3dmae-3dm": "3DMAE-3DM",
    "unet": "UNet",
    "swin-unet": "SwinUNet",
    "stmim-unet": "STMIM-UNet",
    "dual-stmim-unet": "DualSTMIM-UNet",
    "stmim": "STMIM",
    "scratch": "from scratch",
    "random": "random weights",
    "imagenet": "ImageNet",
}
MODALITIES = {"s1": "S1", "s2": "S2", "s1+s2": "S1+S2", "rgb": "RGB", "s1+rgb": "S1+RGB"}
SAR_MODALITIES = {"s1": "SAR", "rgb": "RGB", "s1+rgb": "SAR+RGB"}  # as the land-cover tables call them
METRICS = {
    "micro_map": "mAP (micro)",
    "macro_map": "mAP (macro)",
    "iou": "IoU",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "miou": "mIoU",
    "accuracy": "accuracy",
}
TRAINING = {  # what of the network learns from labels
    "fine-tune": "whole network trained",
    "supervised": "whole network trained",
    "linear": "linear probe",
}
HEADLINE = {"multi-label": "micro_map", "segmentation": "miou"}  # the one metric a figure shows of a task


def method(slug: str) -> str:
    """Printed name of a method; a method of one's own keeps its configuration name."""
    return METHODS.get(slug, slug)


def modality(slug: str) -> str:
    return MODALITIES.get(slug, slug)


def training(protocol: str) -> str:
    return TRAINING.get(protocol, protocol)


def rank(slug: str) -> tuple[int, str]:
    """Sort key: the order in which the works list the methods, then the alphabet."""
    known = list(METHODS)
    return (known.index(slug) if slug in METHODS else len(known), slug)
