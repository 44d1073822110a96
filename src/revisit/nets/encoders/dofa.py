"""DOFA, whose first layer is made from the wavelengths of the channels.

Source: Xiong et al. 2024 (DOFA). The architecture is torchgeo's.
"""

from collections.abc import Mapping
from typing import Literal, cast

from torch import Tensor, nn
from torch.func import functional_call

from revisit.errors import RevisitError
from revisit.nets.external.backbone import Backbone, Outline, library
from revisit.nets.external.declaration import Declaration, Layout, Scale, Source
from revisit.nets.external.encoder import External, ExternalSettings

PATCH = 16
WIDTHS = {"base": 768, "large": 1024}
# Micrometres, as the authors give them for Sentinel-2; for radar the placeholder that the weights know.
WAVELENGTHS = {
    "red": 0.665,
    "green": 0.56,
    "blue": 0.49,
    "rededge1": 0.705,
    "rededge2": 0.74,
    "rededge3": 0.783,
    "nir": 0.842,
    "swir16": 1.61,
    "swir22": 2.19,
    "vv": 3.75,
    "vh": 3.75,
}
FILES = {"base": "dofa_base_patch16_224-a0275954.pth", "large": "dofa_large_patch16_224-0ff904d3.pth"}


class DofaBackbone(Backbone):
    """``pooled``: the mean of the patches, normalised; the norm's weights are new, none are published."""

    pooling = "mean"

    def __init__(self, size: str, wavelengths: list[float], image_pixels: int) -> None:
        super().__init__()
        make = getattr(library("torchgeo.models"), f"dofa_{size}_patch16_224")
        self.model = make(img_size=image_pixels, num_classes=0)
        self.wavelengths = wavelengths

    def pooled(self, images: Tensor) -> Tensor:
        side = images.shape[2] // PATCH, images.shape[3] // PATCH
        table = cast(Tensor, self.model.pos_embed)
        own = {} if side[0] * side[1] + 1 == table.shape[1] else {"pos_embed": resampled(table, side)}
        return cast(Tensor, functional_call(self.model, own, (images, self.wavelengths)))

    def maps(self, images: Tensor) -> list[Tensor]:
        kept: list[Tensor] = []
        last = cast(nn.ModuleList, self.model.blocks)[-1]
        with last.register_forward_hook(lambda _module, _inputs, tokens: kept.append(tokens)):
            self.pooled(images)
        patches = cast(nn.Module, self.model.fc_norm)(kept[0][:, 1:])
        grid = images.shape[2] // PATCH, images.shape[3] // PATCH
        return [patches.transpose(1, 2).reshape(len(patches), -1, *grid)]

    def groups(self) -> list[list[nn.Parameter]]:
        blocks = [list(block.parameters()) for block in cast(nn.ModuleList, self.model.blocks)]
        norm = list(cast(nn.Module, self.model.fc_norm).parameters())
        inside = {id(one) for group in [*blocks, norm] for one in group}
        return [[one for one in self.model.parameters() if id(one) not in inside], *blocks, norm]

    def fitted(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        given, own = dict(weights), cast(Tensor, self.model.pos_embed)
        if (table := given.get("pos_embed")) is not None and table.shape[1] != own.shape[1]:
            side = round((own.shape[1] - 1) ** 0.5)
            given["pos_embed"] = resampled(table, (side, side))
        return given


class Dofa(External):
    """Takes any of the channels it knows the wavelengths of."""

    class Settings(ExternalSettings):
        """DOFA (Xiong et al. 2024), trained on images of 224 pixels of several sensors."""

        model: Literal["base", "large"] = "base"
        """ViT-B or ViT-L, with patches of 16 pixels."""
        channels: tuple[str, ...] = tuple(list(WAVELENGTHS)[:9])
        """The bands it is shown; by default the nine of Sentinel-2 that it learnt from."""

        def declaration(self) -> Declaration:
            if unknown := [one for one in self.channels if one not in WAVELENGTHS]:
                raise RevisitError(
                    f"channels: DOFA's authors give no wavelength of {unknown[0]!r}, only of "
                    f"{', '.join(WAVELENGTHS)}"
                )
            return Declaration(
                channels=self.channels,
                # It learnt from 8 bit images, each band standardised by its own statistics.
                scale=Scale(unit="deviations"),
                layout=Layout(left_out=("mask_token", "norm.", "projector.", "head."), fresh=("fc_norm.",)),
                source=Source(
                    trained_on="DOFA's five sensors",
                    paper="Xiong et al. 2024, DOFA",
                    file=FILES[self.model],
                    url="https://huggingface.co/torchgeo/dofa",
                ),
            )

        def backbone(self, image_pixels: int) -> Backbone:
            return DofaBackbone(self.model, [WAVELENGTHS[one] for one in self.channels], image_pixels)

        def outline(self) -> Outline:
            return Outline((PATCH,), (WIDTHS[self.model],))

        def architecture(self) -> str:
            return f"ViT-{self.model[0].upper()}/16 on {','.join(self.channels)}"


ENCODER = Dofa


def resampled(table: Tensor, grid: tuple[int, int]) -> Tensor:
    """A table of positions [1, 1 + N, D] for another grid of patches, as timm resamples them."""
    found = library("timm.layers").resample_abs_pos_embed(table, list(grid), num_prefix_tokens=1)
    return cast(Tensor, found)
