"""What the pages show of free texts: how far a study's have come, and one text with its surrogates marked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlmodel import col, select

from deidentify.identifiers_cn import found
from deidentify.identifiers_cn.kind_names import KIND_NAMES
from deidentify.identifiers_cn.kind_names import OTHER as OTHER_NAME
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.free_text import PREPARED, CleanedText, texts_of_lock
from rwd_platform.flows.platform import Platform
from rwd_platform.records.lifecycles import TextState
from rwd_platform.records.tables import AuditEntry, DataLockRecord, Study
from rwd_platform.server import protocols
from rwd_platform.server.deps import Visitor

# What a surrogate stands for: its words, and the colour that the kinds share. The words stand beside the colour.
_NUMBER, _PERSON, _PLACE, _DAY = "number", "person", "place", "day"
_TONES = {
    _PERSON: (found.NAME,),
    _DAY: (found.DATE,),
    _PLACE: (found.ADDRESS, found.ORGANISATION, found.BED),
}
KINDS: Mapping[str, tuple[Bilingual, str]] = {
    kind: (words, next((tone for tone, kinds in _TONES.items() if kind in kinds), _NUMBER))
    for kind, words in KIND_NAMES.items()
}
OTHER = (OTHER_NAME, _NUMBER)


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
