"""Pools the regions' moments into the limits that scale a sensor's bands to 8 bit: limits.json.

A band's limits are its mean over the valid training pixels of all regions, less and plus ``clip_sigma``
standard deviations. One set of limits for all regions: a value means the same reflectance everywhere.
"""

import argparse
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from revisit import stage
from revisit.cube.scaling.moments import Moments
from revisit.errors import RevisitError
from revisit.files import read_json, write_json
from revisit.provenance import code_version, config_hash

# What the moments of all regions must share, or their sum means nothing.
SHARED = ("sensor", "unit", "bands", "split")


def limits(moments_paths: Sequence[str | Path], settings: dict[str, Any]) -> dict[str, Any]:
    """Limits of one sensor's bands, as limits.json has them; ``settings`` has ``clip_sigma``.

    ``std`` is that of the population. Raises RevisitError where the regions' moments differ in sensor,
    unit, bands or split, or where a band has no valid training pixel or but one value.
    """
    clip_sigma = float(stage.setting(settings, "clip_sigma"))
    if not clip_sigma > 0:
        raise RevisitError(f"clip_sigma is {clip_sigma:g}; it must be above 0")
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
    bands = {}
    for index, band in enumerate(first["bands"]):
        count, mean = total.count[index], total.mean[index]
        std = float(np.sqrt(total.m2[index] / count)) if count else 0.0
        if std == 0:
            raise RevisitError(
                f"{first['sensor']}, band {band}: {int(count)} valid training pixels with no spread; "
                "widen the search or the training share"
            )
        bands[band] = {
            "lower": float(mean - clip_sigma * std),
            "upper": float(mean + clip_sigma * std),
            "mean": float(mean),
            "std": std,
            "valid_pixels": int(count),
        }
        stage.log.info("%s: %.4g to %.4g %s", band, bands[band]["lower"], bands[band]["upper"], first["unit"])
    return {
        "sensor": first["sensor"],
        "unit": first["unit"],
        "clip_sigma": clip_sigma,
        "bands": bands,
        "band_order": first["bands"],
        "regions": [region["region"] for region in regions],
        "split": first["split"],
        "config_hash": config_hash(settings),
        "code_version": code_version(),
    }


def _run(arguments: argparse.Namespace) -> None:
    write_json(arguments.out, limits(arguments.moments, arguments.settings))


def main(argv: Sequence[str] | None = None) -> int:
    arguments = stage.parser(__doc__)
    arguments.add_argument(
        "--moments", type=Path, nargs="+", required=True, help="moments.json of each region"
    )
    arguments.add_argument("--out", type=Path, required=True, help="limits.json to make")
    return stage.main(_run, arguments, argv)


if __name__ == "__main__":
    raise SystemExit(main())
