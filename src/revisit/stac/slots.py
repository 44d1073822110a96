"""At most so many requests at a time, over all jobs that share a folder: one lock file for each request.

The locks are the operating system's (flock): a killed job leaves none behind. They work between processes
and, on a shared file system that has locks, between nodes.
"""

import errno
import fcntl
import os
import random
import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from urllib.parse import urlsplit

from pydantic import Field

from revisit.record import Record
from revisit.stac.providers import Source
from revisit.stage import log

# Between tries while all slots are taken. Where many jobs wait, one soon finds a free one all the same.
PAUSE_S, LONGEST_PAUSE_S = 0.05, 4.0
NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)


class Shared(Record):
    """What the jobs of a study keep to together."""

    requests: int = Field(16, ge=1)
    """At most so many requests at a time to a provider's host, by all jobs that share ``slots``."""
    slots: Path | None = None
    """Folder by which jobs keep within ``requests`` together; each for itself if absent."""

    def turn(self, origin: Source) -> AbstractContextManager[None]:
        """The block in which a request may be made of a source, waiting until it may."""
        # A folder is served by one job alone; only a remote provider is shared with others, by whatever name.
        folder = self.slots / _host(origin.url) if self.slots and origin.url else None
        return slot(folder, self.requests)


@contextmanager
def slot(folder: Path | None, count: int) -> Iterator[None]:
    """Hold one of the ``count`` slots of a folder for the life of the block, waiting until one is free.

    Nothing is held without a folder, nor, after a warning, where its file system has no locks.
    """
    held = None
    if folder:
        with _queue(folder):
            held = _wait(folder, count)
    try:
        yield
    finally:
        if held is not None:
            os.close(held)  # which unlocks it


def _host(url: str) -> str:
    """The host of an address as the name of a folder, without a key that may stand before it."""
    address = urlsplit(url)
    port = "" if address.port in (None, 80, 443) else f"_{address.port}"
    return re.sub(r"[^\w.-]", "_", f"{address.hostname}{port}")


def _wait(folder: Path, count: int) -> int | None:
    """The open file of a slot that is now ours; None where files cannot be locked."""
    folder.mkdir(parents=True, exist_ok=True)
    pause = PAUSE_S
    while True:
        # Each in an order of its own, so that not all queue for the first.
        for number in random.sample(range(count), count):
            file = os.open(folder / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return file
            except BlockingIOError:
                os.close(file)
            except OSError as error:
                os.close(file)
                if error.errno not in NO_LOCKS:
                    raise
                _warn(folder)
                return None
        time.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(2 * pause, LONGEST_PAUSE_S)


@cache
def _queue(folder: Path) -> Lock:
    """Lets one thread of a process look for a slot at a time: a shared file system bears the tries of all."""
    return Lock()


@cache
def _warn(folder: Path) -> None:
    log.warning(
        "%s: this file system has no locks; jobs on several nodes may together exceed `requests`", folder
    )
