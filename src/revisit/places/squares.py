"""A square region around a point, in the point's UTM zone."""

import math

from pyproj import Transformer

from revisit.cube.grid import Region, utm_zones
from revisit.record import read


def square(longitude: float, latitude: float, side_m: float, step: int, where: str) -> Region:
    """At least ``side_m`` a side, its edges on multiples of ``step`` metres."""
    inside = min(longitude, 179.999999)  # the meridian itself belongs to the last zone
    epsg = utm_zones([inside, latitude, inside + 1e-9, latitude + 1e-9])[0]
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(longitude, latitude)
    steps = math.ceil(side_m / step)
    left, bottom = (round(middle / step - steps / 2) * step for middle in (x, y))
    bounds = [left, bottom, left + steps * step, bottom + steps * step]
    return read(Region, {"epsg": epsg, "bounds_m": bounds}, where)
