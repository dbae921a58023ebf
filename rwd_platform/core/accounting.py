"""The account of what came in: received = accepted + rejected + quarantined + duplicate.

The unit is a resource. An unreadable line is one unit, an entry of a Bundle is one, a row of a
table that could not be turned into resources is one. A file sent again is all duplicate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What became of one unit."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"
    DUPLICATE = "duplicate"


@dataclass(frozen=True)
class Accounting:
    """Counts of one file, upload or hospital. `received` is derived, so the account cannot fail to add up."""

    accepted: int = 0
    rejected: int = 0
    quarantined: int = 0
    duplicate: int = 0

    @property
    def received(self) -> int:
        return self.accepted + self.rejected + self.quarantined + self.duplicate

    def counting(self, outcome: Outcome, units: int = 1) -> Accounting:
        counts = self.as_dict()
        counts[outcome.value] += units
        del counts["received"]
        return Accounting(**counts)

    def as_dict(self) -> dict[str, int]:
        return {
            "received": self.received,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "quarantined": self.quarantined,
            "duplicate": self.duplicate,
        }

    @staticmethod
    def total(parts: Iterable[Accounting]) -> Accounting:
        parts = list(parts)
        return Accounting(
            accepted=sum(part.accepted for part in parts),
            rejected=sum(part.rejected for part in parts),
            quarantined=sum(part.quarantined for part in parts),
            duplicate=sum(part.duplicate for part in parts),
        )
