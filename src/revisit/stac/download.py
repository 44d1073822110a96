"""Downloads one year of one sensor over one region: every band's window, with checksums, resumable.

Beside the manifest lie ``clips/`` and ``items.json`` (their STAC items). Clips are fetched into ``fetched/``,
with ``journal.jsonl``, by which a run goes on where another ended: clips whose checksum holds, and whose
source is the same, are kept, warped ones if the code that warps is the same too; only the rest is fetched. In
the end ``clips`` becomes a link to that folder: Snakemake removes a job's outputs before it runs again, and
so removes nothing fetched. Where clips are not to be kept, ``clips`` is the folder itself, and goes once it
is stacked.
A scene of which any asset is gone or broken is quarantined, with the cause, and the others go on. An outage
of the provider is borne with for a while; then the job fails, without a manifest, and a later run goes on.

Job: ``names`` region, sensor, year; inputs ``found`` (what the search froze) and ``folder`` (what our own API
serves; none for a remote one); output ``manifest``; settings: ``Settings``.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import shapely
from pydantic import Field

from revisit import files, stage
from revisit.code_digests import code
from revisit.cube.degrees import bbox_and_geometry
from revisit.cube.grid import Region
from revisit.errors import RevisitError
from revisit.job import Job
from revisit.provenance import config_hash
from revisit.record import read
from revisit.stac import adapter
from revisit.stac.clip import Area
from revisit.stac.failures import OutageError, UnreadableError
from revisit.stac.fetch import annotation, fetch
from revisit.stac.journal import Journal
from revisit.stac.local import endpoint, frozen, identity, resolve
from revisit.stac.patience import Patience, Patient
from revisit.stac.providers import Provider, Source, source
from revisit.stac.slots import Shared

# More of a scene below zero than this in visible light: the offset was probably subtracted twice.
NEGATIVE_SHARE = 0.2
TIFF = "image/tiff; application=geotiff"
CLIPS, FETCHED = "clips", "fetched"  # folders beside the manifest
LONGEST_NAME = 200  # of a folder; file systems take 255 bytes
NAMED = 3  # quarantined scenes in a message


class Download(Patient):
    """How imagery is fetched."""

    workers: int = Field(8, ge=1)
    """Assets that one job reads at a time, within the study's `requests`."""
    max_quarantined: float = Field(0.2, ge=0, le=1)
    """Share of a year's scenes that may be left out because a file of theirs is gone or broken; where there
    are more, the job fails."""


class Settings(Download, Shared, Region):
    """Settings of one download."""

    keep: bool = True
    """Whether the clips stay when they are stacked."""

    provider: str
    """Name of the provider."""
    providers: dict[str, Provider] = Field(default_factory=dict)
    """Own providers, by name."""
    bands: list[str] = Field(min_length=1)
    """Bands to fetch, that of the mask too."""


@dataclass(frozen=True)
class Task:
    """One band of one scene: the file to make, the asset to make it from, and which file that is."""

    item: str
    path: str
    record: dict[str, Any]
    source: str


def run(job: Job) -> None:
    """Download as the job says."""
    settings = read(Settings, job.settings, "download")
    names, folder = job.names, next(iter(job.sources("folder")), None)
    items = files.read_json(job.source("found"))["features"]
    download(
        items, names["region"], names["sensor"], int(names["year"]), job.target("manifest"), settings, folder
    )


def download(
    items: list[dict[str, Any]],
    region: str,
    sensor: str,
    year: int,
    out: Path,
    settings: Settings,
    folder: Path | None = None,
) -> dict[str, Any]:
    """Fetch a year's scenes beside ``out`` and write the manifest there; returns the manifest.

    ``items`` are frozen STAC items, of which those of the year are taken; ``folder`` is where hrefs
    ``served:///path`` lie. Raises RevisitError where the provider fails for longer than ``patience_s``, or
    where too much is quarantined; what was fetched is kept, and there is no manifest.
    """
    files.remove(out)
    fetched = _take_up(out.parent)
    where = f"download: {sensor} of {region}, {year}"
    origin = source(settings.provider, sensor, settings.providers)
    area = Area.around(settings.bbox, settings.epsg)
    if cause := next(filter(None, map(adapter.flaw, items)), None):
        raise RevisitError(f"{where}: {cause}; run the stage search again")
    mine = {item["id"]: item for item in items if adapter.moment(item).startswith(f"{year}-")}
    scenes, quarantine = _scenes(mine, origin, settings.bands)
    folders = _folders(scenes, where, sensor)
    served = origin.folder or folder
    tasks = [
        Task(name, f"{folders[name]}/{band}.tif", record, _identity(record, served))
        for name, scene in scenes.items()
        for band, record in scene["bands"].items()
    ]
    journal = Journal(
        fetched,
        config_hash([origin.provider, origin.collection, origin.nodata, area.epsg, area.bounds]),
        config_hash(code("revisit.stac.clip")),
    )
    clips = journal.resume({task.path: task.source for task in tasks})
    if clips:
        stage.log.info("%d of %d clips are there already", len(clips), len(tasks))
    logging.getLogger("rasterio").setLevel(logging.CRITICAL)  # it writes addresses with their signatures
    todo = [task for task in tasks if task.path not in clips]
    try:
        with endpoint(origin, folder) as url:
            for task, result in _fetch_all(todo, origin, area, fetched, url, settings):
                if isinstance(result, UnreadableError):
                    cause = frozen(str(result), url)
                    quarantine.append({"item": task.item, "asset": task.record["asset"], "cause": cause})
                else:
                    clips[task.path] = result
                    journal.add(task.path, result)
    except OutageError as error:
        raise RevisitError(
            f"{where}: nothing came for {error.lasted} ({error}); "
            f"{len(clips)} of {len(tasks)} clips are kept, run again later for the rest; "
            f"if one scene alone stays so, {_skip(sensor)}"
        ) from error
    journal.write()
    _check_quarantine(where, quarantine, len(mine), sensor, settings.max_quarantined)
    broken = {entry["item"] for entry in quarantine}
    clips = {f"{CLIPS}/{path}": clip for path, clip in clips.items()}
    paths = {name: [f"{CLIPS}/{task.path}" for task in tasks if task.item == name] for name in scenes}
    empty = [
        name for name in paths if name not in broken and not all(clips[path]["valid"] for path in paths[name])
    ]
    kept = [
        _kept(scenes[name], clips, paths[name]) for name in scenes if name not in broken and name not in empty
    ]
    manifest: dict[str, Any] = {
        "region": region,
        "sensor": sensor,
        "year": year,
        "provider": origin.provider,
        "quantity": origin.quantity,
        "scenes": sorted(kept, key=lambda scene: (scene["datetime"], scene["id"])),
        "quarantine": sorted(quarantine, key=lambda entry: (entry["item"], entry["asset"])),
        "without_data": sorted(empty),
    }
    _report(manifest, clips)
    collection = [_item(mine[scene["id"]], scene, clips, settings.bbox) for scene in manifest["scenes"]]
    files.write_json(out.parent / "items.json", {"type": "FeatureCollection", "features": collection})
    _hand_over(out.parent, settings.keep)
    files.write_json(out, manifest)
    return manifest


def _take_up(folder: Path) -> Path:
    """The folder to fetch into, with what an earlier download left there or handed over."""
    fetched, clips = folder / FETCHED, folder / CLIPS
    if clips.is_dir() and not clips.is_symlink() and not fetched.exists():
        clips.rename(fetched)
    files.remove(clips)
    fetched.mkdir(parents=True, exist_ok=True)
    return fetched


def _hand_over(folder: Path, keep: bool) -> None:
    """Give later stages what was fetched: by a link, or the folder itself where it is to go after them."""
    if keep:
        (folder / CLIPS).symlink_to(FETCHED)
    else:
        (folder / FETCHED).rename(folder / CLIPS)


def _identity(record: dict[str, Any], served: Path | None) -> str:
    """What a clip's content hangs on: the band's file, and the calibration if there is one."""
    return " by ".join(identity(record[key], served) for key in ("source", "calibration") if key in record)


def _scenes(
    items: dict[str, dict[str, Any]], origin: Source, bands: Sequence[str]
) -> tuple[dict[str, dict[str, Any]], list[dict[str, str]]]:
    """The items' scene records, and those that have none because a band or its meaning is missing."""
    scenes, quarantine = {}, []
    for name, item in items.items():
        try:
            scenes[name] = adapter.scene(item, origin, bands)
        except RevisitError as error:
            quarantine.append({"item": name, "asset": "", "cause": str(error)})
    return scenes, quarantine


def _folders(items: Iterable[str], where: str, sensor: str) -> dict[str, str]:
    """The folder of every item, named by its id: a catalogue must not choose where files are written."""
    folders: dict[str, str] = {}
    owners: dict[str, str] = {}
    for item in items:
        folders[item] = re.sub(r"[^\w+-]", "_", item)
        if len(folders[item]) > LONGEST_NAME:
            folders[item] = f"{folders[item][:LONGEST_NAME]}_{config_hash(item)}"
        if (owner := owners.setdefault(folders[item], item)) != item:
            raise RevisitError(
                f"{where}: items {owner} and {item} would both lie in the folder {folders[item]}; "
                f"name one of them in search.{sensor}.skip"
            )
    return folders


def _fetch_all(
    tasks: list[Task], origin: Source, area: Area, folder: Path, url: str, settings: Settings
) -> Iterator[tuple[Task, dict[str, Any] | UnreadableError]]:
    """Fetch in threads; yields each task, as it ends, with its clip or with what is wrong with its file.

    Raises OutageError in the end, when what was under way has been yielded too.
    """
    patience, outage = Patience(settings.patience_s), None
    pool = ThreadPoolExecutor(min(settings.workers, settings.requests))
    try:
        futures = {
            pool.submit(_fetch, task, origin, area, folder, url, settings, patience): task for task in tasks
        }
        for future in stage.progress(as_completed(futures), f"download {origin.sensor}", len(futures)):
            try:
                yield futures[future], future.result()
            except UnreadableError as error:
                yield futures[future], error
            except OutageError as error:
                outage = outage or error
                patience.end()
        if outage:
            raise outage
    finally:
        patience.end()
        pool.shutdown(cancel_futures=True)


def _fetch(
    task: Task, origin: Source, area: Area, folder: Path, url: str, settings: Settings, patience: Patience
) -> dict[str, Any]:
    """Fetch one clip. Each try waits for its turn and signs anew, as signatures expire."""
    target, record = folder / task.path, task.record
    fallback = _fallback(record["unit"], origin)
    href, by = resolve(record["source"], url), record.get("calibration")

    def attempt() -> dict[str, Any]:
        with settings.turn(origin):
            table = annotation(origin.signed(resolve(by, url))) if by else None
            return fetch(origin.signed(href), area, target, record["nodata"], fallback, origin.gdal, table)

    try:
        what = f"asset {record['asset']!r} of {task.item} at {urlsplit(href).netloc}"
        found = patience.keep(attempt, what)
    except OSError as error:
        raise RevisitError(f"{target}: cannot be written ({error}); is the disk full?") from error
    return {**found, "source": task.source}


def _fallback(unit: str, origin: Source) -> float | None:
    """The number that means no data in a band of this unit where neither item nor file states one."""
    if unit == "class" and (origin.unit != unit or origin.nodata is None):
        return 0  # of a scene classification too, whatever the bands beside it have
    return origin.nodata


def _check_quarantine(
    where: str, quarantine: list[dict[str, str]], items: int, sensor: str, most: float
) -> None:
    """Refuse to go on with a year of which too much is missing."""
    scenes = {entry["item"]: f"{entry['item']} ({entry['cause']})" for entry in quarantine}
    if len(scenes) > most * items:
        named = ", ".join(list(scenes.values())[:NAMED])
        more = f" and {len(scenes) - NAMED} more" if len(scenes) > NAMED else ""
        raise RevisitError(
            f"{where}: {len(scenes)} of {items} scenes are gone or broken, {named}{more}; "
            f"{_skip(sensor)}, or raise download.max_quarantined ({most:g}) to go on without them"
        )


def _skip(sensor: str) -> str:
    return f"name it in search.{sensor}.skip"


def _kept(scene: dict[str, Any], clips: dict[str, dict[str, Any]], paths: list[str]) -> dict[str, Any]:
    """The manifest's scene: the record with each band's file."""
    bands = {}
    for (band, record), path in zip(scene["bands"].items(), paths, strict=True):
        clip = {key: clips[path][key] for key in ("sha256", "bytes", "dtype", "nodata")}
        bands[band] = {**record, "path": path, **clip}
    return {**scene, "bands": bands}


def _item(
    item: dict[str, Any], scene: dict[str, Any], clips: dict[str, dict[str, Any]], bbox: Sequence[float]
) -> dict[str, Any]:
    """The STAC item of a scene's clips, hrefs relative to the manifest's folder."""
    assets = {}
    for band, record in scene["bands"].items():
        clip = clips[record["path"]]
        meaning = {"scale": record["scale"], "offset": record["offset"], "unit": record["unit"]}
        assets[band] = {
            "href": record["path"],
            "type": TIFF,
            "roles": ["data"],
            "proj:epsg": clip["epsg"],
            "proj:shape": clip["shape"],
            "proj:transform": clip["transform"],
            "raster:bands": [{"data_type": record["dtype"], "nodata": record["nodata"], **meaning}],
        }
    return {**item, **bbox_and_geometry(shapely.box(*bbox)), "assets": assets}


def _report(manifest: dict[str, Any], clips: dict[str, dict[str, Any]]) -> None:
    """Say what was fetched, what was not, and what looks wrong."""
    scenes, where = manifest["scenes"], f"{manifest['sensor']} of {manifest['region']}, {manifest['year']}"
    stage.log.info(
        "%s: %d scenes, %d clips in all", where, len(scenes), sum(len(scene["bands"]) for scene in scenes)
    )
    for entry in manifest["quarantine"]:
        stage.log.warning("quarantined: %s, asset %r: %s", entry["item"], entry["asset"], entry["cause"])
    if manifest["without_data"]:
        stage.log.warning("no valid data over the region: %s", ", ".join(manifest["without_data"]))
    for scene in scenes:
        found = {band: clips[record["path"]] for band, record in scene["bands"].items()}
        if any(clip["warped"] for clip in found.values()):
            stage.log.warning(
                "%s has only ground control points: placed by them, without terrain correction", scene["id"]
            )
        if scene["epsg"] and {clip["epsg"] for clip in found.values()} != {scene["epsg"]}:
            stage.log.warning(
                "%s: its files are not in EPSG:%d, as its item says", scene["id"], scene["epsg"]
            )
        visible = [found[band]["low"] for band in ("blue", "green", "red") if band in found]
        if max(visible, default=0) > NEGATIVE_SHARE and any(
            band["offset"] < 0 for band in scene["bands"].values()
        ):
            stage.log.warning(
                "%s: %.0f %% of its visible reflectance is below zero with the offset (%s); "
                "the provider may have applied it already",
                *(scene["id"], 100 * max(visible), scene["offset_rule"]),
            )
    bands = [band for scene in scenes for band in scene["bands"].values()]
    if any(band["unit"] == "amplitude" and band["calibration_db"] == 0 for band in bands):
        stage.log.warning("%s: amplitudes without calibration; their decibels are relative", where)
    if not scenes:
        stage.log.warning("%s: nothing is left; the stack will lack this year", where)
