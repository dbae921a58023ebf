"""A sheet as it came back: every answer, or every problem with its line. Hostile files are read like careless ones.

A sheet with a problem anywhere is not used for agreement: what the hospital meant is the hospital's to say.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.errors import PlatformError
from studies.evidence.sample import cells
from studies.evidence.sample.cells import Cell
from studies.evidence.sample.problems import (
    LINE_CELLS,
    LINE_CONTRADICTS,
    LINE_EDITED,
    LINE_TWICE,
    LINE_UNKNOWN,
    LINES_MISSING,
    SHEET_BROKEN,
    SHEET_CELL_LONG,
    SHEET_COLUMN_EXTRA,
    SHEET_COLUMN_MISSING,
    SHEET_EMPTY,
    SHEET_NOT_TEXT,
    SHEET_OTHER,
    SHEET_TOO_LARGE,
)
from studies.evidence.sample.sheet import (
    AGREES,
    COLUMNS,
    FIXED,
    IN_CHART,
    NO,
    NOT_FOUND,
    NOT_RECORDED,
    PLACE,
    SHEET,
    VARIABLE,
    WHY_NOT,
    YES,
    SheetLine,
    sheet_id,
    sheet_lines,
)
from studies.evidence.sample.trace import Sample, Value

Status = Literal["value", "chart_not_found", "not_recorded", "unanswered"]
_SPARE_LINES = 100  # below the items: what a spreadsheet leaves of emptied lines
_PLACE = re.compile(r"[0-9]{1,9}")
_TOO_LONG = (
    "field larger than field limit"  # as the reader of CSV says it: it has one class for all its errors
)
_UTF_8, _GB18030 = "utf-8", "gb18030"

_MEANT = {
    "no_value": (
        "没有病历中的值，却填了“是”或其他原因",
        "there is no chart value, yet 'yes' or another reason",
    ),
    "no_agrees": ("没有填写“是否一致”", "'agrees' is empty"),
    "no_reason": ("填了“否”而没有原因", "'no' without why not"),
    "reason_of_yes": ("填了“是”却又有原因", "'yes' with a reason why not"),
    "value_of_none": (
        "填了未找到病历或病历未记载，却又有病历中的值",
        "chart not found, or not recorded, with a chart value",
    ),
    "yes_of_none": (
        "未找到病历或病历未记载时，“是否一致”应为“否”",
        "with chart not found or not recorded 'agrees' has to be no",
    ),
}


@dataclass(frozen=True)
class Answered:
    """
    value  -- what the chart says, where `status` is "value"; else None
    says   -- whether the hospital finds chart and its own record alike: "yes", "no", "" where unanswered
    reason -- why not, one of sheet.WHY; "" where there is none
    """

    place: int
    row: int
    variable: str
    status: Status
    value: Value | None
    says: str
    reason: str


@dataclass(frozen=True)
class Returned:
    """
    sha256   -- of the bytes that came back
    answers  -- of every item that could be read, in the sheet's order
    problems -- in the order of lines; empty: the sheet may be used
    """

    hospital: str
    sheet: str
    sha256: str
    encoding: str
    answers: tuple[Answered, ...]
    problems: tuple[PlatformError, ...]

    @property
    def accepted(self) -> bool:
        return not self.problems


def read_sheet(content: bytes, sample: Sample, hospital: str) -> Returned:
    """The sheet that this hospital returned. Lines count from 1, the line of the column names.

    Raises what makes the whole file unusable: `verification.hospital_unknown`, `.sheet_too_large`, `.sheet_not_text`,
    `.sheet_empty`, `.sheet_broken`, `.sheet_cell_long`, `.sheet_column_missing`, `.sheet_column_extra`,
    `.sheet_other`. All else is in `problems`.
    """
    expected = {line.key: line for line in sheet_lines(sample, hospital)}
    most_lines = len(expected) + 1 + _SPARE_LINES
    if len(content) > sample.policy.most_bytes:
        raise SHEET_TOO_LARGE.error(bytes=sample.policy.most_bytes, lines=most_lines)
    text, encoding = _decoded(content)
    if not text.strip():
        raise SHEET_EMPTY.error()
    rows = _rows(text)
    order = _columns(next(rows, (1, []))[1])
    reading = _Reading(sample, expected, sheet_id(sample, hospital), encoding, {}, {}, [])
    for line, row in rows:
        if line > most_lines:
            raise SHEET_TOO_LARGE.error(bytes=sample.policy.most_bytes, lines=most_lines)
        reading.read(line, row, order)
    reading.check_all_there()
    answers = tuple(reading.answers[key] for key in expected if key in reading.answers)
    return Returned(hospital, reading.id, sha256_hex(content), encoding, answers, tuple(reading.problems))


def _decoded(content: bytes) -> tuple[str, str]:
    """UTF-8, or GB18030 as a Chinese spreadsheet saves it. No guess: read wrongly, our columns are not there."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff", b"PK")) or b"\x00" in content:
        raise SHEET_NOT_TEXT.error()
    for encoding, name in (("utf-8-sig", _UTF_8), (_GB18030, _GB18030)):
        try:
            return content.decode(encoding), name
        except UnicodeDecodeError:
            continue
    raise SHEET_NOT_TEXT.error()


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with their number as a spreadsheet shows it; rows of empty cells are passed over."""
    line = 0
    try:
        for line, row in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True), start=1):
            stripped = [cell.strip() for cell in row]
            if any(stripped) or line == 1:
                yield line, stripped
    except csv.Error as error:
        if _TOO_LONG in str(error):
            raise SHEET_CELL_LONG.error(line=line + 1, most=csv.field_size_limit()) from None
        raise SHEET_BROKEN.error(line=line + 1) from None


def _columns(header: list[str]) -> dict[str, int]:
    """Our columns' places. What another column is called is not repeated: it may be anything."""
    while header and not header[-1]:
        header = header[:-1]
    for column in COLUMNS:
        if header.count(column) != 1:
            raise SHEET_COLUMN_MISSING.error(column=column)
    for place, name in enumerate(header, start=1):
        if name not in COLUMNS:
            raise SHEET_COLUMN_EXTRA.error(place=place)
    return {column: header.index(column) for column in COLUMNS}


@dataclass
class _Reading:
    """A sheet being read. `lines`: item -> the line that it was found in."""

    sample: Sample
    expected: Mapping[tuple[int, str], SheetLine]
    id: str
    encoding: str
    answers: dict[tuple[int, str], Answered]
    lines: dict[tuple[int, str], int]
    problems: list[PlatformError]

    def read(self, line: int, row: list[str], order: Mapping[str, int]) -> None:
        try:
            self._read(line, row, order)
        except PlatformError as problem:
            if problem.code == SHEET_OTHER.code:
                raise
            self.problems.append(problem)

    def _read(self, line: int, row: list[str], order: Mapping[str, int]) -> None:
        if len(row) < len(COLUMNS) or any(row[len(COLUMNS) :]):
            raise LINE_CELLS.error(line=line, expected=len(COLUMNS))
        found = {column: row[place] for column, place in order.items()}
        if found[SHEET] != self.id:
            raise SHEET_OTHER.error(line=line, lock=self.sample.lock_id)
        key = (int(found[PLACE]) if _PLACE.fullmatch(found[PLACE]) else 0, found[VARIABLE])
        if key not in self.expected:
            raise LINE_UNKNOWN.error(line=line)
        if key in self.lines:
            raise LINE_TWICE.error(line=line, first=self.lines[key])
        self.lines[key] = line
        self._check_fixed(line, found, self.expected[key])
        self.answers[key] = self._answered(line, found, self.expected[key])

    def _check_fixed(self, line: int, found: Mapping[str, str], item: SheetLine) -> None:
        for column in FIXED:
            if found[column] not in self._as_saved(item.cells[column].strip()):
                raise LINE_EDITED.error(line=line, column=column)

    def _as_saved(self, text: str) -> tuple[str, ...]:
        """GBK has no sign for some characters: a spreadsheet that saves in it writes a question mark."""
        lossy = text.encode("gbk", "replace").decode("gbk")
        return (text, lossy) if self.encoding == _GB18030 else (text,)

    def _answered(self, line: int, found: Mapping[str, str], item: SheetLine) -> Answered:
        chart, says, why = (Cell(found[one], line, one) for one in (IN_CHART, AGREES, WHY_NOT))
        agreed, reason = cells.agrees(says), cells.why_not(why)
        status, wrong = _status(bool(chart.text), agreed, reason)
        if wrong:
            zh, en = _MEANT[wrong]
            raise LINE_CONTRADICTS.error(line=line, what_zh=zh, what_en=en)
        value = None
        if status == "value":
            value = cells.chart_value(chart, item.variable, self.sample.policy.most_days)
        row = item.row.drawn
        return Answered(row.place, row.row, item.variable.name, status, value, agreed, reason)

    def check_all_there(self) -> None:
        missing = [key for key in self.expected if key not in self.lines]
        if missing:
            place, variable = missing[0]
            self.problems.append(LINES_MISSING.error(count=len(missing), place=place, variable=variable))


def _status(has_value: bool, agreed: str, reason: str) -> tuple[Status, str]:
    """What the three cells say together, and what contradicts itself in them ("" for nothing)."""
    if reason in (NOT_FOUND, NOT_RECORDED):
        wrong = "value_of_none" if has_value else "" if agreed == NO else "yes_of_none"
        return ("chart_not_found" if reason == NOT_FOUND else "not_recorded"), wrong
    if not has_value:
        return "unanswered", "no_value" if agreed or reason else ""
    if not agreed:
        return "value", "no_agrees"
    if agreed == YES:
        return "value", "reason_of_yes" if reason else ""
    return "value", "" if reason else "no_reason"
