"""Encoders by name: building, writing and reading them back.

A saved encoder is a folder with ``encoder.safetensors`` and ``card.json``. Reading is strict: every
weight must be there, bands and scaling must be those asked for, and the output on a fixed image must be
the one written on the card. Only safetensors are read; pickles are never unpickled.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from revisit import parts
from revisit.errors import RevisitError
from revisit.files import atomic, read_json, write_json
from revisit.nets.encoder import Encoder, EncoderSettings
from revisit.nets.rescale import check_scaling, rescaling
from revisit.record import read

WEIGHTS, CARD, FORMAT = "encoder.safetensors", "card.json", 1
HUB_WEIGHTS, HUB_CARD = "model.safetensors", "config.json"  # names of the same two in a folder for a hub
FINGERPRINT_TOLERANCE = 1e-4  # relative; float32 sums differ by about 1e-6 between machines
OF_THE_DATA = ("bands", "image_pixels")  # keys of an architecture that a config's entry has not


def check_architecture(architecture: Mapping[str, Any], where: str = "encoder") -> EncoderSettings:
    """Settings of an ``encoder:`` entry (``name`` and the architecture's own keys).

    Where ``bands`` and ``image_pixels`` are given too, they are held against the settings.
    Raises RevisitError, below ``where``, for an unknown name and for settings missing, unknown or impossible.
    """
    own = {key: value for key, value in architecture.items() if key not in ("name", *OF_THE_DATA)}
    kind: type[EncoderSettings] = _class_of(architecture, where).Settings
    settings = read(kind, own, where)
    if architecture.keys() >= set(OF_THE_DATA):
        try:
            settings.check(architecture["image_pixels"], architecture["bands"])
        except RevisitError as error:
            raise RevisitError(f"{where}: {error}") from None
    return settings


def architecture_name(architecture: Mapping[str, Any]) -> str:
    """A name that no other settings have: a known one, ``Swin-T``, or every size, ``swin dim 32 depth …``."""
    settings = check_architecture(architecture)
    # An encoder derived from a known one is not known by its name.
    own = _class_of(architecture, "encoder").__module__ == type(settings).__module__
    return (own and settings.known_as()) or f"{architecture['name']} {settings.size()}"


def architecture_modules(architecture: Mapping[str, Any]) -> list[str]:
    """Dotted modules whose code makes this encoder, those of encoders inside it too."""
    found = [parts.module_of("encoder", architecture["name"])]
    for inner in check_architecture(architecture).inner():
        found += [module for module in architecture_modules(inner) if module not in found]
    return found


def build_encoder(architecture: Mapping[str, Any]) -> Encoder:
    """An encoder with new weights from ``{"name": ..., "bands": ..., "image_pixels": ..., <its settings>}``.

    Raises RevisitError for an unknown name and for settings missing, unknown or impossible.
    """
    where = f"encoder {architecture.get('name', '')}".strip()
    if missing := [key for key in OF_THE_DATA if key not in architecture]:
        raise RevisitError(f"{where}.{missing[0]} is missing; add it")
    settings = check_architecture(architecture, where)
    encoder: Encoder = _class_of(architecture, where)(
        settings, architecture["bands"], architecture["image_pixels"]
    )
    return encoder


def save_encoder(encoder: Encoder, folder: str | Path, card: Mapping[str, Any]) -> None:
    """Write weights and card.

    ``card`` holds what the encoder cannot know (``scaling`` of its bands, method, seed, …); its
    architecture, bands, token and image size, pooling, format and fingerprint are added here, and the origin
    of weights from elsewhere.
    Raises RevisitError when the features are not finite.
    """
    folder = Path(folder)
    if encoder.rescaled:
        raise RevisitError(f"{folder}: the encoder takes rescaled images; save it as it was loaded without")
    weights = {name: value.detach().cpu().contiguous() for name, value in encoder.state_dict().items()}
    # Rebuilding before writing proves that the card describes this encoder, and measures on the CPU.
    twin = build_encoder(encoder.architecture())
    twin.load_state_dict(weights, strict=True)
    marks = fingerprint(twin)
    if not all(map(math.isfinite, marks)):
        raise RevisitError(f"{folder}: the encoder's features are not finite; lower the learning rate")
    write_json(
        folder / CARD,
        {
            **card,
            "architecture": encoder.architecture(),
            "bands": list(encoder.bands),
            "patch_pixels": encoder.patch_pixels,
            "image_pixels": encoder.image_pixels,
            "pooling": encoder.pooling,
            **({"weights": encoder.origin} if encoder.origin else {}),
            "format": FORMAT,
            "fingerprint": marks,
        },
    )
    with atomic(folder / WEIGHTS) as aside:
        aside.write_bytes(save(weights))  # its own function lets nobody else read the file


def load_encoder(
    path: str | Path,
    *,
    bands: Sequence[str] | None = None,
    scaling: Mapping[str, Any] | None = None,
    rescale: bool = False,
    device: str | torch.device = "cpu",
) -> Encoder:
    """Read an encoder from its folder (or its ``encoder.safetensors``), in evaluation mode.

    ``bands``: those the images will have; refused when the encoder cannot take them.
    ``scaling``: ``scaling`` of the patch store the images come from; refused when a used band has other
    limits, another unit or another clip than the encoder was trained with. With ``rescale`` other limits and
    clips are taken: standardised values are mapped to those the encoder knows, before everything else.
    Raises RevisitError for all of these, and for missing, surplus, misshapen or altered weights.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    if not path.is_dir() and path.name not in (WEIGHTS, HUB_WEIGHTS):
        raise RevisitError(f"{path}: not an encoder; give the folder that holds {WEIGHTS} and {CARD}")
    from_hub = path.name == HUB_WEIGHTS or (path.is_dir() and is_from_hub(folder))
    file, about = (folder / HUB_WEIGHTS, folder / HUB_CARD) if from_hub else (folder / WEIGHTS, folder / CARD)
    card = read_json(about)
    if card.get("format") != FORMAT:
        raise RevisitError(f"{about}: format {card.get('format')!r}, this version reads {FORMAT}")
    if missing := sorted({"architecture", "fingerprint", "scaling"} - card.keys()):
        raise RevisitError(f"{about}: {missing} missing; pretrain again")
    encoder = build_encoder(card["architecture"])
    used = [encoder.bands[channel] for channel in encoder.channels(bands)]
    if scaling is not None and not rescale:
        check_scaling(folder, card["scaling"], scaling, used)
    check_weights(encoder.state_dict(), weights := read_safetensors(file), file)
    encoder.load_state_dict(weights, strict=True)
    expected, found = torch.tensor(card["fingerprint"]), torch.tensor(fingerprint(encoder))
    same = expected.shape == found.shape
    if not same or not (expected - found).norm() <= FINGERPRINT_TOLERANCE * expected.norm():
        raise RevisitError(
            f"{file}: its output on the test image is not the one on {about.name}; pretrain again"
        )
    if rescale:
        if scaling is None:
            raise RevisitError(f"{folder}: rescale needs the scaling of the images; give it")
        encoder.rescale(rescaling(folder, card["scaling"], scaling, used))
    encoder.card, encoder.origin = card, card.get("weights")
    return encoder.eval().to(device)


def is_from_hub(folder: Path) -> bool:
    """Whether a folder is one that ``revisit export --to hub`` wrote."""
    return (folder / HUB_WEIGHTS).is_file() and not (folder / WEIGHTS).is_file()


@torch.no_grad()
def fingerprint(encoder: Encoder) -> list[float]:
    """Eight numbers that change with the weights: projections of the features of a fixed image."""
    training = encoder.training
    side, count = encoder.image_pixels, len(encoder.bands)
    image = torch.sin(torch.arange(count * side * side).remainder(997) * 0.37).view(1, count, side, side)
    features = encoder.eval().pooled(image)[0].double()
    encoder.train(training)
    angles = torch.outer(torch.arange(1, 9), torch.arange(len(features))).double()
    marks: list[float] = (torch.cos(angles) @ features).tolist()
    return marks


def read_safetensors(file: Path) -> dict[str, Tensor]:
    """The weights of a file; raises RevisitError where there is none, or something else."""
    try:
        return load_file(file)
    except FileNotFoundError as error:
        raise RevisitError(f"{file}: no such file; pretrain this encoder first") from error
    except SafetensorError as error:
        raise RevisitError(f"{file}: not a safetensors file ({error}); pretrain again") from error


def check_weights(own: Mapping[str, Tensor], given: Mapping[str, Tensor], file: Path) -> None:
    """Raise RevisitError unless the names and shapes of ``given`` are exactly those of ``own``."""
    wrong = {
        "missing": own.keys() - given.keys(),
        "unknown": given.keys() - own.keys(),
        "of another shape": {n for n in own.keys() & given.keys() if own[n].shape != given[n].shape},
    }
    for what, names in wrong.items():
        if names:
            raise RevisitError(
                f"{file}: {len(names)} weights {what} ({', '.join(sorted(names)[:3])}, …); "
                f"they are not those of this architecture"
            )


def _class_of(architecture: Mapping[str, Any], where: str) -> Any:
    name = architecture.get("name")
    if not isinstance(name, str):
        raise RevisitError(f"{where}.name is missing; choose from {', '.join(parts.names('encoder'))}")
    return parts.find("encoder", name)
