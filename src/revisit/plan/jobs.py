"""Job files: what a rule asks its stage to do, in a file beside the log instead of on a command line."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any

from snakemake.common import overwrite_function_params

from revisit.job import Job

Wildcards = Any  # Snakemake's namespace of strings
SettingsOf = Callable[[Wildcards], Mapping[str, Any]]
FilesOf = Callable[[Wildcards], dict[str, str | list[str]]]


def any_of(names: Iterable[str]) -> str:
    """The pattern of a wildcard that is one of these names; of none, one that never matches."""
    return "|".join(map(re.escape, dict.fromkeys(names))) or "(?!)"


class JobFiles:
    """The job files below ``folder``: noted while Snakemake plans, written when it starts to run.

    A dry run writes nothing. A job's file changes only with what it says, so it keeps the time of the
    last job that was run from it.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._noted: dict[str, Job] = {}
        self._started = False

    def note(self, name: str, job: Job) -> str:
        """The path of a job's file, ``{folder}/{rule}/{wildcards}.json``; the log lies beside it."""
        base = "/".join((self.folder, name, *job.names.values()))
        path = f"{base}.json"
        self._noted[path] = Job(**{**vars(job), "log": f"{base}.log"})
        if self._started:
            self._write(path)
        return path

    def noted(self, name: str, *names: str) -> bool:
        """Whether there is a job of this rule and these wildcards."""
        return f"{'/'.join((self.folder, name, *names))}.json" in self._noted

    def start(self) -> None:
        """Write all files; those noted from now on are written at once."""
        self._started = True
        for path in self._noted:
            self._write(path)

    def _write(self, path: str) -> None:
        job = self._noted[path]
        if not (Path(path).is_file() and Path(path).read_text(encoding="utf-8") == job.text()):
            job.write(path)


def sorted_json(content: Any) -> str:
    """JSON that does not depend on the order of keys: what Snakemake compares to see an edit."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def plain(files: Any) -> dict[str, str | list[str]]:
    """Snakemake's named inputs or outputs as a dictionary of paths and lists of them."""
    return {name: value if isinstance(value, str) else list(value) for name, value in files.items()}


def tell_parameters(function: Callable[..., Any]) -> None:
    """Keep what parameters a function has where Snakemake looks before it reads them anew, thrice a job.

    That reading, ten microseconds each time, is a twentieth of the time of a plan.
    """
    overwrite_function_params(function, signature(function).parameters)
