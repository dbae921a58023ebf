"""A suite as a Great Expectations suite: for the rows of its table, and for the counts of one check.

Each rule is one stock expectation with its Kahn tags in `meta`. Where a rule compares with something that is
not a column of the table (another table's value, a partial date, an age), the expectation speaks of a
prepared column, `<rule id>:<part>`, and `meta.prepared` says what stands in it. Nothing else is prepared:
whoever has the rows and these columns can judge them with Great Expectations alone.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from quality.rules import DRIFT, MEASURES, Rule, Suite
from rwd_platform.core import columns as core

Batch = Literal["rows", "counts"]
ROWS: Batch = "rows"
COUNTS: Batch = "counts"

# The dates that the Gregorian calendar has, whole or ending at the year or month; a time may follow a day.
_YEAR = r"(?!0000)\d{4}"
_DAYS = (
    r"(0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8])"
).replace("(", "(?:")
_LEAP = r"(?:(?!0000)(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
CALENDAR = rf"(?a)^(?:{_YEAR}(?:-(?:0[1-9]|1[0-2]))?|(?:{_YEAR}-(?:{_DAYS})|{_LEAP})(?:T.*)?)\Z"

VALUE, OTHER, ROWS_THERE, GIVEN, AGE, DAYS = "value", "other", "rows", "given", "age", "days"
_PREPARED = {
    VALUE: "the column's date, cut to the precision that both dates have; empty unless both are dates",
    OTHER: "the value compared with, of the same key, cut as `value` is if it is a date; of a rule that speaks "
    "also where there is none, `value` itself there",
    ROWS_THERE: "how many rows of the other table have the same key",
    GIVEN: "how many rows the rule's `given` table has for this row; it speaks only where there is one",
    AGE: "the completed age at the date that lies nearest to the bounds, of those that the two dates allow",
    DAYS: "days from the event to the upload; empty for events before the hospital's first upload",
}


@functools.cache
def great_expectations() -> Any:
    """Imported on first use: it takes seconds. It is told to send nothing before it can begin to."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations

    return great_expectations


def prepared(rule: Rule, part: str) -> str:
    """The name of a column that is made for one rule."""
    return f"{rule.id}:{part}"


def gx_suite(suite: Suite, batch: Batch = ROWS, rules: Iterable[Rule] | None = None) -> Any:
    """A `gx.ExpectationSuite`: of the table's rows (rules that a row can break), or of a check's counts (all)."""
    gx = great_expectations()
    chosen = list(suite.rules if rules is None else rules)
    if batch == ROWS:
        chosen = [rule for rule in chosen if rule.kind not in MEASURES]
    make = of_rows if batch == ROWS else of_counts
    return gx.ExpectationSuite(
        name=f"{suite.table}.{batch}",
        expectations=[make(rule) for rule in chosen],
        meta={"table": suite.table, "version": suite.version, "sha256": suite.sha256, "batch": batch},
    )


def of_counts(rule: Rule) -> Any:
    """The rule's column holds the share that kept it, or the drift: it must lie within the threshold."""
    bounds = {"max_value": rule.limit} if rule.kind in DRIFT else {"min_value": rule.mostly, "max_value": 1}
    return _make("ExpectColumnValuesToBeBetween", rule, {"column": rule.id, **bounds}, ())


def of_rows(rule: Rule) -> Any:
    """The expectation on the rows themselves."""
    name, arguments, parts = _OF_ROWS[rule.kind](rule)
    return _make(name, rule, {**arguments, "mostly": rule.mostly}, parts, _condition(rule))


def _make(
    name: str, rule: Rule, arguments: Mapping[str, Any], parts: Iterable[str], condition: Any = None
) -> Any:
    if condition is not None:
        arguments = {**arguments, "row_condition": condition}
    meta = {
        "rule": rule.id,
        "kahn": {"category": rule.category, "context": rule.context},
        "reference": rule.reference,
        "zh": rule.text.zh,
        "en": rule.text.en,
    }
    if parts:
        meta["prepared"] = {prepared(rule, part): _PREPARED[part] for part in parts}
    return getattr(great_expectations().expectations, name)(**arguments, meta=meta, severity=rule.severity)


def _condition(rule: Rule) -> Any:
    """Which rows the rule speaks about, as far as stock expectations do not say it by themselves."""
    from great_expectations.expectations.row_conditions import Column

    conditions = [
        Column(column) == {"true": True, "false": False}.get(value, value) for column, value in rule.where
    ]
    if rule.kind in ("reference", "has_row", "other_range", "other_in_set"):
        conditions.append(Column(rule.column or core.PATIENT_ID).is_not_null())
    if rule.given is not None and rule.kind == "reference":
        conditions.append(Column(prepared(rule, GIVEN)) > 0)
    return functools.reduce(lambda one, two: one & two, conditions) if conditions else None


Expectation = tuple[str, dict[str, Any], tuple[str, ...]]


def _between(column: str, low: float | None, high: float | None, *parts: str) -> Expectation:
    return "ExpectColumnValuesToBeBetween", {"column": column, "min_value": low, "max_value": high}, parts


def _not_less(larger: str, smaller: str, *parts: str) -> Expectation:
    arguments = {"column_A": larger, "column_B": smaller, "or_equal": True}
    return (
        "ExpectColumnPairValuesAToBeGreaterThanB",
        {**arguments, "ignore_row_if": "either_value_is_missing"},
        parts,
    )


def _order(rule: Rule, *, value_is_larger: bool) -> Expectation:
    pair = prepared(rule, VALUE), prepared(rule, OTHER)
    return _not_less(*(pair if value_is_larger else reversed(pair)), VALUE, OTHER)


def _pattern(pattern: str) -> str:
    """As the engines read it: ASCII digits, and an end that is the end."""
    return "(?a)" + (pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern)


def _regex(column: str, pattern: str) -> Expectation:
    return "ExpectColumnValuesToMatchRegex", {"column": column, "regex": pattern}, ()


def _in_set(column: str, values: Iterable[str], *parts: str) -> Expectation:
    return "ExpectColumnValuesToBeInSet", {"column": column, "value_set": list(values)}, parts


def _unique(rule: Rule) -> Expectation:
    arguments = {"column_list": list(rule.columns), "ignore_row_if": "any_value_is_missing"}
    return "ExpectCompoundColumnsToBeUnique", arguments, ()


def _there(rule: Rule) -> Expectation:
    parts = (ROWS_THERE,) if rule.given is None else (ROWS_THERE, GIVEN)
    return _between(prepared(rule, ROWS_THERE), 1, None, *parts)


_OF_ROWS: Mapping[str, Callable[[Rule], Expectation]] = {
    "not_null": lambda rule: ("ExpectColumnValuesToNotBeNull", {"column": rule.column}, ()),
    "unique": _unique,
    "in_set": lambda rule: _in_set(rule.column, rule.values),
    "regex": lambda rule: _regex(rule.column, _pattern(rule.pattern)),
    "date": lambda rule: _regex(rule.column, CALENDAR),
    "range": lambda rule: _between(rule.column, rule.min, rule.max),
    "age": lambda rule: _between(prepared(rule, AGE), rule.min, rule.max, AGE),
    "reference": _there,
    "has_row": _there,
    "not_before": lambda rule: _order(rule, value_is_larger=True),
    "not_after": lambda rule: _order(rule, value_is_larger=False),
    "not_after_if_any": lambda rule: _order(rule, value_is_larger=False),
    "at_least": lambda rule: _not_less(rule.column, prepared(rule, OTHER), OTHER),
    "at_most": lambda rule: _not_less(prepared(rule, OTHER), rule.column, OTHER),
    "other_in_set": lambda rule: _in_set(prepared(rule, OTHER), rule.values, OTHER),
    "other_range": lambda rule: _between(prepared(rule, OTHER), rule.min, rule.max, OTHER),
    "timely": lambda rule: _between(prepared(rule, DAYS), None, rule.max, DAYS),
}
