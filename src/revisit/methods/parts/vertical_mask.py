"""Which cells (position, channel) of an image a 3DMAE encoder may see.

The vertical mask hides channels, position by position; the spatial mask then hides whole positions. What the
vertical mask leaves at a position:

| variant | one full modality | part of one modality | channels of both |
|---------|-------------------|----------------------|------------------|
| rm      | yes               | no                   | no               |
| rc      | no                | yes                  | yes              |
| rm+rc   | no                | yes                  | no               |
| 3dm     | no                | yes                  | yes              |

"Channels of both" means at least one of each: with two SAR channels, both may well stay beside some optical.
Elevation is a channel of the optical modality here.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from revisit.errors import RevisitError
from revisit.methods.parts.draws import random_mask
from revisit.patches.modality import sensor_of

Variant = Literal["rm", "rc", "rm+rc", "3dm"]
MAX_CHANNELS = 16  # the table of patterns has 2**channels rows


class VerticalMask(nn.Module):
    """Draws what is visible at each position.

    "rm", random modality: one of the two modalities is dropped, each with probability 1/2.
    "rc", random channel: each channel is dropped with probability 1/2, and drawn again when nothing stays or
    exactly one full modality.
    "rm+rc": rm, then rc among the channels left. "3dm": rm at half of the positions, then rc at all.

    All patterns are equally likely under rc, so rc is a uniform draw from the list of allowed ones.
    With bands of one modality only, rm has nothing to drop: "3dm" is "rc" then, "rm" and "rm+rc" raise
    RevisitError.
    """

    patterns: Tensor
    counts: Tensor
    starts: Tensor

    def __init__(self, variant: Variant, bands: Sequence[str]) -> None:
        super().__init__()
        # On the CPU even where the method is only planned on the meta device: the tables hold data.
        sar = torch.tensor([sensor_of(band) == "sentinel-1" for band in bands], device="cpu")
        if sar.all() or not sar.any():
            if variant in ("rm", "rm+rc"):
                raise RevisitError(
                    f"mask {variant}: drops one of two modalities but the bands are {list(bands)}; "
                    f"use mask rc for one modality"
                )
            variant = "rc"
        if len(bands) > MAX_CHANNELS:
            raise RevisitError(
                f"mask {variant}: takes {MAX_CHANNELS} channels at most, got {len(bands)}; choose fewer bands"
            )
        self.variant = variant
        # What rm leaves at a position where it acts, and where it does not.
        left = torch.stack([sar, ~sar, torch.ones_like(sar)])
        tables = [states[None] if variant == "rm" else _allowed(states, sar) for states in left]
        counts = torch.tensor([len(table) for table in tables], device="cpu")
        self.register_buffer("patterns", torch.cat(tables), persistent=False)
        self.register_buffer("counts", counts, persistent=False)
        self.register_buffer("starts", counts.cumsum(0) - counts, persistent=False)
        used = {"rm": [0, 1], "rm+rc": [0, 1], "rc": [2], "3dm": [0, 1, 2]}[variant]
        if not counts[used].all():
            raise RevisitError(
                f"mask {variant}: needs two channels of each modality, got {list(bands)}; add bands"
            )

    def draw(self, samples: int, positions: int, generator: torch.Generator) -> Tensor:
        """Visible cells, bool [samples, positions, channels] on the generator's device."""
        device, shape = generator.device, (samples, positions)
        both = torch.full(shape, 2, device=device)
        if self.variant == "rc":
            left = both
        else:
            left = torch.randint(0, 2, shape, generator=generator, device=device)
            if self.variant == "3dm":
                left = torch.where(random_mask(shape, positions // 2, generator), left, both)
        uniform = torch.rand(shape, generator=generator, device=device, dtype=torch.float64)
        return self.patterns[self.starts[left] + (uniform * self.counts[left]).long()]


def _allowed(left: Tensor, sar: Tensor) -> Tensor:
    """Patterns rc may leave of the channels ``left``: bool [patterns, channels].

    Not the empty one, and not exactly one full modality.
    """
    count = len(left)
    patterns = (torch.arange(2**count, device="cpu")[:, None] >> torch.arange(count, device="cpu")) % 2 == 1
    forbidden = (patterns & ~left).any(1) | ~patterns.any(1)
    for modality in (sar, ~sar):
        forbidden |= (patterns == modality).all(1)
    return patterns[~forbidden]
