"""The contract of a layout, and what it makes: blocks of cells with our numbers and the published ones.

A layout is one file in ``layouts/`` that offers itself as ``LAYOUT``. It gets the scores of one experiment
and returns blocks; which experiment that is, the config says (``experiments.{name}.layouts``).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from revisit.errors import RevisitError
from revisit.report.published.lookup import Published, caveat

if TYPE_CHECKING:
    from revisit.report.cells import Scores

Setting = dict[str, Any]  # experiment, dataset, protocol and amount of labels of a block
NOT_RUN = "–"
INTERVAL = (
    "In brackets: 95 % interval of the mean over all luck of pretraining and evaluation; none where one run "
    "was made. Which places are in the test split is not in it; how much hangs on them, test_ci_low and "
    "test_ci_high of all.csv say of the headline metric."
)
DEVIATION = "After ±: standard deviation over runs."
COLLAPSED = "† the encoder collapsed in pretraining."
LEAKED = "§ the encoder was pretrained on places of the test split (tables/leaks.md)."
CUT = "‡ a training had not converged when its budget ended."


@dataclass(frozen=True)
class Cell:
    """A number of ours with its interval, and the published one, all in the unit of the block.

    The standard deviations over runs and the interval over test places are there where the layout shows them.
    ``row`` is that of all.csv which our number is of, ``line`` what is published.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    published: float | None = None
    collapsed: bool = False
    cut: bool = False
    deviation: float | None = None
    published_deviation: float | None = None
    leaked: bool = False
    test_low: float | None = None
    test_high: float | None = None
    row: Mapping[str, Any] | None = None
    line: Published | None = None

    @property
    def filled(self) -> bool:
        """Whether it holds a number."""
        return self.value is not None or self.published is not None

    def ours(self, form: str) -> str:
        """Our number as printed: value and intervals, daggers where it is not to be trusted, or a dash."""
        if self.value is None:
            return NOT_RUN
        text = (
            f"{self.value:{form}}{'†' if self.collapsed else ''}{'‡' if self.cut else ''}{'§' * self.leaked}"
        )
        if self.deviation is not None:
            text += f" ± {self.deviation:{form}}"
        if self.low is not None and self.high is not None:
            text += f" [{self.low:{form}}, {self.high:{form}}]"
        if self.test_low is not None and self.test_high is not None:
            text += f" {{{self.test_low:{form}}, {self.test_high:{form}}}}"
        return text

    def theirs(self) -> str:
        """The published number with the digits it has in its source, or a dash."""
        if self.published is None:
            return NOT_RUN
        spread = "" if self.published_deviation is None else f" ± {self.published_deviation:.5g}"
        return f"{self.published:.5g}{spread}"


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
    notes: tuple[str, ...] = (INTERVAL,)
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
        theirs = caveat(scores.published_as)
        notes = ((theirs[0].upper() + theirs[1:] + ".",) if theirs else ()) + self.notes
        return Table(self.title, f"Experiment: {title}", with_marks(notes, blocks), blocks)


def with_marks(notes: tuple[str, ...], blocks: Iterable[Block]) -> tuple[str, ...]:
    """The notes of these blocks, and what the marks mean that their cells have."""
    cells = [cell for block in blocks for _, row in block.rows for cell in row]
    marks = {
        COLLAPSED: any(cell.collapsed for cell in cells),
        CUT: any(cell.cut for cell in cells),
        LEAKED: any(cell.leaked for cell in cells),
    }
    return (*notes, *(note for note, there in marks.items() if there))
