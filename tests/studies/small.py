"""Small locks and datasets for the invented study of small_protocol.yaml: tables that a person can check by eye."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from studies.dataset import StudyDataset
from studies.protocol import Protocol, load_protocol
from studies.tables import LINEAGE_COLUMNS, with_source_rows

Lock = dict[str, pd.DataFrame]
EMPTY_LINEAGE = pd.DataFrame(columns=list(LINEAGE_COLUMNS))

_SYSTEMS = {
    "procedure": "urn:proc",
    "condition": "urn:dx",
    "measurement": "urn:obs",
    "outcome_event": "urn:out",
}
_DAYS = {
    "procedure": "performed_day",
    "condition": "onset_day",
    "measurement": "effective_day",
    "outcome_event": "effective_day",
    "drug_exposure": "handed_over_day",
}


def small_text() -> str:
    return (Path(__file__).parent / "small_protocol.yaml").read_text("utf-8")


def small_protocol() -> Protocol:
    return load_protocol(small_text())


def table(text: str) -> list[dict[str, str]]:
    """Rows of a table drawn with |; a cell `-` is missing."""
    lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    return [
        {name: cell for name, cell in zip(lines[0], cells, strict=True) if cell != "-"} for cells in lines[1:]
    ]


def lock(subjects: str, events: str) -> Lock:
    """A lock of two drawn tables.

    subjects -- subject | age
    events   -- table | subject | code | day and, where needed, value | unit | status | line (its source line)
    """
    people = table(subjects)
    built = {
        "subject": pd.DataFrame(
            {
                "subject_id": [one["subject"] for one in people],
                "site_id": "site-1",
                "age_years": pd.array(
                    [int(one["age"]) if "age" in one else None for one in people], dtype="Int64"
                ),
                "source_file_sha256": "a" * 64,
                "source_line": range(1, len(people) + 1),
                "line_digest": [f"subject-{number}" for number in range(1, len(people) + 1)],
            }
        )
    }
    rows = table(events)
    for name in _DAYS:
        chosen = [(number, one) for number, one in enumerate(rows, start=100) if one["table"] == name]
        built[name] = pd.DataFrame(
            [_row(name, number, one) for number, one in chosen], columns=_columns(name)
        )
        built[name][_DAYS[name]] = built[name][_DAYS[name]].astype("Int64")
    return dict(with_source_rows(built))


def line_of(source_row: str) -> int:
    """The source line that a row of a drawn lock is named after."""
    return int(source_row.split(":")[1])


def _columns(name: str) -> list[str]:
    drug = name == "drug_exposure"
    status = "verification_status" if name == "condition" else "status"
    return [
        "subject_id",
        "product_system" if drug else "code_system",
        "product_code" if drug else "code",
        _DAYS[name],
        status,
        "value",
        "unit_code",
        "value_code",
        "source_file_sha256",
        "source_line",
        "line_digest",
    ]


_STATUS = {"measurement": "final", "outcome_event": "final", "condition": "confirmed"}


def _row(name: str, number: int, one: dict[str, str]) -> list[Any]:
    value = one.get("value")
    unit = one.get("unit")
    is_number = name == "measurement" and unit is not None
    line = int(one.get("line", number))
    return [
        one["subject"],
        "urn:dev" if name == "drug_exposure" else _SYSTEMS[name],
        one["code"],
        int(one["day"]) if "day" in one else None,
        one.get("status", _STATUS.get(name, "completed")),
        float(value) if is_number and value is not None else None,
        unit,
        None if is_number else value,
        "b" * 64,
        line,
        f"line-{line}",
    ]


def dataset(subjects: int = 200, *, seed: int = 4, **columns: Any) -> StudyDataset:
    """A ready analysis table with random people; `columns` overwrite what is drawn."""
    random = np.random.default_rng(seed)
    age = np.round(random.uniform(40, 85, subjects))
    exposed = (random.uniform(size=subjects) < 1 / (1 + np.exp(-(age - 65) / 15))).astype(int)
    drawn: dict[str, Any] = {
        "subject_id": [f"P{number:04d}" for number in range(subjects)],
        "site_id": "site-1",
        "stent": exposed,
        "time_days": np.ceil(random.exponential(400 * np.exp(-(age - 60) / 40), subjects)).astype(int),
        "event": (random.uniform(size=subjects) < 0.7).astype(int),
        "age": age,
        "weight_kg": np.round(random.normal(70, 12, subjects), 1),
        "frailty": np.where(random.uniform(size=subjects) < 0.4, "frail", "fit"),
        "surgery": (random.uniform(size=subjects) < 0.3).astype(int),
    }
    drawn.update(columns)
    return StudyDataset(pd.DataFrame(drawn), (), EMPTY_LINEAGE, "stent")
