"""What tests share: where the real data lie."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real imagery and real STAC answers beside the project; skips where it is absent."""
    if not (SHARED / "real").is_dir():
        pytest.skip(f"no real data at {SHARED / 'real'}; the tests on real imagery need it")
    return SHARED
