"""Small patch stores whose labels can be seen in the images, and untrained encoders for them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from revisit.cube.labels.ready import ready
from revisit.cube.scaling.scaled_values import dtype_of_all
from revisit.evaluation.task import Run
from revisit.files import write_json
from revisit.job import Job
from revisit.nets.load_save import build_encoder, save_encoder
from revisit.patches.kind import Look
from revisit.patches.writer import Place, StoreWriter
from revisit.stage import run_file

BANDS = {"sentinel-1": ["vv", "vh"], "sentinel-2": ["blue", "green", "red"]}
YEARS = {"sentinel-1": [2018, 2019, 2020], "sentinel-2": [2019, 2020]}
WORLDCOVER = ready("worldcover", "test")
CODES = np.array([10, 40, 50, 80], np.uint8)
SIDE = 16
VIT = {"name": "channel-vit", "dim": 32, "depth": 2, "heads": 2, "patch_pixels": 8}
SWIN = {"name": "swin", "dim": 8, "depths": [1, 1], "heads": [2, 2], "window": 4, "patch_pixels": 2}


@pytest.fixture(autouse=True)
def _single_thread() -> Iterator[None]:
    """What the stages set for the whole process is put back."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("default")


@pytest.fixture
def error_line(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What a stage said on failing, which must be one line."""

    def read() -> str:
        lines = capsys.readouterr().err.splitlines()
        assert " error: " in lines[-1]
        assert not any("Traceback" in line for line in lines)
        return lines[-1]

    return read


def scaling(lower: float = -20.0) -> dict[str, Any]:
    limits = {"lower": lower, "upper": 5.0, "mean": -7.5, "std": 4.0, "valid_pixels": 100}
    return {
        sensor: {"clip_sigma": 3.0, "source_unit": "dB", "bands": dict.fromkeys(bands, limits)}
        for sensor, bands in BANDS.items()
    }


def write_store(folder: Path, kind: str, arrays: dict[str, np.ndarray], **attrs: Any) -> Path:
    """A collection of one region with these arrays; returns its index."""
    samples, sensors = len(arrays["split"]), [name for name in arrays if name in BANDS]
    positions = arrays.get("position", np.arange(samples))
    years = YEARS if kind == "yearly" else {}
    writer = StoreWriter(folder / "here.zarr")
    for sample in range(samples):
        looks = {}
        for sensor in sensors:
            values = arrays[sensor][sample]
            times = [f"{year}-07-01" for year in years.get(sensor, range(2020, 2020 + len(values)))]
            valid = np.ones((len(values), SIDE, SIDE), bool)
            looks[sensor] = Look(values, valid, np.array(times, "datetime64[ns]"))
        place = Place(5e5 + sample, 5e6 + sample, int(positions[sample]), int(arrays["split"][sample]))
        land_cover = arrays["land_cover"][sample] if "land_cover" in arrays else np.zeros((SIDE, SIDE), "u1")
        labels = arrays["multi_label"][sample] if "multi_label" in arrays else np.zeros(3, "u1")
        writer.append(looks, place, land_cover, labels)
    writer.finish(32631, {"stage": "patches"})
    counts = {"samples": samples, "places": len(np.unique(positions))}
    about = {
        "stage": "patches",
        "kind": kind,
        "collection": folder.name,
        "regions": ["here"],
        "classes": ["a", "b", "c"],
        "legend": WORLDCOVER.described(),
        "label_columns": [0, 1, 2],
        "bands": BANDS,
        "scaling": scaling(),
        "patch_pixels": SIDE,
        "resolution_m": 10,
        "time_axis": kind == "yearly",
        "years": years,
        "label_year": 2020,
        "max_days_apart": 12.0 if kind == "pairs" else None,
        "source_cubes": ["cubes/here/sentinel-1/scaled.zarr"],
        "stores": [{"path": "here.zarr", "region": "here", "epsg": 32631, "years": years, **counts}],
    }
    write_json(folder / "index.json", about | attrs)
    return folder / "index.json"


@pytest.fixture(scope="session")
def collected() -> Callable[..., Path]:
    """Write a collection of one region: see ``write_store``."""
    return write_store


Evaluate = Callable[..., int]


@pytest.fixture(scope="session")
def evaluate() -> Evaluate:
    """Run a repeat of a planned run as the workflow does: 0, or 1 after one line."""

    def work(
        index: Path,
        encoders: Sequence[Path],
        out: Path,
        run: Run,
        label_fraction: float | None = 1.0,
        seed: int = 0,
        **settings: Any,
    ) -> int:
        inputs: dict[str, Any] = {"patches": str(index), "encoders": [str(path) for path in encoders]}
        if run.stage == "probe":
            inputs["features"] = str(out.with_suffix(".features.npz"))
            embed = Job(
                "revisit.evaluation.embed",
                names={"modality": run.modality},
                input={"patches": str(index), "encoder": inputs["encoders"][0]},
                output={"features": inputs["features"]},
            )
            embed.write(out.with_suffix(".embed"))
            if (failed := run_file(out.with_suffix(".embed"))) != 0:
                return failed
        repeat = {
            **{"label_fraction": label_fraction, "label_count": None},
            **{"seed": seed, "pretraining_seed": 0 if encoders else None},
        }
        repeat |= {name: settings.pop(name) for name in repeat if name in settings}
        scores, model = out.with_suffix(".scores"), out.with_suffix(".model")
        if run.stage == "evaluate":
            output = {"score": out, "predictions": out.with_suffix(".npz")}
            output |= {"weights": model / "model.safetensors", "card": model / "card.json"}
        else:
            output, repeat = {"scores": scores}, {"repeats": [repeat]}
        job = Job(
            "revisit.evaluation." + ("evaluate" if run.stage == "evaluate" else f"score_{run.stage}"),
            names={"experiment": "free-name", **run.model_dump(include={"method", "modality", "protocol"})},
            input=inputs,
            output={name: str(path) for name, path in output.items()},
            settings=run.settings | repeat | settings,
        )
        job.write(out.with_suffix(".job"))
        status = run_file(out.with_suffix(".job"))
        for path in scores.rglob("seed*"):  # of the one repeat
            path.replace(out.with_suffix(path.suffix))
        return status

    return work


def _pairs(folder: Path, relabelled: int | None = None) -> Path:
    random = np.random.default_rng(0)
    targets = (random.random((75, 3)) < 0.4).repeat(2, axis=0).astype(np.uint8)
    split = np.repeat([0, 1, 2], [90, 30, 30]).astype(np.uint8)
    targets[split == 2, 2] = 0
    noise = random.normal(128, 25, (150, 1, 5, SIDE, SIDE))
    noise[:, 0, [0, 1, 3]] += 40 * targets[:, :, None, None]
    images = noise.clip(0, 255).astype(np.uint8)
    targets[split == relabelled] = 1 - targets[split == relabelled]
    arrays = {
        "sentinel-1": images[:, :, :2],
        "sentinel-2": images[:, :, 2:],
        "multi_label": targets,
        "split": split,
        "position": (np.arange(150) // 2).astype(np.int32),
    }
    return write_store(folder, "pairs", arrays)


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 samples, two dates a place; each of three classes brightens one band; c is in no test sample."""
    return _pairs(tmp_path_factory.mktemp("patches") / "pairs")


@pytest.fixture(scope="session")
def relabelled(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The same, the labels of one part of the split (1 validation, 2 test) being the opposite."""
    return {part: _pairs(tmp_path_factory.mktemp("patches") / "pairs", part) for part in (1, 2)}


def _yearly(folder: Path, **attrs: Any) -> Path:
    """40 places with halves of two classes each; only the images of 2020 show them.

    Water (80) is in no test place, sample 0 (train) has no label, a corner of all others has none. Images are
    of the type that ``attrs`` have a ``scaling`` of.
    """
    random = np.random.default_rng(1)
    split = np.repeat([0, 1, 2], [24, 8, 8]).astype(np.uint8)
    halves = random.integers(0, 4, (40, 2))
    halves[split == 2] %= 3
    classes = np.repeat(halves[:, None, :], SIDE, 1).repeat(SIDE // 2, 2)
    levels = np.array([40, 90, 150, 210])[classes]
    arrays: dict[str, np.ndarray] = {"split": split}
    for sensor, bands in BANDS.items():
        noise = random.normal(0, 12, (40, len(YEARS[sensor]), len(bands), SIDE, SIDE))
        noise[:, YEARS[sensor].index(2020)] += levels[:, None]
        arrays[sensor] = noise.clip(0, 255).astype(dtype_of_all(attrs.get("scaling", scaling())))
    arrays["land_cover"] = CODES[classes]
    arrays["land_cover"][:, :2, :2] = 0
    arrays["land_cover"][0] = 0
    return write_store(folder, "yearly", arrays, **attrs)


@pytest.fixture(scope="session")
def yearly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Land cover of 40 places, see ``_yearly``."""
    return _yearly(tmp_path_factory.mktemp("patches") / "yearly")


@pytest.fixture(scope="session")
def floats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, its images not rounded to 8 bit."""
    given = {sensor: one | {"dtype": "float32"} for sensor, one in scaling().items()}
    return _yearly(tmp_path_factory.mktemp("patches") / "yearly", scaling=given)


def write_encoder(
    folder: Path, architecture: dict[str, Any], modality: str, bands: list[str], seed: int = 0, **card: Any
) -> Path:
    """An encoder with random weights and the card of a pretrained one."""
    torch.manual_seed(seed)
    encoder = build_encoder({**architecture, "bands": bands, "image_pixels": SIDE})
    common = {
        "method": "made-up",
        "collection": "pairs",
        "modality": modality,
        "seed": seed,
        "steps": 10,
        "weights_of": "",
        "samples": 64,
        "scaling": scaling(),
        "clip_sigma": 3.0,
        "collapsed": False,
        "gpu_hours": 0.0,
        "cpu_hours": 0.5,
        "samples_per_second": None,
        "peak_memory_gb": None,
    }
    save_encoder(encoder, folder, common | card)
    return folder / "encoder.safetensors"


@pytest.fixture(scope="session")
def encoder_of() -> Callable[..., Path]:
    """``write_encoder``."""
    return write_encoder


@pytest.fixture(scope="session")
def vits(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two seeds of an encoder of both sensors."""
    bands = [*BANDS["sentinel-1"], "red", "green", "blue"]
    folder = tmp_path_factory.mktemp("encoders")
    return [write_encoder(folder / f"seed{seed}", VIT, "s1+rgb", bands, seed) for seed in (0, 1)]


@pytest.fixture(scope="session")
def swins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An encoder of each sensor."""
    folder = tmp_path_factory.mktemp("encoders")
    return {
        "s1": write_encoder(folder / "s1", SWIN, "s1", BANDS["sentinel-1"], collection="yearly"),
        "rgb": write_encoder(folder / "rgb", SWIN, "rgb", ["red", "green", "blue"], collection="yearly"),
    }


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder of images scaled with other limits than the stores'."""
    folder = tmp_path_factory.mktemp("encoders") / "foreign"
    return write_encoder(folder, VIT, "s1", BANDS["sentinel-1"], scaling=scaling(lower=-25.0))
