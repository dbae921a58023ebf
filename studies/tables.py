"""The tables that studies read, in the lake (dates) and in a lock (days since the index date)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pandas as pd

from rwd_platform.core.columns import (
    LINE_DIGEST,
    PATIENT_ID,
    PROVENANCE,
    ROW_ORDER,
    SOURCE_FILE,
    SOURCE_LINE,
    SOURCE_ROW,
    SUBJECT_ID,
)
from rwd_platform.core.errors import Problem
from studies.protocol import Records

TABLE_MISSING = Problem(
    code="study.table_missing",
    zh="缺少研究所需的表 {table}。",
    en="The table {table}, which the protocol needs, is missing.",
    next_zh="请确认数据锁定包含该表（没有记录时也应有空表）。",
    next_en="Make sure that the data lock holds this table (an empty one if there are no rows).",
)
COLUMN_MISSING = Problem(
    code="study.column_missing",
    zh="表 {table} 缺少列 {column}。",
    en="The table {table} has no column {column}.",
    next_zh="请核对视图定义的版本与数据锁定是否一致。",
    next_en="Check that the view definitions and the data lock are of the same version.",
)


@dataclass(frozen=True)
class EventTable:
    """Where a table keeps code system, code, date and status. `day` is the lock's name of `date`."""

    system: str
    code: str
    date: str
    status: str

    @property
    def day(self) -> str:
        return self.date.removesuffix("_date") + "_day"


EVENT_TABLES: Mapping[str, EventTable] = {
    "condition": EventTable("code_system", "code", "onset_date", "verification_status"),
    "procedure": EventTable("code_system", "code", "performed_date", "status"),
    "drug_exposure": EventTable("product_system", "product_code", "handed_over_date", "status"),
    "measurement": EventTable("code_system", "code", "effective_date", "status"),
    "outcome_event": EventTable("code_system", "code", "effective_date", "status"),
    # A device is what its UDI-DI says; its "status" is how it began: implanted, used.
    "device_use": EventTable("udi_issuer", "udi_di", "start_date", "start_action"),
}
OUTCOME_TABLE = "outcome_event"
DEVICE_TABLE = "device_use"  # derived; only an exposure reads it here, by the UDI
PATIENT_TABLE, SUBJECT_TABLE = "patient", "subject"
ADVERSE_EVENT_TABLE = "adverse_event"  # read by `safety` alone: studies.adverse_events
ADVERSE_EVENT_COLUMNS = (
    "code_system", "code", "event_day", "detected_day", "actuality", "seriousness_code", "causality_code",
    "outcome_code", "device_deficiency",
)  # fmt: skip
INDEX_DATE = "index_date"  # of a subject, in a lock of shifted dates only
_TO_THE_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T.*)?")

LINEAGE_COLUMNS = (SUBJECT_ID, "variable", SOURCE_ROW)


def table(tables: Mapping[str, pd.DataFrame], name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """A table with the columns asked for, or the error that names what is missing."""
    if name not in tables:
        raise TABLE_MISSING.error(table=name)
    frame = tables[name]
    for column in columns:
        if column not in frame.columns:
            raise COLUMN_MISSING.error(table=name, column=column)
    return frame[list(columns)]


def lake_rows(lake: Mapping[str, pd.DataFrame], records: Records) -> pd.DataFrame:
    """patient_id and `date` (text, as precise as recorded) of the rows that `records` selects."""
    spec = EVENT_TABLES[records.table]
    frame = table(lake, records.table, (PATIENT_ID, spec.system, spec.code, spec.date, spec.status))
    chosen = frame[_matches(frame, records)]
    return chosen[[PATIENT_ID, spec.date]].rename(columns={spec.date: "date"})


def lock_rows(
    lock: Mapping[str, pd.DataFrame],
    records: Records,
    values: tuple[str, ...] = (),
    *,
    any_status: bool = False,
) -> pd.DataFrame:
    """subject_id, day, status, source row and `values` of the rows that `records` selects, days known.

    Sorted by subject, day, file and line, so that "the first" is always the same row.
    """
    spec = EVENT_TABLES[records.table]
    wanted = (SUBJECT_ID, spec.system, spec.code, spec.day, spec.status, ROW_ORDER, SOURCE_ROW, *values)
    frame = table(lock, records.table, wanted)
    chosen = frame[_matches(frame, records, any_status=any_status) & frame[spec.day].notna()]
    chosen = chosen.rename(columns={spec.day: "day", spec.status: "status"})
    chosen = chosen[[SUBJECT_ID, "day", "status", ROW_ORDER, SOURCE_ROW, *values]].astype({"day": "int64"})
    return chosen.sort_values([SUBJECT_ID, "day", ROW_ORDER], kind="stable", ignore_index=True)


def selected(lake: Mapping[str, pd.DataFrame], records: Records) -> pd.DataFrame:
    """The lake rows that `records` selects, with every column and their own index, and `date` beside them."""
    spec = EVENT_TABLES[records.table]
    table(lake, records.table, (spec.system, spec.code, spec.date, spec.status))
    frame = lake[records.table]
    chosen = frame[_matches(frame, records)]
    return chosen.assign(date=chosen[spec.date])


def with_source_rows(lock: Mapping[str, pd.DataFrame]) -> Mapping[str, pd.DataFrame]:
    """A lock as locks are made now: one `source_row` and its order in place of file, line and digest.

    An older lock carries those three in clear; its source rows are named `<file>:<line>:<digest>`.
    """
    return {name: _named_lines(frame) if _is_older(frame) else frame for name, frame in lock.items()}


def _is_older(frame: pd.DataFrame) -> bool:
    return set(PROVENANCE) <= set(frame.columns) and SOURCE_ROW not in frame.columns


def _named_lines(frame: pd.DataFrame) -> pd.DataFrame:
    ordered = frame.sort_values([SUBJECT_ID, *PROVENANCE], kind="stable")
    new_line = ~ordered.duplicated([SUBJECT_ID, *PROVENANCE])
    place = new_line.astype("int64").groupby(ordered[SUBJECT_ID]).cumsum() - 1
    named = (frame[name].astype(str) for name in (SOURCE_FILE, SOURCE_LINE, LINE_DIGEST))
    names = [":".join(parts) for parts in zip(*named, strict=True)]
    renamed = frame.drop(columns=list(PROVENANCE))
    renamed[ROW_ORDER], renamed[SOURCE_ROW] = place.reindex(frame.index), names
    return renamed


def in_days(lock: Mapping[str, pd.DataFrame]) -> Mapping[str, pd.DataFrame]:
    """A lock whose dates are shifted, as one of days: `<x>_day` since the subject's index date for `<x>_date`.

    All dates of a subject were shifted alike, so the days are those of the true dates. A date of less
    than day precision gives none. A lock that holds days already is given back as it is.
    """
    subjects = lock.get(SUBJECT_TABLE)
    if subjects is None or INDEX_DATE not in subjects.columns:
        return lock
    zero = dict(zip(subjects[SUBJECT_ID], subjects[INDEX_DATE].map(_day_number), strict=True))
    return {name: frame if name == SUBJECT_TABLE else _with_days(frame, zero) for name, frame in lock.items()}


def _with_days(frame: pd.DataFrame, zero: Mapping[str, int | None]) -> pd.DataFrame:
    origins = [zero.get(subject) for subject in frame[SUBJECT_ID]]
    columns: dict[str, object] = {}
    for name in map(str, frame.columns):
        if not name.endswith("_date"):
            columns[name] = frame[name].array
            continue
        days = [
            None if at is None or origin is None else at - origin
            for at, origin in zip(map(_day_number, frame[name]), origins, strict=True)
        ]
        columns[f"{name.removesuffix('_date')}_day"] = pd.array(days, dtype="Int64")
    return pd.DataFrame(columns)


def _day_number(value: object) -> int | None:
    """The day of a FHIR date with at least day precision, as a number; it is that of the date's own offset."""
    if not isinstance(value, str) or not _TO_THE_DAY.fullmatch(value):
        return None
    return date.fromisoformat(value[:10]).toordinal()


def lineage_of(rows: pd.DataFrame, variable: str) -> pd.DataFrame:
    """Which source line gave each subject this variable."""
    return rows.assign(variable=variable)[list(LINEAGE_COLUMNS)]


def _matches(frame: pd.DataFrame, records: Records, *, any_status: bool = False) -> pd.Series[bool]:
    spec = EVENT_TABLES[records.table]
    found = (frame[spec.system] == records.code_system) & frame[spec.code].isin(list(records.codes))
    if not any_status:
        found &= frame[spec.status].isin(list(records.statuses))
    return found.fillna(False).astype(bool)
