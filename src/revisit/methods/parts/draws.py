"""Random draws, all samples at once, on the generator's device: crops and flips, and subsets."""

import torch
from torch import Tensor


def crop_and_flip(images: Tensor, pixels: int, generator: torch.Generator, flips: bool = True) -> Tensor:
    """A random ``pixels`` x ``pixels`` part of each image [B, ..., H, W], flipped at random on both axes.

    Without ``flips`` it is cut out alone. One draw a sample: whatever lies between the first and the last two
    dimensions (bands, years) is cut and flipped alike, so that registered images stay registered.
    """
    batch = images.shape[0]
    flat = images.reshape(batch, -1, *images.shape[-2:])
    rows, columns = (_window(batch, side, pixels, generator, flips) for side in images.shape[-2:])
    sample = torch.arange(batch, device=images.device)[:, None, None]
    cut = flat[sample, :, rows[:, :, None], columns[:, None, :]]  # [B, pixels, pixels, ...]
    return cut.permute(0, 3, 1, 2).reshape(*images.shape[:-2], pixels, pixels)


def random_subset(
    shape: tuple[int, ...], count: int, generator: torch.Generator, wanted: Tensor | None = None
) -> Tensor:
    """``count`` different indices into the last of ``shape``'s dimensions, in order: int64 [..., count].

    ``wanted``, bool of ``shape``: others are drawn only where there are fewer of these.
    """
    noise = torch.rand(shape, generator=generator, device=generator.device)
    if wanted is not None:
        noise = noise + ~wanted  # noise is below 1
    return noise.argsort(-1)[..., :count].sort(-1).values


def random_mask(shape: tuple[int, ...], count: int, generator: torch.Generator) -> Tensor:
    """Bool tensor of ``shape`` with exactly ``count`` true values along the last dimension."""
    mask = torch.zeros(shape, dtype=torch.bool, device=generator.device)
    return mask.scatter(-1, random_subset(shape, count, generator), True)


def _window(batch: int, side: int, pixels: int, generator: torch.Generator, flips: bool) -> Tensor:
    """Indices [batch, pixels] of a random window along one side, with ``flips`` in reverse for half of the
    samples."""
    device = generator.device
    start = torch.randint(0, side - pixels + 1, (batch, 1), generator=generator, device=device)
    if not flips:
        return start + torch.arange(pixels, device=device)
    flip = torch.rand(batch, 1, generator=generator, device=device) < 0.5
    steps = torch.arange(pixels, device=device)
    return start + torch.where(flip, pixels - 1 - steps, steps)
