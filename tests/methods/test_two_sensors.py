"""SwinSSL and D-SimCLR: a scene's two images find each other, on encoders of one sensor each."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, Moment, build_method
from revisit.nets.encoders.composite import Composite
from revisit.nets.transformer import DropPath
from revisit.patches.batch import Batch
from revisit.training.optimiser import Course
from revisit.training.settings import Training

SWIN = {"name": "swin", "patch_pixels": 4, "dim": 8, "depths": [1, 2], "heads": [1, 2], "window": 2}
RESNET = {"name": "resnet", "depth": 18, "stem": "small", "width": 8}
SWIN_T = {**SWIN, "dim": 96, "depths": [2, 2, 6, 2], "heads": [3, 6, 12, 24], "window": 7}
S2 = tuple(f"b{number}" for number in range(13))  # as many optical bands as SEN12MS has

Build = Callable[..., Any]
AsBatch = Callable[[Tensor], Batch[Tensor]]


def beside(encoder: dict[str, Any], other: dict[str, Any] | None = None) -> dict[str, Any]:
    parts = [{"bands": ["vv", "vh"], "encoder": encoder}, {"encoder": other or encoder}]
    return {"name": "composite", "parts": parts}


SWINSSL: dict[str, Any] = {"name": "swinssl", "encoder": beside(SWIN)}
D_SIMCLR: dict[str, Any] = {"name": "d-simclr", "encoder": beside(RESNET), "dim": 6}
BOTH = [SWINSSL, D_SIMCLR]


def images(samples: int = 8, side: int = 16) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (samples, 5, side, side), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("entry", BOTH)
def test_loss_in_numpy(build: Build, as_batch: AsBatch, entry: dict[str, Any]) -> None:
    """Each of the 2B embeddings looks for its scene's other one among the 2B - 1 others."""
    own = build(entry).eval()
    views = own.views(as_batch(images()), torch.Generator().manual_seed(0))
    sar, optical = own.encoder.parts
    found = [sar.pooled(views["images"][:, :2]), optical.pooled(views["images"][:, 2:])]
    if entry is D_SIMCLR:
        found = [projector(each) for projector, each in zip(own.projectors, found, strict=True)]
    z = torch.cat(found).detach().numpy()
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    powers = np.exp(z @ z.T / (0.2 if entry is SWINSSL else 0.07))
    np.fill_diagonal(powers, 0)
    partner = powers[np.arange(16), np.roll(np.arange(16), 8)]
    expected = -np.log(partner / powers.sum(1)).mean()
    assert own.loss(views)["loss"].item() == pytest.approx(expected, rel=1e-4)
    assert own.embeddings(views).shape == (8, 2, 16 if entry is SWINSSL else 6)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        # Every scene finds its partner, four others are orthogonal: log(1 + 4 / e^(1 / T)).
        ([0, 1, 2], math.log(1 + 4 * math.exp(-5))),
        # Scenes 0 and 1 are mixed up: there another scene has the cosine 1, the partner 0.
        ([1, 0, 2], (4 * math.log(math.exp(5) + 4) + 2 * math.log(1 + 4 * math.exp(-5))) / 6),
    ],
)
def test_hand_made_pairs(
    build: Build, order: list[int], expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = build(SWINSSL)
    axes = torch.eye(3, 16) * 7
    pairs = torch.cat([axes, axes[order]], 1)
    monkeypatch.setattr(own.encoder, "forward", lambda images: pairs)
    assert own.loss({"images": torch.empty(3)})["loss"].item() == pytest.approx(expected, rel=1e-5)


def test_both_sensors_see_the_same_part(build: Build, as_batch: AsBatch) -> None:
    """Cut out at random and neither flipped nor changed in its values."""
    own = build({**SWINSSL, "crop_pixels": 8})
    pixel = torch.arange(256, dtype=torch.uint8).view(16, 16).expand(64, 5, 16, 16)
    cut = own.views(as_batch(pixel), torch.Generator().manual_seed(0))["images"]
    assert cut.shape == (64, 5, 8, 8) and torch.equal(cut, cut[:, :1].expand_as(cut))
    step = own.standardised(torch.tensor([0, 1, 16], dtype=torch.uint8)).diff()
    torch.testing.assert_close(cut.diff(dim=-1), torch.full((64, 5, 8, 7), float(step[0])))
    torch.testing.assert_close(cut.diff(dim=-2), torch.full((64, 5, 7, 8), 16 * float(step[0])))
    assert len(cut[:, 0, 0, 0].unique()) > 20


@pytest.mark.parametrize("entry", BOTH)
def test_learns(build: Build, as_batch: AsBatch, entry: dict[str, Any]) -> None:
    """Scenes that both sensors see alike in level alone are found again; a blind guess costs log 15."""
    levels = (30 * torch.arange(8)).view(8, 1, 1, 1).to(torch.uint8)
    own = build({**entry, "temperature": 0.1}).train()
    course = Course(40, 10, torch.device("cpu"))
    training = Training(steps=40, batch_size=8, learning_rate=0.05)
    (descent,) = own.optimisers(training, course)
    generator, losses = torch.Generator().manual_seed(0), []
    for step in range(40):
        descent.set(step)
        loss = own.loss(own.views(as_batch(images() // 8 + levels), generator))["loss"]
        descent.optimiser.zero_grad()
        loss.backward()
        descent.optimiser.step()
        own.after_step(Moment(step + 1, 40, course.epoch_steps, None, [descent]))
        losses.append(loss.item())
    assert losses[0] > math.log(15) and sum(losses[-5:]) / 5 < math.log(15) - 0.8


@pytest.mark.parametrize("entry", BOTH)
def test_gradients_reach_everything(build: Build, as_batch: AsBatch, entry: dict[str, Any]) -> None:
    """No weight is idle but the mask token, also in bfloat16; each is in one group."""
    own = build(entry).train()
    views = own.views(as_batch(images()), torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        loss = own.loss(views)["loss"]
    assert loss.dtype == torch.float32
    loss.backward()
    idle = [name for name, parameter in own.named_parameters() if parameter.grad is None]
    assert all(name.endswith("mask_token") for name in idle)
    (descent,) = own.optimisers(Training(epochs=1), Course(9, 9, torch.device("cpu")))
    assert sorted(map(id, own.parameters())) == sorted(map(id, descent.parameters))
    with pytest.raises(RevisitError, match="accumulate must be 1"):
        own.check_training(Training(epochs=1, batch_size=16, accumulate=2))


def rates_of(own: Any, epochs: int, epoch_steps: int, **training: Any) -> list[float]:
    steps = epochs * epoch_steps
    settings = Training(steps=steps, batch_size=50, **training)
    (descent,) = own.optimisers(settings, Course(steps, epoch_steps, torch.device("cpu")))
    rates = []
    for step in range(steps):
        descent.set(step)
        assert len({group["lr"] for group in descent.optimiser.param_groups}) == 1
        rates.append(descent.rate)
    return rates


def test_rates_are_those_of_timm(build: Build) -> None:
    """The intended ones, scheduler called after every update; the released ones, called by epoch instead."""
    scheduler = pytest.importorskip("timm.scheduler")
    intended, released = {}, {}
    for schedule, rates in (("intended", intended), ("released", released)):
        own = build({**SWINSSL, "schedule": schedule})
        found = rates_of(own, 300, 4, learning_rate=5e-4 * 256 / 50, warmup_fraction=20 / 300)
        rates.update(enumerate(found))
    optimiser = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=5e-4)
    theirs = scheduler.CosineLRScheduler(
        optimiser, t_initial=1200, lr_min=5e-6, warmup_lr_init=5e-7, warmup_t=80, t_in_epochs=False
    )
    for epoch in range(300):
        assert released[4 * epoch] == pytest.approx(optimiser.param_groups[0]["lr"])
        theirs.step(epoch)
    for step in range(1200):
        assert intended[step] == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-6)
        theirs.step_update(step + 1)
    assert max(intended.values()) == pytest.approx(5e-4, rel=0.02) and intended[400] == pytest.approx(
        3.8e-4, abs=5e-6
    )
    assert set(released.values()) == {5e-7}


def test_d_simclr_keeps_its_rate(build: Build) -> None:
    rates = rates_of(build(D_SIMCLR), 5, 4, learning_rate=3e-5 * 256 / 50)
    assert rates == pytest.approx([3e-5] * 20)


def test_stochastic_depth_rises_in_both_encoders(build: Build) -> None:
    """Each side has its own rise from 0 to the whole rate; without transformer blocks there is none."""
    own = build({**SWINSSL, "drop_path": 0.2})
    for side in own.encoder.parts:
        rates = [module.drop_prob for module in side.modules() if isinstance(module, DropPath)]
        assert rates == pytest.approx([0, 0, 0.1, 0.1, 0.2, 0.2])
    with pytest.raises(RevisitError, match="set drop_path to 0"):
        build({**SWINSSL, "encoder": beside(RESNET)})


@pytest.mark.parametrize(
    ("entry", "bands", "message"),
    [
        ({**SWINSSL, "encoder": SWIN}, None, "encoder must be composite"),
        (SWINSSL, ("vv", "vh"), "needs bands of sentinel-2"),
        ({**SWINSSL, "encoder": {"name": "composite", "parts": [
            {"bands": ["vv", "red"], "encoder": SWIN}, {"encoder": SWIN}]}}, None, "one part with the bands"),
        ({**SWINSSL, "encoder": beside(SWIN, {**SWIN, "dim": 16})}, None, r"widths are \[16, 32\]"),
    ],
)  # fmt: skip
def test_other_encoders_are_refused(
    build: Build, entry: dict[str, Any], bands: tuple[str, ...] | None, message: str
) -> None:
    with pytest.raises(RevisitError, match=message) as caught:
        build(entry, *([bands] if bands else []))
    assert "\n" not in str(caught.value)
    with pytest.raises(RevisitError, match="kind pairs"):
        build(SWINSSL, kind="yearly")


def test_elevation_belongs_to_one_side(build: Build) -> None:
    encoder = build(SWINSSL, ("vv", "vh", "red", "elevation")).encoder
    assert isinstance(encoder, Composite)
    assert [part.bands for part in encoder.parts] == [("vv", "vh"), ("red", "elevation")]


def weights(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_swinssl_at_its_size() -> None:
    """Two Swin-T for 2 and 13 channels, as timm builds them, and nothing else but mask tokens."""
    timm = pytest.importorskip("timm")
    data = DataDescription(("vv", "vh", *S2), 256, 3.0, "pairs")
    with torch.device("meta"):
        own = build_method({"name": "swinssl", "encoder": beside(SWIN_T), "crop_pixels": 224}, data)
        theirs = [
            timm.create_model("swin_tiny_patch4_window7_224", num_classes=0, in_chans=channels)
            for channels in (2, 13)
        ]
        features = own.encoder(torch.empty(2, 15, 224, 224))
        levels = own.encoder.pyramid(torch.empty(2, 15, 224, 224))
        embedded = own.embeddings({"images": torch.empty(2, 15, 224, 224)})
    assert weights(own) == sum(map(weights, theirs)) + 2 * 96
    assert features.shape == (2, 1536) and embedded.shape == (2, 2, 768)
    assert [tuple(level.shape[1:]) for level in levels] == [
        (192, 56, 56), (384, 28, 28), (768, 14, 14), (1536, 7, 7)
    ]  # fmt: skip


def test_d_simclr_at_its_size() -> None:
    """Two ResNet-50 of torchvision's size but for their first layer, and two projectors."""
    models = pytest.importorskip("torchvision.models")
    data = DataDescription(("vv", "vh", *S2), 256, 3.0, "pairs")
    entry = {"name": "d-simclr", "encoder": beside({"name": "resnet", "depth": 50}), "crop_pixels": 128}
    with torch.device("meta"):
        own = build_method(entry, data)
        theirs = models.resnet50()
        embedded = own.embeddings({"images": torch.empty(2, 15, 128, 128)})
    trunk = weights(theirs) - weights(theirs.fc) - weights(theirs.conv1)
    projector = 2048 * 2048 + 2048 + 2048 * 128 + 128
    assert weights(own) == 2 * (trunk + projector) + (2 + 13) * 64 * 49
    assert embedded.shape == (2, 2, 128)
