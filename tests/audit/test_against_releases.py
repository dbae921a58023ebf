"""Rows that decide what leaves, changed behind a log that is whole: each edit is found, by its table, id and field."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlmodel import select

from rwd_platform.audit.against_records import compare
from rwd_platform.compliance.instruments import kind_of
from rwd_platform.demo.people import register_organisations
from rwd_platform.flows.instruments import NewPaper, file_instrument, record_instrument, revoke_instrument
from rwd_platform.flows.parties import Profile, record_party
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.provide import provisions_of
from rwd_platform.flows.release import release, request_release
from rwd_platform.flows.release_ends import confirm_deletion, recall_release, withdraw_release
from rwd_platform.flows.release_votes import vote
from rwd_platform.records.tables import InstrumentRecord, OutputRelease, Provision
from rwd_platform.settings import Settings
from tests.conftest import StandingClock
from tests.flows.releasing import ASSEMBLER, OFFICER, OFFICER_2, people, put_package

TABLES = (
    "output_release",
    "release_vote",
    "provision",
    "person_posting",
    "legal_party",
    "instrument",
)
WHY = "已核对输出检查的结论与用途，同意。"
AGAINST = "用途写得不清楚，请改正后重新申请。"
LETTER = "c3" * 32
EXPORTER = "org-operator"


def asked(platform: Platform, number: int) -> str:
    put_package(platform, {"all": people(1, 200)}, id=f"EP-{number}")
    return request_release(
        platform, ASSEMBLER, f"EP-{number}", "sponsor", "Sponsor Ltd", {"purpose": "上市后研究"}
    ).id


def words(platform: Platform, id: str, *said: str) -> str:
    for officer, word in zip((OFFICER, OFFICER_2), said, strict=False):
        vote(platform, officer, id, word, WHY if word == "approve" else AGAINST)
    return id


def papers(platform: Platform) -> None:
    """A paper that is filed, one that is replaced and one that is revoked; a party recorded twice."""
    for country in ("CN", "HK"):
        record_party(
            platform,
            OFFICER,
            "circle-another",
            Profile(country, "no", "no", "no", "2026-10-30", "dpo@example.org", "集团"),
        )
    scope = {name: ["*"] if name != "persons" else 1_000 for name in kind_of("standard_contract").scope}
    paper = NewPaper(
        EXPORTER, "standard_contract", "SC-1", "2026-01-01", valid_until="2027-12-31", scope=scope
    )
    first = record_instrument(platform, OFFICER, paper)
    file_instrument(platform, OFFICER, first.id, "2026-02-03")
    later = replace(paper, number="SC-2", effective_from="2026-06-01", replaces=first.id)
    second = record_instrument(platform, OFFICER, later)
    revoke_instrument(platform, OFFICER, second.id, "合同已经解除，不再使用。")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> tuple[Path, dict[str, str]]:
    """Releases at every stage, as the flows leave them."""
    home = tmp_path_factory.mktemp("leaving") / "home"
    home.mkdir()
    shutil.copyfile(sqlite_template, home / "records.db")
    platform = open_platform(Settings(home=home, demo=True), StandingClock())
    register_organisations(platform)
    ids = {"requested": words(platform, asked(platform, 1), "return")}
    ids["approved"] = words(platform, asked(platform, 2), "approve", "approve")
    ids["released"] = words(platform, asked(platform, 3), "approve", "approve")
    ids["returned"] = words(platform, asked(platform, 4), "return", "approve")
    ids["refused"] = words(platform, asked(platform, 5), "refuse", "approve")
    ids["withdrawn"] = asked(platform, 6)
    ids["recalled"] = words(platform, asked(platform, 7), "approve", "approve")
    for state in ("released", "recalled"):
        assert release(platform, ASSEMBLER, ids[state]).state == "released"
    withdraw_release(platform, ASSEMBLER, ids["withdrawn"], AGAINST)
    recall_release(platform, OFFICER, ids["recalled"], "接收方合同终止，须收回已提供的结果。")
    (part,) = provisions_of(platform, ids["recalled"])
    confirm_deletion(platform, OFFICER, part.id, LETTER, "2026-11-02")
    papers(platform)
    platform.records.engine.dispose()
    return home, ids


@pytest.fixture
def ids(home: tuple[Path, dict[str, str]]) -> dict[str, str]:
    return home[1]


@pytest.fixture
def platform(home: tuple[Path, dict[str, str]], tmp_path: Path) -> Iterator[Platform]:
    copy = tmp_path / "home"
    shutil.copytree(home[0], copy)
    opened = open_platform(Settings(home=copy, demo=True), StandingClock())
    yield opened
    opened.records.engine.dispose()


def found(platform: Platform) -> set[tuple[str, str]]:
    """Of the rows that decide what leaves: the rule that was broken, and `table id field`."""
    findings = compare(platform.records, platform.records.log_entries(limit=10_000)[-1].sequence + 1)
    texts = [(one.rule, one.en) for one in findings.kept if any(f" {table} " in one.en for table in TABLES)]
    return {(rule, place(text)) for rule, text in texts}


def place(text: str) -> str:
    changed = re.search(r"The field (.+) of (\S+ \S+) is not", text)
    if changed:
        return f"{changed[2]} {changed[1]}"
    other = re.search(r"(?:is about|The record) (\S+ \S+?),? (?:which|has no entry (\S+))", text)
    assert other, text
    return f"{other[1]} {other[2]}" if other[2] else other[1]


def behind_the_log(platform: Platform, statement: str, *values: object) -> None:
    """As somebody with the file does it: no program of ours, no foreign keys."""
    with sqlite3.connect(str(platform.records.engine.url.database)) as connection:
        assert connection.execute(statement, values).rowcount > 0
    connection.close()


def part_of(platform: Platform, release_id: str) -> str:
    (row,) = platform.records.all(select(Provision).where(Provision.source_id == release_id))
    return row.id


def seeded(platform: Platform) -> set[str]:
    """Rows that the fixture put there without the flows: they have no entry of their own, and are found as such."""
    return {place for rule, place in found(platform) if rule == "record_unlogged"}


def test_what_the_flows_left_is_as_the_log_says_but_for_what_no_flow_recorded(
    platform: Platform, ids: dict[str, str]
) -> None:
    states = {id: platform.records.get(OutputRelease, id).state for id in ids.values()}
    assert states == {id: name for name, id in ids.items()}
    assert platform.records.get(Provision, part_of(platform, ids["recalled"])).state == "deleted"
    assert {place.split()[0] for place in seeded(platform)} == {"legal_party", "instrument"}
    assert {rule for rule, _ in found(platform)} == {"record_unlogged"}


RELEASES = [
    ("approved", "state = 'released'", "state"),
    ("recalled", "state = 'released'", "state"),
    ("requested", "state = 'approved'", "state"),
    ("released", "state = 'approved'", "state"),
    ("refused", "state = 'requested'", "state"),
    ("released", "circle = 'org-authority'", "circle"),
    ("released", "recipient_kind = 'competent_authority'", "recipient_kind"),
    ("released", "content_sha256 = 'ff'", "content_sha256"),
    ("released", "package_id = 'EP-1'", "package_id"),
    ("refused", 'verdict = \'{"outcome": "fail"}\'', "verdict"),
    ("released", "verdict = 'no json'", "JSON"),
]


@pytest.mark.parametrize(("which", "change", "field"), RELEASES)
def test_a_release_that_was_changed_is_named_with_its_field(
    platform: Platform, ids: dict[str, str], which: str, change: str, field: str
) -> None:
    before = found(platform)
    behind_the_log(platform, f"UPDATE output_release SET {change} WHERE id = ?", ids[which])
    assert found(platform) - before == {("record_changed", f"output_release {ids[which]} {field}")}


@pytest.mark.parametrize("state", ["released", "approved", "recalled", "requested"])
def test_a_release_that_no_act_made_is_named_with_the_entry_that_it_lacks(
    platform: Platform, ids: dict[str, str], state: str
) -> None:
    before = found(platform)
    names = [*OutputRelease.model_fields][1:]
    columns = ", ".join(names)
    behind_the_log(
        platform,
        f"INSERT INTO output_release (id, {columns}) SELECT 'release-x', {columns} FROM output_release"
        " WHERE id = ?",
        ids["released"],
    )
    behind_the_log(platform, "UPDATE output_release SET state = ? WHERE id = 'release-x'", state)
    assert found(platform) - before == {("record_unlogged", f"output_release release-x release.{state}")}


def test_a_release_that_vanished_is_named(platform: Platform, ids: dict[str, str]) -> None:
    before = found(platform)
    behind_the_log(platform, "DELETE FROM output_release WHERE id = ?", ids["refused"])
    assert found(platform) - before == {("record_missing", f"output_release {ids['refused']}")}


VOTES = [
    ("requested", "approved = 1, word = 'approve'", {"word, objections, reason"}),  # secret still
    ("requested", "reason = '已核对，同意。'", {"word, objections, reason"}),
    ("approved", "word = 'refuse', approved = 0", {"word", "word, objections, reason"}),
    ("approved", "approved = 0", {"approved", "word, objections, reason"}),
]


@pytest.mark.parametrize(("which", "change", "fields"), VOTES)
def test_a_vote_that_was_changed_is_named_also_while_it_is_secret(
    platform: Platform, ids: dict[str, str], which: str, change: str, fields: set[str]
) -> None:
    before, id = found(platform), ids[which]
    behind_the_log(
        platform,
        f"UPDATE release_vote SET {change} WHERE release_id = ? AND approver_id = ?",
        id,
        OFFICER.id,
    )
    wanted = {("record_changed", f"release_vote {id}/{OFFICER.id} {field}") for field in fields}
    assert found(platform) - before == wanted


def test_a_vote_that_decided_is_held_to_its_word_and_reason(platform: Platform, ids: dict[str, str]) -> None:
    before, id = found(platform), ids["refused"]
    change = "UPDATE release_vote SET word = 'refuse', approved = 0, reason = 'x'"
    behind_the_log(platform, f"{change} WHERE release_id = ? AND approver_id = ?", id, OFFICER_2.id)
    name = f"release_vote {id}/{OFFICER_2.id}"
    assert found(platform) - before == {
        ("record_changed", f"{name} word"),
        ("record_changed", f"{name} reason"),
    }


def test_a_vote_that_nobody_gave_and_one_that_vanished_are_named(
    platform: Platform, ids: dict[str, str]
) -> None:
    before, id = found(platform), ids["requested"]
    behind_the_log(platform, "UPDATE release_vote SET approver_id = 'privacy-3' WHERE release_id = ?", id)
    assert found(platform) - before == {
        ("record_missing", f"release_vote {id}/{OFFICER.id}"),
        ("record_unlogged", f"release_vote {id}/privacy-3 release.voted"),
    }


PROVISIONS = [
    ("released", "state = 'recalled'", "state"),
    ("recalled", "state = 'posted'", "state"),
    ("approved", "state = 'posted'", "state"),
    ("withdrawn", "state = 'reserved'", "state"),
    ("withdrawn", "year = 2026", "year"),
    ("released", "year = 2025", "year"),
    ("released", "verdict = 'HOLD'", "verdict"),
    ("released", "recipient_id = 'circle-another'", "recipient_id"),
    ("released", "organisation_id = 'org-hospital-a'", "organisation_id"),
    ("released", "facts = replace(facts, 'false', 'true')", "facts"),
    ("released", "decision = '{}'", "decision"),
    ("released", "source_id = 'release-other'", "source_id"),
]


@pytest.mark.parametrize(("which", "change", "field"), PROVISIONS)
def test_a_provision_that_was_changed_is_named_with_its_field(
    platform: Platform, ids: dict[str, str], which: str, change: str, field: str
) -> None:
    before, id = found(platform), part_of(platform, ids[which])
    behind_the_log(platform, f"UPDATE provision SET {change} WHERE id = ?", id)
    assert found(platform) - before == {("record_changed", f"provision {id} {field}")}


POSTINGS = [
    ("counted = 1 - counted", "counted"),
    ("crosses_border = 1 - crosses_border", "crosses_border"),
    ("year = 2025", "year"),
    ("sealed = x'00'", "sealed"),
    ("sensitive = sensitive + 1", "general, sensitive, posted_at"),
    ("general = general + 1", "general, sensitive, posted_at"),
    ("posted_at = ''", "general, sensitive, posted_at"),
]


@pytest.mark.parametrize("which", ["released", "recalled"])
@pytest.mark.parametrize(("change", "field"), POSTINGS)
def test_a_posting_that_was_changed_is_named_with_its_field(
    platform: Platform, ids: dict[str, str], which: str, change: str, field: str
) -> None:
    before, id = found(platform), part_of(platform, ids[which])
    behind_the_log(platform, f"UPDATE person_posting SET {change} WHERE provision_id = ?", id)
    assert found(platform) - before == {("record_changed", f"person_posting {id} {field}")}


@pytest.mark.parametrize("which", ["approved", "released", "recalled"])
def test_a_posting_that_vanished_is_named(platform: Platform, ids: dict[str, str], which: str) -> None:
    before, id = found(platform), part_of(platform, ids[which])
    behind_the_log(platform, "DELETE FROM person_posting WHERE provision_id = ?", id)
    assert found(platform) - before == {("record_missing", f"person_posting {id}")}


def test_a_posting_beside_what_was_cancelled_is_named(platform: Platform, ids: dict[str, str]) -> None:
    """Its persons were freed by design, and nobody reserved them again."""
    before, id = found(platform), part_of(platform, ids["withdrawn"])
    reserved = part_of(platform, ids["approved"])
    behind_the_log(
        platform, "UPDATE person_posting SET provision_id = ? WHERE provision_id = ?", id, reserved
    )
    assert found(platform) - before == {
        ("record_missing", f"person_posting {reserved}"),
        ("record_unlogged", f"person_posting {id} transfer.decided"),
    }


PARTIES = [
    ("country = 'CN'", "country"),
    ("restricted = 'yes'", "restricted"),
    ("checked_on = '2026-11-01'", "checked_on"),
    ("group_name = ''", "contact, group_name"),
]


@pytest.mark.parametrize(("change", "field"), PARTIES)
def test_a_party_that_was_changed_is_named_with_its_field(
    platform: Platform, change: str, field: str
) -> None:
    before = found(platform)
    behind_the_log(platform, f"UPDATE legal_party SET {change} WHERE id = 'circle-another'")
    assert found(platform) - before == {("record_changed", f"legal_party circle-another {field}")}


PAPERS = [
    ("SC-1", "valid_until = '2030-01-01'", "valid_until"),
    ("SC-1", "filed_on = ''", "filed_on"),
    ("SC-1", "revoked_on = ''", "revoked_on"),
    ("SC-2", "revoked_on = ''", "revoked_on"),
    ("SC-2", "filed_on = '2026-07-01'", "filed_on"),
    ("SC-2", "effective_from = '2026-01-01'", "effective_from"),
    ("SC-2", "scope = '{}'", "scope"),
    ("SC-2", "kind = 'certification'", "kind"),
    ("SC-2", "organisation_id = 'org-hospital-a'", "organisation_id"),
    ("SC-2", "evidence_sha256 = 'ff'", "evidence_sha256"),
]


@pytest.mark.parametrize(("number", "change", "field"), PAPERS)
def test_a_paper_that_was_changed_is_named_with_its_field(
    platform: Platform, number: str, change: str, field: str
) -> None:
    before = found(platform)
    (row,) = platform.records.all(select(InstrumentRecord).where(InstrumentRecord.number == number))
    behind_the_log(platform, f"UPDATE instrument SET {change} WHERE number = ?", number)
    assert found(platform) - before == {("record_changed", f"instrument {row.id} {field}")}


def test_a_party_and_a_paper_that_nobody_recorded_are_named(platform: Platform) -> None:
    before = found(platform)
    behind_the_log(platform, "UPDATE legal_party SET id = 'org-x' WHERE id = 'circle-another'")
    behind_the_log(platform, "UPDATE instrument SET id = 'paper-x' WHERE number = 'SC-2'")
    rules = {(rule, " ".join(place.split()[:2])) for rule, place in found(platform) - before}
    assert {("record_unlogged", "legal_party org-x"), ("record_unlogged", "instrument paper-x")} <= rules
    assert sum(rule == "record_missing" for rule, _ in rules) == 2


def test_the_entries_tell_no_number_of_persons(platform: Platform, ids: dict[str, str]) -> None:
    """What pins a posting is hashed with bytes that only the database holds."""
    entries = platform.records.log_entries(limit=10_000)
    lines = [
        line
        for body in (json.loads(one.body) for one in entries)
        for line in (body.get("decision", {}).get("provisions") or [body.get("decision", {})])
        if "posting" in line
    ]
    assert len(lines) > len(ids)
    fields = {"year", "counted", "crosses_border", "sealed_sha256", "sha256"}
    assert all(line["posting"] is None or set(line["posting"]) == fields for line in lines)
