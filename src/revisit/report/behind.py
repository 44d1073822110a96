"""What stands behind the rows of a table: data, size and budget of both, and the runs and code of ours.

A row of a table may show numbers of several runs, one a modality; what they do not share is joined.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from revisit.evaluation.columns import COSTS
from revisit.report.layout import NOT_RUN, Cell, Table

OURS = (
    "encoder", "pretrain_data", "pretrain_samples", "pretrain_steps", *COSTS, "seeds", "collapsed",
    "converged", "config_hash", "code_version", "run",
)  # fmt: skip
PUBLISHED = "published_source"
COLUMNS = (*OURS, PUBLISHED)
BETWEEN = " | "
TITLE = "What the rows are of"
MODEL = "model"  # the label that names it
# Of the table that people read.
SHOWN = {
    "encoder": "encoder", "pretrain_data": "pretrained on", "pretrain_samples": "samples",
    "pretrain_steps": "steps", "gpu_hours": "GPU hours", "cpu_hours": "CPU hours", "seeds": "seeds",
    "converged": "converged", PUBLISHED: "published",
}  # fmt: skip


def of_row(cells: Iterable[Cell]) -> dict[str, str]:
    """``COLUMNS`` of the cells of a row, as text; "" where nothing is known."""
    cells = list(cells)
    rows = [cell.row for cell in cells if cell.row is not None]
    sources = [cell.line.source for cell in cells if cell.line is not None]
    return {name: _joined(row.get(name) for row in rows) for name in OURS} | {PUBLISHED: _joined(sources)}


def of_models(table: Table) -> list[dict[str, str]]:
    """A row for each model of a table: its name and ``SHOWN``; none where nothing stands behind it."""
    cells: dict[str, list[Cell]] = {}
    for block in table.blocks:
        for label, row in block.rows if MODEL in block.labels else ():
            cells.setdefault(label[block.labels.index(MODEL)], []).extend(row)
    found = {
        model: of_row(row) | {PUBLISHED: _joined(cell.line.made for cell in row if cell.line is not None)}
        for model, row in cells.items()
    }
    return [
        {
            MODEL: model,
            **{title: about[name].replace(BETWEEN, "; ") or NOT_RUN for name, title in SHOWN.items()},
        }
        for model, about in found.items()
        if any(about.values())
    ]


def _joined(values: Iterable[Any]) -> str:
    return BETWEEN.join(dict.fromkeys(_text(value) for value in values if value is not None))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):  # not as a power of ten
        return np.format_float_positional(value, precision=4, fractional=False, trim="-")
    return str(value)
