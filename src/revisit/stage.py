"""What every stage shares: it is run from a job's file, logs to a file, fails in one line, shows progress.

A stage is a module with plain functions and one function ``run(job)`` that calls them with the job's files
and settings. Nothing else starts a stage.
"""

import argparse
import logging
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from revisit.errors import RevisitError
from revisit.job import Job

Item = TypeVar("Item")
log = logging.getLogger("revisit")
WITHOUT_DASK = "revisit.cube."  # stages that need none and load no part from outside


def run_file(path: str | Path) -> int:
    """Run the job of a file: returns 0, or 1 after one line that says what to mend."""
    _log_to(None)  # what is wrong with the file itself is told too
    try:
        job = Job.read(path)
        _log_to(job.log)
        if job.stage.startswith(WITHOUT_DASK):
            # Where dask is installed xarray imports it with the first slice: half a second of every job.
            sys.modules.setdefault("dask", None)  # type: ignore[arg-type]
        import_module(job.stage).run(job)
    except RevisitError as error:
        log.error("error: %s", " ".join(str(error).split()))
        return 1
    except Exception:
        log.exception("error: this is a fault of revisit itself; please report it with these lines")
        return 1
    return 0


def _log_to(path: str | None) -> None:
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(path, mode="w"))
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
