"""Protects the kept check of a study: what lies outside the config and decides too belongs to its key."""

import os

from revisit.plan.checked import files_named


def test_an_edited_file_is_another_study(tmp_path, monkeypatch):
    """Of a file of places its content counts, whatever folder it lies in; what is not there is left out."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    config = {"places": {"here": {"points": "sites.csv"}}, "providers": {"mine": {"folder": "./folder"}}}
    assert files_named(config) == ["./folder"]
    (tmp_path / "sites.csv").write_text("lon,lat")
    before = files_named(config)
    assert len(before) == 2
    (tmp_path / "sites.csv").write_text("lat,lon")
    os.utime("sites.csv", ns=(1, 1))
    assert files_named(config) != before
