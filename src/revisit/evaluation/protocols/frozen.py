"""Frozen protocol: head or decoder learn from the labels on an encoder that stays as it is (SeCo, CACo).

Of an encoder that was never trained it says what the decoder finds by itself, and is a floor.
"""

from torch import nn

from revisit.evaluation.protocols.fine_tune import WholeNetwork
from revisit.nets.encoder import Encoder


class FrozenEncoder(WholeNetwork):
    """Trains by a ``Recipe`` what is around the encoders, which are in evaluation mode throughout."""

    freezes = True

    def build(self) -> nn.Module:
        network = super().build()
        for encoder in (module for module in network.modules() if isinstance(module, Encoder)):
            encoder.requires_grad_(False)
        return network


PROTOCOL = FrozenEncoder
