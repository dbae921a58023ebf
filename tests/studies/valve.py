"""The analysis table of the second demonstration, straight from the model that makes its patients."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from rwd_platform.demo.implant_patients import implant_patients
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
    return StudyDataset(frame.sort_values("subject_id", ignore_index=True), (), empty, "valve_v")
