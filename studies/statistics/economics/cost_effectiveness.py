"""Is what is gained worth what it costs? Incremental ratios, net benefit, and how sure one can be.

Sources: Drummond et al., Methods for the Economic Evaluation of Health Care Programmes (2015), ch. 5 and 11;
Fenwick, Claxton & Sculpher 2001 (Health Econ 10:779) for CEAC and frontier; Claxton 1999 (J Health Econ
18:341) for the expected value of perfect information.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, LENGTHS_DIFFER, ONE_ARM, CannotEstimate
from studies.statistics import Floats
from studies.statistics.inputs import matrix
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL
from studies.statistics.safety.checks import amounts, between, figures

Quadrant = Literal["north-east", "south-east", "south-west", "north-west", "none"]
Status = Literal["reference", "on the frontier", "dominated", "extendedly dominated"]


@dataclass(frozen=True)
class IncrementalRatio:
    """New minus old. `icer` is None where one is better and not dearer (a ratio would mislead).

    Quadrants: north-east dearer and better (pay `icer` per unit gained), south-west cheaper and worse (save
    `icer` per unit given up), south-east dominant, north-west dominated; "none" where nothing differs.
    """

    cost: float
    effect: float
    icer: float | None
    quadrant: Quadrant
    dominant: bool
    dominated: bool


@dataclass(frozen=True)
class Strategy:
    """One option of the full incremental analysis; `icer` against the next cheaper one on the frontier."""

    name: str
    cost: float
    effect: float
    status: Status
    icer: float | None


@dataclass(frozen=True)
class Uncertainty:
    """From n draws of k strategies, at each threshold (w,).

    acceptability (w, k): share of draws in which a strategy has the highest net benefit (ties shared); best
    (w,): position of the strategy with the highest mean net benefit; frontier (w,): its acceptability; evpi
    (w,): expected value of perfect information per person, in money; expected_nmb (w, k).
    """

    names: tuple[str, ...]
    thresholds: Floats
    acceptability: Floats
    best: npt.NDArray[np.intp]
    frontier: Floats
    expected_nmb: Floats
    evpi: Floats
    draws: int
    method: str


@dataclass(frozen=True)
class Plane:
    """The cost-effectiveness plane of new against old: increments (n,), shares of the quadrants, mean ratio.

    Percentile limits of each increment; none of the ratio, whose distribution may have no mean.
    """

    cost: Floats
    effect: Floats
    shares: dict[Quadrant, float]
    mean_cost: float
    mean_effect: float
    cost_limits: tuple[float, float]
    effect_limits: tuple[float, float]
    ratio: IncrementalRatio


@dataclass(frozen=True)
class TornadoBar:
    """One parameter at its low and high value, all others at their base; sorted by `width`."""

    parameter: str
    low: float
    high: float
    result_low: float
    result_high: float
    width: float


@checked
def incremental_ratio(cost: float, effect: float, old_cost: float, old_effect: float) -> IncrementalRatio:
    """The ICER of new (cost, effect) against old. Raises `CannotEstimate` for numbers that are not finite."""
    given = figures([cost, effect, old_cost, old_effect], "cost")
    more, gain = float(given[0] - given[2]), float(given[1] - given[3])
    quadrant = _quadrant(more, gain)
    dominant = more <= 0 <= gain and quadrant != "none"
    dominated = gain <= 0 <= more and quadrant != "none"
    icer = None if dominant or dominated or quadrant == "none" else more / gain
    return IncrementalRatio(more, gain, icer, quadrant, dominant, dominated)


def incremental_analysis(
    names: Sequence[str], cost: npt.ArrayLike, effect: npt.ArrayLike
) -> tuple[Strategy, ...]:
    """All options from the cheapest: dominated and extendedly dominated ones are named, the rest get ICERs.

    names, cost, effect (k,). Ratios along the frontier rise. Raises `CannotEstimate` for fewer than two
    options and columns of different lengths.
    """
    money, gain = figures(cost, "cost"), figures(effect, "effect")
    if not len(names) == len(money) == len(gain):
        raise CannotEstimate(LENGTHS_DIFFER, variable="effect")
    if len(names) < 2:
        raise CannotEstimate(ONE_ARM)
    order = np.lexsort((-gain, money))
    status: dict[int, Status] = {}
    frontier: list[int] = []
    for row in order:
        if frontier and gain[row] <= gain[frontier[-1]]:
            status[int(row)] = "dominated"
            continue
        # A step that is steeper than the next one is not worth taking: mixtures of its neighbours beat it.
        while len(frontier) >= 2 and _slope(money, gain, frontier[-2], frontier[-1]) >= _slope(
            money, gain, frontier[-1], int(row)
        ):
            status[frontier.pop()] = "extendedly dominated"
        frontier.append(int(row))
    icers = {row: _slope(money, gain, before, row) for before, row in pairwise(frontier)}
    for row in frontier:
        status[row] = "on the frontier" if row in icers else "reference"
    return tuple(
        Strategy(str(names[row]), float(money[row]), float(gain[row]), status[int(row)], icers.get(int(row)))
        for row in order
    )


@checked
def net_benefit(cost: npt.ArrayLike, effect: npt.ArrayLike, *, threshold: float) -> Floats:
    """Net monetary benefit: threshold x effect - cost, for columns (n,). Raises for bad columns."""
    money = figures(cost, "cost")
    return np.asarray(
        between(threshold, "threshold", closed=True) * figures(effect, "effect", len(money)) - money
    )


def uncertainty(
    names: Sequence[str], cost: npt.ArrayLike, effect: npt.ArrayLike, *, thresholds: npt.ArrayLike
) -> Uncertainty:
    """CEAC, frontier and EVPI from a probabilistic analysis: cost, effect (n, k), thresholds (w,) >= 0.

    EVPI = mean of the best net benefit of each draw - best mean net benefit, never negative.
    Raises `CannotEstimate` for fewer than two strategies, one draw, and tables of different shapes.
    """
    money = matrix(cost, name="cost")
    gain = matrix(effect, len(money), "effect")
    if money.shape != gain.shape or money.shape[1] != len(names):
        raise CannotEstimate(LENGTHS_DIFFER, variable="effect")
    if money.shape[1] < 2:
        raise CannotEstimate(ONE_ARM)
    if len(money) < 2:
        raise CannotEstimate(BAD_ARGUMENT, argument="cost", allowed=">= 2 draws")
    levels = amounts(thresholds, "thresholds")
    share, expected, value = [], [], []
    for level in levels:
        benefit = level * gain - money
        top = benefit.max(axis=1)
        winners = benefit == top[:, None]
        share.append((winners / winners.sum(axis=1, keepdims=True)).mean(axis=0))
        expected.append(benefit.mean(axis=0))
        value.append(max(0.0, float(top.mean() - expected[-1].max())))
    best = np.argmax(np.array(expected), axis=1)
    acceptable = np.array(share)
    return Uncertainty(
        names=tuple(names),
        thresholds=levels,
        acceptability=acceptable,
        best=best,
        frontier=acceptable[np.arange(len(levels)), best],
        expected_nmb=np.array(expected),
        evpi=np.array(value),
        draws=len(money),
        method=f"{len(money)} draws; acceptability, frontier and EVPI from net monetary benefit",
    )


@checked
def plane(cost: npt.ArrayLike, effect: npt.ArrayLike, *, conf_level: float = CI_LEVEL) -> Plane:
    """Draws of the increments cost, effect (n,) of new minus old, placed in quadrants.

    Raises `CannotEstimate` for bad columns and a level outside (0, 1).
    """
    money = figures(cost, "cost")
    gain = figures(effect, "effect", len(money))
    tail = (1.0 - between(conf_level, "conf_level", 0, 1)) / 2.0
    east, north = gain > 0, money > 0
    shares: dict[Quadrant, float] = {
        "north-east": float((east & north).mean()),
        "south-east": float((east & ~north).mean()),
        "south-west": float((~east & ~north).mean()),
        "north-west": float((~east & north).mean()),
    }
    low, high = (np.quantile(np.stack([money, gain]), level, axis=1) for level in (tail, 1.0 - tail))
    return Plane(
        cost=money,
        effect=gain,
        shares=shares,
        mean_cost=float(money.mean()),
        mean_effect=float(gain.mean()),
        cost_limits=(float(low[0]), float(high[0])),
        effect_limits=(float(low[1]), float(high[1])),
        ratio=incremental_ratio(float(money.mean()), float(gain.mean()), 0.0, 0.0),
    )


def tornado(
    model: Callable[[Mapping[str, float]], float],
    base: Mapping[str, float],
    ranges: Mapping[str, tuple[float, float]],
) -> tuple[TornadoBar, ...]:
    """One-way sensitivity: model (any number from parameters) at each end of each range, widest first.

    Raises `CannotEstimate` for a range of an unknown parameter or with its ends turned round, and where the
    model gives no finite number.
    """
    bars = []
    for name, (low, high) in ranges.items():
        if name not in base:
            raise CannotEstimate(BAD_ARGUMENT, argument="ranges", allowed=", ".join(sorted(base)))
        if not low <= high:
            raise CannotEstimate(BAD_ARGUMENT, argument=name, allowed="low <= high")
        results = figures([model({**base, name: one}) for one in (low, high)], name)
        bars.append(
            TornadoBar(
                name, low, high, float(results[0]), float(results[1]), float(abs(results[1] - results[0]))
            )
        )
    return tuple(sorted(bars, key=lambda bar: (-bar.width, bar.parameter)))


def _quadrant(cost: float, effect: float) -> Quadrant:
    if cost == 0 and effect == 0:
        return "none"
    if effect > 0 or (effect == 0 and cost < 0):
        return "north-east" if cost > 0 else "south-east"
    return "north-west" if cost >= 0 else "south-west"


def _slope(cost: Floats, effect: Floats, one: int, two: int) -> float:
    return float((cost[two] - cost[one]) / (effect[two] - effect[one]))
