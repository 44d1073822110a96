"""The contract of a layout, and what it makes: blocks of cells with our numbers and the published ones.

A layout is one file in ``layouts/`` that offers itself as ``LAYOUT``. It gets the scores of one experiment
and returns blocks; which experiment that is, the config says (``experiments.{name}.layouts``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from revisit.errors import RevisitError

if TYPE_CHECKING:
    from revisit.report.cells import Scores

Setting = dict[str, Any]  # experiment, dataset, protocol and label_fraction of a block
NOT_RUN = "–"
DIFFERENT_DATA = (
    "Published numbers are of other data (BigEarthNet-MM; an area of the authors' own with WorldCover 2020). "
    "They show where the works stood, and are no target of this run."
)
INTERVAL = "In brackets: 95 % interval of the mean over seeds; none where one seed was run."
COLLAPSED = "† the encoder collapsed in pretraining."


@dataclass(frozen=True)
class Cell:
    """A number of ours with its interval, and the published one, all in the unit of the block."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    published: float | None = None
    collapsed: bool = False

    def ours(self, form: str) -> str:
        """Our number as printed: value and interval, a dagger where the encoder collapsed, or a dash."""
        if self.value is None:
            return NOT_RUN
        text = f"{self.value:{form}}{'†' if self.collapsed else ''}"
        if self.low is None or self.high is None:
            return text
        return f"{text} [{self.low:{form}}, {self.high:{form}}]"

    def theirs(self, form: str) -> str:
        """The published number as printed, or a dash."""
        return NOT_RUN if self.published is None else f"{self.published:{form}}"


@dataclass(frozen=True)
class Block:
    """Rows of cells of one setting: ``labels`` head the words that name a row, ``columns`` its cells."""

    heading: str
    setting: Setting
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    rows: list[tuple[tuple[str, ...], list[Cell]]]
    form: str  # of a number, such as .1f


@dataclass(frozen=True)
class Table:
    """What a layout makes of an experiment, to be printed."""

    title: str
    subtitle: str  # what it is of
    notes: tuple[str, ...]
    blocks: list[Block]


@dataclass(frozen=True)
class Layout:
    """How scores of one task are laid out.

    ``blocks`` lays out the scores of one experiment. ``dots``: the words for its numbers on an axis where the
    first block can be shown as a picture, a line a row and a panel a column; empty where it cannot.
    """

    title: str
    task: str
    blocks: Callable[["Scores"], list[Block]]
    notes: tuple[str, ...] = (DIFFERENT_DATA, INTERVAL, COLLAPSED)
    dots: str = ""

    def lay_out(self, scores: "Scores", name: str, title: str) -> Table:
        """The table of the experiment ``title``; raises RevisitError where no number of it is shown."""
        blocks = self.blocks(scores)
        cells = (cell for block in blocks for _, row in block.rows for cell in row)
        if all(cell.value is None for cell in cells):
            raise RevisitError(
                f"experiments.{scores.experiment}.layouts: {name!r} shows none of this experiment's numbers; "
                f"it is made for {self.task} (see revisit.report.layouts), choose another"
            )
        return Table(self.title, f"Experiment: {title}", self.notes, blocks)
