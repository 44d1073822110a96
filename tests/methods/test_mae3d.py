"""3DMAE hides what it says it hides, learns from hidden cells only, and learns."""

from typing import Any

import pytest
import torch

from revisit.errors import RevisitError
from revisit.methods.mae3d import MAE3D
from revisit.methods.method import DataDescription, build_method
from revisit.nets.vision_transformer import patchify, position_code
from revisit.patches.batch import MISSING, Batch
from revisit.training.optimiser import decay_groups

BANDS = ("vv", "vh", "blue", "green", "red")
SETTINGS: dict[str, Any] = {
    "name": "mae3d",
    "encoder": {"name": "channel-vit", "patch_pixels": 4, "dim": 32, "depth": 2, "heads": 4},
    "decoder": {"dim": 16, "depth": 1, "heads": 2},
}


def method(variant: str = "3dm", bands: tuple[str, ...] = BANDS, **settings: Any) -> MAE3D:
    torch.manual_seed(0)
    data = DataDescription(bands, image_pixels=16, clip_sigma=3, kind="pairs")
    made = build_method({**SETTINGS, "mask": variant, **settings}, data)
    assert isinstance(made, MAE3D)
    return made


def images(samples: int = 4, bands: int = 5) -> torch.Tensor:
    """Smooth uint8 images, so that hidden parts can be guessed."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(samples, bands, 3, 3, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(16, 16), mode="bilinear")
    return (smooth * 255).to(torch.uint8)


def views_of(own: MAE3D, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
    numbers, present = torch.arange(len(pictures)), torch.ones(len(pictures), 2, dtype=torch.bool)
    place, sensors = torch.zeros(len(pictures), 4), ("sentinel-1", "sentinel-2")
    batch = Batch(
        pictures, numbers, numbers, present.long(), present, place, numbers, own.data.bands, sensors
    )
    return own.views(batch, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("variant", ["rm", "rc", "rm+rc", "3dm"])
def test_views(variant: str) -> None:
    """A quarter of the positions is kept; the others show no channel, the kept ones at least one."""
    views = views_of(method(variant), images())
    assert views["patches"].shape == (4, 16, 5, 16) and views["patches"].dtype == torch.float32
    assert views["kept"].shape == (4, 4)
    seen = views["visible"].any(-1)
    assert torch.equal(seen.nonzero()[:, 1].view(4, 4), views["kept"])


def test_hidden_cells_do_not_leak() -> None:
    """The prediction does not change with hidden pixels, and does with visible ones."""
    own = method().eval()
    views = views_of(own, images())
    visible = views["visible"][..., None]
    before = own.predict(views)
    changed = {**views, "patches": torch.where(visible, views["patches"], 99.0)}
    assert torch.equal(own.predict(changed), before)
    changed = {**views, "patches": torch.where(visible, views["patches"] + 1, views["patches"])}
    assert not torch.equal(own.predict(changed), before)


def test_loss_is_over_hidden_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cells by hand: the visible one does not count, the hidden one is normalised by itself."""
    own = method()
    patches = torch.tensor([[1.0, 3.0], [10.0, 10.0]]).view(1, 1, 2, 2)
    views = {"patches": patches, "visible": torch.tensor([[[False, True]]])}
    views["data"] = torch.ones_like(patches, dtype=torch.bool)
    # Unbiased variance of (1, 3) is 2: targets are -+ 1 / sqrt(2); predictions are 0.
    monkeypatch.setattr(own, "predict", lambda views: torch.zeros_like(patches))
    assert own.loss(views)["loss"].item() == pytest.approx(0.5, abs=1e-5)
    monkeypatch.setattr(own, "predict", lambda views: torch.tensor([[0.0, 0.0], [7.0, 7.0]]).view(1, 1, 2, 2))
    assert own.loss(views)["loss"].item() == pytest.approx(0.5, abs=1e-5)
    # A constant cell has a finite target, 0.
    monkeypatch.setattr(own, "predict", lambda views: torch.ones_like(patches))
    views["visible"] = ~views["visible"]
    assert own.loss(views)["loss"].item() == pytest.approx(1, abs=1e-5)


def test_targets_may_keep_their_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without normalisation the target of a cell is its values: (1, 3) against 0 costs 5."""
    own = method(normalise_targets=False)
    views = {"patches": torch.tensor([1.0, 3.0]).view(1, 1, 1, 2), "visible": torch.tensor([[[False]]])}
    views["data"] = torch.ones(1, 1, 1, 2, dtype=torch.bool)
    monkeypatch.setattr(own, "predict", lambda views: torch.zeros(1, 1, 1, 2))
    assert own.loss(views)["loss"].item() == pytest.approx(5)


def test_channels_keep_their_order() -> None:
    """Each channel's loss reaches that channel's outputs: no mix-up of channels between head and target."""
    own = method()
    views = views_of(own, images())
    views["visible"] = torch.ones_like(views["visible"])
    views["visible"][:, :, 3] = False
    own.loss(views)["loss"].backward()
    gradient = own.decoder.leave.weight.grad
    assert gradient is not None
    touched = gradient.view(5, 16, -1).abs().sum((1, 2)) > 0
    assert touched.tolist() == [False, False, False, True, False]


@pytest.mark.parametrize("variant", ["rm", "rc", "rm+rc", "3dm"])
def test_learns(variant: str) -> None:
    """A few images can be learnt by heart: the loss falls far below 1, the value of a blind guess."""
    own = method(variant)
    optimiser = torch.optim.AdamW(decay_groups(own.named_parameters(), 0.0), lr=3e-3)
    views = views_of(own, images())
    losses = []
    for _ in range(120):
        loss = own.loss(views)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > 0.9 and losses[-1] < 0.3


def test_gradients_reach_everything() -> None:
    """No weight of encoder or decoder is idle, also in bfloat16, and each is in one optimiser group."""
    own = method()
    with torch.autocast("cpu", torch.bfloat16):
        loss = own.loss(views_of(own, images()))["loss"]
    assert loss.dtype == torch.float32
    loss.backward()
    for name, parameter in own.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    decayed, still = decay_groups(own.named_parameters(), 0.05)
    assert decayed["weight_decay"] == 0.05 and still["weight_decay"] == 0
    assert len(decayed["params"]) + len(still["params"]) == len(list(own.parameters()))
    assert all(parameter.ndim >= 2 for parameter in decayed["params"])
    assert any(parameter is own.encoder.channel_bias for parameter in still["params"])


def test_reconstruct() -> None:
    """For the report: seen pixels stand, hidden ones are predicted; nothing is flipped."""
    own = method().eval()
    picture = images()
    result = own.reconstruct(picture, torch.Generator().manual_seed(0))
    assert int(result.pop("moments_given")) == own.encoder.patch_pixels  # targets were normalised
    assert {key: value.shape for key, value in result.items()} == dict.fromkeys(
        ("input", "masked", "reconstruction"), picture.shape
    )
    torch.testing.assert_close(result["input"], own.standardised(picture))
    seen = result["masked"] != 0
    assert 0 < seen.float().mean() < 0.25
    assert torch.equal(result["reconstruction"][seen], result["input"][seen])
    assert not torch.equal(result["reconstruction"], result["input"])


@pytest.mark.parametrize("bands", [("vv", "vh"), ("blue", "green", "red")])
def test_one_modality(bands: tuple[str, ...]) -> None:
    """SAR alone and optical alone can be learnt from, but have no modality to drop."""
    own = method("rc", bands)
    loss = own.loss(views_of(own, images(bands=len(bands))))["loss"]
    assert torch.isfinite(loss)
    with pytest.raises(RevisitError, match="use mask rc"):
        method("rm", bands)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mask_ratio": 0.99}, "keeps 0 of 16"),
        ({"mask_ratio": 1.0}, "less than 1"),
        ({"mask": "mr"}, "mask"),
        ({"crop_pixels": 20}, "crop_pixels is 20"),
        ({"decoder": {"dim": 16, "depth": 1}}, "heads"),
        ({"decoder": {"dim": 16, "depth": 1, "heads": 2, "width": 3}}, "width"),
        ({"decoder": {"dim": 18, "depth": 1, "heads": 2}}, "dim 18"),
        (
            {
                "encoder": {
                    "name": "swin",
                    "patch_pixels": 4,
                    "dim": 8,
                    "depths": [1],
                    "heads": [1],
                    "window": 4,
                }
            },
            "channel-vit",
        ),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], message: str) -> None:
    """What cannot work raises one line that says so."""
    with pytest.raises(RevisitError, match=message):
        method(**settings)


def test_missing_setting() -> None:
    """A missing decoder raises one line."""
    with pytest.raises(RevisitError, match=r"method\.decoder is missing"):
        build_method(
            {"name": "mae3d", "mask": "rc", "encoder": SETTINGS["encoder"]},
            DataDescription(BANDS, 16, 3, "pairs"),
        )


def test_tokens_carry_the_codes_of_their_positions() -> None:
    """The prediction, step by step: all positions are coded, then some kept; the decoder puts them back."""
    own = method().eval()
    views = views_of(own, images())
    encoder, decoder, kept = own.encoder, own.decoder, views["kept"]
    coded = encoder.embed(views["patches"], visible=views["visible"])
    coded = coded + position_code(4, 4, 32, kept.device)
    tokens = torch.stack([coded[sample][positions] for sample, positions in enumerate(kept)])
    tokens = decoder.enter(encoder.norm(encoder.transform(tokens)))
    full = decoder.mask_token.repeat(4, 16, 1)
    for sample, positions in enumerate(kept):
        full[sample, positions] = tokens[sample]
    full = full + position_code(4, 4, 16, kept.device)
    for block in decoder.blocks:
        full = block(full)
    expected = decoder.leave(decoder.norm(full)).view(4, 16, 5, 16)
    torch.testing.assert_close(own.predict(views), expected)


def test_norms_are_those_of_mae() -> None:
    """Every layer norm of encoder and decoder adds 1e-6 to the variance."""
    norms = [module for module in method().modules() if isinstance(module, torch.nn.LayerNorm)]
    assert len(norms) == 2 * 3 + 2 and {norm.eps for norm in norms} == {1e-6}


def cloudy() -> torch.Tensor:
    """``images``, of which sample 0 lacks a corner in the optical bands and sample 1 half of its SAR."""
    pictures = images()
    pictures[pictures == MISSING] += 1
    pictures[0, 2:, :6, :6] = MISSING
    pictures[1, :2, :, 8:] = MISSING
    return pictures


def test_pixels_without_data_are_not_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hidden cell is compared, and normalised, by its pixels with data alone, if it has any."""
    own = method("rm")
    views = own.masked(cloudy(), torch.Generator().manual_seed(0))
    expected = patchify(cloudy() != MISSING, 4)
    assert torch.equal(views["data"], expected) and not expected.all()
    hidden = ~views["visible"][..., None] & expected
    assert (~views["visible"][..., None] & ~expected).any()
    targets = torch.full_like(views["patches"], 99.0)
    for cell in expected.any(-1).nonzero():
        sample, position, channel = cell.tolist()
        pixels = views["patches"][sample, position, channel][expected[sample, position, channel]]
        deviation = (pixels.var() + 1e-6).sqrt()
        targets[sample, position, channel][expected[sample, position, channel]] = (
            pixels - pixels.mean()
        ) / deviation
    monkeypatch.setattr(own, "predict", lambda views: targets)
    assert own.loss(views)["loss"].item() == pytest.approx(0, abs=1e-6)
    monkeypatch.setattr(own, "predict", lambda views: targets + 2)
    assert own.loss(views)["loss"].item() == pytest.approx(4, abs=1e-3)
    assert torch.equal(own.shares(views), hidden.sum((1, 2, 3)))
    # The fill value is no target, whatever stands there.
    other = {**views, "patches": torch.where(expected, views["patches"], 7.0)}
    assert own.loss(other)["loss"].item() == pytest.approx(4, abs=1e-3)
    nothing = {**views, "data": torch.zeros_like(expected)}
    assert own.loss(nothing)["loss"].item() == 0


def test_shares_are_hidden_pixels() -> None:
    """The loss of a whole batch is that of its samples, weighed by their hidden pixels with data."""
    own = method("rc")
    views = views_of(own, cloudy())
    singles = torch.stack(
        [
            own.loss({name: values[sample : sample + 1] for name, values in views.items()})["loss"]
            for sample in range(4)
        ]
    )
    weights = own.shares(views)
    assert len(weights.unique()) > 1
    torch.testing.assert_close((singles * weights).sum() / weights.sum(), own.loss(views)["loss"])


def test_layers_are_initialised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One draw for each linear map of encoder and decoder, and one for the encoder's embedding."""
    drawn: list[int] = []
    draw = torch.nn.init.xavier_uniform_

    def noting(values: torch.Tensor) -> torch.Tensor:
        drawn.append(values.data_ptr())
        return draw(values)

    monkeypatch.setattr(torch.nn.init, "xavier_uniform_", noting)
    own = method()
    linear = [module for module in own.modules() if isinstance(module, torch.nn.Linear)]
    expected = [module.weight.data_ptr() for module in linear] + [own.encoder.embedding.data_ptr()]
    assert sorted(drawn) == sorted(expected)
