"""One run of a job at a time: of two, one would put the other's half of a product in its place.

After a killed workflow is started again, its first jobs may still be running. The lock is the operating
system's (flock): a killed run leaves at most an empty file behind, which hinders nobody.
"""

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from revisit.errors import RevisitError

PATIENCE_S = 60.0  # a job that was told to end may need half of it
PAUSE_S = 0.2
log = logging.getLogger("revisit")


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock file ``path`` for the life of the block.

    Raises RevisitError where another process keeps it for longer than ``PATIENCE_S``. On a file system
    without locks nothing is held.
    """
    held = _wait(path)
    try:
        yield
    finally:
        if held is not None:
            path.unlink(missing_ok=True)
            os.close(held)


def _wait(path: Path) -> int | None:
    """The open file, once it is ours; None where files cannot be locked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + PATIENCE_S
    told = False
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            if time.monotonic() > until:
                raise RevisitError(
                    f"{path}: another run of this job is under way; wait for its end, or stop it"
                ) from None
            if not told:
                log.info("%s: another run of this job is under way; waiting up to %.0f s", path, PATIENCE_S)
                told = True
            time.sleep(PAUSE_S)
            continue
        except OSError:
            os.close(file)
            return None
        if _is_there(file, path):
            return file
        os.close(file)  # its last holder has removed it meanwhile


def _is_there(file: int, path: Path) -> bool:
    """Whether a path still is this open file."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
