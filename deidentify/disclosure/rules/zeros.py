"""Nobody and everybody: 0 % and 100 % say something about each person of the group."""

from __future__ import annotations

from collections.abc import Iterator

from deidentify.disclosure.fields import Field
from deidentify.disclosure.findings import Case, Finding, Rule
from deidentify.disclosure.read import Row
from rwd_platform.core.text import Bilingual

RULE = Rule(
    "zero_or_all",
    Bilingual("零与全体", "Nobody and everybody"),
    Bilingual(
        "该数说明组内{who_zh}如此，等同于披露组内每名成员的信息。",
        "The number says that {who} of the group, which tells it of each person.",
    ),
    Bilingual("隐藏该数，或与另一类别合并。", "Withhold it, or merge it with another level."),
)


def find(case: Case) -> Iterator[Finding]:
    if not case.recipient.zeros:
        return
    for row, field in case.declared():
        who = _who(row, field)
        if who:
            yield RULE.finding(row.id, who=who[1], who_zh=who[0])


def _who(row: Row, field: Field) -> tuple[str, str] | None:
    value = row.number
    if value is None or field.structural_zeros:
        return None
    nobody, everybody = ("无人", "nobody"), ("人人", "everybody")
    if field.type == "share":
        return nobody if value <= 0 else everybody if value >= 100 else None
    # A curve at 1 says that nothing has happened yet, at 0 that it happened to everybody.
    if field.type == "time_to_event":
        return everybody if value <= 0 else None
    if field.type != "count" or not field.part:
        return None
    is_statement = bool(row.variable) or row.statistic != "subjects" or bool(row.dims)
    if not is_statement:
        return None
    if value == 0 and (row.n is None or row.n > 0):
        return nobody
    return everybody if row.n and value == row.n else None
