"""A rate and the time it is a rate of: their product is the number of events, whether that is printed or not.

Numerator: rate x person-time / unit. Where it is 1 to minimum - 1 the rate tells a small count; where the count is
withheld, the rate and the time tell it together. Denominator: events / rate is the person-time, so that a withheld
person-time is told too.

A rate is printed with few decimals, and so is the time: the product is an interval of half a unit of the last decimal
on either side. Only whole numbers in it can be the count.

A rate beside persons and without any time is most often a share: `n = 40, mortality 2.5` is one death. It is read as
percent and, up to 1, as a fraction too. A reading of less than half a person cannot be meant.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from deidentify.disclosure.fields import Field
from deidentify.disclosure.file_tables import key_of, names_of
from deidentify.disclosure.findings import Case, Finding, Outcome, Rule
from deidentify.disclosure.read import Row
from rwd_platform.core.text import Bilingual

UNITS = (1.0, 100.0, 1_000.0, 10_000.0, 100_000.0)  # person-years that rates are commonly given per
_MOST_DECIMALS = 12
_HALF = 0.5

SMALL = Rule(
    "rate_small_numerator",
    Bilingual("由率与人时可得小事件数", "A rate that tells a small number of events"),
    Bilingual(
        "该率与人时相乘，可得事件数在 1 至 {most} 之间。",
        "This rate times its person-time gives a number of events between 1 and {most}.",
    ),
    Bilingual(
        "隐藏该率（或人时），或合并至事件数不少于 {minimum}。",
        "Withhold the rate or the person-time, or merge until there are {minimum} events or more.",
    ),
)
AS_SHARE = Rule(
    "rate_as_share",
    Bilingual("无人时的率", "A rate without person-time"),
    Bilingual(
        "该率没有对应的人时；按百分比或比例乘以人数，得到的人数或其余人数少于 {minimum}。",
        "The rate has no person-time; taken as percent or as a fraction of the persons, it or its rest is less than"
        " {minimum} persons.",
    ),
    Bilingual(
        "隐藏该率，或合并至不少于 {minimum} 人；如为人时率，请给出人年。",
        "Withhold the rate, or merge until it is {minimum} persons or more; give the person-years of a rate over time.",
    ),
)
UNCLEAR = Rule(
    "rate_unclear",
    Bilingual("含义不明的率", "A rate that nobody can read"),
    Bilingual(
        "该率没有对应的人时，也无法判断是百分比还是比例。",
        "The rate has no person-time, and it may be percent, a fraction or per some other number.",
    ),
    Bilingual(
        "请将列名写为“百分比”并以百分数填写，或给出人年后重新检查。",
        "Name the column `percent` and write percent, or give the person-years, and check again.",
    ),
)
TOLD = Rule(
    "rate_tells",
    Bilingual("由率可推算隐藏的数", "A rate that tells what is withheld"),
    Bilingual(
        "{what_zh}已隐藏，但可由该率与同一行的另一个数算出。",
        "The {what} is withheld, and this rate tells it together with the other number of its line.",
    ),
    Bilingual("将该率一并隐藏。", "Withhold the rate as well."),
)


def find(case: Case) -> Iterator[Finding]:
    known = {row.id: row for row in case.support.rows} if case.support else {}
    for rows in _lines(case).values():
        for row in rows.values():
            field = case.fields.statistics[row.statistic]
            if field.of and row.number is not None:
                yield from _one_rate(case, row, field, rows, known)


def _one_rate(
    case: Case, row: Row, field: Field, line: Mapping[str, Row], known: Mapping[str, Row]
) -> Iterator[Finding]:
    time, count = _number(line.get(field.of)), _number(line.get(field.gives))
    if count is None:
        count = row.events
    if time is None and count and _was_withheld(field.of, row, line, known):
        yield TOLD.finding(row.id, what="person-time", what_zh="人时")
        return
    if time is None and not field.per:
        yield from _without_time(case, row, count, _was_withheld(field.gives, row, line, known))
        return
    if time is None or case.is_small(count):  # a small count that is printed is a finding of its own
        return
    if count is None and _was_withheld(field.gives, row, line, known):
        yield TOLD.finding(row.id, what="number of events", what_zh="事件数")
        return
    if count is None and row.number and any(_is_small(case, row.number, time, per) for per in _units(field)):
        outcome: Outcome = "fail" if field.per else "review"
        yield SMALL.finding(row.id, outcome=outcome, most=case.minimum - 1, minimum=case.minimum)


def _without_time(case: Case, row: Row, count: float | None, is_withheld: bool) -> Iterator[Finding]:
    """A rate of persons alone, read as percent and as a fraction of them; `count` is what is printed beside it."""
    rate, persons = row.number, row.n
    if rate is None or not persons:  # without persons: rules/support.py
        return
    if rate in (0, 1, 100):
        if case.recipient.zeros:
            yield AS_SHARE.finding(row.id, minimum=case.minimum)
        return
    readings = [rate * persons / 100.0] if rate < 100 else []
    readings += [rate * persons] if rate < 1 else []
    slack = 0.5 * 10.0 ** -decimals(rate) * persons
    if count is not None and any(
        abs(count - one) <= slack * (1.0 if rate < 1 and one == readings[-1] else 0.01) for one in readings
    ):
        return  # what the rate tells is printed, and looked at as a count
    meant = [one for one in readings if one >= _HALF]
    if is_withheld and meant:
        yield TOLD.finding(row.id, what="number of events", what_zh="事件数")
    elif any(case.is_small(one) or case.is_small(persons - one) for one in meant):
        yield AS_SHARE.finding(row.id, minimum=case.minimum)
    elif len(meant) != 1:
        yield UNCLEAR.finding(row.id, outcome="review")


def _units(field: Field) -> Sequence[float]:
    return (field.per,) if field.per else UNITS


def _is_small(case: Case, rate: float, time: float, per: float) -> bool:
    """Whether a whole number from 1 to minimum - 1 fits the printed rate and time."""
    slack_rate, slack_time = (0.5 * 10.0 ** -decimals(value) for value in (rate, time))
    low = max(0.0, rate - slack_rate) * max(0.0, time - slack_time) / per
    high = (rate + slack_rate) * (time + slack_time) / per
    first = max(1, math.ceil(low - 1e-9))
    return first <= high + 1e-9 and first < case.minimum


def decimals(value: float) -> int:
    """The decimals with which a number is printed; for a whole one none."""
    digits = f"{value:.{_MOST_DECIMALS}f}".rstrip("0")
    return len(digits.partition(".")[2])


def _number(row: Row | None) -> float | None:
    return row.number if row is not None else None


def _was_withheld(name: str, row: Row, line: Mapping[str, Row], known: Mapping[str, Row]) -> bool:
    """Blank in its line of a table, or a row of the platform that the enclave has and the results have not."""
    if name in line:
        return line[name].value is None
    return f"{row.id.removesuffix(row.statistic)}{name}" in known


def _lines(case: Case) -> Mapping[tuple[str, ...], dict[str, Row]]:
    """The rows that stand in one line, by statistic: of one place of a table, or of one arm of an analysis."""
    lines: dict[tuple[str, ...], dict[str, Row]] = {}
    for row, _ in case.declared():
        own = ("id", row.id.removesuffix(row.statistic))
        place = ("table", *names_of(row), *key_of(row)) if row.dims else own
        lines.setdefault(place, {}).setdefault(row.statistic, row)
    return lines
