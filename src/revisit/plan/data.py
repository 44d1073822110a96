"""The data of a study in its plan: imagery, cubes and patches, and what every job's rule needs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from inspect import getmembers, isfunction
from typing import Any

from revisit.code_digests import code
from revisit.cube.bands import BANDS, ELEVATION
from revisit.errors import RevisitError
from revisit.files import with_companions
from revisit.job import Job
from revisit.patches.modality import ELEVATION_BAND
from revisit.plan import variants
from revisit.plan.jobs import (
    FilesOf,
    JobFiles,
    SettingsOf,
    Wildcards,
    plain,
    sorted_json,
    tell_parameters,
)
from revisit.plan.variants import Variants

Settings = dict[str, Any]


class DataPlan:
    """Paths and settings of every job of a checked study; ``root`` is the folder its products lie in."""

    def __init__(self, checked: Mapping[str, Any]) -> None:
        for _, function in getmembers(type(self), isfunction):
            tell_parameters(function)
        self.config: dict[str, Any] = checked["config"]
        self.entries: dict[str, dict[str, Any]] = checked["entries"]
        self.runs: list[dict[str, Any]] = checked["runs"]
        self.facts: dict[str, Any] = checked["facts"]
        self.missing: dict[str, str] = checked["missing"]
        self.uncovered: dict[str, float] = checked["uncovered"]  # km² by entry of places
        self._labels: dict[str, Any] | None = checked["labels"]
        self.labelled: list[str] = self._labels["regions"] if self._labels else []
        self._folders: dict[str, str | None] = checked["folders"]
        self._of_maps: list[str] = checked["of_maps"]
        self._modules: dict[str, dict[str, Any]] = {key: checked[key] for key in ("collections", "layouts")}
        study = self.config["study"]
        self.root = "results" if study == "default" else f"results/{study}"
        self.files = JobFiles(f"{self.root}/logs")
        self.regions: list[str] = list(self.config["regions"])
        first = sorted(self.regions, key=lambda region: region not in self.measured())
        self._urgency = {region: len(self.regions) - 1 - place for place, region in enumerate(first)}
        self.variants = Variants(self.config["cube"], self.root)
        self.sensors: list[str] = [name for name in BANDS if name in self.config["search"]]
        self._run: dict[tuple[str, ...], Settings] = {
            (run["experiment"], run["method"], run["modality"], run["protocol"]): run for run in self.runs
        }
        self._figures = {
            figure["path"]: figure
            for figure in checked["figures"]
            if self.regions or figure["source"] != "shifts"  # of which there are none without cubes
        }

    def job(
        self,
        name: str,
        stage: str,
        settings: SettingsOf | None = None,
        modules: Callable[[Wildcards], Sequence[str]] | None = None,
        how: SettingsOf | None = None,
        files: FilesOf | None = None,
    ) -> dict[str, Any]:
        """Params of a rule: the path of its job's file, and all that makes the job run again after an edit.

        ``settings``: the job's part of the config. ``how``: more of it that changes no result, and so reruns
        nothing. ``modules``: what the stage loads by name. ``files``: inputs of the job, by name, where the
        rule takes the folders that they lie in.
        """

        def path(wildcards: Wildcards, input: Any, output: Any, threads: int) -> str:
            content = {**(settings(wildcards) if settings else {}), **(how(wildcards) if how else {})}
            names, inputs = dict(wildcards.items()), plain(input) | (files(wildcards) if files else {})
            return self.files.note(name, Job(stage, names, inputs, plain(output), content, threads))

        params: dict[str, Any] = {"job": path, **code(stage)}
        if settings is not None:
            params["settings"] = lambda wildcards: sorted_json(settings(wildcards))
        if modules is not None:
            params["modules"] = lambda wildcards: _digests(*modules(wildcards))
        for value in params.values():
            if callable(value):
                tell_parameters(value)
        return params

    def years(self, sensor: str) -> list[int]:
        """The years searched for a sensor; none where it is not searched."""
        return sorted(self.config["search"].get(sensor, {}).get("years", []))

    def passing(self, name: str, output: Any) -> Any:
        """An output of Snakemake's; one to remove when no job needs it any more, where ``keep`` says so."""
        from snakemake.io import temp  # only the rules need it

        return output if self.config["keep"][name] in (True, "all") else temp(output)

    def priority(self, wildcards: Wildcards) -> int:
        """The more, the sooner a job runs: region by region, so that a study cut short has whole ones.

        First come the regions that limits are measured on, as the others wait for them. Before all comes what
        belongs to no region: limits and pretrainings, which others wait for, then trainings on labels.
        """
        own = dict(wildcards.items())
        return self._urgency.get(own.get("region", ""), len(self.regions) + ("experiment" not in own))

    def threads(self, cores: int | None) -> int:
        """Of a job of cubes: a region's share of ``cores`` (None: not known), one to four."""
        return max(1, min(4, (cores or 1) // max(len(self.regions), 1)))

    def searched(self, region: str) -> list[str]:
        """What is searched over a region: label maps only where it is to have labels."""
        everywhere = {*self.sensors, ELEVATION}
        return [name for name in self.config["search"] if name in everywhere or region in self.labelled]

    # Acquire

    def is_served(self, sensor: str) -> bool:
        """Whether a sensor's imagery lies on this machine, where our own STAC API serves it."""
        return sensor in self._folders

    def simulates(self, sensor: str) -> bool:
        """Whether a sensor's imagery is of the embedded archive."""
        return self._folders.get(sensor, "") is None

    def folder(self, wildcards: Wildcards) -> list[str]:
        """The folder our own STAC API serves for this job, where the provider is one; else nothing."""
        if wildcards.sensor not in self._folders:
            return []
        return [self._folders[wildcards.sensor] or f"{self.root}/archive/{wildcards.region}"]

    def archive(self, wildcards: Wildcards) -> Settings:
        """What the archive of a region is simulated by."""
        archive = dict(self.config["archive"])
        return {
            **self._place(wildcards.region),
            "seed": self.config["seed"],
            "biome": archive.pop("biomes").get(wildcards.region, "temperate"),
            "tiles": archive.pop("tiles").get(wildcards.region, 1),
            "faults": archive.pop("faults").get(wildcards.region, []),
            "years": {
                sensor: self.years(sensor) for sensor, folder in self._folders.items() if folder is None
            },
            **archive,
        }

    def search(self, wildcards: Wildcards) -> Settings:
        """What a search asks for."""
        return {
            **self.config["search"][wildcards.sensor],
            **self._provider(),
            "bbox": self._place(wildcards.region)["bbox"],
            "bands": self.fetched(wildcards.sensor),
        }

    def download(self, wildcards: Wildcards) -> Settings:
        """What is fetched of the scenes."""
        return {
            **self._provider(),
            **self._place(wildcards.region),
            "bands": self.fetched(wildcards.sensor),
        }

    def asking(self, wildcards: Wildcards) -> Settings:
        """How a provider is asked: at most ``requests`` at a time over all jobs, by locks in ``slots``."""
        return {
            "patience_s": self.config["download"]["patience_s"],
            "requests": self.config["requests"],
            "slots": "results/logs/slots",
        }

    def fetching(self, wildcards: Wildcards) -> Settings:
        """How scenes are fetched."""
        return {**self.config["download"], **self.asking(wildcards), "keep": self.config["keep"]["scenes"]}

    def manifests(self, wildcards: Wildcards) -> list[str]:
        """The manifests of the downloads of a region and sensor."""
        return self._manifests(wildcards.region, wildcards.sensor)

    def clips(self, wildcards: Wildcards) -> list[str]:
        """The folders of the clips of a region and sensor."""
        return self._of_downloads(wildcards.region, wildcards.sensor, "clips")

    def _of_downloads(self, region: str, sensor: str, file: str) -> list[str]:
        folder = f"{self.root}/scenes/{region}/{sensor}"
        return [f"{folder}/{year}/{file}" for year in self.years(sensor)]

    def _manifests(self, region: str, sensor: str) -> list[str]:
        return self._of_downloads(region, sensor, "manifest.json")

    def _provider(self) -> Settings:
        return {"provider": self.config["provider"], "providers": self.config["providers"]}

    def _place(self, region: str) -> Settings:
        if region not in self.config["regions"]:
            raise RevisitError(f"region {region}: the study has none of this name; add it to `regions`")
        return dict(self.config["regions"][region])

    def _bands(self, sensor: str) -> list[str]:
        static = [ELEVATION_BAND] if sensor == ELEVATION else ["map"]
        bands: list[str] = self.config["cube"]["bands"].get(sensor, static)
        return bands

    def fetched(self, sensor: str) -> list[str]:
        """The bands to fetch: those of the cube and, of Sentinel-2, that of its mask."""
        return self._bands(sensor) + (self.variants.masks() if sensor == "sentinel-2" else [])

    # Cubes

    def stack(self, wildcards: Wildcards) -> Settings:
        """How a cube is stacked."""
        return {
            **self.grid(wildcards),
            "bands": self._bands(wildcards.sensor),
            **{key: self.variants.cube(variants.of(wildcards))[key] for key in variants.RAW},
        }

    def grid(self, wildcards: Wildcards) -> Settings:
        """The grid of a region."""
        return {**self._place(wildcards.region), "resolution_m": self.config["cube"]["resolution_m"]}

    def elevations(self, wildcards: Wildcards) -> list[str]:
        """The manifests of a region's elevation model."""
        return self._manifests(wildcards.region, ELEVATION)

    def elevation_clips(self, wildcards: Wildcards) -> list[str]:
        """The folders of the clips of a region's elevation model."""
        return self._of_downloads(wildcards.region, ELEVATION, "clips")

    def label_maps(self, wildcards: Wildcards) -> list[str]:
        """The manifests of a region's label maps; none where labels are files."""
        searched = self._labels and self._labels["searched"]
        return self._manifests(wildcards.region, searched) if searched else []

    def label_clips(self, wildcards: Wildcards) -> list[str]:
        """The folders of the clips of a region's label maps; none where labels are files."""
        searched = self._labels and self._labels["searched"]
        return self._of_downloads(wildcards.region, searched, "clips") if searched else []

    def label_files(self, wildcards: Wildcards) -> list[str]:
        """The files that labels are made of, all of a shapefile."""
        files = self._labels["files"] if self._labels else []
        return [each for file in files for each in with_companions(file["raster"] or file["vector"])]

    def label(self, wildcards: Wildcards) -> Settings:
        """What labels are made of, on which grid."""
        labels = self._labels or {}
        return {
            **self.grid(wildcards),
            "source": labels["searched"] or "files",
            "legend": labels["legend"],
            "files": labels["files"],
        }

    def coregister(self, wildcards: Wildcards) -> Settings:
        """How far a date may be moved."""
        return {"max_shift_pixels": self.variants.cube(variants.of(wildcards))["max_shift_pixels"]}

    def cube(self, wildcards: Wildcards, stage: str) -> str:
        """The cube of a region and sensor at a stage, as a variant of it has it."""
        return self._cube(variants.of(wildcards), wildcards.region, wildcards.sensor, stage)

    def _cube(self, variant: str, region: str, sensor: str, stage: str) -> str:
        return f"{self.variants.folder(variant, stage)}/{region}/{sensor}/{stage}.zarr"

    def reference(self, wildcards: Wildcards) -> list[str]:
        """Sentinel-1 is matched to the aligned Sentinel-2 cube of its region, where there is one."""
        if wildcards.sensor == "sentinel-2" or "sentinel-2" not in self.sensors:
            return []
        return [self._cube(variants.of(wildcards), wildcards.region, "sentinel-2", "aligned")]

    def moments(self, wildcards: Wildcards) -> Settings:
        """Which pixels are training pixels."""
        asked = (
            {} if self.variants.cube(variants.of(wildcards))["clip_percent"] is None else {"histogram": True}
        )
        return {"seed": self.config["seed"], "split": self._split([wildcards.region]), **asked}

    def _split(self, regions: Sequence[str]) -> Settings:
        """The split as these regions see it: which others are held out whole does not concern them."""
        split = self.config["split"]
        held = {name: part for name, part in split["regions"].items() if name in regions}
        return {**split, "regions": held}

    def limits(self, wildcards: Wildcards) -> Settings:
        """How wide the limits are, and what is between them."""
        cube = self.variants.cube(variants.of(wildcards))
        percent = {} if cube["clip_percent"] is None else {"clip_percent": cube["clip_percent"]}
        dtype = {} if cube["scaled_dtype"] == "uint8" else {"dtype": cube["scaled_dtype"]}
        return {"clip_sigma": cube["clip_sigma"], **percent, **dtype}

    def limiting(self, wildcards: Wildcards) -> list[str]:
        """The moments that make a sensor's limits: of the regions they are pinned to, or of all."""
        file = "dem-moments" if wildcards.sensor == ELEVATION else f"{wildcards.sensor}/moments"
        folder = self.variants.folder(variants.of(wildcards), "moments")
        return [f"{folder}/{region}/{file}.json" for region in self.measured()]

    def measured(self) -> list[str]:
        """The regions that limits are measured on."""
        return list(self.config["cube"]["limits_from"] or self.regions)

    def cubes(self) -> Iterator[str]:
        """The folder of every image cube."""
        for region in self.regions:
            for sensor in self.sensors:
                yield f"{self.root}/cubes/{region}/{sensor}"

    def variants_asked(self) -> dict[str, list[str]]:
        """The variants that collections ask for, and the regions of these."""
        found: dict[str, dict[str, None]] = {}
        for name, one in self.config["collections"].items():
            if one.get("cube"):
                found.setdefault(one["cube"], {}).update(dict.fromkeys(self._regions(name)))
        return {variant: list(regions) for variant, regions in found.items()}

    def varied(self, stage: str) -> list[str]:
        """The regions whose cubes of each sensor variants have of their own at a stage."""
        found, measured = [], dict.fromkeys(self.measured())
        for name, regions in self.variants_asked().items():
            if self.variants.has(name, stage):
                needed = {"scaled": regions, "moments": measured}.get(
                    stage, dict.fromkeys(regions) | measured
                )
                found += list(needed)
        return found

    # Patches

    def scaled(self, wildcards: Wildcards) -> list[str]:
        """The scaled cubes of a region that a collection is cut from."""
        return self._scaled(self._variant(wildcards.collection), wildcards.region)

    def _scaled(self, variant: str, region: str) -> list[str]:
        return [self._cube(variant, region, sensor, "scaled") for sensor in self.sensors]

    def _variant(self, collection: str) -> str:
        """The variant of cubes that a collection is cut from."""
        return self.config["collections"].get(collection, {}).get("cube") or ""

    def elevation(self, wildcards: Wildcards) -> list[str]:
        """The elevation of a region and the limits that scale it; nothing where it is not searched."""
        if not self.years(ELEVATION):
            return []
        folder = f"{self.root}/cubes"
        return [f"{folder}/{wildcards.region}/dem.zarr", f"{folder}/limits/{ELEVATION}.json"]

    def labels(self, wildcards: Wildcards) -> list[str]:
        """The label cube of a region; none where it has no labels."""
        if wildcards.region not in self.labelled:
            return []
        return [f"{self.root}/cubes/{wildcards.region}/labels.zarr"]

    def stores(self, wildcards: Wildcards) -> list[str]:
        """The patch stores of a collection, one per region."""
        regions = self._regions(wildcards.collection)
        return [f"{self.root}/patches/{wildcards.collection}/{region}.zarr" for region in regions]

    def _regions(self, collection: str) -> list[str]:
        return list(self.config["collections"][collection].get("regions") or self.regions)

    def tile(self, wildcards: Wildcards) -> Settings:
        """What a region's patches are cut by."""
        return {
            **self._collection(wildcards.collection, [wildcards.region]),
            "years": {sensor: self.years(sensor) for sensor in self.sensors},
            "legend": self._labels and self._labels["legend"],
        }

    def index(self, wildcards: Wildcards) -> Settings:
        """What the index of a collection says beside its stores."""
        name = wildcards.collection
        return {**self._collection(name, self._regions(name)), "study": self.config["study"]}

    def _collection(self, name: str, regions: Sequence[str]) -> Settings:
        # Which regions there are is no setting of one region's patches: a region added reruns no other.
        entry = {key: value for key, value in self.config["collections"][name].items() if key != "regions"}
        return {"seed": self.config["seed"], "split": self._split(regions), "collection": entry}

    def has_times(self, collection: str) -> bool:
        """Whether a sample of a collection has several images of a sensor."""
        return bool(self._modules["collections"][collection]["series"])

    def kind_modules(self, wildcards: Wildcards) -> list[str]:
        """The module of a collection's kind."""
        return list(self._modules["collections"][wildcards.collection]["modules"])

    def index_of(self, collection: str) -> str:
        """The index of a collection."""
        return f"{self.root}/patches/{collection}/index.json"


@cache
def _digests(*modules: str) -> str:
    return "; ".join(code(*modules).values())
