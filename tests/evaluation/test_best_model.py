"""Protects the choice of the best model: by validation, never by the test split."""

import json
from pathlib import Path
from typing import Any

import pytest

from revisit.errors import RevisitError
from revisit.evaluation.best_model import choose


def model(folder: Path, validation: float, **changes: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(folder.name.encode())
    card = {
        "method": folder.name, "modality": "s1", "protocol": "fine-tune", "label_fraction": 1.0, "seed": 0,
        "metric": "miou", "classes": ["a", "b"], "validation": validation,
    }  # fmt: skip
    (folder / "card.json").write_text(json.dumps(card | changes))
    return folder


def chosen(folders: list[Path], out: Path) -> tuple[bytes, dict[str, Any]]:
    files = [[folder / name for folder in folders] for name in ("model.safetensors", "card.json")]
    choose(*files, out / "model.safetensors", out / "card.json")
    return (out / "model.safetensors").read_bytes(), json.loads((out / "card.json").read_text())


def test_the_best_on_validation_is_taken_with_its_card(tmp_path: Path) -> None:
    rivals = [model(tmp_path / name, score) for name, score in (("low", 0.4), ("high", 0.7), ("same", 0.7))]
    weights, card = chosen(rivals, tmp_path / "out")
    assert weights == b"high" and card["method"] == "high"
    assert [(one["method"], one["validation"]) for one in card["chosen_from"]] == [
        ("low", 0.4), ("high", 0.7), ("same", 0.7),
    ]  # fmt: skip


def test_the_best_of_the_best_names_all_it_was_chosen_from(tmp_path: Path) -> None:
    seeds = [model(tmp_path / "row" / f"seed{seed}", 0.5 + 0.1 * seed, seed=seed) for seed in (0, 1)]
    chosen(seeds, tmp_path / "best-seed")
    weights, card = chosen([model(tmp_path / "other", 0.55), tmp_path / "best-seed"], tmp_path / "out")
    assert weights == b"seed1" and card["seed"] == 1
    assert [one["validation"] for one in card["chosen_from"]] == [0.55, 0.5, 0.6]


@pytest.mark.parametrize("other", [{"metric": "f1"}, {"classes": ["a", "c"]}])
def test_what_cannot_be_compared_is_not(tmp_path: Path, other: dict[str, Any]) -> None:
    rivals = [model(tmp_path / "one", 0.4), model(tmp_path / "two", 0.7, **other)]
    with pytest.raises(RevisitError, match=f"two/card.json: its {next(iter(other))} are not those of"):
        chosen(rivals, tmp_path / "out")
