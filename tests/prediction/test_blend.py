"""Protects maps from seams: whatever a network does at the border of a tile, and however an image is cut."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from revisit.cube.grid import Block
from revisit.evaluation.trained_model import TrainedModel
from revisit.prediction import blend
from revisit.prediction.blend import Blend

SIDE = 32
S1 = "sentinel-1"


def whole(shape: tuple[int, ...]) -> Block:
    return slice(0, shape[-2]), slice(0, shape[-1])


def image(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Patches of bright and dark, a few pixels wide, in two bands."""
    coarse = np.random.default_rng(seed).integers(0, 2, (2, -(-height // 5), -(-width // 5)))
    values = 40 + 170 * coarse.repeat(5, axis=1).repeat(5, axis=2)
    return values[:, :height, :width].astype(np.uint8)


class Frightened(nn.Module):
    """Right in the middle of a tile, surely wrong within 4 pixels of its border."""

    def __init__(self) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(9.0))

    def forward(self, images: Tensor) -> Tensor:
        logits = torch.stack([-images[:, 0], images[:, 0]], 1) * self.sharpness
        border = torch.ones(images.shape[-2:], dtype=torch.bool)
        border[4:-4, 4:-4] = False
        return torch.where(border, -logits, logits)


def wrong(model: TrainedModel, images: Any) -> np.ndarray:
    """Where the map is not what each pixel says by itself."""
    found = Blend(model, images).block(whole(images.values.shape)).codes
    return np.asarray(found != 1 + (images.values[0] > 127))


def test_no_seam_shows(card: Callable[..., Any], held: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The image's own border has no tile beyond it; everywhere else the middle of some tile has its say."""
    images, model = held(image(150, 121)), TrainedModel(Frightened(), card(S1), Path())
    inside = slice(4, -4)
    assert not wrong(model, images)[inside, inside].any()
    # The network is as bad as that: tile beside tile, or tiles that count the same everywhere, leave seams.
    with monkeypatch.context() as patch:
        patch.setattr(blend, "OVERLAP", 1)
        assert wrong(model, images)[inside, inside].mean() > 0.2
    with monkeypatch.context() as patch:
        patch.setattr(blend, "window", lambda side: torch.ones(side, side))
        assert wrong(model, images)[inside, inside].mean() > 0.01


def test_tiles_say_what_the_whole_image_says(
    card: Callable[..., Any], held: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that sees 4 pixels around, on noise: less than 1 % of pixels are of another class.

    Blended scores differ from the whole image's only by what tiles say within 4 pixels of their border, where
    they count least. Of tiles beside each other far more pixels differ.
    """
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 8, 5, padding=2), nn.ReLU(), nn.Conv2d(8, 3, 5, padding=2)]
    network = nn.Sequential(*layers)
    images = held(np.random.default_rng(1).integers(0, 256, (2, 130, 170), dtype=np.uint8))
    model = TrainedModel(network, card(S1, classes=["a", "b", "c"], colours=[None] * 3), Path())
    with torch.no_grad():
        standardised = torch.from_numpy(images.values.astype(np.float32) * 6 / 255 - 3)
        expected = 1 + network(standardised[None])[0].argmax(0).numpy()
    assert disagreement(model, images, expected) < 0.01
    monkeypatch.setattr(blend, "OVERLAP", 1)
    assert disagreement(model, images, expected) > 0.05


def disagreement(model: TrainedModel, images: Any, expected: np.ndarray) -> float:
    """The share of pixels 8 and more from the image's border whose class is another."""
    found = Blend(model, images).block(whole(images.values.shape)).codes
    return float((found != expected)[8:-8, 8:-8].mean())


def test_blocks_fit_together(levels: TrainedModel, held: Any) -> None:
    """However an image is cut, every pixel is made of the same tiles."""
    images, model = held(image(100, 90)), TrainedModel(Frightened(), levels.card, Path())
    blending = Blend(model, images)
    at_once = blending.block(whole(images.values.shape)).codes
    pieces = np.zeros_like(at_once)
    for rows in (slice(0, 7), slice(7, 64), slice(64, 100)):
        for columns in (slice(0, 50), slice(50, 51), slice(51, 90)):
            pieces[rows, columns] = blending.block((rows, columns)).codes
    assert np.array_equal(pieces, at_once)


def test_no_data_stays_none_and_costs_nothing(card: Callable[..., Any], held: Any) -> None:
    seen: list[int] = []

    class Counting(Frightened):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(len(images))
            return super().forward(images)

    values, valid = image(SIDE * 8, SIDE * 2), np.zeros((SIDE * 8, SIDE * 2), bool)
    valid[10, 10] = valid[20:30, 40] = True
    images = held(values, valid)
    found = Blend(TrainedModel(Counting(), card(S1), Path()), images).block(whole(values.shape)).codes
    assert np.array_equal(found > 0, valid)
    assert sum(seen) == 1 + 4  # of 45 tiles


def test_an_image_smaller_than_a_tile(levels: TrainedModel, held: Any) -> None:
    assert not wrong(levels, held(image(20, 45))).any()
    assert not wrong(levels, held(image(3, 2))).any()


def test_scenes_are_slid_over_the_image(card: Callable[..., Any], held: Any) -> None:
    """One score for a whole tile: the border between two halves is found to a quarter of a tile."""

    class Scene(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sharpness = nn.Parameter(torch.tensor(1.0))

        def forward(self, images: Tensor) -> Tensor:
            level = images[:, 0].mean((1, 2)) * self.sharpness
            return torch.stack([-level, level], 1)

    values = np.full((2, 64, 160), 40, np.uint8)
    values[:, :, 80:] = 210
    model = TrainedModel(Scene(), card(S1, labels="scene", exclusive=False), Path())
    found = Blend(model, held(values)).block(whole(values.shape)).codes
    assert (found[:, :72] == 1).all() and (found[:, 88:] == 2).all()
