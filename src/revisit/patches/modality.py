"""Modalities: the sets of bands a network sees, by the short names that configs, paths and tables use."""

from collections.abc import Mapping, Sequence

from revisit.cube.bands import ELEVATION
from revisit.errors import RevisitError

SENSORS = {"s1": "sentinel-1", "s2": "sentinel-2", "rgb": "sentinel-2", "dem": ELEVATION}
POLARISATIONS = ("vv", "vh")
RGB = ("red", "green", "blue")
ELEVATION_BAND = "elevation"  # the band of a place's elevation, which is the same at all times
IMAGES = ("s1", "s2", "rgb", "s1+s2", "s1+rgb")
MODALITIES = (*IMAGES, *(f"{images}+dem" for images in IMAGES))


def bands_of(modality: str, stored: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Bands of a modality, in order, for a store with these bands of each sensor.

    ``s1`` and ``s2`` are all bands stored of the sensor, ``rgb`` red, green and blue, ``dem`` the elevation;
    a plus joins them.
    Raises RevisitError for an unknown modality and for a sensor or band that is not stored.
    """
    if modality not in MODALITIES:
        raise RevisitError(f"modality {modality!r}: not known; choose from {', '.join(MODALITIES)}")
    bands: list[str] = []
    for part in modality.split("+"):
        if SENSORS[part] not in stored:
            raise RevisitError(
                f"modality {modality!r}: no {SENSORS[part]} is stored, only {', '.join(stored)}; "
                f"add it to search or choose another modality"
            )
        own = RGB if part == "rgb" else stored[SENSORS[part]]
        if missing := [band for band in own if band not in stored[SENSORS[part]]]:
            raise RevisitError(
                f"modality {modality!r}: needs {', '.join(missing)}, which {SENSORS[part]} has not; "
                f"add it to cube.bands or choose another modality"
            )
        bands += own
    return tuple(bands)


def sensor_of(band: str) -> str:
    """The sensor a band is of, ``dem`` of the elevation."""
    if band == ELEVATION_BAND:
        return ELEVATION
    return "sentinel-1" if band in POLARISATIONS else "sentinel-2"
