"""Encoders side by side see their own bands only, and their features stand one behind the other."""

from typing import Any

import pytest
import torch

from revisit.errors import RevisitError
from revisit.nets.encoders.composite import Composite
from revisit.nets.load_save import build_encoder, check_architecture

SMALL = {"name": "swin", "patch_pixels": 4, "dim": 8, "depths": [1, 1], "heads": [1, 2], "window": 4}
WIDE = {**SMALL, "dim": 16, "depths": [1, 2]}
BANDS = ["red", "vv", "green", "vh"]
ENTRY: dict[str, Any] = {
    "name": "composite",
    "parts": [{"bands": ["vv", "vh"], "encoder": SMALL}, {"encoder": WIDE}],
}


@pytest.fixture
def encoder() -> Composite:
    torch.manual_seed(0)
    built = build_encoder({**ENTRY, "bands": BANDS, "image_pixels": 32}).eval()
    assert isinstance(built, Composite)
    return built


def test_each_part_has_its_bands(encoder: Composite) -> None:
    """Features are those of the parts on their own channels, whatever the order of the images' bands."""
    images = torch.randn(2, 4, 32, 32)
    sar, optical = encoder.parts
    assert [part.bands for part in encoder.parts] == [("vv", "vh"), ("red", "green")]
    expected = torch.cat([sar.pooled(images[:, [1, 3]]), optical.pooled(images[:, [0, 2]])], 1)
    assert torch.equal(encoder.pooled(images), expected)
    shuffled = images[:, [3, 2, 1, 0]]
    assert torch.equal(encoder.pooled(shuffled, ["vh", "green", "vv", "red"]), expected)
    for level, a, b in zip(
        encoder.pyramid(images),
        sar.pyramid(images[:, [1, 3]]),
        optical.pyramid(images[:, [0, 2]]),
        strict=True,
    ):
        assert torch.equal(level, torch.cat([a, b], 1))


def test_parts_alike_keep_their_own_bands() -> None:
    """Two parts of one shape and as many bands: each sees its own, and is not the other."""
    torch.manual_seed(0)
    parts = [{"bands": ["vv", "vh"], "encoder": SMALL}, {"bands": ["red", "green"], "encoder": SMALL}]
    entry = {"name": "composite", "parts": parts, "bands": BANDS, "image_pixels": 32}
    encoder = build_encoder(entry).eval()
    assert isinstance(encoder, Composite)
    images = torch.randn(2, 4, 32, 32)
    before, tokens = encoder.pooled(images), encoder.forward_features(images)
    radar = images.clone()
    radar[:, [1, 3]] += 1
    sar, optical = ((encoder.pooled(radar) - before).abs().amax(0) > 1e-4).split(16)
    assert sar.any() and not optical.any()
    for number, own in enumerate(([1, 3], [0, 2])):
        alone = encoder.parts[number].forward_features(images[:, own])
        assert torch.equal(tokens[..., 16 * number : 16 * (number + 1)], alone)


def test_one_sensor_alone(encoder: Composite) -> None:
    """Of a sensor that is absent the features are zeros; half a sensor is refused."""
    images = torch.randn(2, 2, 32, 32)
    pooled = encoder.pooled(images, ["red", "green"])
    assert not pooled[:, :16].any()
    assert torch.equal(pooled[:, 16:], encoder.parts[1].pooled(images))
    assert not encoder.forward_features(images, ["vv", "vh"])[..., 16:].any()
    for level, wide in zip(encoder.pyramid(images, ["vv", "vh"]), (8, 16), strict=True):
        assert level[:, :wide].any() and not level[:, wide:].any()
    with pytest.raises(RevisitError, match="whole parts"):
        encoder.pooled(images[:, :1], ["vv"])


def test_layers_are_aligned_at_the_top(encoder: Composite) -> None:
    """The last groups of parts of different depth are one; the deeper part begins alone."""
    sar, optical = encoder.parts
    groups = encoder.layers()
    assert len(groups) == 5
    assert {id(p) for p in groups[-1]} == {id(p) for part in (sar, optical) for p in part.norm.parameters()}
    assert {id(p) for p in groups[0]} == {id(p) for p in optical.layers()[0]}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([{"encoder": SMALL}, {"encoder": SMALL}], "only one can be without bands"),
        ([{"encoder": SMALL}], "at least 2"),
        ([{"bands": ["vv"], "encoder": SMALL}, {"encoder": {**SMALL, "patch_pixels": 8}}], "same cells"),
        ([{"bands": ["vv"], "encoder": SMALL}, {"encoder": {**SMALL, "dimm": 8}}], "dimm"),
    ],
)
def test_what_does_not_fit_is_refused(parts: list[dict[str, Any]], message: str) -> None:
    """At planning, in one line."""
    with pytest.raises(RevisitError, match=message) as caught:
        check_architecture({"name": "composite", "parts": parts})
    assert "\n" not in str(caught.value)


def test_every_band_has_one_part() -> None:
    """Bands that no part or two parts would take are refused before anything is built."""
    settings = check_architecture(ENTRY)
    settings.check(32, BANDS)
    for bands in (["vv", "red"], ["vv", "vh"]):
        with pytest.raises(RevisitError, match="parts take bands"):
            settings.check(32, bands)
    with pytest.raises(RevisitError, match="image_pixels 36"):
        settings.check(36, BANDS)
