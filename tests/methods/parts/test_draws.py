"""Crops and flips move whole samples; subsets have their size."""

import torch

from revisit.methods.parts.draws import crop_and_flip, random_mask, random_subset


def test_years_and_bands_are_cut_alike() -> None:
    """All years and bands of a sample show the same pixels in the same order; samples differ."""
    pixel = torch.arange(100).view(10, 10)
    images = (pixel + 100 * torch.arange(6).view(3, 2, 1, 1)).expand(64, 3, 2, 10, 10)
    cut = crop_and_flip(images, 6, torch.Generator().manual_seed(0))
    assert cut.shape == (64, 3, 2, 6, 6)
    assert torch.equal(cut % 100, (cut[:, :1, :1] % 100).expand_as(cut))
    assert torch.equal(cut[0, :, :, 0, 0] // 100, torch.arange(6).view(3, 2))
    corners = cut[:, 0, 0, 0, 0]
    assert len(corners.unique()) > 20
    # One step along each axis is one pixel, forwards or (flipped) backwards, each about half of the time.
    for step, size in ((cut.diff(dim=-2), 10), (cut.diff(dim=-1), 1)):
        direction = step[:, 0, 0, 0, 0]
        assert torch.equal(step.abs(), torch.full_like(step, size))
        assert 16 < (direction > 0).sum() < 48


def test_whole_image_is_only_flipped() -> None:
    """Without cropping every pixel stays, so nothing is lost or repeated."""
    images = torch.randint(0, 256, (8, 2, 5, 5), dtype=torch.uint8)
    cut = crop_and_flip(images, 5, torch.Generator().manual_seed(0))
    assert cut.dtype == torch.uint8
    for flipped, image in zip(cut, images, strict=True):
        assert any(torch.equal(flipped, image.flip(d)) for d in ([], [1], [2], [1, 2]))


def test_subsets() -> None:
    """As many different indices as asked for, in order, and as many true values in a mask."""
    generator = torch.Generator().manual_seed(0)
    subset = random_subset((50, 8), 3, generator)
    assert subset.shape == (50, 3) and (subset.diff(dim=1) > 0).all()
    assert len(subset.unique()) == 8
    mask = random_mask((50, 2, 9), 4, generator)
    assert torch.equal(mask.sum(-1), torch.full((50, 2), 4))


def test_subset_prefers_what_is_wanted() -> None:
    """Others fill up only where too few are wanted, and where all are, the draw is the one without wishes."""
    wanted = torch.zeros(50, 8, dtype=torch.bool)
    wanted[:, 2:5] = True
    wanted[:, 7] = torch.arange(50) < 25
    for count in (3, 4):
        subset = random_subset((50, 8), count, torch.Generator().manual_seed(0), wanted)
        lacking = count > 3
        assert torch.equal(wanted.gather(1, subset).all(1), (torch.arange(50) < 25) | (not lacking))
    plain = random_subset((50, 8), 3, torch.Generator().manual_seed(1))
    all_wanted = torch.ones(50, 8, dtype=torch.bool)
    assert torch.equal(plain, random_subset((50, 8), 3, torch.Generator().manual_seed(1), all_wanted))
