"""What the plan tells the report of a study: its runs, encoders and experiments, in the order of the config.

Tables and figures are made from these facts alone. A free name of the config (of an experiment, a method, a
collection) is printed and finds rows of its own; nothing depends on how it is spelled. What the plan knows
beyond these fields is passed over.
"""

from typing import Self

from revisit.record import Record
from revisit.report import words


class Run(Record, extra="ignore"):
    """One row of scores: a network on a modality by a protocol."""

    experiment: str
    """Free name of the experiment."""
    method: str
    """Free name of the method or network, as the column ``method`` of all.csv has it."""
    title: str
    """How tables and figures print the method."""
    modality: str
    """Such as ``s1+s2``."""
    protocol: str
    """Such as ``fine-tune``."""
    stage: str = "evaluate"
    """What makes it: ``evaluate`` trains networks, a ``probe`` has frozen features, a ``floor`` neither."""
    published_as: str | None = None
    """Key of its published counterpart, if it has one."""
    pretrained: bool
    """Whether its weights come from pretraining."""
    recipe: str
    """How its encoders are pretrained but for imagery and steps: in one recipe runs differ in these only."""
    task: str
    """Name of the task."""


class Encoder(Record, extra="ignore"):
    """One encoder of a study."""

    entry: str
    """Free name of the method entry that makes it."""
    title: str
    """How tables and figures print the entry."""
    collection: str
    """Free name of the collection it is trained on."""
    kind: str
    """Kind of that collection, such as ``yearly``."""
    modality: str
    """Such as ``s1+s2``."""
    seed: int
    """Pretraining seed."""
    reconstructs: bool
    """Whether its method restores what it hides, and so leaves reconstruction.npz."""
    generates: bool = False
    """Whether it makes images of other bands than it sees."""
    baseline: bool
    """Whether its method takes no training step."""
    estimates_change: bool = False
    """Whether its method estimates which places have changed, and so leaves changes.csv and mixture.csv."""
    change_known: bool = False
    """Whether its collection has label maps of several years, which tell what has changed."""


class Experiment(Record, extra="ignore"):
    """What an experiment asks for."""

    task: str
    """Name of the task."""
    title: str | None = None
    """How the page and the tables print the experiment, if not by its name."""
    headline: str
    """The one metric of the task that a figure and the gains show, such as ``miou``."""
    label_fractions: list[float]
    """Shares of the labels that its networks are trained with."""
    label_counts: list[int] = []
    """Numbers of labelled samples instead, where they are given."""
    layouts: list[str] = []
    """Tables to lay out of its scores."""
    published_as: str | None = None
    """Key of the published numbers to show beside its own."""


class Facts(Record):
    """The facts of a study, or of one experiment or one encoder of it."""

    runs: list[Run] = []
    """Rows of scores, in the order of the config."""
    encoders: list[Encoder] = []
    """Encoders, in the order of the config."""
    experiments: dict[str, Experiment] = {}
    """Experiments by free name; a job's file sorts them, their order is that of the runs."""

    def names(self) -> list[str]:
        """The experiments, in the order of their first runs."""
        return list(dict.fromkeys(run.experiment for run in self.runs))

    def title(self, experiment: str) -> str:
        """How an experiment is printed."""
        entry = self.experiments.get(experiment)
        return (entry and entry.title) or experiment

    def of_experiment(self, name: str) -> Self:
        """The facts of this experiment alone: its runs, and no encoder."""
        return self.model_copy(
            update={
                "runs": [run for run in self.runs if run.experiment == name],
                "encoders": [],
                "experiments": {key: value for key, value in self.experiments.items() if key == name},
            }
        )

    def with_twins(self) -> list[Run]:
        """The pretrained runs that may have a twin: a run of their modality without pretraining."""
        without = {run.modality for run in self.runs if not run.pretrained and run.protocol != words.FLOOR}
        return [run for run in self.runs if run.pretrained and run.modality in without]

    def of_encoder(self, encoder: Encoder) -> Self:
        """The facts of this encoder alone."""
        return self.model_copy(update={"runs": [], "encoders": [encoder], "experiments": {}})
