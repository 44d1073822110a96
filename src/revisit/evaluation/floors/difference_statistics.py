"""Difference statistics: pixel statistics of how far two images differ, for change.

It sees by how much each band of a pixel differs, and mean and standard deviation of that in boxes of 3 x 3
and 7 x 7 pixels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from revisit.evaluation.floors.pixel_statistics import PixelStatistics, pixel_statistics


class DifferenceStatistics(PixelStatistics):
    """The small network of the pixel statistics, on the absolute difference of the two images."""

    title = "difference statistics"
    labels = ("change",)

    def features(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Features (sample, y, x, band * 5) of images (sample, 2, band, y, x); see ``pixel_statistics``."""
        return pixel_statistics(difference(images))


FLOOR = DifferenceStatistics()


def difference(images: NDArray[Any]) -> NDArray[Any]:
    """Absolute difference (sample, band, y, x) of the two images (sample, 2, band, y, x) of each sample."""
    apart: NDArray[Any] = np.max(images, axis=1) - np.min(images, axis=1)
    return apart
