"""What a pretraining wants of the entries it starts from, checked before anything runs."""

from collections.abc import Mapping
from typing import Any

from revisit.errors import RevisitError
from revisit.patches.generated import generated_band


def check_parents(entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse parents without an encoder for an entry, and those that do not make the images it learns from.

    ``entries``: of each entry ``parents``, ``modalities``, and the bands of images that its method
    ``generates`` or wants ``generated``.
    """
    for name, entry in entries.items():
        where = f"pretraining.methods.{name}.parents"
        for parent in entry["parents"]:
            own = entries[parent]["modalities"]
            if len(own) > 1 and (missing := [one for one in entry["modalities"] if one not in own]):
                raise RevisitError(
                    f"{where}: {parent!r} is pretrained on {', '.join(own)}, not on {missing[0]}; add it "
                    "there, or leave one"
                )
            made = [generated_band(band) for band in entries[parent]["generates"]]
            if entry["generated"] and entry["generated"] != made:
                raise RevisitError(
                    f"{where}: {parent!r} makes {', '.join(made) or 'no images'}, {name!r} learns from "
                    f"{', '.join(entry['generated'])}; name an entry that makes them, such as one of pix2pix"
                )
