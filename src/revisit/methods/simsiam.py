"""SimSiam: two views of an image, one predicts the features of the other; no negatives, no momentum encoder.

loss = -1/2 [cos(p1, stop(z2)) + cos(p2, stop(z1))],  z = projector(features), p = predictor(z)
"""

import torch
from pydantic import Field
from torch import Tensor

from revisit.methods.method import DataDescription
from revisit.methods.parts.augmentation import CHOICES
from revisit.methods.parts.augmented_views import AugmentedViews
from revisit.methods.parts.contrast import negative_cosine
from revisit.methods.parts.heads import simsiam_predictor, simsiam_projector
from revisit.nets.encoders.resnet import ResNet
from revisit.patches.batch import Batch
from revisit.training.optimiser import Course, Descent
from revisit.training.schedules import constant
from revisit.training.settings import Training


class SimSiam(AugmentedViews):
    """Any encoder, by its pooled features."""

    class Settings(AugmentedViews.Settings):
        """SimSiam's own keys."""

        width: int = Field(2048, gt=0)
        """Of the projector and of what is predicted."""
        hidden: int = Field(512, gt=0)
        """Width of the predictor's bottleneck."""

    source = "SimSiam (Chen & He, CVPR 2021), as in facebookresearch/simsiam"
    choices = (
        "without colour and grayscale, which are for RGB alone, a gain and an offset per optical band and a "
        "gain with speckle per SAR band; flips on both axes; views at the size of the stored image; "
        f"{CHOICES}; of a series a place shows one date in a step, so that an epoch is a pass over places, "
        "not over all their images"
    )
    batch_wide = True  # batch normalisation in the heads

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        for network in self.encoder.modules():
            if isinstance(network, ResNet):  # as in SimSiam's builder.py
                network.start_as_identity()
        self.projector = simsiam_projector(self.encoder.feature_dim, settings.width)
        self.predictor = simsiam_predictor(settings.width, settings.hidden)

    def views(self, batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """``first`` and ``second``, float32 [B, C, H, W]."""
        images = self.standardised(batch.images)
        return {name: self.view(images, generator) for name in ("first", "second")}

    def embeddings(self, views: dict[str, Tensor]) -> Tensor:
        """What the projector makes of both views, [B, 2, width]."""
        return torch.stack(
            [self.projector(self.encoder.pooled(views[name])) for name in ("first", "second")], 1
        )

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        first, second = self.embeddings(views).unbind(1)
        forward = negative_cosine(self.predictor(first), second)
        backward = negative_cosine(self.predictor(second), first)
        return {"loss": 0.5 * (forward + backward)}

    def optimisers(self, training: Training, course: Course) -> list[Descent]:
        """The predictor keeps the peak rate; the rest follows the schedule."""
        rest = [item for item in self.named_parameters() if not item[0].startswith("predictor.")]
        groups, schedules = [], []
        for named, rate in (
            (rest, self.optimiser.rate(training, course)),
            (list(self.predictor.named_parameters()), constant(training.peak_rate)),
        ):
            own = self.optimiser.groups(named, training)
            groups += own
            schedules += [{"lr": rate}] * len(own)
        return [Descent(self.optimiser.make(groups, training), schedules)]


METHOD = SimSiam
