"""Colour jitter is torchvision's, with factors of each sample's own, between black and white as stated."""

import pytest
import torch
from torch import Tensor

from revisit.errors import RevisitError
from revisit.methods.parts import colour
from revisit.methods.parts.augmentation import Augmentation

RGB = ("red", "green", "blue")
functional = pytest.importorskip("torchvision.transforms.functional")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def standardised(samples: int = 6, spread: float = 1.2) -> Tensor:
    return spread * torch.randn(samples, 3, 8, 8, generator=generator(1))


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_jitter_is_that_of_torchvision(strength: float) -> None:
    """Sample by sample, with the factors that the generator gives, on the picture of mean -+ 3 deviations."""
    images = standardised()
    images[0] = images[0, :1]  # grey has no hue
    draws = 2 * torch.rand(4, 6, 1, 1, 1, generator=generator()) - 1
    found = colour.colour_jitter(images, strength, generator())
    for image, own, (bright, contrast, saturation, hue) in zip(
        images, found, draws.flatten(1).T.tolist(), strict=True
    ):
        picture = ((image + 3) / 6).clamp(0, 1)
        picture = functional.adjust_brightness(picture, 1 + 0.8 * strength * bright)
        picture = functional.adjust_contrast(picture, 1 + 0.8 * strength * contrast)
        picture = functional.adjust_saturation(picture, 1 + 0.8 * strength * saturation)
        picture = functional.adjust_hue(picture, 0.2 * strength * hue)
        # Its luminance has 0.2989 and 0.587, ours 0.299.
        torch.testing.assert_close(own, 6 * picture - 3, atol=5e-3, rtol=0)


def test_each_sample_has_its_own_factors() -> None:
    images = standardised(1).expand(50, -1, -1, -1)
    found = Augmentation(jitter=0.6, colour=0.5, blur=0).recoloured(images, RGB, generator())
    assert len(found.unique(dim=0)) == pytest.approx(1 + 0.6 * 50, abs=10)
    same = (found == images).flatten(1).all(1)
    assert same.float().mean().item() == pytest.approx(0.4, abs=0.2)


def test_grayscale_acts_on_its_share() -> None:
    """All three bands become the luminance, which weighs green most."""
    images = standardised(400)
    found = Augmentation(jitter=0, blur=0, grayscale=0.2).recoloured(images, RGB, generator())
    grey = (found[:, 0] == found[:, 2]).flatten(1).all(1)
    assert grey.float().mean().item() == pytest.approx(0.2, abs=0.06)
    torch.testing.assert_close(found[~grey], images[~grey])
    weighted = 0.299 * images[:, 0] + 0.587 * images[:, 1] + 0.114 * images[:, 2]
    torch.testing.assert_close(found[grey], weighted[grey][:, None].expand(-1, 3, -1, -1))


@pytest.mark.parametrize("bands", [("vv", "vh"), ("blue", "green", "red"), ("vv", "red", "green", "blue")])
def test_other_bands_are_refused(bands: tuple[str, ...]) -> None:
    for how in (Augmentation(colour=0.5), Augmentation(grayscale=0.2)):
        with pytest.raises(RevisitError, match="entry: colour and grayscale need the bands"):
            how.check(bands, "entry")
    Augmentation().check(bands, "entry")
    Augmentation(colour=1.0, grayscale=0.2).check(RGB, "entry")
