"""Score files: one JSON per job, its rows in the columns of ``tables/all.csv``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from revisit.evaluation.columns import COLUMNS
from revisit.evaluation.statistics import mean_interval
from revisit.files import write_json
from revisit.provenance import code_version, config_hash


class Value(NamedTuple):
    """One metric of one run: a seed at a label fraction. ``name`` is a class, or ``all``."""

    label_fraction: float
    name: str
    metric: str
    seed: int
    value: float


def rows(values: Sequence[Value], common: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a (label fraction, class, metric), in order of appearance: mean and 95 % interval over seeds.

    ``common`` gives the columns that all rows of the job share; a column nobody gives is None.
    """
    groups: dict[tuple[float, str, str], list[float]] = {}
    for value in values:
        groups.setdefault((value.label_fraction, value.name, value.metric), []).append(value.value)
    result = []
    for (label_fraction, name, metric), of_seeds in groups.items():
        mean, low, high = mean_interval(of_seeds)
        own = {
            "label_fraction": label_fraction,
            "class": name,
            "metric": metric,
            "value": mean,
            "ci_low": low,
            "ci_high": high,
            "seeds": len(of_seeds),
        }
        full = {**common, **own}
        result.append({column: full.get(column) for column in COLUMNS})
    return result


def sources(patches: Path, attrs: Mapping[str, Any], encoders: Sequence[Path]) -> dict[str, Any]:
    """Where a cell of the table comes from: the files to follow back, from the score to the cubes."""
    return {
        "patches": patches.as_posix(),
        "cubes": attrs.get("source_cubes", []),
        "encoders": [path.as_posix() for path in encoders],
        "cards": [path.with_name("card.json").as_posix() for path in encoders],
    }


def write(
    path: Path,
    values: Sequence[Value],
    columns: Mapping[str, Any],
    settings: Mapping[str, Any],
    **beside: Any,
) -> None:
    """Write the score file: rows of ``columns``, each value, settings, and what else is given ``beside``.

    ``settings``: those that decide the numbers; their digest is in the rows.
    """
    common = {
        **columns,
        "config_hash": config_hash(settings),
        "code_version": code_version(),
        "run": path.as_posix(),
    }
    written = [
        {
            "label_fraction": v.label_fraction,
            "class": v.name,
            "metric": v.metric,
            "seed": v.seed,
            "value": v.value,
        }
        for v in values
    ]
    write_json(path, {"rows": rows(values, common), "values": written, "settings": settings, **beside})
