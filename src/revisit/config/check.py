"""The check of a study: what can be refused before a byte is fetched is refused here, in one line.

    python -m revisit.config.check < study.json

prints the checked study that ``revisit.plan`` works from: the config with all defaults, what each method and
run is made of, and which figures there will be.
"""

import json
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from revisit import parts
from revisit.archive.settings import check_years
from revisit.config.imports import check_origins, imported
from revisit.config.lineage import check_generated, parents_of
from revisit.config.region_names import with_places, without_skipped
from revisit.config.study import Study
from revisit.cube.bands import BANDS, ELEVATION
from revisit.cube.cube_settings import VARYING, Cube, check_cubes
from revisit.cube.grid import region_grid
from revisit.cube.labels.settings import Labelling, labelling
from revisit.cube.split import TRAIN, areas, check_apart, check_blocks, count_patches
from revisit.errors import RevisitError
from revisit.evaluation.checks import at, enough_labels, known
from revisit.evaluation.task import Task
from revisit.methods.method import DataDescription
from revisit.methods.trial import check_method
from revisit.patches.kind import LABELS, check_classes
from revisit.patches.modality import ELEVATION_BAND, bands_of
from revisit.provenance import config_hash
from revisit.record import read
from revisit.report.drawing import figures
from revisit.report.facts import Encoder, Experiment, Facts, Run
from revisit.report.published.lookup import keys as published
from revisit.stac.providers import check_provider, source
from revisit.training.settings import Training


def check(config: Mapping[str, Any]) -> dict[str, Any]:
    """The checked study; raises RevisitError naming key, value and remedy of the first fault."""
    check_origins(study := read(Study, config, ""))
    study, uncovered = with_places(study)
    study = without_skipped(study)
    searched = study.searched
    check_provider(study.provider, study.providers, searched)
    folders = _folders(study, searched)
    check_years({sensor: searched[sensor]["years"] for sensor, folder in folders.items() if folder is None})
    variants = {name: study.cube.variant(name) for name in study.cube.variants}
    for where, cube in (
        ("cube", study.cube),
        *((f"cube.variants.{name}", one) for name, one in variants.items()),
    ):
        _check_mask(study, searched, cube, where)
    if study.regions:
        check_cubes(study.cube, study.regions, study.split)
    _known(study.split.regions, [*study.regions, *study.skip], "split.regions")
    check_apart(study.regions, study.cube.resolution_m, study.split, study.seed)
    for key in ("biomes", "tiles", "faults"):
        _known(getattr(study.archive, key), [*study.regions, *study.skip], f"archive.{key}")
    missing = [sensor for sensor in searched if sensor in BANDS and sensor not in study.cube.bands]
    if missing:
        raise RevisitError(f"cube.bands: names no bands of {missing[0]}, which is searched; add them")
    labels = labelling(study.labels, searched)
    cut = {name: _collection(study, name, labels) for name in study.collections}
    imports = {name: imported(study, name, cut) for name in study.imports}
    collections = cut | imports
    entries = {name: _entry(study, name, collections) for name in study.pretraining.methods}
    check_generated(entries)
    tasks = {name: _task(study, name, entries, collections) for name in study.experiments}
    runs = [
        {
            **run.content(),
            "experiment": name,
            "task": own.task,
            "recipe": config_hash([entries[entry]["recipe"] for entry, _ in run.encoders]),
            "repeats": [repeat._asdict() for repeat in run.repeats(own, study.pretraining.seeds)],
        }
        for name, (task, own) in tasks.items()
        for run in task.runs(name, own, entries)
    ]
    _check_whole(runs, entries)
    facts = Facts(
        runs=[Run(**{key: run[key] for key in Run.model_fields}) for run in runs],
        encoders=_encoders(study, entries),
        experiments={name: _experiment(name, *task) for name, task in tasks.items()},
    )
    return {
        "config": {
            **study.content(),
            "search": searched,
            "cube": {
                **study.cube.content(),
                "variants": {
                    name: {key: value for key, value in one.content().items() if key in VARYING}
                    for name, one in variants.items()
                },
            },
            "collections": {name: about["content"] for name, about in cut.items()},
            "imports": {name: about["content"] for name, about in imports.items()},
            "experiments": {name: own.content() for name, (_, own) in tasks.items()},
        },
        "collections": {
            name: {key: about[key] for key in ("modules", "series", "patch_pixels", "bands", "samples")}
            for name, about in collections.items()
        },
        "missing": {name: about["missing"] for name, about in imports.items() if about["missing"]},
        "uncovered": uncovered,
        "labels": _labels(study, labels),
        "entries": entries,
        "folders": folders,
        "layouts": {
            layout: [parts.module_of("layout", layout)] for _, own in tasks.values() for layout in own.layouts
        },
        "runs": runs,
        # Regions are mapped by what learnt from their cubes: a set may have other bands, limits and pixels.
        "of_maps": [
            name for name, (task, own) in tasks.items() if task.labels == "map" and own.collection in cut
        ],
        "facts": facts.content(),
        "figures": figures(facts),
    }


def _folders(study: Study, searched: Iterable[str]) -> dict[str, str | None]:
    """The folder that our own STAC API serves of each sensor it serves; None for the embedded archive's."""
    origins = {sensor: source(study.provider, sensor, study.providers) for sensor in searched}
    return {
        sensor: str(origin.folder) if origin.folder else None
        for sensor, origin in origins.items()
        if origin.url is None
    }


def _labels(study: Study, labels: Labelling | None) -> dict[str, Any] | None:
    """What the labels of the study are made of, and the regions that have some."""
    return labels and {
        "regions": [region for region in study.regions if region in _labelled(study)],
        "searched": labels.searched,
        "legend": labels.legend.content(),
        "files": [file.content() for file in labels.files],
    }


def _labelled(study: Study) -> set[str]:
    """The regions that are to have labels, where the study has some."""
    named = study.labels.regions if study.labels else None
    _known(named or (), study.regions, "labels.regions")
    return set(study.regions if named is None else named)


def _check_mask(study: Study, searched: Iterable[str], cube: Cube, where: str) -> None:
    """Refuse to mask by the scene classification what has none."""
    origin = source(study.provider, "sentinel-2", study.providers) if "sentinel-2" in searched else None
    if origin and origin.quantity == "top-of-atmosphere reflectance" and cube.cloud_mask.has_classes:
        raise RevisitError(
            f"{where}.cloud_mask: Level 1C, which {study.provider} has, knows no scene classification; "
            f"set cloud_mask to {{by: nothing}} or to a probability of cloud that its items have"
        )


def _collection(study: Study, name: str, labels: Labelling | None) -> dict[str, Any]:
    """What a collection will hold: its settings, bands by sensor, times, labels, and the most samples it can
    have."""
    where, given = f"collections.{name}", study.collections[name]
    if "kind" not in given:
        raise RevisitError(f"{where}.kind is missing; choose from {', '.join(parts.names('kind'))}")
    kind = _part("kind", given["kind"], f"{where}.kind")
    own = read(kind.Settings, given, where)
    if own.regions is not None:
        _known(own.regions, study.regions, f"{where}.regions")
    _known([own.cube] if own.cube else [], study.cube.variants, f"{where}.cube")
    searched = study.searched
    images = {sensor: sorted(searched[sensor]["years"]) for sensor in BANDS if sensor in searched}
    years = images | ({LABELS: labels.years} if labels else {})
    kind.check(name, own, years, study.split.block_pixels)
    legend = kind.legend(labels.legend) if labels else None
    check_classes(name, own.classes, legend)
    names = own.regions or list(study.regions)
    check_blocks({region: study.regions[region] for region in names}, study.cube.resolution_m, study.split)
    places = 0
    for region in names:
        grid = region_grid(study.regions[region], study.cube.resolution_m)
        places += count_patches(areas(grid, study.split, study.seed, region), own.patch_pixels)[TRAIN]
    return {
        "content": own.content(),
        "kind": given["kind"],
        "modules": [parts.module_of("kind", given["kind"])],
        "patch_pixels": own.patch_pixels,
        "bands": {sensor: bands for sensor, bands in study.cube.bands.items() if sensor in images}
        | ({ELEVATION: [ELEVATION_BAND]} if ELEVATION in searched else {}),
        "years": images,
        "series": kind.time_axis,
        "legend": legend.described() if legend and _labelled(study).intersection(names) else None,
        "label_years": labels.years if labels and _labelled(study).intersection(names) else [],
        "most_training_samples": places * getattr(own, "samples_per_place", 1),
        "samples": None,
    }


def _entry(study: Study, name: str, collections: Mapping[str, Any]) -> dict[str, Any]:
    """What a pretraining is made of."""
    where, entry = f"pretraining.methods.{name}", study.pretraining.methods[name]
    known(entry.collection, collections, f"{where}.collection")
    collection = collections[entry.collection]
    rows = [row for rows in published().values() for row in rows]
    if entry.published_as:
        known(entry.published_as, rows, f"{where}.published_as")
    if "name" not in entry.method:
        raise RevisitError(f"{where}.method.name is missing; choose from {', '.join(parts.names('method'))}")
    method = _part("method", entry.method["name"], f"{where}.method.name")
    method_settings = read(method.Settings, entry.method, f"{where}.method")
    facts: dict[str, Any] = {}
    for modality in entry.modalities:
        with at(f"{where}.modalities"):
            bands = bands_of(modality, collection["bands"])
        # Elevation has no years: it is the same in all.
        years = [
            own for sensor, own in collection["years"].items() if {*collection["bands"][sensor]} & {*bands}
        ]
        times = set.intersection(*map(set, years))
        description = DataDescription(
            bands=bands,
            image_pixels=collection["patch_pixels"],
            clip_sigma=study.cube.clip_sigma,
            kind=collection["kind"],
            times=tuple(sorted(times)) if collection["series"] else (),
        )
        parents = parents_of(name, modality, study.pretraining.methods, collections)
        with at(f"{where}.method"):
            facts = check_method(entry.method, description, entry, parents)
    most = collection["most_training_samples"]
    if not facts["baseline"] and entry.batch_size > most:
        raise RevisitError(
            f"{where}.batch_size: {entry.batch_size} is more than the training split of {entry.collection} "
            f"can hold, at most {most} samples; lower it or add regions"
        )
    training = {key: value for key, value in entry.content().items() if key in Training.model_fields}
    lengths = ("epochs", "steps")
    return {
        "collection": entry.collection,
        "modalities": entry.modalities,
        "title": entry.title or name,
        "published_as": entry.published_as,
        "parents": entry.parents,
        "method": entry.method,
        "training": training,
        # All of it but the length: what is trained on other imagery, or longer, has the same.
        "recipe": [entry.method, {key: value for key, value in training.items() if key not in lengths}],
        "kind": collection["kind"],
        "series": collection["series"],
        "reconstructs": facts["reconstructs"],
        "leaves": _left(facts),
        "generates": facts["generates"],
        "generated": facts["generated"],
        "label_years": len(collection["label_years"]) > 1,
        "baseline": facts["baseline"],
        "trains_only": facts["trains_only"],
        "modules": facts["modules"],
        "encoder_modules": facts["encoder_modules"],
        "parameters": facts["parameters"],
        # Files that the method reads, such as weights: a changed one is another pretraining.
        "files": [str(value) for value in vars(method_settings).values() if isinstance(value, Path)],
    }


def _left(facts: Mapping[str, Any]) -> str:
    """What a pretraining leaves beside the usual, of which the workflow makes something: ``reconstruction``,
    ``changes`` (with the mixture), or ``neither``."""
    if facts["reconstructs"]:
        return "reconstruction"
    return "changes" if "changes" in facts["tables"] else "neither"


def _task(
    study: Study, name: str, entries: Mapping[str, Any], collections: Mapping[str, Any]
) -> tuple[Task, Any]:
    """The task of an experiment and the experiment's settings, checked."""
    where, given = f"experiments.{name}", study.experiments[name]
    if "task" not in given:
        raise RevisitError(f"{where}.task is missing; choose from {', '.join(parts.names('task'))}")
    task: Task = _part("task", given["task"], f"{where}.task")
    own = read(task.Settings, given, where)
    known(own.collection, collections, f"{where}.collection")
    for layout in own.layouts:
        made_for = _part("layout", layout, f"{where}.layouts").task
        if made_for != given["task"]:
            raise RevisitError(
                f"{where}.layouts: {layout!r} lays out {made_for}, not {given['task']}; leave it out"
            )
    if own.published_as:
        known(own.published_as, published(), f"{where}.published_as")
    for floor in own.floors or []:
        if task.labels not in _part("floor", floor, f"{where}.floors").labels:
            raise RevisitError(f"{where}.floors: {floor!r} cannot learn {task.labels}s; leave it out")
    enough_labels(own.label_counts, collections[own.collection], where)
    task.check(name, own, entries, collections)
    return task, own


def _check_whole(runs: Iterable[Mapping[str, Any]], entries: Mapping[str, Any]) -> None:
    """Refuse to hold the frozen features of an encoder against others, most of which nothing has trained."""
    for run in runs:
        for entry, _ in run["encoders"]:
            part = entries[entry]["trains_only"]
            whole = run["stage"] == "evaluate" and not parts.find("protocol", run["protocol"]).freezes
            if part and not whole:
                raise RevisitError(
                    f"experiments.{run['experiment']}: {run['method']} by {run['protocol']}: {entry} trains "
                    f"{part} of its encoder alone, so its features are mostly as they were drawn; fine-tune "
                    "it, or name an entry that starts from it"
                )


def _experiment(name: str, task: Task, own: Any) -> Experiment:
    """What tables and figures must know of an experiment."""
    return Experiment(
        task=own.task,
        title=own.title or name,
        headline=task.headline,
        label_fractions=own.label_fractions,
        label_counts=own.label_counts,
        layouts=own.layouts,
        published_as=own.published_as,
    )


def _encoders(study: Study, entries: Mapping[str, Any]) -> list[Encoder]:
    """Every encoder of the study, in the order of the config."""
    shared = ("title", "collection", "kind", "reconstructs", "baseline")
    return [
        Encoder(
            entry=name,
            modality=modality,
            seed=seed,
            generates=bool(entry["generates"]),
            estimates_change=entry["leaves"] == "changes",
            change_known=entry["label_years"],
            **{key: entry[key] for key in shared},
        )
        for name, entry in entries.items()
        for modality in entry["modalities"]
        for seed in study.pretraining.seeds
    ]


def _part(sort: str, name: str, where: str) -> Any:
    """The part of this sort and name; raises RevisitError, with the key ``where``, for one there is not."""
    with at(where):
        found = parts.find(sort, name)
    return found


def _known(names: Iterable[str], defined: Collection[str], where: str) -> None:
    """Raise RevisitError unless all of ``names`` are defined."""
    for name in names:
        known(name, defined, where)


def main() -> int:
    """Check the study of standard input; 1 after one line where it is refused."""
    try:
        # In the order of the config: it is that of regions, of rows in tables, of figures.
        print(json.dumps(check(json.load(sys.stdin))))
    except RevisitError as error:
        sys.stderr.write(f"error: config: {' '.join(str(error).split())}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
