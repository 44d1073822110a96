"""Protects products against two runs of one job at once, such as one that outlived a killed workflow."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from revisit import alone as module
from revisit.alone import alone
from revisit.errors import RevisitError
from revisit.job import Job

STAGE = """
import time
from pathlib import Path
from revisit.files import atomic

def run(job):
    with atomic(job.target("made")) as aside:
        aside.mkdir()
        Path(f"{job.target('made')}.begun").touch()
        for number in range(20):
            time.sleep(0.05)
            (aside / str(number)).write_text(job.settings["word"])
"""


def test_the_second_waits_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    """For a while, and then no longer; the file goes with its last holder."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.3)
    path = tmp_path / "logs/stack.lock"
    with alone(path):
        with (
            caplog.at_level("INFO", "revisit"),
            pytest.raises(RevisitError, match=r"stack\.lock: another run"),
            alone(path),
        ):
            pass
        assert "waiting up to" in caplog.text
        assert path.exists()
    assert not path.exists()
    with alone(path):
        pass


def test_what_a_killed_run_left_hinders_nobody(tmp_path: Path) -> None:
    (tmp_path / "stack.lock").touch()
    with alone(tmp_path / "stack.lock"):
        assert (tmp_path / "stack.lock").exists()
    assert not (tmp_path / "stack.lock").exists()


def test_two_runs_of_one_job_make_one_product(tmp_path: Path) -> None:
    """Started together by hand, with other settings: one after the other, each whole."""
    (tmp_path / "slow_stage.py").write_text(STAGE)
    runs = []
    for word in ("first", "second"):
        job = Job(
            "slow_stage",
            output={"made": str(tmp_path / "made")},
            settings={"word": word},
            log=str(tmp_path / "log/slow.log"),
        )
        job.write(tmp_path / f"{word}.json")
        command = [sys.executable, "-m", "revisit.cli", "run", str(tmp_path / f"{word}.json")]
        runs.append(subprocess.Popen(command, cwd=tmp_path, env=_environment(tmp_path)))
        while not (tmp_path / "made.begun").exists():
            assert runs[0].poll() is None
            time.sleep(0.02)
    assert [run.wait(timeout=60) for run in runs] == [0, 0]
    assert {path.read_text() for path in (tmp_path / "made").iterdir()} == {"second"}
    assert len(list((tmp_path / "made").iterdir())) == 20


def _environment(folder: Path) -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
