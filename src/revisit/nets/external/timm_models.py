"""Models of timm as backbones: any of its image models that gives feature maps."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.nets.external.backbone import Backbone, Outline, library

FINEST = 4  # pixels a cell of the finest map taken, where a model has finer ones


class TimmBackbone(Backbone):
    """``pooled`` is timm's own output without a classifier; maps are its intermediate features.

    Of levels with cells of the same side the last is taken; none finer than 4 pixels.
    """

    model: Any

    def __init__(self, name: str, channels: int, image_pixels: int, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.name = name
        self.model, self.arguments = create(name, channels, image_pixels, options)
        self.levels = [level for level, _, _ in levels(self.model)]
        self.pooling = str(getattr(self.model, "global_pool", None) or "the model's own")

    def pooled(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.model(images))

    def maps(self, images: Tensor) -> list[Tensor]:
        found = self.model.forward_intermediates(
            images, indices=self.levels, norm=True, output_fmt="NCHW", intermediates_only=True
        )
        return list(found)

    def groups(self) -> list[list[nn.Parameter]]:
        """By timm's own order of depth."""
        grouped = library("timm.models").group_parameters(
            self.model,
            self.model.group_matcher(coarse=False),
            return_values=False,
        )
        named = dict(self.model.named_parameters())
        return [[named[name] for name in names] for _, names in sorted(grouped.items())]

    def fitted(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Without the classifier, and position tables resampled as timm does."""
        config = self.model.pretrained_cfg
        heads = config.get("classifier") or ()
        heads = (heads,) if isinstance(heads, str) else heads
        given = {n: v for n, v in weights.items() if not n.startswith(tuple(f"{head}." for head in heads))}
        table, own = given.get("pos_embed"), getattr(self.model, "pos_embed", None)
        if table is not None and own is not None and table.ndim == 3 and table.shape != own.shape:
            prefix = int(self.model.num_prefix_tokens)
            side = round((own.shape[1] - prefix) ** 0.5)
            if table.shape[2] == own.shape[2]:
                given["pos_embed"] = library("timm.layers").resample_abs_pos_embed(
                    table, [side, side], num_prefix_tokens=prefix
                )
        return given


def create(
    name: str, channels: int, image_pixels: int, options: Mapping[str, Any]
) -> tuple[nn.Module, dict[str, Any]]:
    """A model of timm without classifier and with new weights, and the arguments that make it.

    Raises RevisitError for a name timm does not have, and for options or sides of images the model does not
    take.
    """
    timm = library("timm")
    if not timm.is_model(name):
        close = timm.list_models(f"*{name.partition('_')[0]}*")[:3]
        raise RevisitError(f"timm has no model {name!r}{'; there is ' + ', '.join(close) if close else ''}")
    config = timm.get_pretrained_cfg(name)
    sized = {"img_size": image_pixels} if getattr(config, "fixed_input_size", False) else {}
    given: dict[str, Any] = {"num_classes": 0, "in_chans": channels, **sized, **options}
    try:
        model = timm.create_model(name, pretrained=False, **given)
        if sized and hasattr(model, "dynamic_img_size"):  # a table of positions, resampled for other sides
            given = {"dynamic_img_size": True} | given
            model = timm.create_model(name, pretrained=False, **given)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise RevisitError(
            f"timm cannot make {name} for images of {image_pixels} pixels, options {dict(options)} ({error})"
        ) from None
    return model, given


def levels(model: Any) -> list[tuple[int, int, int]]:
    """Of each map taken: its number among those of timm, pixels a cell, channels."""
    coarsest: dict[int, tuple[int, int, int]] = {}
    for number, level in enumerate(model.feature_info):
        stride = int(level["reduction"])
        coarsest[stride] = (number, stride, int(level["num_chs"]))
    taken = [level for stride, level in sorted(coarsest.items()) if stride >= FINEST]
    return taken or list(coarsest.values())


def outline(name: str, channels: int, options: Mapping[str, Any]) -> Outline:
    """Shapes of what a model of timm gives; raises RevisitError where it gives no maps."""
    return _outline(name, channels, json.dumps(dict(options), sort_keys=True))


@lru_cache
def _outline(name: str, channels: int, options: str) -> Outline:
    given = json.loads(options)
    config = library("timm").get_pretrained_cfg(name)
    side = int(config.input_size[-1]) if config is not None else 224
    with torch.device("meta"), torch.inference_mode():
        model, _ = create(name, channels, side, given)
        if not hasattr(model, "forward_intermediates") or not hasattr(model, "feature_info"):
            raise RevisitError(f"timm's {name} gives no feature maps; choose another model")
        found = levels(model)
        pooled = model.eval()(torch.zeros(1, channels, side, side)).shape[1]
    if pooled != found[-1][2]:
        raise RevisitError(
            f"timm's {name} pools {pooled} features of a last map of {found[-1][2]}; choose a model that has "
            f"as many of both, such as a ResNet, a ViT, a Swin or a ConvNeXt"
        )
    return Outline(tuple(stride for _, stride, _ in found), tuple(width for _, _, width in found))
