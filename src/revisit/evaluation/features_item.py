"""The STAC Item of a file of features: of which images by which encoder, where and when."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from revisit import __version__
from revisit.cube.degrees import bbox_and_geometry, unwrapped
from revisit.files import write_json
from revisit.patches.batch import NO_DATE
from revisit.patches.store import PatchStore
from revisit.provenance import code_version

EDGE = 0.002  # degrees around the centres of patches, about half a patch


def write_features_item(
    path: Path, store: PatchStore, modality: str, bands: Sequence[str], card: Mapping[str, Any]
) -> None:
    """Write the Item of the features at ``path`` beside it; ``card`` is the encoder's.

    Its outline is a box around the patches of each region, none where no place is known; its time that of
    their images, or the period that the set they were imported from says.
    """
    dates = store.dates(bands)
    seen = dates[dates != NO_DATE].astype("datetime64[ns]").astype("datetime64[ms]")
    if not len(seen):
        seen = np.array(store.attrs["period"], "datetime64[ms]")
    names = {
        "collection": store.attrs["collection"],
        "method": card["method"],
        "pretrained": card["modality"],
        "seed": card["seed"],
        "modality": modality,
    }
    content = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": ["https://stac-extensions.github.io/processing/v1.2.0/schema.json"],
        "id": "-".join(map(str, names.values())),
        **_placed(store.where()),
        "properties": {
            "datetime": None,
            "start_datetime": f"{seen.min()}Z",
            "end_datetime": f"{seen.max()}Z",
            "processing:lineage": "Pooled features of every patch by the encoder as it was pretrained.",
            "processing:software": {"revisit": __version__},
            "revisit:stage": "features",
            "revisit:code_version": code_version(),
            **{f"revisit:{key}": value for key, value in names.items()},
        },
        "assets": {
            "features": {
                "href": f"./{path.name}",
                "type": "application/octet-stream",
                "title": "NumPy archive: features, and place and split of every patch",
                "roles": ["data"],
            }
        },
        "links": [_derived_from(Path(cube), path.parent) for cube in store.attrs["source_cubes"]],
    }
    write_json(path.with_suffix(".json"), content)


def _placed(where: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """``bbox`` and ``geometry`` of the patches whose place is known; without any there is no box."""
    known = np.isfinite(where["longitude"])
    if not known.any():
        return {"geometry": None}
    return bbox_and_geometry(_outline({name: column[known] for name, column in where.items()}))


def _outline(where: Mapping[str, NDArray[Any]]) -> BaseGeometry:
    """A box around the patches of each region, degrees."""
    boxes = []
    for region in np.unique(where["region"]):
        own = where["region"] == region
        centres = np.column_stack([where["longitude"][own], where["latitude"][own]])
        around = unwrapped(shapely.multipoints(centres)).bounds
        boxes.append(shapely.box(*np.add(around, (-EDGE, -EDGE, EDGE, EDGE)).round(6)))
    outline: BaseGeometry = shapely.union_all(boxes)
    return outline


def _derived_from(cube: Path, folder: Path) -> dict[str, str]:
    """A link to the Item beside a cube."""
    href = Path(os.path.relpath(cube.with_suffix(".json"), folder)).as_posix()
    return {"rel": "derived_from", "href": href, "type": "application/geo+json"}
