"""Frozen protocol as the code of SeCo runs it: batch norms of the encoder follow the images they are shown.

Its weights stay, but its batch norms are in training mode while the head learns: they take the statistics of
the batch, and their running statistics, used in validation and test, drift to those of the labelled samples
(``main_eurosat.py`` and ``main_oscd.py`` of ServiceNow/seasonal-contrast). So the encoder that is tested is
not quite the one that was pretrained; ``frozen`` leaves all of it as it is.
"""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from revisit.errors import RevisitError
from revisit.evaluation.protocols.frozen import FrozenEncoder
from revisit.nets.encoder import Encoder


class AdaptingEncoder(FrozenEncoder):
    """Trains what is around the encoders, whose batch norms are in the mode of the whole network."""

    adapts = True

    def build(self) -> nn.Module:
        """Raises RevisitError where no encoder has batch norms."""
        network = super().build()
        norms = [
            norm
            for encoder in network.modules()
            if isinstance(encoder, Encoder)
            for norm in encoder.modules()
            if isinstance(norm, _BatchNorm)
        ]
        if not norms:
            raise RevisitError(
                "frozen-adapting: the encoder has no batch norms that could adapt; take the protocol frozen"
            )

        def follow(norm: nn.Module, _: object) -> None:
            norm.train(network.training)  # its encoder, being frozen, is in evaluation mode throughout

        for norm in norms:
            norm.register_forward_pre_hook(follow)
        return network


PROTOCOL = AdaptingEncoder
