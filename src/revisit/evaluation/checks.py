"""What tasks refuse at planning: names that point nowhere, and encoders that cannot take the images."""

import difflib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from revisit import parts
from revisit.cube.labels.legend import Legend
from revisit.errors import RevisitError
from revisit.evaluation.probes.probe import Probe
from revisit.patches.modality import bands_of
from revisit.record import Record

Entries = Mapping[str, Mapping[str, Any]]
MAY_BE_EMPTY = ("layouts", "floors", "label_counts")


@contextmanager
def at(key: str) -> Iterator[None]:
    """Name the key of the config in front of an error raised inside."""
    try:
        yield
    except RevisitError as error:
        raise RevisitError(f"{key}: {error}") from None


def known(name: str, names: Collection[str], key: str) -> None:
    """Raise RevisitError unless ``name`` is one of ``names``."""
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise RevisitError(f"{key}: {name!r} is not defined, there is {', '.join(sorted(names))}{hint}")


def each_once(values: Sequence[Any], key: str) -> None:
    """Raise RevisitError where a list is empty or says something twice."""
    if not values:
        raise RevisitError(f"{key}: is empty; give at least one")
    if twice := [value for number, value in enumerate(values) if value in values[:number]]:
        raise RevisitError(f"{key}: {twice[0]!r} is given twice; give each once")


def collection_of(name: str, kinds: Collection[str], collections: Entries, where: str) -> Mapping[str, Any]:
    """The collection of an experiment; raises RevisitError unless it is of a kind the task can take."""
    known(name, collections, f"{where}.collection")
    kind = collections[name]["kind"]
    if kind not in kinds:
        raise RevisitError(
            f"{where}.collection: {name!r} is of the kind {kind!r}; "
            f"this task needs one of the kind {' or '.join(kinds)}"
        )
    return collections[name]


def legend_of(collection: Mapping[str, Any], key: str) -> Legend:
    """The legend of a collection's labels; raises RevisitError where it has none."""
    if collection["legend"] is None:
        raise RevisitError(
            f"{key}: none of its regions has labels; search for a map, such as worldcover, or give "
            "labels.files"
        )
    return Legend.of(collection["legend"])


def pretrained_entry(entry: str, modality: str, pretraining: Entries, entry_key: str, key: str) -> None:
    """Raise RevisitError unless there is such a pretraining entry, run on this modality."""
    known(entry, pretraining, entry_key)
    modalities = pretraining[entry]["modalities"]
    if modality not in modalities:
        raise RevisitError(
            f"{key}: {entry!r} is not pretrained on {modality!r}, only on {', '.join(modalities)}; "
            f"add it to pretraining.methods.{entry}.modalities"
        )


def pretrained_for(pretraining: Mapping[str, Any], modality: str) -> str | None:
    """The modality of the encoder of an entry that sees ``modality``: the same, or one of more sensors."""
    modalities, sensors = pretraining["modalities"], set(modality.split("+"))
    wider = [one for one in modalities if sensors < set(one.split("+"))]
    return modality if modality in modalities else next(iter(wider), None)


def serving(pretraining: Mapping[str, Any], modality: str) -> str:
    """The modality of the encoder of an entry from which a network takes one of ``modality``.

    It is the same, unless the entry was pretrained on several sensors alone, by encoders side by side.
    """
    from revisit.nets.load_save import check_architecture

    modalities, sensors = pretraining["modalities"], set(modality.split("+"))
    wider = [one for one in modalities if sensors < set(one.split("+"))]
    if modality in modalities or not wider or not check_architecture(shape_of(pretraining)).inner():
        return modality
    return str(wider[0])


def shape_serving(
    pretraining: Mapping[str, Any], modality: str, collections: Entries, key: str
) -> dict[str, Any]:
    """The architecture of the encoder that a network takes of an entry for ``modality``: see ``serving``."""
    from revisit.nets.load_save import check_architecture

    shape, source = shape_of(pretraining), serving(pretraining, modality)
    if source == modality:
        return shape
    stored, settings = collections[pretraining["collection"]]["bands"], check_architecture(shape)
    with at(key):
        shares = settings.divide(bands_of(source, stored))
        if (wanted := list(bands_of(modality, stored))) not in shares:
            raise RevisitError(f"no part of the encoder takes {wanted} and nothing else, but {shares}")
    size = {"image_pixels": shape["image_pixels"]} if "image_pixels" in shape else {}
    return {**settings.inner()[shares.index(wanted)], **size}


def part(sort: str, name: str, key: str) -> Any:
    """The part of that name; raises RevisitError, with the key of the config, where there is none."""
    with at(key):
        return parts.find(sort, name)


def learner(name: str, key: str) -> str:
    """The sort of a part that learns labels: a probe of frozen features, or a protocol."""
    if ":" in name:
        return "probe" if issubclass(part("protocol", name, key), Probe) else "protocol"
    if name in parts.names("probe"):
        return "probe"
    if name not in (protocols := parts.names("protocol")):
        known(name, [*protocols, *parts.names("probe")], key)
    return "protocol"


def shape_of(pretraining: Mapping[str, Any]) -> dict[str, Any]:
    """The architecture of an entry's encoder; with ``image_pixels`` where its method trains on crops."""
    method = pretraining["method"]
    crop = method.get("crop_pixels")
    return {**method["encoder"], **({"image_pixels": crop} if crop else {})}


def is_trained(pretraining: Mapping[str, Any]) -> bool:
    """Whether the encoder of an entry has learnt anything, here or elsewhere."""
    method = parts.find("method", pretraining["method"]["name"])
    return not method.baseline or bool(method.weights_of)


def lists_each_once(settings: Record, where: str) -> None:
    """Raise RevisitError where a list of the settings repeats itself, or is empty (but ``MAY_BE_EMPTY``)."""
    for key, value in settings.content().items():
        if isinstance(value, list) and (value or key not in MAY_BE_EMPTY):
            each_once(value, f"{where}.{key}")


def enough_labels(counts: Sequence[int], collection: Mapping[str, Any], where: str) -> None:
    """Raise RevisitError where more labelled samples are asked for than the training part can hold."""
    most = collection["most_training_samples"]
    if counts and max(counts) > most:
        raise RevisitError(
            f"{where}.label_counts: {max(counts)} is more than the training part can hold, at most {most} "
            "samples; lower it, or add regions to the collection"
        )


def takes(
    pretraining: Mapping[str, Any],
    modality: str,
    seen: str,
    collections: Entries,
    collection: Mapping[str, Any],
    key: str,
) -> None:
    """Raise RevisitError unless an entry's encoder of ``modality`` takes images of the modality ``seen``.

    It is tried on torch's ``meta`` device: no weight is drawn, no number computed.
    """
    with at(key):
        own = collections[pretraining["collection"]]
        bands = bands_of(modality, own["bands"])
        shape = {"image_pixels": own["patch_pixels"], **shape_of(pretraining), "bands": bands}
        _try(json.dumps(shape), bands_of(seen, collection["bands"]), collection["patch_pixels"])


@cache
def _try(shape: str, bands: tuple[str, ...], side: int) -> None:
    import torch

    from revisit.nets.compiler import compiler_left_out
    from revisit.nets.load_save import build_encoder

    with compiler_left_out(), torch.device("meta"), torch.inference_mode():
        build_encoder(json.loads(shape)).eval().pooled(torch.zeros(1, len(bands), side, side), bands)
