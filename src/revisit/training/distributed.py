"""Several processes that train one method together: how they are started, and batch norms that agree.

A job that asks for several GPUs starts itself again by torchrun, once a GPU, and hands on what its processes
say. On a machine without GPUs the processes share the processors, which is good for tests.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from revisit import stage
from revisit.errors import RevisitError
from revisit.job import Job
from revisit.methods.parts import ranks
from revisit.training.checkpoint import interruption

TOLD = re.compile(r"^\d\d:\d\d:\d\d (.*)")  # a line of a process's log
REFUSED = "refused: "  # begins what a process says that ends by an error one can mend
KEPT = 200  # last lines shown where a process fails by a fault of ours


def launched() -> bool:
    """Whether this process is one of several that torchrun started."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def launch(job: Job, processes: int) -> None:
    """Run ``job`` in that many processes; raises RevisitError with the line of the first that fails."""
    if torch.cuda.is_available() and torch.cuda.device_count() < processes:
        raise RevisitError(
            f"pretraining: gpus is {processes}, this machine has {torch.cuda.device_count()}; lower gpus"
        )
    with tempfile.TemporaryDirectory() as folder, interruption() as stop:
        file = Path(folder, "job.json")
        replace(job, log=None).write(file)
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += [f"--nproc-per-node={processes}", "-m", "revisit.cli", "run", str(file)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        heard: deque[str] = deque(maxlen=KEPT)
        refused: list[str] = []
        listener = threading.Thread(target=_listen, args=(child, heard, refused))
        listener.start()
        asked = False
        while child.poll() is None:
            if stop.requested and not asked:
                asked = True
                child.send_signal(signal.SIGTERM)
            listener.join(0.2)
        listener.join()
    if child.returncode:
        if refused:
            raise RevisitError(refused[0])
        raise RuntimeError(f"a process of the training failed:\n{''.join(heard)}")


def _listen(child: "subprocess.Popen[str]", heard: "deque[str]", refused: list[str]) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        heard.append(line)
        if told := TOLD.match(line):
            if told[1].startswith(REFUSED):
                refused.append(told[1].removeprefix(REFUSED))
            elif not told[1].startswith("error: "):
                stage.log.info("%s", told[1])


@contextmanager
def group() -> Iterator[int]:
    """Join the other processes, where there are some; yields this one's number on its machine."""
    if not launched():
        yield 0
        return
    own = int(os.environ["LOCAL_RANK"])
    if torch.cuda.is_available():
        torch.cuda.set_device(own)
    # Flags travel between processors, so that agreeing on them does not wait for the GPU.
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    if dist.get_rank():
        stage.log.setLevel("WARNING")
    try:
        yield own
    except RevisitError as error:
        # Before the connection closes: the others then fail by that, and torchrun ends this process too.
        stage.log.error("%s%s", REFUSED, " ".join(str(error).split()))
        raise
    finally:
        dist.destroy_process_group()


def synchronise(network: nn.Module, device: torch.device) -> None:
    """Make every batch norm take the statistics of the batch of all processes."""
    if device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return
    for name, child in network.named_children():
        if isinstance(child, _BatchNorm):
            setattr(network, name, WholeBatchNorm.of(child))
        else:
            synchronise(child, device)


class WholeBatchNorm(_BatchNorm):
    """Batch norm over the batches of all processes, on processors, where torch has none."""

    @classmethod
    def of(cls, norm: _BatchNorm) -> "WholeBatchNorm":
        """One with the weights and statistics of ``norm``."""
        made = cls(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        made.weight, made.bias = norm.weight, norm.bias
        made.running_mean, made.running_var = norm.running_mean, norm.running_var
        made.num_batches_tracked = norm.num_batches_tracked
        return made.train(norm.training)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any shape [B, C, ...] will do."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        axes = [axis for axis in range(input.ndim) if axis != 1]
        shape = [-1 if axis == 1 else 1 for axis in range(input.ndim)]
        count = input.numel() // input.shape[1] * dist.get_world_size()
        mean = ranks.total(input.sum(axes)) / count
        centred = input - mean.view(shape)
        variance = ranks.total(centred.square().sum(axes)) / count
        if self.running_mean is not None and self.running_var is not None and self.momentum is not None:
            assert self.num_batches_tracked is not None
            with torch.no_grad():
                self.num_batches_tracked.add_(1)
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        out = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.weight is not None:
            out = out * self.weight.view(shape) + self.bias.view(shape)
        return out
