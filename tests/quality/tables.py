"""Lake tables for the tests: the Rotterdam patients as three hospitals' rows, and rows typed by hand."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pandas as pd
from survival.datasets import load_rotterdam

HOSPITALS = ("hospital-a", "hospital-b", "hospital-c")
_BASE = "https://rwd-platform.example/"
_TYPES = {
    "patient": "Patient",
    "visit": "Encounter",
    "condition": "Condition",
    "procedure": "Procedure",
    "drug_exposure": "MedicationDispense",
    "measurement": "Observation",
    "outcome_event": "Observation",
    "observation_period": "",
}
COLUMNS = {
    "patient": ("gender", "birth_date"),
    "visit": ("class_code", "start_date", "end_date", "status"),
    "condition": (
        "code_system",
        "code",
        "onset_date",
        "clinical_status",
        "verification_status",
        "abatement_date",
    ),
    "procedure": ("code_system", "code", "performed_date", "status", "end_date"),
    "drug_exposure": (
        *("product_system", "product_code", "handed_over_date", "status"),
        *("event_date", "event_end_date", "dose", "lot_id"),
    ),
    "measurement": (
        *("code_system", "code", "value_text", "value", "unit_code", "value_code"),
        *("effective_date", "status"),
    ),
    "outcome_event": ("code_system", "code", "value_code", "effective_date", "status"),
    "observation_period": ("first_date", "last_date", "last_contact_date"),
}
KEY = ("organisation_id", "source_system", "resource_type", "resource_id", "row_index", "patient_id")


def row(table: str, hospital: str, patient: str, resource: str, **values: Any) -> dict[str, Any]:
    """One row of a lake table; a column not named is missing."""
    assert set(values) <= set(COLUMNS[table])
    return {
        "organisation_id": hospital,
        "source_system": "his",
        "resource_type": _TYPES[table],
        "resource_id": resource,
        "row_index": 0,
        "patient_id": patient,
        **dict.fromkeys(COLUMNS[table]),
        **values,
    }


def frames(rows: dict[str, list[dict[str, Any]]]) -> dict[str, pd.DataFrame]:
    """Every table, also those without a row, typed as the lake types them."""
    tables = {}
    for name, columns in COLUMNS.items():
        frame = pd.DataFrame(rows.get(name, []), columns=[*KEY, *columns])
        frame["row_index"] = frame["row_index"].astype("Int64")
        for number in {"value", "dose"} & set(columns):
            frame[number] = frame[number].astype("float64")
        tables[name] = frame
    return tables


def rotterdam() -> dict[str, pd.DataFrame]:
    """The 2,982 real patients as the platform's lake would hold them, spread over three hospitals."""
    raw = load_rotterdam()
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in COLUMNS}
    for number in range(len(raw["pid"])):
        _patient(rows, {name: raw[name][number] for name in raw}, number)
    return frames(rows)


def _patient(rows: dict[str, list[dict[str, Any]]], facts: dict[str, Any], number: int) -> None:
    hospital, patient = HOSPITALS[number % 3], f"p{number}"
    surgery = date(int(facts["year"]), 7, 1)
    day = surgery.isoformat()

    def add(table: str, kind: str, **values: Any) -> None:
        rows[table].append(row(table, hospital, patient, f"{patient}-{kind}", **values))

    def measure(code: str, **values: Any) -> None:
        system = f"{_BASE}CodeSystem/demo-measure"
        add("measurement", code, code_system=system, code=code, effective_date=day, status="final", **values)

    def number_of(code: str, unit: str | None) -> None:
        value = int(facts[_SHORT[code]])
        measure(code, value_text=str(value), value=float(value), unit_code=unit)

    def outcome(code: str, value: str, days: int) -> None:
        when = (surgery + timedelta(days=int(days))).isoformat()
        system = f"{_BASE}CodeSystem/demo-outcome"
        values = {"code": code, "value_code": value, "effective_date": when, "status": "final"}
        add("outcome_event", code, code_system=system, **values)

    birth = f"{surgery.year - int(facts['age'])}-01-15"
    add("patient", "patient", gender="female", birth_date=birth)
    leaves = (surgery + timedelta(days=7)).isoformat()
    add("visit", "visit", class_code="IMP", start_date=day, end_date=leaves, status="finished")
    icd = {"code_system": "http://hl7.org/fhir/sid/icd-10", "code": "C50.9"}
    status = {"clinical_status": "active", "verification_status": "confirmed"}
    add("condition", "condition", onset_date=(surgery - timedelta(days=9)).isoformat(), **icd, **status)
    for code, done in (("85.4", True), ("99.25", facts["chemo"] == 1)):
        if done:
            system = "http://hl7.org/fhir/sid/icd-9-cm"
            add("procedure", code, code_system=system, code=code, performed_date=day, status="completed")
    if facts["hormon"] == 1:
        system = f"{_BASE}CodeSystem/licensed-product"
        product = {"product_system": system, "product_code": "DEMO-A", "status": "completed"}
        add("drug_exposure", "dispense", handed_over_date=day, **product)
    measure("menopausal-status", value_code="postmenopausal" if facts["meno"] == 1 else "premenopausal")
    measure("tumour-size", value_code=facts["size"])
    number_of("tumour-grade", None)
    number_of("positive-nodes", "{nodes}")
    number_of("progesterone-receptor", "fmol/L")
    number_of("oestrogen-receptor", "fmol/L")
    outcome("recurrence-status", "recurrence" if facts["recur"] == 1 else "no-recurrence", facts["rtime"])
    outcome("vital-status", "dead" if facts["death"] == 1 else "alive", facts["dtime"])
    # No first day: how complete follow-up is has tests of its own.
    last = (surgery + timedelta(days=int(facts["dtime"]))).isoformat()
    add("observation_period", "period", last_date=last, last_contact_date=last)


_SHORT = {
    "tumour-grade": "grade",
    "positive-nodes": "nodes",
    "progesterone-receptor": "pgr",
    "oestrogen-receptor": "er",
}
