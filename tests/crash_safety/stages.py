"""The stages that are killed: admit, seal by patient, compact, lock on one home; erase (erasure.py) on its own."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace

# Imported here, and not where they are used, so that the server has them before it forks.
import deltalake
import duckdb
import ibis
import pandas as pd
import pyarrow.dataset
import pyarrow.parquet

from quality import gate
from rwd_platform.demo.patients import demo_patients
from rwd_platform.demo.people import register_organisations
from rwd_platform.demo.resources import resources
from rwd_platform.flows import compact, evidence, sweep
from rwd_platform.flows.admit_upload import admit_upload
from rwd_platform.flows.check_quality import check_quality
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.segment_upload import segment_upload
from rwd_platform.flows.study import freeze_protocol, lock_data, register_study
from rwd_platform.log.entry import Actor
from rwd_platform.records.lifecycles import UploadState
from rwd_platform.records.tables import Upload
from rwd_platform.store import compaction, lake, lock, receipts
from rwd_platform.store.lake import Lake
from rwd_platform.store.lock import open_lock
from tests.crash_safety.erasure import ERASE, ready_to_count
from tests.crash_safety.killing import Facts, Marks, Stage
from tests.flows.sending import CLERK_B, RESEARCHER, grade, ndjson, patient, received, sent
from tests.flows.test_study import PROTOCOL, Naming, checked, thirty_patients

WARM = (
    __name__,
    "deidentify.calendar",
    "deidentify.classification",
    "deidentify.file_names",
    "deidentify.linkage",
    "deidentify.project",
    "duckdb.func",
    "fhir.resources.R4B.bundle",
    "fhir.resources.R4B.codeableconcept",
    "fhir.resources.R4B.coding",
    "fhir.resources.R4B.contactpoint",
    "fhir.resources.R4B.humanname",
    "fhir.resources.R4B.observation",
    "fhir.resources.R4B.patient",
    "fhir.resources.R4B.reference",
    "ibis.backends.duckdb",
    "ibis.formats.pandas",
    "ingestion.derived.compute",
    "lxml.etree",
    "pyarrow_hotfix",
    "quality.engine",
    "quality.gate",
    "quality.thresholds",
    "rwd_platform.audit.against_records",
    "rwd_platform.records.downgrade",
    "sqlalchemy.dialects.sqlite",
    "studies.cohort",
    "studies.cohorts.characteristics",
    "studies.cohorts.engine",
    "studies.cohorts.lint",
    "studies.cohorts.reader",
    "studies.cohorts.steps",
    "studies.linkage.run",
    "studies.protocol_reader",
    "tests.crash_safety.warmed",
)
_LOADED = (deltalake, duckdb, ibis, pd, pyarrow.dataset, pyarrow.parquet, compact, evidence, sweep)
_LOADED += (compaction, lake, lock, receipts)

NAME = "欧阳未名甲"
PHONE = "13900013900"
_SENDS = 2


def filled(platform: Platform) -> Facts:
    """Thirty patients admitted and checked; a study ready to be locked; a second hospital's upload that waits."""
    return _made(platform, thirty_patients(), check_quality)


def small(platform: Platform) -> Facts:
    """The same with six patients, and a quality run that let everything through: made in a fifth of the time."""
    chosen = demo_patients(1)[:6]
    people = ndjson(*(one for n, who in enumerate(chosen) for _, one in resources(who, Naming(n))))
    return _made(platform, people, lambda platform, _: checked(platform))


def _made(platform: Platform, people: bytes, check: Callable[[Platform, Actor], object]) -> Facts:
    register_organisations(platform)
    sent(platform, {"all.ndjson": people})
    for number in range(_SENDS):  # every one adds files, and each grade replaces the one before
        content = ndjson(patient("again"), grade("again", of="again", value=number % 3 + 1))
        sent(platform, {f"again{number}.ndjson": content})
    check(platform, RESEARCHER)
    study = register_study(platform, RESEARCHER, PROTOCOL)
    freeze_protocol(platform, RESEARCHER, study.id, "approved")
    waiting = received(platform, _second_hospital(), CLERK_B)
    ready_to_count(platform)
    return {"study": study.id, "upload": waiting}


def _second_hospital() -> dict[str, bytes]:
    people = [patient(f"m{n}", name=[{"text": NAME}], telecom=[{"value": PHONE}]) for n in range(20)]
    grades = [grade(f"mg{n}", of=f"m{n}", value=n % 3 + 1) for n in range(20)]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("more.ndjson", ndjson(*(patient(f"z{n}", name=[{"text": NAME}]) for n in range(5))))
    unreadable = b'{"resourceType": "Patient", "name": "' + NAME.encode() + b"\n"
    return {
        "people.ndjson": ndjson(*people, *grades) + unreadable,
        "more.zip": archive.getvalue(),
    }


def nothing_more(platform: Platform) -> Facts:
    """The home of `filled` as it is: what was sent is found in the records."""
    from sqlmodel import select

    from rwd_platform.records.tables import Study

    (study,) = platform.records.all(select(Study))
    (upload,) = platform.records.all(select(Upload).where(Upload.organisation_id == CLERK_B.organisation))
    return {"study": study.id, "upload": upload.id}


def _names_of_the_second_hospital(platform: Platform) -> tuple[str, ...]:
    frame = Lake(platform.layout).read("patient", ["organisation_id", "patient_id"])
    return tuple(frame[frame["organisation_id"] == CLERK_B.organisation]["patient_id"])


# -- admit -----------------------------------------------------------------------------------------


def admit(platform: Platform, facts: Facts) -> None:
    if platform.records.get(Upload, facts["upload"]).state != UploadState.ADMITTED:
        admit_upload(platform, CLERK_B, facts["upload"])


def marks_of_admit(platform: Platform, facts: Facts) -> Marks:
    """Not one of the new pseudonyms may lie anywhere before, and no name in clear at any time."""
    return Marks(never=(NAME, PHONE), after=_names_of_the_second_hospital(platform))


# -- seal by patient -------------------------------------------------------------------------------


def admitted(platform: Platform) -> Facts:
    facts = nothing_more(platform)
    admit(platform, facts)
    return facts


def seal(platform: Platform, facts: Facts) -> None:
    segment_upload(platform, CLERK_B, facts["upload"])


def marks_of_seal(platform: Platform, facts: Facts) -> Marks:
    return Marks(never=(NAME, PHONE))


# -- compact ---------------------------------------------------------------------------------------


def make_compact(platform: Platform, facts: Facts) -> None:
    compact.compact_store(platform, platform.operator())


def marks_of_compact(platform: Platform, facts: Facts) -> Marks:
    return Marks(never=(NAME, PHONE))


# -- lock ------------------------------------------------------------------------------------------


def make_lock(platform: Platform, facts: Facts) -> None:
    lock_data(platform, RESEARCHER, facts["study"])


def marks_of_lock(platform: Platform, facts: Facts) -> Marks:
    """The project's names of its subjects stand in the lock and nowhere else."""
    (path,) = platform.layout.locks.iterdir()
    subjects = open_lock(path).tables["subject"]["subject_id"]
    return Marks(never=(NAME, PHONE), after=tuple(subjects))


def make_lock_past_the_gate(platform: Platform, facts: Facts) -> None:
    """The gate reads and computes for seconds and changes nothing: here it lets all rows through at once.

    So the few kills of the short form fall where something is written. Called in processes of their own alone.
    """
    gate.quarantined_rows = lambda *_: {}
    make_lock(platform, facts)


ADMIT = Stage("admit", nothing_more, admit, marks_of_admit)
SEAL = Stage("seal", admitted, seal, marks_of_seal)
COMPACT = Stage("compact", nothing_more, make_compact, marks_of_compact)
LOCK = Stage("lock", nothing_more, make_lock, marks_of_lock)
QUICK_LOCK = replace(LOCK, act=make_lock_past_the_gate)
STAGES = {one.name: one for one in (ADMIT, SEAL, COMPACT, LOCK, ERASE)}
BASED = STAGES.keys() - {"erase"}  # on the home of `filled`
# Of a number of kills, how many fall to each: where many files change hands, more.
SHARES = {"admit": 11, "seal": 6, "compact": 9, "lock": 5, "erase": 9}
