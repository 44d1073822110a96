"""Protects single-label scenes: a patch has the class that covers most of it; scores are the textbook's."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from revisit.errors import RevisitError
from revisit.evaluation.task import Data
from revisit.evaluation.tasks.single_label import TASK
from revisit.patches.store import PatchStore

SIDE, BANDS = 16, {"sentinel-1": 2, "sentinel-2": 3}  # as the collections of these tests have them
CODES = [10, 40, 80]
SAMPLES = 60
exactly = partial(pytest.approx, rel=1e-9, abs=1e-9)


@pytest.fixture
def arrays() -> dict[str, Any]:
    """Patches of which a main class covers some rows more than the next one does; the last two show none."""
    random = np.random.default_rng(0)
    main = random.integers(0, 3, SAMPLES)
    cover = np.zeros((SAMPLES, SIDE, SIDE), np.uint8)
    cover[:, : SIDE // 2] = np.array(CODES)[(main + 1) % 3][:, None, None]
    cover[:, SIDE // 2 - 1 :] = np.array(CODES)[main][:, None, None]
    cover[-1], cover[-2] = 0, 95
    return {
        "split": np.repeat([0, 1, 2], SAMPLES // 3).astype(np.uint8),
        "land_cover": cover,
        "multi_label": np.ones((SAMPLES, 3), np.uint8),
        "main": main,
        **{sensor: np.zeros((SAMPLES, 1, bands, SIDE, SIDE), np.uint8) for sensor, bands in BANDS.items()},
    }


@pytest.fixture
def made(arrays: dict[str, Any], collected: Callable[..., Path], tmp_path: Path) -> Callable[[], Data]:
    """The data of a collection with these arrays."""

    def make() -> Data:
        given = {name: array for name, array in arrays.items() if name != "main"}
        store = PatchStore(collected(tmp_path, "pairs", given, class_codes=CODES))
        return TASK.data(store, "s1", TASK.Slice())

    return make


def test_a_patch_has_the_class_that_covers_most(arrays, made) -> None:
    """A class outside the collection, and no label at all, leave it out."""
    data = made()
    every = np.concatenate([data.train, data.val, data.test])
    assert every.tolist() == list(range(SAMPLES - 2))
    np.testing.assert_array_equal(data.labels(every).argmax(axis=1), arrays["main"][:-2])
    assert (data.labels(every).sum(axis=1) == 1).all()


def test_scores_are_those_of_the_textbook(arrays, made) -> None:
    """Against another library, on predictions that never say the last class."""
    data = made()
    outputs = np.random.default_rng(1).normal(size=(SAMPLES, 3)).astype(np.float32)
    outputs[:, 2] = -9
    scored = TASK.score(data, lambda indices: outputs[indices])
    truth, said = arrays["main"][data.test], outputs[data.test].argmax(axis=1)
    assert scored.numbers["all"] == {"accuracy": exactly(accuracy_score(truth, said))}
    expected = precision_recall_fscore_support(truth, said, zero_division=0)
    for number, name in enumerate(data.classes):
        found = scored.numbers[name]
        assert [found[metric] for metric in ("precision", "recall", "f1")] == exactly(
            [column[number] for column in expected[:3]]
        )
    assert scored.numbers["macro avg"]["recall"] == exactly(np.mean(expected[1]))
    assert np.sum(scored.record["confusion"]) == len(data.test)
    assert TASK.agreement(data.labels(data.test), outputs[data.test]) == scored.numbers["all"]["accuracy"]
    times = np.random.default_rng(2).poisson(1, (9, len(truth))).astype(np.int32)
    repeated = [accuracy_score(np.repeat(truth, one), np.repeat(said, one)) for one in times]
    np.testing.assert_allclose(scored.reweighted(times), repeated, rtol=0, atol=1e-9)


def test_training_descends_on_one_class_a_scene() -> None:
    outputs = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    labels = torch.tensor([[1, 0, 0], [0, 0, 1]], dtype=torch.uint8)
    expected = (np.log(np.exp(2) + 2) - 2 + np.log(np.e + 2)) / 2
    assert TASK.loss(outputs, labels).item() == pytest.approx(expected, rel=1e-5)


def test_a_part_in_which_no_class_covers_anything_is_named(arrays, made) -> None:
    arrays["land_cover"][arrays["split"] == 1] = 95
    with pytest.raises(RevisitError, match=r"no scene in 'val' that a class covers \(20 samples\)"):
        made()
