"""Protects the number of scenes that a forecast rests on: as the search found them, else as is usual."""

import json
from pathlib import Path

import pytest
import yaml

from revisit.config.check import check
from revisit.plan.forecast.imagery import SENTINEL_1_PASSES, SENTINEL_2_PASSES, imagery
from revisit.plan.plan import Plan

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def remote():
    return check(yaml.safe_load((ROOT / "workflow/presets/planetary-computer.yaml").read_text()))


def years(checked, **search) -> dict[str, float]:
    """Dates of the last year of each sensor, its search changed."""
    changed = json.loads(json.dumps(checked))
    unlimited = {"months": None, "dates_per_year": None, "orbits": None}
    for sensor, limits in changed["config"]["search"].items():
        limits |= {"orbit_state": None} if sensor == "sentinel-1" else {"cloud_cover_max": None}
        limits |= {**unlimited, **search.get(sensor.replace("-", "_"), {})}
    return {one.sensor: one.dates for one in imagery(Plan(changed))}


def test_limits_of_a_search_make_fewer_scenes(remote):
    """Each limit as it says, and the cap on dates last."""
    every = years(remote)
    assert every == {
        "sentinel-1": 2 * SENTINEL_1_PASSES, "sentinel-2": SENTINEL_2_PASSES, "worldcover": 1,
    }  # fmt: skip
    one_state = years(remote, sentinel_1={"orbit_state": "ascending"})
    assert one_state["sentinel-1"] == SENTINEL_1_PASSES
    orbits = years(remote, sentinel_1={"orbits": [88]}, sentinel_2={"orbits": [8, 51]})
    assert (orbits["sentinel-1"], orbits["sentinel-2"]) == (SENTINEL_1_PASSES, 2 * SENTINEL_2_PASSES)
    summer = years(remote, sentinel_2={"months": [6, 7, 8], "cloud_cover_max": 50})
    assert summer["sentinel-2"] == pytest.approx(SENTINEL_2_PASSES / 4 / 2)
    capped = years(remote, sentinel_2={"months": [6, 7, 8], "dates_per_year": 5})
    assert capped["sentinel-2"] == 5


def test_what_was_found_counts(tmp_path, monkeypatch):
    """Two tiles of a pass are two scenes of one date."""
    monkeypatch.chdir(tmp_path)
    plan = Plan(check(yaml.safe_load((ROOT / "config.yaml").read_text())))
    assert not any(one.found for one in imagery(plan))
    # Twice simulated: of each date there is a scene of either tile.
    simulated = next(one for one in imagery(plan) if (one.region, one.sensor) == ("plain", "sentinel-2"))
    assert (simulated.scenes, simulated.dates) == (7, 3.5)
    features = [
        {"id": f"{day}{tile}", "properties": {"datetime": f"2020-{day}T10:30:21Z", "sat:relative_orbit": 51}}
        for day in ("03-05", "06-05")
        for tile in "AB"
    ]
    path = tmp_path / "results/items/plain/sentinel-2.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"features": features}))
    found = {one.year: one for one in imagery(plan) if (one.region, one.sensor) == ("plain", "sentinel-2")}
    assert (found[2020].scenes, found[2020].dates, found[2020].found) == (4, 2, True)
    assert (found[2021].scenes, found[2021].dates) == (0, 0)
