"""`rwd release check`: no database, no key; the exit code is the answer. The rest: a person's, by their login."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlmodel import col, select

from rwd_platform.demo.people import give_new_passwords
from rwd_platform.flows.platform import open_platform
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.tables import AuditEntry, EvidencePackage, OutputRelease
from rwd_platform.settings import Settings
from tests.cli.calling import Rwd
from tests.flows.releasing import ASSEMBLER, people, put_package

TABLE = "arm,count\nexposed,{a}\ncomparator,120\nTotal,{total}\n"


@pytest.fixture
def conditions(tmp_path: Path) -> Path:
    path = tmp_path / "conditions.json"
    path.write_text(json.dumps({"purpose": "上市后研究"}))
    return path


def written(tmp_path: Path, a: str, total: int, name: str = "table.csv") -> Path:
    path = tmp_path / name
    path.write_text(TABLE.format(a=a, total=total))
    return path


@pytest.mark.parametrize(
    ("a", "total", "code"), [("65", 185, 0), ("7", 127, 1), ("", 127, 1), ("-3", 117, 2)]
)
def test_the_exit_code_is_the_answer(
    rwd: Rwd, tmp_path: Path, conditions: Path, a: str, total: int, code: int
):
    """0 pass, 1 fail or review, 2 malformed; stdout is one JSON document."""
    asked = (
        "release",
        "check",
        written(tmp_path, a, total),
        "--recipient",
        "sponsor",
        "--conditions",
        conditions,
    )
    answer = rwd(*asked, "--json")
    assert answer.code == code
    if code < 2:
        assert answer.document["outcome"] == ("pass", "fail")[code]
        assert bool(answer.document["smallest_change"]) is bool(code)
    else:
        assert answer.document["error"]["code"] == "disclosure.results_malformed"


def test_a_missing_condition_is_a_refusal_by_name(rwd: Rwd, tmp_path: Path):
    """A competent authority without its conditions: exit 3, and each is named."""
    answer = rwd(
        "release", "check", written(tmp_path, "7", 127), "--recipient", "competent_authority", "--json"
    )
    assert answer.code == 3
    assert [one["where"] for one in answer.document["findings"]] == [
        "condition.purpose", "condition.authorisation", "condition.encryption", "condition.approvers",
    ]  # fmt: skip


def test_what_the_circle_holds_is_compared(rwd: Rwd, tmp_path: Path, conditions: Path):
    """The same line, one person fewer than in the table that was released before."""
    before, now = written(tmp_path, "65", 185, "before.csv"), written(tmp_path, "64", 184)
    asked = (
        "release",
        "check",
        now,
        "--recipient",
        "sponsor",
        "--conditions",
        conditions,
        "--released",
        before,
    )
    answer = rwd(*asked, "--json")
    assert answer.code == 1
    assert {one["rule"] for one in answer.document["findings"]} == {"differencing_totals"}


def test_wrong_use_is_named(rwd: Rwd, tmp_path: Path):
    good = written(tmp_path, "65", 185)
    assert rwd("release", "check", tmp_path / "none.csv", "--recipient", "sponsor").code == 2
    assert rwd("release", "check", good, "--recipient", "neighbour").code == 2
    (tmp_path / "bad.json").write_text("[]")
    answer = rwd(
        "release", "check", good, "--recipient", "sponsor", "--conditions", tmp_path / "bad.json", "--json"
    )
    assert (answer.code, answer.document["error"]["code"]) == (2, "release.conditions_not_json")


LogIn = Callable[[str], tuple[str, str]]


@pytest.fixture
def login(home: Path, monkeypatch: pytest.MonkeyPatch) -> LogIn:
    """`login("researcher")` gives the options, and the password is typed when it is asked for."""
    platform = open_platform(Settings())
    passwords = {login: password for login, _, password in give_new_passwords(platform)}
    platform.records.engine.dispose()

    def options(name: str) -> tuple[str, str]:
        monkeypatch.setattr("typer.prompt", lambda *_, **__: passwords[name])
        return "--login", name

    return options


def put(**more: str) -> None:
    platform = open_platform(Settings())
    put_package(platform, {"all": people(1, 200)}, **more)
    platform.records.engine.dispose()


def test_a_release_from_the_command_line_is_asked_for_and_carried_out_by_persons(rwd: Rwd, login: LogIn):
    """Each step under an account with its password: the log names people, never who ran the command."""
    put()
    asked = rwd(
        "release", "request", "EP-1", "--recipient", "sponsor", "--circle", "Sponsor Ltd",
        "--purpose", "post-market study", *login("researcher"), "--json",
    )  # fmt: skip
    assert asked.code == 0, asked.stderr
    release = asked.document["id"]
    early = rwd("release", "complete", release, *login("researcher"), "--json")
    assert early.document["error"]["code"] == "release.not_approved" and early.code != 0
    why = ("--approve", "--reason", "已核对输出检查的结论与用途")
    for officer in ("privacy", "privacy-2"):
        assert rwd("release", "vote", release, *why, *login(officer)).code == 0
    done = rwd("release", "complete", release, *login("researcher"), "--json")
    assert (done.code, done.document["state"]) == (0, "released")
    platform = open_platform(Settings())
    entries = platform.records.all(select(AuditEntry).where(col(AuditEntry.action).startswith("release.")))
    assert len(entries) == 4 and not any(one.actor_id.startswith("cli:") for one in entries)
    platform.records.engine.dispose()


def test_whether_a_foreign_body_asked_is_said_with_the_request(rwd: Rwd, login: LogIn):
    put()
    ask = (
        "release", "request", "EP-1", "--recipient", "sponsor", "--circle", "Sponsor Ltd",
        "--purpose", "post-market study", "--foreign-judicial-request",
    )  # fmt: skip
    wrong = rwd(*ask, "perhaps", *login("researcher"), "--json")
    assert wrong.document["error"]["code"] == "release.judicial_answer_malformed" and wrong.code != 0
    asked = rwd(*ask, "no", *login("researcher"), "--json")
    assert asked.code == 0, asked.stderr
    platform = open_platform(Settings())
    kept = platform.records.get(OutputRelease, asked.document["id"]).conditions
    assert kept == {"purpose": "post-market study", "foreign_judicial_request": "no"}
    platform.records.engine.dispose()


@pytest.mark.parametrize(
    "command", [("request", "EP-1", "--recipient", "public"), ("complete", "r"), ("list",)]
)
def test_without_a_login_nothing_is_asked_carried_out_or_listed(
    rwd: Rwd, home: Path, command: tuple[str, ...]
):
    assert rwd("release", *command).code == 2


def test_the_list_is_what_the_person_may_see(rwd: Rwd, login: LogIn):
    """A researcher: their organisation's. A privacy officer: all. A hospital: none, and the question is on record."""
    assert rwd("release", "list", *login("privacy"), "--json").lines == []
    put(organisation="org-hospital-b")
    platform = open_platform(Settings())
    package = platform.records.get(EvidencePackage, "EP-1")
    act = Act(ASSEMBLER, "seed.written", Object("release", "r-1"))
    platform.records.write(
        OutputRelease(
            id="r-1", organisation_id="org-hospital-b", project_id="demo", package_id="EP-1", product="p",
            recipient_kind="public", circle="public", content_sha256=package.sha256, conditions={}, verdict={},
            state="requested", requested_by="x", requested_at="2026-11-02T08:00:00.000000Z",
        ),
        audit=act,
    )  # fmt: skip
    platform.records.engine.dispose()
    assert [one["id"] for one in rwd("release", "list", *login("privacy"), "--json").lines] == ["r-1"]
    assert rwd("release", "list", *login("researcher"), "--json").lines == []
    refused = rwd("release", "list", *login("hospital-a"), "--json")
    assert (refused.code, refused.document["error"]["code"]) == (3, "access.not_allowed")
