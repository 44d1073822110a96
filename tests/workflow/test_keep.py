"""Protects a study in little space: what it does not keep goes, changes no number, is remade if it must."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PASSING = "\nkeep: {scenes: false, raw: false, aligned: false}\n"
NORTH = "regions:\n  north: {bbox: [9.1000, 60.4001, 9.1400, 60.4200]}\n"
PATCHES = ("results/patches/pairs/index.json", "results/patches/yearly/index.json")


def left(folder) -> list[str]:
    """Intermediates that are there, of every kind."""
    results = folder / "results"
    patterns = ("scenes/*/*/*/clips", "scenes/*/*/*/fetched", "cubes/*/*/raw.zarr", "cubes/*/*/aligned.zarr")
    return [str(path.relative_to(results)) for pattern in patterns for path in results.glob(pattern)]


def numbers(folder: Path) -> dict[str, bytes]:
    """All that patch stores hold but their descriptions, which name the code that made them."""
    patches = folder / "results/patches"
    files = (path for path in patches.rglob("*") if path.is_file() and path.suffix != ".json")
    return {str(path.relative_to(patches)): path.read_bytes() for path in files if path.suffix != ".png"}


def test_what_is_not_kept_goes_and_nothing_else_changes(study, checkout):
    checkout.append("study.yaml", PASSING)
    checkout.snakemake(*PATCHES)
    assert numbers(checkout.folder) == numbers(study.folder)
    assert left(checkout.folder) == []
    assert (checkout.folder / "results/cubes/east/sentinel-2/shifts.csv").is_file()

    assert checkout.planned(*PATCHES) == {}
    checkout.append("src/revisit/patches/tally.py", "\nX = 1\n")
    assert set(checkout.planned(*PATCHES)) == {"tile", "index"}  # a late stage needs none of what is gone
    checkout.edit("src/revisit/patches/tally.py", "\nX = 1\n", "")

    checkout.edit("study.yaml", "regions:\n", NORTH)
    planned = checkout.planned(*PATCHES)
    assert planned["archive"] == planned["labels"] == 1
    assert planned["search"] == 3 and planned["download"] == 7
    assert planned["stack"] == planned["coregister"] == planned["scale"] == 2
    assert not {"moments", "limits"} & set(planned)
    checkout.edit("study.yaml", NORTH, "regions:\n")

    # One that needs it: remade, and gone again.
    sensor = "results/cubes/west/sentinel-1"
    checkout.snakemake(f"{sensor}/scaled.zarr", "--forcerun", "scale", "--rerun-triggers", "mtime")
    assert left(checkout.folder) == []


def test_keeping_less_or_more_reruns_nothing(restored):
    """A finished study is not made anew for it; `--delete-temp-output` frees the space."""
    restored.append("study.yaml", PASSING)
    assert restored.planned() == {}
