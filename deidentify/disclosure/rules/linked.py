"""A number from which a withheld count can be had is withheld with it: a share, a difference between arms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from deidentify.disclosure.file_tables import key_of, names_of
from deidentify.disclosure.findings import Case, Finding, Rule, point
from deidentify.disclosure.read import Row
from rwd_platform.core.text import Bilingual

RULE = Rule(
    "linked",
    Bilingual("可由其他结果推算", "Told by another result"),
    Bilingual(
        "该类别的人数已隐藏，但可由此数推算。", "The level's count is withheld, and this number tells it."
    ),
    Bilingual("与该人数一并隐藏。", "Withhold it together with the count."),
)


@dataclass
class _Analysis:
    """What one analysis prints about its arms."""

    arms: set[str] = field(default_factory=set)
    counted: set[tuple[str, str]] = field(default_factory=set)  # (level, arm) with a printed count
    numbers: set[str] = field(default_factory=set)  # variables that have a mean, and so no count

    def hides(self, level: str, arm: str = "") -> bool:
        """Whether a count of the level is missing: in that arm, or in any arm for a difference between them."""
        if level in self.numbers:
            return False
        return any((level, one) not in self.counted for one in ({arm} if arm else self.arms))


def find(case: Case) -> Iterator[Finding]:
    """Looked at where an analysis counts its arms: there the count of a level is missing only if withheld."""
    analyses = _analyses(case)
    for row, declared in case.declared():
        analysis = analyses.get(row.analysis)
        if analysis is None or not declared.reveals or row.value is None:
            continue
        if analysis.hides(row.variable, row.group):
            yield RULE.finding(row.id)
    yield from _points(case, analyses)
    yield from _lines(case)


def _lines(case: Case) -> Iterator[Finding]:
    """Beside a withheld count of the same place: a percentage of it. Rates are looked at in rates.py."""
    places: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row, _ in case.declared():
        if row.dims or case.results.is_table:
            # Without labels a line is told from the next by its number.
            line = row.id.partition(".")[0] if not row.dims else ""
            places[(line, *names_of(row), *key_of(row))].append(row)
    for _, rows in sorted(places.items()):
        hidden = {row.statistic for row in rows if row.value is None}
        counts = {name for name in hidden if case.fields.statistics[name].type == "count"}
        for row in rows:
            field = case.fields.statistics[row.statistic]
            if row.value is not None and field.reveals and counts:
                yield RULE.finding(row.id)


def _analyses(case: Case) -> dict[str, _Analysis]:
    found: dict[str, _Analysis] = {}
    for row in case.results.rows:
        if row.statistic == "subjects" and row.group:
            analysis = found.setdefault(row.analysis, _Analysis())
            analysis.arms.add(row.group)
            if row.variable and row.value is not None:
                analysis.counted.add((row.variable, row.group))
    for row in case.results.rows:
        if row.statistic == "mean" and row.analysis in found:
            found[row.analysis].numbers.add(row.variable)
    return found


def _points(case: Case, analyses: dict[str, _Analysis]) -> Iterator[Finding]:
    for one, declared in case.curves():
        revealing = [name for name, kind in (declared.columns or {}).items() if kind == "reveals"]
        variable, level = one.column("variable"), one.column("level")
        analysis = analyses.get(one.analysis)
        if not revealing or variable is None or level is None or analysis is None:
            continue
        for place, values in enumerate(one.points):
            name = ".".join(part for part in (str(values[variable]), str(values[level])) if part)
            for column in revealing:
                if values[one.columns.index(column)] is not None and analysis.hides(name):
                    yield RULE.finding(point(one.id, place, column))
