"""Birth dates that a hospital records as observations: the same rule as for Patient.birthDate, and never shifted.

A birth date is known to too many people. Shifted, one known birthday gives the patient's offset away; with its
month it is more than a policy leaves of Patient.birthDate.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path

from deidentify.concepts import codes_of_concept, folded, listed, names_of_concept

_CODES = Path(__file__).with_name("birth_codes.csv")
_LONGEST_NAME = 60
_BRACKETS = re.compile(r"[(\[][^()\[\]]*[)\]]")
_SIGNS = re.compile(r"[\s_:,;.-]+")


def is_birth(concept: object) -> bool:
    """Whether a CodeableConcept, the code of an Observation, says that a birth date is told: by code or by name."""
    codes, _ = _told()
    return any(one in codes for one in codes_of_concept(concept)) or any(
        map(_is_name, names_of_concept(concept))
    )


@lru_cache(maxsize=4096)
def _is_name(name: str) -> bool:
    """患者出生日期, Date of birth (DOB) and date_of_birth; not 生日期间 or a date of birthing."""
    if len(name) > _LONGEST_NAME:
        return False
    plain = _SIGNS.sub(" ", _BRACKETS.sub(" ", folded(name))).strip()
    return any(
        plain.endswith(end) and (not end.isascii() or plain == end or plain.endswith(f" {end}"))
        for end in _told()[1]
    )


@cache
def _told() -> tuple[frozenset[tuple[str, str]], tuple[str, ...]]:
    rows = listed(_CODES)
    codes = frozenset((row["system"], row["code"]) for row in rows if row["code"])
    return codes, tuple(folded(row["name"]) for row in rows if not row["code"])
