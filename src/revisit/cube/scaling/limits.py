"""Pools the regions' moments into the limits that scale a sensor's bands to 0 to 255: limits.json.

A band's limits are its mean over the valid training pixels of the regions given (those that the config pins
the limits to, or all), less and plus ``clip_sigma`` standard deviations; or what leaves ``clip_percent`` of
these pixels beyond either. One set of limits for all regions: a value means the same reflectance everywhere.
"""

from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from revisit import stage
from revisit.cube.scaling.histogram import Histogram
from revisit.cube.scaling.scaled_values import ROUNDED, ScaledDtype, told
from revisit.cube.scaling.sums import Moments
from revisit.errors import RevisitError
from revisit.files import read_json, write_json
from revisit.job import Job
from revisit.provenance import code_version, config_hash
from revisit.record import Record, read

# What the moments of all regions must share, or their sum means nothing.
SHARED = ("sensor", "unit", "bands", "split")


class Settings(Record):
    """How wide the limits are."""

    clip_sigma: float = Field(gt=0)
    """Standard deviations from the mean to either limit."""

    clip_percent: float | None = Field(default=None, ge=0, lt=50)
    """Per cent of the pixels beyond either limit, where that decides."""

    dtype: ScaledDtype = ROUNDED
    """Type of the values between the limits."""


def run(job: Job) -> None:
    """Make ``limits`` (JSON) from the ``moments`` of regions."""
    settings = read(Settings, job.settings, "limits")
    write_json(job.target("limits"), limits(job.sources("moments"), settings))


def limits(moments_paths: Sequence[str | Path], settings: Settings) -> dict[str, Any]:
    """Limits of one sensor's bands, as limits.json has them.

    ``std`` is that of the population. Raises RevisitError where the regions' moments differ in sensor,
    unit, bands or split, or where a band has no valid training pixel or but one value.
    """
    regions = [read_json(path) for path in moments_paths]
    if not regions:
        raise RevisitError("limits: no moments given; name a moments.json of each region")
    first = regions[0]
    for path, region in zip(moments_paths, regions, strict=True):
        for key in SHARED:
            if region[key] != first[key]:
                raise RevisitError(
                    f"{path}: {key} is {region[key]}, in {moments_paths[0]} {first[key]}; make both alike"
                )
    total = reduce(
        Moments.merge,
        [Moments(*(np.array(region[key], float) for key in ("count", "mean", "m2"))) for region in regions],
    )
    percentiles = None
    if settings.clip_percent is not None:
        histogram = Histogram.sum(first["unit"], [region["histogram"] for region in regions])
        percentiles = histogram.between(settings.clip_percent)
    bands = {}
    for index, band in enumerate(first["bands"]):
        count, mean = total.count[index], total.mean[index]
        std = float(np.sqrt(total.m2[index] / count)) if count else 0.0
        if std == 0:
            raise RevisitError(
                f"{first['sensor']}, band {band}: {int(count)} valid training pixels with no spread; "
                "widen the search or the training share"
            )
        lower, upper = mean - settings.clip_sigma * std, mean + settings.clip_sigma * std
        if percentiles:
            lower, upper = (end[index] for end in percentiles)
        bands[band] = {
            "lower": float(lower),
            "upper": float(upper),
            "mean": float(mean),
            "std": std,
            "valid_pixels": int(count),
        }
        stage.log.info("%s: %.4g to %.4g %s", band, bands[band]["lower"], bands[band]["upper"], first["unit"])
    return {
        "sensor": first["sensor"],
        "unit": first["unit"],
        "clip_sigma": settings.clip_sigma,
        **told(settings.dtype),
        "bands": bands,
        "band_order": first["bands"],
        "regions": [region["region"] for region in regions],
        "split": first["split"],
        "config_hash": config_hash(settings.content()),
        "code_version": code_version(),
    }
