"""What a pretraining method is: views of images, a loss on them, and an encoder to keep.

A method's module defines ``METHODS`` (config name to constructor), ``SOURCE`` (paper and section) and
``CHOICES`` (what the source leaves open and how it is settled here), and is listed in the registry.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.nets.encoder import Encoder, build_encoder
from revisit.patches.standardise import standardise


@dataclass(frozen=True)
class DataDescription:
    """What a method must know of the images before it sees one.

    ``bands``: of the modality, in order. ``image_pixels``: side of a stored image.
    ``clip_sigma``: half range of the 8-bit scale in standard deviations.
    ``times``: years of a yearly store, () for pairs.
    """

    bands: tuple[str, ...]
    image_pixels: int
    clip_sigma: float
    kind: Literal["pairs", "yearly"]
    times: tuple[int, ...] = ()


class Method(nn.Module):
    """A pretraining method.

    ``keys``: the settings it understands beside those of the training loop.
    ``needs_series``: whether images come as [B, T, C, H, W] (all years of a place) or [B, C, H, W].
    ``trains``: False for a method that takes no step at all.
    """

    keys: ClassVar[frozenset[str]] = frozenset({"encoder", "crop_pixels"})
    needs_series: ClassVar[bool] = False
    trains: ClassVar[bool] = True
    encoder: Encoder

    def __init__(self, settings: Mapping[str, Any], data: DataDescription) -> None:
        """``settings``: the method's config entry. Raises RevisitError where settings or data do not fit."""
        super().__init__()
        self.data = data
        self.crop_pixels = int(settings.get("crop_pixels", data.image_pixels))
        if not 0 < self.crop_pixels <= data.image_pixels:
            raise RevisitError(
                f"pretraining: crop_pixels is {self.crop_pixels}, images have {data.image_pixels} pixels"
            )
        self.encoder = build_encoder(
            {**required(settings, "encoder"), "bands": list(data.bands), "image_pixels": self.crop_pixels}
        )

    def views(self, images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Augmented, standardised images and their masks, on the device of ``images`` (uint8)."""
        raise NotImplementedError

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        """``loss`` to descend on, and its named parts; scalars."""
        raise NotImplementedError

    def after_step(self, step: int) -> None:
        """Called after every optimiser step (momentum encoders, queues)."""

    def after_epoch(self, epoch: int) -> None:
        """Called after every epoch (estimates over the whole data)."""

    def reconstruct(self, images: Tensor, generator: torch.Generator) -> dict[str, Tensor] | None:
        """``input``, ``masked`` and ``reconstruction``, standardised, shaped like ``images`` (uint8).

        ``masked`` is 0 where the encoder saw nothing; ``reconstruction`` has the input where it saw it.
        None for a method that reconstructs nothing.
        """
        return None

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Optimiser groups: no decay on biases, norms, learned tokens and position tables."""
        groups: tuple[list[Tensor], list[Tensor]] = ([], [])
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                last = name.rpartition(".")[2]
                groups[parameter.ndim < 2 or "bias" in last or "token" in last].append(parameter)
        return [
            {"params": groups[0], "weight_decay": weight_decay},
            {"params": groups[1], "weight_decay": 0.0},
        ]

    def standardised(self, images: Tensor) -> Tensor:
        """Stored uint8 values as standard deviations from the mean, float32."""
        return standardise(images, self.data.clip_sigma)


def required(settings: Mapping[str, Any], key: str) -> Any:
    """A setting without a default; raises RevisitError when it is absent."""
    if key not in settings:
        raise RevisitError(f"pretraining: setting {key!r} is missing; given are {sorted(settings)}")
    return settings[key]


def check_keys(settings: Mapping[str, Any], known: frozenset[str] | set[str], where: str) -> None:
    """Raise RevisitError for settings nobody reads (a misspelt option must not be ignored)."""
    if unknown := sorted(set(settings) - set(known)):
        raise RevisitError(f"{where}: unknown settings {unknown}; known are {sorted(known)}")
