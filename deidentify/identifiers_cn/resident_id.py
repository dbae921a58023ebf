"""Numbers that the state gives to a person: resident ids, residence permits, foreigners' permanent residence.

Resident id (GB 11643-1999): 6 digits region, 8 birth date, 3 sequence (odd for men, even for women;
996 to 999 were reserved for people of a hundred years and more), 1 check digit (ISO 7064 MOD 11-2). The
old form of 15 digits has a birth year of two digits and no check digit. Residence permits of people from
Hong Kong, Macau and Taiwan are built alike, with region 810000, 820000 and 830000. The permanent residence
card of foreigners has 18 digits since 2023 (9, where it was issued, nationality, birth date, sequence, the
same check digit) and had 15 characters before (nationality as three letters, then 12 digits).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from deidentify.identifiers_cn.found import OLD_RESIDENT_ID, PERMANENT_RESIDENCE, RESIDENT_ID, Found
from deidentify.identifiers_cn.normal_form import half_width
from deidentify.identifiers_cn.regions import was_region

LENGTH = "length"
REGION = "region"
BIRTH_DATE = "birth-date"
CHECK_DIGIT = "check-digit"

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"
# Provinces of GB/T 2260; 81 to 83: residence permits of people from Hong Kong, Macau, Taiwan; 9: foreigners'.
_PROVINCES = re.compile(r"(?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]|9[0-9])")
_RESIDENT_ID = re.compile(r"[1-9][0-9]{16}[0-9X]")
_OLD_RESIDENT_ID = re.compile(r"[1-8][0-9]{14}")
_OLD_PERMANENT = re.compile(r"[A-Z]{3}[0-9]{12}")

_GAP = r"[ \t\r\n.·_/\-]{0,2}"  # what people put between groups of digits; two at most
_SOLID = re.compile(r"(?<![0-9])(?P<value>[1-9][0-9]{16}[0-9Xx])(?![0-9])")
# With a lookahead, so that a digit before the number cannot take the number's beginning with it.
_SPACED = re.compile(rf"(?<![0-9])(?=(?P<value>[1-9](?:{_GAP}[0-9]){{16}}{_GAP}[0-9Xx])(?![0-9]))")
_OLD_SOLID = re.compile(r"(?<![0-9.])(?P<value>[1-8][0-9]{14})(?![0-9])")
_OLD_SPACED = re.compile(rf"(?<![0-9.])(?=(?P<value>[1-8](?:{_GAP}[0-9]){{14}})(?![0-9]))")
_PERMANENT = re.compile(
    r"(?<![A-Za-z0-9])(?P<value>[A-Za-z]{3}[ \-]?(?:[0-9][ \-]?){11}[0-9])(?![A-Za-z0-9])"
)
# What stands after the words for an id card is one, also with a wrong digit, starred out or cut short.
_NAMED = re.compile(
    r"(?:身份证|身分证|居民证|居住证|居留证|公民身份|证件)(?:件)?(?:号|编号)?(?:码)?[^0-9A-Za-z\n。；]{0,6}"
    rf"(?P<value>[0-9*](?:{_GAP}[0-9*]){{5,22}}(?:{_GAP}[0-9Xx*])?)(?![0-9A-Za-z])"
)
_TAIL = re.compile(
    r"(?:身份证|证件)[^0-9A-Za-z\n。；]{0,6}(?:尾号|后[四六46]位|末[四六46]位)[^0-9A-Za-z\n。；]{0,4}"
    r"(?P<value>[0-9]{3,5}[0-9Xx])(?![0-9A-Za-z])"
)
_NOT_ALPHANUMERIC = re.compile(r"[^0-9A-Za-z]")


def check_digit(first_17: str) -> str:
    """The 18th character of a resident id."""
    if len(first_17) != 17 or not (first_17.isascii() and first_17.isdigit()):
        raise ValueError("a check digit is made from 17 digits")
    total = sum(int(digit) * weight for digit, weight in zip(first_17, _WEIGHTS, strict=True))
    return _CHECKS[total % 11]


def faults_of_resident_id(text: str) -> tuple[str, ...]:
    """What is wrong with an 18-character number: `length` alone, or of `region`, `birth-date`, `check-digit`.

    The region must have been in GB/T 2260 in the birth year or later; historical codes are known.
    """
    number = half_width(text).strip().upper()
    if not _RESIDENT_ID.fullmatch(number):
        return (LENGTH,)
    born = _is_date(number[6:10], number[10:12], number[12:14])
    faults = (
        (REGION, not _region_was_known(number)),
        (BIRTH_DATE, not born),
        (CHECK_DIGIT, check_digit(number[:17]) != number[17]),
    )
    return tuple(fault for fault, stands in faults if stands)


def is_resident_id(text: str) -> bool:
    """Whether a text is a well-formed resident id: province, a real birth date, the right check digit.

    Full-width digits and a small x are accepted. One in eleven random numbers passes the check digit.
    The county is not looked at: a gate against leaks would rather stop a number too many.
    """
    number = half_width(text).strip().upper()
    return (
        bool(_RESIDENT_ID.fullmatch(number))
        and bool(_PROVINCES.match(number))
        and _is_date(number[6:10], number[10:12], number[12:14])
        and check_digit(number[:17]) == number[17]
    )


def is_old_resident_id(text: str) -> bool:
    """Whether a text is built like an id of 15 digits: province and a real birth date of the 20th century."""
    number = half_width(text).strip()
    return bool(_OLD_RESIDENT_ID.fullmatch(number) and _PROVINCES.match(number)) and _is_date(
        "19" + number[6:8], number[8:10], number[10:12]
    )


def is_permanent_residence_id(text: str) -> bool:
    """Whether a text is built like a foreigner's permanent residence card, in its old or its new form."""
    number = half_width(text).strip().upper()
    if number.startswith("9"):
        return is_resident_id(number)
    return bool(_OLD_PERMANENT.fullmatch(number)) and any(
        _is_date(century + number[7:9], number[9:11], number[11:13]) for century in ("19", "20")
    )


def find_resident_ids(plain: str) -> Iterator[Found]:
    """Ids in a text in normal form: solid, spaced, after the words for them, and with one wrong digit."""
    for match in _SOLID.finditer(plain):
        if is_resident_id(match["value"]) or _is_mistyped(match["value"]):
            yield Found(_kind(match["value"]), *match.span("value"))
    for match in _SPACED.finditer(plain):
        number = _NOT_ALPHANUMERIC.sub("", match["value"])
        if is_resident_id(number) and _region_was_known(number):
            yield Found(_kind(number), *match.span("value"))
    for match in (*_NAMED.finditer(plain), *_TAIL.finditer(plain)):
        number = _NOT_ALPHANUMERIC.sub("", match["value"])
        if len(number) >= 4:
            yield Found(OLD_RESIDENT_ID if is_old_resident_id(number) else RESIDENT_ID, *match.span("value"))


def find_old_resident_ids(plain: str) -> Iterator[Found]:
    """Ids of 15 digits, and permanent residence cards of 15 characters, in a text in normal form."""
    for match in _OLD_SOLID.finditer(plain):
        if is_old_resident_id(match["value"]):
            yield Found(OLD_RESIDENT_ID, *match.span("value"))
    for match in _OLD_SPACED.finditer(plain):
        number = _NOT_ALPHANUMERIC.sub("", match["value"])
        if is_old_resident_id(number) and was_region(number[:6], 1900 + int(number[6:8])):
            yield Found(OLD_RESIDENT_ID, *match.span("value"))
    for match in _PERMANENT.finditer(plain):
        if is_permanent_residence_id(_NOT_ALPHANUMERIC.sub("", match["value"])):
            yield Found(PERMANENT_RESIDENCE, *match.span("value"))


def _kind(number: str) -> str:
    return PERMANENT_RESIDENCE if number.startswith("9") else RESIDENT_ID


def _is_mistyped(number: str) -> bool:
    """A known region and a real birth date: somebody's id, whatever the check digit says."""
    return _region_was_known(number) and _is_date(number[6:10], number[10:12], number[12:14])


def _region_was_known(number: str) -> bool:
    if number.startswith("9"):
        return number[1] != "9" and bool(_PROVINCES.match(number[1:3]))
    return was_region(number[:6], int(number[6:10]))


def _is_date(year: str, month: str, day: str) -> bool:
    try:
        return 1850 <= date(int(year), int(month), int(day)).year <= 2100
    except ValueError:
        return False
