"""The study as the workflow sees it: which files there are to make, and each job's part of the config.

A plan is made of a checked study (``revisit.plan.checked``), in which names are resolved and parts have said
what they are; so nothing here depends on how a region, method or experiment is called.
"""

from pathlib import Path, PurePosixPath

from revisit.cube.bands import ELEVATION
from revisit.plan.data import Settings
from revisit.plan.jobs import Wildcards, any_of
from revisit.plan.models import ModelPlan

# Sections of the config that change no result.
NO_RESULT = ("download", "keep", "requests")


class Plan(ModelPlan):
    """Paths and settings of every job of a checked study; ``root`` is the folder its products lie in."""

    def layouts(self) -> str:
        """The pattern of the tables that are laid out."""
        return any_of(self._modules["layouts"])

    def of_experiments(self, name: str) -> list[str]:
        """The table of this name of every experiment."""
        experiments = dict.fromkeys(run["experiment"] for run in self.runs)
        return [f"{self.root}/tables/{experiment}/{name}.csv" for experiment in experiments]

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

    def scores_of(self, wildcards: Wildcards) -> list[str]:
        """The score files of an experiment."""
        return [self._score(run, repeat) for run in self._of(wildcards) for repeat in run["repeats"]]

    def predictions_of(self, wildcards: Wildcards) -> list[str]:
        """What lies beside the score files of an experiment."""
        return [str(PurePosixPath(path).with_suffix(".npz")) for path in self.scores_of(wildcards)]

    def score_files(self, wildcards: Wildcards) -> dict[str, list[str]]:
        """Both, as the job is told of them."""
        return {"scores": self.scores_of(wildcards), "predictions": self.predictions_of(wildcards)}

    def indexes_of(self, wildcards: Wildcards) -> list[str]:
        """The indexes of the collections that an experiment evaluates on."""
        return list(dict.fromkeys(self.index_of(run["collection"]) for run in self._of(wildcards)))

    def cards_of(self, wildcards: Wildcards) -> list[str]:
        """The cards of the encoders that ``scored_in`` names."""
        encoders = [path for row in self._tested(wildcards) for path in row["encoders"]]
        return [str(PurePosixPath(path).with_name("card.json")) for path in dict.fromkeys(encoders)]

    def scored_in(self, wildcards: Wildcards) -> Settings:
        """What the table of an experiment must know of its runs."""
        name = wildcards.experiment
        return {
            "runs": [run for run in self.facts["runs"] if run["experiment"] == name],
            "experiments": {name: self.facts["experiments"][name]},
            "tested": self._tested(wildcards),
        }

    def _of(self, wildcards: Wildcards) -> list[Settings]:
        return [run for run in self.runs if run["experiment"] == wildcards.experiment]

    def _tested(self, wildcards: Wildcards) -> list[Settings]:
        """The rows of an experiment with encoders; those of the first pretraining seed: all see the same."""
        seed = self.config["pretraining"]["seeds"][0]
        return [
            {
                **{name: run[name] for name in ("experiment", "method", "modality", "protocol")},
                "encoders": [self.encoder(entry, modality, seed) for entry, modality in run["encoders"]],
                "index": self.index_of(run["collection"]),
            }
            for run in self._of(wildcards)
            if run["encoders"]
        ]

    def scored(self, wildcards: Wildcards) -> Settings:
        """What tables of all experiments must know of the runs."""
        return {**self.facts, "encoders": []}

    def pretrained(self, wildcards: Wildcards) -> Settings:
        """What tables of encoders must know of them."""
        return {"encoders": self.facts["encoders"]}

    def figures(self) -> list[str]:
        """Every figure of the study."""
        return [f"{self.root}/figures/{path}.png" for path in self._figures]

    def similarities(self) -> list[str]:
        """The encoders whose similarities are drawn."""
        drawn = [figure for figure in self._figures.values() if figure["source"] == "similarity"]
        return sorted({str(figure["encoder"]) for figure in drawn})

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
            return ["/".join(filter(None, (f"{self.root}/tables", experiment, "all.csv")))]
        if source == "shifts":
            return self.beside_cubes("shifts.csv")
        if source == "predictions":
            return self.predictions(experiment)
        if source == "features":
            return self.probed(experiment)
        if source == "histories":
            return self.beside_encoders("log.csv", trained=True)
        if source == "changes":
            return self.true_changes()
        folder = PurePosixPath(figure["encoder"])
        if source == "mixture":
            return [f"{self.root}/encoders/{folder}/{name}.csv" for name in ("changes", "mixture")]
        if source == "reconstruction":
            return [f"{self.root}/encoders/{folder}/reconstruction.npz"]
        return [f"{self.root}/{source}/{folder}.json"]

    def figure_files(self, wildcards: Wildcards) -> dict[str, list[str]]:
        """The same, as the job is told of them."""
        return {"source": self.figure_sources(wildcards)}

    def change_estimates(self) -> list[str]:
        """The table of how well estimates of change tell what has changed, where anything says so."""
        return [f"{self.root}/tables/change-estimates.csv"] if self.true_changes() else []

    def claimed(self) -> list[str]:
        """The score files of the experiments that are set beside published numbers."""
        published = {name for name, one in self.facts["experiments"].items() if one["published_as"]}
        return [
            self._score(run, repeat)
            for run in self.runs
            if run["experiment"] in published
            for repeat in run["repeats"]
        ]

    def claims(self) -> list[str]:
        """The table of what the sources claim, where any experiment is set beside their numbers."""
        return [f"{self.root}/tables/claims.csv"] if self.claimed() else []

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
        labels = [f"{self.root}/cubes/{region}/labels.png" for region in self.labelled]
        patches = [f"{self.root}/patches/{name}/quicklook.png" for name in self.collected()]
        dem = [f"{self.root}/cubes/{region}/dem.png" for region in self.regions if self.years(ELEVATION)]
        return [*cubes, *dem, *labels, *patches]

    def products(self) -> list[str]:
        """The last cube of every region and sensor, and the label cubes: the others are made on the way."""
        labels = [f"{self.root}/cubes/{region}/labels.zarr" for region in self.labelled]
        dem = [f"{self.root}/cubes/{region}/dem.zarr" for region in self.regions if self.years(ELEVATION)]
        return [*self.beside_cubes("scaled.zarr"), *labels, *dem]

    def beside_products(self, wildcards: Wildcards) -> list[str]:
        """The features and maps that are there by now, each with its time: what the catalogue holds beside
        products. It waits for none that is not."""
        maps = [f"{name}.tif" for name in self.maps()]
        paths = map(Path, dict.fromkeys([*self.embedded(), *self.features(), *maps]))
        return [f"{path} {path.stat().st_mtime_ns}" for path in paths if path.is_file()]

    def items(self) -> list[str]:
        """What the searches of the study found."""
        return [
            f"{self.root}/items/{region}/{sensor}.json"
            for region in self.regions
            for sensor in self.searched(region)
        ]

    def downloads(self) -> list[str]:
        """What each download of the study fetched, and what it left out."""
        return [
            f"{self.root}/scenes/{region}/{sensor}/{year}/manifest.json"
            for region in self.regions
            for sensor in self.searched(region)
            for year in self.years(sensor)
        ]

    def indexes(self) -> list[str]:
        """The index of every collection."""
        return [self.index_of(name) for name in self.collected()]

    def page(self, wildcards: Wildcards) -> Settings:
        """The study, for the page that describes it."""
        decides = {key: value for key, value in self.config.items() if key not in NO_RESULT}
        return {"config": decides, **self.facts, "figures": list(self._figures.values())}

    def page_modules(self, wildcards: Wildcards) -> list[str]:
        """The modules of the layouts that the page shows."""
        return [module for modules in self._modules["layouts"].values() for module in modules]
