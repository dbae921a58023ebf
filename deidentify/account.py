"""The account of what was left behind: nothing disappears without being counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


class DropCounter:
    """How often each path was left behind. Paths name elements, never values."""

    def __init__(self) -> None:
        self._times: Counter[str] = Counter()

    def count(self, paths: Iterable[str]) -> None:
        self._times.update(paths)

    def add(self, path: str, times: int) -> None:
        if times:
            self._times[path] += times

    def as_dict(self) -> dict[str, int]:
        """Sorted by path, so that the same input gives the same text."""
        return dict(sorted(self._times.items()))


@dataclass(frozen=True)
class Account:
    """What became of a stream of resources.

    `dropped` says in how many resources each path was left behind. A resource whose whole type is
    dropped is read, not written, and stands in `dropped` under its type's name.
    """

    read: int
    written: int
    rejected: int
    quarantined: int
    dropped: Mapping[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "read": self.read,
            "written": self.written,
            "rejected": self.rejected,
            "quarantined": self.quarantined,
            "dropped": dict(self.dropped),
        }
