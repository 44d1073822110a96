"""The training loop: seeded steps, a log, a look at the features, checkpoints. Knows no workflow, no cluster.

Everything random in step n follows from (seed, n), and everything that outlives a step is in the
checkpoint: an interrupted and resumed run ends, on a CPU, with the bits of an uninterrupted one.
"""

import math
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor, nn
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from revisit import stage
from revisit.errors import RevisitError
from revisit.methods.base import Method
from revisit.training.checkpoint import Checkpoint, interruption
from revisit.training.monitor import Spread
from revisit.training.optimiser import learning_rate, make_optimiser, set_learning_rate
from revisit.training.settings import Settings, derived_seed

Row = dict[str, float]  # step, epoch, loss, its parts, learning_rate, feature_std, effective_rank
LINES = 10  # of progress on the log, beside the bar of a terminal
STEPS_A_READING = 50  # on an accelerator, reading a loss waits for the step, so it is read in blocks


@dataclass
class Progress:
    """How far a run is.

    ``losses``: of the steps since the last row, one value a part. ``seconds``: spent on training, over all
    interrupted runs.
    """

    step: int = 0
    rows: list[Row] = field(default_factory=list)
    losses: list[list[float]] = field(default_factory=list)
    seconds: float = 0.0
    peak_memory_gb: float = 0.0


class Trainer:
    """Trains a method that lies on ``device``.

    ``steps``, ``epoch_steps``: updates in all, and an epoch. ``look``: measures the encoder's features.
    ``on_row``: gets every row of the log, on resuming those of before too.
    """

    def __init__(
        self,
        method: Method,
        settings: Settings,
        seed: int,
        steps: int,
        epoch_steps: int,
        device: torch.device,
        look: Callable[[], Spread],
        on_row: Callable[[Row], None] = lambda row: None,
    ) -> None:
        self.method, self.settings, self.seed, self.device = method, settings, seed, device
        self.steps, self.epoch_steps = steps, epoch_steps
        self.look, self.on_row = look, on_row
        self.optimiser = make_optimiser(method, settings, device)
        cuda = device.type == "cuda"
        self.loss = torch.compile(method.loss) if settings.compile and cuda else method.loss
        self.bfloat16 = cuda and torch.cuda.is_bf16_supported()
        self.row_every = settings.monitor_every or epoch_steps
        self.read_every = 1 if device.type == "cpu" else STEPS_A_READING
        self.progress = Progress()
        self._parts: list[str] = []
        self._unread: list[Tensor] = []

    def run(
        self, batches: Callable[[int], Generator[Tensor, None, None]], checkpoint: Checkpoint
    ) -> Progress:
        """Train to the end, from the checkpoint if it fits.

        ``batches(n)``: the uint8 batches of step n (from 0) and all later ones. Raises RevisitError
        when the loss is no longer finite, and after saving when the process is asked to end.
        """
        self._resume(checkpoint)
        started, before = time.monotonic(), self.progress.seconds
        bar = tqdm(total=self.steps, initial=self.progress.step, unit="step", disable=None, leave=False)
        with (
            bar,
            logging_redirect_tqdm(),
            interruption() as stop,
            closing(batches(self.progress.step)) as stream,
        ):
            for images in stream:
                self._unread.append(self._update(images))
                self.progress.step += 1
                self.progress.seconds = before + time.monotonic() - started
                self._after_update()
                bar.update()
                if stop.requested or checkpoint.due():
                    self._save(checkpoint)
                if stop.requested:
                    raise RevisitError(
                        f"pretraining: interrupted after step {self.progress.step} of {self.steps}; "
                        f"saved in {checkpoint.folder}, run again to go on"
                    )
        self._note_memory()
        return self.progress

    def _update(self, images: Tensor) -> Tensor:
        """One step; returns the loss and its parts, still on the device."""
        step = self.progress.step
        generator = torch.Generator(self.device).manual_seed(derived_seed("views", self.seed, step))
        torch.manual_seed(derived_seed("network", self.seed, step))  # dropout, drop-path
        set_learning_rate(self.optimiser, self._rate(step))
        self.method.train()
        with torch.no_grad():
            views = self.method.views(images.to(self.device, non_blocking=True), generator)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            parts = self.loss(views)
        self.optimiser.zero_grad(set_to_none=True)
        parts["loss"].backward()
        if self.settings.gradient_clip:
            nn.utils.clip_grad_norm_(self.method.parameters(), self.settings.gradient_clip)
        self.optimiser.step()
        self._parts = list(parts)
        return torch.stack([value.detach().float() for value in parts.values()])

    def _rate(self, step: int) -> float:
        return learning_rate(step, self.steps, self.settings.warmup_fraction, self.settings.peak_rate)

    def _after_update(self) -> None:
        step = self.progress.step
        self.method.after_step(step)
        if step % self.epoch_steps == 0:
            self.method.after_epoch(step // self.epoch_steps)
        row = step % self.row_every == 0 or step == self.steps
        say = step * LINES // self.steps > (step - 1) * LINES // self.steps
        if row or say or step % self.read_every == 0:
            self._read_losses()
        if row:
            self._add_row()
        if say:
            self._say()

    def _read_losses(self) -> None:
        """Fetch the losses of the last steps; raises RevisitError naming the first that is not finite."""
        first = self.progress.step - len(self._unread) + 1
        values = torch.stack(self._unread).tolist() if self._unread else []
        self._unread.clear()
        for step, losses in enumerate(values, start=first):
            if not all(map(math.isfinite, losses)):
                named = ", ".join(
                    f"{part} {value:g}" for part, value in zip(self._parts, losses, strict=True)
                )
                raise RevisitError(
                    f"pretraining: the loss is not finite at step {step} of {self.steps} ({named}); "
                    f"lower learning_rate or set gradient_clip"
                )
            self.progress.losses.append(losses)

    def _add_row(self) -> None:
        progress, spread = self.progress, self.look()
        means = [math.fsum(column) / len(column) for column in zip(*progress.losses, strict=True)]
        row: Row = {
            "step": progress.step,
            "epoch": -(-progress.step // self.epoch_steps),
            **dict(zip(self._parts, means, strict=True)),
            "learning_rate": self.optimiser.param_groups[0]["lr"],  # the one the update had
            "feature_std": spread.feature_std,
            "effective_rank": spread.effective_rank,
        }
        progress.losses.clear()
        progress.rows.append(row)
        self.on_row(row)

    def _say(self) -> None:
        progress = self.progress
        loss = progress.losses[-1][0] if progress.losses else progress.rows[-1]["loss"]
        stage.log.info(
            f"step {progress.step} of {self.steps}, loss {loss:.4g}, "
            f"learning rate {self.optimiser.param_groups[0]['lr']:.3g}, "
            f"{progress.step * self.settings.batch_size / progress.seconds:.0f} samples/s"
        )

    def _save(self, checkpoint: Checkpoint) -> None:
        self._read_losses()
        self._note_memory()
        checkpoint.save(
            {
                "progress": asdict(self.progress),
                "method": self.method.state_dict(),
                "optimiser": self.optimiser.state_dict(),
            }
        )

    def _resume(self, checkpoint: Checkpoint) -> None:
        state = checkpoint.load()
        if state is None:
            return
        self.method.load_state_dict(state["method"], strict=True)
        self.optimiser.load_state_dict(state["optimiser"])
        self.progress = Progress(**state["progress"])
        for row in self.progress.rows:
            self.on_row(row)
        stage.log.info("going on after step %d of %d", self.progress.step, self.steps)

    def _note_memory(self) -> None:
        if self.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated() / 2**30
            self.progress.peak_memory_gb = max(self.progress.peak_memory_gb, peak)
