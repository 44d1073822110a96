"""Settings of the training loop, and the seeds derived from a run's one seed.

In ``config.yaml`` a method's entry holds these keys side by side, and its own under ``method``::

    epochs: 30               # passes over the training split; or `steps`, the number of updates
    batch_size: 128
    learning_rate: 1.5e-4    # peak, per 256 samples of a batch
    weight_decay: 0.05
    betas: [0.9, 0.95]       # AdamW's decay rates
    warmup_fraction: 0.1     # share of the steps in which the learning rate rises
    gradient_clip: 1.0       # largest norm of the gradient; 0 for none
    checkpoint_minutes: 5
    monitor_every: 100       # steps between rows of the log; an epoch when left out
    compile: false           # compile the loss; on CUDA only
    threads: 1               # processor threads of torch; results on a CPU depend on them in the last bits
    method: {encoder: {...}, ...}

Defaults are those of MAE (He et al. 2022, appendix A) where it has them.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from revisit.errors import RevisitError

BATCH_OF_RATE = 256  # samples a learning rate is stated for


@dataclass(frozen=True)
class Settings:
    """See the module's docstring."""

    epochs: int | None = None
    steps: int | None = None
    batch_size: int = 256
    learning_rate: float = 1.5e-4
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.95)
    warmup_fraction: float = 0.1
    gradient_clip: float = 0.0
    checkpoint_minutes: float = 5.0
    monitor_every: int | None = None
    compile: bool = False
    threads: int = 1
    method: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> "Settings":
        """Settings from a config entry; raises RevisitError for an unknown key or an impossible value."""
        known = {entry.name for entry in fields(cls)}
        if unknown := sorted(set(given) - known):
            raise RevisitError(f"pretraining: unknown settings {unknown}; known are {sorted(known)}")
        settings = cls(**{**given, "betas": tuple(given.get("betas", cls.betas))})
        for name, smallest in (("epochs", 0), ("steps", 0), ("batch_size", 1), ("monitor_every", 1)):
            value = getattr(settings, name)
            if value is not None and value < smallest:
                raise RevisitError(f"pretraining: {name} is {value}; must be at least {smallest}")
        if settings.epochs is not None and settings.steps is not None:
            raise RevisitError("pretraining: both epochs and steps are given; keep one")
        return settings

    def steps_for(self, samples: int) -> tuple[int, int]:
        """Updates in all and updates an epoch, for that many training samples.

        Every epoch is whole batches: what remains of a pass is left out, another part each time.
        Raises RevisitError when a batch is larger than the split, or no length is set.
        """
        if self.epochs is None and self.steps is None:
            raise RevisitError("pretraining: give epochs or steps")
        if self.batch_size > samples:
            raise RevisitError(
                f"pretraining: batch_size is {self.batch_size}, the training split has {samples} samples; "
                f"lower batch_size or add regions"
            )
        epoch = samples // self.batch_size
        return (self.steps if self.steps is not None else (self.epochs or 0) * epoch), epoch

    @property
    def peak_rate(self) -> float:
        """Peak learning rate for this batch size (linear scaling, Goyal et al. 2017)."""
        return self.learning_rate * self.batch_size / BATCH_OF_RATE

    def content(self) -> dict[str, Any]:
        """All settings, defaults too (JSON-able)."""
        return {**asdict(self), "betas": list(self.betas)}


def derived_seed(purpose: str, seed: int, step: int = 0) -> int:
    """A seed of its own for each purpose and step, so that a resumed run needs no generator's state."""
    words = (*purpose.encode(), seed, step)
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)
