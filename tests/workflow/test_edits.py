"""Protects reruns after an edit: the stages it concerns run again, all of them and no others."""

import os

import pytest

pytestmark = pytest.mark.slow

REPORT = {"scores", "tables", "gains", "claims", "table", "figure", "page", "all"}
MAPS = {"best_model", "predict"}


def test_an_edit_of_a_method_pretrains_that_method_and_what_follows(restored):
    restored.append("src/revisit/methods/mae3d.py", "\nX = 1\n")
    planned = restored.planned()
    assert planned.pop("pretrain_reconstructing") == 1
    assert planned.pop("evaluate") == 2  # its fine-tunings, and below its probes
    assert planned.pop("embed") == planned.pop("probe") == 1
    assert set(planned) <= REPORT


def test_an_edit_of_a_metric_evaluates_again_and_trains_nothing(restored):
    restored.append("src/revisit/evaluation/outcome.py", "\nX = 1\n")
    planned = restored.planned()
    assert (planned["evaluate"], planned["probe"], planned["floor"]) == (7, 5, 6)
    assert "embed" not in planned
    assert not {"pretrain", "pretrain_reconstructing", "tile", "stack"} & set(planned)


def test_an_edit_of_a_task_evaluates_that_task(restored):
    restored.append("src/revisit/evaluation/tasks/segmentation.py", "\nX = 1\n")
    planned = restored.planned()
    assert (planned["evaluate"], planned["floor"]) == (3, 4)
    assert "probe" not in planned


NOTHING = [
    ("src/revisit/methods/mae3d.py", '"""3DMAE', '"""Another word. 3DMAE'),
    ("src/revisit/cube/stacking/stack.py", "def stack(", "# A comment.\ndef stack("),
    ("src/revisit/training/settings.py", '"""Number of updates;', '"""How many updates;'),
    ("study.yaml", "seed: 1", "seed: 1   # a comment"),
    ("study.yaml", "train: 0.6, val: 0.2,", "val: 0.2, train: 0.6,"),
]


def test_comments_times_and_another_order_rerun_nothing(restored):
    for path in restored.folder.joinpath("src").rglob("*.py"):
        os.utime(path)
    for edit in NOTHING:
        restored.edit(*edit)
    assert restored.planned() == {}


def test_a_title_reruns_tables_and_figures_alone(restored):
    restored.edit("study.yaml", "title: STMIM-UNet", "title: Another")
    assert set(restored.planned()) <= REPORT


def test_a_region_added_builds_its_own_products_and_what_trains_on_its_collections(restored):
    restored.edit(
        "study.yaml", "regions:\n", "regions:\n  north: {bbox: [9.1000, 60.4001, 9.1400, 60.4200]}\n"
    )
    planned = restored.planned()
    assert planned["archive"] == planned["labels"] == 1
    assert planned["search"] == 3 and planned["download"] == 7
    assert planned["stack"] == planned["coregister"] == planned["scale"] == 2
    assert not {"moments", "limits"} & set(planned)  # pinned to the regions that were there
    assert planned["tile"] == planned["index"] == 2


def test_a_setting_of_one_experiment_leaves_the_other_alone(restored):
    restored.edit("study.yaml", "max_steps: 10,", "max_steps: 11,")
    planned = restored.planned()
    assert planned.pop("evaluate") == 3
    assert set(planned) <= REPORT | MAPS


def test_an_edit_of_how_regions_are_mapped_maps_them_again_and_trains_nothing(restored):
    restored.append("src/revisit/prediction/blend.py", "\nX = 1\n")
    planned = restored.planned()
    assert planned.pop("predict") == 2
    assert set(planned) <= {"page", "all"}


def test_one_more_seed_evaluates_only_itself(restored):
    restored.edit("study.yaml", "seeds: [0, 1]\n    fine_tune", "seeds: [0, 1, 2]\n    fine_tune")
    planned = restored.planned()
    assert planned.pop("evaluate") == 2
    assert set(planned) <= REPORT


def test_one_more_share_of_the_labels_evaluates_only_itself(restored):
    few = "label_fractions: [1.0]\n    seeds: [0, 1]\n    fine_tune"
    restored.edit("study.yaml", few, few.replace("[1.0]", "[0.5, 1.0]"))
    planned = restored.planned()
    assert planned.pop("evaluate") == 4
    assert planned.pop("probe") == planned.pop("floor") == 2  # of these all repeats of a run are one job
    assert set(planned) <= REPORT


def test_another_study_beside_it_shares_nothing(restored):
    planned = restored.planned("--config", "study=other")
    restored.edit("study.yaml", "seed: 1\n", "seed: 1\nstudy: other\n")
    assert restored.planned() == planned
    assert planned["archive"] == 2 and planned["tile"] == 4
