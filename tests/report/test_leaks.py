"""Protects the mark of encoders that were pretrained on test places: found, counted, shown beside scores."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revisit import leaks_command
from revisit.files import write_json
from revisit.job import Job
from revisit.patches.kind import Look
from revisit.patches.writer import Place, StoreWriter
from revisit.report import believe, gains, leaks, reading, table
from revisit.report import merged_table as tables
from revisit.report.facts import Facts
from revisit.stage import run_file

SIDE = 16  # pixels of 10 m
PARTS = ("train", "val", "test")
AT = (500_000.0, 5_400_000.0)
NEAR, OVER, FAR = (500_400.0, 5_400_000.0), (500_100.0, 5_400_000.0), (504_000.0, 5_400_000.0)


def collect(root: Path, name: str, **parts: Sequence[tuple[float, float]]) -> Path:
    """A collection with a labelled sample of red at each of these centres; its index."""
    folder = root / "patches" / name
    writer = StoreWriter(folder / "here.zarr")
    image = np.zeros((1, 1, SIDE, SIDE), np.uint8)
    for part, centres in parts.items():
        for centre in centres:
            look = Look(image, np.ones((1, SIDE, SIDE), bool), np.array(["2020-07-01"], "datetime64[ns]"))
            place = Place(*centre, len(writer.places), PARTS.index(part))
            writer.append({"sentinel-2": look}, place, image[0, 0], np.ones(1, np.uint8))
    writer.finish(32631, {"stage": "patches"})
    count = len(writer.places)
    about = {
        "stage": "patches", "kind": "pairs", "collection": name, "bands": {"sentinel-2": ["red"]},
        "scaling": {"sentinel-2": {"bands": {"red": None}}}, "patch_pixels": SIDE, "resolution_m": 10.0,
        "years": {}, "time_axis": False,
        "classes": [], "label_columns": ["class"], "stores": [
            {"path": "here.zarr", "region": "here", "epsg": 32631, "years": {}, "samples": count,
             "places": count},
        ],
    }  # fmt: skip
    write_json(folder / "index.json", about)
    return folder / "index.json"


def pretrain(root: Path, name: str, collection: str, **card: Any) -> Path:
    path = root / f"encoders/{collection}/{name}/rgb/seed0/encoder.safetensors"
    about = {"method": name, "modality": "rgb", "seed": 0, "collection": collection, "bands": ["red"]}
    about |= {"steps": 9, "weights_of": "", "parents": [], "config_hash": f"of {name}"}
    write_json(path.with_name("card.json"), about | card)
    path.touch()
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Results with a test split of three places, and collections that know none, one or two of them."""
    root = tmp_path / "results"
    collect(root, "tested", train=[NEAR], test=[AT, FAR, (FAR[0] + 500, FAR[1])])
    collect(root, "near", train=[NEAR], test=[AT])  # what its own split tests on it has not seen
    collect(root, "over", train=[OVER, FAR], val=[AT])
    return root


def told(root: Path, *encoders: Path) -> Mapping[str, Any]:
    return leaks.check(encoders, root / "patches/tested/index.json")


def test_what_an_encoder_has_seen(root: Path) -> None:
    """By hand: 240 m between edges; or one place 60 m over another, and one the same."""
    apart = told(root, pretrain(root, "a", "near"))
    assert (apart["same"], apart["overlapped"], apart["distance_m"]) == (0, 0, 240.0)
    assert (apart["pretrained_on"], apart["tested_on"], apart["test_places"]) == ("near", "tested", 3)
    seen = told(root, pretrain(root, "b", "over"))
    assert (seen["same"], seen["overlapped"], seen["distance_m"], seen["unknown"]) == (1, 2, 0.0, "")


def test_parents_have_seen_too(root: Path) -> None:
    """What an encoder started from counts, and so does the other encoder of a row."""
    pretrain(root, "first", "over")
    started = [{"method": "first", "config_hash": "of first"}]
    row = told(root, pretrain(root, "then", "near", parents=started))
    assert (row["overlapped"], row["pretrained_on"]) == (2, "near + over")
    assert told(root, pretrain(root, "a", "near"), pretrain(root, "b", "over"))["overlapped"] == 2
    lost = told(root, pretrain(root, "later", "near", parents=[{"method": "none", "config_hash": ""}]))
    assert (lost["overlapped"], lost["unknown"]) == (0, "a parent that is gone")


def test_what_nobody_knows_is_said(root: Path) -> None:
    """Weights from elsewhere have seen places that are not on record; untrained ones have seen none."""
    row = told(root, pretrain(root, "given", "over", steps=0, weights_of="ImageNet"))
    assert (row["overlapped"], row["distance_m"], row["unknown"]) == (None, None, "weights of ImageNet")
    row = told(root, pretrain(root, "drawn", "over", steps=0))
    assert (row["overlapped"], row["pretrained_on"], row["unknown"]) == (None, "none", "")


def score(root: Path, method: str, encoder: Path | None) -> None:
    columns = {"experiment": "e", "method": method, "modality": "rgb", "protocol": "linear"}
    below = [] if encoder is None else [f"once/results/{encoder.relative_to(root).as_posix()}"]
    sources = {"encoders": below, "patches": "once/results/patches/tested/index.json"}
    for labels in ("0.1", "1"):
        path = root / f"scores/e/{method}/rgb/linear/labels{labels}/seed0.json"
        write_json(path, {"columns": columns, "sources": sources})


def test_the_command_looks_at_what_was_scored(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each row once; the status is that of a failed check where any encoder has seen test places."""
    score(root, "a", pretrain(root, "a", "near"))
    score(root, "floor", None)
    assert leaks_command.main([str(root)]) == 0
    assert "| a | RGB | near | tested | 3 | 0 | 0 | 240 | – |" in capsys.readouterr().out
    score(root, "b", pretrain(root, "b", "over"))
    assert leaks_command.main([str(root), "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert {row["method"]: row["overlapped"] for row in rows} == {"a": 0, "b": 2}
    encoder = str(root / "encoders/over/b/rgb/seed0")
    assert leaks_command.main([encoder, "--on", str(root / "patches/near")]) == 1
    assert "| near | 1 | 0 | 1 | 0 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["patches"], "has no scores"), (["nowhere", "--on", "patches/near"], "no such file"),
     (["encoders/near/a/rgb/seed0", "--on", "encoders"], "no collection of patches"),
     (["encoders/bare", "--on", "patches/near"], "no score file, encoder"),
     (["encoders/near/bare/rgb/seed0", "--on", "patches/near"], "has no card beside it")],
)  # fmt: skip
def test_what_cannot_be_checked(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    pretrain(root, "a", "near")
    pretrain(root, "bare", "near").with_name("card.json").unlink()
    (root / "encoders/bare").mkdir()
    assert leaks_command.main([one if one == "--on" else str(root / one) for one in arguments]) == 1
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


@pytest.fixture
def seen_csv(root: Path, scores: list[Path], facts: Facts) -> Path:
    """leaks.csv of the made-up study, made by both stages, by experiment and joined.

    Of the rows whose encoders are known 3dmae-3dm has seen places of the test, 3dmae-rm has not.
    """
    index = (root / "patches/tested/index.json").as_posix()
    rows = [
        {"experiment": "masking", "method": method, "modality": modality, "protocol": "fine-tune",
         "encoders": [pretrain(root, method, collection).as_posix()], "index": index}
        for method, collection in (("3dmae-3dm", "over"), ("3dmae-rm", "near"))
        for modality in ("s1", "s1+s2")
    ]  # fmt: skip
    made: dict[str, dict[str, str]] = {}
    for name in facts.names():
        made[name] = {kind: f"{root}/tables/{name}/{kind}.csv" for kind in ("table", "leaks")}
        own = facts.of_experiment(name).content() | {"tested": rows if name == "masking" else []}
        given = {"scores": [str(path) for path in scores if f"/{name}/" in path.as_posix()]}
        run("merged_table", given, made[name], own, root)
    out = {"table": "all.csv", "leaks": "leaks.csv", "markdown": "leaks.md"}
    given = {
        "tables": [one["table"] for one in made.values()], "leaks": [one["leaks"] for one in made.values()]
    }  # fmt: skip
    run("joined_tables", given, {kind: str(root / name) for kind, name in out.items()}, {}, root)
    return root / "leaks.csv"


def run(
    stage: str, given: Mapping[str, Any], out: Mapping[str, str], own: Mapping[str, Any], root: Path
) -> None:
    Job(f"revisit.report.{stage}", {}, dict(given), dict(out), dict(own)).write(root / "job.json")
    assert run_file(root / "job.json") == 0


def test_tables_mark_what_has_seen_test_places(seen_csv: Path, facts: Facts, all_csv: Path) -> None:
    """Joined, the table differs from that made at once in two columns alone; the mark has its footnote."""
    rows, before = (
        reading.read_table(one, table.COLUMNS) for one in (seen_csv.with_name("all.csv"), all_csv)
    )
    assert [row | dict.fromkeys(tables.SEEN) for row in rows] == before
    found = {
        row["method"]: (row["test_distance_m"], row["test_places_seen"])
        for row in rows
        if (row["experiment"], row["modality"], row["protocol"]) == ("masking", "s1", "fine-tune")
    }
    assert (found["3dmae-3dm"], found["3dmae-rm"]) == ((0.0, 2), (240.0, 0))
    assert found["scratch"] == (None, None)
    settings = table.Settings(
        experiment="masking", layout="masking", runs=facts.of_experiment("masking").runs
    )
    for laid_out in (table.lay_out(rows, settings), gains.lay_out(rows, facts)):
        cells = [cell for block in laid_out.blocks for _, row in block.rows for cell in row]
        assert {"§" in cell.ours(".1f") for cell in cells} == {True, False}
        assert any("pretrained on places of the test split" in note for note in laid_out.notes)
    assert not any("test split (" in note for note in table.lay_out(before, settings).notes)
    (point,) = [
        one for one in believe.points(rows, facts, [], False) if one.title == "Pretrained on test places"
    ]
    assert [name.split(", ")[:2] for name in point.names] == [
        ["masking: 3DMAE-3DM", "S1"], ["masking: 3DMAE-3DM", "S1+S2"],
    ]  # fmt: skip


def test_the_table_of_leaks_is_read_by_people_too(seen_csv: Path) -> None:
    text = seen_csv.with_suffix(".md").read_text()
    assert "2 of 4 rows are by encoders that were pretrained on test places." in text
    assert "| 3dmae-3dm | S1 | over | tested | 3 | 1 | 2 | 0 | – |" in text
