"""STAC items and collections of the archive, with the fields of the public catalogues; relative addresses."""

from datetime import datetime
from typing import Any

from shapely.geometry.base import BaseGeometry

from revisit.archive.geometry import Grid, lonlat
from revisit.archive.kinds import BANDS, CLASSES
from revisit.archive.optics import Light
from revisit.archive.radar import LOOKS
from revisit.archive.schedule import OFFSET_SINCE, Pass
from revisit.cube.degrees import WORLD, bbox_and_geometry

SENTINEL_2, SENTINEL_1 = "sentinel-2-l2a", "sentinel-1-rtc"
WORLDCOVER, TRUTH = "esa-worldcover", "land-cover-truth"
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
RADAR_NODATA = -32768.0
DESCRIPTIONS = {
    SENTINEL_2: "Simulated Sentinel-2 level 2A surface reflectance with scene classification",
    SENTINEL_1: "Simulated Sentinel-1 radiometrically terrain corrected gamma nought, linear power",
    WORLDCOVER: "Simulated land cover map in the layout of ESA WorldCover",
    TRUTH: "The land cover every simulated scene was made from, one map a year",
}
EXTENSIONS = {
    name: f"https://stac-extensions.github.io/{name}/v{version}/schema.json"
    for name, version in {
        "eo": "1.1.0",
        "raster": "1.1.0",
        "projection": "1.1.0",
        "view": "1.0.0",
        "sat": "1.0.0",
        "sar": "1.0.0",
        "grid": "1.1.0",
        "mgrs": "1.0.0",
        "classification": "1.0.0",
    }.items()
}
Item = dict[str, Any]


def offset(baseline: str) -> float:
    """What to add to DN * 0.0001 for reflectance."""
    return -0.1 if baseline >= OFFSET_SINCE else 0.0


def sentinel2_item(
    one: Pass, grid: Grid, tile: str, footprint: BaseGeometry, light: Light, shares: dict[int, float]
) -> Item:
    """``shares``: percentage of the valid pixels a code of the scene classification has."""
    name = f"{one.platform}_{tile}_{one.when:%Y%m%d}_{one.sequence}_L2A"
    start = f"{one.when:%Y%m%dT%H%M%S}"
    cloud = sum(shares.get(code, 0.0) for code in (8, 9, 10))
    properties = {
        "datetime": _stamp(one.when),
        "platform": f"sentinel-{one.platform[1:].lower()}",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "gsd": 10,
        "eo:cloud_cover": round(cloud, 6),
        "proj:epsg": grid.epsg,
        "grid:code": f"MGRS-{tile}",
        "mgrs:utm_zone": int(tile[:2]),
        "mgrs:latitude_band": tile[2],
        "mgrs:grid_square": tile[3:],
        "sat:orbit_state": "descending",
        "sat:relative_orbit": one.relative_orbit,
        "view:sun_elevation": round(light.elevation, 4),
        "view:sun_azimuth": round(light.azimuth, 4),
        "view:incidence_angle": round(light.incidence, 4),
        "view:azimuth": round(light.view_azimuth, 4),
        "s2:tile": tile,
        "s2:processing_baseline": one.baseline,
        "s2:sequence": str(one.sequence),
        "s2:product_type": "S2MSI2A",
        "s2:datatake_id": f"G{one.platform}_{start}_R{one.relative_orbit:03d}_N{one.baseline}",
        "s2:nodata_pixel_percentage": round(shares.get(0, 0.0), 6),
        "s2:cloud_shadow_percentage": round(shares.get(3, 0.0), 6),
        "s2:snow_ice_percentage": round(shares.get(11, 0.0), 6),
    }
    assets: dict[str, Any] = {}
    for band, (number, centre, width, resolution) in BANDS.items():
        common = "rededge" if band.startswith("rededge") else band
        assets[band] = {
            **_asset(SENTINEL_2, name, band, f"{number}, {resolution} m", grid, resolution),
            "gsd": resolution,
            "eo:bands": [
                {
                    "name": number,
                    "common_name": common,
                    "center_wavelength": centre,
                    "full_width_half_max": width,
                }
            ],
            "raster:bands": [
                {
                    "nodata": 0,
                    "data_type": "uint16",
                    "spatial_resolution": resolution,
                    "scale": 0.0001,
                    "offset": offset(one.baseline),
                }
            ],
            "roles": ["data", "reflectance"],
        }
    assets["scl"] = {
        **_asset(SENTINEL_2, name, "scl", "Scene classification map (SCL)", grid, 20),
        "gsd": 20,
        "raster:bands": [{"nodata": 0, "data_type": "uint8", "spatial_resolution": 20}],
        "roles": ["data"],
    }
    uses = ("eo", "raster", "projection", "view", "sat", "grid", "mgrs")
    return _item(SENTINEL_2, name, lonlat(grid.epsg, footprint), properties, assets, uses)


def sentinel1_item(one: Pass, grid: Grid, footprint: BaseGeometry) -> Item:
    absolute = 30_000 + (one.when - datetime(2020, 1, 1, tzinfo=one.when.tzinfo)).days * 175 // 12
    start, unit = f"{one.when:%Y%m%dT%H%M%S}", one.platform[1:]
    name = f"{one.platform}_IW_GRDH_1SDV_{start}_{start}_{absolute:06d}_{absolute * 7 % 0xFFFFFF:06X}_rtc"
    properties = {
        "datetime": _stamp(one.when),
        "start_datetime": _stamp(one.when),
        "end_datetime": _stamp(one.when),
        "platform": f"SENTINEL-{unit}",
        "constellation": "Sentinel-1",
        "instruments": ["c-sar"],
        "gsd": 10,
        "proj:epsg": grid.epsg,
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.affine()),
        "proj:bbox": list(grid.bounds),
        "sat:orbit_state": "ascending" if one.ascending else "descending",
        "sat:relative_orbit": one.relative_orbit,
        "sat:absolute_orbit": absolute,
        "sar:instrument_mode": "IW",
        "sar:frequency_band": "C",
        "sar:center_frequency": 5.405,
        "sar:product_type": "GRD",
        "sar:polarizations": ["VV", "VH"],
        "sar:resolution_range": 20,
        "sar:resolution_azimuth": 22,
        "sar:pixel_spacing_range": 10,
        "sar:pixel_spacing_azimuth": 10,
        "sar:looks_range": 5,
        "sar:looks_azimuth": 1,
        "sar:looks_equivalent_number": LOOKS,
        "sar:observation_direction": "right",
    }
    raster = {"nodata": RADAR_NODATA, "data_type": "float32", "spatial_resolution": 10.0}
    assets = {
        band: {
            **_asset(SENTINEL_1, name, band, f"{band.upper()}: gamma nought, linear power"),
            "raster:bands": [raster],
            "roles": ["data"],
        }
        for band in ("vv", "vh")
    }
    uses = ("sar", "sat", "projection", "raster")
    return _item(SENTINEL_1, name, lonlat(grid.epsg, footprint), properties, assets, uses)


def map_item(collection: str, name: str, year: int, epsg: int, footprint: BaseGeometry, **extra: Any) -> Item:
    """A land cover map of one year; ``extra`` are further properties. The footprint is in degrees."""
    properties = {
        "datetime": None,
        "start_datetime": f"{year}-01-01T00:00:00Z",
        "end_datetime": f"{year}-12-31T23:59:59Z",
        "gsd": 10,
        "proj:epsg": epsg,
        **extra,
    }
    asset = {
        **_asset(collection, name, "map", "Land cover classes"),
        "raster:bands": [{"nodata": 0, "data_type": "uint8", "spatial_resolution": 10}],
        "classification:classes": [{"value": code, "description": text} for code, text in CLASSES.items()],
        "roles": ["data"],
    }
    uses = ("projection", "raster", "classification", *(("grid",) if "grid:code" in extra else ()))
    return _item(collection, name, footprint, properties, {"map": asset}, uses)


def collections(items: list[Item]) -> list[dict[str, Any]]:
    """STAC Collections of the items, with the extent these have."""
    result = []
    for name in sorted({item["collection"] for item in items}):
        own = [item for item in items if item["collection"] == name]
        boxes = [item["bbox"] if item["bbox"][0] <= item["bbox"][2] else WORLD for item in own]
        wests, souths, easts, norths = zip(*boxes, strict=True)
        starts = [p["datetime"] or p["start_datetime"] for p in (item["properties"] for item in own)]
        ends = [p["datetime"] or p["end_datetime"] for p in (item["properties"] for item in own)]
        result.append(
            {
                "type": "Collection",
                "stac_version": "1.0.0",
                "id": name,
                "title": name,
                "description": DESCRIPTIONS[name],
                "license": "CC0-1.0",
                "keywords": ["simulated"],
                "extent": {
                    "spatial": {"bbox": [[min(wests), min(souths), max(easts), max(norths)]]},
                    "temporal": {"interval": [[min(starts), max(ends)]]},
                },
                "links": [],
            }
        )
    return result


def _item(
    collection: str,
    name: str,
    footprint: BaseGeometry,
    properties: dict[str, Any],
    assets: dict[str, Any],
    extensions: tuple[str, ...],
) -> Item:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [EXTENSIONS[extension] for extension in extensions],
        "id": name,
        "collection": collection,
        **bbox_and_geometry(footprint),
        "properties": properties,
        "assets": assets,
        "links": [{"rel": "collection", "href": "collections.json", "type": "application/json"}],
    }


def _asset(
    collection: str, name: str, asset: str, title: str, grid: Grid | None = None, resolution: int = 10
) -> dict[str, Any]:
    """An asset; with a grid it carries its own shape and transform."""
    result: dict[str, Any] = {"href": f"{collection}/{name}/{asset}.tif", "type": COG, "title": title}
    if grid:
        result["proj:shape"] = [grid.rows * 10 // resolution, grid.columns * 10 // resolution]
        result["proj:transform"] = list(grid.affine(resolution))
    return result


def _stamp(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%S.%fZ}"
