"""Says how near the places that encoders were pretrained on lie to those that they are tested on."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from revisit.errors import RevisitError
from revisit.files import read_json
from revisit.report.leaks import KEY, Row, Tested, check, checked, to_markdown
from revisit.trace import DEPTHS, Results


def tested(results: Path) -> list[Tested]:
    """The rows of a study's scores that have encoders, each by its first score file.

    Raises RevisitError where there is no score, or a file is none.
    """
    below, found = Results(results), dict[Path, Tested | None]()
    for path in sorted((results / "scores").glob(f"{'*/' * (DEPTHS['scores'] - 2)}*.json")):
        row = path.parents[1]
        if row in found:
            continue
        content = read_json(path)
        if "sources" not in content or "columns" not in content:
            raise RevisitError(f"{path}: no score file (key 'sources' is missing); rerun its evaluation")
        columns, sources = content["columns"], content["sources"]
        found[row] = sources["encoders"] and Tested(
            **{name: columns[name] for name in KEY},
            encoders=[below.place(one) for one in sources["encoders"]],
            index=below.place(sources["patches"]),
        )
    if not found:
        raise RevisitError(f"{results}: has no scores; name the results of a study, or an encoder and --on")
    return [one for one in found.values() if one]


def main(argv: Sequence[str] | None = None) -> int:
    """The command ``revisit leak-check``: 1 where an encoder was pretrained on places it is tested on."""
    parser = argparse.ArgumentParser(
        description="Say how near the places that encoders were pretrained on lie to those they are tested "
        "on: the least distance, places that are the same, places that overlap. The status is 1 where any do."
    )
    parser.add_argument(
        "path", type=Path, nargs="?", default=Path("results"), help="results of a study, or one encoder"
    )
    parser.add_argument(
        "--on", type=Path, metavar="COLLECTION", help="test one encoder's places against this"
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    arguments = parser.parse_args(argv)
    try:
        if arguments.on:
            named = {"method": str(arguments.path), "modality": "", "experiment": "", "protocol": ""}
            index = arguments.on / "index.json" if arguments.on.is_dir() else arguments.on
            rows: list[Row] = [named | check([arguments.path], index)]
        else:
            rows = checked(tested(arguments.path))
    except RevisitError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    sys.stdout.write(json.dumps(rows, indent=1) + "\n" if arguments.json else to_markdown(rows))
    return int(any(row["overlapped"] for row in rows))
