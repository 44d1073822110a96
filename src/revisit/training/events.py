"""Writes the log of a run for TensorBoard, without the seconds that torch's own writer takes to load."""

import socket
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from revisit.files import remove, writing


class Board:
    """A folder of TensorBoard events, written anew; use as a context.

    Written as they come, not by TensorBoard's own thread, which would tell nobody of a full disk.
    """

    def __init__(self, folder: Path) -> None:
        remove(folder)
        self._path = folder / f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}"
        with writing(self._path):
            folder.mkdir(parents=True)
            self._records = RecordWriter(self._path.open("wb"))
            self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def add(self, row: dict[str, float]) -> None:
        """Every value of a row of the log, at the row's step."""
        values = [Summary.Value(tag=name, simple_value=value) for name, value in row.items()]
        self._write(Event(wall_time=time.time(), step=int(row["step"]), summary=Summary(value=values)))

    def _write(self, event: Event) -> None:
        with writing(self._path):
            self._records.write(event.SerializeToString())
            self._records.flush()

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *_: object) -> None:
        self._records.close()
