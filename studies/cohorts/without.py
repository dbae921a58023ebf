"""A store without some patients, or with one alone: their rows are not read, whatever a definition asks for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, overload

from studies.cohorts.engine import PATIENT_NUMBER, PSEUDONYM, Engine
from studies.cohorts.plain import PlainEngine
from studies.cohorts.tables import PATIENT, Model


def patient_columns(model: Model) -> Mapping[str, str]:
    """table as stored -> its column of the patient."""
    source, column, *_ = model.observation
    patient = model.lookups[PATIENT]
    return {
        **{table.source: table.patient for table in model.events.values()},
        **{lookup.source: lookup.patient for lookup in model.lookups.values() if lookup.patient},
        source: column,
        patient.source: patient.key,
    }


@overload
def without(engine: Engine, patients: Collection[Any]) -> tuple[Engine, int]: ...
@overload
def without(engine: PlainEngine, patients: Collection[Any]) -> tuple[PlainEngine, int]: ...
def without(engine: Engine | PlainEngine, patients: Collection[Any]) -> tuple[Engine | PlainEngine, int]:
    """The engine without these patients' rows, and how many of them the store holds."""
    if not patients:
        return engine, 0
    names = {str(patient) for patient in patients}
    if isinstance(engine, PlainEngine):
        return _plain_without(engine, names)
    return _engine_without(engine, names)


def _plain_without(engine: PlainEngine, names: set[str]) -> tuple[PlainEngine, int]:
    from studies.cohorts.tally_plain import patients_of

    columns = patient_columns(engine.model)
    tables = {
        name: [row for row in rows if name not in columns or str(row.get(columns[name])) not in names]
        for name, rows in engine.tables.items()
    }
    return PlainEngine(engine.model, tables), sum(str(one) in names for one in patients_of(engine))


def _engine_without(engine: Engine, names: set[str]) -> tuple[Engine, int]:
    import ibis

    from studies.cohorts.expressions import PATIENT as PATIENT_COLUMN
    from studies.cohorts.tally_engine import patients_of

    listed = ibis.memtable({"_name": sorted(names)})
    kind = "string"
    if engine.names is not None:
        said, kind = engine.names, "int32"
        said = said.semi_join(listed, [said[PSEUDONYM] == listed["_name"]])
        listed = said.select(_name=said[PATIENT_NUMBER])
    tables = dict(engine.tables)
    for name, column in _there(engine):
        rows = tables[name]
        tables[name] = rows.anti_join(listed, [rows[column].cast(kind) == listed["_name"]])
    left = engine.names
    if left is not None:
        left = left.anti_join(listed, [left[PATIENT_NUMBER] == listed["_name"]])
    there = patients_of(engine)
    known = there.semi_join(listed, [there[PATIENT_COLUMN].cast(kind) == listed["_name"]])
    return replace(engine, tables=tables, names=left), int(
        known[PATIENT_COLUMN].nunique().to_pyarrow().as_py()
    )


def _there(engine: Engine) -> Iterator[tuple[str, str]]:
    for name, column in patient_columns(engine.model).items():
        if name in engine.tables:
            yield name, column
