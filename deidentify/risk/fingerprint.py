"""The longitudinal fingerprint: what somebody who knows a few of a person's events could single out.

Class sizes look at columns that stand still. A patient's history moves: one device that few have, on a known
day, is enough even where every demographic class is large. An event is an item (a product, a device, a code
of a table) on a day; an attacker is taken to know some of a person's events and nothing else
(de Montjoye et al. 2013 measured mobility traces in this way).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import comb
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

KNOWN_EVENTS = (1, 2, 3)
RARE_BELOW = 11  # an item that fewer persons have is rare; the size of a controlled release's smallest class
MOST_PERSONS = 20_000  # beyond this, persons are drawn
MOST_SUBSETS = 200  # of one person's events; beyond this, subsets are drawn
_DRAWS = 50


@dataclass(frozen=True)
class Fingerprint:
    """Shares of all persons, 0 to 1. `by_events[m]`: the mean chance that m of a person's events, chosen at
    random, are held by nobody else. `exact` says whether everything was enumerated; if not, what was drawn
    with the seed: `persons_looked_at` persons, and 50 sets of events for those with many."""

    persons: int
    with_events: int
    undated: int  # events without a day, left out
    items: int
    rare_items: int
    rare_below: int
    by_rare_item: float  # has an event with a rare item, on a day, that nobody else has
    by_all_events: float  # the whole history is nobody else's
    by_events: Mapping[int, float]
    exact: bool
    persons_looked_at: int
    seed: int

    def as_dict(self) -> dict[str, Any]:
        return {**self.__dict__, "by_events": {str(known): share for known, share in self.by_events.items()}}


@dataclass(frozen=True)
class _Histories:
    of_person: Mapping[str, tuple[int, ...]]
    holders: Sequence[frozenset[str]] = field(repr=False)

    def is_alone(self, events: Sequence[int]) -> bool:
        """Whether exactly one person has all these events."""
        sets = sorted((self.holders[event] for event in events), key=len)
        if len(sets[0]) == 1:
            return True
        return len(frozenset.intersection(*sets)) == 1


def fingerprint(
    events: pd.DataFrame, *, persons: int, seed: int, rare_below: int = RARE_BELOW
) -> Fingerprint:
    """`events` has the columns person, item and day (any comparable texts or numbers); one row an event.

    `persons` counts everybody in the table, those without events too. Repeated rows count once.
    """
    dated = events.dropna(subset=["person", "item", "day"])[["person", "item", "day"]].drop_duplicates()
    if not len(dated):
        return _nothing(persons, len(events), rare_below, seed)
    histories, items = _histories(dated)
    having = dated.drop_duplicates(["person", "item"]).groupby("item").size()
    rare = frozenset(having[having < rare_below].index)
    draw = Random(seed)  # noqa: S311 - a sample that can be drawn again, not a secret
    everybody = sorted(histories.of_person)
    looked_at = everybody if len(everybody) <= MOST_PERSONS else draw.sample(everybody, MOST_PERSONS)
    scale = len(everybody) / len(looked_at) / persons
    exact = len(looked_at) == len(everybody)
    by_events = {}
    for known in KNOWN_EVENTS:
        chances, complete = _chances(histories, looked_at, known, draw)
        by_events[known] = sum(chances) * scale
        exact = exact and complete
    return Fingerprint(
        persons=persons,
        with_events=len(everybody),
        undated=len(events) - int(events[["person", "item", "day"]].notna().all(axis=1).sum()),
        items=len(having),
        rare_items=len(rare),
        rare_below=rare_below,
        by_rare_item=len(_alone_by_rare_item(histories, items, rare)) / persons,
        by_all_events=sum(histories.is_alone(histories.of_person[one]) for one in looked_at) * scale,
        by_events=by_events,
        exact=exact,
        persons_looked_at=len(looked_at),
        seed=seed,
    )


def _nothing(persons: int, events: int, rare_below: int, seed: int) -> Fingerprint:
    return Fingerprint(
        persons=persons, with_events=0, undated=events, items=0, rare_items=0, rare_below=rare_below,
        by_rare_item=0.0, by_all_events=0.0, by_events=dict.fromkeys(KNOWN_EVENTS, 0.0), exact=True,
        persons_looked_at=0, seed=seed,
    )  # fmt: skip


def _histories(dated: pd.DataFrame) -> tuple[_Histories, list[Any]]:
    """Each person's events as numbers, who has each event, and each event's item."""
    numbers = dated.groupby(["item", "day"], sort=True).ngroup()
    items = dated.assign(event=numbers).drop_duplicates("event").sort_values("event")["item"].tolist()
    of_person: dict[str, list[int]] = {}
    holders: list[set[str]] = [set() for _ in items]
    for person, event in sorted(zip(map(str, dated["person"]), map(int, numbers), strict=True)):
        of_person.setdefault(person, []).append(event)
        holders[event].add(person)
    return (
        _Histories({one: tuple(of) for one, of in of_person.items()}, [frozenset(one) for one in holders]),
        items,
    )


def _alone_by_rare_item(histories: _Histories, items: Sequence[Any], rare: frozenset[Any]) -> set[str]:
    return {
        next(iter(holders))
        for item, holders in zip(items, histories.holders, strict=True)
        if item in rare and len(holders) == 1
    }


def _chances(
    histories: _Histories, persons: Sequence[str], known: int, draw: Random
) -> tuple[list[float], bool]:
    """For each person the share of sets of `known` events that single them out; whether all sets were tried."""
    chances, complete = [], True
    for person in persons:
        own = histories.of_person[person]
        size = min(known, len(own))  # whoever has fewer is known by all of them
        every = comb(len(own), size) <= MOST_SUBSETS
        complete = complete and every
        sets = list(combinations(own, size)) if every else list(_drawn(own, size, draw))
        chances.append(sum(histories.is_alone(one) for one in sets) / len(sets))
    return chances, complete


def _drawn(own: Sequence[int], size: int, draw: Random) -> Iterator[tuple[int, ...]]:
    for _ in range(_DRAWS):
        yield tuple(draw.sample(own, size))
