"""Features and outputs that are not finite: nothing is learnt from them, and no score is made of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from revisit.errors import RevisitError


def check_finite(numbers: NDArray[Any], samples: NDArray[Any], what: str) -> None:
    """Raise RevisitError where ``numbers`` (sample, ...) of these samples are not finite.

    ``what`` says where they are from: it is the subject of the error.
    """
    wrong = np.flatnonzero(~np.isfinite(numbers).reshape(len(numbers), -1).all(axis=1))
    if wrong.size:
        raise RevisitError(
            f"{what} are not finite for {len(wrong)} of {len(samples)} samples, the first of which is "
            f"{samples[wrong[0]]}; train at a lower learning rate"
        )
