"""From digital numbers to physical values: reflectance in steps, or backscatter as linear power."""

from dataclasses import dataclass

import numpy as np

from revisit.cube.packing import (
    MOST_STEPS,
    REFLECTANCE_MISSING,
    REFLECTANCE_STEP,
    pack_reflectance,
)
from revisit.cube.stacking.acquisitions import Clip, Scene
from revisit.errors import RevisitError

# Reflectance below zero is rare where the offset is right: some shadow and water.
MOST_NEGATIVE = 0.05
# A land scene whose pixels are all brighter than 0.1 in the visible still has the offset of 0.1 in it.
LEAST_DARK = 0.01
DARK = 0.1
FIRST_BASELINE_WITH_OFFSET = 4.0


def physical(numbers: np.ndarray, clip: Clip) -> np.ndarray:
    """Digital numbers of any shape to float32 reflectance or linear power; NaN where nothing was seen.

    Power, the unit in which backscatter may be averaged and resampled, comes from ``linear power``,
    ``decibel`` (10^(dB/10)) or ``amplitude`` (number^2 * 10^(calibration_db/10)). Reflectance, linear power
    and decibel are number * scale + offset.
    """
    numbers = numbers.astype(np.float32)
    missing = np.isnan(numbers)
    # Level-2A products without a stated value for missing pixels hold 0 there.
    nodata = 0.0 if clip.nodata is None and clip.unit == "reflectance" else clip.nodata
    if nodata is not None:
        missing |= numbers == np.float32(nodata)
    scaled = numbers * np.float32(clip.scale) + np.float32(clip.offset)
    match clip.unit:
        case "reflectance":
            values = scaled
        case "metres":
            values = scaled
        case "linear power":
            values = scaled
            missing |= values <= 0
        case "decibel":
            values = np.power(np.float32(10), scaled / 10)
        case "amplitude":
            missing |= numbers <= 0
            values = np.square(numbers) * np.float32(10 ** (clip.calibration_db / 10))
        case unit:
            raise RevisitError(f"{clip.path}: unknown unit {unit!r} in its manifest")
    values[missing] = np.nan
    return values


def reflectance_steps(numbers: np.ndarray, clip: Clip) -> np.ndarray:
    """Digital numbers of any shape to int16 steps of reflectance (revisit.cube.packing)."""
    offset = clip.offset / REFLECTANCE_STEP
    whole = abs(offset - round(offset)) <= 1e-6 and abs(offset) <= MOST_STEPS
    if numbers.dtype != np.uint16 or clip.scale != REFLECTANCE_STEP or not whole:
        return pack_reflectance(physical(numbers, clip))
    # The numbers are steps already, but for their offset. Held within the type they may run over in the
    # subtraction and are right again as int16.
    less = -round(offset)
    held = np.minimum(numbers, np.uint16(MOST_STEPS + less))
    steps: np.ndarray = np.subtract(held, np.uint16(less % 65536), out=held).view(np.int16)
    np.copyto(steps, REFLECTANCE_MISSING, where=numbers == (0 if clip.nodata is None else clip.nodata))
    return steps


def decibel(power: np.ndarray) -> np.ndarray:
    """10 log10 of linear power, in place; NaN stays NaN."""
    np.log10(power, out=power)
    power *= 10
    return power


@dataclass
class OffsetCheck:
    """Asks the darkest clear pixels of a scene whether its reflectance offset was applied once.

    Providers state the offset of baseline 04.00 wrongly often enough; applied twice it makes
    reflectance negative, never applied it leaves nothing dark.
    """

    pixels: int = 0
    negative: int = 0
    dark: int = 0

    def add(self, darkest: np.ndarray) -> None:
        """Count clear pixels by the reflectance of their darkest visible band, any shape."""
        self.pixels += darkest.size
        self.negative += int(np.count_nonzero(darkest < 0))
        self.dark += int(np.count_nonzero(darkest < DARK))

    def doubt(self, scene: Scene, offset: float) -> str | None:
        """What speaks against ``offset``, in words, or None."""
        if not self.pixels:
            return None
        negative, dark = self.negative / self.pixels, self.dark / self.pixels
        told = f"baseline {scene.processing_baseline}; {scene.offset_rule}"
        if offset < 0 and negative > MOST_NEGATIVE:
            return (
                f"{scene.id}: {negative:.0%} of its clear pixels have negative reflectance with the offset "
                f"{offset:g}; it may have been applied before ({told})"
            )
        if offset == 0 and _baseline(scene) >= FIRST_BASELINE_WITH_OFFSET and dark < LEAST_DARK:
            return (
                f"{scene.id}: no clear pixel is darker than {DARK:g}; its offset may not be applied ({told})"
            )
        return None


def _baseline(scene: Scene) -> float:
    try:
        return float(scene.processing_baseline)
    except ValueError:
        return 0.0
