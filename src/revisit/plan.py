"""The study as the workflow sees it: which files there are to make, and each stage's part of the config.

Only the Snakefile reads this module; stages get their slice as sorted JSON on the command line, so
an edit of the config reruns the stages whose slice it changed and no others.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from revisit.methods.registry import modules
from revisit.nets.registry import ARCHITECTURES
from revisit.provenance import code

Wildcards = Any  # Snakemake's namespace of strings
IMAGE_SENSORS = ("sentinel-1", "sentinel-2")


class Plan:
    """A checked config (see revisit.config) with the paths and settings that follow from it."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.regions: list[str] = sorted(config["regions"])
        self.sensors: list[str] = [name for name in IMAGE_SENSORS if name in config["search"]]
        self.experiments: dict[str, dict[str, Any]] = config["experiments"]

    def years(self, sensor: str) -> list[int]:
        return sorted(self.config["search"].get(sensor, {}).get("years", []))

    # Acquire

    def folder(self, wildcards: Wildcards) -> list[str]:
        """The folder our own STAC API serves for this job, where the provider is one; else nothing."""
        name, definitions = self._provider().values()
        if name == "embedded":
            return [f"results/archive/{wildcards.region}"]
        definition = definitions.get(name, {})
        return [definition["folder"]] if "folder" in definition else []

    def folder_option(self, wildcards: Wildcards) -> str:
        return "".join(f"--folder {folder}" for folder in self.folder(wildcards))

    def archive(self, wildcards: Wildcards) -> str:
        archive = dict(self.config.get("archive", {}))
        biome = archive.pop("biomes", {}).get(wildcards.region, "temperate")
        tiles = archive.pop("tiles", {}).get(wildcards.region, 1)
        years = {sensor: self.years(sensor) for sensor in self.config["search"]}
        place = self._place(wildcards.region)
        own = {"seed": self.config["seed"], "biome": biome, "tiles": tiles, "years": years}
        return _json({**own, **place, **archive})

    def search(self, wildcards: Wildcards) -> str:
        return _json(
            {
                **self.config["search"][wildcards.sensor],
                **self._provider(),
                "bbox": self._place(wildcards.region)["bbox"],
                "bands": self._bands(wildcards.sensor),
            }
        )

    def download(self, wildcards: Wildcards) -> str:
        place, bands = self._place(wildcards.region), self._bands(wildcards.sensor)
        return _json({**self._provider(), **place, "bands": bands})

    def _provider(self) -> dict[str, Any]:
        return {"provider": self.config["provider"], "providers": self.config.get("providers", {})}

    def _place(self, region: str) -> dict[str, Any]:
        entry = self.config["regions"][region]
        return {"bbox": entry["bbox"], "epsg": entry.get("epsg")}

    def _bands(self, sensor: str) -> list[str]:
        return self.config["cube"]["bands"].get(sensor, ["map"])

    # Preprocess

    def stack(self, wildcards: Wildcards) -> str:
        return _json(
            {
                **self._grid(wildcards.region),
                "bands": self._bands(wildcards.sensor),
                "scene_classification_valid": self.config["cube"]["scene_classification_valid"],
            }
        )

    def labels(self, wildcards: Wildcards) -> str:
        return _json(self._grid(wildcards.region))

    def _grid(self, region: str) -> dict[str, Any]:
        return {**self._place(region), "resolution_m": self.config["cube"]["resolution_m"]}

    def coregister(self) -> str:
        return _json({"max_shift_pixels": self.config["cube"]["max_shift_pixels"]})

    def reference(self, wildcards: Wildcards) -> list[str]:
        """Sentinel-1 is matched to the aligned Sentinel-2 cube of its region, where there is one."""
        if wildcards.sensor == "sentinel-2" or "sentinel-2" not in self.sensors:
            return []
        return [f"results/cubes/{wildcards.region}/sentinel-2/aligned.zarr"]

    def reference_option(self, wildcards: Wildcards) -> str:
        return "".join(f"--reference {path}" for path in self.reference(wildcards))

    def moments(self) -> str:
        return _json({"seed": self.config["seed"], "split": self.config["split"]})

    def limits(self) -> str:
        return _json({"clip_sigma": self.config["cube"]["clip_sigma"]})

    def cubes(self) -> list[str]:
        """The scaled cubes of the study."""
        return [
            f"results/cubes/{region}/{sensor}/scaled.zarr"
            for region in self.regions
            for sensor in self.sensors
        ]

    def label_cubes(self) -> list[str]:
        """The label cubes of the study; none where it searches for no labels."""
        if "worldcover" not in self.config["search"]:
            return []
        return [f"results/cubes/{region}/labels.zarr" for region in self.regions]

    def labels_option(self) -> str:
        return f"--labels {' '.join(self.label_cubes())}" if self.label_cubes() else ""

    def tile(self, wildcards: Wildcards) -> str:
        collection = self.config["collections"][wildcards.collection]
        return _json({"seed": self.config["seed"], "split": self.config["split"], "collection": collection})

    # Pretrain

    def encoder(self, method: str, modality: str, seed: int) -> str:
        collection = self.config["pretraining"]["methods"][method]["collection"]
        return f"results/encoders/{collection}/{method}/{modality}/seed{seed}/encoder.safetensors"

    def encoders(self) -> Iterator[str]:
        """Every encoder of the study."""
        for method, entry in self.config["pretraining"]["methods"].items():
            for modality in entry["modalities"]:
                for seed in self.config["pretraining"]["seeds"]:
                    yield self.encoder(method, modality, seed)

    def pretrain(self, wildcards: Wildcards) -> str:
        entry = dict(self.config["pretraining"]["methods"][wildcards.method])
        del entry["collection"], entry["modalities"]
        return _json(entry)

    def pretrain_code(self, wildcards: Wildcards) -> str:
        """Digest of the pretrain stage's code with that of the method, which the stage loads by name."""
        network = self.config["pretraining"]["methods"][wildcards.method]["method"]
        return _digests("revisit.training.pretrain", *modules(wildcards.method, network))

    # Evaluate

    def runs(self, experiment: str) -> Iterator[tuple[str, str, str]]:
        """(method, modality, protocol) of each score of an experiment."""
        entry = self.experiments[experiment]
        if entry["task"] == "multi-label":
            for method in entry["methods"]:
                for modality in entry["modalities"]:
                    for protocol in entry["protocols"]:
                        yield method, modality, protocol
        else:
            for network, modalities in entry["runs"].items():
                for modality in modalities:
                    yield network, modality, "fine-tune" if "stmim" in network else "supervised"

    def scores(self) -> list[str]:
        """Every score file of the study (a list: Snakemake swallows the first value of a generator)."""
        return [
            "results/scores/{}/{}/{}/{}.json".format(experiment, *run)
            for experiment in self.experiments
            for run in self.runs(experiment)
        ]

    def experiments_of(self, task: str) -> str:
        """The pattern of a task's experiment names (one that matches nothing where there is none)."""
        names = [name for name, entry in self.experiments.items() if entry["task"] == task]
        return "|".join(names) or "(?!)"

    def patches(self, wildcards: Wildcards) -> str:
        return f"results/patches/{self.experiments[wildcards.experiment]['collection']}.zarr"

    def score_encoders(self, wildcards: Wildcards) -> list[str]:
        """The encoders behind a score: one a pretraining seed, and one a sensor for the dual network."""
        entry = self.experiments[wildcards.experiment]
        seeds = self.config["pretraining"]["seeds"]
        if entry["task"] == "multi-label":
            return [self.encoder(wildcards.method, entry["pretrain_modality"], seed) for seed in seeds]
        if wildcards.protocol == "supervised":
            return []
        modalities = wildcards.modality.split("+")
        return [self.encoder(entry["pretrain_method"], part, seed) for seed in seeds for part in modalities]

    def encoders_option(self, wildcards: Wildcards) -> str:
        paths = self.score_encoders(wildcards)
        return f"--encoders {' '.join(paths)}" if paths else ""

    def evaluate(self, wildcards: Wildcards) -> str:
        entry = self.experiments[wildcards.experiment]
        keys = ("label_fractions", "seeds", "fine_tune", "linear", "classes", "train", "network")
        settings = {key: entry[key] for key in keys if key in entry}
        if wildcards.get("method") == "swin-unet":
            # The supervised network is the pretrained one with other weights.
            settings["network"] = {**settings.get("network", {}), "swin": self._swin(wildcards.experiment)}
        return _json(settings)

    def _swin(self, experiment: str) -> dict[str, Any]:
        method = self.experiments[experiment]["pretrain_method"]
        return self.config["pretraining"]["methods"][method]["method"]["encoder"]

    def evaluate_code(self, wildcards: Wildcards) -> str:
        """Digest of the task's code with that of the encoders' architecture, which is loaded by name."""
        entry = self.experiments[wildcards.experiment]
        if entry["task"] == "multi-label":
            network = self.config["pretraining"]["methods"][wildcards.method]["method"]["encoder"]
            return _digests("revisit.evaluation.classify", ARCHITECTURES[network["name"]])
        return _digests("revisit.evaluation.segment")

    def features(self) -> list[str]:
        """The features of every patch by every encoder (only made when asked for)."""
        folders = (Path(path).parent for path in self.encoders())
        return [str(Path("results/features", *folder.parts[2:])) + ".npz" for folder in folders]

    # Report

    def beside_encoders(self, name: str, trained: bool = True, kind: str | None = None) -> list[str]:
        """``name`` in the folder of every encoder; of trained ones, and those on one kind of collection."""
        return [
            str(Path(path).with_name(name))
            for path in self.encoders()
            if not (trained and "/scratch/" in path) and kind in (None, self._kind(path))
        ]

    def _kind(self, encoder: str) -> str:
        return self.config["collections"][encoder.split("/")[2]]["kind"]

    def figures(self) -> list[str]:
        """Every figure of the study."""
        names = ["shifts", "curves"]
        names += [_figure("reconstruction", path) for path in self.beside_encoders("reconstruction.npz")]
        names += [_figure("similarity", path) for path in self.beside_encoders("card.json", kind="yearly")]
        if "masking" in self.experiments:
            names += ["masking", "fractions"]
        names += [
            f"maps/{name}" for name, entry in self.experiments.items() if entry["task"] == "segmentation"
        ]
        return [f"results/figures/{name}.png" for name in names]

    def predictions(self, wildcards: Wildcards) -> list[str]:
        """The land-cover maps of an experiment."""
        experiment = wildcards.experiment
        return ["results/scores/{}/{}/{}/{}.npz".format(experiment, *run) for run in self.runs(experiment)]

    def quicklooks(self) -> list[str]:
        """The pictures of the data that the report shows."""
        scaled = [
            path.replace("scaled.zarr", f"{stage}.png")
            for path in self.cubes()
            for stage in ("aligned", "scaled")
        ]
        labels = [path.replace(".zarr", ".png") for path in self.label_cubes()]
        return [*scaled, *labels, *(f"results/patches/{name}.png" for name in self.config["collections"])]

    def image_files(self, name: str) -> list[str]:
        """``name`` in the folder of every cube."""
        return [str(Path(path).with_name(name)) for path in self.cubes()]

    def items(self) -> list[str]:
        """What the searches of the study found."""
        return [
            f"results/items/{region}/{sensor}.json"
            for region in self.regions
            for sensor in self.config["search"]
        ]

    def whole(self) -> str:
        """The whole config, for the page that describes the study."""
        return _json(self.config)


def _figure(kind: str, path: str) -> str:
    """The name of an encoder's figure, after its folder below ``encoders``."""
    return f"{kind}/" + "/".join(Path(path).parts[2:-1])


def _digests(*names: str) -> str:
    return "; ".join(code(*names).values())


def _json(settings: dict[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True, separators=(",", ":"))
