"""Augmentation: bands of a sample stay registered, strengths are those stated, draws follow the generator."""

import pytest
import torch

from revisit.errors import RevisitError
from revisit.methods.parts.augmentation import Augmentation, blurred, resized_crop
from revisit.record import read

OFF = {"jitter": 0.0, "blur": 0.0}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ramps(samples: int, side: int = 16) -> torch.Tensor:
    """Two bands: the row and the column of each pixel's centre, -1 to 1 across the image."""
    centre = (2 * torch.arange(side) + 1) / side - 1
    rows, columns = torch.meshgrid(centre, centre, indexing="ij")
    return torch.stack([rows, columns]).expand(samples, -1, -1, -1)


def test_crops_are_linear_pieces_of_the_image() -> None:
    """Of a ramp, a crop is a ramp: its slope tells the share of the side, its sign the flip."""
    cut = resized_crop(ramps(400), 8, (0.2, 0.6), generator())
    rows, columns = cut[:, 0], cut[:, 1]
    assert rows.diff(dim=2).abs().max() < 1e-5 and columns.diff(dim=1).abs().max() < 1e-5
    inner = slice(2, 6)  # away from the border, where the outermost pixels end the ramp
    height = rows[:, inner].diff(dim=1).mean((1, 2)) * 8 / 2
    width = columns[:, :, inner].diff(dim=2).mean((1, 2)) * 8 / 2
    area, ratio = (height * width).abs(), (width / height).abs()
    assert area.min() > 0.19 and area.max() < 0.61 and area.std() > 0.08
    assert ratio.min() > 3 / 4 - 0.01 and ratio.max() < 4 / 3 + 0.01
    assert 150 < (height > 0).sum() < 250 and 150 < (width > 0).sum() < 250
    assert cut.abs().max() <= 1  # nothing from outside the image


def test_whole_image_is_only_flipped() -> None:
    images = torch.randn(8, 2, 6, 6)
    cut = resized_crop(images, 6, (1.0, 1.0), generator())
    # A ratio of sides other than 1 cannot keep the whole area; both sides are then cut at the image's.
    assert cut.shape == images.shape and torch.isfinite(cut).all()


def test_blur_is_the_gaussian_of_its_deviation() -> None:
    """A point becomes a bell whose variance is the deviation squared, on both axes; its sum stays."""
    image = torch.zeros(1, 1, 31, 31)
    image[0, 0, 15, 15] = 1
    bell = blurred(image, (2.0, 2.0), 1.0, generator())[0, 0]
    offsets = torch.arange(31) - 15.0
    assert bell.sum().item() == pytest.approx(1, abs=1e-5)
    for axis in (0, 1):
        assert (bell.sum(1 - axis) * offsets**2).sum().item() == pytest.approx(4, rel=0.05)


def test_blur_acts_on_its_share_of_the_samples() -> None:
    images = torch.randn(400, 1, 8, 8)
    changed = (blurred(images, (1.0, 2.0), 0.3, generator()) != images).flatten(1).any(1)
    assert changed.float().mean().item() == pytest.approx(0.3, abs=0.08)


def test_optical_gets_gain_and_offset_radar_offset_and_noise() -> None:
    """Within an optical band pixels keep a linear relation; SAR has its slope kept, and noise added."""
    how = Augmentation(jitter=1.0, gain=0.4, offset=0.4, sar_gain=0.2, speckle=0.3)
    images = torch.randn(300, 2, 16, 16)
    out = how._jittered(images, ("vv", "red"), generator())
    x, y = images.flatten(2), out.flatten(2)
    slope = ((x - x.mean(2, True)) * (y - y.mean(2, True))).mean(2) / x.var(2, correction=0)
    rest = y - y.mean(2, True) - slope[..., None] * (x - x.mean(2, True))
    assert rest[:, 1].abs().max() < 1e-4 and slope[:, 1].min() >= 0.6 and slope[:, 1].max() <= 1.4
    assert slope[:, 1].std() > 0.2
    assert rest[:, 0].std().item() == pytest.approx(0.3, rel=0.02)
    assert slope[:, 0].mean().item() == pytest.approx(1, abs=0.01)
    shift = (y - x).mean(2)[:, 0]
    assert shift.abs().max() < 0.2 + 0.1 and shift.std() > 0.08


def test_elevation_keeps_its_values() -> None:
    """Neither gain nor offset nor speckle; it is cut and blurred as the other bands of its sample are."""
    images = torch.randn(6, 3, 12, 12)
    strong = Augmentation(scale=(1.0, 1.0), jitter=1.0, sar_gain=0.5, speckle=0.5, blur=0.0)
    still = Augmentation(scale=(1.0, 1.0), **OFF)
    seen, as_is = (how.view(images, ("vv", "red", "elevation"), 12, generator()) for how in (strong, still))
    assert torch.equal(seen[:, 2], as_is[:, 2])
    assert not torch.isclose(seen[:, :2], as_is[:, :2]).flatten(2).all(2).any()
    alike = images[:, :1].expand(-1, 3, -1, -1)
    cut = Augmentation(scale=(0.2, 0.6), jitter=0.0, blur=1.0).view(
        alike, ("vv", "red", "elevation"), 8, generator()
    )
    torch.testing.assert_close(cut[:, 2], cut[:, 0])
    assert not torch.isclose(cut[:, 2], resized_crop(alike, 8, (0.2, 0.6), generator())[:, 2]).all()


def test_bands_are_dropped_by_chance() -> None:
    how = Augmentation(**OFF, band_drop=0.25)
    out = how.view(torch.ones(400, 4, 8, 8), ("vv", "vh", "red", "nir"), 8, generator())
    dropped = (out == 0).flatten(2).all(2)
    assert dropped.float().mean().item() == pytest.approx(0.25, abs=0.04)


def test_views_follow_the_generator() -> None:
    images, bands = torch.randn(4, 2, 8, 8), ("vv", "red")
    first, again, other = (Augmentation().view(images, bands, 8, generator(s)) for s in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize(
    "given", [{"scale": [0.5, 0.2]}, {"scale": [0, 1]}, {"blur_sigma": [2, 1]}, {"jit": 1}]
)
def test_impossible_settings_are_errors(given: dict[str, object]) -> None:
    with pytest.raises(RevisitError):
        read(Augmentation, given, "augmentation")
