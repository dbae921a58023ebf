"""Weights for those who stayed: people like the ones who were lost count for them too (IPCW)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NOT_ESTIMABLE, CannotEstimate, Reason
from studies.statistics import Bools, Floats, Ints
from studies.statistics.causal.logistic import LogisticFit, fit_logistic
from studies.statistics.inputs import follow_up, labels, matrix, numbers, yes_no
from studies.statistics.options import checked

TAU_TOO_LATE = Reason(
    "tau_too_late",
    "在所要求的时间点之前，所有人均已删失，删失权重无法计算。",
    "Everybody is censored before the time asked for: no censoring weight exists there.",
)


@dataclass(frozen=True)
class CensoringWeights:
    """`weights` (n,): 0 for rows that were censored, of them nothing is known; `model` of staying.

    `truncated` counts weights set to a limit. `mean` and `largest` are over the rows that stayed.
    """

    weights: Floats
    mean: float
    largest: float
    truncated: int
    stabilised: bool
    model: LogisticFit | None
    method: str


@checked
def censoring_weights(
    censored: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    numerator: npt.ArrayLike | None = None,
    stabilised: bool = True,
    subject: Sequence[Hashable] | npt.ArrayLike | None = None,
    period: npt.ArrayLike | None = None,
    truncate: tuple[float, float] | None = None,
) -> CensoringWeights:
    """1/P(uncensored | x) of n rows by logistic regression; pooled over periods with `subject`, `period`.

    `censored` (n,) 0/1 at the end of the row; x (n, p) covariates of the denominator. `stabilised`
    multiplies by P(uncensored | numerator), numerator (n, k) or, when None, the overall share. With
    `subject` (n,) and `period` (n,) a row's weight is the product over the subject's rows up to it
    (Robins & Finkelstein 2000; Hernán & Robins, What If, sections 12.6 and 17.5). `truncate` sets
    weights beyond these quantiles of the uncensored to the quantile. Raises `CannotEstimate`: bad
    numbers, separation, repeated periods; when nobody is censored all weights are 1.
    """
    lost = yes_no(censored, "censored")
    rows = len(lost)
    stayed = (~lost).astype(float)
    order = _by_period(subject, period, rows)
    table = matrix(x, rows)
    if lost.all():
        raise CannotEstimate(TAU_TOO_LATE)
    if not lost.any():
        return _made(np.ones(rows), lost, None, stabilised, None)
    model = fit_logistic(stayed, table)
    ratio = 1.0 / model.fitted
    if stabilised:
        ratio *= stayed.mean() if numerator is None else fit_logistic(stayed, numerator).fitted
    if order is not None:
        ratio = _cumulated(ratio, *order)
    return _made(ratio, lost, truncate, stabilised, model)


@checked
def ipcw_at(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    tau: float,
    *,
    strata: Sequence[Hashable] | npt.ArrayLike | None = None,
) -> Floats:
    """Weights (n,) for the status at `tau`, by Kaplan-Meier for censoring, within `strata` where given.

    1(T <= tau, event)/G(T-) + 1(T > tau)/G(tau); those censored by tau weigh 0. G is the curve of
    censoring in which events leave first at a tie (Graf et al. 1999). The weighted share of events equals
    1 - S(tau) of Kaplan-Meier. Raises `CannotEstimate`: bad numbers, and G(tau) = 0 for someone still at
    risk at tau.
    """
    rows = follow_up(time, event)
    if not (np.isfinite(tau) and tau >= 0):
        raise CannotEstimate(BAD_ARGUMENT, argument="tau", allowed="0 or later")
    codes = np.zeros(len(rows), dtype=np.intp)
    if strata is not None:
        codes = labels(strata, "strata", len(rows)).codes
    weights = np.zeros(len(rows))
    for stratum in range(int(codes.max()) + 1):
        mine = codes == stratum
        weights[mine] = _graf(rows.time[mine], rows.event[mine], tau)
    return weights


def _graf(time: Floats, event: Bools, tau: float) -> Floats:
    times, place = np.unique(time, return_inverse=True)
    at_risk = np.cumsum(np.bincount(place)[::-1])[::-1]
    events = np.bincount(place, event)
    lost = np.bincount(place, ~event)
    staying = at_risk - events
    factor = np.where(staying > 0, 1.0 - lost / np.maximum(staying, 1.0), 1.0)
    stay = np.cumprod(factor)
    before = np.concatenate([[1.0], stay[:-1]])[place]
    reached = int(np.searchsorted(times, tau, side="right")) - 1
    at_tau = float(stay[reached]) if reached >= 0 else 1.0
    beyond = time > tau
    if at_tau <= 0 and beyond.any():
        raise CannotEstimate(NOT_ESTIMABLE, statistic="censoring weight")
    if not beyond.any() and not (event & (time <= tau)).any():
        raise CannotEstimate(TAU_TOO_LATE)
    early = event & (time <= tau)
    return np.where(beyond, 1.0 / at_tau if at_tau > 0 else 0.0, np.where(early, 1.0 / before, 0.0))


def _by_period(
    subject: Sequence[Hashable] | npt.ArrayLike | None, period: npt.ArrayLike | None, rows: int
) -> tuple[Ints, Ints] | None:
    if (subject is None) != (period is None):
        raise CannotEstimate(BAD_ARGUMENT, argument="subject, period", allowed="both or neither")
    if subject is None or period is None:
        return None
    who, when = labels(subject, "subject", rows).codes, numbers(period, "period", rows)
    order = np.lexsort((when, who))
    again = (np.diff(who[order]) == 0) & (np.diff(when[order]) == 0)
    if again.any():
        raise CannotEstimate(BAD_ARGUMENT, argument="period", allowed="once per subject")
    return order, who


def _cumulated(ratio: Floats, order: Ints, who: Ints) -> Floats:
    logs = np.cumsum(np.log(ratio[order]))
    first = np.flatnonzero(np.diff(who[order], prepend=-1))
    before = np.repeat(
        np.concatenate([[0.0], logs[first[1:] - 1]]), np.diff(np.concatenate([first, [len(order)]]))
    )
    product = np.empty(len(ratio))
    product[order] = np.exp(logs - before)
    return product


def _made(
    ratio: Floats,
    lost: Bools,
    truncate: tuple[float, float] | None,
    stabilised: bool,
    model: LogisticFit | None,
) -> CensoringWeights:
    truncated = 0
    if truncate is not None:
        if not 0.0 <= truncate[0] < truncate[1] <= 1.0:
            raise CannotEstimate(BAD_ARGUMENT, argument="truncate", allowed="0 <= lower < upper <= 1")
        low, high = np.quantile(ratio[~lost], truncate)
        truncated = int(((ratio < low) | (ratio > high))[~lost].sum())
        ratio = np.clip(ratio, low, high)
    weights = np.where(lost, 0.0, ratio)
    return CensoringWeights(
        weights=weights,
        mean=float(weights[~lost].mean()),
        largest=float(weights.max()),
        truncated=truncated,
        stabilised=stabilised,
        model=model,
        method=f"inverse probability of censoring weights, logistic{', stabilised' if stabilised else ''}",
    )
