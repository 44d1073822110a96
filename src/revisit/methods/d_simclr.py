"""D-SimCLR: SimCLR between sensors, on two ResNets that see a scene by Sentinel-1 and by Sentinel-2.

The contrast of SwinSSL (``parts/two_sensors.py``) with a projector after each encoder.
"""

from collections.abc import Sequence

from pydantic import Field
from torch import Tensor, nn

from revisit.methods.method import DataDescription
from revisit.methods.parts.heads import moco_projector
from revisit.methods.parts.two_sensors import TwoSensors
from revisit.training.optimiser import Course, Descent, adamw_descent
from revisit.training.schedules import constant
from revisit.training.settings import Training


class DSimCLR(TwoSensors):
    """Two encoders of any kind, ResNet-50 on 128 pixels in the source."""

    class Settings(TwoSensors.Settings):
        """D-SimCLR's own keys."""

        temperature: float = Field(0.07, gt=0)
        """Of the similarities."""
        dim: int = Field(128, gt=0)
        """Numbers of an embedding that is compared."""

    source = (
        "D-SimCLR on two ResNet-50 (Scheibenreif et al., CVPR EarthVision 2022), as in "
        "HSG-AIML/SSLTransformerRS"
    )
    choices = (
        "bands are standardised over all images, where the code divides each by its own maximum; a constant "
        "rate, since the released cosine spans as many epochs as an epoch has batches and hardly falls; "
        "AdamW instead of Adam"
    )

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        self.projectors = nn.ModuleList(moco_projector(side.feature_dim, settings.dim) for side in self.sides)

    def project(self, features: Sequence[Tensor]) -> list[Tensor]:
        return [projector(own) for projector, own in zip(self.projectors, features, strict=True)]

    def optimisers(self, training: Training, course: Course) -> list[Descent]:
        """AdamW at one rate throughout."""
        rate = constant(training.peak_rate)
        return [adamw_descent(self.named_parameters(), training, course, rate)]


METHOD = DSimCLR
