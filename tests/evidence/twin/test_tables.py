"""The twin's tables as they grow: fixed types, an order within each subject, a name for each row."""

from __future__ import annotations

from studies.evidence.templates.rerun import KINDS
from studies.evidence.twin.tables import Tables
from studies.tables import ADVERSE_EVENT_COLUMNS, EVENT_TABLES
from tests.evidence.twin.protocols import NAMES, twin_of


def test_a_table_that_is_needed_is_there_without_a_row_and_with_its_types():
    tables = Tables()
    for name in [*EVENT_TABLES, "adverse_event", "subject"]:
        tables.need(name)
    frames = tables.frames()
    assert list(frames) == sorted(frames)
    for name, spec in EVENT_TABLES.items():
        frame = frames[name]
        assert len(frame) == 0 and str(frame[spec.day].dtype) == "Int64"
        assert {"subject_id", "site_id", "row_order", "source_row", spec.code, spec.status} <= set(
            frame.columns
        )
    assert set(ADVERSE_EVENT_COLUMNS) <= set(frames["adverse_event"].columns)
    assert str(frames["adverse_event"]["device_deficiency"].dtype) == "boolean"
    assert str(frames["measurement"]["value"].dtype) == "float64"


def test_rows_are_numbered_within_each_subject_and_named_within_the_table():
    tables = Tables()
    tables.need("procedure")
    for subject in ("a", "b", "a"):
        tables.add("procedure", subject, "site", {"code": "x"})
    frame = tables.frames()["procedure"]
    assert frame["row_order"].tolist() == [0, 0, 1]
    assert frame["source_row"].tolist() == ["twin:procedure:1", "twin:procedure:2", "twin:procedure:3"]


def test_a_value_that_was_not_given_is_missing():
    tables = Tables()
    tables.need("measurement", {"extra": "number"})
    tables.add("measurement", "a", "site", {"value": 1.5})
    row = tables.frames()["measurement"].iloc[0]
    assert row["value"] == 1.5 and row["code"] is None
    assert row[["effective_day", "extra"]].isna().all()


def test_a_column_keeps_the_type_that_it_got_first():
    tables = Tables()
    tables.need("subject", {"age_years": "whole"})
    tables.need("subject", {"age_years": "number"})
    assert str(tables.frames()["subject"]["age_years"].dtype) == "Int64"


def test_whatever_is_in_a_twin_can_be_read_back_by_the_program_that_travels():
    """Every type of every column is one that rerun.py knows."""
    for name in NAMES:
        for table, frame in twin_of(name).items():
            assert {str(kind) for kind in frame.dtypes} <= set(KINDS.values()), table
