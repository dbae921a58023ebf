"""Gray's test: do groups differ in the cumulative incidence of one cause, other causes competing?

A k-sample log-rank test on the hazards of the subdistribution, with Gray's own variance. The numbers are
those of `Tests` in R's cmprsk::cuminc. Source: Gray (1988), Annals of Statistics 16, 1141-1154, sections 2-3.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NO_EVENTS, ONE_ARM, CannotEstimate
from studies.statistics import Floats, Ints
from studies.statistics.inputs import causes, follow_up, labels
from studies.statistics.options import checked
from studies.statistics.probability import chi_square_p
from studies.statistics.survival.log_rank import quadratic_form
from studies.statistics.survival.risk_sets import tied_times


@dataclass(frozen=True)
class GrayTest:
    """g groups in sorted order: `score` and `variance` are of the first g - 1 groups, df = g - 1.

    A positive score means more events of the cause in that group than expected.
    """

    cause: int
    levels: tuple[Hashable, ...]
    score: Floats
    variance: Floats
    chisq: float
    df: int
    p: float
    method: str


@checked
def gray_test(
    time: npt.ArrayLike,
    status: npt.ArrayLike,
    group: Sequence[Hashable] | npt.ArrayLike,
    *,
    cause: int = 1,
    strata: Sequence[Hashable] | npt.ArrayLike | None = None,
    rho: float = 0.0,
) -> GrayTest:
    """Compare the incidence of `cause` between groups; time, status, group, strata are (n,).

    status -- 0 censored, 1, 2, ... the kinds of event; all but `cause` compete with it
    rho    -- power of (1 - incidence before the time) in the weight; 0 weights all times alike

    Raises `CannotEstimate`: bad input, one group, no event of the cause, a singular variance.
    """
    kinds = causes(status, "status")
    rows = follow_up(time, (kinds > 0).astype(float))
    groups = labels(np.asarray(group), "group", len(rows))
    if len(groups) < 2:
        raise CannotEstimate(ONE_ARM)
    if not np.isfinite(rho):
        raise CannotEstimate(BAD_ARGUMENT, argument="rho", allowed="a finite number")
    if not (kinds == cause).any() or cause < 1:
        raise CannotEstimate(NO_EVENTS)
    until, _ = tied_times(rows.time)
    outcome = np.where(kinds == cause, 1, np.where(kinds > 0, 2, 0))
    stratum = np.zeros(len(rows), dtype=np.intp)
    if strata is not None:
        stratum = labels(np.asarray(strata), "strata", len(rows)).codes
    size = len(groups) - 1
    score, variance = np.zeros(size), np.zeros((size, size))
    for one in np.unique(stratum):
        mine = stratum == one
        part, spread = _stratum(until[mine], outcome[mine], groups.codes[mine], size + 1, rho)
        score, variance = score + part, variance + spread
    chisq = quadratic_form(score, variance, "Gray")
    name = f"Gray's test of cause {cause}" + (f", rho={rho:g}" if rho else "")
    return GrayTest(
        cause=cause,
        levels=groups.levels,
        score=score,
        variance=variance,
        chisq=chisq,
        df=size,
        p=chi_square_p(chisq, size),
        method=name + (", stratified" if strata is not None else ""),
    )


def _stratum(time: Floats, outcome: Ints, group: Ints, groups: int, rho: float) -> tuple[Floats, Floats]:
    """The score (g - 1,) and its variance of one stratum, in Gray's notation of risk R_i = Y_i (1 - F_i-)/S_i-."""
    times, exits = np.unique(time, return_inverse=True)
    k = len(times)

    def tallied(rows: npt.NDArray[np.bool_]) -> Floats:
        cells = np.bincount(exits[rows] * groups + group[rows], minlength=k * groups)
        return cells.reshape(k, groups).astype(float)

    at_risk = np.cumsum(tallied(np.ones(len(time), dtype=bool))[::-1], axis=0)[::-1]
    own, other = tallied(outcome == 1), tallied(outcome == 2)
    here = (own + other).sum(axis=1) > 0
    at_risk, own, other = at_risk[here], own[here], other[here]
    present = at_risk > 0
    safe = np.where(present, at_risk, 1.0)
    after = np.asarray(
        np.cumprod(np.where(present, 1.0 - (own + other) / safe, 1.0), axis=0), dtype=np.float64
    )
    before = np.vstack([np.ones(groups), after[:-1]])
    incidence = np.cumsum(np.where(present, before * own / safe, 0.0), axis=0)
    incidence_before = np.vstack([np.zeros(groups), incidence[:-1]])
    # A group that has died out has nobody at risk, and before = 0: it drops out of every sum.
    scaled = np.divide(at_risk, before, out=np.zeros_like(at_risk), where=present & (before > 0))
    events: Floats = own.sum(axis=1)
    subrisk = scaled * (1.0 - incidence_before)
    pooled: Floats = np.cumsum(events / scaled.sum(axis=1))
    pooled_before = np.concatenate([[0.0], pooled[:-1]])
    with np.errstate(over="ignore", divide="ignore"):
        weight = np.maximum(1.0 - pooled_before, 0.0) ** rho
    if not np.isfinite(weight).all():
        raise CannotEstimate(BAD_ARGUMENT, argument="rho", allowed="(1 - F)^rho finite")
    total = subrisk.sum(axis=1)
    excess = own - (events / np.where(total > 0, total, 1.0))[:, None] * subrisk
    score = (weight[:, None] * np.where(present, excess, 0.0)).sum(axis=0)[:-1]
    variance = _variance(at_risk, own, other, before, after, scaled, pooled, pooled_before, weight)
    return score, variance


def _variance(
    at_risk: Floats,
    own: Floats,
    other: Floats,
    before: Floats,
    after: Floats,
    scaled: Floats,
    pooled: Floats,
    pooled_before: Floats,
    weight: Floats,
) -> Floats:
    """Gray's (1988) variance of the first g - 1 scores; arguments (k, g) or (k,) at the event times."""
    groups = at_risk.shape[1]
    sum_scaled, events = scaled.sum(axis=1), own.sum(axis=1)
    direct = np.einsum("ki,ij->kij", scaled, np.eye(groups))
    direct -= np.einsum("ki,kj->kij", scaled, scaled) / sum_scaled[:, None, None]
    direct *= weight[:, None, None]  # (k, i, group that has the event)
    rate = np.divide(
        events, sum_scaled * (1.0 - pooled_before), out=np.zeros_like(events), where=pooled_before < 1.0
    )
    later = np.cumsum(direct * rate[:, None, None], axis=0)
    safe = np.where(at_risk > 0, at_risk, 1.0)
    alive = after > 0
    ratio = np.divide((1.0 - pooled)[:, None], after, out=np.zeros_like(after), where=alive)
    # Events of the cause move every group's score, those of other causes through S alone.
    few = np.where(events > 1, events - 1.0, 0.0)[:, None]
    room = sum_scaled[:, None] * before - 1.0
    tied = 1.0 - np.divide(few, room, out=np.zeros_like(room), where=(few > 0) & (room != 0))
    of_own = np.where(at_risk > 0, tied * before * (events / sum_scaled)[:, None] / safe, 0.0)
    tied = 1.0 - np.where(other > 1, (other - 1.0) / np.maximum(safe - 1.0, 1.0), 0.0)
    of_other = np.where(alive & (other > 0), tied * before**2 * other / safe**2, 0.0)
    moved = 1.0 - ratio
    by_own = direct - moved[:, None, :] * later
    by_other = -ratio[:, None, :] * later
    third = (moved**2 * of_own + ratio**2 * of_other).sum(axis=0)
    second = np.einsum("kij,kj->ij", by_own, moved * of_own) + np.einsum(
        "kij,kj->ij", by_other, ratio * of_other
    )
    first = np.einsum("kia,kja,ka->ij", by_own, by_own, of_own, optimize=True)
    first += np.einsum("kia,kja,ka->ij", by_other, by_other, of_other, optimize=True)
    if not len(later):
        return np.zeros((groups - 1, groups - 1))  # a stratum in which nothing happened adds nothing
    final = later[-1]
    cross: Floats = final @ second.T
    whole = first + (final * third) @ final.T + cross + cross.T
    return np.asarray(whole[:-1, :-1])
