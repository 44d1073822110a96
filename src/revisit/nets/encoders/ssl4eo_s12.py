"""Encoders pretrained on SSL4EO-S12, by the files that torchgeo offers.

Source: Wang et al. 2023 (SSL4EO-S12). Architectures are timm's. Sentinel-2 was Level 1C, top-of-atmosphere
reflectance of 13 bands; here it is Level 2A, which has no cirrus band: it is filled with zeros, as Wang et
al. do for 12 bands.
"""

from typing import Literal

from revisit.cube.bands import WAVELENGTH_NM
from revisit.nets.external.backbone import Backbone, Outline
from revisit.nets.external.declaration import Channel, Declaration, Layout, Scale, Source
from revisit.nets.external.encoder import External, ExternalSettings
from revisit.nets.external.timm_models import TimmBackbone, outline

Weights = Literal[
    "s2-moco-resnet18", "s2-moco-resnet50", "s2-moco-vit-s", "s2-dino-vit-s", "s1-moco-resnet50"
]

CIRRUS_NM = 1373.5
OPTICAL: tuple[Channel, ...] = (*list(WAVELENGTH_NM)[:10], CIRRUS_NM, *list(WAVELENGTH_NM)[10:])
RADAR: tuple[Channel, ...] = ("vv", "vh")
# The pixel values as torchgeo's transforms of these weights take them.
REFLECTANCE = Scale(unit="reflectance", mean=0.0, std=1.0)
DECIBEL = Scale(unit="dB", mean=(-12.59, -20.26), std=(5.26, 5.91))
MODELS = {"resnet18": "resnet18", "resnet50": "resnet50", "vit-s": "vit_small_patch16_224"}
FILES: dict[Weights, tuple[str, str]] = {
    "s2-moco-resnet18": ("resnet18_sentinel2_all_moco", "59bfdff9"),
    "s2-moco-resnet50": ("resnet50_sentinel2_all_moco", "df8b932e"),
    "s2-moco-vit-s": ("vit_small_patch16_224_sentinel2_all_moco", "67c9032d"),
    "s2-dino-vit-s": ("vit_small_patch16_224_sentinel2_all_dino", "36bcc127"),
    "s1-moco-resnet50": ("resnet50_sentinel1_all_moco", "906e4356"),
}


class SSL4EOS12(External):
    """ResNets and ViTs trained on SSL4EO-S12; ``pooled`` is timm's output without a classifier."""

    class Settings(ExternalSettings):
        """An encoder pretrained on SSL4EO-S12 (Wang et al. 2023)."""

        weights: Weights
        """Sensor, method and architecture of the pretraining; images had 224 pixels of 10 m."""

        def declaration(self) -> Declaration:
            optical = self.weights.startswith("s2")
            name, digest = FILES[self.weights]
            return Declaration(
                channels=OPTICAL if optical else RADAR,
                scale=REFLECTANCE if optical else DECIBEL,
                # torchgeo takes the files of the ViTs without their last norm too.
                layout=Layout(fresh=("norm.",) if "vit" in self.weights else ()),
                source=Source(
                    trained_on="SSL4EO-S12",
                    paper="Wang et al. 2023, SSL4EO-S12",
                    file=f"{name}-{digest}.pth",
                    url=f"https://huggingface.co/torchgeo/{name}",
                    licence="CC-BY-4.0 as its authors say",
                ),
                absent={CIRRUS_NM: "zero"},
                resolution_m=10.0,
            )

        def backbone(self, image_pixels: int) -> Backbone:
            return TimmBackbone(self._model(), len(self.declaration().channels), image_pixels, {})

        def outline(self) -> Outline:
            return outline(self._model(), len(self.declaration().channels), {})

        def architecture(self) -> str:
            return self.weights

        def _model(self) -> str:
            return MODELS[self.weights.split("-", 2)[2]]

    settings: Settings


ENCODER = SSL4EOS12
