"""Sigma nought of Sentinel-1 ground range products, by the calibration annotation that comes with each.

The annotation holds, for some lines of the image, a look-up table A of some of its pixels; between them A is
interpolated linearly, and sigma nought is DN² / A² (ESA, Sentinel-1 Product Specification, S1-RS-MDA-52-7441,
and Radiometric Calibration of Level-1 Products, S1-TN-MDA-52-7448). The noise of the instrument stays in.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from revisit.stac.failures import UnreadableError


@dataclass(frozen=True)
class SigmaNought:
    """The look-up table: ``lines`` ascending, and of each the pixels and values it has."""

    lines: NDArray[np.float64]
    pixels: Sequence[NDArray[np.float64]]
    values: Sequence[NDArray[np.float64]]

    @classmethod
    def parse(cls, annotation: bytes) -> "SigmaNought":
        """From the XML of a calibration annotation; raises UnreadableError where it is none."""
        try:
            vectors = ElementTree.fromstring(annotation).findall("calibrationVectorList/calibrationVector")
            vectors.sort(key=lambda vector: _numbers(vector, "line")[0])
            table = cls(
                np.concatenate([_numbers(vector, "line") for vector in vectors]),
                [_numbers(vector, "pixel") for vector in vectors],
                [_numbers(vector, "sigmaNought") for vector in vectors],
            )
            whole = all(
                len(pixels) == len(values) > 0 and (values > 0).all()
                for pixels, values in zip(table.pixels, table.values, strict=True)
            )
        except (ElementTree.ParseError, ValueError, IndexError) as error:
            raise UnreadableError(f"no calibration annotation ({error})", lasting=True) from error
        if not whole:
            raise UnreadableError("its calibration annotation has a line without values", lasting=True)
        return table

    def at(self, window: Window) -> NDArray[np.float32]:
        """A of every pixel of a window of the image, (height, width)."""
        columns = np.arange(window.col_off, window.col_off + window.width)
        rows = np.arange(window.row_off, window.row_off + window.height)
        along = np.stack(
            [
                np.interp(columns, pixels, values)
                for pixels, values in zip(self.pixels, self.values, strict=True)
            ]
        )
        position = np.interp(rows, self.lines, np.arange(len(self.lines)))
        before = np.minimum(position.astype(int), max(len(self.lines) - 2, 0))
        weight = (position - before)[:, None]
        after = np.minimum(before + 1, len(self.lines) - 1)
        values: NDArray[np.float64] = (1 - weight) * along[before] + weight * along[after]
        return values.astype(np.float32)


def _numbers(vector: ElementTree.Element, name: str) -> NDArray[np.float64]:
    return np.array((vector.findtext(name) or "").split(), dtype=np.float64)
