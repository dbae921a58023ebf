"""Harrell's concordance of a risk score with follow-up, with the infinitesimal-jackknife standard error.

A pair counts where one has the event at t and the other is at risk at t and lives on past it (censored at t is
past it). It agrees where the one with the event had the larger score; equal scores count one half. The counts of
each row are two-dimensional dominance counts ("rows that leave after t with a score below s"), answered all at
once by a wavelet matrix in O(n log n) without a loop over rows.

Sources: Harrell et al. (1982); Therneau & Watson, "The concordance statistic and the Cox model" (Mayo Clinic
Technical Report 85, 2017); the vignette "Concordance" of R's survival.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studies.reasons import CannotEstimate, Reason
from studies.statistics import Floats, Ints
from studies.statistics.survival.risk_sets import RiskSets, sums_by

NO_PAIRS = Reason(
    "no_pairs",
    "没有可以比较的受试者对，无法计算一致性。",
    "No two people can be compared: there is no concordance.",
)


@dataclass(frozen=True)
class Concordance:
    """`concordance` is (concordant + tied_score / 2) / comparable pairs, `se` its standard error.

    The counts are sums over pairs of the product of the two weights. tied_time counts pairs with an event at the
    same time, tied_both those of them with equal scores: neither enters the estimate.
    """

    concordance: float
    se: float
    concordant: float
    discordant: float
    tied_score: float
    tied_time: float
    tied_both: float


def concordance(
    score: Floats, sets: RiskSets, *, weights: Floats | None = None, cluster: Ints | None = None
) -> Concordance:
    """Concordance of `score` (n,), larger meaning earlier event; within strata; `cluster` (n,) codes from 0.

    Raises `CannotEstimate(NO_PAIRS)` where no pair can be compared.
    """
    w = np.ones(len(score)) if weights is None else weights
    levels, rank = np.unique(score, return_inverse=True)
    dead, at = sets.dead, sets.time_of_dead
    # As the one with the event: against all at risk at t who do not have their event at t.
    below, equal, total = _against_those_at_risk(rank, w, sets, len(levels))
    own_below, own_equal, own_total = _against_the_tied(rank[dead], at, w[dead], len(levels))
    con, tied, all_pairs = below - own_below, equal - own_equal, total - own_total
    dis = all_pairs - con - tied
    # As the other one: against the events that happen while the row is at risk, its own time left out.
    as_con, as_tied, as_all = _against_the_events(rank, w, sets, len(levels))
    as_con[dead] -= own_total - own_below - own_equal
    as_tied[dead] -= own_equal
    as_all[dead] -= own_total
    difference, pairs = 2.0 * as_con + as_tied - as_all, as_all
    difference[dead] += con - dis
    pairs[dead] += all_pairs
    weight = w[dead]
    counts = [float(weight @ one) for one in (con, dis, tied)]
    npair = sum(counts)
    if npair <= 0:
        raise CannotEstimate(NO_PAIRS)
    somers = (counts[0] - counts[1]) / npair
    influence = w * (difference - somers * pairs) / npair
    if cluster is not None:
        influence = sums_by(cluster, influence, int(cluster.max()) + 1)
    tied_both = float(weight @ (own_equal - weight)) / 2.0
    tied_time = float(weight @ (own_total - weight)) / 2.0
    return Concordance(
        concordance=(somers + 1.0) / 2.0,
        se=float(np.sqrt((influence**2).sum())) / 2.0,
        concordant=counts[0],
        discordant=counts[1],
        tied_score=counts[2],
        tied_time=tied_time - tied_both,
        tied_both=tied_both,
    )


def _against_those_at_risk(
    rank: Ints, w: Floats, sets: RiskSets, levels: int
) -> tuple[Floats, Floats, Floats]:
    """For each event: the weight of those at risk at its time with a smaller score, an equal one, and of all."""
    at = sets.time_of_dead
    exposed = np.flatnonzero(sets.last > sets.first)
    # Rows are at risk at the event times first, ..., last - 1; strata are side by side on that axis. Those
    # whose follow-up started (first <= at) less those whose follow-up ended (last <= at).
    gone, came = (
        _Dominance(when[exposed], rank[exposed], w[exposed], levels).up_to(at, rank[sets.dead])
        for when in (sets.last, sets.first)
    )
    return came[0] - gone[0], came[1] - gone[1], came[2] - gone[2]


def _against_the_events(rank: Ints, w: Floats, sets: RiskSets, levels: int) -> tuple[Floats, Floats, Floats]:
    """For each row: the weight of the events while it is at risk with a larger score, an equal one, and of all."""
    dead = sets.dead
    events = _Dominance(sets.time_of_dead, rank[dead], w[dead], levels)
    last, first = np.maximum(sets.last, sets.first), sets.first
    parts = [
        until - before
        for until, before in zip(events.up_to(last - 1, rank), events.up_to(first - 1, rank), strict=True)
    ]
    return parts[2] - parts[0] - parts[1], parts[1], parts[2]


def _against_the_tied(rank: Ints, at: Ints, w: Floats, levels: int) -> tuple[Floats, Floats, Floats]:
    """For each event the weight of the events of its own time (itself too): smaller score, equal, all."""
    order = np.lexsort((rank, at))
    cumulated = np.concatenate([[0.0], np.cumsum(w[order])])
    key = at * np.intp(levels) + rank
    ordered = key[order]
    low, high = np.searchsorted(ordered, key, "left"), np.searchsorted(ordered, key, "right")
    start = np.searchsorted(ordered, at * np.intp(levels), "left")
    stop = np.searchsorted(ordered, (at + 1) * np.intp(levels), "left")
    return (
        cumulated[low] - cumulated[start],
        cumulated[high] - cumulated[low],
        cumulated[stop] - cumulated[start],
    )


class _Dominance:
    """Points (position, rank below `levels`, weight), for many queries at once: a wavelet matrix over the ranks."""

    def __init__(self, position: Ints, rank: Ints, weight: Floats, levels: int) -> None:
        order = np.argsort(position, kind="stable")
        self._position = position[order]
        self._bits = max(1, (levels - 1).bit_length())  # of all ranks that may be asked for
        values, carried = rank[order], weight[order]
        self._total = np.concatenate([[0.0], np.cumsum(carried)])
        self._levels: list[tuple[Ints, int, Floats]] = []
        for bit in range(self._bits - 1, -1, -1):
            high = (values >> bit) & 1
            zeros = np.concatenate([[0], np.cumsum(1 - high)])
            order = np.argsort(high, kind="stable")
            values, carried = values[order], carried[order]
            self._levels.append((zeros, int(zeros[-1]), np.concatenate([[0.0], np.cumsum(carried)])))

    def up_to(self, position: Ints, rank: Ints) -> tuple[Floats, Floats, Floats]:
        """The weight of the points at or before each position: smaller in rank, equal, all."""
        stop = np.searchsorted(self._position, position, side="right")
        total = self._total[stop]
        start = np.zeros_like(stop)
        below = np.zeros(len(stop))
        for level, (zeros, boundary, cumulated) in enumerate(self._levels):
            high = ((rank >> (self._bits - 1 - level)) & 1).astype(bool)
            low_start, low_stop = zeros[start], zeros[stop]
            below += np.where(high, cumulated[low_stop] - cumulated[low_start], 0.0)
            start = np.where(high, boundary + start - low_start, low_start)
            stop = np.where(high, boundary + stop - low_stop, low_stop)
        last = self._levels[-1][2]
        return below, last[stop] - last[start], total
