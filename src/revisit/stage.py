"""What every stage shares: it is run from a job's file, logs to a file, fails in one line, shows progress.

A stage is a module with plain functions and one function ``run(job)`` that calls them with the job's files
and settings. Nothing else starts a stage.
"""

import argparse
import ctypes
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TypeVar

from revisit.alone import alone
from revisit.errors import RevisitError
from revisit.files import writing
from revisit.job import Job

Item = TypeVar("Item")
log = logging.getLogger("revisit")
# Codecs of cubes run in the thread that calls them, however many cores the machine has: how many calls run
# side by side is for the stage to say, by its job's threads. zarrs and zarr read this when first used.
CODECS = {
    "RAYON_NUM_THREADS": "1",
    "ZARR_CODEC_PIPELINE__CHUNK_CONCURRENT_MINIMUM": "1",  # or all calls would share rayon's one thread
    "ZARR_ASYNC__CONCURRENCY": "1",  # of zarr's own codecs, for what zarrs does not take
}
M_ARENA_MAX = -8  # of glibc's mallopt
WITHOUT_DASK = "revisit.cube."  # stages that need none and load no part from outside


class EndedError(BaseException):
    """The process was told to end. Like KeyboardInterrupt no Exception: nothing takes it for a fault."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number  # as shells have it


def run_file(path: str | Path) -> int:
    """Run the job of a file: returns 0, or another status after one line that says what to mend."""
    _log_to(None)  # what is wrong with the file itself is told too
    try:
        with _told_to_end():
            job = Job.read(path)
            with alone(Path(job.log).with_suffix(".lock")) if job.log else nullcontext():
                _log_to(job.log)
                os.environ.update(CODECS)
                one_heap()
                if job.stage.startswith(WITHOUT_DASK):
                    # Where dask is installed xarray imports it with the first slice: half a second.
                    sys.modules.setdefault("dask", None)  # type: ignore[arg-type]
                with writing(job.outputs()[0] if job.output else path):  # where it was not said which file
                    import_module(job.stage).run(job)
    except RevisitError as error:
        log.error("error: %s", " ".join(str(error).split()))
        return 1
    except EndedError as ended:
        log.error("error: ended by %s; run again to go on", ended)
        return ended.status
    except Exception:
        log.exception("error: this is a fault of revisit itself; please report it with these lines")
        return 1
    return 0


def one_heap() -> None:
    """Have all threads take memory from one heap, before any is started.

    By default glibc has one for each, and what a thread gives back serves that one alone: a tenth to a third
    more memory, which grows with a region though no stage holds more of it.
    """
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


@contextmanager
def _told_to_end() -> Iterator[None]:
    """Turn the first SIGTERM (time limit, scancel) or SIGINT (Ctrl-C) into EndedError.

    The next one ends the process at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise EndedError(number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _LogFile(logging.FileHandler):
    """A log that a full disk cuts short without a word: the screen shows all of it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        pass

    def close(self) -> None:
        with suppress(OSError):  # what was not written yet
            super().close()


def _log_to(path: str | None) -> None:
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if path:
        with writing(path):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            handlers.append(_LogFile(path, mode="w"))
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        handlers=handlers,
        force=True,
    )


def progress(items: Iterable[Item], label: str, total: int | None = None) -> Iterable[Item]:
    """Iterate with a progress bar on a terminal, silently elsewhere."""
    from tqdm import tqdm  # not every stage shows one

    return tqdm(items, desc=label, total=total, disable=None, leave=False)


def main(argv: Sequence[str] | None = None) -> int:
    """The command ``revisit run``."""
    parser = argparse.ArgumentParser(
        description="Run the job of a file. The workflow leaves each job's file beside its log."
    )
    parser.add_argument("job", type=Path, help="such as results/logs/stack/plain/sentinel-1.json")
    return run_file(parser.parse_args(argv).job)
