"""Land-cover segmentation: a class for every pixel of an image, scored by one confusion matrix.

Works on yearly collections, whose input is the composite of the label year, as the tables of STMIM read
literally; and on collections of dates and of pairs, each image with the map of its year, as DynamicEarthNet
and DFC2020 are. The classes are those of the labels' legend, or merged from them.
"""

from typing import cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from revisit.errors import RevisitError
from revisit.evaluation import checks
from revisit.evaluation.metrics import ConfusionMatrix, miou, reweighted
from revisit.evaluation.protocol import Indices, Predict
from revisit.evaluation.task import Data, Experiment, Given, Metric, Scored
from revisit.evaluation.tasks.landcover import LandClass, Merging
from revisit.evaluation.tasks.losses import segmentation_loss
from revisit.evaluation.tasks.maps import MapExperiment, MapTask, confusion, confusions, kept
from revisit.patches.modality import bands_of
from revisit.patches.store import PatchStore


class SegmentationGiven(Given):
    """What a job gets of an experiment."""

    classes: list[LandClass] | None = None
    """What to tell apart, in order: names of classes with the codes of the labels merged into each. Left out,
    the four classes of the STMIM tables where labels are WorldCover's, else every class of the legend."""


class SegmentationExperiment(SegmentationGiven, MapExperiment):
    """An experiment on maps of land cover."""


class Segmentation(MapTask):
    """The task; see ``revisit.evaluation.task``."""

    Settings = SegmentationExperiment
    Slice = SegmentationGiven
    kinds = ("yearly", "dates", "pairs")
    metrics = {
        "miou": Metric("mIoU"),
        "accuracy": Metric("accuracy"),
        "iou": Metric("IoU"),
        "precision": Metric("precision"),
        "recall": Metric("recall"),
        "f1": Metric("F1"),
    }
    headline = "miou"

    def check(
        self, name: str, settings: Experiment, pretraining: checks.Entries, collections: checks.Entries
    ) -> None:
        super().check(name, settings, pretraining, collections)
        where = f"experiments.{name}"
        legend = checks.legend_of(collections[settings.collection], f"{where}.collection")
        with checks.at(where):
            Merging(cast(SegmentationExperiment, settings).classes, legend)

    def data(self, store: PatchStore, modality: str, given: Given) -> Data:
        self.check_kind(store)
        bands = bands_of(modality, store.bands)
        time, seen = _label_year(store, bands) if store.attrs["time_axis"] else (None, store.present(bands))
        return self.labelled(store, bands, time, seen, cast(SegmentationGiven, given).classes)

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return segmentation_loss(outputs, labels)

    def agreement(self, labels: NDArray[np.uint8], outputs: NDArray[np.float32]) -> float:
        matrix = ConfusionMatrix(outputs.shape[1])
        matrix.update(labels, outputs.argmax(1))
        return matrix.summary()["all"]["miou"]

    def validation(self, data: Data, validating: Indices, predict: Predict) -> float:
        return confusion(data, predict, validating).summary()["all"]["miou"]

    def score(self, data: Data, predict: Predict) -> Scored:
        """From one confusion matrix of the whole test set; predictions see ``kept``."""
        counts = confusions(data, predict, data.test)
        matrix = ConfusionMatrix.total(counts)
        by_metric = matrix.scores()
        support = by_metric.pop("support")
        by_class = {
            name: {metric: float(values[number]) for metric, values in by_metric.items()}
            for number, name in enumerate(data.classes)
            if support[number]
        }
        return Scored(
            numbers=by_class | matrix.summary(),
            reweighted=reweighted(counts, miou),
            record={"confusion": matrix.counts.tolist()},
            absent=[name for number, name in enumerate(data.classes) if not support[number]],
            predictions=kept(data, predict),
        )


TASK = Segmentation()


def _label_year(store: PatchStore, bands: tuple[str, ...]) -> tuple[int, NDArray[np.bool_]]:
    """The time of the composites of the labels' year, and which samples have one of every sensor.

    Of all sensors, whichever are asked for: rows on other bands are scored on the same places.
    """
    year = store.attrs["label_year"]
    if year not in (years := store.years(bands)):
        raise RevisitError(f"{store.path}: no composites of {year}; its sensors share {list(years)}")
    of_year = [
        band
        for sensor, names in store.bands.items()
        if year in store.attrs["years"].get(sensor, ())
        for band in names
    ]
    return years.index(year), store.present(of_year, store.years(of_year).index(year))
