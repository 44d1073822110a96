"""Maps of change between two label maps, and what their codes mean."""

import numpy as np
from numpy.typing import NDArray

from revisit.cube.labels.legend import LabelClass, Legend

SAME, CHANGED = 1, 2  # codes of a map of change; 0 is no label, as everywhere
CHANGED_SHARE = 0.1  # of its labelled pixels: a place where so many or more differ has changed
CHANGE = Legend(
    title="change",
    classes=[
        LabelClass(code=SAME, name="No change", colour="#d9d9d9"),
        LabelClass(code=CHANGED, name="Change", colour="#d7191c"),
    ],
)


def change(before: NDArray[np.unsignedinteger], after: NDArray[np.unsignedinteger]) -> NDArray[np.uint8]:
    """Where the codes of two label maps differ: ``CHANGED``, else ``SAME``, 0 where either has no label."""
    known = (before != 0) & (after != 0)
    return np.where(known, np.where(before == after, SAME, CHANGED), 0).astype(np.uint8)
