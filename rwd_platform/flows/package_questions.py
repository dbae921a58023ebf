"""A package's reader asks about it; the study's team answers, by a day that the platform counts.

    ask       about one number, or about the package as a whole: who may read the package may ask
    answer    the study's team, in words; it may point to a later package
    ask_again not what was asked: the clock starts once more
    close     by whoever asked; without an answer too, where the question was a mistake

Who asked sees the questions of their own organisation, the team those about its own packages. Texts are typed by
people: they are refused when they hold a number that identifies a person, and stand in the log as sealed detail.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

from sqlmodel import Session, col, func, or_, select

from deidentify.disclosure.reasons import is_reason
from deidentify.disclosure.rules.texts import identifies
from rwd_platform.access.accounts import check_account
from rwd_platform.access.permissions import Action, check_may, get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.compliance.working_days import add_working_days
from rwd_platform.core.clock import as_text, shanghai_date
from rwd_platform.core.errors import Problem
from rwd_platform.core.ids import new_id
from rwd_platform.flows import trace
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_gate import may_read
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import REVIEW, ReviewState, check_transition
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import EvidencePackage, PackageQuestion, PackageQuestionEntry

KIND = "package_question"

TEXT_UNFIT = Problem(
    code="review.text_unfit",
    zh="请写成完整的一句话：至少 {shortest} 个字（标点、数字和不可见字符不算），至多 {longest} 个字符。",
    en="Write a sentence: at least {shortest} letters, without signs, digits and what is not seen, and at most "
    "{longest} characters.",
    next_zh="请补充后重新提交。",
    next_en="Say more and send it again.",
    http=422,
)
TEXT_IDENTIFIES = Problem(
    code="review.text_identifies",
    zh="内容中含有可识别个人的号码，未予保存。",
    en="The words hold a number that identifies a person; they were not kept.",
    next_zh="请删去姓名和号码后重新提交；需要指明某一例时，请用结果编号或来源行的摘要。",
    next_en="Take names and numbers out; name a case by its result or by the digest of its source line.",
    http=422,
)
NUMBER_UNKNOWN = Problem(
    code="review.number_unknown",
    zh="证据包 {package} 的报告中没有这个数字。",
    en="The report of package {package} prints no such number.",
    next_zh="请从证据包页面选取数字，或就整个证据包提问。",
    next_en="Choose a number on the package's page, or ask about the package as a whole.",
    http=422,
)
TOO_MANY = Problem(
    code="review.too_many",
    zh="贵机构就证据包 {package} 已有 {most} 个未关闭的问题。",
    en="Your organisation has {most} open questions about package {package} already.",
    next_zh="请先关闭已得到答复的问题。",
    next_en="Close those that were answered first.",
    http=409,
)
LATER_UNFIT = Problem(
    code="review.later_unfit",
    zh="答复所指的证据包不是同一研究的后来版本。",
    en="The package that the answer points to is no later one of the same study.",
    next_zh="请填写同一研究在提问之后生成的证据包编号，或留空。",
    next_en="Give the id of a package of the same study made after the question, or leave it out.",
    http=422,
)


@dataclass(frozen=True)
class Limits:
    """What package_questions.toml says."""

    answer_working_days: int
    longest_text: int
    least_letters: int
    most_open: int


@dataclass(frozen=True)
class Asked:
    """A question with what was said in it, in order. `overdue`: an answer is owed since before today."""

    question: PackageQuestion
    entries: tuple[PackageQuestionEntry, ...]
    overdue: bool


@lru_cache(maxsize=1)
def limits() -> Limits:
    return Limits(**tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")))


def ask(platform: Platform, actor: Actor, package_id: str, text: str, number_id: str = "") -> PackageQuestion:
    """Raises `review.number_unknown`, `review.too_many`; a package that was not released to them is not there."""
    text = text.strip()
    with refusals_recorded(platform.records, actor, Action.PACKAGE_ASK, "evidence_package", package_id):
        package = get_visible(platform.records, actor, Action.PACKAGE_ASK, EvidencePackage, package_id)
        if not may_read(platform, actor, package):
            raise NOT_FOUND.error(kind=EvidencePackage.__tablename__, id=package_id)
        _check_text(text)
        ard_id = _result_of(platform, actor, package, number_id)
        now = platform.clock()
        question = PackageQuestion(
            id=new_id("question", now),
            organisation_id=actor.organisation,
            study_organisation_id=package.organisation_id,
            package_id=package_id,
            number_id=number_id,
            ard_id=ard_id,
            state=ReviewState.ASKED,
            asked_by=actor.id,
            asked_at=as_text(now),
            due_on=_due(platform),
            changed_at=as_text(now),
            entries=0,
        )
        act = _act(actor, "review.asked", question, text)
        with platform.records.transaction(audit=act) as session:
            check_account(session, actor, platform.clock)
            _check_count(session, question)
            session.add(question)
            session.flush()  # the entry names it
            _say(platform, session, question, actor, "asked", text)
    return question


def answer(
    platform: Platform, actor: Actor, question_id: str, text: str, later_package: str = ""
) -> PackageQuestion:
    """The team's words. `later_package`: where the answer led to another version."""
    with refusals_recorded(platform.records, actor, Action.PACKAGE_ANSWER, KIND, question_id):
        question = _seen(platform, actor, Action.PACKAGE_ANSWER, question_id)
        if actor.organisation != question.study_organisation_id:
            raise NOT_FOUND.error(kind=KIND, id=question_id)
        if later_package:
            _check_later(platform, question, later_package)
        return _go_on(platform, actor, question, ReviewState.ANSWERED, "answered", text, later_package)


def ask_again(platform: Platform, actor: Actor, question_id: str, text: str) -> PackageQuestion:
    """The answer was none: the clock starts once more."""
    with refusals_recorded(platform.records, actor, Action.PACKAGE_ASK, KIND, question_id):
        question = _own(platform, actor, question_id)
        return _go_on(platform, actor, question, ReviewState.ASKED, "asked_again", text)


def close(platform: Platform, actor: Actor, question_id: str, text: str) -> PackageQuestion:
    """By somebody of the organisation that asked."""
    with refusals_recorded(platform.records, actor, Action.PACKAGE_ASK, KIND, question_id):
        question = _own(platform, actor, question_id)
        return _go_on(platform, actor, question, ReviewState.CLOSED, "closed", text)


def questions_of(platform: Platform, actor: Actor, package_id: str = "") -> list[Asked]:
    """What the actor may see, of one package or of all: what is owed first comes first."""
    check_may(actor, Action.PACKAGE_READ)
    query = select(PackageQuestion).where(
        or_(
            col(PackageQuestion.organisation_id) == actor.organisation,
            col(PackageQuestion.study_organisation_id) == actor.organisation,
        )
    )
    if package_id:
        query = query.where(PackageQuestion.package_id == package_id)
    found = platform.records.all(query.order_by(col(PackageQuestion.due_on), col(PackageQuestion.id)))
    order = {state.value: place for place, state in enumerate(ReviewState)}
    by_state = sorted(
        found, key=lambda one: order.get(one.state, len(order))
    )  # stable: by day within each state
    return [_with_entries(platform, one) for one in by_state]


def question_of(platform: Platform, actor: Actor, question_id: str) -> Asked:
    return _with_entries(platform, _seen(platform, actor, Action.PACKAGE_READ, question_id))


def _with_entries(platform: Platform, question: PackageQuestion) -> Asked:
    entries = platform.records.all(
        select(PackageQuestionEntry)
        .where(PackageQuestionEntry.question_id == question.id)
        .order_by(col(PackageQuestionEntry.number))
    )
    today = shanghai_date(platform.clock())
    overdue = question.state == ReviewState.ASKED and date.fromisoformat(question.due_on) < today
    return Asked(question, tuple(entries), overdue)


def _seen(platform: Platform, actor: Actor, action: Action, question_id: str) -> PackageQuestion:
    """One that the actor's organisation asked or has to answer; others are not there."""
    check_may(actor, action)
    question = platform.records.find(PackageQuestion, question_id)
    if question is None or actor.organisation not in (
        question.organisation_id,
        question.study_organisation_id,
    ):
        raise NOT_FOUND.error(kind=KIND, id=question_id)
    return question


def _own(platform: Platform, actor: Actor, question_id: str) -> PackageQuestion:
    question = _seen(platform, actor, Action.PACKAGE_ASK, question_id)
    if actor.organisation != question.organisation_id:
        raise NOT_FOUND.error(kind=KIND, id=question_id)
    return question


def _go_on(
    platform: Platform,
    actor: Actor,
    question: PackageQuestion,
    wanted: ReviewState,
    kind: str,
    text: str,
    later_package: str = "",
) -> PackageQuestion:
    text = text.strip()
    _check_text(text)
    with platform.records.transaction(audit=_act(actor, f"review.{kind}", question, text)) as session:
        check_account(session, actor, platform.clock)
        row = session.get(PackageQuestion, question.id)
        assert row is not None  # noqa: S101 - it was found a moment ago, and none is ever deleted
        row.state = check_transition(REVIEW, KIND, row.id, ReviewState(row.state), wanted)
        row.changed_at = as_text(platform.clock())
        if wanted is ReviewState.ASKED:
            row.due_on = _due(platform)
        _say(platform, session, row, actor, kind, text, later_package)
        session.add(row)
    return row


def _say(
    platform: Platform,
    session: Session,
    question: PackageQuestion,
    actor: Actor,
    kind: str,
    text: str,
    later_package: str = "",
) -> None:
    question.entries += 1
    session.add(
        PackageQuestionEntry(
            question_id=question.id,
            number=question.entries,
            kind=kind,
            text=text,
            package_id=later_package,
            organisation_id=actor.organisation,
            said_by=actor.id,
            said_at=as_text(platform.clock()),
        )
    )


def _act(actor: Actor, action: str, question: PackageQuestion, text: str) -> Act:
    decision = {"package": question.package_id, "number": question.number_id}
    return Act(actor, action, Object(KIND, question.id), decision=decision, detail={"text": text})


def _due(platform: Platform) -> str:
    """The last working day on which an answer is in time, Beijing time."""
    return add_working_days(shanghai_date(platform.clock()), limits().answer_working_days).day.isoformat()


def _result_of(platform: Platform, actor: Actor, package: EvidencePackage, number_id: str) -> str:
    """The result row that a number is of; "" for one that counts the package itself, and without a number."""
    if not number_id:
        return ""
    for one in trace.numbers_of(platform, actor, package.id):
        if one["id"] == number_id:
            return str(one.get("ard_id") or "")
    raise NUMBER_UNKNOWN.error(package=package.id)


def _check_later(platform: Platform, question: PackageQuestion, package_id: str) -> None:
    asked_of = platform.records.get(EvidencePackage, question.package_id)
    later = platform.records.find(EvidencePackage, package_id)
    if later is None or later.study_id != asked_of.study_id or later.made_at <= question.asked_at:
        raise LATER_UNFIT.error()


def _check_count(session: Session, question: PackageQuestion) -> None:
    open_ones = session.exec(
        select(func.count())
        .select_from(PackageQuestion)
        .where(
            col(PackageQuestion.package_id) == question.package_id,
            col(PackageQuestion.organisation_id) == question.organisation_id,
            col(PackageQuestion.state) != ReviewState.CLOSED,
        )
    ).one()
    if open_ones >= limits().most_open:
        raise TOO_MANY.error(package=question.package_id, most=limits().most_open)


def _check_text(text: str) -> None:
    bounds = limits()
    if len(text) > bounds.longest_text or not is_reason(text, bounds.least_letters):
        raise TEXT_UNFIT.error(shortest=bounds.least_letters, longest=bounds.longest_text)
    if not all(one.isprintable() or one in "\r\n" for one in text):
        raise TEXT_UNFIT.error(shortest=bounds.least_letters, longest=bounds.longest_text)
    if identifies(text):
        raise TEXT_IDENTIFIES.error()
