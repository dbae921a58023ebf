"""Risk reports as flows: of a lock on request, of the lake after each upload, on record and in the log."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from sqlmodel import select

from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.jobs import enqueue, work_once
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.risk import refresh_lake_risk, report_on_lock
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AuditEntry, DataLockRecord, QualityRun, RiskRun, Study, User
from rwd_platform.store.lock import write_lock
from tests.flows.sending import CLERK, CLERK_B, REGULATOR, RESEARCHER, ndjson, patient, sent

PRIVACY = Actor("privacy", "privacy", "org-operator")
OPERATOR = Actor("operator", "operator", "org-operator")


def locked(platform: Platform, people: int = 40) -> str:
    """A lock of invented people: ten of each age, half of whom had the outcome."""
    subjects = pd.DataFrame(
        {
            "subject_id": [f"s{place:03}" for place in range(people)],
            "age_years": pd.array([50 + place % 4 for place in range(people)], dtype="Int64"),
            "gender": ["female"] * people,
        }
    )
    outcomes = pd.DataFrame(
        {
            "subject_id": subjects["subject_id"],
            "code": ["vital-status"] * people,
            "value_code": ["dead" if place % 8 < 4 else "alive" for place in range(people)],
            "effective_day": pd.array(range(people), dtype="Int64"),
        }
    )
    lock = write_lock(platform.layout, {"subject": subjects, "outcome_event": outcomes}, {"project": "demo"})
    at = as_text(platform.clock())
    rows = (
        Study(id="study-1", organisation_id="org-operator", project_id="demo", title_zh="研究", title_en="Study",
              protocol="", protocol_sha256="0" * 64, state="locked", registered_at=at),
        QualityRun(id="quality-1", organisation_id="org-operator", made_at=at, verdict="admit", report={}),
        DataLockRecord(id=lock.id, organisation_id="org-operator", project_id="demo", study_id="study-1",
                       quality_run_id="quality-1", made_at=at, manifest=dict(lock.manifest)),
    )  # fmt: skip
    for row in rows:
        platform.records.write(row, audit=Act(RESEARCHER, "seed.written", Object("seed", row.id)))
    return lock.id


def computed(platform: Platform) -> list[AuditEntry]:
    return list(platform.records.all(select(AuditEntry).where(AuditEntry.action == "risk.computed")))


def test_a_locks_report_is_on_record_and_in_the_log(platform: Platform) -> None:
    """Four ages of ten people each: k = 10, too few for controlled sharing; a mean risk of 0.1 for the enclave."""
    lock_id = locked(platform)
    run = report_on_lock(platform, RESEARCHER, lock_id)
    assert (run.of_kind, run.of_id, run.project_id, run.organisation_id) == (
        "lock",
        lock_id,
        "demo",
        "org-operator",
    )
    figures = run.report["figures"]
    assert (figures["records"], figures["k"], figures["classes"], figures["l"]) == (40, 10, 4, 2)
    assert figures["quasi"] == ["age_years", "gender"] and figures["sensitive"] == "outcome"
    assert (run.level, run.verdict) == (2, "none")
    (entry,) = computed(platform)
    decision = json.loads(entry.body)["decision"]
    assert decision == {"of": "lock", "of_id": lock_id, "level": 2, "verdict": "none"}
    assert platform.records.get(RiskRun, run.id).report == run.report


def test_the_same_lock_is_judged_the_same_again(platform: Platform) -> None:
    """What is drawn is drawn with a fixed seed that the report prints."""
    lock_id = locked(platform)
    first, again = (report_on_lock(platform, PRIVACY, lock_id) for _ in range(2))
    assert first.id != again.id
    assert first.report == again.report


def test_no_subject_is_named_in_a_report(platform: Platform) -> None:
    run = report_on_lock(platform, RESEARCHER, locked(platform))
    told = json.dumps(run.report)
    assert "s000" not in told and "dead" not in told


@pytest.mark.parametrize("actor", [CLERK, REGULATOR, OPERATOR, Actor("r", "researcher", "org-other")])
def test_who_may_not_compute_a_risk_is_refused_and_the_refusal_is_on_record(
    platform: Platform, actor: Actor
) -> None:
    lock_id = locked(platform)
    with pytest.raises(PlatformError):
        report_on_lock(platform, actor, lock_id)
    assert not computed(platform)
    refused = platform.records.all(select(AuditEntry).where(AuditEntry.action == "access.refused"))
    assert [entry.actor_id for entry in refused] == [actor.id]


def test_a_lock_is_reported_by_a_job_too(platform: Platform) -> None:
    """Whoever queued it is looked up again when the work begins, and must still be allowed to."""
    lock_id = locked(platform)
    user = User(id=RESEARCHER.id, organisation_id="org-operator", login="r", role="researcher", name="R",
                password_hash="", created_at="2026")  # fmt: skip
    platform.records.write(user, audit=Act(RESEARCHER, "user.registered", Object("user", user.id)))
    enqueue(platform, RESEARCHER, "risk", {"lock_id": lock_id}, key=f"risk/{lock_id}/0")
    job = work_once(platform, "worker")
    assert job is not None and (job.state, job.problem) == ("done", None)
    assert len(computed(platform)) == 1


# -- the lake --------------------------------------------------------------------------------------


def test_the_lakes_risk_follows_its_uploads(platform: Platform) -> None:
    """One woman is unique; nine more of her year leave a class of ten. Whoever sent the data starts it."""
    first = sent(platform, {"a.ndjson": ndjson(patient())})
    run = refresh_lake_risk(platform, CLERK, first)
    assert run is not None
    assert (run.of_kind, run.of_id, run.report["figures"]["k"], run.report["figures"]["uniques"]) == (
        "lake",
        first,
        1,
        1,
    )
    second = sent(platform, {"b.ndjson": ndjson(*(patient(f"p{place}") for place in range(2, 11)))})
    later = refresh_lake_risk(platform, CLERK, second)
    assert later is not None
    assert (later.report["figures"]["records"], later.report["figures"]["k"]) == (10, 10)
    assert "birth_year" in later.report["figures"]["quasi"]


def test_a_job_that_is_done_again_leaves_one_report(platform: Platform) -> None:
    upload = sent(platform, {"a.ndjson": ndjson(patient())})
    first, again = (refresh_lake_risk(platform, CLERK, upload) for _ in range(2))
    assert first is not None and again is not None and first.id == again.id
    assert len(computed(platform)) == 1


def test_a_lake_without_patients_has_no_risk_report(platform: Platform) -> None:
    upload = sent(platform, {"a.ndjson": b'{"resourceType": "Patient", "gender": "nonsense"}\n'})
    assert refresh_lake_risk(platform, CLERK, upload) is None
    assert not computed(platform)


def test_somebody_elses_upload_starts_nothing(platform: Platform) -> None:
    upload = sent(platform, {"a.ndjson": ndjson(patient())})
    with pytest.raises(PlatformError) as refused:
        refresh_lake_risk(platform, CLERK_B, upload)
    assert refused.value.http == 404
    assert not computed(platform)
