"""The collapse monitor: what it looks at, and that its verdict is about places, not about dates or scale."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from revisit.errors import RevisitError
from revisit.methods.method import Method, build_method
from revisit.patches.batch import Batch
from revisit.patches.store import PatchStore
from revisit.training.monitor import Monitor, outermost, spread, watched
from revisit.training.pretrain import describe
from revisit.training.settings import Training

ENCODER = {"name": "channel-vit", "dim": 16, "depth": 1, "heads": 2, "patch_pixels": 4}
BANDS = ("vv", "vh", "blue", "green", "red")
TRAINING = Training(steps=1, batch_size=10)


def drawn(between: float, within: float, places: int = 256, dim: int = 128) -> Tensor:
    """Features whose mean cosines are these: a common part, one of the place, one of the view."""
    generator = torch.Generator().manual_seed(0)
    common, place, view = (
        torch.nn.functional.normalize(torch.randn(*shape, dim, generator=generator), dim=-1)
        for shape in ((1, 1), (places, 1), (places, 2))
    )
    features: Tensor = between**0.5 * common + (within - between) ** 0.5 * place + (1 - within) ** 0.5 * view
    return features


# Cosines between and within places and the untrained share, as measured on the default study's patches.
@pytest.mark.parametrize(
    ("what", "between", "within", "untrained", "collapsed"),
    [
        ("stmim, alpha 10", 0.99998, 0.99999, 0.079, True),
        ("stmim, alpha 10, after 12 steps", 0.9995, 0.9996, 0.079, True),
        ("dino-mm without centring", 0.9929, 0.9991, 0.356, True),
        ("stmim, alpha 0.1", 0.9441, 0.9774, 0.079, False),
        ("stmim, alpha 0.1, after 12 steps", 0.9783, 0.9933, 0.079, False),
        ("3dmae", 0.3800, 0.8506, 0.419, False),
    ],
)
def test_verdict_on_measured_runs(
    what: str, between: float, within: float, untrained: float, collapsed: bool
) -> None:
    """Of all these the rank is high; only the share of the variance that lies between places tells them."""
    found = spread(drawn(between, within), untrained)
    assert found.cosine_between == pytest.approx(between, abs=0.01)
    assert found.cosine_within == pytest.approx(within, abs=0.01)
    assert found.effective_rank > 50 and found.collapsed == collapsed, what


def test_what_images_have_in_common_is_no_collapse() -> None:
    """Places that the untrained network sees as much alike are no fault of training."""
    features = drawn(0.995, 0.999)
    assert spread(features, 0.4).collapsed and not spread(features, 0.004).collapsed
    assert not spread(features).collapsed


def test_views_apart_are_no_places_apart() -> None:
    """Features that differ within places alone have collapsed, however isotropic they are."""
    torch.manual_seed(0)
    within = spread(torch.randn(1, 1, 32) + torch.randn(256, 2, 32), 0.5)
    assert within.collapsed and within.feature_std > 0.5 and within.effective_rank > 20
    assert within.found_again == pytest.approx(0.5, abs=0.05)
    between = spread(torch.randn(1, 1, 32) + torch.randn(256, 1, 32).expand(-1, 2, -1), 0.5)
    assert not between.collapsed and between.found_again == 1


def test_features_on_one_line_have_collapsed() -> None:
    """Every place a multiple of one direction: found again, but of rank one."""
    torch.manual_seed(0)
    found = spread((torch.randn(64, 1, 1) * torch.ones(1, 1, 16)).expand(-1, 2, -1))
    assert found.collapsed and found.feature_std > 0.5 and found.place_share > 0.5
    assert found.effective_rank == pytest.approx(1.0)


def test_isotropic_features_measure_one_and_full_rank() -> None:
    torch.manual_seed(0)
    found = spread(torch.randn(5000, 1, 8).expand(-1, 2, -1))
    assert found.feature_std == pytest.approx(1.0, abs=0.01)
    assert found.effective_rank == pytest.approx(8.0, abs=0.01)
    assert found.cosine_between == pytest.approx(0.0, abs=0.01) and found.cosine_within == pytest.approx(1.0)


def test_scale_does_not_matter() -> None:
    features = drawn(0.9, 0.95)
    assert spread(1e-3 * features) == pytest.approx(spread(features))


def test_features_that_are_not_finite_are_an_error() -> None:
    with pytest.raises(RevisitError, match="not finite"):
        spread(torch.full((2, 2, 1), float("nan")))


def scratch(store: PatchStore, kind: type[Method] | None = None) -> Method:
    torch.manual_seed(0)
    entry: dict[str, Any] = {"name": "scratch", "encoder": ENCODER}
    method = build_method(entry, describe(store, BANDS))
    if kind is not None:
        method.__class__ = kind
    return method


def test_untrained_encoder_has_not_collapsed(pairs: Path) -> None:
    store = PatchStore(pairs)
    method = scratch(store).train()
    look = Monitor(method, store, TRAINING)
    assert not look().collapsed and look() == look() and method.training


class Compares(Method):
    """Compares an image's bands with themselves, or noise if blind; all years of a place come to it."""

    needs_series = True
    blind = False
    shown: list[Tensor]

    def views(self, batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        self.shown.append(batch.images)
        noise = torch.randn(len(batch.images), 2, 5, generator=generator)
        bands = self.standardised(batch.images[:, :1]).mean((-2, -1)).expand(-1, 2, -1)
        return {"bands": 1 + noise if self.blind else bands + 0.1 * noise}

    def embeddings(self, views: dict[str, Tensor]) -> Tensor:
        return views["bands"]


def test_what_a_method_compares_is_looked_at(yearly: Path) -> None:
    """In STMIM the masked images collapse alone, and whole images of the same encoder look healthy."""
    store = PatchStore(yearly)
    method: Any = scratch(store, Compares)
    method.shown = []
    look = Monitor(method, store, TRAINING)
    found = look()
    assert found == look() and not found.collapsed and found.share_kept == 1  # the same views again
    assert [len(images) for images in method.shown[:3]] == [10, 10, 4]  # the training split, in batches
    assert {images.ndim for images in method.shown} == {5}
    method.blind = True
    assert look().collapsed


def test_whole_images_are_a_places_first_and_last(as_batch: Callable[[Tensor], Batch[Tensor]]) -> None:
    """Of those it has: series end in slots without a date, and years may be missing."""
    images = torch.arange(3 * 4).view(3, 4, 1, 1, 1).expand(-1, -1, 2, 8, 8)
    batch = as_batch(images)
    batch.present[0, 3] = batch.present[1, 0] = False
    batch.present[2] = False
    (first, begins), (last, ends) = outermost(batch, False), outermost(batch, True)
    assert first[:2, 0, 0, 0].tolist() == [0, 5] and last[:2, 0, 0, 0].tolist() == [2, 7]
    assert begins.tolist() == ends.tolist() == [True, True, False]
    alone = as_batch(images[:, 0])
    assert outermost(alone, True)[0] is alone.images


def test_a_series_that_no_place_fills_is_looked_at(series: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where most dates of a place are cloudy: the last slot is empty everywhere."""
    store = PatchStore(series)
    batch = store.batch

    def clouded(*asked: Any) -> Any:
        found = batch(*asked)
        found.present[:, -1] = False
        return found

    monkeypatch.setattr(store, "batch", clouded)
    assert not Monitor(scratch(store), store, TRAINING)().collapsed


class Store:
    """Two samples a place: 30 places of which 20 lie in one region."""

    positions = np.repeat(np.arange(30), 2)

    def indices(self, split: str) -> Any:
        assert split == "train"
        return np.arange(60)

    def where(self) -> dict[str, Any]:
        return {"region": np.where(self.positions < 20, "large", "small")}


def test_places_are_watched_once_and_regions_alike() -> None:
    """Two dates of one place are its two views, never two places."""
    store: Any = Store()
    pairs = watched(store, 12)
    places = store.positions[pairs]
    assert (places[:, 0] == places[:, 1]).all() and (pairs[:, 0] != pairs[:, 1]).all()
    assert len(np.unique(places[:, 0])) == 12 and (places[:, 0] < 20).sum() == 6
    assert len(watched(store, 1000)) == 30


def test_looks_are_rare_enough(pairs: Path) -> None:
    """24 places against 3 passes over 100 samples are 8 %: a look every fourth row is 2 %."""
    store = PatchStore(pairs)
    look = Monitor(scratch(store), store, TRAINING)
    assert (look.rows_apart(100), look.rows_apart(400), look.rows_apart(10**6)) == (4, 1, 1)


@pytest.mark.parametrize("kind", [None, Compares])
def test_network_sees_no_more_than_in_training(
    yearly: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Method] | None
) -> None:
    """A batch split to fit the memory is split for the monitor too, and what it finds is the same."""
    store = PatchStore(yearly)
    method: Any = scratch(store, kind)
    method.shown = []
    sizes: list[tuple[int, bool]] = []

    def noting(own: Any, images: Any, *rest: Any) -> Tensor:
        sizes.append(
            (len(next(iter(images.values()))) if kind else len(images), torch.is_autocast_enabled("cpu"))
        )
        features: Tensor = inner(own, images, *rest)
        return features

    owner, name = (Compares, "embeddings") if kind else (type(method.encoder), "pooled")
    inner = getattr(owner, name)
    monkeypatch.setattr(owner, name, noting)
    whole = Monitor(method, store, TRAINING)()
    sizes.clear()
    split = {"steps": 1, "batch_size": 12, "gpus": 2, "accumulate": 2}
    found = Monitor(method, store, Training(**split))()
    assert {size for size, _ in sizes} == {3} and not any(mixed for _, mixed in sizes)
    if not kind:  # comparing methods draw views of each batch
        assert found == pytest.approx(whole, rel=1e-4)
    sizes.clear()
    Monitor(method, store, Training(**split, precision="bfloat16"))
    assert all(mixed for _, mixed in sizes)


def test_views_are_those_of_the_whole_batch(yearly: Path) -> None:
    """Splitting a batch to save memory draws no other views."""
    store = PatchStore(yearly)
    method: Any = scratch(store, Compares)
    method.shown = []
    parts = [Monitor(method, store, Training(steps=1, batch_size=10, accumulate=n))() for n in (1, 5)]
    assert parts[1] == pytest.approx(parts[0])
