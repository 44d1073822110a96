"""The plain ViT is timm's and MAE's, and takes any of its bands."""

from typing import Any

import pytest
import torch

from revisit.nets.encoders.vit import ViT
from revisit.nets.load_save import build_encoder, load_encoder, save_encoder
from revisit.nets.vision_transformer import position_code

BANDS = ["vv", "vh", "blue", "green", "red"]
ENTRY: dict[str, Any] = {"name": "vit", "patch_pixels": 4, "dim": 16, "depth": 2, "heads": 2}


def vit(**settings: Any) -> ViT:
    torch.manual_seed(0)
    built = build_encoder({**ENTRY, **settings, "bands": BANDS, "image_pixels": 16}).eval()
    assert isinstance(built, ViT)
    return built


@pytest.mark.parametrize("pooling", ["mean", "class-token"])
@pytest.mark.parametrize("qkv_bias", [True, False])
def test_takes_weights_by_their_names(pooling: str, qkv_bias: bool) -> None:
    """The state dict of timm's ViT with MAE's codes in the place of its own; so are the features."""
    timm = pytest.importorskip("timm.models.vision_transformer")
    torch.manual_seed(1)
    token = pooling == "class-token"
    theirs = timm.VisionTransformer(
        img_size=16, patch_size=4, in_chans=5, embed_dim=16, depth=2, num_heads=2, num_classes=0,
        class_token=token, global_pool="token" if token else "avg", fc_norm=not token, qkv_bias=qkv_bias,
    ).eval()  # fmt: skip
    codes = position_code(4, 4, 16, torch.device("cpu"))
    theirs.pos_embed.data = torch.cat([torch.zeros(int(token), 16), codes])[None]  # as in MAE
    state = theirs.state_dict()
    state = {name.replace("fc_norm", "norm"): value for name, value in state.items() if name != "pos_embed"}
    ours = vit(pooling=pooling, qkv_bias=qkv_bias)
    ours.load_state_dict(state, strict=True)
    images = torch.randn(2, 5, 16, 16)
    torch.testing.assert_close(ours.pooled(images), theirs(images), atol=1e-5, rtol=1e-4)
    if token:
        cells = theirs.forward_features(images)[:, 1:]
        torch.testing.assert_close(ours.forward_features(images), cells, atol=1e-5, rtol=1e-4)


def test_bands_that_are_absent_are_at_their_mean() -> None:
    """Images of some bands, in any order, are whole images whose other bands are 0."""
    encoder, images = vit(), torch.randn(2, 5, 16, 16)
    whole = images.clone()
    whole[:, [0, 1, 3]] = 0
    expected = encoder.forward_features(whole)
    torch.testing.assert_close(encoder.forward_features(images[:, [4, 2]], ["red", "blue"]), expected)
    torch.testing.assert_close(encoder.forward_features(images[:, [2, 4]], ["blue", "red"]), expected)


def test_shapes_layers_and_gradients() -> None:
    """Of the cells alone, at any size; every weight is in one layer and in the output."""
    for pooling, first in (("mean", set()), ("class-token", {"cls_token"})):
        encoder = vit(pooling=pooling)
        images = torch.randn(2, 5, 24, 32)
        assert encoder.forward_features(images).shape == (2, 48, 16) and encoder.pooled(images).shape == (
            2,
            16,
        )
        (level,) = encoder.pyramid(images)
        torch.testing.assert_close(level.flatten(2).transpose(1, 2), encoder.forward_features(images))
        named = {id(parameter): name for name, parameter in encoder.named_parameters()}
        groups = [{named[id(parameter)] for parameter in group} for group in encoder.layers()]
        assert groups[0] == {"patch_embed.proj.weight", "patch_embed.proj.bias"} | first
        assert len(groups) == 4 and set().union(*groups) == set(named.values())
        (encoder.pooled(images) * torch.randn(16)).sum().backward()
        assert all(parameter.grad is not None for parameter in encoder.parameters())


def test_card_says_how_images_are_pooled(tmp_path: Any) -> None:
    """A class token is kept beside the weights and comes back with them."""
    limits = {"lower": -20.0, "upper": 0.0}
    scaling = {
        "sentinel-1": {"clip_sigma": 3, "source_unit": "dB", "bands": {"vv": limits, "vh": limits}},
        "sentinel-2": {
            "clip_sigma": 3,
            "source_unit": "reflectance",
            "bands": dict.fromkeys(BANDS[2:], limits),
        },
    }
    encoder = vit(pooling="class-token", qkv_bias=False)
    save_encoder(encoder, tmp_path / "e", {"scaling": scaling})
    loaded, images = load_encoder(tmp_path / "e"), torch.randn(1, 5, 16, 16)
    assert loaded.card and loaded.card["pooling"] == "class-token"
    assert torch.equal(loaded.pooled(images), encoder.pooled(images))
