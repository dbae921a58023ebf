"""Who goes abroad, counted exactly: sets of keyed persons, and the case's ranges that say the same.

A person key is 16 bytes: the keyed hash of who somebody is, under the exporter's own key. Two exporters' keys cannot
be compared. A ledger of a year is a union of sets, so the order of transfers does not matter.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

KEY_BYTES = 16

Keys = npt.NDArray[np.uint64]  # shape (n, 2): the two halves of each key, big-endian

_NOBODY: Keys = np.empty((0, 2), dtype=np.uint64)

# How a distinct person stands, one bit each; a person of both kinds counts as sensitive.
_TRANSFER_GENERAL, _TRANSFER_SENSITIVE, _YEAR_GENERAL, _YEAR_SENSITIVE, _MARKED = 1, 2, 4, 8, 16


@dataclass(frozen=True)
class PersonSet:
    """The persons of one transfer: of whom only general, and of whom sensitive information goes."""

    general: Keys
    sensitive: Keys

    @staticmethod
    def of(general: Collection[bytes] = (), sensitive: Collection[bytes] = ()) -> PersonSet:
        return PersonSet(_keys(general), _keys(sensitive))

    @property
    def size(self) -> int:
        return len(self.general) + len(self.sensitive)

    def holds_any(self, keys: Collection[bytes]) -> bool:
        """Whether one of these keys of 16 bytes is in it, among the general or the sensitive."""
        wanted = _keys(keys)
        return any(
            bool((part == one).all(axis=1).any()) for one in wanted for part in (self.general, self.sensitive)
        )

    def to_bytes(self) -> bytes:
        """The number of general keys (8 bytes), then all keys, each part sorted: one set has one form."""
        parts = (_sorted(self.general), _sorted(self.sensitive))
        head = len(self.general).to_bytes(8, "big")
        return head + b"".join(part.astype(">u8").tobytes() for part in parts)

    @staticmethod
    def from_bytes(raw: bytes) -> PersonSet:
        """Raises ValueError for bytes that `to_bytes` did not make."""
        general = int.from_bytes(raw[:8], "big")
        if len(raw) < 8 or (len(raw) - 8) % KEY_BYTES or general > (len(raw) - 8) // KEY_BYTES:
            raise ValueError("not a set of persons")
        keys = np.frombuffer(raw, dtype=">u8", offset=8).astype(np.uint64).reshape(-1, 2)
        return PersonSet(keys[:general], keys[general:])


@dataclass(frozen=True)
class Counted:
    """A transfer beside the year's ledger before it, in numbers of distinct persons.

    in_marked                  -- persons of the transfer and of the marked sets of the year together
    """

    transfer_general: int
    transfer_sensitive: int
    year_general: int
    year_sensitive: int
    after_general: int
    after_sensitive: int
    in_marked: int
    ranges: dict[str, Any]


def count(transfer: PersonSet, year: Sequence[PersonSet], marked: Collection[int] = ()) -> Counted:
    """The exact counts. `marked` are places in `year`: of what went to one recipient, for instance.

    `ranges` are `persons` and `ledger_this_year` of a case (compliance.case) that has the same counts. They name
    nobody: each kind of person is a stretch of consecutive numbers. Seven kinds are enough, because somebody already
    sensitive this year counts as sensitive in the transfer, whatever it holds of them. In this order every one of the
    case's four sets is one stretch:

        only in the transfer, general | both, general | only in the year, general | sensitive now, general before
        | only in the transfer, sensitive | sensitive in the year and in the transfer | only in the year, sensitive
    """
    standing = _standing(transfer, year, marked)
    in_transfer = standing & (_TRANSFER_GENERAL | _TRANSFER_SENSITIVE) != 0
    in_year = standing & (_YEAR_GENERAL | _YEAR_SENSITIVE) != 0
    was_sensitive = standing & _YEAR_SENSITIVE != 0
    now_sensitive = in_transfer & ((standing & _TRANSFER_SENSITIVE != 0) | was_sensitive)
    kinds = (
        in_transfer & ~in_year & ~now_sensitive,
        in_transfer & in_year & ~now_sensitive,
        ~in_transfer & in_year & ~was_sensitive,
        now_sensitive & in_year & ~was_sensitive,
        now_sensitive & ~in_year,
        now_sensitive & was_sensitive,
        ~in_transfer & was_sensitive,
    )
    sizes = [int(np.count_nonzero(kind)) for kind in kinds]
    starts = [sum(sizes[:place]) for place in range(len(sizes))]

    def stretch(first: int, last: int) -> dict[str, int]:
        return {"first_key": starts[first], "count": sum(sizes[first : last + 1])}

    ranges = {
        "persons": {"general_only": stretch(0, 1), "sensitive": stretch(3, 5)},
        "ledger_this_year": {"general_only": stretch(1, 3), "sensitive": stretch(5, 6)},
    }
    return Counted(
        transfer_general=sizes[0] + sizes[1],
        transfer_sensitive=sizes[3] + sizes[4] + sizes[5],
        year_general=sizes[1] + sizes[2] + sizes[3],
        year_sensitive=sizes[5] + sizes[6],
        after_general=sizes[0] + sizes[1] + sizes[2],
        after_sensitive=sizes[3] + sizes[4] + sizes[5] + sizes[6],
        in_marked=int(np.count_nonzero(in_transfer | (standing & _MARKED != 0))),
        ranges=ranges,
    )


def distinct(sets: Sequence[PersonSet]) -> tuple[int, int]:
    """(general, sensitive) persons of all the sets together, each person once."""
    counted = count(PersonSet(_NOBODY, _NOBODY), sets)
    return counted.year_general, counted.year_sensitive


def _standing(
    transfer: PersonSet, year: Sequence[PersonSet], marked: Collection[int]
) -> npt.NDArray[np.uint8]:
    """For each distinct person the bits of where they stand."""
    parts = [(transfer.general, _TRANSFER_GENERAL), (transfer.sensitive, _TRANSFER_SENSITIVE)]
    for place, one in enumerate(year):
        mark = _MARKED if place in marked else 0
        parts += [(one.general, _YEAR_GENERAL | mark), (one.sensitive, _YEAR_SENSITIVE | mark)]
    upper, lower = (np.concatenate([part[:, half] for part, _ in parts]) for half in (0, 1))
    bits = np.concatenate([np.full(len(part), bit, dtype=np.uint8) for part, bit in parts])
    if not len(upper):
        return bits
    order = _order(upper, lower)
    upper, lower, bits = upper[order], lower[order], bits[order]
    first = np.ones(len(upper), dtype=bool)
    first[1:] = (upper[1:] != upper[:-1]) | (lower[1:] != lower[:-1])
    return np.bitwise_or.reduceat(bits, np.flatnonzero(first))


def _order(upper: npt.NDArray[np.uint64], lower: npt.NDArray[np.uint64]) -> npt.NDArray[np.intp]:
    """An order in which equal keys stand together.

    Sorting by the first half is enough unless two different keys share it, which never happens by chance and is
    looked for all the same: only then both halves are sorted.
    """
    order = np.argsort(upper)
    first, second = upper[order], lower[order]
    if bool(((first[1:] == first[:-1]) & (second[1:] != second[:-1])).any()):
        return np.lexsort((lower, upper))
    return order


def _keys(persons: Collection[bytes]) -> Keys:
    if any(len(one) != KEY_BYTES for one in persons):
        raise ValueError(f"a person key has {KEY_BYTES} bytes")
    joined = b"".join(sorted(set(persons)))
    return np.frombuffer(joined, dtype=">u8").astype(np.uint64).reshape(-1, 2)


def _sorted(keys: Keys) -> Keys:
    return keys[np.lexsort((keys[:, 1], keys[:, 0]))]
