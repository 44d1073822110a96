"""CROMA: an encoder of radar, one of optical images, and one that sees both.

Source: Fuller et al. 2023 (CROMA). The architecture is torchgeo's.
"""

from functools import lru_cache
from itertools import zip_longest
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from revisit.cube.bands import WAVELENGTH_NM
from revisit.errors import RevisitError
from revisit.nets.external.backbone import Backbone, Outline, library
from revisit.nets.external.declaration import Declaration, Layout, Scale, Source
from revisit.nets.external.encoder import External, ExternalSettings

PATCH = 8
WIDTHS = {"base": 768, "large": 1024}
RADAR, OPTICAL = ("vv", "vh"), tuple(WAVELENGTH_NM)
CHANNELS = {"s1": RADAR, "s2": OPTICAL, "s1+s2": RADAR + OPTICAL}
MODALITIES = {"s1": ["sar"], "s2": ["optical"], "s1+s2": ["sar", "optical"]}
OUTPUT = {"s1": "sar", "s2": "optical", "s1+s2": "joint"}
NOT_NEEDED = {"s1": ("s2_", "joint_"), "s2": ("s1_", "joint_"), "s1+s2": ()}
FILES = {"base": "CROMA_base-0238d814.pt", "large": "CROMA_large-921e69ad.pt"}


class CromaBackbone(Backbone):
    """``pooled``: CROMA's own (``…_GAP``); the map is its encodings on their grid."""

    pooling = "CROMA's own"

    def __init__(self, size: str, sensors: str, image_pixels: int) -> None:
        super().__init__()
        make = getattr(library("torchgeo.models"), f"croma_{size}")
        self.model = make(modalities=MODALITIES[sensors], image_size=image_pixels)
        self.sensors, self.side = sensors, image_pixels

    def pooled(self, images: Tensor) -> Tensor:
        return self._given(images)[f"{OUTPUT[self.sensors]}_GAP"]

    def maps(self, images: Tensor) -> list[Tensor]:
        tokens = self._given(images)[f"{OUTPUT[self.sensors]}_encodings"]
        grid = images.shape[2] // PATCH, images.shape[3] // PATCH
        return [tokens.transpose(1, 2).reshape(len(tokens), -1, *grid)]

    def groups(self) -> list[list[nn.Parameter]]:
        """Embeddings, blocks of the sensors' encoders (the last with the last), the joint one's, the rest."""
        encoders = [self.model.get_submodule(f"{one}_encoder") for one in self.sensors.split("+")]
        depths = [list(_layers(encoder.get_submodule("transformer"))) for encoder in encoders]
        levels = [
            [one for block in blocks if block is not None for one in block.parameters()]
            for blocks in zip_longest(*(reversed(blocks) for blocks in depths))
        ][::-1]
        if len(encoders) > 1:
            levels += [
                list(block.parameters()) for block in _layers(self.model.get_submodule("joint_encoder"))
            ]
        first = [one for encoder in encoders for one in encoder.get_submodule("linear_input").parameters()]
        inside = {id(one) for group in [first, *levels] for one in group}
        return [first, *levels, [one for one in self.model.parameters() if id(one) not in inside]]

    def _given(self, images: Tensor) -> dict[str, Tensor]:
        if images.shape[2] != images.shape[3]:
            raise RevisitError(f"croma: takes square images, got {list(images.shape[2:])}; cut them square")
        radar = len(RADAR)
        inputs = {
            "s1": {"x_sar": images},
            "s2": {"x_optical": images},
            "s1+s2": {"x_sar": images[:, :radar], "x_optical": images[:, radar:]},
        }[self.sensors]
        own = {}
        if (side := images.shape[2]) != self.side:
            heads = cast(int, self.model.num_heads)
            own = {"attn_bias": bias(heads, (side // PATCH) ** 2).to(images.device)}
        return cast(dict[str, Tensor], functional_call(self.model, own, (), inputs))


class Croma(External):
    """Radar, optical or joint features."""

    class Settings(ExternalSettings):
        """CROMA (Fuller et al. 2023), trained on images of 120 pixels of 10 m; images must be square."""

        sensors: Literal["s1", "s2", "s1+s2"]
        """Which of its encoders: of radar, of optical images, or the joint one."""
        model: Literal["base", "large"] = "base"
        """ViT-B or ViT-L, with patches of 8 pixels."""

        def declaration(self) -> Declaration:
            return Declaration(
                channels=CHANNELS[self.sensors],
                # 0 to 1 between two standard deviations to either side of the mean of the data's own bands.
                scale=Scale(unit="deviations", mean=-2.0, std=4.0, clip=(0.0, 1.0)),
                layout=Layout(left_out=NOT_NEEDED[self.sensors], fresh=("attn_bias",)),
                source=Source(
                    trained_on="SSL4EO-S12",
                    paper="Fuller et al. 2023, CROMA",
                    file=FILES[self.model],
                    url="https://huggingface.co/torchgeo/croma",
                ),
                resolution_m=10.0,
            )

        def backbone(self, image_pixels: int) -> Backbone:
            return CromaBackbone(self.model, self.sensors, image_pixels)

        def outline(self) -> Outline:
            return Outline((PATCH,), (WIDTHS[self.model],))

        def architecture(self) -> str:
            return f"{self.model} {self.sensors}"


ENCODER = Croma


@lru_cache
def bias(heads: int, patches: int) -> Tensor:
    """CROMA's bias of attention by distance, for a square image of so many patches."""
    with torch.device("cpu"):
        return cast(Tensor, library("torchgeo.models.croma").get_2dalibi(heads, patches))


def _layers(transformer: nn.Module) -> nn.ModuleList:
    return cast(nn.ModuleList, transformer.get_submodule("layers"))
