"""Protects the maps on the page: which model made them and why that one, every region beside its truth."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from revisit.errors import RevisitError
from revisit.report import region_maps
from revisit.report.facts import Facts
from revisit.report.pictures import Picture, place

REGIONS = [f"region{number}" for number in range(14)]
RIVALS = [{"method": "unet", "validation": 0.5}, {"method": "stmim-unet", "validation": 0.6125}]


@pytest.fixture
def card(tmp_path: Path) -> Path:
    path = tmp_path / "models/land-cover/card.json"
    path.parent.mkdir(parents=True)
    chosen = {
        "experiment": "land-cover", "method": "stmim-unet", "modality": "s1", "protocol": "fine-tune",
        "seed": 3, "metric": "miou", "validation": 0.6125, "chosen_from": RIVALS,
    }  # fmt: skip
    path.write_text(json.dumps(chosen))
    return path


@pytest.fixture
def study() -> Facts:
    run = {
        "modality": "s1",
        "protocol": "fine-tune",
        "pretrained": True,
        "recipe": "r",
        "task": "segmentation",
    }
    runs = [{**run, "experiment": "land-cover", "method": "stmim-unet", "title": "STMIM-UNet"}]
    about = {"task": "segmentation", "title": "Land cover", "headline": "miou", "label_fractions": [1.0]}
    return Facts.model_validate({"runs": runs, "experiments": {"land-cover": about}})


def pictured(tmp_path: Path) -> dict[Path, Picture]:
    """Pictures of all regions as the page places them, and one of another experiment."""
    paths = [tmp_path / f"maps/land-cover/{name}.png" for name in REGIONS]
    paths.append(tmp_path / "maps/other/region0.png")
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (900, 400)).save(path)
    sources = {str(path.relative_to(tmp_path)): region_maps.source(path) for path in paths}
    shown = place(sources, tmp_path / "report.html", tmp_path / "aside", tmp_path / "report_files", 1)
    return {path: shown[str(path.relative_to(tmp_path))] for path in paths}


def test_how_the_model_was_chosen_is_said(card: Path, study: Facts, tmp_path: Path) -> None:
    (maps,) = region_maps.of_experiments([card], pictured(tmp_path), study)
    assert maps.title == "Land cover"
    assert maps.by.startswith(
        "By STMIM-UNet on S1 (whole network trained, seed 3): of 2 networks the one with the highest mIoU on "
        "the validation split, 61.3 %; the test split had no say."
    )
    assert list(maps.regions) == REGIONS
    assert all(picture.original == f"maps/land-cover/{name}.png" for name, (picture,) in maps.regions.items())
    card.write_text(json.dumps(json.loads(card.read_text()) | {"chosen_from": RIVALS[:1]}))
    (maps,) = region_maps.of_experiments([card], {}, study)
    assert "seed 3): the only network of the experiment." in maps.by


def test_a_card_of_another_layout_is_refused(card: Path, study: Facts) -> None:
    content: dict[str, Any] = json.loads(card.read_text())
    card.write_text(json.dumps({key: value for key, value in content.items() if key != "chosen_from"}))
    with pytest.raises(RevisitError, match="key 'chosen_from' is missing; choose the best model again"):
        region_maps.of_experiments([card], {}, study)
