"""What methods share that compare augmented views: how a view is made, and an optimiser of their source's."""

import torch
from torch import Tensor

from revisit.methods.method import DataDescription, Method, MethodSettings
from revisit.methods.parts.augmentation import Augmentation
from revisit.training.optimiser import Course, Descent, OptimiserSettings
from revisit.training.settings import Training


class AugmentedViews(Method):
    """A method by views of images, whose entry says how these are augmented."""

    class Settings(MethodSettings):
        """What the entries of all these methods may say."""

        augmentation: Augmentation = Augmentation()
        """Of both views."""
        optimiser: OptimiserSettings = OptimiserSettings()
        """SGD with momentum in the source."""

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        settings.augmentation.check(data.bands, self.name)
        self.augmentation, self.optimiser = settings.augmentation, settings.optimiser

    def view(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """An augmented view, float32 [B, C, side, side], of standardised images [B, C, H, W].

        ``side`` is ``crop_pixels``.
        """
        return self.augmentation.view(images, self.data.bands, self.crop_pixels, generator)

    def optimisers(self, training: Training, course: Course) -> list[Descent]:
        """The optimiser of the entry on all weights, with its schedule."""
        groups = self.optimiser.groups(self.named_parameters(), training)
        schedule = {"lr": self.optimiser.rate(training, course)}
        return [Descent(self.optimiser.make(groups, training), [schedule] * len(groups))]
