"""What a channel of an encoder from elsewhere is fed: which band, in which unit, on which scale."""

from typing import Any

import numpy as np
import pytest

from revisit.errors import RevisitError
from revisit.nets.external.declaration import Declaration, Feed, Scale, feeds, gain_and_offset, matching
from revisit.nets.rescale import Limits

BANDS = ["vv", "blue", "red", "nir", "swir16"]


@pytest.mark.parametrize(
    ("channel", "band"),
    [
        ("red", "red"),
        (665.0, "red"),  # what others give as the centres of these bands
        (842, "nir"),
        (1610, "swir16"),
        (1373.5, None),  # cirrus
        ("vh", None),
        (705.0, None),  # 40 nm from red is not red
        (865.0, None),  # nor is the narrow infrared the wide one
    ],
)
def test_bands_are_matched_by_name_or_wavelength(channel: Any, band: str | None) -> None:
    assert matching(channel, BANDS) == band


def test_missing_bands_are_filled_as_said_or_refused() -> None:
    """None is silently another band, or zero."""
    declaration = Declaration(("red", "rededge1", "vh"), Scale(unit="deviations"))
    with pytest.raises(
        RevisitError, match=r"needs a band 'rededge1', the images have vv, .*missing: zero, mean"
    ):
        feeds(declaration, BANDS, "refuse")
    with pytest.raises(RevisitError, match="zero means nothing for 'rededge1', whose scale is in deviations"):
        feeds(declaration, BANDS, "zero")
    with pytest.raises(RevisitError, match="nearest finds no band with a wavelength for 'vh'; choose mean"):
        feeds(declaration, BANDS, "nearest")
    optical = Declaration(("red", "rededge1", 1373.5), Scale(unit="reflectance"), absent={1373.5: "zero"})
    assert feeds(optical, BANDS, "nearest") == [
        Feed("red", "red", None),
        Feed("rededge1", "red", "nearest"),
        Feed(1373.5, None, "zero"),
    ]
    with pytest.raises(RevisitError, match="none of its channels is among the bands vv"):
        feeds(Declaration(("red", "nir"), Scale()), ["vv"], "mean")


def test_a_band_is_not_two_channels() -> None:
    """Of 842 and 865 nm one is there: the other is not fed it silently, but may be named and filled."""
    bands = ["red", "nir08"]
    for channels in ((842.0, 865.0), ("nir08", 842.0)):
        with pytest.raises(
            RevisitError, match=r"band 'nir08' would be two channels, .* and .*; add the other"
        ):
            feeds(Declaration(channels, Scale()), bands, "refuse")
    named = Declaration(("nir", 865.0), Scale())
    assert feeds(named, bands, "nearest") == [Feed("nir", "nir08", "nearest"), Feed(865.0, "nir08", None)]


def test_statistics_in_another_unit_are_refused() -> None:
    """Decibels are not standardised by the statistics of reflectance."""
    with pytest.raises(
        RevisitError, match="unit: is reflectance-10000 for 'vv', band 'vv' of the images is in dB"
    ):
        feeds(Declaration(("vv",), Scale(unit="reflectance-10000")), BANDS, "refuse")
    with pytest.raises(RevisitError, match="band 'vv' is in linear, the encoder takes dB"):
        gain_and_offset(Feed("vv", "vv", None), ("dB", 0, 1), {"vv": Limits("linear", 3, 0, 1)})


def test_a_list_of_another_length_is_refused() -> None:
    with pytest.raises(RevisitError, match=r"scale\.mean: has 2 values for 3 channels"):
        Scale(mean=(1.0, 2.0)).of_channels(3)


@pytest.mark.parametrize(
    ("unit", "times", "limits"),
    [
        ("reflectance", 1.0, Limits("reflectance", 3.0, -0.05, 0.35)),
        ("reflectance-10000", 1e4, Limits("reflectance", 2.0, 0.01, 0.2)),
        ("dB", 1.0, Limits("dB", 3.0, -25.0, 2.0)),
    ],
)
def test_values_arrive_as_the_statistics_want_them(unit: Any, times: float, limits: Limits) -> None:
    """From 8 bit to (value - mean) / std of the physical value, in the unit of the statistics."""
    stored = np.array([0, 1, 100, 255])
    value = limits.lower + stored / 255 * (limits.upper - limits.lower)
    z = limits.clip_sigma * (2 * stored / 255 - 1)
    gain, offset = gain_and_offset(Feed("a", "a", None), (unit, 0.7, 0.3), {"a": limits})
    np.testing.assert_allclose(gain * z + offset, (times * value - 0.7) / 0.3, rtol=1e-9, atol=1e-9)


def test_what_fills_a_channel() -> None:
    """A value of zero, or the mean, both as the encoder would see them; deviations, from the band's mean."""
    scale = ("reflectance-10000", 1000.0, 500.0)
    assert gain_and_offset(Feed("a", None, "zero"), scale, {}) == (0.0, -2.0)
    assert gain_and_offset(Feed("a", None, "mean"), scale, {}) == (0.0, 0.0)
    limits = {"a": Limits("dB", 3.0, -30.0, 0.0)}
    assert gain_and_offset(Feed("a", "a", None), ("deviations", -2.0, 4.0), limits) == (0.25, 0.5)
    assert gain_and_offset(Feed("a", "a", None), scale, None) == (1.0, 0.0)
