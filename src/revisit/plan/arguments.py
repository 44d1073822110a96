"""What can be wrong with ``snakemake``'s own arguments: a study that is no YAML, a target taken for a study.

Snakemake reads the files of ``--configfile`` before any line of a Snakefile runs. Of a broken one it tells
neither place nor remedy. All that follows ``--configfile`` is a config file to it, a target too.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

OPTIONS = ("--configfile", "--configfiles")
SUFFIXES = (".yaml", ".yml", ".json")  # that Snakemake reads


def check_arguments(argv: Sequence[str]) -> None:
    """End the process after one line where a config file among Snakemake's arguments cannot be one."""
    given = _config_files(argv)
    for path in given:
        if not Path(path).is_file():
            _end(f"{path}: no such config file{_hint(path, given)}")
        if path != given[0] and Path(path).suffix not in SUFFIXES:
            _end(f"{path}: not a study, whose files end in .yaml{_hint(path, given)}")
        if not isinstance(read_yaml(path), dict):
            _end(f"{path}: not a study, which is YAML with keys{_hint(path, given)}")


def read_yaml(path: str | Path) -> Any:
    """The content of a YAML file; ends the process after one line with the place where it is not valid."""
    try:
        with Path(path).open(encoding="utf-8") as file:
            return yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except FileNotFoundError:
        _end(f"{path}: no such file; give a study with --configfile")
    except UnicodeDecodeError:
        _end(f"{path}: not a text file")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        _end(f"{path}{place}: not valid YAML, {error.problem}; mend it there or just before")


def _config_files(argv: Sequence[str]) -> list[str]:
    found: list[str] = []
    reading = False
    for argument in argv:
        option, sign, value = argument.partition("=")
        if argument.startswith("-"):
            reading = argument in OPTIONS
            if sign and option in OPTIONS:
                found.append(value)
        elif reading:
            found.append(argument)
    return found


def _hint(path: str, given: Sequence[str]) -> str:
    if path == given[0]:
        return ""
    return f"; a target stands before the option: snakemake {path} --configfile {given[0]}"


def _end(line: str) -> Any:
    sys.stderr.write(f"error: {line}\n")
    raise SystemExit(1)
