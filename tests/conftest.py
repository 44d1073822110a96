"""What tests share: one thread a process, and where the real data lie."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from revisit.stage import CODECS

# Two cores shared by several processes: threads that wait for each other cost more than they bring.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.update(CODECS)

SHARED = Path(__file__).parents[2] / "shared"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of the real catalogues wait to be asked for."""
    if "network" in config.option.markexpr:
        return
    skip = pytest.mark.skip(reason="asks the real catalogues; run pytest -m network where there is internet")
    for item in items:
        if item.get_closest_marker("network"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real imagery and real STAC answers beside the project; skips where it is absent."""
    if not (SHARED / "real").is_dir():
        pytest.skip(f"no real data at {SHARED / 'real'}; the tests on real imagery need it")
    return SHARED


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, bytes]]:
    """The bytes of all files of a folder, by their paths in it."""
    return lambda folder: {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
