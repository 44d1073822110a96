"""CACo and its SimCLR form: who is whose negative over time, the loss by hand, and the estimates behind
it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from revisit.errors import RevisitError
from revisit.methods.caco import counts
from revisit.methods.method import Moment
from revisit.methods.parts.changes import CHANGED, UNKNOWN
from revisit.methods.parts.subspaces import kinship
from revisit.methods.simclr_seco import counts as simclr_counts
from revisit.patches.batch import Batch
from revisit.training.optimiser import Course
from revisit.training.settings import Training

VIT = {"name": "channel-vit", "patch_pixels": 4, "dim": 16, "depth": 1, "heads": 2}
CACO: dict[str, Any] = {"name": "caco", "encoder": VIT, "dim": 8, "queue": 48, "momentum": 0.9}
SIMCLR: dict[str, Any] = {"name": "simclr-caco", "encoder": VIT, "dim": 8}
BANDS, KEYS = ("blue", "green", "red"), ("both", "season", "augmentation")
VIEWS = ("query", *KEYS)
COURSE = Course(steps=20, epoch_steps=5, device=torch.device("cpu"))
Build = Callable[..., Any]


def made(build: Build, entry: dict[str, Any], **change: Any) -> Any:
    return build({**entry, **({"change": change} if change else {})}, BANDS, kind="series", places=12)


def views_of(own: Any, series: Batch[Tensor], seed: int = 0) -> dict[str, Tensor]:
    views: dict[str, Tensor] = own.views(series, torch.Generator().manual_seed(seed))
    return views


def moment(own: Any, step: int) -> Moment:
    return Moment(step, COURSE.steps, COURSE.epoch_steps, None, own.optimisers(Training(epochs=4), COURSE))


def step_of(own: Any, views: dict[str, Tensor], number: int = 1) -> dict[str, Tensor]:
    losses: dict[str, Tensor] = own.loss(views)
    own.after_step(moment(own, number))
    return losses


def unit(values: Tensor) -> np.ndarray[Any, Any]:
    found = values.detach().double().numpy()
    return np.asarray(found / np.linalg.norm(found, axis=-1, keepdims=True))


def projected(encoder: Any, heads: Any, views: dict[str, Tensor]) -> dict[tuple[int, str], Any]:
    """Unit vectors (B, 2, D) by subspace and view."""
    return {
        (number, name): unit(head(encoder.pooled(views[name].flatten(0, 1)))).reshape(-1, 2, 8)
        for name in VIEWS
        for number, head in enumerate(heads)
    }


def cross_entropy(anchor: Any, positive: Any, negatives: list[Any], temperature: float) -> float:
    powers = [np.exp(anchor @ other / temperature) for other in (positive, *negatives)]
    return float(-np.log(powers[0] / sum(powers)))


def label(own: Any) -> None:
    """Half of the places have changed, some of them seen from one era only; one is unknown."""
    for place in range(2, 10):
        own.changes.labels[place] = torch.tensor([[0, 0], [1, 1], [1, 0], [0, 1]][place % 4])
    own.changes.labels[9] = UNKNOWN


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_caco_loss_by_hand(build: Build, series: Batch[Tensor], variant: str) -> None:
    """Each query against the rules of its variant, with keys of its own place in the queue."""
    own = made(build, {**CACO, "variant": variant}).eval()
    step_of(own, views_of(own, series, 1))
    label(own)
    views = views_of(own, series)
    query = projected(own.encoder, own.heads, views)
    key = projected(own.slow_encoder, own.slow_heads, views)
    origins, places = own.origins.keys.tolist(), series.places.tolist()
    assert origins[:4] == [[9, 0], [9, 1], [8, 0], [8, 1]] and origins[16:18] == [[-1, 0], [-1, 1]]
    items = [(row, slot) for row in range(8) for slot in (0, 1)]
    era = {(row, slot): 0 if row == 5 else slot for row, slot in items}  # the sixth has one era
    wanted = []
    for number, name in enumerate(KEYS):
        terms = []
        for row, slot in items:
            mine, changed = era[row, slot], own.changes.labels[places[row], slot] == CHANGED
            negatives = []
            for (place, other), kept in zip(origins, own.queues[number].keys.double().numpy(), strict=True):
                rival = place == places[row] and other != mine
                if other == mine if variant == "code" else changed or not rival:
                    negatives.append(kept)
            for far in items:
                rival = far[0] == row and era[far] != mine
                if era[far] != mine and (changed or not rival):
                    negatives.append(key[number, name][far])
                if number > 0 and (variant == "code" or changed or not rival):
                    negatives += [key[number, view][far] for view in KEYS if view != name]
            terms.append(
                cross_entropy(
                    query[number, "query"][row, slot], key[number, name][row, slot], negatives, 0.07
                )
            )
        wanted.append(np.mean(terms))
    found = own.loss(views)
    assert [found[name].item() for name in KEYS] == pytest.approx(wanted, rel=1e-4)
    assert found["loss"].item() == pytest.approx(sum(wanted), rel=1e-4)


def test_simclr_loss_by_hand(build: Build, series: Batch[Tensor]) -> None:
    own = made(build, SIMCLR).eval()
    label(own)
    views, places = views_of(own, series), series.places.tolist()
    z = projected(own.encoder, own.heads, views)
    items = [(row, slot) for row in range(8) for slot in (0, 1)]
    era = {(row, slot): 0 if row == 5 else slot for row, slot in items}
    wanted = []
    for number, name in enumerate(KEYS):
        terms = []
        for row, slot in items:
            changed = own.changes.labels[places[row], slot] == CHANGED
            for mine, partner in (("query", name), (name, "query")):
                negatives = []
                for far in items:
                    rival = far[0] == row and era[far] != era[row, slot]
                    if far[0] != row or (rival and changed):
                        negatives += [z[number, view][far] for view in ("query", name)]
                    if number > 0 and (changed or not rival):
                        negatives += [z[number, view][far] for view in KEYS if view != name]
                terms.append(
                    cross_entropy(z[number, mine][row, slot], z[number, partner][row, slot], negatives, 0.1)
                )
        wanted.append(np.mean(terms))
    found = own.loss(views)
    assert [found[name].item() for name in KEYS] == pytest.approx(wanted, rel=1e-4)


QUEUE = torch.tensor([[-1, 0], [-1, 1], [7, 0], [7, 1], [8, 1]])
BATCH = torch.tensor([[7, 0], [7, 1], [8, 0], [8, 1]])


@pytest.mark.parametrize(
    ("variant", "changed", "number", "wanted"),
    [  # queue; keys k_i of the batch; the other two keys of the batch, of place 7 at its earlier era
        ("paper", False, 0, "11101 0001"),
        ("paper", True, 0, "11111 0101"),
        ("paper", False, 1, "11101 0001 1011 1011"),
        ("paper", True, 2, "11111 0101 1111 1111"),
        ("code", False, 0, "10100 0001"),
        ("code", True, 0, "10100 0101"),
        ("code", False, 1, "10100 0001 1111 1111"),
        ("code", True, 2, "10100 0101 1111 1111"),
    ],
)
def test_who_is_a_negative(variant: str, changed: bool, number: int, wanted: str) -> None:
    """An unchanged place meets its other era nowhere in the paper; in the code it does in the last two "
    "subspaces."""
    own, spares = BATCH[:1], torch.tensor([not changed])
    found = counts(variant, kinship(own, QUEUE, spares), kinship(own, BATCH, spares), number)
    assert found.int().tolist() == [[int(sign) for sign in wanted.replace(" ", "")]]


@pytest.mark.parametrize(("changed", "wanted"), [(False, "0011 0011 1011"), (True, "0111 0111 1111")])
def test_who_is_a_negative_in_a_batch(changed: bool, wanted: str) -> None:
    """Of SimCLR's candidates: the pair's views, of which the own are no negatives, and one other view."""
    kin = kinship(BATCH[:1], BATCH, torch.tensor([not changed]))
    assert simclr_counts(kin, 1).int().tolist() == [[int(sign) for sign in wanted.replace(" ", "")]]


@pytest.mark.parametrize("entry", [CACO, SIMCLR])
def test_other_era_can_be_always_or_never_a_negative(
    build: Build, series: Batch[Tensor], entry: dict[str, Any]
) -> None:
    """The paper's ablation: without change awareness the loss is that of places that have all changed."""
    losses = {}
    for mode in ("never", "always", "if-changed"):
        own = made(build, entry, other_era=mode).eval()
        views = views_of(own, series)
        losses[mode] = own.loss(views)["loss"].item()
        if mode == "if-changed":
            own.changes.labels.fill_(CHANGED)
            assert own.loss(views)["loss"].item() == losses["always"]
    assert losses["never"] == losses["if-changed"] < losses["always"]


@pytest.mark.parametrize("entry", [CACO, SIMCLR])
def test_aligned_estimates_are_of_like_seasons(
    build: Build, series: Batch[Tensor], entry: dict[str, Any]
) -> None:
    """February is held against March, June against June, September against November; else against any."""
    series.images[:] = (40 * torch.arange(6)).view(6, 1, 1, 1).to(torch.uint8)
    seen: dict[str, set[tuple[int, ...]]] = {}
    for estimate in ("aligned-ratio", "aligned-smoothed-ratio", "smoothed-ratio"):
        own = made(build, entry, estimate=estimate)
        drawn = [views_of(own, series, seed)["query"].mean((2, 3, 4)) for seed in range(5)]
        slots = ((torch.stack(drawn) / 6 + 0.5) * 255 / 40).round().int()
        seen[estimate] = {tuple(pair) for pair in slots[:, :5].flatten(0, 1).tolist()}
    like = seen["aligned-ratio"]
    assert like == seen["aligned-smoothed-ratio"] == {(0, 3), (1, 4), (2, 5)} < seen["smoothed-ratio"]


@pytest.mark.parametrize("features", ["season", "encoder"])
@pytest.mark.parametrize("entry", [CACO, SIMCLR])
def test_estimates_are_of_the_networks_features(
    build: Build, series: Batch[Tensor], entry: dict[str, Any], features: str
) -> None:
    """Distances of t0 between the eras and to t2 within each, by the slow network: in the subspace season, or
    of what the encoder gives."""
    own = made(build, entry, features=features).eval()
    views = views_of(own, series)
    slow = entry is CACO
    if slow:
        own.slow_heads[1][0].weight.data.mul_(0.5)
        own.slow_encoder.embedding.data.mul_(0.5)
    encoder, heads = (own.slow_encoder, own.slow_heads) if slow else (own.encoder, own.heads)
    z = projected(encoder, heads, views)
    if features == "encoder":
        of_encoder = {name: unit(encoder.pooled(views[name].flatten(0, 1))) for name in VIEWS}
        z = {(1, name): values.reshape(8, 2, -1) for name, values in of_encoder.items()}
    step_of(own, views)
    for row, place in enumerate(series.places.tolist()):
        if row == 5:
            assert own.changes.estimates[place].unique().tolist() == [-1]
            continue
        first, third = z[1, "query"][row], z[1, "season"][row]
        between = np.linalg.norm(first[0] - first[1])
        for era in (0, 1):
            ratio = between / (np.linalg.norm(first[era] - third[era]) + 1e-4)
            found = own.changes.estimates[place, era].tolist()
            assert found == pytest.approx([between, ratio, ratio], rel=1e-3)
    assert own.changes.estimates[[0, 1, 10, 11]].unique().tolist() == [-1]
    assert (own.changes.labels == UNKNOWN).all()
    own.after_epoch(moment(own, 5))
    assert {0, 1} <= set(own.changes.labels.flatten().tolist())


def test_queue_and_origins_keep_in_step(build: Build, series: Batch[Tensor]) -> None:
    """Keys go in as the batch has them, to the bit, the eras of a place in turn, their origins beside."""
    own = made(build, CACO).eval()
    pushed: list[list[Tensor]] = [[], [], []]
    plain: list[list[int]] = []
    for number in range(1, 6):
        views = views_of(own, series, number)
        with torch.no_grad():
            for subspace, name in enumerate(KEYS):
                seen = own.slow_heads(own.slow_encoder(views[name].flatten(0, 1)))
                pushed[subspace].extend(seen[:, subspace])
        step_of(own, views, number)
        plain += [[place, 0 if place == 4 else slot] for place in series.places.tolist() for slot in (0, 1)]
    order = torch.arange(48).add(int(own.origins.pointer)) % 48
    assert own.origins.keys[order].tolist() == plain[-48:]
    assert int(own.origins.pointer) == 80 % 48
    for queue, keys in zip(own.queues, pushed, strict=True):
        assert int(queue.pointer) == 80 % 48
        assert torch.equal(queue.keys[order], torch.stack(keys[-48:]))


@pytest.mark.parametrize("entry", [CACO, SIMCLR])
def test_gradients_reach_everything_but_the_slow_network(
    build: Build, series: Batch[Tensor], entry: dict[str, Any]
) -> None:
    own = made(build, entry).train()
    views = views_of(own, series)
    assert all(len(values) == 8 for values in views.values())
    with torch.autocast("cpu", torch.bfloat16):
        loss = own.loss(views)["loss"]
    assert loss.dtype == torch.float32
    loss.backward()
    for name, parameter in own.named_parameters():
        assert ("slow_" in name) == (parameter.grad is None) == (not parameter.requires_grad), name


def test_refuses_a_queue_that_is_not_whole_batches(build: Build) -> None:
    """A place of the batch makes two keys."""
    with pytest.raises(RevisitError, match="queue 48 must be a multiple of the 32 keys of a batch"):
        made(build, CACO).check_training(Training(epochs=1, batch_size=16))
    made(build, CACO).check_training(Training(epochs=1, batch_size=12))


@pytest.mark.parametrize("entry", [CACO, SIMCLR])
def test_learns_and_tells_the_places_that_changed(
    build: Build, series: Batch[Tensor], entry: dict[str, Any]
) -> None:
    """Two of eight places change their level between the eras: their ratio becomes the largest."""
    own = made(build, {**entry, "temperature": 0.2}).train()
    for row in (1, 6):
        series.images[row, 3:] = series.images[row, 3:].flip(-3) // 2 + 100 * (row == 1)
    training = Training(steps=60, batch_size=8, learning_rate=0.3 if entry is CACO else 0.1)
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
        if step % 10 == 9:
            own.after_epoch(Moment(step + 1, 60, 10, None, [descent]))
    assert np.mean(losses[-5:]) < np.mean(losses[5:10]) - 0.1, losses
    smoothed = own.changes.estimates[series.places, :, 2].mean(1)
    assert set(smoothed.argsort()[-2:].tolist()) == {1, 6}, smoothed
