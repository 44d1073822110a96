"""Our encoders as models of timm: the same features from the same physical values, by timm's own code."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.nets.encoder import Encoder
from revisit.nets.encoders.channel_vit import ChannelViT
from revisit.nets.encoders.resnet import WIDTH, ResNet
from revisit.nets.encoders.vit import ViT
from revisit.nets.external.backbone import library
from revisit.nets.external.declaration import OF_CUBE
from revisit.nets.external.encoder import External
from revisit.nets.external.timm_models import TimmBackbone
from revisit.nets.vision_transformer import VisionTransformer, VisionTransformerSettings, position_code


@dataclass(frozen=True)
class TimmForm:
    """A model of timm without classifier.

    ``name``, ``arguments``: what ``timm.create_model`` makes it from. ``channels``: its input, in order;
    each is (physical value - mean) / std. ``units``: of the physical values. ``plain``: whether the name and
    the number of channels alone make it.
    """

    model: nn.Module
    name: str
    arguments: dict[str, Any]
    channels: list[str]
    units: list[str]
    mean: list[float]
    std: list[float]

    @property
    def plain(self) -> bool:
        usual = cast(dict[str, Any], self.model.pretrained_cfg)["input_size"][-1]
        known = self.arguments.keys() <= {"in_chans", "num_classes", "img_size", "dynamic_img_size"}
        return known and self.arguments.get("img_size", usual) == usual


def timm_form(encoder: Encoder) -> TimmForm:
    """``encoder`` as timm's; raises RevisitError for an architecture that timm does not have."""
    if isinstance(encoder, External):
        return _external(encoder)
    if (
        isinstance(encoder, ResNet)
        and encoder.settings.stem == "imagenet"
        and encoder.settings.width == WIDTH
    ):
        return _form(encoder, f"resnet{encoder.settings.depth}", {}, encoder.state_dict())
    if type(encoder) is ChannelViT:
        return _vit(encoder, _one_convolution(encoder))
    if type(encoder) is ViT:
        return _vit(encoder, encoder.state_dict())
    raise RevisitError(
        f"{encoder.name()}: timm has no such architecture; it has a resnet with the stem imagenet, a "
        f"channel-vit, a vit and its own models; export to hub or onnx"
    )


def _external(encoder: External) -> TimmForm:
    """The model it was made from, with its own channels and scale."""
    backbone = encoder.backbone
    if not isinstance(backbone, TimmBackbone):
        raise RevisitError(f"{encoder.name()}: is torchgeo's own architecture; export to hub or onnx")
    limits = encoder.limits()
    scales = encoder.declaration.scale.of_channels(len(encoder.feeds))
    units, means, stds = [], [], []
    for number, (feed, (unit, mean, std)) in enumerate(zip(encoder.feeds, scales, strict=True)):
        if feed.band is not None:
            own = limits[feed.band]
            gain, offset = float(encoder.gain[number]), float(encoder.offset[number])
            units.append(own.unit)
            means.append(own.middle - offset * own.step / gain)
            stds.append(own.step / gain)
        else:
            of, times = OF_CUBE.get(unit, ("deviations", 1.0))
            units.append(of)
            means.append(mean / times)
            stds.append(std / times)
    channels = [str(one) if isinstance(one, str) else f"{one:g} nm" for one in encoder.declaration.channels]
    return TimmForm(backbone.model, backbone.name, backbone.arguments, channels, units, means, stds)


def _one_convolution(encoder: ChannelViT) -> dict[str, Tensor]:
    """The weights of a ViT that embeds patches of all channels at once."""
    own, pixels = encoder.state_dict(), encoder.patch_pixels
    filters = own.pop("embedding").view(len(encoder.bands), pixels, pixels, -1).permute(3, 0, 1, 2)
    return {
        "patch_embed.proj.weight": filters.contiguous(),
        "patch_embed.proj.bias": own.pop("channel_bias").sum(0),
        **own,
    }


def _vit(encoder: VisionTransformer, weights: dict[str, Tensor]) -> TimmForm:
    """A ViT whose feature is its class token, or the mean of its tokens before the norm."""
    settings = cast(VisionTransformerSettings, encoder.settings)
    side = encoder.image_pixels // encoder.patch_pixels
    arguments: dict[str, Any] = {
        "img_size": encoder.image_pixels,
        "patch_size": encoder.patch_pixels,
        "embed_dim": settings.dim,
        "depth": settings.depth,
        "num_heads": settings.heads,
        "mlp_ratio": settings.mlp_ratio,
        "qkv_bias": encoder.qkv_bias,
        "no_embed_class": True,  # of the position codes the class token has none
    }
    if encoder.pooling == "class-token":
        arguments |= {"class_token": True, "global_pool": "token"}
    else:
        arguments |= {"class_token": False, "global_pool": "avg"}
        weights |= {f"fc_norm.{name}": weights.pop(f"norm.{name}") for name in ("weight", "bias")}
    code = position_code(side, side, settings.dim, torch.device("cpu"))[None]
    return _form(encoder, "vit_base_patch16_224", arguments, {"pos_embed": code, **weights})


def _form(encoder: Encoder, name: str, arguments: dict[str, Any], weights: dict[str, Tensor]) -> TimmForm:
    """A model of timm that takes standardised values of the encoder's bands."""
    arguments = {"in_chans": len(encoder.bands), "num_classes": 0, **arguments}
    model = library("timm").create_model(name, pretrained=False, **arguments)
    model.load_state_dict({name: value.cpu() for name, value in weights.items()}, strict=True)
    limits = [encoder.limits()[band] for band in encoder.bands]
    return TimmForm(
        cast(nn.Module, model.eval()),
        name,
        arguments,
        list(encoder.bands),
        [own.unit for own in limits],
        [own.middle for own in limits],
        [own.step for own in limits],
    )


@torch.inference_mode()
def check_form(form: TimmForm, encoder: Encoder, tolerance: float) -> None:
    """Raise RevisitError unless timm's features of a physical image are the encoder's."""
    limits = encoder.limits()
    bands, side = encoder.bands, encoder.image_pixels
    shares = torch.rand(1, len(bands), side, side, generator=torch.Generator().manual_seed(0))
    low, high = (
        torch.tensor([getattr(limits[band], key) for band in bands])[:, None, None]
        for key in ("lower", "upper")
    )
    physical = low + shares * (high - low)
    expected = encoder.pooled(encoder.standardise(physical, bands))
    found = form.model(model_input(form, encoder, physical))
    if not float((found - expected).norm()) <= tolerance * float(expected.norm()):
        raise RevisitError(
            f"{encoder.name()}: timm's {form.name} does not give its features; export to hub or onnx"
        )


def model_input(form: TimmForm, encoder: Encoder, physical: Tensor) -> Tensor:
    """What the form takes, [B, channels, H, W], of physical values [B, bands, H, W] of the encoder."""
    if not isinstance(encoder, External):
        mean, std = (torch.tensor(one)[:, None, None] for one in (form.mean, form.std))
        return (physical - mean) / std
    channels = []
    for number, feed in enumerate(encoder.feeds):
        if feed.band is None:
            channels.append(torch.full_like(physical[:, 0], float(encoder.offset[number])))
        else:
            value = physical[:, encoder.bands.index(feed.band)]
            channels.append((value - form.mean[number]) / form.std[number])
    stacked = torch.stack(channels, 1)
    if (clip := encoder.declaration.scale.clip) is not None:
        stacked = stacked.clamp(*clip)
    if (times := encoder.settings.enlarge) > 1:
        stacked = nn.functional.interpolate(stacked, scale_factor=times, mode="bilinear", align_corners=False)
    return stacked
