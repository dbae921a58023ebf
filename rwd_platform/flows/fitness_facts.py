"""What a lock says of its study's fitness assessment: how many items came out how, and the hash of the whole."""

from __future__ import annotations

from typing import Any

from sqlmodel import col, select

from rwd_platform.core.canonical import sha256_of
from rwd_platform.flows.fitness import answers_to
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import FitnessAssessment, QualityRun, Study


def fitness_facts(platform: Platform, study: Study, quality: QualityRun) -> dict[str, Any]:
    """Of the newest assessment of this protocol on this quality run, with people's judgements; {} without one.

    An assessment of before the last check is of other data, and says nothing of this lock. Who judged and when stays
    in the records: a lock's facts are content.
    """
    from quality.fitness import with_answers

    found = platform.records.all(
        select(FitnessAssessment)
        .where(FitnessAssessment.study_id == study.id)
        .where(FitnessAssessment.protocol_sha256 == study.protocol_sha256)
        .where(FitnessAssessment.quality_run_id == quality.id)
        .order_by(col(FitnessAssessment.made_at).desc(), col(FitnessAssessment.id).desc())
        .limit(1)
    )
    if not found:
        return {}
    document = with_answers(found[0].assessment, answers_to(platform, study))
    items = [{**item, "answer": _said(item["answer"])} for item in document["items"]]
    return {
        "items_sha256": found[0].items_sha256,
        "assessment_sha256": sha256_of(items),
        "counts": document["counts"],
    }


def _said(answer: dict[str, str] | None) -> dict[str, str] | None:
    return None if answer is None else {"status": answer["status"], "text": answer["text"]}
