"""Multi-label scenes as SeCo, SSL4EO-S12 and DINO-MM score them: mean average precision of batches, averaged.

Experiments are those of ``multi-label``, whose numbers this reports too. The mean depends on the size of the
batches, and is only to be held against published numbers: ``models/ssl_finetuner.py`` of
ServiceNow/seasonal-contrast, ``linear_BE_moco.py`` of zhu-xlab/SSL4EO-S12, ``linear_dino_B14.py`` of
zhu-xlab/DINO-MM.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from revisit.evaluation.average_precision import reweighted
from revisit.evaluation.protocol import Predict
from revisit.evaluation.task import Data, Experiment, Given, Metric, Scored
from revisit.evaluation.tasks.multi_label import MultiLabel, SceneExperiment, with_recipes
from revisit.patches.store import PatchStore


class BatchesGiven(Given):
    """What a job gets of an experiment."""

    scored_batch: int = Field(256, ge=1)
    """Test samples of a batch: 256 in SeCo and SSL4EO-S12 (64 where it fine-tunes), 64 in DINO-MM."""
    last_batch: Literal["dropped", "weighted"] = "dropped"
    """What becomes of a last batch that is not full. `dropped`, but where it is the only one: SeCo and
    SSL4EO-S12; `weighted`: all count by their samples, as in DINO-MM."""


class BatchesExperiment(BatchesGiven, SceneExperiment):
    """An experiment on scenes with several classes each, scored by batches."""


@dataclass(frozen=True)
class BatchedData(Data):
    """As ``Data``, and how its test set is scored."""

    given: BatchesGiven = field(kw_only=True)

    def batches(self) -> list[slice]:
        """The batches that are scored, in the order of the test set."""
        size, samples = self.given.scored_batch, len(self.test)
        dropped = samples % size if self.given.last_batch == "dropped" and samples > size else 0
        return [slice(start, min(start + size, samples)) for start in range(0, samples - dropped, size)]


class MultiLabelBatches(MultiLabel):
    """The task; see ``revisit.evaluation.task``."""

    Slice = BatchesGiven
    metrics = {"batch_map": Metric("mAP (micro, of batches)"), **MultiLabel.metrics}
    headline = "batch_map"

    @cached_property
    def Settings(self) -> type[Experiment]:  # type: ignore[override]  # noqa: N802
        return with_recipes(BatchesExperiment)

    def data(self, store: PatchStore, modality: str, given: Given) -> Data:
        return BatchedData(**vars(super().data(store, modality, given)), given=cast(BatchesGiven, given))

    def score(self, data: Data, predict: Predict) -> Scored:
        """As ``multi-label``, with the mean over batches, weighted by their samples.

        Batches stay what they are where their samples count several times; one that shows no class is left
        out.
        """
        scored = super().score(data, predict)
        targets, outputs = scored.predictions["target"], scored.predictions["score"]
        batches = cast(BatchedData, data).batches()
        of_batches = [reweighted(targets[one], outputs[one]) for one in batches]
        sizes = [one.stop - one.start for one in batches]

        def mean(times: NDArray[np.int32]) -> NDArray[np.float64]:
            values = [of(times[:, one]) for of, one in zip(of_batches, batches, strict=True)]
            averages = np.ma.average(np.ma.masked_invalid(values), axis=0, weights=sizes)
            found: NDArray[np.float64] = np.ma.filled(averages, np.nan)
            return found

        once = np.ones((1, len(targets)), np.int32)
        scored.numbers["all"] = {"batch_map": float(mean(once)[0]), **scored.numbers["all"]}
        return scored._replace(reweighted=mean)


TASK = MultiLabelBatches()
