"""Every printed number, registered: where it stands, what it says, and which result row it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.text import Language
from studies.evidence.templates import verify as standalone
from studies.results import ArdRow, ResultSet

FORMAT_VERSION = 1
FIELDS = ("value", "ci_low", "ci_high", "n", "events")

NO_SUCH_RESULT = Problem(
    code="evidence.no_such_result",
    zh="报告要印出结果“{id}”的 {field}，但分析结果中没有它。",
    en="The report prints {field} of the result {id}, which the analyses did not give.",
    next_zh="请核对报告模板中的结果编号，或补做方案中的相应分析。",
    next_en="Check the result id in the report's template, or run the protocol's analysis that gives it.",
    exit=Exit.MALFORMED,
)


@dataclass(frozen=True)
class Number:
    """One number at one place of the report. Its text is made from its source and is the same everywhere."""

    id: str
    place: str
    file: str
    format: str
    zh: str
    en: str
    ard_id: str = ""
    field: str = ""
    pointer: str = ""

    def in_language(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en

    def as_dict(self) -> dict[str, Any]:
        source = {"ard_id": self.ard_id, "field": self.field} if self.ard_id else {"pointer": self.pointer}
        text = {"zh": self.zh, "en": self.en}
        return {
            "id": self.id,
            "place": self.place,
            "file": self.file,
            **source,
            "format": self.format,
            **text,
        }


class NumberBook:
    """Gives out numbers and remembers each. `documents` are the package's other JSON files, by path."""

    def __init__(self, results: ResultSet, documents: Mapping[str, Any]) -> None:
        self._rows = {row.id: row for row in results.rows}
        self._documents = {**documents, standalone.ARD_JSON: results.as_dict()}
        self.numbers: list[Number] = []

    def row(self, ard_id: str) -> ArdRow:
        if ard_id not in self._rows:
            raise NO_SUCH_RESULT.error(id=ard_id, field="value")
        return self._rows[ard_id]

    def has(self, ard_id: str) -> bool:
        return ard_id in self._rows

    def result(self, place: str, ard_id: str, form: str, field: str = "value") -> Number:
        """A number of a result row: its value, a limit, its n or its events."""
        if field not in FIELDS:
            raise NO_SUCH_RESULT.error(id=ard_id, field=field)
        value = getattr(self.row(ard_id), field)
        return self._keep(place, value, form, file=standalone.ARD_JSON, ard_id=ard_id, field=field)

    def fact(self, place: str, file: str, pointer: str, form: str = "int") -> Number:
        """A number of another file of the package, by JSON pointer: a count of an account, a curve's point."""
        try:
            value = standalone.pointed(self._documents[file], pointer)
        except (KeyError, IndexError, ValueError) as error:
            raise NO_SUCH_RESULT.error(id=f"{file}#{pointer}", field="value") from error
        return self._keep(place, value, form, file=file, pointer=pointer)

    def _keep(self, place: str, value: Any, form: str, **source: str) -> Number:
        zh, en = (standalone.number_text(value, form, language) for language in ("zh", "en"))
        number = Number(f"n{len(self.numbers) + 1:04d}", place, format=form, zh=zh, en=en, **source)
        self.numbers.append(number)
        return number

    def as_dict(self) -> dict[str, Any]:
        return {"format_version": FORMAT_VERSION, "numbers": [number.as_dict() for number in self.numbers]}
