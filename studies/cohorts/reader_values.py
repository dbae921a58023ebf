"""The leaves of a `cohort:` section: tests of columns, days, dates, picks. Every refusal names path and line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

from studies.cohorts.definition import Bound, Count, DateShift, Operator, Pick, Side, Test, Value
from studies.cohorts.tables import PATIENT, EventTable, Model, known_columns
from studies.yaml_reader import FARTHEST_DAYS, Node, nearest

_SIDES = ("start", "end")
_COMPARISONS: Mapping[str, Operator] = {
    "is": "eq", "is_not": "ne", "at_least": "ge", "more_than": "gt", "at_most": "le", "less_than": "lt",
}  # fmt: skip
_TEXTS: Mapping[str, Operator] = {"starts_with": "starts", "ends_with": "ends", "contains": "contains"}
_ORDERED = ("at_least", "more_than", "at_most", "less_than", "between", "not_between")
_KEYS = (*_COMPARISONS, *_TEXTS, "between", "not_between", "none_of", "recorded", "unit")
_DAYS = ("start_date", "end_date")
_NUMBERS = ("days", "age", "age_at_end", "calendar_age", "calendar_age_at_end")

Kind = Literal["number", "day", "text", "flag"]


def tests_of(node: Node, model: Model, table: EventTable | None) -> tuple[Test, ...]:
    """A mapping of columns to what their values must be; all must hold. `table` None: of the patient."""
    tests: list[Test] = []
    known = known_columns(model, table)
    for name, value in node.pairs():
        column = name if table is not None or name in (*_DAYS, *_NUMBERS) else f"{PATIENT}.{name}"
        if column not in known:
            names = [one if table is not None else one.removeprefix(f"{PATIENT}.") for one in known]
            near_zh, near_en = nearest(name, names)
            raise value.wrong(
                f"条件不能使用这一列{near_zh}；可用：{'、'.join(names)}",
                f"no test may speak of this column{near_en}; known are {', '.join(names)}",
            )
        tests += _tests(column, value, table)
    if not tests:
        raise node.wrong("至少需要一个条件", "at least one test is needed")
    return tuple(tests)


def kind_of(column: str, table: EventTable | None) -> Kind:
    """What the values of a column are."""
    if column in _DAYS:
        return "day"
    if table and column in table.flags:
        return "flag"
    return "number" if column in _NUMBERS or (table and column in table.quantities) else "text"


def _tests(column: str, node: Node, table: EventTable | None) -> list[Test]:
    """`value`, `[values]`, or a mapping of comparisons; `unit` beside them is a test of the unit's column."""
    kind = kind_of(column, table)
    if isinstance(node.value, list):
        return [Test(column, "in", _values(node, kind))]
    if not isinstance(node.value, dict):
        return [Test(column, "eq", (_value(node, kind),))]
    node.keys((), _KEYS)
    tests = [_comparison(column, key, value, kind) for key, value in node.pairs() if key != "unit"]
    if not tests:
        raise node.wrong("至少需要一个比较", "at least one comparison is needed")
    if node.has("unit"):
        unit = table.quantities.get(column, "") if table else ""
        if not unit:
            raise node.at("unit").wrong("这一列没有单位列", "no unit stands beside this column")
        tests.append(Test(unit, "eq", (node.at("unit").text(),)))
    return tests


def _comparison(column: str, key: str, node: Node, kind: Kind) -> Test:
    if kind == "flag":
        raise node.wrong(
            "该列只能写 true 或 false", "this column is true or false, and nothing else is asked of it"
        )
    if key in _ORDERED and kind == "text":
        raise node.wrong("文本列不能比较大小", "a column of text has no order")
    if key in _TEXTS and kind != "text":
        raise node.wrong("该比较只用于文本列", "this comparison is one of text")
    if key in _COMPARISONS:
        return Test(column, _COMPARISONS[key], (_value(node, kind),))
    if key in _TEXTS:
        return Test(column, _TEXTS[key], (node.text(),))
    if key in ("between", "not_between"):
        low, high = (_value(one, kind) for one in pair(node))
        return Test(column, cast(Operator, key), (low, high))
    if key == "none_of":
        return Test(column, "not_in", _values(node, kind))
    return Test(column, "not_null" if node.truth() else "is_null")


def _values(node: Node, kind: Kind) -> tuple[Value, ...]:
    return tuple(_value(one, kind) for one in node.items(least=1))


def _value(node: Node, kind: Kind) -> Value:
    if kind == "flag":
        return node.truth()
    if kind == "text":
        return node.text()
    if kind == "day":
        return node.day()
    whole = isinstance(node.value, int) and not isinstance(node.value, bool)
    return node.integer() if whole else node.number()


def pair(node: Node) -> tuple[Node, Node]:
    items = node.items()
    if len(items) != 2:
        raise node.wrong("应为两个值 [低, 高]", "two values [low, high] are expected")
    return items[0], items[1]


def bounds(node: Node) -> tuple[Bound, Bound]:
    """[from, to] in days from the index; null is as far as is observed."""
    first, last = pair(node)
    start = Bound(None if first.value is None else day_number(first), -1)
    return start, Bound(None if last.value is None else day_number(last), 1)


def sides(node: Node) -> tuple[Side, Side]:
    """Which date of the event is counted, and from which date of the index event."""
    if not node.has("dates"):
        return "start", "start"
    dates = node.at("dates").keys((), ("event", "index"))
    event, index = (
        dates.at(key).choice(*_SIDES) if dates.has(key) else "start" for key in ("event", "index")
    )
    return cast(Side, event), cast(Side, index)


def side(node: Node) -> Side:
    return cast(Side, node.choice(*_SIDES))


def shift_of(node: Node) -> DateShift:
    node.keys((), ("start_from", "start_days", "end_from", "end_days"))
    return DateShift(
        start_from=side(node.at("start_from")) if node.has("start_from") else "start",
        start_days=day_number(node.at("start_days")) if node.has("start_days") else 0,
        end_from=side(node.at("end_from")) if node.has("end_from") else "end",
        end_days=day_number(node.at("end_days")) if node.has("end_days") else 0,
    )


def count_of(node: Node) -> Count:
    body = node.keys((), ("at_least", "at_most", "exactly", "distinct"))
    named = [key for key in ("at_least", "at_most", "exactly") if body.has(key)]
    if len(named) != 1:
        raise body.wrong(
            "须恰有 at_least、at_most、exactly 之一", "one of at_least, at_most, exactly is needed"
        )
    distinct = body.at("distinct").choice("day", "code", "visit") if body.has("distinct") else ""
    column = {"day": "start_date"}.get(distinct, distinct)
    operator = cast(Literal["at_least", "at_most", "exactly"], named[0])
    return Count(operator, not_negative(body.at(named[0])), column)


def pick_of(node: Node, key: str, default: Pick) -> Pick:
    return cast(Pick, node.at(key).choice("all", "first", "last")) if node.has(key) else default


def day_number(node: Node) -> int:
    """Days before (negative) or after."""
    number = node.integer()
    if abs(number) > FARTHEST_DAYS:
        raise node.wrong(f"天数不能超过 {FARTHEST_DAYS}", f"more than {FARTHEST_DAYS} days")
    return number


def not_negative(node: Node) -> int:
    number = day_number(node)
    if number < 0:
        raise node.wrong("不能为负", "it may not be negative")
    return number


def positive(node: Node) -> int:
    number = not_negative(node)
    if number == 0:
        raise node.wrong("须大于 0", "it must be more than 0")
    return number


def calendar(node: Node) -> tuple[str, str]:
    """First and last day, "" where open."""
    node.keys((), ("from", "to"))
    first, last = (node.at(key).day() if node.has(key) else "" for key in ("from", "to"))
    if not (first or last):
        raise node.wrong("需要 from 或 to", "from or to is needed")
    return first, last
