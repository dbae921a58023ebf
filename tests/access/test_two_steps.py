"""Two steps: password, then code. What lies between them opens nothing, and guessing either counts with the other."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.access import sessions
from rwd_platform.access.sessions import (
    HalfLogin,
    NewLogin,
    end_sessions,
    find_login,
    finish_log_in,
    log_in,
    remove_expired,
)
from rwd_platform.core.errors import PlatformError
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.records import Records
from rwd_platform.records.tables import HalfLogin as HalfLoginRow
from rwd_platform.records.tables import User, WebSession
from tests.access.people import PASSWORD, SETTER, add_factor, add_person, code_at
from tests.conftest import StandingClock

ACT = Act(SETTER, "user.disabled", Object("user_account", "user-ann"))


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "verify_password", lambda password, stored: stored == f"hash of {password}")


def half(records: Records) -> str:
    made = log_in(records, login="ann", password=PASSWORD)
    assert isinstance(made, HalfLogin)
    return made.token


def entries(records: Records, action: str) -> list[dict[str, Any]]:
    return [json.loads(row.body) for row in records.log_entries() if row.action == action]


def wrong(records: Records, token: str, code: str = "000000") -> str:
    with pytest.raises(PlatformError) as caught:
        finish_log_in(records, token, code)
    return caught.value.code


def test_the_password_alone_opens_no_session(records: Records, clock: StandingClock) -> None:
    """Half a login names nobody: its token is no session's, and there is no session yet."""
    add_person(records)
    secret, _ = add_factor(records)
    token = half(records)
    assert find_login(records, token) is None
    assert not records.all(select(WebSession)) and not entries(records, "session.opened")
    made = finish_log_in(records, token, code_at(secret, clock.now))
    found = find_login(records, made.token)
    assert isinstance(made, NewLogin) and found is not None and found.user.id == "user-ann"
    assert made.token != token, "a token that was known before the code is not the session's"
    assert entries(records, "session.opened")[-1]["decision"] == {"factor": "totp"}


def test_half_a_login_is_good_once(records_sqlite: Records, clock: StandingClock) -> None:
    add_person(records_sqlite)
    secret, _ = add_factor(records_sqlite)
    token = half(records_sqlite)
    finish_log_in(records_sqlite, token, code_at(secret, clock.now))
    clock.advance(seconds=30)
    assert wrong(records_sqlite, token, code_at(secret, clock.now)) == "access.half_login_over"


def test_half_a_login_ends_after_five_minutes(records_sqlite: Records, clock: StandingClock) -> None:
    add_person(records_sqlite)
    secret, _ = add_factor(records_sqlite)
    token = half(records_sqlite)
    clock.advance(minutes=5)
    assert wrong(records_sqlite, token, code_at(secret, clock.now)) == "access.half_login_over"
    assert records_sqlite.all(select(HalfLoginRow))
    remove_expired(records_sqlite)
    assert not records_sqlite.all(select(HalfLoginRow))


@pytest.mark.parametrize("token", ["", "x", "\x00", "\ud800", "a" * 100_000, "' OR 1=1 --"])
def test_a_token_that_is_none_finishes_nothing(records_sqlite: Records, token: str) -> None:
    add_person(records_sqlite)
    secret, _ = add_factor(records_sqlite)
    assert wrong(records_sqlite, token, code_at(secret, records_sqlite.clock())) == "access.half_login_over"


def test_a_session_is_not_half_a_login_and_its_stored_hash_is_neither(
    records_sqlite: Records, clock: StandingClock
) -> None:
    add_person(records_sqlite)
    secret, _ = add_factor(records_sqlite)
    made = finish_log_in(records_sqlite, half(records_sqlite), code_at(secret, clock.now))
    assert wrong(records_sqlite, made.token) == "access.half_login_over"
    half(records_sqlite)
    [row] = records_sqlite.all(select(HalfLoginRow))
    assert wrong(records_sqlite, row.token_sha256) == "access.half_login_over"


def test_wrong_codes_count_with_wrong_passwords(records: Records, clock: StandingClock) -> None:
    """Two slips of the password and three of the code are five: then even the right code is refused."""
    add_person(records)
    secret, _ = add_factor(records)
    for _ in range(2):
        with pytest.raises(PlatformError, match="login_failed"):
            log_in(records, login="ann", password="a guess")
    token = half(records)
    assert [wrong(records, token) for _ in range(3)] == ["access.code_wrong"] * 3
    assert wrong(records, token, code_at(secret, clock.now)) == "access.login_locked"
    assert [entry["decision"]["failures"] for entry in entries(records, "login.failed")] == [1, 2, 3, 4, 5]
    assert entries(records, "login.failed")[-1]["decision"]["locked_seconds"] == 300


def test_a_right_password_pardons_nothing_before_the_code(records_sqlite: Records) -> None:
    """Who knows the password cannot clear the count of wrong codes by typing it again."""
    add_person(records_sqlite)
    add_factor(records_sqlite)
    for _ in range(5):
        assert wrong(records_sqlite, half(records_sqlite)) == "access.code_wrong"
    with pytest.raises(PlatformError, match="login_locked"):
        log_in(records_sqlite, login="ann", password=PASSWORD)


def test_four_slips_and_the_right_password_and_code_are_a_login(
    records_sqlite: Records, clock: StandingClock
) -> None:
    """Neither the password's attempt nor the code's is a failure of its own."""
    add_person(records_sqlite)
    secret, _ = add_factor(records_sqlite)
    for _ in range(2):
        for _ in range(4):
            with pytest.raises(PlatformError, match="login_failed"):
                log_in(records_sqlite, login="ann", password="a guess")
        finish_log_in(records_sqlite, half(records_sqlite), code_at(secret, clock.now))
        clock.advance(seconds=60)


def test_the_answer_does_not_say_whether_a_code_was_wrong_or_used_and_the_log_does(
    records_sqlite: Records, clock: StandingClock
) -> None:
    add_person(records_sqlite)
    secret, _ = add_factor(records_sqlite)
    code = code_at(secret, clock.now)
    finish_log_in(records_sqlite, half(records_sqlite), code)
    token = half(records_sqlite)
    assert wrong(records_sqlite, token, code) == wrong(records_sqlite, token, "000000") == "access.code_wrong"
    assert [one["reason"] for one in entries(records_sqlite, "login.failed")] == [
        "replayed_code",
        "wrong_code",
    ]
    log = b"".join(row.body for row in records_sqlite.log_entries())
    assert code.encode() not in log and b'000000"' not in log


def test_two_who_bring_the_same_code_at_once_are_one_login(records: Records, clock: StandingClock) -> None:
    """Over a shoulder: whoever is first is in, the other is not."""
    add_person(records)
    secret, _ = add_factor(records)
    tokens, code = [half(records) for _ in range(4)], code_at(secret, clock.now)
    barrier = threading.Barrier(4)

    def finish(token: str) -> str:
        barrier.wait()
        try:
            finish_log_in(records, token, code)
        except PlatformError as error:
            return error.code
        return "in"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(finish, tokens)) == ["access.code_wrong"] * 3 + ["in"]
    assert len(records.all(select(WebSession))) == 1


def test_a_recovery_code_logs_in_and_the_log_says_so(records_sqlite: Records) -> None:
    add_person(records_sqlite)
    _, codes = add_factor(records_sqlite)
    finish_log_in(records_sqlite, half(records_sqlite), codes[0])
    assert entries(records_sqlite, "session.opened")[-1]["decision"] == {"factor": "recovery"}
    assert wrong(records_sqlite, half(records_sqlite), codes[0]) == "access.code_wrong"


def test_who_is_disabled_between_the_steps_does_not_come_in(
    records_sqlite: Records, clock: StandingClock
) -> None:
    user = add_person(records_sqlite)
    secret, _ = add_factor(records_sqlite)
    token = half(records_sqlite)
    user.disabled_at = "2026-11-02T08:00:00.000000Z"
    records_sqlite.write(user, audit=ACT)
    assert wrong(records_sqlite, token, code_at(secret, clock.now)) == "access.half_login_over"


def test_ending_somebodys_sessions_ends_their_half_logins_too(
    records_sqlite: Records, clock: StandingClock
) -> None:
    add_person(records_sqlite)
    secret, _ = add_factor(records_sqlite)
    kept = finish_log_in(records_sqlite, half(records_sqlite), code_at(secret, clock.now))
    token = half(records_sqlite)
    with records_sqlite.transaction(audit=ACT) as session:
        end_sessions(session, "user-ann", except_for=kept.token)
    assert find_login(records_sqlite, kept.token) is not None
    assert wrong(records_sqlite, token) == "access.half_login_over"


# -- the last day of an account --------------------------------------------------------------------------


def ends(records: Records, day: str) -> None:
    user = records.get(User, "user-ann")
    user.valid_until = day
    records.write(user, audit=ACT)


def test_an_account_ends_with_its_last_day_in_china(records: Records, clock: StandingClock) -> None:
    """Until 2 November means until 16:00Z on the 2nd: no new login then, and the open session is over."""
    add_person(records)
    ends(records, "2026-11-02")
    made = log_in(records, login="ann", password=PASSWORD)
    assert isinstance(made, NewLogin)
    clock.now = clock.now.replace(hour=15, minute=59, second=59)
    late = log_in(records, login="ann", password=PASSWORD)
    assert find_login(records, late.token) is not None
    clock.advance(seconds=1)
    assert find_login(records, late.token) is None
    with pytest.raises(PlatformError, match="login_failed"):
        log_in(records, login="ann", password=PASSWORD)
    assert entries(records, "login.failed")[-1]["reason"] == "account_expired"


def test_an_account_without_an_end_has_none(records_sqlite: Records, clock: StandingClock) -> None:
    add_person(records_sqlite)
    clock.advance(days=36500)
    assert isinstance(log_in(records_sqlite, login="ann", password=PASSWORD), NewLogin)
