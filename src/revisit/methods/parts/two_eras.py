"""What methods share that see each place in two eras: the dates they are shown, and estimates of change."""

from typing import Any

import torch
from torch import Tensor

from revisit.methods.method import Method, Moment, Store
from revisit.methods.parts.augmentation import Augmentation
from revisit.methods.parts.changes import Changes
from revisit.methods.parts.subspaces import seasonal_views
from revisit.methods.parts.times import Eras, tell_eras
from revisit.patches.batch import Batch


class TwoEras(Method):
    """Put before a method of one era among the bases of a method of two."""

    eras: Eras
    span_years: float
    changes: Changes
    augmentation: Augmentation

    def before_step(self, moment: Moment) -> None:
        if moment.step == 0 and moment.store is not None:
            tell_eras(self.name, self.eras, moment.store, self.data.bands)

    def views(self, batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """``query``, ``both``, ``season``, ``augmentation``, float32 [B, 2, C, H, W] by era.

        ``place`` int64 [B]; ``era`` int64 and ``comparable`` bool [B, 2] as of ``times.Drawn``.
        """
        dates, present = batch.dates[..., 0], batch.present[..., 0]
        aligned = self.changes.settings.aligned
        drawn = self.eras.draw(dates, present, self.span_years, generator, aligned)
        sample = torch.arange(len(dates), device=dates.device)[:, None, None]
        images = self.standardised(batch.images[sample, drawn.chosen])
        views = seasonal_views(images, self.augmentation, self.data.bands, self.crop_pixels, generator)
        return {**views, "place": batch.places, "era": drawn.era, "comparable": drawn.comparable}

    def after_epoch(self, moment: Moment) -> None:
        """Which places have changed is told anew from all estimates."""
        self.changes.refit()

    @property
    def leaves(self) -> tuple[str, ...]:
        return self.changes.leaves

    def tables(self, store: Store) -> dict[str, list[dict[str, Any]]]:
        """``changes`` and ``mixture``, see ``Changes.tables``."""
        return self.changes.tables(store, self.eras, self.data.bands)
