"""Lay the numbers out as the works' tables do: a row a model, ours with its interval, the published beside.

Writes ``masking`` (the talk's Table I, in per cent), ``land_cover_sar`` and ``land_cover_fusion`` (its two
land-cover tables, as fractions) and ``gains`` (of pretraining, in percentage points), each as .csv with
one number a cell and as .md to read.
"""

import argparse
import csv
import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from revisit import files, stage
from revisit.errors import RevisitError
from revisit.evaluation.scores import COLUMNS
from revisit.report import names, published, reading
from revisit.report.gains import SUFFIX

Setting = dict[str, Any]  # dataset, protocol and label_fraction of a block
Rows = dict[tuple[str, ...], dict[str, Any]]  # words that name a row: the columns of all.csv that find it
MAIN: Setting = {"dataset": "", "protocol": "fine-tune", "label_fraction": 1.0}
CELL = (*MAIN, "method", "modality", "class", "metric")
NOT_RUN = "–"
CLASSES = ("macro avg", "weighted avg", "Cropland", "Build-up", "Water", "Others")
DIFFERENT_DATA = (
    "Published numbers are of other data (BigEarthNet-MM; an area of the authors' own with WorldCover 2020). "
    "They show where the works stood, and are no target of this run."
)
INTERVAL = "In brackets: 95 % interval of the mean over seeds; none where one seed was run."
PAIRED = (
    "Score less that of the same network without pretraining, run by run: both had the same labels and seed. "
    "In brackets: 95 % interval of the mean of these differences; none where one run was made. "
    "An interval that holds 0 decides nothing. "
    "With one pretraining seed, how lucky that seed was is in no interval."
)
COLLAPSED = "† the encoder collapsed in pretraining."


@dataclass(frozen=True)
class Cell:
    """A number of ours with its interval, and the published one, all in the unit of the block."""

    value: float | None
    low: float | None
    high: float | None
    published: float | None
    collapsed: bool

    def ours(self, form: str) -> str:
        """Our number as printed: value and interval, a dagger where the encoder collapsed, or a dash."""
        if self.value is None:
            return NOT_RUN
        text = f"{self.value:{form}}{'†' if self.collapsed else ''}"
        if self.low is None or self.high is None:
            return text
        return f"{text} [{self.low:{form}}, {self.high:{form}}]"

    def theirs(self, form: str) -> str:
        """The published number as printed, or a dash."""
        return NOT_RUN if self.published is None else f"{self.published:{form}}"


@dataclass(frozen=True)
class Block:
    """Rows of cells of one setting: ``labels`` head the words that name a row, ``columns`` its cells."""

    heading: str
    setting: Setting
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    rows: list[tuple[tuple[str, ...], list[Cell]]]
    form: str  # of a number, such as .1f


@dataclass(frozen=True)
class Layout:
    name: str
    title: str
    notes: tuple[str, ...]
    blocks: list[Block]


def read_all(path: Path) -> pd.DataFrame:
    """The merged table; raises RevisitError where a column of the contract is missing."""
    return reading.read_csv(path, COLUMNS)


def masking(table: pd.DataFrame) -> Layout:
    """Multi-label mAP in per cent by model and modality: fine-tuned on all labels, then other settings."""
    ours = _Cells(table, "masking")
    wanted = {"experiment": "masking", "modality": "s1", "class": "all", "metric": "micro_map", **MAIN}
    listed = [name for name in names.METHODS if published.lookup({"method": name, **wanted})]
    run = sorted({name for name, metric in ours.runs if metric == "micro_map"}, key=names.rank)
    columns = {
        names.MODALITIES[slug]: {"modality": slug, "class": "all", "metric": "micro_map"}
        for slug in ("s1", "s2", "s1+s2")
    }
    blocks = []
    for setting in ours.settings:
        methods = [*listed, *(name for name in run if name not in listed)] if _is_main(setting) else run
        rows: Rows = {(names.method(name),): {"method": name} for name in methods}
        heading = f"{_heading(setting)}; mAP (micro) in per cent"
        blocks.append(ours.block(heading, setting, ("model",), rows, columns, unit=100.0, form=".1f"))
    return Layout(
        "masking",
        "Masking strategies: multi-label classification (talk, Table I)",
        (
            f"{DIFFERENT_DATA} Table I does not say whether its mAP is micro or macro.",
            INTERVAL,
            COLLAPSED,
        ),
        blocks,
    )


def land_cover_sar(table: pd.DataFrame) -> Layout:
    """Land cover from SAR by UNet, SwinUNet and STMIM-UNet."""
    runs = [("s1", name) for name in ("unet", "swin-unet", "stmim-unet")]
    return _land_cover(table, "land_cover_sar", "Land cover from SAR (talk, comparison with baselines)", runs)


def land_cover_fusion(table: pd.DataFrame) -> Layout:
    """Land cover from SAR, from RGB, and from both by DualSTMIM-UNet."""
    runs = [*itertools.product(("s1", "rgb"), ("swin-unet", "stmim-unet")), ("s1+rgb", "dual-stmim-unet")]
    return _land_cover(table, "land_cover_fusion", "Land cover from SAR and RGB (talk, fusion)", runs)


def gains(table: pd.DataFrame) -> Layout:
    """Headline scores of pretrained networks less those of the same networks without pretraining."""
    found = table[table["metric"].str.endswith(SUFFIX, na=False)]
    blocks = []
    for experiment in found["experiment"].unique():
        ours = _Cells(found, experiment)
        here = found[found["experiment"] == experiment]
        (metric,) = here["metric"].unique()
        rows: Rows = {
            (names.method(name),): {"method": name}
            for name in sorted(here["method"].unique(), key=names.rank)
        }
        columns = {
            names.modality(slug): {"modality": slug, "class": "all", "metric": metric}
            for slug in names.MODALITIES
            if slug in set(here["modality"])
        }
        score = names.METRICS[metric.removesuffix(SUFFIX)]
        for setting in ours.settings:
            heading = f"{_heading(setting)}; gain in {score}, percentage points"
            blocks.append(ours.block(heading, setting, ("model",), rows, columns, unit=100.0, form="+z.1f"))
    return Layout("gains", "What pretraining gained", (PAIRED, COLLAPSED), blocks)


LAYOUTS = (gains, masking, land_cover_sar, land_cover_fusion)


def _land_cover(table: pd.DataFrame, name: str, title: str, runs: list[tuple[str, str]]) -> Layout:
    ours = _Cells(table, "land-cover")
    blocks = []
    for setting in ours.settings:
        for metrics, columns in (
            (("iou", "precision", "recall", "f1"), {label: {"class": label} for label in CLASSES}),
            (("miou", "accuracy"), {"all classes": {"class": "all"}}),
        ):
            rows: Rows = {
                (names.METRICS[metric], names.SAR_MODALITIES[modality], names.method(method)): {
                    "metric": metric,
                    "modality": modality,
                    "method": method,
                }
                for metric, (modality, method) in itertools.product(metrics, runs)
            }
            labels = ("metric", "data", "model")
            heading = f"{_heading(setting)}; {', '.join(names.METRICS[metric] for metric in metrics)}"
            blocks.append(ours.block(heading, setting, labels, rows, columns, unit=1.0, form=".2f"))
    return Layout(name, title, (DIFFERENT_DATA, INTERVAL, COLLAPSED), blocks)


class _Cells:
    """The rows of one experiment, found by what names a cell."""

    def __init__(self, table: pd.DataFrame, experiment: str) -> None:
        self.experiment = experiment
        self.rows: dict[tuple, Any] = {}
        settings = set()
        self.runs = set()
        for row in table[table["experiment"] == experiment].to_dict("records"):
            key = tuple({**row, "protocol": _merged(row["protocol"])}[name] for name in CELL)
            if key in self.rows:
                raise RevisitError(
                    f"all.csv: experiment {experiment!r} gives {key} for two encoders or pretraining "
                    "sets, which one table cannot show; give them two experiment names"
                )
            self.rows[key] = row
            settings.add(key[:3])
            self.runs.add((row["method"], row["metric"]))
        named = [dict(zip(CELL, values, strict=False)) for values in settings]
        self.settings = sorted(named, key=_setting_order) or [MAIN]

    def block(
        self,
        heading: str,
        setting: Setting,
        labels: tuple[str, ...],
        rows: Rows,
        columns: dict[str, dict[str, str]],
        unit: float,
        form: str,
    ) -> Block:
        """A block whose cell is found by the setting, the row's names and the column's names together."""
        cells = [
            (label, [self._cell({**setting, **row, **column}, unit) for column in columns.values()])
            for label, row in rows.items()
        ]
        return Block(heading, setting, labels, tuple(columns), cells, form)

    def _cell(self, where: dict[str, Any], unit: float) -> Cell:
        row = self.rows.get(tuple(where[name] for name in CELL), {})
        theirs = published.lookup({"experiment": self.experiment, **where})
        value, low, high = (
            None if pd.isna(row.get(name)) else row[name] * unit for name in ("value", "ci_low", "ci_high")
        )
        return Cell(value, low, high, theirs and theirs[0] * unit, row.get("collapsed") is True)


def _is_main(setting: Setting) -> bool:
    return setting["protocol"] == MAIN["protocol"] and setting["label_fraction"] == 1.0


def _merged(protocol: str) -> str:
    """Networks trained as a whole stand in one table, whether pretrained or not."""
    return "fine-tune" if names.training(protocol) == names.training("fine-tune") else protocol


def _setting_order(setting: Setting) -> tuple:
    return not _is_main(setting), setting["dataset"], setting["protocol"], -setting["label_fraction"]


def _heading(setting: Setting) -> str:
    data = f"{setting['dataset']}: " if setting["dataset"] else ""
    return (
        f"{data}{names.training(setting['protocol'])}, {100 * setting['label_fraction']:.4g} % of the labels"
    )


def to_csv(layout: Layout) -> str:
    """One number a cell: per column ours, the ends of its interval and the published number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    labels = layout.blocks[0].labels if layout.blocks else ("model",)
    columns = list(dict.fromkeys(itertools.chain.from_iterable(block.columns for block in layout.blocks)))
    parts = ("", " low", " high", " published")
    writer.writerow([*MAIN, *labels, *(column + part for column in columns for part in parts)])
    for block in layout.blocks:
        for label, cells in block.rows:
            by_column = dict(zip(block.columns, cells, strict=True))
            numbers: list[float | None] = []
            for column in columns:
                cell = by_column.get(column, Cell(None, None, None, None, False))
                numbers += [cell.value, cell.low, cell.high, cell.published]
            rounded = [None if number is None else round(number, 4) for number in numbers]
            writer.writerow([*block.setting.values(), *label, *rounded])
    return text.getvalue()


def to_markdown(layout: Layout) -> str:
    """The same to read: under each row of ours the published one in italics."""
    lines = [f"# {layout.title}", ""]
    for block in layout.blocks:
        header = (*block.labels, "", *block.columns)
        lines += [f"## {block.heading}", "", _line(header), _line(["---"] * len(header))]
        for label, cells in block.rows:
            lines.append(_line([*label, "this run", *(cell.ours(block.form) for cell in cells)]))
            if any(cell.published is not None for cell in cells):
                theirs = [cell.theirs(block.form) for cell in cells]
                italic = [text if text == NOT_RUN else f"*{text}*" for text in theirs]
                lines.append(_line([*label, "*published*", *italic]))
        lines.append("")
    return "\n".join([*lines, *(f"- {note}" for note in layout.notes), ""])


def _line(words: Sequence[str]) -> str:
    return f"| {' | '.join(words)} |"


def build_from_arguments(arguments: argparse.Namespace) -> None:
    table = read_all(arguments.all)
    for lay_out in LAYOUTS:
        layout = lay_out(table)
        files.write_text(arguments.out_folder / f"{layout.name}.csv", to_csv(layout))
        files.write_text(arguments.out_folder / f"{layout.name}.md", to_markdown(layout))


def main(argv: Sequence[str] | None = None) -> int:
    parser = stage.parser(__doc__)
    parser.add_argument("--all", type=Path, required=True, help="the merged table (all.csv)")
    parser.add_argument("--out-folder", type=Path, required=True, help="folder for the .csv and .md files")
    return stage.main(build_from_arguments, parser, argv)


if __name__ == "__main__":
    raise SystemExit(main())
