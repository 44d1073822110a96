"""SimSiam, SimCLR, MoCo v2 and DINO-MM against their equations, on a ViT and on a ResNet."""

import math
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, Moment, build_method
from revisit.nets.transformer import DropPath
from revisit.patches.batch import Batch
from revisit.training.optimiser import Course
from revisit.training.settings import Training

VIT = {"name": "channel-vit", "patch_pixels": 4, "dim": 16, "depth": 1, "heads": 2}
RESNET = {"name": "resnet", "depth": 18, "stem": "small", "width": 8}
SIMSIAM: dict[str, Any] = {"name": "simsiam", "encoder": VIT, "width": 24, "hidden": 8}
SIMCLR: dict[str, Any] = {"name": "simclr", "encoder": VIT, "dim": 8}
MOCO: dict[str, Any] = {"name": "moco-v2", "encoder": VIT, "dim": 8, "queue": 32, "momentum": 0.9}
DINO: dict[str, Any] = {
    "name": "dino-mm",
    "encoder": VIT,
    "hidden": 16,
    "bottleneck": 8,
    "prototypes": 12,
    "local_crops": 2,
    "local_pixels": 8,
}
ALL = [SIMSIAM, SIMCLR, MOCO, DINO]
COURSE = Course(steps=20, epoch_steps=5, device=torch.device("cpu"))
AsBatch = Callable[[Tensor], Batch[Tensor]]
Build = Callable[..., Any]


def images(samples: int = 8) -> Tensor:
    return torch.randint(
        0, 256, (samples, 5, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(3)
    )


def views_of(own: Any, as_batch: AsBatch, seed: int = 0) -> dict[str, Tensor]:
    views: dict[str, Tensor] = own.views(as_batch(images()), torch.Generator().manual_seed(seed))
    return views


def moment(own: Any, step: int) -> Moment:
    return Moment(step, COURSE.steps, COURSE.epoch_steps, None, own.optimisers(Training(epochs=4), COURSE))


@pytest.mark.parametrize("entry", ALL)
@pytest.mark.parametrize("encoder", [VIT, RESNET])
def test_gradients_reach_everything(
    build: Build, as_batch: AsBatch, entry: dict[str, Any], encoder: dict[str, Any]
) -> None:
    """No trained weight is idle, also in bfloat16; momentum encoders get none; each is in one group."""
    own = build({**entry, "encoder": encoder})
    own.train()
    views = views_of(own, as_batch)
    assert all(len(values) == 8 and values.dtype == torch.float32 for values in views.values())
    with torch.autocast("cpu", torch.bfloat16):
        loss = own.loss(views)["loss"]
    assert loss.dtype == torch.float32
    loss.backward()
    for name, parameter in own.named_parameters():
        slow = "slow_" in name or "teacher" in name
        assert parameter.requires_grad != slow, name
        assert slow == (parameter.grad is None), name
    (descent,) = own.optimisers(Training(epochs=1), COURSE)
    trained = [id(parameter) for parameter in own.parameters() if parameter.requires_grad]
    assert sorted(trained) == sorted(id(parameter) for parameter in descent.parameters)


@pytest.mark.parametrize("entry", ALL[:3], ids=lambda entry: entry["name"])
def test_the_two_views_of_an_image_differ(build: Build, as_batch: AsBatch, entry: dict[str, Any]) -> None:
    """Each image is augmented twice, and so is one at another step; the same step draws the same."""
    first, second = views_of(own := build(entry), as_batch).values()
    assert (first != second).flatten(1).any(1).all()
    assert all((again != first).any() for again in views_of(own, as_batch, seed=1).values())
    torch.testing.assert_close([first, second], [*views_of(own, as_batch).values()], rtol=0, atol=0)


def test_simsiam_loss_by_hand(build: Build, as_batch: AsBatch) -> None:
    own = build(SIMSIAM).eval()
    views = views_of(own, as_batch)
    z = [own.projector(own.encoder.pooled(views[name])) for name in ("first", "second")]
    p = [own.predictor(values) for values in z]
    expected = -sum(F.cosine_similarity(p[i], z[1 - i]).sum().item() for i in (0, 1)) / 16
    assert own.loss(views)["loss"].item() == pytest.approx(expected, rel=1e-5)
    norms = [module for module in own.projector if isinstance(module, torch.nn.BatchNorm1d)]
    assert [norm.affine for norm in norms] == [True, True, False]


def test_simsiam_starts_its_blocks_as_identity(build: Build) -> None:
    """As SimSiam's code (and not MoCo's): a residual block's last norm has scale 0."""
    for entry, zero in ((SIMSIAM, True), (MOCO, False)):
        blocks = build({**entry, "encoder": RESNET}).encoder.layer1
        assert all(
            (block.bn2.weight == 0).all() == zero and (block.bn1.weight == 1).all() for block in blocks
        )


def test_simsiam_predictor_keeps_its_rate(build: Build) -> None:
    """SimSiam's ablation: a predictor whose rate decays does worse (section 4.2, table 1)."""
    own = build(SIMSIAM)
    training = Training(epochs=4, batch_size=128, learning_rate=0.1, warmup_fraction=0)
    (descent,) = own.optimisers(training, COURSE)
    rates = []
    for step in range(COURSE.steps):
        descent.set(step)
        rates.append([group["lr"] for group in descent.optimiser.param_groups])
    rest, predictor = zip(*rates, strict=True)
    assert set(predictor) == {0.05}
    assert rest[0] == 0.05 and rest[10] == pytest.approx(0.025) and rest[-1] < 0.001
    held = {id(p) for p in descent.optimiser.param_groups[1]["params"]}
    assert held == {id(p) for p in own.predictor.parameters()}
    assert descent.optimiser.param_groups[0]["momentum"] == 0.9


def test_simclr_loss_by_hand(build: Build, as_batch: AsBatch) -> None:
    """Each of the 16 views looks for the other view of its image among the 15 others."""
    own = build({**SIMCLR, "layers": 3, "hidden": 12, "temperature": 0.3})
    kinds = [type(layer).__name__ for layer in own.projector]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU"] * 2 + ["Linear"]
    own.eval()
    views = views_of(own, as_batch)
    z = [own.projector(own.encoder.pooled(views[name])) for name in ("first", "second")]
    unit = F.normalize(torch.cat(z), dim=1)
    losses = []
    for row in range(16):
        powers = [math.exp((unit[row] @ unit[other]).item() / 0.3) for other in range(16)]
        losses.append(-math.log(powers[(row + 8) % 16] / (sum(powers) - powers[row])))
    assert own.loss(views)["loss"].item() == pytest.approx(sum(losses) / 16, rel=1e-4)


@pytest.mark.parametrize("entry", [SIMCLR, SIMSIAM, MOCO])
def test_colour_is_for_rgb_alone(build: Build, entry: dict[str, Any]) -> None:
    coloured = {**entry, "augmentation": {"colour": 0.5}}
    with pytest.raises(RevisitError, match=f"{entry['name']}: colour and grayscale need the bands red"):
        build(coloured)
    build(coloured, ("red", "green", "blue"))


def test_simclr_augments_more_than_moco(build: Build) -> None:
    """A setting of one's own keeps its other defaults: crops from 0.08, jitter of twice MoCo's strength."""
    own = build({**SIMCLR, "augmentation": {"blur": 0.1}}).augmentation
    other = build(MOCO).augmentation
    assert own.scale == (0.08, 1.0) and own.blur == 0.1
    assert (own.gain, own.offset) == (2 * other.gain, 2 * other.offset)


def test_moco_loss_by_hand(build: Build, as_batch: AsBatch) -> None:
    """Positive: the slow encoder's view of the same image; negatives: the queue alone."""
    own = build(MOCO).eval()
    own.slow_head[0].weight.data.mul_(-0.5)
    views = views_of(own, as_batch)
    query = F.normalize(own.head(own.encoder.pooled(views["query"])), dim=1)
    key = F.normalize(own.slow_head(own.slow_encoder.pooled(views["key"])), dim=1)
    losses = []
    for q, k in zip(query, key, strict=True):
        mine = math.exp((q @ k).item() / 0.2)
        others = sum(math.exp((q @ n).item() / 0.2) for n in own.queue.keys)
        losses.append(-math.log(mine / (mine + others)))
    assert own.loss(views)["loss"].item() == pytest.approx(sum(losses) / 8, rel=1e-4)


def test_moco_queue_and_slow_network_to_the_bit(build: Build, as_batch: AsBatch) -> None:
    """Keys go in, in order, once their loss is done, the oldest out; slow weights follow their momentum."""
    own = build(MOCO).eval()
    plain = deque(own.queue.keys.clone(), maxlen=32)
    slow = [*own.slow_encoder.parameters(), *own.slow_head.parameters()]
    fast = [*own.encoder.parameters(), *own.head.parameters()]
    for step in range(1, 8):
        views, before = views_of(own, as_batch, step), own.queue.keys.clone()
        own.loss(views)
        assert torch.equal(own.queue.keys, before)
        plain.extend(F.normalize(own.slow_head(own.slow_encoder(views["key"])), dim=1).detach())
        for weight in fast:
            weight.data.add_(0.01 * step)
        wanted = [mine * 0.9 + theirs.detach() * (1 - 0.9) for mine, theirs in zip(slow, fast, strict=True)]
        own.after_step(moment(own, step))
        order = torch.arange(32).add(int(own.queue.pointer)) % 32
        assert torch.equal(own.queue.keys[order], torch.stack(list(plain)))
        assert all(torch.equal(mine, value) for mine, value in zip(slow, wanted, strict=True))


def test_moco_refuses_a_queue_that_is_not_whole_batches(build: Build) -> None:
    own = build(MOCO)
    own.check_training(Training(epochs=1, batch_size=16))
    with pytest.raises(RevisitError, match="queue 32 must be a multiple of batch_size 12"):
        own.check_training(Training(epochs=1, batch_size=12))


def test_dino_crops_lose_one_sensor(build: Build, as_batch: AsBatch) -> None:
    """Half of the crops show both sensors, a quarter each SAR and optical alone."""
    own = build({**DINO, "local_crops": 6})
    shown = []
    for seed in range(12):
        views = views_of(own, as_batch, seed)
        assert views["large"].shape == (8, 2, 5, 16, 16) and views["small"].shape == (8, 6, 5, 8, 8)
        for name in ("large", "small"):
            empty = (views[name] == 0).flatten(3).all(3)
            shown.append(torch.stack([~empty[..., 0], ~empty[..., 2]], -1).flatten(0, 1))
            assert torch.equal(empty[..., 0], empty[..., 1]) and torch.equal(empty[..., 2], empty[..., 4])
    sar, optical = torch.cat(shown).unbind(1)
    assert (sar | optical).all()
    assert (sar & optical).float().mean().item() == pytest.approx(0.5, abs=0.06)
    assert (sar & ~optical).float().mean().item() == pytest.approx(0.25, abs=0.06)


def test_dino_crops_of_one_sensor_have_no_elevation(build: Build, as_batch: AsBatch) -> None:
    """It would say of which place they are, whatever the sensor sees."""
    bands = ("vv", "vh", "red", "elevation")
    own = build({**DINO, "sensor_drop": 1.0}, bands=bands)
    images = torch.randint(0, 256, (8, 4, 16, 16), dtype=torch.uint8)
    crops = own.views(as_batch(images), torch.Generator().manual_seed(0))["large"]
    shown = ~(crops == 0).flatten(3).all(3).flatten(0, 1)  # [crop, band]
    assert not shown[:, 3].any()
    assert (shown[:, 0] != shown[:, 2]).all() and 0 < shown[:, 0].sum() < len(shown)
    both = build({**DINO, "sensor_drop": 0.0}, bands=bands)
    assert (both.views(as_batch(images), torch.Generator().manual_seed(0))["large"] != 0).any((3, 4)).all()


@pytest.mark.parametrize("bands", [("vv", "vh"), ("red", "green", "nir")])
def test_dino_takes_one_sensor_where_none_is_dropped(
    build: Build, as_batch: AsBatch, bands: tuple[str, ...]
) -> None:
    """As in the source's rows of one sensor; every crop shows it."""
    own = build({**DINO, "sensor_drop": 0.0}, bands)
    images = torch.randint(0, 256, (8, len(bands), 16, 16), dtype=torch.uint8)
    views = own.views(as_batch(images), torch.Generator().manual_seed(0))
    assert (views["large"] != 0).any((3, 4)).all() and (views["small"] != 0).any((3, 4)).all()
    assert own.loss(views)["loss"].isfinite()


def test_dino_crops_may_be_grey_or_solarised(build: Build) -> None:
    """Grey: all bands are their mean; solarised: what is below a mean is turned above it; elevation stays."""
    bands = ("vv", "vh", "red", "elevation")
    picture = torch.randn(64, 4, 6, 6, generator=torch.Generator().manual_seed(1))
    still = {"jitter": 0.0, "blur": 0.0}
    cases = {
        "grey": picture[:, :3].mean(1, keepdim=True).expand(-1, 3, -1, -1),
        "solarise": picture[:, :3].abs(),
    }
    for name, expected in cases.items():
        for share in (0.5, 1.0):
            own = build({**DINO, "local_augmentation": {**still, name: share}}, bands=bands)
            how, generator = own.settings.local_augmentation, torch.Generator().manual_seed(0)
            seen = how.recoloured(picture, bands, generator)
            acted = (seen[:, :3] != picture[:, :3]).flatten(1).any(1)
            assert 16 < acted.sum() < 48 if share < 1 else acted.all()
            torch.testing.assert_close(seen[acted, :3], expected[acted])
            assert torch.equal(seen[~acted], picture[~acted]) and torch.equal(seen[:, 3], picture[:, 3])


def test_dino_drops_blocks_of_the_student_alone(build: Build) -> None:
    """From none in its first block to the whole rate in its last."""
    own = build({**DINO, "encoder": {**VIT, "depth": 3}, "drop_path": 0.2})
    rates = [
        [module.drop_prob for module in encoder.modules() if isinstance(module, DropPath)]
        for encoder in (own.encoder, own.teacher)
    ]
    assert rates == [pytest.approx([0, 0, 0.1, 0.1, 0.2, 0.2]), [0.0] * 6]


def test_dino_keeps_student_or_teacher(build: Build) -> None:
    student, teacher = build(DINO), build({**DINO, "keep": "teacher"})
    assert student.encoders() == {"": student.encoder} and teacher.encoders() == {"": teacher.teacher}


def test_dino_at_its_size() -> None:
    """ViT-S/8 with a class token on 14 bands; crops of 112 and 48 pixels; 65,536 prototypes of 256."""
    bands = ("vv", "vh", *(f"b{number}" for number in range(12)))
    vit = {"name": "vit", "dim": 384, "depth": 12, "heads": 6, "patch_pixels": 8, "pooling": "class-token"}
    entry = {"name": "dino-mm", "encoder": vit, "crop_pixels": 112}
    with torch.device("meta"):
        own = build_method(entry, DataDescription(bands, 128, 3.0, "pairs"))
        crops = {"large": torch.empty(2, 2, 14, 112, 112), "small": torch.empty(2, 8, 14, 48, 48)}
        logits = own.embeddings(crops)
        tokens = [own.encoder.forward_features(crops[name][:, 0]).shape for name in ("large", "small")]
    assert logits.shape == (2, 2, 65536) and tokens == [(2, 196, 384), (2, 36, 384)]
    block = 4 * 384 + 4 * 384**2 + 4 * 384 + 8 * 384**2 + 5 * 384
    encoder = 384 + 14 * 64 * 384 + 384 + 12 * block + 2 * 384
    head = (384 + 1) * 2048 + (2048 + 1) * 2048 + (2048 + 1) * 256 + 65536 * 256
    trained = sum(weight.numel() for weight in own.parameters() if weight.requires_grad)
    assert trained == encoder + head and sum(w.numel() for w in own.parameters()) == 2 * trained


def test_dino_centre_by_hand(build: Build, as_batch: AsBatch) -> None:
    """The centre a step uses is that of the steps before; then it moves by a tenth to the batch's mean."""
    own = build(DINO).eval()
    views, expected = views_of(own, as_batch), torch.zeros(12)
    for step in range(1, 4):
        taught = torch.stack(
            [own.teacher_head(own.teacher.pooled(views["large"][:, crop])) for crop in range(2)]
        )
        torch.testing.assert_close(own.centre, expected)
        seen = [
            own.head(own.encoder.pooled(views[name][:, crop]))
            for name in ("large", "small")
            for crop in (0, 1)
        ]
        terms = [
            -((taught[t] - expected) / 0.04).softmax(-1).mul((seen[s] / 0.1).log_softmax(-1)).sum(-1)
            for t in range(2)
            for s in range(4)
            if s != t
        ]
        torch.testing.assert_close(own.loss(views)["loss"], torch.stack(terms).mean())
        own.after_step(moment(own, step))
        expected = 0.9 * expected + 0.1 * taught.mean((0, 1)).detach()
    assert expected.abs().max() > 1e-4


def test_dino_schedules(build: Build) -> None:
    """Momentum 0.996 to 1 and weight decay to 0.4 along half a cosine, the rate to its last value."""
    own = build(DINO)
    training = Training(epochs=4, batch_size=256, learning_rate=1e-3, weight_decay=0.04, warmup_fraction=0.1)
    (descent,) = own.optimisers(training, COURSE)
    decayed, still = descent.optimiser.param_groups
    descent.set(0)
    assert decayed["weight_decay"] == pytest.approx(0.04) and decayed["lr"] == pytest.approx(5e-4)
    descent.set(10)
    assert decayed["weight_decay"] == pytest.approx(0.22)
    descent.set(20)
    assert decayed["weight_decay"] == pytest.approx(0.4) and decayed["lr"] == pytest.approx(1e-6)
    assert still["weight_decay"] == 0 and still["lr"] == decayed["lr"]
    for step in (1, 11, 20):
        weights = own.teacher.embedding.clone()
        own.encoder.embedding.data.add_(1.0)
        own.after_step(moment(own, step))
        keeps = 1 - 0.004 * 0.5 * (1 + math.cos(math.pi * (step - 1) / 20))
        torch.testing.assert_close(
            own.teacher.embedding, keeps * weights + (1 - keeps) * own.encoder.embedding, rtol=1e-6, atol=1e-7
        )


def test_dino_prototypes_rest_in_the_first_epoch(build: Build, as_batch: AsBatch) -> None:
    own = build(DINO)
    for step, frozen in ((0, True), (4, True), (5, False)):
        own.loss(views_of(own, as_batch))["loss"].backward()
        own.after_backward(moment(own, step))
        assert (own.head.prototypes.grad is None) == frozen


@pytest.mark.parametrize(
    ("changes", "bands", "message"),
    [
        ({"local_pixels": 6}, ("vv", "red"), "local_pixels 6 must be a multiple of"),
        ({}, ("red", "nir"), "needs bands of sentinel-1, as crops lose one .* modality, or sensor_drop: 0"),
        ({}, ("vv", "vh"), "needs bands of sentinel-2"),
        ({"teacher_temperature": 0}, ("vv", "red"), r"method\.teacher_temperature"),
    ],
)
def test_dino_refuses(build: Build, changes: dict[str, Any], bands: tuple[str, ...], message: str) -> None:
    with pytest.raises(RevisitError, match=message):
        build({**DINO, **changes}, bands)


def test_dino_refuses_small_crops_that_the_encoder_cannot_take(build: Build, as_batch: AsBatch) -> None:
    """A Swin's sides are multiples of its coarsest cell, not of its patches."""
    swin = {"name": "swin", "patch_pixels": 2, "dim": 8, "depths": [1, 1, 1], "heads": [1, 2, 2], "window": 2}
    with pytest.raises(RevisitError, match="local_pixels 12 must be a multiple of 8 pixels"):
        build({**DINO, "encoder": swin, "local_pixels": 12})
    own = build({**DINO, "encoder": swin, "local_pixels": 8})
    assert own.loss(views_of(own, as_batch))["loss"].isfinite()


@pytest.mark.parametrize("entry", ALL)
def test_batch_wide_losses_refuse_parts(build: Build, entry: dict[str, Any]) -> None:
    """Halves of a batch would have other statistics, centres and queues than the whole."""
    with pytest.raises(RevisitError, match="accumulate must be 1"):
        build(entry).check_training(Training(epochs=1, batch_size=16, accumulate=2))


@pytest.mark.parametrize("entry", ALL)
def test_learns(build: Build, as_batch: AsBatch, entry: dict[str, Any]) -> None:
    """Views of a few images that differ in level are told apart: the loss falls."""
    own = build(entry)
    training = Training(steps=40, batch_size=8, learning_rate=0.3 if entry is not DINO else 0.03)
    (descent,) = own.optimisers(training, course := Course(40, 10, torch.device("cpu")))
    generator, losses = torch.Generator().manual_seed(0), []
    levels = (30 * torch.arange(8)).view(8, 1, 1, 1).to(torch.uint8)
    own.train()
    for step in range(40):
        descent.set(step)
        loss = own.loss(own.views(as_batch(images() // 8 + levels), generator))["loss"]
        descent.optimiser.zero_grad()
        loss.backward()
        descent.optimiser.step()
        own.after_step(Moment(step + 1, 40, course.epoch_steps, None, [descent]))
        losses.append(loss.item())
    # A blind guess costs MoCo log 33; its first steps are easy, while the queue is still random.
    blind = math.log(33) if entry is MOCO else sum(losses[:5]) / 5
    assert sum(losses[-5:]) / 5 < blind - 0.05
