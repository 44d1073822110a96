"""The download stage: true numbers, resumption, and scenes that cannot be had."""

import fcntl
import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from revisit.cube.contract import open_cube
from revisit.cube.labels import labels
from revisit.errors import RevisitError
from revisit.files import sha256
from revisit.job import Job
from revisit.record import read
from revisit.stac import download as stage_download
from revisit.stac.api.server import serve
from revisit.stac.slots import slot
from revisit.stage import run_file


def opened(path: Path) -> tuple[np.ndarray, Any]:
    with rasterio.open(path) as file:
        return file.read(1), file.profile


def test_manifest_and_clips(fetch, archive) -> None:
    """Each scene of the year with its bands, units and offsets; the numbers are those of the archive."""
    manifest = fetch()
    assert [scene["id"][10:] for scene in manifest["scenes"]] == ["20200305", "20200605", "20200905"]
    assert (manifest["region"], manifest["sensor"], manifest["year"]) == ("north", "sentinel-2", 2020)
    assert manifest["provider"] == "embedded"
    scene = manifest["scenes"][0]
    assert scene["datetime"] == "2020-03-05T10:30:21Z"
    assert (scene["platform"], scene["relative_orbit"], scene["tile"]) == ("sentinel-2a", 51, "31UFS")
    assert (scene["processing_baseline"], scene["offset_rule"]) == ("05.00", "as the item states")
    red = scene["bands"]["red"]
    assert (red["unit"], red["scale"], red["offset"], red["nodata"]) == ("reflectance", 0.0001, -0.1, 0)
    assert scene["bands"]["scl"]["unit"] == "class"
    file = fetch.folder / red["path"]
    assert (red["bytes"], red["sha256"]) == (file.stat().st_size, sha256(file))
    data, profile = opened(file)
    whole, grid = opened(archive.folder / red["source"].removeprefix("served:///"))
    column = round((profile["transform"].c - grid["transform"].c) / 10)
    row = round((grid["transform"].f - profile["transform"].f) / 10)
    np.testing.assert_array_equal(data, whole[row : row + data.shape[0], column : column + data.shape[1]])
    assert data.shape < whole.shape
    assert profile["crs"].to_epsg() == 32631


def test_items_beside_the_clips(fetch) -> None:
    """STAC items whose hrefs and grids are those of the clips."""
    fetch()
    items = json.loads((fetch.folder / "items.json").read_text())["features"]
    assert len(items) == 3
    asset = items[0]["assets"]["red"]
    data, profile = opened(fetch.folder / asset["href"])
    assert asset["proj:shape"] == list(data.shape)
    assert asset["proj:transform"] == list(profile["transform"])[:6]
    assert asset["raster:bands"][0]["offset"] == -0.1


def test_radar_and_land_cover(fetch) -> None:
    """Linear power in float32; classes on a grid of degrees; a period without a moment."""
    radar = fetch("sentinel-1")
    band = radar["scenes"][0]["bands"]["vv"]
    assert (band["unit"], band["dtype"], band["nodata"]) == ("linear power", "float32", -32768)
    cover = fetch("worldcover", years=[2020])
    band = cover["scenes"][0]["bands"]["map"]
    assert (band["unit"], band["nodata"]) == ("class", 0)
    assert opened(fetch.folder / band["path"])[1]["crs"].to_epsg() == 4326


def test_no_data_of_a_map_is_the_number_its_provider_says(fetch, archive, tmp_path: Path) -> None:
    """Of Dynamic World 0 is water, and files state nothing; where its provider does neither, 0 is none."""
    path = next(archive.folder.glob("esa-worldcover/*.tif"))
    codes, profile = opened(path)
    with rasterio.open(path, "w", **{**profile, "nodata": None}) as file:
        file.write((codes != 80).astype("uint8"), 1)
    legend = {"title": "", "classes": [{"code": 1, "name": "Water", "values": [0]}]}
    legend["classes"].append({"code": 2, "name": "Trees", "values": [1]})
    about = {"bbox": archive.bbox, "resolution_m": 10, "source": "land-cover", "legend": legend}

    def labelled(**stated: float) -> set[int]:
        sensor = {"collection": "esa-worldcover", "unit": "class", "assets": {"map": "map"}, **stated}
        own = {"own": {"folder": str(archive.folder), "sensors": {"worldcover": sensor}}}
        fetch("worldcover", years=[2020], provider="own", providers=own)
        settings = read(labels.Settings, about, "labels")
        labels.label([fetch.folder / "manifest.json"], tmp_path / "labels", region="north", settings=settings)
        return set(np.unique(open_cube(tmp_path / "labels")["land_cover"]).tolist())

    assert labelled(nodata=255) == {1, 2}
    for stated in ({}, {"nodata": 0}):
        with pytest.raises(
            RevisitError, match=r"0 is no data by the file, and 'Water' .* nodata in providers"
        ):
            labelled(**stated)


def test_no_data_of_a_scene_classification_is_0_whatever_the_bands_have(fetch, archive) -> None:
    for item in (items := archive.items()):
        for asset in item["assets"].values():
            asset.pop("raster:bands", None)
    archive.write(items)
    for path in archive.folder.glob("sentinel-2-l2a/*/*.tif"):
        with rasterio.open(path, "r+") as file:
            file.nodata = None
    own = {"own": {"inherits": "embedded", "sensors": {"sentinel-2": {"nodata": 7}}}}
    bands = fetch(provider="own", providers=own)["scenes"][0]["bands"]
    assert (bands["red"]["nodata"], bands["scl"]["nodata"]) == (7, 0)


def test_two_runs_give_the_same_bytes(fetch) -> None:
    """Threads end in any order; nothing that is written shows it."""

    def digests() -> dict[str, str]:
        files = sorted(path for path in fetch.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(fetch.folder)): sha256(path) for path in files}

    fetch()
    first = digests()
    for path in fetch.folder.rglob("*.tif"):
        path.unlink()
    fetch(workers=1)
    assert digests() == first


def test_only_what_is_missing_is_fetched(fetch, archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a deletion or damage, those clips and no others are fetched again."""
    manifest = fetch()
    paths = [fetch.folder / manifest["scenes"][0]["bands"][band]["path"] for band in ("red", "blue")]
    paths[0].unlink()
    paths[1].write_bytes(b"damaged")
    fetched: list[Path] = []
    read = stage_download.fetch
    monkeypatch.setattr(stage_download, "fetch", lambda *given: fetched.append(given[2]) or read(*given))
    assert fetch() == manifest
    assert sorted(fetched) == sorted(path.resolve() for path in paths)
    fetched.clear()
    assert fetch() == manifest
    assert fetched == []
    fetch(bbox=[value + 0.0005 for value in archive.bbox])
    assert len(fetched) == 9


def test_clips_stay_where_snakemake_removes_what_it_knows(fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    """It removes a job's outputs before each run: what was fetched must outlive that."""
    manifest = fetch()
    clips = fetch.folder / "clips"
    assert clips.is_symlink()
    clips.unlink()
    monkeypatch.setattr(stage_download, "fetch", None)
    assert fetch() == manifest
    assert all(
        (fetch.folder / band["path"]).is_file()
        for scene in manifest["scenes"]
        for band in scene["bands"].values()
    )


def test_clips_not_to_be_kept_lie_in_the_one_folder_that_is_removed(fetch) -> None:
    manifest = fetch(keep=False)
    assert manifest == fetch(keep=True) == fetch(keep=False)
    clips = fetch.folder / "clips"
    assert clips.is_dir() and not clips.is_symlink()
    shutil.rmtree(clips)
    assert sorted(path.name for path in fetch.folder.iterdir()) == ["items.json", "manifest.json"]
    assert fetch(keep=False) == manifest


def test_an_interruption_loses_nothing(fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was fetched before the run was killed is not fetched again."""
    read, calls = stage_download.fetch, []

    def dies(*given: Any) -> Any:
        calls.append(given[2])
        if len(calls) == 4:
            raise KeyboardInterrupt
        return read(*given)

    monkeypatch.setattr(stage_download, "fetch", dies)
    with pytest.raises(KeyboardInterrupt):
        fetch(workers=1)
    assert not (fetch.folder / "manifest.json").exists()
    calls[:] = [None] * 4
    assert len(fetch(workers=1)["scenes"]) == 3
    assert len(calls) - 4 == 6


def rewrite(folder: Path, value: int) -> list[Path]:
    """Every red file of a folder rewritten in place, full of one number; returns the files."""
    paths = sorted((folder / "sentinel-2-l2a").glob("*/red.tif"))
    for path in paths:
        with rasterio.open(path, "r+") as file:
            file.write(np.full((96, 96), value, "uint16"), 1)
    return paths


def red_of(fetch: Any, manifest: dict[str, Any]) -> set[int]:
    """The numbers of all red clips."""
    paths = [fetch.folder / scene["bands"]["red"]["path"] for scene in manifest["scenes"]]
    return set(np.unique([opened(path)[0] for path in paths]))


def test_clips_of_an_earlier_archive_are_not_taken_up(fetch, archive, caplog) -> None:
    """A folder built anew has the same addresses and other pixels: what has changed is fetched again."""
    fetch()
    rewrite(archive.folder, 3456)
    with caplog.at_level("INFO", "revisit"):
        assert red_of(fetch, fetch()) == {3456}
    assert "6 of 9 clips are there already" in caplog.text


def test_a_file_of_the_same_size_is_told_apart_by_its_time(fetch, archive) -> None:
    """Two builds may agree in size to the byte."""
    size = {path.stat().st_size for path in rewrite(archive.folder, 3456)}
    fetch()
    paths = rewrite(archive.folder, 3457)
    for number, path in enumerate(paths):
        os.utime(path, ns=(number, number))
    assert {path.stat().st_size for path in paths} == size
    assert red_of(fetch, fetch()) == {3457}


def test_a_folder_elsewhere_is_another_archive(
    fetch, archive, search, download, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A provider's folder pointed at another place, with the same addresses, files and times in it."""
    fetched: list[Path] = []
    read = stage_download.fetch
    monkeypatch.setattr(stage_download, "fetch", lambda *given: fetched.append(given[2]) or read(*given))
    shutil.copytree(archive.folder, tmp_path / "copy")
    counts = []
    for folder in (archive.folder, archive.folder, tmp_path / "copy"):
        fetched.clear()
        own = {"mine": {"inherits": "embedded", "folder": str(folder)}}
        settings = {**archive.settings, "provider": "mine", "providers": own}
        items = search("north", "sentinel-2", settings)
        download(items, "north", "sentinel-2", 2020, tmp_path / "out/manifest.json", settings)
        counts.append(len(fetched))
    assert counts == [9, 0, 9]


def test_a_journal_of_another_layout_is_no_hindrance(fetch) -> None:
    """Lines that lack what is asked of them now: their clips are fetched again, and nothing fails."""
    manifest = fetch()
    path = fetch.folder / "fetched/journal.jsonl"
    header, *lines = map(json.loads, path.read_text().splitlines())
    del lines[0]["source"], lines[1]["path"]
    path.write_text("".join(json.dumps(line) + "\n" for line in [header, *lines]))
    assert fetch() == manifest
    assert len(path.read_text().splitlines()) == 10


def test_a_remote_file_is_known_by_its_address(archive, search, download, tmp_path: Path) -> None:
    """Of a remote provider there is no file to look at: what was fetched stays valid under its address."""
    found = search("north", "sentinel-2", archive.settings, archive.folder)
    with serve([archive.folder]) as url:
        own = {"remote": {"inherits": "embedded", "url": url}}
        settings = {**archive.settings, "provider": "remote", "providers": own}
        manifest = download(found, "north", "sentinel-2", 2020, tmp_path / "out/manifest.json", settings)
    lines = map(json.loads, (tmp_path / "out/fetched/journal.jsonl").read_text().splitlines()[1:])
    addresses = [band["source"] for scene in manifest["scenes"] for band in scene["bands"].values()]
    assert sorted(line["source"] for line in lines) == sorted(addresses)


def test_scenes_without_data_are_noted(fetch, archive, caplog: pytest.LogCaptureFixture) -> None:
    """A scene that holds nothing but nodata over the region is neither kept nor a fault."""
    path = archive.folder / "sentinel-2-l2a/S2A_31UFS_20200605/red.tif"
    with rasterio.open(path, "r+") as file:
        file.write(np.zeros((96, 96), "uint16"), 1)
    manifest = fetch()
    assert manifest["without_data"] == ["S2A_31UFS_20200605"]
    assert manifest["quarantine"] == []
    assert len(manifest["scenes"]) == 2
    assert "no valid data over the region: S2A_31UFS_20200605" in caplog.text
    assert fetch() == manifest


def test_an_item_that_lacks_a_band(fetch, search, archive) -> None:
    """Frozen items that were edited: the faulty one is quarantined with what it has."""
    items = search("north", "sentinel-2", archive.settings, archive.folder)
    del items[3]["assets"]["red"]
    (entry,) = fetch(items=items)["quarantine"]
    assert "no asset for band 'red', only blue, green, nir, scl" in entry["cause"]


def test_ids_do_not_choose_folders(fetch, search, archive) -> None:
    """A catalogue's id with slashes or dots stays inside the year's folder."""
    items = search("north", "sentinel-2", archive.settings, archive.folder)
    items[3]["id"] = "../../../escaped/S2:A"
    scene = next(scene for scene in fetch(items=items)["scenes"] if "escaped" in scene["id"])
    path = (fetch.folder / scene["bands"]["red"]["path"]).resolve()
    assert path.is_relative_to(fetch.folder.resolve())
    assert path.is_file()


def test_two_ids_of_one_folder_are_refused(fetch, search, archive) -> None:
    """Written to one place, the clips of one scene would be those of the other."""
    items = search("north", "sentinel-2", archive.settings, archive.folder)
    items[3]["id"], items[4]["id"] = "a.b", "a:b"
    with pytest.raises(RevisitError, match=r"items a.b and a:b .* folder a_b; .*search.sentinel-2.skip"):
        fetch(items=items)


def test_another_projection_than_stated_is_said(fetch, archive, caplog: pytest.LogCaptureFixture) -> None:
    """Some catalogues state a projection that the file has not: the file's is used."""
    items = archive.items()
    items[3]["properties"]["proj:epsg"] = 32632
    archive.write(items)
    assert len(fetch()["scenes"]) == 3
    assert "S2A_31UFS_20200305: its files are not in EPSG:32632" in caplog.text


def test_an_offset_subtracted_twice_is_suspected(fetch, archive, caplog: pytest.LogCaptureFixture) -> None:
    """Dark scenes that fall below zero with the offset warn: some items' own word about it is wrong."""
    path = archive.folder / "sentinel-2-l2a/S2A_31UFS_20200605/red.tif"
    with rasterio.open(path, "r+") as file:
        file.write(np.full((96, 96), 400, "uint16"), 1)
    fetch()
    assert "S2A_31UFS_20200605: 100 % of its visible reflectance is below zero" in caplog.text
    assert "20200305: " not in caplog.text


def test_a_full_disk_is_no_quarantine(fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written stops the stage with its reason; the scenes are not to blame."""

    def full(*given: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stage_download, "fetch", full)
    with pytest.raises(RevisitError, match="No space left"):
        fetch()


def test_the_job(archive, search, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The stage as the workflow runs it; what is wrong with its settings is one line."""
    items, out = tmp_path / "items.json", tmp_path / "scenes/2019/manifest.json"
    settings = {**archive.settings, "bands": ["vv", "vh"]}
    found = search("north", "sentinel-1", settings, archive.folder)
    items.write_text(json.dumps({"type": "FeatureCollection", "features": found}))
    del settings["years"]
    job = Job(
        "revisit.stac.download",
        {"region": "north", "sensor": "sentinel-1", "year": "2019"},
        {"found": str(items), "folder": [str(archive.folder)]},
        {"manifest": str(out)},
        {**settings, "requests": 4, "slots": str(tmp_path / "slots")},
        log=str(tmp_path / "log.txt"),
    )
    job.write(tmp_path / "job.json")
    assert run_file(tmp_path / "job.json") == 0
    assert len(json.loads(out.read_text())["scenes"]) == 2
    assert "2 scenes, 4 clips" in (tmp_path / "log.txt").read_text()
    assert not (tmp_path / "slots").exists()  # a folder of our own is nobody else's to wait for
    replace(job, settings={**settings, "worker": 4}).write(tmp_path / "job.json")
    assert run_file(tmp_path / "job.json") == 1
    assert "unknown key 'worker'; did you mean 'workers'?" in capsys.readouterr().err


def test_the_real_archive(shared: Path, search, download, tmp_path: Path) -> None:
    """Sigma nought over Belgium is what it should be, by the manifest's own unit and calibration."""
    own = {
        "belgium": {
            "inherits": "embedded",
            "folder": str(shared / "real/archive"),
            "sensors": {
                "sentinel-1": {"collection": "sentinel-1-grd", "unit": "amplitude", "calibration_db": -83}
            },
        }
    }
    settings = {"provider": "belgium", "providers": own, "bbox": [5.052, 51.216, 5.06, 51.2212]}
    settings |= {"years": [2023], "bands": ["vv", "vh"], "epsg": None}
    items = search("belgium", "sentinel-1", settings)
    manifest = download(items, "belgium", "sentinel-1", 2023, tmp_path / "manifest.json", settings)
    assert len(manifest["scenes"]) == 10
    band = manifest["scenes"][0]["bands"]["vv"]
    assert (band["unit"], band["nodata"]) == ("amplitude", 65535)
    data = opened(tmp_path / band["path"])[0].astype(float)
    decibel = 20 * np.log10(data[data != 65535]) + band["calibration_db"]
    assert -16 < np.median(decibel) < -5


def test_a_job_alone_keeps_within_the_requests_too(fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    """More workers than requests are as many as requests; nobody's locks are needed for that."""
    read, reading, most = stage_download.fetch, [], []

    def counted(*given: Any) -> Any:
        reading.append(given)
        most.append(len(reading))
        time.sleep(0.02)
        reading.pop()
        return read(*given)

    monkeypatch.setattr(stage_download, "fetch", counted)
    assert len(fetch(workers=8, requests=2)["scenes"]) == 3
    assert max(most) == 2


def test_jobs_keep_within_the_requests_of_a_remote_provider(
    archive, search, download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers of one job wait for slots that others hold, and go on when they are free."""
    found = search("north", "sentinel-2", archive.settings, archive.folder)
    read, held = stage_download.fetch, []

    def counted(*given: Any) -> Any:
        held.append(sum(_is_locked(path) for path in tmp_path.glob("slots/*/*")))
        return read(*given)

    monkeypatch.setattr(stage_download, "fetch", counted)
    with serve([archive.folder]) as url:
        own = {"remote": {"inherits": "embedded", "url": url}}
        settings = {**archive.settings, "provider": "remote", "providers": own}
        settings |= {"workers": 4, "requests": 3, "slots": str(tmp_path / "slots")}
        folder = tmp_path / "slots" / url.split("/")[2].replace(":", "_")
        with slot(folder, 3), slot(folder, 3):  # another job's
            manifest = download(found, "north", "sentinel-2", 2020, tmp_path / "out/manifest.json", settings)
    assert len(manifest["scenes"]) == 3
    assert held == [3] * 9  # the other job's two and one of ours


def _is_locked(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        except BlockingIOError:
            return True
