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

import numpy as np

from studies.statistics import Floats, Ints
from studies.statistics.survival.risk_sets import RiskSets

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

    risk (n,) is exp(linear predictor - shift); the linear predictor is that of the centred covariates.
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

    x (n, p) is centred inside, which changes no result and keeps exp() in range. weights (n,), offset (n,) or None.
    """

    def __init__(
        self, x: Floats, sets: RiskSets, weights: Floats | None, ties: str, offset: Floats | None = None
    ) -> None:
        self.sets = sets
        self.ties = ties
        # One covariate a line: sums and products then read memory in order.
        self.xt = np.array(x.T, order="C")
        self.center = self.xt.mean(axis=1)
        self.xt -= self.center[:, None]
        self.weights = weights
        self.offset_center = 0.0 if offset is None else float(offset.mean())
        self.offset = None if offset is None else offset - self.offset_center
        self.x_dead = self.xt[:, sets.dead]
        self.w_dead = np.ones(len(sets.dead)) if weights is None else weights[sets.dead]
        self.weight_of_deaths = sets.of_dead(self.w_dead)
        slots = sets.deaths if ties == "efron" else np.ones_like(sets.deaths)
        self._single = bool((slots == 1).all())
        self.slots: Ints = slots
        self.slot_time: Ints = np.repeat(np.arange(len(slots)), slots)
        self._slot_start: Ints = np.cumsum(slots) - slots
        number = np.arange(len(self.slot_time)) - self._slot_start[self.slot_time]
        self.removed: Floats = number / slots[self.slot_time]
        self.slot_weight: Floats = (self.weight_of_deaths / slots)[self.slot_time]
        self._observed = self.x_dead @ self.w_dead

    def at(self, beta: Floats) -> Evaluated:
        """Evaluate at `beta` (p,). Overflow gives values that are not finite (`Evaluated.finite`), no error."""
        with np.errstate(all="ignore"):
            eta = beta @ self.xt
            if self.offset is not None:
                eta += self.offset
            shift = float(eta.max())
            if abs(shift) < _LARGE:
                shift = 0.0
            else:
                eta -= shift
            risk = np.exp(eta)
            weighted = risk if self.weights is None else risk * self.weights
            sums, left = self._sums(weighted)
            loglik = float(self.w_dead @ eta[self.sets.dead] - self.slot_weight @ np.log(left))
            score = self._observed - sums.s1 @ sums.hazard + sums.d1 @ sums.hazard_f
            information = self._information(sums, weighted, None)
        return Evaluated(beta, loglik, score, information, risk, shift, sums)

    def information(self, state: Evaluated, by_time: Floats) -> Floats:
        """The information (p, p), each event time counted `by_time` (k,) fold, as the PH test needs it."""
        return self._information(state.sums, self._weighted(state), by_time)

    def score(self, state: Evaluated, by_time: Floats) -> Floats:
        """The score (p,), each event time counted `by_time` (k,) fold."""
        sums = state.sums
        observed: Floats = self.x_dead @ (self.w_dead * by_time[self.sets.time_of_dead])
        return observed - sums.s1 @ (sums.hazard * by_time) + sums.d1 @ (sums.hazard_f * by_time)

    def cumulated_hazard(self, state: Evaluated) -> Floats:
        """(n,): the baseline hazard met by each row while at risk, on the scale of `state.risk`.

        A tied death meets only the share of its own time's slots in which it is still there.
        """
        met = self.sets.while_at_risk(state.sums.hazard)
        if not self._single:
            met[self.sets.dead] -= state.sums.hazard_f[self.sets.time_of_dead]
        return met

    def schoenfeld(self, state: Evaluated) -> Floats:
        """(p, m): covariates of each death less the mean of its risk set, averaged over the slots of its time."""
        sums = state.sums
        mean = sums.s1 * sums.mean0 - sums.d1 * sums.mean1
        residuals: Floats = self.x_dead - mean[:, self.sets.time_of_dead]
        return residuals

    def score_residuals(self, state: Evaluated) -> Floats:
        """(p, n): each row's own part of the score, unweighted: times the weights they sum to the score."""
        sums = state.sums
        drift = self.sets.while_at_risk(sums.s1 * sums.q0 - sums.d1 * sums.q1)
        if not self._single:
            own = sums.s1 * sums.q1 - sums.d1 * sums.q2
            drift[:, self.sets.dead] -= own[:, self.sets.time_of_dead]
        drift -= self.xt * self.cumulated_hazard(state)
        drift *= state.risk
        drift[:, self.sets.dead] += self.schoenfeld(state)
        return drift

    def _weighted(self, state: Evaluated) -> Floats:
        return state.risk if self.weights is None else state.risk * self.weights

    def _sums(self, weighted: Floats) -> tuple[Sums, Floats]:
        sets = self.sets
        s0 = sets.at_risk(weighted)
        at_death = weighted[sets.dead]
        product = np.empty_like(weighted)
        s1 = np.stack([sets.at_risk(np.multiply(column, weighted, out=product)) for column in self.xt])
        d1 = sets.of_dead(self.x_dead * at_death)
        if self._single:
            hazard = self.slot_weight / s0
            zero = np.zeros_like(s0)
            return Sums(s1, d1, hazard, zero, hazard / s0, zero, zero, 1.0 / s0, zero), s0
        left = s0[self.slot_time] - self.removed * sets.of_dead(at_death)[self.slot_time]
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
        met = self.sets.while_at_risk(hazard)
        if not self._single:
            met[self.sets.dead] -= hazard_f[self.sets.time_of_dead]
        met *= weighted
        second = np.zeros((len(self.xt), len(self.xt)))
        # A block at a time, so that the scaled copy stays in the processor's cache.
        for start in range(0, len(met), _BLOCK):
            block = self.xt[:, start : start + _BLOCK]
            second += (block * met[start : start + _BLOCK]) @ block.T
        of_means: Floats = (sums.s1 * q0) @ sums.s1.T
        if not self._single:
            crossed = (sums.s1 * q1) @ sums.d1.T
            of_means = of_means - crossed - crossed.T + (sums.d1 * q2) @ sums.d1.T
        information = second - of_means
        return (information + information.T) / 2.0
