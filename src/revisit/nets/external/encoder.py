"""Encoders of other projects as encoders of ours: standardised images in, features of their own model out.

Images come standardised by the limits of their patch store. Each channel of the model is one band, or filled;
its standardised values are mapped to what the model was trained on, which is exact but for what the 8 bit of
the store had cut off. Then images are enlarged, if asked for, and given to the model as its library made it.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.nets.encoder import Encoder, EncoderSettings
from revisit.nets.external.backbone import Backbone, Outline
from revisit.nets.external.declaration import Declaration, Missing, feeds, gain_and_offset
from revisit.nets.rescale import limits_of


class ExternalSettings(EncoderSettings):
    """What can be chosen of every encoder of another project."""

    missing: Missing = "refuse"
    """What stands for a channel whose band the images lack: a value of `zero`, the `mean` that the encoder
    subtracts, or the band of `nearest` wavelength; `refuse` to be told of it."""
    enlarge: int = Field(1, ge=1)
    """How many times wider images are made for it (bilinear), so that small ones fill more of its cells;
    divides the side of its finest cell."""

    @abstractmethod
    def declaration(self) -> Declaration:
        """What the model expects of images."""

    @abstractmethod
    def backbone(self, image_pixels: int) -> Backbone:
        """The model with new weights, for images of this side after enlarging."""

    @abstractmethod
    def outline(self) -> Outline:
        """Shapes of what the model gives, before it is built."""

    @abstractmethod
    def architecture(self) -> str:
        """Name of the model in its library, with all that distinguishes it."""

    def check(self, image_pixels: int, bands: Sequence[str]) -> None:
        feeds(self.declaration(), bands, self.missing)
        finest = self.outline().strides[0]
        if finest % self.enlarge:
            raise RevisitError(f"enlarge {self.enlarge} must divide its finest cell of {finest} pixels")
        super().check(image_pixels, bands)

    def side_multiple(self) -> int:
        return self.strides()[-1]

    def strides(self) -> tuple[int, ...]:
        return tuple(stride // self.enlarge or 1 for stride in self.outline().strides)

    def widths(self) -> tuple[int, ...]:
        return self.outline().widths

    def size(self) -> str:
        missing = "" if self.missing == "refuse" else f" missing {self.missing}"
        enlarge = "" if self.enlarge == 1 else f" enlarge {self.enlarge}"
        return f"{self.architecture()}{missing}{enlarge}"


class External(Encoder):
    """A model of another project; ``model`` keeps the names its weights have there.

    ``feeds``: what each of its channels is fed. Before ``set_scale`` standardised values are its input as
    they are, as for training it from scratch.
    """

    settings: ExternalSettings
    gain: Tensor
    offset: Tensor
    index: Tensor

    def __init__(self, settings: ExternalSettings, bands: Sequence[str], image_pixels: int) -> None:
        super().__init__(settings, bands, image_pixels)
        self.declaration = settings.declaration()
        self.feeds = feeds(self.declaration, bands, settings.missing)
        self.backbone = settings.backbone(image_pixels * settings.enlarge)
        self.pooling = self.backbone.pooling
        fed = [self.bands.index(feed.band) if feed.band is not None else 0 for feed in self.feeds]
        self.register_buffer("index", torch.tensor(fed), persistent=False)
        self.register_buffer("gain", torch.empty(len(fed)))
        self.register_buffer("offset", torch.empty(len(fed)))
        self._set(None)

    def set_scale(self, scaling: Mapping[str, Any]) -> None:
        """From now on map images of this scaling of a patch store to what the model was trained on.

        Saved with the weights. Raises RevisitError where a band is in another unit than the model takes.
        """
        self._set(scaling)

    def converted(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights of a file of this model, by the names and in the shapes of the library's architecture."""
        return dict(weights)

    def described(self) -> dict[str, Any]:
        """What the card says of the input: channels, how each is fed, scale and resolution."""
        declaration = self.declaration
        return {
            "channels": list(declaration.channels),
            "fed": [
                feed.band if feed.filled is None else f"{feed.filled} {feed.band or ''}".strip()
                for feed in self.feeds
            ],
            "unused": [band for band in self.bands if band not in {feed.band for feed in self.feeds}],
            "scale": declaration.scale.content(),
            "resolution_m": declaration.resolution_m,
        }

    def forward_features(self, images: Tensor, bands: Sequence[str] | None = None) -> Tensor:
        """The cells of the model's last map."""
        return self.backbone.maps(self._input(images, bands))[-1].flatten(2).transpose(1, 2)

    def pooled(self, images: Tensor, bands: Sequence[str] | None = None) -> Tensor:
        """What the model's own library gives for one image."""
        return self.backbone.pooled(self._input(images, bands))

    def pyramid(self, images: Tensor, bands: Sequence[str] | None = None) -> list[Tensor]:
        return self.backbone.maps(self._input(images, bands))

    def layers(self) -> list[list[nn.Parameter]]:
        return self.backbone.groups()

    def _set(self, scaling: Mapping[str, Any] | None) -> None:
        limits = None if scaling is None else limits_of(scaling)
        scales = self.declaration.scale.of_channels(len(self.feeds))
        rows = [gain_and_offset(feed, scale, limits) for feed, scale in zip(self.feeds, scales, strict=True)]
        table = torch.tensor(rows, dtype=torch.float64, device="cpu").float()
        self.gain.data.copy_(table[:, 0])
        self.offset.data.copy_(table[:, 1])

    def _input(self, images: Tensor, bands: Sequence[str] | None) -> Tensor:
        images, _ = self.enter(images, bands)
        channels = images[:, self.index] * self.gain[:, None, None] + self.offset[:, None, None]
        if (clip := self.declaration.scale.clip) is not None:
            channels = channels.clamp(*clip)
        if (times := self.settings.enlarge) > 1:
            channels = F.interpolate(channels, scale_factor=times, mode="bilinear", align_corners=False)
        return channels
