"""pix2pix: both losses by hand, turns, what lacks data, and a handful of pairs learnt by heart."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from revisit.errors import RevisitError
from revisit.methods.method import Moment
from revisit.patches.batch import MISSING, Batch
from revisit.training.gradients import backward, own_parts
from revisit.training.optimiser import Course
from revisit.training.settings import Training

UNET = {"name": "unet-generator", "levels": 3, "width": 8}
ENTRY: dict[str, Any] = {"name": "pix2pix", "encoder": UNET, "discriminator": {"layers": 1, "width": 8}}
COURSE = Course(steps=200, epoch_steps=10, device=torch.device("cpu"))
AsBatch = Callable[[Tensor], Batch[Tensor]]
Build = Callable[..., Any]


def images(samples: int = 8) -> Tensor:
    """Of vv, vh, blue, green, red: the radar bands follow from the optical ones."""
    random = torch.Generator().manual_seed(3)
    coarse = torch.rand(samples, 3, 4, 4, generator=random)
    optical = F.interpolate(coarse, size=16, mode="bilinear")
    vv = (optical[:, :1] > 0.5) * 0.6 + 0.2
    vh = 1 - optical[:, 1:2]
    return (255 * torch.cat([vv, vh, optical], 1)).to(torch.uint8)


def views_of(own: Any, as_batch: AsBatch, of: Tensor | None = None, seed: int = 0) -> dict[str, Tensor]:
    batch = as_batch(images() if of is None else of)
    views: dict[str, Tensor] = own.views(batch, torch.Generator().manual_seed(seed))
    return views


def turn(own: Any, step: int) -> None:
    own.before_step(Moment(step, COURSE.steps, COURSE.epoch_steps, None, []))


def cross_entropy(logits: Tensor, real: bool) -> float:
    """Of verdicts with one truth, in NumPy."""
    sure = 1 / (1 + np.exp(-logits.detach().numpy().astype(float)))
    return float(-np.log(sure if real else 1 - sure).mean())


def test_losses_by_hand(build: Build, as_batch: AsBatch) -> None:
    """Isola et al., equations 1, 3 and 4; the discriminator's is halved (section 3.3)."""
    own = build(ENTRY).eval()
    views = views_of(own, as_batch)
    given, true = views["given"], views["true"]
    made = own.encoder.generate(given)
    assert made.abs().max() <= 1 and made.std() > 0
    judged = {
        name: own.discriminator(torch.cat([given, image], 1))
        for name, image in (("true", true), ("made", made))
    }
    turn(own, 0)
    wanted = (cross_entropy(judged["true"], True) + cross_entropy(judged["made"], False)) / 2
    losses = own.loss(views)
    assert list(losses) == ["discriminator"] and losses["discriminator"].item() == pytest.approx(wanted)
    turn(own, 1)
    losses = own.loss(views)
    error = np.abs((true - made).detach().numpy()).mean()
    assert losses["l1"].item() == pytest.approx(error)
    assert losses["adversarial"].item() == pytest.approx(cross_entropy(judged["made"], True))
    assert losses["loss"].item() == pytest.approx(losses["adversarial"].item() + 100 * error, rel=1e-6)


def test_each_has_its_turn(build: Build, as_batch: AsBatch) -> None:
    """A step of one leaves the weights of the other as they were, and all of its own move."""
    own = build(ENTRY).train()
    descents = own.optimisers(Training(steps=4, batch_size=8, learning_rate=0.1, warmup_fraction=0), COURSE)
    assert [group["betas"] for one in descents for group in one.optimiser.param_groups] == [(0.5, 0.999)] * 4
    networks = {"discriminator": own.discriminator, "loss": own.encoder}
    for step, trained in enumerate(("discriminator", "loss", "discriminator")):
        before = {name: [one.clone() for one in net.parameters()] for name, net in networks.items()}
        turn(own, step)
        for descent in descents:
            descent.set(step)
            descent.optimiser.zero_grad(set_to_none=True)
        losses = backward(own_parts(own, views_of(own, as_batch, seed=step), 1), own.loss, descents)
        for descent in descents:
            if descent.part in losses:
                descent.optimiser.step()
        for name, network in networks.items():
            pairs = zip(before[name], network.parameters(), strict=True)
            moved = [not torch.equal(old, new) for old, new in pairs]
            assert all(moved) if name == trained else not any(moved), (step, name)


def test_pixels_without_data_count_for_nothing(build: Build, as_batch: AsBatch) -> None:
    """Where one sensor lacks a pixel, neither the error nor the verdict knows what the other has there."""
    own = build(ENTRY).eval()
    holes = images()
    holes[:, :2, :4] = MISSING  # no radar
    holes[:, 2:, :, :4] = MISSING  # nothing optical
    other = holes.clone()
    other[:, :2, 4:, :4] = 255 - other[:, :2, 4:, :4]
    whole, changed = (views_of(own, as_batch, of) for of in (holes, other))
    assert whole["whole"].float().mean() == 0.75**2
    assert (whole["true"] == 0).sum() >= 8 * 2 * (256 - 144)
    for step in (0, 1):
        turn(own, step)
        one, two = own.loss(whole), own.loss(changed)
        assert {name: value.item() for name, value in one.items()} == {
            name: value.item() for name, value in two.items()
        }
    own.encoder.head.bias.data += 3  # a generator that is off where nothing can be known
    turn(own, 1)
    made = own.encoder.generate(whole["given"])
    error = ((made - whole["true"]).abs() * whole["whole"]).mean().item()
    assert own.loss(whole)["l1"].item() == pytest.approx(error)


def test_bands_are_told_apart_by_name(build: Build, as_batch: AsBatch) -> None:
    """The generator sees all but what it makes, wherever these stand."""
    own = build({**ENTRY, "encoder": {**UNET, "makes": ["vh"]}}, ("red", "vh", "vv"))
    assert own.generates == ("vh",) and own.encoder.bands == ("red", "vv")
    stored = images()[:, [4, 1, 0]]
    stored[stored == MISSING] += 1  # of a sensor of one band, such a value is no data
    views = views_of(own, as_batch, stored)
    upright = own.standardised(stored)
    torch.testing.assert_close(views["true"].mean(), upright[:, 1].mean() / 3)
    torch.testing.assert_close(views["given"].mean((0, 2, 3)), upright[:, [0, 2]].mean((0, 2, 3)))


def test_learns_a_handful_of_pairs_by_heart(build: Build, as_batch: AsBatch) -> None:
    """Generated images come near the true ones of the same place, and are no others'."""
    own = build({**ENTRY, "encoder": {**UNET, "width": 16}})
    training = Training(steps=200, batch_size=8, learning_rate=0.15, warmup_fraction=0.05, weight_decay=0)
    descents = own.optimisers(training, COURSE)
    own.train()
    for step in range(COURSE.steps):
        turn(own, step)
        for descent in descents:
            descent.set(step)
            descent.optimiser.zero_grad(set_to_none=True)
        losses = backward(own_parts(own, views_of(own, as_batch, seed=step), 1), own.loss, descents)
        for descent in descents:
            if descent.part in losses:
                descent.optimiser.step()
    own.eval()
    stored = images()
    with torch.no_grad():
        restored = own.reconstruct(stored, torch.Generator())
    true, made = restored["input"][:, :2], restored["reconstruction"][:, :2]
    errors = (made[:, None] - true[None]).abs().mean((2, 3, 4))
    assert errors.diagonal().max() < 0.5 * true.sub(true.mean((0, 2, 3), keepdim=True)).abs().mean()
    assert torch.equal(errors.argmin(1), torch.arange(8))
    assert torch.equal(restored["reconstruction"][:, 2:], restored["input"][:, 2:])
    assert (restored["masked"][:, :2] == 0).all() and torch.equal(
        restored["masked"][:, 2:], restored["input"][:, 2:]
    )


def test_collapse_is_one_image_of_all_places(build: Build, as_batch: AsBatch) -> None:
    """What the monitor sees differs between places while the generator's images do."""
    own = build(ENTRY).eval()
    views = views_of(own, as_batch)
    seen = own.embeddings(views)
    assert seen.shape == (8, 2, 2 * 16 * 16) and seen[:, 0].std(0).mean() > 1e-4
    for level in (*own.encoder.down, *own.encoder.up):
        level[0].weight.data.zero_()
    assert own.embeddings(views)[:, 0].std(0).max() == 0


@pytest.mark.parametrize(
    ("changes", "bands", "told"),
    [
        (
            {"encoder": {"name": "resnet", "depth": 18}},
            ("vv", "red"),
            "'resnet' makes no images; choose unet",
        ),
        ({}, ("vv", "red"), "encoder.makes names vh, which the modality lacks; it has vv, red"),
        ({}, ("vv", "vh"), "needs bands of sentinel-2"),
        (
            {"discriminator": {"layers": 3}},
            ("vv", "vh", "red"),
            "of 24 pixels or more, not 16; lower discrim",
        ),
        (
            {"crop_pixels": 8},
            ("vv", "vh", "red"),
            "have 12 pixels, the generator takes multiples of 8; lower enc",
        ),
    ],
)
def test_refuses(build: Build, changes: dict[str, Any], bands: tuple[str, ...], told: str) -> None:
    with pytest.raises(RevisitError, match=told):
        build({**ENTRY, **changes}, bands, 12 if "crop_pixels" in changes else 16)
