"""The downloaded scenes as their manifests describe them, and the acquisitions they belong to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from revisit.errors import RevisitError
from revisit.files import read_json, sha256
from revisit.stage import log

# Scenes of one pass over a region follow each other within seconds; the next pass comes 90 minutes later.
PASS = timedelta(minutes=10)


@dataclass(frozen=True)
class Clip:
    """One band of a scene: a GeoTIFF of untouched digital numbers, and how to read them."""

    path: Path
    sha256: str
    unit: str
    nodata: float | None
    scale: float
    offset: float
    calibration_db: float

    def verify(self) -> None:
        """Raise RevisitError where the file is not the one that was downloaded."""
        if not self.path.is_file():
            cause = "is missing"
        elif sha256(self.path) != self.sha256:
            cause = "has changed since its download (its checksum is not the manifest's)"
        else:
            return
        raise RevisitError(
            f"{self.path}: {cause}; remove {self.path.parents[2] / 'manifest.json'} and rerun download"
        )


@dataclass(frozen=True)
class Scene:
    """One STAC item as downloaded: its bands and what the provider says of it."""

    id: str
    time: datetime
    platform: str
    relative_orbit: int
    orbit_state: str
    processing_baseline: str
    offset_rule: str
    clips: dict[str, Clip]


def read_manifests(paths: Iterable[str | Path]) -> list[Scene]:
    """All scenes of some download manifests, by time and id.

    Raises RevisitError where one is not as the download wrote it, or names a file that is not beside it.
    """
    scenes = [scene for path in paths for scene in _scenes(Path(path))]
    return sorted(scenes, key=lambda scene: (scene.time, scene.id))


def _scenes(manifest: Path) -> list[Scene]:
    content = read_json(manifest)
    try:
        scenes = [_scene(manifest.parent, scene) for scene in content["scenes"]]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        cause = f"not as the download wrote it ({type(error).__name__}: {error})"
        raise RevisitError(f"{manifest}: {cause}; remove it and rerun download") from error
    for scene in scenes:
        for clip in scene.clips.values():
            if not clip.path.resolve().is_relative_to(manifest.parent.resolve()):
                cause = f"{clip.path} is not in its folder"
                raise RevisitError(f"{manifest}: {scene.id}: {cause}; remove it and rerun download")
    return scenes


def with_bands(scenes: Iterable[Scene], bands: Sequence[str]) -> list[Scene]:
    """The scenes that have all of ``bands``; a line is logged for each that has not."""
    complete = []
    for scene in scenes:
        missing = [band for band in bands if band not in scene.clips]
        if missing:
            log.warning("%s: left out, it lacks the band %s", scene.id, ", ".join(missing))
        else:
            complete.append(scene)
    return complete


def acquisitions(scenes: Iterable[Scene]) -> list[list[Scene]]:
    """Scenes of one pass of one satellite together, passes by time.

    Within a pass, the scene of the newest processing baseline comes first, then by id: where tiles
    overlap the first is taken.
    """
    passes: dict[tuple[str, int, str], list[list[Scene]]] = {}
    for scene in sorted(scenes, key=lambda scene: (scene.time, scene.id)):
        known = passes.setdefault((scene.platform, scene.relative_orbit, scene.orbit_state), [])
        if not known or scene.time - known[-1][0].time > PASS:
            known.append([])
        known[-1].append(scene)
    found = sorted(
        (group for groups in passes.values() for group in groups), key=lambda g: (g[0].time, g[0].id)
    )
    return [_newest_first(group) for group in found]


def _newest_first(scenes: Sequence[Scene]) -> list[Scene]:
    by_id = sorted(scenes, key=lambda scene: scene.id)
    return sorted(by_id, key=lambda scene: scene.processing_baseline, reverse=True)


def _scene(folder: Path, content: dict[str, Any]) -> Scene:
    time = datetime.fromisoformat(content["datetime"])
    return Scene(
        id=content["id"],
        time=time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC),
        platform=content.get("platform") or "",
        relative_orbit=-1 if content.get("relative_orbit") is None else int(content["relative_orbit"]),
        orbit_state=content.get("orbit_state") or "",
        processing_baseline=content.get("processing_baseline") or "",
        offset_rule=content.get("offset_rule") or "",
        clips={
            name: Clip(
                path=folder / band["path"],
                sha256=band["sha256"],
                unit=band["unit"],
                nodata=band.get("nodata"),
                scale=band.get("scale", 1),
                offset=band.get("offset", 0),
                calibration_db=band.get("calibration_db", 0),
            )
            for name, band in content["bands"].items()
        },
    )
