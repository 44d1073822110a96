"""Every method ends an interrupted run with the bits of an uninterrupted one: queues, teachers, all.

And so where tensors lie on a device of their own, which a pretended one shows (tests/pretended_device.py): a
tensor that is made on the processor in the midst of it would end the training on any GPU.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils import backend_registration

from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, Method, Moment, build_method, method_type
from revisit.patches.batch import Batch
from revisit.training.checkpoint import Checkpoint
from revisit.training.loop import Progress, Trainer
from revisit.training.monitor import Spread
from revisit.training.optimiser import Course
from revisit.training.settings import Training, derived_seed

STEPS, EPOCH, SIDE = 7, 3, 16
BANDS, YEARS = ("vv", "vh", "red", "nir"), (2019, 2020, 2021)
DATES = [day * 86_400 * 10**9 for day in (17_000, 17_100, 18_500, 18_600)]
VIT = {"name": "channel-vit", "patch_pixels": 4, "dim": 16, "depth": 1, "heads": 2}
SWIN = {"name": "swin", "patch_pixels": 4, "dim": 8, "depths": [1, 1], "heads": [1, 2], "window": 2}
RESNET = {"name": "resnet", "depth": 18, "stem": "small", "width": 8}
PIXELS = {"name": "channel-unet", "channel_width": 4, "width": 4}


def beside(encoder: dict[str, Any]) -> dict[str, Any]:
    """One of Sentinel-1 and one of Sentinel-2."""
    return {"name": "composite", "parts": [{"bands": ["vv", "vh"], "encoder": encoder}, {"encoder": encoder}]}


ENTRIES: dict[str, dict[str, Any]] = {
    "mae3d": {"mask": "3dm", "encoder": VIT, "decoder": {"dim": 8, "depth": 1, "heads": 2}},
    "stmim": {"encoder": SWIN, "alpha": 0.1, "beta": 0.1, "years_per_step": 2},
    "simsiam": {"encoder": RESNET, "width": 16, "hidden": 8},
    "seco": {"encoder": RESNET, "dim": 8, "queue": 16},
    "simclr-seco": {"encoder": RESNET, "dim": 8},
    "caco": {"encoder": VIT, "dim": 8, "queue": 16},
    "simclr-caco": {"encoder": VIT, "dim": 8},
    "moco-v2": {"encoder": RESNET, "dim": 8, "queue": 16},
    "simclr": {"encoder": RESNET, "dim": 8},
    "gssl": {"encoder": RESNET, "dim": 8, "queue": 16, "clusters": 3},
    "swinssl": {"encoder": beside(SWIN)},
    "d-simclr": {"encoder": beside(RESNET), "dim": 8},
    "satvit": {"encoder": {**VIT, "name": "vit"}, "decoder": {"dim": 8, "depth": 1, "heads": 2}},
    "dino-mm": {"encoder": VIT, "local_pixels": 8, "local_crops": 2, "hidden": 16, "prototypes": 12},
    # Four levels of which the first on the way up drops out.
    "pix2pix": {
        "encoder": {"name": "unet-generator", "levels": 4, "width": 4, "dropout": 0.5},
        "discriminator": {"layers": 1, "width": 4},
    },
    "optical-aided": {"encoder": RESNET, "dim": 8, "clusters": 3},
    "unifeat": {"encoder": PIXELS, "dim": 8, "pixels": 16},
    "core": {"encoder": PIXELS},
}
KILLED = ("seco", "simclr-seco", "caco")
KILLS = """
import os, signal, sys
from pathlib import Path
import torch
sys.path.insert(0, sys.argv[1])
from conftest import batch_of
from test_resume import train

torch.set_num_threads(1)
for name in sys.argv[3:]:
    if not (child := os.fork()):
        train(name, Path(sys.argv[2], name), batch_of, stop_at=5, by=signal.SIGKILL)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
"""
ELSEWHERE = """
import json, sys
from contextlib import suppress
from pathlib import Path
import torch
sys.path[:0] = [sys.argv[1], str(Path(sys.argv[1]).parent)]
import pretended_device
from conftest import batch_of
from test_resume import train
from revisit.errors import RevisitError


def difference(there, here):
    ours, theirs = there.state_dict(), here.state_dict()
    return max(float((ours[key].cpu().double() - theirs[key].double()).abs().max()) for key in theirs)


torch.set_num_threads(1)
device, results = pretended_device.start().type, {}
for name in sys.argv[3:]:
    folder = Path(sys.argv[2], name)
    here, _ = train(name, folder / "here", batch_of)
    try:
        with suppress(RevisitError):
            train(name, folder / "there", batch_of, stop_at=4, device=device)
        there, _ = train(name, folder / "there", batch_of, device=device)
        results[name] = difference(there, here)
    except Exception as error:
        results[name] = f"{type(error).__name__}: {error}"
print(json.dumps(results))
"""


class Places:
    """A store of places along a parallel."""

    def indices(self, split: str) -> NDArray[np.int64]:
        return np.arange(12)

    def images(self, indices: Any, bands: Sequence[str], time: int | None = None) -> Any:
        raise AssertionError("no method reads images outside its batch")

    def dates(self, bands: Sequence[str], time: int | None = None) -> NDArray[np.int64]:
        return np.array(DATES)[None, None].repeat(12, 1)

    def where(self) -> dict[str, NDArray[np.float64]]:
        return {"longitude": np.linspace(0, 9, 12) ** 2, "latitude": np.full(12, 50.0)}


def batches_of(method: Method, as_batch: Callable[[Tensor], Batch[Tensor]]) -> Callable[[int], Any]:
    def batches(first: int) -> Generator[Batch[Tensor], None, None]:
        for step in range(first, STEPS):
            generator = torch.Generator().manual_seed(derived_seed("images", 0, step))
            of_series = method.data.kind == "series"
            times = (len(DATES if of_series else YEARS),) if method.needs_series else ()
            shape = (4, *times, len(method.drawn), SIDE, SIDE)
            batch = as_batch(torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator))
            if of_series:  # of four of five places, at dates that are two eras
                dates = torch.tensor(DATES)[None, :, None].expand_as(batch.dates)
                batch = replace(batch, dates=dates, places=batch.places + step % 2)
            yield batch

    return batches


def train(
    name: str,
    folder: Path,
    as_batch: Callable[[Tensor], Batch[Tensor]],
    stop_at: int = 0,
    by: signal.Signals = signal.SIGTERM,
    device: str = "cpu",
) -> tuple[Method, Progress]:
    """Train a method, which gets the signal ``by`` in the end of step ``stop_at``; saved every step then."""
    torch.manual_seed(0)
    entry = {"name": name, **ENTRIES[name]}
    kinds, sensors = method_type(entry).kinds or {"yearly"}, method_type(entry).sensors
    if kinds == {"series"}:
        data = DataDescription(BANDS[2:], SIDE, 3.0, "series", places=5)
    elif kinds == {"pairs"}:
        data = DataDescription(BANDS[:2] if sensors == {"sentinel-1"} else BANDS, SIDE, 3.0, "pairs")
    else:
        data = DataDescription(BANDS, SIDE, 3.0, "yearly", YEARS)
    method = build_method(entry, data).to(device)
    own = method.after_step

    def stopping(moment: Moment) -> None:
        own(moment)
        if moment.step == stop_at:
            os.kill(os.getpid(), by)

    method.after_step = stopping  # type: ignore[method-assign]
    store = Places() if data.kind == "series" else None
    minutes = 1e-9 if by == signal.SIGKILL else 5.0
    training = Training(
        steps=STEPS, batch_size=4, learning_rate=0.5, monitor_every=2, checkpoint_minutes=minutes
    )
    course = Course(STEPS, EPOCH, torch.device(device))
    trainer = Trainer(method, training, 0, course, lambda: Spread(1.0, 2.0, 0.0, 1.0, 1.0, 1.0), store)
    with Checkpoint(folder, {"settings": "same"}, training.checkpoint_minutes) as checkpoint:
        return method, trainer.run(batches_of(method, as_batch), checkpoint)


@pytest.mark.parametrize("name", ENTRIES)
def test_interrupted_run_ends_with_the_same_bits(
    name: str, tmp_path: Path, as_batch: Callable[[Tensor], Batch[Tensor]]
) -> None:
    whole, reference = train(name, tmp_path / "whole", as_batch)
    with pytest.raises(RevisitError, match=f"after step 4 of {STEPS}"):
        train(name, tmp_path / "part", as_batch, stop_at=4)
    resumed, progress = train(name, tmp_path / "part", as_batch)
    check_same(whole, resumed)
    assert progress.rows == reference.rows and len(progress.rows) == 4


def check_same(whole: Method, resumed: Method) -> None:
    """All that outlives a step is the same to the bit."""
    ours, theirs = resumed.state_dict(), whole.state_dict()
    assert ours.keys() == theirs.keys()
    assert not [key for key in ours if not torch.equal(ours[key], theirs[key])]
    if "changes.labels" in ours:  # there was something to bring back
        assert (ours["changes.labels"] >= 0).all() and (ours["changes.labels"] == 1).any()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of runs that were killed in the middle of their second epoch, a step after the last save."""
    folder = tmp_path_factory.mktemp("killed")
    own = str(Path(__file__).parent)
    subprocess.run([sys.executable, "-c", KILLS, own, str(folder), *KILLED], check=True)
    return folder


@pytest.mark.parametrize("name", KILLED)
def test_killed_run_ends_with_the_same_bits(
    name: str,
    killed: Path,
    tmp_path: Path,
    as_batch: Callable[[Tensor], Batch[Tensor]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing gets a last word at SIGKILL: keys that were not yet in a queue must be made again."""
    whole, reference = train(name, tmp_path, as_batch)
    with caplog.at_level("INFO"):
        resumed, progress = train(name, killed / name, as_batch)
    assert "going on after step 4" in caplog.text
    check_same(whole, resumed)
    assert progress.rows == reference.rows


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float | str]:
    """Of each method, interrupted and resumed on the pretended device: how far its tensors are from those of
    an uninterrupted run on the processor, or what went wrong."""
    if not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"):
        pytest.skip(f"torch {torch.__version__} takes no device that is written in Python")
    own, folder = Path(__file__).parent, tmp_path_factory.mktemp("elsewhere")
    command = [sys.executable, "-c", ELSEWHERE, str(own), str(folder), *ENTRIES]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    results: dict[str, float | str] = json.loads(done.stdout.splitlines()[-1])
    return results


@pytest.mark.parametrize("name", ENTRIES)
def test_trains_and_resumes_on_another_device(name: str, elsewhere: dict[str, float | str]) -> None:
    result = elsewhere[name]
    assert not isinstance(result, str), result
    # Attention is computed otherwise there; at a rate of 0.5 what is rounded grows to hundredths.
    assert result < 0.1
