"""Guards the published numbers: transcribed without slips, found by the config's keys, never by a title."""

import csv
import re
from pathlib import Path

import pytest

from revisit.errors import RevisitError
from revisit.report.published import lookup as published


def test_macro_is_the_mean_of_its_classes() -> None:
    """A slip in the transcribed figures would break their own sums (they are rounded to 0.01)."""
    groups: dict[tuple, dict[str, float]] = {}
    for cell in published.listed("land-cover"):
        if cell.class_ not in ("weighted avg", "all"):
            groups.setdefault((cell.row, cell.modality, cell.metric), {})[cell.class_] = cell.value
    assert len(groups) == 24
    for name, classes in groups.items():
        macro = classes.pop("macro avg")
        assert macro == pytest.approx(sum(classes.values()) / 4, abs=0.0151), name


# Of the labelled pixels of STMIM's test area, fitted by least squares to the averages below: the source does
# not print them.
FITTED_SHARES = {"Cropland": 0.258, "Build-up": 0.158, "Water": 0.411, "Others": 0.173}


def test_weighted_averages_of_stmim_are_of_one_test_area() -> None:
    """One share of each class gives every weighted average from its classes, within rounding to 0.01."""
    text = (Path(published.__file__).parent / "3dmae_stmim.csv").read_text()
    groups: dict[tuple[str, ...], dict[str, float]] = {}
    for line in csv.DictReader(text.splitlines()):
        if line["table"].startswith("STMIM"):
            key = line["table"], line["method"], line["modality"], line["metric"]
            groups.setdefault(key, {})[line["class"]] = float(line["value"])
    weighted = {key: classes for key, classes in groups.items() if "weighted avg" in classes}
    assert len(weighted) == 32
    for key, classes in weighted.items():
        made = sum(share * classes[name] for name, share in FITTED_SHARES.items())
        assert classes["weighted avg"] == pytest.approx(made, abs=0.0101), key
    accuracies = {key: classes["all"] for key, classes in groups.items() if key[-1] == "accuracy"}
    assert len(accuracies) == 2
    for key, accuracy in accuracies.items():
        assert accuracy == weighted[*key[:-1], "recall"]["weighted avg"], key


def test_average_accuracy_of_sscl_is_the_mean_of_its_classes() -> None:
    """A slip in the transcribed figures would break it; none says of how many labels it is."""
    groups: dict[str, dict[str, published.Published]] = {}
    for cell in published.listed("sscl"):
        if cell.metric == "recall":
            groups.setdefault(cell.row, {})[cell.class_] = cell
    assert len(groups) == 4
    for row, classes in groups.items():
        average = classes.pop("macro avg")
        assert len(classes) == 8
        mean = sum(cell.value for cell in classes.values()) / 8
        assert average.value == pytest.approx(mean, abs=6e-4), row
        assert all(cell.deviation is not None and cell.deviation > 0 for cell in classes.values())
    where = ("sscl", "sscl", "s1+s2", "fine-tune")
    found = published.lookup(*where, None, "Croplands", "recall")
    assert found is not None and (found.value, found.deviation) == (0.294, 0.011)
    assert published.lookup(*where, 1.0, "Croplands", "recall") is None


def test_poster_and_paper_of_caco_agree() -> None:
    """Transcribed from two sources; of the SimCLR form alone the poster has 0.01 more than the paper."""
    text = (Path(published.__file__).parent / "caco.csv").read_text()
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for line in csv.DictReader(text.splitlines()):
        how = line["protocol"].partition(" (")[0].replace("frozen encoder + U-Net decoder", "linear")
        key = line["method"], line["encoder"], line["dataset"].split()[0], line["metric"], how
        if float(line["label_fraction"]) == 1 and line["table"] != "ablation_contributions":
            found.setdefault(key, {})[line["source"]] = line["value"]
    both = [values for values in found.values() if len(values) == 2]
    assert len(both) == 24 and all(len(set(values.values())) == 1 for values in both)


def test_f1_of_change_is_that_of_its_precision_and_recall() -> None:
    """CACo's are from counts of the whole test set, so that a slip in one of the three shows."""
    for experiment in ("caco-oscd", "caco-oscd-resnet50"):
        of_row: dict[str, dict[str, float]] = {}
        for cell in published.listed(experiment):
            of_row.setdefault(cell.row, {})[cell.metric] = cell.value
        assert len(of_row) == (6 if experiment == "caco-oscd" else 5)
        for row, one in of_row.items():
            f1 = 2 * one["precision"] * one["recall"] / (one["precision"] + one["recall"])
            assert one["f1"] == pytest.approx(f1, abs=1.5e-4), row


@pytest.mark.parametrize(
    ("experiment", "row", "protocol", "metric", "value"),
    [
        ("caco-eurosat", "caco", "linear", "accuracy", 0.9308),
        ("caco-eurosat-resnet50", "seco", "linear", "accuracy", 0.9312),
        ("caco-oscd", "caco", "frozen", "f1", 0.5029),
        ("caco-dynamicearthnet", "caco", "frozen", "miou", 0.502),
        ("caco-dynamicearthnet", "caco", "fine-tune", "miou", 0.5129),
        ("caco-parts-eurosat", "seco-geo-long", "linear", "accuracy", 0.9256),
        ("caco-estimates-eurosat", "caco-aligned", "linear", "accuracy", 0.9292),
        ("caco-simclr-oscd", "simclr-caco", "frozen", "f1", 0.475),
    ],
)
def test_cells_of_caco(experiment: str, row: str, protocol: str, metric: str, value: float) -> None:
    """Found by the protocol of ours that trains the same part: a U-Net on a frozen encoder is no probe."""
    found = published.lookup(experiment, row, "rgb", protocol, 1.0, "all", metric)
    assert found is not None and found.value == value
    other = "linear" if protocol == "frozen" else "knn"
    assert published.lookup(experiment, row, "rgb", other, 1.0, "all", metric) is None


def test_rows_made_as_the_released_code_does_have_the_published_number() -> None:
    """CACo's mAP is averaged over batches, its batch norms of frozen encoders adapt: beside those, too."""
    for way in ("frozen", "frozen-adapting"):
        found = published.lookup("caco-oscd", "caco", "rgb", way, 1.0, "all", "recall")
        assert found is not None and found.value == 0.4294
    for metric in ("micro_map", "batch_map"):
        found = published.lookup("caco-bigearthnet", "caco", "rgb", "linear", 0.1, "all", metric)
        assert found is not None and (found.value, found.metric) == (0.6789, "micro_map")
        assert "BigEarthNet, mAP; BigEarthNet val" in found.source
    found = published.lookup("caco-eurosat", "seco", "rgb", "frozen-adapting", 1.0, "all", "accuracy")
    assert found is not None and found.value == 0.9005
    assert published.lookup("caco-eurosat", "seco", "rgb", "frozen", 1.0, "all", "accuracy") is None


def test_known_cell_in_units_of_ours() -> None:
    """Per cent become fractions; where two tables report a cell, the first counts."""
    found = published.lookup("masking", "satvit-v2", "s1+s2", "fine-tune", 1.0, "all", "micro_map")
    assert found is not None and (found.value, found.title) == (0.928, "SatViT-v2")
    found = published.lookup(
        "pretraining-modality", "satvit-v1-single", "s2", "fine-tune", 1.0, "all", "micro_map"
    )
    assert found is not None and found.value == 0.927
    found = published.lookup("land-cover", "stmim-unet", "s1", "supervised", 1.0, "WATER", "iou")
    assert found is not None and found.value == 0.96 and "STMIM_A" in found.source


@pytest.mark.parametrize(
    "cell",
    [
        (None, "satvit-v2", "s1", "fine-tune", 1.0, "all", "micro_map"),
        ("masking", None, "s1", "fine-tune", 1.0, "all", "micro_map"),
        ("masking", "satvit-v2", "s1", "linear", 1.0, "all", "micro_map"),
        ("masking", "satvit-v2", "s1", "fine-tune", 0.1, "all", "micro_map"),
    ],
)
def test_nothing_where_nothing_is_reported(cell: tuple) -> None:
    assert published.lookup(*cell) is None


def test_a_published_number_says_of_what_it_is() -> None:
    """Data set, encoder and pretraining in the words of the source, and that it is not comparable."""
    found = published.lookup("masking", "d-simclr", "s2", "fine-tune", 1.0, "all", "micro_map")
    assert found is not None
    for text in (
        "BigEarthNet-MM val", "dual ResNet-50", "SEN12MS (inferred from Table III)",
        "fine-tune (as labelled in the source)", "not comparable",
    ):  # fmt: skip
        assert text in found.source
    assert "SEN12MS (inferred from Table III) (size 180,662 triplets, budget 201 epochs" in found.source
    untrained = published.lookup("caco-eurosat", "random", "rgb", "linear", 1.0, "all", "accuracy")
    assert untrained is not None and "pretraining: none, linear" in untrained.source
    assert published.caveat("masking") == "published: BigEarthNet-MM val, not comparable"
    assert published.caveat(None) == ""


def test_one_row_is_of_one_data_set_and_encoder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two encoders under one key would silently show the first one's number for the second."""
    text = (Path(published.__file__).parent / "caco.csv").read_text()
    head, *lines = text.splitlines()
    both = [line for line in lines if "main_100k,CACo," in line and "EuroSAT" in line]
    assert len(both) == 2  # ResNet-18 and ResNet-50
    made = [re.sub("caco-eurosat[^,]*", "scenes", line) for line in both]
    (tmp_path / "caco.csv").write_text("\n".join([head, *made]) + "\n")
    monkeypatch.setattr(published, "files", lambda package: tmp_path)
    monkeypatch.setattr(published, "WORKS", ("caco.csv",))
    with pytest.raises(
        RevisitError, match="scenes/caco is of EuroSAT by ResNet-18 and of EuroSAT by ResNet-50"
    ):
        published._cells.__wrapped__()


def test_odd_words_of_a_source_are_kept() -> None:
    text = (Path(published.__file__).parent / "3dmae_stmim.csv").read_text()
    assert "130MILLION(Global) [sic; 1.3M]" in text


def test_budgets_are_of_rows_that_there_are() -> None:
    """A slip in a key would leave a row without its size."""
    assert published._budgets().keys() <= {row for rows in published.keys().values() for row in rows}


def test_keys_that_a_config_may_name() -> None:
    keys = published.keys()
    assert set(keys) == {
        "masking", "pretraining-modality", "generalisation", "land-cover",
        "caco-eurosat", "caco-eurosat-resnet50",
        "caco-bigearthnet", "caco-bigearthnet-resnet50", "caco-oscd", "caco-oscd-resnet50",
        "caco-dynamicearthnet", "caco-parts-eurosat", "caco-parts-dynamicearthnet",
        "caco-estimates-eurosat", "caco-simclr-eurosat", "caco-simclr-oscd", "sscl",
        "optical-aid",
    }  # fmt: skip
    assert keys["sscl"] == ["baseline", "imagenet", "simsiam", "sscl"]
    assert keys["caco-eurosat"] == ["random", "imagenet", "moco-v2", "gssl", "seco", "caco"]
    assert keys["caco-parts-eurosat"] == ["seco", "seco-geo", "seco-geo-long", "caco"]
    assert keys["caco-estimates-eurosat"] == ["caco-distance", "caco-ratio", "caco", "caco-aligned"]
    assert keys["pretraining-modality"] == [
        "dino-mm-single", "moco-v2-single", "satvit-v1-single", "3dmae-3dm-single",
        "dino-mm", "satvit-v1", "3dmae-3dm",
    ]  # fmt: skip
    assert keys["generalisation"] == ["d-simclr", "swinssl", "satvit-v1", "satvit-v2", "3dmae-3dm"]
    assert keys["land-cover"] == ["unet", "swin-unet", "stmim-unet", "dual-stmim-unet"]
