"""Estimates of change against their equation, and the mixture that tells the changed from the others."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm

from revisit.methods.parts.changes import (
    CHANGED,
    UNCHANGED,
    UNKNOWN,
    Changes,
    ChangeSettings,
    boundary,
    two_gaussians,
)
from revisit.methods.parts.times import Eras
from revisit.patches.batch import NO_DATE

P, NONE = 6, [-1.0, -1.0, -1.0]


def features(seed: int, count: int = 4, dim: int = 5) -> torch.Tensor:
    drawn = torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(drawn, dim=1)


@pytest.mark.parametrize("squared", [False, True])
def test_estimates_by_hand(squared: bool) -> None:
    """Equation 3 with the code's constant, and the average that begins with the first ratio."""
    own = Changes(ChangeSettings(squared=squared, beta=0.8), P)
    places, average = [4, 1], {}
    for seed in (0, 10, 20):
        first, third = features(seed), features(seed + 1)
        own.note(torch.tensor(places), torch.ones(2, 2, dtype=torch.bool), first, third)
        before = own.estimates.clone()
        own.settle()
        assert seed == 0 or not torch.equal(before, own.estimates)
        f, t = first.double().numpy(), third.double().numpy()
        for row, place in enumerate(places):
            for era in (0, 1):
                power = 2 if squared else 1
                long = np.sqrt(((f[2 * row] - f[2 * row + 1]) ** 2).sum()) ** power
                short = np.sqrt(((f[2 * row + era] - t[2 * row + era]) ** 2).sum()) ** power
                ratio = long / (short + 1e-4)
                key = (place, era)
                average[key] = 0.8 * average[key] + 0.2 * ratio if key in average else ratio
                found = own.estimates[place, era].tolist()
                assert found == pytest.approx([long, ratio, average[key]], rel=1e-5)
    assert own.estimates[[0, 2, 3, 5]].unique().tolist() == [-1]


def test_what_cannot_be_compared_has_no_estimate() -> None:
    """Two like images within an era would make the ratio huge: a place of one date per era is no change."""
    own = Changes(ChangeSettings(), P)
    first = features(0)
    own.note(torch.tensor([0, 3]), torch.tensor([[False, True], [False, False]]), first, features(1))
    own.settle()
    assert own.estimates[0, 0].tolist() == NONE and own.estimates[3].tolist() == [NONE, NONE]
    assert (own.estimates[0, 1] > 0).all()
    own.settle()  # what was noted counts once
    own.refit()
    assert own.labels[0].tolist() == [UNKNOWN, UNCHANGED] and own.labels[3].tolist() == [UNKNOWN, UNKNOWN]


@pytest.mark.parametrize(
    "estimate", ["smoothed-ratio", "ratio", "aligned-ratio", "aligned-smoothed-ratio", "distance"]
)
def test_refit_tells_two_groups_by_the_chosen_estimate(estimate: str) -> None:
    own = Changes(ChangeSettings(estimate=estimate), 40)
    random = np.random.default_rng(0)
    values = np.concatenate([random.normal(1.0, 0.1, 60), random.normal(3.0, 0.3, 18)])
    order = random.permutation(78)
    column = 0 if estimate == "distance" else 2 if "smoothed" in estimate else 1
    estimates = torch.full((80, 3), 0.5)
    estimates[:78, column] = torch.from_numpy(values[order]).float()
    estimates[78:] = -1
    own.estimates.copy_(estimates.view(40, 2, 3))
    own.refit()
    labels = own.labels.flatten()
    assert labels[:78].tolist() == np.where(order >= 60, CHANGED, UNCHANGED).tolist()
    assert labels[78:].tolist() == [UNKNOWN, UNKNOWN]
    for row, group in enumerate((values[:60], values[60:])):
        wanted = [len(group) / 78, group.mean(), group.std()]
        assert own.mixture[row].tolist() == pytest.approx(wanted, rel=0.02)
    (w0, m0, s0), (w1, m1, s1) = own.mixture.tolist()
    at = float(own.threshold)
    assert m0 < at < m1
    assert w0 * norm.pdf(at, m0, s0) == pytest.approx(w1 * norm.pdf(at, m1, s1), rel=1e-4)
    places = torch.tensor([39, 0])
    assert own.spares(places).tolist() == [[True, True], [bool(label != CHANGED) for label in own.labels[0]]]


@pytest.mark.parametrize(
    "values", [[], [1.0], [2.0] * 7, [1.0, 1.0 + 1e-7], [0.0, 5.0], [1.0, 1.0, 1.0, 9.0]]
)
def test_refit_takes_whatever_there_is(values: list[float]) -> None:
    """Too few estimates, or all alike: nothing has changed, and nothing fails."""
    own = Changes(ChangeSettings(), 4)
    own.labels[3] = CHANGED  # of a fit before
    if values:
        own.estimates.view(8, 3)[: len(values), 2] = torch.tensor(values)
    own.refit()
    found = own.labels.flatten()[: len(values)].tolist()
    if len(set(torch.tensor(values).tolist())) < 2:
        assert set(found) <= {UNCHANGED} and not own.mixture.any() and own.threshold == 0
    else:
        assert found == [CHANGED if value == max(values) else UNCHANGED for value in values]
        assert own.threshold.isfinite()
    assert own.labels.flatten()[len(values) :].eq(UNKNOWN).all()


def test_groups_of_any_scale_are_told() -> None:
    """Distances of nearly collapsed features are tiny: no floor under the variance may join the groups."""
    random = np.random.default_rng(0)
    values = 1e-5 * np.concatenate([random.normal(1, 0.1, 50), random.normal(4, 0.1, 20)])
    found = two_gaussians(values)
    assert found is not None and found[1].tolist() == [False] * 50 + [True] * 20


def test_boundary_of_like_gaussians_is_the_middle() -> None:
    assert boundary(np.array([[0.5, 1.0, 0.2], [0.5, 3.0, 0.2]])) == pytest.approx(2.0)
    assert boundary(np.array([[0.5, 1.0, 0.2], [0.5, 1.0, 0.2]])) == pytest.approx(1.0)


@pytest.mark.parametrize(("other_era", "spared"), [("always", False), ("never", True)])
def test_ablations_estimate_nothing(other_era: str, spared: bool) -> None:
    own = Changes(ChangeSettings(other_era=other_era), P)
    own.note(torch.tensor([0, 1]), torch.ones(2, 2, dtype=torch.bool), features(0), features(1))
    own.settle()
    own.refit()
    assert own.spares(torch.tensor([5, 0])).tolist() == [[spared] * 2] * 2
    store = SimpleNamespace(where=dict, dates=None)
    assert own.estimates.numel() == 0 and own.tables(store, Eras(), ["red"]) == {} and own.leaves == ()


def test_tables_have_a_row_per_training_place_and_era() -> None:
    own = Changes(ChangeSettings(), 3)
    own.estimates[2] = torch.tensor([[0.5, 1.5, 1.25], [0.5, 3.0, 2.0]])
    own.refit()
    where: dict[str, Any] = {
        "position": np.array([0, 2, 1]),
        "split": np.array(["train", "train", "test"]),
        "region": np.array(["here", "here", "there"]),
        "epsg": np.array([32632, 32632, 32633]),
        **{name: np.array([1.0, 2.0, 3.0]) for name in ("x", "y", "longitude", "latitude")},
    }
    days = [
        ["2017-05-01", "2018-06-02", "2021-07-03", "2022-08-04"],
        ["2020-01-05", "2020-03-06"] + ["NaT"] * 2,
    ]
    slots = np.array(days, "datetime64[ns]").astype(np.int64)
    assert slots.min() == NO_DATE
    dates = slots[[1, 0, 0]][None]  # of one sensor, by sample: the first has one era
    store = SimpleNamespace(where=lambda: where, dates=lambda bands: dates)
    tables = own.tables(store, Eras(), ["red"])
    assert tuple(tables) == own.leaves
    rows = tables["changes"]
    assert [(row["first"], row["last"]) for row in rows] == [
        ("2020-01-05", "2020-03-06"),
        ("2020-01-05", "2020-03-06"),
        ("2017-05-01", "2018-06-02"),
        ("2021-07-03", "2022-08-04"),
    ]
    assert [(row["place"], row["era"], row["x"], row["region"]) for row in rows] == [
        (0, 0, 1.0, "here"),
        (0, 1, 1.0, "here"),
        (2, 0, 2.0, "here"),
        (2, 1, 2.0, "here"),
    ]
    assert [(row["distance"], row["ratio"], row["smoothed_ratio"], row["changed"]) for row in rows] == [
        ("", "", "", ""),
        ("", "", "", ""),
        ("0.5", "1.5", "1.25", UNCHANGED),
        ("0.5", "3", "2", CHANGED),
    ]
    assert [row["component"] for row in tables["mixture"]] == ["unchanged", "changed"]
    assert tables["mixture"][1]["mean"] == pytest.approx(2.0)
    assert tables["mixture"][0]["threshold"] == pytest.approx(float(own.threshold))
