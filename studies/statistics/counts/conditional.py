"""The conditional distribution of a two-by-two table, or of several, given all margins.

Given the margins, the first cell (or its sum over strata) has probabilities proportional to c(k) odds^k, where
c is the hypergeometric distribution, or the convolution of those of the strata. From it come Fisher's exact
test, the conditional maximum likelihood estimate of the odds ratio and its exact limits.

Sources: Fisher (1935); Cornfield (1956); Gart (1970, exact limits of the common odds ratio); Mehta, Patel &
Gray (1985); R's manuals of fisher.test and mantelhaen.test.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from studies.statistics import Floats, Ints
from studies.statistics.counts.measure import Alternative, Roots, root, root_as_r
from studies.statistics.counts.proportions import R_RELATIVE_ERROR

_TINY = 2.0**-52
_LARGEST_LOG = 700.0


class Conditional:
    """The distribution of sum(a) over strata with tables [[a, n1 - a], [m - a, n2 - m + a]], margins fixed.

    n1, n2, m -- (k,) sizes of the two groups and number of events, one a stratum; seen -- the observed sum.
    """

    def __init__(self, n1: Ints, n2: Ints, m: Ints, seen: int) -> None:
        self.lowest = int(np.maximum(0, m - n2).sum())
        self.highest = int(np.minimum(n1, m).sum())
        self.seen = seen
        self.log_c = _convolved([_log_hypergeometric(*one) for one in zip(n1, n2, m, strict=True)])
        self.support = np.arange(self.lowest, self.highest + 1.0)

    def probabilities(self, odds: float) -> Floats:
        """(highest - lowest + 1,) under the odds ratio `odds`, above 0."""
        logs = self.log_c + math.log(odds) * self.support
        weights = np.exp(logs - logs.max())
        return np.asarray(weights / weights.sum())

    def mean(self, odds: float) -> float:
        if odds == 0.0:
            return float(self.lowest)
        return float(self.support @ self.probabilities(odds))

    def tail(self, odds: float, *, upper: bool) -> float:
        """P(sum >= seen) or P(sum <= seen)."""
        if odds == 0.0:
            return float(self.seen <= self.lowest if upper else self.seen >= self.lowest)
        chances = self.probabilities(odds)
        index = self.seen - self.lowest
        return float(chances[index:].sum() if upper else chances[: index + 1].sum())

    def mid_tail(self, odds: float, *, upper: bool) -> float:
        """The tail with half of the probability of the observed sum."""
        return self.tail(odds, upper=upper) - float(self.probabilities(odds)[self.seen - self.lowest]) / 2.0

    def p(self, odds: float, alternative: Alternative) -> float:
        """The exact p of odds ratio = `odds`; two-sided, all sums no more likely than the one seen count."""
        if alternative != "two-sided":
            return self.tail(odds, upper=alternative == "greater")
        chances = self.probabilities(odds)
        return min(1.0, float(chances[chances <= chances[self.seen - self.lowest] * R_RELATIVE_ERROR].sum()))

    def mid_p(self, odds: float, alternative: Alternative) -> float:
        """The mid-P value; two-sided, twice the smaller tail."""
        if alternative != "two-sided":
            return self.mid_tail(odds, upper=alternative == "greater")
        return min(1.0, 2.0 * min(self.mid_tail(odds, upper=True), self.mid_tail(odds, upper=False)))

    def estimate(self, roots: Roots) -> float:
        """The conditional maximum likelihood estimate: where the mean is the observed sum. 0 or inf at the ends."""
        if self.seen == self.lowest:
            return 0.0
        if self.seen == self.highest:
            return math.inf
        return self._solve(lambda odds: self.mean(odds) - self.seen, self.mean(1.0) - self.seen, roots)

    def median_unbiased(self) -> float:
        """The odds ratio at which both mid-P tails are one half. 0 or inf at the ends."""
        if self.seen in (self.lowest, self.highest):
            return 0.0 if self.seen == self.lowest else math.inf
        return self._exactly(lambda odds: self.mid_tail(odds, upper=True) - 0.5)

    def limits(self, tail: float, roots: Roots) -> tuple[float, float]:
        """The odds ratios that leave exactly `tail` in the upper and the lower tail (Cornfield's exact limits)."""
        low, high = 0.0, math.inf
        if self.seen > self.lowest:

            def above(odds: float) -> float:
                return self.tail(odds, upper=True) - tail

            low = self._solve(above, above(1.0), roots)
        if self.seen < self.highest:

            def below(odds: float) -> float:
                return self.tail(odds, upper=False) - tail

            high = self._solve(below, -below(1.0), roots)
        return low, high

    def mid_limits(self, tail: float) -> tuple[float, float]:
        """Mid-P limits."""
        low, high = 0.0, math.inf
        if self.seen > self.lowest:
            low = self._exactly(lambda odds: self.mid_tail(odds, upper=True) - tail)
        if self.seen < self.highest:
            high = self._exactly(lambda odds: self.mid_tail(odds, upper=False) - tail)
        return low, high

    def _solve(self, f: Callable[[float], float], at_one: float, roots: Roots) -> float:
        """The root of f; at_one > 0 says that it lies below 1. R searches (0, 1), of the odds or of their inverse."""
        if at_one == 0.0:
            return 1.0
        if roots == "exact":
            return self._exactly(f)
        if at_one > 0.0:
            return root_as_r(f, 0.0, 1.0)
        return 1.0 / root_as_r(lambda inverse: f(1.0 / inverse), _TINY, 1.0)

    @staticmethod
    def _exactly(f: Callable[[float], float]) -> float:
        return math.exp(root(lambda log_odds: f(math.exp(log_odds)), -_LARGEST_LOG, _LARGEST_LOG))


def _log_hypergeometric(n1: int, n2: int, m: int) -> Floats:
    """Log probabilities of the first cell, max(0, m - n2) ... min(n1, m), under an odds ratio of 1."""
    from scipy.special import gammaln

    a = np.arange(max(0, int(m) - int(n2)), min(int(n1), int(m)) + 1.0)
    logs = -gammaln(a + 1) - gammaln(n1 - a + 1) - gammaln(m - a + 1) - gammaln(n2 - m + a + 1)
    logs = logs - logs.max()
    return np.asarray(logs - math.log(np.exp(logs).sum()))


def _convolved(parts: list[Floats]) -> Floats:
    """Log of the convolution of distributions given as logs. Terms below e^-700 of a step's largest become 0."""
    total = parts[0]
    for part in parts[1:]:
        top, other = total.max(), part.max()
        with np.errstate(divide="ignore"):
            total = np.log(np.convolve(np.exp(total - top), np.exp(part - other))) + top + other
    return total
