"""Protects what an experiment takes from another instead of training it again: all but its own name."""

from collections.abc import Callable
from pathlib import Path

from revisit.evaluation.trained_model import load_model
from revisit.files import read_json
from revisit.job import Job
from revisit.stage import run_file

from .test_trained_model import scene_run


def test_it_is_the_same_under_its_own_name(
    pairs: Path, vits: list[Path], evaluate: Callable[..., int], tmp_path: Path
) -> None:
    """Scores, predictions, weights and their card."""
    assert evaluate(pairs, vits[:1], tmp_path / "first.json", scene_run()) == 0
    first = {
        "score": tmp_path / "first.json",
        "predictions": tmp_path / "first.npz",
        "weights": tmp_path / "first.model" / "model.safetensors",
        "card": tmp_path / "first.model" / "card.json",
    }
    second = {name: tmp_path / "second" / path.name for name, path in first.items()}
    names = {"experiment": "second", "method": "other", "modality": "s1", "protocol": "fine-tune"}
    job = Job(
        "revisit.evaluation.evaluate",
        names,
        {"patches": str(pairs), "encoders": [str(vits[0])], "same": [str(path) for path in first.values()]},
        {name: str(path) for name, path in second.items()},
    )
    job.write(tmp_path / "job.json")
    assert run_file(tmp_path / "job.json") == 0
    made, taken = read_json(first["score"]), read_json(second["score"])
    assert taken.pop("same_as") == str(first["score"])
    assert taken["columns"] == made["columns"] | names
    assert {**taken, "columns": None} == {**made, "columns": None}
    for name in ("predictions", "weights"):
        assert second[name].read_bytes() == first[name].read_bytes()
    model = load_model(second["weights"])
    assert model.card["experiment"] == "second" and model.card["method"] == "other"
