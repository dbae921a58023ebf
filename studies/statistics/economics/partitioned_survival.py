"""The partitioned-survival model: curves of progression-free and overall survival to life years and costs.

Between two times of the grid, the share in a state is the mean of its ends (half-cycle correction as in a
life table, which is the trapezoid rule). Progression-free: under the PFS curve; progressed: between the
curves; dead: above OS (Woods et al., NICE DSU 19, 2017). The curves are taken as given: this model does not
know that progression leads to death, so each extrapolation has to be defended by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.options import checked
from studies.statistics.safety.checks import amounts, between, one_of

CURVES_CROSS = Reason(
    "curves_cross",
    "无进展生存曲线在时间 {time} 起高于总生存曲线；请指明处理规则。",
    "The progression-free curve lies above overall survival from time {time} on; name a rule for it.",
)
RULES = ("refuse", "pfs_at_most_os", "os_at_least_pfs")


@dataclass(frozen=True)
class Occupancy:
    """Shares of the cohort in each state at times (k,), summing to 1. `crossed` (k,) where the rule acted."""

    times: Floats
    progression_free: Floats
    progressed: Floats
    dead: Floats
    crossed: npt.NDArray[np.bool_]
    method: str


@dataclass(frozen=True)
class StateValues:
    """What a unit of time in a state is worth and costs, and what happens once. Times in years.

    Utilities are QALYs per year; `start_cost` at time 0, `progression_cost` on leaving the progression-free
    state alive, `death_cost` on death. treatment_cost is paid per year on treatment (`on_treatment` curve).
    """

    utility_free: float
    utility_progressed: float
    cost_free: float
    cost_progressed: float
    treatment_cost: float = 0.0
    start_cost: float = 0.0
    progression_cost: float = 0.0
    death_cost: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """Per patient over the horizon. Life years with and without discounting; QALYs and costs discounted."""

    life_years: float
    life_years_discounted: float
    years_free: float
    years_progressed: float
    qalys: float
    qalys_undiscounted: float
    cost: float
    cost_undiscounted: float
    horizon: float
    method: str


@checked
def occupancy(
    times: npt.ArrayLike, pfs: npt.ArrayLike, os: npt.ArrayLike, *, crossing: str = "refuse"
) -> Occupancy:
    """State shares at times (k,) from the curves pfs, os (k,), which begin at 1 and never rise.

    crossing: what to do where pfs > os: "refuse"; "pfs_at_most_os" lowers PFS to OS (nobody alive has
    progressed); "os_at_least_pfs" lifts OS to PFS. Raises `CannotEstimate` for times that do not start at 0
    and increase, curves outside [0, 1] or rising, and crossing curves without a rule.
    """
    one_of(crossing, "crossing", RULES)
    grid = _grid(times)
    free, alive = _curve(pfs, "pfs", len(grid)), _curve(os, "os", len(grid))
    crossed = free > alive + 1e-12
    if crossed.any() and crossing == "refuse":
        raise CannotEstimate(CURVES_CROSS, time=f"{grid[int(np.argmax(crossed))]:g}")
    if crossing == "os_at_least_pfs":
        alive = np.maximum(alive, free)
    else:
        free = np.minimum(free, alive)
    how = "state shares from PFS and OS" + (f"; curves crossed, rule {crossing}" if crossed.any() else "")
    return Occupancy(grid, free, alive - free, 1.0 - alive, crossed, how)


@checked
def outcome(
    states: Occupancy,
    values: StateValues,
    *,
    discount_cost: float,
    discount_effect: float,
    on_treatment: npt.ArrayLike | None = None,
    half_cycle: bool = True,
) -> Outcome:
    """Life years, QALYs and costs of one treatment over the grid of `states` (times in years).

    discount_cost, discount_effect: annual rates; an amount at time t counts (1 + rate)^-t, taken at the middle
    of each cycle (without half_cycle: at its start, with the shares of its start). Changes of state within a
    cycle are dated at its middle. on_treatment (k,): the share still treated; None takes progression-free.
    Raises `CannotEstimate` for negative rates, and an on_treatment curve that rises or exceeds survival.
    """
    rates = [
        between(rate, name, 0.0, 1.0, closed=True)
        for rate, name in ((discount_cost, "discount_cost"), (discount_effect, "discount_effect"))
    ]
    treated = (
        states.progression_free
        if on_treatment is None
        else _curve(on_treatment, "on_treatment", len(states.times))
    )
    if (treated > 1.0 - states.dead + 1e-9).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="on_treatment", allowed="<= OS")
    length = np.diff(states.times)
    at = (states.times[1:] + states.times[:-1]) / 2.0 if half_cycle else states.times[:-1]
    money, effect = ((1.0 + rate) ** -at for rate in rates)

    def years(share: Floats) -> Floats:
        return np.asarray((share[1:] + share[:-1]) / 2.0 * length if half_cycle else share[:-1] * length)

    free, sick, on = years(states.progression_free), years(states.progressed), years(treated)
    dying = np.diff(states.dead)
    leaving = -np.diff(states.progression_free)
    # Of those who leave the progression-free state, as many progress as do not die; the curves tell no more.
    progressing = np.maximum(0.0, leaving - dying)
    qalys = values.utility_free * free + values.utility_progressed * sick
    costs = (
        values.cost_free * free
        + values.cost_progressed * sick
        + values.treatment_cost * on
        + values.progression_cost * progressing
        + values.death_cost * dying
    )
    return Outcome(
        life_years=float((free + sick).sum()),
        life_years_discounted=float(effect @ (free + sick)),
        years_free=float(free.sum()),
        years_progressed=float(sick.sum()),
        qalys=float(effect @ qalys),
        qalys_undiscounted=float(qalys.sum()),
        cost=values.start_cost + float(money @ costs),
        cost_undiscounted=values.start_cost + float(costs.sum()),
        horizon=float(states.times[-1]),
        method=f"partitioned survival, {len(length)} cycles up to {states.times[-1]:g} years, "
        + ("half-cycle correction" if half_cycle else "no half-cycle correction")
        + f", discounting {rates[0]:.1%} (costs) and {rates[1]:.1%} (effects); {states.method}",
    )


def _grid(times: npt.ArrayLike) -> Floats:
    grid = amounts(times, "times")
    if len(grid) < 2 or grid[0] != 0 or (np.diff(grid) <= 0).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="times", allowed="0 < ...")
    return grid


def _curve(values: npt.ArrayLike, name: str, rows: int) -> Floats:
    curve = amounts(values, name, rows)
    if (curve > 1).any() or (np.diff(curve) > 1e-12).any():
        raise CannotEstimate(BAD_ARGUMENT, argument=name, allowed="1 >= ... >= 0, not rising")
    return curve
