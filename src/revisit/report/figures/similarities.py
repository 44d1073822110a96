"""How alike an encoder finds the years of a place: one matrix per place, and one between places."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from revisit import files
from revisit.errors import RevisitError
from revisit.report.drawing import Drawing
from revisit.report.facts import Facts
from revisit.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLACES = 4


def draw(paths: Sequence[Path], facts: Facts, out: Path) -> None:
    """Cosine similarities as heat maps, all places' years on one colour scale, the places on their own."""
    (matrices,) = paths
    content = files.read_json(matrices)
    if missing := [key for key in ("places", "between_places") if key not in content]:
        raise RevisitError(f"{matrices}: key {missing[0]!r} is missing; rerun the similarity")
    places = content["places"][:PLACES]
    of_years = [np.asarray(place["matrix"], float) for place in places]
    between = np.asarray(content["between_places"], float)
    with style.figure(out, 2.4 * (len(places) + 1) + 1.0, 2.7) as figure:
        axes = figure.subplots(1, len(places) + 1)
        lowest = min(float(matrix.min()) for matrix in of_years)
        for number, (panel, place, matrix) in enumerate(zip(axes, places, of_years, strict=False)):
            image = panel.imshow(matrix, vmin=lowest, vmax=1, cmap="viridis")
            panel.set_title(f"#{number + 1}: {place['region']}, place {place['position']}")
            _ticks(panel, [str(year) for year in place["years"]])
        figure.colorbar(image, ax=axes[:-1], label="cosine similarity", pad=0.01, shrink=0.8)
        image = axes[-1].imshow(between, vmax=1, cmap="cividis")
        axes[-1].set_title("different places")
        _ticks(axes[-1], [f"#{number + 1}" for number in range(len(between))])
        figure.colorbar(image, ax=axes[-1], shrink=0.8)


def _ticks(axes: "Axes", labels: list[str]) -> None:
    axes.set_xticks(range(len(labels)), labels, rotation=90)
    axes.set_yticks(range(len(labels)), labels)
    axes.grid(False)


FIGURE = Drawing(
    per="encoder",
    source="similarity",
    title="Similarity over the years",
    section="pretraining",
    caption="Cosine similarity of pooled features: between the years of a place, and between places.",
    applies=lambda facts: facts.encoders[0].kind == "yearly" and not facts.encoders[0].baseline,
    draw=draw,
)
