"""Which names out of a hospital's file may be shown: one rule for messages, counts, logs and receipts.

A key of a JSON object and the name of a file in an archive are written by the sender, and may hold a person's
name or number. So a name is shown only if FHIR gives it, or if it is a slip of the pen away from one that FHIR
gives. Everything else is told by its position.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from rwd_platform.core.text import Bilingual

_NAMES = Path(__file__).with_name("fhir_names.txt")
_LETTERS = re.compile(r"[A-Za-z]{6,64}")
# A slip is one letter in a name of 6 to 8 and at most two in a longer one: nearer, `tang` would be `tag`.
_TWO_SLIPS_FROM = 9
_PART_OF_FILE_NAME = re.compile(r"[-_. ]")
_NUMBER_OF_PART = re.compile(r"[0-9]{1,3}")
_ENDINGS = frozenset({"json", "ndjson", "jsonl", "csv", "tsv", "txt", "gz"})


@lru_cache(maxsize=1)
def fhir_names() -> frozenset[str]:
    """Every name of an element or a resource type in R4, R4B and R5."""
    lines = _NAMES.read_text("utf-8").splitlines()
    return frozenset(name for line in lines if not line.startswith("#") for name in line.split())


@lru_cache(maxsize=4096)
def is_safe_name(name: str) -> bool:
    """Whether an element's name may be shown; `_birthDate` counts as `birthDate`.

    At most two letters added, left out, exchanged or turned round, and no sign but letters of ASCII.
    """
    bare = name.removeprefix("_")
    if bare in fhir_names():
        return True
    if not _LETTERS.fullmatch(bare):
        return False
    slips = 2 if len(bare) >= _TWO_SLIPS_FROM else 1
    letters, by_length = _letters(bare), _by_length()
    return any(
        (letters ^ own).bit_count() <= 2 * slips and _is_within(bare, known, slips)
        for length in range(len(bare) - slips, len(bare) + slips + 1)
        for own, known in by_length.get(length, ())
    )


def shown_name(name: object, position: int) -> Bilingual:
    """The name, or in its place where it stands: `position` counts from 1 within its object."""
    if isinstance(name, str) and is_safe_name(name):
        return Bilingual(name, name)
    return Bilingual(
        f"（名称不予显示的元素，第 {position} 个）",
        f"an element whose name is not shown (position {position})",
    )


def shown_member(name: str, position: int) -> str:
    """A file in an archive by its position, with its name where every word of it is FHIR's: `member 2`.

    `Patient.ndjson` and `Observation-000.ndjson.gz` are such names; folders are part of a name.
    """
    parts = [part for step in name.split("/") for part in _PART_OF_FILE_NAME.split(step)]
    safe = all(
        part in _ENDINGS or _NUMBER_OF_PART.fullmatch(part) or part in fhir_names() for part in parts if part
    )
    words = sum(part in fhir_names() for part in parts)
    return f"member {position} ({name})" if safe and words else f"member {position}"


@lru_cache(maxsize=1)
def _by_length() -> dict[int, list[tuple[int, str]]]:
    """The names with their letters, by length: most are told apart without being compared letter by letter."""
    found: dict[int, list[tuple[int, str]]] = {}
    for known in fhir_names():
        found.setdefault(len(known), []).append((_letters(known), known))
    return found


def _letters(name: str) -> int:
    """Which letters a name has, a bit for each. A slip changes at most two of them."""
    mask = 0
    for letter in name.lower():
        mask |= 1 << (ord(letter) & 31)
    return mask


def _is_within(text: str, known: str, most: int) -> bool:
    """Whether at most so many letters differ: optimal string alignment (two letters turned round are one)."""
    before: list[int] = []
    row = list(range(len(known) + 1))
    for at, letter in enumerate(text, 1):
        earlier, before, row = before, row, [at]
        for other, against in enumerate(known, 1):
            cost = min(before[other] + 1, row[other - 1] + 1, before[other - 1] + (letter != against))
            turned = at > 1 and other > 1 and letter == known[other - 2] and text[at - 2] == against
            row.append(min(cost, earlier[other - 2] + 1) if turned else cost)
        if min(row) > most:
            return False
    return row[-1] <= most
