"""Ready encoders take files in the layout of their authors, and give their library's features.

The weights are random; the architectures of SatMAE and Prithvi are shrunk, their layouts are not.
"""

from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from revisit.cube.bands import WAVELENGTH_NM
from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, build_method
from revisit.nets.encoders import prithvi, satmae
from revisit.nets.external.encoder import External
from revisit.nets.external.weights import adopt
from revisit.nets.load_save import build_encoder

timm = pytest.importorskip("timm")
OPTICAL = list(WAVELENGTH_NM)
BANDS = ["vv", "vh", *OPTICAL]
RANGE = {"sentinel-1": ("dB", -25.0, 1.0), "sentinel-2": ("reflectance", -0.1, 0.5)}
SCALING: dict[str, Any] = {
    sensor: {
        "clip_sigma": 3.0,
        "source_unit": unit,
        "bands": {band: {"lower": low, "upper": high} for band in bands},
    }
    for (sensor, (unit, low, high)), bands in zip(RANGE.items(), (BANDS[:2], OPTICAL), strict=True)
}


def encoder(name: str, side: int, **settings: Any) -> External:
    torch.manual_seed(1)
    made = build_encoder({"name": name, "bands": BANDS, "image_pixels": side, **settings})
    assert isinstance(made, External)
    return made.eval()


def images(side: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Standardised images of all bands, and the physical values they stand for, by band."""
    z = torch.rand(2, len(BANDS), side, side, generator=torch.Generator().manual_seed(2)) * 6 - 3
    physical = {}
    for number, band in enumerate(BANDS):
        _, low, high = RANGE["sentinel-1" if band in ("vv", "vh") else "sentinel-2"]
        physical[band] = low + (z[:, number] / 3 + 1) / 2 * (high - low)
    return z, physical


@torch.inference_mode()
def check(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=2e-4, atol=2e-5)


def test_ssl4eo_s12_of_sentinel_2(tmp_path: Path) -> None:
    """Reflectance as it is, thirteen bands of which the eleventh is none: zeros."""
    torch.manual_seed(0)
    model = timm.create_model("resnet18", in_chans=13).eval()
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    own = encoder("ssl4eo-s12", 32, weights="s2-moco-resnet18")
    adopt(own, tmp_path / "weights.pth", SCALING)
    z, physical = images(32)
    order = [physical[band] for band in OPTICAL]
    inputs = torch.stack([*order[:10], torch.zeros_like(order[0]), *order[10:]], 1)
    with torch.inference_mode():
        check(own.pooled(z), model.forward_head(model.forward_features(inputs), pre_logits=True))
    assert own.origin is not None and own.origin["trained_on"] == "SSL4EO-S12"
    assert own.origin["input"]["resolution_m"] == 10
    assert own.origin["input"]["fed"][10] == "zero" and own.origin["input"]["unused"] == ["vv", "vh"]


def test_satmae(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint of MAE's code: the model beside its arguments and optimiser, with a decoder."""
    monkeypatch.setattr(satmae, "MODEL", "test_vit")
    torch.manual_seed(0)
    model = timm.create_model("test_vit", num_classes=0).eval()
    decoder = {"mask_token": torch.zeros(1, 1, 8), "decoder_pos_embed": torch.zeros(1, 101, 8)}
    decoder |= {"decoder_blocks.0.norm1.weight": torch.ones(8), "decoder_pred.bias": torch.zeros(768)}
    content = {"model": model.state_dict() | decoder, "epoch": 799, "args": Namespace(blr=1e-3)}
    torch.save(content | {"optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}}}, tmp_path / "weights.pth")
    own = encoder("satmae", 160)
    adopt(own, tmp_path / "weights.pth", SCALING)
    z, _ = images(160)
    with torch.inference_mode():
        check(own.pooled(z), model(z[:, [BANDS.index(band) for band in ("red", "green", "blue")]]))


class ThreeAxes(nn.Module):
    """A ViT on images with time [B, C, T, H, W] as Prithvi's paper has it, with sine codes of three axes."""

    def __init__(self, bands: int, dim: int, depth: int, heads: int, dates: int, grid: int) -> None:
        super().__init__()
        block = pytest.importorskip("timm.models.vision_transformer").Block
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv3d(bands, dim, (1, 16, 16), (1, 16, 16))
        self.cls_token = nn.Parameter(torch.randn(1, 1, dim))
        self.blocks = nn.ModuleList(
            block(dim, heads, 3, qkv_bias=True, norm_layer=partial(nn.LayerNorm, eps=1e-6))
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.register_buffer("pos_embed", self.codes(dim, dates, grid))

    @staticmethod
    def codes(dim: int, dates: int, grid: int) -> Tensor:
        """Of column, row and date, 6, 6 and 4 sixteenths of the width, after zeros for the class."""

        def waves(width: int, place: int) -> np.ndarray:
            angles = place / 10000 ** (np.arange(width // 2) / (width // 2))
            return np.concatenate([np.sin(angles), np.cos(angles)])

        part = dim // 16
        rows = [
            np.concatenate([waves(6 * part, column), waves(6 * part, row), waves(4 * part, date)])
            for date in range(dates)
            for row in range(grid)
            for column in range(grid)
        ]
        return torch.from_numpy(np.array([np.zeros(dim), *rows])).float()[None]

    def forward(self, images: Tensor) -> Tensor:
        patches = self.patch_embed.proj(images).flatten(2).transpose(1, 2)
        codes = self.pos_embed[:, : 1 + patches.shape[1]]  # type: ignore[index]
        tokens = torch.cat(
            [(self.cls_token + codes[:, :1]).expand(len(images), -1, -1), patches + codes[:, 1:]], 1
        )
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)


def test_prithvi_of_one_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained on four dates, shown one: the features of the network with a third axis."""
    monkeypatch.setattr(prithvi, "MODEL", "test_vit")
    monkeypatch.setattr(prithvi, "GRID", 10)
    torch.manual_seed(0)
    sizes = timm.create_model("test_vit")
    dim, heads = sizes.embed_dim, sizes.blocks[0].attn.num_heads
    assert sizes.blocks[0].mlp.fc1.out_features == 3 * dim
    model = ThreeAxes(6, dim, len(sizes.blocks), heads, dates=4, grid=10).eval()
    content = {f"encoder.{name}": value for name, value in model.state_dict().items()}
    content["decoder.mask_token"] = torch.zeros(1, 1, 8)
    torch.save(content, tmp_path / "weights.pt")
    own = encoder("prithvi", 160)
    adopt(own, tmp_path / "weights.pt", SCALING)
    z, physical = images(160)
    mean, std = [1087, 1342, 1433, 2734, 1958, 1363], [2248, 2179, 2178, 1850, 1242, 1049]
    bands = ["blue", "green", "red", "nir08", "swir16", "swir22"]
    inputs = [(physical[band] * 1e4 - m) / s for band, m, s in zip(bands, mean, std, strict=True)]
    with torch.inference_mode():
        tokens = model(torch.stack(inputs, 1)[:, :, None])
        check(own.pooled(z), tokens[:, 1:].mean(1))
        check(own.forward_features(z), tokens[:, 1:])


@pytest.mark.parametrize(
    ("settings", "shapes"),
    [
        ({"name": "satmae"}, {"patch_embed.proj.weight": (1024, 3, 16, 16), "pos_embed": (1, 197, 1024)}),
        ({"name": "prithvi"}, {"patch_embed.proj.weight": (1024, 6, 16, 16), "pos_embed": (1, 197, 1024)}),
        ({"name": "ssl4eo-s12", "weights": "s2-dino-vit-s"}, {"patch_embed.proj.weight": (384, 13, 16, 16)}),
        ({"name": "ssl4eo-s12", "weights": "s1-moco-resnet50"}, {"conv1.weight": (64, 2, 7, 7)}),
    ],
)
def test_sizes_of_the_published_files(settings: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> None:
    """Without memory: the first layers and positions are as wide as those that are published."""
    with torch.device("meta"):
        own = build_encoder({"bands": BANDS, "image_pixels": 224, **settings})
    assert isinstance(own, External)
    state = own.backbone.model.state_dict()
    assert {name: tuple(state[name].shape) for name in shapes} == shapes
    if settings["name"] == "prithvi":
        assert len(state) == 294  # tensors of the encoder in Prithvi_EO_V2_300M.pt


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"name": "prithvi"},
            r"download Prithvi_EO_V2_300M\.pt \(1\d{3} MB or more; Apache-2\.0\) from https",
        ),
        ({"name": "satmae"}, r"download fmow_pretrain\.pth .*licence unknown to us.* from https://zenodo"),
        ({"name": "ssl4eo-s12", "weights": "s2-moco-resnet50"}, r"df8b932e\.pth \(94 MB or more; CC-BY"),
        ({"name": "timm", "model": "test_resnet", "channels": ["red"]}, r"save the model's state_dict there"),
    ],
)
def test_an_absent_file_is_one_line(settings: dict[str, Any], told: str, tmp_path: Path) -> None:
    """At planning: which file, how large, under which licence, from where."""
    entry = {"name": "external", "encoder": settings, "weights": str(tmp_path / "absent.pth")}
    with (
        torch.device("meta"),
        pytest.raises(RevisitError, match=rf"absent\.pth: no such file; .*{told}") as caught,
    ):
        build_method(entry, DataDescription(tuple(BANDS), 32, 3.0, "pairs"))
    assert "\n" not in str(caught.value)


def small_croma(monkeypatch: pytest.MonkeyPatch) -> Any:
    """CROMA of torchgeo, 32 wide and four blocks deep."""
    models = pytest.importorskip(
        "torchgeo.models", reason="torchgeo, which has this architecture, is not installed"
    )
    from revisit.nets.encoders import croma

    def make(**given: Any) -> Any:
        return models.CROMA(encoder_dim=32, encoder_depth=4, num_heads=16, **given)

    monkeypatch.setattr(models, "croma_base", make)
    monkeypatch.setattr(croma, "WIDTHS", {"base": 32})
    return make


@pytest.mark.parametrize("sensors", ["s1", "s2", "s1+s2"])
@pytest.mark.parametrize("side", [64, 40])
def test_croma(sensors: str, side: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file holds five networks; each band is 0 to 1 between two deviations about its mean, cut there."""
    make = small_croma(monkeypatch)
    torch.manual_seed(0)
    model = make(modalities=["sar", "optical"], image_size=side).eval()
    parts = ("s1_encoder", "s1_GAP_FFN", "s2_encoder", "s2_GAP_FFN", "joint_encoder")
    torch.save({name: getattr(model, name).state_dict() for name in parts}, tmp_path / "weights.pt")
    own = encoder("croma", 64, sensors=sensors)
    adopt(own, tmp_path / "weights.pt", SCALING)
    z, _ = images(side)
    inputs = ((z + 2) / 4).clamp(0, 1)
    with torch.inference_mode():
        given = model(x_sar=inputs[:, :2], x_optical=inputs[:, 2:])
        name = {"s1": "sar", "s2": "optical", "s1+s2": "joint"}[sensors]
        check(own.pooled(z), given[f"{name}_GAP"])
        check(own.forward_features(z), given[f"{name}_encodings"])
    parameters = [id(one) for group in own.layers() for one in group]
    assert sorted(parameters) == sorted(map(id, own.parameters())) and all(own.layers())
    with pytest.raises(RevisitError, match=r"takes square images, got \[64, 32\]"):
        own.pooled(torch.zeros(1, len(BANDS), 64, 32))


@pytest.mark.parametrize("channels", [None, ["vv", "vh", "red"]])
def test_dofa(channels: list[str] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wavelengths in micrometres, standardised bands; what its authors' file has beside is left out."""
    models = pytest.importorskip(
        "torchgeo.models", reason="torchgeo, which has this architecture, is not installed"
    )
    from revisit.nets.encoders import dofa

    def make(**given: Any) -> Any:
        return models.DOFA(patch_size=16, embed_dim=32, depth=2, num_heads=2, **given)

    monkeypatch.setattr(models, "dofa_base_patch16_224", make)
    monkeypatch.setattr(dofa, "WIDTHS", {"base": 32})
    torch.manual_seed(0)
    model = make(num_classes=0).eval()
    nn.init.normal_(model.pos_embed, std=0.02)
    weights = {n: v for n, v in model.state_dict().items() if not n.startswith("fc_norm.")}
    weights |= {
        "mask_token": torch.zeros(1, 1, 32),
        "norm.weight": torch.ones(32),
        "projector.bias": torch.ones(2),
    }
    torch.save(weights, tmp_path / "weights.pth")
    own = encoder("dofa", 224, **({"channels": channels} if channels else {}))
    adopt(own, tmp_path / "weights.pth", SCALING)
    z, _ = images(224)
    bands = channels or [
        "red",
        "green",
        "blue",
        "rededge1",
        "rededge2",
        "rededge3",
        "nir",
        "swir16",
        "swir22",
    ]
    waves = [3.75, 3.75, 0.665] if channels else [0.665, 0.56, 0.49, 0.705, 0.74, 0.783, 0.842, 1.61, 2.19]
    with torch.inference_mode():
        expected = model(z[:, [BANDS.index(band) for band in bands]], waves)
        check(own.pooled(z), expected)
        tokens = own.forward_features(z)
        assert tokens.shape == (2, 196, 32) and own.pooled(z[..., :64, :64]).shape == (2, 32)
    parameters = [id(one) for group in own.layers() for one in group]
    assert sorted(parameters) == sorted(map(id, own.parameters())) and all(own.layers())
