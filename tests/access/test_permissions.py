"""One table of permissions: every role times every action, own and foreign, is decided here and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rwd_platform.access.permissions import (
    PERMISSIONS,
    Action,
    Scope,
    can,
    check_can,
    check_may,
    get_visible,
    scope_of,
    visible_organisation,
)
from rwd_platform.access.roles import ROLE_NAMES, Role
from rwd_platform.core.errors import PlatformError
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.records import Records
from rwd_platform.records.tables import Organisation, Study

# own: things of one's own organisation; any: everybody's; granted: of one project; a dot: not at all.
MATRIX = (Path(__file__).parent / "permissions.csv").read_text(encoding="utf-8")


def cells() -> list[tuple[str, str, str]]:
    header, *rows = [[cell.strip() for cell in line.split(",")] for line in MATRIX.strip().splitlines()]
    return [(role, row[0], scope) for row in rows for role, scope in zip(header[1:], row[1:], strict=True)]


def actor(role: str, organisation: str = "org-1") -> Actor:
    return Actor("user-1", role, organisation)


def test_the_matrix_names_every_role_and_action() -> None:
    """Nothing can be added to the code without deciding here who may use it."""
    assert (
        {role for role, _, _ in cells()}
        == {role.value for role in Role}
        == {role.value for role in PERMISSIONS}
    )
    assert {action for _, action, _ in cells()} == {action.value for action in Action}


@pytest.mark.parametrize(("role", "action", "scope"), cells())
def test_every_cell_of_the_matrix_holds(role: str, action: str, scope: str) -> None:
    """Own things, foreign things, and things of nobody: as the matrix says."""
    who = actor(role)
    assert can(who, action, "org-1") is (scope in ("own", "any"))
    assert can(who, action, "org-2") is (scope == "any")
    assert can(who, action, "") is (scope == "any")
    assert can(who, Action(action), "org-1") is can(who, action, "org-1")


@pytest.mark.parametrize("role", ["", "Hospital", "admin", "hospital ", "anonymous"])
@pytest.mark.parametrize("action", list(Action))
def test_an_unknown_role_may_do_nothing(role: str, action: Action) -> None:
    """Refused is the default, for roles that are misspelt or not invented yet."""
    assert scope_of(actor(role), action) is None
    assert not can(actor(role), action, "org-1")
    with pytest.raises(PlatformError, match=r"access\.not_allowed"):
        check_can(actor(role), action, "org-1")


@pytest.mark.parametrize("action", ["", "upload", "upload.*", "UPLOAD.READ", "upload.delete"])
def test_an_unknown_action_is_allowed_to_nobody(action: str) -> None:
    """A route that asks for an action outside the list locks itself, it does not open."""
    assert not any(can(actor(role), action, "org-1") for role in Role)


def test_somebody_without_an_organisation_owns_nothing() -> None:
    """Two empty texts are not the same organisation."""
    assert not can(actor("hospital", ""), "upload.read", "")


def test_a_regulator_and_an_operator_change_nothing() -> None:
    """They read; whoever reads evidence does not make it."""
    changing = {"create", "register", "freeze", "lock", "run", "assemble", "decide"}
    for role in (Role.REGULATOR, Role.OPERATOR):
        assert not [action for action in PERMISSIONS[role] if action.split(".")[1] in changing]


def test_the_three_administrators_do_not_do_each_others_work() -> None:
    """Accounts, the log and the machines are three people's; none of the first two sees any data."""
    assert set(PERMISSIONS[Role.SECURITY]) == {
        Action.PEOPLE_READ, Action.PEOPLE_MANAGE, Action.CLIENT_MANAGE, Action.MEMBER_MANAGE,
    }  # fmt: skip
    assert all(action.startswith("log.") for action in PERMISSIONS[Role.AUDITOR])
    managing = {Action.PEOPLE_MANAGE, Action.CLIENT_MANAGE}
    assert [role for role in Role if managing & set(PERMISSIONS[role])] == [Role.SECURITY]


def test_an_inspector_has_nothing_but_what_was_granted_and_only_to_read() -> None:
    assert set(PERMISSIONS[Role.INSPECTOR].values()) == {Scope.GRANTED}
    assert all(action.endswith(".read") for action in PERMISSIONS[Role.INSPECTOR])
    assert [role for role in Role if Scope.GRANTED in PERMISSIONS[role].values()] == [Role.INSPECTOR]


def test_an_ethics_committee_reads_no_results() -> None:
    assert not {Action.RESULTS_READ, Action.PACKAGE_READ, Action.RISK_READ} & set(PERMISSIONS[Role.ETHICS])


def test_lists_are_limited_as_things_are() -> None:
    """A list shows what its reader may read: one organisation, or no limit."""
    assert visible_organisation(actor("hospital"), "upload.read") == "org-1"
    assert visible_organisation(actor("regulator"), "package.read") is None
    assert check_may(actor("operator"), "job.read") is Scope.ANY
    with pytest.raises(PlatformError) as caught:
        visible_organisation(actor("regulator"), "upload.read")
    assert caught.value.http == 403
    assert "监管人员" in caught.value.zh and "Regulator" in caught.value.en


def study(id: str, organisation_id: str) -> Study:
    return Study(
        id=id, organisation_id=organisation_id, project_id=f"p-{id}", title_zh="题", title_en="t", protocol="x",
        protocol_sha256="00", state="registered", registered_at="t",
    )  # fmt: skip


def test_hidden_and_absent_look_alike(records_sqlite: Records) -> None:
    """Another's study and no study give the same error, the same words, the same fields - but for the id asked."""
    records = records_sqlite
    organisations = [Organisation(id=f"org-{n}", kind="sponsor", name_zh="甲", name_en="A") for n in (1, 2)]
    act = Act(actor("operator"), "study.registered", Object("study", "s"))
    records.write(*organisations, study("s-own", "org-1"), study("s-foreign", "org-2"), audit=act)
    who = actor("researcher")
    assert get_visible(records, who, "study.read", Study, "s-own").id == "s-own"
    seen = []
    for id in ("s-foreign", "s-absent"):
        with pytest.raises(PlatformError) as caught:
            get_visible(records, who, "study.read", Study, id)
        told = {key: text.replace(id, "ID") for key, text in caught.value.as_dict().items()}
        seen.append((caught.value.code, caught.value.http, caught.value.exit, told))
    assert seen[0] == seen[1]
    assert seen[0][:2] == ("records.not_found", 404)


def refusals(records: Records) -> list[dict[str, Any]]:
    return [json.loads(entry.body) for entry in records.log_entries() if entry.action == "access.refused"]


def test_a_refused_read_is_in_the_log(records_sqlite: Records) -> None:
    """Who asked for another's study, or for one without the role, stands in the log: actor, action, thing.

    A study that does not exist leaves the same entry: people read their own organisation's entries, and
    would learn from a difference what the error does not tell them.
    """
    records = records_sqlite
    org = Organisation(id="org-2", kind="sponsor", name_zh="甲", name_en="A")
    records.write(
        org,
        study("s-foreign", "org-2"),
        audit=Act(actor("operator"), "study.registered", Object("study", "s")),
    )
    asked = [("researcher", "s-foreign"), ("researcher", "s-absent"), ("hospital", "s-foreign")]
    for role, id in asked:
        with pytest.raises(PlatformError):
            get_visible(records, actor(role), "study.read", Study, id)
    entries = refusals(records)
    assert [(entry["actor"]["role"], entry["object"]["id"]) for entry in entries] == asked
    assert {(e["actor"]["id"], e["object"]["type"], e["purpose"], e["outcome"]) for e in entries} == {
        ("user-1", "study", "study.read", "refused")
    }
    hidden, absent = ({**entry, "object": entry["object"] | {"id": ""}} for entry in entries[:2])
    assert {k for k in hidden if hidden[k] != absent[k]} == {"seq"}


@pytest.mark.parametrize("id", ["x" * 81, "王小明", "a\nb", "\ud800"])
def test_what_can_be_no_id_is_not_repeated_in_the_log(records_sqlite: Records, id: str) -> None:
    """Whatever somebody types into an address stays out of a log that is kept for ever."""
    with pytest.raises(PlatformError):
        get_visible(records_sqlite, actor("researcher"), "study.read", Study, "none")
    with pytest.raises(PlatformError):
        get_visible(records_sqlite, actor("hospital"), "study.read", Study, id)
    assert [entry["object"]["id"] for entry in refusals(records_sqlite)] == ["none", "?"]


def test_what_one_may_see_leaves_no_refusal(records_sqlite: Records) -> None:
    org = Organisation(id="org-1", kind="sponsor", name_zh="甲", name_en="A")
    act = Act(actor("operator"), "study.registered", Object("study", "s"))
    records_sqlite.write(org, study("s-own", "org-1"), audit=act)
    get_visible(records_sqlite, actor("researcher"), "study.read", Study, "s-own")
    assert refusals(records_sqlite) == []


def test_whoever_may_not_ask_learns_nothing_about_existence(records_sqlite: Records) -> None:
    """403 comes before the look-up: the same for things that exist and things that do not."""
    for id in ("s-1", "s-none"):
        with pytest.raises(PlatformError, match=r"access\.not_allowed"):
            get_visible(records_sqlite, actor("hospital"), "study.read", Study, id)


def test_every_role_has_a_name_in_both_languages() -> None:
    """Pages and errors call people by the same words."""
    assert set(ROLE_NAMES) == set(Role)
    assert all(name.zh and name.en for name in ROLE_NAMES.values())
