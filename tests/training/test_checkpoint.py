"""Checkpoints: only the same run goes on from one, a damaged one is no obstacle, two runs never share one."""

import logging
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from revisit.errors import RevisitError
from revisit.training.checkpoint import Checkpoint, interruption

IDENTITY = {"settings": "a", "code": "b", "data": "c"}


def make(folder: Path, minutes: float = 5.0, **changes: str) -> Checkpoint:
    return Checkpoint(folder, {**IDENTITY, **changes}, minutes, patience=0.2)


def test_same_run_reads_what_it_saved(tmp_path: Path) -> None:
    with make(tmp_path / "run") as checkpoint:
        assert checkpoint.load() is None
        checkpoint.save({"weights": torch.arange(3), "step": 7})
    with make(tmp_path / "run") as checkpoint:
        state = checkpoint.load()
    assert state is not None and state["step"] == 7 and torch.equal(state["weights"], torch.arange(3))


@pytest.mark.parametrize("part", IDENTITY)
def test_other_settings_code_or_data_start_anew(
    tmp_path: Path, part: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A resume under another config is a chimera; the log says which part differs."""
    with make(tmp_path) as checkpoint:
        checkpoint.save({})
    with make(tmp_path, **{part: "other"}) as checkpoint, caplog.at_level(logging.INFO):
        assert checkpoint.load() is None
    assert f"made with other {part}; starting anew" in caplog.text


@pytest.mark.parametrize("damage", [b"", b"PK not a checkpoint", None])
def test_damaged_checkpoint_starts_anew(
    tmp_path: Path, damage: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    with make(tmp_path) as checkpoint:
        checkpoint.save({"weights": torch.zeros(1000)})
        whole = checkpoint.path.read_bytes()
        checkpoint.path.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
        with caplog.at_level(logging.INFO):
            assert checkpoint.load() is None
    assert "damaged" in caplog.text


def test_pickles_are_not_run(tmp_path: Path) -> None:
    """A checkpoint folder may be shared; a planted pickle must not execute."""

    class Planted:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "touched",)

    with make(tmp_path) as checkpoint:
        torch.save({"identity": IDENTITY, "state": Planted()}, checkpoint.path)
        assert checkpoint.load() is None
    assert not (tmp_path / "touched").exists()


def _hold(
    path: Path, held: "multiprocessing.synchronize.Event", done: "multiprocessing.synchronize.Event"
) -> None:
    with FileLock(path):
        held.set()
        done.wait(30)


def test_second_run_stops_with_one_line(tmp_path: Path) -> None:
    """After kill -9 of the workflow, a restart runs the job a second time beside the first."""
    held, done = multiprocessing.Event(), multiprocessing.Event()
    other = multiprocessing.get_context("fork").Process(target=_hold, args=(tmp_path / "lock", held, done))
    other.start()
    try:
        assert held.wait(30)
        with pytest.raises(RevisitError, match="another run still trains here"), make(tmp_path):
            pass
    finally:
        done.set()
        other.join()
    with make(tmp_path):  # free again
        pass


def test_removed_folder_leaves_no_lock_behind(tmp_path: Path) -> None:
    with make(tmp_path / "run") as checkpoint:
        checkpoint.save({})
        checkpoint.remove()
    assert not (tmp_path / "run").exists()


def test_due_follows_the_timer(tmp_path: Path) -> None:
    assert not make(tmp_path, minutes=5).due()
    with make(tmp_path, minutes=0) as checkpoint:
        assert checkpoint.due()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_are_noted_and_handlers_put_back(number: signal.Signals) -> None:
    """Some clusters send SIGTERM twice: neither may end the process before it has saved."""
    before = signal.getsignal(number)
    with interruption() as stop:
        assert not stop.requested
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        assert stop.requested
    assert signal.getsignal(number) is before
