"""The tipping map of a time to event: what if those lost to follow-up fared worse than those who stayed?

Lipkovich, Ratitch & O'Kelly (2016), Pharm Stat 15:216: the hazard of a lost subject is multiplied by a delta
after the loss, the event time is drawn from the arm's own hazard, and Cox's model is pooled by Rubin's rules.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NO_EVENTS_IN_ARM, CannotEstimate
from studies.statistics import Bools, Floats
from studies.statistics.inputs import FollowUp, follow_up, labels, matrix, numbers, yes_no
from studies.statistics.missing.tipping_point import (
    NOTHING_MISSING,
    TippingMap,
    checked_deltas,
    fill_map,
    two_arms,
)
from studies.statistics.options import checked
from studies.statistics.survival.cox import fit_cox


@checked
def tipping_time_to_event(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    arm: Sequence[Hashable] | npt.ArrayLike,
    lost: npt.ArrayLike,
    *,
    horizon: npt.ArrayLike,
    seed: int,
    delta_reference: npt.ArrayLike,
    delta_treated: npt.ArrayLike,
    reference: Hashable | None = None,
    covariates: npt.ArrayLike | None = None,
    strata: Sequence[Hashable] | npt.ArrayLike | None = None,
    pieces: int = 5,
    m: int = 20,
    conf_level: float = 0.95,
) -> TippingMap:
    """The map of a log hazard ratio (Efron's ties), treated against reference.

    time (n,), event (n,) 0/1, arm (n,) of two levels; lost (n,) 0/1, lost to follow-up: only they are imputed,
    others without an event stay censored; horizon (n,) or one number, the time at which follow-up of a subject
    would have ended. Deltas are hazard ratios above 0 and contain 1. covariates (n, c) and strata (n,) enter
    Cox's model, not the imputation.

    The hazard of each arm is constant in `pieces` intervals with about equally many events (fewer where there
    are fewer events), the last one open. For each data set it is drawn from its gamma posterior with events as
    shape and person-time as rate, so the imputation is proper; one exponential number for each lost subject
    serves all cells. Raises `CannotEstimate` for nobody lost, an arm without events, a horizon before the loss.
    """
    rows = follow_up(time, event)
    n = len(rows)
    groups = labels(arm, "arm", n)
    base = two_arms(groups, reference)
    hidden = yes_no(lost, "lost", n)
    until = _horizon(horizon, rows.time, rows.event, hidden)
    deltas = (
        checked_deltas(delta_reference, "delta_reference", 1.0),
        checked_deltas(delta_treated, "delta_treated", 1.0),
    )
    if min(deltas[0][0], deltas[1][0]) <= 0 or pieces < 1:
        raise CannotEstimate(BAD_ARGUMENT, argument="delta", allowed="above 0; pieces 1, 2, ...")
    treated = groups.codes != base
    x = np.empty((n, 0)) if covariates is None else matrix(covariates, n, "covariates")
    design = np.column_stack([treated, x])
    draws = _both_arms(rows, hidden, treated, (groups.levels[base], groups.levels[1 - base]), pieces, m, seed)

    def analyse(d0: float, d1: float) -> tuple[Floats, Floats]:
        fits = []
        for chain in range(m):
            when, happened = rows.time.copy(), rows.event.copy()
            for (mine, hazards), delta in zip(draws, (d0, d1), strict=True):
                drawn = hazards[chain].time_after(delta)
                happened[mine] = drawn <= until[mine]
                when[mine] = np.minimum(drawn, until[mine])
            fits.append(fit_cox(design, when, happened, strata=strata))
        return np.array([fit.coef[0] for fit in fits]), np.array([fit.se[0] for fit in fits])

    return fill_map(
        analyse, deltas, (1.0, 1.0), groups, base, hidden, m, seed, conf_level, None,
        f"Delta-adjusted multiple imputation of event times ({m} data sets, seed {seed}), hazards multiplied "
        "after loss to follow-up; Cox regression (Efron), log hazard ratio",
    )  # fmt: skip


def _horizon(horizon: npt.ArrayLike, time: Floats, event: Bools, hidden: Bools) -> Floats:
    """Where follow-up would have ended, (n,), after the checks that belong to who was lost."""
    if (hidden & event).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="lost", allowed="0 where event is 1")
    if not hidden.any():
        raise CannotEstimate(NOTHING_MISSING)
    ends = np.asarray(horizon)
    until = numbers(np.full(len(time), ends) if ends.ndim == 0 else ends, "horizon", len(time))
    if (until < time)[hidden].any():
        raise CannotEstimate(BAD_ARGUMENT, argument="horizon", allowed="at or after the loss to follow-up")
    return until


class PieceHazard:
    """A hazard constant between `edges` (k,), the first 0 and the last piece open, and exponential numbers for
    the subjects who left at `since` (h,)."""

    def __init__(self, edges: Floats, rates: Floats, since: Floats, exponential: Floats) -> None:
        self.edges, self.rates = edges, rates
        self.steps = np.concatenate([[0.0], np.cumsum(rates[:-1] * np.diff(edges))])
        self.start = self.cumulative(since)
        self.exponential = exponential

    def cumulative(self, time: Floats) -> Floats:
        """The cumulative hazard at `time`."""
        k = np.searchsorted(self.edges, time, "right") - 1
        return np.asarray(self.steps[k] + self.rates[k] * (time - self.edges[k]))

    def time_after(self, delta: float) -> Floats:
        """Event times (h,) with the hazard multiplied by delta from `since` on: the inverse of the cumulative
        hazard at its value there plus E/delta."""
        target = self.start + self.exponential / delta
        k = np.searchsorted(self.steps, target, "right") - 1
        return np.asarray(self.edges[k] + (target - self.steps[k]) / self.rates[k])


def _both_arms(
    rows: FollowUp,
    hidden: Bools,
    treated: Bools,
    levels: tuple[Hashable, Hashable],
    pieces: int,
    m: int,
    seed: int,
) -> list[tuple[Bools, list[PieceHazard]]]:
    return [
        _arm_draws(rows.time, rows.event, hidden, mine, str(level), pieces, m, [seed, number])
        for number, (mine, level) in enumerate(((~treated, levels[0]), (treated, levels[1])))
    ]


def _arm_draws(
    time: Floats, event: Bools, hidden: Bools, mine: Bools, level: str, pieces: int, m: int, seed: list[int]
) -> tuple[Bools, list[PieceHazard]]:
    """The lost of an arm, and m draws of its hazard with their exponential numbers."""
    happened = np.sort(time[mine & event])
    if len(happened) == 0:
        raise CannotEstimate(NO_EVENTS_IN_ARM, arm=level)
    cuts: Floats = np.quantile(happened, np.arange(1, pieces) / pieces, method="inverted_cdf")
    # A cut at the last event would leave a last piece without events, one at 0 a first piece without time.
    cuts = np.unique(cuts)
    edges = np.append(0.0, cuts[(cuts > 0) & (cuts < happened[-1])])
    upper = np.append(edges[1:], np.inf)
    events = np.array(
        [((happened > low) & (happened <= high)).sum() for low, high in zip(edges, upper, strict=True)]
    )
    events[0] += int((happened == 0).sum())
    spent = np.array(
        [
            np.clip(np.minimum(time[mine], high) - low, 0.0, None).sum()
            for low, high in zip(edges, upper, strict=True)
        ]
    )
    if (spent <= 0).any():
        raise CannotEstimate(NO_EVENTS_IN_ARM, arm=level)
    gone = mine & hidden
    found = []
    for chain in range(m):
        rng = np.random.default_rng([*seed, chain])
        rates = rng.gamma(events.astype(float)) / spent
        found.append(PieceHazard(edges, rates, time[gone], rng.exponential(size=int(gone.sum()))))
    return gone, found
