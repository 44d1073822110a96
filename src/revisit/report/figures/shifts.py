"""What co-registration found: the shift of every date, a panel a sensor, a colour a region."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from revisit import stage
from revisit.report import reading
from revisit.report.figures import style

COLUMNS = ("shift_x", "shift_y", "confidence", "applied")
MARKERS = "os^Dv<>P"


def draw(tables: Sequence[Path], out: Path) -> None:
    """Shifts in pixels from cubes/{region}/{sensor}/shifts.csv; the titles count the dates that stayed."""
    cubes = [(path.parent.name, path.parent.parent.name, reading.read_csv(path, COLUMNS)) for path in tables]
    sensors = sorted({sensor for sensor, _, _ in cubes})
    regions = sorted({region for _, region, _ in cubes})
    moved = pd.concat([table[table["applied"] == "yes"] for _, _, table in cubes])
    reach = 1.1 * np.nanmax([0.5, *moved[["shift_x", "shift_y"]].abs().to_numpy().ravel()])
    with style.figure(out, 3.4 * len(sensors) + 1.2, 3.6) as figure:
        axes = figure.subplots(1, len(sensors), squeeze=False, sharex=True, sharey=True)[0]
        for panel, sensor in zip(axes, sensors, strict=True):
            here = {region: table for name, region, table in cubes if name == sensor}
            applied = 0
            for number, region in enumerate(regions):
                if region not in here:
                    continue
                dates = here[region][here[region]["applied"] == "yes"]
                applied += len(dates)
                look = {"color": style.colour_of(number), "marker": MARKERS[number % len(MARKERS)]}
                panel.scatter(
                    dates["shift_x"], dates["shift_y"], s=16, alpha=0.75, lw=0, label=region, **look
                )
            total = sum(map(len, here.values()))
            panel.set_title(f"{sensor}: {applied} of {total} dates moved")
            panel.axhline(0, color=style.REFERENCE, lw=0.8, zorder=0)
            panel.axvline(0, color=style.REFERENCE, lw=0.8, zorder=0)
            panel.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="pixels east")
        axes[0].set_ylabel("pixels south")
        handles = {h.get_label(): h for panel in axes for h in panel.get_legend_handles_labels()[0]}
        figure.legend(handles=[handles[name] for name in sorted(handles)], loc="outside right upper")


def build_from_arguments(arguments: argparse.Namespace) -> None:
    draw(arguments.shifts, arguments.out)


def main(argv: Sequence[str] | None = None) -> int:
    parser = stage.parser(__doc__)
    parser.add_argument("--shifts", type=Path, nargs="+", required=True, help="shifts.csv of each cube")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    return stage.main(build_from_arguments, parser, argv)


if __name__ == "__main__":
    raise SystemExit(main())
