"""A lock whose protocol plans safety holds the table of adverse events: whichever version it was written for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.demo.implant_events import implant_events
from rwd_platform.demo.implant_files import export_implants
from rwd_platform.demo.implant_patients import implant_patients
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.protocol_tables import tables_read
from rwd_platform.flows.study import freeze_protocol, lineage_of, lock_data, register_study, run_study
from rwd_platform.records.tables import AnalysisRun, Study
from rwd_platform.store.lake import Lake
from rwd_platform.store.lock import open_lock
from studies.adverse_events import EVENTS
from studies.protocol import load_protocol
from tests.flows.passing_quality import pass_quality
from tests.flows.sending import RESEARCHER, ndjson, sent
from tests.flows.test_study import PROTOCOL, thirty_patients

PLAN = "analyses:\n  - {id: all.safety, method: safety, title: {zh: 安全性, en: Safety}, population: all}\n"
HL7 = "http://terminology.hl7.org/CodeSystem/adverse-event-"


def with_events() -> bytes:
    """The thirty patients; of the first two something is reported, of one of them twice."""
    units: list[dict[str, Any]] = [json.loads(line) for line in thirty_patients().splitlines()]
    people = [one for one in units if one["resourceType"] == "Patient"][:2]
    surgery = {one["subject"]["reference"]: one for one in units if str(one["id"]).startswith("surgery.")}
    events = []
    for number, (person, code) in enumerate(
        [(people[0], "T81.0"), (people[0], "I44.2"), (people[1], "T81.0")]
    ):
        whose = f"Patient/{person['id']}"
        day = surgery[whose]["performedDateTime"][:10]
        events.append(
            {
                "resourceType": "AdverseEvent",
                "id": f"event-{number}",
                "actuality": "actual",
                "event": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": code}]},
                "subject": {"reference": whose},
                "date": day,
                "detected": day,
                "recordedDate": day,
                "seriousness": {"coding": [{"system": f"{HL7}seriousness", "code": "Serious"}]},
            }
        )
    return ndjson(*units, *events)


def study_of(platform: Platform, text: str) -> Study:
    study = register_study(platform, RESEARCHER, text)
    return freeze_protocol(platform, RESEARCHER, study.id, "approved")


def planned() -> str:
    return PROTOCOL.replace("analyses:\n", PLAN)


def values(run: AnalysisRun) -> dict[str, Any]:
    return {row["id"]: row["value"] for row in run.results["rows"] if row["analysis"] == "all.safety"}


def test_events_come_from_the_hospitals_file_to_the_open_results_and_lead_back_to_their_lines(
    platform: Platform,
) -> None:
    """Registered by a protocol of the older form, which reads the tables of 1.0.0: this one it gets as it is now."""
    sent(platform, {"all.ndjson": with_events()})
    pass_quality(platform, RESEARCHER)
    study = study_of(platform, planned())
    lock = lock_data(platform, RESEARCHER, study.id)
    rows = open_lock(platform.layout.lock(lock.id)).tables["adverse_event"]
    assert len(rows) == 3 and set(rows["event_day"]) == {0} and "suspect_device_id" not in rows
    run = run_study(platform, RESEARCHER, study.id)
    assert run.sealed_part is not None, "the other estimates wait"
    found = values(run)
    counted = [found[f"all.safety.any.{arm}.affected"] for arm in ("exposed", "comparator")]
    events = [found[f"all.safety.any.{arm}.adverse_events"] for arm in ("exposed", "comparator")]
    assert (sum(counted), sum(events)) == (2, 3)
    assert not any(
        "hazard_ratio" in row["id"] for row in run.results["rows"] if row["analysis"] != "overseas"
    )
    lines = lineage_of(platform, run).query(f"variable == '{EVENTS}'")
    assert len(lines) == 3 and lines["source_line"].min() > 1


def test_a_lake_without_any_report_gives_an_empty_table_and_zeros(platform: Platform) -> None:
    sent(platform, {"all.ndjson": thirty_patients()})
    pass_quality(platform, RESEARCHER)
    study = study_of(platform, planned())
    lock = lock_data(platform, RESEARCHER, study.id)
    assert open_lock(platform.layout.lock(lock.id)).tables["adverse_event"].empty
    found = values(run_study(platform, RESEARCHER, study.id))
    assert found["all.safety.any.exposed.affected"] == 0 < found["all.safety.any.exposed.upper_limit"]
    assert found["all.safety.exposed.silent_subjects"] == found["all.safety.exposed.subjects"]


def test_who_does_not_plan_safety_has_the_lock_of_before(platform: Platform) -> None:
    sent(platform, {"all.ndjson": with_events()})
    pass_quality(platform, RESEARCHER)
    lock = lock_data(platform, RESEARCHER, study_of(platform, PROTOCOL).id)
    assert "adverse_event" not in open_lock(platform.layout.lock(lock.id)).tables


def test_reports_that_quality_holds_back_stop_the_lock_of_a_study_that_reads_them(platform: Platform) -> None:
    """Counted as nothing, they would be a false zero."""
    assert "adverse_event" in tables_read(load_protocol(planned()))
    assert "adverse_event" not in tables_read(load_protocol(PROTOCOL))
    sent(platform, {"all.ndjson": with_events()})
    pass_quality(platform, RESEARCHER, "adverse_event")
    with pytest.raises(PlatformError) as refused:
        lock_data(platform, RESEARCHER, study_of(platform, planned()).id)
    assert refused.value.code == "study.quality_gate" and "adverse_event" in refused.value.en


def test_the_platform_takes_in_every_report_of_the_file(tmp_path: Path, platform: Platform) -> None:
    """The hospital's own file: what is sent is accepted, and the deficiency is told by its category."""
    lecheng = export_implants(tmp_path, seed=2026)[0]
    units = [json.loads(line) for line in lecheng.file.read_text("utf-8").splitlines()]
    reports = [one for one in units if one["resourceType"] == "AdverseEvent"]
    assert (
        len(reports) == len(implant_events(implant_patients(2026), 2026)) and len(units) == lecheng.resources
    )
    sent(platform, {"implants.ndjson": lecheng.file.read_bytes()})
    rows = Lake(platform.layout).read("adverse_event")
    assert len(rows) == len(reports) and int(rows["device_deficiency"].sum()) == 1
    assert rows["causality_code"].notna().all() and rows["suspect_device_id"].notna().all()
