"""Prithvi-EO-2.0 300M on single dates.

Source: Szwarcman et al. 2024 (Prithvi-EO-2.0). It is a ViT-L whose patches and positions have a third axis,
time. For one date the patch embedding is a plain one and the positions are those of the first date, so timm's
ViT-L computes the same.
"""

from collections.abc import Mapping

from torch import Tensor

from revisit.nets.external.backbone import Backbone, Outline
from revisit.nets.external.declaration import Declaration, Layout, Scale, Source
from revisit.nets.external.encoder import External, ExternalSettings
from revisit.nets.external.timm_models import TimmBackbone, outline

MODEL, OPTIONS = "vit_large_patch16_224", {"global_pool": "avg", "fc_norm": False}
GRID = 14  # tokens along a side of the images it was trained on
DECLARATION = Declaration(
    channels=("blue", "green", "red", "nir08", "swir16", "swir22"),
    # Of its config.json, in digital numbers of the Harmonized Landsat and Sentinel-2 product.
    scale=Scale(
        unit="reflectance-10000",
        mean=(1087.0, 1342.0, 1433.0, 2734.0, 1958.0, 1363.0),
        std=(2248.0, 2179.0, 2178.0, 1850.0, 1242.0, 1049.0),
    ),
    layout=Layout(prefix="encoder."),
    source=Source(
        trained_on="HLS",
        paper="Szwarcman et al. 2024, Prithvi-EO-2.0",
        file="Prithvi_EO_V2_300M.pt",
        url="https://huggingface.co/ibm-nasa-geospatial/Prithvi-EO-2.0-300M",
        licence="Apache-2.0",
    ),
    resolution_m=30.0,
)


class Prithvi(External):
    """``pooled`` is the mean of the patches after the last norm."""

    class Settings(ExternalSettings):
        """Prithvi-EO-2.0 300M (Szwarcman et al. 2024), trained on images of 224 pixels of 30 m."""

        def declaration(self) -> Declaration:
            return DECLARATION

        def backbone(self, image_pixels: int) -> Backbone:
            return TimmBackbone(MODEL, len(DECLARATION.channels), image_pixels, OPTIONS)

        def outline(self) -> Outline:
            return outline(MODEL, len(DECLARATION.channels), OPTIONS)

        def architecture(self) -> str:
            return "EO-2.0 300M"

    def converted(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Patches and positions of one date of those of several."""
        own = dict(weights)
        patches, positions = own.get("patch_embed.proj.weight"), own.get("pos_embed")
        if patches is not None and patches.ndim == 5:
            own["patch_embed.proj.weight"] = patches.squeeze(2)
        if positions is not None:
            own["pos_embed"] = positions[:, : 1 + GRID**2]  # dates come one after the other, the class before
        return own


ENCODER = Prithvi
