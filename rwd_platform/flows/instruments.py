"""Papers on file: recorded with scope, version and expiry, filed, replaced, revoked; never edited.

A hospital records its own papers, the ethics committee its approvals, privacy officers anybody's. What a paper is
worth for a provision is asked of rwd_platform.compliance.standing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlmodel import Session, col, select

from deidentify.disclosure.rules.texts import identifies
from rwd_platform.access.accounts import check_account
from rwd_platform.access.permissions import check_can, get_visible, visible_organisation
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.access.roles import Role
from rwd_platform.compliance.filings import add_months
from rwd_platform.compliance.instruments import ANY, DIMENSIONS, Instrument, Kind, Scope, kinds
from rwd_platform.compliance.standing import purposes
from rwd_platform.core.canonical import sha256_of
from rwd_platform.core.clock import as_text, shanghai_date
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.ids import new_id
from rwd_platform.flows.paper_texts import LONGEST_NOTE, day_or_blank, is_sha256, line
from rwd_platform.flows.people_problems import REASON_IDENTIFIES
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.records import is_storable
from rwd_platform.records.tables import InstrumentRecord, Organisation

ETHICS_APPROVAL = "ethics_approval"
RECORD, READ = "instrument.record", "instrument.read"
MOST_NAMED = 200  # entries of one dimension of a scope
LONGEST_NAME = 40  # characters of an unknown dimension that an error repeats
LARGEST_SCALE = 2_000_000_000
LAST_DAY = "2999-12-31"  # deadlines are counted on from any day of a paper, and the calendar ends in 9999

INSTRUMENT_MALFORMED = Problem(
    code="instrument.malformed",
    zh="文件的 {field} 不可用：{allowed_zh}。",
    en="The field {field} of the paper cannot be used: {allowed}.",
    next_zh="请改正后重新提交；其余内容均已保留。",
    next_en="Mend it and send it again; the rest was kept.",
    http=422,
)
INSTRUMENT_ENDED = Problem(
    code="instrument.ended",
    zh="文件 {id} 已于 {day} 撤销或被新版本替换。",
    en="The paper {id} was revoked or replaced on {day}.",
    next_zh="请在其最新版本上操作，或登记新的文件。",
    next_en="Work on its newest version, or record a new paper.",
    http=409,
    exit=Exit.REFUSED,
)
OFFICERS_ONLY = Problem(
    code="instrument.officers_only",
    zh="“{name_zh}”只能由隐私专员登记，提供方不能为自己登记。",
    en="Only a privacy officer records this kind of paper ({name}); an exporter does not record it for itself.",
    next_zh="请将原件及其 SHA-256 交给隐私专员核对后登记。",
    next_en="Hand the original and its SHA-256 to a privacy officer, who checks and records it.",
    http=403,
    exit=Exit.REFUSED,
)
FILED_ALREADY = Problem(
    code="instrument.filed_already",
    zh="文件 {id} 已登记备案日期 {day}。",
    en="The paper {id} has its day of filing on record: {day}.",
    next_zh="备案日期不能改写；确有错误时，登记新版本并写明原因。",
    next_en="It cannot be rewritten; if it is wrong, record a new version and say why.",
    http=409,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class NewPaper:
    """What is written down. Days are YYYY-MM-DD in Asia/Shanghai, "" where there is none.

    exporter -- organisation id of the legal entity whose paper it is
    scope    -- lists by dimension as the kind asks for them, `persons` a number; `["*"]` covers everything
    replaces -- the version that this one takes the place of; revoked by the same act on `effective_from`
    """

    exporter: str
    kind: str
    number: str
    effective_from: str
    valid_until: str = ""
    filed_on: str = ""
    answer: str = ""
    scope: Mapping[str, Any] = field(default_factory=dict)
    evidence_sha256: str = ""
    note: str = ""
    replaces: str = ""


def record_instrument(platform: Platform, actor: Actor, paper: NewPaper) -> InstrumentRecord:
    """Put a paper on record. Raises `instrument.malformed` naming the field, `instrument.ended`, and what permissions
    refuse; `instrument.officers_only` for a kind that takes a transfer out of the rules' usual path.
    """
    with refusals_recorded(platform.records, actor, RECORD, "instrument", ""):
        check_can(actor, RECORD, paper.exporter, kind="organisation", id=paper.exporter)
        _check_ids(paper)
        if actor.role == Role.ETHICS and paper.kind != ETHICS_APPROVAL:
            raise _malformed("kind", ETHICS_APPROVAL, f"伦理委员会只登记 {ETHICS_APPROVAL}")
        stated = kinds().get(paper.kind)
        if stated is not None and stated.officers_only and actor.role != Role.PRIVACY:
            raise OFFICERS_ONLY.error(name=stated.name.en, name_zh=stated.name.zh)
        row = _row(platform, actor, paper)
        act = Act(
            actor,
            "instrument.recorded",
            Object("instrument", row.id, sha256_of(row.scope)),
            purpose=row.kind,
            decision=_in_the_log(row),
        )
        with platform.records.transaction(audit=act) as session:
            check_account(session, actor, platform.clock)
            if session.get(Organisation, row.organisation_id) is None:
                raise _malformed(*_NO_EXPORTER)
            if row.replaces:
                row.version = _replace(session, row)
            session.add(row)
    return row


def file_instrument(platform: Platform, actor: Actor, id: str, filed_on: str) -> InstrumentRecord:
    """The day on which the authority accepted the filing; once, never ahead."""
    paper = get_visible(platform.records, actor, RECORD, InstrumentRecord, id)
    if not kinds()[paper.kind].is_filed:
        raise _malformed(*_NOT_FILED)
    day, today = day_or_blank(filed_on), shanghai_date(platform.clock()).isoformat()
    if not day or day > today or day < paper.effective_from:
        allowed = "a day from its start to today"
        raise _malformed("filed_on", allowed, "应为生效日至今天之间的日期")
    act = Act(actor, "instrument.filed", Object("instrument", id), decision={"filed_on": day})
    with platform.records.transaction(audit=act) as session:
        check_account(session, actor, platform.clock)
        row = _standing(session, id, today)
        if row.filed_on:
            raise FILED_ALREADY.error(id=id, day=row.filed_on)
        row.filed_on = day
    return row


def revoke_instrument(platform: Platform, actor: Actor, id: str, reason: str) -> InstrumentRecord:
    """From today on it serves nothing. What rested on it before keeps its decision.

    The reason is sealed beside the entry: somebody typed it, and what is in the log cannot be erased.
    """
    get_visible(platform.records, actor, RECORD, InstrumentRecord, id)
    why, today = line(reason, LONGEST_NOTE), shanghai_date(platform.clock()).isoformat()
    if not why:
        raise _malformed("reason", "a sentence that says why", "应写明原因")
    if identifies(why):
        raise REASON_IDENTIFIES.error()
    said = {"revoked_on": today}
    act = Act(actor, "instrument.revoked", Object("instrument", id), decision=said, detail={"reason": why})
    with platform.records.transaction(audit=act) as session:
        check_account(session, actor, platform.clock)
        row = _standing(session, id, today)
        row.revoked_on = today
    return row


def instruments(platform: Platform, actor: Actor) -> Sequence[InstrumentRecord]:
    """The papers that the actor may see, the newest first."""
    own = visible_organisation(actor, READ)
    query = select(InstrumentRecord).order_by(
        col(InstrumentRecord.recorded_at).desc(), col(InstrumentRecord.id)
    )
    if own is not None:
        query = query.where(InstrumentRecord.organisation_id == own)
    return platform.records.all(query)


def papers_of(session: Session, exporter: str) -> list[Instrument]:
    """The exporter's papers as the rules read them."""
    query = select(InstrumentRecord).where(InstrumentRecord.organisation_id == exporter)
    return [as_instrument(row) for row in session.exec(query.order_by(col(InstrumentRecord.id)))]


def as_instrument(row: InstrumentRecord) -> Instrument:
    def day(text: str) -> date | None:
        return date.fromisoformat(text) if text else None

    named = {name: frozenset(row.scope.get(name) or ()) for name in DIMENSIONS if name != "persons"}
    return Instrument(
        id=row.id,
        kind=row.kind,
        exporter=row.organisation_id,
        number=row.number,
        effective_from=date.fromisoformat(row.effective_from),
        valid_until=day(row.valid_until),
        scope=Scope(**named, persons=row.scope.get("persons")),
        answer=row.answer,
        filed_on=day(row.filed_on),
        revoked_on=day(row.revoked_on),
        evidence_sha256=row.evidence_sha256,
    )


# -- what is written down, checked -------------------------------------------------------------------------------

# field, what it takes, and the same in Chinese
_NO_EXPORTER = ("exporter", "an organisation on record", "应为登记在册的机构")
_NOTHING_TO_REPLACE = ("replaces", "a paper of this kind and exporter", "应为同一提供方的同类文件")
_NO_EVIDENCE = (
    "evidence_sha256",
    "64 hex digits: this kind is recorded with the original's SHA-256",
    "此类文件须填写原件的 SHA-256（64 位十六进制）",
)
_NO_SCENARIO = (
    "scope.scenarios",
    "the scenarios of the zone's list by their ids; `*` names none",
    "应逐一列出清单场景的编号，不能填 *",
)
_NOBODYS_NUMBER = ("without a number that identifies a person", "不得含有可识别个人的号码")
_NOT_FILED = ("filed_on", "empty: this kind is not filed", "应留空：此类文件无须备案")


def _check_ids(paper: NewPaper) -> None:
    """What no id can be is refused before a database sees it."""
    for id, refusal in ((paper.exporter, _NO_EXPORTER), (paper.replaces, _NOTHING_TO_REPLACE)):
        if not is_storable(id):
            raise _malformed(*refusal)


def _row(platform: Platform, actor: Actor, paper: NewPaper) -> InstrumentRecord:
    kind = kinds().get(paper.kind)
    if kind is None:
        known = " | ".join(kinds())
        raise _malformed("kind", known, f"应为 {known}")
    number, note = line(paper.number), line(paper.note, LONGEST_NOTE)
    if not number:
        raise _malformed("number", "the paper's number, 200 characters at most", "应填写文号，不超过 200 字")
    if note is None:
        raise _malformed("note", "2,000 characters at most", "不超过 2000 字")
    for name, text in (("number", number), ("note", note)):
        if identifies(text):
            raise _malformed(name, *_NOBODYS_NUMBER)
    if paper.answer not in (kind.answers or ("",)):
        allowed = " | ".join(kind.answers) or "empty"
        raise _malformed("answer", allowed, f"应为 {allowed}")
    if paper.evidence_sha256 and not is_sha256(paper.evidence_sha256):
        raise _malformed("evidence_sha256", "64 hex digits, or empty", "应为 64 位十六进制，或留空")
    if kind.needs_evidence and not paper.evidence_sha256:
        raise _malformed(*_NO_EVIDENCE)
    now = platform.clock()
    return InstrumentRecord(
        id=new_id("paper", now),
        organisation_id=paper.exporter,
        kind=kind.id,
        number=number,
        version=1,
        answer=paper.answer,
        **_days(kind, paper, shanghai_date(now).isoformat()),
        revoked_on="",
        scope=_scope(kind, paper.scope),
        evidence_sha256=paper.evidence_sha256,
        note=note,
        replaces=paper.replaces,
        recorded_by=actor.id,
        recorded_at=as_text(now),
    )


def _days(kind: Kind, paper: NewPaper, today: str) -> dict[str, str]:
    days = (day_or_blank(one) for one in (paper.effective_from, paper.valid_until, paper.filed_on))
    start, end, filed = (day if day <= LAST_DAY else "" for day in days)
    if not start:
        allowed, allowed_zh = (
            f"a day as YYYY-MM-DD, up to {LAST_DAY}",
            f"应为 YYYY-MM-DD 格式的日期，最晚 {LAST_DAY}",
        )
        raise _malformed("effective_from", allowed, allowed_zh)
    if (paper.valid_until and not end) or (kind.needs_end and not end) or (end and end < start):
        empty, empty_zh = ("", "") if kind.needs_end else (", or empty", "，或留空")
        allowed, allowed_zh = f"a day from its start to {LAST_DAY}", f"应为生效日至 {LAST_DAY} 之间的日期"
        raise _malformed("valid_until", allowed + empty, allowed_zh + empty_zh)
    if paper.filed_on and (not filed or filed < start or filed > today):
        raise _malformed(
            "filed_on", "a day from its start to today, or empty", "应为生效日至今天之间的日期，或留空"
        )
    if end and kind.months_valid is not None:
        longest = add_months(date.fromisoformat(start), kind.months_valid).isoformat()
        if end > longest:
            months = kind.months_valid
            raise _malformed(
                "valid_until", f"{months} months from its start at most", f"自生效日起最长 {months} 个月"
            )
    if filed and not kind.is_filed:
        raise _malformed(*_NOT_FILED)
    return {"effective_from": start, "valid_until": end, "filed_on": filed}


def _scope(kind: Kind, stated: Mapping[str, Any]) -> dict[str, Any]:
    """Every dimension that the kind asks for is written down, and no other."""
    unknown = sorted(set(stated) - set(kind.scope))
    if unknown:
        asked = ", ".join(kind.scope) or "nothing"
        name = line(unknown[0], LONGEST_NAME) or "?"  # as it was typed only where it can be printed
        raise _malformed(f"scope.{name}", f"this kind's scope has {asked}", f"此类文件的范围只含 {asked}")
    return {name: _dimension(name, stated.get(name)) for name in kind.scope}


def _dimension(name: str, value: Any) -> Any:
    if name == "persons":
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= LARGEST_SCALE:
            raise _malformed("scope.persons", "the most persons a year, from 1", "应为每年最多人数，不小于 1")
        return value
    entries = value if isinstance(value, list | tuple) else None
    tidy = [line(one) if isinstance(one, str) else None for one in entries or ()]
    if not tidy or len(tidy) > MOST_NAMED or not all(tidy) or (ANY in tidy and len(tidy) > 1):
        raise _malformed(f"scope.{name}", f"a list of names, or {ANY} alone", f"应列出名称，或只填 {ANY}")
    if name == "scenarios" and ANY in tidy:
        raise _malformed(*_NO_SCENARIO)
    if name == "purposes":
        known = {ANY, *purposes()}
        if not known.issuperset(tidy):
            words = " | ".join(sorted(known))
            raise _malformed("scope.purposes", words, f"应为 {words}")
    return sorted({str(one) for one in tidy})


def _replace(session: Session, row: InstrumentRecord) -> int:
    """End the version before on the day the new one begins; its number in the row of versions."""
    before = session.get(InstrumentRecord, row.replaces)
    same = before is not None and (before.kind, before.organisation_id) == (row.kind, row.organisation_id)
    if before is None or not same:
        raise _malformed(*_NOTHING_TO_REPLACE)
    if before.revoked_on:
        raise INSTRUMENT_ENDED.error(id=before.id, day=before.revoked_on)
    before.revoked_on = max(row.effective_from, before.effective_from)
    session.add(before)
    return before.version + 1


def _standing(session: Session, id: str, today: str) -> InstrumentRecord:
    """The paper, if it has not ended yet: one whose successor begins later can still be filed, or revoked before."""
    row = session.get_one(InstrumentRecord, id)
    if row.revoked_on and row.revoked_on <= today:
        raise INSTRUMENT_ENDED.error(id=id, day=row.revoked_on)
    return row


def _in_the_log(row: InstrumentRecord) -> dict[str, Any]:
    days = {name: getattr(row, name) for name in ("effective_from", "valid_until", "filed_on")}
    return {
        "kind": row.kind,
        "exporter": row.organisation_id,
        "answer": row.answer,
        "replaces": row.replaces,
        "evidence_sha256": row.evidence_sha256,
        **days,
    }


def _malformed(name: str, allowed: str, allowed_zh: str) -> Exception:
    return INSTRUMENT_MALFORMED.error(field=name, allowed=allowed, allowed_zh=allowed_zh)
