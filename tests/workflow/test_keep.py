"""Protects a study in little space: what it does not keep goes, changes no number, is remade if it must.

The study under other names keeps neither scenes nor raw and aligned cubes.
"""

from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PASSING = "\nkeep: {scenes: false, raw: false, aligned: false}\n"
NORTH = "regions:\n  north: {bbox: [9.1000, 60.4001, 9.1400, 60.4200]}\n"


def left(folder: Path) -> list[str]:
    """Intermediates that are there, of every kind."""
    results = folder / "results"
    patterns = ("scenes/*/*/*/clips", "scenes/*/*/*/fetched", "cubes/*/*/raw.zarr", "cubes/*/*/aligned.zarr")
    return [str(path.relative_to(results)) for pattern in patterns for path in results.glob(pattern)]


def numbers(folder: Path) -> dict[str, bytes]:
    """What scaled cubes and patch stores hold but their descriptions, which name the code that made them."""
    results = folder / "results"
    every = (path for part in ("cubes", "patches") for path in (results / part).glob("**/*.zarr/**/*"))
    files = (path for path in every if path.is_file() and path.suffix != ".json")
    kept = (path for path in files if not {"raw.zarr", "aligned.zarr"} & set(path.parts))
    return {str(path.relative_to(results)): path.read_bytes() for path in kept}


def test_what_is_not_kept_goes_and_nothing_else_changes(study, renamed, names):
    found = {names.back(path): content for path, content in numbers(renamed.folder).items()}
    assert found == numbers(study.folder) and len(found) > 100
    assert left(renamed.folder) == [] and len(left(study.folder)) == 36
    for sensor in ("sentinel-1", "sentinel-2"):
        assert (renamed.folder / f"results/cubes/{names.new['east']}/{sensor}/shifts.csv").is_file()


def test_what_is_gone_is_missed_only_by_what_reads_it(renamed, names, tmp_path):
    checkout = renamed.copy(tmp_path / "copy")
    patches = [f"results/patches/{names.new[name]}/index.json" for name in ("pairs", "yearly")]
    assert checkout.planned() == {}
    checkout.append("src/revisit/patches/tally.py", "\nX = 1\n")
    assert set(checkout.planned(*patches)) == {"tile", "index"}  # a late stage needs none of what is gone
    checkout.edit("src/revisit/patches/tally.py", "\nX = 1\n", "")

    checkout.edit("study.yaml", "regions:\n", NORTH)
    planned = checkout.planned(*patches)
    assert planned["archive"] == planned["labels"] == 1
    assert planned["search"] == 3 and planned["download"] == 7
    assert planned["stack"] == planned["coregister"] == planned["scale"] == 2
    assert not {"moments", "limits"} & set(planned)
    checkout.edit("study.yaml", NORTH, "regions:\n")

    # One that needs it: remade, the same, and gone again.
    cube = f"results/cubes/{names.new['west']}/sentinel-1/scaled.zarr"
    checkout.snakemake(cube, "--forcerun", "scale", "--rerun-triggers", "mtime")
    assert numbers(checkout.folder) == numbers(renamed.folder)
    assert left(checkout.folder) == []


def test_keeping_less_or_more_reruns_nothing(restored):
    """A finished study is not made anew for it; `--delete-temp-output` frees the space."""
    restored.append("study.yaml", PASSING)
    assert restored.planned() == {}
