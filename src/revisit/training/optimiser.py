"""The optimiser and its learning rate: AdamW, linear warm-up, then half a cosine, set before every update."""

import math

import torch

from revisit.methods.base import Method
from revisit.training.settings import Settings


def make_optimiser(method: Method, settings: Settings, device: torch.device) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019) on the method's parameter groups; the rate is set later."""
    return torch.optim.AdamW(
        method.parameter_groups(settings.weight_decay),
        lr=0.0,
        betas=settings.betas,
        fused=device.type == "cuda",
    )


def learning_rate(step: int, steps: int, warmup_fraction: float, peak: float) -> float:
    """The rate of update ``step`` (from 0) of ``steps``.

    It rises from ``peak / warm-up steps`` and reaches ``peak`` with the last step of the warm-up; then
    it falls as half a cosine, to 0 after the last step (as MAE, per update).
    """
    warmup = round(warmup_fraction * steps)
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate
