"""Pixel statistics: features by definition, pixels drawn fairly, training by the validation score."""

from typing import Any

import numpy as np
import pytest

from revisit.errors import RevisitError
from revisit.evaluation.floors import pixel_statistics as module
from revisit.evaluation.floors.pixel_statistics import FLOOR, draw_pixels, pixel_statistics
from revisit.evaluation.metrics import ConfusionMatrix

SIDE = 16


def score(labels: np.ndarray, outputs: np.ndarray) -> float:
    matrix = ConfusionMatrix(outputs.shape[1])
    matrix.update(labels, outputs.argmax(1))
    return float(matrix.summary()["all"]["miou"])


def maps(made: Any, samples: int = 24) -> Any:
    """Halves: class a dark, b bright and smooth, c as bright and rough; a corner is unlabelled."""
    random = np.random.default_rng(0)
    halves = np.array([random.permutation(3)[:2] for _ in range(samples)])
    truth = np.repeat(halves[:, None, :], SIDE, 1).repeat(SIDE // 2, 2).astype(np.uint8)
    level, spread = np.array([80, 150, 150])[truth], np.array([5, 5, 30])[truth]
    images = level[:, None] + spread[:, None] * random.normal(size=(samples, 2, SIDE, SIDE))
    truth[:, :3, :3] = 255
    return made(images.clip(0, 255).astype(np.uint8), truth, ("a", "b", "c"))


def test_features_are_value_and_box_statistics() -> None:
    """Against a loop over windows of the mirrored image; a flat image has no deviation."""
    images = np.random.default_rng(1).integers(0, 256, (2, 2, 9, 8)).astype(np.uint8)
    features = pixel_statistics(images)
    assert features.shape == (2, 9, 8, 10) and features.dtype == np.float32
    for y, x in [(0, 0), (4, 3), (8, 7)]:
        wanted = [images[1, :, y, x] - 127.5]
        for side in (3, 7):
            half = side // 2
            padded = np.pad(images[1].astype(float), ((0, 0), (half, half), (half, half)), mode="symmetric")
            window = padded[:, y : y + side, x : x + side]
            wanted += [window.mean((1, 2)) - 127.5, window.std((1, 2))]
        np.testing.assert_allclose(features[1, y, x], np.concatenate(wanted), atol=0.01)
    assert (pixel_statistics(np.full((1, 1, 9, 9), 201, np.uint8))[..., [2, 4]] < 0.1).all()


def test_it_learns_colour_and_texture_of_labelled_pixels_alone(made: Any) -> None:
    """Texture needs the boxes; the test split must not be read before it is predicted."""
    data = maps(made)
    train, val, test = np.split(np.arange(24), [12, 18])
    predict, record = FLOOR.fit(data, train, val, score, seed=0)
    assert data.read == {*train, *val}
    outputs = predict(test)
    assert outputs.shape == (6, 3, SIDE, SIDE) and outputs.dtype == np.float32
    assert score(data.truth[test], outputs) > 0.85
    assert record["pixels"] == 12 * (SIDE**2 - 9)
    again, _ = FLOOR.fit(data, train, val, score, seed=0)
    assert np.array_equal(again(test), outputs)
    other, _ = FLOOR.fit(data, train, val, score, seed=1)
    assert not np.array_equal(other(test), outputs)


def test_the_epoch_with_the_best_validation_score_is_kept(made: Any) -> None:
    """The second, of scores 1, 3, 2, 2, ...; five epochs without a better one end the training."""
    data, seen = maps(made), list[np.ndarray]()

    def scripted(labels: np.ndarray, outputs: np.ndarray) -> float:
        seen.append(outputs)
        return [1.0, 3.0, *[2.0] * 9][len(seen) - 1]

    predict, record = FLOOR.fit(data, np.arange(12), np.arange(12, 18), scripted, seed=0)
    assert (record["epochs"], record["validation"], record["converged"]) == (7, 3.0, True)
    known = np.nonzero(data.truth[12:18] != 255)
    kept = np.moveaxis(predict(np.arange(12, 18)), 1, -1)[known]
    np.testing.assert_allclose(kept, seen[1][:, :, 0, 0], atol=1e-5)
    assert np.abs(kept - seen[-1][:, :, 0, 0]).max() > 0.01


def test_a_training_that_the_last_epoch_ends_is_told(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its score still rose."""
    monkeypatch.setattr(module, "EPOCHS", 7)
    rising = iter(range(100))
    record = FLOOR.fit(maps(made), np.arange(4), np.arange(4, 6), lambda *_: float(next(rising)), seed=0)[1]
    assert (record["epochs"], record["converged"]) == (7, False)


def test_pixels_are_drawn_once_and_all_as_likely(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Feature and label of the same pixel; a tile with ten times the labels gives ten times the pixels."""
    images = np.arange(256, dtype=np.uint8).reshape(1, 1, SIDE, SIDE).repeat(40, 0)
    truth = (images[:, 0] % 5).astype(np.uint8)
    truth[:20, 1:] = truth[20:, 10:] = 255  # 16 labelled pixels a tile, then 160
    monkeypatch.setattr(module, "PIXELS", 1000)
    data, generator = made(images, truth, ("a",) * 5), np.random.default_rng(0)
    features, labels = draw_pixels(data, np.arange(40), generator, pixel_statistics)
    values = (features[:, 0] + 127.5).astype(int)
    assert len(labels) == 1000 and np.array_equal(values % 5, labels)
    # Values below 16 are of all tiles (640 pixels), the others of the later half (2,880).
    assert abs((values < 16).mean() - 640 / 3520) < 0.04
    monkeypatch.setattr(module, "PIXELS", 3520)
    every, _ = draw_pixels(data, np.arange(40), np.random.default_rng(0), pixel_statistics)
    counts = np.bincount((every[:, 0] + 127.5).astype(int), minlength=256)
    assert (counts[:16] == 40).all() and (counts[16:160] == 20).all() and not counts[160:].any()


def test_tiles_without_a_label_are_refused(made: Any) -> None:
    """In one line, where few labels leave nothing to learn from."""
    data = maps(made)
    data.truth[:2] = 255
    with pytest.raises(RevisitError, match="no labelled pixel in 2 samples"):
        FLOOR.fit(data, np.arange(2), np.arange(4, 6), score, 0)
