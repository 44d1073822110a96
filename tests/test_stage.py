"""Protects the face of every stage: run from a job's file, one clear line for bad input, also in its log."""

import signal
import sys
from pathlib import Path

import pytest

from revisit import stage
from revisit.job import Job

STAGE = """
import os
from revisit.errors import RevisitError
from revisit.files import atomic

def run(job):
    if number := job.settings.get("signal"):
        import time
        with atomic(job.target("made")) as aside:
            aside.write_text("half")
            os.kill(os.getpid(), number)
            time.sleep(10)
    if "codecs" in job.settings:
        job.target("made").write_text(os.environ["RAYON_NUM_THREADS"])
        return
    if "full" in job.settings:
        raise RuntimeError("encoder: No space left on device (os error 28)")
    if "refuse" in job.settings:
        raise RevisitError("region plain: no scenes found;\\n widen the dates")
    job.target("made").write_text(job.source("given").read_text() + job.names["region"])
"""


@pytest.fixture
def job(tmp_path, monkeypatch):
    (tmp_path / "a_stage.py").write_text(STAGE)
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda **more: Job(stage="a_stage", log=str(tmp_path / "logs/a.log"), **more)
    sys.modules.pop("a_stage", None)


def run(job: Job, folder: Path) -> int:
    job.write(folder / "job.json")
    return stage.main([str(folder / "job.json")])


def test_a_stage_gets_the_files_and_names_of_its_job(job, tmp_path):
    (tmp_path / "given").write_text("hello ")
    files = {"input": {"given": str(tmp_path / "given")}, "output": {"made": str(tmp_path / "made")}}
    assert run(job(names={"region": "plain"}, **files), tmp_path) == 0
    assert (tmp_path / "made").read_text() == "hello plain"


def test_codecs_of_a_job_take_no_cores_of_their_own(job, tmp_path, monkeypatch):
    """How many run side by side is for its threads to say, not for the machine."""
    monkeypatch.setenv("RAYON_NUM_THREADS", "64")
    assert run(job(settings={"codecs": True}, output={"made": str(tmp_path / "made")}), tmp_path) == 0
    assert (tmp_path / "made").read_text() == "1"


def test_bad_input_is_one_line_and_exit_one(job, tmp_path, capsys):
    assert run(job(settings={"refuse": True}), tmp_path) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].endswith("error: region plain: no scenes found; widen the dates")
    assert (tmp_path / "logs/a.log").read_text().strip() == lines[0]


def test_our_own_fault_keeps_its_trace(job, tmp_path):
    assert run(job(input={"given": str(tmp_path / "absent")}, output={"made": "x"}), tmp_path) == 1
    assert "Traceback" in (tmp_path / "logs/a.log").read_text()


def test_a_job_that_is_not_there_is_one_line(tmp_path, capsys):
    assert stage.main([str(tmp_path / "absent.json")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_stage_in_one_line(job, tmp_path, capsys, number):
    """With the status shells give it; the signal means again what it did before."""
    before = signal.getsignal(number)
    asked = job(settings={"signal": number}, output={"made": str(tmp_path / "made")})
    assert run(asked, tmp_path) == 128 + number
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"error: ended by {number.name}; " in line
    assert signal.getsignal(number) is before
    assert not [path for path in tmp_path.iterdir() if "made" in path.name]


def test_a_full_disk_is_told_whoever_meets_it(job, tmp_path, capsys):
    """Libraries in other languages say it in words alone, and not of which file."""
    assert run(job(settings={"full": True}, output={"made": str(tmp_path / "made")}), tmp_path) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.endswith(
        f"error: {tmp_path}/made: cannot be written (No space left on device); make room and run again"
    )


def test_a_log_that_cannot_be_written_hides_nothing(job, tmp_path, capsys):
    """As on a full disk, on which the log lies too."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/a.log").symlink_to("/dev/full")
    assert run(job(settings={"refuse": True}), tmp_path) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "error: region plain" in line
    assert run(job(settings={"refuse": True}), tmp_path) == 1  # nor hinders what this process does next
