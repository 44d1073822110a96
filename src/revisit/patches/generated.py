"""Images that a generator made of the samples of a collection, in a store beside it.

A Zarr group of two arrays, sample by sample as the collection has them: ``generated`` (time, band, y, x)
of the scale and type of the collection's images, and ``generated_date`` (time,), that of the images it was
made of. Its bands are called ``generated-vv`` and so on. One chunk is one sample, as in patch stores.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revisit.cube.scaling.scaled_values import dtype_of_all
from revisit.errors import RevisitError
from revisit.files import atomic, census, check_whole, read_json
from revisit.patches.batch import MISSING
from revisit.provenance import config_hash

GENERATED = "generated"  # the sensor of these bands, and the stage of the store


def generated_band(band: str) -> str:
    """What the generated images of a band are called."""
    return f"{GENERATED}-{band}"


def write_generated(
    path: Path,
    collection: Mapping[str, Any],
    bands: Sequence[str],
    dates: NDArray[np.int64],
    make: Callable[[NDArray[np.int64]], NDArray[Any]],
    attributes: Mapping[str, Any],
) -> None:
    """Write the images of ``bands`` that ``make`` gives of samples: (sample, band, y, x).

    ``collection``: attributes of its index. ``dates``: nanoseconds since 1970 (sample,). At most a shard is
    in memory.
    """
    import zarr  # a quarter of a second to load; readers do not need it

    from revisit.patches.writer import SHARD_BYTES

    samples, side = len(dates), collection["patch_pixels"]
    shape, dtype = (1, len(bands), side, side), dtype_of_all(collection["scaling"])
    shard = max(1, min(samples, SHARD_BYTES // (len(bands) * side**2 * dtype.itemsize)))
    with atomic(path) as aside:
        group = zarr.create_group(aside, zarr_format=3)
        images = group.create_array(
            GENERATED,
            shape=(samples, *shape),
            chunks=(1, *shape),
            shards=(shard, *shape),
            dtype=dtype,
            fill_value=MISSING,
            compressors=None,
            dimension_names=("sample", "time", "band", "y", "x"),
            config={"write_empty_chunks": True},  # a reader finds every sample in the file
        )
        for first in range(0, samples, shard):
            rows = np.arange(first, min(first + shard, samples))
            images[rows[0] : rows[-1] + 1] = make(rows)[:, None]
        group.create_array(
            f"{GENERATED}_date",
            data=dates[:, None],
            chunks=(samples, 1),
            compressors=None,
            dimension_names=("sample", "time"),
            attributes={"units": "nanoseconds since 1970-01-01"},
        )
        own = {"bands": [generated_band(band) for band in bands], "of": config_hash(collection)}
        group.attrs.update({"stage": GENERATED, **census(aside), **own, **attributes})


def read_generated(path: Path, collection: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a store of generated images.

    ``collection``: attributes of the index of the collection they should be of. Raises RevisitError where the
    store is none, is damaged, or was made of another collection.
    """
    attributes: dict[str, Any] = read_json(Path(path) / "zarr.json").get("attributes", {})
    if attributes.get("stage") != GENERATED:
        raise RevisitError(f"{path}: no store of generated images; run the stage generate")
    check_whole(path, attributes)
    if attributes["of"] != config_hash(collection):
        raise RevisitError(
            f"{path}: made of another collection, or of another state of it; run the stage generate again"
        )
    return attributes
