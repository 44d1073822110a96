"""Follows docs/importers.md: its examples can be planned, and it names every importer and its kind."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from revisit import parts
from revisit.config.check import check
from revisit.errors import RevisitError
from revisit.job import Job
from revisit.plan.plan import Plan

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/importers.md").read_text(encoding="utf-8")
ALONE, BESIDE, LIMITED = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL))


def test_a_study_of_a_set_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It needs no region, search, cube or provider; and no rule of theirs has anything to do.

    Without the set it can be planned, and is refused when it starts.
    """
    monkeypatch.chdir(tmp_path)
    lacking = Plan(check(ALONE))
    lacking.tell_missing()
    assert "warning: imports.eurosat.folder: data/EuroSAT is not there; EuroSAT" in capsys.readouterr().err
    lacking.files.note("survey", Job("", {"collection": "eurosat"}, {}, {}, {}))
    with pytest.raises(SystemExit):
        lacking.start()
    told = capsys.readouterr().err
    assert (
        told.startswith("error: imports.eurosat.folder: data/EuroSAT is not there") and told.count("\n") == 1
    )
    assert not (tmp_path / "results").exists()
    (tmp_path / "data/EuroSAT").mkdir(parents=True)
    plan = Plan(check(ALONE))
    assert plan.indexes() == ["results/patches/eurosat/index.json"]
    assert plan.items() == plan.products() == plan.regions == []
    place = SimpleNamespace(collection="eurosat", region="1-of-1")
    assert plan.set_stores(place) == ["results/patches/eurosat/1-of-1.zarr"]
    assert plan.import_set(place)["number"] == 1
    assert {run["stage"] for run in plan.runs} == {"probe", "floor"}
    assert not re.fullmatch(plan.cut(), "eurosat") and re.fullmatch(plan.imported(), "eurosat")


def test_a_set_beside_cubes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is surveyed anew only by what decides on its list and limits."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/BigEarthNet").mkdir(parents=True)
    study = yaml.safe_load((ROOT / "config.yaml").read_text()) | BESIDE
    plan = Plan(check(study))
    place = SimpleNamespace(collection="bigearthnet", region="7-of-32")
    assert len(plan.set_stores(place)) == 32 and plan.import_set(place)["number"] == 7
    study["imports"]["bigearthnet"] |= {"stores": 4, "classes": [3, 5]}
    other = Plan(check(study))
    assert other.survey(place) == plan.survey(place)
    study["imports"]["bigearthnet"]["lists"] = "official"
    assert Plan(check(study)).survey(place) != plan.survey(place)


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({"folder": "."}, r"imports.some.set is missing; choose from bigearthnet"),
        ({"set": "eurosatt", "folder": "."}, r"imports.some.set: .* did you mean 'eurosat'"),
        ({"set": "eurosat", "folder": ".", "split": 1}, r"imports.some: unknown key 'split'"),
        ({"set": "eurosat", "folder": ".", "lists": "all"}, r"imports.some.lists: must be 'random'"),
        ({"set": "eurosat", "folder": ".", "classes": [11]}, r"imports.some.classes: \[11\] are no codes of"),
    ],
)
def test_refused(entry: dict, line: str) -> None:
    with pytest.raises(RevisitError, match=line):
        check(ALONE | {"imports": {"some": entry}})


def test_limits_of_cubes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are an input of the survey, for bands that the cubes have."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/EuroSAT").mkdir(parents=True)
    study = yaml.safe_load((ROOT / "config.yaml").read_text())
    entry = {"set": "eurosat", "folder": "data/EuroSAT", "limits": "cubes"}
    with pytest.raises(RevisitError, match=r"imports.some.limits: cubes have no coastal of sentinel-2; name"):
        check(study | {"imports": {"some": entry}})
    (tmp_path / "data/BigEarthNet").mkdir()
    plan = Plan(check(study | LIMITED))
    place = SimpleNamespace(collection="bigearthnet")
    assert plan.cube_limits(place) == [
        "results/cubes/limits/sentinel-1.json",
        "results/cubes/limits/sentinel-2.json",
    ]


def test_refused_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two collections of one name, a study of nothing, and maps to be learnt from scenes without any."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/EuroSAT").mkdir(parents=True)
    study = yaml.safe_load((ROOT / "config.yaml").read_text())
    with pytest.raises(RevisitError, match=r"imports.scenes: a collection is called 'scenes' too"):
        check(study | {"imports": {"scenes": ALONE["imports"]["eurosat"]}})
    with pytest.raises(RevisitError, match="collections: is empty, and so is imports"):
        check({key: value for key, value in ALONE.items() if key != "imports"})
    maps = {
        "task": "segmentation",
        "collection": "eurosat",
        "networks": {"unet": {"network": "unet", "modalities": ["rgb"], "width": 8}},
        "seeds": [0],
        "train": {"batch_size": 8, "learning_rate": 1e-3, "max_steps": 10},
    }
    with pytest.raises(RevisitError, match=r"maps.collection: 'eurosat' has labels of whole scenes, no maps"):
        check(ALONE | {"experiments": {"maps": maps}})


def test_the_guide_names_every_set() -> None:
    named = re.findall(r"^\| `([a-z0-9-]+)` \| [A-Z]", GUIDE, re.MULTILINE)
    assert tuple(sorted(named)) == parts.names("benchmark")


def test_every_task_of_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each set can be learnt by the tasks that the guide names for it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| [A-Z].*\| (.*?) \|$", GUIDE, re.MULTILINE)
    network = {
        "segmentation": {"network": "unet", "width": 8},
        "change": {"network": "pyramid-difference", "encoder_of": "eurosat"},
    }
    vit = {"name": "channel-vit", "dim": 16, "depth": 1, "heads": 2, "patch_pixels": 8}
    method = {"name": "scratch", "encoder": vit}
    study = {"seed": 1, "imports": {}, "pretraining": {"seeds": [0], "methods": {}}, "experiments": {}}
    for name, tasks in rows:
        own = {"patch_pixels": 112} if name == "bigearthnet-v2" else {}  # a U-Net takes multiples of 16
        study["imports"][name] = {"set": name, "folder": "data"} | own
        study["pretraining"]["methods"][name] = {
            "collection": name,
            "modalities": ["s2", "rgb"],
            "method": method,
        }
        for task in re.findall(r"`([a-z-]+)`", tasks):
            experiment = {"task": task, "collection": name, "seeds": [0]}
            if task in network:
                train = {"batch_size": 8, "learning_rate": 1e-3, "max_steps": 10}
                own = network[task] | {"modalities": ["rgb"]}
                experiment |= {"networks": {f"net-{name}": own}, "train": train}
            else:
                experiment |= {"pretrain_modality": "s2", "modalities": ["s2"], "methods": [name]}
                experiment |= {"protocols": ["linear"]}
            study["experiments"][f"{name}-{task}"] = experiment
    checked = check(study)
    assert len(rows) == len(parts.names("benchmark"))
    assert {run["experiment"] for run in checked["runs"]} == set(study["experiments"])
