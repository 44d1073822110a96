"""Guards that names are never code: the small study under other names gives the same numbers and tables.

Every experiment, method entry, network, collection and region gets a name that says nothing, and their
alphabets run against the order of the config, so that an order by name would show.
"""

import csv
import io
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

CHANGING = ("hours", "samples_per_second", "peak_memory_gb", "code_version")  # columns, as their names end


def test_every_number_is_the_same(study: Any, renamed: Any, names: Any) -> None:
    before, after = rows(study.table().decode()), rows(names.back(renamed.table().decode()))
    assert before.keys() == after.keys()
    different = [key for key in before if before[key] != after[key]]
    assert not different, (different[0], before[different[0]], after[different[0]])


def test_every_table_is_the_same(study: Any, renamed: Any, names: Any) -> None:
    before, after = files(study.folder, "tables", names), files(renamed.folder, "tables", names)
    assert before.keys() == after.keys() and len(before) > 8
    for name in (name for name in before if not name.endswith("all.csv")):  # of these see above
        old, new = comparable(before[name].read_text()), comparable(names.back(after[name].read_text()))
        assert new == old, name


def test_there_are_the_same_figures(study: Any, renamed: Any, names: Any) -> None:
    """Those that print the names of regions, which have no titles, are drawn from the same numbers."""
    before, after = files(study.folder, "figures", names), files(renamed.folder, "figures", names)
    assert before.keys() == after.keys() and len(before) > 8
    for name in before:
        if not name.startswith(("figures/shifts", "figures/similarities")):
            assert after[name].read_bytes() == before[name].read_bytes(), name
    for folder, suffix, count in (("similarity", ".json", 2), ("cubes", ".csv", 4)):
        before, after = (files(one.folder, folder, names, (suffix,)) for one in (study, renamed))
        assert before.keys() == after.keys() and len(before) == count
        for name in before:
            assert names.back(after[name].read_text()) == before[name].read_text(), name


def rows(table: str) -> dict[tuple[str, ...], dict[str, str]]:
    """The rows of all.csv by what is not a number in them, but the digest of code that each checkout has."""
    found = {}
    for row in csv.DictReader(io.StringIO(table)):
        row.pop("code_version")
        found[tuple(row[key] for key in list(row)[: list(row).index("value")])] = row
    return found


def comparable(table: str) -> list[list[str]]:
    """The cells of a table, CSV or Markdown, but for what differs from run to run: costs, digests of code."""
    found, changing = [], set[int]()
    for line in table.splitlines():
        printed = line.startswith("|")
        cells = [cell.strip() for cell in line.split("|")] if printed else next(csv.reader([line]), [])
        if any(cell.endswith(CHANGING) for cell in cells):
            changing = {number for number, cell in enumerate(cells) if cell.endswith(CHANGING)}
        elif not line:
            changing = set()
        found.append([cell for number, cell in enumerate(cells) if number not in changing])
    return found


def files(
    checkout: Path, folder: str, names: Any, suffixes: tuple[str, ...] = (".csv", ".md", ".png")
) -> dict[str, Path]:
    """The files of a folder of the results, by their paths under the old names."""
    results = checkout / "results"
    return {
        names.back(path.relative_to(results).as_posix()): path
        for path in (results / folder).rglob("*.*")
        if path.suffix in suffixes
    }
