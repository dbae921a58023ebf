"""A model's tables made ready to be counted often: patients and days as numbers, only what a definition can name.

A clinician counts after every change of a definition. Most of the time of a count goes into reading dates as text and
into comparing pseudonyms, the same ones each time. Both are done once here, for one state of the store; the engine
asks the prepared tables what it would ask the others, and gives the same numbers.

A patient's number is the place of the pseudonym among all of them, in the order of their text. It holds for one state
of the store only; the table `NAMES` says whose it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rwd_platform.core.columns import ORGANISATION_ID
from studies.cohorts.engine import PATIENT_NUMBER, PSEUDONYM, Engine
from studies.cohorts.expressions import NOT_TO_THE_DAY, day_of
from studies.cohorts.patient_keys import CHARACTER_COLUMNS, characters_of
from studies.cohorts.tables import PATIENT, Model
from studies.cohorts.without import patient_columns

# Ibis comes without types: its tables and expressions are Any here.
Expr = Any

NAMES = "patient_number"


def columns_to_count(model: Model) -> dict[str, tuple[str, ...]]:
    """Table as stored -> every column of it that a definition may name, or that an event is made of."""
    source, *columns = model.observation
    found: dict[str, set[str]] = {source: set(columns)}
    for lookup in model.lookups.values():
        owner = (lookup.patient,) if lookup.patient else ()
        found.setdefault(lookup.source, set()).update((lookup.key, *lookup.columns.values(), *owner))
    found[model.lookups[PATIENT].source].update(model.birth)
    for table in model.events.values():
        asked = found.setdefault(table.source, set())
        asked.update(table.always_read())
        for name in (*table.codes, *table.columns, *table.derived):
            asked.update(table.stored(name))
    return {name: tuple(sorted(columns)) for name, columns in found.items()}


def days_of(model: Model) -> dict[str, frozenset[str]]:
    """Table as stored -> its columns of days."""
    source, _, first, last = model.observation
    found: dict[str, set[str]] = {source: {first, last}}
    for table in model.events.values():
        days = {table.start, *(end.column for end in table.ends if end.column)}
        found.setdefault(table.source, set()).update(days)
    if len(model.birth) == 1:  # else it is a year, a month and a day
        found.setdefault(model.lookups[PATIENT].source, set()).update(model.birth)
    return {name: frozenset(columns) for name, columns in found.items()}


def numbered_patients(tables: Mapping[str, Expr], model: Model) -> Expr:
    """The table `NAMES`: every patient in the store, once: number, hospital, and what a set of patients is known by."""
    import ibis

    source, column, *_ = model.observation
    lookup = model.lookups[PATIENT]
    named = [_named(tables[lookup.source], lookup.key), _named(tables[source], column)]
    every = ibis.union(*named)
    there = every.filter(every[PSEUDONYM].notnull()).group_by(PSEUDONYM)
    there = there.aggregate(**{ORGANISATION_ID: every[ORGANISATION_ID].min()})
    pseudonym = there[PSEUDONYM]
    place = ibis.row_number().over(ibis.window(order_by=pseudonym))
    characters = dict(zip(CHARACTER_COLUMNS, characters_of(pseudonym), strict=True))
    return there.select(
        PSEUDONYM,
        ORGANISATION_ID,
        **{PATIENT_NUMBER: place.cast("int32")},
        **{name: one.cast("int16") for name, one in characters.items()},
    )


def _named(rows: Expr, column: str) -> Expr:
    import ibis

    hospital = rows[ORGANISATION_ID] if ORGANISATION_ID in rows.columns else ibis.null("string")
    return rows.select(**{PSEUDONYM: rows[column].cast("string"), ORGANISATION_ID: hospital})


def prepared(name: str, rows: Expr, names: Expr, model: Model) -> Expr:
    """A table's rows with the numbers of patients and days; a row of nobody in the store is left out.

    They are in the order of their codes, because a count asks for a few codes of many.
    """
    days = days_of(model).get(name, frozenset())
    patient = patient_columns(model).get(name, "")
    columns = rows.columns
    rows = (
        rows.mutate(**{day: _number_of_day(rows[day], name, model) for day in sorted(days)}) if days else rows
    )
    if patient:
        rows = rows.inner_join(names, [rows[patient] == names[PSEUDONYM]])
        rows = rows.mutate(**{patient: rows[PATIENT_NUMBER]}).select(*columns)
    order = [*_codes(name, model), *([patient] if patient else ())]
    return rows.order_by(order) if order else rows


def _number_of_day(column: Expr, name: str, model: Model) -> Expr:
    """The number of a day. Of an end that may be open also, where it is recorded at all: `NOT_TO_THE_DAY`."""
    tables = [table for table in model.events.values() if table.source == name and table.open_end]
    day = day_of(column).cast("int32")
    if not any(column.get_name() in table.end_columns() for table in tables):
        return day
    return (column.notnull() & day.isnull()).ifelse(NOT_TO_THE_DAY, day).cast("int32")


def _codes(name: str, model: Model) -> list[str]:
    """The columns of the codes by which a table is asked first."""
    tables = [table for table in model.events.values() if table.source == name and table.codes]
    return [column for column in next(iter(tables[0].codes.values())) if column] if tables else []


def counting_engine(tables: Mapping[str, Expr], model: Model) -> Engine:
    """An engine over prepared tables, `NAMES` among them."""
    return Engine(model, tables, names=tables[NAMES])
