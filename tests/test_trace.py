"""Protects the way back from a number to its imagery: every step that was made, and no other."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from revisit import trace, trace_command
from revisit.files import write_json
from revisit.report import origins
from revisit.report.facts import Facts
from revisit.report.layout import Block, Table

HREF = "https://example.org/S1A_1/vv.tif"
RUN = "scores/masking/mine/s1/linear/labels0.1"


def made(**more: Any) -> dict[str, Any]:
    return {"config_hash": "abc", "code_version": "1.0+f"} | more


def cube(folder: Path, name: str, *links: str) -> None:
    region, sensor = folder.parts[-2:]
    properties = {"revisit:region": region, "revisit:sensor": sensor, "revisit:stage": name}
    properties |= {"revisit:config_hash": f"{name}-hash", "revisit:code_version": "1.0+c"}
    properties |= {"start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2020-12-01T00:00:00Z"}
    derived = [{"rel": "derived_from", "href": link} for link in links]
    write_json(folder / f"{name}.json", {"properties": properties, "links": derived})


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A study's results with two encoders, one started from the other, one region and two scenes.

    It ran elsewhere, in a folder called otherwise; its raw cube was not kept.
    """
    root, then = tmp_path / "moved", "somewhere/results/study"
    for seed in (0, 1):
        columns = made(experiment="masking", method="mine", modality="s1", protocol="linear")
        sources = {
            "patches": f"{then}/patches/scenes/index.json",
            "encoders": [f"{then}/encoders/pairs/mine/s1/seed0/encoder.safetensors"],
        }
        score = {"columns": columns, "label_fraction": 0.1, "seed": seed, "headline": "micro_map"}
        values = [{"class": "all", "metric": "micro_map", "value": 0.5}]
        write_json(root / RUN / f"seed{seed}.json", score | {"values": values, "sources": sources})
    for name, collection, parents in (
        ("mine", "pairs", [{"method": "first", "config_hash": "first-hash"}]),
        ("first", "scenes", []),
    ):
        card = {"method": name, "modality": "s1", "seed": 0, "steps": 9, "collection": collection}
        folder = root / f"encoders/{collection}/{name}/s1/seed0"
        write_json(folder / "card.json", made(config_hash=f"{name}-hash", parents=parents) | card)
        (folder / "encoder.safetensors").touch()
    for collection in ("pairs", "scenes"):
        folder = root / f"patches/{collection}"
        write_json(folder / "index.json", made(kind="pairs", stores=[{"path": "here.zarr"}]))
        about = {"region": "here", "samples": 4, "label_years": [2020]}
        about["source_cubes"] = [f"{then}/cubes/here/sentinel-1/scaled.zarr"]
        write_json(folder / "here.zarr/zarr.json", {"attributes": made(**about)})
    folder = root / "cubes/here/sentinel-1"
    cube(folder, "scaled", "raw.json")
    scenes = "../../../scenes/here/sentinel-1/2020/items.json"
    cube(folder, "raw", scenes, scenes)
    write_json(folder / "scaled.zarr/zarr.json", {"attributes": {"dropped_dates": ["2020-02-01: cloud"]}})
    manifest = {"provider": "mine", "region": "here", "sensor": "sentinel-1", "year": 2020}
    manifest["scenes"] = [
        {"id": f"S1A_{number}", "datetime": "2020-01-01T05:00:00Z", "bands": {"vv": {"source": HREF}}}
        for number in (1, 2)
    ]
    write_json(root / "scenes/here/sentinel-1/2020/manifest.json", manifest)
    write_json(root / "items/here/sentinel-1.json", {"features": [{}, {}, {}]})
    return root


def paths(nodes: list[trace.Node], root: Path) -> list[str]:
    return [node.ref.path.relative_to(root).as_posix() for node in nodes]


def followed(root: Path, start: str) -> list[trace.Node]:
    found, ref = trace.started(root / start)
    return [node for _, node, before in found.walk([ref]) if not before]


def test_a_score_leads_to_its_scenes(results: Path) -> None:
    """Each file once, encoder before labels, wherever the study has gone since; the parent by its card."""
    nodes = followed(results, f"{RUN}/seed0.json")
    assert paths(nodes, results) == [
        f"{RUN}/seed0.json",
        "encoders/pairs/mine/s1/seed0/encoder.safetensors",
        "patches/pairs/index.json",
        "patches/pairs/here.zarr",
        "cubes/here/sentinel-1/scaled.zarr",
        "cubes/here/sentinel-1/raw.zarr",
        "scenes/here/sentinel-1/2020/manifest.json",
        "items/here/sentinel-1.json",
        "encoders/scenes/first/s1/seed0/encoder.safetensors",
        "patches/scenes/index.json",
        "patches/scenes/here.zarr",
    ]
    of = {node.ref.kind: node for node in reversed(nodes)}
    assert [item.id for item in of["scenes"].items] == ["S1A_1", "S1A_2"]
    assert of["scenes"].items[0].hrefs == {"vv": HREF}
    assert (of["score"].settings, of["score"].code, of["score"].about["micro_map"]) == ("abc", "1.0+f", 0.5)
    assert (of["encoder"].settings, of["cube"].settings) == ("mine-hash", "scaled-hash")
    assert of["cube"].about["left_out"] == 1
    assert [node.ref.path.name for node in nodes if not node.there] == ["raw.zarr"]


def test_a_label_map_is_part_of_the_way(results: Path) -> None:
    write_json(results / "cubes/here/labels.json", {"properties": {}, "links": []})
    (results / "cubes/here/labels.zarr").mkdir()
    nodes = followed(results, "patches/scenes")
    assert "cubes/here/labels.zarr" in paths(nodes, results)


def test_an_imported_set_is_followed_to_its_files(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its name, how many samples it has, the first of them with their files, and where all are listed."""
    folder = results / "patches/scenes"
    about = made(region="1-of-1", samples=23, source_cubes=[], source_set="EuroSAT")
    write_json(folder / "here.zarr/zarr.json", {"attributes": about})
    write_json(
        folder / "index.json", json.loads((folder / "index.json").read_text()) | {"source_set": "EuroSAT"}
    )
    rows = ["broken,train,broken,0,0,b.tif,broken"]
    rows += [f"a_{number},train,a,0,0,s1/a_{number}.tif|s2/a_{number}.tif," for number in range(23)]
    (folder / "samples.csv").write_text("\n".join(["sample,part,place,row,column,files,left_out", *rows, ""]))
    found, score = trace.started(results / f"{RUN}/seed0.json")
    (last,) = {node.ref: node for _, node, _ in found.walk([score]) if node.ref.kind == "set"}.values()
    assert (last.ref.path, last.about) == (folder / "samples.csv", {"set": "EuroSAT", "samples": 23})
    assert len(last.items) == 20 and last.items[0].id == "a_0"
    assert last.items[0].hrefs == {"file 1": "s1/a_0.tif", "file 2": "s2/a_0.tif"}
    assert trace_command.main([str(folder / "samples.csv")]) == 0
    text = capsys.readouterr().out
    assert "samples.csv: set EuroSAT, samples 23 [3 more samples, with their files, are in this list]" in text
    assert "item a_19\n" in text and "file 2 s2/a_19.tif" in text and "a_20" not in text
    (folder / "samples.csv").unlink()
    assert [node.there for node in followed(results, "patches/scenes")] == [True, True, False]


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        ("encoders/pairs/mine/s1/seed0", "encoder"),
        ("encoders/pairs/mine/s1/seed0/card.json", "encoder"),
        ("patches/pairs/index.json", "index"),
        ("patches/pairs/here.zarr", "patches"),
        ("cubes/here/sentinel-1/scaled.zarr", "cube"),
        ("cubes/here/sentinel-1/scaled.json", "cube"),
        ("cubes/here/sentinel-1/raw.zarr", "cube"),  # gone, but its Item is there
    ],
)
def test_whatever_it_starts_from_it_ends_at_the_search(results: Path, start: str, kind: str) -> None:
    nodes = followed(results, start)
    assert nodes[0].ref.kind == kind
    assert "items/here/sentinel-1.json" in paths(nodes, results)


def test_a_parent_of_another_making_is_not_taken(results: Path) -> None:
    """An entry that was pretrained anew has another hash: the encoder did not start from it."""
    card = results / "encoders/scenes/first/s1/seed0/card.json"
    write_json(card, json.loads(card.read_text()) | {"config_hash": "later"})
    assert "encoders/scenes" not in " ".join(paths(followed(results, f"{RUN}/seed0.json"), results))


def test_a_number_is_of_all_its_seeds(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By what names it in the table; JSON has every file once, text the steps and each address."""
    number = ["--results", str(results), "--experiment", "masking", "--labels", "0.1"]
    assert trace_command.main([*number, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [Path(start).name for start in told["start"]] == ["seed0.json", "seed1.json"]
    assert len({one["path"] for one in told["files"]}) == len(told["files"]) == 12
    assert told["files"][1]["made_of"][0].endswith("patches/pairs/index.json")
    assert trace_command.main([*number, "--seed", "1"]) == 0
    text = capsys.readouterr().out
    assert f"vv {HREF}" in text and "[settings mine-hash; code 1.0+f]" in text
    assert "raw.zarr: region here" in text and "not there any more" in text and "seed0.json" not in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give either a path"),
        (["nowhere.json"], "no such file"),
        (["items/here/sentinel-1.json"], "no score file, encoder, index"),
        (["--experiment", "other"], "has no score of experiment other"),
        (["--experiment", "masking"], "2 numbers are of experiment masking"),
        (["--experiment", "masking", "--labels", "few"], "--labels few: is no share"),
        ([f"{RUN}/seed2.json"], "no score file (key 'sources' is missing)"),
    ],
)
def test_what_cannot_be_traced_is_told_in_one_line(
    results: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    shutil.copytree(results / RUN, results / RUN.replace("0.1", "1"))
    write_json(results / RUN / "seed2.json", {"columns": {}})
    given = [str(results / one) if one.endswith(".json") else one for one in arguments]
    assert trace_command.main([*given, "--results", str(results)]) == 1
    told = capsys.readouterr()
    assert words in told.err and told.err.count("\n") == 1 and told.out == ""


def test_a_table_says_where_its_first_row_comes_from(results: Path) -> None:
    """The first network of its setting, not a floor before it; the first of everything, and of how many."""
    row = {
        "experiment": "masking", "dataset": "scenes", "modality": "s1", "label_fraction": 0.1,
        "method": "mine", "protocol": "linear", "run": str(results / RUN),
    }  # fmt: skip
    other = row | {"label_fraction": 1.0, "run": "elsewhere"}
    run = {"experiment": "masking", "modality": "s1", "recipe": "", "task": "multi-label"}
    facts = Facts.model_validate(
        {
            "runs": [
                run | {"method": name, "title": name.upper(), "protocol": "linear", "pretrained": True}
                for name in ("absent", "mine")
            ]
        }
    )
    setting = {name: row[name] for name in ("experiment", "dataset", "protocol", "label_fraction")}
    table = Table("t", "s", (), [Block("h", setting, (), (), [], ".1f")])
    origin = origins.origin(table, [row, other], facts)
    assert origin is not None and origin.command == f"revisit trace {results / RUN}/seed0.json"
    assert origin.title == "MINE, S1, linear probe"
    kinds = ["score", "encoder", "index", "patches", "cube", "cube", "scenes", "item"]
    assert [step.kind for step in origin.steps] == kinds
    assert origin.steps[0].of == "made of 2, the first of which is" and origin.steps[3].of == "made of"
    assert origin.steps[-1].name == "S1A_1" and "not there any more" in origin.steps[5].made
    gains = Table("t", "s", (), [Block("h", setting | {"protocol": ""}, (), (), [], ".1f")])
    assert origins.origin(gains, [row], facts) is None
    (results / RUN / "seed0.json").write_text("{}")
    assert origins.origin(table, [row, other], facts) is None
