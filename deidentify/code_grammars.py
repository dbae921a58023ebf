"""What a code of a system is: its pattern, its check digits, and a unit's grammar, from code_grammars.toml.

A name in Latin letters and a hospital's own number look like codes, but not like codes of LOINC or ICD-10.
Sources stand beside each pattern in the file.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("code_grammars.toml")
_UNITS = Path(__file__).with_name("ucum.toml")
_DIGITS = re.compile(r"[0-9]+")
_ANNOTATION = re.compile(r"\{([^{}]*)\}")
_EXPONENT = re.compile(r"[+-]?[0-9]{1,2}$")
_NUMBER = re.compile(r"[0-9]{1,7}")
_FACTOR = re.compile(r"(?:10[*^](?:[+-]?[0-9]{1,3})?|\[[^\]]*\]|[^./()\[\]])+")
_SHORT_ANNOTATION = 3

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
    """One system's codes. `sure`: its numbers are built so that they are not taken for phones or cards."""

    name: str
    pattern: re.Pattern[str]
    check: str = ""
    sure: bool = False

    def fits(self, code: str) -> bool:
        if not self.pattern.fullmatch(code):
            return False
        if self.check == "loinc":
            return not code[0].isdigit() or luhn(code.replace("-", ""))
        if self.check == "sctid":
            return all(map(is_sctid, _DIGITS.findall(code)))
        return self.check != "ucum" or is_unit(code)


@cache
def grammars() -> dict[str, Grammar]:
    """Addresses of systems, or beginnings of them with `/` at the end, and their grammars."""
    found: dict[str, Grammar] = {}
    for name, table in tomllib.loads(_FILE.read_text("utf-8")).items():
        grammar = Grammar(
            name, re.compile(table["pattern"]), table.get("check", ""), table.get("sure", False)
        )
        found.update(dict.fromkeys(table["systems"], grammar))
    return found


def grammar_of(system: str) -> Grammar | None:
    """The grammar of a system's codes; None where it has none here."""
    known = grammars()
    return known.get(system) or known.get(system[: system.rfind("/") + 1])


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
    for words in _ANNOTATION.findall(text):
        if words not in annotations and sum(map(str.isalnum, words)) > _SHORT_ANNOTATION:
            return False
    bare = _ANNOTATION.sub("", text)
    if "{" in bare or "}" in bare or bare.count("(") != bare.count(")"):
        return False
    parts = _FACTOR.findall(bare)
    if len(parts) > 1 and all(map(_NUMBER.fullmatch, parts)):
        return False  # 192.168.1.77
    return all(_is_component(part, atoms, with_prefix) for part in parts)


def _is_component(part: str, atoms: frozenset[str], with_prefix: frozenset[str]) -> bool:
    if _NUMBER.fullmatch(part) or part in atoms or part in with_prefix:
        return True
    if part.startswith(("10*", "10^")):
        return not part[3:] or bool(_EXPONENT.fullmatch(part[3:]))
    base = _EXPONENT.sub("", part)
    return base in atoms or base in with_prefix


@cache
def _units() -> tuple[frozenset[str], frozenset[str], frozenset[str], frozenset[str]]:
    table = tomllib.loads(_UNITS.read_text("utf-8"))
    metric = table["metric"].split()
    prefixed = {prefix + atom for prefix in table["prefixes"].split() for atom in metric}
    return (
        frozenset(table["atoms"].split()) | frozenset(metric),
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
