"""What the pages show of free texts: how far a study's have come, and one text with its surrogates marked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlmodel import col, select

from deidentify.identifiers_cn import found
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.free_text import PREPARED, CleanedText, texts_of_lock
from rwd_platform.flows.platform import Platform
from rwd_platform.records.lifecycles import TextState
from rwd_platform.records.tables import AuditEntry, DataLockRecord, Study
from rwd_platform.server import protocols
from rwd_platform.server.deps import Visitor

# What a surrogate stands for: its words, and the colour that the kinds share. The words stand beside the colour.
_NUMBER, _PERSON, _PLACE, _DAY = "number", "person", "place", "day"
KINDS: Mapping[str, tuple[Bilingual, str]] = {
    found.NAME: (Bilingual("姓名", "name"), _PERSON),
    found.DATE: (Bilingual("日期（已移动）", "date, moved"), _DAY),
    found.ADDRESS: (Bilingual("地址", "address"), _PLACE),
    found.ORGANISATION: (Bilingual("机构", "organisation"), _PLACE),
    found.BED: (Bilingual("床位", "bed"), _PLACE),
    found.RESIDENT_ID: (Bilingual("身份证号", "resident id"), _NUMBER),
    found.OLD_RESIDENT_ID: (Bilingual("身份证号（15 位）", "resident id, 15 digits"), _NUMBER),
    found.PERMANENT_RESIDENCE: (Bilingual("永久居留证号", "permanent residence id"), _NUMBER),
    found.TRAVEL_DOCUMENT: (Bilingual("出入境证件号", "travel document"), _NUMBER),
    found.MOBILE: (Bilingual("手机号", "mobile"), _NUMBER),
    found.LANDLINE: (Bilingual("固定电话", "landline"), _NUMBER),
    found.SERVICE_PHONE: (Bilingual("服务电话", "service phone"), _NUMBER),
    found.FOREIGN_PHONE: (Bilingual("境外电话", "foreign phone"), _NUMBER),
    found.BANK_CARD: (Bilingual("银行卡号", "bank card"), _NUMBER),
    found.INSURANCE_CARD: (Bilingual("医保卡号", "insurance card"), _NUMBER),
    found.LICENCE_PLATE: (Bilingual("车牌", "licence plate"), _NUMBER),
    found.EMAIL: (Bilingual("邮箱", "e-mail"), _NUMBER),
    found.WECHAT: (Bilingual("微信号", "WeChat"), _NUMBER),
    found.QQ: (Bilingual("QQ 号", "QQ number"), _NUMBER),
    found.URL: (Bilingual("网址", "web address"), _NUMBER),
    found.IP_ADDRESS: (Bilingual("网络地址", "IP address"), _NUMBER),
    found.HOSPITAL_NUMBER: (Bilingual("院内号码", "hospital number"), _NUMBER),
}
OTHER = (Bilingual("其他标识", "other identifier"), _NUMBER)


@dataclass(frozen=True)
class StudyTexts:
    """How far the texts of a study's newest lock have come. `held_back`: found, and never stored."""

    prepared: int  # how often
    waiting: int
    released: int
    withheld: int
    held_back: int


@dataclass(frozen=True)
class Piece:
    """A stretch of a text: words as they are, or one surrogate with what it stands for."""

    text: str
    kind: Bilingual | None = None
    colour: str = ""


def of_study(platform: Platform, visitor: Visitor, study: Study, lock: DataLockRecord) -> StudyTexts | None:
    """For whoever may prepare them, when the protocol plans to use texts; else None."""
    if not (visitor.may("text.prepare") and protocols.plans_texts(study.protocol)):
        return None
    states = Counter(row.state for row in texts_of_lock(platform, lock))
    runs = preparations(platform, lock)
    last = runs[0] if runs else {}
    return StudyTexts(
        prepared=len(runs),
        waiting=states[TextState.CLEANED],
        released=states[TextState.RELEASED],
        withheld=states[TextState.WITHHELD],
        held_back=last.get("withheld", 0) + last.get("unnamed", 0),
    )


def preparations(platform: Platform, lock: DataLockRecord) -> list[dict[str, Any]]:
    """The counts of each preparation of a lock's texts, from the log, the newest first."""
    entries = platform.records.all(
        select(AuditEntry)
        .where(AuditEntry.action == PREPARED, AuditEntry.object_id == lock.id)
        .order_by(col(AuditEntry.sequence).desc())
    )
    return [json.loads(entry.body)["decision"] for entry in entries]


def pieces(text: CleanedText) -> Iterator[Piece]:
    """The text in order, its surrogates told from the words around them."""
    at = 0
    for span in text.spans:
        kind, colour = KINDS.get(span.kind, OTHER)
        if span.start > at:
            yield Piece(text.text[at : span.start])
        yield Piece(text.text[span.start : span.end], kind, colour)
        at = span.end
    if at < len(text.text):
        yield Piece(text.text[at:])
