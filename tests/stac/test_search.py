"""The search stage: what is asked, what is kept, what is frozen, and what a user is told."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from revisit.errors import RevisitError
from revisit.job import Job
from revisit.record import read
from revisit.stac import search as stage_search
from revisit.stac.search import Search, Settings
from revisit.stage import run_file

Item = dict[str, Any]


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


def test_items_of_the_years_in_order(search, archive) -> None:
    """Only the configured years, by time, hrefs free of the server's passing address, no ageing links."""
    found = search("north", "sentinel-2", archive.settings, archive.folder)
    assert names(found) == sorted(names(found))
    assert len(found) == 6
    assert found[0]["assets"]["red"]["href"] == "served:///sentinel-2-l2a/S2A_31UFS_20190305/red.tif"
    assert all(item["links"] == [] for item in found)
    assert "127.0.0.1" not in json.dumps(found)
    only = search("north", "sentinel-2", {**archive.settings, "years": [2020]}, archive.folder)
    assert {name[10:14] for name in names(only)} == {"2020"}
    gap = search("north", "sentinel-2", {**archive.settings, "years": [2018, 2020]}, archive.folder)
    assert names(gap) == names(only)


def test_limits(search, archive) -> None:
    """Cloud cover, orbit and months narrow the search."""
    clear = search("north", "sentinel-2", {**archive.settings, "cloud_cover_max": 35}, archive.folder)
    assert len(clear) == 3
    radar = {**archive.settings, "bands": ["vv", "vh"]}
    up = search("north", "sentinel-1", {**radar, "orbit_state": "ascending"}, archive.folder)
    assert names(up) == ["S1A_20190401", "S1A_20200401"]
    spring = search("north", "sentinel-1", {**radar, "months": [3, 4, 5]}, archive.folder)
    assert names(spring) == names(up)


def test_orbits_of_either_sensor(search, archive) -> None:
    """By the property or, where a catalogue has none, by the product's name; of an unknown orbit is none."""
    items = archive.items()
    optical = [item for item in items if item["id"].startswith("S2A")]
    radar = [item for item in items if item["id"].startswith("S1A")]
    for item in optical[1:3]:
        del item["properties"]["sat:relative_orbit"]
    optical[1]["properties"]["s2:product_uri"] = "S2A_MSIL2A_20190605T103021_N0500_R008_T31UFS_x.SAFE"
    for number, item in enumerate(radar):
        item["properties"]["sat:relative_orbit"] = [37, 88][number % 2]
    archive.write(items)
    for orbits, expected in (([8], optical[1:2]), ([8, 51], [*optical[:2], *optical[3:]])):
        settings = {**archive.settings, "orbits": orbits}
        assert names(search("north", "sentinel-2", settings, archive.folder)) == names(expected)
    of_one = {**archive.settings, "bands": ["vv", "vh"], "orbits": [88], "orbit_state": "descending"}
    assert names(search("north", "sentinel-1", of_one, archive.folder)) == names(radar[1::2])
    with pytest.raises(RevisitError, match=r"'orbits': \[7\].*name other orbits"):
        search("north", "sentinel-1", {**of_one, "orbits": [7]}, archive.folder)


def test_a_map_of_a_year_without_a_moment(search, archive) -> None:
    """Items whose datetime is null belong to the year of their start."""
    settings = {**archive.settings, "years": [2020], "bands": ["map"]}
    assert names(search("north", "worldcover", settings, archive.folder)) == ["map_2020"]


def test_pages_are_joined(search, archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """More items than a page holds are all found."""
    monkeypatch.setattr(stage_search, "PAGE", 2)
    assert len(search("north", "sentinel-2", archive.settings, archive.folder)) == 6


@pytest.mark.parametrize("extension", ["query", "filter", "none"])
def test_apis_that_know_less(search, archive, monkeypatch: pytest.MonkeyPatch, extension: str) -> None:
    """With query, with CQL2 alone, or with neither: the same items, and never an ignored limit."""
    from revisit.stac.api import server

    known = [name for name in server.CONFORMANCE if not name.endswith(("#query", "#filter"))]
    known += [f"{server.STAC}/item-search#{extension}"]
    monkeypatch.setattr(server, "CONFORMANCE", known)
    sent: list[dict[str, Any]] = []
    conditions = stage_search._conditions
    monkeypatch.setattr(
        stage_search, "_conditions", lambda *given: sent.append(conditions(*given)) or sent[-1]
    )
    settings = {**archive.settings, "cloud_cover_max": 35}
    assert len(search("north", "sentinel-2", settings, archive.folder)) == 3
    assert (
        sent[0].keys() == {"query": {"query"}, "filter": {"filter", "filter_lang"}, "none": set()}[extension]
    )


def test_an_empty_search_says_what_was_asked(search, archive) -> None:
    """Region, collection, years, bbox and limits are in the one line, with what to change."""
    settings = {**archive.settings, "bbox": [10.5, 40.5, 11.5, 41.5], "cloud_cover_max": 5}
    with pytest.raises(RevisitError) as caught:
        search("north", "sentinel-2", settings, archive.folder)
    for word in (
        "north",
        "sentinel-2-l2a",
        "embedded",
        "2019",
        "[10.5, 40.5, 11.5, 41.5]",
        "'cloud_cover_max': 5.0",
        "widen",
    ):
        assert word in str(caught.value)


def test_a_box_with_longitude_and_latitude_exchanged_is_suspected(search, archive) -> None:
    """Exchanged, a box is often a good one elsewhere, which no check at planning can know to be wrong."""
    hint = r"or longitude and latitude are exchanged, and \[4.3, 51.2, 4.4, 51.3\] is meant"
    with pytest.raises(RevisitError, match=hint):
        search("north", "sentinel-2", {**archive.settings, "bbox": [51.2, 4.3, 51.3, 4.4]}, archive.folder)
    two_zones = {**archive.settings, "bbox": [51.2, 5.95, 51.3, 6.05]}
    with pytest.raises(RevisitError, match=r"\[5.95, 51.2, 6.05, 51.3\] is meant"):
        search("north", "sentinel-2", two_zones, archive.folder)
    for box in ([-100.0, 40.0, -99.9, 40.1], [85.0, 40.0, 85.1, 40.1]):  # no latitudes
        with pytest.raises(RevisitError) as caught:
            search("north", "sentinel-2", {**archive.settings, "bbox": box}, archive.folder)
        assert "exchanged" not in str(caught.value)


def test_items_to_skip(search, archive) -> None:
    """A scene that is known to be unusable is left out by its id."""
    known = names(search("north", "sentinel-2", archive.settings, archive.folder))
    settings = {**archive.settings, "skip": [known[2], "of another region"]}
    assert names(search("north", "sentinel-2", settings, archive.folder)) == known[:2] + known[3:]


def test_years_without_items_are_said(search, archive, caplog: pytest.LogCaptureFixture) -> None:
    """A year that has nothing is a warning, and the others go on."""
    with caplog.at_level("INFO", "revisit"):
        search("north", "sentinel-2", {**archive.settings, "years": [2018, 2019, 2020]}, archive.folder)
    assert "no items in 2018" in caplog.text
    assert "6 items (2018: 0, 2019: 3, 2020: 3)" in caplog.text


def test_missing_bands(search, archive, caplog: pytest.LogCaptureFixture) -> None:
    """Items without a band are named and left out; if none has it, that is an error with what there is."""
    items = archive.items()
    del next(item for item in items if item["id"] == "S1A_20190401")["assets"]["vh"]
    archive.write(items)
    found = search("north", "sentinel-1", {**archive.settings, "bands": ["vv", "vh"]}, archive.folder)
    assert "S1A_20190401" not in names(found)
    assert "item S1A_20190401 has no asset for band 'vh', only vv" in caplog.text
    with pytest.raises(RevisitError, match="no asset for band 'swir16', only blue, green, nir, red, scl"):
        search("north", "sentinel-2", {**archive.settings, "bands": ["swir16"]}, archive.folder)


def test_reprocessed_duplicates_are_dropped(search, archive) -> None:
    """The higher baseline of the same acquisition stays."""
    items = archive.items()
    again = {**items[0], "id": "reprocessed"}
    again["properties"] = {**again["properties"], "s2:processing_baseline": "05.00"}
    archive.write([*items, again])
    found = names(search("north", "sentinel-2", archive.settings, archive.folder))
    assert "reprocessed" in found
    assert items[0]["id"] not in found
    assert len(found) == 6


def test_a_whole_acquisition_wins_over_a_newer_one_that_lacks_a_band(search, archive) -> None:
    """Processed anew without one of its files, a scene must not take the old and whole one with it."""
    items = archive.items()
    again = {**items[0], "id": "reprocessed", "assets": {**items[0]["assets"]}}
    again["properties"] = {**again["properties"], "s2:processing_baseline": "05.00"}
    del again["assets"]["red"]
    archive.write([*items, again])
    found = names(search("north", "sentinel-2", archive.settings, archive.folder))
    assert found == names(items[:6])


def test_clouds_that_nobody_counted(search, archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Null or not stated, the scene is kept, as it may be clear; of several it is the last to be chosen."""
    from revisit.stac.api import server

    items = archive.items()
    items[0]["properties"]["eo:cloud_cover"] = None
    del items[1]["properties"]["eo:cloud_cover"]
    items[2]["properties"]["eo:cloud_cover"] = 100.0
    archive.write(items)
    only = {**archive.settings, "years": [2019]}
    assert names(search("north", "sentinel-2", {**only, "dates_per_year": 1}, archive.folder)) == names(
        items[2:3]
    )
    known = [name for name in server.CONFORMANCE if not name.endswith(("#query", "#filter"))]
    monkeypatch.setattr(server, "CONFORMANCE", known)
    found = search("north", "sentinel-2", {**only, "cloud_cover_max": 50}, archive.folder)
    assert names(found) == names(items[:2])


def test_a_folder_must_be_given(search, archive) -> None:
    """The embedded provider has no address of its own."""
    with pytest.raises(RevisitError, match="embedded: has no url and no folder"):
        search("north", "sentinel-2", archive.settings)


def test_the_folder_of_the_source_itself_is_searched(search, archive, tmp_path: Path) -> None:
    """A sensor taken from a provider with another folder than the job was given."""
    own = {
        "series": {"inherits": "embedded", "folder": str(archive.folder)},
        "mixed": {"inherits": "cdse", "sensors": {"sentinel-1": {"from": "series"}}},
    }
    settings = {**archive.settings, "provider": "mixed", "providers": own, "bands": ["vv", "vh"]}
    for folder in (None, tmp_path):
        assert len(search("north", "sentinel-1", settings, folder)) == 4


def test_the_job_writes_the_same_bytes_twice(archive, tmp_path: Path) -> None:
    """A rerun of the search gives the identical file, whatever port the server had."""
    settings = {key: archive.settings[key] for key in ("provider", "providers", "bbox", "years", "bands")}
    written = []
    for name in ("one.json", "two.json"):
        job = Job(
            "revisit.stac.search",
            {"region": "north", "sensor": "sentinel-2"},
            {"folder": [str(archive.folder)]},
            {"found": str(tmp_path / name)},
            settings,
        )
        job.write(tmp_path / "job.json")
        assert run_file(tmp_path / "job.json") == 0
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    assert len(json.loads(written[0])["features"]) == 6


def test_the_real_archive(search, shared: Path) -> None:
    """Twelve optical and ten radar dates of April 2023 over Belgium."""
    own = {
        "belgium": {
            "inherits": "embedded",
            "folder": str(shared / "real/archive"),
            "sensors": {
                "sentinel-1": {"collection": "sentinel-1-grd", "unit": "amplitude", "calibration_db": -83}
            },
        }
    }
    settings = {
        "provider": "belgium",
        "providers": own,
        "bbox": [5.052, 51.216, 5.06, 51.2212],
        "years": [2023],
    }
    optical = search("belgium", "sentinel-2", {**settings, "bands": ["red", "nir"]})
    radar = search("belgium", "sentinel-1", {**settings, "bands": ["vv", "vh"]})
    assert (len(optical), len(radar)) == (12, 10)


def test_dates_per_year_thin_the_series(search, archive, caplog: pytest.LogCaptureFixture) -> None:
    """The clearest dates of each year are frozen, and the log says how many were left out."""
    with caplog.at_level("INFO", "revisit"):
        found = search("north", "sentinel-2", {**archive.settings, "dates_per_year": 1}, archive.folder)
    assert names(found) == ["S2A_31UFS_20190305", "S2A_31UFS_20200305"]
    assert "2 items (2019: 1, 2020: 1)" in caplog.text and "4 by dates_per_year" in caplog.text


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({}, "search: names no sensor"),
        ({"sentinel-3": {"years": [2020]}}, "search: unknown key 'sentinel-3'; did you mean 'sentinel-"),
        ({"sentinel-2": {"years": []}}, r"search.sentinel-2.years: .*at least 1"),
        ({"sentinel-2": {}}, "search.sentinel-2.years is missing"),
        ({"sentinel-2": {"years": [2014, 2020]}}, "search.sentinel-2.years: there is no data of 2014"),
        (
            {"sentinel-1": {"years": [2013]}},
            "search.sentinel-1.years: there is no data of 2013",
        ),
        ({"sentinel-1": {"years": [date.today().year + 1]}}, f"only of 2014 to {date.today().year}"),
        ({"sentinel-1": {"years": [2020, 2020]}}, "search.sentinel-1.years: names one twice"),
        ({"worldcover": {"years": [2019]}}, "search.worldcover.years: .* only of 2020 to 2021"),
        ({"worldcover": {"years": [2022]}}, "search.worldcover.years: .* only of 2020 to 2021"),
        ({"sentinel-2": {"years": [2020], "months": [0]}}, r"search.sentinel-2.months.0: .*1, not 0"),
        ({"sentinel-2": {"years": [2020], "months": [4, 13]}}, r"search.sentinel-2.months.1: .*12, not 13"),
        ({"sentinel-2": {"years": [2020], "months": []}}, r"search.sentinel-2.months: .*at least 1"),
        ({"sentinel-2": {"years": [2020], "months": [4, 4]}}, "search.sentinel-2.months: names one twice"),
        ({"sentinel-2": {"years": [2020], "cloud_cover_max": 101}}, "cloud_cover_max: .*100, not 101"),
        ({"sentinel-2": {"years": [2020], "cloud_cover_max": -1}}, "cloud_cover_max: .*0, not -1"),
        ({"sentinel-1": {"years": [2020], "cloud_cover_max": 9}}, "unknown key 'cloud_cover_max'"),
        (
            {"sentinel-1": {"years": [2020], "orbit_state": "up"}},
            "orbit_state: .*'ascending' or",
        ),
        ({"sentinel-2": {"years": [2020], "orbit_state": "descending"}}, "unknown key 'orbit_state'"),
        ({"sentinel-2": {"years": [2020], "orbits": [144]}}, "search.sentinel-2.orbits.0: .*143, not 144"),
        ({"sentinel-1": {"years": [2020], "orbits": [88, 176]}}, "search.sentinel-1.orbits.1: .*175"),
        ({"sentinel-1": {"years": [2020], "orbits": []}}, "search.sentinel-1.orbits: .*at least 1"),
        ({"sentinel-1": {"years": [2020], "orbits": [88, 88]}}, "search.sentinel-1.orbits: names one twice"),
        ({"worldcover": {"years": [2020], "orbits": [88]}}, "search.worldcover: unknown key 'orbits'"),
        ({"sentinel-1": {"years": [2020], "dates_per_year": 0}}, "dates_per_year: .*1, not 0"),
        ({"worldcover": {"years": [2020], "months": [6]}}, "search.worldcover: unknown key 'months'"),
    ],
)
def test_what_cannot_be_searched_is_refused_at_planning(section: dict[str, Any], message: str) -> None:
    """One line that names the key, before a byte is fetched."""
    with pytest.raises(RevisitError, match=message) as caught:
        read(Search, section, "search")
    assert "\n" not in str(caught.value)


def test_the_section_reads_back_as_the_settings_of_each_search() -> None:
    """The plan merges a sensor's part of the section into a job: only sensors named, keys the stage knows."""
    optical = {"years": [2020], "months": [5], "cloud_cover_max": 70}
    section = {
        "sentinel-2": optical,
        "worldcover": {"years": [2021]},
    }
    content = json.loads(json.dumps(read(Search, section, "search").content()))
    assert content.keys() == section.keys()
    assert content["sentinel-2"] == {**optical, "dates_per_year": None, "orbits": None, "skip": []}
    for own in content.values():
        settings = read(
            Settings, {**own, "provider": "embedded", "bbox": [1, 2, 3, 4], "bands": ["x"]}, "search"
        )
        assert settings.years == own["years"]
