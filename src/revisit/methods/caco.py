"""CACo: SeCo with two eras of a place, years apart, which are each other's negatives where it has changed.

Of each place and era three dates make a query and three keys as in SeCo. Negatives of a query in subspace i
are the keys of the queue, the keys k_i of the batch's other era, and, in subspaces 1 and 2, the other two
keys of the whole batch. Keys of its own place at the other era are among them only where the place is thought
to have changed; whether it has is estimated by the slow network during training (``parts/changes.py``):

    loss = sum over i of the mean of -log exp(q k_i / T) / (exp(q k_i / T) + sum over n of exp(q n / T))
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from revisit.methods.method import DataDescription, Moment
from revisit.methods.parts import ranks
from revisit.methods.parts.changes import Changes, ChangeSettings
from revisit.methods.parts.contrast import info_nce
from revisit.methods.parts.queue import Queue
from revisit.methods.parts.subspaces import KEYS, VIEWS, Kinship, kinship
from revisit.methods.parts.times import Eras, origins_of
from revisit.methods.parts.two_eras import TwoEras
from revisit.methods.seco import SeCo, others, own_keys

NOWHERE = -1  # the place of the random keys that a queue holds at first


class CACo(TwoEras, SeCo):
    """Any encoder, by its pooled features; a place of the batch asks twice, once of each era."""

    class Settings(SeCo.Settings):
        """CACo's own keys, beside SeCo's."""

        variant: Literal["paper", "code"] = "paper"
        """Where the two disagree. In the code the other era of an unchanged place is spared among the keys
        k_i alone, and the queue gives keys of the query's era only."""
        eras: Eras = Eras()
        """How the dates of a place are parted into two eras."""
        change: ChangeSettings = ChangeSettings()
        """When the other era is a negative."""

    source = "CACo (Mall et al., CVPR 2023), as in utkarshmall13/CACo"
    choices = (
        "as the code unless `change` asks for the paper's equation 3: distances are not squared, of "
        "features of the subspace season, an estimate per place and era, average with 0.8 (none in the "
        "paper), all unchanged in the first epoch; the slow network sees queries too for the estimates, "
        "which its batch norms take note of, as in the code; as the paper: an unchanged place is spared in "
        "every subspace, the queue included, which gives keys of all eras; earlier keys of the query's own "
        "place and era stay negatives there, as in the code; eras are the dates before and after the middle "
        "of a place's own span, a year apart by default, where the paper's are 4 years apart; a place with "
        "one era asks twice of it and has no estimate, nor has an era with one date; an era with fewer "
        "than three dates within `span_years` shows some twice; aligned estimates align the first dates "
        "that are contrasted too, by the nearest season, however far that is; the mixture is fitted to "
        "estimates in units of their spread, which the code leaves as they are; batch_size and epochs count "
        "places, each of two queries; geographic sampling is a matter of the regions; optimiser and "
        "augmentation as SeCo here"
    )
    keys_per_place: ClassVar[int] = 2

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        self.variant, self.eras = settings.variant, settings.eras
        self.changes = Changes(settings.change, data.places or 0)
        start = torch.full((settings.queue, 2), NOWHERE)
        start[:, 1] = torch.arange(settings.queue) % 2  # eras take turns, as in the batches to come
        self.origins = Queue(settings.queue, 2, start)  # place and era of the keys in the queues
        self._origins: Tensor | None = None

    def embeddings(self, views: dict[str, Tensor]) -> Tensor:
        """Query and ``both`` of the earlier era in the subspace invariant to both, [B, 2, dim]."""
        return super().embeddings({name: views[name][:, 0] for name in ("query", "both")})

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        flat = {name: views[name].flatten(0, 1) for name in VIEWS}
        query = self.heads(self.encoder(flat["query"]))
        features = self.slow_features(flat)
        keys = self.keys(features)
        origins = origins_of(views["place"], views["era"])
        spares = self.changes.spares(views["place"]).flatten()
        everyone, theirs = ranks.gather(keys), ranks.gather(origins)
        self._fresh, self._origins = own_keys(everyone), theirs
        queued = kinship(origins, self.origins.keys.clone(), spares)
        here = kinship(origins, theirs, spares)
        losses = {}
        for number, name in enumerate(KEYS):
            negatives = [self.held(number), everyone[:, number, number], *others(everyone, number)]
            counted = counts(self.variant, queued, here, number)
            losses[name] = info_nce(
                query[:, number], keys[:, number, number], torch.cat(negatives), self.temperature, counted
            )
        season = KEYS.index("season")
        self._note(views, flat["query"], features[season], keys[:, :, season])
        return {
            "loss": torch.stack(list(losses.values())).sum(),
            **losses,
            "changed": (~spares).float().mean(),
        }

    def after_step(self, moment: Moment) -> None:
        """Queues take the step's keys, its places new estimates; the slow network follows."""
        super().after_step(moment)
        assert self._origins is not None
        self.origins.push(self._origins)
        self._origins = None
        self.changes.settle()

    @torch.no_grad()
    def _note(self, views: dict[str, Tensor], query: Tensor, features: Tensor, projected: Tensor) -> None:
        """What the slow network makes of the first date, ``query``, and has made of the third."""
        if self.changes.estimating:
            own = self.slow_encoder(query)
            first = self.changes.compared(own, self.slow_heads(own))
            third = self.changes.compared(features, projected)
            self.changes.note(views["place"], views["comparable"], first, third)


def counts(variant: str, queued: Kinship, here: Kinship, number: int) -> Tensor:
    """Which negatives count in this subspace, bool [N, K + M], in the first, or [N, K + 3 M].

    Their order: K keys of the queue, M keys k_i of the batch, and the other two of these.
    """
    if variant == "paper":
        of_queue, of_others = ~queued.spared, ~here.spared
    else:
        of_queue, of_others = queued.era, torch.ones_like(here.era)
    return torch.cat([of_queue, ~here.era & ~here.spared, *[of_others] * (2 if number else 0)], 1)


METHOD = CACo
