"""One proportion: its interval by seven named methods, the exact test, and what an interval really covers.

All limits come from one vectorised function, so the exact coverage of a method (a sum over all possible
counts, no simulation) is that of the very numbers that are reported.

Sources: Clopper & Pearson (1934); Wilson (1927); Newcombe (1998, Stat Med 17:857, methods 1-5); Agresti &
Coull (1998); Brown, Cai & DasGupta (2001, Statistical Science 16:101, Jeffreys with its ends); Lancaster
(1961, mid-P); R's manual of binom.test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import CannotEstimate
from studies.statistics import Floats
from studies.statistics.counts.measure import (
    DEGENERATE_WALD,
    Alternative,
    chosen,
    events_of,
    first_true,
    kept,
    sentence,
    share,
    side,
    tail_of,
    whole,
    z_of,
)
from studies.statistics.inputs import numbers
from studies.statistics.options import checked

Method = Literal["clopper-pearson", "wilson", "wilson-cc", "agresti-coull", "jeffreys", "mid-p", "wald"]
METHODS = ("clopper-pearson", "wilson", "wilson-cc", "agresti-coull", "jeffreys", "mid-p", "wald")
# R's relErr: two outcomes count as equally likely when their probabilities differ by less than this.
R_RELATIVE_ERROR = 1.0 + 1e-7
_BISECTIONS = 80  # halves (0, 1) until nothing is left between two floating-point numbers of any use


@dataclass(frozen=True)
class Proportion:
    """`events` of `n`; `estimate` is their quotient. A one-sided interval runs to 0 or to 1."""

    events: int
    n: int
    estimate: float
    lower: float
    upper: float
    conf_level: float
    alternative: Alternative
    method: str


@dataclass(frozen=True)
class BinomialTest:
    """The exact p of `p0` and the Clopper-Pearson limits of the same side."""

    events: int
    n: int
    p0: float
    estimate: float
    lower: float
    upper: float
    p: float
    conf_level: float
    alternative: Alternative
    method: str


@checked
def proportion(
    events: int,
    n: int,
    *,
    method: Method = "clopper-pearson",
    conf_level: float = 0.95,
    alternative: str = "two-sided",
) -> Proportion:
    """A proportion with its interval.

    events, n -- whole numbers, 0 <= events <= n, n >= 1. alternative: "two-sided"; "greater" gives the
    lower bound only (all of 1 - conf_level outside of it), "less" the upper bound only, as in R.
    method: "clopper-pearson" (exact: beta quantiles, never below its level), "wilson" (score), "wilson-cc"
    (Newcombe's method 4), "agresti-coull", "jeffreys" (equal tails, 0 and 1 kept at the ends), "mid-p",
    "wald". Limits are cut at 0 and 1. prop.test(x, n, correct=TRUE) equals "wilson-cc" except near
    events = n/2, where R shrinks the correction because it also tests p = 0.5.

    Raises `CannotEstimate`: NOT_A_COUNT, MORE_EVENTS_THAN_SUBJECTS, NOT_A_NUMBER, OUT_OF_RANGE,
    BAD_ARGUMENT; DEGENERATE_WALD for "wald" at 0 or n events.
    """
    x, size = events_of(events, n)
    way, by = side(alternative), chosen(method, METHODS, "method")
    if by == "wald" and x in (0, size):
        raise CannotEstimate(DEGENERATE_WALD)
    low, high = limits(np.array([float(x)]), size, by, tail_of(conf_level, way))
    lower, upper = kept(float(low[0]), float(high[0]), way, 0.0, 1.0)
    name = sentence(f"proportion, {by} interval", way, conf_level)
    return Proportion(x, size, x / size, lower, upper, conf_level, way, name)


@checked
def binomial_test(
    events: int, n: int, p0: float, *, alternative: str = "two-sided", conf_level: float = 0.95
) -> BinomialTest:
    """The exact binomial test of the proportion `p0`, with R's rule for two sides.

    "greater" asks whether the proportion is above p0: P(X >= events). Two-sided, the p adds all outcomes
    that are no more likely than the one seen (within a relative 1e-7), as binom.test does. p0 may be 0 or 1.
    The cost grows with log(n). Raises `CannotEstimate` as `proportion`.
    """
    x, size = events_of(events, n)
    null, way = share(p0, "p0", ends=True), side(alternative)
    low, high = limits(np.array([float(x)]), size, "clopper-pearson", tail_of(conf_level, way))
    lower, upper = kept(float(low[0]), float(high[0]), way, 0.0, 1.0)
    name = sentence("exact binomial test, Clopper-Pearson limits", way, conf_level)
    p = binomial_p(x, size, null, way)
    return BinomialTest(x, size, null, x / size, lower, upper, p, conf_level, way, name)


@checked
def coverage(
    n: int,
    p: npt.ArrayLike,
    *,
    method: Method = "clopper-pearson",
    conf_level: float = 0.95,
    alternative: str = "two-sided",
) -> Floats:
    """The exact probability, for each true proportion p (m,), that the interval of n subjects holds it.

    A sum over all n + 1 possible counts (Brown, Cai & DasGupta 2001, section 2). A Wald interval without
    width is counted as the point it is. Raises `CannotEstimate` for p outside of [0, 1] and as `proportion`.
    """
    from scipy.stats import binom

    size, way, by = whole(n, "n", least=1), side(alternative), chosen(method, METHODS, "method")
    truth = numbers(p, "p")
    for end in (truth.min(), truth.max()):
        share(float(end), "p", ends=True)
    x = np.arange(size + 1.0)
    low, high = limits(x, size, by, tail_of(conf_level, way))
    low, high = kept(low, high, way, np.zeros_like(x), np.ones_like(x))
    inside = (low[:, None] <= truth) & (truth <= high[:, None])
    return np.asarray((binom.pmf(x[:, None], size, truth) * inside).sum(axis=0))


def limits(x: Floats, n: int, method: str, tail: float) -> tuple[Floats, Floats]:
    """Both limits for counts x (m,) among n, each leaving `tail` outside. The arguments are taken as checked."""
    if method == "mid-p":
        return _mid_p(x, n, tail)
    if method in ("clopper-pearson", "jeffreys"):
        return _beta(x, n, tail, 0.0 if method == "clopper-pearson" else 0.5)
    z = z_of(tail)
    if method == "wilson":
        low, high = _wilson(x / n, n, z, -1.0), _wilson(x / n, n, z, 1.0)
        return np.where(x == 0, 0.0, low), np.where(x == n, 1.0, high)  # exactly, without a last digit
    if method == "wilson-cc":
        shift = 0.5 / n
        low = np.where(x == 0, 0.0, _wilson(np.maximum(x / n - shift, 0.0), n, z, -1.0))
        high = np.where(x == n, 1.0, _wilson(np.minimum(x / n + shift, 1.0), n, z, 1.0))
        return low, high
    larger, centre = float(n), x / n
    if method == "agresti-coull":
        larger = n + z * z
        centre = (x + z * z / 2.0) / larger
    half = z * np.sqrt(centre * (1.0 - centre) / larger)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def binomial_p(x: int, n: int, p0: float, alternative: Alternative) -> float:
    """The exact p of x events among n: tails, or R's two-sided rule. The arguments are taken as checked."""
    from scipy.special import betainc, betaincc

    def up_to(k: int) -> float:
        return 0.0 if k < 0 else 1.0 if k >= n else float(betaincc(k + 1, n - k, p0))

    def above(k: int) -> float:
        return 1.0 if k < 0 else 0.0 if k >= n else float(betainc(k + 1, n - k, p0))

    if alternative != "two-sided":
        return up_to(x) if alternative == "less" else above(x - 1)
    if p0 in (0.0, 1.0):
        return float(x == n * p0)
    mean = n * p0
    if x == mean:
        return 1.0
    # Away from the mean the probabilities fall, so the outcomes "no more likely" are one run up to the end.
    if x < mean:
        return up_to(x) + above(_first_as_rare(x, n, p0, int(np.ceil(mean)), n + 1) - 1)
    return up_to(_last_as_rare(x, n, p0, int(np.floor(mean)))) + above(x - 1)


def _first_as_rare(x: int, n: int, p0: float, start: int, stop: int) -> int:
    """The first count from `start` on that is no more likely than x; `stop` where there is none."""
    from scipy.stats import binom

    seen = float(binom.pmf(x, n, p0)) * R_RELATIVE_ERROR
    return first_true(start, stop, lambda k: float(binom.pmf(k, n, p0)) <= seen)


def _last_as_rare(x: int, n: int, p0: float, start: int) -> int:
    """The last count up to `start` that is no more likely than x; -1 where there is none."""
    return n - _first_as_rare(n - x, n, 1.0 - p0, n - start, n + 1)


def _beta(x: Floats, n: int, tail: float, prior: float) -> tuple[Floats, Floats]:
    from scipy.special import betainccinv, betaincinv

    more = 1.0 - prior  # Clopper-Pearson leans outwards by one, Jeffreys by a half on both sides
    with np.errstate(all="ignore"):
        low = np.where(x == 0, 0.0, betaincinv(np.maximum(x, 0.5) + prior, n - x + more, tail))
        high = np.where(x == n, 1.0, betainccinv(x + more, np.maximum(n - x, 0.5) + prior, tail))
    return low, high


def _wilson(share_of: Floats, n: int, z: float, sign: float) -> Floats:
    middle = share_of + z * z / (2.0 * n)
    half = z * np.sqrt(share_of * (1.0 - share_of) / n + (z / (2.0 * n)) ** 2)
    return np.clip((middle + sign * half) / (1.0 + z * z / n), 0.0, 1.0)


def _mid_p(x: Floats, n: int, tail: float) -> tuple[Floats, Floats]:
    """Half of the probability of the count itself belongs to the tail; the limit solves tail(p) = `tail`."""
    high = 1.0 - _mid_p_lower(n - x, n, tail)
    return _mid_p_lower(x, n, tail), high


def _mid_p_lower(x: Floats, n: int, tail: float) -> Floats:
    from scipy.special import betainc

    at_least = np.maximum(x, 1.0)
    low, high = np.zeros_like(x), np.ones_like(x)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        # P(X >= x) and P(X >= x + 1); their mean is P(X > x) + P(X = x)/2.
        beyond = np.where(x < n, betainc(x + 1.0, np.maximum(n - x, 0.5), middle), 0.0)
        mid = (betainc(at_least, n - at_least + 1.0, middle) + beyond) / 2.0
        low, high = np.where(mid < tail, middle, low), np.where(mid < tail, high, middle)
    return np.where(x == 0, 0.0, (low + high) / 2.0)
