"""Guards the published numbers: transcribed without slips, found by the config's keys, never by a title."""

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


def test_known_cell_in_units_of_ours() -> None:
    """Per cent become fractions; where two tables report a cell, the first counts."""
    found = published.lookup("masking", "satvit-v2", "s1+s2", "fine-tune", 1.0, "all", "micro_map")
    assert found is not None and (found.value, found.title) == (0.928, "SatViT-v2")
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
    assert published.caveat("masking") == "published: BigEarthNet-MM val, not comparable"
    assert published.caveat(None) == ""


def test_one_row_is_of_one_data_set_and_encoder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two encoders under one key would silently show the first one's number for the second."""
    text = (Path(published.__file__).parent / "caco.csv").read_text()
    head, *lines = text.splitlines()
    both = [line for line in lines if "main_100k,CACo," in line and "EuroSAT" in line]
    assert len(both) == 2  # ResNet-18 and ResNet-50
    made = [line.removesuffix(",,,,,") + ",scenes,caco,rgb,accuracy,0.01" for line in both]
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


def test_keys_that_a_config_may_name() -> None:
    keys = published.keys()
    assert set(keys) == {"masking", "land-cover"}
    assert keys["land-cover"] == ["unet", "swin-unet", "stmim-unet", "dual-stmim-unet"]
