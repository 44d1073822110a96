"""revisit: from a STAC search to a table of evaluated models.

Stages are imported by their own path (``revisit.cube.stacking.stack``); only what a user of the
results needs is reachable from here, and loaded when first asked for.
"""

import warnings
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Snakemake keeps a time stamp in folders it made; zarr wonders about it.
warnings.filterwarnings("ignore", message=r"Object at \.snakemake_timestamp")

_PUBLIC = {"load_encoder": "revisit.nets.load_save", "open_cube": "revisit.cube.contract"}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'revisit' has no attribute {name!r}")
