"""What SeCo and its form on SimCLR share: views of three dates of a place, and a head for each subspace."""

import torch
from torch import Tensor

from revisit.methods.method import DataDescription
from revisit.methods.parts.augmented_views import AugmentedViews
from revisit.methods.parts.subspaces import Subspaces, check_one_sensor, seasonal_views
from revisit.methods.parts.times import with_repeats
from revisit.patches.batch import Batch


class Seasonal(AugmentedViews):
    """A method by the dates of one sensor; ``heads``: of the subspaces, which each method makes."""

    kinds = frozenset({"series"})
    needs_series = True
    heads: Subspaces

    def __init__(self, settings: AugmentedViews.Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        check_one_sensor(self.name, data.bands)

    def views(self, batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """``query``, ``both``, ``season``, ``augmentation``, float32 [B, C, H, W]."""
        chosen = with_repeats(batch.present[..., 0], generator)
        sample = torch.arange(len(chosen), device=chosen.device)[:, None]
        images = self.standardised(batch.images[sample, chosen])
        return seasonal_views(images, self.augmentation, self.data.bands, self.crop_pixels, generator)

    def embeddings(self, views: dict[str, Tensor]) -> Tensor:
        """Query and ``both`` in the subspace invariant to both, [B, 2, dim]."""
        return torch.stack([self.heads(self.encoder(views[name]))[:, 0] for name in ("query", "both")], 1)
