"""Encoders: what all architectures share, and how weights are written and read back.

A saved encoder is a folder with ``encoder.safetensors`` and ``card.json``. Reading is strict: every
weight must be there, bands and scaling must be those asked for, and the output on a fixed image must be
the one written on the card. Only safetensors are read; pickles are never unpickled.
"""

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.files import atomic, read_json, write_json

WEIGHTS, CARD, FORMAT = "encoder.safetensors", "card.json", 1
FINGERPRINT_TOLERANCE = 1e-4  # relative; float32 sums differ by about 1e-6 between machines
SCALING_TOLERANCE = 1e-6  # relative


class Encoder(nn.Module, ABC):
    """Images to features.

    ``bands``: channel names in order. ``patch_pixels``: side of the finest token.
    ``image_pixels``: side of the images it was made for; other sizes work too.
    ``feature_dim``: D below. ``card``: what is known of its training, None when untrained.
    """

    def __init__(self, bands: Sequence[str], image_pixels: int, patch_pixels: int, feature_dim: int) -> None:
        super().__init__()
        if not bands or len(set(bands)) != len(bands):
            raise RevisitError(f"encoder: bands must be given, each once; got {list(bands)}")
        self.bands = tuple(bands)
        self.image_pixels = image_pixels
        self.patch_pixels = patch_pixels
        self.feature_dim = feature_dim
        self.card: dict[str, Any] | None = None

    @abstractmethod
    def architecture(self) -> dict[str, Any]:
        """What ``build_encoder`` needs to make this encoder again (JSON-able)."""

    @abstractmethod
    def forward_features(self, images: Tensor, bands: Sequence[str] | None = None) -> Tensor:
        """Normalised tokens [B, N, D] of standardised float images [B, C, H, W]."""

    def pooled(self, images: Tensor, bands: Sequence[str] | None = None) -> Tensor:
        """One feature vector an image, [B, D]: the mean of its tokens."""
        return self.forward_features(images, bands).mean(1)

    @abstractmethod
    def pyramid(self, images: Tensor, bands: Sequence[str] | None = None) -> list[Tensor]:
        """Feature maps [B, C_l, H_l, W_l], fine to coarse."""

    def forward(self, images: Tensor, bands: Sequence[str] | None = None) -> Tensor:
        """The same as ``pooled``."""
        return self.pooled(images, bands)

    def channels(self, bands: Sequence[str] | None = None) -> list[int]:
        """Positions of ``bands`` among the encoder's own; raises RevisitError unless they are all of them."""
        if bands is not None and tuple(bands) != self.bands:
            raise RevisitError(f"encoder: needs bands {list(self.bands)} in this order; got {list(bands)}")
        return list(range(len(self.bands)))

    def check_images(self, images: Tensor, channels: Sequence[int]) -> None:
        """Raise RevisitError unless the images have these channels and a size the encoder can take."""
        if images.ndim != 4 or images.shape[1] != len(channels):
            raise RevisitError(
                f"encoder: expected images [B, {len(channels)}, H, W] for bands "
                f"{[self.bands[c] for c in channels]}; got shape {list(images.shape)}"
            )
        if images.shape[2] % self.patch_pixels or images.shape[3] % self.patch_pixels:
            raise RevisitError(
                f"encoder: image sides must be multiples of {self.patch_pixels} pixels; "
                f"got {list(images.shape[2:])}"
            )


def build_encoder(architecture: Mapping[str, Any]) -> Encoder:
    """An encoder with new weights from ``{"name": ..., "bands": ..., "image_pixels": ..., <its settings>}``.

    Raises RevisitError for an unknown name and for a missing or unknown setting.
    """
    settings = dict(architecture)
    name = settings.pop("name", None)
    known: dict[str, str] = import_module("revisit.nets.registry").ARCHITECTURES
    if name not in known:
        raise RevisitError(f"encoder: no architecture named {name!r}; choose name from {sorted(known)}")
    make = import_module(known[name]).ENCODER
    try:
        inspect.signature(make).bind(**settings)
    except TypeError as error:
        raise RevisitError(f"encoder {name}: {error}; settings given: {sorted(settings)}") from error
    return make(**settings)


def save_encoder(encoder: Encoder, folder: str | Path, card: Mapping[str, Any]) -> None:
    """Write weights and card.

    ``card`` holds what the encoder cannot know (``scaling`` of its bands, method, seed, …); its
    architecture, bands, token and image size, format and fingerprint are added here.
    Raises RevisitError when the features are not finite.
    """
    folder = Path(folder)
    weights = {name: value.detach().cpu().contiguous() for name, value in encoder.state_dict().items()}
    # Rebuilding before writing proves that the card describes this encoder, and measures on the CPU.
    twin = build_encoder(encoder.architecture())
    twin.load_state_dict(weights, strict=True)
    marks = fingerprint(twin)
    if not all(map(math.isfinite, marks)):
        raise RevisitError(f"{folder}: the encoder's features are not finite; lower the learning rate")
    write_json(
        folder / CARD,
        {
            **card,
            "architecture": encoder.architecture(),
            "bands": list(encoder.bands),
            "patch_pixels": encoder.patch_pixels,
            "image_pixels": encoder.image_pixels,
            "format": FORMAT,
            "fingerprint": marks,
        },
    )
    with atomic(folder / WEIGHTS) as aside:
        save_file(weights, aside)


def load_encoder(
    path: str | Path,
    *,
    bands: Sequence[str] | None = None,
    scaling: Mapping[str, Any] | None = None,
    device: str | torch.device = "cpu",
) -> Encoder:
    """Read an encoder from its folder (or its ``encoder.safetensors``), in evaluation mode.

    ``bands``: those the images will have; refused when the encoder cannot take them.
    ``scaling``: ``scaling`` of the patch store the images come from; refused when a used band has other
    limits, another unit or another clip than the encoder was trained with.
    Raises RevisitError for all of these, and for missing, surplus, misshapen or altered weights.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    file = folder / WEIGHTS
    if not path.is_dir() and path.name != WEIGHTS:
        raise RevisitError(f"{path}: not an encoder; give the folder that holds {WEIGHTS} and {CARD}")
    card = read_json(folder / CARD)
    if card.get("format") != FORMAT:
        raise RevisitError(f"{folder / CARD}: format {card.get('format')!r}, this version reads {FORMAT}")
    if missing := sorted({"architecture", "fingerprint", "scaling"} - card.keys()):
        raise RevisitError(f"{folder / CARD}: {missing} missing; pretrain again")
    encoder = build_encoder(card["architecture"])
    used = [encoder.bands[channel] for channel in encoder.channels(bands)]
    if scaling is not None:
        _check_scaling(folder, card["scaling"], scaling, used)
    _load_weights(encoder, file)
    expected, found = torch.tensor(card["fingerprint"]), torch.tensor(fingerprint(encoder))
    same = expected.shape == found.shape
    if not same or not (expected - found).norm() <= FINGERPRINT_TOLERANCE * expected.norm():
        raise RevisitError(f"{file}: its output on the test image is not the one on {CARD}; pretrain again")
    encoder.card = card
    return encoder.eval().to(device)


@torch.no_grad()
def fingerprint(encoder: Encoder) -> list[float]:
    """Eight numbers that change with the weights: projections of the features of a fixed image."""
    training = encoder.training
    side, count = encoder.image_pixels, len(encoder.bands)
    image = torch.sin(torch.arange(count * side * side).remainder(997) * 0.37).view(1, count, side, side)
    features = encoder.eval().pooled(image)[0].double()
    encoder.train(training)
    angles = torch.outer(torch.arange(1, 9), torch.arange(len(features))).double()
    return (torch.cos(angles) @ features).tolist()


def _load_weights(encoder: Encoder, file: Path) -> None:
    try:
        weights = load_file(file)
    except FileNotFoundError as error:
        raise RevisitError(f"{file}: no such file; pretrain this encoder first") from error
    except SafetensorError as error:
        raise RevisitError(f"{file}: not a safetensors file ({error}); pretrain again") from error
    own = encoder.state_dict()
    wrong = {
        "missing": own.keys() - weights.keys(),
        "unknown": weights.keys() - own.keys(),
        "of another shape": {n for n in own.keys() & weights.keys() if own[n].shape != weights[n].shape},
    }
    for what, names in wrong.items():
        if names:
            raise RevisitError(
                f"{file}: {len(names)} weights {what} ({', '.join(sorted(names)[:3])}, …); pretrain again"
            )
    encoder.load_state_dict(weights, strict=True)


def _check_scaling(
    folder: Path, own: Mapping[str, Any], given: Mapping[str, Any], bands: Sequence[str]
) -> None:
    ours, theirs = _limits(own), _limits(given)
    for band in bands:
        if band not in theirs:
            raise RevisitError(f"{folder}: the images' scaling has no band {band!r}; it has {sorted(theirs)}")
        for key, value in ours[band].items():
            other = theirs[band][key]
            same = value == other
            if not same and isinstance(value, int | float) and isinstance(other, int | float):
                same = abs(value - other) <= SCALING_TOLERANCE * max(abs(value), abs(other))
            if not same:
                raise RevisitError(
                    f"{folder}: trained with {key} {value} of band {band!r}, the images have {other}; "
                    f"use the patch store it was pretrained on, or one scaled alike"
                )


def _limits(scaling: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Per band what fixes the meaning of a scaled value."""
    return {
        band: {
            "unit": sensor["source_unit"],
            "clip sigma": sensor["clip_sigma"],
            "lower": limits["lower"],
            "upper": limits["upper"],
        }
        for sensor in scaling.values()
        for band, limits in sensor["bands"].items()
    }
