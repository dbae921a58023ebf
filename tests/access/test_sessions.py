"""Logins: who comes in, for how long, and what the log says about it."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest
from sqlmodel import select

from rwd_platform.access import sessions
from rwd_platform.access.sessions import check_csrf, find_login, log_in, log_out, remove_expired
from rwd_platform.core.errors import PlatformError
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.records import Records
from rwd_platform.records.tables import LoginAttempt, Organisation, User, WebSession
from tests.conftest import StandingClock

PASSWORD = "the right password"
OPERATOR = Actor("user-op", "operator", "org-platform")


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a session does is tested here; what a hash costs is tested in test_passwords."""
    monkeypatch.setattr(sessions, "verify_password", lambda password, stored: stored == f"hash of {password}")


@pytest.fixture
def people(records: Records) -> Records:
    add_ann(records)
    return records


@pytest.fixture
def people_sqlite(records_sqlite: Records) -> Records:
    add_ann(records_sqlite)
    return records_sqlite


def add_ann(records: Records) -> None:
    ann = User(
        id="user-ann", organisation_id="org-1", login="ann", role="hospital", name="Ann",
        password_hash=f"hash of {PASSWORD}", created_at="2026-11-02T00:00:00.000000Z",
    )  # fmt: skip
    hospital = Organisation(id="org-1", kind="hospital", name_zh="甲", name_en="A")
    records.write(
        hospital, ann, audit=Act(OPERATOR, "user_account.created", Object("user_account", "user-ann"))
    )


def entries(records: Records) -> list[dict[str, object]]:
    return [json.loads(row.body) for row in records.log_entries(first=1)]


def fail(records: Records, login: str = "ann", times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(PlatformError, match=r"access\.login_failed"):
            log_in(records, login=login, password="a guess")


def test_the_right_password_opens_a_session(people: Records) -> None:
    """The token names the person, the role and the organisation; the log has the login."""
    new = log_in(people, login="ann", password=PASSWORD, request_id="req-1")
    found = find_login(people, new.token)
    assert found is not None
    assert found.actor == Actor("user-ann", "hospital", "org-1") == new.actor
    assert found.csrf_token == new.csrf_token
    [entry] = entries(people)
    assert (entry["action"], entry["outcome"], entry["request_id"]) == ("session.opened", "done", "req-1")


def test_the_token_is_random_and_stored_only_as_a_hash(people: Records) -> None:
    """256 bits; a stolen table opens no session, and neither token nor csrf token is in the log."""
    one = log_in(people, login="ann", password=PASSWORD)
    two = log_in(people, login="ann", password=PASSWORD)
    assert one.token != two.token and one.csrf_token != two.csrf_token != two.token
    assert len(one.token) >= 43
    stored = {row.token_sha256 for row in people.all(select(WebSession))}
    assert stored == {sha256(new.token.encode()).hexdigest() for new in (one, two)}
    log = b"".join(row.body for row in people.log_entries())
    assert one.token.encode() not in log and one.csrf_token.encode() not in log


@pytest.mark.parametrize("token", ["", "x", "\x00", "\ud800", "' OR 1=1 --", "a" * 100_000])
def test_a_token_that_is_none_opens_nothing(people: Records, token: str) -> None:
    """Whatever stands in the cookie: nobody is logged in, nothing breaks."""
    log_in(people, login="ann", password=PASSWORD)
    assert find_login(people, token) is None
    log_out(people, token)
    assert len(entries(people)) == 1


def test_a_stored_hash_is_not_a_token(people_sqlite: Records) -> None:
    """Who reads the table cannot log in with what stands there."""
    log_in(people_sqlite, login="ann", password=PASSWORD)
    [row] = people_sqlite.all(select(WebSession))
    assert find_login(people_sqlite, row.token_sha256) is None


def test_a_session_sleeps_after_half_an_hour_without_a_request(
    people_sqlite: Records, clock: StandingClock
) -> None:
    """Each request keeps it awake; 30 minutes of silence end it, for good."""
    new = log_in(people_sqlite, login="ann", password=PASSWORD)
    for _ in range(3):
        clock.advance(minutes=29, seconds=59)
        assert find_login(people_sqlite, new.token) is not None
    clock.advance(minutes=30)
    assert find_login(people_sqlite, new.token) is None
    clock.advance(minutes=-30)
    assert find_login(people_sqlite, new.token) is None


def test_a_session_ends_after_twelve_hours_however_busy(people_sqlite: Records, clock: StandingClock) -> None:
    """An absolute end: a stolen token does not live for ever."""
    new = log_in(people_sqlite, login="ann", password=PASSWORD)
    for _ in range(35):
        clock.advance(minutes=20)
        assert find_login(people_sqlite, new.token) is not None
    clock.advance(minutes=20)
    assert find_login(people_sqlite, new.token) is None


def test_being_seen_is_not_an_entry(people_sqlite: Records, clock: StandingClock) -> None:
    """Last-seen is bookkeeping, once a minute at most, and never in the log."""
    new = log_in(people_sqlite, login="ann", password=PASSWORD)
    for _ in range(5):
        clock.advance(minutes=1)
        find_login(people_sqlite, new.token)
    assert len(entries(people_sqlite)) == 1


def test_logging_out_ends_the_session_and_is_in_the_log(people: Records) -> None:
    """This session and no other; a second time there is nothing to end."""
    one = log_in(people, login="ann", password=PASSWORD)
    two = log_in(people, login="ann", password=PASSWORD)
    log_out(people, one.token)
    log_out(people, one.token)
    assert find_login(people, one.token) is None
    assert find_login(people, two.token) is not None
    assert [entry["action"] for entry in entries(people)].count("session.closed") == 1


def test_a_disabled_person_is_out_at_once(people_sqlite: Records) -> None:
    """Open sessions end with the next request, and the right password no longer helps."""
    new = log_in(people_sqlite, login="ann", password=PASSWORD)
    ann = people_sqlite.get(User, "user-ann")
    ann.disabled_at = "2026-11-02T09:00:00.000000Z"
    act = Act(OPERATOR, "user_account.disabled", Object("user_account", "user-ann"))
    people_sqlite.write(ann, audit=act)
    assert find_login(people_sqlite, new.token) is None
    with pytest.raises(PlatformError, match=r"access\.login_failed"):
        log_in(people_sqlite, login="ann", password=PASSWORD)
    assert entries(people_sqlite)[-1]["reason"] == "account_disabled"


def test_a_changed_role_counts_from_the_next_request(people_sqlite: Records) -> None:
    """The session names the person; the role is what the person has now."""
    new = log_in(people_sqlite, login="ann", password=PASSWORD)
    ann = people_sqlite.get(User, "user-ann")
    ann.role = "operator"
    people_sqlite.write(ann, audit=Act(OPERATOR, "user_account.changed", Object("user_account", "user-ann")))
    found = find_login(people_sqlite, new.token)
    assert found is not None and found.actor.role == "operator"


def test_a_failed_login_is_in_the_log_and_says_no_more_than_needed(people: Records) -> None:
    """Known and unknown names get the same answer; the log tells them apart, without the text that was typed."""
    said = []
    for login in ("ann", "my-secret-typed-here"):
        with pytest.raises(PlatformError) as caught:
            log_in(people, login=login, password="a guess at it")
        said.append(caught.value.as_dict())
    assert said[0] == said[1]
    known, unknown = entries(people)
    assert (known["reason"], known["tenant"]) == ("wrong_password", "org-1")
    assert (unknown["reason"], unknown["tenant"]) == ("unknown_login", "")
    assert known["outcome"] == unknown["outcome"] == "refused"
    log = b"".join(row.body for row in people.log_entries())
    assert b"my-secret-typed-here" not in log and b"a guess at it" not in log


@pytest.mark.parametrize("login", ["", "a\x00b", "\ud800", "ANN", "ann ", "x" * 100_000, "' OR 1=1 --", "安"])
def test_hostile_login_names_are_nobody(people: Records, login: str) -> None:
    """Refused like any unknown name, on both databases."""
    with pytest.raises(PlatformError, match=r"access\.login_failed"):
        log_in(people, login=login, password=PASSWORD)


def test_five_failures_lock_the_name_for_five_minutes(people: Records, clock: StandingClock) -> None:
    """Then not even the right password helps, and the answer says when to come back."""
    fail(people, times=5)
    with pytest.raises(PlatformError) as caught:
        log_in(people, login="ann", password=PASSWORD)
    assert (caught.value.code, caught.value.http) == ("access.login_locked", 429)
    assert "5" in caught.value.next_zh and "5" in caught.value.next_en
    clock.advance(minutes=4, seconds=59)
    with pytest.raises(PlatformError, match=r"access\.login_locked"):
        log_in(people, login="ann", password=PASSWORD)
    clock.advance(seconds=1)
    assert log_in(people, login="ann", password=PASSWORD).user.id == "user-ann"


def test_the_lock_is_in_the_log_once(people_sqlite: Records) -> None:
    """The entry of the fifth failure says how long; attempts on a locked name cannot flood the log."""
    fail(people_sqlite, times=5)
    for _ in range(20):
        with pytest.raises(PlatformError, match=r"access\.login_locked"):
            log_in(people_sqlite, login="ann", password="a guess")
    made = entries(people_sqlite)
    assert [entry["action"] for entry in made] == ["login.failed"] * 5
    assert [entry["decision"]["locked_seconds"] for entry in made] == [0, 0, 0, 0, 300]  # type: ignore[index]


def test_a_success_forgives_the_failures_before_it(people_sqlite: Records) -> None:
    """Four slips, a success, four slips: no lock."""
    fail(people_sqlite, times=4)
    log_in(people_sqlite, login="ann", password=PASSWORD)
    fail(people_sqlite, times=4)
    log_in(people_sqlite, login="ann", password=PASSWORD)


def test_after_the_lock_counting_starts_again(people_sqlite: Records, clock: StandingClock) -> None:
    """One more slip after the lock is the first, not the sixth."""
    fail(people_sqlite, times=5)
    clock.advance(minutes=5)
    fail(people_sqlite, times=4)
    log_in(people_sqlite, login="ann", password=PASSWORD)


def test_names_lock_one_by_one_and_unknown_names_too(people_sqlite: Records) -> None:
    """Locking tells nobody which names exist, and a lock on one name does not lock the rest."""
    fail(people_sqlite, login="nobody", times=5)
    with pytest.raises(PlatformError, match=r"access\.login_locked"):
        log_in(people_sqlite, login="nobody", password="x")
    assert log_in(people_sqlite, login="ann", password=PASSWORD)
    assert "nobody" not in str(people_sqlite.all(select(LoginAttempt)))


def test_parallel_guesses_are_counted_too(people: Records) -> None:
    """Sixteen guesses at once: five are looked at, the others meet the lock."""
    barrier = threading.Barrier(16)

    def guess(_: int) -> str:
        barrier.wait()
        try:
            log_in(people, login="ann", password="a guess")
        except PlatformError as error:
            return error.code
        return "in"

    with ThreadPoolExecutor(16) as pool:
        answers = sorted(pool.map(guess, range(16)))
    assert answers == ["access.login_failed"] * 5 + ["access.login_locked"] * 11


def test_a_form_needs_the_token_of_its_session(people_sqlite: Records) -> None:
    """Another session's token, an empty one or none of text at all: nothing is done."""
    one = log_in(people_sqlite, login="ann", password=PASSWORD)
    two = log_in(people_sqlite, login="ann", password=PASSWORD)
    check_csrf(one, one.csrf_token)
    for wrong in (two.csrf_token, "", one.token, "\ud800", "中文"):
        with pytest.raises(PlatformError) as caught:
            check_csrf(one, wrong)
        assert (caught.value.code, caught.value.http) == ("access.csrf", 403)


def test_sessions_that_are_over_are_swept(people_sqlite: Records, clock: StandingClock) -> None:
    """Rows of the past go; the living stay."""
    log_in(people_sqlite, login="ann", password=PASSWORD)
    clock.advance(minutes=45)
    living = log_in(people_sqlite, login="ann", password=PASSWORD)
    remove_expired(people_sqlite)
    [row] = people_sqlite.all(select(WebSession))
    assert row.token_sha256 == sha256(living.token.encode()).hexdigest()
