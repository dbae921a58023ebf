"""Reading the log: who did what, newest first, a page at a time."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlmodel import Session

from rwd_platform.audit.query import (
    EVERYTHING,
    LogFilter,
    actions_in_log,
    find_line,
    lines_of,
    matching,
    read_log,
)
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.records import Records
from rwd_platform.records.tables import AuditEntry
from tests.conftest import StandingClock

ENTRIES = """
actor | organisation | action          | type    | id  | outcome
ann   | org-1        | upload.received | upload  | u-1 | done
ann   | org-1        | upload.admitted | upload  | u-1 | done
bob   | org-2        | study.frozen    | study   | s-1 | done
bob   | org-2        | package.read    | package | p_1 | refused
eve   | org-2        | package.read    | package | p%1 | done
"""


@pytest.fixture
def log(records_sqlite: Records, clock: StandingClock) -> Records:
    return five_entries(records_sqlite, clock)


def five_entries(records: Records, clock: StandingClock) -> Records:
    for line in ENTRIES.strip().splitlines()[1:]:
        actor, organisation, action, kind, id, outcome = (cell.strip() for cell in line.split("|"))
        records.record(Act(Actor(actor, "role", organisation), action, Object(kind, id), outcome=outcome))
        clock.advance(minutes=1)
    return records


def numbers(log: Records, **wanted: object) -> list[int]:
    return [line.sequence for line in read_log(log, LogFilter(**wanted)).lines]  # type: ignore[arg-type]


FILTERS = [
    ({}, [4, 3, 2, 1, 0]),
    ({"actor_id": "ann"}, [1, 0]),
    ({"action": "study.frozen"}, [2]),
    ({"action": "upload."}, [1, 0]),
    ({"action": "upload"}, []),
    ({"action": "%."}, []),
    ({"object_type": "package"}, [4, 3]),
    ({"object_id": "p_1"}, [3]),
    ({"outcome": "refused"}, [3]),
    ({"organisation_id": "org-2"}, [4, 3, 2]),
    ({"organisation_id": "org-2", "outcome": "done", "action": "package."}, [4]),
    ({"since": "2026-11-02T08:02:00.000000Z"}, [4, 3, 2]),
    ({"until": "2026-11-02T08:02:00.000000Z"}, [1, 0]),
    ({"since": "2026-11-02T08:01:00.000000Z", "until": "2026-11-02T08:03:00.000000Z"}, [2, 1]),
    ({"object_id": "' OR 1=1 --"}, []),
    ({"page_size": 2}, [4, 3]),
    ({"page_size": 2, "page": 3}, [0]),
    ({"page_size": 2, "page": 99}, [0]),
    ({"page_size": 2, "page": -5}, [4, 3]),
    ({"page_size": 0}, [4]),
]


@pytest.mark.parametrize(("wanted", "expected"), FILTERS, ids=str)
def test_filters_choose_entries(log: Records, wanted: dict[str, object], expected: list[int]) -> None:
    """Each filter alone and together; % and _ are letters; a page beyond the end is the last page."""
    assert numbers(log, **wanted) == expected


@pytest.mark.postgres
def test_filters_mean_the_same_on_postgresql(records_postgres: Records, clock: StandingClock) -> None:
    """Every filter of the table above, on the other database."""
    log = five_entries(records_postgres, clock)
    for wanted, expected in FILTERS:
        assert numbers(log, **wanted) == expected, wanted


def test_a_page_knows_how_many_there_are(log: Records) -> None:
    """The total and the number of pages are those of the filter, not of the log."""
    page = read_log(log, LogFilter(organisation_id="org-2", page_size=2))
    assert (page.total, page.page, page.pages) == (3, 1, 2)


def test_an_empty_log_has_an_empty_first_page(records: Records) -> None:
    """Nothing happened yet."""
    page = read_log(records, LogFilter())
    assert (page.lines, page.total, page.page, page.pages) == ((), 0, 1, 1)


def test_what_is_shown_comes_from_the_hashed_body(log: Records) -> None:
    """A column that somebody edited hides nothing on the page: the body is what counts."""
    with Session(log.engine) as session:
        session.get_one(AuditEntry, 3).outcome = "done"
        session.commit()
    [line] = [line for line in read_log(log, LogFilter()).lines if line.sequence == 3]
    assert (line.outcome, line.actor_id, line.organisation_id) == ("refused", "bob", "org-2")
    assert line.at == "2026-11-02T08:03:00.000000Z" and len(line.leaf_hash) == 64


def test_the_actions_that_occur_are_listed(log: Records) -> None:
    """For the filter's list: each once, sorted."""
    assert actions_in_log(log) == ("package.read", "study.frozen", "upload.admitted", "upload.received")


@pytest.mark.parametrize(
    "body",
    [
        "'not json'",
        "x'ff00'",
        "'[]'",
        "'{}'",
        "CAST(replace(CAST(body AS TEXT), 'bob', 'eve') AS TEXT)",
        "''",
    ],
)
def test_a_body_that_was_changed_is_shown_and_never_stops_the_page(log: Records, body: str) -> None:
    """Text where bytes belong, no JSON, no entry: what the columns claim is shown, and said to be broken.

    A body that is still an entry is shown as it reads: whether it is the one that was signed, its proof says.
    """
    with log.engine.begin() as connection:
        connection.execute(text(f"UPDATE audit_entry SET body = {body} WHERE sequence = 2"))
    lines = {line.sequence: line for line in read_log(log, LogFilter()).lines}
    assert set(lines) == {0, 1, 2, 3, 4} and not lines[1].broken
    still_an_entry = "eve" in body
    assert lines[2].broken is not still_an_entry
    assert (lines[2].actor_id, lines[2].action) == ("eve" if still_an_entry else "bob", "study.frozen")
    with log.reading() as session:
        assert [entry.sequence for entry in matching(session, LogFilter())] == [0, 1, 2, 3, 4]


def test_an_entry_that_claims_another_place_is_broken(log: Records) -> None:
    with log.engine.begin() as connection:
        moved = "UPDATE audit_entry SET body = (SELECT body FROM audit_entry WHERE sequence = 0) WHERE sequence = 3"
        connection.execute(text(moved))
    line = find_line(log, EVERYTHING, 3)
    assert line is not None and line.broken and line.sequence == 3


def test_the_newest_lines_come_in_batches_up_to_a_number(records_sqlite: Records) -> None:
    """Of more than a batch; each line once, the newest first, the last entry of all included."""
    act = Act(Actor("u", "operator", "org"), "package.read", Object("package", "p"))
    records_sqlite.append_many([act] * 2100)
    for most, wanted in ((5000, 2100), (2100, 2100), (1500, 1500), (0, 0)):
        batches = list(lines_of(records_sqlite, EVERYTHING, LogFilter(), most))
        found = [line.sequence for batch in batches for line in batch]
        assert found == list(range(2099, 2099 - wanted, -1))
        assert all(len(batch) <= 1000 for batch in batches)
    below = [
        one.sequence for batch in lines_of(records_sqlite, EVERYTHING, LogFilter(below=3), 9) for one in batch
    ]
    assert below == [2, 1, 0]


@pytest.mark.parametrize("sequence", [-1, 5, 10**14])
def test_an_entry_that_is_not_there_is_none(log: Records, sequence: int) -> None:
    assert find_line(log, EVERYTHING, sequence) is None
