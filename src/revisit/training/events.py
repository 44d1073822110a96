"""Writes the log of a run for TensorBoard, without the seconds that torch's own writer takes to load."""

import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from revisit.files import remove


class Board:
    """A folder of TensorBoard events, written anew; use as a context."""

    def __init__(self, folder: Path) -> None:
        remove(folder)
        self._writer = EventFileWriter(str(folder))

    def add(self, row: dict[str, float]) -> None:
        """Every value of a row of the log, at the row's step."""
        values = [Summary.Value(tag=name, simple_value=value) for name, value in row.items()]
        self._writer.add_event(
            Event(wall_time=time.time(), step=int(row["step"]), summary=Summary(value=values))
        )

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
