"""What a UDI says, and what all three agencies' texts have in common: check characters and dates."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from rwd_platform.core.errors import Exit, Problem

UDI_MALFORMED = Problem(
    code="udi.malformed",
    zh="该 UDI 不能读取：{why_zh}。",
    en="The UDI cannot be read: {why}.",
    next_zh="请核对医院发送的 UDI 是否为扫码得到的完整原文（含括号或分隔符）。",
    next_en="Check that the hospital sends the whole text as scanned, with its parentheses or separators.",
    exit=Exit.MALFORMED,
)


class Issuer(StrEnum):
    """The agency by whose rules a UDI was made; `system` is HL7's address of its device identifiers."""

    GS1 = "gs1"
    HIBCC = "hibcc"
    ICCBBA = "iccbba"

    @property
    def system(self) -> str:
        return f"http://hl7.org/fhir/NamingSystem/{_ADDRESSES[self]}"


_ADDRESSES = {Issuer.GS1: "gs1-di", Issuer.HIBCC: "hibcc", Issuer.ICCBBA: "iccbba-other-di"}


@dataclass(frozen=True)
class Udi:
    """A UDI's parts. `di` is the product; all others name the single device and never show in a text.

    Dates are FHIR dates as precise as the UDI is: the day, or the month where its day is 00.
    """

    issuer: Issuer
    di: str
    lot: str | None = field(default=None, repr=False)
    serial: str | None = field(default=None, repr=False)
    expiry: str | None = field(default=None, repr=False)
    manufactured: str | None = field(default=None, repr=False)
    donation: str | None = field(default=None, repr=False)  # ISBT 128 donation identification number


class Refused(Exception):
    """Why a text is no UDI. Never holds a part of the text."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


_CODE_39 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%"  # their places are their values


def mod_10(digits: str) -> bool:
    """GS1's check digit: weights 3 and 1 in turn from the right, the sum a multiple of ten."""
    return sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(reversed(digits))) % 10 == 0


def mod_43(message: str) -> str:
    """HIBCC's check character over a message; Refused for a character that Code 39 does not have."""
    if any(letter not in _CODE_39 for letter in message):
        raise Refused("含有不允许的字符", "it holds a character that is not allowed")
    return _CODE_39[sum(map(_CODE_39.index, message)) % len(_CODE_39)]


def century(two_digits: int, year: int) -> int:
    """GS1's rule (General Specifications, 7.12): the year nearest to `year`, 49 ahead at most, 50 back."""
    base = year - year % 100 + two_digits
    if base - year >= 51:
        return base - 100
    return base + 100 if year - base >= 50 else base


def ymd(year: int, month: int, day: int) -> str:
    """A FHIR date; day 0 is the month. Refused where the calendar has no such day."""
    try:
        found = date(year, month, day or 1)
    except ValueError:
        raise _no_date() from None
    return found.isoformat() if day else found.isoformat()[:7]


def ordinal_day(year: int, day: int) -> str:
    """A FHIR date from the day of the year, 1 to 366."""
    found = date(year, 1, 1) + timedelta(days=day - 1)
    if day < 1 or found.year != year:
        raise _no_date()
    return found.isoformat()


def digits(text: str, number: int) -> str:
    """The first `number` characters, which must be digits."""
    if not re.fullmatch(f"[0-9]{{{number}}}", text[:number]):
        raise _no_date()
    return text[:number]


def only(parts: dict[str, str], name: str, value: str) -> None:
    """Puts a part that may stand once."""
    if not value:
        raise Refused("某一部分为空", "a part of it is empty")
    if name in parts:
        raise Refused("同一部分出现两次", "the same part stands twice")
    parts[name] = value


def _no_date() -> Refused:
    return Refused("其中的日期不存在", "a date in it is none")


Reader = Callable[[str, int], Udi]
