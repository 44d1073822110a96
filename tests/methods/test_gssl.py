"""GSSL: two times of a place, its cluster among the training places, and both losses by hand."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from revisit.errors import RevisitError
from revisit.methods.gssl import k_means, on_sphere
from revisit.methods.method import DataDescription, Moment, build_method
from revisit.patches.batch import Batch
from revisit.training.optimiser import Course
from revisit.training.settings import Training

BANDS, SIDE, TIMES = ("red", "nir"), 8, 4
ENTRY: dict[str, Any] = {
    "name": "gssl",
    "encoder": {"name": "resnet", "depth": 18, "stem": "small", "width": 8},
    "dim": 8,
    "queue": 32,
    "momentum": 0.9,
    "clusters": 3,
}
TOWNS = np.array([[-179.9, 60.0], [10.0, 45.0], [10.0, -30.0]])  # longitude, latitude
COURSE = Course(steps=40, epoch_steps=10, device=torch.device("cpu"))
AsBatch = Callable[[Tensor], Batch[Tensor]]


class Store:
    """Twelve places to train on, four around each town, those of the first on both sides of 180 degrees."""

    def __init__(self) -> None:
        offsets = np.random.default_rng(0).normal(0, 0.2, (12, 2))
        degrees = np.repeat(TOWNS, 4, 0) + offsets
        degrees[:, 0] = (degrees[:, 0] + 180) % 360 - 180
        far = np.full((3, 2), 80.0)  # not to train on
        self.degrees = np.concatenate([degrees, far])

    def indices(self, split: str) -> NDArray[np.int64]:
        assert split == "train"
        return np.arange(12)

    def images(self, *arguments: Any) -> Any:
        raise AssertionError("coordinates are enough")

    def where(self) -> dict[str, NDArray[np.float64]]:
        return {"longitude": self.degrees[:, 0], "latitude": self.degrees[:, 1]}


def method(samples: int | None = 12, **changes: Any) -> Any:
    torch.manual_seed(0)
    return build_method({**ENTRY, **changes}, DataDescription(BANDS, SIDE, 3.0, "series", (), samples))


def moment(store: Store | None, step: int = 0) -> Moment:
    return Moment(step, COURSE.steps, COURSE.epoch_steps, store, [])


def batch(as_batch: AsBatch, present: Tensor | None = None) -> Batch[Tensor]:
    """The twelve places, each of its own level, which rises by 10 from time to time."""
    levels = 15 * torch.arange(12).view(12, 1, 1, 1, 1) + 10 * torch.arange(TIMES).view(TIMES, 1, 1, 1)
    noise = torch.randint(0, 8, (12, TIMES, 2, SIDE, SIDE), generator=torch.Generator().manual_seed(1))
    made = as_batch((levels + noise).to(torch.uint8))
    coordinates = torch.zeros(12, 4, dtype=torch.float64)
    coordinates[:, 2:] = torch.from_numpy(Store().degrees[:12])
    there = made.present if present is None else present[:, :, None]
    return replace(made, coordinates=coordinates, present=there)


def test_views_show_the_two_times(as_batch: AsBatch) -> None:
    """Query and key are of the same place; of a place with one time, of that."""
    off = {"scale": [1.0, 1.0], "jitter": 0, "blur": 0}
    own, present = method(augmentation=off), torch.ones(12, TIMES).bool()
    present[3] = torch.tensor([0, 0, 1, 0])
    views = own.views(batch(as_batch, present), torch.Generator().manual_seed(2))
    # From standard deviations back to levels of 8 bit, less the mean of the noise.
    levels = torch.stack([(views[name].mean((1, 2, 3)) / 6 + 0.5) * 255 for name in ("query", "key")])
    times = ((levels - 3.5 - 15 * torch.arange(12)) / 10).round()
    assert (times[:, 3] == 2).all() and ((times >= 0) & (times < TIMES)).all()
    others = torch.arange(12) != 3
    assert (times[0] != times[1])[others].all()


def test_clusters_are_the_towns(as_batch: AsBatch) -> None:
    """Of training places alone, across the 180th meridian; kept in the state, and not made again later."""
    own, store = method(), Store()
    own.before_step(moment(store))
    clusters = own.views(batch(as_batch), torch.Generator().manual_seed(0))["cluster"].view(3, 4)
    assert (clusters == clusters[:, :1]).all() and sorted(clusters[:, 0].tolist()) == [0, 1, 2]
    towns = on_sphere(*torch.from_numpy(TOWNS).T).float()
    nearest = (own.centres[:, None] - towns).norm(dim=-1).amin(1)
    assert nearest.max() < 0.01
    assert torch.equal(own.state_dict()["centres"], own.centres)
    before = own.centres.clone()
    own.before_step(moment(None, step=1))
    assert torch.equal(own.centres, before)


def test_near_places_are_told_apart(as_batch: AsBatch) -> None:
    """Patches 300 m from each other: in degrees the third decimal."""
    own, near = method(), batch(as_batch)
    near.coordinates[:, 2:] = torch.tensor([10.0, 60.0]) + 0.005 * torch.arange(12).view(12, 1)
    own.centres.copy_(on_sphere(*near.coordinates[[0, 1, 10], 2:].T))
    clusters = own.views(near, torch.Generator().manual_seed(0))["cluster"]
    assert clusters.tolist() == [0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]


def test_as_many_clusters_as_places() -> None:
    assert method(samples=2).where[1].out_features == 2
    assert method(samples=None, clusters=100).where[1].out_features == 100  # at planning
    with pytest.raises(RevisitError, match="collections of kind series, not pairs"):
        build_method(ENTRY, DataDescription(BANDS, SIDE, 3.0, "pairs"))


def test_several_sensors_are_refused() -> None:
    """The dates of a series are those of one sensor: a slot of two is not one time."""
    with pytest.raises(RevisitError, match="gssl: learns from the dates of one sensor"):
        build_method(ENTRY, DataDescription(("vv", "red"), SIDE, 3.0, "series"))


def test_k_means_follows_the_seed() -> None:
    points = torch.rand(50, 3, generator=torch.Generator().manual_seed(0))
    found = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        found.append(k_means(points, 6))
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_loss_by_hand(as_batch: AsBatch) -> None:
    """InfoNCE at 0.02 of normalised embeddings, and the cluster told by the query's before normalisation."""
    own = method().eval()
    own.slow_head[0].weight.data.mul_(-0.5)
    own.before_step(moment(Store()))
    views = own.views(batch(as_batch), torch.Generator().manual_seed(0))
    query = own.head(own.encoder.pooled(views["query"])).double()
    key = F.normalize(own.slow_head(own.slow_encoder.pooled(views["key"])).double(), dim=1)
    unit, contrast = F.normalize(query, dim=1), 0.0
    for row in range(12):
        logits = torch.cat([unit[row] @ key[row, :, None], own.queue.keys.double() @ unit[row]]) / 0.02
        contrast += (logits.logsumexp(0) - logits[0]).item() / 12
    weight, bias = own.where[1].weight.double(), own.where[1].bias.double()
    shares = (query.clamp(min=0) @ weight.T + bias).softmax(1)
    place = -shares[torch.arange(12), views["cluster"]].log().mean().item()
    losses = {name: value.item() for name, value in own.loss(views).items()}
    expected = {"contrast": contrast, "place": place, "loss": contrast + place}
    assert losses == pytest.approx(expected, rel=1e-3)


def test_gradients_reach_everything_and_it_learns(as_batch: AsBatch) -> None:
    """No trained weight is idle; of twelve places, the town of each is learnt."""
    vit = {"name": "channel-vit", "patch_pixels": 4, "dim": 16, "depth": 1, "heads": 2}
    own = method(temperature=0.2, encoder=vit)
    own.train()
    own.before_step(moment(Store()))
    training = Training(steps=COURSE.steps, batch_size=12, learning_rate=2.0)
    (descent,) = own.optimisers(training, COURSE)
    trained = [id(p) for p in own.parameters() if p.requires_grad]
    assert sorted(trained) == sorted(id(p) for p in descent.parameters)
    generator, places = torch.Generator().manual_seed(0), []
    for step in range(COURSE.steps):
        descent.set(step)
        losses = own.loss(own.views(batch(as_batch), generator))
        descent.optimiser.zero_grad()
        losses["loss"].backward()
        if step == 0:
            assert all((p.grad is not None) == p.requires_grad for p in own.parameters())
        descent.optimiser.step()
        own.after_step(moment(None, step + 1))
        places.append(losses["place"].item())
    assert sum(places[-10:]) / 10 < 0.5 < 1.0 < places[0]
