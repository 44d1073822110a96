"""The models of a study in its plan: what is pretrained, and what is evaluated on which labels."""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from revisit.errors import RevisitError
from revisit.evaluation.repeats import labels_of, score_file
from revisit.plan.data import Settings
from revisit.plan.imports import ImportPlan
from revisit.plan.jobs import Wildcards, any_of

OF_ROW = ("experiment", "method", "modality", "protocol")  # what names a row of scores, in its path


class ModelPlan(ImportPlan):
    """Paths and settings of pretraining and evaluation."""

    def named(self, key: str) -> str:
        """The pattern of what runs and encoders are of: each ``experiment``, ``method`` or ``modality``."""
        names = [run[key] for run in self.runs]
        if key != "experiment":
            names += [{"method": name, "modality": modality}[key] for name, modality, _ in self.encoders()]
        return any_of(names)

    # Pretrain

    def methods(self, leaving: str) -> str:
        """The pattern of the entries that leave this beside their encoder: see ``revisit.config.check``."""
        names = [name for name, entry in self.entries.items() if entry["leaves"] == leaving]
        return any_of(names)

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
        """The encoders a method starts from, of its own seed."""
        found = self._parents(wildcards.method, wildcards.modality)
        return [self.encoder(name, modality, int(wildcards.seed)) for name, modality in found]

    def _parents(self, entry: str, modality: str) -> list[tuple[str, str]]:
        """Entry and modality of each parent: the same modality, or the only one it has."""
        names = self.entries[entry]["parents"]
        own = {name: self.entries[name]["modalities"] for name in names}
        return [(name, modality if modality in own[name] else own[name][0]) for name in names]

    def generator(self, wildcards: Wildcards) -> str:
        """The encoder that makes images of the samples of a collection."""
        return self.encoder(wildcards.method, wildcards.modality, int(wildcards.seed))

    def generated(self, wildcards: Wildcards) -> list[str]:
        """The images a method learns from that its parent made of the samples of its collection."""
        return self._generated(wildcards.method, wildcards.modality, int(wildcards.seed))

    def generated_stores(self) -> list[str]:
        """All images that generators of the study make of its samples."""
        return list(dict.fromkeys(path for one in self.encoders() for path in self._generated(*one)))

    def _generated(self, entry: str, modality: str, seed: int) -> list[str]:
        own = self.entries[entry]
        if not own["generated"]:
            return []
        folder = f"{self.root}/generated/{own['collection']}"
        return [f"{folder}/{name}/{other}/seed{seed}.zarr" for name, other in self._parents(entry, modality)]

    def method_modules(self, wildcards: Wildcards) -> list[str]:
        """What the pretrain stage loads by name."""
        return list(self.entries[wildcards.method]["modules"])

    def gpus(self, wildcards: Wildcards) -> int:
        """GPUs of a pretraining job."""
        gpus: int = self.entries[wildcards.method]["training"]["gpus"]
        return gpus

    def estimating(self, compared: bool = False) -> list[str]:
        """Folders below encoders/ of all that estimate change, or of those whose labels tell of it."""
        return [
            f"{self.entries[name]['collection']}/{name}/{modality}/seed{seed}"
            for name, modality, seed in self.encoders()
            if self.entries[name]["leaves"] == "changes"
            and (self.entries[name]["label_years"] or not compared)
        ]

    # Evaluate

    def label_cubes(self, wildcards: Wildcards) -> list[str]:
        """The label cubes of a collection's regions."""
        names = [name for name in self._regions(wildcards.collection) if name in self.labelled]
        return [f"{self.root}/cubes/{name}/labels.zarr" for name in names]

    def changed(self, wildcards: Wildcards) -> Settings:
        """What true change is told by, beside labels."""
        return {"patch_pixels": self.config["collections"][wildcards.collection]["patch_pixels"]}

    def true_changes(self) -> list[str]:
        """Estimates of change beside what has changed, of every encoder that has both."""
        return [f"{self.root}/changes/{folder}.csv" for folder in self.estimating(compared=True)]

    def run(self, wildcards: Wildcards) -> Settings:
        """The run a score is of."""
        names = (wildcards.experiment, wildcards.method, wildcards.modality, wildcards.protocol)
        if names not in self._run:
            raise RevisitError(f"scores/{'/'.join(names)}: the study has no such run; name one of its own")
        return self._run[names]

    def collection(self, wildcards: Wildcards) -> str:
        """The index of the collection a run learns from and is tested on."""
        return self.index_of(self.run(wildcards)["collection"])

    def repeat(self, wildcards: Wildcards) -> Settings:
        """The repeat of its run that a score is of."""
        for repeat in self.run(wildcards)["repeats"]:
            if (labels_of(repeat), str(repeat["seed"])) == (wildcards.labels, wildcards.seed):
                return dict(repeat)
        raise RevisitError(
            f"scores of {wildcards.experiment}: no run with labels{wildcards.labels}, seed{wildcards.seed}; "
            "add them to label_fractions and seeds of the experiment"
        )

    def protocols(self, stage: str) -> str:
        """The pattern of the protocols whose runs are of this stage: evaluate, probe or floor."""
        names = {run["protocol"] for run in self.runs if run["stage"] == stage}
        return any_of(sorted(names))

    def score_encoders(self, wildcards: Wildcards) -> list[str]:
        """The encoders behind a score, those of its network in order."""
        seed = self.repeat(wildcards)["pretraining_seed"]
        return [self.encoder(entry, modality, seed) for entry, modality in self.run(wildcards)["encoders"]]

    def evaluate(self, wildcards: Wildcards) -> Settings:
        """What an evaluation job does."""
        return {**self.run(wildcards)["settings"], **self.repeat(wildcards)}

    def probe_encoders(self, wildcards: Wildcards) -> list[str]:
        """The encoders behind a probe, one for each pretraining seed."""
        run = self.run(wildcards)
        ((entry, modality),) = run["encoders"]
        return [self.encoder(entry, modality, seed) for seed in _pretraining_seeds(run)]

    def probe_features(self, wildcards: Wildcards) -> list[str]:
        """The features that a probe learns from, of one encoder after another."""
        run = self.run(wildcards)
        return [self._features_of(run, seed) for seed in _pretraining_seeds(run)]

    def repeats(self, wildcards: Wildcards) -> Settings:
        """What the job of a probe or floor does: all repeats of its run, each of which takes no time."""
        run = self.run(wildcards)
        return {**run["settings"], "repeats": run["repeats"]}

    def made(self, scores: Iterable[str]) -> list[str]:
        """What rules make to have these files: for a score of a probe or floor the folder of its run."""
        return list(dict.fromkeys(map(self._made, scores)))

    def _made(self, path: str) -> str:
        folder = PurePosixPath(path).parents[1]
        run = self._run.get(folder.parts[-len(OF_ROW) :])
        return str(folder) if run and run["stage"] != "evaluate" else path

    def run_modules(self, wildcards: Wildcards) -> list[str]:
        """What the job of a score loads by name."""
        return list(self.run(wildcards)["modules"])

    def encoder_modules(self, wildcards: Wildcards) -> list[str]:
        """The module of an encoder's architecture."""
        return list(self.entries[wildcards.method]["encoder_modules"])

    def scores(self) -> list[str]:
        """The score files of the study."""
        return [self._score(run, repeat) for run in self.runs for repeat in run["repeats"]]

    def predictions(self, experiment: str) -> list[str]:
        """The predictions of each run of an experiment by its first seed and all of its labels."""
        return [self._predictions(run) for run in self.runs if run["experiment"] == experiment]

    def _predictions(self, run: Settings) -> str:
        """The predictions of a run by its first seed and all of its labels."""
        return str(PurePosixPath(self._score(run, _fullest(run))).with_suffix(".npz"))

    def probed(self, experiment: str) -> list[str]:
        """Features and predictions, in turn, of an experiment's first probe of each method and modality."""
        found: dict[tuple[str, str], list[str]] = {}
        for run in self.runs:
            if run["experiment"] == experiment and run["stage"] == "probe":
                features = self._features_of(run, _fullest(run)["pretraining_seed"])
                found.setdefault((run["method"], run["modality"]), [features, self._predictions(run)])
        return [path for paths in found.values() for path in paths]

    def _score(self, run: Settings, repeat: Settings) -> str:
        folder = f"{self.root}/scores/{run['experiment']}/{run['method']}/{run['modality']}/{run['protocol']}"
        return f"{folder}/{score_file(repeat)}"

    # Use what was evaluated

    def seeds(self, wildcards: Wildcards, file: str) -> list[str]:
        """``file`` in the folder of each model of a run that learnt from most of the labels, by seed."""
        return self._models(self.run(wildcards), file)

    def rivals(self, wildcards: Wildcards, file: str) -> list[str]:
        """``file`` in the folder of each model that the best of an experiment is chosen from."""
        runs = self._trained(wildcards.experiment)
        if self.config["keep"]["models"] == "best":
            return [f"{self._row(run)}/{file}" for run in runs]
        return [path for run in runs for path in self._models(run, file)]

    def rival_modules(self, wildcards: Wildcards) -> list[str]:
        """The modules of the networks of an experiment: which of them is the best, planning cannot know."""
        runs = self._trained(wildcards.experiment)
        return list(dict.fromkeys(module for run in runs for module in run["modules"]))

    def best_seeds(self) -> list[str]:
        """The models that a study keeps of its rows, where it keeps the best seeds alone."""
        if self.config["keep"]["models"] != "best":
            return []
        trained = [run for run in self.runs if run["stage"] == "evaluate"]
        return [f"{self._row(run)}/model.safetensors" for run in trained]

    def mapped(self) -> list[str]:
        """The experiments whose best model makes a map of every region."""
        if self.config["keep"]["models"] == "none":
            return []
        return [name for name in self._of_maps if self._trained(name)]

    def mapped_cubes(self, wildcards: Wildcards) -> list[str]:
        """The scaled cubes of a region that an experiment maps: such as its networks learnt from."""
        return self._scaled(self._mapped_variant(wildcards.experiment), wildcards.region)

    def variants_asked(self) -> dict[str, list[str]]:
        """The variants that collections ask for, and the regions of these: all, where one is mapped."""
        mapped = [self._mapped_variant(experiment) for experiment in self.mapped()]
        return super().variants_asked() | {variant: self.regions for variant in mapped if variant}

    def _mapped_variant(self, experiment: str) -> str:
        return self._variant(self.config["experiments"][experiment]["collection"])

    def winners(self) -> list[str]:
        """The cards of the models that make maps."""
        return [f"{self.root}/models/{name}/card.json" for name in self.mapped()]

    def maps(self) -> list[str]:
        """The maps of regions, without suffix."""
        return [f"{self.root}/maps/{name}/{region}" for name in self.mapped() for region in self.regions]

    def _trained(self, experiment: str) -> list[Settings]:
        """The runs of an experiment that train networks on its own collection: not on other cubes."""
        collection = self.config["experiments"][experiment]["collection"]
        named = (experiment, "evaluate", collection)
        return [run for run in self.runs if (run["experiment"], run["stage"], run["collection"]) == named]

    def _row(self, run: Settings) -> str:
        return "/".join((f"{self.root}/models", *(run[key] for key in OF_ROW)))

    def _models(self, run: Settings, file: str) -> list[str]:
        most = labels_of(_fullest(run))
        return [
            f"{self._row(run)}/labels{most}/seed{repeat['seed']}/{file}"
            for repeat in run["repeats"]
            if labels_of(repeat) == most
        ]

    def embedding(self, wildcards: Wildcards) -> str:
        """The encoder whose features are asked for."""
        return self.encoder(wildcards.method, wildcards.pretrained, int(wildcards.seed))

    def embedded(self) -> list[str]:
        """The features that the probes of the study learn from."""
        found: dict[str, None] = {}
        for run in self.runs:
            if run["stage"] == "probe":
                for seed in _pretraining_seeds(run):
                    found[self._features_of(run, seed)] = None
        return list(found)

    def features(self) -> list[str]:
        """The features of every patch by every encoder of its own collection (only made when asked for)."""
        return [
            self._features(self.entries[entry]["collection"], entry, modality, seed, modality)
            for entry, modality, seed in self.encoders()
        ]

    def _features_of(self, run: Settings, pretraining_seed: int) -> str:
        """The features behind the repeats of a probe that are of one encoder."""
        ((entry, pretrained),) = run["encoders"]
        return self._features(run["collection"], entry, pretrained, pretraining_seed, run["modality"])

    def _features(self, collection: str, entry: str, pretrained: str, seed: int, modality: str) -> str:
        return f"{self.root}/features/{collection}/{entry}/{pretrained}/seed{seed}/{modality}.npz"


def _fullest(run: Settings) -> Settings:
    """The first repeat of a run that keeps most labels."""
    most: Settings = max(run["repeats"], key=_amount)
    return most


def _amount(repeat: Settings) -> float:
    """The labels of a repeat, a share or a number: those of an experiment are all the one or the other."""
    amount: float = repeat["label_count"] or repeat["label_fraction"]
    return amount


def _pretraining_seeds(run: Settings) -> list[int]:
    """The pretraining seeds of a run's encoders, as its repeats come to them."""
    return list(dict.fromkeys(repeat["pretraining_seed"] for repeat in run["repeats"]))
