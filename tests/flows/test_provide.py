"""What leaves for another legal entity: decided on the records, counted person by person, posted with the release."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.compliance.decide import decide
from rwd_platform.compliance.person_sets import PersonSet
from rwd_platform.compliance.pins import FOLDER
from rwd_platform.compliance.rulepack import load_pack
from rwd_platform.compliance.series import adopted_scenarios
from rwd_platform.core.errors import PlatformError
from rwd_platform.demo.people import register_organisations
from rwd_platform.flows import provision_facts
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.provide import (
    Leaving,
    cancel_provisions,
    decide_provisions,
    post_provisions,
    provisions_of,
    why_not,
)
from rwd_platform.flows.provision_counts import changes_of, counted_postings, opened_parts
from rwd_platform.flows.provision_facts import Genetics, opened_persons
from rwd_platform.flows.provision_people import Share
from rwd_platform.flows.provision_view import opened_year
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.tables import AuditEntry, LegalParty, PersonPosting, Provision
from rwd_platform.settings import Settings
from tests.compliance.test_series import adopt
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
    with_shares,
)


def posted(leaving: Leaving) -> list[Provision]:
    """The release's own transaction, without the release."""
    act = Act(RESEARCHER, "release.released", Object("release", leaving.asked.id))
    with leaving.platform.records.transaction(audit=act) as session:
        return post_provisions(session, leaving)


def cancelled(leaving: Leaving) -> None:
    act = Act(RESEARCHER, "release.refused", Object("release", leaving.asked.id))
    with leaving.platform.records.transaction(audit=act) as session:
        cancel_provisions(session, leaving.platform, leaving.asked.id, "voted down")


def postings(platform: Platform) -> list[PersonPosting]:
    return list(platform.records.all(select(PersonPosting).order_by(PersonPosting.provision_id)))


def changed_by(platform: Platform) -> list[tuple[int, int]]:
    """By how much each provision of the year changed the hospital's two counts: (general, sensitive)."""
    return changes_of(opened_parts(platform, counted_postings(platform, 2026)[HOSPITAL]))


def counts(row: Provision) -> dict[str, int]:
    return {name: row.facts["ledger_this_year"][name]["count"] for name in ("general_only", "sensitive")}


# -- what the records answer -------------------------------------------------------------------------------------


def test_one_patient_abroad_needs_a_filed_contract(platform: Platform) -> None:
    """Held, naming what is missing; with the contract on file the same release is allowed and its person reserved."""
    put_everything(platform, but=["standard_contract"])
    held = decided(part(platform, 1, keys(1, 1)))
    assert (held.verdict, held.state) == ("HOLD", "held")
    assert held.decision["missing"] == ["SC_OR_CERT_NOT_IN_FORCE"] and postings(platform) == []
    put(platform, paper("standard_contract", HOSPITAL, filed_on="2026-01-05"))
    allowed = decided(part(platform, 1, keys(1, 1)))
    assert (allowed.id, allowed.verdict, allowed.state) == (held.id, "ALLOW", "reserved")
    assert [(one.counted, one.sensitive) for one in postings(platform)] == [(True, 1)]


def test_a_contract_that_nobody_filed_is_none(platform: Platform) -> None:
    put_everything(platform, but=["standard_contract"])
    put(platform, paper("standard_contract", HOSPITAL))
    assert decided(part(platform, 1, keys(1, 1))).decision["missing"] == ["SC_OR_CERT_NOT_IN_FORCE"]


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("impact_assessment", "PIPIA"),
        ("notice_consent", "NOTICE_SEPARATE_CONSENT"),
        ("standard_contract", "SC_OR_CERT_NOT_IN_FORCE"),
    ],
)
def test_what_is_revoked_today_is_missing_today(platform: Platform, kind: str, missing: str) -> None:
    put_everything(platform)
    assert decided(part(platform, 1, keys(1, 1))).verdict == "ALLOW"
    revoke(platform, kind)
    assert decided(part(platform, 1, keys(1, 1))).decision["missing"] == [missing]


def test_whoever_may_be_a_child_needs_the_guardians_paper(platform: Platform) -> None:
    """Known to be nobody: not asked. Not known: asked."""
    put_everything(platform, but=["guardian_consent"])
    assert decided(part(platform, 1, keys(1, 1), minors=False)).verdict == "ALLOW"
    for number, minors in ((2, True), (3, None)):
        assert decided(part(platform, number, keys(1, 1), minors=minors)).decision["missing"] == [
            "GUARDIAN_CONSENT"
        ]


@pytest.mark.parametrize(
    ("kind", "path"), [("ciio_check", "UNDETERMINED"), ("important_data_check", "UNDETERMINED")]
)
def test_what_nobody_checked_holds(platform: Platform, kind: str, path: str) -> None:
    put_everything(platform, but=[kind])
    row = decided(part(platform, 1, keys(1, 1)))
    assert (row.verdict, row.decision["personal_information_path"], row.decision["missing"]) == (
        "HOLD",
        path,
        [],
    )


@pytest.mark.parametrize(
    ("id", "differs", "unknown"),
    [
        (ABROAD, {"country": "US", "restricted": "unknown"}, "recipient.restricted"),
        (HOSPITAL, {"state_organ": "unknown"}, "exporter.state_organ"),
    ],
)
def test_a_party_of_whom_something_was_not_checked_holds(
    platform: Platform, id: str, differs: dict[str, str], unknown: str
) -> None:
    put_everything(platform)
    put(platform, party(id, **differs))
    row = decided(part(platform, 1, keys(1, 1)))
    assert (row.verdict, row.decision["unknown"]) == ("HOLD", [unknown])
    assert row.decision["zh"].endswith("决策支持，非法律意见") and row.facts == {}


@pytest.mark.parametrize(("gone", "unknown"), [(ABROAD, "recipient"), (HOSPITAL, "exporter")])
def test_a_party_that_is_not_on_record_holds(platform: Platform, gone: str, unknown: str) -> None:
    put_everything(platform)
    act = Act(RESEARCHER, "seed.written", Object("legal_party", gone))
    with platform.records.transaction(audit=act) as session:
        session.delete(session.get_one(LegalParty, gone))
    assert decided(part(platform, 1, keys(1, 1))).decision["unknown"] == [unknown]


def test_a_protocol_that_is_silent_about_genetic_resources_holds_abroad_and_not_at_home(
    platform: Platform,
) -> None:
    put_everything(platform)
    put(platform, party("circle-home"))
    assert decided(part(platform, 1, keys(1, 1), genetics=None)).decision["unknown"] == ["genetic_resources"]
    assert decided(part(platform, 2, keys(1, 1), genetics=None, recipient="circle-home")).verdict == "ALLOW"


@pytest.mark.parametrize("country", ["HK", "MO", "TW"])
def test_hong_kong_macao_and_taiwan_count_as_abroad(platform: Platform, country: str) -> None:
    put_everything(platform, but=["standard_contract"])
    put(platform, party(ABROAD, country=country))
    row = decided(part(platform, 1, keys(1, 1)))
    assert row.facts["crosses_border"] and row.decision["missing"] == ["SC_OR_CERT_NOT_IN_FORCE"]


def test_a_foreign_controlled_party_inside_china_counts_for_genetic_resources(platform: Platform) -> None:
    """Nothing crosses the border, and the genetic path is asked for all the same."""
    put_everything(platform)
    put(platform, party("circle-joint-venture", foreign_controlled="yes"))
    found = decided(
        part(platform, 1, keys(1, 1), genetics=Genetics(information=True), recipient="circle-joint-venture")
    )
    answer = found.decision
    assert (answer["personal_information_path"], answer["genetic_resources_path"]) == (
        "DOMESTIC",
        "REPORT+BACKUP",
    )
    assert answer["missing"] == ["HGR"]
    put(platform, paper("hgr_report", HOSPITAL), paper("hgr_backup", HOSPITAL))
    again = part(
        platform, 1, keys(1, 1), genetics=Genetics(information=True), recipient="circle-joint-venture"
    )
    assert decided(again).verdict == "ALLOW"


@pytest.mark.parametrize(("persons", "path"), [(500, "REPORT+BACKUP"), (501, "REVIEW+REPORT+BACKUP")])
def test_sequencing_of_more_than_500_persons_needs_a_review(
    platform: Platform, persons: int, path: str
) -> None:
    put_everything(platform)
    genetics = Genetics(information=True, sequenced=True)
    assert (
        decided(part(platform, 1, keys(1, persons), genetics=genetics)).decision["genetic_resources_path"]
        == path
    )


def test_what_was_reviewed_as_anonymous_is_nobodys_information(platform: Platform) -> None:
    """It needs no mechanism and counts for nobody; whom it was about is kept all the same."""
    put_everything(platform, but=["standard_contract", "impact_assessment"])
    row = decided(part(platform, 1, keys(1, 300), anonymised=True))
    assert (row.verdict, row.decision["personal_information_path"], row.year) == ("ALLOW", "NO_PI", 0)
    (kept,) = postings(platform)
    assert (kept.counted, kept.sensitive) == (False, 300)
    assert decided(part(platform, 2, keys(1, 1))).facts["ledger_this_year"]["sensitive"]["count"] == 0


def test_important_data_stay_important_when_anonymised(platform: Platform) -> None:
    put_everything(platform, but=["important_data_check"])
    put(platform, paper("important_data_check", HOSPITAL, answer="yes"))
    row = decided(part(platform, 1, keys(1, 300), anonymised=True))
    assert row.decision["missing"] == ["SA_NOT_IN_FORCE"]


def test_sharing_inside_china_is_recorded_and_counts_towards_nothing(platform: Platform) -> None:
    put_everything(platform)
    put(platform, party("circle-home"))
    row = decided(part(platform, 1, keys(1, 50), recipient="circle-home"))
    assert (row.verdict, row.decision["personal_information_path"], row.year) == ("ALLOW", "DOMESTIC", 0)
    assert [(one.crosses_border, one.counted, one.sensitive) for one in postings(platform)] == [
        (False, False, 50)
    ]


def test_an_exempt_provision_is_not_added_to_the_count(platform: Platform) -> None:
    """Arts 5(1)-(3): on a basis with evidence, whatever the number."""
    put_everything(platform)
    put(platform, paper("legal_basis", HOSPITAL, answer="contract"))
    row = decided(part(platform, 1, keys(1, 20_000)))
    assert (row.verdict, row.decision["rules"], row.year) == ("ALLOW", ["M5"], 0)
    revoke(platform, "legal_basis")
    assert counts(decided(part(platform, 2, keys(1, 10)))) == {"general_only": 0, "sensitive": 0}


# -- a zone's list, a foreign body's request, the hospital's agreement -------------------------------------------


@pytest.fixture
def adopted_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hainan list with one scenario of medicine, adopted."""
    folder = adopt(Path(shutil.copytree(FOLDER, tmp_path / "rulepacks")))
    monkeypatch.setattr(provision_facts, "adopted_scenarios", lambda on: adopted_scenarios(on, folder))


@pytest.mark.parametrize("answer", ["outside", "contract"])
def test_as_shipped_an_opinion_on_a_zones_list_opens_nothing(platform: Platform, answer: str) -> None:
    """20,000 patients abroad need an assessment; the record says that the opinion fell short, and in what."""
    put_everything(platform, but=["standard_contract"])
    put(platform, paper("zone_opinion", HOSPITAL, answer=answer))
    row = decided(part(platform, 1, keys(1, 20_000)))
    assert (row.verdict, row.decision["rules"]) == ("HOLD", ["M9"])
    assert row.facts["free_trade_zone_pack"]["id"] is None
    (short,) = row.papers["fell_short"]
    assert (short["kind"], short["dimensions"]) == ("zone_opinion", ["scenarios"])


@pytest.mark.usefixtures("adopted_list")
@pytest.mark.parametrize(
    ("answer", "rules", "missing"),
    [("outside", ["M6"], []), ("contract", ["M7"], []), ("assessment", ["M7"], ["SA_NOT_IN_FORCE"])],
)
def test_with_an_adopted_list_its_opinion_decides(
    platform: Platform, answer: str, rules: list[str], missing: list[str]
) -> None:
    put_everything(platform)
    put(platform, paper("zone_opinion", HOSPITAL, answer=answer))
    row = decided(part(platform, 1, keys(1, 300)))
    assert (row.decision["rules"], row.decision["missing"]) == (rules, missing)
    assert row.papers["rests_on"]["free_trade_zone_pack.id"] == f"paper-{HOSPITAL}-zone_opinion"


@pytest.mark.usefixtures("adopted_list")
@pytest.mark.parametrize(
    "differs",
    [
        {"evidence_sha256": ""},
        {"scope": {"purposes": ["*"], "fields": ["*"], "projects": ["*"], "scenarios": ["seeds"]}},
    ],
)
def test_an_opinion_without_evidence_or_on_another_scenario_opens_nothing(
    platform: Platform, differs: dict[str, Any]
) -> None:
    put_everything(platform, but=["standard_contract"])
    put(platform, paper("zone_opinion", HOSPITAL, **differs))
    assert decided(part(platform, 1, keys(1, 20_000))).decision["rules"] == ["M9"]


def test_a_release_abroad_is_held_until_somebody_says_whether_a_foreign_body_asked(
    platform: Platform,
) -> None:
    """Inside China nobody is asked."""
    put_everything(platform)
    put(platform, party("circle-home"))
    row = decided(part(platform, 1, keys(1, 1), judicial=""))
    assert (row.verdict, row.decision["unknown"], row.facts) == ("HOLD", ["foreign_judicial_request"], {})
    assert "外国司法" in row.decision["zh"] and "foreign judicial" in row.decision["en"]
    assert postings(platform) == []
    assert decided(part(platform, 2, keys(1, 1), recipient="circle-home", judicial="")).verdict == "ALLOW"
    assert decided(part(platform, 3, keys(1, 1), judicial="no")).verdict == "ALLOW"


def test_what_a_foreign_judicial_body_asks_for_stays_without_the_authoritys_approval(
    platform: Platform,
) -> None:
    """PIPL 41, DSL 36: every other paper is there. The approval is of this recipient and project, and in force."""
    put_everything(platform)
    row = decided(part(platform, 1, keys(1, 1), judicial="yes"))
    assert (row.verdict, row.decision["rules"]) == ("BLOCK", ["P3"])
    assert row.facts["foreign_judicial_request"] == {"is": True, "authority_approved": False}
    other = {"recipients": ["circle-somebody-else"], "projects": ["*"]}
    put(platform, paper("judicial_approval", HOSPITAL, scope=other))
    assert decided(part(platform, 2, keys(1, 1), judicial="yes")).decision["rules"] == ["P3"]
    put(platform, paper("judicial_approval", HOSPITAL))
    assert decided(part(platform, 3, keys(1, 1), judicial="yes")).verdict == "ALLOW"
    revoke(platform, "judicial_approval")
    assert decided(part(platform, 4, keys(1, 1), judicial="yes")).decision["rules"] == ["P3"]


@pytest.mark.parametrize("recipient", [ABROAD, "circle-home"])
def test_without_the_hospitals_agreement_nothing_goes_at_home_or_abroad(
    platform: Platform, recipient: str
) -> None:
    put_everything(platform, but=["data_use_agreement"])
    put(platform, party("circle-home"))
    row = decided(part(platform, 1, keys(1, 5), recipient=recipient))
    assert (row.verdict, row.state) == ("HOLD", "held")
    assert (row.decision["unknown"], row.decision["missing"]) == (["data_use_agreement"], [])
    assert row.decision["zh"].startswith("暂缓提供") and "数据使用协议未在案" in row.decision["zh"]
    assert "data use agreement" in row.decision["en"] and postings(platform) == []
    assert decide(row.facts, load_pack()).verdict == "ALLOW"  # the national rules are another matter
    put(platform, paper("data_use_agreement", HOSPITAL))
    again = decided(part(platform, 1, keys(1, 5), recipient=recipient))
    assert (again.verdict, again.decision["unknown"]) == ("ALLOW", [])
    assert (
        again.papers["rests_on"][f"data_use_agreement.{HOSPITAL}"] == f"paper-{HOSPITAL}-data_use_agreement"
    )


@pytest.mark.parametrize(
    ("dimension", "value"),
    [
        ("purposes", ["insurance"]),
        ("fields", ["medical_payment"]),
        ("projects", ["another"]),
        ("recipients", ["circle-somebody-else"]),
    ],
)
def test_an_agreement_of_something_else_does_not_serve(
    platform: Platform, dimension: str, value: list[str]
) -> None:
    put_everything(platform, but=["data_use_agreement"])
    short = paper("data_use_agreement", HOSPITAL)
    short.scope = {**short.scope, dimension: value}
    put(platform, short)
    row = decided(part(platform, 1, keys(1, 5)))
    assert (row.verdict, row.decision["unknown"]) == ("HOLD", ["data_use_agreement"])
    assert row.papers["fell_short"] == [
        {"instrument": short.id, "kind": "data_use_agreement", "dimensions": [dimension]}
    ]


def test_what_else_is_missing_is_said_beside_the_agreement(platform: Platform) -> None:
    """Nobody learns of them one at a time; and a prohibition stays one."""
    put_everything(platform, but=["data_use_agreement", "impact_assessment", "standard_contract"])
    row = decided(part(platform, 1, keys(1, 5)))
    assert row.decision["missing"] == ["PIPIA", "SC_OR_CERT_NOT_IN_FORCE"]
    assert row.decision["unknown"] == ["data_use_agreement"]
    said = why_not(row.decision, load_pack())
    assert "数据使用协议" in said.zh and "缺少" in said.zh and "missing: " in said.en
    unsaid = decided(part(platform, 2, keys(1, 5), judicial=""))
    assert unsaid.decision["unknown"] == ["foreign_judicial_request", "data_use_agreement"]
    put(platform, party(ABROAD, country="US", restricted="yes"))
    assert decided(part(platform, 3, keys(1, 5))).verdict == "BLOCK"


def test_a_platform_that_exports_needs_the_agreement_of_the_hospital_that_sent_the_data(
    platform: Platform,
) -> None:
    put_everything(platform, "org-operator")
    share = Share("org-operator", PersonSet.of(sensitive=keys(1, 5)), frozenset({HOSPITAL}))
    asked = with_shares(part(platform, 1, exporter="org-operator"), share)
    assert decided(asked).decision["unknown"] == ["data_use_agreement"]
    put(platform, paper("data_use_agreement", HOSPITAL))
    assert decided(asked).verdict == "ALLOW"


# -- scope -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dimension", "value"),
    [
        ("purposes", ["insurance"]),
        ("fields", ["medical_payment"]),
        ("recipients", ["circle-somebody-else"]),
        ("persons", 9),
    ],
)
def test_what_the_filed_contract_does_not_cover_is_held(
    platform: Platform, dimension: str, value: Any
) -> None:
    """Purpose, fields, recipient, scale: each alone, and the record says which."""
    put_everything(platform, but=["standard_contract"])
    covering = paper("standard_contract", HOSPITAL, filed_on="2026-01-05")
    covering.scope = {**covering.scope, dimension: value}
    put(platform, covering)
    row = decided(part(platform, 1, keys(1, 10)))
    assert row.decision["missing"] == ["SCOPE"]
    (short,) = row.papers["fell_short"]
    assert (short["kind"], short["dimensions"]) == ("standard_contract", [dimension])


def test_the_scale_is_of_everybody_who_went_to_that_recipient_this_year(platform: Platform) -> None:
    """The same person twice is one; what went to another recipient is that one's."""
    put_everything(platform, but=["standard_contract"])
    contract = paper("standard_contract", HOSPITAL, filed_on="2026-01-05")
    contract.scope = {**contract.scope, "persons": 10}
    put(platform, contract, party("circle-second", country="JP"))
    assert decided(part(platform, 1, keys(1, 8))).verdict == "ALLOW"
    assert decided(part(platform, 2, keys(5, 10))).verdict == "ALLOW"
    assert decided(part(platform, 3, keys(11, 11))).decision["missing"] == ["SCOPE"]
    assert decided(part(platform, 4, keys(11, 20), recipient="circle-second")).verdict == "ALLOW"


# -- the year's count --------------------------------------------------------------------------------------------


def test_a_reservation_counts_for_the_next_and_its_end_frees_it(platform: Platform) -> None:
    put_everything(platform)
    first = part(platform, 1, keys(1, 9_000))
    assert decided(first).verdict == "ALLOW"
    over = decided(part(platform, 2, keys(9_001, 10_000)))
    assert (over.decision["rules"], over.decision["missing"]) == (["M9"], ["SA_NOT_IN_FORCE"])
    cancelled(first)
    assert [one.state for one in provisions_of(platform, "release-1")] == ["cancelled"]
    assert decided(part(platform, 2, keys(9_001, 10_000))).verdict == "ALLOW"


def test_the_same_persons_again_are_counted_once(platform: Platform) -> None:
    put_everything(platform)
    assert decided(part(platform, 1, keys(1, 9_999))).verdict == "ALLOW"
    again = decided(part(platform, 2, keys(1, 9_999)))
    assert again.verdict == "ALLOW" and counts(again) == {"general_only": 0, "sensitive": 9_999}
    assert decided(part(platform, 3, keys(10_000, 10_000))).decision["rules"] == ["M9"]


def test_general_persons_become_sensitive_and_leave_the_general_count(platform: Platform) -> None:
    put_everything(platform)
    (first,) = posted(part(platform, 1, general=keys(1, 100)))
    row = decided(part(platform, 2, keys(1, 40)))
    assert first.decision["rules"] == ["M11"] and counts(row) == {"general_only": 100, "sensitive": 0}
    assert changed_by(platform) == [(100, 0), (-40, 40)]


def test_each_exporter_has_its_own_count(platform: Platform) -> None:
    """Two hospitals' patients in one release: two provisions, and neither's count is the other's."""
    put_everything(platform)
    put_everything(platform, "org-hospital-b")
    shares = [
        Share(one, PersonSet.of(sensitive=keys(1, 6_000)), frozenset({one}))
        for one in (HOSPITAL, "org-hospital-b")
    ]
    rows = decide_provisions(with_shares(part(platform, 1), *shares))
    assert [(row.organisation_id, row.verdict) for row in rows] == [
        (HOSPITAL, "ALLOW"),
        ("org-hospital-b", "ALLOW"),
    ]


def test_one_exporter_that_may_not_holds_the_whole_release(platform: Platform) -> None:
    put_everything(platform)
    put_everything(platform, "org-hospital-b", but=["impact_assessment"])
    shares = [
        Share(one, PersonSet.of(sensitive=keys(1, 5)), frozenset({one}))
        for one in (HOSPITAL, "org-hospital-b")
    ]
    rows = posted(with_shares(part(platform, 1), *shares))
    assert [(row.verdict, row.state) for row in rows] == [("ALLOW", "reserved"), ("HOLD", "held")]
    assert all(not one.posted_at for one in postings(platform))


def test_the_year_is_that_of_shanghai(platform: Platform, clock: StandingClock) -> None:
    """2026-12-31T16:00Z is 2027 already: the new year's ledger is empty."""
    put_everything(platform)
    posted(part(platform, 1, keys(1, 9_999)))
    clock.now = clock.now.replace(month=12, day=31, hour=15, minute=59)
    assert decided(part(platform, 2, keys(10_000, 10_000))).decision["rules"] == ["M9"]
    clock.advance(minutes=1)
    row = decided(part(platform, 2, keys(10_000, 10_000)))
    assert (row.verdict, row.year, row.facts["on"]) == ("ALLOW", 2027, "2027-01-01")


def test_a_reservation_of_last_year_is_posted_in_the_year_in_which_it_leaves(
    platform: Platform, clock: StandingClock
) -> None:
    put_everything(platform)
    leaving = part(platform, 1, keys(1, 5))
    decided(leaving)
    clock.now = clock.now.replace(month=12, day=31, hour=16)
    (row,) = posted(leaving)
    assert (row.state, row.year) == ("posted", 2027)
    assert [one.year for one in postings(platform)] == [2027]


def test_a_mechanism_that_runs_out_between_reserving_and_releasing_holds_the_release(
    platform: Platform, clock: StandingClock
) -> None:
    put_everything(platform, but=["standard_contract"])
    put(platform, paper("certification", HOSPITAL, valid_until="2026-11-02"))
    leaving = part(platform, 1, keys(1, 5))
    assert decided(leaving).state == "reserved"
    clock.advance(days=1)
    (row,) = posted(leaving)
    assert (row.verdict, row.state, row.decision["missing"]) == ("HOLD", "held", ["SC_OR_CERT_NOT_IN_FORCE"])
    assert postings(platform) == []


def test_what_was_posted_stays_counted_and_cannot_be_decided_again(platform: Platform) -> None:
    put_everything(platform)
    leaving = part(platform, 1, keys(1, 5))
    posted(leaving)
    cancelled(leaving)
    assert [one.state for one in provisions_of(platform, "release-1")] == ["posted"]
    with pytest.raises(PlatformError) as refused:
        decided(leaving)
    assert refused.value.code == "lifecycle.not_allowed"
    assert counts(decided(part(platform, 2, keys(6, 6)))) == {"general_only": 0, "sensitive": 5}


# -- what is on record -------------------------------------------------------------------------------------------


def test_the_recorded_facts_decide_alike_for_whoever_reads_them(platform: Platform) -> None:
    """The record is a case of `rwd transfer decide`: the same answer, and no person in it."""
    put_everything(platform)
    decided(part(platform, 1, general=keys(1, 30), sensitive=keys(31, 40)))
    row = decided(part(platform, 2, general=keys(20, 35), sensitive=keys(36, 50)))
    again = decide(row.facts, load_pack())
    stored = json.loads(json.dumps(row.decision))
    assert again.as_dict() == {
        name: value for name, value in stored.items() if name not in ("unknown", "advisories")
    }


def test_every_answer_is_in_the_log_and_holds_no_person(platform: Platform) -> None:
    put_everything(platform, but=["impact_assessment"])
    decided(part(platform, 1, keys(1, 3)))
    put(platform, paper("impact_assessment", HOSPITAL))
    decided(part(platform, 1, keys(1, 3)))
    found = platform.records.all(select(AuditEntry).where(AuditEntry.action == "transfer.decided"))
    said = [json.loads(one.body) for one in found]
    assert [(one["outcome"], one["decision"]["missing"]) for one in said] == [
        ("refused", ["PIPIA"]),
        ("done", []),
    ]
    assert all(key.hex() not in str(said) for key in keys(1, 3))
    assert said[0]["decision"]["rule_pack"]["sha256"] == load_pack().sha256


def test_the_persons_are_kept_sealed_and_bound_to_their_provision(platform: Platform) -> None:
    """Not readable in the database, and another provision's set is not taken for one's own."""
    put_everything(platform)
    for number in (1, 2):
        decided(part(platform, number, keys(number, number + 4)))
    one, other = postings(platform)
    assert keys(1, 1)[0] not in one.sealed
    one.sealed, other.sealed = other.sealed, one.sealed
    act = Act(RESEARCHER, "seed.written", Object("provision", one.provision_id))
    platform.records.write(one, other, audit=act)
    with pytest.raises(PlatformError) as refused:
        decided(part(platform, 3, keys(9, 9)))
    assert refused.value.code == "provision.posting_damaged"


def test_a_posting_with_fewer_persons_than_it_says_is_not_counted_as_less(platform: Platform) -> None:
    put_everything(platform)
    decided(part(platform, 1, keys(1, 5)))
    (row,) = postings(platform)
    row.sensitive = 4
    platform.records.write(row, audit=Act(RESEARCHER, "seed.written", Object("provision", row.provision_id)))
    with pytest.raises(PlatformError) as refused:
        decided(part(platform, 2, keys(9, 9)))
    assert refused.value.code == "provision.posting_damaged"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE person_posting SET counted = 0",
        "UPDATE person_posting SET year = 2025",
        "UPDATE person_posting SET crosses_border = 0",
        "UPDATE person_posting SET organisation_id = 'org-hospital-b'",
        "UPDATE person_posting SET recipient_id = 'circle-other'",
        "UPDATE provision SET year = 0",
        "UPDATE provision SET state = 'cancelled'",
        "UPDATE provision SET organisation_id = 'org-hospital-b'",
        "UPDATE person_posting SET year = 2025, organisation_id = 'org-hospital-b'",
        "DELETE FROM person_posting",
    ],
)
@pytest.mark.parametrize("left", [False, True], ids=["reserved", "posted"])
def test_what_was_changed_behind_the_ledger_is_never_counted_as_less(
    platform: Platform, change: str, left: bool
) -> None:
    """9,990 persons went this year: with 20 more an assessment is due, and nobody gets round it by an edit."""
    put_everything(platform)
    first = part(platform, 1, keys(1, 9_990))
    if left:
        posted(first)
    else:
        decided(first)
    edited(platform, change)
    with pytest.raises(PlatformError) as refused:
        decided(part(platform, 2, keys(20_001, 20_020)))
    assert refused.value.code == "provision.posting_damaged"
    found = opened_year(platform, 2026)[HOSPITAL]
    assert isinstance(found, PlatformError) and found.code == "provision.posting_damaged"


@pytest.mark.parametrize(
    "change",
    ["year = 2025", "counted = 0", "crosses_border = 0", "recipient_id = 'x'", "organisation_id = 'x'"],
)
def test_the_sealed_persons_open_only_beside_the_columns_that_they_were_sealed_with(
    platform: Platform, change: str
) -> None:
    put_everything(platform)
    decided(part(platform, 1, keys(1, 5)))
    assert len(opened_persons(platform, postings(platform)[0]).sensitive) == 5
    edited(platform, f"UPDATE person_posting SET {change}")
    with pytest.raises(PlatformError) as refused:
        opened_persons(platform, postings(platform)[0])
    assert refused.value.code == "provision.posting_damaged"


def edited(platform: Platform, statement: str) -> None:
    """As somebody with the database's file does it."""
    with sqlite3.connect(str(platform.records.engine.url.database)) as connection:
        assert connection.execute(statement).rowcount == 1
    connection.close()


# -- side by side ------------------------------------------------------------------------------------------------


@pytest.fixture
def on_postgres(empty_postgres_url: str, tmp_path: Path, clock: StandingClock) -> Iterator[Platform]:
    found = open_platform(Settings(home=tmp_path / "home", demo=True, database_url=empty_postgres_url), clock)
    register_organisations(found)
    yield found
    found.records.engine.dispose()


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_fifty_releases_at_once_let_through_exactly_what_the_law_allows(
    database: str, request: pytest.FixtureRequest
) -> None:
    """9,000 went already, fifty releases of 100 others are carried out together: nine fit below 10,000."""
    platform: Platform = request.getfixturevalue("platform" if database == "sqlite" else "on_postgres")
    put_everything(platform)
    posted(part(platform, 0, keys(1, 9_000)))
    parts = [part(platform, 1 + one, keys(10_001 + 100 * one, 10_100 + 100 * one)) for one in range(50)]
    together, answers, faults = threading.Barrier(len(parts)), list[str](), list[BaseException]()

    def carry_out(leaving: Leaving) -> None:
        together.wait()
        try:
            answers.extend(row.state for row in posted(leaving))
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=carry_out, args=(one,)) for one in parts]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert faults == []
    assert (answers.count("posted"), answers.count("held")) == (9, 41)
    assert len([one for one in postings(platform) if one.posted_at]) == 10
    assert sum(sensitive for _, sensitive in changed_by(platform)) == 9_900


def test_two_at_9999_cannot_both_pass(platform: Platform) -> None:
    """Reserved first, released second: the order of asking decides, not that of carrying out."""
    put_everything(platform)
    posted(part(platform, 0, keys(1, 9_998)))
    first, second = part(platform, 1, keys(20_001, 20_001)), part(platform, 2, keys(20_002, 20_002))
    assert decided(first).state == "reserved"
    assert [row.state for row in posted(second)] == ["held"]
    assert [row.state for row in posted(first)] == ["posted"]
