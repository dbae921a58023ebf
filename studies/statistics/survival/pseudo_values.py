"""Pseudo-values: what each subject adds to S(t), a restricted mean or an incidence, for regression on them.

The i-th pseudo-value is n theta - (n - 1) theta_(-i), theta_(-i) computed without subject i ("jackknife"), or
theta + n D_i with its infinitesimal version D_i ("infinitesimal", as R's survival::pseudo). Leaving one out
changes only the factors up to that subject's time, so all n come from one pass over the sorted times.

Sources: Andersen, Klein & Rosthoj (2003), Biometrika 90; Andersen, Hansen & Klein (2004) for the restricted mean;
Klein & Andersen (2005) for incidences; Liang & Zeger (1986) for the estimating equations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NO_EVENTS, NOT_ESTIMABLE, CannotEstimate, Reason
from studies.statistics import Bools, Floats
from studies.statistics.inputs import causes, follow_up, numbers
from studies.statistics.options import checked
from studies.statistics.survival.curve_limits import check_choice
from studies.statistics.survival.event_table import EventTable, event_table
from studies.statistics.survival.influence import row_influence

Method = Literal["jackknife", "infinitesimal"]
TIME_BEYOND = Reason(
    "time_beyond_follow_up",
    "所要求的时间点超出随访范围（最长随访 {last}）。",
    "A time that was asked for lies beyond follow-up, which ends at {last}.",
)


@dataclass(frozen=True)
class PseudoValues:
    """values (n, m) of n subjects at m times (or restriction times); `estimate` (m,) is the curve's own value.

    The mean of a column is close to the estimate; single values may lie outside [0, 1].
    """

    quantity: str
    times: Floats
    values: Floats
    estimate: Floats
    method: Method

    def complement(self) -> PseudoValues:
        """Of one minus the quantity: survival to incidence of any event, for the cloglog link."""
        return PseudoValues(
            f"1 - {self.quantity}", self.times, 1.0 - self.values, 1.0 - self.estimate, self.method
        )


@checked
def pseudo_survival(
    time: npt.ArrayLike, event: npt.ArrayLike, times: npt.ArrayLike, *, method: Method = "jackknife"
) -> PseudoValues:
    """Of the Kaplan-Meier curve at m times; time, event (n,).

    Raises `CannotEstimate`: bad input, fewer than two subjects, a time beyond follow-up, an unknown method.
    Delayed entry and weights are not taken: the pseudo-values of such curves are not exchangeable.
    """
    rows = follow_up(time, event)
    table, asked = _checked(event_table(rows), times, method)
    whole = _Whole.of(table, rows.event, rows.event)
    estimate = whole.after[np.searchsorted(table.time, asked, side="right")]
    if method == "infinitesimal":
        influence = np.column_stack([whole.influence_of_survival(t) for t in asked])
        return _moved("S(t)", asked, estimate, influence)
    return _left_out("S(t)", asked, estimate, whole.survival_without(asked))


@checked
def pseudo_rmst(
    time: npt.ArrayLike, event: npt.ArrayLike, tau: npt.ArrayLike, *, method: Method = "jackknife"
) -> PseudoValues:
    """Of the restricted mean up to each of m values of tau; time, event (n,). Raises as `pseudo_survival`."""
    rows = follow_up(time, event)
    table, asked = _checked(event_table(rows), tau, method)
    if (asked <= 0).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="tau", allowed="0 < tau")
    whole = _Whole.of(table, rows.event, rows.event)
    estimate = np.array([_area(table.time, whole.after, one) for one in asked])
    if method == "infinitesimal":
        influence = np.column_stack([whole.influence_of_area(one) for one in asked])
        return _moved("RMST", asked, estimate, influence)
    without = np.column_stack([whole.area_without(one) for one in asked])
    return _left_out("RMST", asked, estimate, without)


@checked
def pseudo_incidence(
    time: npt.ArrayLike,
    status: npt.ArrayLike,
    times: npt.ArrayLike,
    *,
    cause: int = 1,
    method: Method = "jackknife",
) -> PseudoValues:
    """Of the cumulative incidence of `cause` at m times; status (n,) 0 censored, 1, 2, ... Raises as
    `pseudo_survival`, and without an event of the cause."""
    kinds = causes(status, "status")
    rows = follow_up(time, (kinds > 0).astype(float))
    if cause < 1 or not (kinds == cause).any():
        raise CannotEstimate(NO_EVENTS)
    table, asked = _checked(event_table(rows), times, method)
    whole = _Whole.of(table, rows.event, kinds == cause)
    cif = np.concatenate([[0.0], np.cumsum(whole.after[:-1] * whole.own / table.n_risk)])
    estimate = cif[np.searchsorted(table.time, asked, side="right")]
    if method == "infinitesimal":
        influence = np.column_stack([whole.influence_of_incidence(cif, t) for t in asked])
        return _moved(f"incidence of cause {cause}", asked, estimate, influence)
    return _left_out(f"incidence of cause {cause}", asked, estimate, whole.incidence_without(cif, asked))


@dataclass(frozen=True)
class _Whole:
    """The curve of all n, and prefixes of the curve that lacks one person who is still there.

    after -- (k + 1,) S after j times; fewer -- (k + 1,) the same with one subject less at risk, not dying;
    middle -- (n,) the factor at each subject's own time without it
    """

    table: EventTable
    event: Bools
    is_own: Bools
    own: Floats
    deaths: Floats
    after: Floats
    fewer: Floats
    middle: Floats

    @classmethod
    def of(cls, table: EventTable, event: Bools, is_own: Bools) -> _Whole:
        deaths, own = table.leaving(event.astype(float)), table.leaving(is_own.astype(float))
        n = table.n_risk
        others = np.maximum(n - 1.0, 1.0)
        after = np.concatenate([[1.0], np.cumprod(np.where(deaths == n, 0.0, 1.0 - deaths / n))])
        # Used only up to times that the subject outlives, where deaths <= n - 1.
        fewer = np.concatenate([[1.0], np.cumprod(np.maximum(1.0 - deaths / others, 0.0))])
        at = table.exits
        left = deaths[at] - event
        middle = np.where(n[at] > 1, np.where(left == n[at] - 1, 0.0, 1.0 - left / others[at]), 1.0)
        return cls(table, event, is_own, own, deaths, after, fewer, middle)

    def carried(self) -> Floats:
        """(n,) what multiplies the whole curve after a subject's own time, in the curve without it."""
        at = self.table.exits
        end = self.after[at + 1]
        return np.asarray(self.fewer[at] * self.middle / np.where(end > 0, end, 1.0))

    def survival_without(self, times: Floats) -> Floats:
        at, carried = self.table.exits, self.carried()
        columns = []
        for j in np.searchsorted(self.table.time, times, side="right"):
            # Where all at risk die, no later time changes anything any more.
            later = np.where(self.after[at + 1] > 0, self.after[j], 1.0)
            columns.append(np.where(j <= at, self.fewer[j], carried * later))
        return np.column_stack(columns)

    def area_without(self, tau: float) -> Floats:
        at, own = self.table.exits, np.minimum(self.table.time[self.table.exits], tau)
        edges = np.minimum(np.concatenate([[0.0], self.table.time, [np.inf]]), tau)
        areas = np.concatenate([[0.0], np.cumsum(np.diff(edges) * self.fewer)])
        # areas[j] reaches to the j-th edge: up to a subject's own time that is edge at + 1.
        until_own = areas[at + 1]
        of_whole = np.concatenate([[0.0], np.cumsum(np.diff(edges) * self.after)])
        rest = np.where(self.after[at + 1] > 0, of_whole[-1] - of_whole[at + 1], tau - own)
        return np.asarray(until_own + self.carried() * rest)

    def incidence_without(self, cif: Floats, times: Floats) -> Floats:
        at, n = self.table.exits, self.table.n_risk
        others = np.maximum(n - 1.0, 1.0)
        fewer = np.concatenate([[0.0], np.cumsum(self.fewer[:-1] * self.own / others)])
        here = np.where(n[at] > 1, self.fewer[at] * (self.own[at] - self.is_own) / others[at], 0.0)
        carried = self.carried()
        columns = []
        for j in np.searchsorted(self.table.time, times, side="right"):
            later = np.where(self.after[at + 1] > 0, cif[j] - cif[at + 1], 0.0)
            columns.append(np.where(j <= at, fewer[j], fewer[at] + here + carried * later))
        return np.column_stack(columns)

    def _goes(self) -> Floats:
        left = self.table.n_risk - self.deaths
        return np.divide(1.0, left, out=np.zeros_like(left), where=left > 0)

    def influence_of_survival(self, t: float) -> Floats:
        until = self.table.time <= t
        own = self._goes() * until
        hazard = self._influence_at_event(own, own * self.deaths / self.table.n_risk)
        return np.asarray(-self.after[np.searchsorted(self.table.time, t, side="right")] * hazard)

    def influence_of_area(self, tau: float) -> Floats:
        edges = np.minimum(np.concatenate([self.table.time, [max(tau, self.table.time[-1])]]), tau)
        ahead = np.cumsum((np.diff(edges) * self.after[1:])[::-1])[::-1]
        own = self._goes() * ahead
        return -self._influence_at_event(own, own * self.deaths / self.table.n_risk)

    def influence_of_incidence(self, cif: Floats, t: float) -> Floats:
        until, n = self.table.time <= t, self.table.n_risk
        level = cif[np.searchsorted(self.table.time, t, side="right")]
        direct = np.where(until, self.after[:-1] / n, 0.0)
        through = np.where(until, (level - cif[1:]) * self._goes(), 0.0)
        jumps = direct[self.table.exits] * self.is_own - through[self.table.exits] * self.event
        step = direct * self.own / n - through * self.deaths / n
        return row_influence(self.table, np.cumsum(step), jumps)

    def _influence_at_event(self, own: Floats, compensator: Floats) -> Floats:
        return row_influence(self.table, np.cumsum(compensator), own[self.table.exits] * self.event)


def _checked(table: EventTable, times: npt.ArrayLike, method: str) -> tuple[EventTable, Floats]:
    check_choice("method", method, get_args(Method))
    asked = numbers(np.atleast_1d(np.asarray(times, dtype=object)), "times")
    if len(table.exits) < 2:
        raise CannotEstimate(NOT_ESTIMABLE, statistic="pseudo-values")
    if (asked > table.time[-1]).any():
        raise CannotEstimate(TIME_BEYOND, last=f"{table.time[-1]:g}")
    return table, asked


def _area(time: Floats, after: Floats, tau: float) -> float:
    edges = np.minimum(np.concatenate([[0.0], time, [np.inf]]), tau)
    return float(np.diff(edges) @ after)


def _left_out(quantity: str, times: Floats, estimate: Floats, without: Floats) -> PseudoValues:
    n = len(without)
    return PseudoValues(quantity, times, n * estimate - (n - 1) * without, estimate, "jackknife")


def _moved(quantity: str, times: Floats, estimate: Floats, influence: Floats) -> PseudoValues:
    return PseudoValues(quantity, times, estimate + len(influence) * influence, estimate, "infinitesimal")
