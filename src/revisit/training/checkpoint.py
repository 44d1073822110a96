"""A training run's state on disk: written on a timer and on a signal, read back only by the same run.

The folder is no output of the workflow, which removes the outputs of failed jobs. One process at a
time writes to it: after a killed workflow is started again, the first job may still be running.
"""

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from filelock import FileLock, Timeout

from revisit import stage
from revisit.errors import RevisitError
from revisit.files import atomic, remove

PATIENCE = 60.0  # seconds to wait for another run; a killed job may need half of it to save and end


class Checkpoint:
    """The checkpoint of one run.

    ``identity``: what makes it the same run (settings, code, data), each as a string. ``minutes``: time
    between saves. ``lead``: whether this process writes; of several that train together one does. Use as a
    context: it holds the folder's lock, and raises RevisitError when another run keeps it for longer than
    ``patience`` seconds.
    """

    def __init__(
        self,
        folder: Path,
        identity: Mapping[str, str],
        minutes: float,
        patience: float = PATIENCE,
        lead: bool = True,
    ) -> None:
        self.folder, self.identity, self.lead = folder, dict(identity), lead
        self.path = folder / "checkpoint.pt"
        self._seconds, self._saved = 60 * minutes, time.monotonic()
        self._lock, self._patience = FileLock(folder / "lock"), patience

    def __enter__(self) -> "Checkpoint":
        if not self.lead:
            return self
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            stage.log.info("%s: another run trains here; waiting %.0f s", self.folder, self._patience)
            try:
                self._lock.acquire(timeout=self._patience)
            except Timeout as error:
                raise RevisitError(
                    f"{self.folder}: another run still trains here; wait for its end, or stop it"
                ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def load(self) -> dict[str, Any] | None:
        """The state saved last; None, after a line saying why, when this run cannot go on from it."""
        if not self.path.exists():
            return None
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            identity: dict[str, str] = content["identity"]
            state: dict[str, Any] = content["state"]
        except Exception as error:  # torch raises many kinds on damaged files
            stage.log.info("%s: damaged (%s); starting anew", self.path, type(error).__name__)
            return None
        changed = sorted(k for k in {*self.identity, *identity} if self.identity.get(k) != identity.get(k))
        if changed:
            stage.log.info("%s: made with other %s; starting anew", self.path, ", ".join(changed))
            return None
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        """Write tensors, numbers, strings and containers of them; the old state stays until this is whole."""
        if self.lead:
            with atomic(self.path) as aside:
                torch.save({"identity": self.identity, "state": state}, aside)
        self._saved = time.monotonic()

    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() - self._saved > self._seconds

    def remove(self) -> None:
        """Remove the folder: the run is done."""
        if self.lead:
            remove(self.folder)


class Interruption:
    """Whether the process was asked to end."""

    requested = False


@contextmanager
def interruption() -> Iterator[Interruption]:
    """Turn SIGTERM (time limit, scancel) and SIGINT (Ctrl-C) into a flag, however often they come."""
    result = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield result  # signals reach the main thread only
        return

    def note(number: int, frame: FrameType | None) -> None:
        result.requested = True

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield result
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
