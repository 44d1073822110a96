"""Tables as files: one number a cell for programs (CSV), and the same to read (Markdown)."""

import csv
import io
import itertools
from collections.abc import Sequence
from pathlib import Path

from revisit import files
from revisit.report import behind, words
from revisit.report.layout import NOT_RUN, Cell, Table


def write(table: Table, csv_path: Path, markdown_path: Path) -> None:
    """Write both files of a table."""
    files.write_text(csv_path, to_csv(table))
    files.write_text(markdown_path, to_markdown(table))


def to_csv(table: Table) -> str:
    """One number a cell: per column ours, the ends of its interval and the published number.

    And their deviations over runs and intervals over test places, where the table shows any. What stands
    behind a row follows, ours and published.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    labels = table.blocks[0].labels if table.blocks else ("model",)
    columns = list(dict.fromkeys(itertools.chain.from_iterable(block.columns for block in table.blocks)))
    parts = {"": "value", " low": "low", " high": "high", " published": "published"}
    spread = {" deviation": "deviation", " published deviation": "published_deviation"}
    spread |= {" test low": "test_low", " test high": "test_high"}
    every = [cell for block in table.blocks for _, row in block.rows for cell in row]
    parts |= {
        end: name for end, name in spread.items() if any(getattr(one, name) is not None for one in every)
    }
    head = ("experiment", "dataset", "protocol", "label_fraction", "label_count")
    numbered = (column + part for column in columns for part in parts)
    writer.writerow([*head, *labels, *numbered, *behind.COLUMNS])
    for block in table.blocks:
        for label, cells in block.rows:
            by_column = dict(zip(block.columns, cells, strict=True))
            numbers: list[float | None] = []
            for column in columns:
                cell = by_column.get(column, Cell())
                numbers += [getattr(cell, name) for name in parts.values()]
            rounded = [None if number is None else round(number, 4) for number in numbers]
            about = behind.of_row(cells).values()
            writer.writerow([*(block.setting[name] for name in head), *label, *rounded, *about])
    return text.getvalue()


def to_markdown(table: Table) -> str:
    """The same to read: under each row of ours the published one in italics."""
    lines = [f"# {table.title}", "", f"{table.subtitle}. {words.UNITS}", ""]
    for block in table.blocks:
        header = (*block.labels, "", *block.columns)
        lines += [f"## {block.heading}", "", line(header), line(["---"] * len(header))]
        for label, cells in block.rows:
            lines.append(line([*label, "this run", *(cell.ours(block.form) for cell in cells)]))
            if any(cell.published is not None for cell in cells):
                theirs = [cell.theirs() for cell in cells]
                italic = [text if text == NOT_RUN else f"*{text}*" for text in theirs]
                lines.append(line([*label, f"*published, {words.NOT_COMPARABLE}*", *italic]))
        lines.append("")
    if about := behind.of_models(table):
        lines += [f"## {behind.TITLE}", "", line(list(about[0])), line(["---"] * len(about[0]))]
        lines += [*(line(list(one.values())) for one in about), ""]
    return "\n".join([*lines, *(f"- {note}" for note in table.notes), ""])


def line(texts: Sequence[str]) -> str:
    """A row of a table in Markdown."""
    return f"| {' | '.join(texts)} |"
