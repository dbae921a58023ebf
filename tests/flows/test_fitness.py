"""Fitness for use of a study's data: counted in the lake, judged by people, kept with their names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.fitness import answer_item, assess_study, fitness_of
from rwd_platform.flows.jobs import drain, enqueue
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.study import freeze_protocol, register_study
from rwd_platform.flows.withdraw import withdraw
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import AuditDetail, AuditEntry, FitnessAnswer, FitnessAssessment
from rwd_platform.store.lake import Lake
from tests.conftest import StandingClock
from tests.flows.questioning import ASKER, CLERK, INSPECTOR, OPERATOR, SECOND, checked, settle
from tests.flows.sending import actions, sent
from tests.flows.test_study import PROTOCOL, thirty_patients

SAMPLE = "relevance.sample_size"
WHY = "按 30 例估计，风险比的置信区间过宽，不足以下结论。"


@pytest.fixture
def study(platform: Platform, clock: StandingClock) -> str:
    """A registered study; the lake is empty."""
    settle(platform)
    return register_study(platform, ASKER, PROTOCOL).id


def item(document: dict[str, Any] | None, id: str) -> dict[str, Any]:
    assert document is not None
    return next(one for one in document["items"] if one["id"] == id)


def refused(code: str, *call: Any) -> PlatformError:
    act, *given = call
    with pytest.raises(PlatformError) as caught:
        act(*given)
    assert caught.value.code == code, caught.value
    return caught.value


def test_what_the_protocol_needs_is_counted_and_outcomes_only_after_the_freeze(
    platform: Platform, study: str, clock: StandingClock
):
    """How many had an outcome is nobody's business before. Counts of the lake are rounded up to tens, before and after:
    one withdrawal changes no figure, which would be that patient's; ten take ten away.
    """
    sent(platform, {"all.ndjson": thirty_patients()})
    before = assess_study(platform, ASKER, study)
    document = fitness_of(platform, ASKER, study).document
    sealed = item(document, "relevance.outcome")
    assert (sealed["status"], sealed["figures"]) == ("not_known", []) and "封存" in sealed["reason"]["zh"]
    covariates = item(document, "relevance.covariates")
    assert all(one["value"] % 10 == 0 and "进位" in one["zh"] for one in covariates["figures"])
    followed = item(document, "relevance.follow_up")
    assert followed["status"] == "met" and followed["figures"][0]["of"] == 30
    assert item(document, "reliability.completeness")["status"] == "not_known", "quality was never checked"
    assert item(document, "reliability.plan_fixed")["status"] == "not_met"

    freeze_protocol(platform, ASKER, study, "approved")
    clock.advance(minutes=1)
    assess_study(platform, ASKER, study)
    seen = fitness_of(platform, INSPECTOR, study)
    assert seen.document is not None and seen.document["assessment_id"] != before.id
    for id in ("relevance.population", "relevance.outcome", "reliability.traceable", "reliability.legal_basis",
               "reliability.extraction", "reliability.plan_fixed"):  # fmt: skip
        assert item(seen.document, id)["status"] == "met", item(seen.document, id)
    assert [one["value"] for one in item(seen.document, "relevance.population")["figures"]] == [30, 30]
    figures = item(seen.document, "relevance.covariates")["figures"]
    assert all(one["value"] % 10 == 0 and "进位" in one["zh"] for one in figures), (
        "these are of the lake, not of a lock"
    )

    first, *others = Lake(platform.layout).read("patient")["patient_id"].iloc[:10]
    told = {"reason": "consent-withdrawn", "withdrawn_on": "2020-01-01", "consent_version": "v3"}
    for leaving, shown in (([first], 30), (others, 20)):
        for someone in leaving:
            withdraw(platform, CLERK, someone, **told)
        clock.advance(minutes=1)
        assess_study(platform, ASKER, study)
        document = fitness_of(platform, ASKER, study).document
        assert [one["value"] for one in item(document, "relevance.population")["figures"]] == [shown, shown]


def test_a_study_without_any_data_is_not_known_to_be_fit(platform: Platform, study: str):
    assess_study(platform, ASKER, study)
    document = fitness_of(platform, ASKER, study).document
    assert document is not None and document["counts"]["relevance"]["met"] == 0
    assert item(document, "relevance.population")["status"] == "not_known"


def test_a_new_quality_run_makes_an_assessment_stale(platform: Platform, study: str, clock: StandingClock):
    """It is still shown, and says that it is of a day before."""
    assert fitness_of(platform, ASKER, study).document is None
    assess_study(platform, ASKER, study)
    assert not fitness_of(platform, ASKER, study).stale
    checked(platform, "run-1")
    assert fitness_of(platform, ASKER, study).stale
    clock.advance(minutes=1)
    assess_study(platform, ASKER, study)
    assert not fitness_of(platform, ASKER, study).stale


def test_a_job_does_it_and_stands_in_the_log(platform: Platform, study: str):
    enqueue(platform, ASKER, "fitness", {"study_id": study}, key="fitness/test")
    assert [job.state for job in drain(platform, "test")][-1] == "done"
    assert "fitness.assessed" in actions(platform)
    [row] = platform.records.all(select(FitnessAssessment))
    assert row.made_by == ASKER.id and "patient_id" not in json.dumps(row.assessment)


# -- judgements ---------------------------------------------------------------------------------------


def test_a_judgement_has_a_name_and_an_older_one_stays(platform: Platform, study: str, clock: StandingClock):
    assess_study(platform, ASKER, study)
    answer_item(platform, ASKER, study, SAMPLE, "met", "按方案的精度要求核算，样本量足够。")
    clock.advance(minutes=1)
    answer_item(platform, SECOND, study, SAMPLE, "not_met", WHY)
    seen = fitness_of(platform, ASKER, study)
    judged = item(seen.document, SAMPLE)
    assert (judged["status"], judged["answer"]["answered_by"]) == ("not_met", SECOND.id)
    assert len(seen.answers) == 2
    stored = platform.records.all(select(FitnessAssessment))[0].assessment
    assert item(stored, SAMPLE)["status"] == "not_known", "what was measured is not rewritten"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (("no.such", "met", WHY), "fitness.no_such_item"),
        (("<script>", "met", WHY), "fitness.no_such_item"),
        (("relevance.exposure", "met", WHY), "fitness.no_such_item"),
        ((SAMPLE, "not_known", WHY), "fitness.judgement_unknown"),
        ((SAMPLE, "", WHY), "fitness.judgement_unknown"),
        ((SAMPLE, "met", ""), "fitness.text_unfit"),
        ((SAMPLE, "met", "好。"), "fitness.text_unfit"),
        ((SAMPLE, "met", WHY * 4000), "fitness.text_unfit"),
        ((SAMPLE, "met", WHY + "\x00"), "fitness.text_unfit"),
        ((SAMPLE, "met", WHY + "患者 11010519491231002X"), "fitness.text_identifies"),
    ],
)
def test_what_is_no_judgement_is_refused(
    platform: Platform, study: str, given: tuple[str, str, str], code: str
):
    error = refused(code, answer_item, platform, ASKER, study, *given)
    assert "<script>" not in str(error.as_dict()) and "110105" not in str(error.as_dict())
    assert not platform.records.all(select(FitnessAnswer))


def test_who_may_assess_and_who_may_read(platform: Platform, study: str):
    """The study's own people assess and judge; auditors read; a hospital does neither."""
    assess_study(platform, ASKER, study)
    for reader in (INSPECTOR, OPERATOR):
        assert fitness_of(platform, reader, study).document is not None
        refused("access.not_allowed", assess_study, platform, reader, study)
        refused("access.not_allowed", answer_item, platform, reader, study, SAMPLE, "met", WHY)
    refused("access.not_allowed", fitness_of, platform, CLERK, study)
    stranger = Actor("other", "researcher", "org-somewhere")
    refused("records.not_found", fitness_of, platform, stranger, study)
    refused("records.not_found", assess_study, platform, stranger, study)
    program = Actor("cli:somebody", "researcher", "org-operator")
    refused("access.no_account", answer_item, platform, program, study, SAMPLE, "met", WHY)


def test_the_words_of_a_judgement_are_sealed_beside_the_log(platform: Platform, study: str):
    answer_item(platform, ASKER, study, SAMPLE, "not_met", WHY)
    bodies = b"".join(one.body for one in platform.records.all(select(AuditEntry))).decode()
    assert "fitness.answered" in bodies and WHY not in bodies
    assert all(WHY.encode() not in one.sealed for one in platform.records.all(select(AuditDetail)))
