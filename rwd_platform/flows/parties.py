"""What the law asks about a legal entity that gives or receives data: recorded by a privacy officer, with the day of
the check. A status nobody checked is `unknown`, and holds whatever rests on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

from sqlmodel import Session, col, select

from rwd_platform.access.accounts import check_account
from rwd_platform.access.permissions import check_may
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.clock import as_text, shanghai_date
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.flows.paper_texts import day_or_blank, line
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.records import is_storable
from rwd_platform.records.tables import LegalParty, Organisation, ReleaseCircle

RECORD = "party.record"
ANSWERS = ("yes", "no", "unknown")
QUESTIONS = ("foreign_controlled", "state_organ", "restricted")
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)

PARTY_UNKNOWN = Problem(
    code="party.unknown",
    zh="没有登记编号为 {id} 的机构或接收机构。",
    en="There is no organisation and no registered recipient with the id {id}.",
    next_zh="请从列表中选择；新的接收机构先在发布页登记。",
    next_en="Choose one from the list; register a new recipient on the page of releases first.",
    http=422,
    exit=Exit.REFUSED,
)
PARTY_MALFORMED = Problem(
    code="party.malformed",
    zh="主体情况的 {field} 不可用：{allowed_zh}。",
    en="The field {field} of a legal entity cannot be used: {allowed}.",
    next_zh="请改正后重试；未核查的事项填 unknown。",
    next_en="Mend it and try again; what nobody checked is `unknown`.",
    http=422,
)


@dataclass(frozen=True)
class Profile:
    """What is recorded. The answers are `yes`, `no` or `unknown`; `checked_on` is a day in Asia/Shanghai, not ahead."""

    country: str
    foreign_controlled: str
    state_organ: str
    restricted: str
    checked_on: str
    contact: str
    group_name: str = ""


def record_party(platform: Platform, actor: Actor, id: str, profile: Profile) -> LegalParty:
    """Put it on record, replacing what was said before; the log keeps both. For privacy officers."""
    with refusals_recorded(platform.records, actor, RECORD, "legal_party", id):
        check_may(actor, RECORD)
        if not is_storable(id):
            raise PARTY_UNKNOWN.error(id="?")
        stated = _checked(platform, profile)
        row = LegalParty(
            id=id,
            organisation_id=actor.organisation,
            recorded_by=actor.id,
            recorded_at=as_text(platform.clock()),
            **asdict(stated),
        )
        said = {name: getattr(stated, name) for name in ("country", *QUESTIONS, "checked_on")}
        act = Act(actor, "party.recorded", Object("legal_party", id), decision=said)
        with platform.records.transaction(audit=act) as session:
            check_account(session, actor, platform.clock)
            if session.get(Organisation, id) is None and session.get(ReleaseCircle, id) is None:
                raise PARTY_UNKNOWN.error(id=id[:80] if id.isprintable() else "?")
            session.merge(row)
    return row


def party_in(session: Session, id: str) -> LegalParty | None:
    return session.get(LegalParty, id)


def parties(platform: Platform) -> Sequence[LegalParty]:
    return platform.records.all(select(LegalParty).order_by(col(LegalParty.id)))


@lru_cache(maxsize=1)
def countries() -> frozenset[str]:
    """ISO 3166-1 alpha-2 codes, as the library of locales lists them."""
    from babel import Locale

    return frozenset(code for code in Locale("en").territories if _COUNTRY.fullmatch(code)) - _NO_COUNTRIES


# Codes that the list of locales has besides: groups of countries, pseudo-locales, reserved codes and a user's own.
_NO_COUNTRIES = frozenset(
    {"EU", "EZ", "QO", "UN", "XA", "XB", "XK", "ZZ", "AC", "CP", "CQ", "DG", "EA", "IC", "TA"}
)


def _checked(platform: Platform, profile: Profile) -> Profile:
    country = profile.country.strip().upper() if profile.country.isascii() else ""  # "ß" in capitals is SS
    if country not in countries():
        raise PARTY_MALFORMED.error(
            field="country",
            allowed="an ISO 3166-1 code of two letters",
            allowed_zh="应为 ISO 3166-1 两位代码",
        )
    for name in QUESTIONS:
        if getattr(profile, name) not in ANSWERS:
            words = " | ".join(ANSWERS)
            raise PARTY_MALFORMED.error(field=name, allowed=words, allowed_zh=f"应为 {words}")
    day = day_or_blank(profile.checked_on)
    if not day or day > shanghai_date(platform.clock()).isoformat():
        raise PARTY_MALFORMED.error(
            field="checked_on", allowed="a day as YYYY-MM-DD, not ahead", allowed_zh="应为不晚于今天的日期"
        )
    contact, group = line(profile.contact), line(profile.group_name)
    if not contact or group is None:
        raise PARTY_MALFORMED.error(
            field="contact" if not contact else "group_name",
            allowed="a line of 200 characters at most",
            allowed_zh="应为一行文字，不超过 200 字",
        )
    answers = {name: getattr(profile, name) for name in QUESTIONS}
    return Profile(country=country, **answers, checked_on=day, contact=contact, group_name=group)
