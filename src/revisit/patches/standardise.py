"""From the values of a patch store to what a network takes."""

from torch import Tensor


def standardise(scaled: Tensor, clip_sigma: float) -> Tensor:
    """Standard deviations from the band's mean, float32, of values scaled to 0 to 255 between the limits.

    The limits lie ``clip_sigma`` deviations from the mean: z = clip_sigma (2 u / 255 - 1).
    """
    return scaled.float() * (2 * clip_sigma / 255) - clip_sigma
