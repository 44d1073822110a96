"""From a STAC item, as any of the providers writes it, to one scene record that all later stages read.

The record is a scene of the download manifest: identity, orbit, processing baseline, and for each band
its asset with unit, scale and offset. Catalogues spell all of these differently, and the offset that
Sentinel-2 reflectance carries since processing baseline 04.00 (January 2022) is stated, applied,
stated though applied, or not mentioned, depending on the provider (`offset_rule` in providers.yaml).
"""

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from revisit.errors import RevisitError
from revisit.stac.period import instant, span
from revisit.stac.providers import BANDS, Source

Item = dict[str, Any]
CLASS_BANDS = ("scl", "map")
SCALED = ("reflectance", "linear power", "decibel")
OFFSET, FIRST_WITH_OFFSET = -0.1, 4.0
MAP_TILES = ("esa_worldcover:product_tile", "io:tile_id")
APPLIED = "earthsearch:boa_offset_applied"
# Where a catalogue may send us: never to this machine's own files, nor into the syntax of GDAL's names.
ADDRESS = re.compile(r"(https?|s3|gs|az|served)://[^\s<>]+")


def flaw(item: Any) -> str | None:
    """What makes an item useless, in words; None where all that is read of it can be understood."""
    try:
        name = item["id"]
        if not item["properties"].get("datetime") and not item["properties"].get("start_datetime"):
            return f"item {name} has neither datetime nor start_datetime"
        # What later stages read; what is no number, date, box or asset fails here.
        [asset.get("href") for asset in item["assets"].values()]
        epsg(item), cloud_cover(item), _acquisition(item), _age(item)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        name = item.get("id", "without an id") if isinstance(item, dict) else "that is no object"
        return f"item {name} cannot be understood ({type(error).__name__}: {error})"
    return None


def scene(item: Item, source: Source, bands: Iterable[str]) -> dict[str, Any]:
    """The scene record of an item without a ``flaw``.

    Raises RevisitError where a band or what it hangs on is missing, contradicts itself or is no such thing.
    """
    try:
        return _scene(item, source, bands)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise RevisitError(
            f"{source.provider}: item {item['id']} cannot be understood ({type(error).__name__}: {error})"
        ) from error


def _scene(item: Item, source: Source, bands: Iterable[str]) -> dict[str, Any]:
    properties = item["properties"]
    level = baseline(item)
    described = {band: _band(item, source, band, level) for band in bands}
    rules = {entry.pop("offset_rule") for entry in described.values()} - {None}
    return {
        "id": item["id"],
        "datetime": moment(item),
        "platform": _lower(properties.get("platform")),
        "relative_orbit": relative_orbit(item),
        "orbit_state": _lower(properties.get("sat:orbit_state")),
        "processing_baseline": level,
        "tile": tile(item),
        "offset_rule": "; ".join(sorted(rules)) or "none",
        "geolocation": source.geolocation,
        "epsg": None if source.geolocation == "gcp" else epsg(item),
        "bands": described,
    }


def moment(item: Item) -> str:
    """Acquisition, or start of the period, in UTC: ``2023-04-02T10:30:21Z``, with any fraction."""
    return span(item)[0].isoformat().replace("+00:00", "Z")


def tile(item: Item) -> str | None:
    """MGRS tile such as ``31UFS``, or another grid's cell; None where there is no grid."""
    properties = item["properties"]
    cell = str(properties.get("grid:code") or "").rpartition("-")[2]
    name = properties.get("s2:mgrs_tile") or cell or next(filter(None, map(properties.get, MAP_TILES)), None)
    # Sentinel-2's tile, or the corner of a tile of Copernicus DEM such as N51_00_E005_00.
    match = re.search(r"_T(\d\d[A-Z]{3})_|_([NS]\d\d_\d\d_[EW]\d{3}_\d\d)_", item["id"])
    return name or (match.group(match.lastindex or 0) if match else None)


def baseline(item: Item) -> str | None:
    """Processing baseline such as ``05.11``; None where the item states none."""
    properties = item["properties"]
    text = properties.get("s2:processing_baseline") or properties.get("processing:version")
    if re.fullmatch(r"\d\d\.\d\d", str(text)):
        return str(text)
    match = re.search(r"_N(\d\d)(\d\d)_", f"{properties.get('s2:product_uri')} {item['id']}")
    return f"{match.group(1)}.{match.group(2)}" if match else None


def relative_orbit(item: Item) -> int | None:
    properties = item["properties"]
    if properties.get("sat:relative_orbit") is not None:
        return int(properties["sat:relative_orbit"])
    match = re.search(r"_R(\d{3})_", f"{properties.get('s2:product_uri')} {item['id']}")
    return int(match.group(1)) if match else None


def epsg(item: Item) -> int | None:
    """The projection's code, wherever the projection extension's versions put it."""
    for place in (item["properties"], *item["assets"].values()):
        code = place.get("proj:epsg") or str(place.get("proj:code") or "").partition("EPSG:")[2]
        if code:
            return int(code)
    return None


def find_asset(item: Item, band: str, source: Source) -> tuple[str, dict[str, Any]]:
    """Name and asset of a band: by the provider's definition, else the finest one of that common name.

    Raises RevisitError where there is none, or where it says itself that it is another band.
    """
    assets = item["assets"]
    name = source.assets.get(band, band)
    if name in assets:
        if (stated := _own_band(assets[name])) in BANDS[source.sensor] and stated != band:
            raise RevisitError(
                f"{source.provider}: item {item['id']}: asset {name!r} should be {band}, "
                f"and says that it is {stated}"
            )
        return name, assets[name]
    named = [
        (asset.get("gsd", 0), key)
        for key, asset in assets.items()
        for part in (*asset.get("bands", ()), *asset.get("eo:bands", ()))
        if band in (part.get("eo:common_name"), part.get("common_name"))
    ]
    if not named:
        raise RevisitError(
            f"{source.provider}: item {item['id']} has no asset for band {band!r}, "
            f"only {', '.join(sorted(assets))}"
        )
    return min(named)[1], assets[min(named)[1]]


def readdressed(assets: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """Assets with other hrefs; those without one stay, as that is a fault only where they are needed."""
    return {
        name: {**asset, "href": change(asset["href"])} if isinstance(asset.get("href"), str) else asset
        for name, asset in assets.items()
    }


def _own_band(asset: dict[str, Any]) -> str | None:
    """The one band that an asset says it holds, by common name or polarisation."""
    described = [*asset.get("bands", ()), *asset.get("eo:bands", ())]
    names = {part.get("eo:common_name") or part.get("common_name") for part in described}
    names |= {str(name).lower() for name in asset.get("sar:polarizations", ())}
    return names.pop() if len(names) == 1 else None


def cloud_cover(item: Item) -> float | None:
    """Per cent of an item under cloud; None where it does not say."""
    cover = item["properties"].get("eo:cloud_cover")
    return None if cover is None else float(cover)


def drop_duplicates(items: Iterable[Item]) -> list[Item]:
    """One item per acquisition, by time and id: of several processings the highest baseline, then the newest.

    An acquisition is tile, platform, relative orbit, day and data strip; without a tile, platform and moment;
    of a map that has neither, box and moment. Two strips that share a tile are two acquisitions, each of
    which may have been processed anew or not.
    """
    acquisitions: dict[tuple[Any, ...], list[Item]] = {}
    for item in items:
        acquisitions.setdefault(_acquisition(item), []).append(item)
    kept = [max(group, key=lambda item: (_version(item), _age(item))) for group in acquisitions.values()]
    return sorted(kept, key=lambda item: (moment(item), item["id"]))


def _acquisition(item: Item) -> tuple[Any, ...]:
    where, when = tile(item), moment(item)
    platform = _lower(item["properties"].get("platform"))
    return (
        where or (None if platform else tuple(map(float, item["bbox"]))),
        platform,
        relative_orbit(item),
        when[:10] if where else when,
        _strip(item),
    )


def _version(item: Item) -> str:
    return baseline(item) or item["properties"].get("esa_worldcover:product_version") or ""


def _age(item: Item) -> tuple[str, str]:
    names = ("s2:generation_time", "processing:datetime", "s1:processing_datetime", "created", "updated")
    made = next((item["properties"][name] for name in names if item["properties"].get(name)), None)
    return instant(made).isoformat() if made else "", item["id"]


def _strip(item: Item) -> str | None:
    """When the sensing of an item's data strip began, which processing anew leaves as it is."""
    properties = item["properties"]
    match = re.search(
        r"_S(\d{8}T\d{6})_", properties.get("s2:datastrip_id") or properties.get("eopf:datastrip_id") or ""
    )
    return match.group(1) if match else None


def _band(item: Item, source: Source, band: str, level: str | None) -> dict[str, Any]:
    name, asset = find_asset(item, band, source)
    is_measured = band in BANDS[source.sensor]  # any other is a probability of cloud
    where = f"{source.provider}: item {item['id']}, asset {name!r}"
    stated = {
        **next(iter(asset.get("raster:bands", ())), {}),
        **next(iter(asset.get("bands", ())), {}),
        **asset,
    }
    record: dict[str, Any] = {
        "asset": name,
        "source": _address(asset, where),
        "unit": "class" if band in CLASS_BANDS else source.unit if is_measured else "per cent",
        "scale": 1.0,
        "offset": 0.0,
        # No number of a probability means that there is none: 0 per cent is clear, whatever file or item say.
        "nodata": _nodata(stated.get("nodata"), where) if is_measured else "nan",
        "offset_rule": None,
    }
    if record["unit"] in SCALED:
        scale, offset = _number(stated, "scale", where), _number(stated, "offset", where)
        if scale == 0:
            raise RevisitError(f"{where}: its scale is 0")
        record["scale"] = float(source.scale) if scale is None else scale
        record["offset"] = offset or 0.0
        if record["unit"] == "reflectance":
            record["offset"], record["offset_rule"] = _offset(item, source, offset, level)
    elif record["unit"] == "amplitude" and source.calibration_asset:
        name, annotation = find_asset(item, source.calibration_asset.format(band=band), source)
        by = _address(annotation, f"{source.provider}: item {item['id']}, asset {name!r}")
        record |= {"unit": "linear power", "calibration": by, "nodata": 0}
    elif record["unit"] == "amplitude":
        record["calibration_db"] = source.calibration_db
    return record


def _address(asset: dict[str, Any], where: str) -> str:
    if not ADDRESS.fullmatch(str(asset.get("href"))):
        raise RevisitError(f"{where}: {asset.get('href')!r} is no address of a file on the web")
    return str(asset["href"])


def _number(asset: dict[str, Any], name: str, where: str) -> float | None:
    """A number that an asset states, by either of the names that the raster extension has had."""
    value = next((asset[key] for key in (f"raster:{name}", name) if asset.get(key) is not None), None)
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise RevisitError(f"{where}: its {name} {value!r} is no number")
    return number


def _nodata(value: Any, where: str) -> Any:
    """The number of missing pixels as an asset states it, which may be the text nan."""
    try:
        float(0 if value is None else value)
    except (TypeError, ValueError):
        raise RevisitError(f"{where}: its nodata {value!r} is no number") from None
    return value


def _offset(item: Item, source: Source, stated: float | None, level: str | None) -> tuple[float, str]:
    """The offset of reflectance by the provider's rule, and why; ``stated``: what the item says of it."""
    if source.offset_rule == "none":
        return 0.0, "none"
    if source.offset_rule == "stated" and stated is not None:
        return stated, "as the item states"
    if source.offset_rule == "unless-applied" and item["properties"].get(APPLIED) is True:
        return 0.0, "already applied by the provider"
    if level is None:
        raise RevisitError(
            f"{source.provider}: item {item['id']} states no processing baseline, which its offset hangs on; "
            f"set offset_rule of {source.collection} in providers"
        )
    if float(level) >= FIRST_WITH_OFFSET:
        return OFFSET, f"baseline {level} has the offset"
    return 0.0, f"baseline {level} is before the offset"


def _lower(text: str | None) -> str | None:
    return text.lower() if text else None
