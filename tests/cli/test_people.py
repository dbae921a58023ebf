"""rwd people: the first administrator on the server, everything after that under their own account."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sqlmodel import select

from rwd_platform.access.sessions import log_in
from rwd_platform.cli import deployment
from rwd_platform.flows import own_account
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import User
from rwd_platform.settings import Settings
from tests.access.people import code_at, secret_of
from tests.access.signing import jwks, rsa_key
from tests.cli.calling import Rwd, is_chinese

WHY = ("--reason", "按人员任命通知办理账号，已核对任命文件")
BY = ("--login", "security.admin")


@pytest.fixture
def admin(rwd: Rwd, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The first security administrator, whose password every later command is given."""
    made = rwd("people", "first", "security.admin", "--name", "江照临", *WHY, "--json")
    assert made.code == 0, made.stderr
    password = str(made.document["password"])
    monkeypatch.setattr(deployment, "_secret", lambda question, needed: password)
    return password


def opened() -> Platform:
    return open_platform(Settings())


def test_the_first_administrator_is_made_once(rwd: Rwd, admin: str) -> None:
    again = rwd("people", "first", "another", "--name", "另一人", *WHY)
    assert again.code == 3 and "people.administrator_exists" in again.stderr and is_chinese(again.stderr)
    assert again.stdout == b""


def test_a_new_deployment_registers_its_own_organisation_with_the_first_administrator(
    rwd: Rwd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RWD_HOME", str(tmp_path / "new"))
    monkeypatch.setenv("RWD_DEMO", "true")
    without = rwd("people", "first", "security.admin", "--name", "江照临", *WHY)
    assert without.code == 2 and "people.name_wrong" in without.stderr
    names = ("--organisation-zh", "研究院", "--organisation-en", "Institute")
    made = rwd("people", "first", "security.admin", "--name", "江照临", *names, *WHY, "--json")
    assert made.code == 0 and made.document["organisation"] == "org-operator"


def test_accounts_are_made_changed_and_ended(rwd: Rwd, admin: str) -> None:
    made = rwd("people", "add", "zhou.ming", "--role", "researcher", "--organisation", "org-operator",
               "--name", "周明", "--until", "2099-12-31", *WHY, *BY, "--json")  # fmt: skip
    assert made.code == 0, made.stderr
    assert made.document["login"] == "zhou.ming" and len(made.document["password"]) == 23
    for words, field, value in (
        (("role", "zhou.ming", "--role", "ethics", "--organisation", "org-ethics"), "role", "ethics"),
        (("end", "zhou.ming", "--until", "2099-01-31"), "valid_until", "2099-01-31"),
        (("end", "zhou.ming"), "valid_until", ""),
        (("log-out", "zhou.ming"), "login", "zhou.ming"),
        (("unlock", "zhou.ming"), "login", "zhou.ming"),
        (("reset-factor", "zhou.ming"), "login", "zhou.ming"),
        (("disable", "zhou.ming"), "disabled", True),
    ):
        done = rwd("people", *words, *WHY, *BY, "--json")
        assert done.code == 0, (words, done.stderr)
        assert done.document[field] == value, words
    listed = {one["login"]: one for one in rwd("people", "list", *BY, "--json").lines}
    assert listed["zhou.ming"]["disabled"] and not listed["security.admin"]["disabled"]
    assert "password" not in json.dumps(listed)


def test_a_new_password_is_printed_once_and_is_the_one(rwd: Rwd, admin: str) -> None:
    rwd("people", "add", "zhou.ming", "--role", "researcher", "--organisation", "org-operator", "--name", "周明", *WHY,
        *BY)  # fmt: skip
    given = rwd("people", "password", "zhou.ming", *WHY, *BY, "--json").document["password"]
    platform = opened()
    assert log_in(platform.records, login="zhou.ming", password=given)


def test_an_organisation_is_registered(rwd: Rwd, admin: str) -> None:
    words = (
        "people",
        "organisation",
        "org-insurer",
        "--kind",
        "insurer",
        "--name-zh",
        "医保局",
        "--name-en",
        "Insurer",
    )
    assert rwd(*words, *WHY, *BY, "--json").document == {"id": "org-insurer", "kind": "insurer"}
    again = rwd(*words, *WHY, *BY, "--json")
    assert again.code == 3 and again.document["error"]["code"] == "people.organisation_taken"


def test_a_refusal_has_its_exit_code_and_nothing_on_stdout(rwd: Rwd, admin: str) -> None:
    for words, code in (
        (("disable", "nobody.here", *WHY, *BY), 2),
        (("disable", "security.admin", *WHY, *BY), 3),
        (("role", "security.admin", "--role", "x", "--organisation", "y", *WHY, *BY), 3),
        (("unlock", "security.admin", "--reason", "x", *BY), 2),
    ):
        answer = rwd("people", *words)
        assert answer.code == code and answer.stdout == b"", (words, answer.stderr)


def test_another_role_may_not_even_list(rwd: Rwd, admin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = rwd("people", "add", "zhou.ming", "--role", "researcher", "--organisation", "org-operator", "--name", "周明",
               *WHY, *BY, "--json")  # fmt: skip
    password = str(made.document["password"])
    monkeypatch.setattr(deployment, "_secret", lambda question, needed: password)
    answer = rwd("people", "list", "--login", "zhou.ming")
    assert answer.code == 3 and "access.not_allowed" in answer.stderr and answer.stdout == b""


def test_a_system_is_registered_changed_and_revoked(rwd: Rwd, admin: str, tmp_path: Path) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    one.write_text(jwks(rsa_key()), "utf-8")
    two.write_text(jwks(rsa_key("rsa-2", 3072)), "utf-8")
    made = rwd(
        "people", "client-add", one, "--organisation", "org-hospital-a", "--name", "HIS", *WHY, *BY, "--json"
    )
    assert made.code == 0 and made.document["keys"] == ["rsa-1"], made.stderr
    id = made.document["id"]
    assert rwd("people", "client-keys", id, two, *WHY, *BY, "--json").document["keys"] == ["rsa-2"]
    assert rwd("people", "client-revoke", id, *WHY, *BY, "--json").document["revoked_at"]
    assert [row["id"] for row in rwd("people", "clients", *BY, "--json").lines] == [id]
    assert (
        rwd("people", "client-add", tmp_path / "none", "--organisation", "x", "--name", "x", *WHY, *BY).code
        == 2
    )


def test_who_has_a_second_factor_is_asked_for_a_code(rwd: Rwd, admin: str, home: Path) -> None:
    """Password and code come as two lines of standard input where nobody types; one line alone is not enough."""
    platform = opened()
    user = next(one for one in platform.records.all(select(User)) if one.login == "security.admin")
    actor = Actor(user.id, user.role, user.organisation_id)
    own_account.begin_factor(platform, actor)
    secret = secret_of(platform.records, user.id)
    _, codes = own_account.confirm_factor(platform, actor, code_at(secret, platform.clock()))
    platform.records.engine.dispose()

    def call(typed: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "rwd_platform.cli.main", "people", "list", *BY],
            input=typed.encode(), capture_output=True, start_new_session=True, timeout=60, check=False,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2]), "RWD_HOME": str(home),
                 "RWD_DEMO": "true"},
        )  # fmt: skip
        return done.returncode, done.stderr.decode()

    assert call(f"{admin}\n")[0] == 2 and "cli.code_needed" in call(f"{admin}\n")[1]
    assert call(f"{admin}\n000000\n")[0] == 3
    assert call(f"{admin}\n{codes[0]}\n") == (0, "")


def test_who_has_to_set_one_up_is_sent_to_the_page(
    rwd: Rwd, admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RWD_SECOND_FACTOR", "required")
    answer = rwd("people", "list", *BY)
    assert answer.code == 3 and "cli.enrol_first" in answer.stderr
    recovered = rwd("people", "recover", "security.admin", *WHY, "--json")
    assert recovered.code == 0 and recovered.document["password"] != admin
