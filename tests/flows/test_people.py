"""Accounts: who may make them, what may be where, what ends a login, and what the log says of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.access.sessions import NewLogin, find_login, log_in
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import own_account, people
from rwd_platform.flows.people import NewAccount
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import LoginAttempt, Organisation, SecondFactor, User, WebSession
from tests.access.people import code_at, secret_of
from tests.conftest import StandingClock

WHY = "按人员任命通知办理账号，已核对任命文件"
SHELL = Actor("cli:root", "operator", "org-operator")


def first(platform: Platform, name: str = "江照临") -> Actor:
    asked = NewAccount("security", "security", "org-operator", name)
    user, _ = people.create_first_administrator(platform, SHELL, asked, WHY)
    return actor_of(user)


def actor_of(user: User) -> Actor:
    return Actor(user.id, user.role, user.organisation_id)


def add(platform: Platform, by: Actor, login: str, role: str = "researcher", **more: str) -> tuple[User, str]:
    asked = {"organisation_id": "org-operator", "name": f"人员 {login}", **more}
    return people.create_account(platform, by, NewAccount(login, role, **asked), WHY)


def code(act: Any) -> str:
    with pytest.raises(PlatformError) as caught:
        act()
    return caught.value.code


def entries(platform: Platform, action: str) -> list[dict[str, Any]]:
    return [json.loads(row.body) for row in platform.records.log_entries(limit=1000) if row.action == action]


def logged_in(platform: Platform, login: str, password: str) -> NewLogin:
    made = log_in(platform.records, login=login, password=password)
    assert isinstance(made, NewLogin)
    return made


# -- the first one ----------------------------------------------------------------------------------------


def test_the_first_security_administrator_is_made_on_the_server_and_only_the_first(
    platform: Platform,
) -> None:
    actor = first(platform)
    assert actor.role == "security"
    another = NewAccount("security-2", "security", "org-operator", "另一人")
    refused = code(lambda: people.create_first_administrator(platform, SHELL, another, WHY))
    assert refused == "people.administrator_exists"
    assert entries(platform, "user.registered")[-1]["actor"]["id"] == "cli:root"


def test_the_command_line_makes_no_other_role_first(platform: Platform) -> None:
    asked = NewAccount("boss", "privacy", "org-operator", "某人")
    assert code(lambda: people.create_first_administrator(platform, SHELL, asked, WHY)) == (
        "people.not_an_administrator"
    )


def test_the_operators_organisation_is_registered_with_the_first_administrator(platform: Platform) -> None:
    """A new deployment has no organisation at all, and nobody who could register one."""
    home = Organisation(id="org-new", kind="operator", name_zh="研究院", name_en="Institute")
    asked = NewAccount("security", "security", "org-new", "江照临")
    people.create_first_administrator(platform, SHELL, asked, WHY, home)
    assert platform.records.get(Organisation, "org-new").kind == "operator"


def test_an_administrator_who_lost_everything_comes_back_from_the_server_and_nobody_else_does(
    platform: Platform,
) -> None:
    by = first(platform)
    add(platform, by, "zhou")
    own_account.begin_factor(platform, by)
    secret = secret_of(platform.records, by.id)
    own_account.confirm_factor(platform, by, code_at(secret, platform.clock()))
    password = people.recover_administrator(platform, SHELL, "security", WHY)
    assert logged_in(platform, "security", password).user.id == by.id, "without a code"
    assert platform.records.find(SecondFactor, by.id) is None
    assert code(lambda: people.recover_administrator(platform, SHELL, "zhou", WHY)) == (
        "people.not_an_administrator"
    )
    assert code(lambda: people.recover_administrator(platform, SHELL, "none", WHY)) == "records.not_found"


# -- new accounts -----------------------------------------------------------------------------------------


def test_a_new_account_logs_in_with_the_password_that_was_shown_once(platform: Platform) -> None:
    user, password = add(platform, first(platform), "zhou.ming")
    assert logged_in(platform, "zhou.ming", password).user.id == user.id
    [*_, entry] = entries(platform, "user.registered")
    assert entry["reason"] == WHY and entry["object"] == {
        "type": "user_account",
        "id": user.id,
        "version": "",
    }
    log = b"".join(row.body for row in platform.records.log_entries(limit=1000))
    assert password.encode() not in log and user.password_hash.encode() not in log


@pytest.mark.parametrize("role", ["hospital", "researcher", "regulator", "privacy", "operator", "auditor", "ethics",
                                  "inspector", "nobody"])  # fmt: skip
def test_nobody_but_a_security_administrator_makes_accounts(platform: Platform, role: str) -> None:
    """And that they tried stands in the log."""
    who = Actor("user-x", role, "org-operator")
    assert code(lambda: add(platform, who, "another")) == "access.not_allowed"
    assert entries(platform, "access.refused")[-1]["purpose"] == "people.manage"


@pytest.mark.parametrize(
    ("role", "organisation", "said"),
    [
        ("regulator", "org-hospital-a", "people.role_not_there"),
        ("security", "org-authority", "people.role_not_there"),
        ("hospital", "org-operator", "people.role_not_there"),
        ("inspector", "org-operator", "people.role_not_there"),
        ("admin", "org-operator", "people.role_unknown"),
        ("", "org-operator", "people.role_unknown"),
        ("researcher", "org-none", "people.organisation_unknown"),
        ("researcher", "", "people.organisation_unknown"),
    ],
)
def test_a_role_is_refused_where_there_is_none(
    platform: Platform, role: str, organisation: str, said: str
) -> None:
    by = first(platform)
    before = len(platform.records.all(select(User)))
    assert code(lambda: add(platform, by, "someone", role, organisation_id=organisation)) == said
    assert len(platform.records.all(select(User))) == before


@pytest.mark.parametrize(
    "login", ["", "ab", "Zhou", "zhou ming", "张伟", ".zhou", "a" * 65, "zh\x00u", "<b>"]
)
def test_login_names_are_plain(platform: Platform, login: str) -> None:
    assert code(lambda: add(platform, first(platform), login)) == "people.login_wrong"


def test_a_login_name_is_somebodys_for_ever(platform: Platform) -> None:
    """Not even a disabled account gives its name to another: the log would name the wrong one."""
    by = first(platform)
    user, _ = add(platform, by, "zhou")
    people.disable(platform, by, user.id, WHY)
    assert code(lambda: add(platform, by, "zhou")) == "people.login_taken"


@pytest.mark.parametrize("name", ["", "  ", "x" * 81, "a\x00b", "张\n伟"])
def test_a_name_is_seen_and_not_too_long(platform: Platform, name: str) -> None:
    assert code(lambda: add(platform, first(platform), "zhou", name=name)) == "people.name_wrong"


@pytest.mark.parametrize(
    "day", ["2026-11-01", "2026-02-30", "tomorrow", "2026-1-1", "20261231", "9999-99-99", "²⁰²⁷-01-01"]
)
def test_the_last_day_is_a_day_to_come(platform: Platform, day: str) -> None:
    assert code(lambda: add(platform, first(platform), "zhou", valid_until=day)) == "people.date_wrong"


@pytest.mark.parametrize(
    "reason", ["", "ok", "........................", "同意同意同意同意同意同意", "x" * 2001]
)
def test_every_act_needs_a_reason(platform: Platform, reason: str) -> None:
    by = first(platform)
    user, _ = add(platform, by, "zhou")
    for act in (people.disable, people.give_password, people.unlock, people.log_out_everywhere,
                people.reset_second_factor):  # fmt: skip
        assert code(lambda act=act: act(platform, by, user.id, reason)) == "people.reason_missing"


def test_a_reason_with_an_identity_number_is_not_kept(platform: Platform) -> None:
    by = first(platform)
    user, _ = add(platform, by, "zhou")
    reason = "身份证 11010519491231002X 的人员已经离职，停用账号"
    assert code(lambda: people.disable(platform, by, user.id, reason)) == "people.reason_identifies"
    log = b"".join(row.body for row in platform.records.log_entries(limit=1000))
    assert b"11010519491231002X" not in log


# -- three administrators, three people --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["江照临", "江照临2", "江 照 临", "江照临（运维）", "ｊｉａｎｇ"])
@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_one_person_does_not_hold_two_of_the_three(platform: Platform, role: str, name: str) -> None:
    """Compared as names are for votes: a number, blanks and full-width letters make no other person."""
    by = first(platform, "jiang" if name == "ｊｉａｎｇ" else "江照临")
    same = code_or_none(lambda: add(platform, by, "second", role, name=name))
    assert same == (None if name == "江照临（运维）" else "people.separated_roles"), (
        "a department tells two apart"
    )


def code_or_none(act: Any) -> str | None:
    try:
        act()
    except PlatformError as error:
        return error.code
    return None


def test_nor_by_a_change_of_role_and_a_disabled_account_frees_the_person(platform: Platform) -> None:
    by = first(platform)
    old, _ = add(platform, by, "he.machines", "operator", name="何以安")
    new, _ = add(platform, by, "he.research", "researcher", name="何以安")
    change = lambda: people.change_role(platform, by, new.id, "auditor", "org-operator", WHY)  # noqa: E731 - one line asked twice
    assert code(change) == "people.separated_roles"
    people.disable(platform, by, old.id, WHY)
    assert change().role == "auditor"


def test_two_auditors_of_one_role_may_share_a_name_and_other_roles_are_free(platform: Platform) -> None:
    """The rule is about the three roles; a researcher may be the operator's namesake."""
    by = first(platform)
    add(platform, by, "auditor-1", "auditor", name="温知白")
    add(platform, by, "auditor-2", "auditor", name="温知白")
    add(platform, by, "research", "researcher", name="江照临")


# -- changing and ending -----------------------------------------------------------------------------------


def test_another_role_or_organisation_ends_every_login(platform: Platform) -> None:
    by = first(platform)
    user, password = add(platform, by, "zhou")
    sessions = [logged_in(platform, "zhou", password) for _ in range(2)]
    people.change_role(platform, by, user.id, "researcher", "org-hospital-a", WHY)
    assert [find_login(platform.records, one.token) for one in sessions] == [None, None]
    again = logged_in(platform, "zhou", password)
    assert again.actor == Actor(user.id, "researcher", "org-hospital-a")


def test_a_new_password_ends_the_old_one_every_login_and_the_lock(platform: Platform) -> None:
    by = first(platform)
    user, old = add(platform, by, "zhou")
    session = logged_in(platform, "zhou", old)
    for _ in range(5):
        assert code(lambda: log_in(platform.records, login="zhou", password="a guess")) in (
            "access.login_failed",
            "access.login_locked",
        )
    new = people.give_password(platform, by, user.id, WHY)
    assert find_login(platform.records, session.token) is None
    assert code(lambda: log_in(platform.records, login="zhou", password=old)) == "access.login_failed"
    assert logged_in(platform, "zhou", new).user.id == user.id


def test_unlocking_lets_the_right_password_in_at_once(platform: Platform) -> None:
    by = first(platform)
    user, password = add(platform, by, "zhou")
    for _ in range(5):
        code(lambda: log_in(platform.records, login="zhou", password="a guess"))
    assert code(lambda: log_in(platform.records, login="zhou", password=password)) == "access.login_locked"
    people.unlock(platform, by, user.id, WHY)
    assert not platform.records.all(select(LoginAttempt))
    logged_in(platform, "zhou", password)


def test_ending_every_login_of_a_person_leaves_everybody_elses(platform: Platform) -> None:
    by = first(platform)
    user, password = add(platform, by, "zhou")
    _, other = add(platform, by, "qin")
    logged_in(platform, "zhou", password)
    kept = logged_in(platform, "qin", other)
    people.log_out_everywhere(platform, by, user.id, WHY)
    assert [row.user_id for row in platform.records.all(select(WebSession))] == [kept.user.id]


def test_a_disabled_account_is_out_and_does_not_come_back(platform: Platform) -> None:
    by = first(platform)
    user, password = add(platform, by, "zhou")
    session = logged_in(platform, "zhou", password)
    people.disable(platform, by, user.id, WHY)
    assert find_login(platform.records, session.token) is None
    assert code(lambda: log_in(platform.records, login="zhou", password=password)) == "access.login_failed"
    for act in (people.give_password, people.unlock, people.disable):
        assert code(lambda act=act: act(platform, by, user.id, WHY)) == "people.is_disabled"


def test_an_account_with_an_end_ends(platform: Platform, clock: StandingClock) -> None:
    by = first(platform)
    user, password = add(platform, by, "zhou", valid_until="2026-11-03")
    clock.now = clock.now.replace(day=3, hour=15, minute=59)
    session = logged_in(platform, "zhou", password)
    clock.advance(minutes=1)
    assert find_login(platform.records, session.token) is None
    people.set_end(platform, by, user.id, "", WHY)
    logged_in(platform, "zhou", password)


def test_resetting_a_second_factor_ends_logins_and_lets_a_new_one_be_set_up(platform: Platform) -> None:
    by = first(platform)
    user, password = add(platform, by, "gu.qh", "privacy")
    actor = actor_of(user)
    own_account.begin_factor(platform, actor)
    made, codes = own_account.confirm_factor(
        platform, actor, code_at(secret_of(platform.records, user.id), platform.clock())
    )
    people.reset_second_factor(platform, by, user.id, WHY)
    assert find_login(platform.records, made.token) is None
    assert logged_in(platform, "gu.qh", password), "no code is asked for now"
    own_account.begin_factor(platform, actor)
    assert codes and entries(platform, "user.second_factor_reset")[-1]["reason"] == WHY


def test_nobody_changes_disables_or_limits_their_own_account(platform: Platform) -> None:
    by = first(platform)
    add(platform, by, "security-2", "security", name="另一人")
    for act in (
        lambda: people.disable(platform, by, by.id, WHY),
        lambda: people.change_role(platform, by, by.id, "researcher", "org-operator", WHY),
        lambda: people.set_end(platform, by, by.id, "2027-01-01", WHY),
        lambda: people.reset_second_factor(platform, by, by.id, WHY),
    ):
        assert code(act) == "people.not_oneself"


def test_the_last_security_administrator_stays(platform: Platform) -> None:
    """Nor does a second one count whose account has an end: a date would take the platform's last one."""
    by = first(platform)
    second, _ = add(platform, by, "security-2", "security", name="另一人", valid_until="2027-01-01")
    other = actor_of(second)
    for act in (
        lambda: people.disable(platform, other, by.id, WHY),
        lambda: people.change_role(platform, other, by.id, "researcher", "org-operator", WHY),
        lambda: people.set_end(platform, other, by.id, "2027-01-01", WHY),
    ):
        assert code(act) == "people.last_administrator"
    people.set_end(platform, by, second.id, "", WHY)
    assert people.disable(platform, other, by.id, WHY).disabled_at


def test_an_account_that_is_not_there_is_not_found_and_the_attempt_is_on_record(platform: Platform) -> None:
    by = first(platform)
    assert code(lambda: people.disable(platform, by, "user-none", WHY)) == "records.not_found"
    assert entries(platform, "access.refused")[-1]["object"]["id"] == "user-none"


# -- organisations -----------------------------------------------------------------------------------------


def test_an_organisation_is_registered_with_its_kind(platform: Platform) -> None:
    by = first(platform)
    asked = Organisation(id="org-insurer", kind="insurer", name_zh="演示医保局", name_en="Demo Insurer")
    people.register_organisation(platform, by, asked, WHY)
    add(platform, by, "shen", "regulator", organisation_id="org-insurer")
    assert code(lambda: people.register_organisation(platform, by, asked, WHY)) == "people.organisation_taken"


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"kind": "ministry"}, "people.kind_unknown"), ({"id": "Org X"}, "people.login_wrong"),
     ({"name_zh": " "}, "people.name_wrong"), ({"name_en": "x" * 201}, "people.name_wrong")],
)  # fmt: skip
def test_an_organisation_with_a_mistake_is_refused(
    platform: Platform, changed: dict[str, str], said: str
) -> None:
    by = first(platform)
    fields = {"id": "org-x", "kind": "sponsor", "name_zh": "甲", "name_en": "A", **changed}
    assert code(lambda: people.register_organisation(platform, by, Organisation(**fields), WHY)) == said
