"""Where one patient's data went, for the page: lines in words, and the question kept sealed for the file."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from rwd_platform.compliance.instruments import kinds
from rwd_platform.compliance.standing import purposes
from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.disclosures import WHY_UNTOLD, Disclosure
from rwd_platform.flows.parties import parties
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provision_view import names_of
from rwd_platform.flows.sealed import opened_bytes, sealed_bytes
from rwd_platform.server import texts
from rwd_platform.server.countries import country_name
from rwd_platform.server.deps import Visitor

QUESTION = "disclosure-question"
MINUTES = 15
_HEAD = b"rwd-disclosure-question 1 "

QUESTION_ENDED = Problem(
    code="disclosure.question_ended",
    zh="这次查询的下载已过时限，或并非您本人所作。",
    en="The time to download this answer has passed, or the question was not yours.",
    next_zh="请重新查询后再下载。",
    next_en="Ask again, then download.",
    http=409,
)


@dataclass(frozen=True)
class Question:
    """What was asked: it goes round by the browser sealed, so that no page shows the number."""

    hospital: str
    patient: str
    source_system: str


@dataclass(frozen=True)
class PaperSeen:
    id: str
    name: Bilingual
    number: str


@dataclass(frozen=True)
class Line:
    """A release in words. `why`: of one of which it cannot be told, the reason.

    country -- where the recipient has its seat; None where nobody recorded it
    """

    row: Disclosure
    recipient: Bilingual | None
    country: Bilingual | None
    purpose: Bilingual | None
    form: Bilingual | None
    exporters: tuple[Bilingual, ...]
    papers: tuple[PaperSeen, ...]
    why: Bilingual | None


def lines(platform: Platform, rows: Sequence[Disclosure]) -> list[Line]:
    names = names_of(platform)
    seats = {party.id: party.country for party in parties(platform)}
    return [_line(one, names, seats.get(one.recipient, "")) for one in rows]


def _line(one: Disclosure, names: dict[str, Bilingual], country: str) -> Line:
    def named(id: str) -> Bilingual:
        return names.get(id, Bilingual(id, id))

    described = kinds()
    papers = [
        PaperSeen(
            paper.id,
            described[paper.kind].name if paper.kind in described else named(paper.kind),
            paper.number,
        )
        for paper in one.papers
    ]
    return Line(
        row=one,
        recipient=named(one.recipient) if one.recipient else None,
        country=country_name(country) if country else None,
        purpose=purposes().get(one.purpose, named(one.purpose)) if one.purpose else None,
        form=texts.AUDIENCES.get(one.audience),
        exporters=tuple(named(id) for id in one.exporters),
        papers=tuple(papers),
        why=WHY_UNTOLD.get(one.certainty),
    )


def sealed(platform: Platform, visitor: Visitor, asked: Question) -> str:
    """The question for its own asker alone, for a quarter of an hour."""
    until = as_text(platform.clock() + timedelta(minutes=MINUTES))
    plain = canonical_json([asked.hospital, asked.patient, asked.source_system, until])
    return base64.urlsafe_b64encode(
        sealed_bytes(platform, _HEAD, (QUESTION, visitor.user.id), plain)
    ).decode()


def opened(platform: Platform, visitor: Visitor, token: str) -> Question:
    """Raises `disclosure.question_ended` for whatever `sealed` did not make for this person, or made too long ago."""
    try:
        kept = base64.urlsafe_b64decode(token.encode("ascii"))
    except (binascii.Error, UnicodeEncodeError):
        raise QUESTION_ENDED.error() from None
    plain = opened_bytes(platform, _HEAD, (QUESTION, visitor.user.id), kept)
    if plain is None:
        raise QUESTION_ENDED.error()
    hospital, patient, source_system, until = json.loads(plain)
    if until < as_text(platform.clock()):
        raise QUESTION_ENDED.error()
    return Question(hospital, patient, source_system)
