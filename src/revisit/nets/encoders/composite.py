"""Several encoders side by side, one a sensor, as dual networks have them; features are concatenated.

The parts share no weight. Images may lack the bands of whole parts: those parts then contribute zeros, so an
encoder of two sensors can be used on either of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.nets.encoder import Encoder, EncoderSettings
from revisit.nets.load_save import architecture_name, build_encoder, check_architecture
from revisit.record import Record


class Part(Record):
    """One of the encoders side by side."""

    bands: tuple[str, ...] | None = None
    """Its bands; left out: all that no other part names."""
    encoder: dict[str, Any]
    """Its architecture, an `encoder` entry as everywhere."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        try:
            check_architecture(self.encoder, "encoder")
        except RevisitError as error:
            raise ValueError(str(error)) from None
        return self


class Composite(Encoder):
    """``parts``: the encoders, in the order of the settings, each of its own bands.

    A level of the pyramid is that level of each part, one behind the other; likewise tokens and
    pooled features.
    """

    parts: nn.ModuleList

    class Settings(EncoderSettings):
        """Encoders side by side, whose pyramids have the same cells."""

        parts: tuple[Part, ...] = Field(min_length=2)
        """The encoders, each with its bands; together they take every band of the modality once."""

        @model_validator(mode="after")
        def _alike(self) -> Self:
            strides = [settings.strides() for settings in self._settings()]
            if len(set(strides)) > 1:
                raise ValueError(f"parts must have pyramids of the same cells; sides are {strides} pixels")
            if sum(part.bands is None for part in self.parts) > 1:
                raise ValueError("parts: only one can be without bands, to take those no other names")
            return self

        def check(self, image_pixels: int, bands: Sequence[str]) -> None:
            for settings, own in zip(self._settings(), self.divide(bands), strict=True):
                settings.check(image_pixels, own)

        def divide(self, bands: Sequence[str]) -> list[list[str]]:
            """The bands of each part; raises RevisitError unless every band goes to exactly one."""
            named = [band for part in self.parts for band in part.bands or ()]
            rest = [band for band in bands if band not in named]
            shares = [list(rest if part.bands is None else part.bands) for part in self.parts]
            if sorted(band for share in shares for band in share) != sorted(bands) or not all(shares):
                raise RevisitError(
                    f"parts take bands {shares}, the images have {list(bands)}; give each to one part"
                )
            return shares

        def side_multiple(self) -> int:
            return max(settings.side_multiple() for settings in self._settings())

        def strides(self) -> tuple[int, ...]:
            return self._settings()[0].strides()

        def widths(self) -> tuple[int, ...]:
            return tuple(map(sum, zip(*(settings.widths() for settings in self._settings()), strict=True)))

        def size(self) -> str:
            each = [
                f"{architecture_name(part.encoder)} on {','.join(part.bands or ('the rest',))}"
                for part in self.parts
            ]
            return f"({'; '.join(each)})"

        def inner(self) -> Sequence[Mapping[str, Any]]:
            return [part.encoder for part in self.parts]

        def _settings(self) -> list[EncoderSettings]:
            return [check_architecture(part.encoder) for part in self.parts]

    def __init__(self, settings: Settings, bands: Sequence[str], image_pixels: int) -> None:
        super().__init__(settings, bands, image_pixels)
        self.parts = nn.ModuleList(
            build_encoder({**part.encoder, "bands": own, "image_pixels": image_pixels})
            for part, own in zip(settings.parts, settings.divide(bands), strict=True)
        )

    def channels(self, bands: Sequence[str] | None = None) -> list[int]:
        """Positions of ``bands`` among the encoder's own: those of whole parts, in any order."""
        if bands is None:
            return list(range(len(self.bands)))
        wholes = [set(part.bands) for part in self._encoders()]
        given = set(bands)
        if not bands or len(given) != len(bands) or not given <= set(self.bands):
            raise RevisitError(f"encoder: takes bands from {list(self.bands)}, each once; got {list(bands)}")
        if any(given & whole and not whole <= given for whole in wholes):
            raise RevisitError(
                f"encoder: takes the bands of whole parts, {[sorted(whole) for whole in wholes]}; "
                f"got {list(bands)}"
            )
        return [self.bands.index(band) for band in bands]

    def forward_features(self, images: Tensor, bands: Sequence[str] | None = None) -> Tensor:
        count = (images.shape[2] // self.strides[-1]) * (images.shape[3] // self.strides[-1])
        return torch.cat(
            [
                part.forward_features(own)
                if own is not None
                else images.new_zeros(len(images), count, part.feature_dim)
                for part, own in self._divided(images, bands)
            ],
            dim=2,
        )

    def pooled(self, images: Tensor, bands: Sequence[str] | None = None) -> Tensor:
        """The parts' own pooled features, one behind the other."""
        return torch.cat(
            [
                part.pooled(own) if own is not None else images.new_zeros(len(images), part.feature_dim)
                for part, own in self._divided(images, bands)
            ],
            dim=1,
        )

    def pyramid(self, images: Tensor, bands: Sequence[str] | None = None) -> list[Tensor]:
        maps = [
            part.pyramid(own) if own is not None else self._zeros(part, images)
            for part, own in self._divided(images, bands)
        ]
        return [torch.cat(level, dim=1) for level in zip(*maps, strict=True)]

    def part(self, bands: Sequence[str]) -> Encoder | None:
        for part in self._encoders():
            if part.bands == tuple(bands):
                if self.card:
                    own = {"architecture": part.architecture(), "bands": list(bands)}
                    part.card = {**self.card, **own}
                return part
        return None

    def layers(self) -> list[list[nn.Parameter]]:
        """Those of the parts, the last with the last: what is as far from the features shares a group."""
        groups = [part.layers() for part in self._encoders()]
        deepest = max(map(len, groups))
        levels: list[list[nn.Parameter]] = [[] for _ in range(deepest)]
        for own in groups:
            for level, group in zip(levels[deepest - len(own) :], own, strict=True):
                level += group
        return levels

    def _encoders(self) -> list[Encoder]:
        return [cast(Encoder, part) for part in self.parts]

    def _divided(self, images: Tensor, bands: Sequence[str] | None) -> list[tuple[Encoder, Tensor | None]]:
        """Each part with its channels of the images, in its order; None where they have none of its bands."""
        images, channels = self.enter(images, bands)
        place = {self.bands[channel]: position for position, channel in enumerate(channels)}
        return [
            (part, images[:, [place[band] for band in part.bands]] if part.bands[0] in place else None)
            for part in self._encoders()
        ]

    @staticmethod
    def _zeros(part: Encoder, images: Tensor) -> list[Tensor]:
        height, width = images.shape[2:]
        return [
            images.new_zeros(len(images), wide, height // stride, width // stride)
            for wide, stride in zip(part.widths, part.strides, strict=True)
        ]


ENCODER = Composite
