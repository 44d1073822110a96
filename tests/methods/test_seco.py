"""SeCo and its SimCLR form against their equations, written out pair by pair."""

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from revisit.errors import RevisitError
from revisit.methods.method import Moment
from revisit.methods.seco import SeCo
from revisit.patches.batch import Batch
from revisit.training.optimiser import Course
from revisit.training.settings import Training

VIT = {"name": "channel-vit", "patch_pixels": 4, "dim": 16, "depth": 1, "heads": 2}
SECO: dict[str, Any] = {"name": "seco", "encoder": VIT, "dim": 8, "queue": 24, "momentum": 0.9}
SIMCLR: dict[str, Any] = {"name": "simclr-seco", "encoder": VIT, "dim": 8}
BANDS, VIEWS = ("blue", "green", "red"), ("query", "both", "season", "augmentation")
COURSE = Course(steps=20, epoch_steps=5, device=torch.device("cpu"))
Build = Callable[..., Any]


def made(build: Build, entry: dict[str, Any]) -> Any:
    return build(entry, BANDS, kind="series", places=10)


def views_of(own: Any, series: Batch[Tensor], seed: int = 0) -> dict[str, Tensor]:
    views: dict[str, Tensor] = own.views(series, torch.Generator().manual_seed(seed))
    return views


def moment(own: Any, step: int) -> Moment:
    return Moment(step, COURSE.steps, COURSE.epoch_steps, None, own.optimisers(Training(epochs=4), COURSE))


def unit(values: Tensor) -> np.ndarray[Any, Any]:
    found = values.detach().double().numpy()
    return np.asarray(found / np.linalg.norm(found, axis=-1, keepdims=True))


def projected(encoder: Any, heads: Any, views: dict[str, Tensor]) -> dict[tuple[int, str], Any]:
    """Unit vectors (B, D) by subspace and view, each view through the network on its own."""
    return {
        (number, name): unit(head(encoder.pooled(views[name])))
        for name in VIEWS
        for number, head in enumerate(heads)
    }


def cross_entropy(anchor: Any, positive: Any, negatives: list[Any], temperature: float) -> float:
    powers = [np.exp(anchor @ other / temperature) for other in (positive, *negatives)]
    return float(-np.log(powers[0] / sum(powers)))


def retrieved(own: Any, views: dict[str, Tensor]) -> list[int]:
    """Of each query the place whose view of another date, augmented, is nearest."""
    query, other = unit(own.eval().embeddings(views)).swapaxes(0, 1)
    return list((query @ other.T).argmax(1).tolist())


def test_seco_loss_by_hand(build: Build, series: Batch[Tensor]) -> None:
    """Negatives: the subspace's queue, and in the last two the other two keys of all places, the own too."""
    own = made(build, SECO).eval()
    for number, head in enumerate(own.slow_heads):
        head[0].weight.data.mul_(0.5 - number)
    views = views_of(own, series)
    query = projected(own.encoder, own.heads, views)
    key = projected(own.slow_encoder, own.slow_heads, views)
    wanted = []
    for number, name in enumerate(VIEWS[1:]):
        queue = list(own.queues[number].keys.double().numpy())
        others = [view for view in VIEWS[1:] if number > 0 and view != name]
        negatives = queue + [key[number, view][place] for view in others for place in range(8)]
        assert len(negatives) == 24 + (0 if number == 0 else 16)
        wanted.append(
            np.mean(
                [
                    cross_entropy(query[number, "query"][row], key[number, name][row], negatives, 0.07)
                    for row in range(8)
                ]
            )
        )
    found = own.loss(views)
    assert [found[name].item() for name in VIEWS[1:]] == pytest.approx(wanted, rel=1e-4)
    assert found["loss"].item() == pytest.approx(sum(wanted), rel=1e-4)


def test_simclr_loss_by_hand(build: Build, series: Batch[Tensor]) -> None:
    """Both views of a pair ask; negatives are all pairs, and the other views as in SeCo, their own too."""
    own = made(build, SIMCLR).eval()
    views = views_of(own, series)
    z = projected(own.encoder, own.heads, views)
    wanted = []
    for number, name in enumerate(VIEWS[1:]):
        terms = []
        others = [view for view in VIEWS[1:] if number > 0 and view != name]
        for row in range(8):
            for mine, partner in (("query", name), (name, "query")):
                negatives = [z[number, v][p] for v in ("query", name) for p in range(8) if p != row]
                negatives += [z[number, v][p] for v in others for p in range(8)]
                assert len(negatives) == 14 + 8 * len(others)
                terms.append(cross_entropy(z[number, mine][row], z[number, partner][row], negatives, 0.1))
        wanted.append(np.mean(terms))
    found = own.loss(views)
    assert [found[name].item() for name in VIEWS[1:]] == pytest.approx(wanted, rel=1e-4)
    assert found["loss"].item() == pytest.approx(sum(wanted), rel=1e-4)


@pytest.mark.parametrize("entry", [SECO, SIMCLR])
def test_gradients_reach_everything_but_the_slow_network(
    build: Build, series: Batch[Tensor], entry: dict[str, Any]
) -> None:
    own = made(build, entry).train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = own.loss(views_of(own, series))["loss"]
    assert loss.dtype == torch.float32
    loss.backward()
    for name, parameter in own.named_parameters():
        assert ("slow_" in name) == (parameter.grad is None) == (not parameter.requires_grad), name


def test_queues_and_slow_network_to_the_bit(build: Build, series: Batch[Tensor]) -> None:
    """Against lists: each subspace keeps its own positive keys, the oldest go first, and weights follow."""
    own: SeCo = made(build, SECO).eval()
    plain = [deque(queue.keys.clone().unbind(0), maxlen=24) for queue in own.queues]  # type: ignore[union-attr]
    followers = ((own.slow_encoder, own.encoder), (own.slow_heads, own.heads))
    for step in range(1, 8):
        views = views_of(own, series, step)
        with torch.no_grad():
            for number, name in enumerate(VIEWS[1:]):
                seen = own.slow_heads(own.slow_encoder(views[name]))[:, number]
                plain[number].extend(seen.unbind(0))
        own.loss(views)
        for weight in (*own.encoder.parameters(), *own.heads.parameters()):
            weight.data.add_(0.01 * step)
        before = [[weight.clone() for weight in slow.parameters()] for slow, _ in followers]
        own.after_step(moment(own, step))
        for queue, rows in zip(own.queues, plain, strict=True):
            order = torch.arange(24).add(int(queue.pointer)) % 24  # type: ignore[arg-type]
            assert torch.equal(queue.keys[order], torch.stack(list(rows)))  # type: ignore[index]
        for (slow, fast), old in zip(followers, before, strict=True):
            for mine, theirs, was in zip(slow.parameters(), fast.parameters(), old, strict=True):
                assert torch.equal(mine, was * 0.9 + theirs.detach() * (1 - 0.9))


def test_only_dates_that_are_there_are_drawn(build: Build, series: Batch[Tensor]) -> None:
    """An absent slot would be a flat grey image, alike in every place."""
    for entry in (SECO, SIMCLR):
        own = made(build, {**entry, "augmentation": {"jitter": 0, "blur": 0}})
        series.images[5, 3:] = 128
        for seed in range(10):
            views = views_of(own, series, seed)
            assert all(views[name][5].std() > 0.01 for name in VIEWS)


@pytest.mark.parametrize(
    ("entry", "bands", "kind", "message"),
    [
        (SECO, ("vv", "red"), "series", "seco: learns from the dates of one sensor"),
        (SIMCLR, ("vv", "red"), "series", "simclr-seco: learns from the dates of one sensor"),
        (SECO, BANDS, "pairs", "seco: learns from collections of kind series, not pairs"),
        ({**SECO, "temperature": 0}, BANDS, "series", r"method\.temperature"),
    ],
)
def test_refuses(
    build: Build, entry: dict[str, Any], bands: tuple[str, ...], kind: str, message: str
) -> None:
    with pytest.raises(RevisitError, match=message):
        build(entry, bands, kind=kind)


def test_rate_may_fall_in_steps(build: Build) -> None:
    """As the source's, which is no cosine."""
    rates = {}
    for schedule in ("steps", "cosine"):
        own = made(build, {**SECO, "optimiser": {"schedule": schedule}})
        training = Training(epochs=4, batch_size=256, learning_rate=0.03, warmup_fraction=0)
        (descent,) = own.optimisers(training, COURSE)
        rates[schedule] = []
        for step in range(COURSE.steps):
            descent.set(step)
            rates[schedule].append(descent.rate)
    assert rates["steps"] == pytest.approx([0.03] * 12 + [0.003] * 4 + [0.0003] * 4)
    assert rates["cosine"][10] == pytest.approx(0.015)


def test_refuses_a_queue_that_is_not_whole_batches(build: Build) -> None:
    own = made(build, SECO)
    own.check_training(Training(epochs=1, batch_size=8))
    with pytest.raises(RevisitError, match="queue 24 must be a multiple of the 16 keys of a batch"):
        own.check_training(Training(epochs=1, batch_size=16))
    with pytest.raises(RevisitError, match="accumulate must be 1"):
        own.check_training(Training(epochs=1, batch_size=8, accumulate=2))


@pytest.mark.parametrize("entry", [SECO, SIMCLR])
def test_learns(build: Build, series: Batch[Tensor], entry: dict[str, Any]) -> None:
    """Places that differ in level come to be told apart: their own views are the nearest."""
    own = made(build, {**entry, "temperature": 0.2})
    fresh = views_of(own, series, 999)  # which no step shows
    assert retrieved(own, fresh) != list(range(8))
    own.train()
    training = Training(steps=60, batch_size=8, learning_rate=0.5 if entry is SECO else 0.1)
    (descent,) = own.optimisers(training, Course(60, 10, torch.device("cpu")))
    losses = []
    for step in range(60):
        descent.set(step)
        loss = own.loss(views_of(own, series, step))["loss"]
        descent.optimiser.zero_grad()
        loss.backward()
        descent.optimiser.step()
        own.after_step(Moment(step + 1, 60, 10, None, [descent]))
        losses.append(loss.item())
    # Random keys are easy negatives, so SeCo's first losses do not count.
    assert np.mean(losses[-5:]) < np.mean(losses[5:10]) - 0.1, losses
    assert retrieved(own, fresh) == list(range(8))
