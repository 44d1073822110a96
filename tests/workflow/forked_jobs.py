"""Runs jobs one after another, each in a process of its own in surroundings that fail it.

    python forked_jobs.py MODULE...    orders come in, answers go out: JSON, a line each

The modules are imported once, and each job runs in a fork, so that a stage starts in milliseconds. An order:
``job`` (its file), ``file_bytes`` (no file may grow longer, as on a full disk), ``signal`` (a number, sent to
itself) and ``at``: an event of Python's audit, such as os.rename, and when it comes for the how manyeth time.
An answer: ``status``, as a shell has it, and ``said``, all that was printed.
"""

import json
import os
import resource
import sys
from importlib import import_module
from typing import Any

from revisit.stage import run_file


def main() -> None:
    sys.modules["dask"] = None  # type: ignore[assignment]  # as for the stages of cubes, which are not alone here
    for module in sys.argv[1:]:
        import_module(module)
    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            os.close(reading)
            os.close(writing)
            status = 1
            try:
                disturb(**order)
                status = run_file(order["job"])
            finally:
                sys.stdout.flush()
                os._exit(status)
        os.close(writing)
        with os.fdopen(reading) as heard:
            said = heard.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps({"status": status if status >= 0 else 128 - status, "said": said}), flush=True)


def disturb(job: str, file_bytes: int | None = None, signal: int = 0, at: tuple[str, int] = ("", 0)) -> None:
    """Arrange what is to go wrong with this process."""
    awaited, left = at

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event == awaited and ".part" in str(arguments[0]):  # what is written aside
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal)

    if signal:
        sys.addaudithook(count)
    if file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))


if __name__ == "__main__":
    main()
