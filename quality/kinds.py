"""Rules as expressions of the query engine: does a rule speak about a row, and does the row fail it.

A row without the value in question is one that the rule does not speak about; that it is missing is the
business of `not_null`. Dates are FHIR text and may be partial: two dates are compared as far as both go.
Only what every engine has is used: text, whole numbers and comparisons, and no arithmetic on dates.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quality.rules import Other, Rule
from rwd_platform.core import columns as core
from rwd_platform.core.errors import Exit, Problem

# ibis comes without types: its tables and expressions are Any here.
Expr = Any
Verdict = tuple[Expr, Expr]
"""How much of a row the rule speaks about, and how much of that fails: booleans, or whole person-days."""

DATE = r"^\d{4}(-\d{2}(-\d{2}(T.*)?)?)?$"
WHOLE_DATE = r"^\d{4}-\d{2}-\d{2}"
_FITS: Mapping[str, Callable[[Any], bool]] = {
    "integer": lambda kind: bool(kind.is_integer()),
    "decimal": lambda kind: bool(kind.is_numeric()),
    "boolean": lambda kind: bool(kind.is_boolean()),
}

TABLE_MALFORMED = Problem(
    code="quality.table_malformed",
    zh="表 {table} 的列 {column} 缺失或类型不符，无法检查其质量。",
    en="Column {column} of table {table} is missing or of another type, so its quality cannot be checked.",
    next_zh="请核对该表的 ViewDefinition 与 quality/suites 中的列。",
    next_en="Compare the table's ViewDefinition with the columns in quality/suites.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)


@dataclass(frozen=True)
class Lookup:
    """A table of the engine, one row a key: `key_<n>`, the picked `value`, and how many `rows` there were."""

    number: int
    rows: Expr

    @property
    def value(self) -> str:
        return f"other_{self.number}_value"

    @property
    def count(self) -> str:
        return f"other_{self.number}_rows"


@dataclass(frozen=True)
class Seen:
    """What one rule sees of a row: `rows` with the lookups joined, the columns' FHIR types, the lookups."""

    rows: Expr
    rule: Rule
    kinds: Mapping[str, str]
    lookups: Mapping[Other, Lookup]

    def column(self, name: str) -> Expr:
        """A column, if it is there and of the suite's type; `quality.table_malformed` else."""
        if name not in self.rows.columns:
            raise TABLE_MALFORMED.error(table=self.rule.table, column=name)
        column, kind = self.rows[name], self.kinds.get(name, "string")
        if column.type().is_null():
            return column.cast(
                {"integer": "int64", "decimal": "float64", "boolean": "boolean"}.get(kind, "string")
            )
        if not _FITS.get(kind, lambda kind: bool(kind.is_string()))(column.type()):
            raise TABLE_MALFORMED.error(table=self.rule.table, column=name)
        return column

    @property
    def value(self) -> Expr:
        return self.column(self.rule.column)

    @property
    def other(self) -> Expr:
        assert self.rule.other is not None  # noqa: S101 - the suite's reader has checked the kind's keys
        if self.rule.other.table is None:
            return self.column(self.rule.other.column)
        return self.looked_up(self.rule.other)

    def looked_up(self, other: Other | None) -> Expr:
        return self.rows[self._lookup(other).value]

    def count(self, other: Other | None) -> Expr:
        return self.rows[self._lookup(other).count].fill_null(0)

    def _lookup(self, other: Other | None) -> Lookup:
        assert other is not None  # noqa: S101 - the suite's reader has checked the kind's keys
        if other not in self.lookups:
            for name in other.key:
                self.column(name)  # a key that the table lacks is named, and not what it would have led to
            raise TABLE_MALFORMED.error(table=other.table, column=other.column)
        return self.lookups[other]

    @property
    def among(self) -> tuple[Expr, ...]:
        """Whether the row is one of those that `where` names, column by column."""
        return tuple(equals(self.column(name), value) for name, value in self.rule.where)


@dataclass(frozen=True)
class Asked:
    """What one rule asks, in parts that other rules of the table ask too: a pass works each of them out once.

    among   -- whether the row is one of those that `where` names, column by column
    applies -- how much of such a row the rule speaks about: yes or no, or whole person-days
    fails   -- how much of that breaks it
    """

    among: tuple[Expr, ...]
    applies: Expr
    fails: Expr
    in_days: bool = False

    @property
    def parts(self) -> tuple[Expr, ...]:
        return (*self.among, self.applies, self.fails)

    def verdict(self, parts: Sequence[Expr]) -> Verdict:
        """What the rule says of each row, from its parts, in their order, as columns of any table.

        A row that it does not speak about fails nothing.
        """
        *among, applies, fails = parts
        if not self.in_days:
            spoken = functools.reduce(operator.and_, [*among, applies])
            return spoken.fill_null(False), (spoken & fails).fill_null(False)
        for named in among:
            applies, fails = named.ifelse(applies, 0), named.ifelse(fails, 0)
        return applies.fill_null(0), fails.fill_null(0)


def equals(column: Expr, value: str) -> Expr:
    if column.type().is_boolean():
        return column if value == "true" else ~column
    return column == (float(value) if column.type().is_numeric() else value)


def asked(seen: Seen) -> Asked:
    """The rule as expressions; `quality.table_malformed` if a column that it needs is not there."""
    applies, fails = _KINDS[seen.rule.kind](seen)
    return Asked(seen.among, applies, fails, seen.rule.unit == "person_days")


def matches(text: Expr, pattern: str) -> Expr:
    """The same on every engine: some let `$` stand before a last line end, so that none may be there."""
    return text.re_search(pattern) & ~text.contains("\n")


def _not_null(seen: Seen) -> Verdict:
    import ibis

    return ibis.literal(True), seen.value.isnull()


def _unique(seen: Seen) -> Verdict:
    import ibis

    columns = [seen.column(name) for name in seen.rule.columns]
    named = functools.reduce(operator.and_, (column.notnull() for column in columns))
    return named, seen.rows.count().over(ibis.window(group_by=columns)) > 1


def _in_set(seen: Seen) -> Verdict:
    return seen.value.notnull(), ~seen.value.isin(seen.rule.values)


def _other_in_set(seen: Seen) -> Verdict:
    return seen.value.notnull() & seen.other.notnull(), ~seen.other.isin(seen.rule.values)


def _other_range(seen: Seen) -> Verdict:
    outside = (seen.other < seen.rule.min) | (seen.other > seen.rule.max)
    return seen.value.notnull() & seen.other.notnull(), outside


def _regex(seen: Seen) -> Verdict:
    return seen.value.notnull(), ~matches(seen.value, seen.rule.pattern)


def _range(seen: Seen) -> Verdict:
    return seen.value.notnull(), (seen.value < seen.rule.min) | (seen.value > seen.rule.max)


def _date(seen: Seen) -> Verdict:
    text = seen.value
    whole = (text.substr(0, 10) + "-01-01").substr(0, 10)
    exists = matches(text, DATE) & whole.try_cast("date").notnull() & (text.substr(0, 4) != "0000")
    return text.notnull(), ~exists


def _both_dates(seen: Seen) -> Expr:
    return matches(seen.value, DATE) & matches(seen.other, DATE)


def shared(seen: Seen) -> tuple[Expr, Expr]:
    """Both dates, cut to the precision that both have: 1987-03 is neither before nor after 1987."""
    import ibis

    length = ibis.least(seen.value.length(), seen.other.length(), 10)
    return seen.value.substr(0, length), seen.other.substr(0, length)


def _not_before(seen: Seen) -> Verdict:
    value, other = shared(seen)
    return _both_dates(seen), value < other


def _not_after(seen: Seen) -> Verdict:
    value, other = shared(seen)
    return _both_dates(seen), value > other


def _not_after_if_any(seen: Seen) -> Verdict:
    """Asked of every date, so that how many rows are of the dead is not told by how often the rule was asked."""
    value, other = shared(seen)
    return matches(seen.value, DATE), _both_dates(seen) & (value > other)


def _at_least(seen: Seen) -> Verdict:
    return seen.value.notnull() & seen.other.notnull(), seen.value < seen.other


def _at_most(seen: Seen) -> Verdict:
    return seen.value.notnull() & seen.other.notnull(), seen.value > seen.other


def _age(seen: Seen) -> Verdict:
    """Fails only if no completed age that the two dates allow lies within the bounds."""
    birth_year, year = seen.other.substr(0, 4).try_cast("int64"), seen.value.substr(0, 4).try_cast("int64")
    full = (seen.value.length() >= 10) & (seen.other.length() >= 10)
    before_birthday = seen.value.substr(5, 5) < seen.other.substr(5, 5)
    years = year - birth_year
    highest = years - (full & before_birthday).cast("int64")
    lowest = years - (~full | before_birthday).cast("int64")
    return _both_dates(seen), (highest < seen.rule.min) | (lowest > seen.rule.max)


def _reference(seen: Seen) -> Verdict:
    spoken = seen.value.notnull()
    if seen.rule.given is not None:
        spoken = spoken & (seen.count(seen.rule.given) > 0)
    return spoken, seen.count(seen.rule.other) == 0


def _has_row(seen: Seen) -> Verdict:
    return seen.column(core.PATIENT_ID).notnull(), seen.count(seen.rule.other) == 0


def day_number(text: Expr) -> Expr:
    """The Julian day number of a whole date in text (Fliegel and Van Flandern 1968); null for any other text.

    Whole numbers only: engines differ in how they subtract dates, and a day that the calendar lacks must not
    stop the pass.
    """
    year, month, day = (
        text.substr(start, length).try_cast("int64") for start, length in ((0, 4), (5, 2), (8, 2))
    )
    early = (month <= 2).cast("int64")
    years, months = year + 4800 - early, month + 12 * early - 3
    days = (153 * months + 2) // 5 + day
    number = days + 365 * years + years // 4 - years // 100 + years // 400 - 32045
    return matches(text.substr(0, 10), WHOLE_DATE + "$").ifelse(number, None).cast("int64")


def _timely(seen: Seen) -> Verdict:
    """Days from the event to the upload that brought it. What is older than the first upload is history."""
    event, received = day_number(seen.value), day_number(seen.other)
    since = day_number(seen.looked_up(seen.rule.given))
    return (event >= since) & received.notnull(), received - event > int(seen.rule.max)


def _follow_up(seen: Seen) -> Verdict:
    """Clark's C in person-days: what could have been followed until death or closing, and what was not.

    The closing date is the latest contact that the hospital has with anybody. Who is known to have died was
    followed to the end.
    """
    import ibis

    hospital = ibis.window(group_by=[seen.column(core.ORGANISATION_ID)])
    start, last = day_number(seen.column(seen.rule.start)), day_number(seen.value)
    died = day_number(seen.other)
    potential = ibis.greatest(ibis.coalesce(died, last.max().over(hospital)) - start, 0)
    observed = ibis.least(ibis.greatest(ibis.coalesce(died, last) - start, 0), potential)
    known = start.notnull() & (last.notnull() | died.notnull())
    return known.ifelse(potential, 0), known.ifelse(potential - observed, 0)


def _drift(seen: Seen) -> Verdict:
    """Counted as a distribution (`bins_of`), and judged on it: no row fails by itself."""
    import ibis

    return ibis.literal(True), ibis.literal(False)


def bins_of(seen: Seen) -> dict[str, Expr]:
    """Which of the rule's bins a row falls in: by name, in order. `missing` is one, `other` is what is not named."""
    value, rule = seen.value, seen.rule
    if rule.values:
        bins = {name: value == name for name in rule.values}
        bins["other"] = value.notnull() & ~value.isin(rule.values)
    else:
        edges = (None, *rule.cuts, None)
        bins = {}
        for low, high in itertools.pairwise(edges):
            above = value.notnull() if low is None else value > low
            bins[bin_name(low, high)] = above if high is None else above & (value <= high)
    bins["missing"] = value.isnull()
    among = seen.among
    return {
        name: functools.reduce(operator.and_, among, inside).fill_null(False) for name, inside in bins.items()
    }


def bin_name(low: float | None, high: float | None) -> str:
    """`(2, 10]` in words that JSON and a page show alike."""
    if low is None:
        return f"<= {high:g}"
    return f"> {low:g}" if high is None else f"> {low:g} to {high:g}"


_KINDS: Mapping[str, Callable[[Seen], Verdict]] = {
    "not_null": _not_null,
    "unique": _unique,
    "in_set": _in_set,
    "regex": _regex,
    "date": _date,
    "range": _range,
    "age": _age,
    "reference": _reference,
    "has_row": _has_row,
    "not_before": _not_before,
    "not_after": _not_after,
    "not_after_if_any": _not_after_if_any,
    "at_least": _at_least,
    "at_most": _at_most,
    "other_in_set": _other_in_set,
    "other_range": _other_range,
    "timely": _timely,
    "follow_up": _follow_up,
    "drift_uploads": _drift,
    "drift_hospitals": _drift,
}
