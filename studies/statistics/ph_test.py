"""The score test of proportional hazards (Grambsch & Therneau 1994) as R's cox.zph computes it since 3.0.

The test asks whether adding x * g(t) to the fitted model improves it, by the exact score test: the
information of the enlarged model at the fit, not the older approximation by its average, which
lifelines still uses and which is off by up to 79 % in chi-square on ordinary data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from studies.reasons import PH_NOT_TESTED, CannotEstimate
from studies.statistics import Bools, Floats
from studies.statistics.efron import EfronLikelihood
from studies.statistics.probability import chi_square_p

GLOBAL = "global"


@dataclass(frozen=True)
class PhTest:
    """One line of the test: a term (all its columns together) or `global`."""

    term: str
    chi_square: float
    degrees: int
    p_value: float


def ph_test(
    x: Floats, days: Floats, event: Bools, beta: Floats, terms: Mapping[str, tuple[int, ...]]
) -> tuple[PhTest, ...]:
    """Test each term and all together; g(t) = 1 - the Kaplan-Meier estimate just before t (R's "km").

    `terms` maps a name to the columns of x that belong to it: a covariate with levels has several.
    Raises `CannotEstimate` where the enlarged information is singular (e.g. a single event time).
    """
    likelihood = EfronLikelihood(x, days, event)
    state = likelihood.at(beta)
    g = _km_transform(days, event, likelihood.times)
    g = g - np.average(g, weights=likelihood.deaths)
    gradient = likelihood.score_by_time(state, g)
    plain = state.information
    crossed = likelihood.information(state, g)
    squared = likelihood.information(state, g * g)

    def one(term: str, columns: tuple[int, ...]) -> PhTest:
        chosen = list(columns)
        enlarged = np.block(
            [[plain, crossed[:, chosen]], [crossed[chosen, :], squared[np.ix_(chosen, chosen)]]]
        )
        if np.linalg.cond(_correlation(enlarged)) > 1e12:
            raise CannotEstimate(PH_NOT_TESTED)
        inverse = np.linalg.inv(enlarged)[len(plain) :, len(plain) :]
        chi_square = float(gradient[chosen] @ inverse @ gradient[chosen])
        return PhTest(term, chi_square, len(chosen), chi_square_p(chi_square, len(chosen)))

    every = tuple(range(x.shape[1]))
    return (*(one(term, columns) for term, columns in terms.items()), one(GLOBAL, every))


def _correlation(matrix: Floats) -> Floats:
    """The matrix on a common scale, so that its condition does not depend on the units of the covariates."""
    diagonal = np.diag(matrix)
    if np.any(diagonal <= 0):
        raise CannotEstimate(PH_NOT_TESTED)
    scale = np.sqrt(diagonal)
    return np.asarray(matrix / np.outer(scale, scale))


def _km_transform(days: Floats, event: Bools, times: Floats) -> Floats:
    """1 - S(t-) at each event time."""
    ordered = np.sort(days)
    at_risk = len(days) - np.searchsorted(ordered, times, side="left")
    deaths = np.bincount(np.searchsorted(times, days[event]), minlength=len(times))
    after = np.cumprod(1.0 - deaths / at_risk)
    return 1.0 - np.concatenate([[1.0], after[:-1]])
