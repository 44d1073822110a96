"""One map from many overlapping tiles: scores of classes are blended, so that no tile's border shows.

Tiles are of the size that the network learnt from and lie half a tile apart. Each counts by a Hann window,
most in its middle, where the network sees all around. A pixel is made of the same tiles whatever block it is
asked for in, so blocks fit together too, and memory does not grow with the image.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from revisit.cube.grid import Block, inside
from revisit.evaluation.trained_model import TrainedModel, probabilities
from revisit.patches.batch import MISSING
from revisit.patches.standardise import standardise
from revisit.prediction.images import Images
from revisit.training.device import mixed_precision

OVERLAP = 2  # tiles along a line that cover a pixel
BATCH = 32  # tiles at a time


class Mapped(NamedTuple):
    """A block of a map.

    ``codes`` uint8 (y, x): class number + 1, 0 without data. ``image`` (band, y, x), as the model
    takes it.
    """

    codes: NDArray[np.uint8]
    image: NDArray[Any]


def starts(length: int, side: int) -> list[int]:
    """Where tiles begin along a line of this many pixels; the last ends with it."""
    last = max(length - side, 0)
    return [*range(0, last, side // OVERLAP), last]


def window(side: int) -> Tensor:
    """How much each pixel of a tile counts, float32 (y, x): a Hann window, above 0 everywhere."""
    line = torch.sin(torch.pi * (torch.arange(side) + 0.5) / side).square()
    return torch.outer(line, line)


class Blend:
    """Maps an image by a model, block by block."""

    def __init__(self, model: TrainedModel, images: Images) -> None:
        self.model, self.images, self.side = model, images, int(model.card["patch_pixels"])
        self.device = next(model.network.parameters()).device
        self.clip_sigma = float(next(iter(model.card["scaling"].values()))["clip_sigma"])
        self.starts = [starts(length, self.side) for length in images.place.shape]
        self.window = window(self.side).to(self.device)

    def block(self, block: Block) -> Mapped:
        """The map of a block."""
        tiles = [
            [start for start in line if start < part.stop and start + self.side > part.start]
            for line, part in zip(self.starts, block, strict=True)
        ]
        rows, columns = (
            slice(line[0], min(line[-1] + self.side, length))
            for line, length in zip(tiles, self.images.place.shape, strict=True)
        )
        read = rows, columns
        image, valid = self.images.read(read)
        offsets = [
            (top - rows.start, left - columns.start)
            for top in tiles[0]
            for left in tiles[1]
            if valid[top - rows.start :, left - columns.start :][: self.side, : self.side].any()
        ]
        scores = self._scores(_at_least(image, self.side), offsets)
        here = inside(block, read)
        codes = np.where(valid[here], scores[here] + np.uint8(1), np.uint8(0)).astype(np.uint8)
        return Mapped(codes, image[:, *here])

    @torch.inference_mode()
    def _scores(self, image: NDArray[Any], offsets: Sequence[tuple[int, int]]) -> NDArray[np.uint8]:
        """The class of highest blended score (y, x)."""
        count = len(self.model.card["classes"])
        total = torch.zeros((count, *image.shape[1:]), device=self.device)
        pixels = torch.from_numpy(image)
        for batch in _batches(offsets):
            tiles = torch.stack([self._cut(pixels, *offset) for offset in batch]).to(self.device)
            with mixed_precision(self.device):
                output = self.model.network(standardise(tiles, self.clip_sigma)).float()
            if output.ndim == 2:  # a scene has one score a class, which is that of all its pixels
                output = output[:, :, None, None]
            for offset, scores in zip(batch, probabilities(output, self.model.card), strict=True):
                self._cut(total, *offset).add_(scores * self.window)
        return total.argmax(0).to(torch.uint8).cpu().numpy()

    def _cut(self, pixels: Tensor, top: int, left: int) -> Tensor:
        return pixels[:, top : top + self.side, left : left + self.side]


def _batches(offsets: Sequence[tuple[int, int]]) -> Iterator[Sequence[tuple[int, int]]]:
    for first in range(0, len(offsets), BATCH):
        yield offsets[first : first + BATCH]


def _at_least(image: NDArray[Any], side: int) -> NDArray[Any]:
    """An image of at least this side, the rest of it without data."""
    more = [(0, max(0, side - length)) for length in image.shape[1:]]
    return np.pad(image, [(0, 0), *more], constant_values=MISSING)
