"""How many persons' information has been provided abroad: exact counts of distinct persons, sensitive first.

Persons are integer keys, given as ranges {first_key, count}; a hospital's own ledger maps its keyed
person hashes to such numbers. A person with any sensitive item belongs to the sensitive set and
leaves the general one, so nobody is counted twice. Ranges are never expanded: a million persons cost
as much as one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Interval = tuple[int, int]  # [start, end)


@dataclass(frozen=True)
class Persons:
    """A set of person keys as sorted, disjoint, non-touching intervals."""

    intervals: tuple[Interval, ...] = ()

    @staticmethod
    def of(first_key: int, count: int) -> Persons:
        """`count` consecutive keys from `first_key`; a count of 0 is nobody, whatever the key."""
        return Persons(((first_key, first_key + count),)) if count else Persons()

    @property
    def count(self) -> int:
        return sum(end - start for start, end in self.intervals)

    def __or__(self, other: Persons) -> Persons:
        merged: list[Interval] = []
        for start, end in sorted(self.intervals + other.intervals):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((start, end))
        return Persons(tuple(merged))

    def __and__(self, other: Persons) -> Persons:
        common = (
            (max(a_start, b_start), min(a_end, b_end))
            for a_start, a_end in self.intervals
            for b_start, b_end in other.intervals
        )
        return Persons(tuple(sorted((start, end) for start, end in common if start < end)))

    def __sub__(self, other: Persons) -> Persons:
        left = list(self.intervals)
        for cut_start, cut_end in other.intervals:
            pieces: list[Interval] = []
            for start, end in left:
                pieces.append((start, min(end, cut_start)))
                pieces.append((max(start, cut_end), end))
            left = [(start, end) for start, end in pieces if start < end]
        return Persons(tuple(left))


@dataclass(frozen=True)
class Ledger:
    """The persons of one exporter in one calendar year (Asia/Shanghai), or of one transfer."""

    general_only: Persons = Persons()
    sensitive: Persons = Persons()

    @property
    def general(self) -> int:
        """Persons of whom nothing sensitive went abroad."""
        return (self.general_only - self.sensitive).count

    @property
    def everybody(self) -> int:
        return (self.general_only | self.sensitive).count

    def plus(self, transfer: Ledger) -> Ledger:
        """The ledger once the transfer is posted. The order of transfers does not matter."""
        sensitive = self.sensitive | transfer.sensitive
        return Ledger((self.general_only | transfer.general_only) - sensitive, sensitive)


def total(transfers: Iterable[Ledger]) -> Ledger:
    """A year's ledger from its postings, in any order."""
    ledger = Ledger()
    for transfer in transfers:
        ledger = ledger.plus(transfer)
    return ledger
