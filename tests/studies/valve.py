"""The analysis table of the second demonstration, straight from the model that makes its patients."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from rwd_platform.demo.implant_events import implant_events
from rwd_platform.demo.implant_patients import ImplantPatient, implant_patients
from studies.adverse_events import read_adverse_events
from studies.dataset import StudyDataset
from studies.protocol import Protocol, load_protocol

SEED = 2026
TEXT = (Path(__file__).resolve().parents[2] / "studies/protocols/valve.yaml").read_text(encoding="utf-8")


def protocol() -> Protocol:
    return load_protocol(TEXT)


def valve_dataset(seed: int = SEED) -> StudyDataset:
    """One row a patient, as `studies.dataset.build` would make it of the lock."""
    people = implant_patients(seed)
    frame = pd.DataFrame(
        {
            "subject_id": [f"{one.hospital}{one.number:03d}" for one in people],
            "site_id": [one.hospital for one in people],
            "valve_v": [int(one.valve == "V") for one in people],
            "time_days": [one.last_day for one in people],
            "event": [int(one.failed) for one in people],
            "age": [float(one.age) for one in people],
            "ejection": [float(one.ejection) for one in people],
            "diabetes": [int(one.diabetes) for one in people],
        }
    )
    empty = pd.DataFrame({"subject_id": [], "variable": [], "source_row": []})
    frame = frame.sort_values("subject_id", ignore_index=True)
    held, _ = read_adverse_events(_lock(people, seed), protocol())
    return StudyDataset(frame, (), empty, "valve_v", held)


def _lock(people: Sequence[ImplantPatient], seed: int) -> dict[str, pd.DataFrame]:
    """What safety reads of a lock: subjects, reports and recorded deaths."""
    events = implant_events(people, seed)
    reports = pd.DataFrame(
        {
            "subject_id": [_name(one.patient) for one in events],
            "code_system": "http://hl7.org/fhir/sid/icd-10",
            "code": [one.code for one in events],
            "event_day": pd.array([one.day for one in events], dtype="Int64"),
            "detected_day": pd.array([one.day for one in events], dtype="Int64"),
            "actuality": [one.actuality for one in events],
            "seriousness_code": [one.seriousness for one in events],
            "causality_code": [one.causality for one in events],
            "outcome_code": [one.outcome for one in events],
            "device_deficiency": [one.kind == "deficiency" for one in events],
            "source_row": [f"report-{at}" for at in range(len(events))],
        }
    )
    vital = pd.DataFrame(
        {
            "subject_id": [_name(one) for one in people],
            "code_system": "https://rwd-platform.example/CodeSystem/demo-outcome",
            "code": "vital-status",
            "effective_day": pd.array([one.last_day for one in people], dtype="Int64"),
            "status": "final",
            "value_code": ["dead" if one.died else "alive" for one in people],
            "row_order": 0,
            "source_row": [f"vital-{at}" for at in range(len(people))],
        }
    )
    subjects = pd.DataFrame(
        {"subject_id": [_name(one) for one in people], "site_id": [one.hospital for one in people]}
    )
    return {"subject": subjects, "adverse_event": reports, "outcome_event": vital}


def _name(patient: ImplantPatient) -> str:
    return f"{patient.hospital}{patient.number:03d}"
