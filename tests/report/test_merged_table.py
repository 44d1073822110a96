"""Guards the merged table: its columns, the join with published numbers, and that no wrong file slips in."""

import csv
import json
import math
import shutil
from operator import methodcaller
from pathlib import Path

import pytest

from revisit.errors import RevisitError
from revisit.job import Job
from revisit.report import merged_table as tables
from revisit.report.facts import Facts
from revisit.report.score_files import gather
from revisit.stage import run_file

HEADER = (
    "experiment,task,dataset,method,encoder,pretrain_data,pretrain_samples,pretrain_steps,modality,protocol,"
    "label_fraction,label_count,class,metric,value,ci_low,ci_high,deviation,seeds,test_ci_low,test_ci_high,test_places,published,published_source,collapsed,converged,gpu_hours,cpu_hours,samples_per_second,peak_memory_gb,"
    "config_hash,code_version,run,test_distance_m,test_places_seen"
)
KNOWN = [
    # experiment, method, modality, class, metric, published as a fraction
    ("masking", "3dmae-3dm", "s1", "all", "micro_map", 0.895),
    ("masking", "3dmae-rm+rc", "s1+s2", "all", "micro_map", 0.939),
    ("land-cover", "dual-stmim-unet", "s1+rgb", "macro avg", "iou", 0.71),
    ("land-cover", "unet", "s1", "Water", "recall", 0.97),
    ("land-cover", "stmim-unet", "rgb", "Build-up", "f1", 0.83),
    ("land-cover", "stmim-unet", "s1", "all", "miou", 0.58),
    ("land-cover", "dual-stmim-unet", "s1+rgb", "all", "accuracy", 0.86),
]
UNKNOWN = [
    ("masking", "scratch", "s1", "all", "micro_map"),
    ("masking", "3dmae-3dm", "s1", "all", "macro_map"),
    ("land-cover", "swin-unet", "rgb", "all", "miou"),
]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def cells(path: Path, *key: str) -> list[dict[str, str]]:
    names = ("experiment", "method", "modality", "class", "metric")
    return [row for row in read(path) if tuple(row[name] for name in names) == key]


def altered(path: Path, folder: Path, change) -> Path:
    """A copy of a score file, and what lies beside it, with ``change`` applied to its content."""
    content = json.loads(path.read_text())
    change(content)
    copy = folder / path.name
    copy.write_text(json.dumps(content))
    shutil.copy(path.with_suffix(".npz"), copy.with_suffix(".npz"))
    return copy


def test_columns_and_order(all_csv: Path) -> None:
    """Readers of all.csv go by its columns; a rerun must give the same rows in the same order."""
    assert all_csv.read_text().splitlines()[0] == HEADER
    keys = [
        tuple(float(row[name]) if name == "label_fraction" else row[name] for name in tables.KEY)
        for row in read(all_csv)
    ]
    assert keys == sorted(keys) and len(set(keys)) == len(keys) > 300


def test_order_of_files_does_not_matter(scores: list[Path], facts: Facts) -> None:
    assert tables.merge(scores, facts) == tables.merge(scores[::-1], facts)


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: "-".join(known[:-1]))
def test_published_beside_ours(all_csv: Path, known: tuple) -> None:
    """Each known cell of the works stands beside ours, as a fraction, with its table named."""
    *key, value = known
    found = [
        row for row in cells(all_csv, *key) if row["protocol"] != "linear" and row["label_fraction"] == "1.0"
    ]
    assert [float(row["published"]) for row in found] == [value]
    assert "talk" in found[0]["published_source"]


@pytest.mark.parametrize("key", UNKNOWN, ids="-".join)
def test_nothing_invented(all_csv: Path, key: tuple[str, ...]) -> None:
    """Where the works report nothing, published stays empty."""
    found = cells(all_csv, *key)
    assert found and all(row["published"] == row["published_source"] == "" for row in found)


def test_published_only_for_all_labels_and_the_whole_network(all_csv: Path) -> None:
    """The works' numbers are of fine-tuning on all labels: not to be shown beside a linear probe."""
    for row in cells(all_csv, "masking", "3dmae-3dm", "s1", "all", "micro_map"):
        same = row["protocol"] == "fine-tune" and row["label_fraction"] == "1.0"
        assert bool(row["published"]) == same


def test_score_of_no_run(scores: list[Path], facts: Facts) -> None:
    """A score that an earlier config left behind is not merged unseen."""
    fewer = facts.model_copy(update={"runs": facts.runs[1:]})
    with pytest.raises(RevisitError, match="no run of this study"):
        tables.merge(scores, fewer)


def test_two_files_for_one_cell(scores: list[Path], facts: Facts, tmp_path: Path) -> None:
    """A repeat that two files give is an error that names both, not a silent choice."""
    copy = altered(scores[0], tmp_path, lambda content: None)
    with pytest.raises(RevisitError) as error:
        tables.merge([*scores, copy], facts)
    assert str(copy) in str(error.value) and str(scores[0]) in str(error.value)


def test_repeats_of_other_settings(scores: list[Path], facts: Facts, tmp_path: Path) -> None:
    """A mean of two different experiments is of neither."""

    def change(content: dict) -> None:
        content["columns"]["config_hash"] = "other"

    with pytest.raises(RevisitError, match="was made by other settings than"):
        tables.merge([altered(scores[0], tmp_path, change), *scores[1:]], facts)


def test_a_row_is_the_mean_of_its_repeats_and_bears_their_marks(all_csv: Path) -> None:
    """Mean and interval over seeds; one repeat that was cut off marks the row; costs are means."""
    for row in cells(all_csv, "masking", "3dmae-rm", "s1", "all", "micro_map"):
        base = 0.68 - 0.1 * (row["protocol"] == "linear") + 0.05 * math.log10(float(row["label_fraction"]))
        assert float(row["value"]) == pytest.approx(base + 0.01)
        assert float(row["ci_low"]) == pytest.approx(base + 0.01 - 4.302653 * 0.01 / 3**0.5, abs=1e-6)
        assert float(row["deviation"]) == pytest.approx(0.01)
        assert (row["seeds"], row["collapsed"], row["cpu_hours"]) == ("3", "false", "0.5")
        assert row["converged"] == {"linear": "", "fine-tune": "false"}[row["protocol"]]
        assert row["run"].endswith(
            f"masking/3dmae-rm/s1/{row['protocol']}/labels{row['label_fraction']}".removesuffix(".0")
        )


def test_numbers_of_labels_are_rows_of_their_own(scores: list[Path], facts: Facts, tmp_path: Path) -> None:
    """Repeats of one number are gathered, those of another are not; a share is left empty."""
    three = [path for path in scores if path.match("masking/scratch/s1/linear/labels1/*")]
    files = []
    for count in (200, 400):
        (tmp_path / str(count)).mkdir()
        change = methodcaller("update", {"label_fraction": None, "label_count": count})
        files += [altered(path, tmp_path / str(count), change) for path in three]
    out = tmp_path / "all.csv"
    tables.write_table(tables.merge(files, facts), out)
    rows = cells(out, "masking", "scratch", "s1", "all", "micro_map")
    assert [(row["label_fraction"], row["label_count"], row["seeds"]) for row in rows] == [
        ("", "200", "3"), ("", "400", "3"),
    ]  # fmt: skip


def _drop(content: dict) -> None:
    del content["columns"]["converged"]


def _text(content: dict) -> None:
    content["values"][0]["value"] = "0.5"


def _other_version(content: dict) -> None:
    del content["values"]


def _macro(content: dict) -> None:
    for value in content["values"]:
        if value["class"] == "macro avg" and value["metric"] == "iou":
            value["value"] += 0.01


@pytest.mark.parametrize(
    ("change", "words"),
    [(_drop, "converged"), (_text, "'0.5'"), (_other_version, "version"), (_macro, "macro avg iou")],
)
def test_wrong_score_file(scores: list[Path], tmp_path: Path, change, words: str) -> None:
    """A missing column, another version, a number that is none, a mean its parts do not give: one line."""
    copy = altered(scores[-1], tmp_path, change)
    with pytest.raises(RevisitError) as error:
        gather([copy])
    assert str(copy) in str(error.value) and words in str(error.value)


def job(scores: list[Path], out: Path, facts: Facts) -> Path:
    path = out.with_suffix(".json")
    files = {"scores": [str(score) for score in scores]}
    Job(
        "revisit.report.merged_table",
        input=files,
        output={"table": str(out), "leaks": str(out.with_name("leaks.csv"))},
        settings=facts.content(),
    ).write(path)
    return path


def test_stage(scores: list[Path], facts: Facts, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The stage writes the table, and ends with one line and status 1 where a file is missing."""
    out = tmp_path / "all.csv"
    assert run_file(job(scores, out, facts)) == 0
    assert out.read_text().startswith(HEADER)
    assert run_file(job([tmp_path / "none.json"], out, facts)) == 1
    assert "none.json: no such file" in capsys.readouterr().err
