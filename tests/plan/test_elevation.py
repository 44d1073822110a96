"""Protects the plan of elevation: made where it is searched, and nothing to other studies."""

import copy
from types import SimpleNamespace

import pytest

from revisit.config.check import check
from revisit.errors import RevisitError
from revisit.plan.plan import Plan


@pytest.fixture(scope="module")
def with_dem(config):
    """The study with elevation, from a provider that has it."""
    return {**config, "provider": "planetary-computer", "search": {**config["search"], "dem": {}}}


@pytest.fixture(scope="module")
def elevated(with_dem):
    return Plan(check(with_dem))


def test_elevation_is_made_where_it_is_asked_for(elevated):
    """It is searched as a sensor is, and scaled; the years of collections are none of its business."""
    region = elevated.regions[0]
    here = SimpleNamespace(region=region)
    assert elevated.elevations(here) == [f"results/scenes/{region}/dem/2021/manifest.json"]
    assert elevated.elevation_clips(here) == [f"results/scenes/{region}/dem/2021/clips"]
    assert f"results/items/{region}/dem.json" in elevated.items()
    assert elevated.download(SimpleNamespace(region=region, sensor="dem"))["bands"] == ["elevation"]
    assert f"results/cubes/{region}/dem.png" in elevated.quicklooks()
    assert "dem" not in elevated.sensors
    scaled = [f"results/cubes/{region}/dem.zarr", "results/cubes/limits/dem.json"]
    assert elevated.elevation(here) == scaled
    moments = [f"results/cubes/{name}/dem-moments.json" for name in elevated.measured()]
    assert elevated.limiting(SimpleNamespace(sensor="dem")) == moments


def test_elevation_is_nothing_to_a_study_without_it(plan, elevated):
    """No job has other settings, and no input is added; with it, only those that cut patches have more."""
    here = SimpleNamespace(region=plan.regions[0])
    assert not [path for path in plan.quicklooks() if path.endswith("dem.png")]
    assert plan.elevation(here) == []
    for name in plan.config["collections"]:
        cut = SimpleNamespace(region=plan.regions[0], collection=name)
        assert plan.scaled(cut) == elevated.scaled(cut)
        assert plan.tile(cut) == elevated.tile(cut) and plan.index(cut) == elevated.index(cut)
    radar = SimpleNamespace(sensor="sentinel-1")
    assert plan.limiting(radar) == elevated.limiting(radar)
    assert plan.entries == elevated.entries


def test_a_modality_with_elevation_needs_its_search(plan, with_dem):
    """One line says so; with the search, the encoder has one band more."""
    entry, own = "3dmae-rm", copy.deepcopy(with_dem)
    own["pretraining"]["methods"] = {
        entry: own["pretraining"]["methods"][entry] | {"modalities": ["s1+s2+dem"]}
    }
    own["experiments"] = {}
    assert check(own)["entries"][entry]["parameters"] > plan.entries[entry]["parameters"]
    del own["search"]["dem"]
    refusal = rf"{entry}.modalities: modality 's1\+s2\+dem': no dem is stored, .*add it to search"
    with pytest.raises(RevisitError, match=refusal):
        check(own)


def test_the_simulated_earth_has_no_elevation(config):
    with pytest.raises(RevisitError, match="provider embedded: no sensor 'dem'"):
        check({**config, "search": {**config["search"], "dem": {}}})
