"""A withdrawal freezes the use: out of the next lock, and the present one serves nothing new."""

from __future__ import annotations

import pytest
from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.evidence import assemble_evidence
from rwd_platform.flows.jobs import drain
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.quality_question_rows import rows_of
from rwd_platform.flows.quality_questions import ask
from rwd_platform.flows.release import request_release
from rwd_platform.flows.release_circles import AUTHORITY
from rwd_platform.flows.risk import refresh_lake_risk, report_on_lock
from rwd_platform.flows.rotate_keys import rotate_hospital_key
from rwd_platform.flows.study import lock_data, newest_lock, newest_run, results_of, run_study
from rwd_platform.flows.trace import Trace, numbers_of, trace_number
from rwd_platform.flows.withdraw import frozen_patients, place_hold, withdraw
from rwd_platform.flows.withdraw_notices import locks_with, names_of
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AnalysisRun, EvidencePackage, LockNotice, Upload, User
from rwd_platform.store.lock import open_lock
from tests.conftest import StandingClock
from tests.flows.erasing import INSPECTOR, VICTIM, checked, packaged, pseudonym, thirty_patients
from tests.flows.questioning import RULE, result
from tests.flows.questioning import checked as asked_about
from tests.flows.sending import CLERK, RESEARCHER, ndjson, patient, sent
from tests.flows.test_erasure import home, only_study, platform, refusal  # noqa: F401 - fixtures


def told(platform: Platform, **changes: str) -> str:  # noqa: F811 - a fixture's name
    facts = {"reason": "consent-withdrawn", "withdrawn_on": "2026-11-01", "consent_version": "v3", **changes}
    return withdraw(platform, CLERK, VICTIM, **facts).id


def test_who_withdrew_is_out_of_the_next_lock_also_after_a_rotation(
    platform: Platform,  # noqa: F811 - the fixture
    clock: StandingClock,
) -> None:
    """The old lock is marked and runs nothing; locked again, the study goes on without the patient."""
    study = only_study(platform)
    old = lock_data(platform, RESEARCHER, study.id)
    cause = told(platform)
    assert told(platform) == cause, "recorded again it is the same record"
    assert platform.records.get(LockNotice, (old.id, cause)).kind == "withdrawn"
    assert refusal(lambda: run_study(platform, RESEARCHER, study.id)).code == "withdrawal.lock_frozen"

    operator = Actor("operator", "operator", "org-operator")
    rotate_hospital_key(platform, operator, CLERK.organisation)
    clock.advance(hours=1)
    checked(platform)
    new = lock_data(platform, RESEARCHER, study.id)
    names = names_of(platform, CLERK.organisation, pseudonym(platform))
    assert len(names) == 2 and frozen_patients(platform) == {(CLERK.organisation, names[0])}
    assert locks_with(platform, CLERK.organisation, names, [old, new]).keys() == {old.id}
    before, after = (len(open_lock(platform.layout.lock(one.id)).tables["subject"]) for one in (old, new))
    assert after == before - 1
    assert run_study(platform, RESEARCHER, study.id).lock_id == new.id


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"reason": "because"}, "withdrawal.reason_unknown"),
        ({"reason": ""}, "withdrawal.reason_unknown"),
        ({"withdrawn_on": "2026-11-31"}, "withdrawal.date_unfit"),
        ({"withdrawn_on": "2027-01-01"}, "withdrawal.date_unfit"),
        ({"withdrawn_on": "1.11.2026"}, "withdrawal.date_unfit"),
        ({"consent_version": " "}, "withdrawal.consent_unfit"),
        ({"consent_version": "v" * 65}, "withdrawal.consent_unfit"),
        ({"consent_version": "110101199003071233"}, "withdrawal.consent_unfit"),
    ],
)
def test_what_a_withdrawal_has_to_say(platform: Platform, changes: dict[str, str], code: str) -> None:  # noqa: F811 - the fixture
    with pytest.raises(PlatformError) as caught:
        told(platform, **changes)
    assert caught.value.code == code and not frozen_patients(platform)
    assert all(value not in caught.value.en for value in changes.values() if len(value) > 12)


# -- where use stops -----------------------------------------------------------------------------------


def test_a_frozen_lock_gives_no_report_and_its_package_goes_to_nobody_new(platform: Platform) -> None:  # noqa: F811 - the fixture
    """Its numbers can still be followed, but to no line of the patient's; the count of lines stays the package's."""
    study = only_study(platform)
    run = newest_run(platform, study)
    package = packaged(platform, run)
    victim = locks_with(platform, CLERK.organisation, [pseudonym(platform)], [newest_lock(platform, study)])
    number, before = a_number_behind_which_is(platform, package, run, victim[run.lock_id][0])
    told(platform)

    asked = {"purpose": "再评价", "authorisation": "药监函〔2026〕12号", "encryption": "ab" * 32}
    again = refusal(lambda: assemble_evidence(platform, RESEARCHER, study.id, "registration", "authority"))
    assert (again.code, again.exit) == ("withdrawal.lock_frozen", 3), "no new package is made of it"
    refused = refusal(
        lambda: request_release(platform, RESEARCHER, package.id, AUTHORITY, "org-authority", asked)
    )
    assert refused.code == "withdrawal.package_frozen" and refused.exit == 3
    privacy = Actor("privacy", "privacy", "org-operator")
    assert refusal(lambda: report_on_lock(platform, privacy, run.lock_id)).code == "withdrawal.lock_frozen"
    after = trace_number(platform, RESEARCHER, package.id, number, sample=10**6)
    assert (after.lines, after.subjects) == (before.lines, before.subjects)
    gone = {(one.file, one.line) for one in before.sample} - {(one.file, one.line) for one in after.sample}
    assert 0 < len(gone) < len(before.sample)
    lines = thirty_patients()[0].split(b"\n")
    assert all(VICTIM.encode() in lines[line - 1] for file, line in gone if file == "all.ndjson")
    kept = {(one.file, one.line) for one in after.sample if one.file == "all.ndjson"}
    assert not any(VICTIM.encode() in lines[line - 1] for _, line in kept)


def a_number_behind_which_is(
    platform: Platform,  # noqa: F811 - the fixture
    package: EvidencePackage,
    run: AnalysisRun,
    subject: str,
) -> tuple[str, Trace]:
    """A number of the package whose result counts that subject among others, and its trace."""
    results = results_of(platform, run)
    sets = {row.id: results.row_sets.get(row.row_set, ()) for row in results.rows if row.variables}
    number = next(
        one["id"]
        for one in numbers_of(platform, RESEARCHER, package.id)
        if subject in sets.get(one.get("ard_id", ""), ())
    )
    return number, trace_number(platform, RESEARCHER, package.id, number, sample=10**6)


def test_the_report_on_the_lake_is_of_everybody_else(platform: Platform) -> None:  # noqa: F811 - the fixture
    upload = platform.records.all(select(Upload))[0].id
    seen = refresh_lake_risk(platform, CLERK, upload)
    place_hold(platform, INSPECTOR, CLERK.organisation, VICTIM, "琼药监函〔2026〕7号要求保全该患者的全部记录")
    sent(platform, {"one.ndjson": ndjson(patient("somebody-new"))})
    after = refresh_lake_risk(platform, CLERK, upload)
    assert seen is not None and after is not None
    assert after.report["figures"]["records"] == seen.report["figures"]["records"], (
        "one came and one was frozen"
    )


def test_rows_that_were_shown_to_the_hospital_are_looked_up_again_without_the_patient(
    platform: Platform,  # noqa: F811 - the fixture
    clock: StandingClock,
) -> None:
    """What an earlier search had listed is forgotten at once; a job lists the rest."""
    bad = {"start": "2024-01-05", "end": "2024-01-01"}
    visits = [
        {"resourceType": "Encounter", "id": f"visit.{number}", "status": "finished", "class": {"code": "IMP"},
         "subject": {"reference": f"Patient/{of}"}, "period": bad}
        for number, of in enumerate((VICTIM, "patient.1"))
    ]  # fmt: skip
    sent(platform, {"visits.ndjson": ndjson(*visits)})
    clock.advance(minutes=1)
    asked_about(platform, "run-9", result(RULE, CLERK.organisation, "fail", 2))
    person = User(
        id=RESEARCHER.id, organisation_id=RESEARCHER.organisation, login="asks", role=RESEARCHER.role, name="某人",
        password_hash="", created_at="",
    )  # fmt: skip
    platform.records.write(person, audit=Act(CLERK, "user.registered", Object("user", person.id)))
    id = ask(platform, RESEARCHER, CLERK.organisation, RULE).id
    drain(platform, "test")
    assert [row.line for row, _ in rows_of(platform, CLERK, id)[0]] == [1, 2]
    told(platform)
    assert rows_of(platform, CLERK, id) == ([], 0)
    assert [job.state for job in drain(platform, "test") if job.kind == "question"] == ["done"]
    assert [row.line for row, _ in rows_of(platform, CLERK, id)[0]] == [2]
