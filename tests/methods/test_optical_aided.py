"""The levels of optical-aided contrast: each loss in NumPy, who is whose positive, and that it learns."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.methods.method import Method
from revisit.patches.batch import Batch
from revisit.training.optimiser import Course
from revisit.training.settings import Training

RESNET = {"name": "resnet", "depth": 18, "stem": "small", "width": 8}
ENTRY: dict[str, Any] = {"name": "optical-aided", "encoder": RESNET, "dim": 8, "clusters": 3}
SAR = ("vv", "vh")
LEVELS = {
    "instance": {"optical": 0, "cluster": 0},
    "optical": {"cluster": 0},
    "cluster": {"optical": 0},
    "all": {},
}
AsBatch = Callable[[Tensor], Batch[Tensor]]
Build = Callable[..., Any]


def images(samples: int = 8, channels: int = 4) -> Tensor:
    """Of vv, vh and what was generated for them: every place has a level of its own."""
    random = torch.Generator().manual_seed(3)
    noise = torch.randint(0, 40, (samples, channels, 16, 16), generator=random)
    return (noise + 25 * torch.arange(samples)[:, None, None, None]).to(torch.uint8)


def views_of(own: Method, as_batch: AsBatch, seed: int = 0) -> dict[str, Tensor]:
    return own.views(as_batch(images(channels=len(own.drawn))), torch.Generator().manual_seed(seed))


def contrast(rows: NDArray[np.float64], temperature: float) -> float:
    """NT-Xent of rows [2N, D], the first N of which find the others (SimCLR, eq. 1)."""
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    powers = np.exp(rows @ rows.T / temperature)
    np.fill_diagonal(powers, 0)
    partner = np.roll(np.arange(len(rows)), len(rows) // 2)
    return float(-np.log(powers[np.arange(len(rows)), partner] / powers.sum(1)).mean())


@pytest.mark.parametrize("level", LEVELS)
def test_losses_by_hand(build: Build, as_batch: AsBatch, level: str) -> None:
    """The sum of the levels that have a weight, each with its own."""
    weights = {"optical": 0.5, "cluster": 0.25} | LEVELS[level]
    own = build({**ENTRY, **weights, "temperature": 0.3, "cluster_temperature": 0.7}, SAR).eval()
    views = views_of(own, as_batch)
    assert set(views) == {"first", "second"} | ({"generated"} if weights["optical"] else set())
    with torch.no_grad():
        features = {name: own.encoder.pooled(view) for name, view in views.items()}
        z = {name: own.projector(value).numpy().astype(float) for name, value in features.items()}
        losses = own.loss(views)
    wanted = {"instance": contrast(np.concatenate([z["first"], z["second"]]), 0.3)}
    if weights["optical"]:
        wanted["optical"] = contrast(np.concatenate([z["first"], z["generated"]]), 0.3)
    if weights["cluster"]:
        with torch.no_grad():
            given = [own.assign(features[name]).numpy().astype(float) for name in ("first", "second")]
        wanted["cluster"] = contrast(np.concatenate([one.T for one in given]), 0.7)
        for one in given:
            share = one.mean(0)
            wanted["cluster"] += math.log(3) + (share * np.log(share)).sum()
    total = sum(value * {"instance": 1, **weights}[name] for name, value in wanted.items())
    assert {name: value.item() for name, value in losses.items()} == pytest.approx(
        {"loss": total, **wanted}, rel=1e-4
    )


def test_instance_level_alone_is_simclr(build: Build, as_batch: AsBatch) -> None:
    """The level of SAR alone is a row for comparison: to the bit, weights, views and loss."""
    shared = {"encoder": RESNET, "dim": 8, "temperature": 0.2, "augmentation": {"scale": [0.2, 1.0]}}
    own = build({"name": "optical-aided", **shared, **LEVELS["instance"]}, SAR)
    simclr = build({"name": "simclr", **shared}, SAR)
    assert own.drawn == SAR and own.needs_parents == 0
    views, others = (views_of(one, as_batch) for one in (own, simclr))
    assert all(torch.equal(views[name], others[name]) for name in others)
    losses = own.loss(views)
    assert losses["loss"].item() == losses["instance"].item() == simclr.loss(others)["loss"].item()


def test_levels_see_the_same_views(build: Build, as_batch: AsBatch) -> None:
    """Rows differ in their levels alone: aid leaves the SAR views as they are."""
    alone, aided = (build({**ENTRY, **LEVELS[level]}, SAR) for level in ("instance", "all"))
    one = alone.views(as_batch(images()[:, :2]), torch.Generator().manual_seed(1))
    other = aided.views(as_batch(images()), torch.Generator().manual_seed(1))
    assert all(torch.equal(one[name], other[name]) for name in ("first", "second"))


def test_generated_view_is_of_the_generated_image(build: Build, as_batch: AsBatch) -> None:
    """Behind the bands of the modality stand what was generated for them, in the same order."""
    plain = {"jitter": 0, "blur": 0, "scale": [1.0, 1.0]}
    own = build({**ENTRY, "augmentation": plain}, SAR)
    assert own.drawn == ("vv", "vh", "generated-vv", "generated-vh") and own.needs_parents == 1
    levels = torch.tensor([10, 60, 110, 160], dtype=torch.uint8)
    views = own.views(as_batch(levels[None, :, None, None].repeat(3, 1, 16, 16)), torch.Generator())
    for name, wanted in (("first", [10, 60]), ("second", [10, 60]), ("generated", [110, 160])):
        found = (views[name] + 3) * 255 / 6
        torch.testing.assert_close(
            found.mean((0, 2, 3)), torch.tensor(wanted, dtype=torch.float32), atol=1, rtol=0
        )


class Shown(nn.Module):
    """An encoder whose features are those painted on the image: its first pixels."""

    def forward(self, images: Tensor) -> Tensor:
        return images[:, 0, 0, :4]


def test_who_is_whose_positive(build: Build) -> None:
    """By features made by hand of three places, of which two look the same to the radar."""
    own = build({**ENTRY, **LEVELS["optical"], "temperature": 1.0}, SAR)
    own.encoder, own.projector = Shown(), nn.Identity()
    east, north, up = torch.eye(4)[:3]

    def losses(first: list[Tensor], second: list[Tensor], generated: list[Tensor]) -> dict[str, float]:
        painted = {}
        for name, rows in (("first", first), ("second", second), ("generated", generated)):
            painted[name] = torch.zeros(len(rows), 2, 16, 16)
            painted[name][:, 0, 0, :4] = torch.stack(rows)
        return {name: value.item() for name, value in own.loss(painted).items()}

    radar = [east, east, north]
    same = losses(radar, radar, radar)
    # The generated image of its place is a positive: nearer is better ...
    aided = losses(radar, radar, [east, up, north])
    assert aided["optical"] < losses(radar, radar, [up, east, east])["optical"]
    # ... those of other places are negatives, as are other places' SAR images.
    e = math.e
    wanted = -np.log([e / (2 * e + 3), 1 / (2 * e + 3), e / (e + 4)])
    of_generated = -np.log([e / (2 * e + 3), 1 / 5, e / (e + 4)])
    assert aided["optical"] == pytest.approx(np.mean([*wanted, *of_generated]))
    # Neither level knows the view that is the other's.
    assert aided["instance"] == same["instance"]
    assert losses(radar, [up, up, up], radar)["optical"] == same["optical"]


@pytest.mark.parametrize("level", LEVELS)
def test_gradients_reach_everything(build: Build, as_batch: AsBatch, level: str) -> None:
    """No trained weight is idle, also in bfloat16; there is no head that a level left out would need."""
    own = build({**ENTRY, **LEVELS[level]}, SAR).train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = own.loss(views_of(own, as_batch))["loss"]
    assert loss.dtype == torch.float32
    loss.backward()
    assert all(one.grad is not None and one.grad.any() for one in own.parameters())


def test_learns_places_by_heart(build: Build, as_batch: AsBatch) -> None:
    """All three losses fall, and each place ends nearest to its own generated image."""
    own = build({**ENTRY, "clusters": 2, "augmentation": {"jitter": 0, "blur": 0}}, SAR)
    training = Training(steps=25, batch_size=8, learning_rate=0.3, weight_decay=0)
    (descent,) = own.optimisers(training, Course(25, 10, torch.device("cpu")))
    losses = []
    own.train()
    for step in range(25):
        descent.set(step)
        parts = own.loss(views_of(own, as_batch, step))
        descent.optimiser.zero_grad()
        parts["loss"].backward()
        descent.optimiser.step()
        losses.append([parts[name].item() for name in ("instance", "optical", "cluster")])
    first, last = np.mean(losses[:3], 0), np.mean(losses[-3:], 0)
    assert (last < first - [0.5, 0.5, 0.1]).all(), (first, last)
    own.eval()
    with torch.no_grad():
        views = views_of(own, as_batch, 99)
        sar, generated = (
            nn.functional.normalize(own.projector(own.encoder(views[name])), dim=1)
            for name in ("first", "generated")
        )
    assert (sar @ generated.T).argmax(1).tolist() == list(range(8))


@pytest.mark.parametrize(
    ("changes", "bands", "told"),
    [
        ({}, ("red", "nir"), "optical-aided: needs bands of sentinel-1"),
        ({"clusters": 1}, SAR, r"method\.clusters"),
        ({"optical": -1}, SAR, r"method\.optical"),
    ],
)
def test_refuses(build: Build, changes: dict[str, Any], bands: tuple[str, ...], told: str) -> None:
    with pytest.raises(RevisitError, match=told):
        build({**ENTRY, **changes}, bands)
