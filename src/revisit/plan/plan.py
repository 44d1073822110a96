"""The study as the workflow sees it: which files there are to make, and each job's part of the config.

A plan is made of a checked study (``revisit.plan.checked``), in which names are resolved and parts have said
what they are; so nothing here depends on how a region, method or experiment is called.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import PurePosixPath
from typing import Any

from revisit.code_digests import code
from revisit.cube.bands import BANDS
from revisit.job import Job
from revisit.plan.jobs import JobFiles, SettingsOf, Wildcards, plain, sorted_json

LAND_COVER = "worldcover"
Settings = dict[str, Any]


class Plan:
    """Paths and settings of every job of a checked study; ``root`` is the folder its products lie in."""

    def __init__(self, checked: Mapping[str, Any]) -> None:
        self.config: dict[str, Any] = checked["config"]
        self.entries: dict[str, dict[str, Any]] = checked["entries"]
        self.runs: list[dict[str, Any]] = checked["runs"]
        self.facts: dict[str, Any] = checked["facts"]
        self._folders: dict[str, str | None] = checked["folders"]
        self._modules: dict[str, dict[str, Any]] = {key: checked[key] for key in ("collections", "layouts")}
        study = self.config["study"]
        self.root = "results" if study == "default" else f"results/{study}"
        self.files = JobFiles(f"{self.root}/logs")
        self.regions: list[str] = list(self.config["regions"])
        self.sensors: list[str] = [name for name in BANDS if name in self.config["search"]]
        self._run: dict[tuple[str, ...], Settings] = {
            (run["experiment"], run["method"], run["modality"], run["protocol"]): run for run in self.runs
        }
        self._figures = {figure["path"]: figure for figure in checked["figures"]}

    def job(
        self,
        name: str,
        stage: str,
        settings: SettingsOf | None = None,
        modules: Callable[[Wildcards], Sequence[str]] | None = None,
        how: SettingsOf | None = None,
    ) -> dict[str, Any]:
        """Params of a rule: the path of its job's file, and all that makes the job run again after an edit.

        ``settings``: the job's part of the config. ``how``: more of it that changes no result, and so reruns
        nothing. ``modules``: what the stage loads by name.
        """

        def path(wildcards: Wildcards, input: Any, output: Any, threads: int) -> str:
            content = {**(settings(wildcards) if settings else {}), **(how(wildcards) if how else {})}
            names = dict(wildcards.items())
            return self.files.note(name, Job(stage, names, plain(input), plain(output), content, threads))

        params: dict[str, Any] = {"job": path, **code(stage)}
        if settings is not None:
            params["settings"] = lambda wildcards: sorted_json(settings(wildcards))
        if modules is not None:
            params["modules"] = lambda wildcards: _digests(*modules(wildcards))
        return params

    def years(self, sensor: str) -> list[int]:
        """The years searched for a sensor; none where it is not searched."""
        return sorted(self.config["search"].get(sensor, {}).get("years", []))

    # Acquire

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
            "bands": self._bands(wildcards.sensor),
        }

    def download(self, wildcards: Wildcards) -> Settings:
        """What is fetched of the scenes."""
        return {
            **self._provider(),
            **self._place(wildcards.region),
            "bands": self._bands(wildcards.sensor),
        }

    def fetching(self, wildcards: Wildcards) -> Settings:
        """How scenes are fetched: at most ``requests`` at a time over all jobs, by locks in ``slots``."""
        return {
            **self.config["download"],
            "requests": self.config["requests"],
            "slots": f"{self.root}/logs/download/slots",
        }

    def manifests(self, sensor: str | None = None) -> Callable[[Wildcards], list[str]]:
        """The manifests of a region's downloads, of the job's sensor or the one given."""

        def of(wildcards: Wildcards) -> list[str]:
            name = sensor or wildcards.sensor
            folder = f"{self.root}/scenes/{wildcards.region}/{name}"
            return [f"{folder}/{year}/manifest.json" for year in self.years(name)]

        return of

    def _provider(self) -> Settings:
        return {"provider": self.config["provider"], "providers": self.config["providers"]}

    def _place(self, region: str) -> Settings:
        return dict(self.config["regions"][region])

    def _bands(self, sensor: str) -> list[str]:
        bands: list[str] = self.config["cube"]["bands"].get(sensor, ["map"])
        return bands

    # Cubes

    def stack(self, wildcards: Wildcards) -> Settings:
        """How a cube is stacked."""
        return {
            **self.grid(wildcards),
            "bands": self._bands(wildcards.sensor),
            "scene_classification_valid": self.config["cube"]["scene_classification_valid"],
        }

    def grid(self, wildcards: Wildcards) -> Settings:
        """The grid of a region."""
        return {**self._place(wildcards.region), "resolution_m": self.config["cube"]["resolution_m"]}

    def coregister(self, wildcards: Wildcards) -> Settings:
        """How far a date may be moved."""
        return {"max_shift_pixels": self.config["cube"]["max_shift_pixels"]}

    def reference(self, wildcards: Wildcards) -> list[str]:
        """Sentinel-1 is matched to the aligned Sentinel-2 cube of its region, where there is one."""
        if wildcards.sensor == "sentinel-2" or "sentinel-2" not in self.sensors:
            return []
        return [f"{self.root}/cubes/{wildcards.region}/sentinel-2/aligned.zarr"]

    def moments(self, wildcards: Wildcards) -> Settings:
        """Which pixels are training pixels."""
        return {"seed": self.config["seed"], "split": self.config["split"]}

    def limits(self, wildcards: Wildcards) -> Settings:
        """How wide the limits are."""
        return {"clip_sigma": self.config["cube"]["clip_sigma"]}

    def limiting(self, wildcards: Wildcards) -> list[str]:
        """The moments that make a sensor's limits: of the regions they are pinned to, or of all."""
        regions = self.config["cube"]["limits_from"] or self.regions
        return [f"{self.root}/cubes/{region}/{wildcards.sensor}/moments.json" for region in regions]

    def cubes(self) -> Iterator[str]:
        """The folder of every image cube."""
        for region in self.regions:
            for sensor in self.sensors:
                yield f"{self.root}/cubes/{region}/{sensor}"

    # Patches

    def scaled(self, wildcards: Wildcards) -> list[str]:
        """The scaled cubes of a region."""
        return [f"{self.root}/cubes/{wildcards.region}/{sensor}/scaled.zarr" for sensor in self.sensors]

    def labels(self, wildcards: Wildcards) -> list[str]:
        """The label cube of a region; none where the study searches for no labels."""
        if LAND_COVER not in self.config["search"]:
            return []
        return [f"{self.root}/cubes/{wildcards.region}/labels.zarr"]

    def stores(self, wildcards: Wildcards) -> list[str]:
        """The patch stores of a collection, one per region."""
        regions = self.config["collections"][wildcards.collection].get("regions") or self.regions
        return [f"{self.root}/patches/{wildcards.collection}/{region}.zarr" for region in regions]

    def tile(self, wildcards: Wildcards) -> Settings:
        """What a region's patches are cut by."""
        years = {sensor: self.years(sensor) for sensor in self.sensors}
        return {**self._collection(wildcards.collection), "years": years}

    def index(self, wildcards: Wildcards) -> Settings:
        """What the index of a collection says beside its stores."""
        return {**self._collection(wildcards.collection), "study": self.config["study"]}

    def _collection(self, name: str) -> Settings:
        # Which regions there are is no setting of one region's patches: a region added reruns no other.
        entry = {key: value for key, value in self.config["collections"][name].items() if key != "regions"}
        return {"seed": self.config["seed"], "split": self.config["split"], "collection": entry}

    def kind_modules(self, wildcards: Wildcards) -> list[str]:
        """The module of a collection's kind."""
        return list(self._modules["collections"][wildcards.collection]["modules"])

    def collection(self, wildcards: Wildcards) -> str:
        """The index of the collection an experiment evaluates on."""
        return (
            f"{self.root}/patches/{self.config['experiments'][wildcards.experiment]['collection']}/index.json"
        )

    # Pretrain

    def methods(self, reconstruct: bool) -> str:
        """The pattern of the entries whose method reconstructs images, or of the others."""
        names = [name for name, entry in self.entries.items() if entry["reconstructs"] is reconstruct]
        return "|".join(map(re.escape, names)) or "(?!)"

    def encoder(self, entry: str, modality: str, seed: int) -> str:
        """Path of one encoder."""
        collection = self.entries[entry]["collection"]
        return f"{self.root}/encoders/{collection}/{entry}/{modality}/seed{seed}/encoder.safetensors"

    def encoders(self) -> Iterator[tuple[str, str, int]]:
        """Entry, modality and seed of every encoder of the study."""
        for name, entry in self.entries.items():
            for modality in entry["modalities"]:
                for seed in self.config["pretraining"]["seeds"]:
                    yield name, modality, seed

    def pretrain(self, wildcards: Wildcards) -> Settings:
        """What a pretraining job does."""
        entry = self.entries[wildcards.method]
        return {
            "study": self.config["study"],
            "collection": wildcards.collection,
            "name": wildcards.method,
            "modality": wildcards.modality,
            "seed": int(wildcards.seed),
            "parents": entry["parents"],
            "training": entry["training"],
            "method": entry["method"],
        }

    def training(self, wildcards: Wildcards) -> Settings:
        """How an encoder is called, and where the state of its training is kept."""
        names = (wildcards.collection, wildcards.method, wildcards.modality, f"seed{wildcards.seed}")
        return {
            "title": self.entries[wildcards.method]["title"],
            "checkpoint": "/".join((f"{self.root}/checkpoints", *names)),
        }

    def method_files(self, wildcards: Wildcards) -> list[str]:
        """The files of its own that a method reads."""
        return list(self.entries[wildcards.method]["files"])

    def parents(self, wildcards: Wildcards) -> list[str]:
        """The encoders a method starts from, of its own modality and seed."""
        names = self.entries[wildcards.method]["parents"]
        return [self.encoder(name, wildcards.modality, int(wildcards.seed)) for name in names]

    def method_modules(self, wildcards: Wildcards) -> list[str]:
        """What the pretrain stage loads by name."""
        return list(self.entries[wildcards.method]["modules"])

    def gpus(self, wildcards: Wildcards) -> int:
        """GPUs of a pretraining job."""
        gpus: int = self.entries[wildcards.method]["training"]["gpus"]
        return gpus

    # Evaluate

    def run(self, wildcards: Wildcards) -> Settings:
        """The run a score is of."""
        return self._run[wildcards.experiment, wildcards.method, wildcards.modality, wildcards.protocol]

    def score_encoders(self, wildcards: Wildcards) -> list[str]:
        """The encoders behind a score: for each pretraining seed, those of its network in order."""
        return [
            self.encoder(entry, modality, seed)
            for seed in self.config["pretraining"]["seeds"]
            for entry, modality in self.run(wildcards)["encoders"]
        ]

    def evaluate(self, wildcards: Wildcards) -> Settings:
        """What an evaluation job does."""
        settings: Settings = self.run(wildcards)["settings"]
        return settings

    def run_modules(self, wildcards: Wildcards) -> list[str]:
        """What the evaluate stage loads by name."""
        return list(self.run(wildcards)["modules"])

    def encoder_modules(self, wildcards: Wildcards) -> list[str]:
        """The module of an encoder's architecture."""
        return list(self.entries[wildcards.method]["encoder_modules"])

    def scores(self, suffix: str = "json", experiment: str | None = None) -> list[str]:
        """The score files (or, by their suffix, what lies beside them) of the study or of one experiment."""
        return [
            f"{self.root}/scores/{run['experiment']}/{run['method']}/{run['modality']}/{run['protocol']}.{suffix}"
            for run in self.runs
            if experiment in (None, run["experiment"])
        ]

    def features(self) -> list[str]:
        """The features of every patch by every encoder (only made when asked for)."""
        return [
            f"{self.root}/features/{self.entries[entry]['collection']}/{entry}/{modality}/seed{seed}.npz"
            for entry, modality, seed in self.encoders()
        ]

    # Report

    def tables(self) -> list[str]:
        """Every table of the study but the merged one, without suffix."""
        laid_out = [
            f"{self.root}/tables/{name}/{layout}"
            for name, experiment in self.facts["experiments"].items()
            for layout in experiment["layouts"]
        ]
        return [f"{self.root}/tables/gains", *laid_out]

    def table(self, wildcards: Wildcards) -> Settings:
        """What a table is made of."""
        name = wildcards.experiment
        experiment = self.facts["experiments"][name]
        return {
            "experiment": name,
            "layout": wildcards.layout,
            "title": experiment["title"],
            "published_as": experiment["published_as"],
            "runs": [run for run in self.facts["runs"] if run["experiment"] == name],
        }

    def table_modules(self, wildcards: Wildcards) -> list[str]:
        """The module of a layout."""
        return list(self._modules["layouts"][wildcards.layout])

    def scored(self, wildcards: Wildcards) -> Settings:
        """What tables of all experiments must know of the runs."""
        return {**self.facts, "encoders": []}

    def figures(self) -> list[str]:
        """Every figure of the study."""
        return [f"{self.root}/figures/{path}.png" for path in self._figures]

    def figure(self, wildcards: Wildcards) -> Settings:
        """What a figure is drawn by."""
        settings: Settings = self._figures[wildcards.figure]["settings"]
        return settings

    def figure_modules(self, wildcards: Wildcards) -> list[str]:
        """The module of a figure."""
        return list(self._figures[wildcards.figure]["modules"])

    def figure_sources(self, wildcards: Wildcards) -> list[str]:
        """The files a figure is drawn from."""
        figure = self._figures[wildcards.figure]
        source, experiment = figure["source"], figure["experiment"]
        if source == "table":
            return [f"{self.root}/tables/all.csv"]
        if source == "shifts":
            return self.beside_cubes("shifts.csv")
        if source == "predictions":
            return self.scores("npz", experiment)
        if source == "histories":
            return self.beside_encoders("log.csv", trained=True)
        folder = PurePosixPath(figure["encoder"])
        if source == "reconstruction":
            return [f"{self.root}/encoders/{folder}/reconstruction.npz"]
        return [f"{self.root}/{source}/{folder}.json"]

    def beside_cubes(self, name: str) -> list[str]:
        """``name`` in the folder of every image cube."""
        return [f"{folder}/{name}" for folder in self.cubes()]

    def beside_encoders(self, name: str, trained: bool = False) -> list[str]:
        """``name`` in the folder of every encoder, or of those that were trained."""
        return [
            str(PurePosixPath(self.encoder(*encoder)).with_name(name))
            for encoder in self.encoders()
            if not (trained and self.entries[encoder[0]]["baseline"])
        ]

    def quicklooks(self) -> list[str]:
        """The pictures of the data that the report shows."""
        cubes = [f"{folder}/{stage}.png" for folder in self.cubes() for stage in ("aligned", "scaled")]
        labels = [f"{self.root}/cubes/{region}/labels.png" for region in self.regions]
        patches = [f"{self.root}/patches/{name}/quicklook.png" for name in self.config["collections"]]
        return [*cubes, *(labels if LAND_COVER in self.config["search"] else []), *patches]

    def items(self) -> list[str]:
        """What the searches of the study found."""
        return [
            f"{self.root}/items/{region}/{sensor}.json"
            for region in self.regions
            for sensor in self.config["search"]
        ]

    def page(self, wildcards: Wildcards) -> Settings:
        """The study, for the page that describes it."""
        return {"config": self.config, **self.facts, "figures": list(self._figures.values())}

    def page_modules(self, wildcards: Wildcards) -> list[str]:
        """The modules of the layouts that the page shows."""
        return [module for modules in self._modules["layouts"].values() for module in modules]


@cache
def _digests(*modules: str) -> str:
    return "; ".join(code(*modules).values())
