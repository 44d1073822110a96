"""CACo in the form of SimCLR: both eras of a place are in the batch, negatives where the place has changed.

As SeCo in this form (``simclr_seco.py``) with each place twice, once of each era. Views of its own place at
the other era are negatives of a view only where the place is thought to have changed, in all subspaces;
whether it has is estimated by the network itself during training (``parts/changes.py``).
"""

from torch import Tensor

from revisit.methods.method import DataDescription, Moment
from revisit.methods.parts.changes import Changes, ChangeSettings
from revisit.methods.parts.subspaces import VIEWS
from revisit.methods.parts.times import Eras, origins_of
from revisit.methods.parts.two_eras import TwoEras
from revisit.methods.simclr_seco import SimCLRSeCo


class SimCLRCACo(TwoEras, SimCLRSeCo):
    """Any encoder, by its pooled features; a place of the batch is there twice, once of each era."""

    class Settings(SimCLRSeCo.Settings):
        """Its own keys, beside those of SeCo in this form."""

        eras: Eras = Eras()
        """How the dates of a place are parted into two eras."""
        change: ChangeSettings = ChangeSettings()
        """When the other era is a negative."""

    source = "CACo (Mall et al., CVPR 2023) on SimCLR (Chen et al., ICML 2020), a row of the paper"
    choices = (
        "no code published: simclr-seco here with the eras and estimates of caco here, from the network "
        "itself, as there is no slow one; an unchanged place is spared in every subspace; of a place with "
        "one era, which is there twice, the pairs are no negatives of each other; batch_size and epochs "
        "count places, each of two images with their views"
    )

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        self.eras = settings.eras
        self.changes = Changes(settings.change, data.places or 0)

    def embeddings(self, views: dict[str, Tensor]) -> Tensor:
        """Query and ``both`` of the earlier era in the subspace invariant to both, [B, 2, dim]."""
        return super().embeddings({name: views[name][:, 0] for name in ("query", "both")})

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        place, era = views["place"], views["era"]
        features = self.features({name: views[name].flatten(0, 1) for name in VIEWS})
        projected = self.projected(features)
        spares = self.changes.spares(place).flatten()
        losses = self.contrasted(projected, origins_of(place, era), spares)
        first, third = (
            self.changes.compared(features[view].detach(), projected[:, :, view].detach())
            for view in map(VIEWS.index, ("query", "season"))
        )
        self.changes.note(place, views["comparable"], first, third)
        return {**losses, "changed": (~spares).float().mean()}

    def after_step(self, moment: Moment) -> None:
        """The estimates of the step's places are renewed."""
        self.changes.settle()


METHOD = SimCLRCACo
