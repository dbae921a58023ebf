"""A finding of the quality check becomes a question to the hospital.

    ask       a researcher puts a failing rule of one hospital to it; a job then finds where its rows came from
    answer    the hospital: corrected by an upload, confirmed as it is, or cannot be mended, with the reason
    decide    return it, or close it. A second person closes: neither whoever asked nor whoever answered
    follow_up after every quality run: what was said to be mended and is still there opens again

A question about a rule that speaks about no row any more stays, and says so. What was accepted as it is (confirmed,
or cannot be mended) opens again only when more rows break the rule than were accepted. Texts are typed by people:
they are refused when they hold a number that identifies a person, and stand in the log as sealed detail alone.
"""

from __future__ import annotations

import tomllib
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from deidentify.disclosure.reasons import is_reason, one_person
from deidentify.disclosure.rules.texts import identifies
from rwd_platform.access.accounts import check_account
from rwd_platform.access.permissions import Action, check_can, get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.ids import new_id
from rwd_platform.flows import quality_question_problems as problems
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.quality_findings import Finding, Findings, newest_findings
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import QUESTION, STATE_NOT_ALLOWED, QuestionState, check_transition
from rwd_platform.records.tables import (
    Job,
    QualityQuestion,
    QualityQuestionEntry,
    QualityRun,
    Upload,
    User,
)

KIND = "quality_question"
CORRECTED, CONFIRMED, CANNOT = "corrected", "confirmed", "cannot_be_mended"
ANSWERS = (CORRECTED, CONFIRMED, CANNOT)
CLOSE, RETURN = "close", "return"
_RECEIVED = frozenset({"received", "admitting", "admitted"})


@dataclass(frozen=True)
class Limits:
    """What quality_questions.toml says."""

    reason_characters: int
    longest_text: int
    most_rows: int
    page_rows: int
    page_questions: int


@lru_cache(maxsize=1)
def limits() -> Limits:
    return Limits(**tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")))


# -- asking -------------------------------------------------------------------------------------------


def ask(platform: Platform, actor: Actor, organisation_id: str, rule: str, text: str = "") -> QualityQuestion:
    """Put a rule that a hospital's rows break to that hospital; `text` may say more. Queues the search for rows.

    Raises `question.already_asked` while one about the same rule is open: two clicks make one question.
    """
    text = text.strip()
    with refusals_recorded(platform.records, actor, Action.QUESTION_ASK, KIND, ""):
        check_can(actor, Action.QUESTION_ASK, organisation_id, kind="organisation", id=organisation_id)
        if text:
            _check_text(text, 1)
        finding, run = _finding_to_ask(platform, organisation_id, rule)
        now = platform.clock()
        question = QualityQuestion(
            id=new_id("question", now),
            organisation_id=organisation_id,
            table_name=finding.table,
            rule=rule,
            run_id=run.id,
            outcome=finding.status,
            applicable=finding.applicable,
            failing=finding.failing,
            state=QuestionState.ASKED,
            asked_by=actor.id,
            asker_organisation_id=actor.organisation,
            asked_at=as_text(now),
            changed_at=as_text(now),
            entries=0,
        )
        act = _act(actor, "question.asked", question, text, rule=rule, hospital=organisation_id)
        with platform.records.transaction(audit=act) as session:
            check_account(session, actor, platform.clock)
            _check_not_open(session, organisation_id, rule)
            session.add(question)
            # The entry refers to the question, so that the question has to be there first.
            session.flush()
            _add_entry(platform, session, question, actor, "asked", text=text)
    start_search(platform, actor, question)
    return question


def start_search(platform: Platform, actor: Actor, question: QualityQuestion) -> Job:
    """Queue the search for the places of the failing rows; one for each time that the question was opened."""
    from rwd_platform.flows.jobs import enqueue

    key = f"question/{question.id}/{question.entries}"
    return enqueue(platform, actor, "question", {"question_id": question.id}, key=key)


def _finding_to_ask(platform: Platform, organisation_id: str, rule: str) -> tuple[Finding, QualityRun]:
    findings = newest_findings(platform)
    if findings is None:
        raise problems.NOT_CHECKED.error()
    finding = findings.of(rule, organisation_id)
    if not finding.is_finding:
        raise problems.NO_FINDING.error()
    return finding, findings.run


def _check_not_open(session: Session, organisation_id: str, rule: str) -> None:
    query = select(QualityQuestion).where(
        QualityQuestion.organisation_id == organisation_id,
        QualityQuestion.rule == rule,
        QualityQuestion.state != QuestionState.CLOSED,
    )
    for existing in session.exec(query):
        raise problems.ALREADY_ASKED.error(question=existing.id)


# -- answering ----------------------------------------------------------------------------------------


def answer(
    platform: Platform, actor: Actor, question_id: str, answer: str, text: str, upload_id: str = ""
) -> QualityQuestion:
    """The hospital's answer. `corrected` names the upload that corrects; every answer says why."""
    text, upload_id = text.strip(), upload_id.strip()
    with refusals_recorded(platform.records, actor, Action.QUESTION_ANSWER, KIND, question_id):
        get_visible(platform.records, actor, Action.QUESTION_ANSWER, QualityQuestion, question_id)
        if answer not in ANSWERS:
            raise problems.ANSWER_UNKNOWN.error()
        _check_text(text, limits().reason_characters)
        with platform.records.transaction(audit=lambda: act) as session:
            check_account(session, actor, platform.clock)
            question = session.get_one(QualityQuestion, question_id)
            _to(question, QuestionState.ANSWERED)
            if answer == CORRECTED:
                _check_upload(session, question, upload_id)
            chosen = upload_id if answer == CORRECTED else ""
            act = _act(actor, "question.answered", question, text, answer=answer, upload=chosen)
            _add_entry(
                platform, session, question, actor, "answered", text=text, answer=answer, upload_id=chosen
            )
    return question


def _check_upload(session: Session, question: QualityQuestion, upload_id: str) -> None:
    is_id = upload_id.isascii() and upload_id.isprintable()
    upload = session.get(Upload, upload_id) if upload_id and is_id else None
    if upload is None or upload.organisation_id != question.organisation_id:
        raise problems.UPLOAD_UNFIT.error()
    if upload.received_at < question.asked_at or upload.state not in _RECEIVED:
        raise problems.UPLOAD_UNFIT.error()


# -- deciding -----------------------------------------------------------------------------------------


def decide(
    platform: Platform, actor: Actor, question_id: str, decision: str, text: str, seen: int
) -> QualityQuestion:
    """Close the question or return it to the hospital. `seen`: the number of the last entry that was read."""
    text = text.strip()
    with refusals_recorded(platform.records, actor, Action.QUESTION_CLOSE, KIND, question_id):
        get_visible(platform.records, actor, Action.QUESTION_CLOSE, QualityQuestion, question_id)
        if decision not in (CLOSE, RETURN):
            raise problems.DECISION_UNKNOWN.error()
        _check_text(text, limits().reason_characters)
        findings = newest_findings(platform)
        with platform.records.transaction(audit=lambda: act) as session:
            check_account(session, actor, platform.clock)
            question = session.get_one(QualityQuestion, question_id)
            if question.entries != seen:
                raise problems.MOVED_ON.error(question=question_id)
            if decision == RETURN:
                _to(question, QuestionState.RETURNED)
                act = _act(actor, "question.returned", question, text)
                _add_entry(platform, session, question, actor, "returned", text=text)
            else:
                _close(platform, session, question, actor, text, findings)
                act = _act(actor, "question.closed", question, text, accepted=question.accepted_failing)
    return question


def _close(
    platform: Platform,
    session: Session,
    question: QualityQuestion,
    actor: Actor,
    text: str,
    findings: Findings | None,
) -> None:
    entries = entries_in(session, question.id)
    last = next((one for one in reversed(entries) if one.kind == "answered"), None)
    answered = question.state == QuestionState.ANSWERED
    _to(question, QuestionState.CLOSED)
    involved = {question.asked_by, *(one.said_by for one in entries if one.kind == "answered")}
    if actor.id in involved or _person(session, actor.id) in {_person(session, one) for one in involved}:
        raise problems.SECOND_PERSON.error(question=question.id)
    now = findings.of(question.rule, question.organisation_id) if findings else None
    still = now is not None and is_still_shown(question, now)
    corrected = answered and last is not None and last.answer == CORRECTED
    if corrected and still and now and findings and last and findings.run.made_at > last.said_at:
        raise problems.STILL_SHOWN.error(failing=now.failing)
    # What is accepted as it is would otherwise open again with the next run, for ever.
    question.accepted_failing = now.failing if still and now and not corrected else None
    _add_entry(
        platform,
        session,
        question,
        actor,
        "closed",
        text=text,
        run_id=findings.run.id if findings else "",
        outcome=now.status if now else "",
        failing=now.failing if now else None,
    )


def is_still_shown(question: QualityQuestion, now: Finding) -> bool:
    """Whether a run shows what the question was about: the rule fails, or rows still break one that held."""
    return now.status == "fail" or (question.outcome != "fail" and now.failing > 0 and now.status != "error")


# -- after a quality run ------------------------------------------------------------------------------


def follow_up(platform: Platform, run: QualityRun) -> list[str]:
    """Open again what was closed and is still shown: the ids. Doing it twice for one run changes nothing.

    Call it after a check of the lake. Other thresholds on the same counts are no fresh look at the data.
    """
    actor = platform.operator("platform")  # nobody opens it again: the check does
    findings, opened = Findings(run), []
    query = select(QualityQuestion).where(
        QualityQuestion.state == QuestionState.CLOSED, QualityQuestion.changed_at < run.made_at
    )
    for row in platform.records.all(query.order_by(col(QualityQuestion.id))):
        now = findings.of(row.rule, row.organisation_id)
        if _opens_again(row, now) and _reopen(platform, actor, row.id, run, now):
            opened.append(row.id)
    return opened


def _opens_again(question: QualityQuestion, now: Finding) -> bool:
    accepted = question.accepted_failing
    return is_still_shown(question, now) and (accepted is None or now.failing > accepted)


def _reopen(platform: Platform, actor: Actor, question_id: str, run: QualityRun, now: Finding) -> bool:
    """False where somebody was quicker; then nothing is written."""
    said: dict[str, Any] = {"run_id": run.id, "outcome": now.status, "failing": now.failing}
    try:
        with platform.records.transaction(audit=lambda: act) as session:
            question = session.get_one(QualityQuestion, question_id)
            _to(question, QuestionState.REOPENED)
            question.accepted_failing = None
            act = _act(actor, "question.reopened", question, "", run=run.id, failing=now.failing)
            _add_entry(platform, session, question, actor, "reopened", **said)
    except PlatformError as error:
        if error.problem is STATE_NOT_ALLOWED:
            return False
        raise
    start_search(platform, actor, question)
    return True


# -- the rules ----------------------------------------------------------------------------------------


def entries_in(session: Session, question_id: str) -> list[QualityQuestionEntry]:
    query = select(QualityQuestionEntry).where(QualityQuestionEntry.question_id == question_id)
    return list(session.exec(query.order_by(col(QualityQuestionEntry.number))).all())


def _add_entry(
    platform: Platform, session: Session, question: QualityQuestion, actor: Actor, kind: str, **said: Any
) -> None:
    now = as_text(platform.clock())
    question.entries += 1
    question.changed_at = now
    session.add(question)
    session.add(
        QualityQuestionEntry(
            question_id=question.id,
            number=question.entries,
            organisation_id=actor.organisation,
            kind=kind,
            said_by=actor.id,
            said_at=now,
            **said,
        )
    )


def _to(question: QualityQuestion, wanted: QuestionState) -> None:
    now = QuestionState(question.state)
    question.state = check_transition(QUESTION, "question", question.id, now, wanted)


def _check_text(text: str, shortest: int) -> None:
    if any(unicodedata.category(sign) in ("Cc", "Cs") and sign not in "\r\n\t" for sign in text):
        raise problems.TEXT_UNFIT.error(shortest=shortest, longest=limits().longest_text)
    if len(text) > limits().longest_text or (shortest > 1 and not is_reason(text, shortest)):
        raise problems.TEXT_UNFIT.error(shortest=shortest, longest=limits().longest_text)
    if identifies(text):
        raise problems.TEXT_IDENTIFIES.error()


def _person(session: Session, user_id: str) -> str:
    """Whoever the account is of, as names are compared: two accounts of one name are one person."""
    user = session.get(User, user_id)
    return (one_person(user.name) if user is not None else "") or f"account {user_id}"


def _act(actor: Actor, action: str, question: QualityQuestion, text: str, **decision: object) -> Act:
    detail = {"text": text} if text else None
    facts = {"state": str(question.state), **decision}
    return Act(actor, action, Object(KIND, question.id), decision=facts, detail=detail)
