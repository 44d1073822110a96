"""Names in tables: no two settings share one, and sizes that are known by a name keep it."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from revisit import parts
from revisit.nets.load_save import architecture_name
from revisit.nets.segmentation.dual_swin_unet import DualSwinUNet
from revisit.nets.segmentation.swin_unet import SwinUNet
from revisit.nets.segmentation.unet import UNet

SWIN = {"name": "swin", "patch_pixels": 4, "dim": 8, "depths": [1, 1], "heads": [1, 2], "window": 4}
SWIN_T = {**SWIN, "dim": 96, "depths": [2, 2, 6, 2], "heads": [3, 6, 12, 24], "window": 7}
VIT_B = {"name": "channel-vit", "patch_pixels": 16, "dim": 768, "depth": 12, "heads": 12}

VITS = {"tiny": "Ti", "small": "S", "base": "B", "large": "L"}
SWINS = {"tiny": "T", "small": "S", "base": "B", "large": "L"}

# Values of each setting, all of which go together; those of well-known sizes are among them.
VALUES: dict[str, dict[str, Sequence[Any]]] = {
    "channel-vit": {
        "patch_pixels": [8, 16],
        "dim": [96, 384, 768],
        "depth": [1, 11, 12],
        "heads": [1, 6, 12],
        "mlp_ratio": [4.0, 2, 2.5, 2.0000001],
    },
    "vit": {
        "patch_pixels": [8, 16],
        "dim": [96, 768],
        "depth": [11, 12],
        "heads": [6, 12],
        "mlp_ratio": [4.0, 2],
        "pooling": ["mean", "class-token"],
        "qkv_bias": [True, False],
    },
    "swin": {
        "patch_pixels": [2, 4],
        "dim": [48, 96, 192],
        "depths": [(2, 2, 2, 2), (2, 2, 6, 2), (2, 2, 18, 2), (22, 2, 2, 2)],
        "heads": [(3, 6, 12, 24), (1, 1, 1, 1), (6, 12, 24, 48)],
        "window": [7, 8],
    },
    "channel-unet": {"channel_width": [16, 64], "width": [16, 64]},
    "resnet": {"depth": [18, 34, 50], "stem": ["imagenet", "small"], "width": [64, 16]},
    "timm": {
        "missing": ["refuse", "mean"],
        "enlarge": [1, 2],
        "channels": [["red", "vv"], ["red", 664.6], ["red"]],
        "scale": [{}, {"unit": "reflectance"}, {"mean": 0.1, "clip": [0, 1]}, {"std": 0.1}],
        "model": ["resnet18", "resnet50"],
        "options": [{}, {"global_pool": "avg"}],
        "resolution_m": [None, 30],
    },
    "ssl4eo-s12": {
        "missing": ["refuse", "zero"],
        "enlarge": [1, 4],
        "weights": ["s2-moco-resnet18", "s2-moco-resnet50", "s1-moco-resnet50"],
    },
    "satmae": {"missing": ["refuse", "mean"], "enlarge": [1, 2]},
    "prithvi": {"missing": ["refuse", "nearest"], "enlarge": [1, 2]},
    "dofa": {
        "missing": ["refuse", "mean"],
        "enlarge": [1, 2],
        "model": ["base", "large"],
        "channels": [["vv", "vh"], ["red"]],
    },
    "croma": {
        "missing": ["refuse", "mean"],
        "enlarge": [1, 2],
        "sensors": ["s1", "s2", "s1+s2"],
        "model": ["base", "large"],
    },
    "unet-generator": {
        "makes": [("vv", "vh"), ("vv",)],
        "width": [64, 16],
        "levels": [8, 5],
        "dropout": [0.5, 0, 0.50000001],
    },
    "composite": {
        "parts": [
            [{"bands": first, "encoder": one}, {"bands": second, "encoder": other}]
            for first, second in ((["vv", "vh"], None), (None, ["vv", "vh"]), (["vv"], ["vh"]))
            for one, other in product([SWIN, {**SWIN, "window": 2}, {**SWIN, "heads": [2, 2]}], repeat=2)
        ]
    },
}


def entries(name: str) -> Iterable[dict[str, Any]]:
    for values in product(*VALUES[name].values()):
        yield {"name": name, **dict(zip(VALUES[name], values, strict=True))}


def test_every_setting_is_varied() -> None:
    """A new architecture, or a new setting of one, must come into the test below."""
    assert set(VALUES) == set(parts.names("encoder"))
    for name, values in VALUES.items():
        assert set(parts.find("encoder", name).Settings.model_fields) == set(values)


def test_no_two_settings_share_a_name() -> None:
    """Whatever differs between two encoders is in their names."""
    named = [architecture_name(entry) for name in VALUES for entry in entries(name)]
    assert len(named) == len(set(named)) > 300


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        (VIT_B, "Channel ViT-B/16"),
        ({**VIT_B, "dim": 384, "heads": 6, "patch_pixels": 8}, "Channel ViT-S/8"),
        ({**VIT_B, "name": "vit", "qkv_bias": False}, "ViT-B/16 no qkv bias"),
        ({**VIT_B, "name": "vit", "pooling": "class-token"}, "ViT-B/16 class token"),
        ({**VIT_B, "heads": 6}, "channel-vit dim 768 depth 12 heads 6 patch 16"),
        ({**VIT_B, "mlp_ratio": 2}, "channel-vit dim 768 depth 12 heads 12 mlp 2 patch 16"),
        (SWIN_T, "Swin-T"),
        ({**SWIN_T, "depths": [2, 2, 2, 2]}, "Swin-T lite"),
        ({**SWIN_T, "depths": [2, 2, 2, 2], "window": 8}, "Swin-T lite window 8"),
        ({**SWIN_T, "dim": 192}, "swin dim 192 depth 2/2/6/2 heads 3/6/12/24 window 7 patch 4"),
        ({"name": "resnet", "depth": 50}, "ResNet-50"),
        ({"name": "croma", "sensors": "s1+s2"}, "croma base s1+s2"),
        (
            {"name": "timm", "model": "resnet50", "channels": ["red", 842], "enlarge": 2},
            "timm resnet50 on red,842 enlarge 2",
        ),
        ({"name": "resnet", "depth": 18, "stem": "small"}, "ResNet-18 small stem"),
        (
            {"name": "composite", "parts": [{"bands": ["vv", "vh"], "encoder": SWIN_T}, {"encoder": SWIN_T}]},
            "composite (Swin-T on vv,vh; Swin-T on the rest)",
        ),
    ],
)
def test_well_known_names(entry: Mapping[str, Any], name: str) -> None:
    """The name of the literature for its sizes alone; what differs from them is told."""
    assert architecture_name(entry) == name


@pytest.mark.parametrize(
    ("timms", "name"),
    [
        *((f"vit_{size}_patch16_224", f"Channel ViT-{short}/16") for size, short in VITS.items()),
        *((f"swin_{size}_patch4_window7_224", f"Swin-{short}") for size, short in SWINS.items()),
    ],
)
def test_known_sizes_are_those_of_timm(timms: str, name: str) -> None:
    """An encoder with the sizes of timm's model has the name."""
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        model = timm.create_model(timms, num_classes=0)
    if name.startswith("Swin"):
        blocks = [stage.blocks for stage in model.layers]
        heads = [stage[0].attn.num_heads for stage in blocks]
        entry = {"name": "swin", "dim": model.embed_dim, "depths": [*map(len, blocks)], "heads": heads}
        entry |= {"window": 7, "patch_pixels": 4}
    else:
        entry = {"name": "channel-vit", "dim": model.embed_dim, "depth": len(model.blocks)}
        entry |= {"heads": model.blocks[0].attn.num_heads, "patch_pixels": 16}
    assert architecture_name(entry) == name


def test_a_derived_encoder_is_not_known_by_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's own ViT of that size is not ViT-B."""
    (tmp_path / "derived.py").write_text(
        "from revisit.nets.encoders.channel_vit import ChannelViT\n\nclass Mine(ChannelViT): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    name = architecture_name({**VIT_B, "name": "derived:Mine"})
    assert name == "derived:Mine dim 768 depth 12 heads 12 patch 16"


def test_networks_are_named_by_their_sizes() -> None:
    """Without pretraining a network is called by its encoders, or by its own width."""
    assert UNet.short_name(UNet.Settings(), []) == "unet width 64"
    assert UNet.short_name(UNet.Settings(width=16), []) == "unet width 16"
    assert SwinUNet.short_name(SwinUNet.Settings(), [SWIN_T]) == "Swin-T"
    both = DualSwinUNet.short_name(DualSwinUNet.Settings(), [SWIN_T, {**SWIN_T, "window": 8}])
    assert both == "Swin-T + Swin-T window 8"
