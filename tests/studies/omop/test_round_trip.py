"""An export read by the importer of Circe gives the cohort that the study store's own definition gives."""

from __future__ import annotations

import json
import random
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from studies.cohorts.circe import read_circe
from studies.cohorts.circe.omop_rows import needed, read_omop
from studies.cohorts.plain import PlainEngine
from studies.cohorts.tables import load_model
from studies.omop import load_vocabulary
from tests.studies.cohorts.circe_cases import expression, group, related, window
from tests.studies.cohorts.language_cases import asked_rows, definition, read, run
from tests.studies.omop.locks import ICD10, LOINC, athena, exported, subjects

ICD9, RXNORM = "http://hl7.org/fhir/sid/icd-9-cm", "http://www.nlm.nih.gov/research/umls/rxnorm"
# What is asked for: table of the language and of Circe, system, code, concept, and the rows that an export hands on.
KINDS: dict[str, dict[str, Any]] = {
    "condition": {"table": "condition", "circe": "ConditionOccurrence", "system": ICD10, "code": "C50.9",
                  "concept": 1, "where": "{status: confirmed}"},
    "procedure": {"table": "procedure", "circe": "ProcedureOccurrence", "system": ICD9, "code": "85.4",
                  "concept": 2, "where": "{status: completed}"},
    "drug": {"table": "drug_use", "circe": "DrugExposure", "system": RXNORM, "code": "11289", "concept": 3,
             "where": "{status: completed, origin: administration}"},
    "value": {"table": "measurement", "circe": "Measurement", "system": LOINC, "code": "718-7", "concept": 4,
              "where": "{status: [final, amended, corrected], value: {at_least: 50, unit: g/L}}"},
}  # fmt: skip
ROWS = {
    "condition": (
        "condition",
        "onset_date",
        "verification_status",
        ["confirmed", "entered-in-error", "refuted"],
    ),
    "procedure": ("procedure", "performed_date", "status", ["completed", "not-done"]),
    "drug": ("drug_exposure", "event_date", "status", ["completed", "entered-in-error"]),
    "value": ("measurement", "effective_date", "status", ["final", "amended", "cancelled"]),
}
SEEDS = range(10)
PEOPLE = [f"p{number:02}" for number in range(14)]
Rows = dict[str, list[dict[str, Any]]]


@cache
def store() -> Rows:
    """Drawn events of two codes a table, some of them unrealised, undated or outside of observation."""
    draw = random.Random(20261122)
    tables: Rows = {}
    for number in range(420):
        kind = draw.choice(list(KINDS))
        table, day, status, values = ROWS[kind]
        at = (date(2000, 1, 1) + timedelta(days=draw.randrange(-20, 380))).isoformat()
        product = "product_" if kind == "drug" else "code_"
        code = "product_code" if kind == "drug" else "code"
        one = {
            "patient_id": draw.choice(PEOPLE),
            "resource_id": f"r{number:03}",
            "row_index": 0,
            f"{product}system": KINDS[kind]["system"],
            code: KINDS[kind]["code"] if draw.random() < 0.7 else "other",
            day: at if draw.random() < 0.95 else at[:7],
            status: draw.choice([values[0], *values]),
        }
        if kind == "drug":
            one["source"] = draw.choice(["administration", "administration", "request"])
        if kind == "value":
            one |= {"value": float(draw.randrange(100)), "unit_code": "g/L"}
        tables.setdefault(table, []).append(one)
    periods = [{"patient_id": one, "first_date": "2000-01-01", "last_date": "2000-12-31"} for one in PEOPLE]
    patients = [{"patient_id": one, "gender": "female", "birth_date": "1950-01-01"} for one in PEOPLE]
    return {**tables, "patient": patients, "observation_period": periods}


@pytest.fixture(scope="module")
def omop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, str]]:
    """The same rows as a lock, exported and written as the flow does; and who has which number."""
    folder = tmp_path_factory.mktemp("omop")
    vocabulary = athena(
        tmp_path_factory.mktemp("athena"),
        [
            (11, "ICD10", "C50.9", "Condition", ""), (1, "SNOMED", "a", "Condition", "S"),
            (2, "ICD9Proc", "85.4", "Procedure", "S"), (3, "RxNorm", "11289", "Drug", "S"),
            (4, "LOINC", "718-7", "Measurement", "S"), (5, "UCUM", "g/L", "Unit", "S"),
        ],
        links=[(11, 1)],
    )  # fmt: skip
    tables = {
        name: pd.DataFrame([{**row, "subject_id": row["patient_id"]} for row in rows])
        for name, rows in store().items()
        if name != "patient"
    }
    made = exported({**tables, "subject": subjects(*PEOPLE)}, load_vocabulary(vocabulary))
    assert made.report.adds_up and made.report.tables["person"] == len(PEOPLE)
    for name, table in made.tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    return folder, {number: person for person, number in made.people.items()}


def events(kind: str) -> tuple[str, dict[str, Any]]:
    """What is asked for in both languages."""
    of = KINDS[kind]
    own = f"table: {of['table']}, codes: {{system: '{of['system']}', any_of: ['{of['code']}']}}, where: {of['where']}"
    asked: dict[str, Any] = {"CodesetId": of["concept"]}
    if kind == "drug":
        asked["DrugType"] = [{"CONCEPT_ID": 32818}]
    if kind == "value":
        asked |= {"ValueAsNumber": {"Op": "gte", "Value": 50}, "Unit": [{"CONCEPT_ID": 5}]}
    return f"{{{own}}}", {of["circe"]: asked}


def drawn_definition(seed: int) -> tuple[str, dict[str, Any]]:
    """One cohort, said in the study store's language and in Circe's."""
    draw = random.Random(seed)
    entry, other = draw.sample(list(KINDS), 2)
    pick, before = draw.choice(["first", "all"]), draw.choice([0, 30, 90])
    first, last = draw.choice([(-60, -1), (-180, 0), (1, 90), (-30, 30)])
    own, asked = events(entry)
    own_other, asked_other = events(other)
    present = draw.random() < 0.6
    count = {"Type": 2, "Count": draw.choice([1, 1, 2])} if present else {"Type": 0, "Count": 0}
    how = (
        f"events: {own_other}, count: {{at_least: {count['Count']}}}"
        if present
        else f"no_events: {own_other}"
    )
    text = definition(
        f"require:\n  - {{{how}, days: [{first}, {last}], id: r, reason: {{zh: 甲, en: A}}}}\n",
        f"entry:\n  title: {{zh: 起点, en: Entry}}\n  pick: {pick}\n  observed: {{before: {before}}}\n"
        f"  events:\n    - {own}\n",
    )
    rule = group("ALL", related(asked_other, window(first, last), count))
    circe = expression(asked, limit=pick.title(), before=before, AdditionalCriteria=rule)
    return text, circe


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cohort_is_the_same_in_the_store_and_in_its_export(
    omop: tuple[Path, dict[int, str]], seed: int
) -> None:
    """Drawn definitions: who enters when, with days of history, and another event near it, or none."""
    folder, people = omop
    text, circe = drawn_definition(seed)
    own = run(read(text), store())
    cohort = read_circe(json.dumps(circe), None, "case")
    model = load_model("omop")
    found = PlainEngine(model, needed(cohort, read_omop(folder), model)).cohort(cohort)
    assert sorted((people[one.patient], one.start.isoformat(), one.end.isoformat()) for one in found) == own


def test_the_drawn_definitions_say_something() -> None:
    """Most cohorts are neither nobody nor everybody, and they are not alike."""
    model = load_model("lecheng")
    cohorts = [read(drawn_definition(seed)[0]) for seed in SEEDS]
    found = [PlainEngine(model, asked_rows(one, store())).cohort(one) for one in cohorts]
    sizes = [len({interval.patient for interval in one}) for one in found]
    assert sum(0 < size < len(PEOPLE) for size in sizes) >= 7 and len(set(sizes)) >= 4, sizes
