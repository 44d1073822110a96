"""A job: which stage, its files, its settings. Written to a file by the workflow, run from it by anyone.

    revisit run results/logs/stack/plain/sentinel-1.json

repeats the job by hand, outside Snakemake; the file may be edited first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from revisit.errors import RevisitError
from revisit.files import json_text, read_json, write_text

Files = Mapping[str, str | Sequence[str]]
Settings = TypeVar("Settings")


@dataclass(frozen=True)
class Job:
    """What a stage gets.

    ``stage``: dotted module with a function ``run(job)``. ``names``: the wildcards (region, sensor, …).
    ``input``, ``output``: a path or a list of them by name. ``settings``: this stage's part of the config.
    """

    stage: str
    names: Mapping[str, str] = field(default_factory=dict)
    input: Files = field(default_factory=dict)
    output: Files = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 1
    log: str | None = None

    @classmethod
    def read(cls, path: str | Path) -> "Job":
        """The job of a file; raises RevisitError where it is none."""
        if not Path(path).is_file():
            raise RevisitError(
                f"{path}: no such job; the workflow leaves each beside its log, in results/logs/"
            )
        content = read_json(path)
        try:
            return cls(**content)
        except TypeError as error:
            raise RevisitError(f"{path}: not a job ({error}); it needs at least the key 'stage'") from error

    def text(self) -> str:
        """What the job's file says."""
        return json_text(asdict(self))

    def write(self, path: str | Path) -> None:
        """Write the job's file."""
        write_text(path, self.text())

    def source(self, name: str) -> Path:
        """The one input of that name."""
        return _one(self.input, name, "input")

    def sources(self, name: str) -> list[Path]:
        """The inputs of that name, in order; none where the job has no such input."""
        return _all(self.input, name)

    def target(self, name: str) -> Path:
        """The one output of that name."""
        return _one(self.output, name, "output")

    def outputs(self) -> list[Path]:
        """All outputs, in order."""
        return [path for name in self.output for path in _all(self.output, name)]


def _all(files: Files, name: str) -> list[Path]:
    paths = files.get(name, ())
    return [Path(path) for path in ([paths] if isinstance(paths, str) else paths)]


def _one(files: Files, name: str, kind: str) -> Path:
    paths = _all(files, name)
    if len(paths) != 1:
        raise RevisitError(f"job: needs one {kind} {name!r}, has {len(paths)}")
    return paths[0]
