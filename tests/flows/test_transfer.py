"""A question to the rules, about what leaves or what comes in: the answer, and both of them on record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.access.permissions import visible_rows
from rwd_platform.compliance.inbound import inbound
from rwd_platform.compliance.rulepack import load_pack
from rwd_platform.core.canonical import sha256_of
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from rwd_platform.demo.questions import facts_of_transfer
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.transfer import decide_import, decide_transfer
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import AuditCheckpoint, AuditEntry, TransferRecord
from tests.flows.sending import CLERK, REGULATOR, RESEARCHER

OPERATOR = Actor("operator-1", "operator", "org-operator")
OFFICER = Actor("privacy-1", "privacy", "org-privacy")

TITLE = Bilingual("向境外提供", "To abroad")


def ask(platform: Platform, actor: Actor = RESEARCHER, persons: int = 0, **more: Any) -> TransferRecord:
    facts = facts_of_transfer(on="2026-11-02", sensitive_persons=persons, anonymised_and_reviewed=not persons)
    return decide_transfer(platform, actor, title=TITLE, recipient="Sponsor", facts={**facts, **more})


@pytest.mark.parametrize(("persons", "outcome"), [(0, "done"), (20_000, "refused")])
def test_question_and_answer_are_on_record_and_in_the_log(
    platform: Platform, persons: int, outcome: str
) -> None:
    record = ask(platform, persons=persons)
    stored = platform.records.get(TransferRecord, record.id)
    assert (stored.verdict == "ALLOW") is (persons == 0)
    assert stored.facts["persons"]["sensitive"]["count"] == persons
    entry = next(e for e in platform.records.all(select(AuditEntry)) if e.action == "transfer.decided")
    body = json.loads(entry.body)
    assert (entry.outcome, body["object"]["id"]) == (outcome, record.id)
    assert set(body["decision"]) == {
        "verdict", "personal_information_path", "genetic_resources_path", "rules", "missing", "rule_pack",
    }  # fmt: skip
    assert body["decision"]["verdict"] == record.verdict
    assert bool(body["decision"]["missing"]) is (persons > 0), "what is missing is named"
    assert [one.why for one in platform.records.all(select(AuditCheckpoint))] == ["transfer"]


@pytest.mark.parametrize("more", [{"surprise": 1}, {"crosses_border": "perhaps"}])
def test_facts_outside_the_vocabulary_leave_no_record(platform: Platform, more: dict[str, Any]) -> None:
    with pytest.raises(PlatformError):
        ask(platform, **more)
    assert not platform.records.all(select(TransferRecord))


@pytest.mark.parametrize("actor", [OPERATOR, REGULATOR], ids=lambda actor: actor.role)
def test_who_only_reads_may_not_ask(platform: Platform, actor: Actor) -> None:
    with pytest.raises(PlatformError) as raised:
        ask(platform, actor)
    assert raised.value.code == "access.not_allowed"


@pytest.mark.parametrize("actor", [CLERK, OFFICER], ids=lambda actor: actor.role)
def test_a_hospital_and_a_privacy_officer_ask_before_anything_is_prepared(
    platform: Platform, actor: Actor
) -> None:
    """What they asked is their organisation's; a privacy officer sees everybody's, a hospital its own alone."""
    mine, foreign = ask(platform, actor), ask(platform)
    assert mine.organisation_id == actor.organisation != foreign.organisation_id
    seen = visible_rows(platform.records, actor, "transfer.read", [mine, foreign])
    assert seen == ([mine, foreign] if actor.role == "privacy" else [mine])


def test_a_package_that_is_not_there_cannot_be_asked_about(platform: Platform) -> None:
    facts = facts_of_transfer(on="2026-11-02", sensitive_persons=0, anonymised_and_reviewed=True)
    with pytest.raises(PlatformError) as raised:
        decide_transfer(platform, RESEARCHER, title=TITLE, recipient="S", facts=facts, package_id="EP-none")
    assert raised.value.code == "records.not_found"
    assert not platform.records.all(select(TransferRecord))


# -- data that come in ---------------------------------------------------------------------------------------------

IMPORT = {
    "on": "2026-11-02",
    "origin": "EEA_UK",
    "persons": 12,
    "genomic_persons": 0,
    "health": True,
    "key_coded_or_identified": True,
    "exemption": None,
    "exemption_evidence": False,
    "sender_mechanism_on_file": False,
}


def ask_in(platform: Platform, actor: Actor = RESEARCHER, **more: Any) -> TransferRecord:
    return decide_import(platform, actor, title=TITLE, sender="Sender", facts=IMPORT | more)


@pytest.mark.parametrize(("on_file", "outcome"), [(True, "done"), (False, "refused")])
def test_an_import_and_its_answer_are_on_record_and_in_the_log(
    platform: Platform, on_file: bool, outcome: str
) -> None:
    """The entry names what fired, what is missing, the pack by its hash and the facts by theirs, salted."""
    record = ask_in(platform, sender_mechanism_on_file=on_file)
    stored = platform.records.get(TransferRecord, record.id)
    assert (stored.direction, stored.recipient, stored.facts["persons"]) == ("inbound", "Sender", 12)
    assert stored.decision == inbound(stored.facts, load_pack("inbound-2025")).as_dict()
    (entry,) = [one for one in platform.records.all(select(AuditEntry)) if one.object_id == record.id]
    body = json.loads(entry.body)
    assert (entry.action, entry.outcome) == ("transfer.inbound_decided", outcome)
    assert stored.salt and body["object"]["version"] == sha256_of([stored.salt, stored.facts])
    assert set(body["decision"]) == {"verdict", "rules", "missing", "rule_pack"}
    assert body["decision"]["missing"] == ([] if on_file else ["SENDER_MECHANISM"])
    assert [one.why for one in platform.records.all(select(AuditCheckpoint))] == ["transfer"]


def test_a_question_about_leaving_says_so(platform: Platform) -> None:
    assert platform.records.get(TransferRecord, ask(platform).id).direction == "outbound"


@pytest.mark.parametrize(
    "more",
    [{"surprise": 1}, {"origin": "MARS"}, {"persons": "many"}, {"genomic_persons": 13}, {"on": "2025-04-07"}],
)
def test_an_import_outside_the_vocabulary_leaves_no_record(platform: Platform, more: dict[str, Any]) -> None:
    """A day before the rules as well: no answer is made up for it."""
    with pytest.raises(PlatformError):
        ask_in(platform, **more)
    assert not platform.records.all(select(TransferRecord))
    assert not [one for one in platform.records.all(select(AuditEntry)) if one.action.startswith("transfer.")]


@pytest.mark.parametrize("actor", [OPERATOR, REGULATOR], ids=lambda actor: actor.role)
def test_who_only_reads_may_not_ask_about_an_import(platform: Platform, actor: Actor) -> None:
    with pytest.raises(PlatformError) as raised:
        ask_in(platform, actor)
    assert raised.value.code == "access.not_allowed"
    assert not platform.records.all(select(TransferRecord))
