"""Settings of the training loop, and the seeds derived from a run's one seed.

Defaults are those of MAE (He et al. 2022, appendix A) where it has them.
"""

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from revisit.errors import RevisitError
from revisit.record import Record

BATCH_OF_RATE = 256  # samples a learning rate is stated for


class Training(Record):
    """How a method is trained, whatever the method."""

    epochs: int | None = Field(None, ge=0)
    """Passes over the training split; give this or `steps`. Every epoch is whole batches."""
    steps: int | None = Field(None, ge=0)
    """Number of updates; give this or `epochs`."""
    batch_size: int = Field(256, ge=1)
    """Samples an update, over all GPUs and accumulated parts."""
    learning_rate: float = Field(1.5e-4, gt=0)
    """Peak rate per 256 samples of a batch."""
    weight_decay: float = Field(0.05, ge=0)
    """On weights, not on biases, norms, tokens and position tables."""
    betas: tuple[float, float] = (0.9, 0.95)
    """Decay rates of AdamW's two averages."""
    warmup_fraction: float = Field(0.1, ge=0, le=1)
    """Share of the updates in which the learning rate rises."""
    gradient_clip: float = Field(0.0, ge=0)
    """Largest norm of the gradient; 0 for none."""
    checkpoint_minutes: float = Field(5.0, gt=0)
    """Minutes between saved states."""
    monitor_every: int | None = Field(None, ge=1)
    """Updates between rows of the log; an epoch when left out."""
    compile: bool = False
    """Compile the loss (on CUDA only)."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the network's activations; `auto` is bfloat16 on GPUs that have it, else float32."""
    channels_last: bool = False
    """Keep images and convolutions channels last, which is faster for convolutions on GPUs."""
    threads: int = Field(1, ge=1)
    """Processor threads of torch; results on a CPU depend on them in the last bits."""
    gpus: int = Field(1, ge=1)
    """Processes that share each batch, one a GPU (on a machine without one, on processors)."""
    accumulate: int = Field(1, ge=1)
    """Parts in which each process computes its share of a batch, one after the other, to save memory."""

    @model_validator(mode="after")
    def _fits(self) -> "Training":
        if self.epochs is not None and self.steps is not None:
            raise ValueError("both epochs and steps are given; keep one")
        if self.batch_size % (self.gpus * self.accumulate):
            raise ValueError(
                f"batch_size {self.batch_size} must be a multiple of gpus {self.gpus} times "
                f"accumulate {self.accumulate}; change one of them"
            )
        return self

    def steps_for(self, samples: int) -> tuple[int, int]:
        """Updates in all and updates an epoch, for that many training samples.

        Every epoch is whole batches: what remains of a pass is left out, another part each time.
        Raises RevisitError when a batch is larger than the split, or no length is set.
        """
        self.check_length()
        if self.batch_size > samples:
            raise RevisitError(
                f"pretraining: batch_size is {self.batch_size}, the training split has {samples} samples; "
                f"lower batch_size or add regions"
            )
        epoch = samples // self.batch_size
        return (self.steps if self.steps is not None else (self.epochs or 0) * epoch), epoch

    def check_length(self) -> None:
        """Raise RevisitError when neither epochs nor steps are given."""
        if self.epochs is None and self.steps is None:
            raise RevisitError("pretraining: no length is given; add epochs or steps")

    @property
    def peak_rate(self) -> float:
        """Peak learning rate for this batch size (linear scaling, Goyal et al. 2017)."""
        return self.learning_rate * self.batch_size / BATCH_OF_RATE


def derived_seed(purpose: str, seed: int, step: int = 0) -> int:
    """A seed of its own for each purpose and step, so that a resumed run needs no generator's state."""
    words = (*purpose.encode(), seed, step)
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)
