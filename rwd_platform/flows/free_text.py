"""Free text leaves by four steps, and not at all by default.

    the frozen protocol says `lock: {free_text: true}`
    prepare_texts   the texts of the lock's subjects are cleaned and sealed; the original is not kept
    read_text       a privacy officer reads one
    review_text     and releases or withholds it; whoever prepared it may not
    released_texts  the study's researchers get what was released

What the cleaning itself holds back (a second reading still finds something, a date could not be moved with the
others, or the structured record does not name the patient) is counted and not stored. Dates in a text are moved
back by the number of days that the project has for that person, whatever the lock does with its own dates.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from sqlmodel import col, select

from rwd_platform.access.permissions import Action, check_may, get_visible, visible_rows
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.canonical import canonical_json, sha256_of
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.study import frozen_protocol, newest_lock
from rwd_platform.flows.withdraw_uses import check_lock_usable
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import TEXT, TextState, check_transition
from rwd_platform.records.tables import AuditEntry, DataLockRecord, Study, TextReview
from rwd_platform.signing.suites import NONCE_BYTES

if TYPE_CHECKING:
    from deidentify.free_text.clean import Cleaned
    from rwd_platform.flows.study_texts import RawText

FORMAT_VERSION = 1
KIND = "text_review"
STATEMENT_CHARACTERS = (
    10  # a sentence, as break-glass asks for; the operator's own choice, no standard fixes it
)
LONGEST_STATEMENT = 2000
PREPARED = "text.prepared"
TEXT_KEY = "text"  # purpose of the project's keys for its texts
_REPORT_EVERY = 100
Progress = Callable[[str, int, int], None]

NOT_PLANNED = Problem(
    code="text.not_planned",
    zh="研究 {study} 的方案没有写明使用自由文本；自由文本默认不予提供。",
    en="The protocol of study {study} does not plan to use free texts; by default none are given.",
    next_zh="如确有需要，请在方案的 lock 部分写明 free_text: true 及理由，以新项目登记、审查并冻结。",
    next_en="If they are needed, say `free_text: true` in the protocol's lock section, and register, review and freeze "
    "it as a new project.",
    http=409,
    exit=Exit.REFUSED,
)
OWN_TEXT = Problem(
    code="text.own_text",
    zh="准备文本的人不能审阅自己准备的文本 {text}。",
    en="Whoever prepared text {text} may not review it.",
    next_zh="请由另一位隐私专员审阅。",
    next_en="Let another privacy officer review it.",
    http=403,
    exit=Exit.REFUSED,
)
NOT_READ = Problem(
    code="text.not_read",
    zh="您还没有阅读文本 {text}，不能决定是否发布。",
    en="You have not read text {text} yet, so you cannot decide on it.",
    next_zh="请先打开该文本通读，再作决定。",
    next_en="Open the text and read it through, then decide.",
    http=409,
    exit=Exit.REFUSED,
)
STATEMENT_UNFIT = Problem(
    code="text.statement_unfit",
    zh="请写明决定的依据，{least} 到 {most} 个字。",
    en="Say what the decision rests on, in {least} to {most} characters.",
    next_zh="例如：已通读全文，未见可识别个人的内容。不要重复文本中的内容。",
    next_en="For instance: read in full, nothing in it tells who it is. Do not repeat what the text says.",
    http=422,
)
TEXT_DAMAGED = Problem(
    code="text.damaged",
    zh="文本 {text} 不能打开：内容已被更改，或不是用本部署的密钥密封的。",
    en="Text {text} cannot be opened: it was changed, or sealed under another key.",
    next_zh="请运行 `rwd audit verify` 查明原因；可重新锁定数据后再次准备。",
    next_en="Run `rwd audit verify` to find out why; the texts can be prepared again from a new lock.",
    http=409,
    exit=Exit.NO,
)


@dataclass(frozen=True)
class PlacedSpan:
    """A surrogate: what it stands for, its place in the cleaned text, and who found the original."""

    kind: str
    start: int
    end: int
    detector: str


@dataclass(frozen=True)
class CleanedText:
    """A text as it may be shown to whoever reviews or uses it: the words with surrogates, never the original."""

    id: str
    state: str
    subject_id: str
    resource_type: str
    element: str
    text: str = field(repr=False)
    spans: tuple[PlacedSpan, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "subject_id": self.subject_id,
            "resource_type": self.resource_type,
            "element": self.element,
            "text": self.text,
            "spans": [vars(span) for span in self.spans],
        }


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Nobody is watching."""


# -- preparing -----------------------------------------------------------------------------------------


def prepare_texts(platform: Platform, actor: Actor, study_id: str, progress: Progress = _silent) -> int:
    """Clean and seal the texts of the newest lock's subjects. Returns how many are new; again adds nothing twice.

    Raises `text.not_planned`, `study.not_locked`, `study.protocol_changed`, `text.lock_outdated`,
    `withdrawal.lock_frozen`.
    """
    from rwd_platform.flows.study_texts import raw_texts

    study = get_visible(platform.records, actor, Action.TEXT_PREPARE, Study, study_id)
    with refusals_recorded(platform.records, actor, Action.TEXT_PREPARE, "study", study_id):
        lock = _lock_to_prepare(platform, study)
        check_lock_usable(platform, lock.id)
        # Patients' words are read from here on: on record first, whatever comes of it.
        started = Act(actor, "text.preparation_started", Object("lock", lock.id), purpose=lock.project_id)
        platform.records.record(started)
        rows: dict[str, TextReview] = {}
        counts = {"found": 0, "withheld": 0, "date_left": 0, "unnamed": 0}
        for raw in raw_texts(platform, lock):
            counts["found"] += 1
            if counts["found"] % _REPORT_EVERY == 0:
                progress("texts", counts["found"], 0)
            row = _prepared(platform, actor, lock, raw, counts)
            if row is not None:
                rows[row.id] = row
    return _put_on_record(platform, actor, lock, rows, counts)


def _lock_to_prepare(platform: Platform, study: Study) -> DataLockRecord:
    from studies.protocol import load_protocol

    if not load_protocol(study.protocol).lock.free_text:
        raise NOT_PLANNED.error(study=study.id)
    lock = newest_lock(platform, study)
    frozen_protocol(platform, study)  # the word above is worth what the frozen text says
    return lock


def _prepared(
    platform: Platform, actor: Actor, lock: DataLockRecord, raw: RawText, counts: dict[str, int]
) -> TextReview | None:
    """The row of one text; None for one that is held back, which is counted."""
    from deidentify.free_text.clean import DATE_LEFT, WITHHELD, clean

    if not raw.is_known:
        counts["unnamed"] += 1
        return None
    try:
        cleaned = clean(raw.found.text, raw.context)
    except PlatformError as error:
        if error.problem not in (WITHHELD, DATE_LEFT):
            raise
        counts["withheld"] += 1
        counts["date_left"] += error.problem is DATE_LEFT
        return None
    spans = _placed(cleaned, raw)
    if spans is None:
        counts["withheld"] += 1
        return None
    return sealed_row(platform, actor, lock, raw, cleaned, spans)


def _placed(cleaned: Cleaned, raw: RawText) -> list[PlacedSpan] | None:
    """Each span where its surrogate stands; None when the text as received held surrogates of ours already.

    Somebody copied a released text back into the record then, and which is which cannot be told.
    """
    from deidentify.free_text.surrogates import own_surrogates

    places = own_surrogates(raw.context, cleaned.text)
    if len(places) != len(cleaned.spans):
        return None
    return [
        PlacedSpan(span.kind, start, end, span.detector)
        for span, (start, end) in zip(cleaned.spans, places, strict=True)
    ]


def sealed_row(
    platform: Platform,
    actor: Actor,
    lock: DataLockRecord,
    raw: RawText,
    cleaned: Cleaned,
    spans: list[PlacedSpan],
) -> TextReview:
    """What is kept of one text. The id comes from content: the same text of the same lock is the same row."""
    id = f"text-{sha256_of([lock.id, raw.line_digest, raw.found.element])[:32]}"
    body = {
        "format_version": FORMAT_VERSION,
        "subject_id": raw.context.patient,
        "resource_type": raw.resource_type,
        "element": raw.found.element,
        "text": cleaned.text,
        "spans": [vars(span) for span in spans],
        "prepared_by": actor.id,
    }
    nonce = os.urandom(NONCE_BYTES)
    key = platform.keys.derive(TEXT_KEY, lock.project_id)
    sealed = platform.keys.ciphers.seal(key, nonce, canonical_json(body), id.encode())
    return TextReview(
        id=id,
        organisation_id=lock.organisation_id,
        project_id=lock.project_id,
        lock_id=lock.id,
        state=TextState.CLEANED,
        sealed=nonce + sealed,
        spans=len(spans),
        detectors="; ".join(cleaned.detectors),
        made_at=as_text(platform.clock()),
    )


def _put_on_record(
    platform: Platform,
    actor: Actor,
    lock: DataLockRecord,
    rows: dict[str, TextReview],
    counts: dict[str, int],
) -> int:
    added: list[str] = []

    def act() -> Act:
        decision = {**counts, "added": len(added)}
        return Act(actor, PREPARED, Object("lock", lock.id), purpose=lock.project_id, decision=decision)

    with platform.records.transaction(audit=act) as session:
        known = set(session.exec(select(TextReview.id).where(TextReview.lock_id == lock.id)))
        for id in sorted(rows.keys() - known):
            session.add(rows[id])
            added.append(id)
    return len(added)


# -- reviewing -----------------------------------------------------------------------------------------


def texts_to_review(platform: Platform, actor: Actor, study_id: str | None = None) -> list[TextReview]:
    """What waits for a privacy officer, of one study or of all, the oldest first. Nothing is opened."""
    query = select(TextReview).where(TextReview.state == TextState.CLEANED)
    if study_id is None:
        check_may(actor, Action.TEXT_REVIEW)
    else:
        study = get_visible(platform.records, actor, Action.TEXT_REVIEW, Study, study_id)
        query = query.where(TextReview.project_id == study.project_id)
    rows = platform.records.all(query.order_by(col(TextReview.made_at), col(TextReview.id)))
    return visible_rows(platform.records, actor, Action.TEXT_REVIEW, rows)


def read_text(platform: Platform, actor: Actor, text_id: str) -> CleanedText:
    """One cleaned text, for a privacy officer. That it was read is in the log."""
    row = get_visible(platform.records, actor, Action.TEXT_REVIEW, TextReview, text_id)
    platform.records.record(Act(actor, "text.read", Object(KIND, text_id), purpose=row.project_id))
    return _shown(row, _opened(platform, row))


def review_text(platform: Platform, actor: Actor, text_id: str, released: bool, statement: str) -> TextReview:
    """A person's word on one text. A released one may be withheld later; what is withheld stays so."""
    statement = statement.strip()
    row = get_visible(platform.records, actor, Action.TEXT_REVIEW, TextReview, text_id)
    wanted = TextState.RELEASED if released else TextState.WITHHELD
    act = Act(
        actor,
        "text.released" if released else "text.withheld",
        Object(KIND, text_id),
        purpose=row.project_id,
        detail={
            "statement": statement
        },  # typed by a person who has just read a patient's text: kept encrypted
    )
    with refusals_recorded(platform.records, actor, Action.TEXT_REVIEW, KIND, text_id):
        if not STATEMENT_CHARACTERS <= len(statement) <= LONGEST_STATEMENT:
            raise STATEMENT_UNFIT.error(least=STATEMENT_CHARACTERS, most=LONGEST_STATEMENT)
        if _opened(platform, row)["prepared_by"] == actor.id:
            raise OWN_TEXT.error(text=text_id)
        if not _has_read(platform, actor, text_id):
            raise NOT_READ.error(text=text_id)
        with platform.records.transaction(audit=act) as session:
            row = session.get_one(TextReview, text_id)
            row.state = check_transition(TEXT, "text", text_id, TextState(row.state), wanted)
            row.reviewed_by, row.reviewed_at = actor.id, as_text(platform.clock())
    return row


def _has_read(platform: Platform, actor: Actor, text_id: str) -> bool:
    query = select(AuditEntry).where(
        AuditEntry.action == "text.read", AuditEntry.object_id == text_id, AuditEntry.actor_id == actor.id
    )
    return bool(platform.records.all(query.limit(1)))


# -- using ---------------------------------------------------------------------------------------------


def released_texts(platform: Platform, actor: Actor, study_id: str) -> list[CleanedText]:
    """The released texts of the study's newest lock, for its researchers; that they were given is in the log.

    Of an older lock none are given, and of one that holds somebody who withdrew since neither.
    """
    study = get_visible(platform.records, actor, Action.TEXT_PREPARE, Study, study_id)
    with refusals_recorded(platform.records, actor, Action.TEXT_PREPARE, "study", study_id):
        lock = newest_lock(platform, study)
        check_lock_usable(platform, lock.id)
        rows = texts_of_lock(platform, lock, TextState.RELEASED)
        given = Act(
            actor,
            "text.given",
            Object("lock", lock.id),
            purpose=lock.project_id,
            decision={"texts": len(rows)},
        )
        platform.records.record(given)
        return [_shown(row, _opened(platform, row)) for row in rows]


def texts_of_lock(
    platform: Platform, lock: DataLockRecord, state: TextState | None = None
) -> Sequence[TextReview]:
    """The texts of a lock, sealed as they are: for counts, and for what opens them."""
    query = select(TextReview).where(TextReview.lock_id == lock.id)
    if state is not None:
        query = query.where(TextReview.state == state)
    return platform.records.all(query.order_by(col(TextReview.id)))


def _opened(platform: Platform, row: TextReview) -> dict[str, Any]:
    key = platform.keys.derive(TEXT_KEY, row.project_id)
    nonce, sealed = row.sealed[:NONCE_BYTES], row.sealed[NONCE_BYTES:]
    try:
        body: dict[str, Any] = json.loads(platform.keys.ciphers.open(key, nonce, sealed, row.id.encode()))
    except (InvalidTag, ValueError):  # ValueError: shorter than a nonce
        raise TEXT_DAMAGED.error(text=row.id) from None
    return body


def _shown(row: TextReview, body: dict[str, Any]) -> CleanedText:
    return CleanedText(
        id=row.id,
        state=row.state,
        subject_id=body["subject_id"],
        resource_type=body["resource_type"],
        element=body["element"],
        text=body["text"],
        spans=tuple(PlacedSpan(**span) for span in body["spans"]),
    )
