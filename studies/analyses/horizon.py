"""Success by a day: who had the event before, who was followed without it, and who was lost in between."""

from __future__ import annotations

from dataclasses import dataclass

from studies.analyses.context import Subset
from studies.planned import Horizon
from studies.statistics import Bools, Floats


@dataclass(frozen=True)
class ByHorizon:
    """Each subject is one of the three. Arrays are (n,) in the order of the subset's rows that were chosen."""

    failed: Bools
    followed: Bools  # without the event, seen on or after day - window
    lost: Bools

    @property
    def lost_share(self) -> float:
        return float(self.lost.mean())


def by_horizon(days: Floats, event: Bools, horizon: Horizon) -> ByHorizon:
    """An event after the day is none; a follow-up that ends before the window is a loss."""
    failed = event & (days <= horizon.day)
    followed = ~failed & (days >= horizon.day - horizon.window)
    return ByHorizon(failed, followed, ~failed & ~followed)


def of_exposed(subset: Subset, horizon: Horizon) -> ByHorizon:
    """Of the single arm: the exposed."""
    return by_horizon(subset.days[subset.exposed], subset.event[subset.exposed], horizon)
