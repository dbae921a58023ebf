"""Events that have not ended: an implant that was never taken out has no last day, and lasts as long as one looks.

Only tables whose description says so (`tables.EventTable.open_end`) have open ends. Nothing is known of an open end, so
it passes no test; a length, and an exit, counts it to the last day on which the patient is observed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

from studies.cohorts.expressions import END, OPEN, PATIENT, START, day_of
from studies.cohorts.plain_values import Row
from studies.cohorts.tables import EventTable, Model

# Ibis comes without types: its tables and expressions are Any here.
Expr = Any


def never_ended(row: Row, table: EventTable) -> bool:
    """Whether nothing is recorded of a row's end. One that is recorded, and not to the day, is unknown and not open."""
    return table.open_end and all(row.get(column) is None for column in table.end_columns())


def with_open_ends(rows: Expr, table: EventTable, tables: Mapping[str, Expr], model: Model) -> Expr:
    """The rows with `_open`: where the end is open, the last day on which the patient is observed, else null."""
    import ibis

    if not table.open_end:
        return rows.mutate(**{OPEN: ibis.null("int64")})
    source, patient, _, last = model.observation
    periods = tables[source]
    theirs = periods.semi_join(rows, [periods[patient] == rows[PATIENT]])
    watched = theirs.group_by(_observed=theirs[patient]).aggregate(_until=day_of(theirs[last]).max())
    joined = rows.left_join(watched, [rows[PATIENT] == watched["_observed"]])
    nothing = [joined[column].isnull() for column in table.end_columns()]
    is_open = reduce(lambda one, other: one & other, nothing)
    return joined.mutate(**{OPEN: ibis.ifelse(is_open, joined["_until"], ibis.null("int64"))}).drop(
        "_observed", "_until"
    )


def until(rows: Expr) -> Expr:
    """The last day on which an event is known to go on: its end, or as far as its patient is observed; else null."""
    import ibis

    seen = ibis.ifelse(rows[OPEN] >= rows[START], rows[OPEN], ibis.null("int64"))
    return ibis.coalesce(rows[END], seen)


def last_day(rows: Expr) -> Expr:
    """The same for an exit, where an event of which no more is known is one day."""
    import ibis

    return ibis.coalesce(until(rows), rows[START])
