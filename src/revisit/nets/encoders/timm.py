"""Any model of timm as an encoder, with a declared input.

Source: timm (Wightman 2019). Its ResNets name their weights as torchvision's do, and the ResNets and ViTs of
torchgeo are timm's, so files of either are taken too.
"""

from typing import Any

from pydantic import Field, PositiveFloat

from revisit.nets.external.backbone import Backbone, Outline
from revisit.nets.external.declaration import Channels, Declaration
from revisit.nets.external.encoder import External, ExternalSettings
from revisit.nets.external.timm_models import TimmBackbone, outline


class Timm(External):
    """``pooled`` is what timm's model gives without a classifier."""

    class Settings(Channels, ExternalSettings):
        """A model of timm, by its name there; its weights are a file's (method `external`), or new ones."""

        model: str
        """Its name, such as `resnet50` or `vit_small_patch16_224`."""
        options: dict[str, Any] = Field({}, json_schema_extra={"additionalProperties": True})
        """Further arguments of `timm.create_model`, such as `global_pool: avg`."""

        resolution_m: PositiveFloat | None = None
        """Metres of a pixel of the images it learnt from, for its card; images are not resampled to it."""

        def declaration(self) -> Declaration:
            return Declaration(self.channels, self.scale, resolution_m=self.resolution_m)

        def backbone(self, image_pixels: int) -> Backbone:
            return TimmBackbone(self.model, len(self.channels), image_pixels, self.options)

        def outline(self) -> Outline:
            return outline(self.model, len(self.channels), self.options)

        def architecture(self) -> str:
            options = "".join(f" {key} {value}" for key, value in self.options.items())
            resolution = "" if self.resolution_m is None else f" of {self.resolution_m:g} m"
            return f"{self.model}{options} {self.input_size()}{resolution}"


ENCODER = Timm
