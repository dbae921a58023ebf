"""Results leave by a release: asked, checked for that recipient, approved by two, through one gate."""

from __future__ import annotations

import json
import zipfile
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.audit.changes import changes_of
from rwd_platform.core.canonical import sha256_file
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from rwd_platform.demo.questions import facts_of_transfer
from rwd_platform.flows.evidence import package_path
from rwd_platform.flows.ledger_map import Person, person_map, seal_person_map
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release import release, release_to_authority, request_release
from rwd_platform.flows.release_gate import ENCLAVE, RecipientOf, pass_gate
from rwd_platform.flows.release_votes import shown_to, vote, votes_of
from rwd_platform.flows.review_anonymity import is_reviewed_as_anonymous, review_anonymity
from rwd_platform.flows.transfer import decide_transfer
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AuditEntry, EvidencePackage, OutputRelease, ReleasedFigures, User
from studies.protocol import load_protocol
from tests.flows.log_reading import whole_log
from tests.flows.releasing import (
    ASSEMBLER,
    CONDITIONS,
    OFFICER,
    OFFICER_2,
    PROTOCOL,
    REGULATOR,
    account,
    people,
    put_package,
    results_of,
)

SPONSOR = {"purpose": "上市后研究"}
WHY = "已核对输出检查的结论与用途，同意。"
WHY_NOT = "用途写得不清楚，暂不同意发布。"
STRANGER = Actor("other", "researcher", "org-hospital-a")


def entries(platform: Platform, action: str) -> list[dict[str, Any]]:
    found = platform.records.all(select(AuditEntry).where(AuditEntry.action == action))
    return [json.loads(one.body) for one in found]


def sent(
    platform: Platform, package: str, kind: str = "sponsor", circle: str = "Sponsor Ltd"
) -> OutputRelease:
    """Asked for, approved by both officers, carried out. What becomes public goes abroad as well."""
    stated = {**SPONSOR, "foreign_judicial_request": "no"}
    asked = request_release(platform, ASSEMBLER, package, kind, circle, stated)
    for officer in (OFFICER, OFFICER_2):
        vote(platform, officer, asked.id, word="approve", reason=WHY)
    return release(platform, ASSEMBLER, asked.id)


def to_authority(platform: Platform, package: str, **changes: str) -> OutputRelease:
    conditions = {name: value for name, value in {**CONDITIONS, **changes}.items() if value}
    return release_to_authority(
        platform,
        package,
        requester=ASSEMBLER,
        officers=(OFFICER, OFFICER_2),
        authority="org-authority",
        conditions=conditions,
        reasons=("依据充分，同意提供给主管部门", "加密方式与授权依据均已核对"),
    )


def test_what_passes_is_released_by_two_officers_and_stands_on_the_ledger(platform: Platform):
    """Each step in the log, one row on the ledger: figures in clear, people sealed."""
    put_package(platform, {"all": people(1, 200), "all.exposed": people(1, 60)})
    done = sent(platform, "EP-1")
    assert (done.state, done.verdict["outcome"]) == ("released", "pass")
    steps = ("requested", "voted", "approved", "released")
    assert [len(entries(platform, f"release.{step}")) for step in steps] == [1, 1, 1, 1]
    (row,) = platform.records.all(select(ReleasedFigures))
    assert row.figures["figures"]["people[all.exposed]"] == 60
    assert b"s0001" not in row.sealed_sets and "s0001" not in json.dumps(row.figures)
    package = platform.records.get(EvidencePackage, "EP-1")
    assert pass_gate(platform, ASSEMBLER, package, RecipientOf("sponsor", "ＳＰＯＮＳＯＲ  ltd")) == done.id


def test_two_tables_that_differ_by_one_patient_the_second_is_refused(platform: Platform):
    """The same circle, the same product, one patient fewer: by subtraction that patient's values are known."""
    put_package(platform, {"all": people(1, 200)})
    put_package(platform, {"all": people(1, 199)}, id="EP-2")
    sent(platform, "EP-1")
    second = request_release(platform, ASSEMBLER, "EP-2", "sponsor", "Sponsor Ltd", SPONSOR)
    assert second.state == "refused"
    assert [one["rule"] for one in second.verdict["findings"]] == ["differencing"]
    (entry,) = entries(platform, "release.refused")
    assert (entry["outcome"], entry["decision"]["rules"]) == ("refused", ["differencing"])
    other = request_release(platform, ASSEMBLER, "EP-2", "sponsor", "Another Sponsor", SPONSOR)
    assert other.state == "requested"


def test_what_becomes_public_is_compared_with_what_any_circle_holds(platform: Platform):
    """A sponsor holds 200; the same without one, made public, would tell the sponsor that one."""
    put_package(platform, {"all": people(1, 200)})
    put_package(platform, {"all": people(1, 199)}, id="EP-2")
    sent(platform, "EP-1")
    asked = request_release(platform, ASSEMBLER, "EP-2", "public", "", {})
    assert "differencing" in [one["rule"] for one in asked.verdict["findings"]]


def test_the_second_of_two_that_were_approved_side_by_side_is_refused_when_it_is_carried_out(
    platform: Platform,
):
    """Both passed when they were asked for; the ledger is asked again at the moment of leaving."""
    put_package(platform, {"all": people(1, 200)})
    put_package(platform, {"all": people(4, 200)}, id="EP-2")
    asked = [
        request_release(platform, ASSEMBLER, package, "sponsor", "Sponsor Ltd", SPONSOR)
        for package in ("EP-1", "EP-2")
    ]
    for one in asked:
        for officer in (OFFICER, OFFICER_2):
            vote(platform, officer, one.id, word="approve", reason=WHY)
    release(platform, ASSEMBLER, asked[0].id)
    with pytest.raises(PlatformError, match="differencing") as refused:
        release(platform, ASSEMBLER, asked[1].id)
    assert refused.value.code == "release.below_threshold"
    assert platform.records.get(OutputRelease, asked[1].id).state == "refused"
    assert len(platform.records.all(select(ReleasedFigures))) == 1


@pytest.mark.parametrize("with_map", [True, False])
def test_two_projects_are_compared_person_by_person_where_the_lock_left_its_map(
    platform: Platform, with_map: bool
):
    """Each project has its own names for the same patients. Without the map a person has to look: review."""
    put_package(platform, {"all": people(1, 200)})
    renamed = [f"x{number:04d}" for number in range(1, 200)]
    put_package(platform, {"all": renamed}, id="EP-2", project="second")
    if with_map:
        for project, subjects in (("demo", people(1, 200)), ("second", renamed)):
            persons = {subject: Person(f"person-{subject[1:]}", ()) for subject in subjects}
            seal_person_map(platform, f"L-{project}", persons)
    sent(platform, "EP-1")
    second = request_release(platform, ASSEMBLER, "EP-2", "sponsor", "Sponsor Ltd", SPONSOR)
    if with_map:
        assert [one["rule"] for one in second.verdict["findings"]] == ["differencing"]
    else:
        rules = {one["rule"] for one in second.verdict["findings"]}
        assert rules == {"differencing_totals", "differencing_not_proven"}


def test_a_map_is_sealed_and_belongs_to_its_lock(platform: Platform):
    """The file holds no name in clear, and does not open under another lock's name."""
    persons = {"s1": Person("l1.token", (("org", "p1"), ("org-2", "p9")))}
    path = seal_person_map(platform, "L-1", persons)
    assert b"s1" not in path.read_bytes() and path.stat().st_mode & 0o077 == 0
    assert person_map(platform, "L-1") == persons and person_map(platform, "L-2") is None
    path.with_name("L-2.persons").write_bytes(path.read_bytes())
    with pytest.raises(PlatformError, match=r"ledger\.map_damaged"):
        person_map(platform, "L-2")


def test_small_cells_are_refused_to_a_sponsor_naming_rule_and_remedy(platform: Platform):
    """The finding is kept in the release, and the gate repeats it at every door."""
    group = {"all": people(1, 200)}
    put_package(platform, group, results_of(group, rare=3))
    asked = request_release(platform, ASSEMBLER, "EP-1", "sponsor", "Sponsor Ltd", SPONSOR)
    assert asked.state == "refused" and asked.verdict["smallest_change"]
    package = platform.records.get(EvidencePackage, "EP-1")
    with pytest.raises(PlatformError) as refused:
        pass_gate(platform, ASSEMBLER, package, RecipientOf("sponsor", "Sponsor Ltd"))
    assert refused.value.code == "release.below_threshold"
    assert "small_cell" in refused.value.en and "1 and 9" in refused.value.en
    assert "Withhold it" in refused.value.next_en and "隐藏" in refused.value.next_zh
    (entry,) = entries(platform, "access.refused")
    assert (entry["reason"], entry["outcome"]) == ("release.below_threshold", "refused")


def test_the_same_package_passes_for_the_authority_with_its_conditions(platform: Platform):
    """Full listings: small cells and safety listings are what an authority must see."""
    group = {"all": people(1, 200)}
    held = results_of(group, rare=3)
    held["series"] = [
        {
            "id": "safety.safety_listing",
            "analysis": "safety",
            "columns": ["subject", "event"],
            "points": [["s1", "x"]],
        }
    ]
    put_package(platform, group, held, audience="authority")
    with pytest.raises(PlatformError) as refused:
        package_path(platform, REGULATOR, "EP-1")
    assert refused.value.code == "release.needed"
    done = to_authority(platform, "EP-1")
    assert done.verdict == {
        "recipient": "competent_authority", "outcome": "pass", "findings": [], "smallest_change": [], "minimal": True,
    }  # fmt: skip
    assert package_path(platform, REGULATOR, "EP-1").is_file()
    stranger = Actor("inspector", "regulator", "org-elsewhere")
    with pytest.raises(PlatformError, match="has not been released to org-elsewhere"):
        package_path(platform, stranger, "EP-1")


@pytest.mark.parametrize(
    ("without", "wrong"),
    [
        ("purpose", ""),
        ("authorisation", " "),
        ("encryption", ""),
        ("encryption", "AB" * 32),
        ("encryption", "by courier"),
    ],
)
def test_an_authority_without_one_of_its_conditions_is_refused_by_name(
    platform: Platform, without: str, wrong: str
):
    """Each condition alone is enough to stop it; a key's fingerprint must have the form of one."""
    put_package(platform, {"all": people(1, 200)}, audience="authority")
    with pytest.raises(PlatformError, match=f"condition {without}") as refused:
        to_authority(platform, "EP-1", **{without: wrong})
    assert refused.value.code == "release.condition_missing"
    assert entries(platform, "access.refused")[0]["reason"] == "release.condition_missing"
    assert not platform.records.all(select(OutputRelease))


@pytest.mark.parametrize(
    "reason",
    ["", "   ", "ok", "." * 60, "\u200b" * 60, "同意同意同意同意同意同意", "1234567890123", "已核对，同意"],
)
def test_a_vote_without_a_reason_is_no_vote(platform: Platform, reason: str):
    """Dots, blanks that nobody sees, one word over and over: refused, on record, and the release waits on."""
    put_package(platform, {"all": people(1, 200)})
    asked = request_release(platform, ASSEMBLER, "EP-1", "sponsor", "Sponsor Ltd", SPONSOR)
    with pytest.raises(PlatformError) as refused:
        vote(platform, OFFICER, asked.id, word="approve", reason=reason)
    assert refused.value.code == "release.reason_missing"
    assert not votes_of(platform, asked.id)


def test_a_reason_with_a_persons_number_is_refused_and_kept_nowhere(platform: Platform):
    put_package(platform, {"all": people(1, 200)})
    asked = request_release(platform, ASSEMBLER, "EP-1", "sponsor", "Sponsor Ltd", SPONSOR)
    with pytest.raises(PlatformError) as refused:
        vote(
            platform,
            OFFICER,
            asked.id,
            word="refuse",
            reason="患者欧阳琼华 469002195002031222 不同意公开其结果。",
        )
    assert refused.value.code == "release.reason_identifies"
    assert "469002195002031222" not in str(platform.records.all(select(AuditEntry)))


@pytest.mark.parametrize("name", ["privacy", "Ｐｒｉｖａｃｙ", "рrivacy", "pri\u200bvacy", "researcher"])
def test_a_second_account_of_one_person_has_no_second_vote(platform: Platform, name: str):
    """Another login under the officer's name, or the requester's, however it is spelt; the release stays open."""
    put_package(platform, {"all": people(1, 200)})
    double = Actor("privacy-double", "privacy", "org-operator")
    row = account(double)
    row.name = name
    platform.records.write(row, audit=Act(ASSEMBLER, "seed.written", Object("user", row.id)))
    asked = request_release(platform, ASSEMBLER, "EP-1", "sponsor", "Sponsor Ltd", SPONSOR)
    vote(platform, OFFICER, asked.id, word="approve", reason=WHY)
    with pytest.raises(PlatformError) as refused:
        vote(platform, double, asked.id, word="approve", reason=WHY)
    assert refused.value.code == "release.same_person"
    assert vote(platform, OFFICER_2, asked.id, word="approve", reason=WHY).state == "approved"


def test_counts_of_the_same_people_are_compared_with_what_was_released(platform: Platform):
    """A hundred people and 40 events, then the same hundred and 41: one event is told."""
    everybody = {"all": people(1, 100)}
    for id, events in (("EP-1", 40), ("EP-2", 41)):
        held = results_of(everybody)
        held["rows"].append(
            {**held["rows"][0], "id": "cox.events", "statistic": "events", "value": events, "n": 100}
        )
        put_package(platform, everybody, held, id=id)
    assert sent(platform, "EP-1").state == "released"
    second = request_release(platform, ASSEMBLER, "EP-2", "sponsor", "Sponsor Ltd", SPONSOR)
    assert [one["rule"] for one in second.verdict["findings"]] == ["differencing_totals"]


def test_cohorts_in_pieces_that_leave_one_person_are_refused(platform: Platform):
    """1 to 100 were released; then 1 to 99 in five cohorts of one package."""
    put_package(platform, {"all": people(1, 100)})
    pieces = {"a": (1, 20), "b": (21, 40), "c": (41, 60), "d": (61, 80), "e": (81, 99)}
    put_package(platform, {name: people(*span) for name, span in pieces.items()}, id="EP-2")
    sent(platform, "EP-1")
    second = request_release(platform, ASSEMBLER, "EP-2", "sponsor", "Sponsor Ltd", SPONSOR)
    assert second.state == "refused" and "differencing" in {one["rule"] for one in second.verdict["findings"]}


def test_an_overseas_effect_is_the_protocols_or_ours(platform: Platform):
    """The very number that the protocol quotes is exempt; another one under its name is judged as ours."""
    everybody = {"all": people(1, 200)}
    quoted = load_protocol(PROTOCOL).overseas
    assert quoted is not None
    for id, value in (("EP-1", quoted.hazard_ratio), ("EP-2", 3.0)):
        held = results_of(everybody)
        effect = {
            "id": "overseas.hazard_ratio",
            "analysis": "overseas",
            "statistic": "hazard_ratio",
            "row_set": "",
        }
        limits = {"ci_low": quoted.ci_low, "ci_high": quoted.ci_high, "engine": "protocol", "value": value}
        held["rows"].append({**held["rows"][0], **effect, **limits})
        put_package(platform, everybody, held, id=id)
    first, second = (
        request_release(platform, ASSEMBLER, id, "sponsor", "Sponsor Ltd", SPONSOR).verdict
        for id in ("EP-1", "EP-2")
    )
    assert (first["outcome"], second["outcome"]) == ("pass", "review")


def test_one_approval_is_not_enough_and_nobody_approves_what_they_made(platform: Platform):
    """Two different officers; whoever asked, assembled or computed is none of them; nobody votes twice."""
    put_package(platform, {"all": people(1, 200)})
    asked = request_release(platform, ASSEMBLER, "EP-1", "sponsor", "Sponsor Ltd", SPONSOR)
    turncoat = Actor(ASSEMBLER.id, "privacy", "org-operator")
    for who, code in (
        (turncoat, "release.not_a_voter"),
        (ASSEMBLER, "access.not_allowed"),
        (REGULATOR, "access.not_allowed"),
    ):
        with pytest.raises(PlatformError) as refused:
            vote(platform, who, asked.id, word="approve", reason=WHY)
        assert refused.value.code == code
    assert vote(platform, OFFICER, asked.id, word="approve", reason=WHY).state == "requested"
    with pytest.raises(PlatformError) as again:
        vote(platform, OFFICER, asked.id, word="approve", reason=WHY)
    assert again.value.code == "release.voted_already"
    with pytest.raises(PlatformError) as early:
        release(platform, ASSEMBLER, asked.id)
    assert early.value.code == "release.not_approved"
    assert vote(platform, OFFICER_2, asked.id, word="approve", reason=WHY).state == "approved"
    assert release(platform, ASSEMBLER, asked.id).state == "released"
    assert [one["reason"] for one in entries(platform, "access.refused")] == [
        "release.not_a_voter", "access.not_allowed", "access.not_allowed", "release.voted_already",
        "release.not_approved",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "state", "action"),
    [
        (("approve", "refuse"), "refused", "release.voted_down"),
        (("refuse", "approve"), "refused", "release.voted_down"),
        (("return", "refuse"), "refused", "release.voted_down"),
        (("approve", "return"), "returned", "release.returned"),
        (("return", "approve"), "returned", "release.returned"),
    ],
)
def test_the_stricter_of_two_words_decides(
    platform: Platform, words: tuple[str, str], state: str, action: str
):
    """Whichever comes first; what was refused or returned cannot be carried out, nor voted on."""
    put_package(platform, {"all": people(1, 200)})
    asked = request_release(platform, ASSEMBLER, "EP-1", "sponsor", "Sponsor Ltd", SPONSOR)
    reasons = [WHY if word == "approve" else WHY_NOT for word in words]
    assert vote(platform, OFFICER, asked.id, words[0], reasons[0]).state == "requested"
    assert vote(platform, OFFICER_2, asked.id, words[1], reasons[1]).state == state
    (entry,) = entries(platform, action)
    given = [
        {"officer": one, "word": word, "objections": 0}
        for one, word in zip(("privacy", "privacy-2"), words, strict=True)
    ]
    assert (entry["reason"], entry["decision"]["votes"]) == (reasons[1], given)
    third = Actor("privacy-3", "privacy", "org-operator")
    platform.records.write(
        account(third), audit=Act(ASSEMBLER, "seed.written", Object("user_account", third.id))
    )
    for later in (
        lambda: vote(platform, third, asked.id, word="approve", reason=WHY),
        lambda: release(platform, ASSEMBLER, asked.id),
    ):
        with pytest.raises(PlatformError) as refused:
            later()
        assert refused.value.code == "lifecycle.not_allowed"


@pytest.mark.parametrize("word", ["approve", "return", "refuse"])
def test_a_word_is_seen_by_nobody_else_before_two_are_in(platform: Platform, word: str):
    """Not by the second reviewer, not in the log; whoever gave it sees it."""
    put_package(platform, {"all": people(1, 200)})
    asked = request_release(platform, ASSEMBLER, "EP-1", "sponsor", "Sponsor Ltd", SPONSOR)
    asked = vote(platform, OFFICER, asked.id, word, WHY)
    votes = votes_of(platform, asked.id)
    assert shown_to(asked, votes, OFFICER_2.id) == []
    assert [one.word for one in shown_to(asked, votes, OFFICER.id)] == [word]
    (entry,) = entries(platform, "release.voted")
    said = json.dumps(entry, ensure_ascii=False)
    assert WHY not in said and f'"{word}"' not in said and entry["detail_digest"]
    kept = str(changes_of(platform.records, entry["seq"]))  # what the review of the log reads
    assert WHY not in kept and f"'{word}'" not in kept
    asked = vote(platform, OFFICER_2, asked.id, "approve", WHY)
    assert len(shown_to(asked, votes_of(platform, asked.id), "anybody")) == 2


def test_a_word_that_is_none_is_refused(platform: Platform):
    put_package(platform, {"all": people(1, 200)})
    asked = request_release(platform, ASSEMBLER, "EP-1", "sponsor", "Sponsor Ltd", SPONSOR)
    with pytest.raises(PlatformError) as refused:
        vote(platform, OFFICER, asked.id, "yes", WHY)
    assert refused.value.code == "release.word_unknown" and votes_of(platform, asked.id) == []


ARD = "data/05_results/ard.json"


def test_an_objection_names_a_file_and_returns_the_release(platform: Platform):
    put_package(platform, {"all": people(1, 200)})
    asked = request_release(platform, ASSEMBLER, "EP-1", "sponsor", "Sponsor Ltd", SPONSOR)
    vote(platform, OFFICER, asked.id, "return", WHY_NOT, {ARD: "人数未取整"})
    done = vote(platform, OFFICER_2, asked.id, "approve", WHY)
    assert done.state == "returned"
    first = votes_of(platform, asked.id)[0]
    assert first.objections == {ARD: "人数未取整"}
    (entry,) = entries(platform, "release.returned")
    assert [one["objections"] for one in entry["decision"]["votes"]] == [1, 0]


@pytest.mark.parametrize(
    ("word", "objections", "code"),
    [
        ("approve", {ARD: "人数未取整"}, "release.objections_stand"),
        ("return", {"data/none.json": "人数未取整"}, "release.objection_malformed"),
        ("return", {ARD: "  "}, "release.objection_malformed"),
        ("return", {ARD: "长" * 2001}, "release.objection_malformed"),
        ("return", {ARD: "患者 469002195002031222 可识别"}, "release.reason_identifies"),
    ],
)
def test_an_objection_that_says_nothing_of_a_file_is_refused(
    platform: Platform, word: str, objections: dict[str, str], code: str
):
    put_package(platform, {"all": people(1, 200)})
    asked = request_release(platform, ASSEMBLER, "EP-1", "sponsor", "Sponsor Ltd", SPONSOR)
    with pytest.raises(PlatformError) as refused:
        vote(platform, OFFICER, asked.id, word, WHY_NOT, objections)
    assert refused.value.code == code and votes_of(platform, asked.id) == []


def test_the_studys_own_team_needs_no_release_and_another_team_sees_nothing(platform: Platform):
    """The enclave is where the results are; another organisation's package looks like none."""
    put_package(platform, {"all": people(1, 200)})
    package = platform.records.get(EvidencePackage, "EP-1")
    assert pass_gate(platform, ASSEMBLER, package) == ENCLAVE
    assert package_path(platform, ASSEMBLER, "EP-1").is_file()
    for door in (
        lambda: package_path(platform, STRANGER, "EP-1"),
        lambda: request_release(platform, STRANGER, "EP-1", "sponsor", "x", SPONSOR),
    ):
        with pytest.raises(PlatformError) as hidden:
            door()
        assert hidden.value.code == "records.not_found"


def test_a_release_is_for_one_content(platform: Platform):
    """Assembled again with other bytes, it needs a release of its own; a pending one does not carry over."""
    put_package(platform, {"all": people(1, 200)})
    to_authority(platform, "EP-1")
    asked = request_release(platform, ASSEMBLER, "EP-1", "sponsor", "Sponsor Ltd", SPONSOR)
    for officer in (OFFICER, OFFICER_2):
        vote(platform, officer, asked.id, word="approve", reason=WHY)
    package = platform.records.get(EvidencePackage, "EP-1")
    package.sha256 = "f" * 64
    from rwd_platform.log.entry import Act, Object

    platform.records.write(package, audit=Act(ASSEMBLER, "package.assembled", Object("package", "EP-1")))
    with pytest.raises(PlatformError) as changed:
        release(platform, ASSEMBLER, asked.id)
    assert changed.value.code == "release.content_changed"
    with pytest.raises(PlatformError) as needed:
        package_path(platform, REGULATOR, "EP-1")
    assert needed.value.code == "release.needed"


def test_a_request_says_who_will_hold_it(platform: Platform):
    """Without a circle there is nothing to compare with; the public needs no name."""
    put_package(platform, {"all": people(1, 200)})
    for circle in ("", " \u3000", "x" * 201):
        with pytest.raises(PlatformError) as refused:
            request_release(platform, ASSEMBLER, "EP-1", "sponsor", circle, SPONSOR)
        assert refused.value.code == "release.circle_missing"
    assert request_release(platform, ASSEMBLER, "EP-1", "public", "", {}).circle == "public"


def test_what_is_public_everybody_holds(platform: Platform):
    """A sponsor's table is compared with what was published before."""
    put_package(platform, {"all": people(1, 200)})
    put_package(platform, {"all": people(3, 200)}, id="EP-2")
    assert review_anonymity(platform, OFFICER, "EP-1", "无小单元")
    sent(platform, "EP-1", kind="public", circle="")
    second = request_release(platform, ASSEMBLER, "EP-2", "sponsor", "Sponsor Ltd", SPONSOR)
    assert [one["rule"] for one in second.verdict["findings"]] == ["differencing"]


def test_a_transfer_may_call_a_package_anonymised_only_where_a_review_or_a_release_says_so(
    platform: Platform,
):
    """The fact is looked up, not believed: by default it is refused, a passed release or a review founds it."""
    put_package(platform, {"all": people(1, 200)})
    put_package(platform, {"all": people(1, 200)}, id="EP-2")
    facts = facts_of_transfer(on="2026-11-02", sensitive_persons=200, anonymised_and_reviewed=True)

    def ask(package: str) -> str:
        title = Bilingual("向境外提供", "To abroad")
        return decide_transfer(
            platform, ASSEMBLER, title=title, recipient="Sponsor", facts=facts, package_id=package
        ).verdict

    with pytest.raises(PlatformError) as refused:
        ask("EP-1")
    assert refused.value.code == "release.claim_unfounded"
    sent(platform, "EP-1")
    assert ask("EP-1") == "ALLOW"
    reviewer = Actor("second", "researcher", "org-operator")
    assert review_anonymity(platform, reviewer, "EP-2", "无小单元")
    assert ask("EP-2") == "ALLOW"


def test_a_statement_that_identifies_somebody_is_no_review(platform: Platform):
    put_package(platform, {"all": people(1, 200)})
    with pytest.raises(PlatformError) as refused:
        review_anonymity(platform, OFFICER, "EP-1", "已核对王小明 110101199003070011 的记录")
    assert refused.value.http == 422 and not is_reviewed_as_anonymous(platform, "EP-1")
    assert "110101" not in whole_log(platform)


@pytest.mark.parametrize("content", [b"", b"not a zip", None])
def test_a_package_that_cannot_be_read_is_named(platform: Platform, content: bytes | None):
    """An archive that is spoilt, emptied or gone is not released unseen, even where its hash is on record."""
    put_package(platform, {"all": people(1, 200)})
    path = platform.layout.packages / "EP-1.zip"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
        package = platform.records.get(EvidencePackage, "EP-1")
        package.sha256 = sha256_file(path)
        platform.records.write(package, audit=Act(ASSEMBLER, "package.assembled", Object("package", "EP-1")))
    with pytest.raises(PlatformError) as refused:
        request_release(platform, ASSEMBLER, "EP-1", "sponsor", "Sponsor Ltd", SPONSOR)
    assert refused.value.code == "release.package_unreadable"


def replace_file(platform: Platform) -> None:
    """Somebody with access to the store puts one more listing into the archive."""
    with zipfile.ZipFile(platform.layout.packages / "EP-1.zip", "a") as archive:
        archive.writestr("EP-1/data/extra_listing.csv", "name,id\n")


def test_a_file_that_was_changed_in_the_store_leaves_by_no_door(platform: Platform):
    """The record's hash is compared with the file itself: when asking, when releasing, at every download."""
    put_package(platform, {"all": people(1, 200)}, audience="authority")
    to_authority(platform, "EP-1")
    asked = request_release(platform, ASSEMBLER, "EP-1", "competent_authority", "org-authority", CONDITIONS)
    for officer in (OFFICER, OFFICER_2):
        vote(platform, officer, asked.id, word="approve", reason=WHY)
    replace_file(platform)
    for door in (
        lambda: package_path(platform, REGULATOR, "EP-1"),
        lambda: package_path(platform, ASSEMBLER, "EP-1"),
        lambda: release(platform, ASSEMBLER, asked.id),
        lambda: request_release(
            platform, ASSEMBLER, "EP-1", "competent_authority", "org-authority", CONDITIONS
        ),
    ):
        with pytest.raises(PlatformError) as changed:
            door()
        assert changed.value.code == "release.content_changed"
    refusals = [one["reason"] for one in entries(platform, "access.refused")]
    assert refusals == ["release.content_changed"] * 4
    assert not entries(platform, "package.downloaded")


@pytest.mark.parametrize("kind", ["public", "sponsor", "insurer", "researcher"])
def test_the_authoritys_version_goes_to_nobody_else(platform: Platform, kind: str):
    """Row-level lineage lies in it, whatever its tables say; the remedy is the aggregate package."""
    put_package(platform, {"all": people(1, 200)}, audience="authority")
    with pytest.raises(PlatformError, match="nobody but a competent authority") as refused:
        request_release(platform, ASSEMBLER, "EP-1", kind, "Somebody", SPONSOR)
    assert refused.value.code == "release.audience_not_allowed"
    assert "aggregate" in refused.value.next_en and "仅汇总" in refused.value.next_zh
    assert not platform.records.all(select(OutputRelease))
    assert [one["reason"] for one in entries(platform, "access.refused")] == ["release.audience_not_allowed"]


@pytest.mark.parametrize("circle", ["Sponsor Ltd", "org-hospital-a", "Demo Hospital A", "org-operator"])
def test_a_competent_authority_is_an_organisation_on_record_of_that_kind(platform: Platform, circle: str):
    """Its package holds full listings: whoever only calls themselves an authority gets none."""
    put_package(platform, {"all": people(1, 200)}, audience="authority")
    package = platform.records.get(EvidencePackage, "EP-1")
    for door in (
        lambda: request_release(platform, ASSEMBLER, "EP-1", "competent_authority", circle, CONDITIONS),
        lambda: pass_gate(platform, ASSEMBLER, package, RecipientOf("competent_authority", circle)),
    ):
        with pytest.raises(PlatformError) as refused:
            door()
        assert refused.value.code == "release.not_an_authority"
    assert len(entries(platform, "access.refused")) == 2


@pytest.mark.parametrize("circle", ["org-authority", " ＯＲＧ-authority", "Demo Authority", "演示监管部门"])
def test_an_organisation_on_record_is_one_circle_by_id_and_by_name(platform: Platform, circle: str):
    put_package(platform, {"all": people(1, 200)}, audience="authority")
    asked = request_release(platform, ASSEMBLER, "EP-1", "competent_authority", circle, CONDITIONS)
    assert asked.circle == "org-authority"


def test_whoever_asks_or_carries_out_does_so_under_an_account(platform: Platform):
    """An account of the operating system may be an approver's second name: it asks for nothing here."""
    put_package(platform, {"all": people(1, 200)})
    asked = request_release(platform, ASSEMBLER, "EP-1", "sponsor", "Sponsor Ltd", SPONSOR)
    for officer in (OFFICER, OFFICER_2):
        vote(platform, officer, asked.id, word="approve", reason=WHY)
    second_name = Actor("cli:privacy", "researcher", "org-operator")
    for door in (
        lambda: request_release(platform, second_name, "EP-1", "sponsor", "Sponsor Ltd", SPONSOR),
        lambda: release(platform, second_name, asked.id),
    ):
        with pytest.raises(PlatformError) as refused:
            door()
        assert refused.value.code == "access.no_account"
    assert [one["reason"] for one in entries(platform, "access.refused")] == ["access.no_account"] * 2
    assert len(platform.records.all(select(OutputRelease))) == 1
    assert release(platform, ASSEMBLER, asked.id).state == "released"


def test_what_the_officers_did_not_see_is_not_released(platform: Platform):
    """The check passed when they voted; now it wants a person's eye: refused with the finding, to be asked again."""
    put_package(platform, {"all": people(1, 200)})
    put_package(platform, {"all": [f"x{n:04d}" for n in range(1, 220)]}, id="EP-2", project="second")
    asked = [
        request_release(platform, ASSEMBLER, package, "sponsor", "Sponsor Ltd", SPONSOR)
        for package in ("EP-1", "EP-2")
    ]
    for one in asked:
        assert one.verdict["findings"] == []
        for officer in (OFFICER, OFFICER_2):
            vote(platform, officer, one.id, word="approve", reason=WHY)
    release(platform, ASSEMBLER, asked[0].id)
    with pytest.raises(PlatformError, match="differencing") as refused:
        release(platform, ASSEMBLER, asked[1].id)
    assert refused.value.code == "release.findings_unseen"
    stored = platform.records.get(OutputRelease, asked[1].id)
    assert stored.state == "refused" and stored.verdict["findings"]
    assert len(entries(platform, "release.refused")) == 1
    assert len(platform.records.all(select(ReleasedFigures))) == 1


def disable(platform: Platform, officer: Actor) -> None:
    user = platform.records.get(User, officer.id)
    user.disabled_at = "2026-11-02T08:00:00.000000Z"
    platform.records.write(user, audit=Act(ASSEMBLER, "user.disabled", Object("user", user.id)))


def test_an_approval_counts_while_its_account_is_in_use(platform: Platform):
    """Disabled after the vote: the release does not happen, and a vote that is still missing is not made good."""
    put_package(platform, {"all": people(1, 200)})
    done, waiting = (
        request_release(platform, ASSEMBLER, "EP-1", "sponsor", circle, SPONSOR)
        for circle in ("Sponsor Ltd", "Another Sponsor")
    )
    for officer in (OFFICER, OFFICER_2):
        vote(platform, officer, done.id, word="approve", reason=WHY)
    vote(platform, OFFICER, waiting.id, word="approve", reason=WHY)
    disable(platform, OFFICER)
    with pytest.raises(PlatformError) as lapsed:
        release(platform, ASSEMBLER, done.id)
    assert lapsed.value.code == "release.approval_lapsed"
    assert platform.records.get(OutputRelease, done.id).state == "approved"
    assert not platform.records.all(select(ReleasedFigures))
    assert vote(platform, OFFICER_2, waiting.id, word="approve", reason=WHY).state == "requested"
    third = Actor("privacy-3", "privacy", "org-operator")
    platform.records.write(account(third), audit=Act(ASSEMBLER, "user.registered", Object("user", third.id)))
    assert vote(platform, third, waiting.id, word="approve", reason=WHY).state == "approved"


def test_a_review_is_about_the_content_that_was_reviewed(platform: Platform):
    """Assembled again with other bytes, the package has no review."""
    put_package(platform, {"all": people(1, 200)})
    assert review_anonymity(platform, OFFICER, "EP-1", "无小单元")
    assert is_reviewed_as_anonymous(platform, "EP-1")
    package = platform.records.get(EvidencePackage, "EP-1")
    package.sha256 = "f" * 64
    platform.records.write(package, audit=Act(ASSEMBLER, "package.assembled", Object("package", "EP-1")))
    assert not is_reviewed_as_anonymous(platform, "EP-1")


@pytest.mark.parametrize(
    "kept",
    [
        "{}",
        "[]",
        '{"all": "s0001"}',
        json.dumps({"all": people(1, 198)}),
        json.dumps({"all": people(2, 200)}),
    ],
)
def test_row_sets_that_are_not_those_of_the_results_stop_the_check(platform: Platform, kept: str):
    """Without the people nothing can be compared: a set that is missing, shorter or other is no empty set."""
    put_package(platform, {"all": people(1, 199)})
    (platform.layout.results / "run-EP-1" / "row_sets.json").write_text(kept)
    with pytest.raises(PlatformError) as refused:
        request_release(platform, ASSEMBLER, "EP-1", "sponsor", "Sponsor Ltd", SPONSOR)
    assert refused.value.code == "release.package_unreadable"
    assert not platform.records.all(select(OutputRelease))


def test_a_vote_is_cast_under_an_account_in_use(platform: Platform):
    """A program, a person who left, and somebody who acts in a role that their account has not: no votes."""
    put_package(platform, {"all": people(1, 40)})
    asked = request_release(platform, ASSEMBLER, "EP-1", "sponsor", "Sponsor Ltd", SPONSOR)
    left = account(Actor("left", "privacy", "org-operator"))
    left.disabled_at = "2026-11-01T00:00:00.000000Z"
    colleague = account(Actor("colleague", "researcher", "org-operator"))
    for user in (left, colleague):
        platform.records.write(user, audit=Act(ASSEMBLER, "user.registered", Object("user", user.id)))
    for name in ("cli:root", "left", "colleague"):
        with pytest.raises(PlatformError) as refused:
            vote(platform, Actor(name, "privacy", "org-operator"), asked.id, word="approve", reason=WHY)
        assert refused.value.code == "access.no_account"
    assert not votes_of(platform, asked.id)


@pytest.mark.parametrize("whose", ["rotterdam_inputs", "small_inputs"])
def test_an_aggregate_package_passes_for_a_sponsor(whose: str):
    """What `studies.evidence.aggregate` leaves of a study is what a sponsor may have: two rooms, one answer.

    The results before they were coarsened fail the same check.
    """
    from deidentify.disclosure.check import check
    from studies.evidence.aggregate import coarsened
    from tests.evidence import fixtures

    inputs = getattr(fixtures, whose)()
    support = inputs.results.as_dict()
    released = coarsened(fixtures.with_changes(inputs, audience="aggregate")).inputs.results.as_dict()
    found = check(released, "sponsor", SPONSOR, support=support, propose=False)
    assert [(one.rule, one.where) for one in found.findings] == []
    assert check(support, "sponsor", SPONSOR, support=support, propose=False).outcome == "fail"
