"""A set in disjoint pieces that leave a few of its members: 1 to 100, and then five cohorts that hold 1 to 99.

A released set and any number of others, which have nobody in common with each other, are laid over one another. Where
their union and the set differ by 1 to minimum - 1 persons, adding up the pieces' numbers and taking them from the
set's tells of these few.

The search takes the first group of the set's members that is not yet covered, and either leaves it out, as long
as fewer than the minimum are left out, or covers it by each piece that fits (exact cover with slack; the idea of
Knuth's algorithm X). It ends after MOST_STEPS for all sets together, and says so. Not covered: two sides of several
pieces each; pieces that overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_STEPS = 200_000
MOST_SETS = 400
_FEWEST_PIECES = 4  # fewer are tried by differencing.py, with every sign


@dataclass(frozen=True)
class Isolated:
    """`found`: the set's place and its pieces', of each set at most one. `is_over`: not everything was tried."""

    found: tuple[tuple[int, tuple[int, ...]], ...]
    is_over: bool


def pieces_that_isolate(sets: Sequence[frozenset[str]], is_new: Sequence[bool], minimum: int) -> Isolated:
    """For every set the disjoint others that leave 1 to minimum - 1 persons; one of them all has to be new."""
    if len(sets) > MOST_SETS:
        return Isolated((), True)
    search = _Search(sets, is_new, minimum)
    found = []
    for place in range(len(sets)):
        pieces = search.pieces_of(place)
        if pieces is not None:
            found.append((place, pieces))
    return Isolated(tuple(found), search.steps > MOST_STEPS)


class _Search:
    """Members who are in the same sets are one group, a bit; a set is the bits of its groups."""

    def __init__(self, sets: Sequence[frozenset[str]], is_new: Sequence[bool], minimum: int) -> None:
        self.is_new, self.minimum, self.steps = is_new, minimum, 0
        places: dict[str, int] = {}
        for place, people in enumerate(sets):
            for person in people:
                places[person] = places.get(person, 0) | 1 << place
        groups: dict[int, int] = {}
        for found in places.values():
            groups[found] = groups.get(found, 0) + 1
        self.weights = list(groups.values())
        self.masks = [
            sum(1 << bit for bit, found in enumerate(groups) if found >> place & 1)
            for place in range(len(sets))
        ]

    def weight(self, mask: int) -> int:
        total = 0
        while mask:
            low = mask & -mask
            total += self.weights[low.bit_length() - 1]
            mask ^= low
        return total

    def pieces_of(self, whole: int) -> tuple[int, ...] | None:
        """The first pieces that leave a few, in the order of the sets."""
        own = self.masks[whole]
        fitting = [
            (other, mask)
            for other, mask in enumerate(self.masks)
            if other != whole and mask & own and self.weight(mask & ~own) < self.minimum
        ]
        if len(fitting) < _FEWEST_PIECES:
            return None
        return self._cover(own, own, 0, (), 0, fitting, whole)

    def _cover(
        self,
        own: int,
        open_groups: int,
        used: int,
        chosen: tuple[int, ...],
        left: int,
        fitting: Sequence[tuple[int, int]],
        whole: int,
    ) -> tuple[int, ...] | None:
        """`open_groups`: neither covered nor left out; `left`: who was left out, or sticks out."""
        self.steps += 1
        if left >= self.minimum or self.steps > MOST_STEPS:
            return None
        if not open_groups:
            is_news = self.is_new[whole] or any(self.is_new[one] for one in chosen)
            return chosen if left and is_news and len(chosen) >= _FEWEST_PIECES else None
        first = open_groups & -open_groups
        for other, mask in fitting:
            # A group that was left out stays out: else one choice would be tried twice.
            if mask & first and not mask & used and not mask & own & ~open_groups:
                beyond = self.weight(mask & ~own)
                found = self._cover(
                    own, open_groups & ~mask, used | mask, (*chosen, other), left + beyond, fitting, whole
                )
                if found is not None:
                    return found
        rest = open_groups ^ first
        return self._cover(own, rest, used, chosen, left + self.weight(first), fitting, whole)
