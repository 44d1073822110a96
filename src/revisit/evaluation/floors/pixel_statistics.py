"""Pixel statistics: a small network on the values close to a pixel, for maps.

It sees the value of each band, and mean and standard deviation in boxes of 3 x 3 and 7 x 7 pixels: colour and
texture, and no shape.
"""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revisit.errors import RevisitError
from revisit.evaluation.floors.floor import Floor, FloorData, Indices, Labels, Outputs, Score, blocks
from revisit.evaluation.metrics import IGNORE

BOXES = (3, 7)  # pixels
PIXELS = 20_000  # drawn at most from the labelled samples, and as many from the validating ones
HIDDEN = 32  # units of the one hidden layer
BATCH = 200  # pixels an update
EPOCHS = 100  # at most
PATIENCE = 5  # epochs without a better validation score that end the training
BLOCK = 16  # samples whose features are held at once


class PixelStatistics(Floor):
    """Predicts class probabilities; the network is kept as of the epoch with the best validation score."""

    title = "pixel statistics"
    labels = ("map",)
    draws = True

    def features(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Features (sample, y, x, feature) of the images of a task."""
        return pixel_statistics(images)

    def fit(
        self, data: FloorData, labelled: Indices, validating: Indices, score: Score, seed: int
    ) -> tuple[Callable[[Indices], Outputs], dict[str, Any]]:
        """See ``Floor``; ``seed`` draws pixels, initial weights and their order.

        ``score`` is of the drawn validating pixels, as maps of one pixel each. Record: ``pixels`` learnt
        from, ``epochs``, ``validation`` (the best score). Raises RevisitError where no pixel is labelled.
        """
        from sklearn.neural_network import MLPClassifier  # takes a second to import; few jobs need it
        from sklearn.preprocessing import StandardScaler
        from threadpoolctl import threadpool_limits

        generator = np.random.default_rng(seed)
        inputs, targets = draw_pixels(data, labelled, generator, self.features)
        held_out, truth = draw_pixels(data, validating, generator, self.features)
        scaler = StandardScaler().fit(inputs)
        inputs, held_out = scaler.transform(inputs), scaler.transform(held_out)

        network = MLPClassifier((HIDDEN,), batch_size=min(BATCH, len(inputs)))
        network.set_params(random_state=np.random.RandomState(seed))  # its state lives on between epochs
        best, best_score, best_epoch, epoch = network, -np.inf, 0, 0
        with threadpool_limits(1):  # the last bits depend on the number of threads
            while epoch < EPOCHS and epoch - best_epoch < PATIENCE:
                epoch += 1
                network.partial_fit(inputs, targets, classes=np.arange(len(data.classes)))
                reached = score(truth[:, None, None], network.predict_proba(held_out)[:, :, None, None])
                if reached > best_score:
                    best, best_score, best_epoch = copy.deepcopy(network), reached, epoch

        def probabilities(indices: Indices) -> Outputs:
            features = self.features(data.scaled(indices))
            maps = best.predict_proba(scaler.transform(features.reshape(-1, features.shape[-1])))
            outputs: Outputs = np.moveaxis(maps.reshape(*features.shape[:3], -1), -1, 1)
            return outputs.astype(np.float32)

        def predict(indices: Indices) -> Outputs:
            with threadpool_limits(1):
                return np.concatenate([probabilities(part) for part in blocks(indices, BLOCK)])

        return predict, {
            "pixels": len(inputs),
            "epochs": epoch,
            "validation": best_score,
            "converged": epoch - best_epoch == PATIENCE,
        }


FLOOR = PixelStatistics()


def pixel_statistics(images: NDArray[Any]) -> NDArray[np.float32]:
    """Features (sample, y, x, band * 5) of images (sample, band, y, x).

    The values of all bands, then their means and their standard deviations in each of the ``BOXES``; beyond
    the edge images are mirrored.
    """
    from scipy.ndimage import uniform_filter

    values = images.astype(np.float32) - 127.5  # small squares, so that float32 holds the deviations
    features = [values]
    for side in BOXES:
        size = (1, 1, side, side)
        mean, square = uniform_filter(values, size), uniform_filter(values**2, size)
        features += [mean, np.sqrt(np.maximum(square - mean**2, 0))]
    return np.moveaxis(np.concatenate(features, axis=1), 1, -1)


def draw_pixels(
    data: FloorData,
    indices: Indices,
    generator: np.random.Generator,
    features_of: Callable[[NDArray[Any]], NDArray[np.float32]],
) -> tuple[NDArray[np.float32], Labels]:
    """Features (pixel, feature) and labels (pixel,) of up to ``PIXELS`` labelled pixels, all as likely."""
    known = np.cumsum([(data.labels(part) != IGNORE).sum() for part in blocks(indices, BLOCK)])
    if not known.any():
        raise RevisitError(
            f"no labelled pixel in {len(indices)} samples; use larger label_fractions or more regions"
        )
    drawn = np.sort(generator.choice(known[-1], min(PIXELS, known[-1]), replace=False))
    features, labels = [], []
    for part, first, last in zip(blocks(indices, BLOCK), [0, *known[:-1]], known, strict=True):
        inside = drawn[(first <= drawn) & (drawn < last)] - first
        if inside.size:
            maps = data.labels(part)
            pixels = np.nonzero(maps != IGNORE)
            pixels = tuple(axis[inside] for axis in pixels)
            features.append(features_of(data.scaled(part))[pixels])
            labels.append(maps[pixels])
    return np.concatenate(features), np.concatenate(labels)
