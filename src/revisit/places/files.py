"""Reads the files that regions come from, into longitudes and latitudes."""

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import shapely.geometry

from revisit.errors import RevisitError

COLUMNS = (("longitude", "latitude"), ("lon", "lat"), ("x", "y"))
PARTS = 1000  # of the extent of projected areas: how finely their edges are projected


def read_areas(path: Path, where: str) -> shapely.Geometry:
    """All polygons of a file as one geometry, in degrees; projected ones are cut at the 180th meridian."""
    frame = _frame(path, where)
    areas = frame.geometry[frame.geometry.geom_type.isin(["Polygon", "MultiPolygon"])]
    if areas.empty:
        raise RevisitError(f"{where}: {path} holds no polygon; give a file of areas")
    in_degrees = _unprojected(areas, f"{where}: {path}") if areas.crs.is_projected else areas.to_crs(4326)
    united: shapely.Geometry = shapely.union_all(shapely.make_valid(np.asarray(in_degrees)))
    return united


def read_points(path: Path, where: str) -> dict[str, tuple[float, float]]:
    """Longitude and latitude of each point, by its name, or by its number where it has none."""
    if path.suffix.lower() == ".csv":
        rows = _table(path, where)
    else:
        frame = _frame(path, where).to_crs(4326)
        points = frame[frame.geometry.geom_type == "Point"]
        names = points["name"] if "name" in points else [""] * len(points)
        rows = [
            (name if isinstance(name, str) else "", point.x, point.y)
            for name, point in zip(names, points.geometry, strict=True)
        ]
    if not rows:
        raise RevisitError(f"{where}: {path} holds no point; give a file of points")
    found: dict[str, tuple[float, float]] = {}
    for number, (name, longitude, latitude) in enumerate(rows, 1):
        key = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or str(number)
        if key in found:
            raise RevisitError(f"{where}: {path}: two points are called {key!r}; rename one")
        if not (-180 <= longitude <= 180 and -80 <= latitude <= 84):
            raise RevisitError(
                f"{where}: {path}: point {key!r} lies at longitude {longitude:g}, latitude {latitude:g}; "
                "UTM is defined from -80 to 84 degrees north"
            )
        found[key] = longitude, latitude
    return found


def _table(path: Path, where: str) -> list[tuple[str, float, float]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [
                {(key or "").lower(): value for key, value in row.items()} for row in csv.DictReader(file)
            ]
    except (OSError, UnicodeDecodeError) as error:
        raise RevisitError(f"{where}: {path} cannot be read ({error})") from error
    columns = next((pair for pair in COLUMNS if rows and set(pair) <= set(rows[0])), None)
    if rows and columns is None:
        raise RevisitError(f"{where}: {path} needs the columns longitude and latitude")
    found = []
    for line, row in enumerate(rows, 2):
        try:
            found.append((row.get("name") or "", *(float(row[name]) for name in columns or ())))
        except (TypeError, ValueError) as error:
            raise RevisitError(f"{where}: {path}, line {line}: {error}; give degrees") from error
    return found  # type: ignore[return-value]


def _frame(path: Path, where: str) -> Any:
    """The features of a file, in its own reference system."""
    import geopandas  # takes a while; most studies have no such file

    if not path.is_file():
        raise RevisitError(f"{where}: there is no file {path}; correct the path")
    try:
        frame = geopandas.read_file(path)
    except Exception as error:  # GDAL's drivers raise many kinds
        said = " ".join(str(error).split())[:200]
        raise RevisitError(
            f"{where}: {path} is no file of areas or points that GDAL reads ({said})"
        ) from error
    if frame.crs is None:
        raise RevisitError(
            f"{where}: {path} does not say its reference system; add it (a .prj for a shapefile)"
        )
    return frame[~(frame.geometry.is_empty | frame.geometry.isna())]


def _unprojected(areas: Any, where: str) -> list[shapely.Geometry]:
    """Projected areas in degrees: what lies across the 180th meridian or around a pole is cut by GDAL.

    Point by point, as GeoPandas projects, it would go around the Earth.
    """
    from rasterio.warp import transform_geom

    west, south, east, north = areas.total_bounds
    # A straight edge is straight in its own system only.
    fine = areas.segmentize(max(east - west, north - south) / PARTS)
    try:
        return [shapely.geometry.shape(area) for area in transform_geom(areas.crs, 4326, list(fine))]
    except Exception as error:  # GDAL's own kinds are private to rasterio
        raise RevisitError(
            f"{where} lies outside of {areas.crs.name}, its reference system; correct that"
        ) from error
