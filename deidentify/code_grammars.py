"""What a code of a system is: HL7's by a closed list, others by pattern, check digits, and a unit's grammar.

A name in Latin letters and a hospital's own number look like codes, but not like codes of LOINC or ICD-10.
Patterns and their sources stand in code_grammars.toml.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from deidentify.hl7_names import codes_of

_FILE = Path(__file__).with_name("code_grammars.toml")
_UNITS = Path(__file__).with_name("ucum.toml")
_DIGITS = re.compile(r"[0-9]+")
_ANNOTATION = re.compile(r"\{([^{}]*)\}")
_POWER_OF_TEN = re.compile(r"10[*^](?:[+-]?[1-9][0-9]?)?")
_EXPONENT = re.compile(r"[+-]?[1-9]$")
# 24.h, 100, 173: a number in a unit is short, or a power of ten; no year and no phone.
_NUMBER = re.compile(r"[1-9][0-9]{0,2}|10{3,6}")
# mL/cm[H2O]/kg/min has as many as any unit that laboratories use; the shortest telephone number has seven digits.
_MOST_FACTORS = 4
_LEAST_OF_A_NUMBER = 7
_EMPTY_FACTOR = re.compile(r"[./]{2}|[./]$")
_FACTOR = re.compile(r"(?:10[*^](?:[+-]?[0-9]{1,3})?|\[[^\]]*\]|[^./()\[\]])+")
_ANYTHING = re.compile(r".*")

# Verhoeff's tables: the dihedral group D5 and the permutation applied once a place.
_D5 = tuple(
    tuple(
        (a + b) % 5 + (5 if b >= 5 else 0) if a < 5 else (a - b) % 5 + (0 if b >= 5 else 5) for b in range(10)
    )
    for a in range(10)
)
_PERMUTED = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


@dataclass(frozen=True)
class Grammar:
    """One system's codes. `sure`: its numbers are built so that they are not taken for phones or cards.

    `codes`: all of them, where the list is closed; the pattern then says nothing.
    """

    name: str
    pattern: re.Pattern[str]
    check: str = ""
    sure: bool = False
    codes: frozenset[str] | None = None
    alone: re.Pattern[str] | None = None

    def fits(self, code: str) -> bool:
        if self.codes is not None:
            return code in self.codes
        return bool(self.pattern.fullmatch(code)) and self._checks(code)

    def fits_alone(self, code: str) -> bool:
        """Whether it is a code of this system also where no system is named: its form is its system's own."""
        return self.alone is not None and bool(self.alone.fullmatch(code)) and self._checks(code)

    def _checks(self, code: str) -> bool:
        if self.check == "loinc":
            return not code[0].isdigit() or luhn(code.replace("-", ""))
        if self.check == "sctid":
            return all(map(is_sctid, _DIGITS.findall(code)))
        return self.check != "ucum" or is_unit(code)


@cache
def grammars() -> dict[str, Grammar]:
    """Addresses of systems and their grammars, HL7's closed lists left out."""
    return {system: _grammar(name, table) for name, table in _tables().items() for system in table["systems"]}


def grammar_of(system: str) -> Grammar | None:
    """The grammar of a system's codes; None where it has none here."""
    known = grammars().get(system)
    if known is not None:
        return known
    codes = codes_of(system)
    if codes is None:
        return None
    # One name for all that have no code, so that nobody fills a memory with addresses made up below HL7's.
    return Grammar(system if codes else "hl7 without codes", _ANYTHING, codes=codes)


def grammar_by_form(code: str) -> Grammar | None:
    """The grammar of which a code is one that needs no system to be told: C50.911, 718-7, 254837009, L02BA01."""
    return next((grammar for grammar in _alone() if grammar.fits_alone(code)), None)


def is_told_by_form(text: str) -> bool:
    """Whether a text is a code of a kind that tells by its form what it is, such as a Chinese product's number."""
    return any(pattern.fullmatch(text) for pattern in _anywhere())


@cache
def _tables() -> dict[str, dict[str, Any]]:
    return tomllib.loads(_FILE.read_text("utf-8"))


@cache
def _anywhere() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(table["pattern"]) for table in _tables().values() if table.get("anywhere"))


@cache
def _alone() -> tuple[Grammar, ...]:
    return tuple(_grammar(name, table) for name, table in _tables().items() if "alone" in table)


def _grammar(name: str, table: Mapping[str, Any]) -> Grammar:
    alone = re.compile(table["alone"]) if "alone" in table else None
    pattern, check, sure = re.compile(table["pattern"]), table.get("check", ""), table.get("sure", False)
    return Grammar(name, pattern, check, sure, alone=alone)


def is_sctid(number: str) -> bool:
    """Whether digits are built like a SNOMED CT concept id: 6 to 18, partition 00 or 10, Verhoeff digit."""
    if not (number.isascii() and number.isdigit() and 6 <= len(number) <= 18 and number[0] != "0"):
        return False
    return number[-3:-1] in ("00", "10") and _verhoeff(number) == 0


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B, "Mod 10": every second digit from the right but one is doubled."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def is_unit(text: str) -> bool:
    """Whether a text is a unit of UCUM made of known atoms, with none but known annotations."""
    atoms, with_prefix, annotations, as_written = _units()
    if text in as_written:
        return True
    if not annotations.issuperset(_ANNOTATION.findall(text)):
        return False
    bare = _ANNOTATION.sub("", text)
    if "{" in bare or "}" in bare or bare.count("(") != bare.count(")") or _EMPTY_FACTOR.search(text):
        return False
    parts = _FACTOR.findall(bare)
    if len(parts) > _MOST_FACTORS or is_numbers_length(text):
        return False
    # 192.168.1.77, a birthday in parts, 10*11.10*10
    if sum(map(str.isdigit, parts)) > 1 or sum(part.startswith(("10*", "10^")) for part in parts) > 1:
        return False
    return all(_is_component(part, atoms, with_prefix) for part in parts)


def is_numbers_length(unit: str) -> bool:
    """Whether all digits of a unit, joined, are as many as a telephone number has: m1.m3.m8, 138次/123次/456次."""
    return sum(map(str.isdigit, unit)) >= _LEAST_OF_A_NUMBER


def _is_component(part: str, atoms: frozenset[str], with_prefix: frozenset[str]) -> bool:
    if _NUMBER.fullmatch(part) or part in atoms or part in with_prefix:
        return True
    if part.startswith(("10*", "10^")):
        return bool(_POWER_OF_TEN.fullmatch(part))
    base = _EXPONENT.sub("", part)
    return base in atoms or base in with_prefix


@cache
def _units() -> tuple[frozenset[str], frozenset[str], frozenset[str], frozenset[str]]:
    table = tomllib.loads(_UNITS.read_text("utf-8"))
    metric = table["metric"].split()
    prefixed = {prefix + atom for prefix in table["prefixes"].split() for atom in metric}
    return (
        frozenset([*table["atoms"].split(), *metric]),
        frozenset(prefixed),
        frozenset(table["annotations"]),
        frozenset(table["as_written"].split()),
    )


def _verhoeff(number: str) -> int:
    total = 0
    for place, digit in enumerate(reversed(number)):
        moved = int(digit)
        for _ in range(place % 8):
            moved = _PERMUTED[moved]
        total = _D5[total][moved]
    return total
