"""Fitness for use of a study's data: what the protocol needs, put to the lake, the quality run and the receipts.

    assess_study  measures every item of quality/fitness.toml and keeps the assessment
    answer_item   a person's judgement on an item that no figure decides, under their name
    fitness_of    the newest assessment with the judgements in it: what a page shows, and what may stand in a lock

Before the protocol is frozen outcomes are not counted. Counts are of the lake, also after the freeze, and always
rounded up: two assessments, before and after somebody withdrew, would otherwise tell that patient's rows.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlmodel import col, func, select

from deidentify.disclosure.reasons import is_reason
from deidentify.disclosure.rules.texts import identifies
from rwd_platform.access.accounts import check_account
from rwd_platform.access.permissions import Action, get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Problem
from rwd_platform.core.ids import new_id
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import FitnessAnswer, FitnessAssessment, QualityRun, Study

if TYPE_CHECKING:
    from quality.fitness import Answer

KIND = "fitness"
LONGEST_TEXT = 2000
LETTERS = 10

NO_SUCH_ITEM = Problem(
    code="fitness.no_such_item",
    zh="没有这一条目，或该条目由数字判定，不由人答复。",
    en="There is no such item, or figures decide it and nobody is asked.",
    next_zh="请从适用性页面选取标有“待人判断”的条目。",
    next_en="Choose an item on the page that waits for a person's judgement.",
    http=422,
)
JUDGEMENT_UNKNOWN = Problem(
    code="fitness.judgement_unknown",
    zh="判断须为“符合”“部分符合”或“不符合”之一。",
    en="A judgement is one of met, partly, not_met.",
    next_zh="请选择其中一项；尚不清楚的，不必答复，条目会保持“尚不清楚”。",
    next_en="Choose one of them; what is not known yet needs no answer and stays not known.",
    http=422,
)
TEXT_UNFIT = Problem(
    code="fitness.text_unfit",
    zh="请写明判断的依据：至少 {shortest} 个字（标点、数字和不可见字符不算），至多 {longest} 个字符。",
    en="Say what the judgement rests on: at least {shortest} letters, without signs, digits and what is not seen, and "
    "at most {longest} characters.",
    next_zh="例如：抽查了多少份病历、一致率多少、由谁核对。不要写入患者姓名或号码。",
    next_en="For instance how many charts were checked, how many agreed, and by whom. Write no name or number of a "
    "patient.",
    http=422,
)
TEXT_IDENTIFIES = Problem(
    code="fitness.text_identifies",
    zh="依据中含有可识别个人的号码，未予保存。",
    en="The words hold a number that identifies a person; they were not kept.",
    next_zh="请删去姓名和号码后重新提交。",
    next_en="Take names and numbers out and send it again.",
    http=422,
)


@dataclass(frozen=True)
class FitnessSeen:
    """A study's fitness as it stands. `document` None: never assessed. `stale`: quality was checked again since,
    or the protocol is another one.
    """

    study: Study
    document: dict[str, Any] | None
    made_at: str
    quality_run_id: str
    stale: bool
    answers: tuple[FitnessAnswer, ...]


def assess_study(platform: Platform, actor: Actor, study_id: str) -> FitnessAssessment:
    """Measure every item now and keep the result."""
    from quality.fitness import assess
    from quality.fitness_items import catalogue
    from rwd_platform.flows.fitness_evidence import evidence_of

    with refusals_recorded(platform.records, actor, Action.FITNESS_ASSESS, "study", study_id):
        study = get_visible(platform.records, actor, Action.FITNESS_ASSESS, Study, study_id)
    run = _newest_run(platform)
    assessment = assess(evidence_of(platform, study, run), catalogue()).as_dict()
    now = platform.clock()
    row = FitnessAssessment(
        id=new_id("fitness", now),
        organisation_id=study.organisation_id,
        project_id=study.project_id,
        study_id=study_id,
        protocol_sha256=study.protocol_sha256,
        items_sha256=assessment["items_sha256"],
        quality_run_id=run.id if run else "",
        made_by=actor.id,
        made_at=as_text(now),
        assessment=assessment,
    )
    act = Act(
        actor,
        "fitness.assessed",
        Object(KIND, row.id, row.items_sha256),
        purpose=study.project_id,
        decision={"counts": assessment["counts"]},
    )
    platform.records.write(row, audit=act)
    return row


def answer_item(
    platform: Platform, actor: Actor, study_id: str, item: str, status: str, text: str
) -> FitnessAnswer:
    """A person's judgement. An earlier one of the same item stays on record; the newest counts."""
    from quality.fitness import JUDGEMENTS
    from quality.fitness_items import catalogue

    text = text.strip()
    with refusals_recorded(platform.records, actor, Action.FITNESS_ASSESS, "study", study_id):
        study = get_visible(platform.records, actor, Action.FITNESS_ASSESS, Study, study_id)
        asked = catalogue().find(item)
        if asked is None or asked.by is None:
            raise NO_SUCH_ITEM.error()
        if status not in JUDGEMENTS:
            raise JUDGEMENT_UNKNOWN.error()
        _check_text(text)
        now = platform.clock()
        row = FitnessAnswer(
            id=new_id("judgement", now),
            organisation_id=study.organisation_id,
            project_id=study.project_id,
            study_id=study_id,
            protocol_sha256=study.protocol_sha256,
            item=item,
            status=status,
            text=text,
            answered_by=actor.id,
            answered_at=as_text(now),
        )
        act = Act(
            actor,
            "fitness.answered",
            Object("study", study_id, study.protocol_sha256),
            decision={"item": item, "status": status},
            detail={"text": text},
        )
        with platform.records.transaction(audit=act) as session:
            check_account(session, actor, platform.clock)
            session.add(row)
    return row


def fitness_of(platform: Platform, actor: Actor, study_id: str) -> FitnessSeen:
    """The newest assessment of a study, with people's judgements on the protocol as it is."""
    from quality.fitness import with_answers

    study = get_visible(platform.records, actor, Action.STUDY_READ, Study, study_id)
    found = platform.records.all(
        select(FitnessAssessment)
        .where(FitnessAssessment.study_id == study_id)
        .order_by(col(FitnessAssessment.made_at).desc())
        .limit(1)
    )
    answers = _answers(platform, study)
    if not found:
        return FitnessSeen(study, None, "", "", False, answers)
    row, newest = found[0], _newest_run(platform)
    stale = (newest.id if newest else "") != row.quality_run_id or (
        row.protocol_sha256 != study.protocol_sha256
    )
    document = with_answers(row.assessment, answers_to(platform, study))
    document |= {"assessment_id": row.id, "made_at": row.made_at, "quality_run_id": row.quality_run_id}
    return FitnessSeen(study, document, row.made_at, row.quality_run_id, stale, answers)


def answers_to(platform: Platform, study: Study) -> list[Answer]:
    """What people judged of the protocol as it is, the oldest first."""
    from quality.fitness import Answer

    return [
        Answer(row.item, row.status, row.text, row.answered_by, row.answered_at)
        for row in _answers(platform, study)
    ]


def _answers(platform: Platform, study: Study) -> tuple[FitnessAnswer, ...]:
    return tuple(
        platform.records.all(
            select(FitnessAnswer)
            .where(FitnessAnswer.study_id == study.id, FitnessAnswer.protocol_sha256 == study.protocol_sha256)
            .order_by(col(FitnessAnswer.answered_at))
        )
    )


def _newest_run(platform: Platform) -> QualityRun | None:
    runs = platform.records.all(select(QualityRun).order_by(col(QualityRun.made_at).desc()).limit(1))
    return runs[0] if runs else None


def assessments_made(platform: Platform, study_id: str) -> int:
    """How often the study was assessed: the next one's job is named by it."""
    query = select(FitnessAssessment).where(FitnessAssessment.study_id == study_id)
    with platform.records.reading() as session:
        return session.exec(select(func.count()).select_from(query.subquery())).one()


def _check_text(text: str) -> None:
    strange = any(
        unicodedata.category(sign) in ("Cc", "Cs") and sign not in "\r\n\t" for sign in text[:LONGEST_TEXT]
    )
    if strange or len(text) > LONGEST_TEXT or not is_reason(text, LETTERS):
        raise TEXT_UNFIT.error(shortest=LETTERS, longest=LONGEST_TEXT)
    if identifies(text):
        raise TEXT_IDENTIFIES.error()
