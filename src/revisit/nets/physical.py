"""From reflectance, decibels and metres to the standardised values that an encoder takes."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from revisit.errors import RevisitError
from revisit.nets.rescale import Limits
from revisit.patches.batch import MISSING
from revisit.patches.standardise import standardise

MOST_REFLECTANCE = 5.0  # the median of no image of reflectance is higher; of digital numbers it always is
LEAST = -1000.0  # no reflectance, decibels or metres of land are as low; numbers that stand for no data are


def standardise_physical(
    values: Tensor | np.ndarray, bands: Sequence[str], wanted: Sequence[str], limits: Mapping[str, Limits]
) -> Tensor:
    """Standardised values [..., wanted, H, W], float32, of physical ones [..., bands, H, W].

    z = clip_sigma (2 (x - lower) / (upper - lower) - 1), cut at ± clip_sigma as the 8 bit of a patch store
    are. What is masked or not finite (no power is -inf dB) becomes what a patch store has where nothing was
    seen. Raises RevisitError where a wanted band is not given, and for values that are plainly in another
    unit or stand for no data.
    """
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(np.result_type(values.dtype, np.float32)), np.nan)
    # Of numpy's views torch takes none that runs backwards.
    images = values if isinstance(values, Tensor) else torch.from_numpy(np.ascontiguousarray(values))
    if images.ndim < 3 or images.shape[-3] != len(bands):
        raise RevisitError(
            f"standardise: expected [..., {len(bands)}, H, W] for {list(bands)}, got {list(images.shape)}"
        )
    if len(set(bands)) != len(bands):
        raise RevisitError(f"standardise: bands {list(bands)} must differ")
    if missing := [band for band in wanted if band not in bands]:
        raise RevisitError(
            f"standardise: the encoder needs {', '.join(missing)}, bands given are {list(bands)}; name the "
            f"channels as in a cube (red, nir, vv, …)"
        )
    result = []
    for band in wanted:
        own, (unit, clip, lower, upper) = images[..., bands.index(band), :, :].double(), limits[band]
        seen = own.isfinite()
        _check_values(own[seen], unit, band)
        z = clip * (2 * (own - lower) / (upper - lower) - 1)
        empty = standardise(torch.tensor(MISSING), clip).to(z)
        result.append(torch.where(~seen, empty, z.clamp(-clip, clip)).float())
    return torch.stack(result, -3)


def _check_values(seen: Tensor, unit: str, band: str) -> None:
    if not len(seen):
        return
    if unit == "reflectance" and (middle := float(seen.median())) > MOST_REFLECTANCE:
        raise RevisitError(
            f"standardise: band {band!r} has a median of {middle:.4g}, reflectance is 0 to 1; take the "
            f"offset off digital numbers and divide them by 10,000"
        )
    if unit == "dB" and float(seen.min()) >= 0:
        raise RevisitError(
            f"standardise: band {band!r} is nowhere below 0 dB; of linear power take 10 log10 first"
        )
    if (least := float(seen.min())) < LEAST:
        raise RevisitError(
            f"standardise: band {band!r} has values of {least:.4g}, which stand for no data; mask them "
            f"(rasterio: read(masked=True)) or make them NaN"
        )
