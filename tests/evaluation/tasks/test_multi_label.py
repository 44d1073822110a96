"""Multi-label scenes, from an experiment of the config to score files."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from revisit.cube.labels.ready import ready
from revisit.errors import RevisitError
from revisit.evaluation.average_precision import mean_average_precision
from revisit.evaluation.outcome import labels_kept
from revisit.evaluation.resampling import RESAMPLES, SEED, described
from revisit.evaluation.task import Given, JobSettings, Run, Task
from revisit.evaluation.tasks import multi_label_batches
from revisit.evaluation.tasks.multi_label import TASK
from revisit.files import read_json
from revisit.patches.store import PatchStore
from revisit.record import read

exactly = partial(pytest.approx, rel=1e-9, abs=1e-9)
VIT = {"name": "channel-vit", "dim": 32, "depth": 2, "heads": 2, "patch_pixels": 8}
SWIN = {"name": "swin", "dim": 8, "depths": [1, 1], "heads": [2, 2], "window": 4, "patch_pixels": 2}
PRETRAINING: dict[str, dict[str, Any]] = {
    "mine": {
        "collection": "pairs",
        "modalities": ["s1+rgb"],
        "method": {"name": "mae3d", "mask": "rm", "encoder": VIT},
        "title": "Mine (RM)",
        "published_as": "3dmae-rm",
    },
    "first weights": {
        "collection": "pairs",
        "modalities": ["s1+rgb"],
        "method": {"name": "scratch", "encoder": VIT},
    },
    "swin": {
        "collection": "pairs",
        "modalities": ["s1+rgb"],
        "method": {"name": "scratch", "encoder": SWIN},
    },
}
BANDS = {"sentinel-1": ["vv", "vh"], "sentinel-2": ["blue", "green", "red"]}
LEGEND = ready("worldcover", "test").described()
COLLECTIONS = {
    "pairs": {"kind": "pairs", "patch_pixels": 16, "bands": BANDS, "legend": LEGEND},
    "yearly": {"kind": "yearly", "patch_pixels": 16, "bands": BANDS, "legend": LEGEND},
}
EXPERIMENT: dict[str, Any] = {
    "task": "multi-label",
    "layouts": ["masking"],
    "published_as": "masking",
    "collection": "pairs",
    "pretrain_modality": "s1+rgb",
    "methods": ["mine", "first weights"],
    "modalities": ["s1", "rgb"],
    "protocols": ["fine-tune", "linear"],
    "label_fractions": [0.1, 1.0],
    "seeds": [0, 1, 2],
    "fine_tune": {"batch_size": 16, "learning_rate": 2e-3, "max_steps": 20, "validate_every": 10},
}


def values(path: Path) -> dict[tuple[str, str], float]:
    """The numbers of a score file by class and metric."""
    return {(entry["class"], entry["metric"]): entry["value"] for entry in read_json(path)["values"]}


def runs(of: Task = TASK, **changes: Any) -> list[Run]:
    settings = read(of.Settings, EXPERIMENT | changes, "experiments.x")
    return of.runs("x", settings, PRETRAINING)


def only(protocol: str, **changes: Any) -> Run:
    return runs(methods=["mine"], modalities=["s1"], protocols=[protocol], **changes)[0]


def check(**changes: Any) -> None:
    settings = read(TASK.Settings, EXPERIMENT | changes, "experiments.x")
    TASK.check("x", settings, PRETRAINING, COLLECTIONS)


def test_runs_are_the_table_and_each_gets_only_what_concerns_it() -> None:
    """A linear job that held the fine-tune recipe would run again for an edit that does not touch it."""
    found = runs()
    networks = [run for run in found if run.stage != "floor"]
    assert [(run.method, run.modality, run.protocol) for run in networks] == [
        (method, modality, protocol)
        for method in ("mine", "first weights")
        for modality in ("s1", "rgb")
        for protocol in ("fine-tune", "linear")
    ]
    floors = [(run.method, run.modality) for run in found if run.stage == "floor"]
    assert floors == [
        (floor, modality) for floor in ("band-statistics", "class-prior") for modality in ("s1", "rgb")
    ]
    fine_tune, linear = found[:2]
    assert linear.encoders == [("mine", "s1+rgb")]
    assert linear.settings["recipe"] == {"c": [0.001, 0.01, 0.1, 1.0, 10.0]}
    assert linear.settings["experiment"] == {"validation_labels": "as-training", "labels_drawn": "places"}
    assert (fine_tune.stage, linear.stage) == ("evaluate", "probe")
    assert fine_tune.settings["recipe"]["max_steps"] == 20
    assert (linear.title, linear.published_as) == ("Mine (RM)", "3dmae-rm")
    assert not {"title", "published_as", "layouts"} & set(linear.settings)  # these change no number
    assert [run.pretrained for run in networks] == [True] * 4 + [False] * 4
    assert networks[-1].title == "first weights"
    assert linear.modules == [
        "revisit.evaluation.tasks.multi_label",
        "revisit.evaluation.probes.linear",
        "revisit.nets.encoders.channel_vit",
    ]
    assert json.loads(json.dumps(linear.content())) == linear.content()


def test_layers_of_a_network_from_scratch_all_learn_at_one_rate() -> None:
    """Lower layers that start at random and hardly learn would make a baseline too easy to beat."""
    fine_tune = EXPERIMENT["fine_tune"] | {"layer_decay": 0.75}
    found = runs(protocols=["fine-tune"], modalities=["s1"], fine_tune=fine_tune)
    decays = {run.method: run.settings["recipe"]["layer_decay"] for run in found if run.stage == "evaluate"}
    assert decays == {"mine": 0.75, "first weights": 1.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, ""),
        ({"methods": ["mine", "mime"]}, r"x\.methods: 'mime' is not defined.* did you mean 'mine'"),
        ({"pretrain_modality": "s1"}, r"x\.pretrain_modality: 'mine' .* 's1', only on s1\+rgb"),
        ({"modalities": ["s2", "s3"]}, "'s3': not known; choose from"),
        ({"methods": ["swin"]}, r"x\.modalities: 'swin' on 's1': encoder: needs bands"),
        ({"collection": "yearly"}, r"x\.collection: 'yearly' is of the kind 'yearly'"),
        ({"collection": "pears"}, r"x\.collection: 'pears' is not defined"),
        ({"label_fractions": [0.1, 5]}, r"x\.label_fractions\.1: .*less than or equal to 1"),
        ({"label_fractions": [0]}, r"x\.label_fractions\.0: .*greater than 0"),
        ({"seeds": [0, 0]}, r"x\.seeds: 0 is given twice"),
        ({"seeds": []}, r"x\.seeds"),
        ({"protocols": ["lineal"]}, r"x\.protocols: 'lineal' is not defined.* did you mean 'linear'"),
        ({"fine_tune": None}, r"x\.fine_tune\.batch_size is missing"),
        ({"fine_tune": EXPERIMENT["fine_tune"] | {"batch_size": 0}}, r"x\.fine_tune\.batch_size: .*not 0"),
        ({"linear": {"k": [1]}}, r"x\.linear: unknown key 'k'"),
    ],
)  # fmt: skip
def test_what_cannot_end_well_is_refused_at_planning(changes: dict[str, Any], message: str) -> None:
    """Key, value and remedy, before a byte is fetched; and what is right is let through."""
    if not message:
        check(**changes)
        return
    with pytest.raises(RevisitError, match=message):
        check(**changes)


def test_a_row_takes_the_encoder_of_the_sensor_it_is_run_on() -> None:
    """Where none is asked for: its own, or else the one of both sensors; and no run without any."""
    single = PRETRAINING["mine"] | {
        "modalities": ["s1", "rgb"],
        "method": {"name": "scratch", "encoder": VIT},
    }
    pretraining, asked = PRETRAINING | {"single": single}, ["s1", "rgb", "s1+rgb"]
    content = {key: value for key, value in EXPERIMENT.items() if key != "pretrain_modality"}
    changed = content | {"methods": ["single", "mine"], "modalities": asked, "protocols": ["linear"]}
    settings = read(TASK.Settings, changed, "experiments.x")
    TASK.check("x", settings, pretraining, COLLECTIONS)
    found = [run for run in TASK.runs("x", settings, pretraining) if run.stage == "probe"]
    assert [(run.method, run.modality, *run.encoders) for run in found] == [
        ("single", "s1", ("single", "s1")),
        ("single", "rgb", ("single", "rgb")),
        *(("mine", modality, ("mine", "s1+rgb")) for modality in asked),
    ]
    settings = read(
        TASK.Settings, changed | {"methods": ["single"], "modalities": ["s1+rgb"]}, "experiments.x"
    )
    with pytest.raises(
        RevisitError, match=r"x\.modalities: 'single' is not pretrained on 's1\+rgb', only on"
    ):
        TASK.check("x", settings, pretraining, COLLECTIONS)


def test_repeats_of_one_and_the_same_run_are_not_planned() -> None:
    """All labels, a frozen encoder, no draw: a second run would repeat the first and feign certainty."""
    experiment = read(TASK.Settings, EXPERIMENT, "experiments.x")
    fine_tune, linear = runs(methods=["mine"], modalities=["s1"])[:2]
    prior = runs()[-1]
    planned = {
        name: [
            (repeat.label_fraction, repeat.seed, repeat.pretraining_seed)
            for repeat in run.repeats(experiment, [5, 6])
        ]
        for name, run in (("fine-tune", fine_tune), ("linear", linear), ("prior", prior))
    }
    few = [(0.1, 0, 5), (0.1, 1, 6), (0.1, 2, 5)]
    assert planned["fine-tune"] == [*few, (1.0, 0, 5), (1.0, 1, 6), (1.0, 2, 5)]
    assert planned["linear"] == [*few, (1.0, 0, 5), (1.0, 1, 6)]
    assert planned["prior"] == [(0.1, 0, None), (0.1, 1, None), (0.1, 2, None), (1.0, 0, None)]


@pytest.fixture(scope="module")
def linear(
    pairs: Path, vits: list[Path], tmp_path_factory: pytest.TempPathFactory, evaluate: Callable[..., int]
) -> Path:
    out = tmp_path_factory.mktemp("scores") / "linear.json"
    assert evaluate(pairs, vits[:1], out, only("linear")) == 0
    return out


def test_a_score_file_holds_every_class_and_metric(linear: Path) -> None:
    """Micro, macro and the two classes the test set shows; the third is named absent."""
    content, counted = read_json(linear), ("precision", "recall", "f1")
    assert set(values(linear)) == {
        ("all", "micro_map"),
        ("all", "macro_map"),
        *((f"{way} avg", metric) for way in ("macro", "weighted", "micro", "samples") for metric in counted),
        *((name, metric) for name in "ab" for metric in ("average_precision", *counted)),
    }
    assert content["absent_classes"] == ["c"]
    columns = content["columns"]
    assert (columns["task"], columns["dataset"], columns["modality"]) == ("multi-label", "pairs", "s1")
    assert (columns["experiment"], columns["method"], columns["protocol"]) == ("free-name", "mine", "linear")
    assert columns["encoder"].startswith("channel-vit dim 32 depth 2")
    assert (columns["pretrain_data"], columns["collapsed"]) == ("pairs s1+rgb", False)
    assert (columns["cpu_hours"], columns["samples_per_second"]) == (0.5, None)
    assert (content["label_fraction"], content["seed"], content["pretraining_seed"]) == (1.0, 0, 0)


def test_a_score_file_says_what_a_report_must_know(linear: Path) -> None:
    """So that no report has to know a name: nothing of it is in the columns of the table."""
    content = read_json(linear)
    assert (content["pretrained"], content["headline"]) == (True, "micro_map")
    assert content["metrics"]["micro_map"] == {"title": "mAP (micro)", "unit": "%"}
    assert "title" not in content["settings"]
    assert all(Path(card).is_file() for card in content["sources"]["cards"])


def test_predictions_give_the_scores_again(linear: Path) -> None:
    """What the file keeps is what was scored, to the bit."""
    with np.load(linear.with_suffix(".npz")) as kept:
        again = mean_average_precision(kept["target"], kept["score"]).micro
        assert again == values(linear)["all", "micro_map"]
        assert kept["sample"].tolist() == list(range(120, 150))
        assert kept["classes"].tolist() == ["a", "b", "c"]


def test_a_score_is_kept_on_test_places_drawn_anew(linear: Path, pairs: Path) -> None:
    """Two dates of each of 15 places, drawn together: against scikit-learn on the first test sets."""
    random = np.random.default_rng(SEED)
    with np.load(linear.with_suffix(".npz")) as kept:
        target, score, found = kept["target"], kept["score"], kept["resampled"]
    assert read_json(linear)["test_places"]["number"] == 15 and found.shape == (RESAMPLES,)
    numbers, *where = (
        PatchStore(pairs).where()[name][120:] for name in ("position", "longitude", "latitude")
    )
    assert read_json(linear)["test_places"] == described(numbers, np.stack(where, axis=1), "pairs")
    for value in found[:20]:
        place = np.repeat(random.integers(0, 15, 15), 2)
        index = 2 * place + np.tile([0, 1], 15)
        expected = average_precision_score(target[index], score[index], average="micro")
        assert value == exactly(expected)
    assert found.min() < values(linear)["all", "micro_map"] < found.max()


def test_few_labels_score_lower_and_are_counted(
    linear: Path, pairs: Path, vits: list[Path], tmp_path: Path, evaluate: Callable[..., int]
) -> None:
    """Labels are by place (two dates each), those of validation too unless all are asked for."""
    out, run = tmp_path / "x.json", only("linear")
    assert evaluate(pairs, vits[:1], out, run, label_fraction=0.1) == 0
    assert values(linear)["all", "micro_map"] > max(0.8, values(out)["all", "micro_map"])
    assert read_json(linear)["samples"] == {"train": 90, "val": 30, "test": 30}
    assert read_json(out)["samples"] == {"train": 10, "val": 4, "test": 30}
    assert evaluate(pairs, vits[:1], out, only("linear", validation_labels="all"), label_fraction=0.1) == 0
    assert read_json(out)["samples"] == {"train": 10, "val": 30, "test": 30}


def test_labels_drawn_with_replacement(
    pairs: Path, vits: list[Path], tmp_path: Path, evaluate: Callable[..., int]
) -> None:
    """As in the code of SeCo: single samples, some twice, none missing where all labels are kept."""
    out, run = tmp_path / "x.json", only("knn", labels_drawn="with-replacement")
    assert evaluate(pairs, vits[:1], out, run, label_fraction=1.0) == 0
    assert read_json(out)["samples"]["train"] == 90
    data = TASK.data(PatchStore(pairs), "s1", Given())
    settings = JobSettings(**run.settings, label_fraction=0.5, seed=0, pretraining_seed=None)
    drawn, places = (
        labels_kept(data, settings.model_copy(update={"experiment": {"labels_drawn": how}}))[0]
        for how in ("with-replacement", "places")
    )
    assert len(drawn) == 45 and set(drawn) <= set(data.train)
    assert 0.7 < len(set(drawn)) / 45 < 0.9  # 1 - exp(-1/2) of all are drawn at all: 79 % of the draws
    assert len(set(places)) == len(places)
    counted = {key: value for key, value in EXPERIMENT.items() if key != "label_fractions"}
    with pytest.raises(RevisitError, match="labels_drawn: with-replacement goes with label_fractions"):
        read(TASK.Settings, counted | {"label_counts": [5], "labels_drawn": "with-replacement"}, "x")


@pytest.mark.parametrize(("last", "starts"), [("dropped", (0, 8, 16)), ("weighted", (0, 8, 16, 24))])
def test_batches_are_averaged_as_published(
    pairs: Path, vits: list[Path], tmp_path: Path, evaluate: Callable[..., int], last: str, starts: list[int]
) -> None:
    """The mean over batches is another number than that of the whole set, which stands beside it."""
    out = tmp_path / "x.json"
    asked = {"task": "multi-label-batches", "scored_batch": 8, "last_batch": last}
    assert evaluate(pairs, vits[:1], out, only("knn", of=multi_label_batches.TASK, **asked)) == 0
    with np.load(out.with_suffix(".npz")) as kept:
        target, score = kept["target"], kept["score"]
    parts = [average_precision_score(target[i : i + 8], score[i : i + 8], average="micro") for i in starts]
    found = values(out)
    assert len(target) == 30
    assert found["all", "batch_map"] == exactly(np.average(parts, weights=[8, 8, 8, 6][: len(parts)]))
    assert found["all", "micro_map"] == exactly(average_precision_score(target, score, average="micro"))
    assert abs(found["all", "batch_map"] - found["all", "micro_map"]) > 1e-4
    assert read_json(out)["headline"] == "batch_map"


def test_a_batch_that_is_not_full_is_kept_where_it_is_the_only_one(pairs: Path) -> None:
    """And a full one is no rest: neither way leaves anything of it out."""
    for size, last, expected in (
        (64, "dropped", [30]),
        (10, "dropped", [10] * 3),
        (16, "weighted", [16, 14]),
    ):
        given = multi_label_batches.BatchesGiven(scored_batch=size, last_batch=last)
        data = multi_label_batches.TASK.data(PatchStore(pairs), "s1", given)
        assert [len(data.test[one]) for one in data.batches()] == expected


def test_batches_stay_what_they_are_where_samples_count_several_times(pairs: Path) -> None:
    """One that shows no class any more is left out; once each gives the score."""
    given = multi_label_batches.BatchesGiven(scored_batch=8)
    data = multi_label_batches.TASK.data(PatchStore(pairs), "s1", given)
    outputs = np.random.default_rng(0).random((150, 3))
    scored = multi_label_batches.TASK.score(data, lambda indices: outputs[indices])
    target, score = scored.predictions["target"], scored.predictions["score"]
    times = np.ones((2, 30), np.int32)
    times[1, :8], times[1, 9] = 0, 3
    once, several = scored.reweighted(times)
    assert once == exactly(scored.numbers["all"]["batch_map"])
    parts = [[8, *[9] * 3, *range(10, 16)], range(16, 24)]
    expected = [average_precision_score(target[part], score[part], average="micro") for part in parts]
    assert several == exactly(np.mean(expected))
    assert np.isnan(scored.reweighted(np.zeros((1, 30), np.int32))).all()


def test_fine_tuning_learns_and_says_that_its_budget_cut_it_off(
    pairs: Path, vits: list[Path], tmp_path: Path, evaluate: Callable[..., int]
) -> None:
    """Undertraining must be visible in the file, and from it in every table."""
    out = tmp_path / "x.json"
    assert evaluate(pairs, vits[:1], out, only("fine-tune")) == 0
    content = read_json(out)
    curve = content["training"]["curve"]
    assert [record["step"] for record in curve] == [0, 10, 20]
    assert curve[-1]["validation"] > curve[0]["validation"] + 0.1
    assert values(out)["all", "micro_map"] > 0.7
    with np.load(out.with_suffix(".npz")) as kept:  # probabilities, as of probes: a class is shown above 0.5
        shown, targets = kept["score"] > 0.5, kept["target"].astype(bool)
        assert 0 <= kept["score"].min() < 0.4 and 0.6 < kept["score"].max() <= 1
    recall = [(shown & targets)[:, number].sum() / targets[:, number].sum() for number in (0, 1)]
    assert [values(out)[name, "recall"] for name in "ab"] == recall
    assert values(out)["macro avg", "recall"] == np.mean(recall)
    average = precision_recall_fscore_support(targets, shown, average="samples", zero_division=0)
    found = [values(out)["samples avg", name] for name in ("precision", "recall", "f1")]
    assert found == exactly(average[:3])
    assert content["columns"]["converged"] is False


@pytest.mark.parametrize("protocol", ["linear", "knn", "fine-tune"])
def test_the_same_bytes_twice(
    protocol: str, pairs: Path, vits: list[Path], tmp_path: Path, evaluate: Callable[..., int]
) -> None:
    """On a CPU a rerun must give the same files to the bit."""
    out, written = tmp_path / "x.json", []
    for _ in range(2):
        assert evaluate(pairs, vits[:1], out, only(protocol), label_fraction=0.5, seed=3) == 0
        written.append(out.read_bytes() + out.with_suffix(".npz").read_bytes())
    assert written[0] == written[1]


@pytest.mark.parametrize("protocol", ["linear", "knn", "fine-tune"])
def test_the_test_split_chooses_nothing_and_the_validation_split_does(
    protocol: str, pairs: Path, relabelled: dict[int, Path], vits: list[Path], tmp_path: Path,
    evaluate: Callable[..., int],
) -> None:  # fmt: skip
    """Other labels of test places leave every record of the training as it is; those of validation do not."""

    def trained(index: Path) -> Any:
        out = tmp_path / "x.json"
        assert evaluate(index, vits[:1], out, only(protocol)) == 0
        return read_json(out)["training"]

    assert trained(relabelled[2]) == trained(pairs)
    assert trained(relabelled[1]) != trained(pairs)


@pytest.mark.parametrize("floor", ["class-prior", "band-statistics"])
def test_floors_are_scored_like_networks(
    floor: str, pairs: Path, tmp_path: Path, evaluate: Callable[..., int]
) -> None:
    """The made-up classes brighten a band: the statistics see it, the prior does not."""
    out = tmp_path / "x.json"
    (run,) = (run for run in runs(modalities=["s1"]) if run.method == floor)
    assert evaluate(pairs, [], out, run) == 0
    content, score = read_json(out), values(out)["all", "micro_map"]
    assert (content["columns"]["encoder"], content["columns"]["protocol"]) == ("none", "floor")
    assert score > 0.8 if floor == "band-statistics" else score < 0.6


def test_what_does_not_fit_is_one_line_and_no_file(
    pairs: Path, yearly: Path, vits: list[Path], foreign: Path, tmp_path: Path,
    error_line: Callable[[], str], evaluate: Callable[..., int],
) -> None:  # fmt: skip
    """An encoder of another scale (it put a hundred cells of a peer's benchmark at chance level), a yearly
    collection, no encoder, a setting nobody reads."""
    out, run = tmp_path / "x.json", only("fine-tune")
    assert evaluate(pairs, [foreign], out, run) == 1
    assert "lower -25.0 of band 'vv', the images have -20.0" in error_line()
    assert evaluate(pairs, [foreign], out, only("linear")) == 1
    assert "lower -25.0 of band 'vv', the images have -20.0" in error_line()
    assert evaluate(yearly, vits[:1], out, run) == 1
    assert "labels of a scene need a collection of the kind pairs or dates" in error_line()
    assert evaluate(pairs, [], out, run) == 1
    assert "scenes take one encoder, the job has 0" in error_line()
    assert evaluate(pairs, vits[:1], out, run, recipe={"rate": 1.0}) == 1
    assert "evaluate.recipe: unknown key 'rate'" in error_line()
    assert not out.exists() and not out.with_suffix(".npz").exists()
