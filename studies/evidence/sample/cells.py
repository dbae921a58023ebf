"""One cell that a hospital wrote: the value it stands for, or the problem that names line and column.

Nothing is guessed: a cell that a spreadsheet changed, or that can be read in two ways, is a problem.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from studies.evidence.sample.problems import (
    CELL_DATE,
    CELL_DAYS,
    CELL_FORMULA,
    CELL_NOT_AN_ANSWER,
    CELL_NOT_LISTED,
    CELL_NUMBER,
)
from studies.evidence.sample.sheet import AGREE_WORDS, WHY_WORDS
from studies.evidence.sample.trace import Value
from studies.evidence.sample.variables import Variable

_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?")
# What a spreadsheet computes: =1, @sum(a1), +a1, -(2), -2+3. A lone dash is somebody's word for nothing.
_FORMULA = re.compile(r"[=@]|[+-]\s*[a-z(@=$]|[+-]\s*[0-9.]+\s*[-+*/^(]")
_DATE = re.compile(
    r"[0-9]{1,4}[-/][0-9]{1,2}(?:[-/][0-9]{1,4})?(?:[ t].*)?"  # 2024-01-05, 1/5, with a time or without
    r"|[0-9]{4}\.[0-9]{1,2}\.[0-9]{1,2}"
    r"|[0-9]{1,4}年.*|[0-9]{1,2}月.*"
    r"|[0-9]{1,2}-[a-z]{3}(?:-[0-9]{2,4})?|[a-z]{3}-[0-9]{1,4}"  # 5-Jan, Jan-24: what Excel makes of 1-5
)


@dataclass(frozen=True)
class Cell:
    """A cell's text without spaces around it, and where it stands."""

    text: str
    line: int
    column: str

    @property
    def plain(self) -> str:
        """Full-width digits and letters as ASCII, lower case: １２ is 12, Yes is yes."""
        return unicodedata.normalize("NFKC", self.text).strip().casefold()


def chart_value(cell: Cell, variable: Variable, most_days: int) -> Value:
    """What the chart says, as the analysis table would have it. Raises the problem of the cell."""
    if variable.kind == "category":
        return _listed(cell, dict(variable.answers))
    _check_notation(cell)
    if not _NUMBER.fullmatch(cell.plain):
        raise CELL_NUMBER.error(line=cell.line, column=cell.column)
    number = Decimal(cell.plain)
    if variable.kind == "number":
        return float(number)
    if number != number.to_integral_value() or not 0 <= number <= most_days:
        raise CELL_DAYS.error(line=cell.line, column=cell.column, most=most_days)
    return int(number)


def agrees(cell: Cell) -> str:
    """ "yes", "no" or "" where it is empty."""
    return _answer(cell, AGREE_WORDS)


def why_not(cell: Cell) -> str:
    """One of the reasons, or "" where it is empty."""
    return _answer(cell, WHY_WORDS)


def _answer(cell: Cell, words: Mapping[str, Bilingual]) -> str:
    """Of a column that takes a few words: what is none of them is told with all of them."""
    if not cell.text:
        return ""
    try:
        return _listed(cell, words)
    except PlatformError as error:
        if error.problem is not CELL_NOT_LISTED:
            raise
        zh, en = "、".join(one.zh for one in words.values()), ", ".join(one.en for one in words.values())
        raise CELL_NOT_AN_ANSWER.error(
            line=cell.line, column=cell.column, allowed_zh=zh, allowed_en=en
        ) from None


def _listed(cell: Cell, words: Mapping[str, Bilingual]) -> str:
    """The code whose code or title this is; a title that two codes share stands for neither."""
    by_code = [code for code in words if _plain(code) == cell.plain]
    by_title = [code for code, title in words.items() if cell.plain in (_plain(title.zh), _plain(title.en))]
    found = by_code or by_title
    if len(found) == 1:
        return found[0]
    _check_notation(cell)
    allowed = "; ".join(_told(code, title) for code, title in words.items())
    raise CELL_NOT_LISTED.error(line=cell.line, column=cell.column, allowed=allowed)


def _told(code: str, title: Bilingual) -> str:
    return f"{code} = {title.zh} / {title.en}"


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().casefold()


def _check_notation(cell: Cell) -> None:
    if _DATE.fullmatch(cell.plain):
        raise CELL_DATE.error(line=cell.line, column=cell.column)
    if _FORMULA.match(cell.plain):
        raise CELL_FORMULA.error(line=cell.line, column=cell.column)
