"""The rows of a lock that brought each subject into the cohort: where its index date comes from."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from rwd_platform.core.columns import ROW_ORDER, SOURCE_ROW, SUBJECT_ID
from studies.cohorts.definition import Events, Test
from studies.cohorts.plain_values import compare
from studies.cohorts.tables import EventTable, load_model
from studies.protocol import Cohort, DefinedCohort
from studies.tables import lock_rows, table

MODEL = "lecheng"
_DAY = "day"


def index_rows(lock: Mapping[str, pd.DataFrame], cohort: Cohort | DefinedCohort) -> pd.DataFrame:
    """subject_id, day and source row of each subject's index event, the first in the order of its lines.

    In a lock the index date is day 0; where the definition moves it by a landmark, the event lies before.
    """
    if isinstance(cohort, Cohort):
        rows = lock_rows(lock, cohort.index)
        rows = rows[rows[_DAY] == 0]
    else:
        found = [_rows_of(lock, events) for events in cohort.definition.entry.events]
        rows = pd.concat(found).sort_values([SUBJECT_ID, ROW_ORDER], kind="stable", ignore_index=True)
    return rows.drop_duplicates(SUBJECT_ID)


def entry_columns(cohort: DefinedCohort) -> frozenset[str]:
    """`table.column`, with dates and with days, of what `index_rows` reads: a lock must keep it as it is."""
    used = set()
    for events in cohort.definition.entry.events:
        spec = load_model(MODEL).table(events.table)
        stored = [column for one in events.codes for column in spec.codes[one.column] if column]
        stored += [column for test in _readable(events, spec) for column in spec.stored(test.column)]
        used |= {f"{spec.source}.{column}" for column in (*stored, spec.start, _day_column(spec))}
    return frozenset(used)


def _rows_of(lock: Mapping[str, pd.DataFrame], events: Events) -> pd.DataFrame:
    spec = load_model(MODEL).table(events.table)
    tests = _readable(events, spec)
    codes = [column for one in events.codes for column in spec.codes[one.column] if column]
    stored = [column for test in tests for column in spec.stored(test.column)]
    wanted = (SUBJECT_ID, _day_column(spec), ROW_ORDER, SOURCE_ROW, *dict.fromkeys([*codes, *stored]))
    rows = table(lock, spec.source, wanted).rename(columns={_day_column(spec): _DAY})
    moved = events.shift.start_days if events.shift else 0
    rows = rows[(rows[_DAY] == -moved).fillna(False).astype(bool)]
    for one in events.codes:
        system, code = spec.codes[one.column]
        pairs = zip(rows[system] if system else [""] * len(rows), rows[code], strict=True)
        rows = _where(rows, [(pair in one.codes.pairs) != one.excluded for pair in pairs])
    for test in tests:
        values = rows[spec.columns[test.column]]
        rows = _where(rows, [compare(test, None if pd.isna(value) else value) for value in values])
    return rows[[SUBJECT_ID, _DAY, ROW_ORDER, SOURCE_ROW]]


def _where(rows: pd.DataFrame, kept: list[bool]) -> pd.DataFrame:
    return rows[pd.Series(kept, index=rows.index, dtype="bool")]


def _readable(events: Events, spec: EventTable) -> list[Test]:
    """The tests on columns of the row itself; dates, ages and lookups were judged on the lake's rows."""
    return [test for test in events.tests if test.column in spec.columns]


def _day_column(spec: EventTable) -> str:
    return f"{spec.start.removesuffix('_date')}_day"
