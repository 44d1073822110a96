"""Protects the picture of a collection: what is seen is what is stored, and the legend says what it is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from revisit.patches import montage
from revisit.patches.store import PARTS, PatchStore


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures saved, to look into."""
    figures: list[Figure] = []
    monkeypatch.setattr(montage, "save", lambda figure, path: figures.append(figure))
    return figures


def test_samples_of_all_parts_with_their_classes(pair_store: PatchStore, drawn, tmp_path: Path) -> None:
    montage.montage(pair_store.path, tmp_path / "m.png")
    (figure,) = drawn
    panels = np.reshape([axes for axes in figure.axes if axes.images], (3, -1))
    titles = [axes.get_title() for axes in panels[0]]
    assert list(dict.fromkeys(titles)) == list(PARTS)
    assert [axes.get_ylabel() for axes in panels[:, 0]] == [
        "sentinel-1\nVV, VH, VV − VH",
        "sentinel-2\nred, green, blue",
        "land cover",
    ]
    sample = int(pair_store.indices("train")[0])
    stored = pair_store.images(np.array([sample]), ["red", "green", "blue"], 0)[0]
    np.testing.assert_array_equal(panels[1, 0].images[0].get_array(), np.moveaxis(stored, 0, -1))
    codes = pair_store.land_cover(np.array([sample]))[0]
    colours = {
        0: [255, 255, 255],
        10: [0, 0x64, 0],
        40: [0xF0, 0x96, 0xFF],
        80: [0, 0x64, 0xC8],
        100: [0xFA, 0xE6, 0xA0],
    }
    np.testing.assert_array_equal(
        panels[2, 0].images[0].get_array(), [[colours[code] for code in row] for row in codes.tolist()]
    )
    labels = pair_store.multi_label(np.array([sample]))[0]
    assert panels[2, 0].get_xlabel() == ", ".join(str(n + 1) for n in np.flatnonzero(labels))


def test_legend_names_the_classes_in_the_picture(
    pair_store: PatchStore, drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Colours are WorldCover's; a class of the collection has the number that stands below its samples."""
    monkeypatch.setattr(montage, "SAMPLES", 16)
    montage.montage(pair_store.path, tmp_path / "m.png")
    (legend,) = drawn[0].legends
    entries = {
        text.get_text(): patch.get_facecolor()
        for text, patch in zip(legend.get_texts(), legend.get_patches(), strict=True)
    }
    assert list(entries)[:1] == ["no label"]
    assert {"1 Tree cover", "2 Cropland", "3 Permanent water"} <= set(entries)
    np.testing.assert_allclose(entries["3 Permanent water"][:3], np.array([0, 0x64, 0xC8]) / 255)


def test_without_labels(cubes: Any, drawn, tmp_path: Path) -> None:
    """A collection without land cover has a picture too, of the year it is asked for."""
    store = cubes.collect(tmp_path, cubes.entry("yearly"), labels=[])
    montage.montage(store.path, tmp_path / "m.png")
    texts = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert texts == ["no label"]
    assert any(axes.get_ylabel().endswith("2020") for axes in drawn[0].axes)
