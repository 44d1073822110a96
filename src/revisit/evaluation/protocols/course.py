"""The course of a training: which rate each update has, and when it has converged.

Either the rate is held until validation has come to rest and then cooled down to nothing
(warm-up, stable, decay: Hägele et al. 2024), or it falls along a fixed schedule. Both are told every look at
the validation samples and say afterwards whether these had nothing more to show within the budget.

A single score is noisy, and the best of many is a lucky one, so means of many are compared. And a score may
stand still for a while as the loss goes on falling, so both must have ended their course.
"""

from statistics import fmean

from revisit.training.schedules import Schedule


class Course:
    """A fixed schedule over ``most`` updates.

    ``patience``: looks that are averaged. Validation has come to rest when the mean score of the last ones is
    no more than ``min_rise`` above that of as many before them, and the mean loss no more than the share
    ``min_fall`` below.
    """

    def __init__(self, most: int, rate: Schedule, patience: int, min_rise: float, min_fall: float) -> None:
        self.most, self._rate, self._patience = most, rate, patience
        self._min_rise, self._min_fall = min_rise, min_fall
        self._scores: list[float] = []
        self._losses: list[float] = []

    @property
    def falling(self) -> bool:
        """Whether the rate falls because validation has come to rest."""
        return False

    @property
    def converged(self) -> bool:
        """Whether validation had come to rest before the budget ended."""
        return self._at_rest(self._patience)

    def done(self, step: int) -> bool:
        """Whether no update number ``step`` (from 0) is to be made."""
        return step >= self.most

    def factor(self, step: int) -> float:
        """The factor on the learning rate of update number ``step``."""
        return self._rate(step)

    def look(self, step: int, score: float, loss: float) -> None:
        """Take note of the validation score and loss after ``step`` updates."""
        self._scores.append(score)
        self._losses.append(loss)

    def _at_rest(self, looks: int) -> bool:
        if len(self._scores) < 2 * looks:
            return False
        (score, score_before), (loss, loss_before) = (
            (fmean(values[-looks:]), fmean(values[-2 * looks : -looks]))
            for values in (self._scores, self._losses)
        )
        return score <= score_before + self._min_rise and loss >= loss_before * (1 - self._min_fall)


class Held(Course):
    """The rate rises over ``warmup`` updates and is held until validation has come to rest.

    The looks averaged are a third of all, and at least ``patience``: a slow rise takes longer to be told from
    noise. Then the rate falls in a straight line to nothing, over ``cooldown`` times as many updates as were
    made. Where validation rests so late that this would end after ``most`` updates, the fall begins all the
    same.
    """

    def __init__(
        self, most: int, warmup: int, patience: int, min_rise: float, min_fall: float, cooldown: float
    ) -> None:
        super().__init__(most, self._held, patience, min_rise, min_fall)
        self._warmup, self._cooldown = warmup, cooldown
        self._latest = round(most / (1 + cooldown))  # a fall begun here ends in time
        self._fall: tuple[int, int] | None = None  # its first update, and the one after its last

    @property
    def falling(self) -> bool:
        return self._fall is not None

    @property
    def converged(self) -> bool:
        return self.falling

    def done(self, step: int) -> bool:
        fall = self._falls(step)
        return fall is not None and step >= fall[1]

    def look(self, step: int, score: float, loss: float) -> None:
        super().look(step, score, loss)
        at_rest = self._at_rest(max(self._patience, len(self._scores) // 3))
        if at_rest and self._warmup <= step <= self._latest and not self.falling:
            self._fall = step, min(step + max(round(self._cooldown * step), 1), self.most)

    def _falls(self, step: int) -> tuple[int, int] | None:
        if self._fall is None and step >= self._latest:
            return self._latest, self.most
        return self._fall

    def _held(self, step: int) -> float:
        if fall := self._falls(step):
            return 1 - (step - fall[0]) / max(fall[1] - fall[0], 1)
        return min((step + 1) / self._warmup, 1.0) if self._warmup else 1.0
