"""The jobs of a study by stage, and how much each stage has to do."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from revisit.archive.kinds import BANDS as NATIVE
from revisit.cube.bands import ELEVATION
from revisit.cube.grid import Grid, Region, region_grid
from revisit.cube.split import Split, areas, count_patches
from revisit.plan.forecast.imagery import Series
from revisit.plan.plan import Plan

CLASSIFICATION = "scl"
COARSER_M = {CLASSIFICATION: 20, "elevation": 30}
MARGIN_M = 160  # both margins of a clip
MILLION = 1e6
TILES_A_PIXEL = 4  # of a map: they overlap by half, up and down and to the side
PAIR = 2  # images of a sample of a set that has several


@dataclass(frozen=True)
class Stage:
    """Jobs of a stage, and what they have to do together: ``amount`` in millions, of what ``rates`` says."""

    name: str
    jobs: int
    amount: float = 0.0


class Work:
    """What there is to do in a study: its grids, patches and stages."""

    def __init__(self, plan: Plan, series: Iterable[Series]) -> None:
        self.plan, self.series = plan, list(series)
        resolution = plan.config["cube"]["resolution_m"]
        self.grids: dict[str, Grid] = {
            name: region_grid(Region(**place), resolution) for name, place in plan.config["regions"].items()
        }
        self._dates: dict[tuple[str, str], float] = {}
        for one in self.series:
            cube = one.region, one.sensor
            self._dates[cube] = self._dates.get(cube, 0) + one.dates
        split, seed = Split(**plan.config["split"]), plan.config["seed"]
        ground = {name: areas(grid, split, seed, name) for name, grid in self.grids.items()}
        self._places = {
            name: sum(
                sum(count_patches(ground[region], entry["patch_pixels"]))
                for region in entry.get("regions") or plan.regions
            )
            for name, entry in plan.config["collections"].items()
        }

    def cells(self, region: str) -> int:
        """Pixels of a region's grid."""
        height, width = self.grids[region].shape
        return height * width

    def dates(self, region: str, sensor: str) -> float:
        """Dates of a cube."""
        return self._dates.get((region, sensor), 0)

    def bands(self, sensor: str) -> list[str]:
        """The bands of a cube."""
        return list(self.plan.config["cube"]["bands"][sensor])

    def clip_pixels(self, region: str, band: str) -> float:
        """Pixels of a clip of a band, at the resolution it is delivered in."""
        metres = NATIVE[band][3] if band in NATIVE else COARSER_M.get(band, 10)
        height, width = self.grids[region].shape
        pixel = self.plan.config["cube"]["resolution_m"]
        return float((height * pixel + MARGIN_M) * (width * pixel + MARGIN_M) / metres**2)

    def samples(self, collection: str) -> int:
        """Samples of a collection: of a set all, of regions if every place has as many as it may."""
        if (of_set := self.plan.holds(collection)["samples"]) is not None:
            return int(of_set)
        entry = self.plan.config["collections"][collection]
        return self._places[collection] * int(entry.get("samples_per_place", 1))

    def times(self, collection: str) -> int:
        """Images of a sensor in a sample."""
        if not self.plan.has_times(collection):
            return 1
        if collection in self.plan.config["imports"]:
            return PAIR
        entry = self.plan.config["collections"][collection]
        return int(entry.get("dates") or max(len(self.plan.years(sensor)) for sensor in self.plan.sensors))

    def stages(self) -> list[Stage]:
        """Every stage in the order in which they run."""
        return [*self._of_imagery(), *self._of_models(), *self._of_report()]

    def _of_imagery(self) -> list[Stage]:
        plan, regions, sensors = self.plan, self.plan.regions, self.plan.sensors
        clips = sum(
            one.scenes * self.clip_pixels(one.region, band) / MILLION
            for one in self.series
            for band in plan.fetched(one.sensor)
        )
        simulated = [sensor for sensor in plan.config["search"] if plan.simulates(sensor)]
        made = sum(one.scenes * self.cells(one.region) for one in self.series if one.sensor in simulated)
        cubes = {
            region: sum(self.cells(region) * len(self.bands(s)) * self.dates(region, s) for s in sensors)
            for region in regions
        }
        values, measured = sum(cubes.values()) / MILLION, plan.measured()
        varied = {stage: plan.varied(stage) for stage in ("raw", "aligned", "moments", "scaled")}
        others = {stage: sum(cubes[name] for name in names) / MILLION for stage, names in varied.items()}
        more = {stage: len(names) * len(sensors) for stage, names in varied.items()}
        images, elevations = len(regions) * len(sensors), len(regions) if plan.years(ELEVATION) else 0
        labelled = [region for region in regions if plan.labels(SimpleNamespace(region=region))]
        stores = [
            self.samples(name) * entry["patch_pixels"] ** 2 * self.times(name) / MILLION
            for name, entry in plan.config["collections"].items()
        ]
        tiled = [entry.get("regions") or regions for entry in plan.config["collections"].values()]
        return [
            Stage("archive", len(regions) if simulated else 0, made / MILLION),
            Stage("search", len(plan.items())),
            Stage("download", len(plan.downloads()), clips),
            Stage("stack", images + more["raw"], values + others["raw"]),
            Stage("coregister", images + more["aligned"], values + others["aligned"]),
            Stage(
                "moments",
                len(measured) * len(sensors) + more["moments"],
                sum(cubes[name] for name in measured) / MILLION + others["moments"],
            ),
            Stage("limits", len(sensors) * (1 + len(plan.variants_asked())) + bool(elevations)),
            Stage("scale", images + more["scaled"], values + others["scaled"]),
            Stage("labels", len(labelled), sum(map(self.cells, labelled)) / MILLION),
            Stage("dem", elevations),
            Stage("dem_moments", len(measured) if elevations else 0),
            Stage("tile", sum(map(len, tiled)), sum(stores)),
            Stage("index", len(tiled)),
            *self._of_sets(),
        ]

    def _of_sets(self) -> list[Stage]:
        sets = self.plan.config["imports"]
        pixels = sum(self._seen(name) for name in sets)
        return [
            Stage("survey", len(sets), pixels),
            Stage("import_set", sum(entry["stores"] for entry in sets.values()), pixels),
            Stage("index_set", len(sets)),
        ]

    def _of_models(self) -> list[Stage]:
        plan = self.plan
        trained = sum(
            self._pretrained(name) * self.of_entry(entry) * self.parameters(name)
            for name, entry in plan.entries.items()
        )
        runs = {stage: [run for run in plan.runs if run["stage"] == stage] for stage in STAGES_OF_RUNS}
        embedded, generated = plan.embedded(), plan.generated_stores()
        return [
            Stage("pretrain", sum(map(self.of_entry, plan.entries.values())), trained),
            Stage("generate", len(generated), sum(map(self._generated, generated))),
            Stage("embed", len(embedded), sum(map(self._embedded, embedded))),
            *(Stage(stage, _jobs_of(stage, own), sum(map(self._learnt, own))) for stage, own in runs.items()),
            Stage("best_seed", len(plan.best_seeds())),
            Stage("best_model", len(plan.mapped())),
            Stage("predict", len(plan.maps()), sum(map(self._mapped, plan.mapped()))),
        ]

    def of_entry(self, entry: dict[str, Any]) -> int:
        return len(entry["modalities"]) * len(self.plan.config["pretraining"]["seeds"])

    def parameters(self, *entries: str) -> float:
        """Millions of parameters of the encoders of some entries; of a network without any, one."""
        found = sum(self.plan.entries[name]["parameters"] for name in entries)
        return found / MILLION if entries else 1.0

    def _embedded(self, path: str) -> float:
        collection, entry = path.split("/")[-5:-3]
        return self._seen(collection) * self.parameters(entry)

    def _generated(self, path: str) -> float:
        collection, entry = path.split("/")[-4:-2]
        return self._seen(collection) * self.parameters(entry)

    def _seen(self, collection: str) -> float:
        """Millions of pixels of all images of one sensor."""
        side = self.plan.holds(collection)["patch_pixels"]
        return float(self.samples(collection) * side**2 * self.times(collection) / MILLION)

    def _pretrained(self, name: str) -> float:
        """Millions of pixels of a sensor that a pretraining sees."""
        entry = self.plan.entries[name]
        if entry["baseline"]:
            return 0
        training, collection = entry["training"], entry["collection"]
        if not training["steps"]:
            return float(training["epochs"] * self._seen(collection))
        share = training["steps"] * training["batch_size"] / max(1, self.samples(collection))
        return float(share * self._seen(collection))

    def _learnt(self, run: dict[str, Any]) -> float:
        """Millions of pixels of a sensor that the repeats of a run see at most."""
        collection = run["collection"]
        recipe = run["settings"].get("recipe", {})
        steps, batch = (recipe.get(key) for key in ("max_steps", "batch_size"))
        if not steps or not batch:
            return len(run["repeats"]) * self._seen(collection)
        samples = max(1, self.samples(collection))
        passes = [
            min(steps * batch / samples, (recipe.get("max_epochs") or math.inf) * _share(repeat, samples))
            for repeat in run["repeats"]
        ]
        size = self.parameters(*(entry for entry, _ in run["encoders"]))
        return float(sum(passes) * self._seen(collection) * size)

    def _mapped(self, experiment: str) -> float:
        """Millions of pixels of a sensor that a network sees to map every region: of one like its largest."""
        runs = [
            run for run in self.plan.runs if (run["experiment"], run["stage"]) == (experiment, "evaluate")
        ]
        size = max(self.parameters(*(entry for entry, _ in run["encoders"])) for run in runs)
        return TILES_A_PIXEL * size * sum(map(self.cells, self.plan.regions)) / MILLION

    def _of_report(self) -> list[Stage]:
        return [
            Stage("similarity", len(self.plan.similarities())),
            Stage("true_change", len(self.plan.true_changes())),
            Stage("scores", len(self.plan.of_experiments("all"))),
            Stage("tables", 1),
            Stage("gains", 1),
            Stage("claims", len(self.plan.claims())),
            Stage("change_estimates", len(self.plan.change_estimates())),
            Stage("table", len(self.plan.tables()) - 1),
            Stage("figure", len(self.plan.figures())),
            Stage("page", 1),
        ]


def _share(repeat: dict[str, Any], samples: int) -> float:
    """The share of a collection that a repeat learns from at most."""
    return float(repeat["label_fraction"] or min(1.0, repeat["label_count"] / samples))


def _jobs_of(stage: str, runs: list[dict[str, Any]]) -> int:
    """A job for each training, and for all repeats of what trains no network."""
    return sum(len(run["repeats"]) for run in runs) if stage == "evaluate" else len(runs)


STAGES_OF_RUNS = ("evaluate", "probe", "floor")
