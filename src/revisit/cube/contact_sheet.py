"""A contact sheet of a cube: its clearest dates side by side, as a PNG.

Drawn with Pillow: every stage draws one, and matplotlib takes a second to load and to lay out.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from PIL import Image, ImageDraw, ImageFont

from revisit.cube.composites import (
    composite_names,
    composites,
    heading,
    limits_of,
    scale_bar,
    step_of,
    stretch,
)
from revisit.files import atomic

DATES = 8
COLUMNS = 4
MASKED_GREY = 200
PANEL_PIXELS = 280
GAP, LINE = 10, 24  # pixels between panels, and of a line of text


class Panel(NamedTuple):
    """A date as it is shown: colours (y, x, 3) uint8 with masked pixels grey, and the line above them."""

    colours: np.ndarray
    title: str


def contact_sheet(cube: xr.Dataset, path: str | Path) -> None:
    """Draw up to eight dates of a cube as a PNG, clearest first; masked pixels are grey.

    They are spread over its time: the clearest of each of eight spans with equally many dates.
    """
    shown = panels(cube)
    step = step_of(cube)
    height, width = shown[0].colours.shape[:2]
    scale = PANEL_PIXELS / max(height, width)
    wide, high = round(width * scale), round(height * scale)
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    what = f"{len(shown)} of {cube.sizes['time']} dates, clearest first"
    title = heading(cube, f"{what} ({', '.join(composite_names(cube))}; grey: masked)")
    small, large = ImageFont.load_default(13), ImageFont.load_default(15)
    size = GAP + columns * (wide + GAP), 2 * LINE + rows * (high + LINE + GAP)
    sheet = Image.new("RGB", (max(size[0], round(large.getlength(title)) + 2 * GAP), size[1]), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((sheet.width / 2, LINE), title, "black", large, "mm")
    for number, panel in enumerate(shown):
        left = GAP + number % columns * (wide + GAP)
        top = 2 * LINE + number // columns * (high + LINE + GAP)
        draw.text((left + wide / 2, top + LINE / 2), panel.title, "black", small, "mm")
        image = Image.fromarray(panel.colours).resize((wide, high), Image.Resampling.BOX)
        sheet.paste(image, (left, top + LINE))
    length, text = scale_bar(cube, step)
    left, bottom = 2 * GAP, 3 * LINE + high - GAP
    draw.rectangle((left, bottom - 6, left + length * scale, bottom), "white", "black")
    draw.text((left, bottom - 10), text, "white", small, "ls", stroke_width=2, stroke_fill="black")
    with atomic(path) as aside:
        sheet.save(aside, format="PNG")


def panels(cube: xr.Dataset) -> list[Panel]:
    """The dates of the sheet of a cube, in their order."""
    dates = _clearest_over_time(cube)
    images, valid = composites(cube, composite_names(cube), dates, step_of(cube))
    colours = stretch(images, limits_of(images, valid))
    colours[~valid] = MASKED_GREY
    return [Panel(image, _title(cube, date)) for date, image in zip(dates, colours, strict=True)]


def _clearest_over_time(cube: xr.Dataset) -> list[int]:
    """The clearest date of each span, by the share of valid pixels as it is printed, then by time."""
    valid = cube["valid_fraction"].values.round(2)
    spans = np.array_split(np.arange(len(valid)), min(DATES, len(valid)))
    dates = [int(span[np.argmax(valid[span])]) for span in spans]
    return sorted(dates, key=lambda date: (-valid[date], date))


def _title(cube: xr.Dataset, date: int) -> str:
    at = cube.isel(time=date)
    orbit = f" {str(at['orbit_state'].values)[:3]}" if cube.attrs["sensor"] == "sentinel-1" else ""
    return f"{str(at['time'].values)[:10]}{orbit}  {float(at['valid_fraction']):.0%} valid"
