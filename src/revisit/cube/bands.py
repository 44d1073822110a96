"""The bands a cube may have: their names in the config, in cubes and encoders, and what each one is."""

from collections.abc import Sequence
from typing import Any

# Centres of Sentinel-2A's bands, nm (ESA, Sentinel-2 spectral response functions).
WAVELENGTH_NM = {
    "coastal": 442.7,
    "blue": 492.4,
    "green": 559.8,
    "red": 664.6,
    "rededge1": 704.1,
    "rededge2": 740.5,
    "rededge3": 782.8,
    "nir": 832.8,
    "nir08": 864.7,
    "nir09": 945.1,
    "swir16": 1613.7,
    "swir22": 2202.4,
}
ELEVATION = "dem"  # searched as a sensor is, but no series of images: it is the same at all times
BANDS = {"sentinel-1": ("vv", "vh"), "sentinel-2": tuple(WAVELENGTH_NM)}


def about_bands(bands: Sequence[str]) -> dict[str, list[Any]]:
    """What a cube says of its bands, one value each: their wavelength, or polarisation."""
    if all(band in WAVELENGTH_NM for band in bands):
        return {"wavelength_nm": [WAVELENGTH_NM[band] for band in bands]}
    return {"polarisation": [band.upper() for band in bands]}
