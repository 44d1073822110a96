"""A small made-up run: what the stages before the report leave, with numbers that a test can recompute."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from revisit.evaluation.metrics import ConfusionMatrix
from revisit.evaluation.resampling import RESAMPLES
from revisit.files import write_json
from revisit.report import merged_table as tables
from revisit.report.facts import Facts

TITLES = {
    "scratch": "from scratch",
    "3dmae-rm": "3DMAE-RM",
    "3dmae-rc": "3DMAE-RC",
    "3dmae-rm+rc": "3DMAE-RM+RC",
    "3dmae-3dm": "3DMAE-3DM",
    "unet": "UNet",
    "swin-unet": "SwinUNet",
    "stmim-unet": "STMIM-UNet",
    "dual-stmim-unet": "DualSTMIM-UNet",
    "stmim": "STMIM",
    "band-statistics": "band statistics",
}
MASKING = ("scratch", "3dmae-rm", "3dmae-rc", "3dmae-rm+rc", "3dmae-3dm")
LAND_COVER = (
    ("unet", "s1"),
    ("swin-unet", "s1"),
    ("swin-unet", "rgb"),
    ("stmim-unet", "s1"),
    ("stmim-unet", "rgb"),
    ("dual-stmim-unet", "s1+rgb"),
)
ENCODERS = {"unet": "unet", "swin-unet": "swin", "stmim-unet": "swin", "dual-stmim-unet": "swin + swin"}
CLASSES = ("Build-up", "Cropland", "Water", "Others")
UNTRAINED = ("scratch", "unet", "swin-unet", "band-statistics")
SEEDS = (0, 1, 2)
HEADLINES = {"masking": "micro_map", "land-cover": "miou"}
LUCK = np.random.default_rng(0).normal(size=(1 + len(SEEDS), RESAMPLES))
ENCODER_RUNS = (
    *(("pairs", method, "s1+s2", 0) for method in MASKING),
    ("pairs", "3dmae-3dm", "s1+s2", 1),
    ("yearly", "stmim", "s1", 0),
    ("yearly", "stmim", "rgb", 0),
)


def common(experiment: str, task: str, method: str, modality: str, protocol: str) -> dict:
    return {
        "experiment": experiment,
        "task": task,
        "dataset": "pairs" if task == "multi-label" else "yearly",
        "method": method,
        "encoder": "none" if protocol == "floor" else ENCODERS.get(method, "channel-vit"),
        "pretrain_data": "none" if method in UNTRAINED else "pairs",
        "pretrain_samples": 0 if method in UNTRAINED else 512,
        "pretrain_steps": 0 if method in UNTRAINED else 240,
        "modality": modality,
        "protocol": protocol,
        "collapsed": method == "3dmae-rc",
        "converged": None if protocol in ("linear", "floor") else True,
        "gpu_hours": 0.0,
        "cpu_hours": None if protocol == "floor" else 0.5,
        "config_hash": "0" * 12,
        "code_version": "1.0",
    }


def write_score(folder: Path, columns: dict, fraction: float, seed: int, values: dict) -> Path:
    """The score file of one repeat: every seed has an encoder of its own where there is one."""
    path = folder / f"labels{fraction:g}/seed{seed}.json"
    write_json(
        path,
        {
            "columns": columns,
            "headline": HEADLINES[columns["experiment"]],
            "label_fraction": fraction,
            "seed": seed,
            "pretraining_seed": None if columns["protocol"] in ("floor", "supervised") else seed,
            "values": [
                {"class": name, "metric": metric, "value": value} for (name, metric), value in values.items()
            ],
            "test_places": {"number": 40, "digest": columns["dataset"]},
        },
    )
    headline = values.get(("all", HEADLINES[columns["experiment"]]))
    if headline is not None:
        # The luck of places is the same for all runs, but for a little of each seed's own.
        shared, own = LUCK[0], LUCK[1 + seed]
        np.savez(path.with_suffix(".npz"), resampled=headline + 0.02 * shared + 0.005 * own)
    return path


def protocol_of(method: str) -> str:
    return "fine-tune" if "stmim" in method else "supervised"


@pytest.fixture(scope="session")
def facts() -> Facts:
    """The facts of the made-up run, as the plan hands them over."""
    masking = [
        {"method": method, "modality": modality, "protocol": protocol, "pretrained": method != "scratch"}
        for method in MASKING
        for modality in ("s1", "s2", "s1+s2")
        for protocol in ("fine-tune", "linear")
    ] + [
        {"method": "band-statistics", "modality": modality, "protocol": "floor", "pretrained": False}
        for modality in ("s1", "s2", "s1+s2")
    ]
    land_cover = [
        {
            "method": method,
            "modality": modality,
            "protocol": protocol_of(method),
            "pretrained": "stmim" in method,
        }
        for method, modality in LAND_COVER
    ]
    runs = [
        {
            **run,
            "experiment": name,
            "task": task,
            "title": TITLES[run["method"]],
            "recipe": run["method"],
            "published_as": None if run["method"] in ("scratch", "band-statistics") else run["method"],
        }
        for name, task, of in (
            ("masking", "multi-label", masking),
            ("land-cover", "segmentation", land_cover),
        )
        for run in of
    ]
    encoders = [
        {
            "entry": method,
            "title": TITLES[method],
            "collection": collection,
            "kind": collection,
            "modality": modality,
            "seed": seed,
            "reconstructs": method != "scratch",
            "baseline": method == "scratch",
        }
        for collection, method, modality, seed in ENCODER_RUNS
    ]
    experiments = {
        "masking": {
            "task": "multi-label",
            "layouts": ["masking"],
            "published_as": "masking",
            "headline": "micro_map",
            "label_fractions": [0.05, 1.0],
        },
        "land-cover": {
            "task": "segmentation",
            "layouts": ["land-cover-sar", "land-cover-fusion"],
            "published_as": "land-cover",
            "headline": "miou",
            "label_fractions": [1.0],
        },
    }
    return Facts.model_validate({"runs": runs, "encoders": encoders, "experiments": experiments})


def cut(method: str, protocol: str, seed: int) -> dict:
    """One of three fine-tunings of 3dmae-rm was ended by its budget."""
    return {"converged": False} if (method, protocol, seed) == ("3dmae-rm", "fine-tune", 1) else {}


def write_masking(folder: Path, method: str, modality: str, protocol: str) -> list[Path]:
    base = 0.6 + 0.04 * MASKING.index(method) + 0.02 * len(modality) - 0.1 * (protocol == "linear")
    columns = common("masking", "multi-label", method, modality, protocol)
    return [
        write_score(
            folder, columns | cut(method, protocol, seed), fraction, seed,
            {
                ("all", "micro_map"): base + 0.05 * np.log10(fraction) + 0.01 * seed,
                ("all", "macro_map"): base + 0.05 * np.log10(fraction) + 0.01 * seed - 0.05,
                ("Water", "average_precision"): base + 0.05 * np.log10(fraction) + 0.01 * seed,
            },
        )
        for fraction in (0.05, 1.0)
        for seed in SEEDS
    ]  # fmt: skip


def write_floor(folder: Path, modality: str) -> list[Path]:
    """A floor of 0.55 with all labels, of which there is one run, and about 0.45 with few."""
    columns = common("masking", "multi-label", "band-statistics", modality, "floor")
    return [
        write_score(
            folder, columns, fraction, seed, {("all", "micro_map"): 0.55 if whole else 0.45 + 0.01 * seed}
        )
        for fraction, whole in ((0.05, False), (1.0, True))
        for seed in (SEEDS[:1] if whole else SEEDS)
    ]


def write_land_cover(folder: Path, method: str, modality: str) -> list[Path]:
    rng = np.random.default_rng(LAND_COVER.index((method, modality)))
    columns = common("land-cover", "segmentation", method, modality, protocol_of(method))
    paths = []
    for seed in SEEDS:
        labels = rng.integers(0, 4, 4000)
        hit = rng.random(4000) < 0.6 + 0.05 * len(modality)
        matrix = ConfusionMatrix(4)
        matrix.update(labels, np.where(hit, labels, rng.integers(0, 4, 4000)))
        scores = matrix.scores()
        scores.pop("support")
        values = {
            (name, metric): float(value)
            for metric, of_classes in scores.items()
            for name, value in zip(CLASSES, of_classes, strict=True)
        }
        for name, metrics in matrix.summary().items():
            values |= {(name, metric): value for metric, value in metrics.items()}
        paths.append(write_score(folder, columns, 1.0, seed, values))
    return paths


@pytest.fixture(scope="session")
def scores(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Score files of both experiments."""
    folder = tmp_path_factory.mktemp("results") / "scores"
    written = [
        write_masking(folder / f"masking/{method}/{modality}/{protocol}", method, modality, protocol)
        for method in MASKING
        for modality in ("s1", "s2", "s1+s2")
        for protocol in ("fine-tune", "linear")
    ]
    written += [
        write_floor(folder / f"masking/band-statistics/{modality}/floor", modality)
        for modality in ("s1", "s2", "s1+s2")
    ]
    written += [
        write_land_cover(folder / f"land-cover/{method}/{modality}/{protocol_of(method)}", method, modality)
        for method, modality in LAND_COVER
    ]
    return [path for of_run in written for path in of_run]


@pytest.fixture(scope="session")
def all_csv(scores: list[Path], facts: Facts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "all.csv"
    tables.write_table(tables.merge(scores, facts), path)
    return path


@pytest.fixture
def logs(tmp_path: Path) -> list[Path]:
    """log.csv of some encoders: two seeds of one, parts of the loss in others, no rows of scratch."""
    paths = []
    for number, (collection, method, modality, seed) in enumerate(ENCODER_RUNS):
        path = tmp_path / f"encoders/{collection}/{method}/{modality}/seed{seed}/log.csv"
        path.parent.mkdir(parents=True)
        parts = ["reconstruction", "similarity"] if method == "stmim" else []
        header = ["step", "epoch", "loss", *parts, "learning_rate", "feature_std", "effective_rank"]
        header += ["cosine_between", "cosine_within", "found_again", "share_kept"]
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            for step in range(0, 0 if method == "scratch" else 200, 10):
                loss = 0.3 + 0.7 * np.exp(-step / (50 + 5 * number)) + 0.01 * seed
                split = [0.9 * loss, 0.1 * loss] if parts else []
                rank = "" if step % 50 else 20 - 10 * np.exp(-step / 60)
                writer.writerow([step, step // 20, loss, *split, 1e-3, 0.5, rank, 0.2, 0.9, 1.0, 1.0])
        paths.append(path)
    return paths


@pytest.fixture
def shifts(tmp_path: Path) -> list[Path]:
    """shifts.csv of two regions and two sensors, one date in five left where it was."""
    rng = np.random.default_rng(2)
    paths = []
    for region in ("plain", "polder"):
        for sensor in ("sentinel-1", "sentinel-2"):
            path = tmp_path / f"cubes/{region}/{sensor}/shifts.csv"
            path.parent.mkdir(parents=True)
            lines = ["time,source_items,shift_x,shift_y,confidence,windows,applied,cause"]
            for day in range(20):
                x, y = rng.normal(0, 0.6, 2)
                stays = day % 5 == 0
                end = "0.000,0.000,0.00,3,no,few windows" if stays else f"{x:.3f},{y:.3f},0.80,12,yes,"
                lines.append(f"2020-01-{day + 1:02}T10:00:00,item-{day},{end}")
            path.write_text("\n".join(lines) + "\n")
            paths.append(path)
    return paths


@pytest.fixture
def page_inputs(tmp_path: Path, shifts: list[Path], logs: list[Path]) -> dict[str, list[Path]]:
    """The inputs of the page below one folder, by name."""
    items, cards, quicklooks = [], [], []
    for path in shifts:
        features = [{"properties": {"datetime": f"{year}-05-01T10:00:00Z"}} for year in range(2017, 2023)]
        items.append(tmp_path / f"items/{path.parent.parent.name}/{path.parent.name}.json")
        items[-1].parent.mkdir(parents=True, exist_ok=True)
        items[-1].write_text(json.dumps({"features": features}))
        for kind in ("raw", "scaled"):
            quicklooks.append(path.with_name(f"{kind}.png"))
            noise = np.random.default_rng(3).integers(0, 255, (30, 120, 3), np.uint8)
            Image.fromarray(noise).resize((1200, 300)).save(quicklooks[-1])
    for path in logs:
        collection, method, modality, seed = path.parts[-5:-1]
        run = {"collection": collection, "method": method, "modality": modality, "seed": int(seed[4:])}
        card = {"steps": 200, "samples_seen": 6400, "effective_rank": 12.3456, "collapsed": False}
        cards.append(path.with_name("card.json"))
        cards[-1].write_text(json.dumps({**run, **card}))
    figure = tmp_path / "figures/dots/masking.png"
    figure.parent.mkdir(parents=True)
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(figure)
    return {
        "found": items,
        "shifts": shifts,
        "cards": cards,
        "quicklooks": quicklooks,
        "figures": [figure],
        "models": [],
        "maps": [],
    }


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All that is written in the figures drawn."""
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    found: list[str] = []
    real = Figure.savefig

    def savefig(figure: Figure, *args: Any, **options: Any) -> None:
        real(figure, *args, **options)
        found.extend(text.get_text() for text in figure.findobj(Text))

    monkeypatch.setattr(Figure, "savefig", savefig)
    return found
