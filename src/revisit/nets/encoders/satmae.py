"""SatMAE's ViT-L for colour images.

Source: Cong et al. 2022 (SatMAE), the non-temporal model of fMoW. It is the ViT-L of MAE, which timm has. The
model of groups of Sentinel-2 bands is in neither timm nor torchgeo, and is not offered.
"""

from revisit.nets.external.backbone import Backbone, Outline
from revisit.nets.external.declaration import Declaration, Layout, Scale, Source
from revisit.nets.external.encoder import External, ExternalSettings
from revisit.nets.external.timm_models import TimmBackbone, outline

MODEL = "vit_large_patch16_224"
DECLARATION = Declaration(
    channels=("red", "green", "blue"),
    # It learnt from colours of photographs of metres and less, which no reflectance is; as for ImageNet, a
    # band's deviations from its own mean stand for theirs.
    scale=Scale(unit="deviations"),
    layout=Layout(prefix="model.", left_out=("decoder", "mask_token")),
    source=Source(
        trained_on="fMoW",
        paper="Cong et al. 2022, SatMAE",
        file="fmow_pretrain.pth",
        url="https://zenodo.org/record/7369797",
    ),
)


class SatMAE(External):
    """``pooled`` is the class token after the last norm, as timm gives it."""

    class Settings(ExternalSettings):
        """SatMAE's ViT-L/16 of colours (Cong et al. 2022), trained on images of 224 pixels."""

        def declaration(self) -> Declaration:
            return DECLARATION

        def backbone(self, image_pixels: int) -> Backbone:
            return TimmBackbone(MODEL, len(DECLARATION.channels), image_pixels, {})

        def outline(self) -> Outline:
            return outline(MODEL, len(DECLARATION.channels), {})

        def architecture(self) -> str:
            return "ViT-L/16 of fMoW-RGB"


ENCODER = SatMAE
