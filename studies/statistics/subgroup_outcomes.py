"""The outcomes of which subgroup effects are estimated: each knows its regression and its scale."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from studies.reasons import TOO_MANY_TERMS, CannotEstimate
from studies.statistics import Bools, Floats, Ints
from studies.statistics.estimate import Scale
from studies.statistics.inputs import follow_up, labels, numbers, yes_no
from studies.statistics.repeated.design import design as checked_design
from studies.statistics.repeated.families import family_of, glm


@dataclass(frozen=True)
class Fit:
    """coef (p,) and covariance (p, p) of the columns given; loglik up to a constant of the outcome (the
    residual sum of squares for a linear outcome).
    """

    coef: Floats
    covariance: Floats
    loglik: float


class Outcome(Protocol):
    """An outcome with its regression."""

    name: str
    scale: Scale
    n: int

    def events(self) -> Bools | None:
        """Who had the event (n,), or None for a continuous outcome."""

    def absorbs(self, codes: Ints) -> bool:
        """Whether its strata tell the groups `codes` (n,) apart: their main effects cannot be in the model then."""

    def fit(self, x: Floats, rows: Bools) -> Fit:
        """The regression on the columns of x (n, p) among the rows chosen (n,)."""


class CoxOutcome:
    """A time to event: time, event and entry (n,), strata (n,). The effect is a hazard ratio (Efron's ties)."""

    name = "Cox regression"
    scale: Scale = "log"

    def __init__(
        self,
        time: npt.ArrayLike,
        event: npt.ArrayLike,
        *,
        entry: npt.ArrayLike | None = None,
        strata: Sequence[Hashable] | npt.ArrayLike | None = None,
    ) -> None:
        self._rows = follow_up(time, event, entry=entry)
        self.n = len(self._rows)
        self._strata = None if strata is None else labels(strata, "strata", self.n).codes

    def events(self) -> Bools | None:
        """Who had the event."""
        return self._rows.event

    def absorbs(self, codes: Ints) -> bool:
        """Every stratum lies in one group."""
        if self._strata is None:
            return False
        pairs = np.unique(np.column_stack([self._strata, codes]), axis=0)
        return len(pairs) == len(np.unique(self._strata))

    def fit(self, x: Floats, rows: Bools) -> Fit:
        """Columns of x for the rows chosen."""
        from studies.statistics.survival.cox import fit_cox

        one = self._rows
        fit = fit_cox(
            x[rows],
            one.time[rows],
            one.event[rows],
            entry=None if one.entry is None else one.entry[rows],
            strata=None if self._strata is None else self._strata[rows],
        )
        return Fit(fit.coef, fit.covariance, fit.loglik)


class LogisticOutcome:
    """A yes/no outcome (n,). The effect is an odds ratio."""

    name = "Logistic regression"
    scale: Scale = "log"

    def __init__(self, outcome: npt.ArrayLike) -> None:
        self._y = yes_no(outcome, "outcome")
        self.n = len(self._y)

    def events(self) -> Bools | None:
        """Who had the outcome."""
        return self._y

    def absorbs(self, codes: Ints) -> bool:
        """False: there are no strata."""
        return False

    def fit(self, x: Floats, rows: Bools) -> Fit:
        """Columns of x, after an intercept, for the rows chosen."""
        y, design = self._y[rows].astype(np.float64), checked_design(x[rows], int(rows.sum())).matrix
        fit = glm(y, design, family_of("binomial"))
        return Fit(fit.coef[1:], fit.covariance[1:, 1:], -0.5 * fit.deviance)


class LinearOutcome:
    """A continuous outcome (n,). The effect is a difference of means; tests and limits use t and F."""

    name = "Linear regression"
    scale: Scale = "identity"

    def __init__(self, outcome: npt.ArrayLike) -> None:
        self._y = numbers(outcome, "outcome")
        self.n = len(self._y)

    def events(self) -> Bools | None:
        """None: there are no events."""
        return None

    def absorbs(self, codes: Ints) -> bool:
        """False: there are no strata."""
        return False

    def fit(self, x: Floats, rows: Bools) -> Fit:
        """Columns of x, after an intercept, for the rows chosen."""
        y, design = self._y[rows], checked_design(x[rows], int(rows.sum())).matrix
        left = len(y) - design.shape[1]
        if left <= 0:
            raise CannotEstimate(TOO_MANY_TERMS)
        coef = np.asarray(np.linalg.lstsq(design, y, rcond=None)[0])
        squares = float(((y - design @ coef) ** 2).sum())
        covariance = np.asarray(np.linalg.inv(design.T @ design) * squares / left)
        return Fit(coef[1:], covariance[1:, 1:], squares)
