"""Protects the disk a study is given: what goes is counted while it is there, and no longer."""

from pathlib import Path

import pytest
import yaml

from revisit.config.check import check
from revisit.plan.forecast.imagery import imagery
from revisit.plan.forecast.space import fetched, peak, spaces
from revisit.plan.forecast.work import Work
from revisit.plan.plan import Plan

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def config():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def work(config, **changes) -> Work:
    plan = Plan(check({**config, **changes}))
    return Work(plan, imagery(plan))


def final(of: Work) -> float:
    return sum(space.stays for space in spaces(of).values())


def test_what_is_not_kept_is_there_for_a_while(config):
    """With limits of all regions their aligned cubes wait for each other; with pinned ones few are there."""
    kept = work(config)
    assert peak(kept, spaces(kept), 1) == pytest.approx(final(kept))
    passing = {"keep": {"scenes": False, "raw": False, "aligned": False}}
    pinned = work(config, **passing, cube={**config["cube"], "limits_from": ["plain"]})
    of_all = work(config, **passing, cube={**config["cube"], "limits_from": None})
    assert final(pinned) == pytest.approx(final(of_all), rel=1e-3) and final(pinned) < final(kept)
    peaks = [peak(one, spaces(one), 1) for one in (pinned, of_all, kept)]
    assert final(pinned) < peaks[0] < peaks[1] < peaks[2]
    assert peak(pinned, spaces(pinned), 64) == pytest.approx(peaks[2], rel=1e-3)  # every region at a time


def test_patches_of_floats_take_four_times_the_space(config):
    """But for masks and labels, of a byte a pixel either way; cubes, which are packed, a little less."""
    cube = config["cube"]
    eight, floats = (
        spaces(work(config, cube={**cube, "scaled_dtype": dtype})) for dtype in ("uint8", "float32")
    )
    assert 3 * eight["tile"].stays < floats["tile"].stays < 4 * eight["tile"].stays
    assert 2 * eight["scale"].stays < floats["scale"].stays < 3.5 * eight["scale"].stays


def test_only_what_comes_from_afar_is_a_download(config):
    assert fetched(work(config)) == (0, 0)
    remote = yaml.safe_load((ROOT / "workflow/presets/planetary-computer.yaml").read_text())
    remote["search"] = {
        "sentinel-2": {"years": [2018, 2019, 2020, 2021], "dates_per_year": 10},
        "sentinel-1": {"years": [2018, 2019, 2020, 2021], "dates_per_year": 5},
        "worldcover": {"years": [2020]},
    }
    of = work(remote)
    size, files = fetched(of)
    assert files == 4 * (10 * 11 + 5 * 2) + 1  # with the scene classification
    clips = spaces(of)["download"].stays
    assert clips < size < 2 * clips  # whole blocks, of which a region of 20 km needs most
