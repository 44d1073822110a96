"""The course of a training: which rate each update has, and when it has converged.

Either the rate is held until the validation score has stopped rising and then cooled down to nothing
(warm-up, stable, decay: Hägele et al. 2024), or it falls along a fixed schedule. Both are told every
validation score and say afterwards whether the score had stopped rising within the budget.
"""

from revisit.training.schedules import Schedule


class Course:
    """A fixed schedule over ``most`` updates.

    ``patience``: looks at the validation score without a rise of more than ``min_rise`` that count as its
    end of rising.
    """

    def __init__(self, most: int, rate: Schedule, patience: int, min_rise: float) -> None:
        self.most, self._rate, self._patience, self._min_rise = most, rate, patience, min_rise
        self._best = float("-inf")
        self._since_rise = 0

    @property
    def still(self) -> bool:
        """Whether the validation score has not risen for ``patience`` looks."""
        return self._since_rise >= self._patience

    @property
    def converged(self) -> bool:
        """Whether the score had stopped rising before the budget ended."""
        return self.still

    def done(self, step: int) -> bool:
        """Whether no update number ``step`` (from 0) is to be made."""
        return step >= self.most

    def factor(self, step: int) -> float:
        """The factor on the learning rate of update number ``step``."""
        return self._rate(step)

    def look(self, step: int, score: float) -> None:
        """Take note of the validation score after ``step`` updates."""
        if score > self._best + self._min_rise:
            self._best, self._since_rise = score, 0
        else:
            self._since_rise += 1


class Held(Course):
    """The rate rises over ``warmup`` updates and is held until the score has stopped rising.

    Then it falls in a straight line to nothing, over ``cooldown`` times as many updates as were made. Where
    the score still rises so late that this would end after ``most`` updates, the fall begins all the same.
    """

    def __init__(self, most: int, warmup: int, patience: int, min_rise: float, cooldown: float) -> None:
        super().__init__(most, self._held, patience, min_rise)
        self._warmup, self._cooldown = warmup, cooldown
        self._latest = round(most / (1 + cooldown))  # a fall begun here ends in time
        self._fall: tuple[int, int] | None = None  # its first update, and the one after its last

    @property
    def converged(self) -> bool:
        return self._fall is not None

    def done(self, step: int) -> bool:
        fall = self._falling(step)
        return fall is not None and step >= fall[1]

    def look(self, step: int, score: float) -> None:
        super().look(step, score)
        if self.still and self._warmup <= step <= self._latest and self._fall is None:
            self._fall = step, min(step + max(round(self._cooldown * step), 1), self.most)

    def _falling(self, step: int) -> tuple[int, int] | None:
        if self._fall is None and step >= self._latest:
            return self._latest, self.most
        return self._fall

    def _held(self, step: int) -> float:
        if fall := self._falling(step):
            return 1 - (step - fall[0]) / max(fall[1] - fall[0], 1)
        return min((step + 1) / self._warmup, 1.0) if self._warmup else 1.0
