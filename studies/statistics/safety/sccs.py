"""The self-controlled case series: is an event more frequent in the days after exposure, within a person?

Only cases are used and each is compared with itself, so that whatever does not change over the observation
cannot confound. Given its number of events, a case's events fall into its pieces of time with probability
proportional to days x exp(age effect + risk effect): a conditional Poisson, that is multinomial, likelihood
(Farrington 1995, Biometrics 51:228; Whitaker et al. 2006, Stat Med 25:1768). It equals Poisson regression
with a factor for every case, and `clogit` on the expanded table.

The method assumes that an event changes neither later exposure nor the end of observation. Warnings tell
where the data speak against that; they cannot prove it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rwd_platform.core.text import Bilingual
from studies.reasons import CannotEstimate, Reason
from studies.statistics import Bools, Floats, Ints
from studies.statistics.estimate import Estimate, wald
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, normal_quantile
from studies.statistics.safety.case_intervals import BASELINE, PRE_EXPOSURE, CaseIntervals
from studies.statistics.safety.checks import between, one_of

NO_EVENTS_IN_WINDOW = Reason(
    "no_events_in_window",
    "“{window}”内没有事件，相对发生率没有有限的估计值；可报告其单侧上限。",
    "No event fell into '{window}': its relative incidence has no finite estimate, only an upper limit.",
)
NOTHING_TO_CONTRAST = Reason(
    "nothing_to_contrast",
    "“{window}”无法与其他时间区分：没有病例既观察到该时段又观察到其他时段。",
    "'{window}' cannot be told apart from other time: no case was seen both in it and out of it.",
)
EVENTS_ONLY_IN_WINDOW = Reason(
    "events_only_in_window",
    "有对比信息的病例的事件全部发生在“{window}”内，相对发生率没有有限的估计值。",
    "Every informative event fell into '{window}': its relative incidence has no finite estimate.",
)
SCCS_NOT_CONVERGED = Reason(
    "sccs_not_converged",
    "自身对照病例系列模型未收敛（年龄组与风险期无法区分，或似然单调）。",
    "The case-series model did not converge (age groups and windows cannot be told apart).",
)
EVENT_CHANGES_EXPOSURE = Reason(
    "event_changes_exposure",
    "暴露前时段的相对发生率区间不含 1：事件可能影响其后的暴露。",
    "the interval of the pre-exposure window excludes 1: the event may change later exposure",
)
EVENT_ENDS_OBSERVATION = Reason(
    "event_ends_observation",
    "事件之后 {days} 天内结束观察的病例多于预期：事件可能终止观察（如死亡或离开）。",
    "more cases than expected left observation within {days} days of an event: the event may end it",
)
NO_PRE_EXPOSURE = Reason(
    "no_pre_exposure",
    "未设暴露前时段，无法检查事件是否影响暴露。",
    "no pre-exposure window was set, so that an event's effect on exposure cannot be seen",
)
SOON_DAYS = 30.0
_STEPS = 100
_CONVERGED = 1e-11


@dataclass(frozen=True)
class RelativeIncidence:
    """One window or age group against its reference. `estimate` holds the ratio, `se` that of its log."""

    name: str
    events: int
    days: float
    estimate: Estimate


@dataclass(frozen=True)
class CaseSeries:
    """`coef`, `covariance` on the log scale: the risk windows, then the age groups from the second on.

    `informative` cases were observed under more than one combination of window and age group.
    """

    risks: tuple[RelativeIncidence, ...]
    ages: tuple[RelativeIncidence, ...]
    coef: Floats
    covariance: Floats
    loglik: float
    loglik_null: float
    cases: int
    informative: int
    events: int
    warnings: tuple[Bilingual, ...]
    method: str


@dataclass(frozen=True)
class _Likelihood:
    """Cases with events only; `design` (r, q), `offset` (r,) = log days, `total` (m,) events of each case."""

    case: Ints
    design: Floats
    offset: Floats
    events: Floats
    total: Floats

    def at(self, beta: Floats) -> tuple[float, Floats, Floats]:
        """log-likelihood, each piece's score part (r, q) and the information (q, q)."""
        eta = self.offset + self.design @ beta
        highest = np.full(len(self.total), -np.inf)
        np.maximum.at(highest, self.case, eta)
        risk = np.exp(eta - highest[self.case])
        sums = np.bincount(self.case, risk, len(self.total))
        share = risk / sums[self.case]
        value = float(self.events @ eta - self.total @ (np.log(sums) + highest))
        expected = self.total[self.case] * share
        means = (
            np.stack([np.bincount(self.case, share * one, len(self.total)) for one in self.design.T], axis=1)
            if self.design.shape[1]
            else np.zeros((len(self.total), 0))
        )
        information = (self.design * expected[:, None]).T @ self.design
        information = information - (means * self.total[:, None]).T @ means
        return value, self.design * (self.events - expected)[:, None], information


@checked
def sccs(
    intervals: CaseIntervals,
    *,
    robust: bool = False,
    conf_type: Literal["wald", "profile"] = "wald",
    conf_level: float = CI_LEVEL,
) -> CaseSeries:
    """Relative incidences with limits from the pieces of `case_intervals`.

    robust: the sandwich over cases instead of the information (Wald only). conf_type "profile" inverts the
    likelihood-ratio test of each window.
    Raises `CannotEstimate` for a window or age group without events (see `upper_bound`), one that no case
    can contrast, and a likelihood without a maximum.
    """
    one_of(conf_type, "conf_type", ("wald",) if robust else ("wald", "profile"))
    between(conf_level, "conf_level", 0, 1)
    rows, columns = _columns(intervals)
    for name, column in columns:
        _check_column(intervals, rows, name, column)
    likelihood = _likelihood(intervals, rows, [column for _, column in columns])
    beta, value, information = _fit(likelihood)
    covariance: Floats = np.asarray(np.linalg.inv(information), dtype=np.float64)
    if robust:
        score = likelihood.at(beta)[1]
        of_case = np.stack(
            [np.bincount(likelihood.case, one, len(likelihood.total)) for one in score.T], axis=1
        )
        covariance = covariance @ (of_case.T @ of_case) @ covariance
    found = []
    for number, (name, column) in enumerate(columns):
        estimate = wald(float(beta[number]), math.sqrt(covariance[number, number]), conf_level, "log")
        if conf_type == "profile":
            estimate = _profile(likelihood, number, estimate, value, conf_level)
        inside = column[rows]
        found.append(
            RelativeIncidence(
                name,
                int(intervals.events[rows][inside].sum()),
                float(intervals.days[rows][inside].sum()),
                estimate,
            )
        )
    risks = len(_risk_levels(intervals))
    pieces = np.bincount(likelihood.case, minlength=len(likelihood.total))
    return CaseSeries(
        risks=tuple(found[:risks]),
        ages=tuple(found[risks:]),
        coef=beta,
        covariance=covariance,
        loglik=value,
        loglik_null=likelihood.at(np.zeros(len(beta)))[0],
        cases=len(likelihood.total),
        informative=int((pieces > 1).sum()),
        events=int(likelihood.total.sum()),
        warnings=_warnings(intervals, tuple(found[:risks])),
        method="self-controlled case series; "
        + ("robust variance over cases" if robust else "model-based variance")
        + f"; {conf_type} limits",
    )


@checked
def upper_bound(intervals: CaseIntervals, window: str, *, conf_level: float = CI_LEVEL) -> float:
    """The one-sided upper limit of a window's relative incidence, by the profile likelihood.

    For a window without events the likelihood is highest at a relative incidence of 0, so only an upper limit
    exists: where the log-likelihood lies z^2/2 below that. All other windows and ages are refitted.
    Raises `CannotEstimate` for an unknown window, another window without events, and no contrast.
    """
    names = [intervals.risk_names[level] for level in _risk_levels(intervals)]
    one_of(window, "window", names)
    between(conf_level, "conf_level", 0.5, 1)
    rows, columns = _columns(intervals)
    number = [name for name, _ in columns].index(window)
    for name, column in columns:
        if name != window:
            _check_column(intervals, rows, name, column)
    likelihood = _likelihood(intervals, rows, [column for _, column in columns])
    _contrast(likelihood, number, window)
    z = normal_quantile(2.0 * conf_level - 1.0)
    if intervals.events[rows][columns[number][1][rows]].sum() > 0:
        beta, top, _ = _fit(likelihood)
        start = float(beta[number])
    else:
        start, top = -20.0, _fixed(likelihood, number, -40.0)
    return math.exp(_crossing(likelihood, number, start, top - z * z / 2.0, upwards=True))


def _risk_levels(intervals: CaseIntervals) -> list[int]:
    """The windows in which cases with events were observed, without the baseline."""
    present = np.bincount(intervals.risk[_of_cases(intervals)], minlength=len(intervals.risk_names)) > 0
    return [level for level in range(1, len(intervals.risk_names)) if present[level]]


def _of_cases(intervals: CaseIntervals) -> Bools:
    """Which pieces belong to a case with an event: the others tell nothing."""
    with_events = np.zeros(len(intervals.observation_end), bool)
    with_events[intervals.event_case] = True
    return with_events[intervals.case]


def _columns(intervals: CaseIntervals) -> tuple[Bools, list[tuple[str, Bools]]]:
    """Which pieces belong to cases with events, and a column for each window and each later age group."""
    rows = _of_cases(intervals)
    columns = [(intervals.risk_names[level], intervals.risk == level) for level in _risk_levels(intervals)]
    ages = np.unique(intervals.age[rows])
    columns += [(intervals.age_names[age], intervals.age == age) for age in ages[1:]]
    return rows, columns


def _check_column(intervals: CaseIntervals, rows: Bools, name: str, column: Bools) -> None:
    if intervals.events[rows & column].sum() == 0:
        raise CannotEstimate(NO_EVENTS_IN_WINDOW, window=name)
    if intervals.events[rows & ~column].sum() == 0:
        raise CannotEstimate(EVENTS_ONLY_IN_WINDOW, window=name)
    inside = np.bincount(intervals.case[rows & column], minlength=len(intervals.observation_end)) > 0
    outside = np.bincount(intervals.case[rows & ~column], minlength=len(inside)) > 0
    both = inside & outside
    if not both.any():
        raise CannotEstimate(NOTHING_TO_CONTRAST, window=name)
    informative = both[intervals.case]
    if intervals.events[informative & column].sum() == 0:
        raise CannotEstimate(NO_EVENTS_IN_WINDOW, window=name)
    if intervals.events[informative & ~column].sum() == 0:
        raise CannotEstimate(EVENTS_ONLY_IN_WINDOW, window=name)


def _contrast(likelihood: _Likelihood, number: int, window: str) -> None:
    inside = likelihood.design[:, number] > 0
    cases = len(likelihood.total)
    seen = np.bincount(likelihood.case[inside], minlength=cases) > 0
    if not (seen & (np.bincount(likelihood.case[~inside], minlength=cases) > 0)).any():
        raise CannotEstimate(NOTHING_TO_CONTRAST, window=window)


def _likelihood(intervals: CaseIntervals, rows: Bools, columns: list[Bools]) -> _Likelihood:
    _, case = np.unique(intervals.case[rows], return_inverse=True)
    events = intervals.events[rows].astype(np.float64)
    design = np.stack([column[rows] for column in columns], axis=1).astype(np.float64)
    return _Likelihood(
        case.astype(np.intp),
        design,
        np.log(intervals.days[rows]),
        events,
        np.bincount(case, events).astype(np.float64),
    )


def _fit(likelihood: _Likelihood) -> tuple[Floats, float, Floats]:
    """Newton's method with halved steps; the log-likelihood is concave."""
    beta = np.zeros(likelihood.design.shape[1])
    value, score, information = likelihood.at(beta)
    for _ in range(_STEPS):
        if len(beta) == 0:
            return beta, value, information
        eigen = np.linalg.eigvalsh(information)
        if eigen[0] <= 1e-10 * max(eigen[-1], 1e-300):
            raise CannotEstimate(SCCS_NOT_CONVERGED)
        step = np.linalg.solve(information, score.sum(axis=0))
        for _ in range(40):
            trial = likelihood.at(beta + step)
            if trial[0] >= value - 1e-12 * abs(value):
                break
            step = step / 2.0
        beta, (value, score, information) = beta + step, trial
        if np.abs(beta).max() > 30:
            break
        if np.abs(step).max() < _CONVERGED:
            return beta, value, information
    raise CannotEstimate(SCCS_NOT_CONVERGED)


def _fixed(likelihood: _Likelihood, number: int, beta: float) -> float:
    """The highest log-likelihood with one coefficient held at `beta`."""
    others = np.delete(likelihood.design, number, axis=1)
    column = likelihood.design[:, number]
    held = _Likelihood(
        likelihood.case, others, likelihood.offset + beta * column, likelihood.events, likelihood.total
    )
    return _fit(held)[1]


def _crossing(likelihood: _Likelihood, number: int, start: float, target: float, *, upwards: bool) -> float:
    """Where the profile falls to `target`, going from `start` (which lies above it)."""
    from scipy.optimize import brentq

    reach, sign = 0.5, 1.0 if upwards else -1.0
    while _fixed(likelihood, number, start + sign * reach) > target:
        reach *= 2.0
        if reach > 100:
            raise CannotEstimate(SCCS_NOT_CONVERGED)
    ends = sorted((start, start + sign * reach))
    return float(brentq(lambda b: _fixed(likelihood, number, b) - target, *ends, xtol=1e-11, rtol=1e-12))


def _profile(
    likelihood: _Likelihood, number: int, estimate: Estimate, top: float, conf_level: float
) -> Estimate:
    from scipy.special import erfc

    z, at = normal_quantile(conf_level), math.log(estimate.value)
    ends = [
        math.exp(_crossing(likelihood, number, at, top - z * z / 2.0, upwards=upwards))
        for upwards in (False, True)
    ]
    ratio = max(0.0, 2.0 * (top - _fixed(likelihood, number, 0.0)))
    p = float(erfc(math.sqrt(ratio / 2.0)))
    return Estimate(estimate.value, estimate.se, ends[0], ends[1], p, conf_level, "log")


def _warnings(intervals: CaseIntervals, risks: tuple[RelativeIncidence, ...]) -> tuple[Bilingual, ...]:
    found = []
    before = next((one.estimate for one in risks if one.name == PRE_EXPOSURE), None)
    if before is None:
        found.append(NO_PRE_EXPOSURE.about())
    elif before.lower is not None and before.upper is not None and not before.lower <= 1 <= before.upper:
        found.append(EVENT_CHANGES_EXPOSURE.about())
    # Were events spread evenly over each case's days, how many would lie in the last SOON_DAYS of them?
    from scipy.special import pdtrc

    length = intervals.observation_end - intervals.observation_start + 1.0
    expected = float(np.minimum(1.0, SOON_DAYS / length)[intervals.event_case].sum())
    left = intervals.observation_end[intervals.event_case] - intervals.event_day
    soon = int((left < SOON_DAYS).sum())
    if soon > 0 and float(pdtrc(soon - 1, expected)) < 0.025:
        found.append(EVENT_ENDS_OBSERVATION.about(days=f"{SOON_DAYS:g}"))
    return tuple(found)


__all__ = ["BASELINE", "CaseSeries", "RelativeIncidence", "sccs", "upper_bound"]
