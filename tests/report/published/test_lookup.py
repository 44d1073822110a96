"""Guards the published numbers: transcribed without slips, found by the config's keys, never by a title."""

import pytest

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


def test_keys_that_a_config_may_name() -> None:
    keys = published.keys()
    assert set(keys) == {"masking", "land-cover"}
    assert keys["land-cover"] == ["unet", "swin-unet", "stmim-unet", "dual-stmim-unet"]
