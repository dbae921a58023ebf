"""A release is withdrawn before it leaves, or recalled afterwards; a deletion is confirmed by a letter."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provide import provisions_of
from rwd_platform.flows.release import release, request_release
from rwd_platform.flows.release_ends import confirm_deletion, recall_release, withdraw_release
from rwd_platform.flows.release_gate import RecipientOf, pass_gate
from rwd_platform.flows.release_links import make_link
from rwd_platform.flows.release_votes import vote
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import AuditEntry, EvidencePackage, PersonPosting, ReleaseLink
from tests.conftest import StandingClock
from tests.flows.releasing import ASSEMBLER, OFFICER, OFFICER_2, REGULATOR, people, put_package

WHY = "已核对输出检查的结论与用途，同意。"
WHY_BACK = "接收方合同终止，须收回已提供的结果。"
LETTER = "c3" * 32


def asked_for(platform: Platform) -> str:
    put_package(platform, {"all": people(1, 200)})
    return request_release(
        platform, ASSEMBLER, "EP-1", "sponsor", "Sponsor Ltd", {"purpose": "上市后研究"}
    ).id


def released(platform: Platform) -> str:
    id = asked_for(platform)
    for officer in (OFFICER, OFFICER_2):
        vote(platform, officer, id, "approve", WHY)
    return release(platform, ASSEMBLER, id).id


def codes(act: object) -> str:
    with pytest.raises(PlatformError) as refused:
        act()  # type: ignore[operator]  # a call that must fail
    return refused.value.code


@pytest.mark.parametrize("approved", [False, True])
def test_what_was_withdrawn_leaves_by_no_door_and_frees_its_persons(
    platform: Platform, approved: bool
) -> None:
    id = asked_for(platform)
    if approved:
        for officer in (OFFICER, OFFICER_2):
            vote(platform, officer, id, "approve", WHY)
    assert len(platform.records.all(select(PersonPosting))) == 1
    assert withdraw_release(platform, ASSEMBLER, id, WHY_BACK).state == "withdrawn"
    assert platform.records.all(select(PersonPosting)) == []
    assert [one.state for one in provisions_of(platform, id)] == ["cancelled"]
    assert codes(lambda: release(platform, ASSEMBLER, id)) == "lifecycle.not_allowed"
    assert codes(lambda: withdraw_release(platform, ASSEMBLER, id, WHY_BACK)) == "lifecycle.not_allowed"


def test_what_has_left_cannot_be_withdrawn_and_what_has_not_cannot_be_recalled(platform: Platform) -> None:
    id = released(platform)
    assert codes(lambda: withdraw_release(platform, ASSEMBLER, id, WHY_BACK)) == "lifecycle.not_allowed"
    put_package(platform, {"all": people(1, 200)}, id="EP-2")
    waiting = request_release(
        platform, ASSEMBLER, "EP-2", "sponsor", "Another Sponsor", {"purpose": "研究"}
    ).id
    assert codes(lambda: recall_release(platform, OFFICER, waiting, WHY_BACK)) == "lifecycle.not_allowed"


def test_what_was_recalled_is_handed_out_by_nobody_and_stays_counted(platform: Platform) -> None:
    """The gate, the links and the provision close; whose data went stays on the ledger."""
    id = released(platform)
    link = make_link(platform, ASSEMBLER, id, "申办者甲", 7, 3)
    package = platform.records.get(EvidencePackage, "EP-1")
    assert pass_gate(platform, ASSEMBLER, package, RecipientOf("sponsor", "Sponsor Ltd")) == id
    assert recall_release(platform, OFFICER, id, WHY_BACK).state == "recalled"
    assert codes(lambda: pass_gate(platform, ASSEMBLER, package, RecipientOf("sponsor", "Sponsor Ltd"))) == (
        "release.needed"
    )
    assert platform.records.get(ReleaseLink, link.row.id).ended_at
    (provision,) = provisions_of(platform, id)
    assert (provision.state, provision.ended_why) == ("recalled", WHY_BACK)
    assert [bool(one.posted_at) for one in platform.records.all(select(PersonPosting))] == [True]


def test_a_deletion_is_confirmed_once_after_the_recall(platform: Platform) -> None:
    id = released(platform)
    (provision,) = provisions_of(platform, id)
    assert codes(lambda: confirm_deletion(platform, OFFICER, provision.id, LETTER, "2026-11-02")) == (
        "lifecycle.not_allowed"
    )
    recall_release(platform, OFFICER, id, WHY_BACK)
    done = confirm_deletion(platform, OFFICER, provision.id, LETTER, "2026-11-02")
    assert (done.state, done.papers["deletion"]["letter_sha256"]) == ("deleted", LETTER)
    (entry,) = platform.records.all(
        select(AuditEntry).where(AuditEntry.action == "provision.deletion_confirmed")
    )
    assert json.loads(entry.body)["decision"] == {"letter_sha256": LETTER, "confirmed_on": "2026-11-02"}
    assert codes(lambda: confirm_deletion(platform, OFFICER, provision.id, LETTER, "2026-11-02")) == (
        "lifecycle.not_allowed"
    )


@pytest.mark.parametrize(
    ("letter", "day"),
    [
        ("", "2026-11-02"),
        ("XY" * 32, "2026-11-02"),
        (LETTER, ""),
        (LETTER, "yesterday"),
        (LETTER, "2026-02-30"),
    ],
)
def test_a_confirmation_needs_a_letter_and_a_day(platform: Platform, letter: str, day: str) -> None:
    id = released(platform)
    recall_release(platform, OFFICER, id, WHY_BACK)
    (provision,) = provisions_of(platform, id)
    assert codes(lambda: confirm_deletion(platform, OFFICER, provision.id, letter, day)) == (
        "provision.confirmation_malformed"
    )


@pytest.mark.parametrize("day", ["1990-01-01", "2026-11-02", "2026-11-06"])
def test_nobody_confirms_before_the_recall_or_ahead_of_today(
    platform: Platform, clock: StandingClock, day: str
) -> None:
    """Recalled on the 3rd in Shanghai (still the 2nd in UTC), asked on the 5th: the letter is of the 3rd to the 5th."""
    id = released(platform)
    clock.now = datetime(2026, 11, 2, 17, 0, tzinfo=UTC)
    recall_release(platform, OFFICER, id, WHY_BACK)
    clock.advance(days=2)
    (provision,) = provisions_of(platform, id)
    with pytest.raises(PlatformError) as caught:
        confirm_deletion(platform, OFFICER, provision.id, LETTER, day)
    error = caught.value
    assert (error.code, error.http) == ("provision.confirmed_on_unfit", 422)
    for words in (error.zh, error.en):
        assert all(one in words for one in (day, "2026-11-03", "2026-11-05"))
    assert provisions_of(platform, id)[0].state == "recalled"
    assert confirm_deletion(platform, OFFICER, provision.id, LETTER, "2026-11-03").state == "deleted"


@pytest.mark.parametrize("actor", [ASSEMBLER, REGULATOR, Actor("x", "operator", "org-operator")])
def test_only_a_privacy_officer_recalls(platform: Platform, actor: Actor) -> None:
    id = released(platform)
    assert codes(lambda: recall_release(platform, actor, id, WHY_BACK)) == "access.not_allowed"


@pytest.mark.parametrize("reason", ["", "好", "1234567890123"])
def test_an_end_needs_a_reason(platform: Platform, reason: str) -> None:
    id = asked_for(platform)
    assert codes(lambda: withdraw_release(platform, ASSEMBLER, id, reason)) == "release.reason_missing"
