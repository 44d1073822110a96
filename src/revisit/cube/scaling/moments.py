"""Mean and spread of each band over the valid training pixels of an aligned cube: moments.json.

One file a region; revisit.cube.scaling.limits pools them. Read in blocks, summed in float64 (Chan, Golub and
LeVeque 1983), so neither memory nor rounding grows with the region.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from revisit import stage
from revisit.cube.contract import grid_of, open_cube, values_of
from revisit.cube.split import TRAIN, split_map
from revisit.files import write_json
from revisit.provenance import code_version, config_hash

BLOCK = 1024  # pixels, a multiple of the cube's chunks


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations of each band: float64 (band,)."""

    count: np.ndarray
    mean: np.ndarray
    m2: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Moments":
        """Moments of the pixels of (band, pixel)."""
        values = values.astype(np.float64)
        bands, pixels = values.shape
        mean = values.mean(axis=1) if pixels else np.zeros(bands)
        return cls(np.full(bands, float(pixels)), mean, ((values - mean[:, None]) ** 2).sum(axis=1))

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both sets of pixels together."""
        count = self.count + other.count
        share = np.divide(other.count, count, out=np.zeros_like(count), where=count > 0)
        apart = other.mean - self.mean
        return Moments(
            count,
            self.mean + apart * share,
            self.m2 + other.m2 + apart**2 * self.count * share,
        )


def moments(cube_path: str | Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Moments of an aligned cube's training pixels, as moments.json has them.

    ``settings`` has ``seed`` and ``split``. Raises RevisitError where the cube is of another stage.
    """
    cube = open_cube(cube_path, stage="aligned")
    grid, bands = grid_of(cube), cube["band"].values.tolist()
    region, split = cube.attrs["region"], stage.setting(settings, "split")
    seed = int(stage.setting(settings, "seed"))
    training = split_map(grid, region, split, seed) == TRAIN
    total = Moments.of(np.empty((len(bands), 0)))
    for date in stage.progress(range(cube.sizes["time"]), "moments"):
        for rows, columns in grid.blocks(BLOCK):
            valid = cube["valid"][date, rows, columns].values.astype(bool)
            values = values_of(cube)[date, :, rows, columns].values
            total = total.merge(Moments.of(values[:, valid & training[rows, columns]]))
    times = np.datetime_as_string(cube["time"].values, unit="s").tolist()
    return {
        "region": region,
        "sensor": cube.attrs["sensor"],
        "unit": cube.attrs["unit"],
        "bands": bands,
        "count": [int(count) for count in total.count],
        "mean": total.mean.tolist(),
        "m2": total.m2.tolist(),
        "dates": times,
        "split": split | {"seed": seed},
        "config_hash": config_hash(settings),
        "code_version": code_version(),
    }


def _run(arguments: argparse.Namespace) -> None:
    write_json(arguments.out, moments(arguments.cube, arguments.settings))


def main(argv: Sequence[str] | None = None) -> int:
    arguments = stage.parser(__doc__)
    arguments.add_argument("--cube", type=Path, required=True, help="aligned.zarr")
    arguments.add_argument("--out", type=Path, required=True, help="moments.json to make")
    return stage.main(_run, arguments, argv)


if __name__ == "__main__":
    raise SystemExit(main())
