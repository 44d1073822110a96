"""The land-cover networks of the STMIM tables, with and without pretrained encoders."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from revisit.errors import RevisitError
from revisit.evaluation.scores import architecture_name, encoder_columns
from revisit.nets.encoder import build_encoder, load_encoder
from revisit.nets.swin import SwinEncoder
from revisit.nets.swin_unet import DualSwinUNet, SwinUNet
from revisit.nets.unet import UNet
from revisit.patches.modality import bands_of
from revisit.patches.store import PatchStore

# Method to the number of pretrained encoders it takes, one a sensor.
ENCODERS = {"unet": 0, "swin-unet": 0, "stmim-unet": 1, "dual-stmim-unet": 2}


@dataclass(frozen=True)
class Shape:
    """``width`` of a U-Net; ``swin``: architecture of a Swin-Unet without pretraining (see
    ``revisit.nets.swin``); ``drop_path`` of all Swin-Unets."""

    width: int = 64
    swin: dict[str, Any] = field(default_factory=dict)
    drop_path: float = 0.2


class Builder:
    """Makes networks of one method for images of one modality.

    ``encoders``: files of the pretrained ones, of all sensors and pretraining seeds. Raises
    RevisitError where they are not those the method needs, or do not fit the scaling of the ``store``.
    """

    def __init__(
        self,
        method: str,
        modality: str,
        encoders: Sequence[Path],
        store: PatchStore,
        classes: int,
        shape: Shape,
    ) -> None:
        self.method, self.bands, self.shape = method, bands_of(modality, store.bands), shape
        self.image_pixels, self.classes = store.patch_pixels, classes
        parts = {0: [], 1: [modality], 2: modality.split("+")}[ENCODERS[method]]
        if len(parts) != ENCODERS[method]:
            raise RevisitError(f"{method}: needs a modality of two sensors such as s1+rgb, got {modality!r}")
        found: dict[str, list[SwinEncoder]] = {part: [] for part in parts}
        for path in encoders:
            encoder = load_encoder(path, scaling=store.scaling)
            own = encoder.card["modality"] if encoder.card else None
            if own not in found or not isinstance(encoder, SwinEncoder):
                kind = encoder.architecture()["name"]
                wants = " and ".join(parts) or "nothing"
                raise RevisitError(
                    f"{path}: a {kind} encoder of {own}; {method} takes swin encoders of {wants}"
                )
            found[own].append(encoder)
        if absent := [part for part, group in found.items() if not group]:
            raise RevisitError(f"{method} on {modality}: give pretrained encoders of {', '.join(absent)}")
        self.groups = list(found.values())

    def build(self, order: int) -> nn.Module:
        """The network of evaluation seed number ``order``, which takes encoder ``order`` mod n; new weights
        come from torch's global generator."""
        if self.method == "unet":
            return UNet(len(self.bands), self.classes, self.shape.width)
        chosen = [copy.deepcopy(group[order % len(group)]) for group in self.groups]
        drop_path = self.shape.drop_path
        if len(chosen) == 2:
            return DualSwinUNet(chosen[0], chosen[1], self.classes, drop_path)
        encoder = chosen[0] if chosen else build_encoder(self._swin())
        assert isinstance(encoder, SwinEncoder)
        return SwinUNet(encoder, self.classes, drop_path)

    def columns(self) -> dict[str, Any]:
        """The table's columns on the encoder: from its cards, or the architecture of an untrained network."""
        cards = [[encoder.card or {} for encoder in group] for group in self.groups]
        if cards:
            return encoder_columns(cards)
        name = f"unet width {self.shape.width}" if self.method == "unet" else architecture_name(self._swin())
        return {"encoder": name, "pretrain_data": "none", "collapsed": False, "gpu_hours": 0.0}

    def _swin(self) -> dict[str, Any]:
        return {
            **self.shape.swin,
            "name": "swin",
            "bands": list(self.bands),
            "image_pixels": self.image_pixels,
        }
