"""Circe expressions and OMOP tables in few lines, run on both engines, which must agree."""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from typing import Any

from studies.cohorts.circe import ConceptSource, read_circe
from studies.cohorts.circe.omop_rows import Tables, ibis_tables, needed, typed, with_empty
from studies.cohorts.definition import Cohort
from studies.cohorts.engine import Engine
from studies.cohorts.plain import PlainEngine
from studies.cohorts.tables import load_model

Json = dict[str, Any]
MODEL = load_model("omop")
ANY_TIME = {"Start": {"Coeff": -1}, "End": {"Coeff": 1}}
AT_LEAST_ONE = {"Type": 2, "Count": 1}


def concept_set(number: int, *concepts: int, **flags: bool) -> Json:
    items = [{"concept": {"CONCEPT_ID": one}, **flags} for one in concepts]
    return {"id": number, "name": f"set {number}", "expression": {"items": items}}


# The concept sets of the cases: set n holds the concept n.
SETS = [concept_set(number, number) for number in range(1, 10)]


def expression(*entry: Json, limit: str = "All", before: int = 0, after: int = 0, **parts: Any) -> Json:
    """An expression in which nothing is limited unless a part says so."""
    return {
        "ConceptSets": SETS,
        "PrimaryCriteria": {
            "CriteriaList": list(entry),
            "ObservationWindow": {"PriorDays": before, "PostDays": after},
            "PrimaryCriteriaLimit": {"Type": limit},
        },
        "QualifiedLimit": {"Type": "All"},
        "ExpressionLimit": {"Type": "All"},
        **parts,
    }


def related(criteria: Json, start: Json | None = None, count: Json | None = None, **parts: Any) -> Json:
    return {
        "Criteria": criteria,
        "StartWindow": start or ANY_TIME,
        "Occurrence": count or AT_LEAST_ONE,
        **parts,
    }


def group(
    kind: str, *criteria: Json, about: tuple[Json, ...] = (), groups: tuple[Json, ...] = (), **parts: Any
) -> Json:
    return {
        "Type": kind,
        "CriteriaList": list(criteria),
        "DemographicCriteriaList": list(about),
        "Groups": list(groups),
        **parts,
    }


def window(first: int | None, last: int | None, **parts: bool) -> Json:
    """From `first` to `last` days, counted from the index; None: as far as is observed."""
    start: Json = {"Coeff": -1} if first is None else {"Days": abs(first), "Coeff": -1 if first < 0 else 1}
    end: Json = {"Coeff": 1} if last is None else {"Days": abs(last), "Coeff": -1 if last < 0 else 1}
    return {"Start": start, "End": end, **parts}


def read(definition: Json, concepts: ConceptSource | None = None) -> Cohort:
    return read_circe(json.dumps(definition), concepts, "case")


def rows(text: str) -> list[Json]:
    """Rows of a table drawn with `|`; "-" is null."""
    lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    head, *body = lines
    return [
        {name: None if cell == "-" else cell for name, cell in zip(head, line, strict=True)} for line in body
    ]


def omop(**tables: str) -> Tables:
    """A database from drawn tables; persons and periods that are not drawn are there for every person.

    A column is headed by its name in the cohort language (`code`, `start`, `visit`) or by its own.
    """
    drawn: dict[str, list[Json]] = {
        name: [{names(name).get(head, head): cell for head, cell in row.items()} for row in rows(text)]
        for name, text in tables.items()
    }
    people = sorted(
        {row["person_id"] for of_table in drawn.values() for row in of_table if "person_id" in row}
    )
    if "person" not in drawn:
        drawn["person"] = [
            {"person_id": one, "year_of_birth": 1950, "gender_concept_id": 8507} for one in people
        ]
    if "observation_period" not in drawn:
        drawn["observation_period"] = [
            {
                "observation_period_id": one,
                "person_id": one,
                "observation_period_start_date": "2000-01-01",
                "observation_period_end_date": "2000-12-31",
            }
            for one in people
        ]
    return with_empty(typed(drawn.items()))


@cache
def names(table: str) -> dict[str, str]:
    """What the columns of a table are called in the cohort language, and as stored."""
    lookups = [one for one in MODEL.lookups.values() if one.source == table]
    found = {
        "patient": "person_id",
        **{name: column for one in lookups for name, column in one.columns.items()},
    }
    if table in ("provider", "care_site"):
        found[table.removeprefix("care_")] = lookups[0].key
    for event in (one for one in MODEL.events.values() if one.source == table):
        found |= {"id": event.id[0], "start": event.start, "end": event.ends[0].column, **event.columns}
        found |= {"visit": event.visit, "provider": event.provider, "site": event.site}
        found |= {name: code for name, (_, code) in event.codes.items()}
    return found


def run(cohort: Cohort, tables: Tables) -> list[tuple[int, str, str]]:
    """Patient, first and last day, from the plain engine and from Ibis on DuckDB; they must be the same."""
    wanted = needed(cohort, tables, MODEL)
    plain = [(one.patient, one.start, one.end) for one in PlainEngine(MODEL, wanted).cohort(cohort)]
    frame = duckdb().execute(Engine(MODEL, ibis_tables(wanted)).cohort(cohort))
    ibis = [(int(patient), _day(start), _day(end)) for patient, start, end in frame.itertuples(index=False)]
    assert sorted(ibis) == sorted(plain)
    return [(patient, start.isoformat(), end.isoformat()) for patient, start, end in plain]


def patients(cohort: Cohort, tables: Tables) -> list[int]:
    return sorted({patient for patient, _, _ in run(cohort, tables)})


@cache
def duckdb() -> Any:
    import ibis

    return ibis.duckdb.connect()


def _day(value: Any) -> date:
    return date(value.year, value.month, value.day)
