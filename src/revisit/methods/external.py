"""External: an encoder that another project trained, from a local file, in the place of pretraining."""

from pathlib import Path

from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, Method, MethodSettings
from revisit.nets.external.declaration import Layout
from revisit.nets.external.encoder import External
from revisit.nets.external.weights import adopt


class ExternalWeights(Method):
    """Takes no step, so it has neither views nor a loss; all its seeds are the same encoder."""

    class Settings(MethodSettings):
        """Weights from a file, for an encoder of another project (`timm`, or a ready one such as `croma`)."""

        weights: Path
        """The file: safetensors, or what torch saved (.pth, .pt, .ckpt), read without unpickling objects."""
        layout: Layout | None = None
        """How the file names the weights, where that is not how the encoder declares it."""
        trained_on: str | None = None
        """What the weights learnt from, as tables say it; a ready encoder says it itself."""

    source = "the encoder's own: SSL4EO-S12, SatMAE, Prithvi-EO, DOFA, CROMA, or any model of timm"
    choices = (
        "values of the images are mapped to the scale that the encoder was trained with; beyond the limits "
        "of the 8 bit they are cut"
    )
    baseline = True
    weights_of = "elsewhere"

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        if not isinstance(self.encoder, External):
            raise RevisitError(
                f"{self.name}: takes encoders of other projects, such as timm; not {self.encoder.name()}"
            )
        self.weights_of = settings.trained_on or self.encoder.declaration.source.trained_on or self.weights_of
        adopt(self.encoder, settings.weights, data.scaling, settings.layout)


METHOD = ExternalWeights
