"""Results as plain mappings, checked for shape before any rule looks at them.

Two forms come in: the JSON that `studies.results.ResultSet.as_dict` writes, and a small CSV table.

    arm,stage,subjects          dimensions, then columns that fields.toml declares, by any name of headers.csv
    exposed,I,34                a cell that is empty, `*` or `NA` was suppressed
    exposed,Total,61            Total, All patients, 合 计, 全部患者 ... (margins.toml) is a margin
    exposed,II/A,12             a slash makes levels: II is the sum of II/A, II/B, ...

Nothing here repeats a value in an error: places only.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deidentify.disclosure.fields import load_fields
from deidentify.disclosure.headers import shown_statistics, statistic_of
from deidentify.disclosure.labels import is_margin
from deidentify.disclosure.malformed import check_count, finite, is_number, malformed
from deidentify.disclosure.names import folded, is_plain
from rwd_platform.core.errors import PlatformError

SUPPRESSED = frozenset({"", "*", "na", "n/a", "-", "–", "suppressed", "隐藏"})
MOST_ROWS = 2_000_000
_LONGEST_LABEL = 500
_NUMBERS = frozenset(
    {"time_days", "survival", "ci_low", "ci_high", "hazard_ratio", "smd_weighted"}
    | {"cumulative_incidence", "competing_incidence", "competing_ci_low", "competing_ci_high"}
)
PERSONS = ("subjects", "patients", "persons", "n", "count")  # the same persons, whatever a column calls them
_GROUPED = re.compile(
    r"[-+]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?%?"
)  # 1,200: a comma stands before three digits


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
    columns: Mapping[str, int] = field(default_factory=dict)  # of a file: a dimension's place, from 1


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
        raise malformed("JSON", "it is not valid JSON", "不是有效的 JSON") from None
    if not isinstance(document, dict):
        raise malformed("JSON", "it is not an object", "不是 JSON 对象")
    return document


def _no_constant(name: str) -> Any:
    raise malformed("JSON", f"{name} is no number", f"{name} 不是数")


# -- the mapping -> typed rows -----------------------------------------------------------------------------


def read_results(mapping: Mapping[str, Any]) -> Results:
    """Typed rows and series. Refuses what is no result: NaN, negative counts, ids that occur twice."""
    rows = _list(mapping, "rows")
    series = _list(mapping, "series")
    if len(rows) > MOST_ROWS:
        raise malformed("rows", f"more than {MOST_ROWS:,}", f"超过 {MOST_ROWS:,} 行")
    typed = tuple(_row(place, row) for place, row in enumerate(rows))
    curves = tuple(_series(place, one) for place, one in enumerate(series))
    # Two lists, each with ids of its own: a series may be named as the row that counts its points.
    _check_ids("rows", [row.id for row in typed])
    _check_ids("series", [one.id for one in curves])
    return Results(typed, curves, _row_sets(mapping), bool(mapping.get("table")), _columns(mapping))


def _check_ids(kind: str, ids: Sequence[str]) -> None:
    seen: set[str] = set()
    for place, id in enumerate(ids):
        if id in seen:
            raise malformed(f"{kind}[{place}]", "this id occurs twice", "编号重复")
        seen.add(id)


def _columns(mapping: Mapping[str, Any]) -> dict[str, int]:
    found = mapping.get("columns", {})
    if not isinstance(found, Mapping):
        raise malformed("columns", "an object is needed", "应为对象")
    return {str(name): _count(found, name, "columns") or 0 for name in found}


def _list(mapping: Mapping[str, Any], name: str) -> Sequence[Any]:
    found = mapping.get(name, [])
    if not isinstance(found, list | tuple):
        raise malformed(name, "a list is needed", "应为列表")
    return found


def _row(place: int, row: Any) -> Row:
    where = f"rows[{place}]"
    if not isinstance(row, Mapping):
        raise malformed(where, "an object is needed", "应为对象")
    statistic = _text(row, "statistic", where, needed=True)
    declared = load_fields().statistics.get(statistic)
    value = row.get("value")
    if isinstance(value, str) and declared is not None and is_number(value):
        raise malformed(f"{where}.value", "a number is written as text", "数字写成了文本")
    if value is not None and not isinstance(value, str):
        value = finite(value, f"{where}.value")
        if declared is not None and declared.type == "count":
            check_count(value, f"{where}.value")
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
        raise malformed(f"{where}.dims", "an object of texts is needed", "应为文本对象")
    return tuple((name, _label(label)) for name, label in dims.items())


def _contributions(row: Mapping[str, Any], where: str) -> tuple[float, ...] | None:
    found = row.get("contributions")
    if found is None:
        return None
    if not isinstance(found, list | tuple):
        raise malformed(f"{where}.contributions", "a list is needed", "应为列表")
    return tuple(float(finite(one, f"{where}.contributions")) for one in found)


def _series(place: int, one: Any) -> Curve:
    where = f"series[{place}]"
    if not isinstance(one, Mapping):
        raise malformed(where, "an object is needed", "应为对象")
    columns = _list(one, "columns")
    points = _list(one, "points")
    if not all(isinstance(name, str) for name in columns):
        raise malformed(f"{where}.columns", "names are needed", "应为列名")
    made = Curve(
        id=_text(one, "id", where, needed=True),
        analysis=_text(one, "analysis", where),
        columns=tuple(columns),
        points=tuple(tuple(_point(where, point, len(columns))) for point in points),
        row_set=_text(one, "row_set", where),
    )
    declared = load_fields().series.get(made.kind)
    for name, kind in ((declared.columns if declared else None) or {}).items():
        at = made.column(name)
        if at is None:
            continue
        for values in made.points:
            value = values[at]
            if isinstance(value, str) and (kind != "open" or name in _NUMBERS) and is_number(value):
                raise malformed(f"{where}.points", "a number is written as text", "数字写成了文本")
            if kind in ("count", "at_risk") and isinstance(value, int | float):
                check_count(value, f"{where}.points")
    return made


def _point(where: str, point: Any, columns: int) -> Sequence[Any]:
    if not isinstance(point, list | tuple) or len(point) != columns:
        raise malformed(f"{where}.points", "a point does not fit the columns", "点与列数不符")
    for value in point:
        if value is not None and not isinstance(value, str):
            finite(value, f"{where}.points")
    return point


def _row_sets(mapping: Mapping[str, Any]) -> dict[str, tuple[int, str]]:
    found = mapping.get("row_sets", {})
    if not isinstance(found, Mapping):
        raise malformed("row_sets", "an object is needed", "应为对象")
    sets = {}
    for place, (name, one) in enumerate(found.items()):
        where = f"row_sets.{name}" if is_plain(str(name)) else f"row_sets[{place}]"
        if not isinstance(one, Mapping):
            raise malformed(where, "an object is needed", "应为对象")
        subjects = _count(one, "subjects", where)
        sets[str(name)] = (subjects or 0, _text(one, "sha256", where))
    return sets


def _text(row: Mapping[str, Any], name: str, where: str, *, needed: bool = False) -> str:
    value = row.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST_LABEL or (needed and not value):
        raise malformed(f"{where}.{name}", "a short text is needed", "应为不超过 500 字的文本")
    return value


def _number(row: Mapping[str, Any], name: str, where: str) -> float | None:
    value = row.get(name)
    return None if value is None else float(finite(value, f"{where}.{name}"))


def _count(row: Mapping[str, Any], name: str, where: str) -> int | None:
    value = row.get(name)
    if value is None:
        return None
    number = finite(value, f"{where}.{name}")
    if number < 0 or number != int(number):
        raise malformed(f"{where}.{name}", "no whole number from 0 on", "不是非负整数")
    return int(number)


# -- a CSV table -> the mapping ----------------------------------------------------------------------------


def table_mapping(content: bytes) -> dict[str, Any]:
    """A table as rows with `dims`: one row for every cell of a column that is a declared statistic."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise malformed("CSV", "it is not UTF-8", "不是 UTF-8 文本") from None
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        raise malformed("CSV", "the quoting is broken", "引号不配对") from None
    if not lines:
        raise malformed("CSV", "there is no header", "没有表头")
    # A statistic is known by any of its names; a dimension keeps the name that it was given.
    header = [statistic_of(name) or name.strip() for name in lines[0]]
    values = [place for place, name in enumerate(header) if statistic_of(lines[0][place])]
    if not values:
        raise malformed(
            "CSV header",
            f"no column is a declared statistic; known are: {shown_statistics('en')}",
            f"没有一列是已登记的统计量；可用的有：{shown_statistics('zh')}",
        )
    if len({folded(name) for name in header}) != len(header):
        raise malformed("CSV header", "two columns have one name or meaning", "有两列同名或含义相同")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in line):
            continue
        if len(line) != len(header):
            raise malformed(f"line {number}", "it does not fit the header", "列数与表头不符")
        rows += _cells(number, line, header, values)
    if not rows:
        raise malformed("CSV", "there is no line below the header", "表头之下没有数据行")
    columns = {name: place for place, name in enumerate(header, start=1) if place - 1 not in values}
    return {"table": True, "rows": rows, "series": [], "row_sets": {}, "columns": columns}


def _cells(number: int, line: list[str], header: list[str], values: list[int]) -> list[dict[str, Any]]:
    dims = {name: _label(line[place]) for place, name in enumerate(header) if place not in values}
    numbers = {header[place]: _cell(line[place], number, header[place]) for place in values}
    return [
        {
            "id": f"line{number}.{name}",
            "analysis": "table",
            "statistic": name,
            "value": value,
            "n": _whole(name, numbers),
            "dims": dims,
        }
        for name, value in numbers.items()
    ]


def _whole(name: str, numbers: Mapping[str, float | int | None]) -> float | int | None:
    """How many persons a number of the line is of: those of its column `n`; if there is none, of any that counts
    persons. Beside a share such a column may be its numerator, so that only `n` is believed."""
    if name == "n":
        return None
    if numbers.get("n") is not None or name in PERSONS:
        return numbers.get("n")
    if load_fields().statistics[name].type == "share":
        return None
    return next((numbers[one] for one in PERSONS if numbers.get(one) is not None), None)


def _label(text: str) -> str:
    """As it stands; a margin is "", and blanks beside a slash are no part of a level."""
    label = "/".join(part.strip() for part in text.split("/"))
    return "" if is_margin(label) else label


def _cell(text: str, number: int, column: str) -> float | int | None:
    cleaned = unicodedata.normalize("NFKC", text).strip()
    if cleaned.lower() in SUPPRESSED:
        return None
    if "," in cleaned and not _GROUPED.fullmatch(cleaned):
        raise malformed(
            f"line {number}, {column}",
            "a comma stands elsewhere than before three digits",
            "逗号不是千位分隔符",
        )
    cleaned = cleaned.replace(",", "")
    declared = load_fields().statistics[column]
    kind, is_open_rate = declared.type, bool(declared.of) and not declared.per
    in_percent = cleaned.endswith("%") and (kind in ("share", "time_to_event") or is_open_rate)
    try:
        value = float(cleaned.removesuffix("%")) if in_percent else float(cleaned)
    except ValueError:
        raise malformed(f"line {number}, {column}", "it is no number", "不是数字") from None
    if not math.isfinite(value):
        raise malformed(f"line {number}, {column}", "it is not finite", "不是有限数")
    if in_percent and kind == "time_to_event":  # a survival of 85% is 0.85
        value /= 100.0
    if kind == "count":
        check_count(value, f"line {number}, {column}")
    return int(value) if value.is_integer() else value
