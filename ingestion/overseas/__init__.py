"""overseas_result: aggregate results of trials abroad, read from a table that people keep.

results.csv is the platform's own table, columns.csv says what its columns are. No patient is in it: each line is an
estimate over a group, with where it was published, who entered it and who checked it.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rwd_platform.core.errors import Exit, PlatformError, Problem

if TYPE_CHECKING:
    import pandas as pd

RESULTS = Path(__file__).parent / "results.csv"
_COLUMNS = Path(__file__).parent / "columns.csv"
MEASURES = (
    "count", "proportion", "mean", "median", "rate", "mean-difference", "risk-difference", "risk-ratio",
    "odds-ratio", "rate-ratio", "hazard-ratio", "survival-probability", "median-survival", "rmst",
)  # fmt: skip
_LARGEST = 5 << 20  # bytes
_DATE = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")

MALFORMED = Problem(
    code="overseas.malformed",
    zh="境外结果表不能使用：第 {line} 行，{column}：{why_zh}。",
    en="The table of overseas results cannot be used: line {line}, {column}: {why}.",
    next_zh="请对照 ingestion/overseas/columns.csv 改正该行后重试；表中有误时不读取任何一行。",
    next_en="Mend that line after ingestion/overseas/columns.csv; a faulty table is not read at all.",
    exit=Exit.MALFORMED,
)


@dataclass(frozen=True)
class ResultColumn:
    """A column of overseas_result. `type` is its FHIR type."""

    name: str
    type: str
    required: bool
    zh: str
    en: str


@cache
def columns() -> tuple[ResultColumn, ...]:
    """columns.csv, in its order."""
    with _COLUMNS.open(encoding="utf-8", newline="") as stream:
        return tuple(
            ResultColumn(row["column"], row["type"], row["required"] == "yes", row["zh"], row["en"])
            for row in csv.DictReader(stream, strict=True)
        )


def overseas_results(content: bytes | None = None) -> pd.DataFrame:
    """The table's rows, of `content` or of the platform's own file. Lines that begin with `#` are remarks.

    Whole numbers are Int64, decimals float64 beside their `<name>_text` as written, absent texts None.
    Raises `overseas.malformed`, naming line and column.
    """
    import pandas as pd

    lines = _lines(RESULTS.read_bytes() if content is None else content)
    found: dict[str, object] = {}
    for column in columns():
        texts = [row[column.name] or None for _, row in lines]
        if column.type == "integer":
            found[column.name] = pd.array(
                [None if text is None else int(text) for text in texts], dtype="Int64"
            )
        elif column.type == "decimal":
            numbers = [None if text is None else float(text) for text in texts]
            found[f"{column.name}_text"] = pd.Series(texts, dtype=object)
            found[column.name] = pd.Series(numbers, dtype="float64")
        else:
            found[column.name] = pd.Series(texts, dtype=object)
    return pd.DataFrame(found)


def _lines(content: bytes) -> list[tuple[int, dict[str, str]]]:
    if len(content) > _LARGEST:
        raise _malformed(1, "-", "the file is larger than 5 MB", "文件大于 5 MB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _malformed(1, "-", "it is not UTF-8", "不是 UTF-8 文本") from None
    kept = [(number, line) for number, line in enumerate(text.splitlines(), 1) if not line.startswith("#")]
    names = [column.name for column in columns()]
    reader = csv.DictReader(io.StringIO("\n".join(line for _, line in kept)), strict=True)
    try:
        if reader.fieldnames != names:
            raise _malformed(
                kept[0][0] if kept else 1, "-", "the heads are not the expected ones", "列名与要求不符"
            )
        rows = [(kept[reader.line_num - 1][0], row) for row in reader]
    except csv.Error:
        raise _malformed(kept[-1][0], "-", "it is no CSV", "不是 CSV 文件") from None
    for number, row in rows:
        _check(number, row)
    return rows


def _check(number: int, row: dict[str, str]) -> None:
    if None in row or None in row.values():
        raise _malformed(number, "-", "it has too many or too few fields", "字段数不对")
    for column in columns():
        text = row[column.name]
        if column.required and not text.strip():
            raise _malformed(number, column.name, "it is empty", "为空")
        if text and not _fits(text, column.type):
            raise _malformed(number, column.name, f"it is no {column.type}", f"不是 {column.type} 类型")
    if row["measure"] not in MEASURES:
        raise _malformed(number, "measure", "it is none of the known measures", "不是已知的估计量")
    if row["entered_by"] == row["checked_by"]:
        raise _malformed(number, "checked_by", "it is who entered the line", "与录入人相同")
    _check_interval(number, row)


def _check_interval(number: int, row: dict[str, str]) -> None:
    if bool(row["lower"]) != bool(row["upper"]) or bool(row["lower"]) != bool(row["confidence_level"]):
        raise _malformed(
            number,
            "lower",
            "an interval needs both bounds and its level",
            "置信区间须同时有上限、下限与置信水平",
        )
    if row["lower"] and not Decimal(row["lower"]) <= Decimal(row["estimate"]) <= Decimal(row["upper"]):
        raise _malformed(number, "estimate", "it lies outside of its interval", "不在置信区间之内")
    if row["confidence_level"] and not 0 < Decimal(row["confidence_level"]) < 1:
        raise _malformed(number, "confidence_level", "it is not between 0 and 1", "不在 0 与 1 之间")
    if row["events"] and int(row["events"]) > int(row["subjects"]) and row["measure"] == "proportion":
        raise _malformed(number, "events", "there are more events than subjects", "事件数多于受试者数")


def _fits(text: str, kind: str) -> bool:
    if kind == "integer":
        return bool(re.fullmatch(r"[0-9]{1,9}", text))
    if kind == "decimal":
        try:
            return len(text) <= 40 and Decimal(text).is_finite() and text.isascii()
        except InvalidOperation:
            return False
    if kind == "date":
        return bool(_DATE.fullmatch(text)) and _is_day(text)
    return len(text) <= 500 and text.isprintable()


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text + "-01-01"[len(text) - 4 :] if len(text) < 10 else text)
    except ValueError:
        return False
    return True


def _malformed(line: int, column: str, why: str, why_zh: str) -> PlatformError:
    return MALFORMED.error(line=line, column=column, why=why, why_zh=why_zh)
