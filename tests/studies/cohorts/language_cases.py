"""Definitions of the cohort language in few lines, over drawn tables of the study store, run on both engines."""

from __future__ import annotations

from typing import Any

import pandas as pd

from studies.cohorts.definition import Codes, Cohort
from studies.cohorts.engine import rule_column
from studies.cohorts.lake_frames import engine_over, needed
from studies.cohorts.plain import PlainEngine
from studies.cohorts.reader import CohortReader
from studies.cohorts.tables import load_model
from studies.yaml_reader import Node, read_yaml
from tests.studies.cohorts.circe_cases import rows

MODEL = load_model("lecheng")
SYSTEM = "urn:x"
LISTS = {
    "statins@1": Codes("statins@1", frozenset({(SYSTEM, "S1"), (SYSTEM, "S2")})),
    "empty@1": Codes("empty@1", frozenset()),
}
NUMBERS = ("value", "ucum_value", "dose", "quantity", "days_supply", "score", "amount", "fund_amount")
Lake = dict[str, list[dict[str, Any]]]


def codes(*each: str) -> str:
    return "{system: 'urn:x', any_of: [" + ", ".join(each) + "]}"


HEAD = "language: 2\nsource: {zh: 甲院, en: One hospital}\n"
ENTRY = f"""entry:
  title: {{zh: 首次诊断, en: First diagnosis}}
  pick: first
  events:
    - {{table: condition, codes: {codes("A")}}}
"""


def definition(text: str = "", entry: str = ENTRY) -> str:
    return HEAD + entry + text


def node(text: str) -> Node:
    return read_yaml(text)


def reader() -> CohortReader:
    return CohortReader(MODEL, LISTS.__getitem__)


def read(text: str, name: str = "case") -> Cohort:
    return reader().cohort(node(text), name)


def lake(**drawn: str) -> Lake:
    """The store from drawn tables: columns by their names in the language; patients and periods as needed.

    A code without a system is of `urn:x`; patients are women born on 1950-01-01, observed in the year 2000.
    """
    tables: Lake = {}
    for name, text in drawn.items():
        spec = MODEL.events.get(name)
        source = spec.source if spec else name
        tables.setdefault(source, []).extend(
            _row(name, source, number, row) for number, row in enumerate(rows(text))
        )
    people = sorted({row["patient_id"] for of_one in tables.values() for row in of_one})
    tables.setdefault("patient", [{"patient_id": one} for one in people])
    for row in tables["patient"]:
        for key, usual in (("gender", "female"), ("birth_date", "1950-01-01"), ("organisation_id", "H1")):
            row.setdefault(key, usual)
    tables.setdefault(
        "observation_period",
        [{"patient_id": one, "first_date": "2000-01-01", "last_date": "2000-12-31"} for one in people],
    )
    return tables


def _row(name: str, source: str, number: int, drawn: dict[str, Any]) -> dict[str, Any]:
    if "patient" not in drawn:
        return drawn
    spec = MODEL.events.get(name)
    row: dict[str, Any] = {"patient_id": drawn["patient"]}
    if spec is None:
        return row | {key: cell for key, cell in drawn.items() if key != "patient"}
    row |= {"resource_id": f"{name}-{number:03d}", "row_index": 0}
    row |= {key: f"{name}-{number:03d}" for key in spec.id if key not in row}
    stored = {"start": spec.start, "end": next((one.column for one in spec.ends if one.column), "")}
    stored |= {"visit": spec.visit, **spec.columns, **{key: code for key, (_, code) in spec.codes.items()}}
    for key, cell in drawn.items():
        if key != "patient":
            number_cell = key in NUMBERS and cell is not None
            flag = key in spec.flags and cell is not None
            row[stored[key]] = float(cell) if number_cell else cell == "true" if flag else cell
    for system, _ in spec.codes.values():
        row.setdefault(system, SYSTEM)
    return row


def frames(tables: Lake, cohort: Cohort) -> dict[str, pd.DataFrame]:
    """As the flow hands them over: every column that is asked for is there."""
    return {
        name: pd.DataFrame(
            [[row.get(column) for column in columns] for row in tables.get(name, ())],
            columns=list(columns),
            dtype="object",
        )
        for name, columns in needed(cohort, MODEL).items()
    }


def asked_rows(cohort: Cohort, tables: Lake) -> Lake:
    """The rows as plain ones, with every column that is asked for."""
    asked = needed(cohort, MODEL)
    return {
        name: [{column: row.get(column) for column in columns} for row in tables.get(name, ())]
        for name, columns in asked.items()
    }


def rules_met(cohort: Cohort, tables: Lake) -> dict[str, set[str]]:
    """Who of the entries meets each rule, on both engines, which must agree."""
    plain = PlainEngine(MODEL, asked_rows(cohort, tables))
    entries = plain.qualified(cohort)
    met = {
        rule.id: {event.patient for event in entries if plain.holds(rule.group, event)}
        for rule in cohort.rules
    }
    with engine_over(frames(tables, cohort), cohort, MODEL) as engine:
        judged = engine.judged(cohort).execute()
    for number, rule in enumerate(cohort.rules):
        assert set(judged.loc[judged[rule_column(number)], "_patient"]) == met[rule.id], rule.id
    return met


def run(cohort: Cohort, tables: Lake) -> list[tuple[str, str, str]]:
    """Patient, first and last day on both engines, which must agree."""
    plain = [
        (one.patient, one.start.isoformat(), one.end.isoformat())
        for one in PlainEngine(MODEL, asked_rows(cohort, tables)).cohort(cohort)
    ]
    with engine_over(frames(tables, cohort), cohort, MODEL) as engine:
        found = engine.cohort(cohort).execute()
    ibis = sorted(
        (patient, str(start)[:10], str(end)[:10]) for patient, start, end in found.itertuples(index=False)
    )
    assert ibis == sorted(plain)
    return sorted(plain)


def short(found: list[tuple[str, str, str]]) -> str:
    """`A 03-01..12-31 | B ...`: the intervals of the year 2000 in one line."""
    return " | ".join(f"{patient} {start[5:]}..{end[5:]}" for patient, start, end in found)
