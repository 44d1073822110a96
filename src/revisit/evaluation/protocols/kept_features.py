"""Features of a frozen encoder, kept while a decoder learns: it encodes each turn of an image once.

In training an image comes in one of eight symmetries, in validation as it is, again and again.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from revisit.nets.encoder import Encoder

VECTORS, MAPS = ("pooled", "forward_features"), ("pyramid", "skips", "maps")  # methods that give features
MOST_BYTES = 2**30  # of the features of one encoder; what no longer fits is made each time

Encode = Callable[..., Tensor | list[Tensor]]


@contextmanager
def kept_features(encoders: Sequence[Encoder], most_bytes: int = MOST_BYTES) -> Iterator[None]:
    """Within it these encoders, on the CPU, frozen and in evaluation mode, encode no image a second time."""
    wrapped = []
    for encoder in encoders:
        kept = _Kept(most_bytes)
        for name in (*VECTORS, *MAPS):
            if hasattr(encoder, name):
                setattr(encoder, name, kept.once(name, getattr(encoder, name)))
                wrapped.append((encoder, name))
    try:
        yield
    finally:
        for encoder, name in wrapped:
            delattr(encoder, name)


class _Kept:
    """Features of single images by method, bands and pixels."""

    def __init__(self, most_bytes: int) -> None:
        self.free = most_bytes
        self.known: dict[tuple[str, bytes], list[Tensor]] = {}
        self.outermost = True  # of a method that calls another only its own features are kept

    def once(self, name: str, encode: Encode) -> Encode:
        """``encode``, the method of this name, for images that are not known yet."""

        def encoded(images: Tensor, *rest: Any, **named: Any) -> Tensor | list[Tensor]:
            of_batch = any(isinstance(value, Tensor) for value in (*rest, *named.values()))
            if of_batch or not self.outermost:
                return encode(images, *rest, **named)
            self.outermost = False
            try:
                purpose = f"{name} {rest} {named}"
                levels = self._levels(purpose, images, lambda new: encode(new, *rest, **named))
            finally:
                self.outermost = True
            return levels[0] if name in VECTORS else levels

        return encoded

    def _levels(self, purpose: str, images: Tensor, encode: Encode) -> list[Tensor]:
        keys = [(purpose, hashlib.blake2b(image.tobytes()).digest()) for image in images.numpy()]
        found = {key: self.known[key] for key in keys if key in self.known}
        new = {key: row for row, key in enumerate(keys) if key not in found}
        if new:
            # Not in the inference mode of validation: nothing could learn from what is made in it.
            with torch.inference_mode(False), torch.no_grad():
                made = encode(images[list(new.values())].clone())
                levels = [made] if isinstance(made, Tensor) else made
                for row, key in enumerate(new):
                    found[key] = [level[row : row + 1].clone() for level in levels]
                    if (size := sum(level.nbytes for level in found[key])) <= self.free:
                        self.free -= size
                        self.known[key] = found[key]
        return [torch.cat(parts) for parts in zip(*(found[key] for key in keys), strict=True)]
