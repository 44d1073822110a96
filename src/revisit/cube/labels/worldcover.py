"""The classes of ESA WorldCover: codes, names and colours of its official legend, for all pictures."""

from typing import NamedTuple

import numpy as np


class LandCover(NamedTuple):
    """One class of the legend; ``colour`` as #rrggbb."""

    name: str
    colour: str


# ESA WorldCover product user manual, v2.0, table 3. 0 is no data.
WORLDCOVER: dict[int, LandCover] = {
    10: LandCover("Tree cover", "#006400"),
    20: LandCover("Shrubland", "#ffbb22"),
    30: LandCover("Grassland", "#ffff4c"),
    40: LandCover("Cropland", "#f096ff"),
    50: LandCover("Built-up", "#fa0000"),
    60: LandCover("Bare or sparse vegetation", "#b4b4b4"),
    70: LandCover("Snow and ice", "#f0f0f0"),
    80: LandCover("Permanent water", "#0064c8"),
    90: LandCover("Herbaceous wetland", "#0096a0"),
    95: LandCover("Mangroves", "#00cf75"),
    100: LandCover("Moss and lichen", "#fae6a0"),
}
# Colours of land cover by name: the legend's, and near them those of classes that merge several.
COLOURS = {land_cover.name: land_cover.colour for land_cover in WORLDCOVER.values()} | {
    "Build-up": "#e8262a",
    "Water": "#0064c8",
    "Others": "#b9cf9a",
}


def palette() -> np.ndarray:
    """Colours by code: uint8 (256, 3), white where there is no class."""
    colours = np.full((256, 3), 255, np.uint8)
    for code, land_cover in WORLDCOVER.items():
        colours[code] = list(bytes.fromhex(land_cover.colour[1:]))
    return colours
