"""Decide about leaving, and about coming in: a question is put to the rules, and question and answer go on record."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping
from typing import Any

from sqlmodel import col, select

from deidentify.disclosure.rules.texts import identifies
from rwd_platform.access.permissions import check_can, get_visible
from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.compliance.case import read_case
from rwd_platform.compliance.decide import decide
from rwd_platform.compliance.inbound import inbound, read_import
from rwd_platform.compliance.rulepack import INBOUND, NATIONAL
from rwd_platform.compliance.series import pack_in_force
from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.ids import new_id
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_gate import check_claim
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.posting_hash import hash_of_facts
from rwd_platform.records.records import is_storable
from rwd_platform.records.tables import AuditEntry, EvidencePackage, TransferRecord

OUTBOUND, IMPORT = "outbound", "inbound"
SEEN = "transfer.answer_seen"
LONGEST_TEXT = 300
_IN_THE_LOG = (
    "verdict",
    "personal_information_path",
    "genetic_resources_path",
    "rules",
    "missing",
    "rule_pack",
)

TEXT_UNFIT = Problem(
    code="transfer.text_unfit",
    zh="标题、接收方或发送方含有不能保存的字符。",
    en="The title, the recipient or the sender has a character that cannot be kept.",
    next_zh="请删去控制字符与不成对的代理字符后重试。",
    next_en="Take control characters and lone surrogates out and try again.",
    http=422,
)
TEXT_UNSEEN = Problem(
    code="transfer.text_unseen",
    zh="标题、接收方或发送方应为 1 至 {longest} 个可见字符：不能空白，也不能含改变文字方向的控制字符。",
    en="The title, the recipient and the sender have 1 to {longest} characters that can be seen: not blank, and without"
    " characters that turn the direction of writing.",
    next_zh="请重新填写，不要从别处连同格式一起粘贴。",
    next_en="Type them again rather than paste them with their formatting.",
    http=422,
)
NOT_YOURS_TO_CLOSE = Problem(
    code="transfer.not_yours_to_close",
    zh="只有提出这次判定的人可以把它标为已知悉。",
    en="Only whoever asked can mark this answer as seen.",
    next_zh="判定仍保留在“数据出境与入境”中，谁都不必处理。",
    next_en="It stays in the list of transfers; nobody has to act on it.",
    http=403,
    exit=Exit.REFUSED,
)
TEXT_IDENTIFIES = Problem(
    code="transfer.text_identifies",
    zh="标题、接收方或发送方含有可识别个人的号码，未予保存。",
    en="The title, the recipient or the sender holds a number that identifies a person; it was not kept.",
    next_zh="请删去该号码，以项目编号或文号指明这批数据。",
    next_en="Take the number out; name the matter by the number of a project or a document.",
    http=422,
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
    to its recipient and no other way, whatever the rules answer. Raises `transfer.text_identifies` for a title or a
    recipient with somebody's number in it.
    """
    check_can(actor, "transfer.decide", actor.organisation)
    _check_texts(title.zh, title.en, recipient)
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
    _check_texts(title.zh, title.en, sender)
    decision = inbound(facts, pack_in_force(INBOUND, read_import(facts).on)).as_dict()
    record = _record(platform, actor, title, sender, facts, decision, direction=IMPORT)
    platform.records.write(record, audit=_act(actor, record))
    make_checkpoint(platform.records, platform.log_signer, "transfer")
    return record


def close_answer(platform: Platform, actor: Actor, transfer_id: str) -> None:
    """Whoever asked has read an answer on hold and is done with it: an act in the log, which changes no record.

    A question about what might leave waits for nobody else: what is to leave is a provision. Once more is no act.
    Raises NOT_FOUND, `transfer.not_yours_to_close`.
    """
    record = get_visible(platform.records, actor, "transfer.decide", TransferRecord, transfer_id)
    if record.asked_by != actor.id:
        raise NOT_YOURS_TO_CLOSE.error()
    if transfer_id not in closed_answers(platform, [transfer_id]):
        platform.records.record(Act(actor, "transfer.answer_seen", Object("transfer", transfer_id)))


def closed_answers(platform: Platform, transfer_ids: Collection[str]) -> set[str]:
    """Those that whoever asked has closed."""
    query = select(AuditEntry.object_id).where(
        AuditEntry.action == SEEN, col(AuditEntry.object_id).in_(sorted(transfer_ids))
    )
    with platform.records.reading() as session:
        return set(session.exec(query))


def _check_texts(*texts: str) -> None:
    if not all(map(is_storable, texts)):
        raise TEXT_UNFIT.error()
    if not all(0 < len(one.strip()) <= LONGEST_TEXT and one.strip().isprintable() for one in texts):
        raise TEXT_UNSEEN.error(longest=LONGEST_TEXT)
    if any(map(identifies, texts)):
        raise TEXT_IDENTIFIES.error()


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
        salt=secrets.token_hex(16),
    )


def _act(actor: Actor, record: TransferRecord) -> Act:
    """Without the title: somebody typed it, and what is in the log cannot be erased. The record has it."""
    return Act(
        actor,
        "transfer.inbound_decided" if record.direction == IMPORT else "transfer.decided",
        Object("transfer", record.id, hash_of_facts(record)),
        outcome="done" if record.verdict == "ALLOW" else "refused",
        decision={key: record.decision[key] for key in _IN_THE_LOG if key in record.decision},
    )
