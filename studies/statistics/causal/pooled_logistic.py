"""Survival in discrete time by pooled logistic regression, standardised to everybody or weighted.

The hazard of each interval is logistic in time, treatment, their products and covariates; a curve is the
product of (1 - hazard), averaged over people (the parametric g-formula when covariates are in the model;
a marginal structural model when weights are). D'Agostino et al. (1990); Hernán & Robins, What If, chapter 17.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NO_EVENTS_IN_ARM, CannotEstimate
from studies.statistics import Bools, Floats, Ints
from studies.statistics.causal.designs import check_level, cluster_sums, design
from studies.statistics.causal.logistic import Iterated, expit, irls
from studies.statistics.causal.propensity import both_arms
from studies.statistics.inputs import matrix, numbers, weight_column, yes_no
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, normal_quantile


@dataclass(frozen=True)
class PersonPeriods:
    """One row for each interval a subject was at risk: subject (m,), period (m,) from 0, event (m,)."""

    subject: Ints
    period: Ints
    event: Bools

    def __len__(self) -> int:
        return len(self.subject)


@dataclass(frozen=True)
class StandardisedCurves:
    """Survival at the end of intervals 1..K (K,) when all are treated and when none is, and the difference.

    `se_*` (K,) are robust by subject and take weights as known; `lower`, `upper` are plain limits of the
    difference. `coef`, `names` are of the hazard model, on the data's scale.
    """

    period: Ints
    treated: Floats
    comparator: Floats
    difference: Floats
    se_treated: Floats
    se_comparator: Floats
    se_difference: Floats
    lower: Floats
    upper: Floats
    names: tuple[str, ...]
    coef: Floats
    person_periods: int
    n: int
    events: int
    conf_level: float
    method: str

    @checked
    def at(self, period: int) -> tuple[float, float, float]:
        """Survival treated, comparator and their difference after `period` intervals."""
        if not 1 <= period <= len(self.period):
            raise CannotEstimate(BAD_ARGUMENT, argument="period", allowed=f"1 to {len(self.period)}")
        place = period - 1
        return float(self.treated[place]), float(self.comparator[place]), float(self.difference[place])


def person_periods(last: npt.ArrayLike, event: npt.ArrayLike) -> PersonPeriods:
    """Rows of follow-up from the last interval at risk (n,), counted 1, 2, ..., and whether it ended in the event.

    Raises `CannotEstimate` for bad numbers and intervals that are not whole numbers of 1 or more.
    """
    until = numbers(last, "last")
    happened = yes_no(event, "event", len(until))
    if (until < 1).any() or (until != np.floor(until)).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="last", allowed="1, 2, ...")
    length = until.astype(np.intp)
    subject = np.repeat(np.arange(len(length)), length)
    starts = np.cumsum(length) - length
    period = np.arange(len(subject)) - starts[subject]
    return PersonPeriods(subject, period, happened[subject] & (period == length[subject] - 1))


@checked
def pooled_logistic_curves(
    last: npt.ArrayLike,
    event: npt.ArrayLike,
    treated: npt.ArrayLike,
    *,
    x: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    degree: int = 2,
    interaction: bool = True,
    periods: int | None = None,
    conf_level: float = CI_LEVEL,
) -> StandardisedCurves:
    """Standardised survival of n subjects from `last` (n,), event (n,), treated (n,) and covariates x (n, p).

    The logit of the hazard is a polynomial of `degree` in the interval (from 0), the same times treatment
    where `interaction`, and x. With `weights` (n,) >= 0, one a subject, the curves are those of the
    weighted model, averaged with the weights when x is given. `periods` is how far they are drawn (default:
    the longest follow-up). Errors by the delta method with scores summed within subjects.
    Raises `CannotEstimate`: bad numbers, one arm, no events in an arm, separation, `periods` beyond
    follow-up.
    """
    arms = both_arms(treated)
    rows = person_periods(last, event)
    if len(arms) != int(rows.subject[-1]) + 1:
        numbers(treated, "treated", int(rows.subject[-1]) + 1)
    table = np.zeros((len(arms), 0)) if x is None else matrix(x, len(arms))
    w = np.ones(len(arms)) if weights is None else weight_column(weights, len(arms))
    reach = _checked(rows, arms, w, degree, periods, conf_level)
    names = _names(degree, interaction, table.shape[1])
    moment = _time_terms(rows.period, degree)
    a = arms[rows.subject].astype(float)
    raw = _columns(moment, a, table[rows.subject], interaction)
    plan = design(raw, len(rows), names=names)
    rows_w = w[rows.subject]
    at = irls(plan.matrix, rows.event.astype(float), rows_w, np.zeros(len(rows)), names=plan.names)
    scores = plan.matrix * (rows_w * (rows.event - expit(plan.matrix @ at.beta)))[:, None]
    influence = cluster_sums(scores, rows.subject) @ at.bread
    share = w / w.sum()
    grid = _time_terms(np.arange(reach), degree)
    curves = [_curve(plan.back, at, grid, arm, table, share, interaction, influence) for arm in (1.0, 0.0)]
    (one, influence_one), (zero, influence_zero) = curves
    gap = one - zero
    se_one, se_zero, se_gap = (
        np.sqrt((part**2).sum(axis=0))
        for part in (influence_one, influence_zero, influence_one - influence_zero)
    )
    z = normal_quantile(conf_level)
    return StandardisedCurves(
        period=np.arange(1, reach + 1),
        treated=one,
        comparator=zero,
        difference=gap,
        se_treated=se_one,
        se_comparator=se_zero,
        se_difference=se_gap,
        lower=gap - z * se_gap,
        upper=gap + z * se_gap,
        names=plan.names,
        coef=plan.back @ at.beta,
        person_periods=len(rows),
        n=len(arms),
        events=int(rows.event.sum()),
        conf_level=conf_level,
        method=f"pooled logistic hazards, polynomial of degree {degree}, {_kind(x, weights)}; "
        "delta method, robust by subject",
    )


def _curve(
    back: Floats,
    at: Iterated,
    grid: Floats,
    arm: float,
    table: Floats,
    share: Floats,
    interaction: bool,
    influence: Floats,
) -> tuple[Floats, Floats]:
    """The curve (K,) of everybody at `arm`, and each subject's influence on it (n, K).

    d S_i(t)/d beta = -S_i(t) sum over intervals up to t of hazard times the row of the design.
    """
    people = len(table) if table.shape[1] else 1
    shares = share if table.shape[1] else np.ones(1)
    alive, slope = np.ones(people), np.zeros((people, back.shape[0]))
    curve, gradient = np.empty(len(grid)), np.empty((len(grid), back.shape[0]))
    survival = np.empty((people, len(grid)))
    base = table if table.shape[1] else np.zeros((1, 0))
    for place, moment in enumerate(grid):
        raw = _columns(np.tile(moment, (people, 1)), np.full(people, arm), base, interaction)
        scaled = np.column_stack([np.ones(people), raw]) @ back
        hazard = expit(scaled @ at.beta)
        alive = alive * (1.0 - hazard)
        slope += hazard[:, None] * scaled
        survival[:, place] = alive
        curve[place] = shares @ alive
        gradient[place] = -(shares * alive) @ slope
    own = share[:, None] * (survival - curve) if table.shape[1] else 0.0
    return curve, influence @ gradient.T + own


def _columns(moment: Floats, a: Floats, table: Floats, interaction: bool) -> Floats:
    products = moment * a[:, None] if interaction else moment[:, :0]
    return np.column_stack([a, moment, products, table])


def _time_terms(period: Ints, degree: int) -> Floats:
    return np.column_stack([np.asarray(period, dtype=float) ** power for power in range(1, degree + 1)])


def _names(degree: int, interaction: bool, columns: int) -> tuple[str, ...]:
    time = tuple(f"time^{power}" if power > 1 else "time" for power in range(1, degree + 1))
    products = tuple(f"treated:{one}" for one in time) if interaction else ()
    return ("treated", *time, *products, *(f"x{i + 1}" for i in range(columns)))


def _checked(
    rows: PersonPeriods, arms: Bools, w: Floats, degree: int, periods: int | None, conf_level: float
) -> int:
    check_level(conf_level)
    if degree < 1:
        raise CannotEstimate(BAD_ARGUMENT, argument="degree", allowed="1, 2, ...")
    if (w < 0).any() or w.sum() <= 0:
        raise CannotEstimate(BAD_ARGUMENT, argument="weights", allowed=">= 0")
    for arm, name in ((arms, "treated"), (~arms, "comparator")):
        if not rows.event[arm[rows.subject]].any():
            raise CannotEstimate(NO_EVENTS_IN_ARM, arm=name)
    longest = int(rows.period.max()) + 1
    reach = longest if periods is None else periods
    if not 1 <= reach <= longest:
        raise CannotEstimate(BAD_ARGUMENT, argument="periods", allowed=f"1 to {longest}")
    return reach


def _kind(x: npt.ArrayLike | None, weights: npt.ArrayLike | None) -> str:
    if x is not None:
        return "standardised to the covariates of all subjects"
    return "weighted (marginal structural model)" if weights is not None else "unadjusted"
