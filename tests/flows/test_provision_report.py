"""The yearly report: whole, exact, the same for the same records, without a person, harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
import rfc8785
from sqlmodel import select

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provide import Leaving, post_provisions
from rwd_platform.flows.provision_report import Report, report
from rwd_platform.flows.provision_table import HEAD, as_csv
from rwd_platform.flows.release_ends import confirm_deletion
from rwd_platform.log.checkpoint import parse_checkpoint
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import (
    AuditEntry,
    Organisation,
    PersonPosting,
    Provision,
    ReleaseCircle,
    ReleaseVote,
)
from tests.conftest import StandingClock
from tests.flows.papers import paper, party
from tests.flows.providing import (
    ABROAD,
    HOSPITAL,
    RESEARCHER,
    decided,
    keys,
    part,
    put,
    put_everything,
    revoke,
)
from tests.flows.releasing import OFFICER, REGULATOR, account

CLERK = Actor("clerk", "hospital", HOSPITAL)
OTHER = "org-hospital-b"


def posted(leaving: Leaving) -> None:
    act = Act(RESEARCHER, "release.released", Object("release", leaving.asked.id))
    with leaving.platform.records.transaction(audit=act) as session:
        post_provisions(session, leaving)


def made(platform: Platform, year: int = 2026, exporter: str = HOSPITAL, actor: Actor = OFFICER) -> Report:
    return report(platform, actor, year, exporter)


def rows_of(found: Report) -> list[list[str]]:
    return list(csv.reader(io.StringIO(as_csv(found).decode("utf-8-sig"), newline="")))


# -- what is in it ---------------------------------------------------------------------------------------------------


def test_new_persons_stand_in_the_month_in_which_they_left(platform: Platform, clock: StandingClock) -> None:
    """October: 10 general. November: 6 of those become sensitive, 4 more are sensitive. The same persons in December
    are nobody new."""
    put_everything(platform)
    clock.now = clock.now.replace(month=10)
    posted(part(platform, 1, general=keys(1, 10)))
    clock.now = clock.now.replace(month=11)
    posted(part(platform, 2, keys(5, 14)))
    clock.now = clock.now.replace(month=12)
    posted(part(platform, 3, keys(5, 14)))
    months = {one["month"]: one for one in made(platform).content["months"]}
    assert len(months) == 12
    said = {
        month: (one["provisions"], one["new_general"], one["new_sensitive"])
        for month, one in months.items()
        if one["provisions"]
    }
    assert said == {10: (1, 10, 0), 11: (1, -6, 10), 12: (1, 0, 0)}
    assert made(platform).content["totals"]["posted"] == {"general": 4, "sensitive": 10}


def test_a_month_is_that_of_shanghai(platform: Platform, clock: StandingClock) -> None:
    """2026-11-30T16:30Z is December there."""
    put_everything(platform)
    clock.now = clock.now.replace(month=11, day=30, hour=16, minute=30)
    posted(part(platform, 1, keys(1, 3)))
    assert [one["month"] for one in made(platform).content["months"] if one["provisions"]] == [12]


def test_a_person_who_went_to_two_recipients_is_one_of_each_and_one_in_all(platform: Platform) -> None:
    put_everything(platform)
    put(platform, party("circle-second", country="JP", foreign_controlled="yes"))
    posted(part(platform, 1, keys(1, 10)))
    posted(part(platform, 2, keys(6, 12), recipient="circle-second"))
    content = made(platform).content
    by_recipient = {one["id"]: (one["provisions"], one["sensitive"]) for one in content["recipients"]}
    assert by_recipient == {ABROAD: (1, 10), "circle-second": (1, 7)}
    assert content["totals"]["posted"]["sensitive"] == 12
    assert [one["status"]["country"] for one in content["recipients"]] == ["US", "JP"]


def test_exempt_and_domestic_provisions_are_listed_and_not_added(platform: Platform) -> None:
    put_everything(platform)
    put(platform, party("circle-home"))
    posted(part(platform, 1, keys(1, 50), recipient="circle-home"))
    put(platform, paper("legal_basis", HOSPITAL, answer="contract"))
    posted(part(platform, 2, keys(1, 20)))
    content = made(platform).content
    assert content["totals"]["posted"] == {"general": 0, "sensitive": 0}
    assert {one["path"]: one["provided"] for one in content["paths"]} == {"DOMESTIC": 1, "EXEMPT": 1}
    assert sorted((one["sensitive"], one["counted"]) for one in content["provisions"]) == [
        (20, False),
        (50, False),
    ]


def test_what_is_not_counted_happened_all_the_same_and_says_why_it_adds_nobody(
    platform: Platform, clock: StandingClock
) -> None:
    """Each month holds one provision of another kind: within China, anonymised, exempt, counted, and counted before.
    By hand: persons 1-50, 1-8, 1-20 and twice 11-30, so 50 in all, of whom the law counts the 20 of the fourth."""
    put_everything(platform)
    put(platform, party("circle-home"))
    clock.now = clock.now.replace(month=6)
    posted(part(platform, 1, keys(1, 50), recipient="circle-home"))
    clock.now = clock.now.replace(month=7)
    posted(part(platform, 2, keys(1, 8), anonymised=True))
    clock.now = clock.now.replace(month=9)
    posted(part(platform, 4, keys(11, 30)))
    clock.now = clock.now.replace(month=10)
    posted(part(platform, 5, keys(11, 30)))
    put(platform, paper("legal_basis", HOSPITAL, answer="contract"))
    clock.now = clock.now.replace(month=11)
    posted(part(platform, 3, keys(1, 20)))
    content = made(platform).content
    said = {
        one["month"]: (one["provisions"], one["involved_sensitive"], one["new_sensitive"], one["not_added"])
        for one in content["months"]
        if one["provisions"]
    }
    assert said == {
        6: (1, 50, 0, {"domestic": 1}),
        7: (1, 8, 0, {"anonymised": 1}),
        9: (1, 20, 20, {}),
        10: (1, 20, 0, {"already": 1}),
        11: (1, 20, 0, {"exempt": 1}),
    }
    assert content["totals"]["provided"] == {
        "provisions": 5, "involved_general": 0, "involved_sensitive": 50,
        "not_added": {"already": 1, "anonymised": 1, "domestic": 1, "exempt": 1},
    }  # fmt: skip
    assert content["totals"]["posted"] == {"general": 0, "sensitive": 20}


def test_the_report_agrees_with_itself(platform: Platform) -> None:
    """Months, recipients and the list have as many provisions; what each adds makes up what the year counts; and a
    line that adds nobody, and no other, has a reason."""
    put_everything(platform)
    put(platform, party("circle-home"))
    posted(part(platform, 1, keys(1, 5), general=keys(6, 9), recipient="circle-home"))
    posted(part(platform, 2, general=keys(1, 10)))
    posted(part(platform, 3, keys(5, 14)))
    posted(part(platform, 4, keys(5, 14)))
    content = made(platform).content
    lines, totals = content["provisions"], content["totals"]
    assert len(lines) == totals["provided"]["provisions"] == 4
    for rows in (content["months"], content["recipients"]):
        assert sum(one["provisions"] for one in rows) == 4
    for rows in (content["months"], lines):
        for kind in ("general", "sensitive"):
            assert sum(one[f"new_{kind}"] for one in rows) == totals["posted"][kind]
    for one in lines:
        assert bool(one["why_not_added"]) is ((one["new_general"], one["new_sensitive"]) == (0, 0))
    (home,) = [one for one in content["recipients"] if one["id"] == "circle-home"]
    assert (home["involved_sensitive"], home["involved_general"]) == (5, 4)
    assert (home["sensitive"], home["general"], home["not_added"]) == (0, 0, {"domestic": 1})


def test_the_table_has_persons_involved_beside_persons_counted_and_the_reason(platform: Platform) -> None:
    put_everything(platform)
    put(platform, party("circle-home"))
    posted(part(platform, 1, keys(1, 5), recipient="circle-home"))
    by_section = {(line[0], line[1]): dict(zip(HEAD, line, strict=True)) for line in rows_of(made(platform))}
    for place in (("total", "provided"), ("month", "2026-11"), ("recipient", "circle-home")):
        line = by_section[place]
        assert (line["次数 number"], line["涉及敏感 involved, sensitive"]) == ("1", "5"), place
        assert "境内 within China" in line["说明 about"]
    assert by_section[("month", "2026-11")]["计入敏感 counted, sensitive"] == "0"
    (line,) = [one for (section, _), one in by_section.items() if section == "provision"]
    assert (line["涉及敏感 involved, sensitive"], line["计入敏感 counted, sensitive"]) == ("5", "0")
    assert "未计入 not added: 境内 within China" in line["说明 about"]


def test_mechanisms_assessments_and_approvals_are_named_with_number_and_validity(platform: Platform) -> None:
    put_everything(platform, but=["standard_contract"])
    put(platform, paper("certification", HOSPITAL, number="认证-7", valid_until="2028-06-30"))
    posted(part(platform, 1, keys(1, 10)))
    posted(part(platform, 2, keys(11, 12)))
    papers = made(platform).content["papers"]
    (mechanism,) = papers["mechanisms"]
    assert (mechanism["kind"], mechanism["number"], mechanism["valid_until"], mechanism["provisions"]) == (
        "certification",
        "认证-7",
        "2028-06-30",
        2,
    )
    assert [one["kind"] for one in papers["impact_assessments"]] == ["impact_assessment"]
    assert [one["kind"] for one in papers["approvals"]] == ["ethics_approval"]
    assert {one["kind"] for one in papers["others"]} >= {"ciio_check", "important_data_check"}


def test_the_officers_who_approved_are_counted_and_not_named(platform: Platform) -> None:
    put_everything(platform)
    leaving = part(platform, 1, keys(1, 3))
    put(platform, leaving.asked)
    posted(leaving)
    for officer, approved in (("privacy", True), ("privacy-2", True), ("privacy-3", False)):
        vote = ReleaseVote(
            release_id="release-1", approver_id=officer, organisation_id="org-operator", approved=approved,
            reason="张三的意见", voted_at="2026-11-01T00:00:00.000000Z",
        )  # fmt: skip
        platform.records.write(vote, audit=Act(RESEARCHER, "seed.written", Object("release_vote", officer)))
    found = made(platform)
    assert [one["approvals"] for one in found.content["provisions"]] == [2]
    whole = json.dumps(found.content, ensure_ascii=False)
    assert "张三" not in whole and "privacy" not in whole


def test_what_was_held_is_told_by_reason_from_the_log_and_what_still_is_from_the_records(
    platform: Platform,
) -> None:
    """Asked twice without the assessment, then allowed: two answers HOLD in the log, nothing held any more. Another
    stays blocked."""
    put_everything(platform)
    revoke(platform, "impact_assessment")
    decided(part(platform, 1, keys(1, 3)))
    decided(part(platform, 1, keys(1, 3)))
    put(platform, paper("impact_assessment", HOSPITAL, id="paper-new"))
    decided(part(platform, 1, keys(1, 3)))
    put(platform, party(ABROAD, country="US", restricted="yes"))
    blocked = decided(part(platform, 2, keys(1, 3)))
    content = made(platform).content
    assert content["answers_refused"] == [
        {"verdict": "BLOCK", "reason": "P2", "answers": 1},
        {"verdict": "HOLD", "reason": "PIPIA", "answers": 2},
    ]
    assert [(one["id"], one["rules"]) for one in content["stopped"]] == [(blocked.id, ["P2"])]


def test_a_recall_is_listed_with_its_day_and_without_what_somebody_wrote(platform: Platform) -> None:
    put_everything(platform)
    put(platform, account(OFFICER))
    posted(part(platform, 1, keys(1, 3)))
    (row,) = platform.records.all(select(Provision))
    row.state, row.ended_at, row.ended_why = "recalled", "2026-11-02T01:00:00.000000Z", "李四要求退回"
    put(platform, row)
    found = made(platform)
    (recall,) = found.content["recalls"]
    assert (recall["id"], recall["state"], recall["at"]) == (
        row.id,
        "recalled",
        "2026-11-02T01:00:00.000000Z",
    )
    assert recall["deleted_on"] == ""
    assert found.content["totals"]["posted"]["sensitive"] == 3, "what has left is counted for good"
    assert "李四" not in json.dumps(found.content, ensure_ascii=False)
    confirm_deletion(platform, OFFICER, row.id, "a" * 64, "2026-11-02")
    (recall,) = made(platform).content["recalls"]
    assert (recall["state"], recall["deleted_on"], recall["letter_sha256"]) == (
        "deleted",
        "2026-11-02",
        "a" * 64,
    )


def test_no_key_of_a_person_is_in_the_report(platform: Platform) -> None:
    put_everything(platform)
    somebody = bytes.fromhex("c0ffee00c0ffee00c0ffee00c0ffee00")
    posted(part(platform, 1, [somebody]))
    found = made(platform)
    (kept,) = platform.records.all(select(PersonPosting))
    for raw in (json.dumps(found.content).encode(), as_csv(found)):
        assert somebody.hex().encode() not in raw and kept.sealed.hex().encode() not in raw


def test_an_alarm_of_its_own_is_in_it_and_another_hospitals_counts_are_not(platform: Platform) -> None:
    """Two hospitals of a group reach the threshold together: that names the other one, and is on the page of the
    privacy officer. What this hospital split by purpose is in its report."""
    put_everything(platform)
    put_everything(platform, OTHER)
    for one in (HOSPITAL, OTHER):
        put(platform, party(one, group_name="集团"))
    decided(part(platform, 1, keys(1, 6_000)))
    decided(part(platform, 2, keys(1, 5_000), exporter=OTHER))
    assert made(platform).content["alarms"] == []
    other = part(platform, 3, keys(6_001, 10_000))
    other.package.purpose = "research"
    put(platform, paper("security_assessment", HOSPITAL))
    decided(other)
    (alarm,) = made(platform).content["alarms"]
    assert alarm["kind"] == "purposes" and OTHER not in json.dumps(alarm)


# -- edges -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("year", [2000, 2025, 2026, 2027, 2200])
def test_an_empty_year_is_a_whole_report_of_noughts(platform: Platform, year: int) -> None:
    """An exporter without papers, without a status on record and without provisions."""
    found = made(platform, year)
    content = found.content
    assert content["exporter"]["status"] is None and content["log"]["entries"] == 0
    assert [one["provisions"] for one in content["months"]] == [0] * 12
    assert content["recipients"] == content["provisions"] == content["stopped"] == []
    assert bool(content["rule_packs"]) is (year >= 2025), "no pack was in force in 2000"
    assert content["disclaimer"]["zh"] == "决策支持，非法律意见" and len(rows_of(found)) > 15


def test_a_thousand_provisions_are_each_listed_and_their_persons_counted_once(platform: Platform) -> None:
    """Each holds 3 persons, of whom 2 were in the one before: 1,002 in all."""
    put_everything(platform)
    posted(part(platform, 1, keys(1, 3)))
    (row,) = platform.records.all(select(Provision))
    (posting,) = platform.records.all(select(PersonPosting))
    act = Act(RESEARCHER, "seed.written", Object("provision", "many"))
    from rwd_platform.compliance.person_sets import PersonSet
    from rwd_platform.flows.provision_facts import sealed_persons

    with platform.records.transaction(audit=act) as session:
        for number in range(2, 1_001):
            id = f"provision-{number:04d}"
            session.add(Provision(**{**row.model_dump(), "id": id, "source_id": f"release-{number}"}))
            session.flush()
            kept = PersonPosting(**{**posting.model_dump(), "provision_id": id})
            kept.sealed = sealed_persons(platform, kept, PersonSet.of(sensitive=keys(number, number + 2)))
            session.add(kept)
    found = made(platform)
    assert len(found.content["provisions"]) == 1_000
    assert found.content["totals"]["posted"]["sensitive"] == 1_002
    assert found.content["months"][10]["new_sensitive"] == 1_002
    assert sum(line[0] == "provision" for line in rows_of(found)) == 1_000


def test_persons_that_cannot_be_counted_leave_no_report(platform: Platform) -> None:
    """Half a report would be a wrong one, and no entry says that it was made."""
    put_everything(platform)
    posted(part(platform, 1, keys(1, 3)))
    (row,) = platform.records.all(select(PersonPosting))
    row.sensitive = 2
    platform.records.write(
        row, audit=Act(RESEARCHER, "seed.written", Object("person_posting", row.provision_id))
    )
    with pytest.raises(PlatformError) as refused:
        made(platform)
    assert refused.value.code == "provision.posting_damaged" and reported(platform) == []


# -- the same for the same records -----------------------------------------------------------------------------------


def reported(platform: Platform) -> list[dict[str, Any]]:
    rows = platform.records.all(select(AuditEntry).where(AuditEntry.action == "provision.reported"))
    return [json.loads(row.body) for row in rows]


def test_the_checksum_is_of_the_canonical_content_and_stays_while_the_log_grows(platform: Platform) -> None:
    """Whoever asks and however often: the same report, and each asking is one entry that holds the checksum."""
    put_everything(platform)
    posted(part(platform, 1, keys(1, 3)))
    first = made(platform)
    assert first.sha256 == sha256_hex(rfc8785.dumps(json.loads(json.dumps(first.content))))
    put_everything(platform, OTHER)
    again = [made(platform, actor=actor) for actor in (CLERK, REGULATOR)]
    assert [one.sha256 for one in again] == [first.sha256] * 2
    entries = reported(platform)
    assert [one["object"]["version"] for one in entries] == [first.sha256] * 3
    assert [one["actor"]["id"] for one in entries] == ["privacy", "clerk", "regulator"]
    decided(part(platform, 2, keys(4, 4)))
    assert made(platform).sha256 != first.sha256


def test_the_log_range_is_covered_by_the_signed_head_that_stands_in_it(platform: Platform) -> None:
    put_everything(platform)
    decided(part(platform, 1, keys(1, 3)))
    decided(part(platform, 2, keys(4, 5)))
    log = made(platform).content["log"]
    bodies = [
        json.loads(row.body)
        for row in platform.records.log_entries(first=log["first"], limit=log["last"] - log["first"] + 1)
    ]
    assert log["entries"] == 2 and {one["action"] for one in bodies} >= {"transfer.decided"}
    assert parse_checkpoint(log["checkpoint"]).size > log["last"]


# -- whose it is -----------------------------------------------------------------------------------------------------


def test_a_hospital_has_its_own_report_and_anothers_looks_like_none(platform: Platform) -> None:
    assert made(platform, actor=CLERK).content["exporter"]["id"] == HOSPITAL
    codes = []
    for actor, exporter in ((CLERK, OTHER), (OFFICER, "org-nobody"), (OFFICER, "\x00' OR 1=1"), (CLERK, "")):
        with pytest.raises(PlatformError) as refused:
            made(platform, exporter=exporter, actor=actor)
        codes.append(refused.value.code)
        assert "OR 1=1" not in refused.value.en
    assert codes == ["records.not_found"] * 4


def test_a_researcher_is_not_given_exact_counts_and_the_asking_is_on_record(platform: Platform) -> None:
    with pytest.raises(PlatformError) as refused:
        made(platform, actor=RESEARCHER)
    assert (refused.value.code, refused.value.http) == ("provision.report_exact", 403)
    assert platform.records.all(select(AuditEntry).where(AuditEntry.action == "access.refused"))


# -- the table -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝", "＋", "－", "＠", "\t=", "\r="])
def test_a_text_is_never_a_formula(platform: Platform, start: str) -> None:
    """A name that somebody gave begins as a spreadsheet's formula does; numbers stay numbers, negative ones too."""
    put_everything(platform)
    circle = ReleaseCircle(
        id=ABROAD, organisation_id="org-operator", kind="sponsor", name_zh=f"{start}HYPERLINK(1)", name_en="plain",
        legal_name="x", credit_code="", registered_by="x", registered_at="2026-11-01T00:00:00.000000Z",
    )  # fmt: skip
    put(platform, circle)
    posted(part(platform, 1, general=keys(1, 10)))
    posted(part(platform, 2, keys(1, 4)))
    lines = rows_of(made(platform))
    cells = [cell for line in lines for cell in line]
    assert f"'{start}HYPERLINK(1)" in cells
    risky = [
        cell for cell in cells if cell[:1] in tuple("=+-@＝＋－＠\t\r") and not cell.lstrip("-").isdigit()
    ]
    assert risky == []


def test_the_table_opens_in_a_spreadsheet(platform: Platform) -> None:
    """A byte order mark, CRLF, every line as wide as the head, and the checksum and disclaimer in it."""
    put_everything(platform)
    name = platform.records.get(Organisation, HOSPITAL)
    name.name_zh = '甲"院",\n乙'
    put(platform, name)
    posted(part(platform, 1, keys(1, 4)))
    found = made(platform)
    raw = as_csv(found)
    assert raw.startswith(b"\xef\xbb\xbf") and raw.endswith(b"\r\n")
    lines = rows_of(found)
    assert lines[0] == list(HEAD) and {len(line) for line in lines} == {len(HEAD)}
    assert ["report", "sha256"] in [line[:2] for line in lines]
    cells = {cell for line in lines for cell in line}
    assert {found.sha256, "决策支持，非法律意见", '甲"院",\n乙'} <= cells
