"""Few persons or few events behind a number: below the minimum cell nothing leaves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from deidentify.disclosure.fields import Field
from deidentify.disclosure.file_tables import key_of, names_of
from deidentify.disclosure.findings import Case, Finding, Rule, point
from deidentify.disclosure.places import at_risk_of
from deidentify.disclosure.read import PERSONS, Row
from rwd_platform.core.text import Bilingual

RULE = Rule(
    "small_cell",
    Bilingual("小单元", "Small cells"),
    Bilingual("{what_zh}在 1 至 {most} 之间。", "{what} is between 1 and {most}."),
    Bilingual(
        "隐藏该数，或与相邻类别合并至不少于 {minimum}。",
        "Withhold it, or merge it with a neighbour until it is {minimum} or more.",
    ),
)
FRACTION = Rule(
    "share_of_nobody",
    Bilingual("不足一人的百分比", "A share of less than one person"),
    Bilingual(
        "该百分比所对应的人数不足半人，可能是以小数写出的比例。",
        "The percentage stands for less than half a person: it may be a proportion written as a fraction.",
    ),
    Bilingual(
        "请以百分数填写（7.5，而不是 0.075）后重新检查。", "Write percent (7.5 for 0.075) and check again."
    ),
)
_HALF = 0.5
_WHAT = {
    "value": ("人数或事件数", "the number of persons or events"),
    "others": ("其余人数", "the number of all others"),
    "n": ("该结果所依据的人数", "the number of persons behind the result"),
    "events": ("该结果所依据的事件数", "the number of events behind the result"),
    "share": ("该百分比对应的人数", "the number of persons that the percentage stands for"),
    "tail": ("分位数一侧的人数", "the number of persons on one side of the quantile"),
    "at_risk": ("当日仍在随访的人数", "the number still followed on that day"),
    "true": ("取整前的数", "the number before it was rounded"),
}


def find(case: Case) -> Iterator[Finding]:
    both = (*(case.support.rows if case.support else ()), *case.results.rows)
    at_risk = {row.id: row.number for row in both if row.statistic == "at_risk" and row.number is not None}
    true = {row.id: row for row in case.support.rows} if case.support else {}
    for row, field in case.declared():
        for what, count in _behind(row, field, at_risk):
            if case.is_small(count):
                yield _finding(case, row.id, what)
                break
        else:
            before = true.get(row.id)
            if field.type == "count" and row.value is not None and before and case.is_small(before.number):
                yield _finding(case, row.id, "true")
        if field.minimum == "share" and row.number and row.n and row.number * row.n / 100.0 < _HALF:
            yield FRACTION.finding(row.id, outcome="review")
    yield from _others_in_line(case)
    for one, field in case.curves():
        for place, values in enumerate(one.points):
            for name, value in zip(one.columns, values, strict=True):
                kind = (field.columns or {})[name]
                small = (
                    kind in ("count", "at_risk") and isinstance(value, int | float) and case.is_small(value)
                )
                if small and field.minimum != "never" and not _is_exempt(case, one.columns, values):
                    yield _finding(case, point(one.id, place, name), "value")


def _others_in_line(case: Case) -> Iterator[Finding]:
    """In a line of a file: every count beside every column of persons, whatever that one is called."""
    lines: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row, field in case.declared():
        if (row.dims or case.results.is_table) and field.type == "count" and field.part:
            line = row.id.partition(".")[0] if not row.dims else ""
            lines[(line, *names_of(row), *key_of(row))].append(row)
    for rows in lines.values():
        wholes = [row for row in rows if row.statistic in PERSONS and row.number is not None]
        for row in rows:
            count = row.number
            if count is None or case.is_small(count):  # a small count that is printed is a finding of its own
                continue
            asked = row.n is not None and case.is_small(row.n - count)
            beside = [whole.number or 0.0 for whole in wholes if whole.statistic != row.statistic]
            if not asked and any(case.is_small(whole - count) for whole in beside):
                yield _finding(case, row.id, "others")


def _behind(row: Row, field: Field, at_risk: Mapping[str, float]) -> Iterator[tuple[str, float | None]]:
    """Every count that stands behind the row, and what to call it."""
    if row.value is None and field.type != "quantile":
        # Withheld, or not estimable: nothing is told, but `n` and `events` may be.
        yield from (("n", row.n), ("events", row.events))
        return
    value = row.number
    if field.minimum == "value" and value is not None:
        yield "value", value
        # The others of a level are a cell too; an arm's size has no others.
        if field.part and row.n is not None and (row.variable or row.dims or row.statistic != "subjects"):
            yield "others", row.n - value
    elif field.minimum == "share" and value is not None and row.n is not None:
        yield "share", value * row.n / 100.0
        yield "others", row.n - value * row.n / 100.0
    elif field.minimum == "tail" and row.n is not None:
        yield "tail", row.n * field.tail
    elif field.minimum == "at_risk":
        yield "at_risk", at_risk.get(at_risk_of(row.id))
    yield "n", row.n
    yield "events", row.events


def _is_exempt(case: Case, columns: tuple[str, ...], values: tuple[object, ...]) -> bool:
    """A line of a forest plot that quotes a published result."""
    if "result" not in columns:
        return False
    quoted = case.memo.setdefault(
        "quoted", {row.id for row in case.results.rows if case.fields.is_exempt(row)}
    )
    return values[columns.index("result")] in quoted


def _finding(case: Case, where: str, what: str) -> Finding:
    zh, en = _WHAT[what]
    return RULE.finding(where, what=en, what_zh=zh, most=case.minimum - 1, minimum=case.minimum)
