"""Guards the answer users came for: how much pretraining gained, with an interval that pairing earns."""

import numpy as np
import pytest

from revisit.evaluation.columns import COLUMNS
from revisit.report.paired import gains as paired
from revisit.report.score_files import Cell, Places

METHODS = ("scratch", "random", "3dmae-rm", "swin-unet", "stmim-unet", "prior", "statistics")


def gains(cells: list[Cell], headline: str = "micro_map") -> list[dict]:
    """The gains over the same network without pretraining."""
    found = paired(cells, {"masking": headline}, METHODS)
    return [row for row in found if row["metric"].endswith("_gain")]


def run(method: str, values: list[float], **other: object) -> Cell:
    about = {
        "experiment": "masking",
        "task": "multi-label",
        "dataset": "pairs",
        "method": method,
        "encoder": "vit",
        "pretrain_data": "pairs" if method in ("3dmae-rm", "stmim-unet") else "none",
        "modality": "s1",
        "protocol": "linear",
        "label_fraction": 0.1,
        "label_count": None,
        "class": "all",
        "metric": "micro_map",
    }
    seeds = range(len(values))
    return Cell(about | other, dict(zip(seeds, values, strict=True)), {seed: seed for seed in seeds})


def test_pairing_sees_what_the_intervals_of_the_scores_hide() -> None:
    """Seeds differ by 0.2, the methods by 0.02 to 0.03 with every seed: the gain is sure."""
    (gain,) = gains([run("3dmae-rm", [0.52, 0.62, 0.73]), run("scratch", [0.5, 0.6, 0.7])])
    assert (gain["metric"], gain["method"], gain["seeds"]) == ("micro_map_gain", "3dmae-rm", 3)
    assert gain["value"] == pytest.approx(0.07 / 3)
    assert gain["ci_low"] == pytest.approx(0.07 / 3 - 4.302653 * 0.00577350 / 3**0.5, abs=1e-6)
    assert gain["ci_low"] > 0
    assert gain["published"] is None and list(gain) == list(COLUMNS)


def test_a_loss_is_below_zero() -> None:
    (loss,) = gains([run("3dmae-rm", [0.3, 0.5]), run("scratch", [0.5, 0.6])])
    assert loss["value"] == pytest.approx(-0.15)
    assert loss["ci_low"] < -0.15


@pytest.mark.parametrize(
    "other",
    [{"encoder": "larger"}, {"modality": "s2"}, {"protocol": "fine-tune"}, {"label_fraction": 1.0},
     {"dataset": "elsewhere"}, {"label_fraction": None, "label_count": 200}],
)  # fmt: skip
def test_only_the_same_network_on_the_same_task_counts(other: dict) -> None:
    assert gains([run("3dmae-rm", [0.6, 0.7]), run("scratch", [0.5, 0.6], **other)]) == []


def test_the_way_of_training_may_have_two_names() -> None:
    """The land-cover tables call training without pretraining supervised, with it fine-tune."""
    segmentation = {"task": "segmentation", "metric": "miou"}
    (gain,) = gains(
        [
            run("stmim-unet", [0.6, 0.7], protocol="fine-tune", **segmentation),
            run("swin-unet", [0.5, 0.6], protocol="supervised", pretrain_data="none", **segmentation),
        ],
        headline="miou",
    )
    assert (gain["metric"], gain["value"]) == ("miou_gain", pytest.approx(0.1))


def test_seeds_without_a_partner_and_other_metrics_are_left_out() -> None:
    (gain,) = gains(
        [
            run("3dmae-rm", [0.6]),
            run("3dmae-rm", [0.1], metric="macro_map"),
            run("scratch", [0.5, 0.1]),
            run("scratch", [0.2], metric="macro_map"),
        ]
    )
    assert (gain["value"], gain["ci_low"], gain["seeds"]) == (pytest.approx(0.1), None, 1)


def test_of_several_counterparts_the_first_of_the_config() -> None:
    """The config's order decides, not the order of files or of names."""
    rows = [run("random", [0.1, 0.1]), run("scratch", [0.5, 0.5]), run("3dmae-rm", [0.6, 0.6])]
    (gain,) = gains(rows)
    assert gain["value"] == pytest.approx(0.1)
    found = paired(rows, {"masking": "micro_map"}, ("random", "scratch", "3dmae-rm"))
    assert [row["value"] for row in found if row["metric"].endswith("_gain")] == [pytest.approx(0.5)]


def test_runs_that_share_an_encoder_are_not_counted_twice() -> None:
    """Two evaluations of one pretraining tell nothing of its luck: no interval."""
    mine = run("3dmae-rm", [0.6, 0.7])
    mine.clusters = {0: "encoder 0", 1: "encoder 0"}
    (gain,) = gains([mine, run("scratch", [0.5, 0.5])])
    assert (gain["value"], gain["ci_low"], gain["seeds"]) == (pytest.approx(0.15), None, 2)


def over_floor(cells: list[Cell]) -> dict[str, dict]:
    found = paired(cells, {"masking": "micro_map"}, METHODS)
    return {row["method"]: row for row in found if row["metric"] == "micro_map_over_floor"}


def test_networks_are_held_against_the_best_floor() -> None:
    """Of the prior, the statistics and a frozen random network that of the highest mean; floors are not."""
    cells = [
        run("3dmae-rm", [0.6, 0.8]),
        run("scratch", [0.5, 0.6]),  # a linear probe of untrained features
        run("scratch", [0.7, 0.7], protocol="fine-tune"),
        run("prior", [0.2, 0.2], protocol="floor", encoder="none"),
        run("statistics", [0.55, 0.65], protocol="floor", encoder="none"),
    ]
    found = over_floor(cells)
    assert set(found) == {"3dmae-rm", "scratch"}
    assert found["3dmae-rm"]["value"] == pytest.approx(0.1)
    assert (found["scratch"]["protocol"], found["scratch"]["value"]) == ("fine-tune", pytest.approx(0.1))


def test_a_floor_that_draws_nothing_stands_for_all_seeds() -> None:
    """With all labels it has one run; with few its seeds are others' labels and must pair."""
    whole = {"label_fraction": 1.0}
    floor = run("statistics", [0.5], protocol="floor", encoder="none", **whole)
    assert over_floor([run("3dmae-rm", [0.6, 0.7, 0.8], **whole), floor])["3dmae-rm"]["seeds"] == 3
    floor = run("statistics", [0.5], protocol="floor", encoder="none")
    assert over_floor([run("3dmae-rm", [0.6, 0.7, 0.8]), floor])["3dmae-rm"]["seeds"] == 1


def test_both_sensors_are_held_against_the_better_alone() -> None:
    """Of the same method, learning and labels: whether radar and optical complement each other."""
    cells = [
        run("3dmae-rm", [0.5, 0.6], modality="s1"),
        run("3dmae-rm", [0.6, 0.7], modality="s2"),
        run("3dmae-rm", [0.62, 0.74], modality="s1+s2"),
        run("3dmae-rm", [0.9, 0.9], modality="s2", label_fraction=1.0),
        run("scratch", [0.8, 0.8], modality="s2"),
        run("statistics", [0.4, 0.4], protocol="floor", encoder="none", modality="s1"),
        run("statistics", [0.5, 0.4], protocol="floor", encoder="none", modality="s1+s2"),
        run("prior", [0.2, 0.1], protocol="floor", encoder="none", modality="s1"),
        run("prior", [0.2, 0.1], protocol="floor", encoder="none", modality="s1+s2"),  # sees no image
    ]
    found = paired(cells, {"masking": "micro_map"}, METHODS)
    fused = {row["method"]: row for row in found if row["metric"] == "micro_map_over_fewer"}
    assert set(fused) == {"3dmae-rm", "statistics"}
    assert (fused["3dmae-rm"]["modality"], fused["3dmae-rm"]["seeds"]) == ("s1+s2", 2)
    assert fused["3dmae-rm"]["value"] == pytest.approx(0.03)
    assert fused["statistics"]["value"] == pytest.approx(0.05)


def test_rows_of_other_cubes_are_held_against_the_first() -> None:
    """Run by run, where both were tested on the same ground; of a row that was not nothing is said."""
    usual, ground = {"protocol": "supervised", "dataset": "maps"}, Places(30, "here")
    cells = [
        run("scratch", [0.5, 0.6, 0.7], **usual),
        run("random", [0.52, 0.62, 0.73], **usual | {"dataset": "unmasked"}),
        run("3dmae-rm", [0.1, 0.2, 0.3], **usual | {"dataset": "unaligned"}),
        run("swin-unet", [0.1, 0.2, 0.3], **usual | {"dataset": "unaligned", "encoder": "larger"}),
    ]
    for cell in cells:
        cell.places = Places(30, "there") if cell.about["method"] == "3dmae-rm" else ground
        cell.resampled = {seed: np.full(1000, value) for seed, value in cell.values.items()}
    found = paired(cells, {"masking": "micro_map"}, METHODS)
    (row,) = [row for row in found if row["metric"] == "micro_map_over_first"]
    assert (row["method"], row["dataset"], row["seeds"]) == ("random", "unmasked", 3)
    assert row["value"] == pytest.approx(0.07 / 3) and row["ci_low"] > 0
    assert row["test_ci_low"] == pytest.approx(0.07 / 3) and row["test_places"] == 30


def test_every_network_is_held_against_the_best_of_its_setting() -> None:
    """Floors may be it; the best itself is 0, without an interval; alone nothing is said."""
    cells = [
        run("3dmae-rm", [0.6, 0.8]),
        run("scratch", [0.5, 0.6]),
        run("statistics", [0.5, 0.5], protocol="floor", encoder="none"),
        run("3dmae-rm", [0.4, 0.4], protocol="knn"),
        run("random", [0.9, 0.9], label_fraction=1.0),
    ]
    rows = paired(cells, {"masking": "micro_map"}, METHODS)
    found = {(row["method"], row["protocol"]): row for row in rows if row["metric"] == "micro_map_under_best"}
    assert {name: round(row["value"], 6) for name, row in found.items()} == {
        ("3dmae-rm", "linear"): 0,
        ("scratch", "linear"): -0.15,
        ("3dmae-rm", "knn"): -0.1,  # below the floor
    }
    assert found["3dmae-rm", "linear"]["ci_low"] is None
    assert found["scratch", "linear"]["ci_low"] < -0.15 < found["scratch", "linear"]["ci_high"]
