"""`rwd provision`, `rwd paper`, `rwd party`: a person's, by their login; JSON alone on stdout; both languages."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlmodel import select

from rwd_platform.compliance.instruments import kinds
from rwd_platform.core.canonical import sha256_of
from rwd_platform.demo.people import give_new_passwords
from rwd_platform.flows.platform import open_platform
from rwd_platform.records.tables import AuditEntry, PersonPosting
from rwd_platform.settings import Settings
from tests.cli.calling import Rwd, is_chinese
from tests.flows.papers import party
from tests.flows.providing import ABROAD, HOSPITAL, RESEARCHER, decided, keys, part, put, put_everything
from tests.server.provision_seed import put_circles

OTHER = "org-hospital-b"
LogIn = Callable[[str], tuple[str, str]]
PAPER = (
    "paper", "add", "--exporter", HOSPITAL, "--kind", "standard_contract", "--number", "SC-1", "--from", "2026-10-30",
    "--scope", "purposes=registration,research", "--scope", "fields=*", "--scope", f"recipients={ABROAD}",
)  # fmt: skip
PARTY = (
    "party", "set", ABROAD, "--country", "us", "--foreign-controlled", "yes", "--state-organ", "no",
    "--restricted", "unknown", "--checked-on", "2026-11-01", "--contact", "dpo@example.org",
)  # fmt: skip


@pytest.fixture
def login(home: Path, monkeypatch: pytest.MonkeyPatch) -> LogIn:
    """`login("privacy")` gives the options, and the password is typed when it is asked for."""
    platform = open_platform(Settings())
    passwords = {login: password for login, _, password in give_new_passwords(platform)}
    platform.records.engine.dispose()

    def options(name: str) -> tuple[str, str]:
        monkeypatch.setattr("typer.prompt", lambda *_, **__: passwords[name])
        return "--login", name

    return options


@pytest.fixture
def provided(home: Path) -> dict[str, str]:
    """Two reserved and one on hold of hospital A, one reserved of hospital B; their ids."""
    platform = open_platform(Settings())
    put_circles(platform)
    put_everything(platform)
    put_everything(platform, OTHER)
    own = part(platform, 1, keys(1, 10))
    put(platform, own.asked)  # a researcher sees the provisions of a release that is on record and theirs
    held = part(platform, 2, keys(11, 15), minors=True)
    put(platform, party("circle-home", restricted="unknown", country="JP"))
    ids = {
        "reserved": decided(own).id,
        "unknown": decided(part(platform, 3, keys(1, 2), recipient="circle-home")).id,
        "allowed": decided(held).id,
        "other": decided(part(platform, 4, keys(1, 3), exporter=OTHER)).id,
    }
    platform.records.engine.dispose()
    return ids


# -- provisions ------------------------------------------------------------------------------------------------------


def test_the_list_is_what_the_person_may_see(rwd: Rwd, login: LogIn, provided: dict[str, str]) -> None:
    every = rwd("provision", "list", *login("privacy"), "--json")
    assert every.code == 0 and {one["id"] for one in every.lines} == set(provided.values())
    held = rwd("provision", "list", "--state", "held", *login("privacy"), "--json")
    assert [(one["id"], one["unknown"]) for one in held.lines] == [
        (provided["unknown"], ["recipient.restricted"])
    ]
    lacking = rwd("provision", "list", "--lacks", "recipient.restricted", *login("hospital-a"), "--json")
    assert len(lacking.lines) == 1
    own = rwd("provision", "list", *login("hospital-a"), "--json").lines
    assert {one["id"] for one in own} == set(provided.values()) - {provided["other"]}
    assert rwd("provision", "list", "--exporter", OTHER, *login("hospital-a"), "--json").lines == []
    refused = rwd("provision", "list", *login("operator"), "--json")
    assert (refused.code, refused.document["error"]["code"]) == (3, "access.not_allowed")


def test_one_is_shown_with_its_decision_facts_and_papers(
    rwd: Rwd, login: LogIn, provided: dict[str, str]
) -> None:
    """In words, both languages; a researcher gets neither facts nor the sentences that hold counts."""
    shown = rwd("provision", "show", provided["reserved"], *login("privacy"), "--json").document
    assert shown["facts"]["persons"]["sensitive"]["count"] == 10 and shown["decision"]["verdict"] == "ALLOW"
    assert shown["papers"]["rests_on"]["mechanism_in_force.kind"] == f"paper-{HOSPITAL}-standard_contract"
    words = rwd("provision", "show", provided["reserved"], *login("privacy")).stdout.decode()
    assert "可以提供" in words and "may be provided" in words and "mechanism_in_force.kind" in words
    less = rwd("provision", "show", provided["reserved"], *login("researcher"), "--json").document
    assert "facts" not in less and "zh" not in less["decision"]
    spoken = rwd("provision", "show", provided["reserved"], *login("researcher")).stdout.decode()
    assert "可以提供" not in spoken
    hidden = rwd("provision", "show", provided["other"], *login("hospital-a"), "--json")
    absent = rwd("provision", "show", "provision-x", *login("hospital-a"), "--json")
    assert [one.document["error"]["code"] for one in (hidden, absent)] == ["records.not_found"] * 2


def test_the_ledger_has_counts_forecast_and_deadlines(
    rwd: Rwd, login: LogIn, provided: dict[str, str]
) -> None:
    year = int(provided_year())
    answer = rwd("provision", "ledger", year, "--exporter", HOSPITAL, *login("privacy"), "--json")
    assert answer.code == 0, answer.stderr
    assert answer.document["count"]["reserved_sensitive"] == 15
    assert len(answer.document["outlooks"]) == 3
    words = rwd("provision", "ledger", year, *login("privacy")).stdout.decode()
    assert is_chinese(words) and "reserved" in words and "no prediction" not in words
    none = rwd("provision", "ledger", year, *login("researcher"))
    assert none.code == 0 and "没有可显示的台账" in none.stdout.decode()
    assert rwd("provision", "ledger", 1999, *login("privacy")).code == 2


def test_a_ledger_that_cannot_be_counted_is_exit_1(rwd: Rwd, login: LogIn, provided: dict[str, str]) -> None:
    platform = open_platform(Settings())
    row = platform.records.all(select(PersonPosting))[0]
    row.sealed = b"nonsense"
    from rwd_platform.log.entry import Act, Object

    platform.records.write(
        row, audit=Act(RESEARCHER, "seed.written", Object("person_posting", row.provision_id))
    )
    platform.records.engine.dispose()
    answer = rwd("provision", "ledger", provided_year(), "--exporter", HOSPITAL, *login("privacy"), "--json")
    assert (answer.code, answer.document["problem"], answer.document["count"]) == (
        1,
        "provision.posting_damaged",
        None,
    )


def provided_year() -> str:
    """The year of the machine's clock in Shanghai: the commands know no other."""
    from rwd_platform.core.clock import shanghai_date, system_clock

    return str(shanghai_date(system_clock()).year)


def test_the_report_is_json_with_its_checksum_and_a_table_beside(
    rwd: Rwd, login: LogIn, provided: dict[str, str], tmp_path: Path
) -> None:
    table = tmp_path / "report.csv"
    asked = ("provision", "report", provided_year(), "--exporter", HOSPITAL)
    answer = rwd(*asked, "--csv", table, *login("regulator"), "--json")
    assert answer.code == 0, answer.stderr
    made = answer.document
    assert sha256_of(made["report"]) == made["sha256"]
    lines = list(csv.reader(io.StringIO(table.read_bytes().decode("utf-8-sig"), newline="")))
    assert made["sha256"] in {cell for line in lines for cell in line}
    spoken = rwd(*asked, *login("hospital-a")).stdout.decode()
    assert made["sha256"] in spoken and "非法律意见" in spoken and "not legal advice" in spoken
    platform = open_platform(Settings())
    entries = platform.records.all(select(AuditEntry).where(AuditEntry.action == "provision.reported"))
    assert len(entries) == 2 and not any(one.actor_id.startswith("cli:") for one in entries)
    platform.records.engine.dispose()
    assert rwd(*asked, *login("researcher"), "--json").document["error"]["code"] == "provision.report_exact"
    others = rwd("provision", "report", provided_year(), "--exporter", OTHER, *login("hospital-a"), "--json")
    assert others.document["error"]["code"] == "records.not_found"
    assert rwd("provision", "report", provided_year(), *login("privacy")).code == 2, (
        "an exporter is asked for"
    )


# -- papers ----------------------------------------------------------------------------------------------------------


def test_the_kinds_need_no_deployment(rwd: Rwd) -> None:
    listed = rwd("paper", "kinds", "--json").lines
    assert [one["id"] for one in listed] == list(kinds()) and all(is_chinese(one["zh"]) for one in listed)
    assert "standard_contract" in rwd("paper", "kinds").stdout.decode()


def test_a_paper_is_added_filed_replaced_and_revoked(rwd: Rwd, login: LogIn) -> None:
    made = rwd(*PAPER, "--scope", "persons=5000", *login("hospital-a"), "--json")
    assert made.code == 0, made.stderr
    first = made.document
    assert first["scope"] == {
        "purposes": ["registration", "research"],
        "fields": ["*"],
        "recipients": [ABROAD],
        "persons": 5_000,
    }
    filed = rwd("paper", "file", first["id"], "--on", "2026-11-02", *login("hospital-a"), "--json")
    assert filed.document["filed_on"] == "2026-11-02"
    again = rwd("paper", "file", first["id"], "--on", "2026-11-02", *login("hospital-a"), "--json")
    assert (again.code, again.document["error"]["code"]) == (3, "instrument.filed_already")
    second = rwd(
        *PAPER, "--scope", "persons=10", "--replaces", first["id"], *login("privacy"), "--json"
    ).document
    assert second["version"] == 2
    done = rwd("paper", "revoke", second["id"], "--reason", "不再使用", *login("privacy"))
    assert done.code == 0 and "✗" in done.stdout.decode()
    listed = rwd("paper", "list", "--kind", "standard_contract", *login("hospital-a"), "--json").lines
    assert {one["id"] for one in listed} == {first["id"], second["id"]}
    assert rwd("paper", "list", "--exporter", OTHER, *login("privacy"), "--json").lines == []


@pytest.mark.parametrize(
    ("scope", "code"),
    [
        ("persons", "cli.scope_form"),
        ("=x", "cli.scope_form"),
        ("fields=health_status", "cli.scope_form"),
        ("persons=many", "instrument.malformed"),
        ("persons=0", "instrument.malformed"),
        ("moons=1", "instrument.malformed"),
    ],
)
def test_a_scope_that_is_not_written_as_it_should_be_is_named(
    rwd: Rwd, login: LogIn, scope: str, code: str
) -> None:
    answer = rwd(*PAPER, "--scope", scope, *login("privacy"), "--json")
    assert (answer.code, answer.document["error"]["code"]) == (2, code)
    assert rwd("paper", "list", *login("privacy"), "--json").lines == []


def test_who_may_not_record_records_nothing(rwd: Rwd, login: LogIn) -> None:
    full = (*PAPER, "--scope", "persons=5")
    others = tuple(OTHER if word == HOSPITAL else word for word in full)
    for name, words, code in (
        ("researcher", full, "access.not_allowed"),
        ("hospital-a", others, "records.not_found"),
    ):
        answer = rwd(*words, *login(name), "--json")
        assert answer.code != 0 and answer.document["error"]["code"] == code
    assert rwd("paper", "list", *login("privacy"), "--json").lines == []


# -- legal entities --------------------------------------------------------------------------------------------------


def test_a_legal_entity_is_put_on_record(rwd: Rwd, login: LogIn) -> None:
    platform = open_platform(Settings())
    put_circles(platform)
    platform.records.engine.dispose()
    made = rwd(*PARTY, "--group", "Group One", *login("privacy"), "--json")
    assert made.code == 0, made.stderr
    assert (made.document["country"], made.document["restricted"]) == ("US", "unknown")
    (listed,) = rwd("party", "list", *login("privacy"), "--json").lines
    assert listed["group_name"] == "Group One"
    assert "restricted=unknown" in rwd("party", "list", *login("privacy")).stdout.decode()
    for command in (PARTY, ("party", "list")):
        refused = rwd(*command, *login("hospital-a"), "--json")
        assert (refused.code, refused.document["error"]["code"]) == (3, "access.not_allowed")


def test_an_entity_that_nobody_registered_and_a_wrong_answer_are_named(rwd: Rwd, login: LogIn) -> None:
    unknown = rwd(*PARTY, *login("privacy"), "--json")
    assert unknown.document["error"]["code"] == "party.unknown"
    wrong = rwd(*("xx" if word == "us" else word for word in PARTY), *login("privacy"), "--json")
    assert (wrong.code, wrong.document["error"]["code"]) == (2, "party.malformed")


@pytest.mark.parametrize(
    "command",
    [
        ("provision", "list"),
        ("provision", "show", "x"),
        ("provision", "ledger", "2026"),
        ("paper", "list"),
        ("paper", "revoke", "x", "--reason", "y"),
        ("party", "list"),
    ],
)
def test_without_a_login_nothing_is_shown_or_done(rwd: Rwd, home: Path, command: tuple[str, ...]) -> None:
    assert rwd(*command).code == 2
