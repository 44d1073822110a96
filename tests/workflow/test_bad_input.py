"""Protects the user's time: what cannot work is said in one clear line, and the exit is non-zero."""

import pytest

MISTAKES = [
    ("seed: 1", "sed: 1", "--dry-run", "config: unknown key 'sed' in the top level; did you mean 'seed'?"),
    (
        "clip_sigma: 3",
        "clip_sigma: three",
        "--dry-run",
        "config: cube.clip_sigma: 'three' is not of type 'number'",
    ),
    ("provider: embedded", "provider: embeded", "--dry-run", "did you mean 'embedded'?"),
]


@pytest.mark.parametrize(("old", "new", "target", "message"), MISTAKES)
def test_a_mistake_in_the_config_is_named_before_anything_runs(checkout, old, new, target, message):
    checkout.edit("study.yaml", old, new)
    run = checkout.start(target)
    assert run.wait() != 0
    lines = [line for line in checkout.log.read_text().splitlines() if message in line]
    assert len(lines) == 1
    assert not (checkout.folder / "results").exists()


UNREACHABLE = """provider: nowhere

providers:
  nowhere: {inherits: earth-search, url: "http://127.0.0.1:9/v1"}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "target", "message"),
    [
        (
            "provider: embedded\n",
            UNREACHABLE,
            "results/items/east/sentinel-2.json",
            "http://127.0.0.1:9/v1 did not answer",
        ),
        (
            "east: {bbox: [9.1000, 48.4001, 9.1334, 48.4225]}",
            "east: {bbox: [5.9900, 48.4001, 6.0234, 48.4225]}",
            "results/cubes/east/sentinel-2/raw.zarr",
            "epsg",
        ),
        (
            "cloud_cover_max: 90",
            "cloud_cover_max: 0",
            "results/items/east/sentinel-2.json",
            "error: ",
        ),
    ],
    ids=["unreachable catalogue", "two UTM zones", "empty search"],
)
def test_a_stage_says_what_is_wrong_in_one_line(checkout, old, new, target, message):
    checkout.edit("study.yaml", old, new)
    run = checkout.start(target)
    assert run.wait() != 0
    text = checkout.log.read_text()
    errors = [line for line in text.splitlines() if " error: " in line]
    assert len(errors) == 1 and message in errors[0], text[-4000:]
    assert "Traceback" not in text
    assert not (checkout.folder / target).exists()
