"""Networks of the runs of a job: pretrained encoders read and checked, one after the other put to use."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from revisit.errors import RevisitError
from revisit.nets.load_save import Encoder, architecture_name, load_encoder
from revisit.patches.modality import bands_of
from revisit.patches.store import PatchStore


class Networks(ABC):
    """Makes the networks of a job.

    ``groups``: for each encoder of a network those of all pretraining seeds, in order; empty for a network
    that takes none.
    """

    def __init__(self, groups: Sequence[Sequence[Encoder]]) -> None:
        self.groups = groups

    def chosen(self, order: int) -> list[Encoder]:
        """Copies of the encoders of evaluation seed number ``order``: that number mod n of each group."""
        return [copy.deepcopy(group[order % len(group)]) for group in self.groups]

    @abstractmethod
    def build(self, order: int) -> nn.Module:
        """The network of evaluation seed number ``order``; new weights come from torch's global generator."""

    def columns(self) -> dict[str, Any]:
        """The table's columns on the encoders, from their cards."""
        return encoder_columns([[encoder.card or {} for encoder in group] for group in self.groups])


def load_groups(
    paths: Sequence[Path], modalities: Sequence[str], store: PatchStore, network: str
) -> list[list[Encoder]]:
    """Encoders of one network on these modalities, one each, on the CPU.

    ``paths``: for each pretraining seed the encoder of each modality. Raises RevisitError where they are
    not pretrained on these modalities, or on images of other bands or scaling than the store's.
    """
    count = len(modalities)
    if (count == 0 and paths) or (count and (not paths or len(paths) % count)):
        wanted = f"one of {' and one of '.join(modalities)} a pretraining seed" if count else "none"
        raise RevisitError(f"{network}: takes pretrained encoders, {wanted}; got {len(paths)}")
    groups: list[list[Encoder]] = []
    for number, modality in enumerate(modalities):
        group = []
        for path in paths[number::count]:
            encoder = load_encoder(path, scaling=store.scaling)
            if (own := (encoder.card or {}).get("modality")) != modality:
                raise RevisitError(f"{path}: an encoder of {own}; {network} takes one of {modality} here")
            encoder.channels(bands_of(modality, store.bands))
            group.append(encoder)
        groups.append(group)
    return groups


def load_scene_encoders(
    paths: Sequence[Path], bands: Sequence[str], store: PatchStore, device: torch.device
) -> list[Encoder]:
    """Encoders that can take images of ``bands``, whatever else they were pretrained on."""
    if not paths:
        raise RevisitError("evaluate: the job has no encoders; give one a pretraining seed")
    return [load_encoder(path, bands=bands, scaling=store.scaling, device=device) for path in paths]


def encoder_columns(groups: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """The columns that come from encoder cards.

    ``groups``: for each encoder of a network (one; two for a dual network) its cards, one per
    pretraining seed. Costs are means over the seeds, summed over the encoders of the network.
    """
    cards = [card for group in groups for card in group]
    trained = sorted({f"{card['collection']} {card['modality']}" for card in cards if card["steps"]})

    def cost(key: str) -> float | None:
        if any(card.get(key) is None for card in cards):
            return None
        return float(sum(np.mean([card[key] for card in group]) for group in groups))

    return {
        "encoder": " + ".join(architecture_name(group[0]["architecture"]) for group in groups),
        "pretrain_data": " + ".join(trained) or "none",
        "collapsed": any(card["collapsed"] for card in cards),
        "gpu_hours": cost("gpu_hours"),
        "samples_per_second": cost("samples_per_second"),
        "peak_memory_gb": cost("peak_memory_gb"),
    }
