"""Guards the tables a person reads: each number in its cell, dashes where nothing was run, intervals."""

import csv
import io
from pathlib import Path

import pytest

from revisit.errors import RevisitError
from revisit.job import Job
from revisit.report import gains, printing, reading, table, words
from revisit.report.facts import Facts
from revisit.report.layout import Block, Cell, Table
from revisit.report.reading import Row
from revisit.stage import run_file


@pytest.fixture(scope="module")
def rows(all_csv: Path) -> list[Row]:
    return reading.read_table(all_csv, table.COLUMNS)


def settings(facts: Facts, experiment: str, layout: str, **other: object) -> table.Settings:
    fields = {
        "experiment": experiment,
        "layout": layout,
        "runs": facts.of_experiment(experiment).runs,
        "published_as": facts.experiments[experiment].published_as,
    }
    return table.Settings.model_validate(fields | other)


def lay_out(rows: list[Row], facts: Facts, experiment: str, layout: str) -> Table:
    return table.lay_out(rows, settings(facts, experiment, layout))


def row_of(block: Block, *label: str) -> dict[str, Cell]:
    return dict(zip(block.columns, dict(block.rows)[label], strict=True))


def ours(rows: list[Row], **where: object) -> float:
    (row,) = [row for row in rows if all(row[name.rstrip("_")] == value for name, value in where.items())]
    return float(row["value"])


def test_masking_cells(rows: list[Row], facts: Facts) -> None:
    """Ours in per cent beside the published; what only works report comes first, then the config."""
    main, *others = lay_out(rows, facts, "masking", "masking").blocks
    where = {"experiment": "masking", "method": "3dmae-3dm", "protocol": "fine-tune", "metric": "micro_map"}
    cell = row_of(main, "3DMAE-3DM")["S1"]
    assert cell.value == pytest.approx(100 * ours(rows, **where, modality="s1", label_fraction=1.0))
    assert cell.published == pytest.approx(89.5)
    assert cell.low is not None and cell.high is not None and cell.low < cell.value < cell.high
    assert [name for (name,), _ in main.rows] == [
        "ResNet50", "SwinSSL", "DINO-MM", "SatViT-v1", "SatViT-v2",
        "from scratch", "3DMAE-RM", "3DMAE-RC", "3DMAE-RM+RC", "3DMAE-3DM", "band statistics",
    ]  # fmt: skip
    assert row_of(main, "SatViT-v2")["S1+S2"].published == pytest.approx(92.8)
    assert row_of(main, "SatViT-v2")["S1+S2"].ours(".1f") == "–"
    assert [(b.setting["protocol"], b.setting["label_fraction"]) for b in others] == [
        ("fine-tune", 0.05),
        ("linear", 1.0),
        ("linear", 0.05),
    ]
    assert all(cell.published is None for block in others for _, cells in block.rows for cell in cells)


def test_collapsed_encoder_is_marked(rows: list[Row], facts: Facts) -> None:
    main = lay_out(rows, facts, "masking", "masking").blocks[0]
    assert "†" in row_of(main, "3DMAE-RC")["S2"].ours(".1f")
    assert "†" not in row_of(main, "3DMAE-3DM")["S2"].ours(".1f")


def test_a_run_that_was_cut_off_is_marked(rows: list[Row], facts: Facts) -> None:
    """Its training ended by the budget and not by itself: in the tables of scores and of gains."""
    main = lay_out(rows, facts, "masking", "masking").blocks[0]
    assert "‡" in row_of(main, "3DMAE-RM")["S2"].ours(".1f")
    assert "‡" not in row_of(main, "3DMAE-3DM")["S2"].ours(".1f")
    gained = gains.lay_out(rows, facts).blocks[0]
    assert "‡" in row_of(gained, "3DMAE-RM", "whole network trained", "100 %")["S2"].ours(".1f")


def test_an_untrained_encoder_under_a_probe_is_called_so(rows: list[Row], facts: Facts) -> None:
    """A linear model on random features is no training from scratch."""
    whole, _, probe, _ = lay_out(rows, facts, "masking", "masking").blocks
    assert ("from scratch",) in dict(whole.rows)
    assert ("from scratch, untrained",) in dict(probe.rows)


def test_floors_stand_in_every_block(rows: list[Row], facts: Facts) -> None:
    """Whatever the protocol, what needs no network is there to be beaten."""
    for block in lay_out(rows, facts, "masking", "masking").blocks:
        value = row_of(block, "band statistics")["S1"].value
        assert value == pytest.approx(55 if block.setting["label_fraction"] == 1 else 46)


def test_land_cover_cells(rows: list[Row], facts: Facts) -> None:
    """Networks with and without pretraining share a table; macro is the mean of the classes beside it."""
    for layout, models in (("land-cover-sar", 3), ("land-cover-fusion", 5)):
        classes, summary = lay_out(rows, facts, "land-cover", layout).blocks
        assert len(classes.rows) == 4 * models and len(summary.rows) == 2 * models
        for label, cells in classes.rows:
            assert all(cell.value is not None and cell.published is not None for cell in cells), label
            macro, _, *of_classes = (cell.value or 0 for cell in cells)
            assert macro == pytest.approx(sum(of_classes) / 4)
    block = lay_out(rows, facts, "land-cover", "land-cover-fusion").blocks[0]
    fusion = row_of(block, "IoU", "SAR+RGB", "DualSTMIM-UNet")
    assert (fusion["macro avg"].published, fusion["Water"].published) == (71, 97)
    where = {"experiment": "land-cover", "method": "dual-stmim-unet", "class_": "Water", "metric": "iou"}
    assert fusion["Water"].value == pytest.approx(100 * ours(rows, **where))
    summary = lay_out(rows, facts, "land-cover", "land-cover-sar").blocks[1]
    assert row_of(summary, "accuracy", "SAR", "STMIM-UNet")["all classes"].published == 77


def test_model_that_only_the_works_have(rows: list[Row], facts: Facts) -> None:
    """A network that this study does not run keeps its row, with a dash for ours."""
    left = [row for row in rows if row["method"] != "unet"]
    fewer = facts.model_copy(update={"runs": [run for run in facts.runs if run.method != "unet"]})
    cell = row_of(lay_out(left, fewer, "land-cover", "land-cover-sar").blocks[0], "IoU", "SAR", "UNet")[
        "Water"
    ]
    assert (cell.value, cell.published) == (None, 96)


def test_no_row_is_all_dashes(rows: list[Row], facts: Facts) -> None:
    """A network that learns in one way alone is not in the tables of the others."""
    probed = ("3dmae-rm", "linear")
    fewer = facts.model_copy(
        update={"runs": [run for run in facts.runs if (run.method, run.protocol) != probed]}
    )
    left = [row for row in rows if (row["method"], row["protocol"]) != probed]
    whole, _, probe, _ = lay_out(left, fewer, "masking", "masking").blocks
    assert ("3DMAE-RM",) in dict(whole.rows)
    assert ("3DMAE-RM",) not in dict(probe.rows)


def test_table_of_batches() -> None:
    """What the mean over batches does to a score is seen in one row, the published one beside both."""
    row = dict.fromkeys(table.COLUMNS) | {
        "experiment": "mine", "dataset": "scenes", "method": "own", "modality": "rgb", "protocol": "linear",
        "label_fraction": 0.1, "class": "all", "pretrain_data": "series", "collapsed": False,
    }  # fmt: skip
    run = {"experiment": "mine", "method": "own", "title": "CACo", "modality": "rgb", "protocol": "linear"}
    given = table.Settings.model_validate(
        {
            "experiment": "mine", "layout": "caco-multi-label-batches", "published_as": "caco-bigearthnet",
            "runs": [{**run, "published_as": "caco", "pretrained": True, "recipe": "", "task": "x"}],
        }
    )  # fmt: skip
    values = {"batch_map": 0.7, "micro_map": 0.6, "macro_map": 0.5}
    laid_out = table.lay_out([row | {"metric": name, "value": one} for name, one in values.items()], given)
    cells = row_of(laid_out.blocks[0], "CACo")
    assert {name: (cell.value, cell.published) for name, cell in cells.items()} == {
        "RGB mAP (micro, of batches)": (70, pytest.approx(67.89)),
        "RGB mAP (micro)": (60, pytest.approx(67.89)),
    }
    assert any("averaged over batches" in note for note in laid_out.notes)


CACO = [
    ("caco-scenes", "single-label", "linear", "caco-eurosat", {"accuracy": 93.08}),
    ("caco-multi-label", "multi-label", "linear", "caco-bigearthnet", {"micro_map": 69.43}),
    ("caco-change", "change", "frozen", "caco-oscd", {"f1": 50.29, "precision": 60.68, "recall": 42.94}),
    ("caco-segmentation", "segmentation", "fine-tune", "caco-dynamicearthnet", {"miou": 51.29}),
    ("caco-scenes", "single-label", "linear", "caco-estimates-eurosat", {"accuracy": 93.08}),
]


@pytest.mark.parametrize(("layout", "task", "protocol", "key", "published"), CACO)
def test_tables_of_caco(layout: str, task: str, protocol: str, key: str, published: dict[str, float]) -> None:
    """Ours beside CACo's: a row a method, those of the works that were not run here before it."""
    row = dict.fromkeys(table.COLUMNS) | {
        "experiment": "mine", "dataset": "scenes", "method": "own", "modality": "rgb", "protocol": protocol,
        "label_fraction": 1.0, "class": "all", "pretrain_data": "series", "collapsed": False,
    }  # fmt: skip
    found = [{**row, "metric": metric, "value": 0.4} for metric in published]
    run = {"experiment": "mine", "method": "own", "title": "CACo", "modality": "rgb", "protocol": protocol}
    given = table.Settings.model_validate(
        {
            "experiment": "mine", "layout": layout, "published_as": key,
            "runs": [{**run, "published_as": "caco", "pretrained": True, "recipe": "", "task": task}],
        }
    )  # fmt: skip
    laid_out = table.lay_out(found, given)
    (block,) = laid_out.blocks
    cells = row_of(block, "CACo")
    names = ["RGB"] if len(published) == 1 else ["RGB F1", "RGB precision", "RGB recall"]
    assert list(cells) == names
    assert [cell.published for cell in cells.values()] == pytest.approx(list(published.values()))
    assert all(cell.value == pytest.approx(40) for cell in cells.values())
    others = [name for (name,), row in block.rows if row[0].value is None]
    main = ["Random Init.", "ImageNet", "MoCo v2", "GSSL", "SeCo"]
    assert others == main if "estimates" not in key else others[0] == "CACo, r = long-term distance"
    assert laid_out.notes[0].endswith("not comparable.")
    other_loss = task in ("change", "segmentation")
    assert any("Dice" in note for note in laid_out.notes) == other_loss


SSCL_CLASSES = {"Water": 0.9, "Orchards": 0.5, "Forest": 0.7, "Urban": 0.3}  # as a config may have them


def sscl_rows(method: str, count: int, lift: float) -> list[Row]:
    """A network's scores of each class and both averages, by ten runs on so many labelled samples."""
    row = dict.fromkeys(table.COLUMNS) | {
        "experiment": "mine", "dataset": "pairs", "method": method, "modality": "s1+s2",
        "protocol": "fine-tune", "label_count": count, "pretrain_data": "pairs", "collapsed": False,
    }  # fmt: skip
    values = {(name, "recall"): value for name, value in SSCL_CLASSES.items()}
    values |= {("macro avg", "recall"): 0.6, ("all", "accuracy"): 0.8, ("all", "miou"): 0.4}
    return [
        row | {"class": name, "metric": metric, "value": value + lift, "ci_low": value, "ci_high": 1.0,
               "deviation": 0.012}
        for (name, metric), value in values.items()
    ]  # fmt: skip


def test_table_of_sscl(tmp_path: Path) -> None:
    """A block a number of labels, most first; classes in the poster's order; mean and deviation of both."""
    run = {"experiment": "mine", "modality": "s1+s2", "protocol": "fine-tune", "pretrained": True}
    run |= {"recipe": "", "task": "segmentation"}
    given = table.Settings.model_validate(
        {
            "experiment": "mine", "layout": "sscl", "published_as": "sscl",
            "runs": [
                run | {"method": "pair", "title": "ours", "published_as": "sscl"},
                run | {"method": "net", "title": "U-Net"},
            ],
        }
    )  # fmt: skip
    rows = [
        row
        for count, lift in ((200, 0.0), (1000, 0.05))
        for method in ("pair", "net")
        for row in sscl_rows(method, count, lift)
    ]
    laid_out = table.lay_out(rows, given)
    most, fewest = laid_out.blocks
    assert most.heading.startswith("pairs: whole network trained, 1,000 labelled samples; recall")
    assert most.columns == ("Forest", "Urban", "Water", "Orchards", "AA", "OA")
    for block, lift in ((most, 5), (fewest, 0)):
        cells = row_of(block, "S1+S2", "ours")
        assert [cell.value for cell in cells.values()] == pytest.approx(
            [70 + lift, 30 + lift, 90 + lift, 50 + lift, 60 + lift, 80 + lift]
        )
        assert [cell.theirs() for cell in cells.values()] == [
            "83.8 ± 1.7", "78.9 ± 4.1", "99.3 ± 0.1", "–", "56 ± 1.1", "67.8 ± 0.9"
        ]  # fmt: skip
        assert row_of(block, "S1+S2", "Baseline")["AA"].theirs() == "53.4 ± 1.3"
        assert row_of(block, "S1+S2", "U-Net")["OA"].published is None
    printing.write(laid_out, tmp_path / "sscl.csv", tmp_path / "sscl.md")
    text = (tmp_path / "sscl.md").read_text()
    assert "| S1+S2 | ours | this run | 75.0 ± 1.2 [70.0, 100.0] |" in text
    assert "*published, not comparable* | *83.8 ± 1.7* | *78.9 ± 4.1* |" in text
    assert "does not say of how many labelled samples" in text
    written = list(csv.DictReader(io.StringIO((tmp_path / "sscl.csv").read_text())))
    own = next(row for row in written if row["model"] == "ours" and row["label_count"] == "200")
    assert (own["label_fraction"], own["AA"], own["AA deviation"]) == ("", "60.0", "1.2")
    assert own["AA published deviation"] == "1.1"


SCENES = {  # layout, key of published numbers: our modalities and metrics, the published ones of a row
    "pretraining-modality": (["s1", "s2"], "all", ["micro_map"], "3dmae-3dm-single", [87.3, 94.1]),
    "generalisation": (
        ["s1+s2"],
        "macro avg",
        ["precision", "recall", "f1"],
        "3dmae-3dm",
        [73.6, 70.3, 70.7],
    ),
}


@pytest.mark.parametrize("name", SCENES)
def test_tables_two_and_three_of_3dmae(name: str) -> None:
    modalities, of, metrics, row, published = SCENES[name]
    about = dict.fromkeys(table.COLUMNS) | {
        "experiment": "mine", "dataset": "scenes", "method": "own", "protocol": "fine-tune",
        "label_fraction": 1.0, "pretrain_data": "pairs", "collapsed": False, "value": 0.4, "class": of,
    }  # fmt: skip
    found = [about | {"modality": one, "metric": metric} for one in modalities for metric in metrics]
    run = {
        "experiment": "mine",
        "method": "own",
        "title": "ours",
        "protocol": "fine-tune",
        "task": "multi-label",
    }
    run |= {"published_as": row, "pretrained": True, "recipe": ""}
    given = {"experiment": "mine", "layout": name, "published_as": name}
    runs = [run | {"modality": one} for one in modalities]
    (block,) = table.lay_out(found, table.Settings.model_validate(given | {"runs": runs})).blocks
    cells = list(row_of(block, "ours").values())[: len(published)]
    assert [cell.published for cell in cells] == pytest.approx(published)
    assert [cell.value for cell in cells] == pytest.approx([40] * len(cells))


def test_rows_of_other_cubes_stand_in_one_block() -> None:
    """Each is of a collection of its own, which else is a block of its own; floors are of the usual one."""
    about = dict.fromkeys(table.COLUMNS) | {
        "experiment": "mine", "modality": "s2", "label_fraction": 1.0, "pretrain_data": "none",
        "collapsed": False, "class": "all", "metric": "miou",
    }  # fmt: skip
    named = (("a", "maps", "supervised"), ("b", "maps-unaligned", "supervised"), ("prior", "maps", "floor"))
    found = [
        about | {"method": method, "dataset": dataset, "protocol": protocol, "value": 0.1 * number}
        for number, (method, dataset, protocol) in enumerate(named, 1)
    ]
    run = {"experiment": "mine", "modality": "s2", "pretrained": False, "recipe": "", "task": "segmentation"}
    runs = [run | {"method": name, "title": name.upper(), "protocol": how} for name, _, how in named]
    given = {"experiment": "mine", "layout": "preparation", "runs": runs}
    settings = table.Settings.model_validate(given)
    (block,) = table.lay_out(found, settings).blocks
    assert block.columns == ("S2 mIoU",)
    assert [(label, cell.value) for (label,), (cell,) in block.rows] == [
        ("A", pytest.approx(10)), ("B", pytest.approx(20)), ("PRIOR", pytest.approx(30)),
    ]  # fmt: skip
    over = {"metric": "miou_over_first", "value": 0.1, "ci_low": 0.08, "ci_high": 0.12, "test_ci_low": 0.07,
            "test_ci_high": 0.13}  # fmt: skip
    _, differences = table.lay_out([*found, found[1] | over], settings).blocks
    assert differences.columns == ("S2 mIoU over the first",)
    (((label,), (cell,)),) = differences.rows
    assert (label, cell.ours(differences.form)) == ("B", "+10.0 [+8.0, +12.0] {+7.0, +13.0}")


def test_gains_cells(rows: list[Row], facts: Facts) -> None:
    """Each pretrained network against its twin, every network against the best floor, signed, in points."""
    blocks = {block.heading: block for block in gains.lay_out(rows, facts).blocks}
    masking = blocks["masking: mAP (micro) over the same network without pretraining"]
    whole = ("whole network trained", "100 %")
    assert {label[0] for label, _ in masking.rows} == {"3DMAE-RM", "3DMAE-RC", "3DMAE-RM+RC", "3DMAE-3DM"}
    assert len(masking.rows) == 4 * 2 * 2  # methods, ways of learning, shares of the labels
    cell = row_of(masking, "3DMAE-3DM", *whole)["S1"]
    where = {"experiment": "masking", "protocol": "fine-tune", "label_fraction": 1.0, "modality": "s1"}
    scores = [ours(rows, **where, method=name, metric="micro_map") for name in ("3dmae-3dm", "scratch")]
    assert cell.value == pytest.approx(100 * (scores[0] - scores[1]))
    assert cell.ours("+.1f").startswith("+")
    floor = blocks["masking: mAP (micro) over the best floor"]
    assert row_of(floor, "from scratch", *whole)["S1"].value == pytest.approx(100 * (0.65 - 0.55))
    assert ("from scratch", "linear probe", "100 %") not in dict(floor.rows)  # a floor itself
    land_cover = blocks["land-cover: mIoU over the same network without pretraining"]
    assert [label for label, _ in land_cover.rows] == [("STMIM-UNet", *whole)]
    assert land_cover.columns == ("S1", "RGB")


def test_no_gain(facts: Facts) -> None:
    """A study without a counterpart still has its table, which says so."""
    assert "No network has a counterpart" in gains.lay_out([], facts).subtitle


def test_no_empty_table(rows: list[Row], facts: Facts) -> None:
    """What would end as dashes is one line: no rows, rows of other runs, a layout of another task."""
    with pytest.raises(RevisitError, match="no number of the experiment 'masking'"):
        lay_out([row for row in rows if row["experiment"] != "masking"], facts, "masking", "masking")
    with pytest.raises(RevisitError, match="lacks a run: scratch s1 linear"):
        left = [row for row in rows if (row["method"], row["modality"]) != ("scratch", "s1")]
        lay_out(left + [row for row in rows if row["protocol"] != "linear"], facts, "masking", "masking")
    renamed = [{**row, "method": row["method"].replace("scratch", "anew")} for row in rows]
    with pytest.raises(RevisitError, match="lacks a run"):
        lay_out(renamed, facts, "masking", "masking")
    with pytest.raises(RevisitError, match="'masking' shows none of this experiment's numbers"):
        lay_out(rows, facts, "land-cover", "masking")
    with pytest.raises(RevisitError, match=r"no layout is called 'maskin'.*did you mean 'masking'"):
        lay_out(rows, facts, "masking", "maskin")


def test_one_seed_has_no_interval() -> None:
    assert Cell(71.26).ours(".1f") == "71.3"
    assert Cell(71.26, 70.04, 72.48, None, True, True).ours(".1f") == "71.3†‡ [70.0, 72.5]"


def test_a_bound_just_below_zero_is_not_printed_above_it() -> None:
    assert Cell(1.2, -0.03, 2.4).ours(words.POINTS) == "+1.2 [-0.0, +2.4]"


def test_two_encoders_for_one_cell(rows: list[Row], facts: Facts) -> None:
    """A layout has one cell for a method; two encoders of it must not shadow each other."""
    with pytest.raises(RevisitError, match="two encoders"):
        lay_out(rows + [row for row in rows if row["experiment"] == "masking"], facts, "masking", "masking")


def test_two_models_of_one_title(rows: list[Row], facts: Facts) -> None:
    """A title that two methods share costs neither its row."""
    runs = [run.model_copy(update={"title": "same"}) for run in facts.runs]
    main = lay_out(rows, facts.model_copy(update={"runs": runs}), "masking", "masking").blocks[0]
    assert [label for label, _ in main.rows].count(("same",)) == 6


def test_files(all_csv: Path, facts: Facts, tmp_path: Path) -> None:
    """The stage writes a .csv of plain numbers and its .md twin with the same cells."""
    out = {"csv": str(tmp_path / "masking.csv"), "markdown": str(tmp_path / "masking.md")}
    given = settings(facts, "masking", "masking").content()
    job = Job("revisit.report.table", input={"table": str(all_csv)}, output=out, settings=given)
    job.write(tmp_path / "job.json")
    assert run_file(tmp_path / "job.json") == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "masking.csv").read_text())))
    first = next(row for row in rows if row["model"] == "3DMAE-3DM")
    assert first["S1 published"] == "89.5" and first["protocol"] == "fine-tune"
    assert (first["seeds"], first["code_version"], first["converged"]) == ("3", "1.0", "true")
    assert (first["pretrain_data"], first["pretrain_steps"], first["cpu_hours"]) == ("pairs", "240", "0.5")
    assert [Path(run).parts[-3] for run in first["run"].split(" | ")] == ["s1", "s2", "s1+s2"]
    assert "pretraining: BigEarthNet-MM (size not stated, budget not stated)" in first["published_source"]
    printed = f"{float(first['S1']):.1f} [{float(first['S1 low']):.1f}, {float(first['S1 high']):.1f}]"
    text = (tmp_path / "masking.md").read_text()
    assert f"| 3DMAE-3DM | this run | {printed} |" in text
    assert "| 3DMAE-RM | channel-vit | pairs | 512 | 240 | 0 | 0.5 | 3 | false |" in text
    assert "| SatViT-v2 | – | – | – | – | – | – | – | – | ViT" in text
    assert "(size 1,300,000 pairs, budget 220 epochs" in text


def test_missing_column(all_csv: Path, tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    path.write_text(all_csv.read_text().replace("ci_low", "low", 1))
    with pytest.raises(RevisitError, match="ci_low"):
        reading.read_table(path, table.COLUMNS)
