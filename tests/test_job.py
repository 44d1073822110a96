"""Protects job files: a job written and read back is the same, and says in one line what is wrong with it."""

import pytest

from revisit.errors import RevisitError
from revisit.job import Job

JOB = Job(
    stage="revisit.cube.stacking.stack",
    names={"region": "plain"},
    input={"manifests": ["a.json", "b.json"], "limits": "limits.json", "reference": []},
    output={"cube": "raw.zarr"},
    settings={"bands": ["vv"]},
    threads=2,
    log="stack.log",
)


def test_a_job_comes_back_from_its_file(tmp_path):
    JOB.write(tmp_path / "job.json")
    assert Job.read(tmp_path / "job.json") == JOB
    assert (tmp_path / "job.json").read_text() == JOB.text()


def test_inputs_are_told_apart_by_how_many_there_must_be():
    assert JOB.source("limits").name == "limits.json"
    assert [path.name for path in JOB.sources("manifests")] == ["a.json", "b.json"]
    assert [path.name for path in JOB.sources("limits")] == ["limits.json"]
    assert JOB.sources("reference") == JOB.sources("labels") == []
    assert JOB.target("cube").name == "raw.zarr"
    for name in ("manifests", "reference", "labels"):
        with pytest.raises(RevisitError, match=f"needs one input {name!r}"):
            JOB.source(name)
    with pytest.raises(RevisitError, match="needs one output 'quicklook', has 0"):
        JOB.target("quicklook")


def test_a_file_that_is_no_job_is_refused(tmp_path):
    (tmp_path / "job.json").write_text('{"rule": "stack"}')
    with pytest.raises(RevisitError, match=r"job\.json: not a job .*'stage'"):
        Job.read(tmp_path / "job.json")
