"""What a kept text may be: a code of likely form from a listed code system, and no person's number.

A policy that keeps `coding.code` means a code. What a hospital writes there may be anything: a name, a
mobile number, a resident id. So every text that stays is looked at three ways:

system       `system` and `issuer` must be listed in the policy's [systems]; an address can hold a name
form         a code is short and has no Chinese character and no address in it
identifier   no resident id in any spelling, no mobile, landline or bank card number

Numbers of SNOMED CT have up to 18 digits and look like phones and cards. In a system listed as `sctid`
a number is held to be a code if it is built like one (partition and Verhoeff digit); only a resident id
is still looked for, since its region, birth date and check digit do not come about by chance.

What no rule can see: a name in Latin letters as a code (`WangXiaoming`), or a hospital's own number of
ordinary length. Against these stand the list of systems and the checks of terms in quality and ingestion.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from deidentify.identifiers_cn import (
    BANK_CARD,
    EMAIL,
    LANDLINE,
    MOBILE,
    OLD_RESIDENT_ID,
    RESIDENT_ID,
    is_resident_id,
    scan,
)

UNLISTED_SYSTEM = "deid.unlisted_system"
UNLIKELY_CODE = "deid.unlikely_code"
IDENTIFIER_IN_CODE = "deid.identifier_in_code"

SYSTEM_ELEMENTS = frozenset({"system", "issuer"})
SCTID = "sctid"

# ICD-10 C50.9, A17.0†; ICD-9-CM 85.4; UCUM {nodes}, 10*9/L, mm[Hg], [in_i'Hg], /min, %; LOINC 21893-3; <=20.
_FORM = re.compile(r"[A-Za-z0-9<>={(\[%*/_+-][A-Za-z0-9._:/^+<>=%{}()\[\]*'#† -]{0,63}")
_ADDRESS = re.compile(r"://|\burn:|www\.", re.IGNORECASE)
# FHIR date, dateTime, instant and time: every digit of them has its place.
_DATE_OR_TIME = re.compile(
    r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?|[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
)
_SEPARATORS = re.compile(r"[^0-9A-Za-z]")
_EIGHTEEN = re.compile(r"(?=([1-9][0-9]{16}[0-9Xx]))")
_DIGITS = re.compile(r"[0-9]+")
# A card's or an old resident id's number in groups, as people write them.
_ONLY_DIGITS = re.compile(r"[0-9][0-9 ._:/-]{13,40}[0-9]")
# The last name of a listed family of systems: `v3-ActCode`, `v2-0074`, `condition-clinical`.
_TAIL = re.compile(r"(?!(?:.*[0-9]){6})[A-Za-z][A-Za-z0-9-]{0,63}")
_NUMBERS_OF_PERSONS = frozenset({RESIDENT_ID, OLD_RESIDENT_ID, MOBILE, LANDLINE, BANK_CARD, EMAIL})
# `scan` reads texts, where a dot before digits means a decimal; in a code it may part two names.
_MOBILE_IN_CODE = re.compile(r"(?<![0-9])1[3-9][0-9][._:/ -]?[0-9]{4}[._:/ -]?[0-9]{4}(?![0-9])")
_REMEMBERED = 50_000

# Verhoeff's tables: the dihedral group D5 and the permutation applied once a place.
_D5 = tuple(
    tuple(
        (a + b) % 5 + (5 if b >= 5 else 0) if a < 5 else (a - b) % 5 + (0 if b >= 5 else 5) for b in range(10)
    )
    for a in range(10)
)
_PERMUTED = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


class KeptTexts:
    """Judges the texts of one policy. The answers to texts seen before are remembered, a bounded number."""

    def __init__(self, systems: Mapping[str, str]) -> None:
        self._listed = frozenset(url for url in systems if not url.endswith("/"))
        self._families = tuple(url for url in systems if url.endswith("/"))
        self.sctid_systems = frozenset(url for url, kind in systems.items() if kind == SCTID)
        self._codes: tuple[dict[str, str], dict[str, str]] = ({}, {})  # of other systems, of SNOMED CT
        self._systems: dict[str, str] = {}

    def fault_of_system(self, url: str) -> str:
        """The rule that a code system's address violates, or nothing."""
        known = self._systems.get(url)
        if known is None:
            known = "" if self._is_listed(url) else UNLISTED_SYSTEM
            _remember(self._systems, url, known)
        return known

    def fault_of_code(self, text: str, in_sctid_system: bool) -> str:
        """The rule that a code, date or other short text violates, or nothing."""
        memory = self._codes[in_sctid_system]
        known = memory.get(text)
        if known is None:
            known = "" if _DATE_OR_TIME.fullmatch(text) else _fault_of_code(text, in_sctid_system)
            _remember(memory, text, known)
        return known

    def _is_listed(self, url: str) -> bool:
        if url in self._listed:
            return True
        return any(
            url.startswith(family) and bool(_TAIL.fullmatch(url, len(family))) for family in self._families
        )


def is_sctid(number: str) -> bool:
    """Whether digits are built like a SNOMED CT concept id: 6 to 18, partition 00 or 10, Verhoeff digit."""
    if not (number.isascii() and number.isdigit() and 6 <= len(number) <= 18 and number[0] != "0"):
        return False
    return number[-3:-1] in ("00", "10") and _verhoeff(number) == 0


def _verhoeff(number: str) -> int:
    total = 0
    for place, digit in enumerate(reversed(number)):
        moved = int(digit)
        for _ in range(place % 8):
            moved = _PERMUTED[moved]
        total = _D5[total][moved]
    return total


def _fault_of_code(text: str, in_sctid_system: bool) -> str:
    if _names_a_person(text, in_sctid_system):
        return IDENTIFIER_IN_CODE
    if not _FORM.fullmatch(text) or _ADDRESS.search(text):
        return UNLIKELY_CODE
    return ""


def _names_a_person(text: str, in_sctid_system: bool) -> bool:
    # Spaces, hyphens and dots between the digits of a resident id do not make it another number.
    closed = _SEPARATORS.sub("", text)
    if any(is_resident_id(number) for number in _EIGHTEEN.findall(closed)):
        return True
    if in_sctid_system and all(is_sctid(number) for number in _DIGITS.findall(text)):
        return False
    written = (text, closed) if _ONLY_DIGITS.fullmatch(text) else (text,)
    return bool(_MOBILE_IN_CODE.search(text)) or any(
        found.kind in _NUMBERS_OF_PERSONS for form in written for found in scan(form)
    )


def _remember(memory: dict[str, str], text: str, answer: str) -> None:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[text] = answer
