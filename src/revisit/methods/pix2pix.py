"""pix2pix: a generator makes the SAR image of an optical one, and a discriminator tells it from the true one.

    discriminator: minus half the mean of log D(x, y) + log(1 - D(x, G(x)))
    generator:     minus the mean of log D(x, G(x)), plus 100 times the mean of |y - G(x)|

x optical and y SAR image of a pair, values from -1 to 1. The two take turns from step to step.
"""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, Method, MethodSettings, Moment
from revisit.methods.parts.draws import crop_and_flip
from revisit.methods.parts.patch_gan import Discriminator, PatchGAN
from revisit.methods.parts.validity import holds_data
from revisit.nets.generator import Generator, GeneratorSettings, start
from revisit.nets.load_save import build_encoder, check_architecture
from revisit.patches.batch import Batch
from revisit.training.optimiser import Course, Descent, adamw_descent, main_schedule
from revisit.training.settings import Training

CELLS = 16  # along a side of the image, as the collapse monitor sees it


class Pix2Pix(Method):
    """A generator that sees all bands of the modality but those it makes."""

    class Settings(MethodSettings):
        """pix2pix's own keys; ``encoder`` is the generator."""

        l1: float = Field(100.0, ge=0)
        """Weight of the mean absolute error beside the discriminator's verdict."""
        discriminator: Discriminator = Discriminator()
        """What tells generated from true images."""
        betas: tuple[float, float] = (0.5, 0.999)
        """Decay rates of Adam's two averages, in the place of those of the entry."""

    source = "pix2pix (Isola et al., CVPR 2017)"
    choices = (
        "the two networks take turns from step to step, each on a batch of its own; warm-up and half a "
        "cosine instead of a constant rate; running statistics of batch norm and no dropout when images are "
        "made, so that an image depends on its input alone; random windows and flips, no resizing; pixels "
        "that a sensor lacks are 0 in true and generated images; levels and layers as the images' size allows"
    )
    kinds = frozenset({"pairs"})
    sensors = frozenset({"sentinel-1", "sentinel-2"})
    reconstructs = True
    batch_wide = True  # batch normalisation
    encoder: Generator

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        self.l1, self.betas = settings.l1, settings.betas
        least, side = settings.discriminator.least_pixels, self.encoder.settings.side_multiple()
        if self.crop_pixels < least:
            raise RevisitError(
                f"{self.name}: a discriminator of {settings.discriminator.layers} layers judges images of "
                f"{least} pixels or more, not {self.crop_pixels}; lower discriminator.layers"
            )
        if data.image_pixels % side:
            raise RevisitError(
                f"{self.name}: stored images have {data.image_pixels} pixels, the generator takes multiples "
                f"of {side}; lower encoder.levels"
            )
        self.seen = [data.bands.index(band) for band in self.encoder.bands]
        self.made = [data.bands.index(band) for band in self.encoder.makes]
        own = settings.discriminator
        self.discriminator = PatchGAN(len(data.bands), own.width, own.layers)
        self.discriminator.apply(start)
        self._discriminates = False  # whose turn it is

    def build_encoder(self, settings: MethodSettings) -> Generator:
        own = check_architecture(settings.encoder, "encoder")
        if not isinstance(own, GeneratorSettings):
            raise RevisitError(
                f"{self.name}: the encoder {settings.encoder['name']!r} makes no images; choose "
                "unet-generator"
            )
        if missing := [band for band in own.makes if band not in self.data.bands]:
            raise RevisitError(
                f"{self.name}: encoder.makes names {', '.join(missing)}, which the modality lacks; it has "
                f"{', '.join(self.data.bands)}"
            )
        seen = [band for band in self.data.bands if band not in own.makes]
        generator = build_encoder({**settings.encoder, "bands": seen, "image_pixels": self.crop_pixels})
        assert isinstance(generator, Generator)
        return generator

    @property
    def generates(self) -> tuple[str, ...]:
        return self.encoder.makes

    def before_step(self, moment: Moment) -> None:
        """The discriminator has the even steps, the first among them."""
        self._discriminates = moment.step % 2 == 0

    def views(self, batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """``given`` [B, C, H, W] standardised, ``true`` [B, M, H, W] from -1 to 1, ``whole`` [B, 1, H, W].

        ``whole``: where all sensors have data; ``true`` is 0 elsewhere.
        """
        images = crop_and_flip(batch.images, self.crop_pixels, generator)
        whole = holds_data(images, self.data.bands).all(1, keepdim=True)
        values = self.standardised(images)
        true = values[:, self.made] / self.data.clip_sigma * whole
        return {"given": values[:, self.seen], "true": true, "whole": whole}

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        given, true, whole = views["given"], views["true"], views["whole"]
        if self._discriminates:
            with torch.no_grad():
                made = self.encoder.generate(given) * whole
            verdicts = self._judged(given, true, True) + self._judged(given, made, False)
            return {"discriminator": verdicts / 2}
        made = self.encoder.generate(given) * whole
        adversarial, error = self._judged(given, made, True), (true - made).abs().mean()
        return {"loss": adversarial + self.l1 * error, "adversarial": adversarial, "l1": error}

    def _judged(self, given: Tensor, images: Tensor, real: bool) -> Tensor:
        """Cross-entropy of the verdicts on images with being real, or not; mean over patches."""
        logits = self.discriminator(torch.cat([given, images], 1))
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))

    def embeddings(self, views: dict[str, Tensor]) -> Tensor:
        """The images made of a sample and of its mirror image, mirrored back, in 16 x 16 cells, [B, 2, D].

        A generator has collapsed when it makes one image of all places.
        """
        given = views["given"]
        images = self.encoder.generate(given), self.encoder.generate(given.flip(-1)).flip(-1)
        return torch.stack([F.adaptive_avg_pool2d(image, CELLS).flatten(1) for image in images], 1)

    def optimisers(self, training: Training, course: Course) -> list[Descent]:
        rate = main_schedule(training, course)
        return [
            adamw_descent(network.named_parameters(), training, course, rate, part, betas=self.betas)
            for network, part in ((self.encoder, "loss"), (self.discriminator, "discriminator"))
        ]

    def reconstruct(self, images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """The bands it makes hidden wholly, and made of the others."""
        values = self.standardised(images)
        masked, restored = values.clone(), values.clone()
        masked[:, self.made] = 0
        restored[:, self.made] = self.encoder.generate(values[:, self.seen]) * self.data.clip_sigma
        return {"input": values, "masked": masked, "reconstruction": restored}


METHOD = Pix2Pix
