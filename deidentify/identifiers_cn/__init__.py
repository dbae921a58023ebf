"""Identifiers as they are written in China: how to check one, and how to find them in a text.

One file a subject; each detector reads the normal form of a text (`normal_form`) and reports kinds and
places. `scan` looks for numbers that leak: it would rather name a number too many. It is no proof that a
text is clean, and it knows no names, addresses, serial numbers and lots (`batch 2024` is a good file name);
for free text those are put together in `deidentify.free_text`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from deidentify.identifiers_cn.cards import find_bank_cards, find_insurance_cards
from deidentify.identifiers_cn.contacts import find_contacts
from deidentify.identifiers_cn.documents import find_travel_documents
from deidentify.identifiers_cn.found import (
    BANK_CARD,
    EMAIL,
    HOSPITAL_NUMBER,
    LANDLINE,
    LICENCE_PLATE,
    MOBILE,
    OLD_RESIDENT_ID,
    RESIDENT_ID,
    TRAVEL_DOCUMENT,
    Found,
)
from deidentify.identifiers_cn.hospital_numbers import Registry, find_hospital_numbers, learn
from deidentify.identifiers_cn.normal_form import NormalText, half_width
from deidentify.identifiers_cn.phones import find_mobiles, find_phones, is_mobile
from deidentify.identifiers_cn.resident_id import (
    check_digit,
    find_old_resident_ids,
    find_resident_ids,
    is_resident_id,
)
from deidentify.identifiers_cn.vehicles import find_licence_plates

__all__ = [
    "BANK_CARD",
    "EMAIL",
    "HOSPITAL_NUMBER",
    "LANDLINE",
    "LICENCE_PLATE",
    "MOBILE",
    "OLD_RESIDENT_ID",
    "RESIDENT_ID",
    "TRAVEL_DOCUMENT",
    "Found",
    "NormalText",
    "Registry",
    "check_digit",
    "half_width",
    "is_mobile",
    "is_resident_id",
    "learn",
    "scan",
]

# A digest is not a text: its digits mean nothing. Only what has letters among its hex digits is one.
_DIGEST = re.compile(r"(?<![0-9A-Za-z])(?=[0-9]*[a-f])[0-9a-f]{32,}(?![0-9A-Za-z])")

# The kinds that are surest first: where two findings overlap, the later one gives way.
_DETECTORS: tuple[Callable[[str], Iterable[Found]], ...] = (
    find_resident_ids,
    find_bank_cards,
    find_old_resident_ids,
    find_mobiles,
    find_phones,
    find_contacts,
    find_travel_documents,
    find_insurance_cards,
    find_hospital_numbers,
    find_licence_plates,
)


def scan(text: str) -> list[Found]:
    """What looks like an identifier in the text, by position. Overlaps go to the kind that is surer."""
    normal = NormalText(text)
    found = (Found(one.kind, *normal.place(one.start, one.end)) for one in find_numbers(normal.plain))
    return without_overlaps(found, len(text))


def find_numbers(plain: str) -> Iterator[Found]:
    """Every finding of the number detectors in a text in normal form, the surest kinds first."""
    masked = _DIGEST.sub(lambda digest: "~" * len(digest[0]), plain)
    for detector in _DETECTORS:
        yield from detector(masked)


def without_overlaps(found: Iterable[Found], length: int) -> list[Found]:
    """Of findings given in the order of their rank, those that overlap none before them, by position."""
    kept: list[Found] = []
    taken = bytearray(length)
    for one in found:
        if not any(taken[one.start : one.end]):
            kept.append(one)
            taken[one.start : one.end] = b"\x01" * (one.end - one.start)
    return sorted(kept, key=lambda one: one.start)
