"""Guards that names are never code: renaming everything changes nothing but the names."""

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from revisit import parts
from revisit.report import figure, gains, printing, reading, table
from revisit.report import merged_table as tables
from revisit.report.drawing import figures
from revisit.report.facts import Facts

DEPTH = 6  # of a score file below the folder of all: experiment, method, modality, protocol, labels, seed


class Names:
    """New names for experiments, methods and collections; none says what it is of."""

    def __init__(self, facts: Facts) -> None:
        free = [
            *facts.experiments,
            *(run.method for run in facts.runs),
            *(encoder.entry for encoder in facts.encoders),
            *(encoder.collection for encoder in facts.encoders),
        ]
        # Alphabets run against each other, so that an order by name would show.
        self.new = {name: f"n{900 - number}" for number, name in enumerate(dict.fromkeys(free))}

    def facts(self, facts: Facts) -> Facts:
        return Facts.model_validate(
            {
                "runs": [
                    run.model_copy(
                        update={"experiment": self.new[run.experiment], "method": self.new[run.method]}
                    ).content()
                    for run in facts.runs
                ],
                "encoders": [
                    encoder.model_copy(
                        update={"entry": self.new[encoder.entry], "collection": self.new[encoder.collection]}
                    ).content()
                    for encoder in facts.encoders
                ],
                "experiments": {self.new[name]: one.content() for name, one in facts.experiments.items()},
            }
        )

    def score(self, path: Path, folder: Path) -> Path:
        content = json.loads(path.read_text())
        columns = content["columns"]
        for column in ("experiment", "method", "dataset"):
            columns[column] = self.new.get(columns[column], columns[column])
        copy = folder.joinpath(*(self.new.get(part, part) for part in path.parts[-DEPTH:]))
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(json.dumps(content))
        shutil.copy(path.with_suffix(".npz"), copy.with_suffix(".npz"))
        return copy

    def back(self, text: str) -> str:
        old = {new: name for name, new in self.new.items()}
        return re.sub(r"\bn\d{3}\b", lambda found: old[found[0]], text)


def printed(rows: list[reading.Row], facts: Facts) -> Iterable[str]:
    """Every table of the study, as both of its files."""
    yield printing.to_csv(gains.lay_out(rows, facts))
    for name in facts.names():
        for layout in facts.experiments[name].layouts:
            settings = table.Settings(
                experiment=name,
                layout=layout,
                runs=facts.of_experiment(name).runs,
                published_as=facts.experiments[name].published_as,
            )
            laid_out = table.lay_out(rows, settings)
            yield printing.to_csv(laid_out)
            yield printing.to_markdown(laid_out)


@pytest.fixture
def names(facts: Facts) -> Names:
    return Names(facts)


@pytest.fixture
def renamed_rows(scores: list[Path], facts: Facts, names: Names, tmp_path: Path) -> list[reading.Row]:
    folder = tmp_path / "renamed"
    folder.mkdir()
    return tables.merge([names.score(path, folder) for path in scores], names.facts(facts))


def test_tables(
    scores: list[Path], facts: Facts, names: Names, renamed_rows: list[reading.Row], tmp_path: Path
) -> None:
    """Tables have the same rows in the same order, published numbers and all."""
    before = list(printed(tables.merge(scores, facts), facts))
    old, new = str(scores[0].parents[DEPTH - 1]), str(tmp_path / "renamed")
    after = [names.back(text).replace(new, old) for text in printed(renamed_rows, names.facts(facts))]
    assert after == before
    assert sum(text.count("published") for text in before) > 50


def test_figures(
    all_csv: Path, facts: Facts, names: Names, renamed_rows: list[reading.Row], tmp_path: Path
) -> None:
    """The same figures apply, and those of the merged table are the same to the byte but for the data set."""
    renamed = figures(names.facts(facts))
    assert [names.back(one["path"]) for one in renamed] == [one["path"] for one in figures(facts)]
    other = tmp_path / "all.csv"
    for row in renamed_rows:
        row["dataset"] = names.back(row["dataset"])
    tables.write_table(renamed_rows, other)
    for old, new in zip(figures(facts), renamed, strict=True):
        if old["source"] != "table":
            continue
        drawing = parts.find("figure", old["figure"])
        drawing.draw([all_csv], figure.Settings(**old["settings"]), tmp_path / "old.png")
        drawing.draw([other], figure.Settings(**new["settings"]), tmp_path / "new.png")
        assert (tmp_path / "old.png").read_bytes() == (tmp_path / "new.png").read_bytes(), old["figure"]
