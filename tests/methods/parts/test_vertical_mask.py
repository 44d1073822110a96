"""The four vertical masks leave exactly what the method's truth table says."""

from collections import Counter

import pytest
import torch

from revisit.errors import RevisitError
from revisit.methods.parts.vertical_mask import VerticalMask

SAR = ("vv", "vh")
OPTICAL = ("blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22")
FULL_SAR, FULL_OPTICAL, PART_SAR, PART_OPTICAL, BOTH = range(5)


def outcomes(visible: torch.Tensor) -> torch.Tensor:
    """Column of the truth table of each position [..., 12 channels] -> [...]; fails where nothing is seen."""
    sar, optical = visible[..., :2], visible[..., 2:]
    assert visible.any(-1).all()
    result = torch.full(visible.shape[:-1], BOTH)
    for own, other, full in ((sar, optical, FULL_SAR), (optical, sar, FULL_OPTICAL)):
        alone = ~other.any(-1)
        result[alone] = torch.where(own.all(-1), full, full + 2)[alone]
    return result


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("rm", {FULL_SAR, FULL_OPTICAL}),
        ("rc", {PART_SAR, PART_OPTICAL, BOTH}),
        ("rm+rc", {PART_SAR, PART_OPTICAL}),
        ("3dm", {PART_SAR, PART_OPTICAL, BOTH}),
    ],
)
def test_truth_table(variant: str, expected: set[int]) -> None:
    """Over many draws each outcome of the table's row occurs, and no other."""
    generator = torch.Generator().manual_seed(0)
    visible = VerticalMask(variant, SAR + OPTICAL).draw(800, 64, generator)  # type: ignore[arg-type]
    assert visible.shape == (800, 64, 12) and visible.dtype == torch.bool
    assert set(outcomes(visible).flatten().tolist()) == expected


def test_3dm_drops_a_modality_at_exactly_half_of_the_positions() -> None:
    """In every sample 32 of 64 positions show one modality, but for the rare random draw that does too."""
    visible = VerticalMask("3dm", SAR + OPTICAL).draw(500, 64, torch.Generator().manual_seed(0))
    one_modality = (outcomes(visible) != BOTH).sum(1)
    assert one_modality.min() >= 32
    # rc alone leaves part of SAR in 2 and part of optical in 1022 of 4093 patterns.
    assert one_modality.float().mean().item() == pytest.approx(32 + 32 * 1024 / 4093, abs=0.3)


def test_random_modality_is_a_fair_coin() -> None:
    """Each modality is dropped half of the time."""
    visible = VerticalMask("rm", SAR + OPTICAL).draw(500, 64, torch.Generator().manual_seed(0))
    assert visible[..., 0].float().mean().item() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("bands", [("vv", "vh", "red", "green"), ("vv", "vh", "red", "green", "blue")])
def test_random_channel_is_the_draw_with_redraw(bands: tuple[str, ...]) -> None:
    """Patterns are as frequent as when channels are dropped by coins and forbidden outcomes drawn again."""
    count = len(bands)
    generator = torch.Generator().manual_seed(0)
    visible = VerticalMask("rc", bands).draw(2000, 16, generator).flatten(0, 1)
    coins = torch.rand(100_000, count, generator=generator) < 0.5
    sar, optical = coins[:, :2], coins[:, 2:]
    full = (sar.all(1) & ~optical.any(1)) | (optical.all(1) & ~sar.any(1))
    reference = coins[coins.any(1) & ~full]
    ours, theirs = (Counter(map(tuple, draws.tolist())) for draws in (visible, reference))
    assert set(ours) == set(theirs)
    for pattern, times in ours.items():
        assert times / len(visible) == pytest.approx(theirs[pattern] / len(reference), rel=0.15)


@pytest.mark.parametrize("bands", [SAR, OPTICAL])
def test_one_modality(bands: tuple[str, ...]) -> None:
    """With one modality channels are dropped at random; there is no modality to drop, which is said."""
    for variant in ("rc", "3dm"):
        visible = VerticalMask(variant, bands).draw(50, 64, torch.Generator().manual_seed(0))  # type: ignore[arg-type]
        assert visible.any(-1).all() and not visible.all(-1).any()
    for variant in ("rm", "rm+rc"):
        with pytest.raises(RevisitError, match="use mask rc"):
            VerticalMask(variant, bands)  # type: ignore[arg-type]


def test_too_few_channels() -> None:
    """Part of a modality with one channel does not exist, which is said."""
    with pytest.raises(RevisitError, match="two channels of each"):
        VerticalMask("rm+rc", ("vv", "red", "green"))


def test_draws_follow_the_generator() -> None:
    """The same seed gives the same masks."""
    mask = VerticalMask("3dm", SAR + OPTICAL)
    first, second = (mask.draw(4, 16, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
