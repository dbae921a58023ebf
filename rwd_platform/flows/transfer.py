"""Decide about leaving, and about coming in: a question is put to the rules, and question and answer go on record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rwd_platform.access.permissions import check_can, get_visible
from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.compliance.case import read_case
from rwd_platform.compliance.decide import decide
from rwd_platform.compliance.inbound import inbound, read_import
from rwd_platform.compliance.rulepack import INBOUND, NATIONAL
from rwd_platform.compliance.series import pack_in_force
from rwd_platform.core.canonical import canonical_json, sha256_of
from rwd_platform.core.clock import as_text
from rwd_platform.core.ids import new_id
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_gate import check_claim
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import EvidencePackage, TransferRecord

OUTBOUND, IMPORT = "outbound", "inbound"
_IN_THE_LOG = (
    "verdict",
    "personal_information_path",
    "genetic_resources_path",
    "rules",
    "missing",
    "rule_pack",
)


def decide_transfer(
    platform: Platform,
    actor: Actor,
    *,
    title: Bilingual,
    recipient: str,
    facts: Mapping[str, Any],
    package_id: str = "",
) -> TransferRecord:
    """The rules' answer to the facts as given. Supports a decision; it is not one.

    `facts` are the inputs of `rwd transfer decide`. The log's entry carries the verdict, the rules
    that fired, what is missing, the rule pack and the hash of the facts. A package may be called anonymised
    only where a review or release says so. Nothing is handed out here: the package itself leaves by a release
    to its recipient and no other way, whatever the rules answer.
    """
    check_can(actor, "transfer.decide", actor.organisation)
    package = (
        get_visible(platform.records, actor, "package.read", EvidencePackage, package_id)
        if package_id
        else None
    )
    if package is not None:
        check_claim(platform, actor, package, facts)
    decision = decide(facts, pack_in_force(NATIONAL, read_case(facts).on)).as_dict()
    record = _record(platform, actor, title, recipient, facts, decision, package)
    platform.records.write(record, audit=_act(actor, record))
    make_checkpoint(platform.records, platform.log_signer, "transfer")
    return record


def decide_import(
    platform: Platform, actor: Actor, *, title: Bilingual, sender: str, facts: Mapping[str, Any]
) -> TransferRecord:
    """The gate's answer about data of persons abroad that are to come in. Supports a decision; it is not one.

    `facts` are the inputs of `rwd transfer inbound`. Kept beside the transfers abroad, with a direction of its own:
    nothing that counts what leaves counts it. The log's entry carries what that of a transfer carries.
    """
    check_can(actor, "transfer.decide", actor.organisation)
    decision = inbound(facts, pack_in_force(INBOUND, read_import(facts).on)).as_dict()
    record = _record(platform, actor, title, sender, facts, decision, direction=IMPORT)
    platform.records.write(record, audit=_act(actor, record))
    make_checkpoint(platform.records, platform.log_signer, "transfer")
    return record


def _record(
    platform: Platform,
    actor: Actor,
    title: Bilingual,
    recipient: str,
    facts: Mapping[str, Any],
    decision: dict[str, Any],
    package: EvidencePackage | None = None,
    direction: str = OUTBOUND,
) -> TransferRecord:
    now = platform.clock()
    return TransferRecord(
        id=new_id("transfer", now),
        organisation_id=actor.organisation,
        project_id=package.project_id if package else "",
        package_id=package.id if package else "",
        direction=direction,
        title_zh=title.zh,
        title_en=title.en,
        recipient=recipient,
        asked_at=as_text(now),
        asked_by=actor.id,
        verdict=decision["verdict"],
        facts=json.loads(canonical_json(dict(facts))),
        decision=decision,
    )


def _act(actor: Actor, record: TransferRecord) -> Act:
    return Act(
        actor,
        "transfer.inbound_decided" if record.direction == IMPORT else "transfer.decided",
        Object("transfer", record.id, sha256_of(record.facts)),
        purpose=record.title_en,
        outcome="done" if record.verdict == "ALLOW" else "refused",
        decision={key: record.decision[key] for key in _IN_THE_LOG if key in record.decision},
    )
