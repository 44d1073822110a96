"""Which regions a study has: those it names and those of its places, less those it skips."""

from collections.abc import Mapping
from typing import Any

from revisit.config.study import Study
from revisit.cube.grid import Region
from revisit.errors import RevisitError
from revisit.evaluation.checks import known
from revisit.places.regions import regions_of


def with_places(study: Study) -> tuple[Study, dict[str, float]]:
    """The study with the regions of its places beside those it names, each by its own name everywhere.

    With it come the km² of each entry that no region covers. Raises RevisitError where a place
    cannot be read, or two regions have one name.
    """
    if not study.places:
        return study, {}
    found: dict[str, dict[str, Region]] = {}
    uncovered: dict[str, float] = {}
    regions = dict(study.regions)
    resolution = study.cube.resolution_m
    for name, entry in study.places.items():
        own, uncovered[name] = regions_of(name, entry, resolution, study.split, study.seed, regions.values())
        found[name] = own
        if taken := [one for one in (name, *own) if one in regions]:
            raise RevisitError(f"places.{name}: a region is called {taken[0]!r} too; rename one")
        regions |= own

    def spelt(names: Any) -> Any:
        """A list of regions, or a mapping by them, with an entry's name spelt out."""
        if isinstance(names, Mapping):
            return {one: value for name, value in names.items() for one in found.get(name, [name])}
        return [one for name in names for one in found.get(name, [name])]

    cube, split, archive = study.cube, study.split, study.archive
    listed = {name for name, entry in study.collections.items() if isinstance(entry.get("regions"), list)}
    collections = {
        name: entry | ({"regions": spelt(entry["regions"])} if name in listed else {})
        for name, entry in study.collections.items()
    }
    by_region = {key: spelt(getattr(archive, key)) for key in ("biomes", "tiles", "faults")}
    labels = study.labels
    if labels and labels.regions is not None:
        labels = labels.model_copy(update={"regions": spelt(labels.regions)})
    limiting = None if cube.limits_from is None else spelt(cube.limits_from)
    update = {
        "regions": regions,
        "skip": spelt(study.skip),
        "archive": archive.model_copy(update=by_region),
        "cube": cube.model_copy(update={"limits_from": limiting}),
        "split": split.model_copy(update={"regions": spelt(split.regions)}),
        "labels": labels,
        "collections": collections,
    }
    return study.model_copy(update=update), uncovered


def without_skipped(study: Study) -> Study:
    """The study without the regions it skips, which its other sections may still name.

    Raises RevisitError where nothing is left, of the study or of a collection, or what is left needs them.
    """
    for name in study.skip:
        known(name, study.regions, "skip")
    left = {name: region for name, region in study.regions.items() if name not in study.skip}
    if study.regions and not left:
        raise RevisitError("skip: names every region; leave one")
    collections = {
        name: {**entry, "regions": [region for region in entry["regions"] if region not in study.skip]}
        if isinstance(entry.get("regions"), list)
        else entry
        for name, entry in study.collections.items()
    }
    if emptied := [name for name, entry in collections.items() if entry.get("regions") == []]:
        raise RevisitError(
            f"skip: leaves collections.{emptied[0]} no region; leave one, or drop the collection"
        )
    if pinned := [name for name in study.cube.limits_from or () if name in study.skip]:
        raise RevisitError(f"skip: {pinned[0]} is among cube.limits_from; take it out there")
    labels = study.labels
    if labels and labels.regions is not None:
        named = [region for region in labels.regions if region not in study.skip]
        labels = labels.model_copy(update={"regions": named})
    return study.model_copy(update={"regions": left, "labels": labels, "collections": collections})
