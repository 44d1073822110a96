"""Follows docs/labels.md: each of its examples, put into the default study, can be planned."""

import copy
import re
from pathlib import Path
from types import SimpleNamespace

import geopandas
import pytest
import shapely
import yaml

from revisit.config.check import check
from revisit.plan.plan import Plan

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/labels.md").read_text(encoding="utf-8")
EXAMPLES = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)]


def over(study: dict, example: dict) -> dict:
    """The study with the keys of an example over its own; an empty mapping empties."""
    for key, value in example.items():
        both = isinstance(value, dict) and isinstance(study.get(key), dict) and value
        study[key] = over(study[key], value) if both and "kind" not in value else value
    return study


@pytest.mark.parametrize("example", EXAMPLES, ids=["raster", "polygons", "years", "collection"])
def test_examples_can_be_planned(example: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = yaml.safe_load((ROOT / "config.yaml").read_text())
    del study["search"]["worldcover"]
    if "corine" in example.get("experiments", {}):
        study["experiments"] = {}
    monkeypatch.chdir(tmp_path)
    labels = example.get("labels", {})
    files = labels.get("files", [])
    for file in files:
        path = Path(file.get("raster") or file["vector"])
        path.parent.mkdir(exist_ok=True)
        frame = geopandas.GeoDataFrame({"crop": [1]}, geometry=[shapely.box(0, 0, 1, 1)], crs=4326)
        frame.to_file(path, layer=file.get("layer"), driver="GPKG")
    checked = check(over(copy.deepcopy(study), example))
    plan = Plan(checked)
    place = SimpleNamespace(region="plain")
    assert plan.labels(place) == ["results/cubes/plain/labels.zarr"]
    assert plan.label_files(place) == [file.get("raster") or file["vector"] for file in files]
    searched = [name for name in ("land-cover", "truth") if name in example.get("search", {})]
    assert plan.label_maps(place) == [
        f"results/scenes/plain/{name}/{year}/manifest.json"
        for name in searched
        for year in example["search"][name]["years"]
    ]
    assert bool(searched) is not bool(files)
    legend = plan.label(place)["legend"]
    assert [one["code"] for one in legend["classes"]][:2] in ([111, 112], [1, 2], [10, 20])
    regions = labels.get("regions", list(study["regions"]))
    assert [region for region in study["regions"] if region in plan.labelled] == [
        region for region in study["regions"] if region in regions
    ]


def test_the_guide_names_every_ready_legend() -> None:
    shipped = yaml.safe_load((ROOT / "src/revisit/cube/labels/legends.yaml").read_text())
    assert re.findall(r"^\| `([a-z0-9-]+)` \| \d", GUIDE, re.MULTILINE) == list(shipped)
