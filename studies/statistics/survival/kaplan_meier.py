"""Kaplan-Meier and Nelson-Aalen curves: delayed entry, case weights, robust errors, six kinds of limits.

The numbers are those of R's survival::survfit, whose options carry the same names. House defaults differ
in one point: `conf_type` is "log-log" (as SAS has it); R's default is "log".
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate, Reason
from studies.statistics import Bools, Floats, Ints
from studies.statistics.inputs import FollowUp, cluster_labels, follow_up, labels, numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL
from studies.statistics.survival.curve_limits import ConfLower, ConfType, check_choice, check_conf, limits
from studies.statistics.survival.event_table import EventTable, event_table, runs_empty, sums
from studies.statistics.survival.influence import running_moments

RISK_SET_EMPTY = Reason(
    "risk_set_empty",
    "延迟入组：随访中途曾无人处于风险之中，此后的曲线不可解释",
    "with delayed entry the risk set ran empty in the middle of follow-up; the curve cannot be read beyond it",
)


@dataclass(frozen=True)
class CurvePoints:
    """A curve read at m asked times (in the order asked). Where `known` is False the numbers are NaN.

    time, surv, std_err, lower, upper, cumhaz, n_risk -- (m,)
    n_event, n_censor -- (m,) weight of the events and censorings since the time asked before (in ascending
    order), so that they add up; as R's summary.survfit(times=)
    known -- (m,) the curve reaches that far; past the last time it does not, unless `extend` was asked for
    """

    time: Floats
    surv: Floats
    std_err: Floats
    lower: Floats
    upper: Floats
    cumhaz: Floats
    n_risk: Floats
    n_event: Floats
    n_censor: Floats
    known: Bools


@dataclass(frozen=True)
class Curve:
    """A survival curve at its k distinct times of follow-up, censorings too; S = 1 before the first.

    time      -- (k,) in the unit that was given
    n_risk    -- (k,) weight at risk just before; n_event, n_censor at the time; n_entered since the one before
    surv      -- (k,) with `std_err` of S itself (not of log S) and the limits `lower`, `upper`
    cumhaz    -- (k,) cumulative hazard with `std_chaz`
    n, events -- number of rows and of events, unweighted
    warnings  -- what a reader must know (RISK_SET_EMPTY)

    As in R, `std_err` is NaN where S is 0 by Greenwood's formula (0 by the robust one), and a limit is NaN
    where its scale has no value (see `curve_limits.limits`).
    """

    time: Floats
    n_risk: Floats
    n_event: Floats
    n_censor: Floats
    n_entered: Floats
    surv: Floats
    std_err: Floats
    cumhaz: Floats
    std_chaz: Floats
    lower: Floats
    upper: Floats
    n: int
    events: int
    conf_type: ConfType
    conf_level: float
    robust: bool
    method: str
    warnings: tuple[Reason, ...] = ()

    @checked
    def at(self, times: npt.ArrayLike, *, extend: bool = False) -> CurvePoints:
        """Read the curve at m times. With `extend` the last value is carried on beyond the last time."""
        asked = numbers(np.atleast_1d(np.asarray(times, dtype=object)), "times")
        place = np.searchsorted(self.time, asked, side="right")
        known = np.ones(len(asked), dtype=bool) if extend else asked <= self.time[-1]

        def read(values: Floats, before: float) -> Floats:
            return np.where(known, np.concatenate([[before], values])[place], np.nan)

        def since_last(counts: Floats) -> Floats:
            order = np.argsort(asked, kind="stable")
            up_to = np.concatenate([[0.0], np.cumsum(counts)])[place][order]
            new = np.empty(len(asked))
            new[order] = np.diff(up_to, prepend=0.0)
            return np.where(known, new, np.nan)

        start = np.nan if self.conf_type == "none" else 1.0
        return CurvePoints(
            time=asked,
            surv=read(self.surv, 1.0),
            std_err=read(self.std_err, 0.0),
            lower=read(self.lower, start),
            upper=read(self.upper, start),
            cumhaz=read(self.cumhaz, 0.0),
            n_risk=np.where(known, self.n_risk_at(asked), np.nan),
            n_event=since_last(self.n_event),
            n_censor=since_last(self.n_censor),
            known=known,
        )

    def n_risk_at(self, times: npt.ArrayLike) -> Floats:
        """(m,) the weight at risk just before each time, 0 after the last: the row under a figure.

        As in R, between two times of the table it is the number at the later one; with delayed entry that
        counts those who enter in between.
        """
        asked = numbers(np.atleast_1d(np.asarray(times, dtype=object)), "times")
        return np.concatenate([self.n_risk, [0.0]])[np.searchsorted(self.time, asked, side="left")]


@checked
def kaplan_meier(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    *,
    entry: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    cluster: npt.ArrayLike | None = None,
    robust: bool | None = None,
    conf_type: ConfType = "log-log",
    conf_level: float = CI_LEVEL,
    conf_lower: ConfLower = "usual",
    stype: Literal[1, 2] = 1,
    ctype: Literal[1, 2] = 1,
) -> Curve:
    """The survival curve of n rows: time, event, entry, weights, cluster are (n,).

    stype -- 1: S is the product limit (Kaplan & Meier 1958), 2: S = exp(-cumulative hazard)
    ctype -- 1: Nelson-Aalen, 2: Fleming & Harrington's (1984) correction for ties
    conf_lower -- "peto" and "modified" (Dorey & Korn 1987) widen the lower limit where few are left at risk since
        the last event, as survfit's conf.lower does; not together with robust errors
    robust -- infinitesimal-jackknife errors, summed within `cluster`; None asks for them when there are
        clusters or weights that are not whole numbers, as survfit does. Otherwise Greenwood's formula (or
        the Poisson one for stype 2), which takes whole-number weights for repeated rows.

    For stype 2 with ctype 1 and robust errors, survfit 3.5-3 prints the error of the cumulative hazard as that
    of S, and for stype 1 with ctype 2 it takes that of S for that of log S; here `std_err` is that of S.
    Rows of one subject need one `cluster`. Raises `CannotEstimate` for bad input (`studies.statistics.
    inputs.follow_up`), an unknown option, and `robust=False` with clusters. A group without events gives
    a flat curve.
    """
    check_conf(conf_type, conf_level)
    check_choice("conf_lower", conf_lower, get_args(ConfLower))
    check_choice("stype", stype, (1, 2))
    check_choice("ctype", ctype, (1, 2))
    rows = follow_up(time, event, entry=entry, weights=weights)
    codes = None if cluster is None else cluster_labels(np.asarray(cluster), len(rows)).codes
    robust = is_robust(rows, codes, robust)
    if robust and conf_lower != "usual":
        raise CannotEstimate(BAD_ARGUMENT, argument="conf_lower", allowed="usual (robust)")
    table = event_table(rows)
    deaths = table.leaving(table.weights * rows.event)
    hazard = _Hazard.of(table, rows.event, ctype)
    surv = _product_limit(table, rows.event, deaths) if stype == 1 else np.exp(-np.cumsum(hazard.step))
    se_hazard, se_surv = _errors(table, rows.event, deaths, hazard, codes, robust, stype, surv)
    stretch = _stretch(table, deaths, surv, se_surv, conf_lower)
    lower, upper = limits(surv, se_surv, conf_type, conf_level, stretch)
    return Curve(
        time=table.time,
        n_risk=table.n_risk,
        n_event=deaths,
        n_censor=table.leaving(table.weights * ~rows.event),
        n_entered=table.n_entered,
        surv=surv,
        std_err=se_surv,
        cumhaz=np.cumsum(hazard.step),
        std_chaz=se_hazard,
        lower=lower,
        upper=upper,
        n=len(rows),
        events=int(rows.event.sum()),
        conf_type=conf_type,
        conf_level=conf_level,
        robust=robust,
        method=_method(stype, ctype, robust, conf_type, conf_level),
        warnings=(RISK_SET_EMPTY,) if runs_empty(table) else (),
    )


@checked
def kaplan_meier_by(
    group: Sequence[Hashable] | npt.ArrayLike,
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    *,
    entry: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    cluster: npt.ArrayLike | None = None,
    robust: bool | None = None,
    conf_type: ConfType = "log-log",
    conf_level: float = CI_LEVEL,
) -> dict[Hashable, Curve]:
    """One `kaplan_meier` for each value of `group` (n,), in sorted order; as survfit(Surv() ~ group).

    With `robust` None the choice is made once, for all groups, as R does.
    """
    rows = follow_up(time, event, entry=entry, weights=weights)
    of = labels(np.asarray(group), "group", len(rows))
    codes = None if cluster is None else cluster_labels(np.asarray(cluster), len(rows)).codes
    robust = is_robust(rows, codes, robust)
    curves: dict[Hashable, Curve] = {}
    for code, level in enumerate(of.levels):
        mine = of.codes == code
        curves[level] = kaplan_meier(
            rows.time[mine],
            rows.event[mine],
            entry=None if rows.entry is None else rows.entry[mine],
            weights=None if rows.weights is None else rows.weights[mine],
            cluster=None if codes is None else codes[mine],
            robust=robust,
            conf_type=conf_type,
            conf_level=conf_level,
        )
    return curves


@dataclass(frozen=True)
class _Hazard:
    """The increments of the cumulative hazard (k,), their Poisson variance, and their influence."""

    step: Floats
    variance: Floats
    compensator: Floats  # (k,) not cumulated
    jump: Floats  # (k,) of a row that dies at the time

    @classmethod
    def of(cls, table: EventTable, event: Bools, ctype: int) -> _Hazard:
        deaths = table.leaving(table.weights * event)
        at_risk = np.where(deaths > 0, table.n_risk, 1.0)
        if ctype == 1:
            step = deaths / at_risk
            return cls(step, step / at_risk, step / at_risk, 1.0 / at_risk)
        # Fleming-Harrington: the dying leave the risk set one by one, each with their mean weight.
        count = table.leaving(event.astype(float)).astype(np.intp)
        slot_time: Ints = np.repeat(np.arange(len(count)), count)
        first = np.cumsum(count) - count
        removed = np.arange(len(slot_time)) - first[slot_time]
        mean = np.divide(deaths, count, out=np.zeros_like(deaths), where=count > 0)
        left = at_risk[slot_time] - removed * mean[slot_time]
        share = removed / count[slot_time]

        def summed(per_slot: Floats) -> Floats:
            return sums(slot_time, per_slot, len(count))

        squared = summed(mean[slot_time] / left**2)
        own = summed(1.0 / (count[slot_time] * left) + share * mean[slot_time] / left**2)
        return cls(summed(mean[slot_time] / left), squared, squared, own)


def _stretch(
    table: EventTable, deaths: Floats, surv: Floats, std_err: Floats, conf_lower: ConfLower
) -> Floats | float:
    """By how much (k,) the lower half of the interval is longer."""
    if conf_lower == "usual":
        return 1.0
    n = np.maximum(table.n_risk, np.finfo(float).tiny)
    if conf_lower == "modified":
        # The number at risk at the last event, or at the start: R counts the first time as one.
        last_event = np.maximum.accumulate(np.where(deaths > 0, np.arange(len(n)), 0))
        return np.sqrt(n[last_event] / n)
    with np.errstate(divide="ignore", invalid="ignore"):
        peto = np.sqrt((1.0 - surv) / n) * surv / std_err
    return np.where(peto > 0, peto, 1.0)


def _product_limit(table: EventTable, event: Bools, deaths: Floats) -> Floats:
    at_risk = np.where(deaths > 0, table.n_risk, 1.0)
    factor = np.where(_all_die(table, event), 0.0, 1.0 - deaths / at_risk)
    return np.asarray(np.cumprod(factor), dtype=np.float64)


def _all_die(table: EventTable, event: Bools) -> Bools:
    """(k,) all at risk die: by number, or by weight where the others' is lost in the rounding of the sum."""
    dying, weight = table.leaving(event.astype(float)), table.leaving(table.weights * event)
    return np.asarray((dying > 0) & ((dying == table.counted) | (weight >= table.n_risk)))


def _errors(
    table: EventTable,
    event: Bools,
    deaths: Floats,
    hazard: _Hazard,
    cluster: Ints | None,
    robust: bool,
    stype: int,
    surv: Floats,
) -> tuple[Floats, Floats]:
    """Standard errors (k,) of the cumulative hazard and of S."""
    last = _all_die(table, event)
    left = np.where(last | (deaths == 0), 1.0, table.n_risk - deaths)
    at_risk = np.where(deaths > 0, table.n_risk, 1.0)
    greenwood = np.where(last, np.inf if not robust else 0.0, deaths / (at_risk * left))
    if not robust:
        se_hazard = np.sqrt(np.cumsum(hazard.variance))
        if stype == 2:
            return se_hazard, surv * se_hazard
        with np.errstate(invalid="ignore"):
            return se_hazard, surv * np.sqrt(np.cumsum(greenwood))
    # Product limit: dS = -S d(sum of dN/(Y - dN)); once S is 0 nothing can move it any more.
    own = np.where(last, 0.0, 1.0 / left)
    settled = np.column_stack([np.cumsum(hazard.compensator), np.cumsum(greenwood)])
    jumps = np.column_stack([hazard.jump, own])[table.exits] * event[:, None]
    moments = running_moments(table, settled, jumps, cluster)
    times = len(table.time)
    one, none = np.ones(times), np.zeros(times)
    # Censorings change nothing; without this, their rounding would make steps for the quantiles to find.
    last_event = np.maximum.accumulate(np.where(deaths > 0, np.arange(times), -1))
    flat = np.maximum(last_event, 0)
    se_hazard = np.sqrt(moments.variance(np.column_stack([one, none])))[flat]
    if stype == 2:
        return se_hazard, surv * se_hazard
    return se_hazard, surv * np.sqrt(moments.variance(np.column_stack([none, one])))[flat]


def is_robust(rows: FollowUp, cluster: Ints | None, asked: bool | None) -> bool:
    """survfit's choice where `asked` is None: robust with clusters or weights that are not whole numbers.

    Raises `CannotEstimate` for False with clusters, and for anything but True, False and None.
    """
    fractional = rows.weights is not None and bool((rows.weights != np.floor(rows.weights)).any())
    if asked is None:
        return cluster is not None or fractional
    check_choice("robust", asked, (True, False))
    if cluster is not None and not asked:
        raise CannotEstimate(BAD_ARGUMENT, argument="robust", allowed="True (cluster was given)")
    return asked


def _method(stype: int, ctype: int, robust: bool, conf_type: str, conf_level: float) -> str:
    hazard = "Nelson-Aalen" if ctype == 1 else "Fleming-Harrington (ties)"
    curve = "Kaplan-Meier" if stype == 1 else f"exp(-{hazard})"
    error = "infinitesimal-jackknife" if robust else ("Greenwood" if stype == 1 else "Poisson")
    shown = "no limits" if conf_type == "none" else f"{100 * conf_level:g} % limits on the {conf_type} scale"
    return f"{curve}, {error} standard errors, {shown}"
