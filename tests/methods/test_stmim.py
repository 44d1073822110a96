"""STMIM: years of one place are cut alike, masked apart, and drawn together by the stated weights."""

import math
from typing import Any

import pytest
import torch

from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, build_method
from revisit.methods.stmim import STMIM, similarity_losses
from revisit.patches.batch import MISSING, Batch
from revisit.training.optimiser import decay_groups

YEARS = tuple(range(2015, 2023))
SETTINGS: dict[str, Any] = {
    "name": "stmim",
    "encoder": {
        "name": "swin",
        "patch_pixels": 4,
        "dim": 16,
        "depths": [2, 2],
        "heads": [2, 4],
        "window": 4,
    },
    "alpha": 0.1,
    "beta": 0.1,
    "years_per_step": 3,
}


def method(kind: Any = "yearly", **settings: Any) -> STMIM:
    torch.manual_seed(0)
    data = DataDescription(("vv", "vh"), image_pixels=32, clip_sigma=3, kind=kind, times=YEARS)
    made = build_method({**SETTINGS, **settings}, data)
    assert isinstance(made, STMIM)
    return made


def views_of(
    own: STMIM,
    generator: torch.Generator,
    present: torch.Tensor | None = None,
    images: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """Views of ``series`` or other images, whose years are those that ``present`` (4, 8) says."""
    images = series() if images is None else images
    present = torch.ones(4, 8, dtype=torch.bool) if present is None else present
    numbers, present = torch.arange(4), present[..., None]
    batch = Batch(
        images, numbers, numbers, present.long(), present, numbers, numbers, ("vv", "vh"), ("sentinel-1",)
    )
    return own.views(batch, generator)


def series(places: int = 4) -> torch.Tensor:
    """Smooth uint8 series [places, 8 years, 2, 32, 32] whose mean tells the year."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(places, 2, 4, 4, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bilinear")[:, None]
    return (smooth * 180 + 5 * torch.arange(8).view(1, 8, 1, 1, 1)).to(torch.uint8)


def test_views() -> None:
    """Three years a place, each with exactly 80 % (rounded up) of its tokens masked, each its own."""
    views = views_of(method(), torch.Generator().manual_seed(0))
    assert views["images"].shape == (4, 3, 2, 32, 32)
    assert torch.equal(views["masked"].sum(-1), torch.full((4, 3), math.ceil(0.8 * 64)))
    assert not torch.equal(views["masked"][:, 0], views["masked"][:, 1])
    assert (views["years"].diff(dim=1) > 0).all()


def test_years_that_a_place_lacks_are_not_drawn() -> None:
    """Where a cloudy year is missing, its empty image is not drawn while there are enough others."""
    present = torch.ones(4, 8, dtype=torch.bool)
    present[0, 4:] = present[1, ::2] = present[2, :5] = False
    drawn = torch.zeros(4, 8, dtype=torch.bool)
    for seed in range(40):
        views = views_of(method(), torch.Generator().manual_seed(seed), present)
        assert views["there"].all()
        drawn |= torch.zeros(4, 8, dtype=torch.bool).scatter(1, views["years"] - 2015, True)
    assert torch.equal(drawn, present)


def test_a_year_needs_all_sensors() -> None:
    """A year that one of two sensors lacks is no year of that place."""
    images = series()[:, :, [0, 1, 0, 1, 0]]
    data = DataDescription(("vv", "vh", "red", "green", "blue"), 32, 3, "yearly", YEARS)
    own = build_method(SETTINGS, data)
    numbers, present = torch.arange(4), torch.ones(4, 8, 2, dtype=torch.bool)
    present[:, :2, 0] = present[:, 5:, 1] = False
    sensors = ("sentinel-1", "sentinel-2")
    batch = Batch(images, numbers, numbers, present.long(), present, numbers, numbers, data.bands, sensors)
    views = own.views(batch, torch.Generator().manual_seed(0))
    assert torch.equal(views["years"], torch.tensor([[2017, 2018, 2019]] * 4))


def test_years_that_fill_up_count_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """With too few years the loss is that of the years there are: one pair of two years, none of one."""
    own = method()
    present = torch.zeros(4, 8, dtype=torch.bool)
    present[0, [1, 6]] = present[1, 3] = present[2:] = True
    views = views_of(own, torch.Generator().manual_seed(0), present)
    assert views["there"].sum(1).tolist() == [2, 1, 3, 3]
    features, guess = torch.randn(4, 3, 32), views["images"] + 0.5
    monkeypatch.setattr(own, "predict", lambda views: (guess, features))
    parts = own.loss(views)
    assert parts["reconstruction"].item() == pytest.approx(0.125, abs=1e-5)
    expected = 0.0
    for place in (0, 2, 3):
        held = views["there"][place].nonzero()[:, 0].tolist()
        pairs = [
            (1 - 0.1 * (views["years"][place, j] - views["years"][place, i]).item())
            * (1 - torch.cosine_similarity(features[place, i], features[place, j], dim=0).item())
            for i in held
            for j in held
            if i < j
        ]
        expected += sum(pairs) / len(pairs) / 3  # places that have a pair
    assert parts["similarity"].item() == pytest.approx(expected, rel=1e-5)
    guess = torch.where(views["there"][..., None, None, None], guess, 99.0)
    features[~views["there"]] += 1
    again = own.loss(views)
    assert all(torch.equal(again[name], parts[name]) for name in parts)


def test_pixels_without_data_are_not_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a guess says where an image holds nothing costs nothing; each place counts alike."""
    own = method()
    images = series()
    images[0, :, :, :20] = MISSING
    views = views_of(own, torch.Generator().manual_seed(0), images=images)
    assert views["data"][1:].all() and views["data"][0].float().mean() == pytest.approx(12 / 32)
    features = torch.randn(4, 3, 32)
    errors = torch.tensor([3.0, 0.5, 0.5, 0.5]).view(4, 1, 1, 1, 1)
    guess = torch.where(views["data"], views["images"] + errors, 99.0)
    monkeypatch.setattr(own, "predict", lambda views: (guess, features))
    assert own.loss(views)["reconstruction"].item() == pytest.approx((2.5 + 3 * 0.125) / 4, abs=1e-4)


def test_parts_of_a_batch_make_the_whole() -> None:
    """With pixels and years missing here and there, the loss is the mean of those of single places."""
    own = method().eval()
    present = torch.ones(4, 8, dtype=torch.bool)
    present[0, 1:] = present[1, 2:] = False
    images = series()
    images[1, :, :, :20] = MISSING
    views = views_of(own, torch.Generator().manual_seed(0), present, images)
    singles = [
        own.loss({name: values[place : place + 1] for name, values in views.items()})["loss"]
        for place in range(4)
    ]
    assert own.shares(views) is None
    torch.testing.assert_close(torch.stack(singles).mean(), own.loss(views)["loss"])


def test_alpha_is_the_same_however_many_places_have_pairs() -> None:
    """Places with one year alone do not water the similarity of the others down; with none it is 0."""
    own = method().eval()
    present = torch.ones(4, 8, dtype=torch.bool)
    present[1:, 1:] = False
    views = views_of(own, torch.Generator().manual_seed(0), present)
    alone = own.loss({name: values[:1] for name, values in views.items()} | {"paired": torch.ones(1)})
    torch.testing.assert_close(own.loss(views)["similarity"], alone["similarity"])
    present[:] = present[1]
    nothing = own.loss(views_of(own, torch.Generator().manual_seed(0), present))
    assert nothing["similarity"].item() == 0 and nothing["loss"].isfinite()


def test_images_belong_to_their_years() -> None:
    """Years go with the images they are of, which differ by the year's step and by nothing else."""
    own = method()
    views = views_of(own, torch.Generator().manual_seed(0))
    step = views["images"].diff(dim=1)
    expected = views["years"].diff(dim=1)[:, :, None, None, None] * (5 * 6 / 255)
    torch.testing.assert_close(step, expected.expand_as(step), atol=1e-4, rtol=0)


def test_similarity_by_hand() -> None:
    """Three years, two orthogonal features and one between: the mean of weighted cosine distances."""
    features = torch.tensor([[[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]]])
    years = torch.tensor([[2015, 2016, 2020]])
    near = 1 - math.sqrt(0.5)
    expected = ((1 - 0.1) * 1 + (1 - 0.5) * near + (1 - 0.4) * near) / 3
    there = torch.ones(1, 3, dtype=torch.bool)
    assert similarity_losses(features, years, there, beta=0.1).item() == pytest.approx(expected, rel=1e-5)
    same = features[:, :1].expand(1, 3, 2)
    assert similarity_losses(same, years, there, beta=0.1).item() == pytest.approx(0, abs=1e-6)


def test_loss_is_over_masked_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong reconstruction beside the mask costs nothing; one under it costs smooth-L1; parts add up."""
    own = method()
    views = views_of(own, torch.Generator().manual_seed(0))
    masked = own.masked_pixels(views)
    features = torch.randn(4, 3, 32)
    similarity = similarity_losses(features, views["years"], views["there"], 0.1).mean()
    for error, where, expected in ((7.0, ~masked, 0.0), (3.0, masked, 2.5), (0.5, masked, 0.125)):
        guess = views["images"] + error * where
        monkeypatch.setattr(own, "predict", lambda views, guess=guess: (guess, features))
        parts = own.loss(views)
        assert parts["reconstruction"].item() == pytest.approx(expected, abs=1e-4)
        torch.testing.assert_close(parts["similarity"], similarity)
        torch.testing.assert_close(parts["loss"], parts["reconstruction"] + 0.1 * similarity)


def test_masked_pixels_do_not_leak() -> None:
    """Neither reconstruction nor features change with pixels under the mask."""
    own = method().eval()
    views = views_of(own, torch.Generator().manual_seed(0))
    before = own.predict(views)
    assert before[0].shape == views["images"].shape and before[1].shape == (4, 3, 32)
    hidden = {**views, "images": torch.where(own.masked_pixels(views), 99.0, views["images"])}
    for was, now in zip(before, own.predict(hidden), strict=True):
        torch.testing.assert_close(
            now, was, rtol=0, atol=1e-5
        )  # some processors round each place differently
    # And the mask sits where the tokens it names are: the visible pixels do matter.
    seen = {**views, "images": torch.where(own.masked_pixels(views), views["images"], 99.0)}
    assert not torch.equal(own.predict(seen)[0], before[0])


def test_learns() -> None:
    """A few series can be learnt by heart, whatever their masks; features of a place come together."""
    own = method()
    optimiser = torch.optim.AdamW(decay_groups(own.named_parameters(), 0.0), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    history = []
    for _ in range(100):
        parts = own.loss(views_of(own, generator))
        optimiser.zero_grad()
        parts["loss"].backward()
        optimiser.step()
        history.append([parts["reconstruction"].item(), parts["similarity"].item()])
    first, last = (torch.tensor(part).mean(0) for part in (history[:5], history[-5:]))
    assert (last < 0.5 * first).all()


def test_gradients_reach_everything() -> None:
    """No weight is idle, also in bfloat16; the mask token and position tables are not decayed."""
    own = method()
    with torch.autocast("cpu", torch.bfloat16):
        loss = own.loss(views_of(own, torch.Generator().manual_seed(0)))["loss"]
    assert loss.dtype == torch.float32
    loss.backward()
    for name, parameter in own.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    still = {id(parameter) for parameter in decay_groups(own.named_parameters(), 0.05)[1]["params"]}
    for name, parameter in own.named_parameters():
        if "mask_token" in name or "relative_position_bias_table" in name or "norm" in name:
            assert id(parameter) in still, name


def test_reconstruct() -> None:
    """For the report: every year of every place, seen pixels standing, nothing flipped."""
    own = method().eval()
    result = own.reconstruct(series(), torch.Generator().manual_seed(0))
    assert {value.shape for value in result.values()} == {(4, 8, 2, 32, 32)}
    torch.testing.assert_close(result["input"], own.standardised(series()))
    seen = result["masked"] != 0
    assert 0.1 < seen.float().mean() < 0.2
    assert torch.equal(result["reconstruction"][seen], result["input"][seen])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beta": 0.15}, "use 0 to 0.1429"),
        ({"beta": -0.1}, "greater than or equal to 0"),
        ({"years_per_step": 9}, "2 to the 8 years"),
        ({"years_per_step": 1}, "greater than or equal to 2"),
        ({"mask_ratio": 1}, "mask_ratio"),
        ({"kind": "pairs"}, "of kind yearly, not pairs"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], message: str) -> None:
    """What cannot work raises one line that says so; the largest beta possible is taken."""
    with pytest.raises(RevisitError, match=message):
        method(**settings)
    method(beta=1 / 7)
