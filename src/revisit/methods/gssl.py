"""GSSL: MoCo v2 whose two views show a place at two times, and which also tells where on Earth the place is.

loss = InfoNCE(query, key) + cross-entropy(cluster of the place by its query's embedding)

Clusters are those of k-means on the coordinates of the training places, made before the first step.
"""

import math

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from revisit.methods.method import DataDescription, Moment
from revisit.methods.moco_v2 import MoCoV2
from revisit.methods.parts import ranks
from revisit.methods.parts.augmentation import Augmentation
from revisit.methods.parts.subspaces import check_one_sensor
from revisit.methods.parts.times import different
from revisit.patches.batch import COORDINATES, Batch

LONGITUDE, LATITUDE = COORDINATES.index("longitude"), COORDINATES.index("latitude")


class GSSLAugmentation(Augmentation):
    """How GSSL makes a view: MoCo v2's with smaller crops."""

    scale: tuple[float, float] = (0.08, 1.0)
    """Least and largest share of the image's area that is cut out."""


class GSSL(MoCoV2):
    """Any encoder, by its pooled features."""

    class Settings(MoCoV2.Settings):
        """GSSL's own keys."""

        temperature: float = Field(0.02, gt=0)
        """Of the similarities."""
        clusters: int = Field(100, gt=0)
        """Clusters of places to be told apart; as many as there are places where they are fewer."""
        augmentation: GSSLAugmentation = GSSLAugmentation()
        """Of both views."""

    source = "Geography-aware SSL (Ayush et al., ICCV 2021), as in sustainlab-group/geography-aware-ssl"
    choices = (
        "k-means of points on the unit sphere, where longitude shrinks towards the poles and has no edge, "
        "instead of degrees; from one start; both times drawn anew in each step from all that a place has; "
        "an epoch is a pass over places; otherwise MoCo v2's"
    )
    kinds = frozenset({"series"})
    needs_series = True
    centres: Tensor

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        check_one_sensor(self.name, data.bands)
        clusters = min(settings.clusters, data.samples or settings.clusters)
        self.where = nn.Sequential(nn.ReLU(), nn.Linear(settings.dim, clusters))
        self.register_buffer("centres", torch.zeros(clusters, 3))

    def before_step(self, moment: Moment) -> None:
        """Cluster the training places before the first step; a resumed run has the clusters already."""
        if moment.step:
            return
        assert moment.store is not None
        places = moment.store.where()
        chosen = moment.store.indices("train")
        degrees = [torch.from_numpy(places[name][chosen]) for name in ("longitude", "latitude")]
        found = k_means(on_sphere(*degrees), len(self.centres))
        self.centres.copy_(ranks.of_first(found.to(self.centres)))

    def views(self, batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """``query`` and ``key``, float32 [B, C, H, W], of two times; ``cluster`` of the place, int64 [B]."""
        sample = torch.arange(len(batch.images), device=batch.images.device)
        slots = different(batch.present.all(2), generator)
        query, key = (
            self.view(self.standardised(batch.images[sample, slots[:, slot]]), generator) for slot in (0, 2)
        )
        coordinates = batch.coordinates
        points = on_sphere(coordinates[:, LONGITUDE], coordinates[:, LATITUDE]).to(self.centres)
        # Not by products, which lose what tells near places apart.
        apart = (points[:, None] - self.centres).square().sum(-1)
        return {"query": query, "key": key, "cluster": apart.argmin(1)}

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        query = self.head(self.encoder(views["query"]))
        contrast = self.contrast(query, views["key"])
        place = F.cross_entropy(self.where(query).float(), views["cluster"])
        return {"loss": contrast + place, "contrast": contrast, "place": place}


def on_sphere(longitude: Tensor, latitude: Tensor) -> Tensor:
    """Points [N, 3] of the unit sphere from degrees [N]."""
    east, north = (degrees * (math.pi / 180) for degrees in (longitude, latitude))
    return torch.stack([north.cos() * east.cos(), north.cos() * east.sin(), north.sin()], -1)


def k_means(points: Tensor, clusters: int) -> Tensor:
    """Centres [clusters, D] of points [N, D], from torch's seed, which the loop sets for each step."""
    from sklearn.cluster import KMeans  # only training needs it, and it takes its time to load

    seed = int(torch.randint(2**31, ()))
    centres = KMeans(clusters, n_init=1, random_state=seed).fit(points.double().numpy()).cluster_centers_
    return torch.from_numpy(centres)


METHOD = GSSL
