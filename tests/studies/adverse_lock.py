"""Small locks with adverse events, for the invented study of small_protocol.yaml."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from rwd_platform.core.text import Bilingual
from studies.adverse_events import read_adverse_events
from studies.dataset import StudyDataset
from studies.planned import PlannedAnalysis
from studies.protocol import Protocol
from studies.results import ResultSet
from studies.run import run_analyses
from tests.studies.small import EMPTY_LINEAGE, small_protocol, table

PLAN = PlannedAnalysis("all.safety", "safety", Bilingual("安全性", "Safety"), "all")
COLUMNS = (
    "subject_id", "code_system", "code", "event_day", "detected_day", "actuality", "seriousness_code",
    "causality_code", "outcome_code", "device_deficiency", "source_row",
)  # fmt: skip


def planned(**changes: Any) -> Protocol:
    """The small study, of which only safety is planned."""
    return replace(small_protocol(), analyses=(replace(PLAN, **changes),))


def reports(text: str) -> pd.DataFrame:
    """A drawn adverse_event table. subject | code | day, and where needed detected | serious | cause | outcome |
    actuality | deficiency | system | line | status.
    """
    rows = table(text) if text.strip() else []
    drawn = pd.DataFrame(
        [
            (
                one["subject"], one.get("system", "urn:ae"), one.get("code"),
                int(one["day"]) if "day" in one else None, int(one["detected"]) if "detected" in one else None,
                one.get("actuality", "actual"), one.get("serious"), one.get("cause"), one.get("outcome"),
                "deficiency" in one, one.get("line", f"line-{number}"),
            )
            for number, one in enumerate(rows)
        ],
        columns=list(COLUMNS),
    ).astype({"event_day": "Int64", "detected_day": "Int64"})  # fmt: skip
    if any("status" in one for one in rows):
        drawn["status"] = [one.get("status") for one in rows]
    return drawn


def analysed(people: str, events: str | pd.DataFrame, **changes: Any) -> ResultSet:
    """people -- subject | arm | days, and where needed site, died."""
    return run_analyses(dataset_of(table(people), events, planned(**changes)), planned(**changes), "lock-1")


def dataset_of(
    people: list[dict[str, str]], events: str | pd.DataFrame | None, protocol: Protocol
) -> StudyDataset:
    ids, sites = [one["subject"] for one in people], [one.get("site", "site-1") for one in people]
    frame = pd.DataFrame(
        {
            "subject_id": ids,
            "site_id": sites,
            "stent": [int(one["arm"] == "new") for one in people],
            "time_days": [int(one["days"]) for one in people],
            "event": 0,
            "age": 60.0,
            "weight_kg": 70.0,
            "frailty": "fit",
            "surgery": 0,
        }
    ).sort_values("subject_id", ignore_index=True)
    lock = {"subject": pd.DataFrame({"subject_id": ids, "site_id": sites}), "outcome_event": _vital(people)}
    if events is not None:
        lock["adverse_event"] = reports(events) if isinstance(events, str) else events
    held, _ = read_adverse_events(lock, protocol)
    return StudyDataset(frame, (), EMPTY_LINEAGE, "stent", held)


def _vital(people: list[dict[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "subject_id": [one["subject"] for one in people],
            "code_system": "urn:out",
            "code": "VITAL",
            "effective_day": pd.array([int(one["days"]) for one in people], dtype="Int64"),
            "status": "final",
            "value_code": ["dead" if "died" in one else "alive" for one in people],
            "row_order": 0,
            "source_row": [f"vital-{one['subject']}" for one in people],
        }
    )


def value(results: ResultSet, id: str) -> Any:
    return results.row(f"all.safety.{id}").value
