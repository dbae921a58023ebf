"""Recurrent events: the mean cumulative function, and the models of Andersen-Gill, PWP and WLW.

All start from one table of follow-up: a row per subject and stretch (start, stop], `event` 1 where it ends with
an event. Rows of one subject must not overlap; they may leave gaps, in which the subject is not at risk.

Sources: Lawless & Nadeau (1995); Andersen & Gill (1982); Prentice, Williams & Peterson (1981); Wei, Lin &
Weissfeld (1989); Therneau & Grambsch (2000), 8.5. The mean function is R's survfit(Surv(start, stop, event) ~ 1,
id = id)$cumhaz, the models are coxph with cluster(id).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NO_EVENTS, CannotEstimate, Reason
from studies.statistics import Bools, Floats, Ints
from studies.statistics.estimate import Estimate, wald
from studies.statistics.inputs import FollowUp, follow_up, labels, matrix, weight_column
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, normal_quantile
from studies.statistics.survival.cox import CoxFit, fit_cox
from studies.statistics.survival.curve_limits import check_choice, check_conf
from studies.statistics.survival.kaplan_meier import kaplan_meier
from studies.statistics.survival.risk_sets import tied_times
from studies.statistics.survival.rmst import TAU_BEYOND, TWO_GROUPS

Model = Literal["andersen-gill", "pwp-total", "pwp-gap", "wlw"]
OVERLAP = Reason(
    "rows_overlap",
    "同一受试者的随访区间相互重叠。",
    "The stretches of follow-up of one subject overlap.",
)
SUBJECT_IN_TWO_GROUPS = Reason(
    "subject_in_two_groups",
    "有受试者同时属于两个组。",
    "A subject belongs to both groups.",
)


@dataclass(frozen=True)
class MeanCumulative:
    """The mean number of events per subject up to k times.

    time, n_risk, n_event -- (k,) times of events and of the ends of rows; rows at risk; events then
    mcf, std_err, lower, upper -- (k,) robust by subject; limits on the log scale by default (NaN while mcf is 0)
    subjects, events -- numbers
    """

    time: Floats
    n_risk: Floats
    n_event: Floats
    mcf: Floats
    std_err: Floats
    lower: Floats
    upper: Floats
    subjects: int
    events: int
    conf_level: float
    method: str

    @checked
    def at(self, time: float) -> Estimate:
        """The mean up to `time` with its error and limits. Raises `CannotEstimate` beyond follow-up.

        Before the first event the mean is 0, with an error of 0 and the limits 0.
        """
        if not math.isfinite(time) or time > self.time[-1]:
            raise CannotEstimate(TAU_BEYOND, last=f"{self.time[-1]:g}")
        place = int(np.searchsorted(self.time, time, side="right")) - 1
        if place < 0 or self.mcf[place] == 0:
            return Estimate(0.0, 0.0, 0.0, 0.0, None, self.conf_level)
        values = (float(column[place]) for column in (self.mcf, self.std_err, self.lower, self.upper))
        mean, error, low, high = values
        return Estimate(mean, error, low, high, None, self.conf_level)


@dataclass(frozen=True)
class McfDifference:
    """Second group's mean number of events less the first's (sorted order) at `tau`, and their ratio.

    The ratio is None where a group has had no event by tau.
    """

    tau: float
    levels: tuple[Hashable, Hashable]
    difference: Estimate
    ratio: Estimate | None
    groups: tuple[MeanCumulative, MeanCumulative]
    method: str


@dataclass(frozen=True)
class RecurrentRows:
    """Rows ready for a Cox model: `row` (r,) is the row of the table given, `subject` (r,) whose it is.

    entry is None where all are at risk from 0; stratum (r,) is the number of the event (1, 2, ...), None for
    Andersen-Gill.
    """

    model: Model
    row: Ints
    time: Floats
    event: Bools
    entry: Floats | None
    stratum: Ints | None
    subject: Ints


@checked
def mean_cumulative_function(
    id: Sequence[Hashable] | npt.ArrayLike,
    stop: npt.ArrayLike,
    event: npt.ArrayLike,
    *,
    start: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    conf_type: Literal["log", "plain"] = "log",
    conf_level: float = CI_LEVEL,
) -> MeanCumulative:
    """The Nelson-Aalen mean of one group; id, stop, event, start, weights are (n,) rows.

    start -- of each row; without it every subject has one row from 0
    The error is the infinitesimal jackknife summed over each subject's rows (Lawless & Nadeau 1995), so it
    holds whatever the dependence between a subject's events. Death that ends follow-up must not be taken for
    censoring: this mean is then that of people who do not die. Raises `CannotEstimate`: bad input,
    overlapping rows.
    """
    check_conf("plain", conf_level)
    check_choice("conf_type", conf_type, ("log", "plain"))
    rows, subject = _history(id, start, stop, event, weights)
    curve = kaplan_meier(
        rows.time,
        rows.event,
        entry=rows.entry,
        weights=rows.weights,
        cluster=subject,
        robust=True,
        conf_type="none",
    )
    mean, error = curve.cumhaz, curve.std_chaz
    z = normal_quantile(conf_level)
    if conf_type == "plain":
        lower, upper = np.maximum(mean - z * error, 0.0), mean + z * error
    else:
        known = np.where(mean > 0, mean, np.nan)
        lower, upper = mean * np.exp(-z * error / known), mean * np.exp(z * error / known)
    return MeanCumulative(
        time=curve.time,
        n_risk=curve.n_risk,
        n_event=curve.n_event,
        mcf=mean,
        std_err=error,
        lower=lower,
        upper=upper,
        subjects=int(subject.max()) + 1,
        events=curve.events,
        conf_level=conf_level,
        method="mean cumulative function (Nelson-Aalen), standard errors robust by subject, "
        f"{100 * conf_level:g} % limits on the {conf_type} scale",
    )


@checked
def mcf_difference(
    id: Sequence[Hashable] | npt.ArrayLike,
    stop: npt.ArrayLike,
    event: npt.ArrayLike,
    group: Sequence[Hashable] | npt.ArrayLike,
    *,
    tau: float | None = None,
    start: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    conf_level: float = CI_LEVEL,
) -> McfDifference:
    """Two groups compared at `tau` (default: the shorter of their follow-ups), with Wald limits and p.

    Raises `CannotEstimate`: bad input, other than two groups, a subject in both, tau beyond follow-up, no
    events in either group.
    """
    rows, subject = _history(id, start, stop, event, weights)
    of = labels(np.asarray(group), "group", len(rows))
    if len(of) != 2:
        raise CannotEstimate(TWO_GROUPS)
    groups_of_subject = np.zeros((int(subject.max()) + 1, 2), dtype=bool)
    groups_of_subject[subject, of.codes] = True
    if groups_of_subject.all(axis=1).any():
        raise CannotEstimate(SUBJECT_IN_TWO_GROUPS)
    curves = []
    for code in (0, 1):
        mine = of.codes == code
        curves.append(
            mean_cumulative_function(
                subject[mine],
                rows.time[mine],
                rows.event[mine],
                start=None if rows.entry is None else rows.entry[mine],
                weights=None if rows.weights is None else rows.weights[mine],
                conf_level=conf_level,
            )
        )
    reach = min(float(curve.time[-1]) for curve in curves)
    limit = reach if tau is None else float(tau)
    first, second = (curve.at(limit) for curve in curves)
    errors = (first.se or 0.0, second.se or 0.0)
    if errors == (0.0, 0.0):
        raise CannotEstimate(NO_EVENTS)
    ratio = None
    if first.value > 0 and second.value > 0:
        spread = math.hypot(errors[0] / first.value, errors[1] / second.value)
        ratio = wald(math.log(second.value / first.value), spread, conf_level, scale="log")
    return McfDifference(
        tau=limit,
        levels=(of.levels[0], of.levels[1]),
        difference=wald(second.value - first.value, math.hypot(*errors), conf_level),
        ratio=ratio,
        groups=(curves[0], curves[1]),
        method=f"difference of mean cumulative functions at {limit:g}, standard errors robust by subject",
    )


@checked
def recurrent_rows(
    id: Sequence[Hashable] | npt.ArrayLike,
    stop: npt.ArrayLike,
    event: npt.ArrayLike,
    *,
    start: npt.ArrayLike | None = None,
    model: Model = "andersen-gill",
    max_events: int | None = None,
) -> RecurrentRows:
    """Shape n rows of follow-up for a model.

    andersen-gill -- the rows as they are: all events alike
    pwp-total -- strata by the number of the event a subject waits for, time since study entry
    pwp-gap -- the same strata, time since the event before (or since 0)
    wlw -- for the k-th event, k = 1 ... max_events: time from 0 to that event or the end of follow-up; all subjects
        are at risk of all of them. Delayed starts and gaps cannot be told apart here and are refused.
    max_events -- rows that wait for a later event are left out (for wlw by default the largest number seen)

    Raises `CannotEstimate`: bad input, overlapping rows, no events.
    """
    check_choice("model", model, get_args(Model))
    if max_events is not None and max_events < 1:
        raise CannotEstimate(BAD_ARGUMENT, argument="max_events", allowed=">= 1")
    rows, subject = _history(id, start, stop, event, None)
    if not rows.event.any():
        raise CannotEstimate(NO_EVENTS)
    came = np.zeros(len(rows)) if rows.entry is None else rows.entry
    order = np.lexsort((rows.time, subject))
    past = _events_before(subject[order], rows.event[order])
    if model == "wlw":
        return _wlw(order, subject, came, rows, past, max_events)
    waiting = np.empty(len(rows), dtype=np.intp)
    waiting[order] = past + 1
    kept = np.arange(len(rows)) if max_events is None else np.flatnonzero(waiting <= max_events)
    begin, end = came, rows.time
    if model == "pwp-gap":
        reset = np.empty(len(rows))
        reset[order] = _last_event(subject[order], rows.time[order], rows.event[order])
        begin, end = came - reset, rows.time - reset
    entry = begin[kept] if (begin[kept] > 0).any() else None
    return RecurrentRows(
        model=model,
        row=kept,
        time=end[kept],
        event=rows.event[kept],
        entry=entry,
        stratum=None if model == "andersen-gill" else waiting[kept],
        subject=subject[kept],
    )


@checked
def fit_recurrent(
    x: npt.ArrayLike,
    id: Sequence[Hashable] | npt.ArrayLike,
    stop: npt.ArrayLike,
    event: npt.ArrayLike,
    *,
    start: npt.ArrayLike | None = None,
    model: Model = "andersen-gill",
    max_events: int | None = None,
    weights: npt.ArrayLike | None = None,
    ties: Literal["efron", "breslow"] = "efron",
    names: Sequence[str] | None = None,
) -> CoxFit:
    """Shape (`recurrent_rows`) and fit: a Cox model with errors robust by subject; x is (n, p).

    For wlw the covariates (and weights) are those of a subject's first row. Raises what `recurrent_rows` and
    `fit_cox` raise.
    """
    shaped = recurrent_rows(id, stop, event, start=start, model=model, max_events=max_events)
    table = matrix(x, len(np.asarray(stop)))
    factor = None if weights is None else weight_column(weights, len(table))[shaped.row]
    return fit_cox(
        table[shaped.row],
        shaped.time,
        shaped.event.astype(float),
        entry=shaped.entry,
        weights=factor,
        strata=shaped.stratum,
        cluster=shaped.subject,
        ties=ties,
        names=names,
    )


def _history(
    id: Sequence[Hashable] | npt.ArrayLike,
    start: npt.ArrayLike | None,
    stop: npt.ArrayLike,
    event: npt.ArrayLike,
    weights: npt.ArrayLike | None,
) -> tuple[FollowUp, Ints]:
    """The checked rows, times aligned, and the code of each row's subject."""
    rows = follow_up(stop, event, entry=start, weights=weights)
    subject = labels(np.asarray(id), "id", len(rows)).codes
    until, came = tied_times(rows.time, rows.entry)
    begin = np.zeros(len(until)) if came is None else came
    order = np.lexsort((until, begin, subject))
    same = subject[order][1:] == subject[order][:-1]
    if (same & (begin[order][1:] < until[order][:-1])).any():
        raise CannotEstimate(OVERLAP)
    return FollowUp(until, rows.event, came, rows.weights), subject


def _events_before(subject: Ints, event: Bools) -> Ints:
    """For sorted rows: how many events the same subject has had in earlier rows."""
    so_far: Ints = np.cumsum(event.astype(np.intp)) - event
    first = np.concatenate([[True], subject[1:] != subject[:-1]])
    return np.asarray(so_far - np.maximum.accumulate(np.where(first, so_far, 0)))


def _last_event(subject: Ints, time: Floats, event: Bools) -> Floats:
    """For sorted rows: when the same subject had its last event before the row, 0 if none."""
    previous = np.concatenate([[0], np.where(event, np.arange(1, len(time) + 1), 0)[:-1]])
    first = np.concatenate([[True], subject[1:] != subject[:-1]])
    # Positions count from 1; 0 means none. A first row starts the count anew.
    start_of = np.maximum.accumulate(np.where(first, np.arange(len(time)), 0))
    latest = np.maximum.accumulate(np.where(first, 0, previous))
    valid = latest > start_of
    return np.where(valid, time[np.maximum(latest - 1, 0)], 0.0)


def _wlw(
    order: Ints, subject: Ints, came: Floats, rows: FollowUp, past: Ints, max_events: int | None
) -> RecurrentRows:
    person = subject[order]
    first = np.flatnonzero(np.concatenate([[True], person[1:] != person[:-1]]))
    last = np.concatenate([first[1:] - 1, [len(person) - 1]])
    begin, end = came[order], rows.time[order]
    joined = (begin[1:] == end[:-1]) | (person[1:] != person[:-1])
    if not joined.all() or (begin[first] > 0).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="model", allowed="andersen-gill, pwp-total, pwp-gap")
    happened = rows.event[order]
    count = int((past + happened).max()) if max_events is None else max_events
    people = len(first)
    time = np.tile(end[last], (count, 1))
    event = np.zeros((count, people), dtype=bool)
    number = np.cumsum(np.concatenate([[0], (person[1:] != person[:-1]).astype(int)]))
    told = np.flatnonzero(happened & (past < count))
    time[past[told], number[told]] = end[told]
    event[past[told], number[told]] = True
    return RecurrentRows(
        model="wlw",
        row=np.tile(order[first], count),
        time=time.ravel(),
        event=event.ravel(),
        entry=None,
        stratum=np.repeat(np.arange(1, count + 1), people),
        subject=np.tile(person[first], count),
    )
