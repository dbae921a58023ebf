"""Tables of a report, cell by cell, so that every number knows its row and column - also in the CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rwd_platform.core.text import LANGUAGES, Bilingual
from studies.evidence.documents import csv_bytes
from studies.evidence.numbers import NumberBook
from studies.evidence.report.blocks import Align, Report, Span, Table, Text, words

NONE = "—"  # a result that does not exist for this row
_TIMES = frozenset(
    {"median", "median_follow_up", "median_onset"}
)  # of a curve: each limit may not be reached


@dataclass(frozen=True)
class Result:
    """A number of a result row that a cell prints."""

    ard_id: str
    form: str
    field: str = "value"


@dataclass(frozen=True)
class Fact:
    """A number of another file of the package."""

    file: str
    pointer: str
    form: str = "int"


Part = str | Bilingual | Result | Fact | Text
Cell = Part | Sequence[Part]


@dataclass
class TableMaker:
    """Collects rows; the place of each number is `table:<key>:<row>:<column>`, the head being row 0."""

    key: str
    book: NumberBook
    head: tuple[Bilingual | Text, ...]
    align: tuple[Align, ...]
    rows: list[tuple[Text, ...]] = field(default_factory=list)

    def add(self, *cells: Cell) -> None:
        self.rows.append(tuple(self._cell(cell, column) for column, cell in enumerate(cells)))

    def table(self, caption: Text, *notes: Text) -> Table:
        return Table(
            self.key,
            caption,
            tuple(one if isinstance(one, Text) else words(one) for one in self.head),
            tuple(self.rows),
            self.align,
            notes,
        )

    def _cell(self, cell: Cell, column: int) -> Text:
        parts: Sequence[Part] = [cell] if isinstance(cell, str | Bilingual | Result | Fact | Text) else cell
        if any(isinstance(part, Result) and self._is_absent(part) for part in parts):
            return Text((NONE,), (NONE,))
        zh: list[Span] = []
        en: list[Span] = []
        place = f"table:{self.key}:{len(self.rows) + 1}:{column}"
        for part in parts:
            text = self._part(part, place)
            zh.extend(text.zh)
            en.extend(text.en)
        return Text(tuple(zh), tuple(en))

    def _is_absent(self, part: Result) -> bool:
        """No such row, or a statistic that could not be estimated; "not reached" is a result and is printed."""
        if not self.book.has(part.ard_id):
            return True
        row = self.book.row(part.ard_id)
        if getattr(row, part.field) is not None:
            return False
        if row.statistic in _TIMES and row.value is not None:
            return False
        return row.statistic != "median" and not any("not reached" in warning for warning in row.warnings)

    def _part(self, part: Part, place: str) -> Text:
        if isinstance(part, Text):
            return part
        if isinstance(part, Bilingual):
            return words(part)
        if isinstance(part, Result):
            number = self.book.result(place, part.ard_id, part.form, part.field)
            return Text((number,), (number,))
        if isinstance(part, Fact):
            number = self.book.fact(place, part.file, part.pointer, part.form)
            return Text((number,), (number,))
        return Text((part,), (part,))


def interval(ard_id: str, form: str) -> list[Part]:
    """`0.67 (0.57–0.79)`."""
    return [
        Result(ard_id, form),
        " (",
        Result(ard_id, form, "ci_low"),
        "–",
        Result(ard_id, form, "ci_high"),
        ")",
    ]


def csv_files(report: Report) -> dict[str, bytes]:
    """Each table as printed, in both languages."""
    return {
        f"data/05_results/tables/{table.key}_{language}.csv": csv_bytes(
            [cell.plain(language) for cell in row] for row in (table.head, *table.rows)
        )
        for table in report.tables
        for language in LANGUAGES
    }
