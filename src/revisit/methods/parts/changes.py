"""Which places have changed between two eras, estimated while the features are learnt (CACo, section 3.2).

Of features f of two dates t0, t2 in each era e of a place,

    R_e = |f(t0 of era 0) - f(t0 of era 1)| / |f(t0 of e) - f(t2 of e)|,   r_e <- beta r_e + (1 - beta) R_e

where the first R is r itself. After every epoch two Gaussians are fitted to all estimates; those that the one
with the larger mean takes for itself are changes. What was never estimated counts as unchanged.
"""

import math
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from revisit.methods.method import Store
from revisit.methods.parts import ranks
from revisit.methods.parts.subspaces import KEYS
from revisit.methods.parts.times import Eras
from revisit.patches.batch import NO_DATE
from revisit.record import Record

KINDS = ("distance", "ratio", "smoothed-ratio")  # that are kept of each place and era
UNKNOWN, UNCHANGED, CHANGED = -1, 0, 1
LEAST = 1e-4  # added to the distance within an era (CACo's code)


class ChangeSettings(Record):
    """When a place's own other era is a negative of it, and how that is found out."""

    other_era: Literal["if-changed", "always", "never"] = "if-changed"
    """Whether images of a place at its other era are negatives: where it has changed (CACo), always (its
    ablation with long-term contrast alone), or never (short-term contrast alone)."""
    estimate: Literal["smoothed-ratio", "ratio", "aligned-ratio", "aligned-smoothed-ratio", "distance"] = (
        "smoothed-ratio"
    )
    """What tells changed places: the distance between the eras, its ratio to that within an era, or the
    moving average of that ratio; `aligned-` where both eras are seen in like season. CACo's equation 3 is
    `aligned-smoothed-ratio` with `squared`; its table has `smoothed-ratio` as the best."""
    features: Literal["season", "encoder"] = "season"
    """What distances are between, L2-normalised: features in the subspace `season`, as in CACo's code, or
    those of the `encoder`, before any head."""
    beta: float = Field(0.8, ge=0, lt=1)
    """Share of itself that the moving average keeps when a place comes again."""
    squared: bool = False
    """Whether distances are squared, as in CACo's equation 3; its code does not."""

    @property
    def aligned(self) -> bool:
        """Whether the two eras are to be compared in like season."""
        return self.other_era == "if-changed" and self.estimate.startswith("aligned-")


class Changes(nn.Module):
    """Estimates of all places, by place and era; all that outlives a step is a buffer.

    ``estimates`` [P, 2, 3] float32 by ``KINDS``, -1 where there is none. ``labels`` [P, 2] int64:
    ``CHANGED``, ``UNCHANGED``, or ``UNKNOWN`` before the first fit and without an estimate. ``mixture``
    [2, 3] float32: weight, mean and deviation of the Gaussian of the unchanged and of the changed;
    ``threshold``: the estimate between their means where the two are equally likely; 0 before the first fit.
    """

    estimates: Tensor
    labels: Tensor
    mixture: Tensor
    threshold: Tensor

    def __init__(self, settings: ChangeSettings, places: int) -> None:
        super().__init__()
        self.settings = settings
        self.estimating = settings.other_era == "if-changed"
        places = places if self.estimating else 0
        self.register_buffer("estimates", torch.full((places, 2, len(KINDS)), -1.0))
        self.register_buffer("labels", torch.full((places, 2), UNKNOWN))
        self.register_buffer("mixture", torch.zeros(2, 3))
        self.register_buffer("threshold", torch.zeros(()))
        self._fresh: tuple[Tensor, ...] | None = None

    def spares(self, places: Tensor) -> Tensor:
        """Whether places [B], seen from each of their eras, have no negatives of the other: bool [B, 2]."""
        if self.estimating:
            return self.labels[places] != CHANGED
        never = self.settings.other_era == "never"
        return torch.full((len(places), 2), never, device=places.device)

    def compared(self, features: Tensor, projected: Tensor) -> Tensor:
        """What distances are between, [N, D]: of features [N, F] or of their projections [N, 3, D]."""
        if self.settings.features == "encoder":
            return F.normalize(features.float(), dim=1)
        return projected[:, KEYS.index("season")]

    @torch.no_grad()
    def note(self, places: Tensor, comparable: Tensor, first: Tensor, third: Tensor) -> None:
        """Take down what a step shows of its places, of all processes, until ``settle``.

        ``places`` [B]; ``comparable`` [B, 2], see ``times.Drawn``; ``first`` and ``third`` [2 B, D]:
        what is ``compared`` of the first and the last date drawn, the eras of a place one after the other.
        """
        if not self.estimating:
            return
        power = 2 if self.settings.squared else 1
        within = (first - third).norm(dim=1).view(-1, 2) ** power + LEAST
        between = (first[0::2] - first[1::2]).norm(dim=1)[:, None].expand_as(within) ** power
        self._fresh = tuple(map(ranks.gather, (places, comparable, between, between / within)))

    @torch.no_grad()
    def settle(self) -> None:
        """Take over what was noted: the last distance and ratio, and the moving average of the ratio."""
        if self._fresh is None:
            return
        places, comparable, distance, ratio = self._fresh
        self._fresh = None
        before = self.estimates[places]
        average = before[..., 2]
        beta = self.settings.beta
        average = torch.where(average < 0, ratio, beta * average + (1 - beta) * ratio)
        after = torch.stack([distance, ratio, average], -1)
        self.estimates[places] = torch.where(comparable[..., None], after, before)

    @torch.no_grad()
    def refit(self) -> None:
        """Fit the mixture to all estimates and label them: all unchanged where there are no two groups."""
        if not self.estimating:
            return
        kind = KINDS.index(self.settings.estimate.removeprefix("aligned-"))
        values = self.estimates[..., kind].cpu().double().numpy()
        known = values >= 0
        self.labels.fill_(UNKNOWN)
        self.labels[torch.from_numpy(known).to(self.labels.device)] = UNCHANGED
        found = two_gaussians(values[known])
        if found is None:
            self.mixture.zero_()
            self.threshold.zero_()
            return
        mixture, changed = found
        labels = self.labels.cpu().numpy()
        labels[known] = np.where(changed, CHANGED, UNCHANGED)
        self.labels.copy_(torch.from_numpy(labels))
        self.mixture.copy_(torch.from_numpy(mixture))
        self.threshold.fill_(boundary(mixture))

    @property
    def leaves(self) -> tuple[str, ...]:
        """Names of the tables: none where nothing is estimated."""
        return ("changes", "mixture") if self.estimating else ()

    def tables(self, store: Store, eras: Eras, bands: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """``changes``: a row per training place and era; ``mixture``: a row per Gaussian. {} where not
        estimated.

        What has no estimate is left empty. ``eras``: how dates are parted; ``bands``: of the sensor they are
        of.
        """
        if not self.estimating:
            return {}
        where = store.where()
        mine = np.flatnonzero(where["split"] == "train")
        estimates, labels = self.estimates.cpu().numpy(), self.labels.cpu().numpy()
        dates = torch.from_numpy(np.asarray(store.dates(bands)[0])[mine])
        members = eras.members(dates, dates != NO_DATE)[0]
        rows = []
        for sample, own_dates, of_eras in zip(mine, dates, members, strict=True):
            place = int(where["position"][sample])
            lies = {
                name: where[name][sample] for name in ("region", "x", "y", "epsg", "longitude", "latitude")
            }
            for era in (0, 1):
                known = estimates[place, era, 0] >= 0
                values = [f"{value:.6g}" if known else "" for value in estimates[place, era]]
                label = int(labels[place, era])
                rows.append(
                    {"place": place, "era": era, **lies}
                    | _spanned(own_dates[of_eras[era]].numpy())
                    | dict(zip((kind.replace("-", "_") for kind in KINDS), values, strict=True))
                    | {"changed": "" if label == UNKNOWN else label}
                )
        mixture = [
            {"component": name, "weight": weight, "mean": mean, "deviation": deviation}
            | {"estimate": self.settings.estimate, "threshold": float(self.threshold)}
            for name, (weight, mean, deviation) in zip(
                ("unchanged", "changed"), self.mixture.tolist(), strict=True
            )
        ]
        return {"changes": rows, "mixture": mixture}


def _spanned(dates: NDArray[np.int64]) -> dict[str, str]:
    """The first and the last day of some dates (n,), nanoseconds since 1970."""
    days = np.sort(dates.astype("datetime64[ns]")).astype("datetime64[D]").astype(str)
    return {"first": days[0], "last": days[-1]} if len(days) else {"first": "", "last": ""}


def two_gaussians(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]] | None:
    """A mixture of two Gaussians fitted to ``values`` (n,): its parameters, and which are of the larger mean.

    Parameters (2, 3): weight, mean, deviation, the smaller mean first. None where there are no two groups to
    be found: fewer than two values, or all alike. As CACo's code: scikit-learn, first guess by k-means.
    """
    from sklearn.exceptions import ConvergenceWarning  # takes a second to import; few jobs need it
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    if len(values) < 2 or np.ptp(values) == 0:
        return None
    column = values[:, None]
    with threadpool_limits(1), warnings.catch_warnings():  # the last bits depend on the number of threads
        warnings.simplefilter("ignore", ConvergenceWarning)
        # In units of the spread, or scikit-learn's floor under the variance would hide small groups.
        scale = column.std()
        fitted = GaussianMixture(2, random_state=0).fit(column / scale)
        taken = fitted.predict(column / scale)
    order = np.argsort(fitted.means_[:, 0])
    deviations = np.sqrt(fitted.covariances_[:, 0, 0]) * scale
    mixture = np.stack([fitted.weights_, fitted.means_[:, 0] * scale, deviations], 1)[order]
    return mixture, taken == order[1]


def boundary(mixture: NDArray[np.float64]) -> float:
    """Where between the two means both Gaussians, weighted, are equally likely; else the middle of the means.

    ``mixture`` as of ``two_gaussians``. Of wide and narrow Gaussians it is one of two such points; the other
    lies outside of the means, so that labels need not rise with the estimate.
    """
    (w0, m0, s0), (w1, m1, s1) = mixture
    # log of w / s - (x - m)^2 / (2 s^2), of the one less the other, is a x^2 + b x + c
    a = 1 / (2 * s1**2) - 1 / (2 * s0**2)
    b = m0 / s0**2 - m1 / s1**2
    c = m1**2 / (2 * s1**2) - m0**2 / (2 * s0**2) + math.log(w0 * s1 / (w1 * s0))
    roots = np.roots([a, b, c])
    inside = [root.real for root in roots if abs(root.imag) < 1e-12 and m0 <= root.real <= m1]
    return float(inside[0]) if inside else float((m0 + m1) / 2)
