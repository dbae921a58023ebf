"""The ledger of a year, opened: whose data each provision holds, and by how much each changed the year's two counts.

A posting does not say by how much it changed the counts: once another one is cancelled or posted in another order
that would not be true any more. So everything here is counted from the sets themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import numpy.typing as npt
from sqlmodel import col, select

from rwd_platform.compliance.ledger import Ledger, Persons
from rwd_platform.compliance.person_sets import PersonSet
from rwd_platform.core.clock import shanghai_date
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provision_facts import counted_in, opened_persons
from rwd_platform.records.tables import PersonPosting, Provision


@dataclass(frozen=True)
class Part:
    """One provision that is counted in the year.

    on     -- the day in Asia/Shanghai on which it was posted, or reserved while it is not posted yet
    posted -- whether it has left; the other parts are reserved and free again when they are cancelled
    """

    provision: Provision
    on: date
    posted: bool
    persons: PersonSet


@dataclass(frozen=True)
class YearCount:
    """An exporter's distinct persons of a calendar year (Asia/Shanghai), exactly.

    reserved_general, reserved_sensitive -- by how much reservations move the two counts beyond what has left;
                                            general may be negative: a person of both kinds counts as sensitive
    """

    posted_general: int
    posted_sensitive: int
    reserved_general: int
    reserved_sensitive: int

    @property
    def general(self) -> int:
        return self.posted_general + self.reserved_general

    @property
    def sensitive(self) -> int:
        return self.posted_sensitive + self.reserved_sensitive


def counted_postings(platform: Platform, year: int) -> Mapping[str, list[PersonPosting]]:
    """What counts in the year, by exporter; nothing is opened. An exporter whose postings are gone has none."""
    query = select(PersonPosting).where(PersonPosting.year == year).order_by(col(PersonPosting.provision_id))
    rows = platform.records.all(select(Provision).where(Provision.year == year))
    found: dict[str, list[PersonPosting]] = defaultdict(list, {row.organisation_id: [] for row in rows})
    for row in platform.records.all(query):
        if row.counted:
            found[row.organisation_id].append(row)
    return found


def check_year(platform: Platform, exporter: str, year: int) -> None:
    """Raises `provision.posting_damaged` where a posting is gone or does not say what its provision says."""
    with platform.records.reading() as session:
        counted_in(session, exporter, year)


def opened_parts(platform: Platform, postings: Sequence[PersonPosting]) -> list[Part]:
    """Opened, what has left first, each in the order of its instant. Raises `provision.posting_damaged`."""
    exporters = {one.organisation_id for one in postings}
    query = select(Provision).where(col(Provision.organisation_id).in_(exporters))
    rows = {row.id: row for row in platform.records.all(query)} if exporters else {}
    ordered = sorted(
        postings, key=lambda one: (not one.posted_at, one.posted_at or one.reserved_at, one.provision_id)
    )
    return [
        Part(
            provision=rows[one.provision_id],
            on=day_of(one.posted_at or one.reserved_at),
            posted=bool(one.posted_at),
            persons=opened_persons(platform, one),
        )
        for one in ordered
    ]


def day_of(instant: str) -> date:
    """The legal day of a stored instant, in Asia/Shanghai."""
    return shanghai_date(datetime.fromisoformat(instant))


def changes_of(parts: Sequence[Part]) -> list[tuple[int, int]]:
    """By how much each part in turn changes the two counts: (general, sensitive)."""
    return increments([one.persons for one in parts])


def year_count(parts: Sequence[Part], changes: Sequence[tuple[int, int]]) -> YearCount:
    """The year's counts out of the parts' changes; `parts` has what is posted first."""
    left = sum(one.posted for one in parts)
    general, sensitive = ([change[kind] for change in changes] for kind in (0, 1))
    return YearCount(sum(general[:left]), sum(sensitive[:left]), sum(general[left:]), sum(sensitive[left:]))


def increments(sets: Sequence[PersonSet]) -> list[tuple[int, int]]:
    """By how much each set in turn changes the two counts of distinct persons: (general, sensitive).

    Their sums are the counts of all of them. A person counts as general from the first set on, and as sensitive
    (and no longer as general) from the first set on that holds anything sensitive of them.
    """
    ranks, places, sensitive = _ranked(sets)
    size, never = len(sets), len(sets)
    if not len(ranks):
        return [(0, 0)] * size
    starts = np.flatnonzero(np.r_[True, ranks[1:] != ranks[:-1]])
    first = np.minimum.reduceat(places, starts)
    first_sensitive = np.minimum.reduceat(np.where(sensitive, places, never), starts)
    was_general = first < first_sensitive
    general = np.bincount(first[was_general], minlength=size + 1)
    general = general - np.bincount(first_sensitive[was_general], minlength=size + 1)
    new_sensitive = np.bincount(first_sensitive, minlength=size + 1)
    return [(int(general[place]), int(new_sensitive[place])) for place in range(size)]


def as_ledgers(sets: Sequence[PersonSet]) -> list[Ledger]:
    """The same sets as ledgers of numbered persons, comparable with each other and with nothing else."""
    ranks, places, sensitive = _ranked(sets)
    return [
        Ledger(
            _stretches(ranks[(places == place) & ~sensitive]),
            _stretches(ranks[(places == place) & sensitive]),
        )
        for place in range(len(sets))
    ]


def _ranked(
    sets: Sequence[PersonSet],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Every key of every set, the same persons together: number of the person, place of the set, and of which kind."""
    parts = [
        (keys, place, kind)
        for place, one in enumerate(sets)
        for keys, kind in ((one.general, False), (one.sensitive, True))
    ]
    if not parts:
        nothing = np.empty(0, dtype=np.int64)
        return nothing, nothing, nothing.astype(np.bool_)
    keys = np.concatenate([part for part, _, _ in parts])
    places = np.concatenate([np.full(len(part), place, dtype=np.int64) for part, place, _ in parts])
    sensitive = np.concatenate([np.full(len(part), kind, dtype=np.bool_) for part, _, kind in parts])
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    keys = keys[order]
    changes = np.zeros(len(keys), dtype=np.int64)
    changes[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    return np.cumsum(changes), places[order], sensitive[order]


def _stretches(ranks: npt.NDArray[np.int64]) -> Persons:
    """Sorted numbers as half-open intervals that do not touch."""
    if not len(ranks):
        return Persons()
    ranks = np.unique(ranks)
    ends = np.flatnonzero(np.r_[ranks[1:] != ranks[:-1] + 1, True])
    starts = np.r_[0, ends[:-1] + 1]
    return Persons(tuple((int(ranks[a]), int(ranks[b]) + 1) for a, b in zip(starts, ends, strict=True)))
