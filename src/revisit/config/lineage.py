"""The encoders that a pretraining starts from: of which entries, and of which shape, told at planning."""

from collections.abc import Mapping
from typing import Any

from revisit.config.study import Entry
from revisit.errors import RevisitError
from revisit.evaluation.checks import known
from revisit.patches.modality import bands_of


def parents_of(
    name: str, modality: str, entries: Mapping[str, Entry], collections: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Architectures of the encoders of one modality that the entry ``name`` starts from, in its order.

    ``collections``: of each ``bands`` by sensor and ``patch_pixels``. Raises RevisitError for a parent that
    is not defined, has no encoder of the modality, or descends from the entry itself.
    """
    where, found = f"pretraining.methods.{name}.parents", []
    for parent in entries[name].parents:
        known(parent, entries, where)
        if name in _line(parent, entries):
            raise RevisitError(f"{where}: {parent!r} starts from {name!r} in its turn; leave one of them out")
        own = entries[parent]
        if modality not in own.modalities:
            raise RevisitError(
                f"{where}: {parent!r} is pretrained on {', '.join(own.modalities)}, not on {modality!r}; "
                f"add it to pretraining.methods.{parent}.modalities"
            )
        known(own.collection, collections, f"pretraining.methods.{parent}.collection")
        of = collections[own.collection]
        side = own.method.get("crop_pixels") or of["patch_pixels"]
        bands = list(bands_of(modality, of["bands"]))
        found.append({**own.method.get("encoder", {}), "bands": bands, "image_pixels": side})
    return found


def _line(name: str, entries: Mapping[str, Entry]) -> set[str]:
    """The entry and all it descends from."""
    line, new = set[str](), {name}
    while new:
        line |= new
        new = {parent for one in new if one in entries for parent in entries[one].parents} - line
    return line
