"""Multi-label scenes as SeCo and SSL4EO-S12 score them: mean average precision of batches, averaged.

Experiments are those of ``multi-label``, whose numbers this reports too. The mean depends on the size of the
batches, and is only to be held against published numbers: ``models/ssl_finetuner.py`` of
ServiceNow/seasonal-contrast, ``linear_BE_moco.py`` of zhu-xlab/SSL4EO-S12.
"""

import numpy as np
from numpy.typing import NDArray

from revisit.evaluation.average_precision import mean_average_precision, reweighted
from revisit.evaluation.protocol import Predict
from revisit.evaluation.task import Data, Metric, Scored
from revisit.evaluation.tasks.multi_label import MultiLabel

BATCH = 256  # SeCo's default, of a process


class MultiLabelBatches(MultiLabel):
    """The task; see ``revisit.evaluation.task``."""

    metrics = {"batch_map": Metric(f"mAP (micro, in batches of {BATCH})"), **MultiLabel.metrics}
    headline = "batch_map"

    def score(self, data: Data, predict: Predict) -> Scored:
        """As ``multi-label``, with the mean over full batches in the order of the test set.

        As in those codes a last batch that is not full is dropped, but where it is the only one. Batches stay
        what they are where their samples count several times.
        """
        scored = super().score(data, predict)
        targets, outputs = scored.predictions["target"], scored.predictions["score"]
        ends = range(BATCH, len(targets) + 1, BATCH) or [len(targets)]
        batches = [slice(max(end - BATCH, 0), end) for end in ends]
        value = np.mean([mean_average_precision(targets[one], outputs[one]).micro for one in batches])
        scored.numbers["all"] = {"batch_map": float(value), **scored.numbers["all"]}
        of_batches = [reweighted(targets[one], outputs[one]) for one in batches]

        def mean(times: NDArray[np.int32]) -> NDArray[np.float64]:
            values = [of(times[:, one]) for of, one in zip(of_batches, batches, strict=True)]
            found: NDArray[np.float64] = np.ma.masked_invalid(values).mean(axis=0).filled(np.nan)
            return found

        return scored._replace(reweighted=mean)


TASK = MultiLabelBatches()
