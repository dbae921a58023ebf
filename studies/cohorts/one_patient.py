"""One patient's rows out of a store of any size, as plain rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.cohorts.definition import Cohort
from studies.cohorts.engine import Engine
from studies.cohorts.plain import PlainEngine
from studies.cohorts.plain_values import Row
from studies.cohorts.tables import PATIENT, Model
from studies.cohorts.without import patient_columns

Rows = dict[str, list[Row]]


def of_one_patient(
    engine: Engine | PlainEngine, cohort: Cohort, patient_id: str, *, known_only: bool = False
) -> PlainEngine:
    """The plain engine over what a definition reads of one patient; `known_only`: only over whether they are there."""
    model = engine.model
    wanted = {model.lookups[PATIENT].source, model.observation[0]}
    if not known_only:
        wanted |= {model.table(events.table).source for events in cohort.all_events()}
        wanted |= {lookup.source for lookup in model.lookups.values() if lookup.patient}
    columns = {name: column for name, column in patient_columns(model).items() if name in wanted}
    rows = {name: _of_patient(engine, name, column, patient_id) for name, column in columns.items()}
    return PlainEngine(model, rows if known_only else {**rows, **_named(engine, model, rows)})


def _of_patient(engine: Engine | PlainEngine, table: str, column: str, patient_id: str) -> list[Row]:
    if isinstance(engine, PlainEngine):
        return [row for row in engine.tables.get(table, ()) if str(row.get(column)) == patient_id]
    if table not in engine.tables:
        return []
    rows = engine.tables[table]
    found: list[Row] = rows.filter(rows[column].cast("string") == patient_id).to_pyarrow().to_pylist()
    return found


def _named(engine: Engine | PlainEngine, model: Model, rows: Mapping[str, list[Row]]) -> Rows:
    """What those rows name and is no patient's own: providers and sites."""
    found: Rows = {}
    for scope, lookup in model.lookups.items():
        if scope == PATIENT or lookup.patient:
            continue
        keys = {
            row.get(table.link(scope))
            for table in model.events.values()
            if table.link(scope)
            for row in rows.get(table.source, ())
        } - {None}
        found[lookup.source] = _with_keys(engine, lookup.source, lookup.key, keys)
    return found


def _with_keys(engine: Engine | PlainEngine, table: str, key: str, keys: set[Any]) -> list[Row]:
    if isinstance(engine, PlainEngine):
        return [row for row in engine.tables.get(table, ()) if row.get(key) in keys]
    if not keys or table not in engine.tables:
        return []
    rows = engine.tables[table]
    found: list[Row] = rows.filter(rows[key].isin(sorted(keys))).to_pyarrow().to_pylist()
    return found
