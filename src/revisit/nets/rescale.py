"""Whether images are scaled as an encoder's were, and how to take those that are not.

A patch store's ``scaling`` says for each sensor and band which physical values its 8 bits span. The same
stored number means the same reflectance or decibel only between the same limits.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from revisit.errors import RevisitError

TOLERANCE = 1e-6  # relative


class Limits(NamedTuple):
    """What fixes the meaning of z = clip_sigma (2 (x - lower) / (upper - lower) - 1), for x in ``unit``."""

    unit: str
    clip_sigma: float
    lower: float
    upper: float


def check_scaling(
    folder: Path, own: Mapping[str, Any], given: Mapping[str, Any], bands: Sequence[str]
) -> None:
    """Raise RevisitError unless ``bands`` are scaled alike in both; ``folder``: the encoder's, to name it."""
    ours, theirs = _limits(own), _limits(given)
    for band in bands:
        _present(folder, band, theirs)
        for key in Limits._fields:
            value, other = getattr(ours[band], key), getattr(theirs[band], key)
            if not _same(value, other):
                raise RevisitError(
                    f"{folder}: trained with {key.replace('_', ' ')} {value} of band {band!r}, the images "
                    f"have {other}; use the patch store it was pretrained on, one scaled alike, or rescale"
                )


def rescaling(
    folder: Path, own: Mapping[str, Any], given: Mapping[str, Any], bands: Sequence[str]
) -> dict[str, tuple[float, float, float]]:
    """Factor and shift of each band from values standardised as ``given`` to values as ``own``, and own clip.

    Raises RevisitError where the unit is another, which no factor mends.
    """
    ours, theirs = _limits(own), _limits(given)
    result = {}
    for band in bands:
        _present(folder, band, theirs)
        new, old = ours[band], theirs[band]
        if new.unit != old.unit:
            raise RevisitError(
                f"{folder}: trained with band {band!r} in {new.unit}, the images have {old.unit}; "
                f"rescaling cannot change the unit"
            )
        # The physical value of z is middle + z * step, in either scaling.
        new_step, old_step = ((own.upper - own.lower) / (2 * own.clip_sigma) for own in (new, old))
        new_middle, old_middle = ((own.upper + own.lower) / 2 for own in (new, old))
        result[band] = (old_step / new_step, (old_middle - new_middle) / new_step, new.clip_sigma)
    return result


def _present(folder: Path, band: str, theirs: Mapping[str, Limits]) -> None:
    if band not in theirs:
        raise RevisitError(f"{folder}: the images' scaling has no band {band!r}; it has {sorted(theirs)}")


def _same(value: str | float, other: str | float) -> bool:
    if isinstance(value, str) or isinstance(other, str):
        return value == other
    return abs(value - other) <= TOLERANCE * max(abs(value), abs(other))


def _limits(scaling: Mapping[str, Any]) -> dict[str, Limits]:
    return {
        band: Limits(sensor["source_unit"], sensor["clip_sigma"], limits["lower"], limits["upper"])
        for sensor in scaling.values()
        for band, limits in sensor["bands"].items()
    }
