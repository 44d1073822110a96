"""Protects results already made: writes are whole or not at all."""

import errno
import json
import os

import pytest

from revisit.errors import RevisitError
from revisit.files import atomic, read_json, sha256, write_json


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic(target) as aside:
        aside.write_text("half")
        raise RuntimeError("killed")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_replaced_whole(tmp_path):
    target = tmp_path / "cube.zarr"
    for name in ("first", "second"):
        with atomic(target) as aside:
            aside.mkdir()
            (aside / name).touch()
    assert [path.name for path in target.iterdir()] == ["second"]


def test_what_a_killed_run_left_aside_is_removed(tmp_path):
    target = tmp_path / "cube.zarr"
    with atomic(target) as aside:
        aside.mkdir()
    (tmp_path / aside.name).mkdir()
    (tmp_path / aside.name / "stale").touch()
    with atomic(target) as aside:
        aside.mkdir()
    assert not any(target.iterdir())
    assert list(tmp_path.iterdir()) == [target]


def test_json_is_written_sorted_and_refuses_nan(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": 2})
    assert list(json.loads((tmp_path / "a.json").read_text())) == ["a", "b"]
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "b.json", {"value": float("nan")})
    assert not (tmp_path / "b.json").exists()


def test_a_damaged_json_is_named(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text('{"scenes": [')
    with pytest.raises(RevisitError, match=r"manifest\.json: not valid JSON"):
        read_json(path)
    with pytest.raises(RevisitError, match="no such file"):
        read_json(tmp_path / "none.json")


def test_sha256_is_the_standard_one(tmp_path):
    path = tmp_path / "empty"
    path.touch()
    assert sha256(path) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_a_disk_that_takes_nothing_more_is_told_with_the_file(tmp_path, number):
    """By the number of an error, or of one that led to it, or by the words of libraries."""
    target = tmp_path / "cube.zarr"
    target.write_text("old")
    for error in (OSError(number, os.strerror(number)), RuntimeError(f"{os.strerror(number)} (os error)")):
        with (
            pytest.raises(RevisitError, match=r"cube\.zarr: cannot be written \(.*\); make room"),
            atomic(target),
        ):
            raise ValueError("chunk") from error
    with pytest.raises(ValueError, match="chunk"), atomic(target):
        raise ValueError("chunk")
    assert target.read_text() == "old"
