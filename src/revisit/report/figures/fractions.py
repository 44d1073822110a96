"""Score against the share of labels used: pretrained encoders against training from scratch."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from revisit import stage
from revisit.errors import RevisitError
from revisit.report import layouts, names
from revisit.report.figures import style

UNPRETRAINED = ("scratch", "random", "unet", "swin-unet")


def draw(table: Path, experiment: str, out: Path) -> None:
    """A row of panels a data set and protocol, a column a modality; bars are 95 % intervals over seeds."""
    rows = layouts.read_all(table)
    rows = rows[(rows["experiment"] == experiment) & (rows["class"] == "all")]
    rows = rows[rows["metric"] == rows["task"].map(names.HEADLINE)]
    if rows.empty:
        raise RevisitError(f"{table}: has no headline score of the experiment {experiment!r}")
    rows = rows.assign(training=rows["protocol"].map(names.training) + ", " + rows["dataset"])
    trainings = sorted(rows["training"].unique(), reverse=True)
    modalities = sorted(rows["modality"].unique(), key=list(names.MODALITIES).index)
    methods = sorted(rows["method"].unique(), key=names.rank)
    coloured = [name for name in methods if name not in UNPRETRAINED]
    metric = names.METRICS[rows["metric"].iloc[0]]
    with style.figure(out, 2.9 * len(modalities) + 1.4, 2.6 * len(trainings) + 0.3) as figure:
        axes = figure.subplots(len(trainings), len(modalities), squeeze=False, sharex=True, sharey=True)
        for line, training in zip(axes, trainings, strict=True):
            for panel, modality in zip(line, modalities, strict=True):
                here = rows[(rows["training"] == training) & (rows["modality"] == modality)]
                for index, method in enumerate(methods):
                    _curve(panel, here[here["method"] == method], method, index, len(methods), coloured)
                panel.set_title(f"{names.modality(modality)}")
            line[0].set_ylabel(f"{training}\n{metric} in %")
        fractions = sorted(rows["label_fraction"].unique())
        for panel in axes[-1]:
            panel.set_xscale("log")
            panel.set_xticks(fractions, [f"{100 * fraction:.4g}" for fraction in fractions])
            panel.xaxis.set_minor_locator(NullLocator())
            panel.set_xlabel("labels used in %")
        low = np.nanmin(rows[["value", "ci_low"]])
        high = np.nanmax(rows[["value", "ci_high"]])
        axes[0, 0].set_ylim(max(100 * low - 3, 0), min(100 * high + 3, 100))
        handles = {h.get_label(): h for panel in axes.flat for h in panel.get_legend_handles_labels()[0]}
        order = [names.method(name) for name in methods]
        figure.legend(handles=[handles[name] for name in order if name in handles], loc="outside right upper")


def _curve(axes: Axes, rows: pd.DataFrame, method: str, index: int, count: int, coloured: list[str]) -> None:
    if rows.empty:
        return
    rows = rows.sort_values("label_fraction")
    aside = 1.03 ** (index - (count - 1) / 2)  # beside each other, so that the bars stay legible
    plain = method not in coloured
    axes.errorbar(
        rows["label_fraction"] * aside,
        100 * rows["value"],
        yerr=[100 * (rows["value"] - rows["ci_low"]), 100 * (rows["ci_high"] - rows["value"])],
        color=style.REFERENCE if plain else style.colour_of(coloured.index(method)),
        ls=":" if plain else "-",
        marker="s" if plain else "o",
        ms=4,
        elinewidth=0.9,
        label=names.method(method),
    )


def build_from_arguments(arguments: argparse.Namespace) -> None:
    draw(arguments.all, arguments.experiment, arguments.out)


def main(argv: Sequence[str] | None = None) -> int:
    parser = stage.parser(__doc__)
    parser.add_argument("--all", type=Path, required=True, help="the merged table (all.csv)")
    parser.add_argument("--experiment", required=True, help="which experiment to show")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    return stage.main(build_from_arguments, parser, argv)


if __name__ == "__main__":
    raise SystemExit(main())
