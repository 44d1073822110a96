"""The command ``revisit trace``: the way back from a number, an encoder or a cube to its STAC items."""

import argparse
import glob
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from revisit.errors import RevisitError
from revisit.trace import Ref, Results, started


def scores_of(results: Path, **named: str | None) -> list[Path]:
    """The score files of a number, one a seed; raises RevisitError where there is none, or several numbers.

    ``named``: experiment, method, modality, protocol, labels (a share or number) and seed, those not given
    being None.
    """
    steps = [
        glob.escape(named[name] or "") or "*" for name in ("experiment", "method", "modality", "protocol")
    ]
    try:
        labels = f"{float(named['labels']):.10g}" if named["labels"] else "*"
    except ValueError as error:
        raise RevisitError(f"--labels {named['labels']}: is no share or number of labels") from error
    found = sorted(
        (results / "scores").glob(f"{'/'.join(steps)}/labels{labels}/seed{named['seed'] or '*'}.json")
    )
    asked = ", ".join(f"{name} {value}" for name, value in named.items() if value)
    if not found:
        raise RevisitError(f"{results}/scores: has no score of {asked or 'anything'}; see tables/all.csv")
    numbers = list(dict.fromkeys(path.parent.relative_to(results / "scores").as_posix() for path in found))
    if len(numbers) > 1:
        raise RevisitError(
            f"{results}/scores: {len(numbers)} numbers are of {asked or 'all'}, such as {numbers[0]} and "
            f"{numbers[1]}; say which by --experiment, --method, --modality, --protocol, --labels"
        )
    return found


def told(results: Results, starts: Sequence[Ref]) -> str:
    """The chain as text, a product a line, with what it was made of below it."""
    lines = []
    for depth, node, before in results.walk(starts):
        indent = "  " * depth
        path = node.ref.path.as_posix()
        if before:
            lines.append(f"{indent}{node.ref.kind} {path} (see above)")
            continue
        made = [
            f"settings {node.settings}" if node.settings else "",
            f"code {node.code}" if node.code else "",
        ]
        marks = "; ".join(filter(None, [*made, node.note, "" if node.there else "not there any more"]))
        about = ", ".join(f"{name} {value}" for name, value in node.about.items() if value not in (None, ""))
        lines.append(
            f"{indent}{node.ref.kind} {path}{f': {about}' if about else ''}{f' [{marks}]' if marks else ''}"
        )
        for item in node.items:
            lines.append(f"{indent}  item {', '.join(filter(None, (item.id, item.datetime)))}")
            lines += [f"{indent}    {band} {href}" for band, href in item.hrefs.items()]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """The command ``revisit trace``."""
    parser = argparse.ArgumentParser(
        description="Follow a number, encoder or cube back to the STAC items of its imagery."
    )
    parser.add_argument(
        "path", type=Path, nargs="?", help="a score file, encoder, index, patch store or cube"
    )
    for name in ("experiment", "method", "modality", "protocol", "labels", "seed"):
        parser.add_argument(f"--{name}", help=f"of a number of a table, as all.csv has it: its {name}")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of the study's results")
    parser.add_argument("--json", action="store_true", help="for programs")
    arguments = vars(parser.parse_args(argv))
    named = {
        key: arguments[key] for key in ("experiment", "method", "modality", "protocol", "labels", "seed")
    }
    try:
        if (arguments["path"] is None) == (not any(named.values())):
            raise RevisitError("give either a path or what names a number, such as --experiment and --method")
        paths = [arguments["path"]] if arguments["path"] else scores_of(arguments["results"], **named)
        results = started(paths[0])[0]
        starts = [started(path)[1] for path in paths]
        if arguments["json"]:
            files = [node.content() for _, node, before in results.walk(starts) if not before]
            start = [ref.path.as_posix() for ref in starts]
            sys.stdout.write(json.dumps({"start": start, "files": files}, indent=1) + "\n")
        else:
            sys.stdout.write(told(results, starts))
    except RevisitError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # a reader such as `head` has seen enough
        return 0
    return 0
