"""The encoders that a pretraining starts from: of which entries, and of which shape, told at planning."""

from collections.abc import Mapping
from typing import Any

from revisit.config.study import Entry
from revisit.errors import RevisitError
from revisit.evaluation.checks import known
from revisit.patches.generated import generated_band
from revisit.patches.modality import bands_of


def parents_of(
    name: str, modality: str, entries: Mapping[str, Entry], collections: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Architectures of the encoders that the entry ``name`` of this modality starts from, in its order.

    A parent's encoder is that of the same modality, or of the only one it has. ``collections``: of each
    ``bands`` by sensor and ``patch_pixels``. Raises RevisitError for a parent that is not defined, has
    several encoders and none of the modality, or descends from the entry itself.
    """
    where, found = f"pretraining.methods.{name}.parents", []
    for parent in entries[name].parents:
        known(parent, entries, where)
        if name in _line(parent, entries):
            raise RevisitError(f"{where}: {parent!r} starts from {name!r} in its turn; leave one of them out")
        own = entries[parent]
        if modality not in own.modalities and len(own.modalities) > 1:
            raise RevisitError(
                f"{where}: {parent!r} is pretrained on {', '.join(own.modalities)}, not on {modality!r}; "
                f"add it to pretraining.methods.{parent}.modalities, or leave one there"
            )
        known(own.collection, collections, f"pretraining.methods.{parent}.collection")
        of = collections[own.collection]
        side = own.method.get("crop_pixels") or of["patch_pixels"]
        learnt = modality if modality in own.modalities else own.modalities[0]
        bands = list(bands_of(learnt, of["bands"]))
        found.append({**own.method.get("encoder", {}), "bands": bands, "image_pixels": side})
    return found


def check_generated(entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse parents that do not make the images an entry learns from.

    ``entries``: of each entry ``parents``, and the bands of images that its method ``generates`` or wants
    ``generated``.
    """
    for name, entry in entries.items():
        for parent in entry["parents"]:
            made = [generated_band(band) for band in entries[parent]["generates"]]
            if entry["generated"] and entry["generated"] != made:
                raise RevisitError(
                    f"pretraining.methods.{name}.parents: {parent!r} makes {', '.join(made) or 'no images'}, "
                    f"{name!r} learns from {', '.join(entry['generated'])}; name an entry that makes them, "
                    "such as one of pix2pix"
                )


def _line(name: str, entries: Mapping[str, Entry]) -> set[str]:
    """The entry and all it descends from."""
    line, new = set[str](), {name}
    while new:
        line |= new
        new = {parent for one in new if one in entries for parent in entries[one].parents} - line
    return line
