"""The masking table as a picture: each model's mAP with its interval, and what the talk reports of it."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from revisit import stage
from revisit.report import layouts
from revisit.report.figures import style


def draw(table: Path, out: Path) -> None:
    """One panel a modality, one line a model: ours a dot with its 95 % interval, the published a diamond."""
    block = layouts.masking(layouts.read_all(table)).blocks[0]
    models = [label[0] for label, _ in block.rows]
    with style.figure(out, 2.6 * len(block.columns) + 1.4, 0.27 * len(models) + 1.2) as figure:
        axes = figure.subplots(1, len(block.columns), sharey=True, sharex=True, squeeze=False)[0]
        for index, (panel, column) in enumerate(zip(axes, block.columns, strict=True)):
            for line, (_, cells) in enumerate(block.rows):
                cell = cells[index]
                if cell.published is not None:
                    panel.plot(cell.published, line, "D", color=style.PUBLISHED, mfc="white", ms=5)
                if cell.value is not None:
                    panel.plot(cell.value, line, "o", color=style.COLOURS[0], ms=5)
                if cell.low is not None and cell.high is not None:
                    panel.plot([cell.low, cell.high], [line, line], color=style.COLOURS[0])
            panel.set_title(column)
            panel.set_xlabel("mAP in %")
        axes[0].set_yticks(range(len(models)), models)
        axes[0].invert_yaxis()
        ends = [
            n
            for _, cells in block.rows
            for c in cells
            for n in (c.value, c.low, c.published)
            if n is not None
        ]
        axes[0].set_xlim(max(min(ends) - 3, 0), 100)
        (ours,) = axes[0].plot([], [], "o-", color=style.COLOURS[0], label="this run, 95 % interval")
        (theirs,) = axes[0].plot(
            [], [], "D", color=style.PUBLISHED, mfc="white", label="published (BigEarthNet-MM)"
        )
        figure.legend(handles=[ours, theirs], loc="outside lower center", ncols=2)


def build_from_arguments(arguments: argparse.Namespace) -> None:
    draw(arguments.all, arguments.out)


def main(argv: Sequence[str] | None = None) -> int:
    parser = stage.parser(__doc__)
    parser.add_argument("--all", type=Path, required=True, help="the merged table (all.csv)")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    return stage.main(build_from_arguments, parser, argv)


if __name__ == "__main__":
    raise SystemExit(main())
