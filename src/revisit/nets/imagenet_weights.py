"""ImageNet weights of a ResNet, on images of any bands.

They come from a local file: a state dict as torchvision saves it (``.pth``, read without unpickling objects)
or safetensors of the same names. Every weight must have its counterpart; only the classifier is left out.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from revisit.errors import RevisitError
from revisit.files import sha256
from revisit.nets.encoder import Encoder
from revisit.nets.encoders.resnet import ResNet
from revisit.nets.load_save import check_weights
from revisit.nets.weight_files import read_file, with_counters
from revisit.patches.modality import RGB

Widen = Literal["mean", "repeat", "rgb-first"]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's RGB in 0 ... 1
FIRST, CLASSIFIER = "conv1.weight", {"fc.weight", "fc.bias"}


def adopt_imagenet(encoder: Encoder, path: str | Path, widen: Widen = "rgb-first") -> None:
    """Give ``encoder`` the weights of a file; its ``origin`` then says what they are.

    ``widen``: see ``widened``. An encoder on the meta device is checked only. Raises RevisitError for a file
    absent or of another layout, and for any encoder but a resnet with the stem ``imagenet``.
    """
    path = Path(path)
    if not isinstance(encoder, ResNet) or encoder.settings.stem != "imagenet":
        raise RevisitError(f"{path}: ImageNet weights are taken by a resnet with stem imagenet")
    given = {name: value for name, value in read_weights(path).items() if name not in CLASSIFIER}
    own = encoder.state_dict()
    given = with_counters(given, own)
    if FIRST in given and given[FIRST].shape[1:2] == (len(RGB),):
        given[FIRST] = widened(given[FIRST], encoder.bands, widen)
    check_weights(own, given, path)
    if not next(encoder.parameters()).is_meta:
        encoder.load_state_dict(given, strict=True)
    encoder.origin = {
        "file": path.name,
        "sha256": sha256(path),
        "trained_on": "ImageNet",
        "trained_on_input": {"bands": list(RGB), "range": [0, 1], "mean": list(MEAN), "std": list(STD)},
        "input": "a band's deviations from its own mean stand for a colour's deviations from ImageNet's mean",
        "widen": widen,
    }


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by name from ``.pth`` or ``.safetensors``; raises RevisitError where it holds anything else."""
    content = read_file(
        path, "download the weights, such as https://download.pytorch.org/models/resnet50-11ad3fa6.pth"
    )
    if not isinstance(content, Mapping) or not all(isinstance(v, Tensor) for v in content.values()):
        raise RevisitError(f"{path}: holds no state dict, tensors by name; save model.state_dict()")
    return dict(content)


def widened(filters: Tensor, bands: Sequence[str], widen: Widen) -> Tensor:
    """First-layer filters for ``bands`` [out, bands, h, w] from those for RGB [out, 3, h, w].

    ``mean``: each band gets the mean of the three. ``repeat``: red, green, blue, red, … in the bands' order.
    ``rgb-first``: red, green and blue get their own, other bands the mean of the three. In each case the
    response to an input that is equal in all bands stays what it is for equal RGB. RGB itself keeps its
    filters under ``rgb-first``. Raises RevisitError where that cannot be.
    """
    count, mean = len(bands), filters.mean(1)
    if widen == "mean":
        return torch.stack([mean] * count, 1) * (len(RGB) / count)
    if widen == "repeat":
        if count < len(RGB):
            raise RevisitError(f"widen repeat: needs three bands or more, got {list(bands)}; use mean")
        colours = [index % len(RGB) for index in range(count)]
        return torch.stack([filters[:, colour] / colours.count(colour) for colour in colours], 1)
    if 0 < (present := len(set(RGB) & set(bands))) < len(RGB):
        raise RevisitError(f"widen rgb-first: needs all of {list(RGB)} or none, got {list(bands)}; use mean")
    if not present:
        return widened(filters, bands, "mean")
    chosen = [filters[:, RGB.index(band)] if band in RGB else mean for band in bands]
    return torch.stack(chosen, 1) * (len(RGB) / count)
