"""The training loop: seeded steps, a log, a look at the features, checkpoints. Knows no workflow, no cluster.

Everything random in step n follows from (seed, n), and everything that outlives a step is in the
checkpoint: an interrupted and resumed run ends, on a CPU, with the bits of an uninterrupted one.
"""

import math
import resource
import sys
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
from revisit.methods.method import Method, Moment, Store
from revisit.methods.parts import ranks
from revisit.nets.compiler import compiler_left_out
from revisit.patches.batch import Batch
from revisit.training.batches import to_device
from revisit.training.checkpoint import Checkpoint, interruption
from revisit.training.device import mixed_precision
from revisit.training.gradients import Views, backward, own_parts
from revisit.training.memory import largest
from revisit.training.monitor import Spread
from revisit.training.optimiser import Course
from revisit.training.settings import Training, derived_seed

Row = dict[str, float]  # step, epoch, loss and its parts, learning_rate, and those of Spread after a look
LINES = 10  # of progress on the log, beside the bar of a terminal
STEPS_A_READING = 50  # on an accelerator, reading a loss waits for the step, so it is read in blocks
UNSURE_STEPS = 2  # that may need more memory than those before: the first leaves the optimiser's averages


@dataclass
class Progress:
    """How far a run is.

    ``losses``: of the steps since the last row, by part. ``seconds``: spent on training, over all
    interrupted runs.
    """

    step: int = 0
    rows: list[Row] = field(default_factory=list)
    losses: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    peak_memory_gb: float = 0.0


class Trainer:
    """Trains a method that lies on the device of the course.

    ``look``: measures the features, every so many (``rows_a_look``) rows of the log and after the last step;
    ``spread`` is what it saw last. ``store``: what hooks of the method may read.
    ``on_row``: gets every row of the log, on resuming those of before too.
    """

    def __init__(
        self,
        method: Method,
        training: Training,
        seed: int,
        course: Course,
        look: Callable[[], Spread],
        store: Store | None = None,
        on_row: Callable[[Row], None] = lambda row: None,
        rows_a_look: int = 1,
    ) -> None:
        method.check_training(training)
        self.method, self.training, self.seed, self.course = method, training, seed, course
        self.look, self.store, self.on_row = look, store, on_row
        self.rows_a_look = rows_a_look
        self.spread: Spread | None = None
        self.device, self.steps = course.device, course.steps
        self.compiles = training.compile and self.device.type == "cuda"
        self._plain_loss = torch.compile(method.loss) if self.compiles else method.loss
        with compiler_left_out(self.compiles):
            self.descents = method.optimisers(training, course)
        self.row_every = training.monitor_every or course.epoch_steps
        self.read_every = 1 if self.device.type == "cpu" else STEPS_A_READING
        self.lead = ranks.rank() == 0
        self.progress = Progress()
        self._unread: list[dict[str, Tensor]] = []

    def run(
        self, batches: Callable[[int], Generator[Batch[Tensor], None, None]], checkpoint: Checkpoint
    ) -> Progress:
        """Train to the end, from the checkpoint if it fits.

        ``batches(n)``: the batches of step n (from 0) and all later ones, on the host. Raises RevisitError
        when the loss is no longer finite, when a batch does not fit in the GPU's memory, and after saving
        when the process is asked to end.
        """
        self._resume(checkpoint)
        first = self.progress.step
        started, before = time.monotonic(), self.progress.seconds
        hidden = None if self.lead else True
        bar = tqdm(total=self.steps, initial=first, unit="step", disable=hidden, leave=False)
        with bar, logging_redirect_tqdm(), interruption() as stop, closing(batches(first)) as stream:
            for batch in stream:
                self._unread.append(self._update(batch, unsure=self.progress.step < first + UNSURE_STEPS))
                self.progress.step += 1
                self.progress.seconds = before + time.monotonic() - started
                self._after_update()
                bar.update()
                stops, saves = self._agreed(stop.requested, checkpoint.due())
                if stops or saves:
                    self._save(checkpoint)
                if stops:
                    raise RevisitError(
                        f"pretraining: interrupted after step {self.progress.step} of {self.steps}; "
                        f"saved in {checkpoint.folder}, run again to go on"
                    )
        self._note_memory()
        return self.progress

    def _update(self, batch: Batch[Tensor], unsure: bool) -> dict[str, Tensor]:
        """One step; returns the loss and its parts, of this process, still on the device.

        ``unsure``: too few steps were taken to know that the memory is large enough.
        """
        step = self.progress.step
        generator = torch.Generator(self.device).manual_seed(derived_seed("views", self.seed, step))
        # Dropout and drop-path, other ones on each process.
        purpose = f"network {ranks.rank()}" if ranks.rank() else "network"
        torch.manual_seed(derived_seed(purpose, self.seed, step))
        for descent in self.descents:
            descent.set(step)
        self.method.train()
        self.method.before_step(self._moment())
        with torch.no_grad():
            views = self.method.views(to_device(batch, self.device), generator)
        parts = own_parts(self.method, views, self.training.accumulate)
        self._forget_gradients()
        losses = None
        try:
            losses = backward(parts, self._loss, self.descents)
        except torch.OutOfMemoryError:
            if not unsure:
                raise
        if losses is None:
            # Not while the error is handled: it holds what the step had made.
            raise self._too_large(parts[0].views)
        self.method.after_backward(self._moment())
        active = [descent for descent in self.descents if descent.part in losses]
        for descent in active:
            if self.training.gradient_clip:
                own = {id(weight) for weight in descent.parameters}
                clipped = [weight for weight in self.method.parameters() if id(weight) in own]
                nn.utils.clip_grad_norm_(clipped, self.training.gradient_clip)
            with compiler_left_out(self.compiles):
                descent.optimiser.step()
        return losses

    def _forget_gradients(self) -> None:
        with compiler_left_out(self.compiles):
            for descent in self.descents:
                descent.optimiser.zero_grad(set_to_none=True)

    def _loss(self, views: Views) -> dict[str, Tensor]:
        with mixed_precision(self.device, self.training.precision):
            return self._plain_loss(views)

    def _too_large(self, views: Views) -> RevisitError:
        """What to say of views that do not fit in the memory: how many would."""
        size, where = self.training.batch_size, torch.cuda.get_device_name(self.device)
        remedy = "lower batch_size, or raise accumulate or gpus"
        if ranks.together():
            return RevisitError(
                f"pretraining: batch_size {size} does not fit in the memory of {where}; {remedy}"
            )

        def tries(count: int) -> None:
            self._forget_gradients()
            backward(
                own_parts(self.method, {name: v[:count] for name, v in views.items()}, 1),
                self._loss,
                self.descents,
            )

        most = largest(tries, len(next(iter(views.values())))) * self.training.accumulate
        return RevisitError(
            f"pretraining: batch_size {size} does not fit in the memory of {where}, about {most} would; "
            f"{remedy}"
        )

    def _moment(self) -> Moment:
        return Moment(self.progress.step, self.steps, self.course.epoch_steps, self.store, self.descents)

    def _after_update(self) -> None:
        step = self.progress.step
        self.method.after_step(self._moment())
        if step % self.course.epoch_steps == 0:
            self.method.after_epoch(self._moment())
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
        if not self._unread:
            return
        first = self.progress.step - len(self._unread) + 1
        flat = torch.stack([value for losses in self._unread for value in losses.values()])
        if ranks.together():
            torch.distributed.all_reduce(flat)
        values = iter(flat.tolist())
        for step, unread in enumerate(self._unread, start=first):
            losses = {name: next(values) for name in unread}
            if not all(map(math.isfinite, losses.values())):
                named = ", ".join(f"{part} {value:g}" for part, value in losses.items())
                raise RevisitError(
                    f"pretraining: the loss is not finite at step {step} of {self.steps} ({named}); "
                    f"lower learning_rate or set gradient_clip"
                )
            self.progress.losses.append(losses)
        self._unread.clear()

    def _add_row(self) -> None:
        progress = self.progress
        losses, progress.losses = progress.losses, []
        if not self.lead:
            return
        means = {}
        for part in dict.fromkeys(part for step in losses for part in step):
            column = [step[part] for step in losses if part in step]
            means[part] = math.fsum(column) / len(column)
        row: Row = {
            "step": progress.step,
            "epoch": -(-progress.step // self.course.epoch_steps),
            **means,
            "learning_rate": self.descents[0].rate,  # the one the update had
        }
        if (len(progress.rows) + 1) % self.rows_a_look == 0 or progress.step == self.steps:
            self.spread = self.look()
            row |= self.spread._asdict()
        progress.rows.append(row)
        self.on_row(row)

    def _say(self) -> None:
        progress = self.progress
        if not self.lead:
            return
        last = progress.losses[-1] if progress.losses else progress.rows[-1]
        part = next(descent.part for descent in self.descents if descent.part in last)
        stage.log.info(
            f"step {progress.step} of {self.steps}, {part} {last[part]:.4g}, "
            f"learning rate {self.descents[0].rate:.3g}, "
            f"{progress.step * self.training.batch_size / progress.seconds:.0f} samples/s"
        )

    def _agreed(self, *flags: bool) -> list[bool]:
        """Each flag, true if it is so on any process: all do the same."""
        if not ranks.together():
            return list(flags)
        values = torch.tensor([float(flag) for flag in flags])
        torch.distributed.all_reduce(values, torch.distributed.ReduceOp.MAX)
        return [bool(value) for value in values]

    def _save(self, checkpoint: Checkpoint) -> None:
        self._read_losses()
        self._note_memory()
        with compiler_left_out(self.compiles):
            optimisers = [descent.optimiser.state_dict() for descent in self.descents]
        progress, method = asdict(self.progress), self.method.state_dict()
        checkpoint.save({"progress": progress, "method": method, "optimisers": optimisers})

    def _resume(self, checkpoint: Checkpoint) -> None:
        self._agreed(True)  # none reads before the lead has the folder to itself
        state = checkpoint.load()
        step = state["progress"]["step"] if state else 0
        self._check_alike(step, checkpoint)  # nor does any write before all have read
        if state is None:
            return
        self.method.load_state_dict(state["method"], strict=True)
        with compiler_left_out(self.compiles):
            for descent, values in zip(self.descents, state["optimisers"], strict=True):
                descent.optimiser.load_state_dict(values)
        self.progress = Progress(**state["progress"])
        for row in self.progress.rows:
            self.on_row(row)
        stage.log.info("going on after step %d of %d", self.progress.step, self.steps)

    def _check_alike(self, step: int, checkpoint: Checkpoint) -> None:
        """Raise RevisitError on all processes unless all would go on from the same step."""
        if not ranks.together():
            return
        ends = torch.tensor([-step, step])
        torch.distributed.all_reduce(ends, torch.distributed.ReduceOp.MAX)
        least, most = -int(ends[0]), int(ends[1])
        if least != most:
            raise RevisitError(
                f"{checkpoint.path}: the processes read it differently, as of steps {least} to {most}; "
                f"run again, or remove it to start anew"
            )

    def _note_memory(self) -> None:
        if self.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated() / 2**30
        else:  # of the process; Linux counts in KiB, macOS in bytes
            scale = 2**30 if sys.platform == "darwin" else 2**20
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
        self.progress.peak_memory_gb = max(self.progress.peak_memory_gb, peak)
