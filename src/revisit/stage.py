"""What every stage's command line shares: settings, a log file, one-line errors, progress bars."""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from revisit.errors import RevisitError

Item = TypeVar("Item")
log = logging.getLogger("revisit")


def parser(description: str | None) -> argparse.ArgumentParser:
    """An argument parser with the two options all stages have."""
    result = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument(
        "--settings", type=_settings, default={}, help="this stage's part of the config, as JSON"
    )
    result.add_argument("--log", type=Path, help="write messages to this file too")
    return result


def run(work: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> int:
    """Run a stage: returns 0, or 1 after one line that says what to mend."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if arguments.log:
        arguments.log.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(arguments.log, mode="w"))
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        handlers=handlers,
        force=True,
    )
    try:
        work(arguments)
    except RevisitError as error:
        log.error("error: %s", " ".join(str(error).split()))
        return 1
    except Exception:
        log.exception("error: this is a fault of revisit itself; please report it with these lines")
        return 1
    return 0


def progress(items: Iterable[Item], label: str, total: int | None = None) -> Iterable[Item]:
    """Iterate with a progress bar on a terminal, silently elsewhere."""
    return tqdm(items, desc=label, total=total, disable=None, leave=False)


def _settings(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("must be a JSON object")
    return value


def setting(settings: dict[str, Any], key: str) -> Any:
    """A setting that must be there."""
    if key not in settings:
        raise RevisitError(f"settings: key {key!r} is missing; it has {sorted(settings)}")
    return settings[key]


def main(
    work: Callable[[argparse.Namespace], None],
    arguments: argparse.ArgumentParser,
    argv: Sequence[str] | None = None,
) -> int:
    """Parse and run; a stage's ``main`` is one call of this."""
    return run(work, arguments.parse_args(argv))
