"""The model of the study store names tables and columns that the store has."""

from __future__ import annotations

import pytest

from ingestion.derived import DERIVED, columns_of
from ingestion.views import load_views
from rwd_platform.core.columns import MERGE_KEY
from studies.cohorts.tables import load_model
from studies.tables import DEVICE_TABLE, EVENT_TABLES

MODEL = load_model("lecheng")


def stored() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for view in load_views():
        found.setdefault(view.name, set(MERGE_KEY)).update(column.name for column in view.columns)
    for name in DERIVED:
        found[name] = {column.name for column in columns_of(name)}
    return found


@pytest.mark.parametrize("name", sorted(MODEL.events))
def test_every_column_of_an_event_table_is_one_of_the_store(name):
    """A definition that passes the reader finds its columns in the lake."""
    table, columns = MODEL.events[name], stored()
    asked = {*table.always_read(), *table.columns.values()}
    asked |= {column for pair in table.codes.values() for column in pair if column}
    assert asked <= columns[table.source]


def test_patients_visits_and_periods_are_those_of_the_store():
    columns = stored()
    source, *named = MODEL.observation
    assert set(named) <= columns[source]
    for lookup in MODEL.lookups.values():
        assert {lookup.key, *lookup.columns.values()} <= columns[lookup.source]
    assert set(MODEL.birth) <= columns["patient"]


def test_the_tables_of_the_older_form_mean_the_same():
    """Day, code and status of a table are the same columns in both forms of a protocol."""
    for name, old in EVENT_TABLES.items():
        new = MODEL.events[name]
        # Of a device the UDI is the code, and how it began is the status.
        code, status = ("udi", "action") if name == DEVICE_TABLE else ("code", "status")
        assert (new.source, new.start, new.codes[code]) == (name, old.date, (old.system, old.code))
        assert new.columns[status] == old.status


def test_units_and_flags_are_columns():
    for table in MODEL.events.values():
        assert {*table.quantities, *(unit for unit in table.quantities.values() if unit)} <= set(
            table.columns
        )
        assert table.flags <= set(table.columns)
