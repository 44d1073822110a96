"""Guards the tables a person reads: each number in its cell, dashes where nothing was run, intervals."""

import csv
import io
from pathlib import Path

import pandas as pd
import pytest

from revisit.errors import RevisitError
from revisit.report import layouts


@pytest.fixture(scope="module")
def table(all_csv: Path) -> pd.DataFrame:
    return layouts.read_all(all_csv)


def row_of(block: layouts.Block, *label: str) -> dict[str, layouts.Cell]:
    cells = dict(block.rows)[label]
    return dict(zip(block.columns, cells, strict=True))


def ours(table: pd.DataFrame, **where: object) -> float:
    for name, value in where.items():
        table = table[table[name.rstrip("_")] == value]
    assert len(table) == 1
    return float(table["value"].iloc[0])


def test_masking_cells(table: pd.DataFrame) -> None:
    """Table I: ours in per cent beside the published; models that were not run have a dash."""
    main, *others = layouts.masking(table).blocks
    where = {"experiment": "masking", "method": "3dmae-3dm", "protocol": "fine-tune", "metric": "micro_map"}
    cell = row_of(main, "3DMAE-3DM")["S1"]
    assert cell.value == pytest.approx(100 * ours(table, **where, modality="s1", label_fraction=1.0))
    assert cell.published == pytest.approx(89.5)
    assert cell.low is not None and cell.high is not None and cell.low < cell.value < cell.high
    assert [label for label, _ in main.rows] == [
        (name,)
        for name in (
            "ResNet50",
            "SwinSSL",
            "DINO-MM",
            "SatViT-v1",
            "SatViT-v2",
            "3DMAE-RM",
            "3DMAE-RC",
            "3DMAE-RM+RC",
            "3DMAE-3DM",
            "from scratch",
        )
    ]
    assert row_of(main, "SatViT-v2")["S1+S2"].published == pytest.approx(92.8)
    assert row_of(main, "SatViT-v2")["S1+S2"].ours(".1f") == "–"
    assert [(b.setting["protocol"], b.setting["label_fraction"]) for b in others] == [
        ("fine-tune", 0.05),
        ("linear", 1.0),
        ("linear", 0.05),
    ]
    assert all(cell.published is None for block in others for _, cells in block.rows for cell in cells)


def test_collapsed_encoder_is_marked(table: pd.DataFrame) -> None:
    main = layouts.masking(table).blocks[0]
    assert "†" in row_of(main, "3DMAE-RC")["S2"].ours(".1f")
    assert "†" not in row_of(main, "3DMAE-3DM")["S2"].ours(".1f")


def test_land_cover_cells(table: pd.DataFrame) -> None:
    """Networks with and without pretraining share a table; macro is the mean of the classes beside it."""
    for lay_out, rows in ((layouts.land_cover_sar, 3), (layouts.land_cover_fusion, 5)):
        classes, summary = lay_out(table).blocks
        assert len(classes.rows) == 4 * rows and len(summary.rows) == 2 * rows
        for label, cells in classes.rows:
            assert all(cell.value is not None and cell.published is not None for cell in cells), label
            macro, _, *of_classes = (cell.value or 0 for cell in cells)
            assert macro == pytest.approx(sum(of_classes) / 4)
    fusion = row_of(layouts.land_cover_fusion(table).blocks[0], "IoU", "SAR+RGB", "DualSTMIM-UNet")
    assert (fusion["macro avg"].published, fusion["Water"].published) == (0.71, 0.97)
    where = {"experiment": "land-cover", "method": "dual-stmim-unet", "class_": "Water", "metric": "iou"}
    assert fusion["Water"].value == pytest.approx(ours(table, **where))
    accuracy = row_of(layouts.land_cover_sar(table).blocks[1], "accuracy", "SAR", "STMIM-UNet")["all classes"]
    assert accuracy.published == 0.77


def test_gains_cells(table: pd.DataFrame) -> None:
    """Each pretrained network against the same one without pretraining, signed, in per cent."""
    blocks = layouts.gains(table).blocks
    masking = next(block for block in blocks if ("3DMAE-RM",) in dict(block.rows))
    assert ("from scratch",) not in dict(masking.rows)
    cell = row_of(masking, "3DMAE-3DM")["S1"]
    where = {"experiment": "masking", "protocol": "fine-tune", "label_fraction": 1.0, "modality": "s1"}
    scores = [ours(table, **where, method=name, metric="micro_map") for name in ("3dmae-3dm", "scratch")]
    assert cell.value == pytest.approx(100 * (scores[0] - scores[1]))
    assert cell.ours("+.1f").startswith("+")
    land_cover = next(block for block in blocks if ("STMIM-UNet",) in dict(block.rows))
    assert set(dict(land_cover.rows)) == {("STMIM-UNet",)} and land_cover.columns == ("S1", "RGB")


def test_nothing_run_yet(table: pd.DataFrame) -> None:
    """Without a row of ours the published tables stand alone, with dashes for ours."""
    assert not layouts.gains(table.iloc[:0]).blocks
    for lay_out in (layouts.masking, layouts.land_cover_sar, layouts.land_cover_fusion):
        text = layouts.to_markdown(lay_out(table.iloc[:0]))
        assert "| this run | – |" in text and "| *published* | *" in text


def test_one_seed_has_no_interval() -> None:
    assert layouts.Cell(71.26, None, None, None, False).ours(".1f") == "71.3"
    assert layouts.Cell(71.26, 70.04, 72.48, None, True).ours(".1f") == "71.3† [70.0, 72.5]"


def test_two_encoders_for_one_cell(table: pd.DataFrame) -> None:
    """A layout has one cell for a method; two encoders of it must not shadow each other."""
    other = table[table["experiment"] == "masking"].assign(encoder="another")
    with pytest.raises(RevisitError, match="two encoders"):
        layouts.masking(pd.concat([table, other]))


def test_files(all_csv: Path, tmp_path: Path) -> None:
    """The stage writes a .csv of plain numbers and its .md twin with the same cells."""
    assert layouts.main(["--all", str(all_csv), "--out-folder", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{name}.{ending}"
        for name in ("gains", "land_cover_fusion", "land_cover_sar", "masking")
        for ending in ("csv", "md")
    ]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "masking.csv").read_text())))
    first = next(row for row in rows if row["model"] == "3DMAE-3DM")
    assert first["S1 published"] == "89.5" and first["protocol"] == "fine-tune"
    printed = f"{float(first['S1']):.1f} [{float(first['S1 low']):.1f}, {float(first['S1 high']):.1f}]"
    assert f"| 3DMAE-3DM | this run | {printed} |" in (tmp_path / "masking.md").read_text()


def test_missing_column(table: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    table.drop(columns="ci_low").to_csv(path, index=False)
    with pytest.raises(RevisitError, match="ci_low"):
        layouts.read_all(path)
