"""DINO-MM: a student predicts, from small or large crops, what a slow teacher says of large ones.

Crops lose one sensor at random, so that features of SAR, optical and both come to agree. With centre c and
temperatures T, over teacher crops t and student crops s unlike t:

    loss = mean of -sum_k softmax((teacher_t - c) / T_t)_k log softmax(student_s / T_s)_k
"""

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from revisit.cube.bands import BANDS, ELEVATION
from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, Method, MethodSettings, Moment
from revisit.methods.parts import ranks
from revisit.methods.parts.augmentation import Augmentation, bands_of_sensor, radar_bands
from revisit.methods.parts.contrast import distillation
from revisit.methods.parts.heads import DinoHead
from revisit.methods.parts.momentum import follow, follower
from revisit.nets.encoder import Encoder
from revisit.nets.transformer import stochastic_depth
from revisit.patches.batch import Batch
from revisit.patches.modality import sensor_of
from revisit.training.optimiser import Course, Descent, adamw, decay_groups
from revisit.training.schedules import cosine, warmup_cosine
from revisit.training.settings import Training


class DinoAugmentation(Augmentation):
    """How DINO-MM makes a crop."""

    grey: float = Field(0.0, ge=0, le=1)
    """Probability that all bands become their mean; 0.2 in the source."""
    solarise: float = Field(0.0, ge=0, le=1)
    """Probability that values below a band's mean are turned above it; 0.2 of the second large crop in the
    source."""

    def recoloured(self, images: Tensor, bands: Sequence[str], generator: torch.Generator) -> Tensor:
        seen, device = super().recoloured(images, bands, generator), images.device
        elevation = bands_of_sensor(tuple(bands), ELEVATION, device)[:, None, None]
        if self.grey:
            acts = torch.rand(len(images), 1, 1, 1, generator=generator, device=device) < self.grey
            mean = (seen * ~elevation).sum(1, keepdim=True) / (~elevation).sum()
            seen = torch.where(acts & ~elevation, mean, seen)
        if self.solarise:
            acts = torch.rand(len(images), 1, 1, 1, generator=generator, device=device) < self.solarise
            seen = torch.where(acts & ~elevation, seen.abs(), seen)
        return seen


GLOBAL = (
    DinoAugmentation(scale=(0.4, 1.0), blur=1.0),
    DinoAugmentation(scale=(0.4, 1.0), blur=0.1),
)


class DinoMM(Method):
    """Any encoder, by its pooled features."""

    class Settings(MethodSettings):
        """DINO-MM's own keys."""

        hidden: int = Field(2048, gt=0)
        """Width of the head's layers."""
        bottleneck: int = Field(256, gt=0)
        """Numbers compared with the prototypes."""
        prototypes: int = Field(65536, gt=0)
        """Outputs of the head."""
        local_crops: int = Field(8, ge=0)
        """Small crops, seen by the student alone."""
        local_pixels: int = Field(48, gt=0)
        """Their side."""
        sensor_drop: float = Field(0.5, ge=0, le=1)
        """Probability that a crop shows one sensor only, and no elevation; 0 for images of one sensor."""
        student_temperature: float = Field(0.1, gt=0)
        """Of the student's outputs."""
        teacher_temperature: float = Field(0.04, gt=0)
        """Of the teacher's centred outputs."""
        centre_momentum: float = Field(0.9, ge=0, le=1)
        """Share of itself that the centre keeps in a step."""
        momentum: float = Field(0.996, ge=0, le=1)
        """Share of itself that the teacher keeps in the first step; it rises to 1 along half a cosine."""
        weight_decay_end: float = Field(0.4, ge=0)
        """Weight decay after the last step; it goes there from weight_decay along half a cosine."""
        final_rate: float = Field(1e-6, ge=0)
        """Learning rate after the last step."""
        frozen_epochs: int = Field(1, ge=0)
        """Epochs in which the prototypes stay as they are."""
        drop_path: float = Field(0.0, ge=0, lt=1)
        """Stochastic depth of the student's last block, less for those before; 0.1 in the source."""
        keep: Literal["student", "teacher"] = "student"
        """Which of the two is the encoder that is kept; the source evaluates the teacher."""
        global_augmentations: tuple[DinoAugmentation, DinoAugmentation] = GLOBAL
        """Of the two large crops."""
        local_augmentation: DinoAugmentation = DinoAugmentation(scale=(0.05, 0.4), blur=0.5)
        """Of the small crops."""

    source = "DINO-MM (Wang et al., IGARSS 2022), as in zhu-xlab/DINO-MM"
    choices = (
        "a dropped sensor is its mean, 0; brightness and contrast become a gain and an offset per optical "
        "band and a gain with speckle per SAR band; grey and solarised crops and stochastic depth only where "
        "asked for; fixed position codes, in small crops those of a large one's corner; the gradient is "
        "clipped as a whole; unless the entry says otherwise, large crops have the size of the stored image "
        "and the student is kept; probes see the last block's class token, where the code's see those of "
        "the last four blocks side by side; one sensor will do where no crop loses one (sensor_drop 0)"
    )
    batch_wide = True  # the centre is a mean over the batch
    centre: Tensor
    fresh_centre: Tensor

    def __init__(self, settings: Settings, data: DataDescription) -> None:
        super().__init__(settings, data)
        absent = {*BANDS} - {sensor_of(band) for band in data.bands}
        if settings.sensor_drop and absent:
            raise RevisitError(
                f"{self.name}: needs bands of {', '.join(sorted(absent))}, as crops lose one sensor of two; "
                f"choose another modality, or sensor_drop: 0"
            )
        for how in (*settings.global_augmentations, settings.local_augmentation):
            how.check(data.bands, self.name)
        self.settings = settings
        self.head = DinoHead(
            self.encoder.feature_dim, settings.hidden, settings.bottleneck, settings.prototypes
        )
        self.teacher, self.teacher_head = follower(self.encoder), follower(self.head)
        if settings.drop_path:
            stochastic_depth(self.encoder, settings.drop_path)
        self.register_buffer("centre", torch.zeros(settings.prototypes))
        self.register_buffer("fresh_centre", torch.zeros(settings.prototypes), persistent=False)
        side = self.encoder.settings.side_multiple()
        if settings.local_crops and settings.local_pixels % side:
            raise RevisitError(
                f"{self.name}: local_pixels {settings.local_pixels} must be a multiple of {side} pixels, as "
                f"the encoder's images are; change it, or encoder"
            )

    def views(self, batch: Batch[Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """``large`` [B, 2, C, H, W] and ``small`` [B, local_crops, C, h, w], float32."""
        images, own = self.standardised(batch.images), self.settings
        large = [self._crop(images, how, self.crop_pixels, generator) for how in own.global_augmentations]
        views = {"large": torch.stack(large, 1)}
        if own.local_crops:
            how = own.local_augmentation
            small = [self._crop(images, how, own.local_pixels, generator) for _ in range(own.local_crops)]
            views["small"] = torch.stack(small, 1)
        return views

    def embeddings(self, views: dict[str, Tensor]) -> Tensor:
        """The student's logits of both large crops, [B, 2, prototypes]."""
        return torch.stack(_outputs(self.encoder, self.head, views["large"]), 1)

    def loss(self, views: dict[str, Tensor]) -> dict[str, Tensor]:
        with torch.no_grad():
            taught = _outputs(self.teacher, self.teacher_head, views["large"])
            self.fresh_centre.copy_(ranks.mean(torch.cat(taught).float().mean(0)))
        seen = [
            logits
            for name in ("large", "small")
            if name in views
            for logits in _outputs(self.encoder, self.head, views[name])
        ]
        centred = [logits - self.centre for logits in taught]
        own = self.settings
        return {"loss": distillation(seen, centred, own.student_temperature, own.teacher_temperature)}

    def after_backward(self, moment: Moment) -> None:
        """In the first epochs the prototypes get no gradient."""
        if moment.epoch < self.settings.frozen_epochs:
            self.head.prototypes.grad = None

    def after_step(self, moment: Moment) -> None:
        """The centre moves to that of the batch, the teacher to the student."""
        self.centre.lerp_(self.fresh_centre, 1 - self.settings.centre_momentum)
        momentum = cosine(moment.steps, self.settings.momentum, 1.0)(moment.step - 1)
        follow(self.teacher, self.encoder, momentum)
        follow(self.teacher_head, self.head, momentum)

    def encoders(self) -> dict[str, Encoder]:
        return {"": self.teacher if self.settings.keep == "teacher" else self.encoder}

    def optimisers(self, training: Training, course: Course) -> list[Descent]:
        """AdamW whose rate ends at ``final_rate`` and whose weight decay follows a schedule of its own."""
        groups = decay_groups(self.named_parameters(), training.weight_decay)
        warmup = round(training.warmup_fraction * course.steps)
        rate = warmup_cosine(course.steps, warmup, training.peak_rate, self.settings.final_rate)
        decay = cosine(course.steps, training.weight_decay, self.settings.weight_decay_end)
        schedules = [{"lr": rate, "weight_decay": decay}, {"lr": rate}]
        return [Descent(adamw(groups, training), schedules)]

    def _crop(self, images: Tensor, how: Augmentation, side: int, generator: torch.Generator) -> Tensor:
        """One crop of each image, some of them with one sensor only.

        Elevation is the same in all crops of a place: beside one sensor it would do instead of what both see.
        """
        cut = how.view(images, self.data.bands, side, generator)
        device, shape = generator.device, (len(images), 1)
        drops = torch.rand(shape, generator=generator, device=device) < self.settings.sensor_drop
        of_radar = torch.rand(shape, generator=generator, device=device) < 0.5
        elevation = bands_of_sensor(self.data.bands, ELEVATION, device)
        dropped = drops & ((radar_bands(self.data.bands, device) == of_radar) | elevation)
        return cut.masked_fill(dropped[:, :, None, None], 0.0)


def _outputs(encoder: nn.Module, head: nn.Module, crops: Tensor) -> list[Tensor]:
    """Logits [B, K] of each of the crops [B, V, C, H, W], all through the network at once."""
    logits = head(encoder(crops.transpose(0, 1).flatten(0, 1)))
    return list(logits.unflatten(0, (crops.shape[1], crops.shape[0])).unbind(0))


METHOD = DinoMM
