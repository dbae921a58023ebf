"""The risk-adjusted CUSUM: when did the results of an operator or centre change?

Source: Steiner, Cook, Farewell & Treasure (2000), Biostatistics 1:441-452. Each case scores the log likelihood ratio of
the changed odds against the expected ones; the sum never falls below 0 and signals at the limit h. The limit is set so
that without any change a false signal comes on average once in `arl` cases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate
from studies.statistics import Floats
from studies.statistics.bridging.arguments import number, positive, whole
from studies.statistics.inputs import numbers, yes_no
from studies.statistics.options import checked

_BISECTIONS = 40


@dataclass(frozen=True)
class Cusum:
    """score (n,), path (n,) of the sum; signals -- places (from 0) where it reached `limit` and began anew at 0.

    expected_minus_observed (n,): cumulative, above 0 where fewer events came than expected.
    """

    score: Floats
    path: Floats
    signals: tuple[int, ...]
    limit: float
    odds_ratio: float
    expected_minus_observed: Floats
    method: str


@dataclass(frozen=True)
class CusumLimit:
    """limit h; arl -- the average run length reached in the simulation, with its Monte-Carlo error arl_se."""

    limit: float
    arl: float
    arl_se: float
    runs: int
    seed: int


@checked
def risk_adjusted_cusum(
    outcome: npt.ArrayLike, risk: npt.ArrayLike, *, odds_ratio: float, limit: float
) -> Cusum:
    """The chart of cases in order of time.

    outcome (n,) 0/1, 1 the event; risk (n,) expected probability of each case, in (0, 1), from a model that these
    cases were not used for; odds_ratio -- the change to be found: above 1 more events, below 1 fewer; limit -- h > 0.
    """
    y = yes_no(outcome, "outcome").astype(float)
    p, change = _risks(risk, len(y)), _odds_ratio(odds_ratio)
    edge = positive(limit, "limit")
    score = y * math.log(change) - np.log1p(p * (change - 1.0))
    path, signals, level = np.empty(len(y)), [], 0.0
    # A sum that is cut at 0 and at the limit is a recursion; a chart has hundreds of cases, not millions.
    for case, one in enumerate(score.tolist()):
        level = max(0.0, level + one)
        path[case] = level
        if level >= edge:
            signals.append(case)
            level = 0.0
    return Cusum(
        score=score,
        path=path,
        signals=tuple(signals),
        limit=edge,
        odds_ratio=change,
        expected_minus_observed=np.cumsum(p - y),
        method=f"risk-adjusted CUSUM (Steiner 2000), odds ratio {change:g}, limit {edge:g}",
    )


@checked
def average_run_length(
    risk: npt.ArrayLike, *, odds_ratio: float, limit: float, true_odds_ratio: float = 1.0, runs: int = 2000, seed: int,
    longest: int = 200_000,
) -> tuple[float, float]:  # fmt: skip
    """How many cases until a signal, on average, and the Monte-Carlo error of that average.

    Patients are drawn from `risk` (n,) with replacement; true_odds_ratio -- 1: no change (false signals), else how
    fast a change is found. Raises `CannotEstimate` where some run needs more than `longest` cases.
    """
    p, change, edge = _risks(risk, None), _odds_ratio(odds_ratio), positive(limit, "limit")
    lengths = _run_lengths(p, change, edge, positive(true_odds_ratio, "true_odds_ratio"), runs, seed, longest)
    return float(lengths.mean()), float(lengths.std(ddof=1) / math.sqrt(len(lengths)))


@checked
def cusum_limit(
    risk: npt.ArrayLike,
    *,
    odds_ratio: float,
    arl: float,
    runs: int = 2000,
    seed: int,
    longest: int | None = None,
) -> CusumLimit:
    """The limit h with an in-control average run length of `arl` cases, by simulation with common random numbers.

    `arl` counts cases, at least 10. Bisection on h with the same draws for every h, so the search is monotone.
    """
    p, change, wanted = _risks(risk, None), _odds_ratio(odds_ratio), number(arl, "arl", 10.0, 1e6)
    most = math.ceil(40 * wanted) if longest is None else whole(longest, "longest", 1)
    low, high = 0.0, 1.0
    while _run_lengths(p, change, high, 1.0, runs, seed, most).mean() < wanted:
        low, high = high, high * 1.5
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        if _run_lengths(p, change, middle, 1.0, runs, seed, most).mean() < wanted:
            low = middle
        else:
            high = middle
        if high - low < 1e-4:
            break
    lengths = _run_lengths(p, change, high, 1.0, runs, seed, most)
    return CusumLimit(
        high, float(lengths.mean()), float(lengths.std(ddof=1) / math.sqrt(len(lengths))), len(lengths), seed
    )


def _run_lengths(
    p: Floats, change: float, limit: float, true_ratio: float, runs: int, seed: int, longest: int
) -> Floats:
    """Cases until the sum reaches `limit`, for `runs` charts side by side; runs that never end are cut at `longest`."""
    charts = whole(runs, "runs", 100)
    rng = np.random.default_rng(whole(seed, "seed"))
    real = p * true_ratio / (1.0 - p + p * true_ratio)
    none, event = -np.log1p(p * (change - 1.0)), math.log(change) - np.log1p(p * (change - 1.0))
    level, lengths = np.zeros(charts), np.full(charts, float(longest))
    running = np.arange(charts)
    for case in range(1, longest + 1):
        # All charts draw at every step, so that a chart sees the same patients whatever the limit.
        who = rng.integers(0, len(p), charts)[running]
        happened = rng.random(charts)[running] < real[who]
        level[running] = np.maximum(0.0, level[running] + np.where(happened, event[who], none[who]))
        over = level[running] >= limit
        if over.any():
            lengths[running[over]] = case
            running = running[~over]
            if not len(running):
                break
    return lengths


def _risks(risk: npt.ArrayLike, rows: int | None) -> Floats:
    p = numbers(risk, "risk", rows)
    if (p <= 0).any() or (p >= 1).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="risk", allowed="(0, 1)")
    return p


def _odds_ratio(value: float) -> float:
    change = positive(value, "odds_ratio")
    if change == 1.0:
        raise CannotEstimate(BAD_ARGUMENT, argument="odds_ratio", allowed="> 0, != 1")
    return change
