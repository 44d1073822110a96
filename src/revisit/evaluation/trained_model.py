"""Networks that an evaluation trained, on disk: weights, and a card that says what they take and give.

A model is a folder with ``model.safetensors`` and ``card.json``. Reading is strict, as of encoders: every
weight must be there, and the output on a fixed image must be the one on the card.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from revisit import parts
from revisit.errors import RevisitError
from revisit.evaluation.networks import Networks
from revisit.evaluation.scene_network import SceneClassifier
from revisit.evaluation.task import Data, JobSettings, Task
from revisit.files import atomic, read_json, write_json
from revisit.job import Job
from revisit.nets.load_save import (
    FINGERPRINT_TOLERANCE,
    build_encoder,
    check_weights,
    read_safetensors,
)
from revisit.nets.network import Network
from revisit.patches.modality import sensor_of
from revisit.provenance import code_version, config_hash
from revisit.record import read

WEIGHTS, CARD, FORMAT = "model.safetensors", "card.json", 1
KEYS = ("network", "bands", "scaling", "classes", "colours", "labels", "patch_pixels", "resolution_m")


@dataclass(frozen=True)
class TrainedModel:
    """A network in evaluation mode, its card, and the folder both are from."""

    network: nn.Module
    card: Mapping[str, Any]
    folder: Path


def card_of(
    job: Job, settings: JobSettings, task: Task, data: Data, networks: Networks, validation: float
) -> dict[str, Any]:
    """What is to be known of a model beside its weights.

    Which run it is of; ``bands`` in order and the limits that scale them (``scaling``); how its images were
    made (``composite_year``, None of single dates; ``max_days_apart`` of the dates of a pair, None of others;
    ``patch_pixels``, ``resolution_m``); ``classes`` with their ``colours`` and ``codes`` in the legend of the
    labels; ``validation``, the agreement on the validation samples by which the best model is chosen; and
    what it was made from.
    """
    store, attrs = data.store, data.store.attrs
    legend = (
        dict(zip(store.legend.names.values(), store.legend.colours.values(), strict=True))
        if store.legend
        else {}
    )
    return {
        **{key: job.names[key] for key in ("experiment", "method", "modality", "protocol")},
        **{key: getattr(settings, key) for key in ("task", "label_fraction", "seed", "pretraining_seed")},
        "network": networks.described(),
        "bands": list(data.bands),
        "scaling": {sensor: store.scaling[sensor] for sensor in dict.fromkeys(map(sensor_of, data.bands))},
        "composite_year": attrs["label_year"] if attrs["years"] else None,
        "max_days_apart": attrs.get("max_days_apart"),
        "patch_pixels": store.patch_pixels,
        "resolution_m": attrs["resolution_m"],
        "labels": task.labels,
        "exclusive": task.exclusive,
        "classes": list(data.classes),
        "colours": list(data.colours) or [legend.get(name) for name in data.classes],
        "codes": [list(codes) for codes in data.codes],
        "legend": store.legend.title if store.legend else "",
        "metric": task.headline,
        "validation": validation,
        "config_hash": config_hash(settings.content()),
        "code_version": code_version(),
        "sources": {
            "patches": job.source("patches").as_posix(),
            "cubes": attrs.get("source_cubes", []),
            "encoders": [path.as_posix() for path in job.sources("encoders")],
        },
    }  # fmt: skip


def save_model(network: nn.Module, folder: Path, card: Mapping[str, Any]) -> None:
    """Write weights and card; raises RevisitError where the network's output is not finite."""
    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    # Building it anew proves that the card describes this network, and measures on the CPU.
    twin = _build(card["network"])
    twin.load_state_dict(weights, strict=True)
    marks = fingerprint(twin, card)
    if not all(map(math.isfinite, marks)):
        raise RevisitError(f"{folder}: the network's output is not finite; lower the learning rate")
    write_json(folder / CARD, {**card, "format": FORMAT, "fingerprint": marks})
    with atomic(folder / WEIGHTS) as aside:
        aside.write_bytes(save(weights))  # its own function lets nobody else read the file


def load_model(path: str | Path, device: str | torch.device = "cpu") -> TrainedModel:
    """Read a model from its folder, or from one of its two files, in evaluation mode.

    Raises RevisitError where there is none, and for missing, surplus, misshapen or altered weights.
    """
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    if not (folder / CARD).is_file() or not (folder / WEIGHTS).is_file():
        below = min((file.parent.as_posix() for file in folder.glob(f"**/{WEIGHTS}")), default="")
        raise RevisitError(
            f"{path}: not a trained model; give a folder that holds {WEIGHTS} and {CARD}"
            + (f", such as {below}" if below else "")
        )
    card = read_json(folder / CARD)
    if card.get("format") != FORMAT or (missing := [key for key in KEYS if key not in card]):
        lacking = (
            f"without {missing[0]!r}" if card.get("format") == FORMAT else f"of format {card.get('format')!r}"
        )
        raise RevisitError(
            f"{folder / CARD}: {lacking}, this version reads models of format {FORMAT}; evaluate again"
        )
    network, file = _build(card["network"]), folder / WEIGHTS
    check_weights(network.state_dict(), weights := read_safetensors(file), file)
    network.load_state_dict(weights, strict=True)
    expected, found = torch.tensor(card["fingerprint"]), torch.tensor(fingerprint(network, card))
    if not (expected - found).norm() <= FINGERPRINT_TOLERANCE * expected.norm():
        raise RevisitError(f"{file}: its output on the test image is not the one on {CARD}; evaluate again")
    return TrainedModel(network.eval().to(device), card, folder)


@torch.no_grad()
def fingerprint(network: nn.Module, card: Mapping[str, Any]) -> list[float]:
    """Eight numbers that change with the weights: projections of the output on a fixed image."""
    side, count, dates = card["patch_pixels"], len(card["bands"]), card["network"]["dates"]
    ramp = torch.arange(dates * count * side * side).remainder(997) * 0.37
    shape = (1, dates, count, side, side) if dates > 1 else (1, count, side, side)
    output = network.eval()(torch.sin(ramp).view(shape)).flatten().double()
    angles = torch.outer(torch.arange(1, 9), torch.arange(len(output))).double()
    marks: list[float] = (torch.cos(angles) @ output).tolist()
    return marks


def _build(described: Mapping[str, Any]) -> nn.Module:
    """The network that ``Networks.described`` describes, with new weights."""
    encoders = [build_encoder(architecture) for architecture in described["encoders"]]
    if described["name"] is None:
        return SceneClassifier(encoders[0], described["bands"], described["classes"])
    kind: type[Network] = parts.find("network", described["name"])
    settings = read(kind.Settings, described["settings"], f"network {described['name']}")
    return kind.build(settings, encoders, described["channels"], described["classes"])


def probabilities(output: Tensor, card: Mapping[str, Any]) -> Tensor:
    """Scores of the classes between 0 and 1, of logits (sample, class, ...)."""
    return output.softmax(1) if card["exclusive"] else output.sigmoid()
