"""The guide to adding a method works word by word, outside the package."""

import re
from pathlib import Path

import pytest
import torch
import yaml

from revisit import parts
from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, build_method
from revisit.methods.trial import check_method
from revisit.patches.batch import Batch
from revisit.record import read
from revisit.training.settings import Training

GUIDE = Path(__file__).parents[2] / "docs" / "adding-a-method.md"
OF_THE_ENTRY = ("collection", "modalities", "method")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"{GUIDE}: no block of {language}"
    return found[1]


def test_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "mymethods"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "denoise.py").write_text(block("python"))
    monkeypatch.syspath_prepend(tmp_path)
    entry = yaml.safe_load(block("yaml"))["pretraining"]["methods"]["denoise"]
    training = read(Training, {key: entry[key] for key in entry if key not in OF_THE_ENTRY}, "entry")
    bands = ("vv", "vh", "red")
    data = DataDescription(bands, 32, 3.0, "pairs")
    assert check_method(entry["method"], data, training)["modules"][0] == "mymethods.denoise"
    assert parts.module_of("method", entry["method"]["name"]) == "mymethods.denoise"
    own = build_method(entry["method"], data)
    numbers, present = torch.arange(4), torch.ones(4, 2, dtype=torch.bool)
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    batch = Batch(
        images,
        numbers,
        numbers,
        present.long(),
        present,
        numbers,
        numbers,
        bands,
        ("sentinel-1", "sentinel-2"),
    )
    loss = own.loss(own.views(batch, torch.Generator().manual_seed(0)))["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    for wrong, message in (({"noise": 0}, r"method\.noise"), ({"nois": 1}, "did you mean 'noise'")):
        with pytest.raises(RevisitError, match=message):
            check_method({**entry["method"], **wrong}, data)
