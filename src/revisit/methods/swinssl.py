"""SwinSSL: a Swin transformer per sensor; what they make of a scene is found among that of all other scenes.

The loss (``parts/two_sensors.py``) is on the encoders' pooled features themselves, without a projector.
"""

from typing import Literal

from pydantic import Field

from revisit.errors import RevisitError
from revisit.methods.method import DataDescription
from revisit.methods.parts.two_sensors import TwoSensors
from revisit.nets.transformer import stochastic_depth
from revisit.training.optimiser import Course, Descent, adamw_descent
from revisit.training.schedules import Schedule, constant, cosine
from revisit.training.settings import Training


class SwinSSL(TwoSensors):
    """Two Swin transformers of one width; 224 pixels a scene in the source."""

    class Settings(TwoSensors.Settings):
        """SwinSSL's own keys."""

        temperature: float = Field(0.2, gt=0)
        """Of the similarities."""
        drop_path: float = Field(0.1, ge=0, lt=1)
        """Stochastic depth of the encoders' last blocks, less for those before."""
        schedule: Literal["intended", "released"] = "intended"
        """Of the learning rate: `intended`, a linear warm-up and half a cosine; or `released`, the first rate
        throughout, where the released code's scheduler stays."""
        first_rate: float = Field(5e-7, ge=0)
        """Learning rate of the first update."""
        final_rate: float = Field(5e-6, ge=0)
        """Learning rate after the last one, if it gets there."""

    source = (
        "Self-supervised vision transformers for land-cover segmentation and classification (Scheibenreif et "
        "al., CVPR EarthVision 2022), as in HSG-AIML/SSLTransformerRS"
    )
    choices = (
        "bands are standardised over all images, where the code divides each by its own maximum; the rate "
        "follows the schedule of the configuration unless asked for the released code's, whose scheduler is "
        "called by epoch where it counts updates and so never leaves the first rate"
    )

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        self.settings = settings
        if len(widths := {side.feature_dim for side in self.sides}) > 1:
            raise RevisitError(
                f"{self.name}: compares features of both parts of encoder, whose widths are "
                f"{sorted(widths)}; give them one"
            )
        if settings.drop_path:
            for side in self.sides:
                stochastic_depth(side, settings.drop_path)

    def optimisers(self, training: Training, course: Course) -> list[Descent]:
        """AdamW at the rates of ``schedule``."""
        rate = self._rate(training, course)
        return [adamw_descent(self.named_parameters(), training, course, rate)]

    def _rate(self, training: Training, course: Course) -> Schedule:
        """As timm's: warm-up hides the beginning of the cosine, which starts with the first update."""
        own, peak = self.settings, training.peak_rate
        if own.schedule == "released":
            return constant(own.first_rate)
        warmup = round(training.warmup_fraction * course.steps)
        fall = cosine(course.steps, peak, own.final_rate)

        def rate(step: int) -> float:
            return own.first_rate + (peak - own.first_rate) * step / warmup if step < warmup else fall(step)

        return rate


METHOD = SwinSSL
