"""Cox's partial likelihood with Efron's treatment of ties, for right-censored and weighted data.

Everything that inference needs comes from one evaluation: score, information and score residuals.
At each distinct event time with d deaths, Efron removes the dying from the risk set in d equal
slices. We write the slices out ("slots", one for each event), which makes every formula a sum over
slots; sums over risk sets are cumulative sums over the distinct event times. The cost is O(n p^2)
and there is no loop over subjects or times.

Sources: Therneau & Grambsch, Modeling Survival Data (2000), 3.3 (Efron), 7.1 (score residuals and
the robust variance), 6.2 (the test of proportional hazards); Efron (1977).
Delayed entry is not covered: a caller with entry times needs another likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studies.statistics import Bools, Floats, Ints


@dataclass(frozen=True)
class Evaluated:
    """The likelihood at one coefficient vector (n subjects, p covariates, m events, k event times)."""

    log_likelihood: float
    score: Floats  # (p,)
    information: Floats  # (p, p)
    hazard_slots: Floats  # (m,) increments of the baseline hazard, one a slot
    mean_slots: Floats  # (m, p) the weighted mean covariate of each slot's risk set
    weighted_risk: Floats  # (n,) weight * exp(eta)
    risk: Floats  # (n,) exp(eta)


class EfronLikelihood:
    """Fixed data, any number of evaluations.

    x        -- (n, p) covariates; centred inside, which changes no result and keeps exp() in range
    days     -- (n,) follow-up times
    event    -- (n,) True where the outcome happened at `days`
    weights  -- (n,) positive case weights; None means all 1
    """

    def __init__(self, x: Floats, days: Floats, event: Bools, weights: Floats | None = None) -> None:
        self.subjects, self.covariates = x.shape
        self.weights = np.ones(self.subjects) if weights is None else np.asarray(weights, dtype=float)
        self.x = x - x.mean(axis=0)
        self.times = np.unique(days[event])
        # How many event times lie at or before each subject's own time: the subject is at risk there.
        self._at_risk_until: Ints = np.searchsorted(self.times, days, side="right")
        self.dead: Ints = np.flatnonzero(event)
        self.time_of_dead: Ints = self._at_risk_until[self.dead] - 1
        self.deaths = np.bincount(self.time_of_dead, minlength=len(self.times))
        self.slot_time: Ints = np.repeat(np.arange(len(self.times)), self.deaths)
        first_slot = np.concatenate([[0], np.cumsum(self.deaths)[:-1]])
        slot_number = np.arange(len(self.slot_time)) - first_slot[self.slot_time]
        self.removed = slot_number / self.deaths[self.slot_time]  # Efron's share already taken out
        weight_of_deaths = self._sum_dead(self.weights[self.dead])
        self.slot_weight = (weight_of_deaths / self.deaths)[self.slot_time]

    def at(self, beta: Floats) -> Evaluated:
        """Evaluate at `beta` (p,)."""
        eta = self.x @ beta
        risk = np.exp(eta)
        weighted = self.weights * risk
        s0, s1 = self._risk_sum(weighted), self._risk_sum(self.x * weighted[:, None])
        d0 = self._sum_dead(weighted[self.dead])
        d1 = self._sum_dead(self.x[self.dead] * weighted[self.dead][:, None])
        left = s0[self.slot_time] - self.removed * d0[self.slot_time]
        mean = (s1[self.slot_time] - self.removed[:, None] * d1[self.slot_time]) / left[:, None]
        dead_weight = self.weights[self.dead]
        state = Evaluated(
            log_likelihood=float(dead_weight @ eta[self.dead] - self.slot_weight @ np.log(left)),
            score=dead_weight @ self.x[self.dead] - self.slot_weight @ mean,
            information=np.empty((self.covariates, self.covariates)),
            hazard_slots=self.slot_weight / left,
            mean_slots=mean,
            weighted_risk=weighted,
            risk=risk,
        )
        state.information[:] = self.information(state, np.ones(len(self.times)))
        return state

    def information(self, state: Evaluated, by_time: Floats) -> Floats:
        """The information, each event time counted `by_time` (k,) fold: the PH test needs g and g squared."""
        factor = by_time[self.slot_time]
        exposure = self._exposure(state.hazard_slots * factor)
        second: Floats = (self.x * (state.weighted_risk * exposure)[:, None]).T @ self.x
        means = state.mean_slots
        of_means: Floats = (means * (self.slot_weight * factor)[:, None]).T @ means
        return second - of_means

    def score_by_time(self, state: Evaluated, by_time: Floats) -> Floats:
        """The score with each event time counted `by_time` (k,) fold."""
        factor = by_time[self.time_of_dead]
        observed: Floats = (self.weights[self.dead] * factor) @ self.x[self.dead]
        expected: Floats = (self.slot_weight * by_time[self.slot_time]) @ state.mean_slots
        return observed - expected

    def score_residuals(self, state: Evaluated) -> Floats:
        """(n, p): each subject's own contribution to the score. Times the weights, they sum to the score."""
        cumulated = self._exposure(state.hazard_slots)
        mean_cumulated = self._exposure(state.mean_slots * state.hazard_slots[:, None])
        residuals: Floats = -state.risk[:, None] * (self.x * cumulated[:, None] - mean_cumulated)
        # A tie dies "in all slots equally": its own mean is the average over its slots.
        own_mean = self._sum_slots(state.mean_slots) / self.deaths[:, None]
        residuals[self.dead] += self.x[self.dead] - own_mean[self.time_of_dead]
        return residuals

    def _exposure(self, slots: Floats) -> Floats:
        """The sum of a per-slot quantity over each subject's time at risk; the dying count by what is left."""
        total = self._sum_slots(slots)
        start = np.zeros((1, *total.shape[1:]))
        summed: Floats = np.concatenate([start, np.cumsum(total, axis=0)])[self._at_risk_until]
        removed = self.removed if slots.ndim == 1 else self.removed[:, None]
        summed[self.dead] -= self._sum_slots(slots * removed)[self.time_of_dead]
        return summed

    def _risk_sum(self, values: Floats) -> Floats:
        """Sums over the risk set of each event time."""
        grouped = _group_sum(self._at_risk_until, values, len(self.times) + 1)
        return grouped[::-1].cumsum(axis=0)[::-1][1:]

    def _sum_dead(self, values: Floats) -> Floats:
        return _group_sum(self.time_of_dead, values, len(self.times))

    def _sum_slots(self, values: Floats) -> Floats:
        return _group_sum(self.slot_time, values, len(self.times))


def _group_sum(group: Ints, values: Floats, groups: int) -> Floats:
    if values.ndim == 1:
        return np.bincount(group, weights=values, minlength=groups).astype(float)
    columns = [np.bincount(group, weights=column, minlength=groups) for column in values.T]
    return np.stack(columns, axis=1)
