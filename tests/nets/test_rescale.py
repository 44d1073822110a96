"""An encoder on data of other limits sees what its own limits would have made of them."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from revisit.errors import RevisitError
from revisit.nets.encoders.channel_vit import ChannelViT
from revisit.nets.load_save import load_encoder, save_encoder
from revisit.patches.batch import MISSING
from revisit.patches.standardise import standardise

BANDS = ("vv", "red")


def scaling(clip: float, vv: tuple[float, float], red: tuple[float, float]) -> dict[str, Any]:
    def sensor(unit: str, band: str, limits: tuple[float, float]) -> dict[str, Any]:
        return {
            "clip_sigma": clip,
            "source_unit": unit,
            "bands": {band: {"lower": limits[0], "upper": limits[1]}},
        }

    return {"sentinel-1": sensor("dB", "vv", vv), "sentinel-2": sensor("reflectance", "red", red)}


OWN, OTHER = scaling(3, (-20, 0), (0.0, 0.3)), scaling(2, (-25, 5), (-0.1, 0.2))


def stored(physical: Tensor, given: dict[str, Any]) -> tuple[Tensor, float]:
    """What a store of these limits holds, unrounded, and its clip."""
    limits = [entry for sensor in given.values() for entry in sensor["bands"].values()]
    lower = torch.tensor([entry["lower"] for entry in limits])[:, None, None]
    upper = torch.tensor([entry["upper"] for entry in limits])[:, None, None]
    return ((physical - lower) / (upper - lower)).clamp(0, 1) * 255, given["sentinel-1"]["clip_sigma"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    settings = ChannelViT.Settings(patch_pixels=4, dim=16, depth=1, heads=2)
    save_encoder(ChannelViT(settings, BANDS, 8), tmp_path, {"scaling": OWN})
    return tmp_path


def test_same_ground_same_features(folder: Path) -> None:
    """The same physical values, stored with other limits and another clip, give the same features."""
    physical = torch.stack([torch.rand(4, 8, 8) * 24 - 22, torch.rand(4, 8, 8) * 0.2], 1)
    assert (physical[:, 0] > 0).any() and (physical[:, 0] < -20).any(), "some values lie outside its limits"
    expected = load_encoder(folder, scaling=OWN).pooled(standardise(*stored(physical, OWN)))
    moved = load_encoder(folder, scaling=OTHER, rescale=True)
    assert moved.rescaled
    images = standardise(*stored(physical, OTHER))
    torch.testing.assert_close(moved.pooled(images), expected, atol=1e-5, rtol=1e-4)
    alone = load_encoder(folder, bands=["red"], scaling=OTHER, rescale=True)
    own = load_encoder(folder).pooled(standardise(*stored(physical, OWN))[:, 1:], ["red"])
    torch.testing.assert_close(alone.pooled(images[:, 1:], ["red"]), own, atol=1e-5, rtol=1e-4)
    assert (load_encoder(folder).pooled(images) - expected).abs().max() > 0.01, "unscaled they differ"


def test_rounded_or_not_is_no_other_scaling(folder: Path) -> None:
    """An encoder that learnt from 8 bit takes floats of the same limits, half a step apart at most."""
    floats = {sensor: entry | {"dtype": "float32"} for sensor, entry in OWN.items()}
    encoder = load_encoder(folder, scaling=floats)
    physical = torch.stack([torch.rand(4, 8, 8) * 24 - 22, torch.rand(4, 8, 8) * 0.2], 1)
    exact, clip = stored(physical, OWN)
    images, eight = standardise(exact, clip), standardise(exact.round().to(torch.uint8), clip)
    assert 0 < (images - eight).abs().max() <= 0.5 * 2 * clip / 255 + 1e-6
    torch.testing.assert_close(encoder.pooled(images), encoder.pooled(eight), atol=0.05, rtol=0.05)


def test_only_when_asked(folder: Path) -> None:
    """Without the word other limits are refused; with it, units still are, and so is a missing scaling."""
    with pytest.raises(RevisitError, match="the images have"):
        load_encoder(folder, scaling=OTHER)
    power = copy.deepcopy(OTHER)
    power["sentinel-1"]["source_unit"] = "linear power"
    with pytest.raises(RevisitError, match="cannot change the unit"):
        load_encoder(folder, scaling=power, rescale=True)
    with pytest.raises(RevisitError, match="needs the scaling"):
        load_encoder(folder, rescale=True)
    with pytest.raises(RevisitError, match="no band 'red'"):
        load_encoder(folder, scaling={"sentinel-1": OTHER["sentinel-1"]}, rescale=True)


def test_equal_limits_change_nothing(folder: Path) -> None:
    """Asked for without need, rescaling is the identity; a rescaled encoder is never saved as another."""
    images = torch.rand(2, 2, 8, 8) * 4 - 2
    moved = load_encoder(folder, scaling=OWN, rescale=True)
    assert torch.equal(moved.pooled(images), load_encoder(folder).pooled(images))
    with pytest.raises(RevisitError, match="rescaled"):
        save_encoder(moved, folder / "b", {"scaling": OTHER})


@pytest.mark.parametrize("bands", [("vv", "vh", "red", "green"), ("red", "vh", "green", "vv")])
def test_what_images_lack_stays_missing(tmp_path: Path, bands: tuple[str, ...]) -> None:
    """Between any limits a stored 128 in all bands of a sensor is no data; in one of them it is a value."""

    def wide(given: dict[str, Any]) -> dict[str, Any]:
        pairs = zip(given.items(), (("vv", "vh"), ("red", "green")), strict=True)
        return {
            name: {**sensor, "bands": dict.fromkeys(of, next(iter(sensor["bands"].values())))}
            for (name, sensor), of in pairs
        }

    torch.manual_seed(0)
    settings = ChannelViT.Settings(patch_pixels=4, dim=16, depth=1, heads=2)
    save_encoder(ChannelViT(settings, bands, 8), tmp_path, {"scaling": wide(OWN)})
    moved = load_encoder(tmp_path, scaling=wide(OTHER), rescale=True)
    images = torch.full((1, 4, 8, 8), 90.0)
    sar = [bands.index(band) for band in ("vv", "vh")]
    images[:, sar, :4] = MISSING
    images[:, bands.index("red"), 4:] = MISSING
    seen = moved.enter(standardise(images, 2))[0]
    assert torch.equal(seen[:, sar, :4], standardise(torch.full((1, 2, 4, 8), MISSING), 3))
    factor, shift = moved.input_affine[:2, :, None, None]  # type: ignore[index]
    plain = (standardise(images, 2) * factor + shift).clamp(-3, 3)
    plain[:, sar, :4] = seen[:, sar, :4]
    torch.testing.assert_close(seen, plain)
