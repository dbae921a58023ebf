"""Naming members: who may, who can be one, and what happens to everybody else."""

from __future__ import annotations

import pytest
from sqlmodel import select

from rwd_platform.access.permissions import can_see
from rwd_platform.core.clock import as_text
from rwd_platform.flows import members
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import ProjectGrant, Study, User
from tests.flows.test_people import WHY, code, entries

ADMIN = Actor("user-security", "security", "org-operator")
OWNER = Actor("user-owner", "researcher", "org-operator")
OTHER = Actor("user-other", "researcher", "org-operator")
THIRD = Actor("user-third", "researcher", "org-operator")


@pytest.fixture
def study(platform: Platform) -> Study:
    """Registered by OWNER, beside two colleagues, a privacy officer and a researcher of a hospital."""
    at = as_text(platform.clock())
    people = [
        (OWNER, "owner"), (OTHER, "other"), (THIRD, "third"),
        (Actor("user-pia", "privacy", "org-operator"), "pia"),
        (Actor("user-far", "researcher", "org-hospital-a"), "far"),
    ]  # fmt: skip
    for who, login in people:
        row = User(
            id=who.id, organisation_id=who.organisation, login=login, role=who.role, name=login, password_hash="",
            created_at=at,
        )  # fmt: skip
        platform.records.write(row, audit=Act(ADMIN, "user.registered", Object("user_account", who.id)))
    made = Study(
        id="study-1", organisation_id="org-operator", project_id="p1", title_zh="题", title_en="t", protocol="x",
        protocol_sha256="00", state="registered", registered_at=at,
    )  # fmt: skip
    platform.records.write(made, audit=Act(OWNER, "study.registered", Object("study", "study-1")))
    return made


def sees(platform: Platform, who: Actor) -> bool:
    return can_see(platform.records, who, "study.read", platform.records.get(Study, "study-1"))


def name(
    platform: Platform, by: Actor, user: str, since: str = "", until: str = "", why: str = WHY
) -> ProjectGrant:
    return members.name_member(platform, by, "study-1", user, since, until, why)


def test_the_first_member_closes_the_study_and_brings_its_registrant_in(
    platform: Platform, study: Study
) -> None:
    assert sees(platform, THIRD)
    row = name(platform, OWNER, OTHER.id)
    assert [sees(platform, who) for who in (OWNER, OTHER, THIRD)] == [True, True, False]
    assert {one.user_id for one in platform.records.all(select(ProjectGrant))} == {OWNER.id, OTHER.id}
    entry = entries(platform, "member.named")[-1]
    assert (entry["object"]["id"], entry["purpose"], entry["reason"]) == (row.id, "p1", WHY)


def test_naming_oneself_first_closes_the_study_too(platform: Platform, study: Study) -> None:
    name(platform, OWNER, OWNER.id)
    assert [sees(platform, who) for who in (OWNER, OTHER)] == [True, False]


def test_a_registrant_who_was_removed_is_not_brought_back_by_the_next_member(
    platform: Platform, study: Study
) -> None:
    name(platform, ADMIN, OTHER.id)
    [owners] = platform.records.all(select(ProjectGrant).where(ProjectGrant.user_id == OWNER.id))
    members.remove_member(platform, ADMIN, owners.id, WHY)
    name(platform, ADMIN, THIRD.id)
    assert not sees(platform, OWNER)
    assert code(lambda: name(platform, OWNER, OWNER.id)) == "records.not_found", "not even to name themselves"


@pytest.mark.parametrize("who", [OTHER, THIRD])
def test_only_the_registrant_and_a_security_administrator_name_members(
    platform: Platform, study: Study, who: Actor
) -> None:
    assert code(lambda: name(platform, who, who.id)) == "member.not_registrant"
    name(platform, OWNER, OTHER.id)
    refused = code(lambda: name(platform, THIRD, THIRD.id))
    assert refused == "records.not_found", "to whom it is closed, it is not there"
    name(platform, ADMIN, THIRD.id)
    assert sees(platform, THIRD)


@pytest.mark.parametrize("role", ["privacy", "operator", "regulator", "hospital", "inspector"])
def test_other_roles_do_not(platform: Platform, study: Study, role: str) -> None:
    assert code(lambda: name(platform, Actor("u", role, "org-operator"), OTHER.id)) == "access.not_allowed"


@pytest.mark.parametrize("user", ["user-pia", "user-far", "user-none", ""])
def test_a_member_is_a_researcher_of_the_same_organisation(
    platform: Platform, study: Study, user: str
) -> None:
    assert code(lambda: name(platform, OWNER, user)) == "member.not_eligible"
    assert not platform.records.all(select(ProjectGrant)), "a refused naming closes nothing"


def test_a_disabled_account_is_no_candidate(platform: Platform, study: Study) -> None:
    row = platform.records.get(User, OTHER.id)
    row.disabled_at = as_text(platform.clock())
    platform.records.write(row, audit=Act(ADMIN, "user.disabled", Object("user_account", row.id)))
    assert code(lambda: name(platform, OWNER, OTHER.id)) == "member.not_eligible"
    found = members.membership(platform, OWNER, "study-1")
    assert [one.id for one in found.candidates] == [OWNER.id, THIRD.id]


@pytest.mark.parametrize(
    ("since", "until"),
    [("2026-11-01", ""), ("", "2026-11-01"), ("2026-11-05", "2026-11-04"), ("soon", ""), ("", "2026-02-30")],
)
def test_days_are_to_come_and_in_order(platform: Platform, study: Study, since: str, until: str) -> None:
    assert code(lambda: name(platform, OWNER, OTHER.id, since, until)) == "people.date_wrong"


def test_nobody_is_named_twice_at_once_and_again_when_it_is_over(platform: Platform, study: Study) -> None:
    row = name(platform, OWNER, OTHER.id, "2026-11-10", "2026-11-20")
    assert code(lambda: name(platform, OWNER, OTHER.id)) == "member.already"
    members.remove_member(platform, OWNER, row.id, WHY)
    assert name(platform, OWNER, OTHER.id).since == "2026-11-02"


def test_removing_needs_a_reason_and_happens_once(platform: Platform, study: Study) -> None:
    row = name(platform, OWNER, OTHER.id)
    assert code(lambda: members.remove_member(platform, OWNER, row.id, "")) == "people.reason_missing"
    members.remove_member(platform, OWNER, row.id, WHY)
    assert not sees(platform, OTHER) and entries(platform, "member.removed")[-1]["reason"] == WHY
    assert code(lambda: members.remove_member(platform, OWNER, row.id, WHY)) == "records.not_found"
    assert code(lambda: members.remove_member(platform, OWNER, "member-none", WHY)) == "records.not_found"


def test_a_colleague_may_look_and_not_manage(platform: Platform, study: Study) -> None:
    name(platform, OWNER, OTHER.id)
    found = members.membership(platform, OTHER, "study-1")
    assert not found.may_manage and found.candidates == [] and found.closed
    assert {(one.user.id, one.standing) for one in found.members} == {(OWNER.id, "now"), (OTHER.id, "now")}
    [row] = [one.grant for one in found.members if one.user.id == OWNER.id]
    assert code(lambda: members.remove_member(platform, OTHER, row.id, WHY)) == "member.not_registrant"
    assert members.projects(platform, OTHER) == []
    assert [(one.project_id, count) for one, count in members.projects(platform, ADMIN)] == [("p1", 2)]


def test_a_study_that_was_registered_on_the_server_is_the_security_administrators_to_manage(
    platform: Platform, study: Study
) -> None:
    """Nobody has an account there: no registrant is brought in with the first member."""
    made = study.model_copy(update={"id": "study-2", "project_id": "p2"})
    shell = Actor("cli:root", "researcher", "org-operator")
    platform.records.write(
        Study(**made.model_dump()), audit=Act(shell, "study.registered", Object("study", "study-2"))
    )
    members.name_member(platform, ADMIN, "study-2", OTHER.id, "", "", WHY)
    assert [one.user_id for one in platform.records.all(select(ProjectGrant))] == [OTHER.id]
