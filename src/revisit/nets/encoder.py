"""The contract of encoders: what every architecture gives, and what its settings can say before it is built.

An architecture is one file in ``revisit/nets/encoders`` with one class, offered as ``ENCODER``; its
``Settings`` are the keys of an ``encoder:`` entry beside ``name``.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.nets.physical import standardise_physical
from revisit.nets.rescale import Limits, Rescaling, limits_of, rescale_images
from revisit.parts import ROOMS
from revisit.record import Record

FAR = 3  # times the limits, beyond which no augmentation brings a standardised value


class EncoderSettings(Record):
    """Settings of an architecture. Its validators refuse what no image could make right."""

    def check(self, image_pixels: int, bands: Sequence[str]) -> None:
        """Raise RevisitError where images of these bands and this side cannot be taken."""
        side = self.side_multiple()
        if image_pixels < 1 or image_pixels % side:
            raise RevisitError(f"image_pixels {image_pixels} must be a multiple of {side} pixels")

    def side_multiple(self) -> int:
        """Sides of images must be multiples of this many pixels."""
        return self.strides()[0]

    def strides(self) -> tuple[int, ...]:
        """Pixels of the image along a side of one cell, for each level of the pyramid, fine to coarse."""
        raise NotImplementedError

    def widths(self) -> tuple[int, ...]:
        """Channels of each level of the pyramid, fine to coarse."""
        raise NotImplementedError

    def skip_shapes(self) -> list[tuple[int, int]]:
        """Pixels a cell and channels of each map of ``Encoder.skips``, fine to coarse."""
        return list(zip(self.strides(), self.widths(), strict=True))

    def size(self) -> str:
        """What follows the architecture's name in a table: every setting, such as ``dim 96 depth 3``."""
        raise NotImplementedError

    def known_as(self) -> str | None:
        """The name by which just these settings are known, such as ``Swin-T``; None for most."""
        return None

    def inner(self) -> Sequence[Mapping[str, Any]]:
        """Entries of the encoders that this one is made of; none for most."""
        return ()

    def divide(self, bands: Sequence[str]) -> list[list[str]]:
        """The bands of each of ``inner``, for images of these bands."""
        return []


class Encoder(nn.Module, ABC):
    """Images to features.

    ``bands``: channel names in order. ``image_pixels``: side of the images it was made for; other sizes that
    are multiples of ``settings.side_multiple()`` work too. ``patch_pixels``: side of the finest cell.
    ``feature_dim``: D below. ``strides``, ``widths``: pixels a cell and channels of the pyramid's levels.
    ``card``: what is known of its training, None when untrained. ``origin``: of weights from elsewhere, what
    they are, for the card.
    """

    Settings: ClassVar[type[EncoderSettings]]
    pooling: str = "mean"
    """How ``pooled`` comes from the cells; on the card."""
    input_affine: Tensor | None

    def __init__(self, settings: EncoderSettings, bands: Sequence[str], image_pixels: int) -> None:
        super().__init__()
        if not bands or len(set(bands)) != len(bands):
            raise RevisitError(f"{self.name()}: bands must be given, each once; got {list(bands)}")
        try:
            settings.check(image_pixels, bands)
        except RevisitError as error:
            raise RevisitError(f"{self.name()}: {error}") from None
        self.settings = settings
        self.bands = tuple(bands)
        self.image_pixels = image_pixels
        self.strides, self.widths = settings.strides(), settings.widths()
        self.patch_pixels, self.feature_dim = self.strides[0], self.widths[-1]
        self.card: dict[str, Any] | None = None
        self.origin: dict[str, Any] | None = None
        self.register_buffer("input_affine", None, persistent=False)

    @classmethod
    def name(cls) -> str:
        """What a config calls this architecture: its file's name, or a dotted path outside this package."""
        package, _, file = cls.__module__.rpartition(".")
        if package == ROOMS["encoder"].package:
            return file.replace("_", "-")
        return f"{cls.__module__}:{cls.__qualname__}"

    def architecture(self) -> dict[str, Any]:
        """What ``build_encoder`` needs to make this encoder again (JSON-able)."""
        return {
            "name": self.name(),
            "bands": list(self.bands),
            "image_pixels": self.image_pixels,
            **self.settings.content(),
        }

    @abstractmethod
    def forward_features(self, images: Tensor, bands: Sequence[str] | None = None) -> Tensor:
        """Normalised cells of the coarsest level, row by row, [B, N, D], of standardised images [B, C, H, W].

        ``bands``: names of the channels of ``images``; None: those of the encoder.
        """

    def pooled(self, images: Tensor, bands: Sequence[str] | None = None) -> Tensor:
        """One feature vector an image, [B, D]: the mean of its cells.

        ``images`` are standardised, within ± the card's ``clip_sigma``: what ``standardise`` makes of
        reflectance and decibels.
        """
        return self.forward_features(images, bands).mean(1)

    def standardise(self, values: Tensor | np.ndarray, bands: Sequence[str]) -> Tensor:
        """Physical values as the encoder was trained on them: standardised, cut at its limits, float32.

        ``values`` [..., C, H, W] of ``bands``, in any order: reflectance of 0 to 1 for optical bands, dB for
        radar, metres for elevation; masked (a NumPy masked array), NaN or infinite where there is none, which
        becomes the mean. The result has the encoder's own bands, in its order; where it takes fewer and only
        those are given, they are named to ``pooled`` too. Raises RevisitError where a band it needs is not
        given, for values that are plainly in another unit or stand for no data, and where the encoder has no
        card or takes rescaled images.
        """
        limits = self.limits()
        if self.rescaled:
            raise RevisitError("encoder: takes images of other limits; load it without rescale")
        given = [band for band in self.bands if band in bands]
        self.channels(given if 0 < len(given) < len(self.bands) else None)
        standardised = standardise_physical(values, bands, given or self.bands, limits)
        return standardised.to(next(self.parameters()).device)

    def limits(self) -> dict[str, Limits]:
        """What its standardised values mean, by band; raises RevisitError where it has no card."""
        if self.card is None:
            raise RevisitError(
                "encoder: has no card that says what it was trained on; load it with load_encoder"
            )
        return limits_of(self.card["scaling"])

    @abstractmethod
    def pyramid(self, images: Tensor, bands: Sequence[str] | None = None) -> list[Tensor]:
        """Feature maps [B, C_l, H_l, W_l], fine to coarse, of widths ``widths`` and strides ``strides``."""

    def skips(self, images: Tensor) -> list[Tensor]:
        """What a U-shaped decoder takes, fine to coarse: the pyramid, and before it what is finer, if any."""
        return self.pyramid(images)

    @abstractmethod
    def layers(self) -> list[list[nn.Parameter]]:
        """All parameters, each once, grouped by depth from the image upwards.

        Group 0 is the embedding (or stem), then one group a block; what follows the last block is a group of
        its own. For rates that decay from layer to layer: decay ** (number of groups - 1 - group).
        """

    def part(self, bands: Sequence[str]) -> "Encoder | None":
        """The encoder inside this one that takes just these bands, with a card; None where there is none."""
        return None

    def forward(self, images: Tensor, bands: Sequence[str] | None = None) -> Tensor:
        """The same as ``pooled``."""
        return self.pooled(images, bands)

    def channels(self, bands: Sequence[str] | None = None) -> list[int]:
        """Positions of ``bands`` among the encoder's own; raises RevisitError unless they are all of them."""
        if bands is not None and tuple(bands) != self.bands:
            raise RevisitError(f"encoder: needs bands {list(self.bands)} in this order; got {list(bands)}")
        return list(range(len(self.bands)))

    def enter(self, images: Tensor, bands: Sequence[str] | None = None) -> tuple[Tensor, list[int]]:
        """The images as the weights know them, and the positions of their bands: where every pass begins.

        Raises RevisitError for other bands, another shape, sides the encoder cannot take, and images that are
        not standardised: integers, or, for an encoder that was loaded, values far beyond its limits.
        """
        channels, side = self.channels(bands), self.settings.side_multiple()
        if images.ndim != 4 or images.shape[1] != len(channels):
            raise RevisitError(
                f"encoder: expected images [B, {len(channels)}, H, W] for bands "
                f"{[self.bands[c] for c in channels]}; got shape {list(images.shape)}; of fewer "
                "name them: bands="
            )
        if images.shape[2] % side or images.shape[3] % side:
            raise RevisitError(
                f"encoder: image sides must be multiples of {side} pixels; got {list(images.shape[2:])}"
            )
        self._check_standardised(images)
        if self.input_affine is not None:
            own = [self.bands[channel] for channel in channels]
            images = rescale_images(images, self.input_affine[:, channels], own)
        return images, channels

    def rescale(self, by_band: Mapping[str, Rescaling]) -> None:
        """From now on take images of other limits; what they lack stays missing.

        Bands not named are left as they are. Not saved with the weights.
        """
        rows = [by_band.get(band, Rescaling()) for band in self.bands]
        device = next(self.parameters()).device
        self.input_affine = torch.tensor(rows, dtype=torch.float32, device=device).T.contiguous()

    def _check_standardised(self, images: Tensor) -> None:
        """Refuse what cannot be standardised; looks at values only where that costs little."""
        if not images.is_floating_point():
            raise RevisitError(
                f"encoder: expected standardised images, got {images.dtype}; "
                f"give physical values to encoder.standardise first"
            )
        if self.card is None or self.rescaled or self.training or images.is_meta:
            return
        if torch.compiler.is_compiling():
            return
        limit = max((sensor["clip_sigma"] for sensor in self.card["scaling"].values()), default=math.inf)
        if images.numel() and (most := float(images.detach().abs().amax())) > FAR * limit:
            raise RevisitError(
                f"encoder: expected standardised images within ± {limit:g}, got values up to {most:.4g}; "
                f"give reflectance or dB to encoder.standardise first"
            )

    @property
    def rescaled(self) -> bool:
        """Whether the input is rescaled from other limits."""
        return self.input_affine is not None
