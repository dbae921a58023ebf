"""The lake's frames as the tables of an engine: only what a definition asks for, each column of one type."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pandas as pd

from studies.cohorts.definition import Cohort, Events, Test
from studies.cohorts.engine import Engine
from studies.cohorts.lint_logic import groups_of
from studies.cohorts.tables import PATIENT, EventTable, Model
from studies.tables import table


def needed(cohort: Cohort, model: Model) -> dict[str, tuple[str, ...]]:
    """Table as stored -> its columns that the definition, the attrition and the observation periods read."""
    source, *columns = model.observation
    lookup = model.lookups[PATIENT]
    found = {source: set(columns), lookup.source: {lookup.key, *lookup.columns.values(), *model.birth}}
    for events, then in _queries(cohort):
        spec = model.table(events.table)
        for test in (*events.tests, *then):
            scope, _, name = test.column.rpartition(".")
            if scope:
                named = model.lookups[scope]
                owner = (named.patient,) if named.patient else ()
                found.setdefault(named.source, set()).update((named.key, named.columns[name], *owner))
        asked = found.setdefault(spec.source, set())
        asked.update(spec.always_read())
        asked.update(column for one in events.codes for column in spec.codes[one.column] if column)
        asked.update(column for test in (*events.tests, *then) for column in spec.stored(test.column))
    return {name: tuple(sorted(columns)) for name, columns in found.items()}


def _queries(cohort: Cohort) -> Iterator[tuple[Events, tuple[Test, ...]]]:
    for events in cohort.all_events():
        yield events, ()
    for group, _ in groups_of(cohort):
        for related in group.related:
            counted = (Test(related.count.distinct, "not_null"),) if related.count.distinct else ()
            yield related.events, (*related.then, *counted)


@contextmanager
def engine_over(lake: Mapping[str, pd.DataFrame], cohort: Cohort, model: Model) -> Iterator[Engine]:
    """An engine over frames in memory. Raises `study.table_missing`, `study.column_missing`, naming them."""
    import ibis

    frames = {name: table(lake, name, columns) for name, columns in needed(cohort, model).items()}
    lookup = model.lookups[PATIENT]
    # Two files may carry the same patient, who is one person.
    frames[lookup.source] = frames[lookup.source].drop_duplicates(lookup.key)
    # Nothing is ever fetched, and what does not fit into memory does not spill into the working folder.
    connection = ibis.duckdb.connect(
        autoinstall_known_extensions=False,
        autoload_known_extensions=False,
        temp_directory=tempfile.gettempdir(),
    )
    try:
        for name, frame in frames.items():
            connection.con.register(name, _typed(frame, *_kinds(name, model)))
        tables = {name: connection.table(name) for name in frames}
        yield Engine(model, tables)
    finally:
        connection.disconnect()


def _kinds(source: str, model: Model) -> tuple[frozenset[str], frozenset[str]]:
    """The columns of numbers of a stored table, and those of true and false."""
    specs = [one for one in model.events.values() if one.source == source]
    numbers = frozenset(column for one in specs for column in _quantities(one))
    return numbers, frozenset(one.columns[name] for one in specs for name in one.flags)


def _quantities(spec: EventTable) -> tuple[str, ...]:
    ends = [end.days_column for end in spec.ends if end.days_column]
    rows = [column for column in spec.id if column == "row_index"]
    return (*(spec.columns[name] for name in spec.quantities), *ends, *rows)


def _typed(frame: pd.DataFrame, numbers: frozenset[str], flags: frozenset[str]) -> Any:
    """An Arrow table of numbers, flags and texts: a column with nothing in it has a type too."""
    import pyarrow as pa

    columns = {}
    for name in frame.columns:
        series = frame[name]
        if name in numbers:
            numeric = pd.to_numeric(series, errors="coerce").astype("float64")
            columns[name] = pa.array(numeric, pa.float64(), from_pandas=True)
        elif name in flags:
            columns[name] = pa.array(series.astype("boolean"), pa.bool_(), from_pandas=True)
        else:
            columns[name] = pa.array(series.astype("string"), pa.string(), from_pandas=True)
    return pa.table(columns)
