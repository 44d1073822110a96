"""Two processes train as one does with the same batch: losses, weights, queue, batch norms."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from revisit.errors import RevisitError
from revisit.job import Job
from revisit.stage import run_file
from revisit.training.distributed import launch

pytestmark = pytest.mark.slow

VIT = {"name": "channel-vit", "dim": 16, "depth": 1, "heads": 2, "patch_pixels": 4}
RESNET = {"name": "resnet", "depth": 18, "stem": "small", "width": 8}
SWIN = {"name": "swin", "dim": 8, "depths": [1, 1], "heads": [1, 2], "window": 2, "patch_pixels": 2}
BESIDE = {"name": "composite", "parts": [{"bands": ["vv", "vh"], "encoder": SWIN}, {"encoder": SWIN}]}
PIXELS = {"name": "channel-unet", "channel_width": 4, "width": 4}
METHODS: dict[str, dict[str, Any]] = {
    # Random channels hide unequally many cells of each sample.
    "masked": {"name": "mae3d", "mask": "rc", "encoder": VIT, "decoder": {"dim": 8, "depth": 1, "heads": 2}},
    "moco": {"name": "moco-v2", "encoder": RESNET, "dim": 8, "queue": 16, "momentum": 0.9},
    "simclr": {"name": "simclr", "encoder": RESNET, "dim": 8},
    "gssl": {"name": "gssl", "encoder": VIT, "dim": 8, "queue": 16, "clusters": 4, "temperature": 0.1},
    "dino": {"name": "dino-mm", "encoder": VIT, "local_pixels": 4, "hidden": 16, "prototypes": 12},
    "seco": {"name": "seco", "encoder": RESNET, "dim": 8, "queue": 16, "momentum": 0.9},
    # At 0.1 rounding errors of such a ResNet grow fiftyfold from step to step.
    "simclr-seco": {
        "name": "simclr-seco",
        "encoder": RESNET,
        "dim": 8,
        "temperature": 0.5,
        "optimiser": {"name": "sgd"},
    },
    "simsiam": {"name": "simsiam", "encoder": RESNET, "width": 16, "hidden": 8},
    "caco": {"name": "caco", "encoder": RESNET, "dim": 8, "queue": 32, "momentum": 0.9},
    # AdamW would enlarge the rounding of gradients that batch normalisation makes 0.
    "simclr-caco": {"name": "simclr-caco", "encoder": VIT, "dim": 8, "optimiser": {"name": "sgd"}},
    "swinssl": {"name": "swinssl", "encoder": BESIDE, "drop_path": 0.0},  # else each process draws its own
    # Processes drop other units.
    "pix2pix": {
        "name": "pix2pix",
        "encoder": {"name": "unet-generator", "levels": 3, "width": 4, "dropout": 0},
        "discriminator": {"layers": 1, "width": 4},
    },
    "optical-aided": {"name": "optical-aided", "encoder": VIT, "dim": 8, "clusters": 3},
    "stmim": {"name": "stmim", "encoder": SWIN, "alpha": 0.5, "beta": 0.1, "years_per_step": 2},
    "unifeat": {"name": "unifeat", "encoder": PIXELS, "dim": 8, "pixels": 16},
    "core": {"name": "core", "encoder": PIXELS},
    "satvit": {
        "name": "satvit",
        "encoder": {**VIT, "name": "vit"},
        "decoder": {"dim": 8, "depth": 1, "heads": 2},
    },
    "d-simclr": {
        "name": "d-simclr",
        "encoder": {
            "name": "composite",
            "parts": [{"bands": ["vv", "vh"], "encoder": RESNET}, {"encoder": RESNET}],
        },
        "dim": 8,
    },
}


def job(
    patches: Path,
    folder: Path,
    method: dict[str, Any],
    modality: str = "s1+rgb",
    aid: tuple[Path, Path] | None = None,
    parent: Path | None = None,
    **training: Any,
) -> Path:
    path = folder / "job.json"
    parents = {"parents": [str(aid[0])], "generated": [str(aid[1])]} if aid else {}
    if parent:
        parents = {"parents": [str(parent)]}
    Job(
        "revisit.training.pretrain",
        input={"patches": str(patches), **parents},
        output={
            "encoder": str(folder / "encoder.safetensors"),
            "card": str(folder / "card.json"),
            "history": str(folder / "log.csv"),
        },
        settings={
            "study": "test",
            "collection": "some",
            "name": "entry",
            "title": "Entry",
            "modality": modality,
            "seed": 0,
            "training": {"batch_size": 8, "learning_rate": 0.1, "monitor_every": 1, **training},
            "method": method,
            "parents": ["pix2pix"] if aid else ["unifeat"] if parent else [],
            "checkpoint": str(folder / "checkpoint"),
        },
        log=str(folder / "log"),
    ).write(path)
    return path


@pytest.mark.parametrize("name", METHODS)
def test_two_processes_train_as_one(
    name: str,
    pairs: Path,
    yearly: Path,
    series: Path,
    large: Path,
    aid: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    """The loss of every step is that of one process with the same batch of 8; so are weights and tables."""
    patches, modality = {
        "stmim": (yearly, "s1+rgb"),
        "unifeat": (large, "s1+rgb"),
        "core": (large, "s1+rgb"),
        "gssl": (series, "rgb"),
        "seco": (series, "rgb"),
        "simclr-seco": (series, "rgb"),
        "caco": (series, "rgb"),
        "simclr-caco": (series, "rgb"),
        "optical-aided": (pairs, "s1"),
    }.get(name, (pairs, "s1+rgb"))
    parent = None
    if name == "core":
        assert run_file(job(patches, tmp_path / "parent", METHODS["unifeat"], modality, steps=1)) == 0
        parent = tmp_path / "parent" / "encoder.safetensors"
    # Some processors take other kernels for four images than for eight, and the ResNet of MoCo v2 enlarges
    # rounding errors from step to step on so few tiny ones. A wrong queue would be off by more at once.
    rate, near = (0.001, 1e-2) if name == "moco" else (0.01, 2e-4)
    for gpus in (1, 2):
        path = job(
            patches, tmp_path / str(gpus), METHODS[name], modality,
            aid if name == "optical-aided" else None, parent, steps=5, gpus=gpus, learning_rate=rate,
        )  # fmt: skip
        assert run_file(path) == 0, (tmp_path / str(gpus) / "log").read_text()
    curves = [
        [
            float(row["loss"] or row["discriminator"])
            for row in csv.DictReader((tmp_path / gpus / "log.csv").open())
        ]
        for gpus in ("1", "2")
    ]
    assert len(curves[0]) == 5 and len(set(curves[0])) == 5
    near_zero = {"abs": 1e-4} if name == "simsiam" else {}  # a mean of cosines
    assert curves[1] == pytest.approx(curves[0], rel=near, **near_zero)
    one, two = (load_file(tmp_path / gpus / "encoder.safetensors") for gpus in ("1", "2"))
    for key, values in one.items():
        torch.testing.assert_close(two[key], values, rtol=1e-2, atol=5 * near)
    for table in (tmp_path / "1").glob("changes.csv"):
        rows, others = (list(csv.DictReader((tmp_path / gpus / table.name).open())) for gpus in ("1", "2"))
        assert len(rows) == 2 * 24
        for row, other in zip(rows, others, strict=True):
            for name in ("distance", "ratio", "smoothed_ratio"):
                mine, theirs = (float(values.pop(name) or -1) for values in (row, other))
                assert theirs == pytest.approx(mine, rel=1e-3)
            assert other == row
    card = json.loads((tmp_path / "2" / "card.json").read_text())
    assert card["training_settings"]["gpus"] == 2
    seconds = card["samples_seen"] / card["samples_per_second"]
    assert card["cpu_hours"] == pytest.approx(2 * seconds / 3600)  # of both processes, a thread each
    assert "steps of 8, on 2 ×" in (tmp_path / "2" / "log").read_text()


WHOLE = """
import os, sys
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from revisit.methods.parts.contrast import nt_xent
from revisit.training.distributed import synchronise

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
values, wanted = torch.randn(6, 3, 4, 4, dtype=torch.float64) * 5 + 7, torch.randn(6, 3, 4, 4).double()
plain = nn.Sequential(nn.BatchNorm2d(3)).double()
plain[0].weight.data.uniform_(0.5, 2)
own = nn.Sequential(nn.BatchNorm2d(3)).double()
own.load_state_dict(plain.state_dict())
synchronise(own, torch.device("cpu"))
whole = values.clone().requires_grad_()
(plain(whole) * wanted).square().sum().backward()
half = slice(3 * rank, 3 * rank + 3)
part = values[half].clone().requires_grad_()
(own(part) * wanted[half]).square().sum().backward()
weights = [parameter.grad.clone() for parameter in own.parameters()]
for gradient in weights:
    dist.all_reduce(gradient)
torch.testing.assert_close(part.grad, whole.grad[half])
torch.testing.assert_close(weights, [parameter.grad for parameter in plain.parameters()])
assert own.state_dict().keys() == plain.state_dict().keys()
for name, expected in plain.state_dict().items():
    torch.testing.assert_close(own.state_dict()[name], expected)
torch.testing.assert_close(own.eval()(values), plain.eval()(values))
first, second = (F.normalize(torch.randn(6, 5).double(), dim=1) for _ in range(2))
whole = torch.cat([first, second]).requires_grad_()
logits = (whole @ whole.T / 0.5).masked_fill(torch.eye(12).bool(), -torch.inf)
loss = F.cross_entropy(logits, torch.arange(12).roll(6))
loss.backward()
views = [view[half].clone().requires_grad_() for view in (first, second)]
mine = nt_xent(*views, 0.5) / 2
mine.backward()
dist.all_reduce(mine := mine.detach())
torch.testing.assert_close(mine, loss.detach().float())
for view, wanted in zip(views, whole.grad.chunk(2), strict=True):
    torch.testing.assert_close(view.grad, wanted[half], rtol=1e-5, atol=1e-6)
print("same")
"""


def test_what_couples_samples_sees_the_whole_batch(tmp_path: Path) -> None:
    """Batch norm and NT-Xent of halves have values, gradients and statistics of all samples at once."""
    (tmp_path / "whole.py").write_text(WHOLE)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run([*command, str(tmp_path / "whole.py")], capture_output=True, text=True, check=False)
    assert done.stdout.count("same") == 2, done.stderr


def test_interrupted_processes_save_and_go_on(pairs: Path, tmp_path: Path) -> None:
    """A time limit reaches the job alone: it hands the signal on, and all stop after the same step."""
    path = job(pairs, tmp_path, METHODS["masked"], steps=100_000, gpus=2)
    running = subprocess.Popen([sys.executable, "-m", "revisit.cli", "run", str(path)])
    log = tmp_path / "log"
    while not (log.exists() and "steps of 8" in log.read_text()):
        assert running.poll() is None
        time.sleep(0.2)
    time.sleep(1)
    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 1
    assert "interrupted after step" in log.read_text() and (tmp_path / "checkpoint/checkpoint.pt").exists()


def test_fault_of_a_process_is_one_line(pairs: Path, tmp_path: Path) -> None:
    assert run_file(job(pairs, tmp_path, METHODS["masked"], steps=5, gpus=2, batch_size=26)) == 1
    log = (tmp_path / "log").read_text()
    assert "batch_size is 26, the training split has 24 samples" in log and len(log.splitlines()) == 1, log


RESUMES = """
import os, sys, time
from pathlib import Path
import torch
import torch.distributed as dist
from revisit.errors import RevisitError
from revisit.methods.method import DataDescription, build_method
from revisit.training.checkpoint import Checkpoint
from revisit.training.loop import Progress, Trainer
from revisit.training.optimiser import Course
from revisit.training.settings import Training

dist.init_process_group("gloo")
lead, case = dist.get_rank() == 0, sys.argv[2]
encoder = {"name": "channel-vit", "dim": 16, "depth": 1, "heads": 2, "patch_pixels": 4}
method = build_method({"name": "simsiam", "encoder": encoder}, DataDescription(("vv",), 8, 3.0, "pairs"))
training = Training(steps=7, batch_size=4, gpus=2)
trainer = Trainer(method, training, 0, Course(7, 7, torch.device("cpu")), lambda: None)
identity = {"settings": "other" if case == "unreadable" and not lead else "same"}
if lead:  # a run that was killed ends later than the next one begins
    time.sleep(2)
    with Checkpoint(Path(sys.argv[1]), {"settings": "same"}, 5) as other:
        trainer.progress = Progress(step=7)
        trainer._save(other)
        trainer.progress = Progress()
try:
    with Checkpoint(Path(sys.argv[1]), identity, 5, lead=lead) as checkpoint:
        trainer.run(lambda first: (batch for batch in ()), checkpoint)
    said = f"step {trainer.progress.step}"
except RevisitError as error:
    said = str(error)
os.write(1, f"{said}\\n".encode())  # at once, or the processes' words would mix
dist.barrier()
"""


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("late", "step 7"),
        ("unreadable", "checkpoint.pt: the processes read it differently, as of steps 0 to 7"),
    ],
)
def test_processes_resume_from_the_same_state(tmp_path: Path, case: str, said: str) -> None:
    """None reads before the lead has the folder to itself, nor goes on where another read another step."""
    (tmp_path / "resumes.py").write_text(RESUMES)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, str(tmp_path / "resumes.py"), str(tmp_path / "checkpoint"), case],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.count(said) == 2, done.stdout + done.stderr


STAGE = """
import torch.distributed as dist
from revisit.errors import RevisitError
from revisit.training import distributed

def run(job):
    with distributed.group():
        if dist.get_rank() == 0:
            raise RevisitError("the lead is refused") if job.settings["refused"] else ValueError("of ours")
        dist.barrier()
"""


@pytest.mark.parametrize(
    ("refused", "kind", "said"),
    [(True, RevisitError, "^the lead is refused$"), (False, RuntimeError, "ValueError: of ours")],
)
def test_first_fault_is_told_though_the_others_fail_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: bool, kind: type[Exception], said: str
) -> None:
    """Those that wait for a process that has ended fail too, often before it could say why it did."""
    (tmp_path / "waiting.py").write_text(STAGE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(kind, match=said):
        launch(Job("waiting", settings={"refused": refused}), 2)
