"""What co-registration found: the shift of every date, one panel per sensor, one colour per region."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from revisit.report import reading
from revisit.report.drawing import Drawing
from revisit.report.facts import Facts
from revisit.report.figures import style

COLUMNS = ("shift_x", "shift_y", "confidence", "applied")
TOLD_APART = 24  # more regions than this share one colour: nobody reads so long a legend

Cube = tuple[NDArray[np.float64], int]  # shifts (date moved, x and y) in pixels, and how many dates there are


def draw(tables: Sequence[Path], facts: Facts, out: Path) -> None:
    """Shifts in pixels from cubes/{region}/{sensor}/shifts.csv; the titles count the dates that stayed."""
    cubes = {(path.parent.name, path.parent.parent.name): _read(path) for path in tables}
    sensors = sorted({sensor for sensor, _ in cubes})
    regions = list(dict.fromkeys(region for _, region in cubes))
    largest = [np.abs(moved).max() for moved, _ in cubes.values() if len(moved)]
    reach = 1.1 * max([0.5, *largest])
    few = len(regions) <= TOLD_APART
    with style.figure(out, 3.4 * len(sensors) + (1.2 if few else 0.6), 3.6 if few else 4.2) as figure:
        axes = figure.subplots(1, len(sensors), squeeze=False, sharex=True, sharey=True)[0]
        for panel, sensor in zip(axes, sensors, strict=True):
            here = {region: cube for (of, region), cube in cubes.items() if of == sensor}
            for number, region in enumerate(regions):
                if region not in here:
                    continue
                moved, _ = here[region]
                look = (
                    {
                        "color": style.colour_of(number),
                        "marker": style.MARKERS[number % len(style.MARKERS)],
                        "alpha": 0.75,
                    }
                    if few
                    else {"color": style.colour_of(0), "marker": "o", "alpha": 0.15}
                )
                panel.scatter(moved[:, 0], moved[:, 1], s=16, lw=0, label=region, **look)
            applied, total = sum(len(moved) for moved, _ in here.values()), sum(n for _, n in here.values())
            panel.set_title(f"{sensor}: {applied} of {total} dates moved")
            panel.axhline(0, color=style.REFERENCE, lw=0.8, zorder=0)
            panel.axvline(0, color=style.REFERENCE, lw=0.8, zorder=0)
            panel.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="pixels east")
        axes[0].set_ylabel("pixels south")
        if few:
            handles = {h.get_label(): h for panel in axes for h in panel.get_legend_handles_labels()[0]}
            figure.legend(handles=[handles[name] for name in regions], loc="outside right upper")


def _read(path: Path) -> Cube:
    rows = reading.read_rows(path, COLUMNS)
    moved = [
        [reading.number(path, row["shift_x"]), reading.number(path, row["shift_y"])]
        for row in rows
        if row["applied"] == "yes"
    ]
    return np.array(moved).reshape(-1, 2), len(rows)


FIGURE = Drawing(
    per="study",
    source="shifts",
    title="Shifts of all dates",
    section="coregistration",
    caption="What each date's content was moved by, in pixels, one mark a date.",
    applies=lambda facts: True,
    draw=draw,
)
