"""Land-cover segmentation, from an experiment of the config to score files and maps."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from sklearn.metrics import jaccard_score

from revisit.cube.labels.ready import ready
from revisit.errors import RevisitError
from revisit.evaluation.metrics import IGNORE
from revisit.evaluation.resampling import RESAMPLES, SEED
from revisit.evaluation.task import Run
from revisit.evaluation.tasks.maps import PLACES
from revisit.evaluation.tasks.segmentation import TASK
from revisit.files import json_text, read_json
from revisit.patches.batch import NO_DATE
from revisit.patches.store import PatchStore
from revisit.record import read

exactly = partial(pytest.approx, rel=1e-9, abs=1e-9)
SWIN = {"name": "swin", "dim": 8, "depths": [1, 1], "heads": [2, 2], "window": 4, "patch_pixels": 2}
VIT = {"name": "channel-vit", "dim": 32, "depth": 2, "heads": 2, "patch_pixels": 8}
PRETRAINING: dict[str, dict[str, Any]] = {
    "series": {
        "collection": "yearly",
        "modalities": ["s1", "rgb"],
        "method": {"name": "stmim", "encoder": SWIN},
    },
    "vit": {
        "collection": "pairs",
        "modalities": ["s1"],
        "method": {"name": "mae3d", "mask": "rm", "encoder": VIT},
    },
}
BANDS = {"sentinel-1": ["vv", "vh"], "sentinel-2": ["blue", "green", "red"]}
LEGEND = ready("worldcover", "test").described()
COLLECTIONS = {
    "pairs": {"kind": "pairs", "patch_pixels": 16, "bands": BANDS, "legend": LEGEND},
    "yearly": {"kind": "yearly", "patch_pixels": 16, "bands": BANDS, "legend": LEGEND},
    "changes": {"kind": "bitemporal", "patch_pixels": 16, "bands": BANDS, "legend": LEGEND},
    "copy": {"kind": "yearly", "patch_pixels": 16, "bands": BANDS, "legend": LEGEND},
    "other": {
        "kind": "yearly",
        "patch_pixels": 16,
        "bands": BANDS,
        "legend": ready("io-lulc", "test").described(),
    },
    "odd": {"kind": "yearly", "patch_pixels": 15, "bands": BANDS, "legend": LEGEND},
}
TRAIN = {"max_steps": 80, "batch_size": 8, "learning_rate": 1e-2, "validate_every": 20, "patience": 9}
NETWORKS: dict[str, dict[str, Any]] = {
    "plain": {"network": "unet", "modalities": ["s1"], "width": 8},
    "new": {"network": "swin-unet", "modalities": ["s1"], "encoder_of": "series", "drop_path": 0.0},
    "one": {"network": "swin-unet", "modalities": ["s1", "rgb"], "pretrained": "series", "drop_path": 0.0},
    "two": {"network": "dual-swin-unet", "modalities": ["s1+rgb"], "pretrained": "series", "drop_path": 0.0},
    "linear": {"network": "linear", "modalities": ["s1"], "pretrained": "series", "protocols": ["frozen"]},
}
EXPERIMENT: dict[str, Any] = {
    "task": "segmentation",
    "collection": "yearly",
    "networks": NETWORKS,
    "seeds": [0, 1],
    "train": TRAIN,
}


def values(path: Path) -> dict[tuple[str, str], float]:
    """The numbers of a score file by class and metric."""
    return {(entry["class"], entry["metric"]): entry["value"] for entry in read_json(path)["values"]}


def runs(**changes: Any) -> list[Run]:
    settings = read(TASK.Settings, EXPERIMENT | changes, "experiments.x")
    return TASK.runs("x", settings, PRETRAINING)


def only(row: str, **changes: Any) -> Run:
    return runs(networks={row: NETWORKS[row]}, **changes)[0]


def test_runs_know_their_encoders_and_how_tables_call_them() -> None:
    """Pretrained networks are fine-tuned, others supervised; a dual network takes an encoder a sensor."""
    found = [run for run in runs() if run.stage != "floor"]
    assert [(run.method, run.modality, run.protocol, run.encoders) for run in found] == [
        ("plain", "s1", "supervised", []),
        ("new", "s1", "supervised", []),
        ("one", "s1", "fine-tune", [("series", "s1")]),
        ("one", "rgb", "fine-tune", [("series", "rgb")]),
        ("two", "s1+rgb", "fine-tune", [("series", "s1"), ("series", "rgb")]),
        ("linear", "s1", "frozen", [("series", "s1")]),
    ]
    assert [run.pretrained for run in found] == [False, False, True, True, True, True]
    assert found[1].settings["entry"]["encoder"] == SWIN
    assert found[2].settings["entry"] == {
        "network": "swin-unet", "settings": {"drop_path": 0.0}, "encoder": None,
    }  # fmt: skip
    assert found[1].modules[2:] == ["revisit.nets.segmentation.swin_unet", "revisit.nets.encoders.swin"]
    assert found[0].modules[2:] == ["revisit.nets.segmentation.unet"]


def test_an_encoder_for_crops_keeps_its_size_without_pretraining() -> None:
    """Else the supervised twin of a network would be another network."""
    method = PRETRAINING["series"]["method"] | {"crop_pixels": 8}
    settings = read(TASK.Settings, EXPERIMENT, "experiments.x")
    cropped = PRETRAINING | {"series": PRETRAINING["series"] | {"method": method}}
    assert TASK.runs("x", settings, cropped)[1].settings["entry"]["encoder"]["image_pixels"] == 8


def test_what_freezes_encoders_is_for_networks_that_have_some() -> None:
    """An encoder that was never trained is frozen too: it says what the decoder finds by itself."""
    found = [run for run in runs(protocols=["fine-tune", "frozen"]) if run.stage != "floor"]
    assert [(run.method, run.modality, run.protocol) for run in found if run.modality == "s1"] == [
        ("plain", "s1", "supervised"),
        ("new", "s1", "supervised"),
        ("new", "s1", "frozen"),
        ("one", "s1", "fine-tune"),
        ("one", "s1", "frozen"),
        ("linear", "s1", "frozen"),
    ]


def test_a_row_may_be_trained_otherwise() -> None:
    """A rate for new weights destroys pretrained ones; what the row does not say is the experiment's."""
    networks = {"plain": NETWORKS["plain"], "one": NETWORKS["one"] | {"train": {"learning_rate": 5e-4}}}
    found = {run.method: run.settings["recipe"] for run in runs(networks=networks) if run.stage != "floor"}
    assert found["plain"]["learning_rate"] == 1e-2
    assert found["one"] == found["plain"] | {"learning_rate": 5e-4}


def test_a_row_may_have_a_collection_of_its_own() -> None:
    """Whose settings are those of the others: the job is told where by its files."""
    rows = {"usual": NETWORKS["plain"], "other": NETWORKS["plain"] | {"collection": "copy"}}
    usual, other, *floors = runs(networks=rows)
    assert (usual.collection, other.collection) == ("yearly", "copy")
    assert usual.settings == other.settings and {floor.collection for floor in floors} == {"yearly"}


def test_rows_on_other_bands_are_scored_on_the_same_places(yearly: Path, tmp_path: Path) -> None:
    """A place without an image of one sensor counts for none: else rows would have other tests and labels."""
    copy = tmp_path / "yearly"
    shutil.copytree(yearly.parent, copy)
    store = PatchStore(copy / "index.json")
    lost = int(store.indices("test", labelled=True)[0])
    dates = zarr.open_array(copy / "here.zarr" / "sentinel-2_date", mode="r+")
    dates[lost] = NO_DATE
    given = read(TASK.Slice, {}, "slice")
    found = [TASK.data(PatchStore(copy / "index.json"), name, given).test for name in ("s1", "s1+rgb")]
    assert np.array_equal(*found)
    assert lost not in found[0]


def test_classes_keep_their_order_in_a_job_file() -> None:
    """Files have sorted keys; other numbers for the classes would be other weights and other scores."""
    classes = [{"name": "Water", "codes": [80]}, {"name": "Land", "codes": [10, 40, 50]}]
    settings = json.loads(json_text(runs(classes=classes)[0].settings))
    assert [one["name"] for one in settings["experiment"]["classes"]] == ["Water", "Land"]


@pytest.mark.parametrize(
    ("row", "changes", "message"),
    [
        ("plain", {}, ""),
        ("two", {}, ""),
        ("plain", {"widht": 8}, r"networks\.row: unknown key 'widht'; did you mean 'width'"),
        ("one", {"train": {"rate": 1}}, r"networks\.row\.train: unknown key 'rate'"),
        ("plain", {"network": "u-net"}, r"networks\.row\.network: no network is called 'u-net'.*'unet'"),
        ("plain", {"pretrained": "series"}, r"row\.pretrained: unet takes no encoder; leave it out"),
        ("plain", {"modalities": ["s2+rgb"]}, r"row\.modalities: 's2\+rgb': .*not known"),
        ("plain", {"modalities": []}, r"row\.modalities: is empty"),
        ("new", {"encoder_of": None}, r"row: swin-unet needs encoders; give one of pretrained and"),
        ("new", {"pretrained": "series"}, r"row: swin-unet needs encoders; .* not pretrained and"),
        ("new", {"encoder_of": "vit"}, r"row\.modalities: 's1': takes 1 swin encoders, got channel-vit"),
        ("one", {"pretrained": "seires"}, r"row\.pretrained: 'seires' is not defined.*did you mean 'series'"),
        ("one", {"modalities": ["s1+rgb"]}, r"row\.modalities: 'series' is not pretrained on 's1\+rgb'"),
        ("plain", {"protocols": ["frozen"]}, r"row\.protocols: 'frozen' freezes encoders, and unet has none"),
        ("linear", {"protocols": []}, r"row\.protocols: is empty"),
        ("linear", {"protocols": ["frzen"]}, r"row\.protocols: no protocol is called 'frzen'.*'frozen'"),
        ("two", {"modalities": ["s1"]}, r"dual-swin-unet has 2 encoders, one a sensor, and 's1' is of 1"),
        ("plain", {"collection": "copy"}, ""),
        ("plain", {"collection": "nowhere"}, r"networks\.row\.collection: 'nowhere' is not defined"),
        ("plain", {"collection": "changes"}, r"networks\.row\.collection: 'changes' is of the kind"),
        ("plain", {"collection": "other"}, r"row\.collection: the labels of 'other' are others than"),
        ("new", {"network": "pyramid-difference"}, r"network: pyramid-difference takes 2 images of a place"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_is_refused_at_planning(row: str, changes: Any, message: str) -> None:
    """Key, value and remedy; a network with random weights under another's name is the worst row of all."""
    experiment = EXPERIMENT | {"networks": {"row": NETWORKS[row] | changes}}
    settings = read(TASK.Settings, experiment, "experiments.x")
    if not message:
        TASK.check("x", settings, PRETRAINING, COLLECTIONS)
        return
    with pytest.raises(RevisitError, match=message):
        TASK.check("x", settings, PRETRAINING, COLLECTIONS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"collection": "changes"}, r"'changes' is of the kind 'bitemporal'; this task needs .*yearly"),
        ({"collection": "odd"}, r"plain\.modalities: 's1': unet: image_pixels 15 must be a mult"),
        ({"train": TRAIN | {"optimiser": "adam"}}, r"x\.train\.optimiser: .*'sgd', not 'adam'"),
        ({"train": TRAIN | {"batch_size": 0}}, r"x\.train\.batch_size: .*not 0"),
        ({"classes": [{"name": name, "codes": [80]} for name in ("A", "B")]}, "code 80 is in 'A'"),
        ({"networks": {}}, r"x\.networks: is empty"),
    ],
)  # fmt: skip
def test_an_experiment_that_cannot_end_well_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RevisitError, match=message):
        TASK.check("x", read(TASK.Settings, EXPERIMENT | changes, "experiments.x"), PRETRAINING, COLLECTIONS)


@pytest.mark.parametrize("row", NETWORKS)
def test_every_network_learns_the_map(
    row: str, yearly: Path, swins: dict[str, Path], tmp_path: Path, evaluate: Callable[..., int]
) -> None:
    """Classes are plain in the composite of the label year only: another year would stay at chance."""
    out, run = tmp_path / "x.json", only(row)
    assert evaluate(yearly, [swins[modality] for _, modality in run.encoders], out, run) == 0
    content, found = read_json(out), values(out)
    assert found["all", "miou"] > 0.6
    assert content["columns"]["protocol"] == run.protocol
    assert content["columns"]["pretrain_data"].startswith("yearly") == run.pretrained == content["pretrained"]
    assert all(np.isfinite(value) for value in found.values())
    assert [record["step"] for record in content["training"]["curve"]] == [0, 20, 40, 60, 80]


@pytest.fixture(scope="module")
def unet(yearly: Path, tmp_path_factory: pytest.TempPathFactory, evaluate: Callable[..., int]) -> Path:
    out = tmp_path_factory.mktemp("scores") / "unet.json"
    assert evaluate(yearly, [], out, only("plain")) == 0
    return out


def test_rows_hold_classes_averages_and_totals(unet: Path) -> None:
    """Water is in no test place: it has no row, and the averages are of the other three."""
    content, value = read_json(unet), values(unet)
    classes = list(dict.fromkeys(name for name, _ in value))
    assert classes == ["Build-up", "Cropland", "Others", "macro avg", "weighted avg", "all"]
    assert content["absent_classes"] == ["Water"]
    assert value["macro avg", "iou"] == exactly(np.mean([value[name, "iou"] for name in classes[:3]]))
    assert value["macro avg", "iou"] == exactly(value["all", "miou"])
    assert value["weighted avg", "recall"] == exactly(value["all", "accuracy"])
    assert content["samples"] == {"train": 24, "val": 8, "test": 8}
    assert content["columns"]["encoder"] == "unet width 8"


def test_a_score_is_kept_on_test_places_drawn_anew(unet: Path) -> None:
    """Each of the eight places is kept as a map: against scikit-learn on the first of these test sets."""
    random = np.random.default_rng(SEED)
    with np.load(unet.with_suffix(".npz")) as maps:
        label, prediction, found = maps["label"], maps["prediction"], maps["resampled"]
    assert read_json(unet)["test_places"]["number"] == len(label) and found.shape == (RESAMPLES,)
    for value in found[:20]:
        place = random.integers(0, len(label), len(label))
        known = label[place] != IGNORE
        truth, said = label[place][known], prediction[place][known]
        expected = jaccard_score(truth, said, labels=np.unique(truth), average="macro")
        assert value == exactly(expected)


@pytest.mark.parametrize("floor", ["class-prior", "pixel-statistics"])
def test_floors_are_scored_like_networks(
    floor: str, yearly: Path, tmp_path: Path, evaluate: Callable[..., int]
) -> None:
    """Each pixel's level shows its class in the label year: the pixel model sees it, the prior does not."""
    out = tmp_path / "x.json"
    (run,) = (run for run in runs() if run.method == floor and run.modality == "s1")
    assert evaluate(yearly, [], out, run) == 0
    score = values(out)["all", "miou"]
    assert score > 0.6 if floor == "pixel-statistics" else score < 0.4


def test_the_test_split_chooses_nothing(
    yearly: Path, tmp_path: Path, evaluate: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training looks up the labels of training and validation places alone."""
    from revisit.evaluation import outcome

    seen: set[int] = set()
    build = TASK.data

    def watched(*arguments: Any) -> Any:
        data = build(*arguments)

        def labels(indices: Any) -> Any:
            seen.update(int(index) for index in indices)
            return data.labels(indices)

        return replace(data, labels=labels)

    def write(*arguments: Any) -> None:
        raise RevisitError(f"seen {sorted(seen)}")

    monkeypatch.setattr(TASK, "data", watched)
    monkeypatch.setattr(outcome, "write", write)
    run = only("plain", train=TRAIN | {"max_steps": 20, "validate_every": 20})
    assert evaluate(yearly, [], tmp_path / "x.json", run) == 1
    assert seen == set(range(32))  # 32 to 39 are test places


def test_predictions_are_of_test_places_with_image_and_label(unet: Path) -> None:
    """What the figure of maps draws: the label year's image, labels with 255 for none, class numbers."""
    with np.load(unet.with_suffix(".npz")) as maps:
        assert maps["sample"].tolist() == list(range(32, 40))
        assert maps["image"].shape == (PLACES, 2, 16, 16)
        assert maps["classes"].tolist() == ["Build-up", "Cropland", "Water", "Others"]
        assert (maps["label"][:, :2, :2] == IGNORE).all()
        valid = maps["label"] != IGNORE
        assert set(np.unique(maps["prediction"])) <= {0, 1, 2, 3}
        assert (maps["prediction"] == maps["label"])[valid].mean() > 0.7


def test_the_same_bytes_twice(yearly: Path, tmp_path: Path, evaluate: Callable[..., int]) -> None:
    """On a CPU a rerun must give the same files to the bit."""
    out, written = tmp_path / "x.json", []
    for _ in range(2):
        assert evaluate(yearly, [], out, only("new", train=TRAIN | {"max_steps": 6}), seed=5) == 0
        written.append(out.read_bytes() + out.with_suffix(".npz").read_bytes())
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("row", "given", "message"),
    [
        ("one", ["rgb"], "an encoder of rgb; swin-unet takes one of s1 here"),
        ("two", ["rgb", "s1"], "an encoder of rgb; dual-swin-unet takes one of s1 here"),
        ("two", ["s1"], "one of s1 and one of rgb; got 1"),
        ("one", [], "one of s1; got 0"),
        ("plain", ["s1"], "takes pretrained encoders, none; got 1"),
        ("new", ["s1"], "takes pretrained encoders, none; got 1"),
    ],
)
def test_encoders_that_do_not_fit_are_refused(
    row: str, given: list[str], message: str, yearly: Path, swins: dict[str, Path], tmp_path: Path,
    error_line: Callable[[], str], evaluate: Callable[..., int],
) -> None:  # fmt: skip
    """A network with random weights under the name of a pretrained one is the worst kind of row."""
    assert evaluate(yearly, [swins[name] for name in given], tmp_path / "x.json", only(row)) == 1
    assert message in error_line()


def test_pairs_with_maps_are_learnt_from_a_number_of_them(
    collected: Callable[..., Path], tmp_path: Path, evaluate: Callable[..., int]
) -> None:
    """One image of each sensor and the map, as DFC2020; a share of validation keeps its maps, as large."""
    random = np.random.default_rng(0)
    halves = random.integers(0, 4, (40, 2)).repeat(8, 1)[:, None].repeat(16, 1)
    noise = random.normal(0, 8, (40, 1, 5, 16, 16)) + np.array([40, 90, 150, 210])[halves][:, None, None]
    images = noise.clip(1, 255).astype(np.uint8)
    arrays = {
        "sentinel-1": images[:, :, :2],
        "sentinel-2": images[:, :, 2:],
        "land_cover": np.array([50, 40, 80, 10], np.uint8)[halves],
        "split": np.repeat([0, 1, 2], [24, 8, 8]).astype(np.uint8),
    }
    index, out = collected(tmp_path / "pairs", "pairs", arrays), tmp_path / "x.json"
    run = only("plain", label_counts=[6], collection="pairs")
    assert evaluate(index, [], out, run, label_fraction=None, label_count=6) == 0
    content = read_json(out)
    assert content["samples"] == {"train": 6, "val": 2, "test": 8}
    assert (content["label_fraction"], content["label_count"]) == (None, 6)
    assert values(out)["all", "accuracy"] > 0.6
    recalls = [values(out)[name, "recall"] for name in ("Build-up", "Cropland", "Water", "Others")]
    assert values(out)["macro avg", "recall"] == exactly(np.mean(recalls))


def test_amounts_of_labels_are_shares_or_numbers() -> None:
    """Each is a repeat, with every seed; both in one experiment would be two scales on one axis."""
    repeats = runs(label_counts=[10, 20])[0].repeats(
        read(TASK.Settings, EXPERIMENT | {"label_counts": [10, 20]}, "x"), [0]
    )
    assert [repeat[:3] for repeat in repeats] == [
        (None, count, seed) for count in (10, 20) for seed in (0, 1)
    ]
    with pytest.raises(RevisitError, match="label_fractions and label_counts are both given"):
        runs(label_counts=[10], label_fractions=[0.1])
    with pytest.raises(RevisitError, match=r"label_counts\.0: .*not 0"):
        runs(label_counts=[0])


def test_series_are_refused(
    yearly: Path, tmp_path: Path, error_line: Callable[[], str], evaluate: Callable[..., int]
) -> None:
    """They have a map, but not of one of their dates."""
    copy = tmp_path / "series"
    shutil.copytree(yearly.parent, copy)
    content = read_json(copy / "index.json") | {"kind": "series"}
    (copy / "index.json").write_text(json.dumps(content))
    assert evaluate(copy / "index.json", [], tmp_path / "x.json", only("plain")) == 1
    assert "labels of a map need a collection of the kind yearly or dates or pairs" in error_line()
