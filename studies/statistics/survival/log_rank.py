"""The log-rank test and its weighted relatives, for any number of groups, stratified, with delayed entry.

Without delayed entry the numbers are those of R's survival::survdiff (rho) and of its extension to
Fleming-Harrington weights with gamma. survdiff refuses delayed entry; the risk sets here take it as they
are, (entry, time].

Sources: Mantel (1966); Peto & Peto (1972); Harrington & Fleming (1982); Fleming & Harrington (1991), ch. 7;
Gehan (1965); Tarone & Ware (1977); Tarone (1975) for the trend.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NO_EVENTS, NOT_ESTIMABLE, ONE_ARM, CannotEstimate
from studies.statistics import Floats
from studies.statistics.inputs import FollowUp, Labels, follow_up, labels, numbers
from studies.statistics.options import checked
from studies.statistics.probability import chi_square_p, two_sided_p
from studies.statistics.survival.curve_limits import check_choice
from studies.statistics.survival.event_table import sums
from studies.statistics.survival.risk_sets import RiskSets, risk_sets, tied_times

_ROUNDING = 1e-6  # of the standard deviation of a score that counts events
Weighting = Literal["fleming-harrington", "gehan-wilcoxon", "tarone-ware"]


@dataclass(frozen=True)
class Trend:
    """The test of a trend over ordered groups: one degree of freedom; `z` is positive where the hazard rises."""

    scores: Floats
    z: float
    chisq: float
    p: float


@dataclass(frozen=True)
class LogRank:
    """g groups in sorted order (`levels`).

    n        -- (g,) rows; events (g,) unweighted
    observed, expected -- (g,) weighted by the test's weights, summed over strata
    variance -- (g, g) of observed - expected (hypergeometric)
    chisq, df, p -- df counts the groups that were ever at risk at an event, less one
    z        -- for two groups: positive where the second has more events than expected; else None
    trend    -- for three groups and more
    """

    levels: tuple[Hashable, ...]
    n: Floats
    events: Floats
    observed: Floats
    expected: Floats
    variance: Floats
    chisq: float
    df: int
    p: float
    z: float | None
    trend: Trend | None
    method: str


@checked
def log_rank(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    group: Sequence[Hashable] | npt.ArrayLike,
    *,
    entry: npt.ArrayLike | None = None,
    strata: Sequence[Hashable] | npt.ArrayLike | None = None,
    rho: float = 0.0,
    gamma: float = 0.0,
    weighting: Weighting = "fleming-harrington",
    scores: npt.ArrayLike | None = None,
) -> LogRank:
    """Compare the groups; all columns (n,).

    weighting -- "fleming-harrington": S(t-)^rho (1 - S(t-))^gamma, with the Kaplan-Meier curve of all groups
        together within the stratum. rho=0, gamma=0 is the log-rank test, rho=1 the Peto-Peto form of the
        Wilcoxon test. "gehan-wilcoxon" weights by the number at risk, "tarone-ware" by its square root.
    scores -- (g,) of the ordered groups for the trend, by default 0, 1, 2, ...

    Raises `CannotEstimate`: bad input, one group, no events, no variance (no event with two groups at risk),
    negative rho or gamma, scores that are all equal. Case weights are not taken: the hypergeometric variance
    has no meaning for them.
    """
    rows = follow_up(time, event, entry=entry)
    groups = labels(np.asarray(group), "group", len(rows))
    sets = pooled_risk_sets(rows, groups, strata)
    weight = event_weights(sets, rho, gamma, weighting)
    parts = contributions(sets, groups)
    observed, expected = parts.deaths @ weight, parts.expected @ weight
    variance = parts.variance(weight**2)
    return _tested(groups, rows, observed, expected, variance, scores, _method(rho, gamma, weighting, strata))


@dataclass(frozen=True)
class Contributions:
    """Deaths and expected deaths (g, k) of g groups at k event times, and what the variance is made of."""

    deaths: Floats
    expected: Floats
    share: Floats  # (g, k) of those at risk
    drawn: Floats  # (k,) d (n - d) / (n - 1)

    def variance(self, factor: Floats) -> Floats:
        """(g, g): the hypergeometric variances, each event time counted `factor` (k,) fold."""
        spread = self.drawn * factor
        cross: Floats = (self.share * spread) @ self.share.T
        return np.diag(self.share @ spread) - cross


def contributions(sets: RiskSets, groups: Labels) -> Contributions:
    """What each event time brings to an observed-minus-expected test. Needs one sum a group."""
    members = np.equal.outer(np.arange(len(groups)), groups.codes).astype(float)
    at_risk = np.rint(sets.at_risk(members))
    deaths = sets.of_dead(members[:, sets.dead])
    n, d = at_risk.sum(axis=0), sets.deaths.astype(float)
    share = at_risk / n
    drawn = np.where(n > 1, d * (n - d) / np.maximum(n - 1, 1), 0.0)
    return Contributions(deaths, share * d, share, drawn)


def event_weights(sets: RiskSets, rho: float, gamma: float, weighting: Weighting) -> Floats:
    """(k,) the weight of each event time; S is the left-continuous pooled curve of the stratum."""
    check_choice("weighting", weighting, get_args(Weighting))
    if not (rho >= 0 and gamma >= 0 and np.isfinite([rho, gamma]).all()):
        raise CannotEstimate(BAD_ARGUMENT, argument="rho, gamma", allowed=">= 0")
    if weighting != "fleming-harrington" and (rho or gamma):
        raise CannotEstimate(BAD_ARGUMENT, argument="rho, gamma", allowed=f"0 (weighting={weighting})")
    n = np.rint(sets.at_risk(np.ones(sets.rows)))
    if weighting == "gehan-wilcoxon":
        return n
    if weighting == "tarone-ware":
        return np.sqrt(n)
    if rho == 0 and gamma == 0:
        return np.ones(len(sets.times))
    before = _curve_before(sets, 1.0 - sets.deaths / n)
    return np.asarray(before**rho * (1.0 - before) ** gamma)


def _curve_before(sets: RiskSets, factor: Floats) -> Floats:
    """(k,) the product of the factors at the earlier times of the same stratum."""
    curve = np.empty(len(factor))
    edges = np.flatnonzero(np.diff(sets.stratum_of_time)) + 1
    # A cumulative product has no grouped form that survives a factor of 0; strata are few next to times.
    for part in np.split(np.arange(len(factor)), edges):
        curve[part] = np.concatenate([[1.0], np.cumprod(factor[part])[:-1]])
    return curve


def pooled_risk_sets(
    rows: FollowUp, groups: Labels, strata: Sequence[Hashable] | npt.ArrayLike | None
) -> RiskSets:
    """The risk sets of all groups together, by stratum. Raises `CannotEstimate` for one group, no events."""
    if len(groups) < 2:
        raise CannotEstimate(ONE_ARM)
    if not rows.event.any():
        raise CannotEstimate(NO_EVENTS)
    until, came = tied_times(rows.time, rows.entry)
    stratum = None if strata is None else labels(np.asarray(strata), "strata", len(rows)).codes
    return risk_sets(until, rows.event, entry=came, stratum=stratum)


def _tested(
    groups: Labels,
    rows: FollowUp,
    observed: Floats,
    expected: Floats,
    variance: Floats,
    scores: npt.ArrayLike | None,
    method: str,
) -> LogRank:
    seen = np.flatnonzero(expected > 0)
    if len(seen) < 2:
        raise CannotEstimate(NOT_ESTIMABLE, statistic="log-rank")
    excess = (observed - expected)[seen[1:]]
    chisq = quadratic_form(excess, variance[np.ix_(seen[1:], seen[1:])], "log-rank")
    z = None
    if len(groups) == 2:
        z = float(np.sign(excess[0]) * np.sqrt(chisq))
    members = len(groups)
    return LogRank(
        levels=groups.levels,
        n=sums(groups.codes, np.ones(len(rows)), members),
        events=sums(groups.codes, rows.event, members),
        observed=observed,
        expected=expected,
        variance=variance,
        chisq=chisq,
        df=len(seen) - 1,
        p=chi_square_p(chisq, len(seen) - 1),
        z=z,
        trend=_trend(observed - expected, variance, scores, members),
        method=method,
    )


def _trend(excess: Floats, variance: Floats, scores: npt.ArrayLike | None, members: int) -> Trend | None:
    if members == 2 and scores is None:
        return None
    ranks = np.arange(float(members)) if scores is None else numbers(scores, "scores", members)
    if np.ptp(ranks) == 0:
        raise CannotEstimate(BAD_ARGUMENT, argument="scores", allowed="at least two different values")
    spread = float(ranks @ variance @ ranks)
    if spread <= 0:
        raise CannotEstimate(NOT_ESTIMABLE, statistic="log-rank trend")
    z = float(ranks @ excess) / float(np.sqrt(spread))
    return Trend(ranks, z, z * z, two_sided_p(z))


def quadratic_form(vector: Floats, variance: Floats, statistic: str) -> float:
    """vector' variance^-1 vector; raises `CannotEstimate` where the variance is singular."""
    scale = np.sqrt(np.maximum(np.diag(variance), 0.0))
    # A variance that is only rounding, as where strata decide the group, is none.
    least = _ROUNDING * max(1.0, float(np.abs(vector).max(initial=0.0)))
    if not (np.isfinite(variance).all() and np.isfinite(vector).all() and (scale > least).all()):
        raise CannotEstimate(NOT_ESTIMABLE, statistic=statistic)
    correlation = variance / np.outer(scale, scale)
    if np.linalg.cond(correlation) > 1e12:
        raise CannotEstimate(NOT_ESTIMABLE, statistic=statistic)
    standard = vector / scale
    return float(standard @ np.linalg.solve(correlation, standard))


def _method(rho: float, gamma: float, weighting: Weighting, strata: object) -> str:
    name = {"gehan-wilcoxon": "Gehan-Wilcoxon test", "tarone-ware": "Tarone-Ware test"}.get(weighting)
    if name is None:
        plain = rho == 0 and gamma == 0
        name = "log-rank test" if plain else f"Fleming-Harrington test (rho={rho:g}, gamma={gamma:g})"
    return name + (", stratified" if strata is not None else "")
