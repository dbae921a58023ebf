"""One's own password, second factor and logins: the old secret is asked for, and guessing it is slow here too."""

from __future__ import annotations

import json

import pytest
from sqlmodel import select

from rwd_platform.access.second_factor import has_factor, recovery_codes_left
from rwd_platform.access.sessions import HalfLogin, NewLogin, find_login, finish_log_in, log_in
from rwd_platform.flows import own_account
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import WebSession
from tests.access.people import code_at, secret_of
from tests.conftest import StandingClock
from tests.flows.test_people import actor_of, add, code, first, logged_in

NEW = "a longer phrase for the door"


@pytest.fixture
def zhou(platform: Platform) -> tuple[Actor, str]:
    user, password = add(platform, first(platform), "zhou")
    return actor_of(user), password


def with_factor(platform: Platform, actor: Actor) -> tuple[str, list[str], NewLogin]:
    own_account.begin_factor(platform, actor)
    secret = secret_of(platform.records, actor.id)
    assert secret in own_account.factor_address(platform, actor)
    made, codes = own_account.confirm_factor(platform, actor, code_at(secret, platform.clock()))
    return secret, codes, made


def test_changing_the_password_ends_the_other_logins_and_not_this_one(
    platform: Platform, zhou: tuple[Actor, str]
) -> None:
    actor, old = zhou
    here, elsewhere = logged_in(platform, "zhou", old), logged_in(platform, "zhou", old)
    own_account.change_password(platform, actor, here.token, old, NEW)
    assert find_login(platform.records, here.token) is not None
    assert find_login(platform.records, elsewhere.token) is None
    assert code(lambda: log_in(platform.records, login="zhou", password=old)) == "access.login_failed"
    logged_in(platform, "zhou", NEW)


def test_guessing_the_old_password_locks_the_login(platform: Platform, zhou: tuple[Actor, str]) -> None:
    """A session left open is not a place to try passwords at; and each failure stands in the log."""
    actor, old = zhou
    here = logged_in(platform, "zhou", old)
    tried = [
        code(lambda: own_account.change_password(platform, actor, here.token, "a guess of it", NEW))
        for _ in range(6)
    ]
    assert tried == ["account.old_password_wrong"] * 5 + ["access.login_locked"]
    assert code(lambda: log_in(platform.records, login="zhou", password=old)) == "access.login_locked"
    log = [json.loads(row.body) for row in platform.records.log_entries(limit=1000)]
    assert [one["reason"] for one in log if one["action"] == "login.failed"] == ["wrong_password"] * 5
    assert b"a guess of it" not in b"".join(row.body for row in platform.records.log_entries(limit=1000))


@pytest.mark.parametrize(
    ("new", "said"), [("short", "access.password_length"), ("x" * 257, "access.password_length")]
)
def test_a_new_password_has_the_length_of_one(
    platform: Platform, zhou: tuple[Actor, str], new: str, said: str
) -> None:
    actor, old = zhou
    here = logged_in(platform, "zhou", old)
    assert code(lambda: own_account.change_password(platform, actor, here.token, old, new)) == said
    logged_in(platform, "zhou", old)


def test_the_new_password_is_not_the_old_one(platform: Platform, zhou: tuple[Actor, str]) -> None:
    actor, old = zhou
    here = logged_in(platform, "zhou", old)
    assert code(lambda: own_account.change_password(platform, actor, here.token, old, old)) == (
        "account.password_same"
    )


def test_confirming_a_factor_gives_a_new_session_in_place_of_every_old_one(
    platform: Platform, zhou: tuple[Actor, str]
) -> None:
    """A session from before knew the password alone: whoever holds its token is out."""
    actor, password = zhou
    old = logged_in(platform, "zhou", password)
    _, codes, made = with_factor(platform, actor)
    assert find_login(platform.records, old.token) is None
    assert find_login(platform.records, made.token) is not None
    assert len(codes) == 10 and has_factor(platform.records, actor.id)
    assert isinstance(log_in(platform.records, login="zhou", password=password), HalfLogin)


def test_a_wrong_first_code_confirms_nothing_and_counts(platform: Platform, zhou: tuple[Actor, str]) -> None:
    actor, _ = zhou
    own_account.begin_factor(platform, actor)
    tried = [code(lambda: own_account.confirm_factor(platform, actor, "000000")) for _ in range(6)]
    assert tried == ["access.code_wrong"] * 5 + ["access.login_locked"]
    assert not has_factor(platform.records, actor.id)


def test_turning_it_off_takes_a_code_and_is_not_for_those_who_need_it(
    platform: Platform, zhou: tuple[Actor, str], clock: StandingClock
) -> None:
    actor, _ = zhou
    secret, codes, _ = with_factor(platform, actor)
    assert code(lambda: own_account.remove_factor(platform, actor, "000000")) == "access.code_wrong"
    assert code(lambda: own_account.remove_factor(platform, actor, code_at(secret, clock.now))) == (
        "access.code_wrong"
    ), "the one that confirmed it was spent"
    own_account.remove_factor(platform, actor, codes[0])
    assert not has_factor(platform.records, actor.id) and recovery_codes_left(platform.records, actor.id) == 0
    officer = Actor(actor.id, "privacy", actor.organisation)
    assert code(lambda: own_account.remove_factor(platform, officer, "000000")) == "account.factor_needed"


def test_new_recovery_codes_take_a_code_and_void_the_old_ones(
    platform: Platform, zhou: tuple[Actor, str], clock: StandingClock
) -> None:
    actor, password = zhou
    secret, old, _ = with_factor(platform, actor)
    clock.advance(seconds=30)
    new = own_account.renew_recovery_codes(platform, actor, code_at(secret, clock.now))
    half = log_in(platform.records, login="zhou", password=password)
    assert isinstance(half, HalfLogin)
    assert code(lambda: finish_log_in(platform.records, half.token, old[0])) == "access.code_wrong"
    assert finish_log_in(platform.records, half.token, new[0]).user.id == actor.id


def test_one_sees_and_ends_ones_own_logins_and_nobody_elses(
    platform: Platform, zhou: tuple[Actor, str]
) -> None:
    actor, password = zhou
    here, there = logged_in(platform, "zhou", password), logged_in(platform, "zhou", password)
    stranger = Actor("user-other", "researcher", "org-operator")
    shown = own_account.sessions_of(platform, actor, here.token)
    assert sorted(one.is_this for one in shown) == [False, True]
    assert own_account.sessions_of(platform, stranger, here.token) == []
    [other] = [one.handle for one in shown if not one.is_this]
    assert code(lambda: own_account.end_session(platform, stranger, other)) == "records.not_found"
    for handle in ("", other[:4], "%", other + "0"):
        assert code(lambda handle=handle: own_account.end_session(platform, actor, handle)) == (
            "records.not_found"
        )
    own_account.end_session(platform, actor, other)
    assert find_login(platform.records, there.token) is None
    assert find_login(platform.records, here.token) is not None


def test_all_other_logins_end_at_once(platform: Platform, zhou: tuple[Actor, str]) -> None:
    actor, password = zhou
    here = [logged_in(platform, "zhou", password) for _ in range(4)][-1]
    own_account.end_other_sessions(platform, actor, here.token)
    assert len(platform.records.all(select(WebSession))) == 1
    assert find_login(platform.records, here.token) is not None
