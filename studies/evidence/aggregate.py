"""What a reader abroad may see: results of groups, never of one patient.

`coarsened` is applied to the inputs of an aggregate package before anything is rendered, so that the
results file, the tables, the figures, the page and the documents all show the same, coarser, facts.
Small means 1 to `cell - 1` people; 0 is not small. What is small is withheld together with what it could
be computed from: the other levels of a variable, a step of the attrition, a population that differs from
another one by a few people.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.attrition import AttritionStep
from studies.evidence.inputs import PackageInputs
from studies.reasons import WITHHELD, joined
from studies.results import ArdRow, ResultSet, Series, Value

# A curve may change only here: a quarter of a year, so that no step is a patient's day. It does not depend on
# the protocol: nobody can plan a finer grid than a reader abroad may see.
GRID_DAYS = 90
ROUNDED_DAYS = 30  # a median and its limits are days on which single patients had their events
SMALLEST_CELL = 10  # a protocol may ask for more, never for less
# One person's own value: the extremes of a distribution.
_EXTREMES = frozenset({"propensity_minimum", "propensity_maximum", "weight_maximum", "largest_weight_share"})
# Sentences and names, in which nobody can look for small counts.
_WORDS = frozenset({"claim", "site"})
# What a gate found may be one person's weight, or the difference of a covariate that is withheld.
_GATES_OF_FEW = ("gate.weights.measured", "gate.balance.measured")
# Series of which each point is about a few: those lost, and means of what Table 1 may withhold.
_CLOSED_SERIES = frozenset({"steps", "tipping", "matched"})
# The same people less a few, or in parts: two numbers subtracted tell of those few.
_BY_DIFFERENCE = frozenset({"subgroups", "leave_one_out"})
_OF_A_VARIABLE = frozenset({"subjects", "percent", "weighted_percent", "smd_unweighted"})
# Counts of people that stand as a value, not in `n` or `events`.
_COUNTED = frozenset({"observed", "lost", "failures_to_overturn"})
# Days on which single patients had their events. Means, differences and limits of the plan are nobody's days.
_PATIENTS_DAYS = frozenset({"median", "median_follow_up"})
_DAY = re.compile(r"\.day_([0-9]+)\Z")
Arm = tuple[str, str]
"""analysis, group"""


@dataclass(frozen=True)
class Coarsened:
    """The inputs that may be rendered, and what was done to them, as package.json says it."""

    inputs: PackageInputs
    account: dict[str, Any]


def cell_of(inputs: PackageInputs) -> int:
    return max(SMALLEST_CELL, inputs.protocol.diagnostics.smallest_cell)


def coarsened(inputs: PackageInputs) -> Coarsened:
    """The inputs of an aggregate package; those for an authority come back as they are."""
    if not inputs.is_aggregate:
        return Coarsened(inputs, {})
    cell = cell_of(inputs)
    steps = merged_steps(inputs.attrition, cell)
    parts = [one.id for one in inputs.protocol.analyses if one.method in _BY_DIFFERENCE]
    results = _Results(inputs.results, cell, parts).released()
    kept = set(results.rows)
    changed = dataclasses.replace(
        inputs,
        results=results,
        attrition=steps,
        lock={"id": inputs.results.lock_id},  # the manifest counts people step by step
        quality={},  # its facts count rows
    )
    account = {
        "smallest_cell": cell,
        "curve_grid_days": GRID_DAYS,
        "days_rounded_to": ROUNDED_DAYS,
        # As computed; those told in rounded days are in the results, rounded.
        "withheld_results": [row.id for row in inputs.results.rows if row not in kept],
        "withheld_analyses": [name for name in results.not_done if name not in inputs.results.not_done],
        "attrition_steps_merged": len(inputs.attrition) - len(steps),
        "files": "counts of resources by hospital, not by file",
        "quality": "shares by hospital and dimension; no counts of rows",
        "deidentification": "paths without counts",
        "lock": "its id only",
    }
    return Coarsened(changed, account)


def is_small(count: Any, cell: int) -> bool:
    return isinstance(count, int | float) and 0 < count < cell


# --- attrition ------------------------------------------------------------------------------------------


def merged_steps(steps: Sequence[AttritionStep], cell: int) -> tuple[AttritionStep, ...]:
    """Steps that lost a few people are told together with a neighbour, so that no difference is small."""
    if not steps:
        return ()
    start, *groups = list(steps)
    while any(is_small(group.left, cell) for group in groups):
        place = next(place for place, group in enumerate(groups) if is_small(group.left, cell))
        if len(groups) == 1:
            # All who left are a few: who stayed is told, who left is not.
            return (AttritionStep(_both(start.reason, groups[0].reason), 0, groups[0].remaining),)
        first = min(place, len(groups) - 2)
        one, other = groups[first : first + 2]
        merged = AttritionStep(_both(one.reason, other.reason), one.left + other.left, other.remaining)
        groups[first : first + 2] = [merged]
    return (start, *groups)


def _both(one: Bilingual, other: Bilingual) -> Bilingual:
    return Bilingual(f"{one.zh}；{other.zh}", f"{one.en}; {other.en}")


# --- curves ---------------------------------------------------------------------------------------------


def coarse_curve(curve: Series, steps: Series, cell: int, planned: Sequence[int] = ()) -> Series:
    """Points on the grid only, while enough are at risk, and only where enough events (or none) came between.

    `steps` holds who stands behind each point of `curve` after day 0: time_days, at_risk, events. `planned`
    are the days whose survival is told in a row beside the curve: a point that lies too near to one is left out.
    """
    kept = kept_days(steps, cell, planned)
    points = [curve.points[0]]
    points += [(float(day), *curve.points[_reached(steps, day)][1:]) for day in kept if day % GRID_DAYS == 0]
    return dataclasses.replace(curve, points=tuple(points))


def kept_days(steps: Series, cell: int, planned: Sequence[int] = ()) -> list[int]:
    """The days at which a survival may be told: between two neighbours no event, or at least `cell`.

    Days of the grid and planned days are one row of days, since their difference tells the events between
    them. A day of the grid gives way to a planned day; of two planned days the later one does.
    """
    grid, day = [], GRID_DAYS
    # Those at risk at the next step: never more than those at risk on the day of the grid.
    while (place := _reached(steps, day)) < len(steps.points) and _number(steps.points[place][1]) >= cell:
        grid.append(day)
        day += GRID_DAYS
    kept = [0]
    for day in sorted({*grid, *planned}):
        while is_small(_events_until(steps, day) - _events_until(steps, kept[-1]), cell):
            if day not in planned or kept[-1] in (0, *planned):
                break
            kept.pop()
        else:
            kept.append(day)
    return kept[1:]


def _reached(steps: Series, day: int) -> int:
    """How many steps lie on or before the day."""
    return sum(_number(step[0]) <= day for step in steps.points)


def _events_until(steps: Series, day: int) -> int:
    return sum(int(_number(step[2])) for step in steps.points if _number(step[0]) <= day)


def _number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


# --- results --------------------------------------------------------------------------------------------


class _Results:
    """A run's results, and which of them a reader abroad may see."""

    def __init__(self, results: ResultSet, cell: int, by_difference: Sequence[str]) -> None:
        self.results = results
        self.cell = cell
        self.by_difference = by_difference
        self.told_days = self._told_days()
        self.told_at_risk = self._told_at_risk()
        self.small_sets = self._small_sets()
        self.closed = self._closed()
        self.small_variables = {
            (row.analysis, _first(row.variable))
            for row in results.rows
            if row.variable and row.statistic == "subjects" and self._reveals(row)
        }

    def released(self) -> ResultSet:
        reason = joined(WITHHELD.about(cell=str(self.cell)))
        return dataclasses.replace(
            self.results,
            rows=tuple(_in_round_days(row) for row in self.results.rows if self._is_open(row)),
            series=tuple(self._series()),
            row_sets={
                name: ids for name, ids in self.results.row_sets.items() if name not in self.small_sets
            },
            # Why a part of a closed analysis could not be done may tell of the few that it is closed for.
            not_done={
                **{id: why for id, why in self.results.not_done.items() if not self._is_part_of_closed(id)},
                **dict.fromkeys(self.closed, reason),
            },
        )

    def _small_sets(self) -> set[str]:
        """Row sets of a few people, and those that lack only a few people of another one."""
        people = {name: frozenset(ids) for name, ids in self.results.row_sets.items()}
        small = {name for name, ids in people.items() if is_small(len(ids), self.cell)}
        for name, ids in people.items():
            if any(ids < other and is_small(len(other) - len(ids), self.cell) for other in people.values()):
                small.add(name)
        return small

    def _closed(self) -> list[str]:
        """Analyses of which nothing leaves: a few people or events stand behind one of their results."""
        populations = {name.partition(".")[0] for name in self.small_sets}
        closed = [
            row.analysis
            for row in self.results.rows
            if row.analysis not in ("attrition", "overseas")
            and (
                row.row_set.partition(".")[0] in populations
                or is_small(row.events, self.cell)
                or (is_small(row.n, self.cell) and not row.variable)
                or (row.statistic in _COUNTED and is_small(row.value, self.cell))
                or (row.statistic == "proportion" and self._all_but_a_few(row))
            )
        ]
        return list(dict.fromkeys([*closed, *self.by_difference]))

    def _is_part_of_closed(self, id: str) -> bool:
        return any(id.startswith(f"{analysis}.") for analysis in self.closed)

    def _all_but_a_few(self, row: ArdRow) -> bool:
        """A share of successes tells the failures too."""
        return row.n is not None and row.events is not None and is_small(row.n - row.events, self.cell)

    def _reveals(self, row: ArdRow) -> bool:
        """Few have this level, or all but a few."""
        return is_small(row.value, self.cell) or (
            row.n is not None and is_small(row.n - _number(row.value), self.cell)
        )

    def _is_open(self, row: ArdRow) -> bool:
        if row.analysis in self.closed or row.analysis == "attrition" or row.statistic in _EXTREMES:
            return False
        if (
            row.statistic in _WORDS
            or row.id.endswith(_GATES_OF_FEW)
            or row.id.startswith(f"{row.analysis}.curve.")
        ):
            return False
        if row.statistic in _OF_A_VARIABLE and (row.analysis, _first(row.variable)) in self.small_variables:
            return False
        day = _planned_day(row)
        if row.statistic == "at_risk":
            return day in self.told_at_risk.get((row.analysis, row.group), ())
        if row.statistic == "survival" and row.value is not None:
            return day in self.told_days.get((row.analysis, row.group), ())
        return True

    def _planned(self, statistic: str) -> dict[Arm, dict[int, Value]]:
        """The values at planned days, by analysis and arm, in the order of days."""
        found: dict[Arm, dict[int, Value]] = {}
        for row in self.results.rows:
            day = _planned_day(row)
            if row.statistic == statistic and day is not None:
                found.setdefault((row.analysis, row.group), {})[day] = row.value
        return {arm: dict(sorted(days.items())) for arm, days in found.items()}

    def _told_at_risk(self) -> dict[Arm, list[int]]:
        """Days whose number at risk is told: it is not small, nor fell by a few since the one told before."""
        everybody = {
            (row.analysis, row.group): row.n for row in self.results.rows if row.statistic == "at_risk"
        }
        told: dict[Arm, list[int]] = {}
        for arm, days in self._planned("at_risk").items():
            before = _number(everybody[arm])
            told[arm] = []
            for day, at_risk in days.items():
                fell = before - _number(at_risk)
                if not is_small(at_risk, self.cell) and not is_small(fell, self.cell):
                    told[arm].append(day)
                    before = _number(at_risk)
        return told

    def _told_days(self) -> dict[Arm, list[int]]:
        """Planned days whose survival is told: enough are at risk, and it lies far enough from every other."""
        steps = {one.id: one for one in self.results.series}
        at_risk = self._planned("at_risk")
        told: dict[Arm, list[int]] = {}
        for arm, days in self._planned("survival").items():
            behind = steps.get(f"{arm[0]}.steps.{arm[1]}")
            if behind is None:  # nobody can say how many events lie between two days
                continue
            enough = [day for day in days if _number(at_risk.get(arm, {}).get(day)) >= self.cell]
            kept = kept_days(behind, self.cell, enough)
            told[arm] = [day for day in enough if day in kept]
        return told

    def _series(self) -> Iterable[Series]:
        """Curves on the grid; numbers at risk without the small ones; no step, no single person's difference."""
        by_id = {one.id: one for one in self.results.series}
        for series in self.results.series:
            kind = series.id.removeprefix(f"{series.analysis}.").partition(".")[0]
            if series.analysis in self.closed or series.analysis == "attrition" or kind in _CLOSED_SERIES:
                continue
            if kind == "curve":
                steps = by_id.get(series.id.replace(".curve.", ".steps."))
                if steps is not None:  # without its steps nobody can say who stands behind a point
                    arm = (series.analysis, series.id.rpartition(".")[2])
                    yield coarse_curve(series, steps, self.cell, self.told_days.get(arm, ()))
            elif kind == "at_risk":
                points = tuple(self._shown(series, point) for point in series.points)
                yield dataclasses.replace(series, points=points)
            elif kind == "love":
                yield dataclasses.replace(series, points=tuple(self._love(series)))
            elif kind == "lines":
                yield dataclasses.replace(series, points=tuple(self._lines(series)))
            elif kind != "histogram" or not self._has_small_bins(series):
                yield series

    def _shown(self, series: Series, point: tuple[Value, ...]) -> tuple[Value, ...]:
        """A line of the table under a curve: at day 0 everybody, then what the rows tell of the same days."""
        day, *counts = point
        told = (
            count
            if (day == 0 and not is_small(count, self.cell))
            or day in self.told_at_risk.get((series.analysis, arm), ())
            else None
            for arm, count in zip(series.columns[1:], counts, strict=True)
        )
        return (day, *told)

    def _love(self, series: Series) -> Iterable[tuple[Value, ...]]:
        return (point for point in series.points if (series.analysis, point[0]) not in self.small_variables)

    def _lines(self, series: Series) -> Iterable[tuple[Value, ...]]:
        open_rows = {row.id for row in self.results.rows if self._is_open(row)}
        return (point for point in series.points if point[0] in open_rows)

    def _has_small_bins(self, series: Series) -> bool:
        return any(is_small(count, self.cell) for point in series.points for count in point[2:])


def _in_round_days(row: ArdRow) -> ArdRow:
    if row.unit != "days" or row.statistic not in _PATIENTS_DAYS:
        return row
    value, low, high = (
        float(round(one / ROUNDED_DAYS) * ROUNDED_DAYS) if isinstance(one, int | float) else None
        for one in (row.value, row.ci_low, row.ci_high)
    )
    return dataclasses.replace(row, value=value, ci_low=low, ci_high=high)


def _planned_day(row: ArdRow) -> int | None:
    day = _DAY.search(row.id)
    return int(day[1]) if day else None


def _first(variable: str) -> str:
    """`size.upto20` is a level of `size`."""
    return variable.partition(".")[0]
