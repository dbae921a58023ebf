"""Results as plain mappings, checked for shape before any rule looks at them.

Two forms come in: the JSON that `studies.results.ResultSet.as_dict` writes, and a small CSV table.

    arm,stage,subjects          dimensions, then columns that fields.toml declares as statistics
    exposed,I,34                a cell that is empty, `*` or `NA` was suppressed
    exposed,Total,61            Total, Sum, Overall, 合计, 小计, 总数 ... (MARGINS) is a margin
    exposed,II/A,12             a slash makes levels: II is the sum of II/A, II/B, ...

Nothing here repeats a value in an error: places only.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deidentify.disclosure.fields import load_fields
from deidentify.disclosure.names import folded, is_plain
from rwd_platform.core.errors import PlatformError, Problem

MARGINS = frozenset(
    {"total", "subtotal", "sub-total", "grand total", "all", "sum", "overall"}
    | {"合计", "小计", "总计", "总数", "总和", "全部", "全体"}
)
SUPPRESSED = frozenset({"", "*", "na", "n/a", "-", "–", "suppressed", "隐藏"})
MOST_ROWS = 2_000_000
LARGEST = 10**18  # no count and no amount of money is larger
_LONGEST_LABEL = 500
_SHOWN = 120

RESULTS_MALFORMED = Problem(
    code="disclosure.results_malformed",
    zh="结果文件不能检查：{where}：{why_zh}。",
    en="The results cannot be checked: {where}: {why}.",
    next_zh="请提供平台写出的结果 JSON，或首行为列名、含已声明统计量列的 CSV 表格。",
    next_en="Give the results JSON that the platform writes, or a CSV table with a header"
    " and at least one declared statistic as a column.",
)


@dataclass(frozen=True)
class Row:
    """One number. `dims` are its place in a table: (dimension, label), the label "" for a margin."""

    id: str
    analysis: str
    group: str
    variable: str
    statistic: str
    value: float | int | str | None
    unit: str = ""
    n: int | None = None
    events: int | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    row_set: str = ""
    dims: tuple[tuple[str, str], ...] = ()
    contributions: tuple[float, ...] | None = None  # to a sum; stays in the enclave
    engine: str = ""  # what computed it; "protocol": quoted from a publication

    @property
    def number(self) -> float | None:
        return float(self.value) if isinstance(self.value, int | float) else None


@dataclass(frozen=True)
class Curve:
    """A series. `kind` is the part of the id after the analysis, up to the next dot."""

    id: str
    analysis: str
    columns: tuple[str, ...]
    points: tuple[tuple[Any, ...], ...]
    row_set: str = ""

    @property
    def kind(self) -> str:
        return self.id.removeprefix(f"{self.analysis}.").partition(".")[0]

    @property
    def part(self) -> str:
        """What follows the kind: the arm of a curve."""
        return self.id.removeprefix(f"{self.analysis}.").partition(".")[2]

    def column(self, name: str) -> int | None:
        return self.columns.index(name) if name in self.columns else None


@dataclass(frozen=True)
class Results:
    """What is to leave. `row_sets`: name -> (subjects, hash or "")."""

    rows: tuple[Row, ...]
    series: tuple[Curve, ...] = ()
    row_sets: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    is_table: bool = False


def read_file(path: Path) -> dict[str, Any]:
    """The mapping of a .json or .csv file. Raises RESULTS_MALFORMED."""
    content = path.read_bytes()
    if path.suffix.lower() == ".csv":
        return table_mapping(content)
    try:
        # NaN and Infinity are no JSON: they are named as what they are.
        document = json.loads(content, parse_constant=_no_constant)
    except PlatformError:
        raise
    except (ValueError, RecursionError):
        raise _malformed("JSON", "it is not valid JSON", "不是有效的 JSON") from None
    if not isinstance(document, dict):
        raise _malformed("JSON", "it is not an object", "不是 JSON 对象")
    return document


def _no_constant(name: str) -> Any:
    raise _malformed("JSON", f"{name} is no number", f"{name} 不是数")


def _malformed(where: str, why: str, why_zh: str) -> PlatformError:
    shown = "".join(letter if letter.isprintable() else "?" for letter in where)[:_SHOWN]
    return RESULTS_MALFORMED.error(where=shown, why=why, why_zh=why_zh)


# -- the mapping -> typed rows -----------------------------------------------------------------------------


def read_results(mapping: Mapping[str, Any]) -> Results:
    """Typed rows and series. Refuses what is no result: NaN, negative counts, ids that occur twice."""
    rows = _list(mapping, "rows")
    series = _list(mapping, "series")
    if len(rows) > MOST_ROWS:
        raise _malformed("rows", f"more than {MOST_ROWS:,}", f"超过 {MOST_ROWS:,} 行")
    typed = tuple(_row(place, row) for place, row in enumerate(rows))
    curves = tuple(_series(place, one) for place, one in enumerate(series))
    seen: set[str] = set()
    places = (
        *(f"rows[{place}]" for place in range(len(typed))),
        *(f"series[{at}]" for at in range(len(curves))),
    )
    for where, name in zip(places, (*(row.id for row in typed), *(one.id for one in curves)), strict=True):
        if name in seen:
            raise _malformed(where, "this id occurs twice", "编号重复")
        seen.add(name)
    return Results(typed, curves, _row_sets(mapping), is_table=bool(mapping.get("table")))


def _list(mapping: Mapping[str, Any], name: str) -> Sequence[Any]:
    found = mapping.get(name, [])
    if not isinstance(found, list | tuple):
        raise _malformed(name, "a list is needed", "应为列表")
    return found


def _row(place: int, row: Any) -> Row:
    where = f"rows[{place}]"
    if not isinstance(row, Mapping):
        raise _malformed(where, "an object is needed", "应为对象")
    statistic = _text(row, "statistic", where, needed=True)
    declared = load_fields().statistics.get(statistic)
    value = row.get("value")
    if value is not None and not isinstance(value, str):
        value = _finite(value, f"{where}.value")
        if declared is not None and declared.type == "count" and value < 0:
            raise _malformed(f"{where}.value", "a count below 0", "计数为负")
    return Row(
        id=_text(row, "id", where, needed=True),
        analysis=_text(row, "analysis", where),
        group=_text(row, "group", where),
        variable=_text(row, "variable", where),
        statistic=statistic,
        value=value,
        unit=_text(row, "unit", where),
        n=_count(row, "n", where),
        events=_count(row, "events", where),
        ci_low=_number(row, "ci_low", where),
        ci_high=_number(row, "ci_high", where),
        row_set=_text(row, "row_set", where),
        dims=_dims(row, where),
        contributions=_contributions(row, where),
        engine=_text(row, "engine", where),
    )


def _dims(row: Mapping[str, Any], where: str) -> tuple[tuple[str, str], ...]:
    dims = row.get("dims")
    if dims is None:
        return ()
    if not isinstance(dims, Mapping) or not all(
        isinstance(name, str) and isinstance(label, str) and len(label) <= _LONGEST_LABEL
        for name, label in dims.items()
    ):
        raise _malformed(f"{where}.dims", "an object of texts is needed", "应为文本对象")
    return tuple((name, _label(label)) for name, label in dims.items())


def _contributions(row: Mapping[str, Any], where: str) -> tuple[float, ...] | None:
    found = row.get("contributions")
    if found is None:
        return None
    if not isinstance(found, list | tuple):
        raise _malformed(f"{where}.contributions", "a list is needed", "应为列表")
    return tuple(float(_finite(one, f"{where}.contributions")) for one in found)


def _series(place: int, one: Any) -> Curve:
    where = f"series[{place}]"
    if not isinstance(one, Mapping):
        raise _malformed(where, "an object is needed", "应为对象")
    columns = _list(one, "columns")
    points = _list(one, "points")
    if not all(isinstance(name, str) for name in columns):
        raise _malformed(f"{where}.columns", "names are needed", "应为列名")
    for point in points:
        if not isinstance(point, list | tuple) or len(point) != len(columns):
            raise _malformed(f"{where}.points", "a point does not fit the columns", "点与列数不符")
        for value in point:
            if value is not None and not isinstance(value, str):
                _finite(value, f"{where}.points")
    return Curve(
        id=_text(one, "id", where, needed=True),
        analysis=_text(one, "analysis", where),
        columns=tuple(columns),
        points=tuple(tuple(point) for point in points),
        row_set=_text(one, "row_set", where),
    )


def _row_sets(mapping: Mapping[str, Any]) -> dict[str, tuple[int, str]]:
    found = mapping.get("row_sets", {})
    if not isinstance(found, Mapping):
        raise _malformed("row_sets", "an object is needed", "应为对象")
    sets = {}
    for place, (name, one) in enumerate(found.items()):
        where = f"row_sets.{name}" if is_plain(str(name)) else f"row_sets[{place}]"
        if not isinstance(one, Mapping):
            raise _malformed(where, "an object is needed", "应为对象")
        subjects = _count(one, "subjects", where)
        sets[str(name)] = (subjects or 0, _text(one, "sha256", where))
    return sets


def _text(row: Mapping[str, Any], name: str, where: str, *, needed: bool = False) -> str:
    value = row.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST_LABEL or (needed and not value):
        raise _malformed(f"{where}.{name}", "a short text is needed", "应为不超过 500 字的文本")
    return value


def _finite(value: Any, where: str) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _malformed(where, "a number is needed", "应为数字")
    if (isinstance(value, int) and abs(value) > LARGEST) or not math.isfinite(value):
        raise _malformed(where, "it is not finite, or too large", "不是有限数，或过大")
    return value


def _number(row: Mapping[str, Any], name: str, where: str) -> float | None:
    value = row.get(name)
    return None if value is None else float(_finite(value, f"{where}.{name}"))


def _count(row: Mapping[str, Any], name: str, where: str) -> int | None:
    value = row.get(name)
    if value is None:
        return None
    number = _finite(value, f"{where}.{name}")
    if number < 0 or number != int(number):
        raise _malformed(f"{where}.{name}", "no whole number from 0 on", "不是非负整数")
    return int(number)


# -- a CSV table -> the mapping ----------------------------------------------------------------------------


def table_mapping(content: bytes) -> dict[str, Any]:
    """A table as rows with `dims`: one row for every cell of a column that is a declared statistic."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _malformed("CSV", "it is not UTF-8", "不是 UTF-8 文本") from None
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        raise _malformed("CSV", "the quoting is broken", "引号不配对") from None
    if not lines:
        raise _malformed("CSV", "there is no header", "没有表头")
    statistics = load_fields().statistics
    # A statistic is known in any case and width; a dimension keeps the name that it was given.
    header = [folded(name) if folded(name) in statistics else name.strip() for name in lines[0]]
    values = [place for place, name in enumerate(header) if name in statistics]
    if not values or len({folded(name) for name in header}) != len(header):
        raise _malformed(
            "CSV header",
            "it needs different names and a declared statistic",
            "表头缺少已声明的统计量或列名重复",
        )
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in line):
            continue
        if len(line) != len(header):
            raise _malformed(f"line {number}", "it does not fit the header", "列数与表头不符")
        rows += _cells(number, line, header, values)
    if not rows:
        raise _malformed("CSV", "there is no line below the header", "表头之下没有数据行")
    return {"table": True, "rows": rows, "series": [], "row_sets": {}}


def _cells(number: int, line: list[str], header: list[str], values: list[int]) -> list[dict[str, Any]]:
    dims = {name: _label(line[place]) for place, name in enumerate(header) if place not in values}
    whole = next((place for place in values if header[place] == "n"), None)
    n = _cell(line[whole], number, "n") if whole is not None else None
    return [
        {
            "id": f"line{number}.{header[place]}",
            "analysis": "table",
            "statistic": header[place],
            "value": _cell(line[place], number, header[place]),
            "n": None if n is None or place == whole else n,
            "dims": dims,
        }
        for place in values
    ]


def _label(text: str) -> str:
    label = text.strip()
    return "" if folded(label) in MARGINS else label


def _cell(text: str, number: int, column: str) -> float | int | None:
    cleaned = text.strip().replace(",", "").replace("，", "")
    if cleaned.lower() in SUPPRESSED:
        return None
    try:
        value = float(cleaned)
    except ValueError:
        raise _malformed(f"line {number}, {column}", "it is no number", "不是数字") from None
    if not math.isfinite(value):
        raise _malformed(f"line {number}, {column}", "it is not finite", "不是有限数")
    return int(value) if value.is_integer() else value
