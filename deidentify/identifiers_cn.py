"""Identifiers as they are written in China: how to check one, and how to find them in a text.

Resident id (GB 11643-1999): 6 digits region, 8 birth date, 3 sequence (odd for men, even for women;
996 to 999 were reserved for people of a hundred years and more), 1 check digit (ISO 7064 MOD 11-2).

`scan` looks for leaks: it would rather name a number too many. It is no proof that a text is clean, and
it knows no names; tests search for planted names themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

RESIDENT_ID = "resident-id"
OLD_RESIDENT_ID = "old-resident-id"
MOBILE = "mobile"
LANDLINE = "landline"
EMAIL = "email"
TRAVEL_DOCUMENT = "travel-document"
HOSPITAL_NUMBER = "hospital-number"
LICENCE_PLATE = "licence-plate"
BANK_CARD = "bank-card"

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"
# Provinces of GB/T 2260; 81 to 83: residence permits of people from Hong Kong, Macau, Taiwan; 9: foreigners'.
_PROVINCES = re.compile(r"(?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]|9[0-9])")
_RESIDENT_ID = re.compile(r"[1-9][0-9]{16}[0-9X]")
_OLD_RESIDENT_ID = re.compile(r"[1-8][0-9]{14}")
_MOBILE = re.compile(r"1[3-9][0-9]{9}")

# Full-width letters, digits and signs, one to one, so that offsets in the text stay as they are.
_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
# A digest is not a text: its digits mean nothing. Only what has letters among its hex digits is one.
_DIGEST = re.compile(r"(?<![0-9A-Za-z])(?=[0-9]*[a-f])[0-9a-f]{32,}(?![0-9A-Za-z])")


@dataclass(frozen=True)
class Found:
    """Something in a text that looks like an identifier: its kind and where, never the value."""

    kind: str
    start: int
    end: int


def half_width(text: str) -> str:
    """The text with full-width letters and digits made half-width; the same length."""
    return text.translate(_HALF_WIDTH)


def check_digit(first_17: str) -> str:
    """The 18th character of a resident id."""
    if len(first_17) != 17 or not (first_17.isascii() and first_17.isdigit()):
        raise ValueError("a check digit is made from 17 digits")
    total = sum(int(digit) * weight for digit, weight in zip(first_17, _WEIGHTS, strict=True))
    return _CHECKS[total % 11]


def is_resident_id(text: str) -> bool:
    """Whether a text is a well-formed resident id: province, a real birth date, the right check digit.

    Full-width digits and a small x are accepted. One in eleven random numbers passes the check digit.
    """
    number = half_width(text).strip().upper()
    return (
        bool(_RESIDENT_ID.fullmatch(number))
        and bool(_PROVINCES.match(number))
        and _is_date(number[6:10], number[10:12], number[12:14])
        and check_digit(number[:17]) == number[17]
    )


def is_mobile(text: str) -> bool:
    """Whether a text is a mobile number: 11 digits from 13 to 19; +86, spaces and hyphens are accepted."""
    digits = re.sub(r"[ \-]", "", half_width(text).strip())
    return bool(_MOBILE.fullmatch(re.sub(r"^(?:\+|00)86", "", digits)))


def scan(text: str) -> list[Found]:
    """What looks like an identifier in the text, by position. Overlaps go to the kind listed first."""
    plain = _DIGEST.sub(lambda digest: "~" * len(digest[0]), half_width(text))
    found: list[Found] = []
    taken = bytearray(len(plain))
    for kind, pattern, accept in _DETECTORS:
        for match in pattern.finditer(plain):
            start, end = match.span("value")
            if accept(match["value"]) and not any(taken[start:end]):
                found.append(Found(kind, start, end))
                taken[start:end] = b"\x01" * (end - start)
    return sorted(found, key=lambda one: one.start)


def _is_date(year: str, month: str, day: str) -> bool:
    try:
        return 1850 <= date(int(year), int(month), int(day)).year <= 2100
    except ValueError:
        return False


def _is_old_resident_id(number: str) -> bool:
    return bool(_OLD_RESIDENT_ID.fullmatch(number) and _PROVINCES.match(number)) and _is_date(
        "19" + number[6:8], number[8:10], number[10:12]
    )


def _is_bank_card(number: str) -> bool:
    """Luhn (ISO/IEC 7812-1) on digits that begin like a Chinese card (62) or an international one."""
    digits = [int(digit) for digit in reversed(number)]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + doubled) % 10 == 0


def _any(_value: str) -> bool:
    return True


# `\b` does not exist between a Chinese character and a digit, so the borders are written out.
_DETECTORS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    (RESIDENT_ID, re.compile(r"(?<![0-9])(?P<value>[1-9][0-9]{16}[0-9Xx])(?![0-9])"), is_resident_id),
    (BANK_CARD, re.compile(r"(?<![0-9])(?P<value>(?:62|4[0-9]|5[1-5])[0-9]{14,17})(?![0-9])"), _is_bank_card),
    (OLD_RESIDENT_ID, re.compile(r"(?<![0-9.])(?P<value>[1-8][0-9]{14})(?![0-9])"), _is_old_resident_id),
    (
        MOBILE,
        re.compile(
            r"(?<![0-9.])(?P<value>(?:(?:\+|00)86[ \-]?)?1[3-9][0-9][ \-]?[0-9]{4}[ \-]?[0-9]{4})(?![0-9])"
        ),
        is_mobile,
    ),
    (LANDLINE, re.compile(r"(?<![0-9\-])(?P<value>0[0-9]{2,3}[ \-][2-9][0-9]{6,7})(?![0-9\-])"), _any),
    (
        EMAIL,
        re.compile(
            r"(?<![A-Za-z0-9._%+\-])"
            r"(?P<value>[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){1,5})"
        ),
        _any,
    ),
    (
        TRAVEL_DOCUMENT,
        re.compile(
            r"(?:护照|通行证|台胞证|返乡证)[^A-Za-z0-9]{0,6}(?P<value>[A-Za-z]{0,2}[0-9]{7,10})(?![0-9])"
        ),
        _any,
    ),
    (
        HOSPITAL_NUMBER,
        re.compile(
            r"(?:住院|门诊|病案|病历|病理|影像|登记|就诊|医保卡|社保卡)(?:编)?[号卡][码号]?[^A-Za-z0-9]{0,4}"
            r"(?P<value>[A-Za-z]{0,4}[0-9][A-Za-z0-9\-]{3,24})"
        ),
        _any,
    ),
    (
        LICENCE_PLATE,
        re.compile(
            r"(?P<value>[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Z][·\- ]?"
            r"(?=[A-HJ-NP-Z0-9]*[0-9])[A-HJ-NP-Z0-9]{5,6})(?![A-Za-z0-9])"
        ),
        _any,
    ),
)
