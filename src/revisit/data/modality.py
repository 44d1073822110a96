"""Modalities: the sets of bands a network sees, by the short names that configs, paths and tables use."""

from revisit.errors import RevisitError

_BANDS = {
    "s1": ("vv", "vh"),
    "s2": ("blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22"),
    "rgb": ("red", "green", "blue"),
}


def bands_of(modality: str) -> tuple[str, ...]:
    """Bands of ``s1``, ``s2``, ``rgb``, ``s1+s2`` or ``s1+rgb``, in order; else RevisitError."""
    parts = modality.split("+")
    if any(part not in _BANDS for part in parts) or len(parts) > 2 or (len(parts) == 2 and parts[0] != "s1"):
        raise RevisitError(f"modality {modality!r}: not known; choose from s1, s2, rgb, s1+s2, s1+rgb")
    return tuple(band for part in parts for band in _BANDS[part])


def sensor_of(band: str) -> str:
    """The sensor a band is of."""
    return "sentinel-1" if band in _BANDS["s1"] else "sentinel-2"


def label_of(modality: str) -> str:
    """The name of a modality in tables: S1, S2, RGB, S1+S2, S1+RGB."""
    return modality.upper()
