"""ImageNet: the weights of a classifier of photographs, from a local file, in the place of pretraining.

They go into our own ResNet, whose first layer is widened to all bands of the modality; ``external`` leaves a
model its own channels.
"""

from pathlib import Path

from revisit.methods.method import DataDescription, Method, MethodSettings
from revisit.nets.imagenet_weights import Widen, adopt_imagenet


class ImageNet(Method):
    """Takes no step, so it has neither views nor a loss; all its seeds are the same encoder."""

    class Settings(MethodSettings):
        """Weights from a file for a resnet with the stem `imagenet`."""

        weights: Path
        """The file: a state dict as torchvision saves it (.pth), or safetensors of the same names."""
        widen: Widen = "rgb-first"
        """How the first layer's filters for red, green and blue become filters for the bands: `mean` of the
        three, `repeat` them in turn, or `rgb-first`: each colour its own, other bands the mean."""

    source = "supervised ResNets of torchvision, trained on ImageNet (He et al., CVPR 2016)"
    choices = (
        "bands that are no colour get the mean of the colours' filters, scaled to keep the response to equal "
        "input; a band's deviations from its own mean stand for those from ImageNet's mean"
    )
    baseline = True
    weights_of = "ImageNet"

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        adopt_imagenet(self.encoder, settings.weights, settings.widen)


METHOD = ImageNet
