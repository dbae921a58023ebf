"""The stage `erase`: one patient's data destroyed in files, lake, locks, results and records.

It cannot be undone, so it is gone on with. Until it is done the patient is frozen, and what anybody can use is the
same at every moment: the lake without the patient, and no lock that holds the patient.
"""

from __future__ import annotations

from dataclasses import replace

from sqlmodel import select

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.demo.people import register_organisations
from rwd_platform.flows import cohort_tables
from rwd_platform.flows.erase_patient import erase
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.withdraw import frozen_patients, without_frozen
from rwd_platform.flows.withdraw_notices import locks_with
from rwd_platform.records.tables import AnalysisRun, DataLockRecord, ErasureRequest, LockNotice
from rwd_platform.store.lake import Lake
from tests.crash_safety.killing import Facts, Marks, Stage
from tests.crash_safety.state import State
from tests.flows.erasing import (
    CODE,
    DAY,
    NAME,
    OFFICERS,
    PHONE,
    approved,
    packaged,
    send_thirty,
    settle_people,
    study_with_results,
)


def approved_of_thirty(platform: Platform) -> Facts:
    """A lock, results and a package hold the patient, whose code and day nobody else has."""
    register_organisations(platform)
    send_thirty(platform)
    study_with_results(platform)
    packaged(platform, platform.records.all(select(AnalysisRun))[0])
    ready_to_count(platform)
    return {**_facts(platform, approved(platform)), "planted": f"{CODE} {DAY}"}


def approved_of_six(platform: Platform) -> Facts:
    """On the small home with its lock made: one of six patients, and no results."""
    settle_people(platform)
    return _facts(platform, approved(platform, "patient.0"))


def ready_to_count(platform: Platform) -> None:
    """Tables prepared for counting, which hold patients' rows beside the lake; of so few nobody would do it ahead.

    Called in processes of their own alone.
    """
    cohort_tables.RESOURCES_AHEAD = 0
    cohort_tables.prepare_counting(platform)
    assert list(platform.layout.counting.glob("*/*.parquet"))


def _facts(platform: Platform, request: ErasureRequest) -> Facts:
    locks = platform.records.all(select(DataLockRecord))
    holding = locks_with(platform, request.organisation_id, [request.patient_id], locks)
    subjects = {one for found in holding.values() for one in found}
    assert subjects, "the patient is in a lock"
    return {"request": request.id, "planted": "", "subjects": " ".join(sorted(subjects))}


def make_erasure(platform: Platform, facts: Facts) -> None:
    erase(platform, OFFICERS[1], facts["request"])


def marks_of_erasure(platform: Platform, facts: Facts) -> Marks:
    """What is the patient's alone may lie nowhere once it is done, and the name in clear at no time."""
    return Marks(never=(NAME, PHONE), before=(*facts["planted"].split(), *facts["subjects"].split()))


def usable(platform: Platform) -> State:
    """The lake as counts and locks see it, and which locks serve nothing new."""
    lake, frozen = Lake(platform.layout), frozen_patients(platform)
    tables, _ = without_frozen({name: lake.read(name) for name in lake.tables()}, frozen)
    rows = {
        name: sha256_hex(table.to_json(orient="values", date_format="iso").encode())
        for name, table in tables.items()
    }
    noticed = {one.lock_id for one in platform.records.all(select(LockNotice)) if one.kind == "withdrawn"}
    return {"rows": rows, "frozen": dict.fromkeys(map(str, frozen)), "locks": dict.fromkeys(noticed)}


ERASE = Stage("erase", approved_of_thirty, make_erasure, marks_of_erasure, usable)
QUICK_ERASE = replace(ERASE, prepare=approved_of_six)
