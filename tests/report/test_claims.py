"""Guards the verdicts on what the sources claim: the right rows, paired, and nothing said without them."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from revisit.errors import RevisitError
from revisit.job import Job
from revisit.report import claim_rows, claims, leaks
from revisit.report.facts import Facts
from revisit.report.published import claims as published
from revisit.report.score_files import Cell
from revisit.stage import run_file

ENCODERS = {0: ("encoder", 0), 1: ("encoder", 1), 2: ("encoder", 2)}
MASKED_RC = "Of the masks the vertical one, 3DM, is best on S1+S2: better than single channels (RC)"
MASKED_RM = "Of the masks the vertical one, 3DM, is best on S1+S2: better than whole modalities (RM)"
BOTH = "3DMAE (3DM) learns from both modalities, so it is better on S1+S2 than on S2 alone"
SCRATCH = "With few labels (1 %) 3DMAE (3DM) is significantly better than the same network from scratch"
FEWER = "With fewer labels, STMIM-UNet is better than the supervised SwinUNet with all of them"
SEEDS = (0, 1, 2)
AID = "With optical aid, features of SAR images tell classes apart better"
SUPERVISED = "SAR features with optical aid are comparable to full supervision or better"
SEEN = {
    "experiment": "masking", "method": "3dmae-3dm", "modality": "s1+s2", "protocol": "fine-tune",
    "overlapped": 3,
}  # fmt: skip
LABELS = "CACo is better than SeCo for several labels a scene (BigEarthNet, ResNet-18)"


def cell(method: str, values: list[float], **other: Any) -> Cell:
    about = {
        "experiment": "one", "task": "multi-label", "dataset": "scenes", "method": method, "encoder": "vit",
        "pretrain_data": "none" if method in ("d", "statistics") else "pairs", "modality": "s1+s2",
        "protocol": "fine-tune", "label_fraction": 1.0, "label_count": None, "class": "all",
        "metric": "micro_map", "collapsed": False, "converged": True, "run": f"scores/{method}",
    }  # fmt: skip
    return Cell(about | other, dict(enumerate(values)), ENCODERS)


def study(*cells: Cell, **published_as: str) -> Facts:
    """The facts of a study of these cells: names say nothing, ``published_as`` of a method says all."""
    runs = {
        tuple(one.about[name] for name in ("experiment", "method", "modality", "protocol")): one
        for one in cells
    }
    return Facts.model_validate(
        {
            "runs": [
                {
                    "experiment": experiment, "method": method, "title": method.upper(), "modality": modality,
                    "protocol": protocol, "published_as": published_as.get(method), "recipe": "",
                    "pretrained": one.about["pretrain_data"] != "none", "task": one.about["task"],
                }
                for (experiment, method, modality, protocol), one in runs.items()
            ],
            "experiments": {
                experiment: {
                    "task": "multi-label", "headline": "micro_map", "layouts": [], "label_fractions": [1.0],
                    "published_as": "land-cover" if experiment == "maps" else "masking",
                }
                for experiment, *_ in runs
            },
        }
    )  # fmt: skip


def judged(claim: str, *cells: Cell, **published_as: str) -> list[dict[str, Any]]:
    rows = claims.judge(cells, study(*cells, **published_as))
    return [row for row in rows if row["claim"] == claim]


@pytest.mark.parametrize(
    ("better", "than", "verdict"),
    [
        ([0.52, 0.62, 0.73], [0.50, 0.60, 0.70], "holds"),
        ([0.48, 0.58, 0.67], [0.50, 0.60, 0.70], "does not hold"),
        ([0.55, 0.55, 0.75], [0.50, 0.60, 0.70], "undecided"),
        ([0.9], [0.1], "undecided"),  # one run has no interval
    ],
)
def test_the_paired_interval_decides(better: list[float], than: list[float], verdict: str) -> None:
    """Scores overlap widely over seeds; the interval is Student's of the differences, in points."""
    (row,) = judged(MASKED_RC, cell("a", better), cell("b", than), a="3dmae-3dm", b="3dmae-rc")
    assert row["verdict"] == verdict
    differences = [100 * (one - other) for one, other in zip(better, than, strict=True)]
    assert row["points"] == pytest.approx(sum(differences) / len(differences), abs=1e-4)
    assert (row["published"], row["seeds"], row["why"]) == (0.3, len(better), "")
    if len(better) > 1:
        low, high = stats.t.interval(
            0.95, len(better) - 1, sum(differences) / len(better), stats.sem(differences)
        )
        assert (row["low"], row["high"]) == pytest.approx((low, high), abs=1e-3)
    else:
        assert row["low"] is None


def test_rows_are_found_by_what_they_are_published_as() -> None:
    """Methods called like the source's, but published as nothing, are not its rows; the reason says so."""
    cells = cell("3dmae-3dm", [0.9, 0.9]), cell("3dmae-rc", [0.1, 0.1])
    (row,) = judged(MASKED_RC, *cells)
    assert row["verdict"] == "not run" and row["points"] is None
    assert row["published"] == 0.3
    assert "masking has 3dmae-3dm on s1+s2 by fine-tune and 3dmae-rc" in row["why"]


@pytest.mark.parametrize(
    "other",
    [{"protocol": "linear"}, {"modality": "s2"}, {"metric": "macro_map"}, {"label_fraction": 0.1},
     {"dataset": "elsewhere"}, {"experiment": "two"}],
)  # fmt: skip
def test_only_cells_of_the_claim_and_of_one_another_count(other: dict[str, Any]) -> None:
    cells = cell("a", [0.9, 0.9]), cell("b", [0.1, 0.2], **other)
    (row,) = judged(MASKED_RC, *cells, a="3dmae-3dm", b="3dmae-rc")
    assert row["verdict"] == "not run" and row["why"]


@pytest.mark.parametrize(("places", "verdict"), [("series rgb", "not run"), ("near rgb", "holds")])
def test_sampling_of_places_is_told_by_other_places_alone(places: str, verdict: str) -> None:
    """Two rows of one collection differ in something else, whatever their names."""
    how = {"modality": "rgb", "protocol": "linear", "metric": "accuracy", "task": "single-label"}
    cells = (
        cell("a", [0.9, 0.9, 0.91], pretrain_data=places, **how),
        cell("b", [0.1, 0.1, 0.1], pretrain_data="series rgb", **how),
    )
    facts = study(*cells, a="seco-geo", b="seco").model_dump()
    facts["experiments"]["one"]["published_as"] = "caco-parts-eurosat"
    rows = claims.judge(cells, Facts.model_validate(facts))
    (row,) = (one for one in rows if one["claim"] == "Geographical sampling improves SeCo (EuroSAT)")
    assert row["verdict"] == verdict
    assert row["why"].startswith("no two such rows differ") == (verdict == "not run")


def test_sides_may_differ_in_modality() -> None:
    cells = cell("a", [0.6, 0.7, 0.8]), cell("a", [0.5, 0.6, 0.69], modality="s2")
    (row,) = judged(BOTH, *cells, a="3dmae-3dm")
    assert (row["verdict"], row["published"]) == ("holds", 0.2)
    assert "S1+S2" in row["better"] and "S2," in row["than"]


def test_a_twin_is_no_published_row() -> None:
    """It is the same network without pretraining, at the share of the labels that the claim is of."""
    few = {"label_fraction": 0.01}
    cells = [cell("a", [0.6, 0.7, 0.8], **few), cell("d", [0.5, 0.6, 0.69], **few)]
    whole = [cell("a", [0.1, 0.1, 0.1]), cell("d", [0.5, 0.5, 0.5])]
    (row,) = judged(SCRATCH, *cells, *whole, a="3dmae-3dm")
    assert (row["verdict"], row["published"]) == ("holds", None)
    assert row["than"].startswith("the same network without pretraining: D")
    assert row["points"] == pytest.approx(100 * 0.31 / 3, abs=1e-4)


def test_fewer_labels_than_the_other_side() -> None:
    """At every smaller share that was run, against all labels; not against as few."""
    maps = {"experiment": "maps", "task": "segmentation", "modality": "s1", "metric": "iou",
            "class": "macro avg"}  # fmt: skip
    mine = [
        cell("a", [0.6 + share, 0.61 + share, 0.6], label_fraction=share, **maps) for share in (0.1, 0.5, 1.0)
    ]
    others = [
        cell("d", [0.9 if share == 1 else 0.1] * 3, label_fraction=share, **maps) for share in (0.1, 1.0)
    ]
    rows = judged(FEWER, *mine, *others, a="stmim-unet", d="swin-unet")
    assert [row["better"].split(", ")[-1] for row in rows] == [
        "10 % of the labels (maps)", "50 % of the labels (maps)",
    ]  # fmt: skip
    assert all("100 % of the labels" in row["than"] for row in rows)
    assert rows[0]["points"] == pytest.approx(100 * (0.7 + 0.71 + 0.6 - 2.7) / 3, abs=1e-3)


def test_a_floor_on_the_better_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """The difference is turned round with its interval; a network frozen as it was drawn is on neither."""
    claim = published.Claim(
        source="s", claim="c", better="floor", than={"table": "STMIM_A_SAR_comparison", "method": "UNet",
                                                      "metric": "IoU", "class": "macro avg"},
    )  # fmt: skip
    monkeypatch.setattr(claims, "claims", lambda: [claim])
    maps = {"experiment": "maps", "modality": "s1", "metric": "iou", "class": "macro avg"}
    cells = (
        cell("d", [0.50, 0.60, 0.70], protocol="supervised", **maps),
        cell("statistics", [0.52, 0.62, 0.73], protocol="floor", **maps),
        cell("d", [0.9, 0.9, 0.9], protocol="frozen", **maps),
    )
    (row,) = judged("c", *cells, d="unet")
    assert row["verdict"] == "holds" and 0 < row["low"] < row["points"] < row["high"]
    assert row["better"].startswith("the best of what needs no network: STATISTICS")
    assert row["better_run"] == "scores/statistics"


def test_differences_that_share_an_encoder_share_its_luck() -> None:
    """Whichever side has it: three runs on one encoder are one draw of it, and have no interval."""
    mine, other = cell("a", [0.6, 0.7, 0.8]), cell("b", [0.5, 0.6, 0.69])
    other.clusters = dict.fromkeys(SEEDS, ("encoder", 0))
    (row,) = judged(MASKED_RC, mine, other, a="3dmae-3dm", b="3dmae-rc")
    assert row["low"] is None and row["verdict"] == "undecided"


def test_evaluations_that_two_experiments_share_are_one_piece_of_evidence() -> None:
    """All labels are in a table of masks and in one of shares of the labels: the luck of one training."""
    one, other = cell("a", [0.6, 0.7, 0.8], config_hash="x"), cell("b", [0.5, 0.6, 0.69], config_hash="y")
    again = [
        cell("a", [0.6, 0.7, 0.8], config_hash="x", experiment="two"),
        cell("b", [0.5, 0.6, 0.69], config_hash="y", experiment="two"),
    ]
    names = {"a": "3dmae-3dm", "b": "3dmae-rc"}
    (row,) = judged(MASKED_RC, one, other, *again, **names)
    assert row["better"].endswith("(one)")
    again[1].about["pretrain_data"] = "elsewhere"
    assert len(judged(MASKED_RC, one, other, *again, **names)) == 2
    again[1].about["pretrain_data"] = "pairs"
    again[1].values[0] = 0.51  # of other code, say
    assert len(judged(MASKED_RC, one, other, *again, **names)) == 2


def test_what_is_shown_without_a_number_is_judged_all_the_same() -> None:
    """By rows that no table of a source has: linear probes with and without aid, and full supervision."""
    how = {"modality": "s1", "metric": "accuracy", "task": "single-label"}
    cells = (
        cell("a", [0.52, 0.62, 0.73], protocol="linear", **how),
        cell("b", [0.50, 0.60, 0.70], protocol="linear", **how),
        cell("d", [0.60, 0.71, 0.82], **how),
    )
    facts = study(*cells, a="sar-optical", b="sar-instance", d="sar-supervised").model_dump()
    facts["experiments"]["one"]["published_as"] = "optical-aid"
    rows = {row["claim"]: row for row in claims.judge(cells, Facts.model_validate(facts))}
    assert (rows[AID]["verdict"], rows[SUPERVISED]["verdict"]) == ("holds", "does not hold")
    assert rows[AID]["published"] is None


def test_what_is_measured_as_released_stands_for_the_printed_word() -> None:
    """The mean of batches is what the papers print as mAP; that of the whole set, beside it, is not."""
    how = {"modality": "rgb", "protocol": "linear", "task": "multi-label-batches"}
    cells = [
        cell(name, [level + share for share in (0.1, 0.2, 0.31)], metric=metric, **how)
        for name, metric, level in (
            ("a", "batch_map", 0.1),
            ("b", "batch_map", 0.0),
            ("a", "micro_map", 0.0),
            ("b", "micro_map", 0.1),
        )
    ]
    facts = study(*cells, a="caco", b="seco").model_dump()
    facts["experiments"]["one"] |= {"published_as": "caco-bigearthnet", "headline": "batch_map"}
    rows = claims.judge(cells, Facts.model_validate(facts))
    (row,) = (one for one in rows if one["claim"] == LABELS)
    assert row["points"] == pytest.approx(10)
    assert claims._stands_for("micro_map", "micro_map") == "micro_map"


def test_a_frozen_encoder_as_released_stands_for_the_printed_word() -> None:
    """Batch norms that adapt are held against their like, not against an encoder that stays as it is."""
    how = {"modality": "rgb", "metric": "accuracy", "task": "single-label"}
    cells = [
        cell(name, [level + share for share in (0.1, 0.2, 0.31)], protocol=protocol, **how)
        for name, level in (("a", 0.1), ("b", 0.0))
        for protocol in ("linear", "frozen-adapting")
    ]
    facts = study(*cells, a="caco", b="seco").model_dump()
    facts["experiments"]["one"]["published_as"] = "caco-eurosat"
    rows = claims.judge(cells, Facts.model_validate(facts))
    found = [
        one
        for one in rows
        if one["claim"].startswith("CACo is better than SeCo for scenes (EuroSAT, ResNet-18)")
    ]
    assert [row["points"] for row in found] == [pytest.approx(10)] * 2


def test_claims_are_counted_and_not_their_rows() -> None:
    verdicts = {"x": ["holds", "holds"], "y": ["holds", "undecided"], "z": ["not run"]}
    rows = [
        {"source": "s", "claim": claim, "verdict": one} for claim, found in verdicts.items() for one in found
    ]
    assert claim_rows.counted(rows) == "3 claims: 1 holds, 1 differ by row, 1 not run"


def test_a_doubtful_number_is_printed_with_its_doubt() -> None:
    (row,) = judged("3DMAE (3DM) is better on S1+S2 than DINO-MM")
    assert claim_rows.printed(row)["claim"].endswith("but DINO-MM's code has a linear probe alone)")


def test_a_collapsed_or_cut_side_is_marked() -> None:
    cells = cell("a", [0.6, 0.7]), cell("b", [0.5, 0.5], collapsed=True, converged=False)
    (row,) = judged(MASKED_RC, *cells, a="3dmae-3dm", b="3dmae-rc")
    assert claim_rows.printed(row)["this run"].startswith("+15.0†‡ [")


def test_every_claim_can_be_read_and_stands_on_printed_numbers() -> None:
    """Each is there once; a difference is that of the two numbers as transcribed, and in its favour."""
    found = published.claims()
    assert len({one.claim for one in found}) == len(found) == 88
    assert {one.source for one in found} == {
        "3DMAE and STMIM talk", "SSCL poster", "CACo poster", "CACo paper",
    }  # fmt: skip
    by_claim = {one.claim: one.published() for one in found}
    assert by_claim[MASKED_RM] == pytest.approx(0.944 - 0.937)
    assert by_claim["CACo is better than SeCo for change (OSCD, ResNet-50)"] == pytest.approx(0.5211 - 0.4767)
    assert by_claim["On SAR, STMIM-UNet maps land cover better than UNet"] == pytest.approx(0.58 - 0.55)
    per_cent = "Where only SAR is at hand, pretraining on both modalities is better than on SAR alone"
    assert by_claim[per_cent] == pytest.approx(0.895 - 0.873)
    assert by_claim[SCRATCH] is None
    of_classes = "Fusing both modalities, DualSTMIM-UNet is better than STMIM-UNet on RGB in the class {}"
    assert by_claim[of_classes.format("Others")] == pytest.approx(0.44 - 0.42)
    alike = "3DMAE (3DM) is better on S1 than SatViT-v2, which masks all channels of a place alike"
    assert by_claim[alike] == pytest.approx(0.895 - 0.867)
    assert by_claim["CACo is better than GSSL for change (OSCD, ResNet-18)"] == pytest.approx(0.5029 - 0.4406)
    assert all(difference > 0 for difference in by_claim.values() if difference is not None)


@pytest.mark.parametrize(
    ("columns", "count"),
    [({"table": "OSCD", "method": "CACo"}, 6), ({"table": "OSCD", "method": "Nobody"}, 0)],
)
def test_a_side_that_is_not_one_line(columns: dict[str, str], count: int) -> None:
    with pytest.raises(RevisitError, match=f"{count} lines of the sources have table 'OSCD', method"):
        published.line_of(columns)


@pytest.mark.parametrize(
    "entry",
    [{}, {"better": {"method": "CACo"}}, {"better": "twin", "than": "floor"},
     {"better": {"method": "CACo"}, "than": "twin", "unscored": "why"}],
)  # fmt: skip
def test_a_claim_needs_two_sides_or_a_reason(entry: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"better and than|lacks better or than"):
        published.Claim(source="s", claim="c", **entry)


@pytest.fixture
def written(scores: list[Path], facts: Facts, tmp_path: Path) -> Path:
    """claims.csv of the made-up run, written by the stage."""
    out = {"csv": str(tmp_path / "claims.csv"), "markdown": str(tmp_path / "claims.md")}
    seen = leaks.to_csv([{**dict.fromkeys(leaks.COLUMNS), **SEEN}])
    (tmp_path / "leaks.csv").write_text(seen)
    inputs = {"scores": [str(one) for one in scores], "leaks": str(tmp_path / "leaks.csv")}
    job = Job("revisit.report.claims", {}, inputs, out, facts.content())
    job.write(tmp_path / "job.json")
    assert run_file(tmp_path / "job.json") == 0
    return tmp_path / "claims.csv"


def test_the_stage_writes_what_can_be_read_back(written: Path) -> None:
    """Both files have every claim; what was tried is in the CSV with its rows, marked where it collapsed."""
    rows = claim_rows.read_claims(written)
    assert {row["claim"] for row in rows} == {one.claim for one in published.claims()}
    (row,) = [row for row in rows if row["claim"] == MASKED_RC]
    assert (row["points"], row["low"], row["verdict"]) == (pytest.approx(8.0), pytest.approx(8.0), "holds")
    assert (row["better_code_version"], row["than_cpu_hours"]) == ("1.0", "0.5")
    assert row["collapsed"] is True and row["better_run"].endswith("3dmae-3dm/s1+s2/fine-tune/labels1")
    assert row["leaked"] is True
    text = written.with_suffix(".md").read_text()
    assert f"| {MASKED_RC} | 3DMAE and STMIM talk | +0.3 | +8.0†§ [+8.0, +8.0] | holds |" in text
    assert claim_rows.counted(rows) in text


def test_what_was_not_tried_is_apart_on_the_page(written: Path) -> None:
    shown = claim_rows.Shown.of([written])
    assert shown is not None and claim_rows.Shown.of([]) is None
    verdicts = [{row["verdict"] for row in rows} for rows in (shown.tried, shown.others)]
    assert "not run" not in verdicts[0] and verdicts[1] == {"not run"}
    assert len(list(itertools.chain(shown.tried, shown.others))) >= 88
