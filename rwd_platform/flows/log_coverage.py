"""Which entries of the log are in no signed review: those that nobody has signed for having looked at.

A review looks at a period, and at the entries that the log had when it was opened. An entry of before the period, and
one that came later with an instant within it, is none of the review's, whatever was signed since.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from rwd_platform.records.tables import AuditEntry

_AT_ONCE = 500  # stretches in one query, four values each
_COLUMNS: tuple[Any, ...] = (
    sa.column("place", sa.Integer),
    sa.column("since", sa.String),
    sa.column("until", sa.String),
    sa.column("size", sa.BigInteger),
)


@dataclass(frozen=True)
class Signed:
    """What one signed review looked at: entries with since <= at < until and a number below `size`."""

    since: str
    until: str
    size: int


@dataclass(frozen=True)
class Stretch:
    """A stretch of time in which entries numbered from `size` on are in no review; an `until` of "" is no end."""

    since: str
    until: str
    size: int


@dataclass(frozen=True)
class Uncovered:
    """How many entries are in no review, and the instant that the earliest of them claims; "" where there is none."""

    entries: int
    earliest: str


def stretches(reviews: Iterable[Signed]) -> list[Stretch]:
    """All of time, cut where a review begins or ends, in order; neighbours of one size are one."""
    begun = sorted((one for one in reviews if one.since < one.until), key=lambda one: one.since)
    cuts = sorted({"", *(one.since for one in begun), *(one.until for one in begun)})
    found: list[Stretch] = []
    running: list[tuple[int, str]] = []  # the largest first; one that has ended goes when it comes to the top
    waiting = iter(begun)
    following = next(waiting, None)
    for cut, until in pairwise((*cuts, "")):
        while following is not None and following.since <= cut:
            heapq.heappush(running, (-following.size, following.until))
            following = next(waiting, None)
        while running and running[0][1] <= cut:
            heapq.heappop(running)
        size = -running[0][0] if running else 0
        is_more = bool(found) and found[-1].size == size
        found.append(Stretch(found.pop().since if is_more else cut, until, size))
    return found


def uncovered(session: Session, reviews: Iterable[Signed]) -> Uncovered:
    """Each entry is looked up once, whatever the number of reviews."""
    count, first = 0, None
    for stretch, entries in _counted(session, stretches(reviews)):
        count += entries
        first = stretch if first is None and entries else first
    if first is None:
        return Uncovered(0, "")
    earliest = sa.select(sa.func.min(col(AuditEntry.at))).where(*_within(first))
    return Uncovered(count, str(session.connection().execute(earliest).scalar_one()))


def _counted(session: Session, all_of_time: Sequence[Stretch]) -> Iterator[tuple[Stretch, int]]:
    """How many entries of each stretch are in no review, in the order of time; the last one has no end."""
    *closed, last = all_of_time
    for start in range(0, len(closed), _AT_ONCE):
        batch = closed[start : start + _AT_ONCE]
        rows_given = [(place, one.since, one.until, one.size) for place, one in enumerate(batch)]
        given = sa.values(*_COLUMNS, name="stretches").data(rows_given).cte("stretch")
        entries = (
            sa.select(sa.func.count())
            .select_from(AuditEntry)
            .where(
                col(AuditEntry.at) >= given.c.since,
                col(AuditEntry.at) < given.c.until,
                col(AuditEntry.sequence) >= given.c.size,
            )
            .correlate(given)
            .scalar_subquery()
        )
        rows = session.connection().execute(sa.select(given.c.place, entries).order_by(given.c.place))
        yield from ((batch[place], number) for place, number in rows)
    query = sa.select(sa.func.count()).select_from(AuditEntry).where(*_within(last))
    yield last, session.connection().execute(query).scalar_one()


def _within(stretch: Stretch) -> list[Any]:
    within = [col(AuditEntry.at) >= stretch.since, col(AuditEntry.sequence) >= stretch.size]
    return [*within, col(AuditEntry.at) < stretch.until] if stretch.until else within
