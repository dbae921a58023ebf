"""A lock's rows: the protocol's choice of dates, its calendar, linked persons, and versions of keys."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sqlmodel import select

from deidentify.pseudonym import parse_token
from rwd_platform.core.errors import PlatformError
from rwd_platform.demo.people import register_organisations
from rwd_platform.flows.check_quality import check_quality
from rwd_platform.flows.key_versions import DATE, PROJECT, current_version
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.study import (
    dataset_of,
    freeze_protocol,
    frozen_protocol,
    lock_data,
    register_study,
)
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.tables import DataLockRecord, KeyVersion, Study
from rwd_platform.settings import Settings
from rwd_platform.store.lake import Lake
from rwd_platform.store.lock import open_lock
from studies.dataset import StudyDataset
from tests.conftest import StandingClock
from tests.flows.passing_quality import pass_quality
from tests.flows.sending import CLERK_B, RESEARCHER, actions, sent
from tests.flows.test_study import PROTOCOL, refusal, thirty_patients

LICENCE = """
    - id: licence
      date: "{day}"
      title: {{zh: 获准使用, en: Licensed}}
      records: {{table: procedure, code_system: "http://hl7.org/fhir/sid/icd-9-cm", codes: ["85.4"],
                statuses: [completed]}}
      order: not_before
      when_broken: {broken}
"""


def study_of(platform: Platform, project: str, lock: str = "") -> Study:
    text = PROTOCOL.replace("id: rotterdam-hormon", f"id: {project}") + (f"\nlock:\n{lock}\n" if lock else "")
    study = register_study(platform, RESEARCHER, text)
    return freeze_protocol(platform, RESEARCHER, study.id, "approved")


def locked(platform: Platform, study: Study) -> tuple[DataLockRecord, dict[str, Any], StudyDataset]:
    record = lock_data(platform, RESEARCHER, study.id)
    facts = dict(open_lock(platform.layout.lock(record.id)).facts)
    return record, facts, dataset_of(platform, study, record)


@pytest.fixture(scope="module")
def filled_home(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A deployment that has admitted and checked thirty patients: made once, copied for each test."""
    home = tmp_path_factory.mktemp("filled") / "home"
    home.mkdir()
    shutil.copyfile(sqlite_template, home / "records.db")
    made = open_platform(Settings(home=home, demo=True), StandingClock())
    register_organisations(made)
    sent(made, {"all.ndjson": thirty_patients()})
    check_quality(made, RESEARCHER)
    made.records.engine.dispose()
    return home


@pytest.fixture
def filled(filled_home: Path, tmp_path: Path, clock: StandingClock) -> Iterator[Platform]:
    shutil.copytree(filled_home, tmp_path / "home")
    opened = open_platform(Settings(home=tmp_path / "home", demo=True), clock)
    yield opened
    opened.records.engine.dispose()


def without_names(dataset: StudyDataset) -> pd.DataFrame:
    """The analysed rows by their values: subject ids are each project's own."""
    frame = dataset.frame.drop(columns="subject_id")
    return frame.sort_values(list(frame.columns), ignore_index=True)


def test_days_and_shifted_dates_give_the_same_analysis_and_share_nothing_else(filled: Platform) -> None:
    """Two projects on the same patients: the results' input is one, the subject ids and the dates are not."""
    days_lock, days_facts, days = locked(filled, study_of(filled, "by-days"))
    shift_lock, shift_facts, shifted = locked(filled, study_of(filled, "by-shift", "  dates: shift"))
    assert len(days.frame) == 30
    assert_frame_equal(without_names(days), without_names(shifted))
    assert not set(days.frame["subject_id"]) & set(shifted.frame["subject_id"])
    assert days_facts["dates"] == "days since index, quarter of index"
    assert shift_facts["dates"].startswith("shifted backward")

    true_days = {text[:10] for text in Lake(filled.layout).read("procedure")["performed_date"].dropna()}
    tables = open_lock(filled.layout.lock(shift_lock.id)).tables
    moved = set(tables["procedure"]["performed_date"].dropna())
    assert len(moved) >= 25 and all(date.fromisoformat(text) for text in moved)
    assert moved != true_days and len(moved & true_days) < 5, "an operation's date is true by chance only"
    assert "index_quarter" not in tables["subject"] and "birth_date" not in tables["subject"]
    assert days_lock.id != shift_lock.id


def test_a_lock_says_which_keys_and_which_suite_made_it(filled: Platform) -> None:
    """A later version of a project's key gives other subject ids; a lock of before keeps its own."""
    study = study_of(filled, "versions")
    first, facts, one = locked(filled, study)
    assert facts["key_versions"] == {"project": 1, "date": 1} and facts["suite"] == "intl"
    row = KeyVersion(purpose=PROJECT, scope="versions", version=2, suite="intl", changed_at="2026")
    filled.records.write(row, audit=Act(RESEARCHER, "key.rotated", Object("key", "project/versions", "2")))
    assert current_version(filled.records, PROJECT, "versions") == 2
    assert current_version(filled.records, DATE, "versions") == 1
    second, facts, two = locked(filled, study)
    assert facts["key_versions"] == {"project": 2, "date": 1}
    assert {parse_token(name).version for name in two.frame["subject_id"]} == {2}
    assert not set(one.frame["subject_id"]) & set(two.frame["subject_id"])
    assert_frame_equal(without_names(one), without_names(two))
    assert set(open_lock(filled.layout.lock(first.id)).tables["subject"]["subject_id"]) >= set(
        one.frame["subject_id"]
    )
    assert second.id != first.id


# -- the calendar --------------------------------------------------------------------------------------


def calendar(day: str, broken: str) -> str:
    return "  calendar:" + LICENCE.format(day=day, broken=broken)


def test_a_rule_that_true_dates_break_refuses_the_lock_by_name_and_count(filled: Platform) -> None:
    """Nothing is written, and that it was refused is in the log."""
    study = study_of(filled, "too-early", calendar("2030-01-01", "refuse"))
    error = refusal(lambda: lock_data(filled, RESEARCHER, study.id))
    assert error.code == "lock.calendar_broken"
    assert "licence org-hospital-a / his: 30" in error.en and "licence" in error.zh
    assert actions(filled)[-1] == "study.lock_refused"
    assert not list(filled.layout.lock("x").parent.glob("L-*"))


@pytest.mark.parametrize("dates", ["days", "shift"])
def test_what_was_checked_and_found_stands_in_the_locks_facts(filled: Platform, dates: str) -> None:
    """`report` counts; the shift, which comes afterwards, does not make a late operation an early one."""
    operated = sorted(Lake(filled.layout).read("procedure").query("code == '85.4'")["performed_date"])
    study = study_of(filled, "reported", f"  dates: {dates}\n" + calendar(operated[0], "report"))
    _, facts, dataset = locked(filled, study)
    assert facts["calendar"] == [
        {"rule": "licence", "date": operated[0], "order": "not_before", "checked": 30, "broken": {},
         "undecided": 0, "undated": 0, "when_broken": "report"}
    ]  # fmt: skip
    assert len(dataset.frame) == 30


def test_rows_that_a_rule_leaves_out_bring_nobody_into_the_cohort(filled: Platform) -> None:
    """The operation is the index event: who had it on an impossible day has none, and the attrition says so."""
    operated = sorted(Lake(filled.layout).read("procedure").query("code == '85.4'")["performed_date"])
    day = operated[10]
    early = sum(text < day for text in operated)
    assert 0 < early < 30
    study = study_of(filled, "left-out", calendar(day, "leave_out"))
    _, facts, dataset = locked(filled, study)
    assert facts["calendar"][0]["broken"] == {"org-hospital-a / his": early}
    assert len(dataset.frame) == 30 - early
    assert facts["attrition"][0]["left"] == 0 or facts["attrition"][1]["left"] >= early


# -- tables that quality holds back ----------------------------------------------------------------------


def test_a_broken_table_that_the_study_does_not_read_is_left_out_and_the_lock_says_so(
    filled: Platform, clock: StandingClock
) -> None:
    """The demo's protocol asks nothing of visits: who is in the study and what is analysed stay the same."""
    _, before, sound = locked(filled, study_of(filled, "sound"))
    assert before["tables_left_out"] == [] and before["fitness"] == {}
    clock.advance(hours=1)
    pass_quality(filled, RESEARCHER, "visit")
    record, facts, dataset = locked(filled, study_of(filled, "without-visits"))
    assert facts["tables_left_out"] == ["visit"] and facts["quality_verdict"] == "admit"
    assert "visit" not in open_lock(filled.layout.lock(record.id)).tables
    assert facts["attrition"] == before["attrition"]
    assert_frame_equal(without_names(dataset), without_names(sound))


def test_a_broken_table_that_the_study_reads_refuses_the_lock_and_is_named(
    filled: Platform, clock: StandingClock
) -> None:
    """It alone is named, not the other that is broken too."""
    clock.advance(hours=1)
    pass_quality(filled, RESEARCHER, "visit", "measurement")
    error = refusal(lambda: lock_data(filled, RESEARCHER, study_of(filled, "refused").id))
    assert (error.code, error.exit) == ("study.quality_gate", 3)
    assert error.en.endswith(": measurement.") and "measurement" in error.zh and "visit" not in error.zh
    assert actions(filled)[-1] == "study.lock_refused"
    assert not filled.records.all(select(DataLockRecord))


# -- generalisation ------------------------------------------------------------------------------------


def test_a_lock_is_generalised_as_the_protocol_says(filled: Platform) -> None:
    """Columns that no analysis reads may be coarser or gone; the facts say which."""
    study = study_of(filled, "coarse", "  generalise: {subject.gender: drop}")
    record, facts, dataset = locked(filled, study)
    assert "gender" not in open_lock(filled.layout.lock(record.id)).tables["subject"].columns
    assert facts["generalised"] == {"subject.gender": "drop"} and facts["left_behind"]["subject.gender"] == 30
    assert len(dataset.frame) == 30


@pytest.mark.parametrize(
    ("plan", "code"),
    [
        ("{subjct.gender: drop}", "generalise.plan_unfit"),
        ("{patient.gender: drop}", "generalise.plan_unfit"),
        ("{subject.gender: 'generalise:no-such:1'}", "generalise.hierarchy_unknown"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused_at_registration(
    platform: Platform, plan: str, code: str
):
    """A misspelt table would leave the column as it is; it is found before the protocol is frozen."""
    with pytest.raises(PlatformError) as refused:
        study_of(platform, "unfit", f"  generalise: {plan}")
    assert refused.value.code == code


# -- linkage -------------------------------------------------------------------------------------------


def at_another_hospital(content: bytes) -> bytes:
    """The same people under other ids. One chart has another birth date, nine have no identifier."""
    lines, charts = [], 0
    for line in content.splitlines():
        resource = json.loads(line)
        resource["id"] += ".b"
        for name in ("subject", "encounter"):
            if name in resource:
                resource[name]["reference"] += ".b"
        if resource["resourceType"] == "Patient":
            charts += 1
            if charts == 1:
                resource["birthDate"] = "1901-01-01"
            elif charts <= 10:
                del resource["identifier"]
        lines.append(json.dumps(resource, ensure_ascii=False).encode())
    return b"\n".join(lines) + b"\n"


def test_a_person_at_two_hospitals_is_one_subject_and_the_lock_says_how_many(
    filled: Platform, clock: StandingClock
) -> None:
    """Thirty people known to two hospitals: twenty are linked by their resident id; nine charts carry none, and
    one contradicts its other half.
    """
    alone = locked(filled, study_of(filled, "one-hospital"))
    assert alone[1]["linkage"] == {} and len(alone[2].frame) == 30
    clock.advance(hours=1)
    sent(filled, {"b.ndjson": at_another_hospital(thirty_patients())}, CLERK_B)
    check_quality(filled, RESEARCHER)
    _, facts, dataset = locked(filled, study_of(filled, "two-hospitals"))
    assert facts["linkage"] == {
        "link.disagree": 1, "link.linked": 20, "link.patient rows of a linked person": 20
    }  # fmt: skip
    assert facts["sites"] == {"S1": "org-hospital-a", "S2": "org-hospital-b"}
    assert facts["attrition"][0]["left"] + facts["attrition"][0]["remaining"] == 40
    assert len(dataset.frame) == 40
    linked_rows = dataset.frame["subject_id"].duplicated().sum()
    assert linked_rows == 0


def test_the_frozen_protocol_still_is_the_one_that_was_registered(filled: Platform) -> None:
    """The lock's section is part of the text that freezing hashes."""
    study = study_of(filled, "hashed", "  dates: shift")
    assert frozen_protocol(filled, study).lock.dates == "shift"
