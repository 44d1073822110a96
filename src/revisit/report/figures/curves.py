"""Pretraining curves: loss and its parts by step, and below the effective rank, which falls in a collapse."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes

from revisit import stage
from revisit.errors import RevisitError
from revisit.report import names, reading
from revisit.report.figures import style

NOT_PARTS = ("step", "epoch", "loss", "learning_rate", "feature_std", "effective_rank")
PANELS_A_ROW = 4


class Encoder(NamedTuple):
    """Which encoder a log is of, from its place encoders/{collection}/{method}/{modality}/seed{n}/log.csv."""

    collection: str
    method: str
    modality: str
    seed: str

    @classmethod
    def of(cls, log: Path) -> "Encoder":
        folders = log.parts[-5:-1]
        if len(folders) != 4 or not folders[3].startswith("seed"):
            raise RevisitError(f"{log}: not in a folder {{collection}}/{{method}}/{{modality}}/seed{{n}}")
        return cls(*folders)


def draw(logs: Sequence[Path], out: Path) -> None:
    """One pair of panels for each (collection, method, modality), one line a seed."""
    groups: dict[tuple[str, str, str], dict[str, pd.DataFrame]] = {}
    for log in sorted(logs):
        collection, method, modality, seed = Encoder.of(log)
        table = reading.read_csv(log, ("step", "loss", "effective_rank"))
        if len(table):  # a method that takes no step has no curve
            groups.setdefault((collection, method, modality), {})[seed] = table
    if not groups:
        raise RevisitError(f"{logs[0]}: no step logged, nor in the other logs; there is no curve to draw")
    order = sorted(groups, key=lambda key: (key[0], names.rank(key[1]), key[2]))
    columns = min(PANELS_A_ROW, len(order))
    rows = -(-len(order) // columns)
    with style.figure(out, 0.6 + 2.7 * columns, 3.4 * rows) as figure:
        axes = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[2.4, 1] * rows)
        for index, key in enumerate(order):
            row, column = divmod(index, columns)
            loss, rank = axes[2 * row, column], axes[2 * row + 1, column]
            _panel(loss, rank, groups[key])
            loss.set_title(f"{names.method(key[1])}, {names.modality(key[2])}")
            if column == 0:
                loss.set_ylabel("loss")
                rank.set_ylabel("effective\nrank")
        for unused in axes[2 * rows - 2 :, (len(order) - 1) % columns + 1 :].flat:
            unused.remove()


def _panel(loss: Axes, rank: Axes, seeds: dict[str, pd.DataFrame]) -> None:
    first = next(iter(seeds.values()))
    parts = [str(name) for name in first.columns if name not in NOT_PARTS]
    for number, table in enumerate(seeds.values()):
        strength = 1 - 0.5 * number / max(len(seeds) - 1, 1)
        for index, part in enumerate(["loss", *(parts if len(parts) > 1 else [])]):
            label = None if number else part.replace("_", " ")
            width = 1.6 if part == "loss" else 1.0
            curve = table.dropna(subset=[part])
            loss.plot(
                curve["step"],
                curve[part],
                color=style.colour_of(index),
                lw=width,
                alpha=strength,
                label=label,
            )
        known = table.dropna(subset=["effective_rank"])
        rank.plot(known["step"], known["effective_rank"], color=style.REFERENCE, alpha=strength)
    if len(parts) > 1:
        loss.legend()
    rank.set(xlim=loss.get_xlim(), ylim=(0, None))
    rank.set_xlabel("step")


def build_from_arguments(arguments: argparse.Namespace) -> None:
    draw(arguments.logs, arguments.out)


def main(argv: Sequence[str] | None = None) -> int:
    parser = stage.parser(__doc__)
    parser.add_argument("--logs", type=Path, nargs="+", required=True, help="log.csv of each encoder")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    return stage.main(build_from_arguments, parser, argv)


if __name__ == "__main__":
    raise SystemExit(main())
