"""The maps that labels are made of, each read onto the grid of a region: a raster, or polygons."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.features import rasterize
from rasterio.io import DatasetReader
from rasterio.warp import transform_bounds

from revisit.cube.degrees import boxes_in_degrees
from revisit.cube.grid import Grid, degrees_around
from revisit.cube.labels.label_file import LabelFile
from revisit.cube.labels.legend import Legend, simple
from revisit.cube.warp import read_onto
from revisit.errors import RevisitError

# Edges of polygons are projected by points this near to each other.
FINE_DEGREES, FINE_M = 0.01, 1000


class LabelMap(ABC):
    """A map of classes; ``unknown`` counts the values read so far that the legend does not know."""

    counted: str  # what is counted

    def __init__(self, name: str, years: Sequence[int], legend: Legend) -> None:
        self.name, self.years, self.legend = name, list(years), legend
        self.unknown: Counter[str] = Counter()

    @abstractmethod
    def onto(self, grid: Grid) -> NDArray[Any]:
        """Codes of the legend on a part of the region's grid, 0 where there is no label: (height, width)."""


class RasterMap(LabelMap):
    """A raster, of which the nearest pixel counts."""

    counted = "pixels"

    def __init__(
        self,
        path: Path,
        years: Sequence[int],
        legend: Legend,
        name: str | None = None,
        nodata: float | None = None,
    ) -> None:
        """``nodata``: the number that means no data, where the file states none."""
        super().__init__(name or str(path), years, legend)
        self.path = path
        with self._open() as source:
            if source.crs is None:
                raise RevisitError(
                    f"{path}: does not say its reference system; add it (gdal_edit.py -a_srs EPSG:… …)"
                )
            self.nodata = nodata if source.nodata is None else source.nodata
        if self.nodata is not None and (code := legend.meanings.get(self.nodata)):
            raise RevisitError(
                f"{path}: {self.nodata:g} is no data by the file, and {legend.names[code]!r} by the legend; "
                "take it out of one (gdal_edit.py -unsetnodata …; of a downloaded map, nodata in providers)"
            )

    def onto(self, grid: Grid) -> NDArray[Any]:
        codes = np.zeros(grid.shape, self.legend.dtype)
        with self._open() as source:
            if _bounds(grid.crs, source.crs, grid.bounds) is None:
                return codes
            values = read_onto(source, grid, self._decoded, categorical=True)
        meanings = self.legend.meanings
        for value in np.unique(values[~np.isnan(values)]).tolist():
            here = values == value
            code = meanings.get(value)
            if code is None:
                self.unknown[f"{value:g}"] += int(here.sum())
            else:
                codes[here] = code
        return codes

    def _open(self) -> DatasetReader:
        try:
            return rasterio.open(self.path)
        except (RasterioError, OSError) as error:
            said = " ".join(str(error).split())[:200]
            raise RevisitError(f"{self.path}: is no raster that GDAL reads ({said})") from error

    def _decoded(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Numbers as floats that hold them exactly, NaN where there is no data."""
        values = numbers.astype(np.result_type(numbers.dtype, np.float32))
        if self.nodata is not None:
            values[numbers == self.nodata] = np.nan
        return values


class PolygonMap(LabelMap):
    """Polygons with an attribute that says the class; a pixel has that of the last that holds its centre."""

    counted = "polygons"

    def __init__(self, file: LabelFile, legend: Legend, region: Grid) -> None:
        """Reads what lies over the region's grid."""
        super().__init__(str(file.path), file.years, legend)
        frame, meanings = _polygons(file, region), legend.meanings
        codes = []
        for value in frame[file.column].tolist():
            missing = value is None or value != value
            key = simple(value if isinstance(value, int | float) else str(value))
            code = 0 if missing else meanings.get(key)
            if code is None:
                self.unknown[repr(value)] += 1
            codes.append(code or 0)
        self._codes = np.array(codes, legend.dtype)
        self._outlines = frame.geometry.to_numpy()
        self._tree = shapely.STRtree(self._outlines)

    def onto(self, grid: Grid) -> NDArray[Any]:
        codes = np.zeros(grid.shape, self.legend.dtype)
        met = np.sort(self._tree.query(shapely.box(*grid.bounds)))
        if len(met):
            shapes = zip(self._outlines[met], self._codes[met].tolist(), strict=True)
            rasterize(shapes, out=codes, transform=grid.transform)
        return codes


def _bounds(crs: Any, onto: Any, bounds: Sequence[float]) -> tuple[float, ...] | None:
    """Bounds in another reference system; None where that one does not reach so far."""
    try:
        found: tuple[float, ...] = transform_bounds(crs, onto, *bounds)
    except RasterioError:
        return None
    return found if np.isfinite(found).all() else None


def _polygons(file: LabelFile, region: Grid) -> Any:
    """The polygons of a file that meet the box of a region, in the zone of its grid, in the file's order."""
    import geopandas  # takes a while; most studies have no such file
    import pandas
    import pyogrio
    from pyproj import CRS

    said = pyogrio.read_info(file.path, layer=file.layer)["crs"]
    if said is None:
        raise RevisitError(f"{file.path}: does not say its reference system; add it (a .prj for a shapefile)")
    crs = CRS.from_user_input(said)
    boxes = [_bounds(4326, crs, box) for box in boxes_in_degrees(degrees_around(region.bounds, region.epsg))]
    frames = [
        geopandas.read_file(file.path, layer=file.layer, bbox=box, columns=[file.column])
        for box in boxes
        if box is not None
    ]
    if not frames:
        return geopandas.GeoDataFrame({file.column: []}, geometry=[], crs=region.epsg)
    frame = pandas.concat(frames)
    frame = frame[~(frame.geometry.is_empty | frame.geometry.isna())]
    kinds = set(frame.geometry.geom_type) - {"Polygon", "MultiPolygon"}
    if kinds:
        raise RevisitError(f"{file.path}: holds {' and '.join(sorted(kinds))}; give a layer of polygons")
    outlines = frame.geometry.segmentize(FINE_DEGREES if crs.is_geographic else FINE_M)
    return frame.set_geometry(outlines).to_crs(region.epsg)
