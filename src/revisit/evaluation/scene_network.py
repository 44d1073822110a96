"""The network that learns scenes: an encoder, and one logit a class on its pooled features."""

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor, nn

from revisit.evaluation.features import Pooled
from revisit.evaluation.networks import Networks
from revisit.nets.encoder import Encoder


class SceneNetworks(Networks):
    """A classifier on an encoder."""

    def __init__(self, encoder: Encoder, bands: Sequence[str], classes: int) -> None:
        super().__init__([encoder])
        self.bands, self.classes = bands, classes

    def build(self) -> nn.Module:
        return SceneClassifier(self.encoders[0], self.bands, self.classes)

    def described(self) -> dict[str, Any]:
        return {
            "name": None,
            "encoders": [encoder.architecture() for encoder in self.encoders],
            "bands": list(self.bands),
            "dates": 1,
            "classes": self.classes,
        }


class SceneClassifier(nn.Module):
    """Pooled features of an encoder, LayerNorm, one logit a class (0 at the start)."""

    def __init__(self, encoder: Encoder, bands: Sequence[str], classes: int) -> None:
        super().__init__()
        self.features = Pooled(encoder, bands)
        self.norm = nn.LayerNorm(encoder.feature_dim)
        self.head = nn.Linear(encoder.feature_dim, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.norm(self.features(images))))
