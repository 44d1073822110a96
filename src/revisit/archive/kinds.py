"""What grows or stands on a pixel: kinds of surface with their class, spectra, calendar and backscatter.

Reflectance is a linear mixture of green canopy, dry canopy and the ground below. The spectra are ours,
drawn to look like the usual ones of libraries; the backscatter figures are near the usual C-band means.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

TREE, SHRUB, GRASS, CROP, BUILT, BARE, WATER, WETLAND = 10, 20, 30, 40, 50, 60, 80, 90
CLASSES = {
    TREE: "tree cover",
    SHRUB: "shrubland",
    GRASS: "grassland",
    CROP: "cropland",
    BUILT: "built-up",
    BARE: "bare or sparse vegetation",
    WATER: "permanent water bodies",
    WETLAND: "herbaceous wetland",
}

# name: (ESA band name, centre in micrometres, full width at half maximum, resolution in metres)
BANDS = {
    "coastal": ("B01", 0.443, 0.027, 60),
    "blue": ("B02", 0.49, 0.098, 10),
    "green": ("B03", 0.56, 0.045, 10),
    "red": ("B04", 0.665, 0.038, 10),
    "rededge1": ("B05", 0.704, 0.019, 20),
    "rededge2": ("B06", 0.74, 0.018, 20),
    "rededge3": ("B07", 0.783, 0.028, 20),
    "nir": ("B08", 0.842, 0.145, 10),
    "nir08": ("B8A", 0.865, 0.033, 20),
    "nir09": ("B09", 0.945, 0.026, 60),
    "swir16": ("B11", 1.61, 0.143, 20),
    "swir22": ("B12", 2.19, 0.242, 20),
}
WAVELENGTHS = np.array([band[1] for band in BANDS.values()], dtype=np.float32)

# Reflectance in percent, in the order of BANDS.
SPECTRA = {
    name: np.array(percent, dtype=np.float32) / 100
    for name, percent in {
        "leaf": (2.0, 2.6, 6.2, 2.8, 9.5, 29, 38, 42, 43, 43, 21, 10),
        "needle": (1.6, 2.0, 4.0, 2.4, 5.8, 17, 22, 25.5, 26.5, 26.5, 12.5, 6.2),
        "sclerophyll": (2.2, 2.8, 5.0, 3.6, 8.0, 18, 22, 25, 26, 26, 18, 9.5),
        "flower": (3.0, 4.0, 17, 15, 23, 35, 40, 43, 44, 44, 22, 11),
        "straw": (5.5, 7.5, 12, 16, 19, 23, 26, 29, 31, 32, 35, 25),
        "litter": (3.0, 4.0, 6.0, 8.0, 10.5, 13, 15, 17, 18, 19, 22, 15),
        "soil": (5.5, 7.0, 10, 13.5, 16, 17.5, 19, 20.5, 22, 23, 29, 25),
        "dark soil": (3.0, 3.8, 5.4, 7.0, 8.4, 9.4, 10.4, 11.4, 12.2, 12.8, 17, 14),
        "peat": (2.0, 2.4, 3.4, 4.2, 5.2, 6.2, 7.0, 7.8, 8.2, 8.5, 9.0, 6.0),
        "sand": (13, 17, 22, 27, 30, 32, 33, 35, 37, 38, 43, 40),
        "rock": (9.0, 11, 13.5, 16, 17.5, 18.5, 19.5, 20.5, 21.5, 22, 26, 24),
        "clear water": (3.2, 3.0, 2.4, 1.4, 1.2, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3),
        "turbid water": (6.0, 7.2, 9.6, 8.6, 8.0, 4.8, 4.2, 3.4, 3.0, 2.8, 1.0, 0.7),
        "red roof": (5.5, 6.6, 9.2, 15.5, 18.5, 19.5, 20.5, 22, 23.5, 24, 28.5, 25),
        "grey roof": (6.5, 7.8, 9.4, 11, 12.4, 13.4, 14.2, 15.2, 16, 16.5, 20, 18),
        "bright roof": (24, 28, 31, 33, 34, 35, 35, 36, 36, 36, 35, 31),
        "asphalt": (5.4, 6.2, 7.2, 8.0, 8.6, 9.2, 9.8, 10.4, 11, 11.4, 13.5, 12.5),
        "snow": (84, 87, 86, 85, 84, 82, 80, 78, 75, 71, 12, 10),
    }.items()
}

Knots = tuple[tuple[int, float], ...]  # (day of year, share of the pixel), joined by straight lines


@dataclass(frozen=True)
class Kind:
    """One kind of surface. Shares are of the pixel's area, backscatter is gamma nought in decibel."""

    code: int
    ground: dict[str, float]
    vv: tuple[float, float]  # without canopy, under full green canopy
    vh: tuple[float, float]
    leaf: str = "leaf"
    green: Knots = ((1, 0.0),)
    dry: Knots = ((1, 0.0),)
    straw: str = "straw"
    shade: float = 0.0  # light lost between crowns
    grain: float = 0.08  # relative variation within a parcel
    pattern: str = "plain"  # its shape: one of patterns.PATTERNS
    height: float = 0.0  # metres: bright and dark edges in radar, shadows in optics


SOIL = {"soil": 0.7, "dark soil": 0.3}
KINDS = {
    "broadleaf forest": Kind(
        TREE, {"dark soil": 1}, (-10.2, -9.2), (-16.2, -15.1), shade=0.26, grain=0.18, pattern="crowns",
        height=18, green=((88, 0.2), (125, 0.85), (190, 0.9), (265, 0.75), (312, 0.2)),
        dry=((88, 0.55), (125, 0.05), (262, 0.12), (300, 0.6)), straw="litter",
    ),
    "conifer forest": Kind(
        TREE, {"dark soil": 1}, (-10, -9.6), (-16, -15.4), "needle", shade=0.1, grain=0.18, pattern="crowns",
        height=18, green=((30, 0.78), (180, 0.88)), dry=((1, 0.08),), straw="litter",
    ),
    "open woodland": Kind(
        TREE, {"soil": 0.6, "dark soil": 0.4}, (-11.6, -9.9), (-18.2, -15.8), "sclerophyll", shade=0.14,
        grain=0.18, pattern="crowns", height=8, green=((60, 0.66), (130, 0.72), (230, 0.55)),
        dry=((60, 0.05), (220, 0.25)),
    ),
    "orchard": Kind(
        TREE, SOIL, (-12, -9.8), (-18.5, -15.6), shade=0.15, grain=0.19, pattern="lattice", height=5,
        green=((75, 0.2), (130, 0.68), (240, 0.62), (315, 0.2)), dry=((80, 0.2), (200, 0.1), (310, 0.25)),
    ),
    "heath": Kind(
        SHRUB, {"dark soil": 0.6, "peat": 0.4}, (-12.2, -10.8), (-18.8, -16.6), "sclerophyll", shade=0.1,
        grain=0.17, pattern="bushes", height=2, green=((50, 0.35), (150, 0.66), (240, 0.5), (320, 0.35)),
        dry=((50, 0.35), (150, 0.15), (320, 0.3)), straw="litter",
    ),
    "maquis": Kind(
        SHRUB, {"soil": 0.6, "rock": 0.4}, (-11.8, -10.2), (-18.2, -16.0), "sclerophyll", shade=0.12,
        grain=0.17, pattern="bushes", height=3, green=((40, 0.55), (130, 0.64), (230, 0.4), (320, 0.5)),
        dry=((60, 0.1), (220, 0.3)),
    ),
    "vineyard": Kind(
        SHRUB, SOIL, (-11.5, -10.6), (-19, -16.8), grain=0.21, pattern="vines", height=1.5,
        green=((95, 0.08), (165, 0.5), (265, 0.42), (312, 0.06)), dry=((95, 0.08), (300, 0.15)),
    ),
    "young trees": Kind(
        SHRUB, {"dark soil": 0.7, "soil": 0.3}, (-11.6, -10.2), (-18.2, -15.8), shade=0.16, grain=0.17,
        pattern="bushes", height=4, green=((90, 0.35), (140, 0.75), (250, 0.62), (310, 0.35)),
        dry=((90, 0.3), (150, 0.08), (310, 0.3)),
        straw="litter",
    ),
    "pasture": Kind(
        GRASS, SOIL, (-11.5, -12), (-18.8, -17.6), grain=0.19, pattern="tussocks",
        green=((15, 0.46), (98, 0.88), (165, 0.7), (220, 0.42), (280, 0.58), (350, 0.44)),
        dry=((15, 0.2), (98, 0.03), (215, 0.36), (300, 0.18)),
    ),
    "meadow": Kind(
        GRASS, SOIL, (-11.4, -12.2), (-18.8, -17.2), grain=0.19, pattern="tussocks",
        green=((60, 0.5), (140, 0.9), (156, 0.35), (192, 0.8), (208, 0.4), (255, 0.75), (330, 0.5)),
        dry=((60, 0.2), (140, 0.04), (158, 0.3), (190, 0.08), (210, 0.3), (260, 0.1)),
    ),
    "dry grassland": Kind(
        GRASS, {"soil": 0.7, "rock": 0.3}, (-11.8, -11.6), (-19.2, -17.8), grain=0.19, pattern="tussocks",
        green=((15, 0.5), (95, 0.72), (150, 0.28), (200, 0.08), (290, 0.12), (335, 0.4)),
        dry=((15, 0.15), (95, 0.1), (160, 0.5), (220, 0.6), (300, 0.4)),
    ),
    "winter cereal": Kind(
        CROP, SOIL, (-10.6, -14.2), (-19, -18.4), grain=0.22, pattern="rows",
        green=((1, 0.2), (70, 0.42), (118, 0.9), (155, 0.84),
               (186, 0.1), (205, 0.04), (245, 0.28), (272, 0.22), (284, 0.03), (310, 0.12)),
        dry=((150, 0.04), (186, 0.72), (216, 0.5), (245, 0.15), (284, 0.03)),
    ),
    "rapeseed": Kind(
        CROP, SOIL, (-10.8, -10.6), (-18.6, -14.8), grain=0.22, pattern="rows",
        green=((1, 0.45), (60, 0.5), (100, 0.82), (150, 0.85),
               (184, 0.12), (200, 0.03), (245, 0.1), (300, 0.45)),
        dry=((150, 0.05), (186, 0.6), (215, 0.4), (238, 0.05)),
    ),
    "maize": Kind(
        CROP, SOIL, (-11, -9.6), (-19.4, -15), grain=0.22, pattern="rows",
        green=((1, 0.32), (92, 0.45), (118, 0.04), (160, 0.25), (195, 0.88), (245, 0.85), (278, 0.25),
               (292, 0.06), (330, 0.25)),
        dry=((60, 0.1), (120, 0.02), (240, 0.05), (272, 0.5), (292, 0.25), (330, 0.12)),
    ),
    "root crop": Kind(
        CROP, SOIL, (-11, -9.9), (-19.2, -15.6), grain=0.22, pattern="rows",
        green=((1, 0.25), (82, 0.42), (106, 0.04), (145, 0.25), (178, 0.86), (262, 0.82), (296, 0.1),
               (312, 0.05)),
        dry=((60, 0.08), (110, 0.02), (300, 0.12), (340, 0.08)),
    ),
    "spring barley": Kind(
        CROP, SOIL, (-10.6, -13.8), (-19, -18.2), grain=0.22, pattern="rows",
        green=((1, 0.3), (55, 0.32), (78, 0.04), (110, 0.35), (145, 0.88),
               (182, 0.7), (212, 0.08), (225, 0.05), (265, 0.42), (330, 0.35)),
        dry=((170, 0.06), (212, 0.7), (236, 0.35), (256, 0.05)),
    ),
    "sunflower": Kind(
        CROP, SOIL, (-10.8, -9.8), (-19.2, -15.2), grain=0.22, pattern="rows",
        green=((1, 0.25), (80, 0.38), (106, 0.03), (140, 0.2), (175, 0.78), (210, 0.6), (240, 0.1),
               (255, 0.03), (300, 0.16)),
        dry=((200, 0.08), (240, 0.6), (270, 0.25), (310, 0.1)),
    ),
    "fallow": Kind(
        CROP, SOIL, (-11, -12), (-19.4, -18.4), grain=0.22, pattern="rows",
        green=((60, 0.22), (130, 0.4), (200, 0.2), (300, 0.25)), dry=((60, 0.15), (210, 0.35)),
    ),
    "red roofs": Kind(BUILT, {"red roof": 1}, (-8, -8), (-14.8, -14.8), grain=0.2, height=8),
    "grey roofs": Kind(BUILT, {"grey roof": 1}, (-8, -8), (-14.8, -14.8), grain=0.22, height=9),
    "bright roofs": Kind(BUILT, {"bright roof": 1}, (-7, -7), (-14.2, -14.2), grain=0.22, height=10),
    "street": Kind(BUILT, {"asphalt": 1}, (-11, -11), (-19, -19), grain=0.08),
    "yard": Kind(
        BUILT, {"asphalt": 0.35, "soil": 0.65}, (-10.2, -10), (-17, -16.4), grain=0.2, height=2,
        green=((60, 0.36), (130, 0.7), (220, 0.58), (310, 0.4)), dry=((60, 0.16), (130, 0.08), (210, 0.18)),
    ),
    "quarry": Kind(
        BARE, {"soil": 0.4, "sand": 0.2, "rock": 0.4}, (-9.5, -9.5), (-17.6, -17.6), grain=0.18,
        pattern="ridges",
    ),
    "beach": Kind(
        BARE, {"sand": 0.85, "soil": 0.15}, (-15.5, -15.5), (-23, -23), grain=0.18, pattern="ridges",
    ),
    "stony ground": Kind(
        BARE, {"rock": 0.45, "soil": 0.55}, (-10.4, -10.8), (-18.4, -17.8), grain=0.18, pattern="ridges",
        green=((20, 0.3), (100, 0.4), (150, 0.16), (220, 0.06), (320, 0.25)),
        dry=((20, 0.12), (150, 0.3), (220, 0.36), (300, 0.25)),
    ),
    "clear-cut": Kind(
        BARE, {"dark soil": 0.6, "soil": 0.4}, (-11.4, -11.2), (-18.6, -17.8), grain=0.18, pattern="ridges",
        green=((100, 0.05), (180, 0.22), (280, 0.1)), dry=((1, 0.3),), straw="litter",
    ),
    "river": Kind(WATER, {"turbid water": 0.5, "clear water": 0.5}, (-18.5, -18.5), (-26, -26), grain=0.04),
    "lake": Kind(WATER, {"clear water": 0.85, "peat": 0.15}, (-19.5, -19.5), (-27, -27), grain=0.03),
    "sea": Kind(WATER, {"clear water": 0.7, "turbid water": 0.3}, (-16.5, -16.5), (-25.5, -25.5), grain=0.03),
    "reeds": Kind(
        WETLAND, {"peat": 0.5, "turbid water": 0.5}, (-12.5, -9.4), (-20, -17), grain=0.19, pattern="creeks",
        height=2, green=((100, 0.14), (165, 0.72), (250, 0.6), (310, 0.14)),
        dry=((100, 0.5), (165, 0.1), (300, 0.5)),
    ),
    "bog": Kind(
        WETLAND, {"peat": 0.8, "clear water": 0.2}, (-12, -11.2), (-18.8, -17.2), "sclerophyll", grain=0.19,
        pattern="creeks", green=((120, 0.25), (190, 0.6), (270, 0.3)),
        dry=((120, 0.4), (190, 0.2), (280, 0.4)), straw="litter",
    ),
    "salt marsh": Kind(
        WETLAND, {"peat": 0.5, "dark soil": 0.5}, (-12.6, -11.4), (-20, -18), grain=0.19, pattern="creeks",
        green=((80, 0.25), (170, 0.64), (250, 0.5), (320, 0.25)), dry=((80, 0.3), (170, 0.1), (300, 0.35)),
    ),
}  # fmt: skip
NAMES = tuple(KINDS)
CODES = np.array([kind.code for kind in KINDS.values()], dtype=np.uint8)
DAYS = 366


def number(name: str) -> int:
    """The value a kind has in a kind map."""
    return NAMES.index(name)


def table(attribute: str) -> NDArray[np.float32]:
    """One number of every kind, as an array to look kinds up in."""
    return np.array([getattr(kind, attribute) for kind in KINDS.values()], dtype=np.float32)


def mixture(parts: dict[str, float]) -> NDArray[np.float32]:
    """Spectrum of a mixture of materials."""
    return np.sum([share * SPECTRA[name] for name, share in parts.items()], axis=0, dtype=np.float32)


def calendar(attribute: str) -> NDArray[np.float32]:
    """Share of the pixel on every day of the year, (kind, day): ``green`` or ``dry``."""
    days = np.arange(DAYS)
    rows = []
    for kind in KINDS.values():
        knots = np.array(getattr(kind, attribute))
        rows.append(np.interp(days, knots[:, 0], knots[:, 1], period=DAYS))
    return np.array(rows, dtype=np.float32)


def day_of_year(day: date) -> int:
    return day.timetuple().tm_yday
