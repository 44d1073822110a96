"""What SeCo and its form on SimCLR share: views of three dates of a place, and a head for each subspace."""

import torch
from pydantic import Field
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

    class Settings(AugmentedViews.Settings):
        """What the entries of all these methods may say."""

        span_years: float = Field(1.0, gt=0)
        """How far from the first of its dates, of an era where there are two, the other two may lie: a year
        at most in the sources' data, so that what differs is the season."""

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        check_one_sensor(self.name, data.bands)
        self.span_years = settings.span_years

    def views(self, batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """``query``, ``both``, ``season``, ``augmentation``, float32 [B, C, H, W]."""
        chosen = with_repeats(batch.dates[..., 0], batch.present[..., 0], self.span_years, generator)
        sample = torch.arange(len(chosen), device=chosen.device)[:, None]
        images = self.standardised(batch.images[sample, chosen])
        return seasonal_views(images, self.augmentation, self.data.bands, self.crop_pixels, generator)

    def embeddings(self, views: dict[str, Tensor]) -> Tensor:
        """Query and ``both`` in the subspace invariant to both, [B, 2, dim]."""
        return torch.stack([self.heads(self.encoder(views[name]))[:, 0] for name in ("query", "both")], 1)
