"""What a masked method restores: input, what the encoder saw, and the reconstruction side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revisit.errors import RevisitError
from revisit.report import reading
from revisit.report.drawing import Drawing
from revisit.report.facts import Facts
from revisit.report.figures import style

PARTS = ("input", "masked", "reconstruction")
SAMPLES = 4  # places shown of single dates
SERIES = 2  # places shown of year series, three rows each


def draw(paths: Sequence[Path], facts: Facts, out: Path) -> None:
    """Single dates (n, band, y, x): a row a place. Series (n, time, band, y, x): a column a year.

    Raises RevisitError where the arrays do not fit each other.
    """
    (arrays,) = paths
    content = reading.read_arrays(arrays, (*PARTS, "bands"))
    bands = tuple(str(name) for name in content["bands"])
    images = {part: np.asarray(content[part], np.float32) for part in PARTS}
    shape = images["input"].shape
    for part, array in images.items():
        if array.shape != shape or array.ndim not in (4, 5) or array.shape[-3] != len(bands):
            raise RevisitError(
                f"{arrays}: {part} has the shape {array.shape}, input {shape} with {len(bands)} bands; "
                "rerun the pretraining"
            )
    if len(shape) == 5:
        times = [str(time) for time in content.get("times", np.arange(1, shape[1] + 1))]
        _series(images, bands, times, out)
    else:
        _single(images, bands, out)


def _single(images: dict[str, NDArray[Any]], bands: tuple[str, ...], out: Path) -> None:
    kinds = [style.composite(bands)]
    if "vv" in bands and kinds[0][0] != "VV":
        kinds.append(("VV", [bands.index("vv")] * 3))
    count = min(SAMPLES, len(images["input"]))
    with style.figure(out, 4.5 * len(kinds) + 0.2, 1.5 * count + 0.5) as figure:
        panels = figure.subfigures(1, len(kinds), squeeze=False)[0]
        for panel, (title, shown) in zip(panels, kinds, strict=True):
            panel.suptitle(title, fontsize=9)
            axes = panel.subplots(count, 3, squeeze=False)
            for sample, part in np.ndindex(count, 3):
                of_sample = images[PARTS[part]][sample][shown]
                title = "" if sample else PARTS[part]
                hidden = of_sample == 0 if PARTS[part] == "masked" else None
                style.show(axes[sample, part], of_sample, images["input"][sample][shown], title, hidden)


def _series(images: dict[str, NDArray[Any]], bands: tuple[str, ...], times: list[str], out: Path) -> None:
    _, shown = style.composite(bands)
    count = min(SERIES, len(images["input"]))
    with style.figure(out, 1.2 * len(times) + 0.6, 3.8 * count + 0.3) as figure:
        axes = figure.subplots(3 * count, len(times), squeeze=False)
        for sample, part, time in np.ndindex(count, 3, len(times)):
            panel = axes[3 * sample + part, time]
            all_years = np.concatenate([*images["input"][sample][:, shown]], axis=-1)
            image = images[PARTS[part]][sample, time][shown]
            hidden = image == 0 if PARTS[part] == "masked" else None
            style.show(panel, image, all_years, "" if part else times[time], hidden)
            if time == 0:
                panel.set_ylabel(PARTS[part])


FIGURE = Drawing(
    per="encoder",
    source="reconstruction",
    title="Reconstruction",
    section="pretraining",
    caption="Input, what the encoder saw, and what the decoder restored.",
    applies=lambda facts: facts.encoders[0].reconstructs,
    draw=draw,
)
