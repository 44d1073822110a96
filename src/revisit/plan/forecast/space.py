"""How much space a study takes, in the end and at most while it runs; how much is fetched; how many files.

Bytes of a value are those of the small study of the tests, whose imagery is simulated, with noise: real
imagery is packed a little better.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from revisit.cube.bands import ELEVATION
from revisit.cube.write import BLOCK, CHUNK, SMALL
from revisit.plan.forecast.work import CLASSIFICATION, MILLION, Work


class Bytes(NamedTuple):
    """Bytes of a pixel: of a clip, of a remote file, of all bands of the archive, of each kind of cube.

    ``floats``: of a scaled cube that was not rounded; of Sentinel-1 as of its aligned one, of floats too.
    """

    clip: float
    remote: float
    scene: float
    scene_files: int
    raw: float = 0.0
    aligned: float = 0.0
    scaled: float = 0.0
    floats: float = 0.0


BYTES = {
    "sentinel-1": Bytes(4, 2.1, 6.8, 2, raw=3.4, aligned=3.4, scaled=1.4, floats=3.4),
    "sentinel-2": Bytes(2, 1.4, 13.2, 13, raw=1.5, aligned=1.5, scaled=0.8, floats=2.8),
}
CLASSES = Bytes(1, 0.2, 1.0, 1)  # maps of land cover, the scene classification
BESIDE_CUBE, COORDINATES = 3, 32  # files
SHEET, MEDIAN = 1.2e6, 2.8  # the pictures beside a cube: bytes of one, and of a pixel of the other
SCENE_JSON, JOB_FILES, SCORE, PAGE = 7e3, 6e3, 4e4, 5e6  # bytes
MAP = 0.6  # bytes of a pixel of a map, its overviews and its picture
FEATURES, FLOAT = 512, 4  # of an encoder; bytes of a number
REMOTE_BLOCK = 512  # pixels, a side of the blocks that a remote file is read by


class Space(NamedTuple):
    """What the products of a stage take: bytes and files that stay, and bytes that go, by region."""

    stays: float
    files: float
    goes: Mapping[str, float] = {}


def spaces(work: Work) -> dict[str, Space]:
    """What the products of each stage take."""
    plan = work.plan
    jobs = {stage.name: stage.jobs for stage in work.stages()}
    samples = {name: work.samples(name) for name in plan.collected()}
    encoders = sum(entry["parameters"] * FLOAT * work.of_entry(entry) for entry in plan.entries.values())
    embedded = [path.split("/")[-5] for path in plan.embedded()]
    generated = plan.generated_stores()
    scores = len(plan.scores())
    every, models = sum(jobs.values()), _models(work)
    return {
        "archive": _archive(work),
        "search": Space(sum(one.scenes * SCENE_JSON for one in work.series), jobs["search"]),
        "download": _scenes(work),
        "stack": _cubes(work, "raw"),
        "coregister": _cubes(work, "aligned"),
        "scale": _cubes(work, "scaled"),
        "labels": Space(sum(map(work.cells, plan.regions)) if jobs["labels"] else 0, 15 * jobs["labels"]),
        "dem": Space(sum(map(work.cells, plan.regions)) * FLOAT if jobs["dem"] else 0, 15 * jobs["dem"]),
        "tile": Space(sum(_patches(work, name) for name in plan.config["collections"]), 26 * jobs["tile"]),
        "import_set": Space(
            sum(_patches(work, name) for name in plan.config["imports"]), 26 * jobs["import_set"]
        ),
        "pretrain": Space(encoders + jobs["pretrain"] * SCORE, 3 * jobs["pretrain"]),
        "generate": Space(sum(_generated(work, path) for path in generated), 6 * len(generated)),
        "embed": Space(sum(samples[name] * FEATURES * FLOAT for name in embedded), len(embedded)),
        "evaluate": Space(scores * SCORE + models.stays, 2 * scores + models.files),
        "predict": Space(sum(map(work.cells, plan.regions)) * MAP * len(plan.mapped()), 3 * jobs["predict"]),
        "page": Space(PAGE + every * JOB_FILES, 3 * every),
    }


def peak(work: Work, found: Mapping[str, Space], cores: int) -> float:
    """Bytes at most, if regions are made one after another, so many jobs at a time.

    The aligned cubes of the regions that limits are measured on are all there until the limits are.
    """
    measured, passing = len(work.plan.measured()), 0.0
    for stage, space in found.items():
        at_a_time = max(cores + 1, measured if stage == "coregister" else 0)
        passing += sum(sorted(space.goes.values(), reverse=True)[:at_a_time])
    return sum(space.stays for space in found.values()) + passing


def fetched(work: Work) -> tuple[float, float]:
    """Bytes and files that come from a remote provider, whose files are read by blocks."""
    remote = [one for one in work.series if not work.plan.is_served(one.sensor)]
    size = 0.0
    for one in remote:
        for band in work.plan.fetched(one.sensor):
            side = math.sqrt(work.clip_pixels(one.region, band)) + REMOTE_BLOCK
            size += one.scenes * side**2 * _of_band(one.sensor, band).remote
    return size, sum(one.scenes * len(work.plan.fetched(one.sensor)) for one in remote)


def _bytes(sensor: str) -> Bytes:
    return BYTES.get(sensor, CLASSES)


def _of_band(sensor: str, band: str) -> Bytes:
    return CLASSES if band == CLASSIFICATION else _bytes(sensor)


def _models(work: Work) -> Space:
    """Networks that evaluations trained: about as large as their encoders and half as much again."""
    plan, keep = work.plan, work.plan.config["keep"]["models"]
    sizes = [
        (
            1.5 * MILLION * FLOAT * work.parameters(*(entry for entry, _ in run["encoders"])),
            len(run["repeats"]),
        )
        for run in plan.runs
        if run["stage"] == "evaluate"
    ]
    counts = {"all": [count for _, count in sizes], "best": [1] * len(sizes), "none": [0] * len(sizes)}[keep]
    best = max((size for size, _ in sizes), default=0.0) * len(plan.mapped())
    kept = sum(size * count for (size, _), count in zip(sizes, counts, strict=True))
    return Space(kept + best, 2 * (sum(counts) + len(plan.mapped())))


def _archive(work: Work) -> Space:
    simulated = [one for one in work.series if work.plan.simulates(one.sensor)]
    return Space(
        sum(one.scenes * work.cells(one.region) * _bytes(one.sensor).scene for one in simulated),
        sum(one.scenes * _bytes(one.sensor).scene_files for one in simulated),
    )


def _scenes(work: Work) -> Space:
    items = sum(one.scenes * SCENE_JSON for one in work.series)
    clips = dict.fromkeys(work.plan.regions, 0.0)
    for one in work.series:
        for band in work.plan.fetched(one.sensor):
            size = work.clip_pixels(one.region, band) * _of_band(one.sensor, band).clip
            clips[one.region] += one.scenes * size
    if not work.plan.config["keep"]["scenes"]:
        return Space(items, 2 * len(work.series), clips)
    files = sum(one.scenes * len(work.plan.fetched(one.sensor)) + 3 for one in work.series)
    return Space(items + sum(clips.values()), files)


def _cubes(work: Work, name: str) -> Space:
    regions, sensors = work.plan.regions, work.plan.sensors
    cubes = {region: sum(_cube(work, region, sensor, name) for sensor in sensors) for region in regions}
    pictures = sum(len(sensors) * (SHEET + MEDIAN * work.cells(region)) for region in regions)
    beside = BESIDE_CUBE * len(regions) * len(sensors)
    if not work.plan.config["keep"].get(name, True):
        return Space(pictures, beside, cubes)
    chunks = sum(_chunks(work, region, sensor) for region in regions for sensor in sensors)
    return Space(pictures + sum(cubes.values()), beside + chunks)


def _cube(work: Work, region: str, sensor: str, name: str) -> float:
    values = work.cells(region) * len(work.bands(sensor)) * work.dates(region, sensor)
    floats = name == "scaled" and work.plan.config["cube"]["scaled_dtype"] == "float32"
    return values * float(getattr(_bytes(sensor), "floats" if floats else name))


def _chunks(work: Work, region: str, sensor: str) -> float:
    """Files of a cube: two chunks along a side or, where it is large, shards."""
    shape = work.grids[region].shape
    large = max(shape) > SMALL
    height, width = (math.ceil(side / BLOCK) if large else 1 + (side > CHUNK) for side in shape)
    arrays = 3 if sensor == "sentinel-2" else 2
    return work.dates(region, sensor) * height * width * arrays + COORDINATES


def _patches(work: Work, collection: str) -> float:
    about = work.plan.holds(collection)
    side = about["patch_pixels"]
    value = _value(work, collection)
    bands = sum(len(own) * value + 1 for sensor, own in about["bands"].items() if sensor != ELEVATION)
    static = 1 + (value + 1 if ELEVATION in about["bands"] else 0)  # labels, elevation and where it is valid
    return float(work.samples(collection) * side**2 * (bands * work.times(collection) + static))


def _generated(work: Work, path: str) -> float:
    """Bytes of the images that a generator makes of a collection: a value a pixel and band."""
    collection, entry = path.split("/")[-4:-2]
    side = work.plan.holds(collection)["patch_pixels"]
    pixels = work.samples(collection) * side**2 * len(work.plan.entries[entry]["generates"])
    return float(pixels * _value(work, collection))


def _value(work: Work, collection: str) -> int:
    """Bytes of a value of a collection's images; those of imported sets are of 8 bit."""
    entry = work.plan.config["collections"].get(collection)
    cube = work.plan.variants.cube(entry.get("cube") or "") if entry else {"scaled_dtype": "uint8"}
    return FLOAT if cube["scaled_dtype"] == "float32" else 1
