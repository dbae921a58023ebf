"""An entry waits until a signed review has looked at it: in its period, and before the log's size at the time."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from rwd_platform.flows.log_coverage import Signed, Stretch, Uncovered, stretches, uncovered
from rwd_platform.records.tables import AuditEntry


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'log.db'}")
    AuditEntry.__table__.create(engine)  # type: ignore[attr-defined]  # what SQLModel makes of a table class
    with Session(engine) as found:
        yield found
    engine.dispose()


def put(session: Session, instants: list[str]) -> None:
    """Entries 0, 1, 2, ... with these instants."""
    told = {"body": b"", "organisation_id": "o", "actor_id": "a", "action": "b", "object_type": "c"}
    rows = [
        {**told, "object_id": "d", "outcome": "done", "sequence": number, "at": at}
        for number, at in enumerate(instants)
    ]
    session.connection().execute(AuditEntry.__table__.insert(), rows)  # type: ignore[attr-defined]


def at(minute: int) -> str:
    return f"2026-11-{1 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}:00.000000Z"


def looked_at_one_by_one(instants: list[str], reviews: list[Signed]) -> Uncovered:
    """The rule as it is said, entry by entry."""
    left = [
        instant
        for number, instant in enumerate(instants)
        if not any(one.since <= instant < one.until and number < one.size for one in reviews)
    ]
    return Uncovered(len(left), min(left, default=""))


def test_without_reviews_everything_waits(session: Session) -> None:
    assert uncovered(session, []) == Uncovered(0, "")
    put(session, [at(3), at(5)])
    assert uncovered(session, []) == Uncovered(2, at(3))


def test_what_came_before_the_review_began_waits(session: Session) -> None:
    put(session, [at(1), at(2), at(3), at(4)])
    assert uncovered(session, [Signed(at(3), at(5), 4)]) == Uncovered(2, at(1))


def test_a_gap_between_two_reviews_waits(session: Session) -> None:
    put(session, [at(minute) for minute in range(10)])
    reviews = [Signed(at(0), at(4), 5), Signed(at(6), at(10), 10)]
    assert uncovered(session, reviews) == Uncovered(2, at(4))


def test_overlaps_cover_once_and_the_larger_log_counts(session: Session) -> None:
    """Minute 3 was looked at by the second review alone: the first one's log was not that long."""
    put(session, [at(minute) for minute in range(10)])
    assert uncovered(session, [Signed(at(0), at(6), 3), Signed(at(2), at(10), 10)]) == Uncovered(0, "")
    assert uncovered(session, [Signed(at(0), at(6), 3), Signed(at(4), at(10), 10)]) == Uncovered(1, at(3))
    assert uncovered(session, [Signed(at(0), at(10), 10), Signed(at(2), at(3), 2)]) == Uncovered(0, "")


def test_an_entry_that_came_later_and_claims_an_earlier_instant_waits(session: Session) -> None:
    """The clock went back after the review: entry 3 says minute 1, and nobody looked at it."""
    put(session, [at(0), at(1), at(2), at(1)])
    assert uncovered(session, [Signed(at(0), at(3), 3)]) == Uncovered(1, at(1))
    assert uncovered(session, [Signed(at(0), at(3), 3), Signed(at(1), at(2), 4)]) == Uncovered(0, "")


def test_an_instant_that_is_none_waits_for_ever(session: Session) -> None:
    put(session, [at(1), "", "昨天", "0001-01-01"])
    found = uncovered(session, [Signed(at(0), at(9), 4)])
    assert found == Uncovered(3, "")


def test_a_review_of_no_time_or_of_an_empty_log_covers_nothing(session: Session) -> None:
    put(session, [at(1)])
    for one in (Signed(at(1), at(1), 9), Signed(at(2), at(0), 9), Signed(at(0), at(2), 0)):
        assert uncovered(session, [one]) == Uncovered(1, at(1))


@pytest.mark.parametrize("seed", range(30))
def test_the_count_is_that_of_looking_at_each_entry(session: Session, seed: int) -> None:
    chance = random.Random(seed)
    instants = [at(chance.randrange(200)) for _ in range(chance.randrange(1, 120))]
    put(session, instants)
    reviews = [
        Signed(at(begins), at(begins + chance.randrange(0, 90)), chance.randrange(len(instants) + 1))
        for begins in (chance.randrange(200) for _ in range(chance.randrange(0, 12)))
    ]
    assert uncovered(session, reviews) == looked_at_one_by_one(instants, reviews)


def test_stretches_are_all_of_time_without_holes_or_needless_cuts() -> None:
    assert stretches([]) == [Stretch("", "", 0)]
    found = stretches([Signed(at(2), at(4), 7), Signed(at(4), at(6), 7), Signed(at(5), at(8), 9)])
    assert found == [
        Stretch("", at(2), 0),
        Stretch(at(2), at(5), 7),
        Stretch(at(5), at(8), 9),
        Stretch(at(8), "", 0),
    ]


def test_a_thousand_reviews_of_a_long_log_are_asked_in_one_go(session: Session) -> None:
    """More stretches than one query takes. Slow only if each review read the whole log: that would take minutes."""
    put(session, [at(minute) for minute in range(40_000)])
    daily = [Signed(at(first), at(first + 30), first + 31) for first in range(0, 39_990, 30)]
    began = time.monotonic()
    assert uncovered(session, daily) == Uncovered(10, at(39_990))
    del daily[700]
    assert uncovered(session, daily).earliest == at(700 * 30)
    assert time.monotonic() - began < 30
