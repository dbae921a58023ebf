"""One person's own value: extremes, days of single events, rows of persons, quantiles in exact days."""

from __future__ import annotations

from collections.abc import Iterator

from deidentify.disclosure.findings import Case, Finding, Rule
from rwd_platform.core.text import Bilingual

RULE = Rule(
    "single_value",
    Bilingual("单个人的数值", "One person's own value"),
    Bilingual("{what_zh}。", "{what}."),
    Bilingual("{remedy_zh}。", "{remedy}."),
)
_EXTREME = Bilingual("极值是某一个人的数值", "An extreme is the value of one person")
_LEAVE_OUT = Bilingual(
    "不予发布；可改用四分位数说明分布", "Leave it out; the spread can be told by quartiles"
)
_ROWS = Bilingual("每个点对应单个人", "Each point belongs to single persons")
_NO_LISTING = Bilingual(
    "不予发布；只有主管部门可以收到逐例清单", "Leave it out; only a competent authority receives listings"
)
_EXACT_DAY = Bilingual(
    "精确到日的分位数是某一个人发生事件的日子",
    "A quantile in exact days is the day on which one person had an event",
)


def find(case: Case) -> Iterator[Finding]:
    days = case.recipient.days
    rounded = Bilingual(f"将其及区间界限取整到 {days} 天", f"Round it and its limits to {days} days")
    for row, field in case.declared():
        if field.minimum == "never" and row.value is not None:
            yield _finding(row.id, _EXTREME, _LEAVE_OUT)
        elif field.type == "quantile" and (step := case.fields.step(row.unit, days)):
            numbers = [one for one in (row.number, row.ci_low, row.ci_high) if one is not None]
            if any(abs(one / step - round(one / step)) > 1e-9 for one in numbers):
                yield _finding(row.id, _EXACT_DAY, rounded)
    for one in case.results.series:
        declared = case.fields.series.get(one.kind)
        if declared is not None and declared.minimum == "never" and one.points:
            yield _finding(one.id, _ROWS, _NO_LISTING)


def _finding(where: str, what: Bilingual, remedy: Bilingual) -> Finding:
    return RULE.finding(where, what=what.en, what_zh=what.zh, remedy=remedy.en, remedy_zh=remedy.zh)
