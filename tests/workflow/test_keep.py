"""Protects a study in little space: what it does not keep goes, changes no number, is remade if it must."""

import pytest

pytestmark = pytest.mark.slow

PASSING = "\nkeep: {scenes: false, raw: false, aligned: false}\n"
NORTH = "regions:\n  north: {bbox: [9.1000, 60.4001, 9.1400, 60.4200]}\n"
IMAGERY = {"archive", "search", "download", "stack", "coregister", "moments", "scale", "labels", "tile"}


def left(folder) -> list[str]:
    """Intermediates that are there, of every kind."""
    results = folder / "results"
    patterns = ("scenes/*/*/*/clips", "scenes/*/*/*/fetched", "cubes/*/*/raw.zarr", "cubes/*/*/aligned.zarr")
    return [str(path.relative_to(results)) for pattern in patterns for path in results.glob(pattern)]


@pytest.mark.timeout(1500)
def test_what_is_not_kept_goes_and_nothing_else_changes(study, checkout):
    checkout.append("study.yaml", PASSING)
    checkout.snakemake()
    assert checkout.table() == study.table()
    assert left(checkout.folder) == []
    for name in ("tables/gains.csv", "figures/shifts.png", "cubes/east/sentinel-2/shifts.csv"):
        assert (checkout.folder / "results" / name).is_file()

    assert checkout.planned() == {}
    checkout.append("src/revisit/evaluation/outcome.py", "\nX = 1\n")
    assert not IMAGERY & set(checkout.planned())  # a late stage needs none of what is gone
    checkout.edit("src/revisit/evaluation/outcome.py", "\nX = 1\n", "")

    checkout.edit("study.yaml", "regions:\n", NORTH)
    planned = checkout.planned()
    assert planned["archive"] == planned["labels"] == 1
    assert planned["search"] == 3 and planned["download"] == 7
    assert planned["stack"] == planned["coregister"] == planned["scale"] == 2
    assert not {"moments", "limits"} & set(planned)
    checkout.snakemake("results/patches/yearly/index.json")
    assert left(checkout.folder) == []
    checkout.edit("study.yaml", NORTH, "regions:\n")

    # One that needs it: remade, and gone again.
    sensor = "results/cubes/west/sentinel-1"
    checkout.snakemake(f"{sensor}/scaled.zarr", "--forcerun", "scale", "--rerun-triggers", "mtime")
    assert left(checkout.folder) == []


def test_keeping_less_or_more_reruns_nothing(restored):
    """A finished study is not made anew for it; `--delete-temp-output` frees the space."""
    restored.append("study.yaml", PASSING)
    assert restored.planned() == {}
