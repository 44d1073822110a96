"""The network of a run: pretrained encoders read and checked, and put to use."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from revisit.errors import RevisitError
from revisit.evaluation.columns import COSTS, HOURS
from revisit.nets.encoder import Encoder
from revisit.nets.load_save import architecture_name, load_encoder
from revisit.patches.modality import bands_of
from revisit.patches.store import PatchStore


class Networks(ABC):
    """Makes the network of a run on ``encoders``: one a sensor, none for a network that takes none."""

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        self.encoders = list(encoders)

    @abstractmethod
    def build(self) -> nn.Module:
        """The network, around the encoders; new weights come from torch's global generator."""

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """What it takes to build the network again without the encoders' files (JSON-able).

        ``name`` of the network (None of one that learns scenes), its ``settings``, the architectures of its
        ``encoders``, ``bands`` or ``channels`` of the images, how many ``dates`` it sees, and ``classes``.
        """

    def columns(self) -> dict[str, Any]:
        """The table's columns on the encoders, from their cards."""
        return encoder_columns([encoder.card or {} for encoder in self.encoders])


def load_encoders(
    paths: Sequence[Path], modalities: Sequence[str], store: PatchStore, network: str
) -> list[Encoder]:
    """The encoders of one network, one of each of these modalities, on the CPU.

    Of encoders side by side it is the one that takes the modality's bands. Raises RevisitError where they are
    not pretrained on these modalities, or on images of other bands or scaling than the store's.
    """
    if len(paths) != len(modalities):
        wanted = f"one of {' and one of '.join(modalities)}" if modalities else "none"
        raise RevisitError(f"{network}: takes pretrained encoders, {wanted}; got {len(paths)}")
    encoders = []
    for path, modality in zip(paths, modalities, strict=True):
        whole, bands = load_encoder(path, scaling=store.scaling), bands_of(modality, store.bands)
        own = (whole.card or {}).get("modality")
        encoder = whole if own == modality else whole.part(bands)
        if encoder is None:
            raise RevisitError(f"{path}: an encoder of {own}; {network} takes one of {modality} here")
        encoder.channels(bands)
        encoders.append(encoder)
    return encoders


def encoder_columns(cards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The columns that come from the cards of a network's encoders, one a sensor.

    Numbers are summed over pretrainings, of which encoders side by side share one; steps and hours count
    those of the encoders that an encoder started from, too.
    """
    runs = {card.get("config_hash", number): card for number, card in enumerate(cards)}.values()
    lines = [one for card in runs for one in _line(card)]
    learnt = {
        f"{one['collection']} {one['modality']}" if one["steps"] else one["weights_of"] for one in lines
    }
    trained = sorted(learnt - {""})
    costs = {key: [one.get(key) for one in (lines if key in HOURS else runs)] for key in COSTS}
    return {
        "encoder": " + ".join(architecture_name(card["architecture"]) for card in cards),
        "pretrain_data": " + ".join(trained) or "none",
        "pretrain_samples": sum(card["samples"] for card in runs),
        "pretrain_steps": sum(one["steps"] for one in lines),
        "collapsed": any(card["collapsed"] for card in cards),
        **{key: None if None in values else sum(values) for key, values in costs.items()},
    }


def _line(card: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The card of an encoder and what it says of those it descends from."""
    yield card
    for parent in card.get("parents", ()):
        yield from _line(parent)
