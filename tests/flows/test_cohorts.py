"""Definitions asked of the lake: protected counts for researchers, one's own patients for a hospital, all logged."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.admit_upload import admit_upload
from rwd_platform.flows.cohorts import check_cohort, count_cohort, explain_patient
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import AuditEntry
from rwd_platform.store.lake import Lake
from tests.flows.sending import CLERK, CLERK_B, REGULATOR, RESEARCHER, ndjson, patient, received

HL7 = "http://terminology.hl7.org/CodeSystem/"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
DEFINITION = """
cohort:
  language: 2
  source: {zh: 乐城, en: Lecheng}
  entry:
    title: {zh: 首次诊断, en: First diagnosis}
    pick: first
    events:
      - {table: condition, codes: {list: breast-cancer@1}}
  require:
    - id: adult
      reason: {zh: 未满十八周岁, en: Under 18}
      patient: {age: {at_least: 18}}
"""
OUTCOMES = """
language: 2
source: {zh: 乐城, en: Lecheng}
entry:
  title: {zh: 结局, en: Outcome}
  events:
    - {table: outcome_event}
"""
OPERATOR = Actor("operator", "operator", "org-operator")


def diagnosis(number: int, of: str) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": f"c{number}",
        "clinicalStatus": {"coding": [{"system": f"{HL7}condition-clinical", "code": "active"}]},
        "code": {"coding": [{"system": ICD_10, "code": "C50.9"}]},
        "subject": {"reference": f"Patient/{of}"},
        "onsetDateTime": "2021-05-06",
        "recordedDate": "2021-05-06",
    }  # fmt: skip


@pytest.fixture
def store(platform: Platform) -> Platform:
    """Hospital A with twenty-four patients with breast cancer, of whom two are children."""
    people = [
        patient(f"p{number}", birthDate="2015-01-01" if number < 2 else "1950-02-03") for number in range(24)
    ]
    ill = [diagnosis(number, f"p{number}") for number in range(24)]
    admit_upload(platform, CLERK, received(platform, {"all.ndjson": ndjson(*people, *ill)}))
    return platform


def pseudonyms(platform: Platform) -> list[str]:
    return sorted(Lake(platform.layout).read("patient")["patient_id"])


def logged(platform: Platform, action: str) -> list[AuditEntry]:
    return list(platform.records.all(select(AuditEntry).where(AuditEntry.action == action)))


def test_a_researcher_gets_rounded_counts_of_every_step_and_the_log_has_them(store: Platform) -> None:
    found = count_cohort(store, RESEARCHER, DEFINITION)
    assert [one.id for one in found.steps][-3:] == ["adult", "exit", "era"]
    assert all(one.remaining is not None and one.remaining % 5 == 0 for one in found.steps)
    assert all(one.left in (0, None) for one in found.steps)
    [entry] = logged(store, "cohort.counted")
    assert entry.actor_id == RESEARCHER.id
    again = count_cohort(store, RESEARCHER, DEFINITION, characteristics=True)
    assert [one.remaining for one in again.steps] == [one.remaining for one in found.steps]
    assert again.kept is not None


def test_an_empty_lake_gives_every_step_without_a_number(platform: Platform) -> None:
    found = count_cohort(platform, RESEARCHER, DEFINITION)
    assert {one.remaining for one in found.steps} == {None}


def test_an_engine_that_there_is_not_is_refused_by_its_name(platform: Platform) -> None:
    settings = platform.settings.model_copy(update={"engine": "postgres"})
    with pytest.raises(PlatformError) as refused:
        count_cohort(replace(platform, settings=settings), RESEARCHER, DEFINITION)
    assert refused.value.code == "engine.unknown"
    assert "postgres" in refused.value.zh


def test_another_hospital_counts_its_own_patients_only(store: Platform) -> None:
    assert {one.remaining for one in count_cohort(store, CLERK_B, DEFINITION).steps} == {None}
    assert count_cohort(store, CLERK, DEFINITION).steps[0].remaining is not None


def test_outcomes_are_refused_and_the_refusal_is_in_the_log(platform: Platform) -> None:
    with pytest.raises(PlatformError) as refused:
        count_cohort(platform, RESEARCHER, OUTCOMES)
    assert refused.value.code == "feasibility.outcomes"
    assert "outcome_event" in refused.value.en
    [entry] = logged(platform, "access.refused")
    assert json.loads(entry.body)["reason"] == "feasibility.outcomes"


def test_a_hospital_sees_why_its_own_patient_is_in_or_out(store: Platform) -> None:
    found = [explain_patient(store, CLERK, DEFINITION, one) for one in pseudonyms(store)[:6]]
    assert all(one.in_store for one in found)
    assert {one.left_at for one in found} <= {"", "adult"}
    in_it = next(one for one in found if one.included)
    entry = next(one for one in in_it.steps if one.id == "entry")
    assert entry.judged[0].row.code == "C50.9"
    assert len(logged(store, "cohort.explained")) == 6


def test_a_patient_of_another_hospital_looks_like_one_who_is_not_there(store: Platform) -> None:
    one = pseudonyms(store)[0]
    assert explain_patient(store, CLERK_B, DEFINITION, one).in_store is False
    assert explain_patient(store, CLERK_B, DEFINITION, "nobody").in_store is False


@pytest.mark.parametrize("actor", [RESEARCHER, REGULATOR, OPERATOR], ids=lambda one: one.role)
def test_nobody_else_sees_a_single_patient_of_the_lake(platform: Platform, actor: Actor) -> None:
    with pytest.raises(PlatformError) as refused:
        explain_patient(platform, actor, DEFINITION, "p-anybody")
    assert refused.value.code == "access.not_allowed"
    assert len(logged(platform, "access.refused")) == 1


def test_the_withdrawn_are_counted_as_withdrawn_and_nothing_is_shown_of_them(
    store: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = pseudonyms(store)[:12]
    places = frozenset((CLERK.organisation, one) for one in gone)
    monkeypatch.setattr("rwd_platform.flows.cohorts.frozen_patients", lambda platform: places)
    found = count_cohort(store, RESEARCHER, DEFINITION)
    assert found.steps[1].id == "withdrawn"
    assert (found.steps[2].remaining or 0) <= 15
    path = explain_patient(store, CLERK, DEFINITION, gone[0])
    assert (path.left_at, path.steps[0].judged) == ("withdrawn", ())


def test_a_definition_is_read_judged_and_said_without_reading_the_lake(platform: Platform) -> None:
    written = check_cohort(platform, RESEARCHER, DEFINITION)
    assert [one.id for one in written.sentences if one.id == "adult"] == ["adult"]
    with pytest.raises(PlatformError):
        check_cohort(platform, REGULATOR, DEFINITION)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ("", "protocol.refused"),
        ("[]", "protocol.refused"),
        ("cohort: {", "protocol.refused"),
        (DEFINITION.replace("condition", "no_such_table"), "protocol.refused"),
        (DEFINITION.replace("breast-cancer@1", "no-such-list@1"), "protocol.refused"),
        ("x" * 200_001, "cohort.too_large"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_place(platform: Platform, wrong: str, code: str) -> None:
    with pytest.raises(PlatformError) as refused:
        count_cohort(platform, RESEARCHER, wrong)
    assert refused.value.code == code
