"""Frozen protocol: head or decoder learn from the labels on an encoder that stays as it is (SeCo, CACo).

Of an encoder that was never trained it says what the decoder finds by itself, and is a floor.
"""

from collections.abc import Iterator
from typing import ClassVar

from torch import nn

from revisit.errors import RevisitError
from revisit.evaluation.features import batches, predict
from revisit.evaluation.protocol import Indices, Learned
from revisit.evaluation.protocols.fine_tune import WholeNetwork
from revisit.evaluation.protocols.fitting import Fitted
from revisit.evaluation.protocols.kept_features import kept_features
from revisit.nets.encoder import Encoder


class FrozenEncoder(WholeNetwork):
    """Trains by a ``Recipe`` what is around the encoders, which are in evaluation mode throughout."""

    freezes = True
    adapts: ClassVar[bool] = False
    """Whether batch norms of the encoders follow the images they are shown."""

    def build(self) -> nn.Module:
        network = super().build()
        for encoder in (module for module in network.modules() if isinstance(module, Encoder)):
            encoder.requires_grad_(False)
        return network

    def train(self, labelled: Indices, validating: Indices, seed: int) -> tuple[nn.Module, Learned]:
        """As all networks; where that fails, raises RevisitError of encoders whose features are not finite.

        No rate of the recipe would make them so.
        """
        try:
            return super().train(labelled, validating, seed)
        except RevisitError:
            untrained = self.build().to(self.images.device)
            for indices in batches(labelled):
                predict(untrained, self.images, indices)
            raise

    def fit(self, network: nn.Module, labelled: Indices, validating: Indices, seed: int) -> Fitted:
        """On the CPU, where encoding takes long beside looking up, with features kept."""
        if self.adapts or self.images.device.type != "cpu":
            return super().fit(network, labelled, validating, seed)
        with kept_features(list(dict.fromkeys(_outermost(network)))):
            return super().fit(network, labelled, validating, seed)


PROTOCOL = FrozenEncoder


def _outermost(module: nn.Module) -> Iterator[Encoder]:
    """The encoders in a network, less those inside of another."""
    if isinstance(module, Encoder):
        yield module
    else:
        for child in module.children():
            yield from _outermost(child)
