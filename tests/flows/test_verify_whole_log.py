"""The log verified from the pages: a job whose finding is an entry, for those alone who may read the whole log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import select

from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.audit.sources import BATCH
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.jobs import drain
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.verify_whole_log import (
    last_verification,
    may_verify,
    start_verification,
    verification_job,
    verify_as_job,
)
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AuditEntry, Job, Organisation, User
from rwd_platform.settings import Settings
from tests.conftest import StandingClock

AUDITOR = Actor("user-auditor", "auditor", "org-platform")
HOSPITAL = Actor("user-hospital", "hospital", "hospital-a")
SECURITY = Actor("user-security", "security", "org-platform")


@pytest.fixture
def platform(tmp_path: Path, clock: StandingClock) -> Iterator[Platform]:
    found = open_platform(Settings(home=tmp_path / "home", demo=True), clock)
    organisation = Organisation(id="org-platform", kind="operator", name_zh="平台", name_en="Platform")
    found.records.write(organisation, audit=act("organisation.registered"))
    person = User(id=AUDITOR.id, organisation_id=AUDITOR.organisation, login="a", role="auditor", name="N",
                  password_hash="x", language="zh", created_at="t")  # fmt: skip
    found.records.write(person, audit=act("user.registered"))
    for number in range(5):
        found.records.record(act("package.read", f"p-{number}"))
    make_checkpoint(found.records, found.log_signer, "due")
    yield found
    found.records.engine.dispose()


def act(action: str, id: str = "x") -> Act:
    return Act(Actor("u", "researcher", "org"), action, Object("package", id))


def behind(platform: Platform, statement: str) -> None:
    with platform.records.engine.begin() as connection:
        connection.execute(text(statement))


def verified(platform: Platform) -> Job:
    start_verification(platform, AUDITOR)
    (job,) = drain(platform, "w")
    return job


def test_a_whole_log_is_found_whole_and_the_finding_is_an_entry(
    platform: Platform, clock: StandingClock
) -> None:
    """Who verified, how many entries, how far signatures reach, and when: out of the log itself."""
    job = verified(platform)
    assert (job.kind, job.state, job.problem) == ("verify_log", "done", None)
    last = last_verification(platform)
    assert last is not None and last.ok and last.by == AUDITOR.id and last.findings == ()
    assert (last.size, last.signed_size, last.witnessed_size, last.seconds) == (8, 7, 0, 0.0)
    body = json.loads(platform.records.log_entries(first=last.sequence)[0].body)
    assert (body["action"], body["outcome"], body["actor"]["id"]) == ("log.verified", "done", AUDITOR.id)
    assert body["decision"]["size"] == 8 and body["decision"]["findings"] == []


def test_it_says_how_long_it_took(platform: Platform, clock: StandingClock) -> None:
    verify_as_job(platform, AUDITOR, lambda stage, done, total: clock.advance(seconds=2))
    last = last_verification(platform)
    assert last is not None and last.seconds >= 2


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        (
            "UPDATE audit_entry SET body = replace(CAST(body AS TEXT), 'p-2', 'p-9') WHERE sequence = 4",
            "node",
        ),
        ("UPDATE audit_entry SET action = 'nothing' WHERE sequence = 4", "column"),
        ("UPDATE audit_node SET hash = zeroblob(32) WHERE level = 0 AND position = 2", "node"),
        ("UPDATE audit_checkpoint SET note = 'x'", "checkpoint_text"),
        ("DELETE FROM audit_entry WHERE sequence = 3", "gap"),
    ],
)
def test_what_was_done_behind_the_log_is_found_and_told_in_both_languages(
    platform: Platform, statement: str, rule: str
) -> None:
    behind(platform, statement)
    job = verified(platform)
    assert job.state == "done", job.problem
    last = last_verification(platform)
    assert last is not None and not last.ok
    assert rule in {one.rule for one in last.findings}
    assert all(one.zh and one.en for one in last.findings)
    assert platform.records.all(select(AuditEntry).where(AuditEntry.outcome == "failed"))


def test_a_cut_tail_stops_the_job_and_says_why(platform: Platform) -> None:
    """The hashes of the deleted entries stand where the next one's belong: nothing can be written any more."""
    behind(platform, "DELETE FROM audit_entry WHERE sequence >= 5")
    with pytest.raises(PlatformError) as caught:
        start_verification(platform, AUDITOR)
    assert caught.value.code == "audit.cannot_append"
    with pytest.raises(PlatformError) as caught:
        verify_as_job(platform, AUDITOR, lambda *_: None)
    assert caught.value.code == "audit.cannot_append"


def test_asked_twice_it_is_one_job_and_afterwards_another(platform: Platform) -> None:
    first = start_verification(platform, AUDITOR)
    assert start_verification(platform, AUDITOR).id == first.id
    drain(platform, "w")
    second = start_verification(platform, AUDITOR)
    assert second.id != first.id
    newest = verification_job(platform)
    assert newest is not None and newest.id in (first.id, second.id)


def test_a_verification_whose_entry_was_cut_out_can_be_done_again(platform: Platform) -> None:
    """Which job comes next is counted by jobs, and not by what the log claims."""
    verified(platform)
    behind(platform, "UPDATE audit_entry SET action = 'x' WHERE action = 'log.verified'")
    assert last_verification(platform) is None
    assert verified(platform).state == "done"
    assert last_verification(platform) is not None


@pytest.mark.parametrize(
    ("actor", "code"), [(HOSPITAL, "records.not_found"), (SECURITY, "access.not_allowed")]
)
def test_who_sees_a_part_of_the_log_or_none_verifies_nothing(
    platform: Platform, actor: Actor, code: str
) -> None:
    """Findings name things of every organisation. The job asks again: a role may change while it waits."""
    with pytest.raises(PlatformError) as caught:
        start_verification(platform, actor)
    assert caught.value.code == code
    with pytest.raises(PlatformError) as caught:
        verify_as_job(platform, actor, lambda *_: None)
    assert caught.value.code == code
    assert not platform.records.all(select(Job))
    assert may_verify(AUDITOR) and not may_verify(HOSPITAL)


def test_progress_counts_the_entries(platform: Platform) -> None:
    """By batches of the verifier; the records are held to the log at the end."""
    platform.records.append_many([act("package.read", str(number)) for number in range(2 * BATCH)])
    heard: list[tuple[str, int, int]] = []
    verify_as_job(platform, AUDITOR, lambda *said: heard.append(said))
    total = 2 * BATCH + 7
    assert heard == [
        ("entries", 0, total), ("entries", BATCH, total), ("entries", 2 * BATCH, total), ("entries", total, total),
        ("against", 0, 0),
    ]  # fmt: skip


@pytest.mark.parametrize("decision", ["{}", '{"ok":1}', '{"ok":1,"size":"many"}', "[]", "7"])
def test_an_entry_that_says_nothing_sensible_is_no_verification(platform: Platform, decision: str) -> None:
    verified(platform)
    last = last_verification(platform)
    assert last is not None
    body = json.loads(platform.records.log_entries(first=last.sequence)[0].body)
    body["decision"] = json.loads(decision)
    with platform.records.engine.begin() as connection:
        raw = json.dumps(body, separators=(",", ":"), sort_keys=True).encode()
        connection.execute(
            text("UPDATE audit_entry SET body = :b WHERE sequence = :s"), {"b": raw, "s": last.sequence}
        )
    assert last_verification(platform) is None
