"""How much of a score, or of a difference, hangs on which places are in the test set: the columns on it.

Evaluations leave the headline of a run on many test sets of places drawn anew, the same ones for all runs on
the same places (``revisit.evaluation.resampling``). So the mean over a row's runs, and the difference of two
rows, have a value on each of them too; the middle 95 % are the interval.
"""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from revisit.errors import RevisitError
from revisit.evaluation.intervals import percentiles
from revisit.evaluation.resampling import RESAMPLES
from revisit.report import reading
from revisit.report.score_files import Cell, Places


def read_resampled(cells: Iterable[Cell], headlines: Mapping[str, str]) -> None:
    """Fill ``resampled`` of the cells that are the headline of their experiment, from beside the score files.

    Raises RevisitError where a file lacks it, or has it of another number of test sets.
    """
    for cell in cells:
        about = cell.about
        if about["class"] != "all" or about["metric"] != headlines.get(about["experiment"]):
            continue
        for seed, path in cell.files.items():
            beside = path.with_suffix(".npz")
            cell.resampled[seed] = found = reading.read_array(beside, "resampled")
            if found.shape != (RESAMPLES,):
                raise RevisitError(
                    f"{beside}: resampled is of {found.size} test sets, not {RESAMPLES}; rerun its evaluation"
                )


def columns(
    resampled: Mapping[int, NDArray[np.float64]], clusters: Mapping[int, Hashable], places: Places | None
) -> dict[str, Any]:
    """``test_ci_low``, ``test_ci_high`` and ``test_places`` of a mean of runs.

    ``resampled`` (resample,) and ``clusters`` by evaluation seed are as of ``percentiles``. One place has no
    interval.
    """
    if not resampled or places is None:
        return {}
    low, high = percentiles(resampled, clusters) if places.number > 1 else (None, None)
    return {"test_ci_low": low, "test_ci_high": high, "test_places": places.number}
