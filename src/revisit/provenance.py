"""Which settings and which code made a product: what its attributes say of them."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from revisit import __version__

PACKAGE = Path(__file__).parent


def config_hash(settings: Any) -> str:
    """Digest of settings, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


@cache
def code_version() -> str:
    """The package version, with a digest of the package's files as they are."""
    content = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        content.update(path.read_bytes())
    return f"{__version__}+{content.hexdigest()[:8]}"
