"""Estimates of change as a histogram, with the two Gaussians fitted to them and the threshold between."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from revisit.report import reading
from revisit.report.drawing import Drawing
from revisit.report.facts import Facts
from revisit.report.figures import style

MIXTURE = ("component", "weight", "mean", "deviation", "estimate", "threshold")
ENDS = (1.0, 99.0)  # percentiles of the estimates between which the axis is: a few lie far off
MARGIN = 0.1  # of that, on both sides
BINS = 40


def draw(paths: Sequence[Path], facts: Facts, out: Path) -> None:
    """Density of the estimate the method goes by, over all training places and eras that have one.

    Without a fit, as before the first whole epoch or where nothing tells two groups, the histogram alone.
    """
    changes, mixture = paths
    components = reading.read_rows(mixture, MIXTURE)
    used = components[0]["estimate"]
    column = used.removeprefix("aligned-").replace("-", "_")
    rows = reading.read_rows(changes, (column, "changed"))
    values = np.array([reading.number(changes, row[column]) for row in rows if row[column]])
    taken = sum(row["changed"] == "1" for row in rows)
    with style.figure(out, 6.4, 3.2) as figure:
        axes = figure.subplots()
        axes.set(xlabel=used.replace("-", " "), ylabel="density", yticks=[])
        if not len(values):
            axes.set_title("no place has an estimate", fontweight="normal")
            return
        low, high = np.percentile(values, ENDS)
        margin = MARGIN * (high - low) or 1.0
        low, high = max(float(low - margin), 0.0), float(high + margin)
        beyond = int(((values < low) | (values > high)).sum())
        edges = np.linspace(low, high, BINS + 1)
        heights = np.histogram(values, edges)[0] / (len(values) * np.diff(edges))
        axes.stairs(heights, edges, fill=True, color="#cfcfcf", label=f"{len(values):,} estimates")
        along = np.linspace(low, high, 400)
        total = np.zeros_like(along)
        for row, colour in zip(components, style.COLOURS, strict=False):
            weight, mean, deviation = (reading.number(mixture, row[name]) for name in MIXTURE[1:4])
            if deviation > 0:
                density = (
                    weight
                    * np.exp(-(((along - mean) / deviation) ** 2) / 2)
                    / (deviation * np.sqrt(2 * np.pi))
                )
                total += density
                axes.plot(along, density, color=colour, label=f"Gaussian of the {row['component']}")
        if total.any():
            axes.plot(along, total, color=style.PUBLISHED, lw=0.9, ls="--", label="both")
            threshold = reading.number(mixture, components[0]["threshold"])
            axes.axvline(threshold, color=style.REFERENCE, lw=1.2, ls=":", label=f"threshold {threshold:.3g}")
        axes.set_xlim(low, high)
        share = f"{taken:,} of {len(values):,} taken for changed"
        axes.set_title(f"{share}; {beyond:,} beyond the axis" if beyond else share, fontweight="normal")
        axes.grid(False)
        figure.legend(loc="outside right upper")


FIGURE = Drawing(
    per="encoder",
    source="mixture",
    title="Estimates of change",
    section="pretraining",
    caption="Histogram of the estimates of all training places and eras, with the mixture fitted last.",
    applies=lambda facts: facts.encoders[0].estimates_change,
    draw=draw,
)
