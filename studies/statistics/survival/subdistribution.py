"""The two ways to keep people with a competing event at risk: crr's weights and finegray's rows.

Shared notation: X time, outcome 0 censored, 1 the cause, 2 another; G the curve of censoring of the subject's
group. See `fine_gray` for the sources; the variance of `fit_crr` is section 3 and the appendix of Fine & Gray (1999).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from studies.reasons import NOT_CONVERGED, CannotEstimate, Reason
from studies.statistics import Bools, Floats, Ints
from studies.statistics.survival.columns import check_columns
from studies.statistics.survival.cox import MONOTONE, inverse
from studies.statistics.survival.event_table import sums

TOO_MANY_ROWS = Reason(
    "too_many_rows",
    '“{variable}”需展开为 {rows} 行（竞争事件的受试者数 × 其后的时间点数），超过上限 {most}；请改用 variant="crr"，'
    "其内存只与受试者数成正比。",
    "'{variable}' would be expanded into {rows} rows (people with a competing event x the times after it), more than "
    '{most}: use variant="crr", whose memory grows with the subjects only.',
)
MOST_ROWS = 5_000_000  # of finegray's table; Cox's model keeps some fifteen columns of them
_FAR = 0.1  # a step that is still as long as this, in standard deviations, after convergence: no maximum


@dataclass(frozen=True)
class CrrFit:
    """What `fit_crr` found: p coefficients, the sandwich, and the baseline at the k times of the cause."""

    coef: Floats
    covariance: Floats
    inverse_information: Floats
    loglik: float
    loglik_null: float
    event_times: Floats
    baseline: Floats


@dataclass(frozen=True)
class _State:
    """At one beta: risk (n,) = exp(x beta), s0 (k,) and mean (k, p) of the weighted risk sets."""

    loglik: float
    score: Floats
    information: Floats
    risk: Floats
    s0: Floats
    mean: Floats


class _Weighted:
    """Risk sets in which people with a competing event stay, weighted by G(t-)/G(X-) of their group."""

    def __init__(self, x: Floats, time: Floats, outcome: Ints, group: Ints) -> None:
        self.centre = x.mean(axis=0)
        self.x, self.time, self.outcome, self.group = x - self.centre, time, outcome, group
        self.own = outcome == 1
        self.times = np.unique(time[self.own])
        self.position = np.searchsorted(self.times, time, side="left")  # first event time >= X
        self.passed = np.searchsorted(self.times, time, side="right")  # event times <= X
        self.deaths = np.bincount(self.position[self.own], minlength=len(self.times)).astype(float)
        self.groups = int(group.max()) + 1
        curves = [_censoring_before(time[group == g], outcome[group == g] == 0) for g in range(self.groups)]
        self.later = np.stack([curve(self.times) for curve in curves])  # (groups, k): G(t-)
        at_exit = np.empty(len(time))
        for g, curve in enumerate(curves):
            mine = group == g
            at_exit[mine] = curve(time[mine])
        # Only those who stay need 1/G(X-), and theirs is above 0: they were still under observation.
        self.stays = outcome == 2
        self.inverse = np.where(self.stays, 1.0 / np.where(self.stays, at_exit, 1.0), 0.0)

    def at(self, beta: Floats) -> _State:
        eta = self.x @ beta
        with np.errstate(over="ignore"):
            risk = np.exp(eta)
        s0 = self.at_risk(risk)
        p = self.x.shape[1]
        s1 = np.column_stack([self.at_risk(risk * self.x[:, j]) for j in range(p)])
        with np.errstate(all="ignore"):
            mean = s1 / s0[:, None]
            loglik = float(eta[self.own].sum() - self.deaths @ np.log(s0))
            score = self.x[self.own].sum(axis=0) - self.deaths @ mean
            exposure = self.exposure(self.deaths / s0)
            second = (self.x * (risk * exposure)[:, None]).T @ self.x
            information = second - (mean * self.deaths[:, None]).T @ mean
        return _State(loglik, score, information, risk, s0, mean)

    def at_risk(self, values: Floats) -> Floats:
        """(k,) weighted sums over the risk sets of the event times."""
        k = len(self.times)
        by_last = sums(self.passed, values, k + 1)[1:]
        total: Floats = np.cumsum(by_last[::-1])[::-1]
        staying = values * self.inverse
        for g in range(self.groups):
            mine = self.stays & (self.group == g)
            gone = sums(self.passed[mine], staying[mine], k + 1)[:k]
            total = total + self.later[g] * np.cumsum(gone)
        return total

    def exposure(self, by_time: Floats) -> Floats:
        """(n,) for each subject the sum over event times of its weight there times `by_time` (k,)."""
        whole = np.concatenate([[0.0], np.cumsum(by_time)])
        found = whole[self.passed]
        for g in range(self.groups):
            mine = self.stays & (self.group == g)
            after = np.concatenate([np.cumsum((self.later[g] * by_time)[::-1])[::-1], [0.0]])
            found[mine] += self.inverse[mine] * after[self.passed[mine]]
        return np.asarray(found)

    def influence(self, state: _State) -> Floats:
        """(n, p): each subject's part of the score (eta) and of the estimation of G (psi)."""
        rate = self.deaths / state.s0
        eta = -state.risk[:, None] * self.x * self.exposure(rate)[:, None]
        for j in range(self.x.shape[1]):
            eta[:, j] += state.risk * self.exposure(rate * state.mean[:, j])
        at = self.position[self.own]
        eta[self.own] += self.x[self.own] - state.mean[at]
        for g in range(self.groups):
            mine = self.group == g
            eta[mine] += self._psi(state, mine, g)
        return np.asarray(eta)

    def _psi(self, state: _State, mine: Bools, g: int) -> Floats:
        """(members, p) what the estimated censoring curve of one group adds for each of its members."""
        times = np.unique(self.time[mine])
        place = np.searchsorted(times, self.time[mine])
        censored = self.outcome[mine] == 0
        lost = sums(place, censored, len(times))
        at_risk = np.cumsum(sums(place, np.ones(len(place)), len(times))[::-1])[::-1]
        stay = self.inverse[mine] * state.risk[mine]
        # Sums over those who left by a competing event before each time ...
        gone = np.concatenate([[0.0], np.cumsum(sums(place, stay, len(times)))])[:-1]
        # ... and over the events from that time on; crr counts those of the same group only.
        own = np.bincount(self.position[mine & self.own], minlength=len(self.times)).astype(float)
        step = self.later[g] * own / state.s0
        first = np.searchsorted(self.times, times, side="left")
        whole = _from_here(step)[first]
        q = np.empty((len(times), self.x.shape[1]))
        for j in range(self.x.shape[1]):
            gone_x = np.cumsum(sums(place, stay * self.x[mine, j], len(times)))
            before = np.concatenate([[0.0], gone_x])[:-1]
            q[:, j] = before * whole - gone * _from_here(step * state.mean[:, j])[first]
        drift = np.cumsum(q * (lost / at_risk**2)[:, None], axis=0)
        psi: Floats = -drift[place]
        psi[censored] += (q / at_risk[:, None])[place[censored]]
        return psi


def fit_crr(
    x: Floats,
    time: Floats,
    outcome: Ints,
    group: Ints,
    names: tuple[str, ...],
    gtol: float,
    max_iterations: int,
) -> CrrFit:
    """Newton's method from 0 by crr's rules: halved steps, stopped where the score is small next to the likelihood."""
    check_columns(x, names)
    likelihood = _Weighted(x, time, outcome, group)
    null = state = likelihood.at(np.zeros(x.shape[1]))
    beta = np.zeros(x.shape[1])
    for iteration in range(max_iterations + 1):
        limit = max(abs(state.loglik), 1.0) * gtol
        if float(np.max(np.abs(state.score) * np.maximum(np.abs(beta), 1.0))) < limit:
            break
        if iteration == max_iterations:
            _check_finite(x, state, names)
            raise CannotEstimate(NOT_CONVERGED)
        beta, state = _descend(likelihood, beta, state, names, x)
    _check_finite(x, state, names)
    bread = inverse(state.information)
    residuals = likelihood.influence(state)
    # The covariates were centred; the baseline belongs to x = 0.
    baseline = likelihood.deaths / state.s0 * float(np.exp(-(likelihood.centre @ beta)))
    return CrrFit(
        coef=beta,
        covariance=bread @ (residuals.T @ residuals) @ bread,
        inverse_information=bread,
        loglik=state.loglik,
        loglik_null=null.loglik,
        event_times=likelihood.times,
        baseline=baseline,
    )


def _descend(
    likelihood: _Weighted, beta: Floats, state: _State, names: tuple[str, ...], x: Floats
) -> tuple[Floats, _State]:
    """One Newton step, halved until the likelihood rises enough."""
    step = inverse(state.information) @ state.score
    gain = float(step @ state.score)
    # Near the maximum the gain drowns in the rounding of the likelihood.
    rounding = 1e-13 * abs(state.loglik)
    for _ in range(21):
        found = likelihood.at(beta + step)
        if np.isfinite(found.loglik) and found.loglik >= state.loglik + 1e-4 * gain - rounding:
            return beta + step, found
        step, gain = step / 2.0, gain / 2.0
    _check_finite(x, state, names)
    raise CannotEstimate(NOT_CONVERGED)


def _check_finite(x: Floats, state: _State, names: tuple[str, ...]) -> None:
    """Raise where a further step would still be long: the likelihood has no maximum along that column."""
    try:
        step = np.abs(inverse(state.information) @ state.score) * x.std(axis=0)
    except CannotEstimate:
        step = np.where(np.diag(state.information) < 1e-8, np.inf, 0.0)
    far = [name for name, length in zip(names, step, strict=True) if length > _FAR]
    if far:
        raise CannotEstimate(MONOTONE, variable=", ".join(far))


def _censoring_before(time: Floats, censored: Bools) -> Callable[[Floats], Floats]:
    """G(t-) of one group as a function of t; 0 beyond the group's last time, as crr has it."""
    times, place = np.unique(time, return_inverse=True)
    at_risk = np.cumsum(np.bincount(place, minlength=len(times))[::-1])[::-1]
    lost = sums(place, censored, len(times))
    before = np.concatenate([[1.0], np.cumprod(1.0 - lost / at_risk)[:-1], [0.0]])

    def curve(t: Floats) -> Floats:
        passed = np.searchsorted(times, t, side="left")
        # crr looks just before t by multiplying it with a number below 1, which at t = 0 does not go back.
        return np.asarray(before[passed + ((t == 0) & (times[0] == 0))])

    return curve


def _from_here(step: Floats) -> Floats:
    """(k + 1,) sums of step (k,) from each place on."""
    return np.concatenate([np.cumsum(step[::-1])[::-1], [0.0]])


@dataclass(frozen=True)
class Expanded:
    """Rows of follow-up (start, stop] with a weight; `row` (r,) says whose; `event` is the cause."""

    row: Ints
    start: Floats
    stop: Floats
    weight: Floats
    event: Bools


def expand(time: Floats, outcome: Ints, entry: Floats | None, group: Ints) -> Expanded:
    """finegray's rows for n subjects: those with a competing event go on to the end with falling weights.

    Events come before censorings of the same time here (crr puts them together), and with delayed entry the
    weight is G H, H the product limit of entry in reversed time (Geskus 2011). Weights change only where an event
    of the cause lies ahead, which leaves the fit as it is and the table short. Raises TOO_MANY_ROWS, before the rows
    are made, for more than `MOST_ROWS` of them.
    """
    # As finegray does: follow-up starts at 0, or at -1 where somebody leaves at 0.
    start = np.full(len(time), 0.0 if time.min() > 0 else -1.0) if entry is None else entry
    delayed = entry is not None and bool((entry > time.min()).any())
    parts, room = [], MOST_ROWS
    for one in np.unique(group):
        mine = np.flatnonzero(group == one)
        if (outcome[mine] == 1).any():
            parts.append(_expand_group(mine, start[mine], time[mine], outcome[mine], delayed, room))
            room -= len(parts[-1][0])
    row, begin, end, weight, first = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Expanded(row, begin, end, weight, (outcome[row] == 1) & first)


def _expand_group(
    mine: Ints, start: Floats, time: Floats, outcome: Ints, delayed: bool, room: int
) -> tuple[Ints, Floats, Floats, Floats, Bools]:
    ends, chance = _weight_steps(start, time, outcome, delayed)
    ahead = np.unique(time[outcome == 1])
    wanted = np.zeros(len(ends), dtype=bool)
    wanted[np.unique(np.searchsorted(ends, ahead, side="left"))] = True
    stays = outcome == 2
    lies_in = np.searchsorted(ends, time, side="left")
    stop = np.where(stays, ends[np.minimum(lies_in, len(ends) - 1)], time)
    kept = np.flatnonzero(wanted)
    # Each staying subject takes the kept steps after its own.
    after = np.searchsorted(kept, lies_in[stays], side="right")
    count = len(kept) - after
    needed = len(mine) + int(count.sum())
    if needed > room:
        raise CannotEstimate(TOO_MANY_ROWS, variable="finegray", rows=f"{needed:,}", most=f"{MOST_ROWS:,}")
    who = np.repeat(np.flatnonzero(stays), count)
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    step = kept[np.repeat(after, count) + offset]
    weight = chance[step] / chance[lies_in[who]]
    heavy = weight > 0
    who, step, weight = who[heavy], step[heavy], weight[heavy]
    return (
        np.concatenate([mine, mine[who]]),
        np.concatenate([start, ends[step - 1]]),
        np.concatenate([stop, ends[step]]),
        np.concatenate([np.ones(len(mine)), weight]),
        np.concatenate([np.ones(len(mine), dtype=bool), np.zeros(len(who), dtype=bool)]),
    )


def _weight_steps(start: Floats, time: Floats, outcome: Ints, delayed: bool) -> tuple[Floats, Floats]:
    """Interval ends and the weight's numerator on (end before, end]: G, times H where entry is delayed."""
    censored = outcome == 0
    lost_at = np.unique(time[censored])
    lost = np.bincount(np.searchsorted(lost_at, time[censored]), minlength=len(lost_at))
    # At risk of censoring: those who leave later, or are censored then, and have come before.
    gone = np.searchsorted(np.sort(time[~censored]), lost_at, side="right")
    gone = gone + np.searchsorted(np.sort(time[censored]), lost_at, side="left")
    come = np.searchsorted(np.sort(start), lost_at, side="left") if delayed else len(time)
    g = np.cumprod(1.0 - lost / np.maximum(come - gone, 1))
    if not delayed:
        return np.append(lost_at, time.max()), np.concatenate([[1.0], g])
    came_at = np.unique(start)
    came = np.bincount(np.searchsorted(came_at, start), minlength=len(came_at))
    # In reversed time: among those present just after an entry time, the share that did not enter then.
    present = np.searchsorted(np.sort(start), came_at, side="right")
    present = present - np.searchsorted(np.sort(time), came_at, side="right")
    share = 1.0 - came / np.maximum(present, 1)
    h = np.concatenate([np.cumprod(share[::-1])[::-1][1:], [1.0]])
    cuts = np.unique(np.concatenate([came_at, lost_at]))
    of_h = h[np.searchsorted(came_at, cuts, side="right") - 1]
    of_g = np.concatenate([[1.0], g])[np.searchsorted(lost_at, cuts, side="right")]
    return np.append(cuts, time.max()), np.concatenate([[1.0], of_h * of_g])
