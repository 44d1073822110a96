"""The check of the benchmark sets of a study: what it says of them, as of collections cut from cubes."""

from collections.abc import Mapping
from typing import Any

from revisit import parts
from revisit.config.study import Study
from revisit.errors import RevisitError
from revisit.evaluation.checks import at
from revisit.patches.benchmark import Benchmark
from revisit.record import read


def check_origins(study: Study) -> None:
    """Raise RevisitError where a study has nothing to make collections of."""
    if not (study.collections or study.imports):
        raise RevisitError(
            "collections: is empty, and so is imports; name a collection to cut, or a set to import"
        )
    if study.collections and not (study.regions or study.places):
        raise RevisitError("regions: is empty, and so is places; name a region")
    if study.collections and not study.search:
        raise RevisitError("search is missing; add it, with a sensor and its years")


def imported(study: Study, name: str, collections: Mapping[str, Any]) -> dict[str, Any]:
    """What the collection of an entry of ``imports`` will hold.

    Raises RevisitError naming the key that is wrong. A folder that is not there keeps nobody from planning:
    ``missing`` says so, in a line.
    """
    where, given = f"imports.{name}", study.imports[name]
    if name in collections:
        raise RevisitError(f"{where}: a collection is called {name!r} too; rename one")
    if "set" not in given:
        raise RevisitError(f"{where}.set is missing; choose from {', '.join(parts.names('benchmark'))}")
    with at(f"{where}.set"):
        kind: type[Benchmark[Any]] = parts.find("benchmark", given["set"])
    settings = read(kind.Settings, given, where)
    benchmark = kind(settings)
    there = benchmark.folder.is_dir()
    legend = benchmark.legend
    if unknown := sorted({*(settings.classes or ())} - {*legend.codes}):
        raise RevisitError(f"{where}.classes: {unknown} are no codes of {legend.title}, {legend.codes}")
    try:
        bands = {sensor: list(own.bands) for sensor, own in benchmark.taken.items()}
    except RevisitError as error:
        raise RevisitError(f"{where}.{error}") from error
    if settings.limits == "cubes":
        of_cubes: dict[str, list[str]] = {
            sensor: own for sensor, own in study.cube.bands.items() if sensor in study.searched
        }
        for sensor, own in bands.items():
            if lacking := [band for band in own if band not in of_cubes.get(sensor, ())]:
                raise RevisitError(
                    f"{where}.limits: cubes have no {lacking[0]} of {sensor}; name {where}.bands that they "
                    "have, or take the set's own limits"
                )
    return {
        "content": settings.content(),
        "missing": "" if there else str(benchmark.missing(f"{where}.folder: {benchmark.folder}")),
        "kind": benchmark.kind,
        "modules": [parts.module_of("benchmark", given["set"])],
        "patch_pixels": benchmark.patch_pixels,
        "bands": bands,
        "years": {sensor: [] for sensor in bands},
        "series": benchmark.time_axis,
        "legend": legend.described(),
        "label_maps": benchmark.label_maps,
        "label_years": [],
        "most_training_samples": benchmark.source.training,
        "samples": benchmark.source.samples,
    }
