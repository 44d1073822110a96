"""SimCLR: the two views of an image find each other among all other views of the batch.

loss = mean over 2B views of -log exp(z z+ / T) / (sum over the 2B - 1 other views of exp(z z' / T))
"""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from revisit.methods.method import DataDescription
from revisit.methods.parts.augmentation import CHOICES, Augmentation
from revisit.methods.parts.augmented_views import AugmentedViews
from revisit.methods.parts.contrast import nt_xent
from revisit.methods.parts.heads import simclr_projector
from revisit.patches.batch import Batch
from revisit.training.optimiser import OptimiserSettings


class SimCLRAugmentation(Augmentation):
    """How SimCLR makes a view: smaller crops and a jitter of twice the strength of MoCo v2's."""

    scale: tuple[float, float] = (0.08, 1.0)
    """Least and largest share of the image's area that is cut out."""
    gain: float = Field(0.8, ge=0, lt=1)
    """Largest change of an optical band's contrast, as a share of it."""
    offset: float = Field(0.8, ge=0)
    """Largest offset of an optical band, in standard deviations."""


class SimCLR(AugmentedViews):
    """Any encoder, by its pooled features; negatives come from the batch alone."""

    class Settings(AugmentedViews.Settings):
        """SimCLR's own keys."""

        dim: int = Field(128, gt=0)
        """Numbers of an embedding that is compared."""
        hidden: int | None = Field(None, gt=0)
        """Width of the projector's hidden layers; that of the features when left out."""
        layers: int = Field(2, ge=1)
        """Linear layers of the projector: 2 in the paper, 3 in its second version."""
        temperature: float = Field(0.1, gt=0)
        """Of the similarities."""
        augmentation: SimCLRAugmentation = SimCLRAugmentation()
        """Of both views."""
        optimiser: OptimiserSettings = OptimiserSettings(name="adamw")
        """In the place of LARS."""

    source = "SimCLR (Chen et al., ICML 2020), as in google-research/simclr"
    choices = (
        "AdamW instead of LARS, which torch lacks; no batch normalisation of the projector's output, which "
        "the code has; without colour and grayscale, which are for RGB alone, a gain and an offset per "
        f"optical band and a gain with speckle per SAR band; flips on both axes; {CHOICES}; of a series a "
        "place shows one date in a step, so that an epoch is a pass over places, not over all their images"
    )
    batch_wide = True  # all views of the batch are candidates

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        self.temperature = settings.temperature
        features = self.encoder.feature_dim
        self.projector = simclr_projector(
            features, settings.hidden or features, settings.dim, settings.layers
        )

    def views(self, batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """``first`` and ``second``, float32 [B, C, H, W]."""
        images = self.standardised(batch.images)
        return {name: self.view(images, generator) for name in ("first", "second")}

    def embeddings(self, views: dict[str, Tensor]) -> Tensor:
        """What the projector makes of both views, L2-normalised, [B, 2, dim]."""
        # Both in one pass, so that batch normalisation tells no view from the other.
        images = torch.cat([views["first"], views["second"]])
        embedded = F.normalize(self.projector(self.encoder(images)).float(), dim=1)
        return torch.stack(embedded.chunk(2), 1)

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        first, second = self.embeddings(views).unbind(1)
        return {"loss": nt_xent(first, second, self.temperature)}


METHOD = SimCLR
