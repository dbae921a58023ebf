"""The parts of a sentence about a cohort: values, codes, windows. Words are in words.toml."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.cohorts.definition import Bound, CodeTest, DateShift, Operator, Side, Test, Value, Window

FEW_CODES = 12  # so many codes are read out; of more the first three, how many there are and their digest
_OPERATORS: Mapping[Operator, tuple[str, str]] = {
    "lt": ("小于 {}", "less than {}"),
    "le": ("至多 {}", "at most {}"),
    "eq": ("为 {}", "is {}"),
    "ne": ("不为 {}", "is not {}"),
    "ge": ("至少 {}", "at least {}"),
    "gt": ("大于 {}", "more than {}"),
    "between": ("在 {} 至 {} 之间（含两端）", "between {} and {} (both included)"),
    "not_between": ("不在 {} 至 {} 之间（两端亦不可）", "not between {} and {} (nor either of them)"),
    "in": ("为 {} 之一", "one of {}"),
    "not_in": ("有记录且不为 {} 之一", "recorded and none of {}"),
    "is_null": ("未记录", "not recorded"),
    "not_null": ("有记录", "recorded"),
    "starts": ("以 {} 开头", "starts with {}"),
    "not_starts": ("不以 {} 开头", "does not start with {}"),
    "ends": ("以 {} 结尾", "ends with {}"),
    "not_ends": ("不以 {} 结尾", "does not end with {}"),
    "contains": ("含 {}", "contains {}"),
    "not_contains": ("不含 {}", "does not contain {}"),
}
_CJK_GAP = re.compile("(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])")  # no blank between two Chinese words
_AGES = ("age", "age_at_end", "calendar_age", "calendar_age_at_end")


@cache
def words() -> Mapping[str, Any]:
    return tomllib.loads((Path(__file__).parent / "words.toml").read_text(encoding="utf-8"))


def joined(parts: Sequence[Bilingual], zh: str = "，", en: str = ", ") -> Bilingual:
    return Bilingual(zh.join(one.zh for one in parts), en.join(one.en for one in parts))


def table_words(table: str) -> tuple[str, str, str]:
    """zh, en for one, en for several."""
    zh, one, several = words()["tables"].get(
        table, (f"{table} 记录", f"record of {table}", f"records of {table}")
    )
    return zh, one, several


# -- codes -----------------------------------------------------------------------------------------


def codes_text(test: CodeTest, *, with_title: bool) -> Bilingual:
    """`ICD-10 C50.9`, `代码表 breast-cancer@1：…`; a column other than the table's own code is named."""
    pairs = sorted(test.codes.pairs)
    shown = pairs if len(pairs) <= FEW_CODES else pairs[:3]
    listed = _listed(shown)
    zh, en = listed, listed
    if not pairs:
        zh, en = "没有任何代码", "no code at all"
    elif len(shown) < len(pairs):
        digest = hashlib.sha256(repr(pairs).encode("utf-8")).hexdigest()[:8]
        zh = f"{listed} 等共 {len(pairs)} 个代码，校验值 {digest}"
        en = f"{listed} and more, {len(pairs)} codes in all, digest {digest}"
    name = _title(test.codes.name)
    if "@" in test.codes.name:
        zh, en = f"代码表 {name.zh}：{zh}", f"code list {name.en}: {en}"
    elif name.zh and with_title:
        zh, en = f"{name.zh}：{zh}", f"{name.en}: {en}"
    if test.excluded:
        zh, en = f"代码不属于 {zh}", f"a code other than {en}"
    if test.column != "code":
        zh, en = f"{test.column} 列：{zh}", f"in {test.column}: {en}"
    return Bilingual(zh, en)


def title_of(codes: Sequence[CodeTest]) -> Bilingual:
    """What the codes stand for, if they are one list with a title and not one to be left out."""
    name = codes[0].codes.name if len(codes) == 1 and not codes[0].excluded else ""
    return Bilingual("", "") if "@" in name else _title(name)


def _title(name: str) -> Bilingual:
    """Titles are `zh · en`, as those of the tables."""
    zh, _, en = name.partition(" · ")
    return Bilingual(zh, en or zh)


def _listed(pairs: Sequence[tuple[str, str]]) -> str:
    of_system: dict[str, list[str]] = {}
    for system, code in pairs:
        of_system.setdefault(system, []).append(code)
    names = words()["systems"]
    return "; ".join(
        f"{names.get(system, system)} {', '.join(codes)}".strip() for system, codes in of_system.items()
    )


# -- tests -----------------------------------------------------------------------------------------


def tests_text(
    tests: Sequence[Test], table: str, quantities: Mapping[str, str], separator: str = "，"
) -> Bilingual:
    """All tests, in their order; a unit stands behind the numbers that it is the unit of."""
    units: dict[str, str] = {}
    hidden: set[int] = set()
    for column, unit in quantities.items():
        of_unit = [at for at, one in enumerate(tests) if unit and one.column == unit]
        numbered = any(one.column == column and one.values for one in tests)
        if numbered and len(of_unit) == 1 and tests[of_unit[0]].operator == "eq":
            units[column] = str(tests[of_unit[0]].values[0])
            hidden.update(of_unit)
    parts = [
        test_text(one, table, units.get(one.column, "")) for at, one in enumerate(tests) if at not in hidden
    ]
    return joined(parts, separator, " and ")


def test_text(test: Test, table: str, unit: str = "") -> Bilingual:
    zh_column, en_column = column_words(test.column)
    zh, en = _OPERATORS[test.operator]
    values = [value_words(table, test.column, one) for one in test.values]
    tail = Bilingual(f" {unit}" if unit else "", f" {unit}" if unit else "")
    if test.column in _AGES and test.values:
        tail = Bilingual(" 岁", "")
    if test.operator in ("in", "not_in"):
        values = [joined(values, "、", ", ")]
    said = zh.format(*(one.zh for one in values))
    return Bilingual(
        _CJK_GAP.sub("", f"{zh_column}{said}{tail.zh}"),
        f"{en_column} {en.format(*(one.en for one in values))}{tail.en}",
    )


def column_words(column: str) -> Bilingual:
    zh, en = words()["columns"].get(column, (column, column))
    return Bilingual(zh, en)


def value_words(table: str, column: str, value: Value) -> Bilingual:
    if isinstance(value, bool):
        return Bilingual("是", "yes") if value else Bilingual("否", "no")
    known = words()["values"].get(column if "." in column else f"{table}.{column}", {})
    if value in known:
        return Bilingual(*known[value])
    text = f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
    return Bilingual(text, text)


def adjectives(test: Test, table: str) -> Bilingual | None:
    """The words that a test of a state puts before the event; None where it has to stand behind."""
    known = words()["adjectives"].get(f"{table}.{test.column}", {})
    if test.operator not in ("eq", "in") or not test.values or not all(one in known for one in test.values):
        return None
    return joined([Bilingual(*known[one]) for one in test.values], "或", " or ")


# -- days ------------------------------------------------------------------------------------------

INDEX = Bilingual("起始日", "the index date")
EVENT_DAY = Bilingual("该事件日", "the day of that event")


def window_text(window: Window, anchor: Bilingual, *, observed: bool) -> Bilingual:
    """When an event must be, counted from `anchor`."""
    if window.index == "end":
        ended = (
            Bilingual("起始事件", "the index event") if anchor == INDEX else Bilingual("该事件", "that event")
        )
        anchor = Bilingual(f"{ended.zh}结束日", f"the last day of {ended.en}")
    text = _span(window.start, window.end, anchor)
    if window.event == "end":
        text = Bilingual(f"{text.zh}结束（按结束日计）", f"{text.en} (counted by its last day)")
    if not observed:
        text = Bilingual(f"{text.zh}（不限于观察期）", f"{text.en} (observed or not)")
    return text


def _span(start: Bound, end: Bound, anchor: Bilingual) -> Bilingual:
    zh, en = anchor
    first, last = start.days, end.days
    if first is not None and last is not None:
        return _between(first, last, anchor)
    if first is None and last is None and (start.side, end.side) == (-1, 1):
        return Bilingual(f"{zh}前后任何时间", f"at any time before or after {en}")
    if first is None and start.side == -1 and last in (0, -1):
        return (
            Bilingual(f"{zh}当日及以前", f"on or before {en}")
            if last == 0
            else Bilingual(f"{zh}以前（不含当日）", f"before {en}")
        )
    if last is None and end.side == 1 and first in (0, 1):
        return (
            Bilingual(f"{zh}当日及以后", f"on or after {en}")
            if first == 0
            else Bilingual(f"{zh}以后（不含当日）", f"after {en}")
        )
    from_, to = _edge(start, anchor), _edge(end, anchor)
    return Bilingual(f"自{from_.zh}至{to.zh}", f"from {from_.en} to {to.en}")


def _between(first: int, last: int, anchor: Bilingual) -> Bilingual:
    zh, en = anchor
    if first == last:
        day = _day(first, anchor)
        return Bilingual(day.zh + ("当日" if first == 0 else "当天"), f"on {day.en}")
    if last == 0 and first < 0:
        return Bilingual(f"{zh}前 {-first} 天内（含当日）", f"in the {-first} days up to and including {en}")
    if last == -1 and first < -1:
        return Bilingual(f"{zh}前 {-first} 天内（不含当日）", f"in the {-first} days before {en}")
    if first == 0 and last > 0:
        return Bilingual(f"{zh}起 {last} 天内（含当日）", f"from {en} to {last} days after")
    if first < last < 0:
        return Bilingual(f"{zh}前 {-first} 天至前 {-last} 天", f"from {-first} to {-last} days before {en}")
    if 0 < first < last:
        return Bilingual(f"{zh}后 {first} 天至后 {last} 天", f"from {first} to {last} days after {en}")
    from_, to = _day(first, anchor), _day(last, anchor)
    return Bilingual(f"{from_.zh}至{to.zh}", f"from {from_.en} to {to.en}")


def _day(days: int, anchor: Bilingual) -> Bilingual:
    if days == 0:
        return anchor
    where_zh, where_en = ("前", "before") if days < 0 else ("后", "after")
    return Bilingual(f"{anchor.zh}{where_zh} {abs(days)} 天", f"{abs(days)} days {where_en} {anchor.en}")


def _edge(bound: Bound, anchor: Bilingual) -> Bilingual:
    if bound.days is not None:
        return _day(bound.days, anchor)
    if bound.side == -1:
        return Bilingual("观察期第一天", "the first observed day")
    return Bilingual("观察期最后一天", "the last observed day")


def shift_text(shift: DateShift) -> Bilingual:
    start = _moved(shift.start_from, shift.start_days)
    end = _moved(shift.end_from, shift.end_days)
    return Bilingual(
        f"开始日改计为{start.zh}，结束日改计为{end.zh}",
        f"taken to start on {start.en} and to end on {end.en}",
    )


def _moved(side: Side, days: int) -> Bilingual:
    names = {"start": Bilingual("原开始日", "its first day"), "end": Bilingual("原结束日", "its last day")}
    return _day(days, names[side])
