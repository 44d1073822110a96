"""Change between two dates and maps of single dates, from an experiment of the config to score files."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from revisit.cube.labels.change import CHANGE
from revisit.cube.labels.ready import ready
from revisit.errors import RevisitError
from revisit.evaluation.metrics import IGNORE, ConfusionMatrix
from revisit.evaluation.task import Run
from revisit.evaluation.tasks import segmentation
from revisit.evaluation.tasks.change import TASK, _scores
from revisit.files import read_json
from revisit.patches.store import PatchStore
from revisit.record import read

SIDE = 16
exactly = partial(pytest.approx, rel=1e-9, abs=1e-9)
RESNET = {"name": "resnet", "depth": 18, "width": 8, "stem": "small"}
BANDS = {"sentinel-1": ["vv", "vh"], "sentinel-2": ["blue", "green", "red"]}
PRETRAINING: dict[str, dict[str, Any]] = {
    "resnet": {
        "collection": "dates",
        "modalities": ["rgb"],
        "method": {"name": "moco-v2", "encoder": RESNET},
    },
}
COMMON = {"patch_pixels": SIDE, "bands": BANDS}
COLLECTIONS = {
    "dates": {"kind": "dates", "legend": ready("worldcover", "test").described(), **COMMON},
    "change": {"kind": "bitemporal", "legend": CHANGE.described(), **COMMON},
    "unlabelled": {"kind": "bitemporal", "legend": None, **COMMON},
}
TRAIN = {"max_steps": 40, "batch_size": 8, "learning_rate": 1e-2, "validate_every": 10, "patience": 9}
ROW: dict[str, Any] = {"network": "pyramid-difference", "modalities": ["rgb"], "encoder_of": "resnet"}
EXPERIMENT: dict[str, Any] = {
    "task": "change",
    "collection": "change",
    "networks": {"row": ROW},
    "seeds": [0],
    "train": TRAIN,
}


def settings(task: Any = TASK, /, **changes: Any) -> Any:
    return read(task.Settings, EXPERIMENT | changes, "experiments.x")


def planned(task: Any = TASK, /, **changes: Any) -> dict[str, Run]:
    """Runs by method."""
    return {run.method: run for run in task.runs("x", settings(task, **changes), PRETRAINING)}


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory, collected: Callable[..., Path]) -> Path:
    """40 places of noise, in whose second image a square is brighter, and labelled as changed."""
    random = np.random.default_rng(2)
    truth = np.ones((40, SIDE, SIDE), np.uint8)
    for one, (row, column) in zip(truth, random.integers(0, 9, (40, 2)), strict=True):
        one[row : row + 7, column : column + 7] = 2
    values = {}
    for sensor, bands in BANDS.items():
        level = random.integers(60, 140, (40, 1, len(bands), 1, 1)) + random.normal(
            0, 10, (40, 2, len(bands), SIDE, SIDE)
        )
        level[:, 1] += 60 * (truth == 2)[:, None]
        values[sensor] = level.clip(0, 255).astype(np.uint8)
    truth[:, :2, :2] = 0
    split = np.repeat([0, 1, 2], [24, 8, 8]).astype(np.uint8)
    arrays = values | {"land_cover": truth, "split": split}
    folder = tmp_path_factory.mktemp("patches") / "change"
    return collected(folder, "bitemporal", arrays, time_axis=True, legend=CHANGE.described())


def test_scores_are_of_the_change_over_all_pixels() -> None:
    """From counts by hand: 3 of 4 changed pixels found, 2 false alarms; means of tiles would differ."""
    matrix = ConfusionMatrix(2)
    matrix.update(np.array([[1, 1, 0, 0, 255]]), np.array([[1, 1, 1, 1, 1]]))
    matrix.update(np.array([[1, 1, 0, 0, 0]]), np.array([[1, 0, 0, 0, 0]]))
    assert _scores(matrix) == exactly({"precision": 3 / 5, "recall": 3 / 4, "f1": 2 / 3, "iou": 1 / 2})
    assert set(_scores(ConfusionMatrix(2)).values()) == {0.0}


def test_scores_of_change_are_those_of_scikit_learn(changed: Path) -> None:
    """Of all labelled pixels of the test split, on predictions by chance."""
    data = TASK.data(PatchStore(changed), "rgb", TASK.Slice())
    outputs = np.random.default_rng(3).normal(size=(40, 2, SIDE, SIDE)).astype(np.float32)
    truth, said = data.labels(data.test), outputs[data.test].argmax(axis=1)
    truth, said = truth[truth != IGNORE], said[truth != IGNORE]
    by_metric = {
        "precision": precision_score, "recall": recall_score, "f1": f1_score, "iou": jaccard_score
    }  # fmt: skip
    assert TASK.score(data, lambda indices: outputs[indices]).numbers["all"] == exactly(
        {name: of(truth, said) for name, of in by_metric.items()}
    )


def test_places_that_count_several_times_are_as_if_repeated(changed: Path) -> None:
    """Against scikit-learn on the labelled pixels of the repeated places; none counts in the last."""
    data = TASK.data(PatchStore(changed), "rgb", TASK.Slice())
    outputs = np.random.default_rng(0).normal(size=(40, 2, SIDE, SIDE)).astype(np.float32)
    scored = TASK.score(data, lambda indices: outputs[indices])
    times = np.random.default_rng(1).poisson(1, (9, 8)).astype(np.int32)
    times[0], times[-1] = 1, 0
    found = scored.reweighted(times)
    assert found[0] == exactly(scored.numbers["all"]["f1"]) and found[-1] == 0
    for one, value in zip(times[:-1], found, strict=False):
        index = np.repeat(data.test, one)
        truth, said = data.labels(index), outputs[index].argmax(axis=1)
        known = truth != IGNORE
        assert value == exactly(f1_score(truth[known], said[known]))


@pytest.mark.parametrize("protocol", ["fine-tune", "frozen"])
def test_a_network_finds_the_change(
    protocol: str, changed: Path, tmp_path: Path, evaluate: Callable[..., int]
) -> None:
    """Above the floors' prior, which says that nothing changes; the corner without a label is not scored."""
    out, run = tmp_path / "x.json", planned(protocols=[protocol])["row"]
    assert run.protocol == {"fine-tune": "supervised"}.get(protocol, protocol)
    assert evaluate(changed, [], out, run) == 0
    content = read_json(out)
    found = {value["metric"]: value["value"] for value in content["values"]}
    assert set(found) == {"f1", "precision", "recall", "iou"}
    assert found["f1"] > 0.7 if protocol == "fine-tune" else found["f1"] > 0.3
    assert np.sum(content["test"]["confusion"]) == 8 * (SIDE**2 - 4)
    with np.load(out.with_suffix(".npz")) as maps:
        assert maps["image"].shape == (8, 2, 3, SIDE, SIDE)
        assert maps["classes"].tolist() == ["No change", "Change"]


@pytest.mark.parametrize("floor", ["class-prior", "difference-statistics"])
def test_the_floors_of_change(
    floor: str, changed: Path, tmp_path: Path, evaluate: Callable[..., int]
) -> None:
    """The prior finds no change; the difference of a pixel shows it here. Those of maps are not for pairs."""
    runs = planned()
    assert set(runs) == {"row", "class-prior", "difference-statistics"}
    assert evaluate(changed, [], tmp_path / "x.json", runs[floor]) == 0
    (f1,) = (value["value"] for value in read_json(tmp_path / "x.json")["values"] if value["metric"] == "f1")
    assert f1 == 0 if floor == "class-prior" else f1 > 0.9


def test_a_split_in_which_nothing_changes_is_refused(changed: Path) -> None:
    """No F1 could be computed; validation could select nothing."""
    store, given = PatchStore(changed), TASK.Slice()
    read_codes = store.land_cover
    store.land_cover = lambda indices: np.where(  # type: ignore[method-assign]
        np.isin(indices, store.indices("val"))[:, None, None], 1, read_codes(indices)
    ).astype(np.uint8)
    with pytest.raises(RevisitError, match=r"nothing changes in 'val' \(8 samples\); use more or larger"):
        TASK.data(store, "rgb", given)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, ""),
        ({"collection": "dates"}, "'dates' is of the kind 'dates'; this task needs one of the kind bitemp"),
        ({"collection": "unlabelled"}, r"x\.collection: none of its regions has labels"),
        (
            {"networks": {"row": ROW | {"network": "pyramid-unet"}}},
            r"row\.network: pyramid-unet takes one image of a place, this task gives it 2 images; choose "
            "pyramid-difference",
        ),
        (
            {"networks": {"row": {"network": "unet", "modalities": ["rgb"]}}},
            "unet takes one image of a place",
        ),
        ({"networks": {"row": ROW | {"encoder_of": None}}}, "pyramid-difference needs encoders; give one of"),
        ({"classes": []}, "unknown key 'classes'"),
    ],
)
def test_what_cannot_be_is_refused_at_planning(changes: dict[str, Any], message: str) -> None:
    if not message:
        TASK.check("x", settings(), PRETRAINING, COLLECTIONS)
        return
    with pytest.raises(RevisitError, match=message):
        TASK.check("x", settings(**changes), PRETRAINING, COLLECTIONS)


def test_single_dates_are_mapped_with_all_their_classes(
    tmp_path: Path, evaluate: Callable[..., int], collected: Callable[..., Path]
) -> None:
    """Every date is a sample with its own map: two of a place, between which half of it changes."""
    random, codes = np.random.default_rng(3), np.array([10, 40, 80], np.uint8)
    halves = random.integers(0, 3, (40, 2))
    classes = np.repeat(halves[:, None, :], SIDE, 1).repeat(SIDE // 2, 2)
    values = {}
    for sensor, bands in BANDS.items():
        noise = random.normal(0, 8, (40, 1, len(bands), SIDE, SIDE))
        values[sensor] = (noise + np.array([50, 120, 200])[classes][:, None, None]).astype(np.uint8)
    split = np.repeat([0, 1, 2], [24, 8, 8]).astype(np.uint8)
    arrays = values | {"land_cover": codes[classes], "split": split, "position": np.arange(40) // 2}
    index = collected(tmp_path / "dates", "dates", arrays)
    named = [{"name": name, "codes": [code]} for name, code in (("Trees", 10), ("Crops", 40), ("Water", 80))]
    changes = {
        "task": "segmentation",
        "collection": "dates",
        "classes": named,
        "networks": {"row": ROW | {"network": "pyramid-unet"}},
    }
    task = segmentation.TASK
    task.check("x", settings(task, **changes), PRETRAINING, COLLECTIONS)
    assert evaluate(index, [], tmp_path / "x.json", planned(task, **changes)["row"]) == 0
    found = {
        (value["class"], value["metric"]): value["value"]
        for value in read_json(tmp_path / "x.json")["values"]
    }
    assert found["all", "miou"] == exactly(np.mean([found[one["name"], "iou"] for one in named]))
    assert found["all", "miou"] > 0.6
