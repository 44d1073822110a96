"""Band statistics: a linear probe on the distribution of each band's values in a patch, wherever they lie."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revisit.evaluation.floors.floor import Floor, FloorData, Indices, Outputs, Score, blocks
from revisit.evaluation.probes.linear import Linear

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BLOCK = 64  # samples read at once


class BandStatistics(Floor):
    """The linear probe, with its defaults, on mean, standard deviation and quantiles of each band."""

    title = "band statistics"
    labels = ("scene",)

    def fit(
        self, data: FloorData, labelled: Indices, validating: Indices, score: Score, seed: int
    ) -> tuple[Callable[[Indices], Outputs], dict[str, Any]]:
        """See ``Floor``; the record is that of the probe."""

        def features(indices: Indices) -> NDArray[np.float32]:
            return np.concatenate([band_statistics(data.scaled(part)) for part in blocks(indices, BLOCK)])

        predict, record = Linear(Linear.Settings()).fit(
            features(labelled), data.labels(labelled), features(validating), data.labels(validating),
            score, seed,
        )  # fmt: skip
        return lambda indices: predict(features(indices)), record


FLOOR = BandStatistics()


def band_statistics(images: NDArray[Any]) -> NDArray[np.float32]:
    """Features (sample, band * 7) of images (sample, band, y, x).

    Of each band mean, standard deviation and ``QUANTILES``.
    """
    values = np.sort(images.reshape(*images.shape[:2], -1), axis=-1, kind="stable")  # quicker quantiles
    statistics = [values.mean(-1), values.std(-1), *np.quantile(values, QUANTILES, axis=-1)]
    return np.stack(statistics, axis=-1).reshape(len(images), -1).astype(np.float32)
