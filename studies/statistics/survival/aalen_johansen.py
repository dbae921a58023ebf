"""Cumulative incidence with competing events: Aalen-Johansen curves of every cause, with errors and limits.

The estimates are those of R's multi-state survival::survfit and of cmprsk::cuminc; the two packages differ
in their variance, so it is named: "jackknife" is survfit's, "aalen" is cuminc's.

Sources: Aalen & Johansen (1978); Marubini & Valsecchi (1995), 10.3 and Gray (1988) for the variance of
cuminc; Therneau, Crowson & Atkinson (2023) for the infinitesimal jackknife.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NO_EVENTS, CannotEstimate, Reason
from studies.statistics import Bools, Floats, Ints
from studies.statistics.inputs import FollowUp, causes, cluster_labels, follow_up, labels, numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL
from studies.statistics.survival.curve_limits import ConfType, check_choice, check_conf, limits
from studies.statistics.survival.event_table import EventTable, event_table, runs_empty
from studies.statistics.survival.influence import running_moments
from studies.statistics.survival.kaplan_meier import RISK_SET_EMPTY

Variance = Literal["jackknife", "aalen"]


@dataclass(frozen=True)
class IncidencePoints:
    """Incidence read at m times: `time`, `n_risk`, `surv`, `known` (m,); the others (m, causes).

    Where `known` is False (past the last time, without `extend`) the numbers are NaN.
    """

    time: Floats
    cif: Floats
    std_err: Floats
    lower: Floats
    upper: Floats
    surv: Floats
    n_risk: Floats
    known: Bools


@dataclass(frozen=True)
class CumulativeIncidence:
    """c causes at k distinct times of follow-up; nothing has happened before the first.

    causes  -- the codes of `status`, ascending
    time, n_risk, n_censor -- (k,), n_event -- (k, c), weighted
    cif, std_err, lower, upper -- (k, c); column j belongs to causes[j]. A limit is NaN where its scale has no
        value (cif = 0 for all but `plain`), as in R
    surv, surv_std_err -- (k,) free of any event; the error is None for variance="aalen", which has none
    n, events -- rows, and events of each cause (c,), unweighted
    """

    causes: tuple[int, ...]
    time: Floats
    n_risk: Floats
    n_event: Floats
    n_censor: Floats
    cif: Floats
    std_err: Floats
    lower: Floats
    upper: Floats
    surv: Floats
    surv_std_err: Floats | None
    n: int
    events: Ints
    conf_type: ConfType
    conf_level: float
    method: str
    warnings: tuple[Reason, ...] = ()

    @checked
    def at(self, times: npt.ArrayLike, *, extend: bool = False) -> IncidencePoints:
        """Read all causes at m times; with `extend` the last value is carried on beyond the last time."""
        asked = numbers(np.atleast_1d(np.asarray(times, dtype=object)), "times")
        place = np.searchsorted(self.time, asked, side="right")
        known = np.ones(len(asked), dtype=bool) if extend else asked <= self.time[-1]
        at_risk = np.concatenate([self.n_risk, [0.0]])[np.searchsorted(self.time, asked, side="left")]

        def read(values: Floats, before: float) -> Floats:
            found = np.vstack([np.full((1, values.shape[1]), before), values])[place]
            return np.where(known[:, None], found, np.nan)

        # R's limits at 0: none on a scale that has no value there.
        start = 0.0 if self.conf_type == "plain" else np.nan
        return IncidencePoints(
            time=asked,
            cif=read(self.cif, 0.0),
            std_err=read(self.std_err, 0.0),
            lower=read(self.lower, start),
            upper=read(self.upper, start),
            surv=read(self.surv[:, None], 1.0)[:, 0],
            n_risk=np.where(known, at_risk, np.nan),
            known=known,
        )


@checked
def aalen_johansen(
    time: npt.ArrayLike,
    status: npt.ArrayLike,
    *,
    entry: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    cluster: npt.ArrayLike | None = None,
    variance: Variance = "jackknife",
    conf_type: ConfType = "log",
    conf_level: float = CI_LEVEL,
) -> CumulativeIncidence:
    """The incidence of every cause in n rows; time, status, entry, weights, cluster are (n,).

    status -- 0 censored, 1, 2, ... the kind of event that ended the row
    variance -- "jackknife": infinitesimal jackknife, summed within `cluster`, as R's survfit with a factor
        status; "aalen": as cmprsk::cuminc, which knows neither weights nor clusters
    conf_type -- R's default for this curve is "log", and so is ours here

    Raises `CannotEstimate`: bad input, no event of any kind, weights or clusters with "aalen".
    """
    check_conf(conf_type, conf_level)
    check_choice("variance", variance, get_args(Variance))
    kinds = causes(status, "status")
    rows = follow_up(time, (kinds > 0).astype(float), entry=entry, weights=weights)
    if not rows.event.any():
        raise CannotEstimate(NO_EVENTS)
    if variance == "aalen" and (weights is not None or cluster is not None):
        raise CannotEstimate(BAD_ARGUMENT, argument="variance", allowed="jackknife (weights, cluster)")
    codes = None if cluster is None else cluster_labels(np.asarray(cluster), len(rows)).codes
    found = np.unique(kinds[kinds > 0])
    steps = _steps(event_table(rows), kinds, found)
    by_cause, surv_error = [], None
    for column in range(len(found)):
        if variance == "aalen":
            by_cause.append(_aalen_variance(steps, column))
        else:
            own, surv_error = _jackknife(steps, kinds, int(found[column]), column, codes)
            by_cause.append(own)
    errors = np.sqrt(np.column_stack(by_cause))
    bounds = [
        limits(steps.cif[:, column], errors[:, column], conf_type, conf_level) for column in range(len(found))
    ]
    table = steps.table
    return CumulativeIncidence(
        causes=tuple(found.tolist()),
        time=table.time,
        n_risk=table.n_risk,
        n_event=steps.events,
        n_censor=table.leaving(table.weights * ~rows.event),
        cif=steps.cif,
        std_err=errors,
        lower=np.column_stack([low for low, _ in bounds]),
        upper=np.column_stack([high for _, high in bounds]),
        surv=steps.after,
        surv_std_err=None if surv_error is None else np.sqrt(surv_error),
        n=len(rows),
        events=np.array([int((kinds == kind).sum()) for kind in found], dtype=np.intp),
        conf_type=conf_type,
        conf_level=conf_level,
        method=_method(variance, conf_type, conf_level),
        warnings=(RISK_SET_EMPTY,) if runs_empty(table) else (),
    )


@checked
def aalen_johansen_by(
    group: Sequence[Hashable] | npt.ArrayLike,
    time: npt.ArrayLike,
    status: npt.ArrayLike,
    *,
    entry: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    cluster: npt.ArrayLike | None = None,
    variance: Variance = "jackknife",
    conf_type: ConfType = "log",
    conf_level: float = CI_LEVEL,
) -> dict[Hashable, CumulativeIncidence]:
    """One `aalen_johansen` for each value of `group` (n,), in sorted order.

    Raises what that function raises; a group without events names the reason of its own.
    """
    kinds = causes(status, "status")
    rows = follow_up(time, (kinds > 0).astype(float), entry=entry, weights=weights)
    of = labels(np.asarray(group), "group", len(rows))
    codes = None if cluster is None else cluster_labels(np.asarray(cluster), len(rows)).codes

    def one(mine: Bools) -> CumulativeIncidence:
        part = _part(rows, mine)
        return aalen_johansen(
            part.time,
            kinds[mine],
            entry=part.entry,
            weights=part.weights,
            cluster=None if codes is None else codes[mine],
            variance=variance,
            conf_type=conf_type,
            conf_level=conf_level,
        )

    return {level: one(of.codes == code) for code, level in enumerate(of.levels)}


@dataclass(frozen=True)
class _Steps:
    """What happens at each of k times: events (k, c), S before and after, incidence after."""

    table: EventTable
    events: Floats
    all_events: Floats
    at_risk: Floats  # 1 where nothing happens, so that nothing divides by 0
    left: Floats  # at risk less events; 1 where all at risk have their event
    ends: Bools  # where they do
    before: Floats
    after: Floats
    cif: Floats


def _steps(table: EventTable, kinds: Ints, found: Ints) -> _Steps:
    events = np.column_stack([table.leaving(table.weights * (kinds == kind)) for kind in found])
    counted = table.leaving((kinds > 0).astype(float))
    every: Floats = events.sum(axis=1)
    # All at risk have their event: by number, or by weight where the others' is lost in the rounding of the sum.
    ends = (counted > 0) & ((counted == table.counted) | (every >= table.n_risk))
    at_risk = np.where(counted > 0, table.n_risk, 1.0)
    after = np.asarray(np.cumprod(np.where(ends, 0.0, 1.0 - every / at_risk)), dtype=np.float64)
    before = np.concatenate([[1.0], after[:-1]])
    cif: Floats = np.cumsum((before / at_risk)[:, None] * events, axis=0)
    left = np.where(ends | (counted == 0), 1.0, table.n_risk - every)
    return _Steps(table, events, every, at_risk, left, ends, before, after, cif)


def _jackknife(
    steps: _Steps, kinds: Ints, kind: int, column: int, cluster: Ints | None
) -> tuple[Floats, Floats]:
    """Variances (k,) of the incidence of one cause and of S.

    The influence is that of the sum of S(u-) dN_j/Y, plus that of S: -(F(t) - F(u)) dN/(Y - dN) for u <= t.
    It is linear in F(t), so that two running functionals give it at all times.
    """
    table, cif = steps.table, steps.cif[:, column]
    goes = np.where(steps.ends, 0.0, 1.0 / steps.left)
    own = steps.before / steps.at_risk
    settled = np.column_stack(
        [
            own * steps.events[:, column] / steps.at_risk + cif * goes * steps.all_events / steps.at_risk,
            goes * steps.all_events / steps.at_risk,
        ]
    )
    happened = kinds > 0
    jumps = np.column_stack(
        [
            own[table.exits] * (kinds == kind) + (cif * goes)[table.exits] * happened,
            goes[table.exits] * happened,
        ]
    )
    moments = running_moments(table, np.cumsum(settled, axis=0), jumps, cluster)
    one, none = np.ones(len(cif)), np.zeros(len(cif))
    last_event = np.maximum.accumulate(np.where(steps.all_events > 0, np.arange(len(cif)), -1))
    flat = np.maximum(last_event, 0)
    of_cif = moments.variance(np.column_stack([one, -cif]))[flat]
    return of_cif, (moments.variance(np.column_stack([none, steps.after])))[flat]


def _aalen_variance(steps: _Steps, column: int) -> Floats:
    """(k,) the variance that cmprsk::cuminc gives, with its finite-population factor for tied events."""
    cif, n = steps.cif[:, column], steps.table.n_risk
    own = steps.events[:, column]
    other = steps.all_events - own
    inverse = np.divide(1.0, steps.after, out=np.zeros_like(cif), where=steps.after > 0)

    def spread(events: Floats) -> Floats:
        drawn = np.where(events > 1, 1.0 - (events - 1.0) / np.maximum(n - 1.0, 1.0), 1.0)
        return np.asarray((steps.before / steps.at_risk) ** 2 * events * drawn)

    of_own, of_other = spread(own), np.where(steps.after > 0, spread(other), 0.0)
    slope = 1.0 + inverse * cif
    first = np.cumsum(of_other * (inverse * cif) ** 2 + of_own * slope**2)
    second = np.cumsum(of_other * inverse**2 * cif + of_own * inverse * slope)
    third = np.cumsum((of_other + of_own) * inverse**2)
    return np.asarray(np.maximum(first + cif**2 * third - 2.0 * cif * second, 0.0))


def _part(rows: FollowUp, mine: Bools) -> FollowUp:
    return FollowUp(
        rows.time[mine],
        rows.event[mine],
        None if rows.entry is None else rows.entry[mine],
        None if rows.weights is None else rows.weights[mine],
    )


def _method(variance: Variance, conf_type: str, conf_level: float) -> str:
    error = {"jackknife": "infinitesimal-jackknife", "aalen": "Aalen's (cuminc)"}[variance]
    shown = "no limits" if conf_type == "none" else f"{100 * conf_level:g} % limits on the {conf_type} scale"
    return f"Aalen-Johansen cumulative incidence, {error} standard errors, {shown}"
