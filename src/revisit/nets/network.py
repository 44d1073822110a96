"""The contract of segmentation networks: images to a class of every pixel, with or without encoders inside.

A network is one file in ``revisit/nets/segmentation`` with one class, offered as ``NETWORK``.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from revisit.nets.encoder import Encoder
from revisit.record import Record


class Network(nn.Module, ABC):
    """Standardised images [B, C, H, W] to logits [B, classes, H, W].

    ``encoders``: how many encoders it takes, one a sensor; 0: it sees the images itself. ``dates``: images of
    a place that it sees at once; of several they are [B, dates, C, H, W].
    """

    Settings: ClassVar[type[Record]]
    encoders: ClassVar[int] = 0
    dates: ClassVar[int] = 1

    @classmethod
    @abstractmethod
    def build(cls, settings: Any, encoders: Sequence[Encoder], channels: int, classes: int) -> Self:
        """The network around these encoders, which become part of it; other weights are new.

        ``settings``: of ``Settings``. ``channels``: of the images, all sensors together.
        Raises RevisitError where the encoders are not those it takes.
        """

    @classmethod
    @abstractmethod
    def check(cls, architectures: Sequence[Mapping[str, Any]], image_pixels: int) -> None:
        """Raise RevisitError where ``build`` would fail for encoders of these architectures and this side."""

    @classmethod
    @abstractmethod
    def short_name(cls, settings: Any, architectures: Sequence[Mapping[str, Any]]) -> str:
        """What a table calls the network that was not pretrained: its encoders, or its own name and size."""

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Logits of every pixel."""
