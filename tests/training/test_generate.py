"""The store of generated images: each sample's own, read like any band, refused beside anything else."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from revisit.errors import RevisitError
from revisit.inspect import inspect
from revisit.job import Job
from revisit.nets.generator import Generator
from revisit.nets.load_save import load_encoder
from revisit.patches.batch import MISSING
from revisit.patches.generated import GENERATED
from revisit.patches.store import PatchStore
from revisit.stage import run_file
from revisit.training.generate import generate

PIX2PIX = {
    "name": "pix2pix",
    "encoder": {"name": "unet-generator", "levels": 2, "width": 4},
    "discriminator": {"layers": 1, "width": 4},
}
AIDED = {
    "name": "optical-aided",
    "encoder": {"name": "resnet", "depth": 18, "stem": "small", "width": 8},
    "dim": 8,
    "clusters": 3,
}
BANDS = ("generated-vv", "generated-vh")
CPU = torch.device("cpu")


def test_each_sample_has_the_image_made_of_its_own(pairs: Path, aid: tuple[Path, Path]) -> None:
    """On the 8-bit scale of the true image, to half a step, in the order asked for, with its date."""
    network = load_encoder(aid[0])
    assert isinstance(network, Generator)
    store = PatchStore(pairs, generated=aid[1])
    samples = np.array([33, 0, 15, 16, 39])
    optical = torch.from_numpy(store.images(samples, network.bands)).float() * 6 / 255 - 3
    with torch.no_grad():
        wanted = (network.generate(optical).numpy() + 1) * 255 / 2
    batch = store.batch(samples, ("vh", *BANDS, "vv"))
    np.testing.assert_allclose(batch.images[:, 1:3], wanted, atol=0.51)
    assert wanted.std((0, 2, 3)).min() > 0.5 and len({image.tobytes() for image in batch.images[:, 1]}) == 5
    plain = PatchStore(pairs)
    np.testing.assert_array_equal(batch.images[:, [3, 0]], plain.images(samples, ("vv", "vh")))
    assert batch.sensors == ("sentinel-1", GENERATED) and batch.present.all()
    assert (batch.dates[:, 1] == plain.dates(["red"])[0, samples, 0]).all()
    assert GENERATED not in plain.bands and "generated" not in plain.attrs["bands"]
    assert len(list((aid[1] / GENERATED / "c").iterdir())) == 3


def test_images_of_floats_are_not_rounded(
    collection: Callable[..., Path], generator: Callable[..., Path], tmp_path: Path
) -> None:
    """They are as the network gave them, of the type of the images beside them."""
    index = collection(tmp_path / "floats", "pairs", dtype="float32")
    made_by = generator(index, tmp_path / "generator")
    generate(index, made_by, tmp_path / "seed0.zarr", CPU)
    store, network = PatchStore(index, generated=tmp_path / "seed0.zarr"), load_encoder(made_by)
    assert isinstance(network, Generator)
    samples = np.array([33, 0, 15])
    optical = torch.from_numpy(store.images(samples, network.bands)) * 6 / 255 - 3
    with torch.no_grad():
        wanted = (network.generate(optical).numpy() + 1) * 255 / 2
    found = store.images(samples, ("vv", *BANDS))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, 1:], wanted, atol=1e-3)


def test_memory_makes_no_difference(pairs: Path, aid: tuple[Path, Path]) -> None:
    mapped, kept = (PatchStore(pairs, memory, generated=aid[1]) for memory in (0, 512))
    samples = np.arange(40)
    np.testing.assert_array_equal(mapped.images(samples, BANDS), kept.images(samples, BANDS))


def test_inspect_says_whose_images_they_are(aid: tuple[Path, Path]) -> None:
    told = inspect(aid[1])
    assert "generated images, by pix2pix of s1+s2, seed 0" in told
    assert "generated-vv" in told and "40" in told and "8 pixels" in told


def test_nothing_is_made_up_where_nothing_was_seen(
    collection: Callable[..., Path],
    generator: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pixels without optical data have no generated ones, though the network gives some."""
    index = collection(tmp_path / "pairs", "pairs")
    made_by = generator(index, tmp_path / "generator")
    read = PatchStore.images

    def clouded(store: PatchStore, samples: Any, bands: Any, time: int | None = None) -> Any:
        images = read(store, samples, bands, time)
        if "red" in bands:
            images[:, :, :3] = MISSING
        return images

    monkeypatch.setattr(PatchStore, "images", clouded)
    generate(index, made_by, tmp_path / "seed0.zarr", CPU)
    monkeypatch.undo()
    images = PatchStore(index, generated=tmp_path / "seed0.zarr").images(np.arange(40), BANDS)
    assert (images[:, :, :3] == MISSING).all() and (images[:, :, 3:] != MISSING).any()


def test_refusals(
    pairs: Path, aid: tuple[Path, Path], collection: Callable[..., Path], tmp_path: Path
) -> None:
    """Images of another collection, with files gone, or none at all; encoders and samples that do not fit."""
    other = collection(tmp_path / "other", "pairs", config_hash="another")
    with pytest.raises(RevisitError, match=r"seed0\.zarr: made of another collection"):
        PatchStore(other, generated=aid[1])
    damaged = tmp_path / "damaged.zarr"
    shutil.copytree(aid[1], damaged)
    shutil.rmtree(damaged / GENERATED / "c/1")
    with pytest.raises(RevisitError, match=r"damaged\.zarr: damaged"):
        PatchStore(pairs, generated=damaged)
    with pytest.raises(RevisitError, match=r"here\.zarr: no store of generated images"):
        PatchStore(pairs, generated=pairs.parent / "here.zarr")
    yearly = collection(tmp_path / "yearly", "yearly")
    with pytest.raises(RevisitError, match="samples have several times"):
        generate(yearly, aid[0], tmp_path / "none.zarr", CPU)
    assert not (tmp_path / "none.zarr").exists()


def pretrain(
    pairs: Path, folder: Path, method: dict[str, Any], aid: tuple[Path, Path] | None, **more: Any
) -> Path:
    path = folder / "job.json"
    outputs = {"encoder": "encoder.safetensors", "card": "card.json", "history": "log.csv"}
    Job(
        "revisit.training.pretrain",
        input={"patches": str(pairs)}
        | ({"parents": [str(aid[0])], "generated": [str(aid[1])]} if aid else {}),
        output={name: str(folder / file) for name, file in outputs.items()},
        settings={
            "study": "test",
            "collection": "some",
            "name": "entry",
            "title": "Entry",
            "modality": "s1" if aid else "s1+s2",
            "seed": 0,
            "parents": ["pix2pix"] if aid else [],
            "training": {"steps": 4, "batch_size": 8, "learning_rate": 0.01, "monitor_every": 2, **more},
            "method": method,
            "checkpoint": str(folder / "checkpoint"),
        },
        log=str(folder / "log"),
    ).write(path)
    return path


def test_generator_and_aided_encoder_are_pretrained_one_after_the_other(
    pairs: Path, generator: Callable[..., Path], tmp_path: Path
) -> None:
    """The card of the encoder names its generator; a store of another one is refused."""
    first, second = tmp_path / "pix2pix", tmp_path / "aided"
    assert run_file(pretrain(pairs, first, PIX2PIX, None)) == 0, (first / "log").read_text()
    card = json.loads((first / "card.json").read_text())
    assert card["bands"] == ["blue", "green", "red"] and card["architecture"]["makes"] == ["vv", "vh"]
    rows = list(csv.DictReader((first / "log.csv").open()))
    assert all(float(rows[0][name]) > 0 for name in ("loss", "discriminator", "adversarial", "l1"))

    job = tmp_path / "generate.json"
    files = {"patches": str(pairs), "generator": str(first / "encoder.safetensors")}
    store = tmp_path / "seed0.zarr"
    Job("revisit.training.generate", input=files, output={"images": str(store)}).write(job)
    assert run_file(job) == 0
    assert run_file(pretrain(pairs, second, AIDED, (first, store))) == 0, (second / "log").read_text()
    encoder = load_encoder(second)
    assert encoder.card is not None and encoder.bands == ("vv", "vh")
    (parent,) = encoder.card["parents"]
    assert (parent["method"], parent["config_hash"]) == ("pix2pix", card["config_hash"])
    rows = list(csv.DictReader((second / "log.csv").open()))
    assert all(float(rows[-1][name]) > 0 for name in ("instance", "optical", "cluster"))

    other = generator(pairs, tmp_path / "other", seed=1)
    assert run_file(pretrain(pairs, second, AIDED, (other, store))) == 1
    assert "made by another generator than the parents of this run" in (second / "log").read_text()
