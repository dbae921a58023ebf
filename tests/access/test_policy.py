"""Which role may exist where, and which need a second factor: data, reviewed line by line here."""

from __future__ import annotations

from pathlib import Path

import pytest

from rwd_platform.access.policy import access_policy, may_exist, needs_second_factor
from rwd_platform.access.roles import ADMINISTRATORS, ROLE_NAMES, Role
from rwd_platform.demo.people import ORGANISATIONS, PEOPLE

WHERE = """
hospital   | hospital researcher ethics
operator   | researcher privacy operator security auditor ethics
sponsor    | researcher
institute  | researcher ethics
authority  | regulator inspector
insurer    | regulator inspector
cyberspace | regulator inspector
ethics     | ethics
"""


def table() -> dict[str, set[str]]:
    rows = [line.split("|") for line in WHERE.strip().splitlines()]
    return {kind.strip(): set(roles.split()) for kind, roles in rows}


def test_the_table_of_kinds_and_roles_is_the_one_that_was_reviewed() -> None:
    assert {kind: set(one.roles) for kind, one in access_policy().kinds.items()} == table()


@pytest.mark.parametrize("kind", [*table(), "", "hospitals", "ministry"])
@pytest.mark.parametrize("role", [*Role, "", "admin"])
def test_a_role_exists_where_the_table_says_and_nowhere_else(kind: str, role: str) -> None:
    assert may_exist(role, kind) is (role in table().get(kind, set()))


def test_every_role_has_a_place_and_a_name_in_both_languages() -> None:
    assert set().union(*table().values()) == set(Role)
    assert set(ROLE_NAMES) == set(Role)
    assert all(not names.zh.isascii() and names.en.isascii() for names in ROLE_NAMES.values())
    assert len({names.zh for names in ROLE_NAMES.values()}) == len(Role)


def test_who_keeps_accounts_machines_and_decisions_needs_a_second_factor() -> None:
    needing = {role for role in Role if needs_second_factor(role)}
    assert needing == {"security", "auditor", "privacy", "operator", "regulator"}
    assert needing >= ADMINISTRATORS
    assert not needs_second_factor("") and not needs_second_factor("admin")


def test_a_misspelt_role_in_the_policy_is_refused_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(
        'inspection_days=1\nsecond_factor = ["securty"]\n[organisations.x]\nzh="甲"\nen="x"\nroles=[]\n',
        "utf-8",
    )
    with pytest.raises(ValueError, match="securty"):
        access_policy(path)


def test_the_demo_obeys_the_table() -> None:
    kinds = {one.id: one.kind for one in ORGANISATIONS}
    assert all(may_exist(role, kinds[organisation]) for _, role, organisation, _ in PEOPLE)
