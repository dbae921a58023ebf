"""What a CodeableConcept says it is about: its codes and its names, read against a table of codes.

Hospitals write an address of a code system in two ways and a word in several widths; both are one here.
"""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path
from typing import Any

LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
_ALIASES = {
    "urn:oid:2.16.840.1.113883.6.1": LOINC,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED,
    "urn:oid:2.16.840.1.113883.6.8": UCUM,
}


def half_width(text: str) -> str:
    """In half width and without space around; capitals stay."""
    return unicodedata.normalize("NFKC", text).strip()


def folded(text: str) -> str:
    """Half width, small letters, no space around: ａ, A and a are one."""
    return half_width(text).casefold()


def system_of(url: object) -> str | None:
    """The usual address of a code system; None for what is no address."""
    return _ALIASES.get(url, url) if type(url) is str else None


def codes_of_concept(concept: object) -> list[tuple[str, str]]:
    """System and code of each coding that names both."""
    found = []
    for one in _codings(concept):
        code, system = one.get("code"), one.get("system")
        if type(code) is str and type(system) is str:
            found.append((_ALIASES.get(system, system), code.strip()))
    return found


def names_of_concept(concept: object) -> list[str]:
    """Its text and its displays, as written."""
    if type(concept) is not dict:
        return []
    found = [concept.get("text")]
    for one in _codings(concept):
        found.append(one.get("display"))
    return [name for name in found if type(name) is str]


def listed(file: Path) -> list[dict[str, str]]:
    """The rows of a table of codes: system, code, name."""
    with file.open(encoding="utf-8", newline="") as rows:
        return list(csv.DictReader(line for line in rows if not line.startswith("#")))


def _codings(concept: object) -> list[dict[str, Any]]:
    if type(concept) is not dict:
        return []
    codings = concept.get("coding")
    return [one for one in (codings if type(codings) is list else [codings]) if type(one) is dict]
