"""Reflectance and decibels become what an encoder was trained on, or are refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from revisit.cube.scaling.scaled_values import to_scaled
from revisit.errors import RevisitError
from revisit.nets.encoder import Encoder
from revisit.nets.load_save import build_encoder, load_encoder, save_encoder
from revisit.patches.standardise import standardise

BANDS = ["vv", "vh", "red"]
LIMITS = {"vv": (-21.0, -3.0), "vh": (-28.0, -8.0), "red": (-0.05, 0.3)}
VIT = {"name": "channel-vit", "patch_pixels": 4, "dim": 16, "depth": 1, "heads": 2}
SWIN = {"name": "swin", "patch_pixels": 4, "dim": 8, "depths": [1, 1], "heads": [1, 2], "window": 4}


def scaling() -> dict[str, Any]:
    return {
        sensor: {
            "clip_sigma": 3.0,
            "source_unit": unit,
            "bands": {band: dict(zip(("lower", "upper"), LIMITS[band], strict=True)) for band in bands},
        }
        for sensor, unit, bands in (("sentinel-1", "dB", BANDS[:2]), ("sentinel-2", "reflectance", BANDS[2:]))
    }


def loaded(folder: Path, architecture: dict[str, Any]) -> Encoder:
    torch.manual_seed(0)
    encoder = build_encoder({**architecture, "bands": BANDS, "image_pixels": 16})
    save_encoder(encoder, folder, {"scaling": scaling()})
    return load_encoder(folder)


@pytest.fixture
def encoder(tmp_path: Path) -> Encoder:
    return loaded(tmp_path / "vit", VIT)


@pytest.fixture
def values() -> np.ndarray:
    """Some beyond the limits."""
    random = np.random.default_rng(0)
    means = np.array([-12.0, -18.0, 0.1])[:, None, None]
    return means + np.array([6.0, 6.0, 0.1])[:, None, None] * random.normal(size=(2, 3, 16, 16))


def test_it_is_what_the_cube_and_the_patches_make_of_them(encoder: Encoder, values: np.ndarray) -> None:
    """But for the rounding to 8 bit: half a step, 3 / 255 of a deviation."""
    lower, upper = (np.array([LIMITS[band][end] for band in BANDS]) for end in (0, 1))
    stored = standardise(torch.from_numpy(to_scaled(values, lower, upper)), 3.0)
    found = encoder.standardise(values, BANDS)
    assert found.dtype == torch.float32 and found.abs().max() == 3.0
    assert (found - stored).abs().max() <= 3 / 255 + 1e-5


def test_bands_by_name_and_what_was_not_seen(encoder: Encoder, values: np.ndarray) -> None:
    """Any order, others beside them; a pixel without a value is what a patch store has for one."""
    expected = encoder.standardise(values, BANDS)
    mixed = np.stack([values[:, 2], values[:, 0] * 0, values[:, 1], values[:, 0]], 1)
    assert torch.equal(encoder.standardise(mixed, ["red", "nir", "vh", "vv"]), expected)
    for empty in (np.nan, -np.inf, np.inf):
        values[0, 1, 3, 4] = empty
        found = encoder.standardise(torch.from_numpy(values), BANDS)
        assert found[0, 1, 3, 4] == standardise(torch.tensor(128), 3.0)
        assert (found != expected).sum() == 1
    values[0, 1, 3, 4] = -9999
    assert torch.equal(encoder.standardise(np.ma.masked_equal(values, -9999), BANDS), found)


def test_bands_it_can_do_without(encoder: Encoder, values: np.ndarray, tmp_path: Path) -> None:
    """One that takes any of its bands is given some; one that needs all is told what is missing."""
    found = encoder.standardise(values[:, 1::-1], ["vh", "vv"])
    assert torch.equal(found, encoder.standardise(values, BANDS)[:, :2])
    assert encoder.pooled(found, ["vv", "vh"]).shape == (2, 16)
    with pytest.raises(RevisitError, match=r"needs bands \['vv', 'vh', 'red'\]"):
        loaded(tmp_path / "swin", SWIN).standardise(values[:, :2], ["vv", "vh"])
    with pytest.raises(RevisitError, match="needs vv, vh, red, bands given are"):
        encoder.standardise(values, ["B1", "B2", "B3"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda v: v * [[[1]], [[1]], [[1e4]]], "'red' has a median of .* divide them by 10,000"),
        (lambda v: 10 ** (v / 10), "'vv' is nowhere below 0 dB; of linear power take 10 log10"),
        (lambda v: np.where(v > 0.1, v, -9999), "'vv' has values of -9999, which stand for no data; mask"),
        (lambda v: v[:, :2], r"expected \[..., 3, H, W\] for \['vv', 'vh', 'red'\], got \[2, 2, 16, 16\]"),
    ],
)
def test_other_units_are_told(encoder: Encoder, values: np.ndarray, change: Any, told: str) -> None:
    with pytest.raises(RevisitError, match=told):
        encoder.standardise(change(values), BANDS)


def test_pooled_refuses_what_is_not_standardised(encoder: Encoder, values: np.ndarray) -> None:
    """Physical values and 8 bit are told from standardised ones, which augmentation may carry beyond 3."""
    with pytest.raises(RevisitError, match=r"within ± 3, got values up to .*give reflectance or dB to"):
        encoder.pooled(torch.from_numpy(values).float())
    with pytest.raises(RevisitError, match=r"got torch\.uint8; give physical values to encoder\.standardise"):
        encoder.pooled(torch.zeros(1, 3, 16, 16, dtype=torch.uint8))
    encoder.pooled(2 * encoder.standardise(values, BANDS))


def test_only_an_encoder_with_limits_of_its_own(tmp_path: Path, values: np.ndarray) -> None:
    """One without a card has none, and one whose input is rescaled takes those of other images."""
    fresh = build_encoder({**VIT, "bands": BANDS, "image_pixels": 16})
    with pytest.raises(RevisitError, match="no card"):
        fresh.standardise(values, BANDS)
    loaded(tmp_path / "vit", VIT)
    rescaled = load_encoder(tmp_path / "vit", scaling=scaling(), rescale=True)
    with pytest.raises(RevisitError, match="without rescale"):
        rescaled.standardise(values, BANDS)
