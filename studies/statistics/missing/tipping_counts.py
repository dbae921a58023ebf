"""Every way in which the subjects lost from two arms could have turned out: the risk difference and where it turns.

No model and no imputation: with k1 of the lost of one arm and k2 of the other counted as events, the risk
difference is a plain one, with Newcombe's hybrid limits. Its verdict is read off the interval: the first arm is
"better" when it has fewer events and the interval lies below 0, "worse" when it lies above, else "not shown".

Sources: Hollis (2002), Stat Med 21:3823; Yan, Lee & Li (2009), J Biopharm Stat 19:1085 (all combinations);
Newcombe (1998), Stat Med 17:873, method 10 (limits).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.counts.measure import events_of, share, whole
from studies.statistics.counts.proportions import limits
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL

Pair = tuple[int, int]
Ints = npt.NDArray[np.int64]
Verdict = Literal["better", "not shown", "worse"]
VERDICTS: tuple[Verdict, Verdict, Verdict] = ("better", "not shown", "worse")
MOST_LINES = 41  # of a map, per arm: more could not be told apart in print

NOBODY_LOST = Reason(
    "nobody_lost",
    "规定时点之前没有受试者失访，没有可以变动的结局。",
    "Nobody was lost before the horizon: there is no outcome that could have been another.",
)


@dataclass(frozen=True)
class Contrast:
    """A risk difference (first minus second arm) with its limits; `events` and `n` are those of both arms."""

    events: Pair
    n: Pair
    difference: float
    lower: float
    upper: float
    verdict: Verdict


@dataclass(frozen=True)
class Turns:
    """Where the verdict turns on the two edges of the map; None where it never does.

    not_better, worse -- the smallest number of events among the lost of the first arm with which the verdict is no
    longer "better", or is "worse", when none of the lost of the second arm had an event;
    not_worse, better -- the same for the second arm, when none of the lost of the first had one.
    """

    not_better: int | None
    worse: int | None
    not_worse: int | None
    better: int | None


@dataclass(frozen=True)
class TippingCounts:
    """All combinations, of which the map shows some lines and the counts know every one.

    observed -- those lost left out; none, every, worst, best -- the corners: none of the lost had an event, all had,
    all of the first arm and none of the second, none of the first and all of the second.
    first, second (r,), (c,) -- events among the lost of each arm on the lines of the map; `step` between two lines.
    difference, lower, upper (r, c); verdict (r, c) places in VERDICTS.
    combinations, changed -- all of them, and those whose verdict is not that of `observed`.
    """

    observed: Contrast
    none: Contrast
    every: Contrast
    worst: Contrast
    best: Contrast
    first: Ints
    second: Ints
    step: Pair
    difference: Floats
    lower: Floats
    upper: Floats
    verdict: Ints
    combinations: int
    changed: int
    turns: Turns
    conf_level: float
    method: str


@checked
def tipping_counts(
    events: Pair, observed: Pair, lost: Pair, *, conf_level: float = CI_LEVEL, lines: int = MOST_LINES
) -> TippingCounts:
    """The map of two arms: `events` among the `observed` of each, and how many were `lost` besides.

    lines -- the most lines of the map per arm, at least 2; the ends are always among them. `changed` and `turns` are
    exact whatever it is: Newcombe's limits rise with the events of the first arm and fall with those of the second
    (a Wilson limit moves by less than its proportion), so the verdict turns once along each line.
    Raises `CannotEstimate`: NOBODY_LOST, NOT_A_COUNT, MORE_EVENTS_THAN_SUBJECTS, OUT_OF_RANGE, BAD_ARGUMENT.
    """
    (x1, n1), (x2, n2) = (events_of(x, n) for x, n in zip(events, observed, strict=True))
    gone = whole(lost[0], "lost"), whole(lost[1], "lost")
    if lines < 2:
        raise CannotEstimate(BAD_ARGUMENT, argument="lines", allowed=">= 2")
    if not sum(gone):
        raise CannotEstimate(NOBODY_LOST)
    arms = _Arms((x1, x2), (n1 + gone[0], n2 + gone[1]), (1.0 - share(conf_level, "conf_level")) / 2.0)
    seen = _Arms((x1, x2), (n1, n2), arms.tail).at(0, 0)
    step = _step(gone[0], lines), _step(gone[1], lines)
    first, second = (_lines(one, by) for one, by in zip(gone, step, strict=True))
    difference, lower, upper = arms.limits(first[:, None], second[None, :])
    return TippingCounts(
        observed=seen,
        none=arms.at(0, 0),
        every=arms.at(*gone),
        worst=arms.at(gone[0], 0),
        best=arms.at(0, gone[1]),
        first=first,
        second=second,
        step=step,
        difference=difference,
        lower=lower,
        upper=upper,
        verdict=_verdicts(lower, upper),
        combinations=(gone[0] + 1) * (gone[1] + 1),
        changed=(gone[0] + 1) * (gone[1] + 1) - arms.how_many(gone, VERDICTS.index(seen.verdict)),
        turns=arms.turns(gone),
        conf_level=conf_level,
        method=f"risk difference, Newcombe's hybrid score limits at {100 * conf_level:g} %, for every number of "
        "events among those lost",
    )


def _step(lost: int, lines: int) -> int:
    return max(-(-lost // (lines - 1)), 1)


def _lines(lost: int, step: int) -> Ints:
    return np.unique(np.append(np.arange(0, lost + 1, step, dtype=np.int64), lost))


def _verdicts(lower: Floats, upper: Floats) -> Ints:
    return np.where(upper < 0, 0, np.where(lower > 0, 2, 1)).astype(np.int64)


@dataclass(frozen=True)
class _Arms:
    """Events known in each arm, and everybody of it."""

    events: Pair
    n: Pair
    tail: float

    def limits(self, first: Ints, second: Ints) -> tuple[Floats, Floats, Floats]:
        """Difference and limits with `first` and `second` more events; arrays that broadcast."""
        (p1, l1, u1), (p2, l2, u2) = (
            self._wilson(arm, more) for arm, more in enumerate((np.asarray(first), np.asarray(second)))
        )
        gap = p1 - p2
        low = np.maximum(gap - np.hypot(p1 - l1, u2 - p2), -1.0)
        return gap, low, np.minimum(gap + np.hypot(u1 - p1, p2 - l2), 1.0)

    def _wilson(self, arm: int, more: Ints) -> tuple[Floats, Floats, Floats]:
        x = (self.events[arm] + more).astype(np.float64)
        low, high = limits(x, self.n[arm], "wilson", self.tail)
        return x / self.n[arm], low, high

    def verdicts(self, first: Ints, second: Ints) -> Ints:
        _, lower, upper = self.limits(first, second)
        return _verdicts(lower, upper)

    def at(self, first: int, second: int) -> Contrast:
        more = np.array([first]), np.array([second])
        (gap,), (low,), (high,) = self.limits(*more)
        return Contrast(
            (self.events[0] + first, self.events[1] + second), self.n, float(gap), float(low), float(high),
            VERDICTS[int(self.verdicts(*more)[0])],
        )  # fmt: skip

    def turns(self, lost: Pair) -> Turns:
        along = np.arange(lost[0] + 1), np.arange(lost[1] + 1)
        by_first = self.verdicts(along[0], np.zeros_like(along[0]))
        by_second = self.verdicts(np.zeros_like(along[1]), along[1])
        return Turns(
            not_better=_first(by_first >= 1),
            worse=_first(by_first >= 2),
            not_worse=_first(by_second <= 1),
            better=_first(by_second <= 0),
        )

    def how_many(self, lost: Pair, verdict: int) -> int:
        """Combinations with this verdict; along the second arm it falls, so that two searches a line find them."""
        first = np.arange(lost[0] + 1)
        # The number of events of the second arm from which the verdict is at most `verdict`, or below it.
        start, stop = (self._falls_to(first, lost[1], one) for one in (verdict, verdict - 1))
        return int((stop - start).sum())

    def _falls_to(self, first: Ints, lost: int, verdict: int) -> Ints:
        """For each line the first count of the second arm with a verdict of at most `verdict`; lost + 1: none."""
        low, high = np.zeros_like(first), np.full_like(first, lost + 1)
        while (low < high).any():
            middle = (low + high) // 2
            there = (self.verdicts(first, np.minimum(middle, lost)) <= verdict) & (middle <= lost)
            # A line that is settled stays: its middle is its own high end.
            high = np.where(there | (low >= high), np.minimum(middle, high), high)
            low = np.where(~there & (low < high), middle + 1, low)
        return low


def _first(chosen: npt.NDArray[np.bool_]) -> int | None:
    places = np.flatnonzero(chosen)
    return int(places[0]) if len(places) else None
