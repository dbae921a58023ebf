"""What a reader abroad may see: results of groups, never of one patient.

`coarsened` is applied to the inputs of an aggregate package before anything is rendered, so that the
results file, the tables, the figures, the page and the documents all show the same, coarser, facts.
Small means 1 to `cell - 1` people; 0 is not small. What is small is withheld together with what it could
be computed from: the other levels of a variable, a step of the attrition, a population that differs from
another one by a few people.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.attrition import AttritionStep
from studies.evidence.aggregate_curves import (
    CURVES,
    GRID_DAYS,
    ToldDays,
    is_small,
    number,
)
from studies.evidence.aggregate_nested import inner_rows
from studies.evidence.aggregate_safety import SafetyLines
from studies.evidence.inputs import PackageInputs
from studies.evidence.profiles.profile import Profile
from studies.planned import PlannedAnalysis
from studies.protocol import Protocol
from studies.reasons import WITHHELD, joined
from studies.results import ArdRow, ResultSet, Series, Value

ROUNDED_DAYS = 30  # a median and its limits are days on which single patients had their events
SMALLEST_CELL = 10  # a protocol or a purpose may ask for more, never for less
# One person's own value: the extremes of a distribution.
_EXTREMES = frozenset({"propensity_minimum", "propensity_maximum", "weight_maximum", "largest_weight_share"})
# Sentences and names, in which nobody can look for small counts.
_WORDS = frozenset({"claim", "site"})
# What a gate found may be one person's weight, or the difference of a covariate that is withheld.
_GATES_OF_FEW = ("gate.weights.measured", "gate.balance.measured")
# Series of which each point is about a few: those lost, and means of what Table 1 may withhold.
_CLOSED_SERIES = frozenset({"steps", "causes", "over_time", "tipping", "bounds", "map", "matched"})
# The same people less a few, or in parts: two numbers subtracted tell of those few.
_BY_DIFFERENCE = frozenset({"subgroups", "leave_one_out"})
_OF_A_VARIABLE = frozenset({"subjects", "percent", "weighted_percent", "smd_unweighted"})
# Counts of people that stand as a value, not in `n` or `events`.
_COUNTED = frozenset(
    {"observed", "lost", "failed", "followed", "failures_to_overturn", "failures_to_miss", "turns_at"}
)
# Of matched people the effective size is their number: a few short of the arm's, it tells how many found no match.
_MATCHED = frozenset({"matched", "effective_sample_size"})
# What is told of other analyses is closed with any of them: a range has their values at its ends.
_MADE_OF_OTHERS = frozenset({"specification", "tipping_point"})
# Days on which single patients had their events. Means, differences and limits of the plan are nobody's days.
_PATIENTS_DAYS = frozenset({"median", "median_follow_up", "median_onset"})


@dataclass(frozen=True)
class Coarsened:
    """The inputs that may be rendered, and what was done to them, as package.json says it."""

    inputs: PackageInputs
    account: dict[str, Any]


@dataclass(frozen=True)
class ToldAbroad:
    """What may be told of a run, and what was done to it. Whoever has the lock finds the same again."""

    results: ResultSet
    attrition: tuple[AttritionStep, ...]
    account: dict[str, Any]


def cell_of(inputs: PackageInputs) -> int:
    """The fewest people behind a number: the most that is asked by us, the protocol, or the purpose for its reader."""
    return smallest_cell_of(inputs.protocol, inputs.dossier.profile if inputs.dossier is not None else None)


def smallest_cell_of(protocol: Protocol, profile: Profile | None) -> int:
    asked = profile.smallest_cell if profile is not None else 0
    return max(SMALLEST_CELL, protocol.diagnostics.smallest_cell, asked)


def coarsened(inputs: PackageInputs) -> Coarsened:
    """The inputs of an aggregate package; those for an authority come back as they are."""
    if not inputs.is_aggregate:
        return Coarsened(inputs, {})
    told = told_abroad(inputs.results, inputs.protocol, inputs.attrition, cell_of(inputs))
    changed = dataclasses.replace(
        inputs,
        results=told.results,
        attrition=told.attrition,
        lock={"id": inputs.results.lock_id},  # the manifest counts people step by step
        quality={},  # its facts count rows
        withheld=tuple(told.account["withheld_analyses"]),
    )
    return Coarsened(changed, told.account)


def told_abroad(
    found: ResultSet, protocol: Protocol, attrition: Sequence[AttritionStep], cell: int
) -> ToldAbroad:
    """What an aggregate package tells of a run, and its account of the rest."""
    releasing = _Results(found, protocol.analyses, cell)
    results = releasing.released()
    sizes = {len(ids) for ids in results.row_sets.values()}
    steps = _far_from(merged_steps(attrition, cell), sizes, cell)
    kept = set(results.rows)
    account = {
        "smallest_cell": cell,
        "curve_grid_days": GRID_DAYS,
        "days_rounded_to": ROUNDED_DAYS,
        # As computed; those told in rounded days are in the results, rounded.
        "withheld_results": list(
            dict.fromkeys(releasing.safety.named(row) for row in found.rows if row not in kept)
        ),
        "withheld_analyses": [name for name in results.not_done if name not in found.not_done],
        "attrition_steps_merged": len(attrition) - len(steps),
        "files": "counts of resources by hospital, not by file",
        "quality": "shares by hospital and dimension; no counts of rows",
        "deidentification": "paths without counts",
        "lock": "its id only",
    }
    return ToldAbroad(results, steps, account)


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


def _far_from(steps: Sequence[AttritionStep], sizes: Collection[int], cell: int) -> tuple[AttritionStep, ...]:
    """Told together with the next step where who remained is a few more or less than people told of in the results: the
    one subtracted from the other tells of those few. Of the last step who remained is analysed, and stays.
    """
    told = list(steps)
    place = 0
    while place < len(told) - 1:
        one, other = told[place : place + 2]
        if any(is_small(abs(one.remaining - size), cell) for size in sizes):
            left = 0 if place == 0 else one.left + other.left
            told[place : place + 2] = [AttritionStep(_both(one.reason, other.reason), left, other.remaining)]
        else:
            place += 1
    return tuple(told)


def _both(one: Bilingual, other: Bilingual) -> Bilingual:
    return Bilingual(f"{one.zh}；{other.zh}", f"{one.en}; {other.en}")


# --- results --------------------------------------------------------------------------------------------


class _Results:
    """A run's results, and which of them a reader abroad may see."""

    def __init__(self, results: ResultSet, analyses: Sequence[PlannedAnalysis], cell: int) -> None:
        self.results = results
        self.matched = {one.id for one in analyses if one.weights == "matched"}
        self.by_difference = [one.id for one in analyses if one.method in _BY_DIFFERENCE]
        self.made_of = {one.id: (one.of, *one.compares) for one in analyses if one.method in _MADE_OF_OTHERS}
        # Counts of a part of a population that differ by a few from those of the whole.
        self.nested = list(inner_rows(results, {one.id: one.method for one in analyses}, cell))
        safety = {one.id: one.population for one in analyses if one.method == "safety"}
        self.safety = SafetyLines(results, safety, cell, self.nested)
        self.cell = cell
        self.told = ToldDays(results, cell)
        self.small_sets = self._small_sets()
        self.closed = self._closed()
        of_a_part = {row.id for row in self.nested}
        self.small_variables = {
            (row.analysis, _first(row.variable))
            for row in results.rows
            if row.variable and row.statistic == "subjects" and (self._reveals(row) or row.id in of_a_part)
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
                or (row.analysis not in self.safety.analyses and self._closes(row))
            )
        ]
        closed += [
            row.analysis
            for row in self.nested
            if row.analysis not in self.safety.analyses and row.statistic != "subjects"
        ]
        first = {*closed, *self.by_difference}
        with_them = [id for id, of in self.made_of.items() if first.intersection(of)]
        return list(dict.fromkeys([*closed, *self.by_difference, *with_them]))

    def _closes(self, row: ArdRow) -> bool:
        """Of safety single lines are withheld; every other analysis is closed as a whole."""
        return (
            is_small(row.events, self.cell)
            or (is_small(row.n, self.cell) and not row.variable)
            or (row.statistic in _COUNTED and is_small(row.value, self.cell))
            or (row.statistic == "proportion" and self._all_but_a_few(row))
            or (row.statistic in _MATCHED and row.analysis in self.matched and self._reveals(row))
        )

    def _is_part_of_closed(self, id: str) -> bool:
        return any(id.startswith(f"{analysis}.") for analysis in self.closed)

    def _all_but_a_few(self, row: ArdRow) -> bool:
        """A share of successes tells the failures too."""
        return row.n is not None and row.events is not None and is_small(row.n - row.events, self.cell)

    def _reveals(self, row: ArdRow) -> bool:
        """Few have this level, or all but a few."""
        return is_small(row.value, self.cell) or (
            row.n is not None and is_small(row.n - number(row.value), self.cell)
        )

    def _is_open(self, row: ArdRow) -> bool:
        if row.analysis in self.closed or row.analysis == "attrition" or row.statistic in _EXTREMES:
            return False
        if row.analysis in self.safety.analyses:
            return self.safety.is_open(row)
        if (
            row.statistic in _WORDS
            or row.id.endswith(_GATES_OF_FEW)
            or row.id.startswith(f"{row.analysis}.curve.")
        ):
            return False
        if row.statistic in _OF_A_VARIABLE and (row.analysis, _first(row.variable)) in self.small_variables:
            return False
        return self.told.is_open(row)

    def _series(self) -> Iterable[Series]:
        """Curves on the grid; numbers at risk without the small ones; no step, no single person's difference."""
        for series in self.results.series:
            kind = series.id.removeprefix(f"{series.analysis}.").partition(".")[0]
            if series.analysis in self.closed or series.analysis == "attrition" or kind in _CLOSED_SERIES:
                continue
            if series.analysis in self.safety.analyses:
                yield self.safety.terms(series)
            elif kind in CURVES:
                coarse = self.told.coarse(series)
                if coarse is not None:
                    yield coarse
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
            or day in self.told.at_risk.get((series.analysis, arm), ())
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


def _first(variable: str) -> str:
    """`size.upto20` is a level of `size`."""
    return variable.partition(".")[0]
