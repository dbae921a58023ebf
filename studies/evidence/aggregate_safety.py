"""Which adverse events a reader abroad may see: no line of a few people, nor one that leads to a few.

A line is an event, or a kind of it, in one arm. It is withheld where a few had it, all but a few, or everybody;
where a few of those with any event did not have it; where another plan on the same people, or on people of whom they
are a part, gives a slightly different count; and where what is left of "any", once two exclusive lines are taken off,
is few. Numbers of events are withheld throughout: events of lines add up, so one hidden line would be the difference
of the others. So are deaths.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from studies.results import ArdRow, ResultSet, Series, Value

TERM, TERMS = "term", "terms"
_PARTS = (("serious", "serious_unknown"), ("related", "related_unknown"))
# Deaths are reconciled over the whole lock and both arms: fatal lines up to a day, subtracted, would tell of a few.
_NEVER = frozenset({"adverse_events", "codes", "reconciled"})
# A deficiency that came to no harm is no event: it is not a part of "any".
_NOT_OF_ANY = frozenset({"any", "deficiency"})


class Line(NamedTuple):
    analysis: str
    section: str
    variable: str
    group: str

    def other(self, section: str) -> Line:
        return self._replace(section=section, variable="")


class SafetyLines:
    """The rows of the planned safety analyses, and which of them are withheld."""

    def __init__(
        self,
        results: ResultSet,
        analyses: Mapping[str, str],
        cell: int,
        nested: Iterable[ArdRow] = (),
    ) -> None:
        """`analyses`: planned safety analysis -> its population. `nested`: aggregate_nested.inner_rows."""
        self.analyses = analyses
        self._cell = cell
        self._rows = [row for row in results.rows if row.analysis in analyses]
        counts = [row for row in self._rows if row.statistic == "affected"]
        self._subjects = {_line(row): int(row.value) for row in counts if isinstance(row.value, int)}
        self._people = {_line(row): row.n or 0 for row in counts}
        inner = [row for row in nested if row.analysis in analyses]
        self._inner = {row.id for row in inner}
        few = {line for line in self._subjects if self._tells_of_few(line)}
        few |= {_line(row) for row in inner if row.statistic == "affected"}
        self._lines = few | {line for line in self._subjects if self._is_silent_term(line, few)}

    def is_open(self, row: ArdRow) -> bool:
        if row.statistic in _NEVER or _line(row) in self._lines or row.id in self._inner:
            return False
        return row.statistic not in ("reports", "silent_subjects") or not self._is_few(row.value, row.n)

    def named(self, row: ArdRow) -> str:
        """How the account names a row that was withheld: the code of a withheld term would tell that it is there."""
        line = _line(row)
        return f"{row.analysis}.{TERM}" if line.section == TERM and line in self._lines else row.id

    def terms(self, series: Series) -> Series:
        """The codes of which at least one arm's line is open."""
        shown = {
            line.variable
            for line in self._subjects
            if line.analysis == series.analysis and line not in self._lines
        }
        return replace(series, points=tuple(point for point in series.points if point[0] in shown))

    def _is_silent_term(self, line: Line, few: Collection[Line]) -> bool:
        """Nothing of the term would be open but a zero: its code would tell that a few of the other arm had it."""
        arms = [one for one in self._subjects if one[:3] == line[:3]]
        return line.section == TERM and all(one in few or self._subjects[one] == 0 for one in arms)

    def _tells_of_few(self, line: Line) -> bool:
        count = self._subjects[line]
        # Everybody is withheld as well: it tells of each that it happened.
        if self._is_few(count, self._people[line]) or 0 < count == self._people[line]:
            return True
        whole = self._subjects.get(line.other("any"))
        if whole is not None and line.section not in _NOT_OF_ANY and self._is_small(whole - count):
            return True
        if whole is not None and any(self._leaves_few(whole, line, pair) for pair in _PARTS):
            return True
        same = [one for one in self._subjects if one[1:] == line[1:] and self._beside(one, line)]
        return any(self._is_small(abs(self._subjects[one] - count)) for one in same)

    def _leaves_few(self, whole: int, line: Line, pair: tuple[str, str]) -> bool:
        if line.section != pair[1]:
            return False
        return self._is_small(whole - sum(self._subjects.get(line.other(one), 0) for one in pair))

    def _beside(self, one: Line, other: Line) -> bool:
        return one.analysis != other.analysis and self.analyses[one.analysis] == self.analyses[other.analysis]

    def _is_few(self, count: Value, people: int | None) -> bool:
        """A few, or all but a few."""
        if not isinstance(count, int | float):
            return False
        return self._is_small(count) or (people is not None and self._is_small(people - count))

    def _is_small(self, count: float) -> bool:
        return 0 < count < self._cell


def _line(row: ArdRow) -> Line:
    """Of a row's id: `all.safety.term.T81_0.exposed.subjects`. A row of a whole arm has no section."""
    inner = row.id.removeprefix(f"{row.analysis}.").split(".")
    section = inner[0] if len(inner) > 2 or (len(inner) == 2 and not row.group) else ""
    return Line(row.analysis, section, row.variable, row.group)
