"""From the lake's tables to a study's lock: project pseudonyms, the study's choice of dates, no hospital ids.

The lake holds true dates. A lock holds, for the patients of one study only:

- `subject`: subject_id, site_id, when the subject came in, age_years (completed at index, from the true
  dates), gender, and where the row came from;
- every other table: patient_id became subject_id, organisation_id became site_id, and each `<x>_date` what
  the study chose:

    days    index_quarter (`1984-Q3`)     <x>_day, days since the subject's index date (day 0)
    shift   index_date, shifted           <x>_date, shifted backward by the subject's own secret offset
    month   index_month (`1984-08`)       <x>_month

A date of less than day precision gives no day: inventing one would be worse than saying so, and it is
counted. No true quarter stands beside a shifted date, for together they would bound the offset. A project's
subject ids are made with the project's key, and so is `source_row`, the name of the line that a row came from:
file, line and digest would join two projects' locks as surely as a patient's id. What a `source_row` stands for
is handed back beside the tables, to be kept where only a trace can read it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import pandas as pd

from deidentify.account import DropCounter
from deidentify.dates import coarsen, shift
from deidentify.pseudonym import Pseudonymiser
from rwd_platform.core import columns
from rwd_platform.core.errors import Problem

SUBJECT = "subject"
PATIENT = "patient"
SITE_ID = "site_id"
SUBJECT_KIND = "subject"
SOURCE_KIND = "source-row"

LockDates = Literal["days", "shift", "month"]
SourceLine = tuple[str, int, str]
"""file, line and digest (rwd_platform.core.columns.PROVENANCE)"""

# What names a resource or a hospital's system.
_NEVER_LOCKED = frozenset(
    {
        columns.SOURCE_SYSTEM,
        columns.RESOURCE_TYPE,
        columns.RESOURCE_ID,
        columns.ROW_INDEX,
        "content_sha256",
        "format_version",
    }
)
# A FHIR date or dateTime with at least a day; the day is that of its own offset.
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T.*)?")

COLUMN_MISSING = Problem(
    code="project.column_missing",
    zh="表 {table} 缺少列 {column}，不能生成数据锁定。",
    en="Table {table} has no column {column}, so no data lock can be made of it.",
    next_zh="请检查该表的视图定义（ingestion/definitions）是否输出此列。",
    next_en="Check that the table's view (ingestion/definitions) gives this column.",
)
INDEX_UNFIT = Problem(
    code="project.index_unfit",
    zh="队列起始日不能使用：{patients} 名患者的起始日重复、缺失或精度不到日。",
    en="The index dates cannot be used: of {patients} patients they are doubled, missing or not to the day.",
    next_zh="请检查研究方案的起始日定义，使每名患者恰有一个精确到日的起始日。",
    next_en="Check the protocol's index date: each patient needs exactly one, to the day.",
)
PATIENTS_UNFIT = Problem(
    code="project.patients_unfit",
    zh="队列中有 {patients} 名患者在患者表中没有记录或多于一条。",
    en="{patients} patients of the cohort have no row, or more than one, in the patient table.",
    next_zh="请确认这些患者的 Patient 资源已入库且未被质量门隔离，然后重新锁定。",
    next_en="See that their Patient resources are admitted and not held back by quality, then lock again.",
)
SITE_UNKNOWN = Problem(
    code="project.site_unknown",
    zh="机构 {organisation} 没有对应的中心编号。",
    en="There is no site id for the organisation {organisation}.",
    next_zh="请在锁定时为每个送数机构给出中心编号。",
    next_en="Give a site id for every organisation that sent rows.",
)


@dataclass(frozen=True)
class Projected:
    """A lock's tables, and what their `source_row`s stand for: name -> (file, line, digest)."""

    tables: dict[str, pd.DataFrame]
    sources: dict[str, SourceLine]


@dataclass(frozen=True)
class _Cohort:
    """Who is locked, under which names, and what becomes of their dates and source lines."""

    index_days: Mapping[str, int]
    subjects: Mapping[str, str]
    names: Pseudonymiser
    sources: dict[str, SourceLine]
    sites: Mapping[str, str]
    dates: LockDates
    offset_of: Callable[[str], int]
    account: DropCounter


def _not_shifted(_patient: str) -> int:
    raise ValueError("a lock of shifted dates needs the offset of each patient")


def to_project(
    tables: Mapping[str, pd.DataFrame],
    index: pd.DataFrame,
    pseudonyms: Pseudonymiser,
    sites: Mapping[str, str],
    account: DropCounter | None = None,
    *,
    dates: LockDates = "days",
    offset_of: Callable[[str], int] = _not_shifted,
) -> Projected:
    """The lock's tables, for the patients in `index` (columns patient_id, index_date), rows in a fixed order.

    `tables` are lake tables by name; `patient` is required. `sites` gives each organisation its site id.
    `account`, where given, counts dates that gave no day (or no date, no month) and columns that were left
    behind. `offset_of` gives the days by which a patient's dates are shifted (deidentify.dates.shift_days).
    """
    counter = account if account is not None else DropCounter()
    index_days = _index_days(index)
    subjects = {patient: pseudonyms.token(SUBJECT_KIND, patient) for patient in index_days}
    if PATIENT not in tables:
        raise COLUMN_MISSING.error(table=PATIENT, column=columns.PATIENT_ID)
    cohort = _Cohort(index_days, subjects, pseudonyms, {}, sites, dates, offset_of, counter)
    locked = {SUBJECT: _subjects(tables[PATIENT], cohort)}
    for name in sorted(tables.keys() - {PATIENT}):
        locked[name] = _rows(name, tables[name], cohort)
    return Projected(locked, cohort.sources)


def _subjects(patients: pd.DataFrame, cohort: _Cohort) -> pd.DataFrame:
    _check_columns(PATIENT, patients, (columns.PATIENT_ID, columns.ORGANISATION_ID, "birth_date", "gender"))
    subjects = cohort.subjects
    own = patients[patients[columns.PATIENT_ID].isin(list(subjects))]
    wrong = len(subjects.keys() - set(own[columns.PATIENT_ID])) + int(
        own[columns.PATIENT_ID].duplicated().sum()
    )
    if wrong:
        raise PATIENTS_UNFIT.error(patients=wrong)
    index_dates = [date.fromordinal(cohort.index_days[patient]) for patient in own[columns.PATIENT_ID]]
    births = [_day(value) for value in own["birth_date"]]
    cohort.account.add(f"{PATIENT}.birth_date: no day", sum(birth is None for birth in births))
    ages = [_completed_years(birth, at) for birth, at in zip(births, index_dates, strict=True)]
    frame = pd.DataFrame(
        {
            columns.SUBJECT_ID: own[columns.PATIENT_ID].map(subjects).to_numpy(dtype=object),
            SITE_ID: _site_ids(own, cohort.sites),
            **_came_in(own[columns.PATIENT_ID], index_dates, cohort),
            "age_years": pd.array(ages, dtype="Int64"),
            "gender": own["gender"].to_numpy(dtype=object),
            **_source_rows(own, cohort),
        }
    )
    return _in_order(frame)


def _source_rows(own: pd.DataFrame, cohort: _Cohort) -> dict[str, Any]:
    """The project's names of the lines that the rows came from, and each subject's order of them."""
    if not set(columns.PROVENANCE) <= set(own.columns):
        return {}
    lines = list(
        zip(
            own[columns.SOURCE_FILE].map(str),
            own[columns.SOURCE_LINE].map(int),
            own[columns.LINE_DIGEST].map(str),
            strict=True,
        )
    )
    named = [cohort.names.token(SOURCE_KIND, f"{file}|{line}|{digest}") for file, line, digest in lines]
    cohort.sources.update(zip(named, lines, strict=True))
    places = pd.Series(lines, dtype=object).rank(method="dense")
    order = places.groupby(own[columns.PATIENT_ID].to_numpy()).rank(method="dense")
    return {columns.ROW_ORDER: order.astype("int64").to_numpy() - 1, columns.SOURCE_ROW: named}


def _came_in(patients: pd.Series[Any], index_dates: list[date], cohort: _Cohort) -> dict[str, list[str]]:
    """When each subject came into the study, as finely as the study's choice of dates allows."""
    if cohort.dates == "days":
        return {"index_quarter": [f"{at.year}-Q{(at.month + 2) // 3}" for at in index_dates]}
    if cohort.dates == "month":
        return {"index_month": [at.isoformat()[:7] for at in index_dates]}
    shifted = [
        shift(at.isoformat(), cohort.offset_of(patient))
        for patient, at in zip(patients, index_dates, strict=True)
    ]
    outside = sum(at is None for at in shifted)
    if outside:
        raise INDEX_UNFIT.error(patients=outside)
    return {"index_date": [at for at in shifted if at is not None]}


def _rows(table: str, rows: pd.DataFrame, cohort: _Cohort) -> pd.DataFrame:
    _check_columns(table, rows, (columns.PATIENT_ID, columns.ORGANISATION_ID))
    account = cohort.account
    own = rows[rows[columns.PATIENT_ID].isin(list(cohort.subjects))]
    patients = own[columns.PATIENT_ID]
    kept: dict[str, Any] = {
        columns.SUBJECT_ID: patients.map(cohort.subjects).to_numpy(dtype=object),
        SITE_ID: _site_ids(own, cohort.sites),
        **_source_rows(own, cohort),
    }
    for name in map(str, rows.columns):
        if name in (columns.PATIENT_ID, columns.ORGANISATION_ID, *columns.PROVENANCE):
            continue  # each has another column in its place
        if name.endswith("_date"):
            unit, found = _dates(own[name], patients, cohort)
            absent = int(own[name].isna().sum())
            account.add(f"{table}.{name}: no {unit}", int(found.isna().sum()) - absent)
            kept[f"{name.removesuffix('_date')}_{unit}"] = found
        elif name in _NEVER_LOCKED or name.endswith("_id"):
            # An id of the lake would let two projects' locks be joined through it.
            account.add(f"{table}.{name}", len(own))
        else:
            kept[name] = own[name].array
    return _in_order(pd.DataFrame(kept))


def _index_days(index: pd.DataFrame) -> dict[str, int]:
    """Each patient's index date as a day number."""
    _check_columns("index", index, (columns.PATIENT_ID, "index_date"))
    days = [_day(value) for value in index["index_date"]]
    patients = list(index[columns.PATIENT_ID])
    unfit = sum(day is None for day in days) + len(patients) - len(set(patients))
    if unfit:
        raise INDEX_UNFIT.error(patients=unfit)
    return {patient: day.toordinal() for patient, day in zip(patients, days, strict=True) if day is not None}


def _dates(dates: pd.Series[Any], patients: pd.Series[Any], cohort: _Cohort) -> tuple[str, pd.Series[Any]]:
    """What stands in the lock for a column of dates, and what it is called: day, date or month."""
    if cohort.dates == "days":
        return "day", _days_since(dates, [cohort.index_days[patient] for patient in patients])
    texts = [_text(value) for value in dates]
    if cohort.dates == "month":
        found = [None if text is None else coarsen(text, "month") for text in texts]
        return "month", pd.Series(found, dtype=object)
    moved = [
        None if text is None else shift(text, cohort.offset_of(patient))
        for text, patient in zip(texts, patients, strict=True)
    ]
    return "date", pd.Series(moved, dtype=object)


def _text(value: object) -> str | None:
    if isinstance(value, date):
        return None if pd.isna(value) else value.isoformat()
    return value if isinstance(value, str) else None


def _days_since(dates: pd.Series[Any], zero: list[int]) -> pd.Series[Any]:
    """Days from each row's index date; <NA> for an absent date and for one without a day."""
    ordinals = {value: _ordinal(value) for value in dates.unique()}
    found = [ordinals.get(value) for value in dates]
    days = [None if at is None else at - origin for at, origin in zip(found, zero, strict=True)]
    return pd.Series(pd.array(days, dtype="Int64"))


def _ordinal(value: object) -> int | None:
    day = _day(value)
    return None if day is None else day.toordinal()


def _day(value: object) -> date | None:
    """The calendar day of a FHIR date text or of a date; None where there is none."""
    if isinstance(value, date):
        return None if pd.isna(value) else date(value.year, value.month, value.day)
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value[:10])
        except ValueError:
            return None
    return None


def _completed_years(birth: date | None, at: date) -> int | None:
    """A birthday counts from its own day on; one of 29 February from 1 March in other years."""
    if birth is None:
        return None
    return at.year - birth.year - ((at.month, at.day) < (birth.month, birth.day))


def _site_ids(rows: pd.DataFrame, sites: Mapping[str, str]) -> Any:
    organisations = rows[columns.ORGANISATION_ID]
    for organisation in sorted(map(str, organisations.unique())):
        if organisation not in sites:
            raise SITE_UNKNOWN.error(organisation=organisation)
    return organisations.map(dict(sites)).to_numpy(dtype=object)


def _check_columns(table: str, rows: pd.DataFrame, needed: tuple[str, ...]) -> None:
    for column in needed:
        if column not in rows:
            raise COLUMN_MISSING.error(table=table, column=column)


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows sorted by every column from the left, so that the same facts give the same table."""
    return frame.sort_values(list(frame.columns), kind="stable", na_position="last", ignore_index=True)
