"""Which days of a curve a reader abroad may see: enough are at risk, and enough events (or none) lie in between.

Curves of the same people are one account of the same events: what a Kaplan-Meier curve does not tell of a day, a
cumulative incidence beside it does not tell either. The two kinds of event of a cumulative incidence are told on the
same days, each of them none or enough between two of them: beside the curve of both, one would tell the other. The
number of all events is told elsewhere, so the end of follow-up counts as a day that is told.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Collection, Sequence

from studies.results import ArdRow, ResultSet, Series, Value

# A curve may change only here: a quarter of a year, so that no step is a patient's day. It does not depend on
# the protocol: nobody can plan a finer grid than a reader abroad may see.
GRID_DAYS = 90
# Of a curve, of each point of which `steps` (or `causes`, by kind of event) tells who stands behind it.
SHARES = frozenset({"survival", "cumulative_incidence", "competing_incidence"})
CURVES = {"curve": "steps", "incidence": "causes"}
_DAY = re.compile(r"\.day_([0-9]+)\Z")
_FIRST_COUNT = 2  # of the columns of `steps` and `causes`: time_days, at_risk, then events of each kind
Arm = tuple[str, str]
"""analysis, group"""


def is_small(count: object, cell: int) -> bool:
    """1 to `cell - 1` people; nobody is not few."""
    return isinstance(count, int | float) and 0 < count < cell


def planned_day(row: ArdRow) -> int | None:
    """365 of `restricted.kaplan_meier.exposed.survival.day_365`."""
    day = _DAY.search(row.id)
    return int(day[1]) if day else None


class ToldDays:
    """The planned days of every curve that may be told: `shares` of it, and the numbers `at_risk`."""

    def __init__(self, results: ResultSet, cell: int) -> None:
        self._results, self._cell = results, cell
        self._by_id = {one.id: one for one in results.series}
        self._kept: dict[str, frozenset[int]] = {}  # row set -> the days that every curve of it tells
        self._among: dict[Arm, frozenset[int] | None] = {}
        self.shares: dict[Arm, list[int]] = {}
        self.at_risk = self._numbers_at_risk()
        for kind in CURVES:  # Kaplan-Meier before cumulative incidences
            for series in results.series:
                if series.id.startswith(f"{series.analysis}.{CURVES[kind]}."):
                    self._tell(kind, series)

    def is_open(self, row: ArdRow) -> bool:
        """Of a row at a planned day; every other row is not for this to decide."""
        arm, day = (row.analysis, row.group), planned_day(row)
        if row.statistic == "at_risk":
            return day in self.at_risk.get(arm, ())
        return row.statistic not in SHARES or row.value is None or day in self.shares.get(arm, ())

    def coarse(self, curve: Series) -> Series | None:
        """The curve on the grid; None where nobody can say who stands behind a point."""
        arm, behind = _arm(curve), self._behind(curve)
        if behind is None:
            return None
        planned = self.shares.get(arm, ())
        if not curve.id.startswith(f"{curve.analysis}.incidence."):
            return coarse_curve(curve, behind, self._cell, planned)
        # So few days are left of it that the planned ones, which the rows tell, are drawn too.
        days = kept_days(behind, self._cell, planned, self._among.get(arm))
        return points_at(curve, behind, [day for day in days if day % GRID_DAYS == 0 or day in planned])

    def _behind(self, curve: Series) -> Series | None:
        analysis, arm = _arm(curve)
        kind = curve.id.removeprefix(f"{analysis}.").partition(".")[0]
        return self._by_id.get(f"{analysis}.{CURVES[kind]}.{arm}")

    def _tell(self, kind: str, behind: Series) -> None:
        arm, statistic = _arm(behind), "survival" if kind == "curve" else "cumulative_incidence"
        at_risk = self._planned("at_risk").get(arm, {})
        days = self._planned(statistic).get(arm, {})
        enough = [day for day in days if number(at_risk.get(day)) >= self._cell]
        among = self._kept.get(behind.row_set) if kind == "incidence" else None
        shares = set(enough).intersection(kept_days(behind, self._cell, enough, among))
        self.shares[arm] = [day for day in enough if day in shares]
        self._among[arm] = among
        kept = frozenset(kept_days(behind, self._cell, self.shares[arm], among))  # what is drawn, day by day
        self._kept[behind.row_set] = kept & self._kept.get(behind.row_set, kept)

    def _planned(self, statistic: str) -> dict[Arm, dict[int, Value]]:
        """The values at planned days, by analysis and arm, in the order of days."""
        found: dict[Arm, dict[int, Value]] = {}
        for row in self._results.rows:
            day = planned_day(row)
            if row.statistic == statistic and day is not None:
                found.setdefault((row.analysis, row.group), {})[day] = row.value
        return {arm: dict(sorted(days.items())) for arm, days in found.items()}

    def _numbers_at_risk(self) -> dict[Arm, list[int]]:
        """Days whose number at risk is told: it is not small, nor fell by a few since the one told before.

        Of the same people one table is told, the first: another one has those of its days that the first tells.
        """
        rows = {(row.analysis, row.group): row for row in self._results.rows if row.statistic == "at_risk"}
        first: dict[str, list[int]] = {}
        told: dict[Arm, list[int]] = {}
        for arm, days in self._planned("at_risk").items():
            before, told[arm] = number(rows[arm].n), []
            for day, at_risk in days.items():
                fell = before - number(at_risk)
                if not is_small(at_risk, self._cell) and not is_small(fell, self._cell):
                    told[arm].append(day)
                    before = number(at_risk)
            row_set = rows[arm].row_set
            told[arm] = [day for day in told[arm] if day in first.get(row_set, told[arm])]
            first.setdefault(row_set, told[arm])
        return told


def _arm(series: Series) -> Arm:
    return series.analysis, series.id.rpartition(".")[2]


def coarse_curve(curve: Series, steps: Series, cell: int, planned: Sequence[int] = ()) -> Series:
    """Points on the grid only, while enough are at risk, and only where enough events (or none) came between.

    `steps` holds who stands behind each point of `curve` after day 0: time_days, at_risk, events. `planned`
    are the days whose survival is told in a row beside the curve: a point that lies too near to one is left out.
    Where no point of the grid is left, those days are drawn, so that the figure is not empty.
    """
    days = kept_days(steps, cell, planned)
    return points_at(curve, steps, [day for day in days if day % GRID_DAYS == 0] or days)


def points_at(curve: Series, steps: Series, days: Sequence[int]) -> Series:
    """The curve at its start and on these days."""
    told = [(float(day), *curve.points[_reached(steps, day)][1:]) for day in days]
    return dataclasses.replace(curve, points=(curve.points[0], *told))


def kept_days(
    steps: Series, cell: int, planned: Sequence[int] = (), among: Collection[int] | None = None
) -> list[int]:
    """The days at which a survival may be told: between two neighbours no event of a kind, or at least `cell`.

    Days of the grid and planned days are one row of days, since their difference tells the events between
    them. A day of the grid gives way to a planned day; of two planned days the later one does. `among`: no other day.
    The end of follow-up is one day more, since the number of all events is told: the last day gives way to it.
    """
    grid, day = [], GRID_DAYS
    # Those at risk at the next step: never more than those at risk on the day of the grid.
    while (place := _reached(steps, day)) < len(steps.points) and number(steps.points[place][1]) >= cell:
        grid.append(day)
        day += GRID_DAYS
    kept = [0]
    for day in sorted({*grid, *planned} if among is None else {*grid, *planned} & {*among}):
        while _few_between(steps, kept[-1], day, cell):
            if day not in planned or kept[-1] in (0, *planned):
                break
            kept.pop()
        else:
            kept.append(day)
    while len(kept) > 1 and _few_between(steps, kept[-1], math.inf, cell):
        kept.pop()
    return kept[1:]


def _reached(steps: Series, day: int) -> int:
    """How many steps lie on or before the day."""
    return sum(number(step[0]) <= day for step in steps.points)


def _few_between(steps: Series, before: int, day: float, cell: int) -> bool:
    """A few events of any kind on the days (before, day]."""
    inside = [step for step in steps.points if before < number(step[0]) <= day]
    kinds = range(_FIRST_COUNT, len(steps.columns))
    return any(is_small(sum(int(number(step[kind])) for step in inside), cell) for kind in kinds)


def number(value: Value) -> float:
    """0 for what is no number."""
    return float(value) if isinstance(value, int | float) else 0.0
