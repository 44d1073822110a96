"""What cubes say of themselves for other software: CF 1.11 attributes, and the GeoZarr conventions.

Units are written as UDUNITS reads them, which knows no dB. ``zarr_conventions`` must be a list of objects in
the group's own attributes, which netCDF cannot hold: ``open_cube`` leaves it out.
"""

from collections.abc import Mapping
from typing import Any

from pyproj import CRS

from revisit.cube.grid import Grid
from revisit.cube.packing import REFLECTANCE_MISSING, REFLECTANCE_STEP

# GDAL (3.12) takes the value of chunks that were never written for "no data". Cubes have no such chunks: the
# value of masks is none they have, that of 8-bit images one that few pixels have (4 of 10,000 at most of the
# simulated regions). 0 and 255 hold all that lies beyond the limits: lakes, towns. Float images have NaN,
# which no pixel of theirs is.
MASK_FILL = 255
SCALED_FILL = 254

DECIBEL = "0.1 lg(re 1)"
UNITS = {"reflectance": "1", "dB": DECIBEL}
# Of the variable with the values, for each unit.
VALUES: dict[str, dict[str, Any]] = {
    "reflectance": {
        "long_name": "surface reflectance",
        "standard_name": "surface_bidirectional_reflectance",
        "units": UNITS["reflectance"],
        "scale_factor": REFLECTANCE_STEP,
        "_FillValue": REFLECTANCE_MISSING,
    },
    "dB": {"long_name": "backscatter in dB", "units": UNITS["dB"]},
    "scaled": {"long_name": "value between the limits of its band", "units": "1", "valid_range": [0, 255]},
}
VALID = {
    "long_name": "pixels to use: all bands present, and clear",
    "standard_name": "status_flag",
    "flag_values": [0, 1],
    "flag_meanings": "masked valid",
}
SCENE_CLASSIFICATION = {
    "long_name": "Sentinel-2 scene classification",
    "standard_name": "status_flag",
    "flag_values": list(range(12)),
    "flag_meanings": "no_data saturated_or_defective dark_area cloud_shadow vegetation not_vegetated water "
    "unclassified cloud_medium_probability cloud_high_probability thin_cirrus snow_or_ice",
}
TIME = {
    "long_name": "acquisition time",
    "standard_name": "time",
    "axis": "T",
    "units_metadata": "leap_seconds: none",
}
BANDS = {
    "band": {"long_name": "band, by its common name"},
    "wavelength_nm": {
        "long_name": "centre wavelength",
        "standard_name": "radiation_wavelength",
        "units": "nm",
    },
    "polarisation": {"long_name": "polarisation sent and received"},
    "lower": {"long_name": "lower limit: what 0 stands for"},
    "upper": {"long_name": "upper limit: what 255 stands for"},
    "mean": {"long_name": "mean of the training pixels"},
    "std": {"long_name": "standard deviation of the training pixels"},
    "valid_pixels": {"long_name": "number of training pixels", "units": "1"},
}
IN_SOURCE_UNIT = ("lower", "upper", "mean", "std")
LINEAGE = {
    "raw": "Scenes snapped to one grid, mosaicked by pass, turned into physical units.",
    "aligned": "Dates of the raw cube moved onto each other.",
    "scaled": "Values of the aligned cube between the limits of their band, as 8 bits.",
    "scaled float32": "Values of the aligned cube between the limits of their band, not rounded.",
    "dem": "Elevation interpolated from the tiles of a model.",
    "labels": "Labels of the nearest pixel of a map, or of the polygon around a pixel's centre.",
}
CONTENT = {
    "reflectance": "surface reflectance",
    "dB": "backscatter",
    "scaled": "8-bit images",
    "scaled float32": "float images",
    "class": "land cover",
    "m": "elevation",
}
CONVENTIONS = [
    {
        "name": name,
        "uuid": uuid,
        "schema_url": f"https://raw.githubusercontent.com/zarr-conventions/{name}/refs/tags/v0.1/schema.json",
        "spec_url": f"https://github.com/zarr-conventions/{name}/blob/v0.1/README.md",
        "description": description,
    }
    for name, uuid, description in (
        ("proj", "f17cb550-5864-4468-aeb7-f3180cfb622f", "Coordinate reference system information"),
        ("spatial", "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4", "Spatial coordinate information"),
    )
]


def about_band(name: str, source_unit: str | None) -> dict[str, Any]:
    """Attributes of a coordinate along the bands; limits are in the unit that was scaled."""
    units = {"units": UNITS[source_unit]} if source_unit and name in IN_SOURCE_UNIT else {}
    return {**BANDS[name], **units}


def about_axis(name: str) -> dict[str, str]:
    """Attributes of the coordinate ``x`` or ``y``."""
    return {"units": "m", "standard_name": f"projection_{name}_coordinate", "axis": name.upper()}


def about_reference(grid: Grid) -> dict[str, Any]:
    """Attributes of the variable that says in which reference system a grid lies, and where."""
    crs = CRS.from_epsg(grid.epsg)
    return {
        "long_name": "coordinate reference system",
        **crs.to_cf(),
        "spatial_ref": crs.to_wkt(),
        "GeoTransform": " ".join(str(number) for number in grid.transform.to_gdal()),
    }


def about_cube(grid: Grid, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of the group: the conventions, where it lies, and its story, of ``attributes`` of its own.

    The history has no date: the same input gives the same bytes.
    """
    stage, sensor, unit = attributes["stage"], attributes["sensor"], attributes["unit"]
    dtype = f" {attributes['dtype']}" if "dtype" in attributes else ""
    provider = f" of {attributes['provider']}" if attributes.get("provider") else ""
    return {
        "Conventions": "CF-1.11",
        "title": f"{sensor} {CONTENT[unit + dtype]} of {attributes['region']}, {stage}",
        "source": f"{sensor} scenes{provider}, named by source_items",
        "history": f"revisit {attributes['code_version']}: {LINEAGE[stage + dtype]}",
        "zarr_conventions": CONVENTIONS,
        "proj:code": grid.crs,
        "spatial:dimensions": ["y", "x"],
        "spatial:shape": list(grid.shape),
        "spatial:transform": list(grid.transform)[:6],
        "spatial:bbox": list(grid.bounds),
        **attributes,
    }
