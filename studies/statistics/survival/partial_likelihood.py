"""Cox's partial likelihood with Efron's or Breslow's ties: value, score, information, and what follows from them.

At an event time with d deaths Efron removes the dying from the risk set in d equal slices ("slots"); Breslow
leaves them in, which is one slot. A slot removes the share f of the dying:

    loglik = sum over deaths w eta  -  sum over slots u log(S0 - f D0)

with S0 = sum of w exp(eta) over those at risk, D0 the same over the dying, u the weight of the time's deaths
divided by its slots. The covariates enter as S1 and D1 (the same sums of x), needed once for an event time and
not once for a slot: the slots of a time collapse to a few scalar sums. One evaluation costs O(n p) for the sums
and one matrix product X' diag(c) X.

Sources: Efron (1977); Therneau & Grambsch, Modeling Survival Data (2000), 3.3 (ties), 4.2 (residuals), 7.1 (score
residuals); weights: Therneau's "A package for survival analysis in R" (2023), 3.2 and the noweb notes on coxfit6.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from studies.statistics import Floats, Ints
from studies.statistics.survival.risk_sets import RiskSets, sorted_rows

_BLOCK = 8192
_LARGE = 200.0  # exp() of a larger linear predictor is taken relative to the largest


@dataclass(frozen=True)
class Totals:
    """The log-likelihood at beta (p,), its gradient (p,) and its negative second derivative (p, p)."""

    beta: Floats
    loglik: float
    score: Floats
    information: Floats

    @property
    def finite(self) -> bool:
        return bool(
            np.isfinite(self.loglik) and np.isfinite(self.score).all() and np.isfinite(self.information).all()
        )


@dataclass(frozen=True)
class Evaluated(Totals):
    """The likelihood at one beta, with what else follows from it.

    risk (n,) is exp(linear predictor - shift) of the centred covariates, in the likelihood's own order of rows.
    """

    risk: Floats
    shift: float
    sums: Sums = field(repr=False)


@dataclass(frozen=True)
class Sums:
    """By event time: S1 and D1 (p, k), and sums over its slots (k,).

    hazard -- of u/left; hazard_f -- of f u/left; q0, q1, q2 -- of u/left^2 times 1, f, f^2;
    mean0, mean1 -- the averages over the slots of 1/left and f/left (the Schoenfeld mean)
    """

    s1: Floats
    d1: Floats
    hazard: Floats
    hazard_f: Floats
    q0: Floats
    q1: Floats
    q2: Floats
    mean0: Floats
    mean1: Floats


class PartialLikelihood:
    """Fixed covariates, risk sets and weights; any number of evaluations.

    x (n, p) is centred inside, which changes no result and keeps exp() in range; offset (n,) or None, too. Inside
    the rows stand in the order of `risk_sets.SortedRows`; what comes out is in the order of the data.
    """

    def __init__(
        self, x: Floats, sets: RiskSets, weights: Floats | None, ties: str, offset: Floats | None = None
    ) -> None:
        self.sets = sets
        self.ties = ties
        self.weights = weights
        self.offset_center = 0.0 if offset is None else float(offset.mean())
        self.offset = None if offset is None else offset - self.offset_center
        self._rows = sorted_rows(sets)
        self._sets = self._rows.sets
        order, dead = self._rows.order, self._sets.dead
        # One covariate a line: sums and products then read memory in order.
        self._xt = np.take(np.array(x.T, order="C"), order, axis=1)
        self.center = self._xt.mean(axis=1)
        self._xt -= self.center[:, None]
        self._weights = None if weights is None else weights[order]
        self._offset = None if self.offset is None else self.offset[order]
        self._w_dead = np.ones(len(dead)) if self._weights is None else self._weights[dead]
        self.weight_of_deaths = self._sets.of_dead(self._w_dead)
        slots = sets.deaths if ties == "efron" else np.ones_like(sets.deaths)
        self._single = bool((slots == 1).all())
        self.slots: Ints = slots
        self.slot_time: Ints = np.repeat(np.arange(len(slots)), slots)
        self._slot_start: Ints = np.cumsum(slots) - slots
        number = np.arange(len(self.slot_time)) - self._slot_start[self.slot_time]
        self.removed: Floats = number / slots[self.slot_time]
        self.slot_weight: Floats = (self.weight_of_deaths / slots)[self.slot_time]
        of_row = np.zeros(sets.rows)
        of_row[dead] = self._w_dead
        self._observed = self._xt @ of_row

    @cached_property
    def xt(self) -> Floats:
        """(p, n): the centred covariates in the order of the data."""
        return self._rows.back(self._xt)

    @property
    def spread(self) -> Floats:
        """(p,): the variance of each covariate over the rows."""
        variance: Floats = np.einsum("ij,ij->i", self._xt, self._xt) / self.sets.rows
        return variance

    @property
    def ranges(self) -> Floats:
        """(p,): the largest less the smallest value of each covariate."""
        widths: Floats = self._xt.max(axis=1) - self._xt.min(axis=1)
        return widths

    def at(self, beta: Floats) -> Evaluated:
        """Evaluate at `beta` (p,). Overflow gives values that are not finite (`Evaluated.finite`), no error."""
        with np.errstate(all="ignore"):
            eta = beta @ self._xt
            if self._offset is not None:
                eta += self._offset
            shift = float(eta.max())
            if abs(shift) < _LARGE:
                shift = 0.0
            else:
                eta -= shift
            risk = np.exp(eta)
            weighted = risk if self._weights is None else risk * self._weights
            sums, left = self._sums(weighted)
            loglik = float(self._w_dead @ eta[self._sets.dead] - self.slot_weight @ np.log(left))
            score = self._observed - sums.s1 @ sums.hazard + sums.d1 @ sums.hazard_f
            information = self._information(sums, weighted, None)
        return Evaluated(beta, loglik, score, information, risk, shift, sums)

    def information(self, state: Evaluated, by_time: Floats) -> Floats:
        """The information (p, p), each event time counted `by_time` (k,) fold, as the PH test needs it."""
        return self._information(state.sums, self._weighted(state), by_time)

    def score(self, state: Evaluated, by_time: Floats) -> Floats:
        """The score (p,), each event time counted `by_time` (k,) fold."""
        sums, sets = state.sums, self._sets
        observed: Floats = self._xt[:, sets.dead] @ (self._w_dead * by_time[sets.time_of_dead])
        return observed - sums.s1 @ (sums.hazard * by_time) + sums.d1 @ (sums.hazard_f * by_time)

    def expected(self, state: Evaluated) -> Floats:
        """(n,): the events expected of each row, exp(linear predictor) times the baseline hazard it met.

        A tied death meets only the share of its own time's slots in which it is still there.
        """
        return self._rows.back(state.risk * self._met(state))

    def schoenfeld(self, state: Evaluated) -> Floats:
        """(p, m): covariates of each death less the mean of its risk set, averaged over the slots of its time.

        In the order of `sets.dead`.
        """
        found = self._schoenfeld(state)
        out = np.empty_like(found)
        out[:, np.searchsorted(self.sets.dead, self._rows.order[self._sets.dead])] = found
        return out

    def score_residuals(self, state: Evaluated) -> Floats:
        """(p, n): each row's own part of the score, unweighted: times the weights they sum to the score."""
        sums, sets = state.sums, self._sets
        drift = sets.while_at_risk(sums.s1 * sums.q0 - sums.d1 * sums.q1)
        if not self._single:
            own = sums.s1 * sums.q1 - sums.d1 * sums.q2
            drift[:, sets.dead] -= own[:, sets.time_of_dead]
        drift -= self._xt * self._met(state)
        drift *= state.risk
        drift[:, sets.dead] += self._schoenfeld(state)
        return self._rows.back(drift)

    def _met(self, state: Evaluated) -> Floats:
        met = self._sets.while_at_risk(state.sums.hazard)
        if not self._single:
            met[self._sets.dead] -= state.sums.hazard_f[self._sets.time_of_dead]
        return met

    def _schoenfeld(self, state: Evaluated) -> Floats:
        sums, sets = state.sums, self._sets
        mean = sums.s1 * sums.mean0 - sums.d1 * sums.mean1
        residuals: Floats = self._xt[:, sets.dead] - mean[:, sets.time_of_dead]
        return residuals

    def _weighted(self, state: Evaluated) -> Floats:
        return state.risk if self._weights is None else state.risk * self._weights

    def _sums(self, weighted: Floats) -> tuple[Sums, Floats]:
        (s0, d0), (s1, d1) = self._rows.sums(weighted), self._rows.sums(self._xt * weighted)
        if self._single:
            hazard = self.slot_weight / s0
            zero = np.zeros_like(s0)
            return Sums(s1, np.zeros_like(s1), hazard, zero, hazard / s0, zero, zero, 1.0 / s0, zero), s0
        left = s0[self.slot_time] - self.removed * d0[self.slot_time]
        one = 1.0 / left
        hazard = self.slot_weight * one
        second = hazard * one
        f = self.removed
        by = [hazard, hazard * f, second, second * f, second * f * f, one, one * f]
        h, hf, q0, q1, q2, m0, m1 = (np.add.reduceat(values, self._slot_start) for values in by)
        return Sums(s1, d1, h, hf, q0, q1, q2, m0 / self.slots, m1 / self.slots), left

    def _information(self, sums: Sums, weighted: Floats, by_time: Floats | None) -> Floats:
        hazard, hazard_f, q0, q1, q2 = sums.hazard, sums.hazard_f, sums.q0, sums.q1, sums.q2
        if by_time is not None:
            hazard, hazard_f, q0, q1, q2 = (one * by_time for one in (hazard, hazard_f, q0, q1, q2))
        met = self._sets.while_at_risk(hazard)
        if not self._single:
            met[self._sets.dead] -= hazard_f[self._sets.time_of_dead]
        met *= weighted
        second = np.zeros((len(self._xt), len(self._xt)))
        # A block at a time, so that the scaled copy stays in the processor's cache.
        for start in range(0, len(met), _BLOCK):
            block = self._xt[:, start : start + _BLOCK]
            second += (block * met[start : start + _BLOCK]) @ block.T
        of_means: Floats = (sums.s1 * q0) @ sums.s1.T
        if not self._single:
            crossed = (sums.s1 * q1) @ sums.d1.T
            of_means = of_means - crossed - crossed.T + (sums.d1 * q2) @ sums.d1.T
        information = second - of_means
        return (information + information.T) / 2.0
