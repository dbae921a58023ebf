"""Questions to hospitals as people read them: lists by hospital, state and age, and one with all that was said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from rwd_platform.access.permissions import Action, get_visible, visible_organisation
from rwd_platform.core.clock import as_text
from rwd_platform.core.text import Bilingual
from rwd_platform.flows import quality_question_problems as problems
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.quality_findings import Finding, Findings, newest_findings
from rwd_platform.flows.quality_questions import entries_in, limits
from rwd_platform.log.entry import Actor
from rwd_platform.records.lifecycles import QuestionState
from rwd_platform.records.tables import QualityQuestion, QualityQuestionEntry, QualityRun

_LONGEST_AGE = 36_500  # days: what is older than a century is older than any deployment
OPEN = "open"  # every state but closed
WITH_THE_HOSPITAL = (QuestionState.ASKED, QuestionState.RETURNED, QuestionState.REOPENED)


@dataclass(frozen=True)
class QuestionFilter:
    """What a list looks for; "" and 0 ask for everything. `older_than_days` is since it was asked."""

    hospital: str = ""
    state: str = OPEN
    older_than_days: int = 0


@dataclass(frozen=True)
class QuestionSeen:
    """A question as it stands. `now`: what the newest run says; None where quality was never checked since."""

    row: QualityQuestion
    rule: Bilingual
    age_days: int
    now: Finding | None
    now_at: str
    entries: tuple[QualityQuestionEntry, ...] = ()


def questions_seen(
    platform: Platform, actor: Actor, wanted: QuestionFilter, page: int = 1
) -> tuple[list[QuestionSeen], int]:
    """A page of the questions that the actor may read, the oldest first, and how many match."""
    query = _matching(platform, actor, wanted)
    size = limits().page_questions
    with platform.records.reading() as session:
        total = session.exec(select(func.count()).select_from(query.subquery())).one()
        ordered = query.order_by(col(QualityQuestion.asked_at), col(QualityQuestion.id))
        rows = session.exec(ordered.offset((page - 1) * size).limit(size)).all()
    return _seen(platform, rows), total


def question_seen(platform: Platform, actor: Actor, question_id: str) -> QuestionSeen:
    """One question with everything that was said."""
    row = get_visible(platform.records, actor, Action.QUESTION_READ, QualityQuestion, question_id)
    with platform.records.reading() as session:
        entries = tuple(entries_in(session, question_id))
    [seen] = _seen(platform, [row])
    return QuestionSeen(seen.row, seen.rule, seen.age_days, seen.now, seen.now_at, entries)


def waiting(platform: Platform, actor: Actor) -> tuple[int, int]:
    """How many wait for the hospital, and how many answers wait to be checked."""
    counts = []
    for states in (WITH_THE_HOSPITAL, (QuestionState.ANSWERED,)):
        query = _visible(actor).where(col(QualityQuestion.state).in_(states))
        with platform.records.reading() as session:
            counts.append(session.exec(select(func.count()).select_from(query.subquery())).one())
    return counts[0], counts[1]


def open_questions(platform: Platform, hospital: str = "") -> Sequence[QualityQuestion]:
    """Every question that is not closed, of one hospital or of all, for other flows."""
    query = select(QualityQuestion).where(QualityQuestion.state != QuestionState.CLOSED)
    if hospital:
        query = query.where(QualityQuestion.organisation_id == hospital)
    return platform.records.all(query.order_by(col(QualityQuestion.asked_at)))


def _visible(actor: Actor) -> SelectOfScalar[QualityQuestion]:
    organisation = visible_organisation(actor, Action.QUESTION_READ)
    query = select(QualityQuestion)
    return query if organisation is None else query.where(QualityQuestion.organisation_id == organisation)


def _matching(platform: Platform, actor: Actor, wanted: QuestionFilter) -> SelectOfScalar[QualityQuestion]:
    query = _visible(actor)
    if wanted.hospital:
        query = query.where(QualityQuestion.organisation_id == wanted.hospital)
    if wanted.state == OPEN:
        query = query.where(QualityQuestion.state != QuestionState.CLOSED)
    elif wanted.state:
        if wanted.state not in set(QuestionState):
            raise problems.FILTER_UNKNOWN.error()
        query = query.where(QualityQuestion.state == wanted.state)
    if wanted.older_than_days > 0:
        since = platform.clock() - timedelta(days=min(wanted.older_than_days, _LONGEST_AGE))
        query = query.where(QualityQuestion.asked_at <= as_text(since))
    return query


def _seen(platform: Platform, rows: Sequence[QualityQuestion]) -> list[QuestionSeen]:
    newest = newest_findings(platform) if rows else None
    asked_in = {id: platform.records.find(QualityRun, id) for id in {row.run_id for row in rows}}
    texts = {id: Findings(run).rules for id, run in asked_in.items() if run is not None}
    seen = []
    for row in rows:
        # The words of the day it was asked: a rule may have been reworded or dropped since.
        facts = texts.get(row.run_id, {}).get(row.rule)
        seen.append(
            QuestionSeen(
                row=row,
                rule=facts.text if facts else Bilingual(row.rule, row.rule),
                age_days=(platform.clock() - datetime.fromisoformat(row.asked_at)).days,
                now=newest.of(row.rule, row.organisation_id) if newest else None,
                now_at=newest.run.made_at if newest else "",
            )
        )
    return seen
