"""What a rate, a momentum or a weight decay is at each update: a function of the update's number, from 0.

With the default peak of 1 a schedule is a factor on a base rate.
"""

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def constant(value: float = 1.0) -> Schedule:
    """The same at every update."""
    return lambda step: value


def warmup_cosine(steps: int, warmup: int, peak: float = 1.0, floor: float = 0.0) -> Schedule:
    """Rises from ``peak / warmup`` to ``peak`` with the last warm-up step, then falls to ``floor``.

    The fall is half a cosine, which reaches ``floor`` after the last step (as MAE, per update).
    """

    def value(step: int) -> float:
        if step < warmup:
            return peak * (step + 1) / warmup
        turn = math.pi * (step - warmup) / max(steps - warmup, 1)
        return floor + (peak - floor) * 0.5 * (1 + math.cos(turn))

    return value


def warmup_falls(steps: int, warmup: int, peak: float = 1.0) -> Schedule:
    """Rises to ``peak`` as ``warmup_cosine`` does, and falls to a tenth after 60 and after 80 % of the steps.

    As in SeCo and CACo, whose epochs 600 and 800 of 1,000 these are.
    """
    falls = (round(0.6 * steps), round(0.8 * steps))

    def value(step: int) -> float:
        rise = min((step + 1) / warmup, 1.0) if warmup else 1.0
        return peak * rise * 0.1 ** sum(step >= fall for fall in falls)

    return value


def cosine(steps: int, start: float, end: float) -> Schedule:
    """From ``start`` at the first update to ``end`` after the last, along half a cosine."""
    return lambda step: end + 0.5 * (start - end) * (1 + math.cos(math.pi * step / max(steps, 1)))


def polynomial(steps: int, power: float = 0.9, peak: float = 1.0) -> Schedule:
    """``peak`` times (1 - step / steps) to the ``power`` (Swin-Unet)."""
    return lambda step: peak * (1 - step / steps) ** power
