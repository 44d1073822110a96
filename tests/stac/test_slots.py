"""The cap on requests: it holds between processes, and a killed job gives its slots back."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from revisit.stac import slots
from revisit.stac.providers import Provider, source
from revisit.stac.slots import slot

# Writes +1 and -1 while it holds a slot; O_APPEND keeps the lines of both processes apart and in order.
WORKER = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from revisit.stac import slots
slots.PAUSE_S = 0.002
folder, journal = Path(sys.argv[1]), open(sys.argv[2], "a", buffering=1)
def work(_):
    with slots.slot(folder, 3):
        journal.write("+1\\n")
        time.sleep(0.02)
        journal.write("-1\\n")
with ThreadPoolExecutor(4) as pool:
    list(pool.map(work, range(20)))
"""

HOLDER = """
import sys, time
from pathlib import Path
from revisit.stac.slots import slot
with slot(Path(sys.argv[1]), 1):
    print("held", flush=True)
    time.sleep(60)
"""


def test_two_jobs_stay_within_the_cap_together(tmp_path: Path) -> None:
    """Four workers in each of two processes, three slots: three at a time are held, never more."""
    journal = tmp_path / "journal"
    command = [sys.executable, "-c", WORKER, str(tmp_path / "slots"), str(journal)]
    jobs = [subprocess.Popen(command) for _ in range(2)]
    assert [job.wait(timeout=60) for job in jobs] == [0, 0]
    steps = [int(line) for line in journal.read_text().split()]
    assert len(steps) == 2 * 2 * 20
    held = [sum(steps[: number + 1]) for number in range(len(steps))]
    assert max(held) == 3
    assert held[-1] == 0


def test_a_killed_job_leaves_its_slot_free(tmp_path: Path) -> None:
    """A lock that outlived its job would stop every download of the study for good."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with ThreadPoolExecutor(1) as pool:

        def take() -> float:
            with slot(tmp_path, 1):
                return time.monotonic()

        taken = pool.submit(take)
        time.sleep(0.3)
        assert not taken.done()
        killed = time.monotonic()
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait(timeout=10)
        assert taken.result(timeout=10) >= killed


def test_waiting_opens_few_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred jobs of eight threads each would else open 25,000 a second on a shared file system."""
    opened: list[float] = []
    plain = os.open
    with ThreadPoolExecutor(8) as pool, slot(tmp_path, 1):
        began = time.monotonic()

        def counted(path: Any, *given: Any) -> int:
            if tmp_path in Path(path).parents:  # threads of other tests open files too
                opened.append(time.monotonic() - began)
            return plain(path, *given)

        monkeypatch.setattr(slots.os, "open", counted)

        def take(_: int) -> None:
            with slot(tmp_path, 1):
                pass

        waiting = [pool.submit(take, number) for number in range(8)]
        time.sleep(1)
        tries = len(opened)
    assert 1 <= tries <= 7  # one at once, then after pauses that double, by chance half as long
    assert all(one.done() for one in waiting)


def test_pauses_grow_to_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    (tmp_path / "0.lock").touch()
    held = os.open(tmp_path / "0.lock", os.O_RDWR)
    slots.fcntl.flock(held, slots.fcntl.LOCK_EX)

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 40:
            os.close(held)

    monkeypatch.setattr(slots.time, "sleep", sleep)
    with slot(tmp_path, 1):
        assert max(pauses[:3]) < 0.5
        assert min(pauses[10:]) >= 2 and len(set(pauses)) == 40  # no two jobs in step


def test_a_fault_gives_the_slot_back(tmp_path: Path) -> None:
    """A scene that cannot be read must not use up a slot."""
    for _ in range(2):
        with pytest.raises(ValueError), slot(tmp_path, 1):
            raise ValueError
    with slot(tmp_path, 1):
        pass


def test_names_of_one_host_share_its_slots(tmp_path: Path) -> None:
    """A provider of one's own that inherits another asks the same machines."""
    shared = slots.Shared(requests=1, slots=tmp_path)
    own = {"mine": Provider.model_validate({"inherits": "planetary-computer"})}
    for name in ("planetary-computer", "mine", "earth-search"):
        with shared.turn(source(name, "sentinel-2", own)):
            pass
    assert len([folder for folder in tmp_path.iterdir() if (folder / "0.lock").exists()]) == 2
    assert (
        slots._host("https://me:secret@Cat.example:443/v1")
        == slots._host("http://cat.example")
        == "cat.example"
    )
    assert slots._host("http://localhost:81") == "localhost_81"


def test_without_a_folder_nothing_is_held(tmp_path: Path) -> None:
    with slot(None, 1), slot(None, 1):
        assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Downloads go on there; the scheduler alone then keeps the jobs within the cap."""

    def missing(file: int, operation: int) -> None:
        raise OSError(slots.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(slots.fcntl, "flock", missing)
    with slot(tmp_path, 1), slot(tmp_path, 1):
        pass
    assert caplog.text.count("has no locks") == 1
