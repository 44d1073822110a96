"""What figures alone are drawn from, and what matplotlib was told to draw."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from revisit.report.facts import Facts

CLASSES = ("Build-up", "Cropland", "Water", "Others")
COLOURS = ("#e8262a", "#f096ff", "#0064c8", "#b9cf9a")
BANDS = {"s1": ("vv", "vh"), "rgb": ("red", "green", "blue")}


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures drawn, as matplotlib has them: their axes tell what a reader sees."""
    found: list[Figure] = []
    real = Figure.savefig

    def savefig(figure: Figure, *args: Any, **options: Any) -> None:
        real(figure, *args, **options)
        found.append(figure)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return found


def scene(rng: np.random.Generator, bands: int, pixels: int) -> np.ndarray:
    """A smooth standardised image (band, y, x) with some texture."""
    y, x = np.mgrid[:pixels, :pixels] / pixels * 2 * np.pi
    base = [np.sin(x * rng.uniform(0.5, 2) + b) * np.cos(y * rng.uniform(0.5, 2)) for b in range(bands)]
    return (np.stack(base) + 0.1 * rng.standard_normal((bands, pixels, pixels))).astype(np.float32)


@pytest.fixture
def reconstruction(tmp_path: Path) -> Callable[[tuple[str, ...], Iterable[int]], Path]:
    """Write a reconstruction.npz of these bands: a series where years are given."""

    def make(bands: tuple[str, ...], years: Iterable[int] = ()) -> Path:
        rng, years = np.random.default_rng(0), list(years)
        shape = (4, len(years), len(bands)) if years else (4, len(bands))
        images = np.stack([scene(rng, len(bands), 32) for _ in range(int(np.prod(shape[:-1])))])
        images = images.reshape(*shape, 32, 32)
        seen = np.kron(rng.random((8, 8)) < 0.25, np.ones((4, 4)))
        path = tmp_path / f"reconstruction{len(years)}.npz"
        arrays = {"input": images, "masked": images * seen, "reconstruction": 0.9 * images}
        data = np.ones(images.shape, bool)
        data[0, ..., :4, :4] = False
        np.savez(path, bands=np.array(bands), times=np.array(years, np.int64), data=data, **arrays)
        return path

    return make


@pytest.fixture
def predictions(tmp_path: Path, facts: Facts) -> list[Path]:
    """Predictions of all land-cover runs on the same six places."""
    rng = np.random.default_rng(1)
    field = np.stack([scene(rng, 1, 48)[0] for _ in range(6)])
    label = np.digitize(field, (-0.5, 0.1, 0.6)).astype(np.uint8)
    label[:, :3, :6] = 255
    paths = []
    for run in facts.of_experiment("land-cover").runs:
        wrong = rng.random(label.shape) < 0.1
        bands = [band for part in run.modality.split("+") for band in BANDS[part]]
        image = np.stack([scene(rng, len(bands), 48) for _ in range(6)]) + field[:, None]
        path = tmp_path / f"scores/land-cover/{run.method}/{run.modality}/{run.protocol}.npz"
        path.parent.mkdir(parents=True)
        np.savez(
            path,
            image=np.uint8(np.clip(40 * image + 128, 0, 255)),
            bands=np.array(bands),
            label=label,
            prediction=np.where(wrong, rng.integers(0, 4, label.shape), label % 4).astype(np.uint8),
            classes=np.array(CLASSES),
            colours=np.array(COLOURS),
        )
        paths.append(path)
    return paths


@pytest.fixture
def similarity(tmp_path: Path) -> Path:
    """similarity.json of four places in eight years, farther apart the fainter."""
    years = list(range(2015, 2023))
    apart = np.abs(np.subtract.outer(years, years))
    places = [
        {
            "sample": 7 * p,
            "region": "plain",
            "position": 3 * p,
            "years": years,
            "matrix": (1 - 0.002 * (1 + p) * apart).tolist(),
        }
        for p in range(4)
    ]
    between = (1 - 0.05 * np.abs(np.subtract.outer(range(4), range(4)))).tolist()
    path = tmp_path / "similarity.json"
    path.write_text(json.dumps({"places": places, "between_places": between}))
    return path
