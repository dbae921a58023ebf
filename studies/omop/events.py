"""Rows of a lock as events: judged by the rules, with their days, their end and their codes as written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from rwd_platform.core.columns import SOURCE_ROW, SUBJECT_ID
from studies.omop.rules import Rule, Source, load_concepts, load_rules

if TYPE_CHECKING:
    import pandas as pd

Tables = Mapping[str, "pd.DataFrame"]

PERSON, DAY = "rwd.person", "f2o-070.day"
_INPATIENT = 9201
_DERIVED_TYPE = 32882  # standard algorithm from EHR
_UNDER_WAY = ("in-progress", "arrived", "triaged")
_OBSERVATION = "Observation"
_MUST_END = ("visit_occurrence", "drug_exposure")


@dataclass
class Judged:
    """Events of one table of a lock. `frame` has a row for every one that no rule left out, `target` its table."""

    source: Source
    rows: int
    frame: pd.DataFrame
    left_out: Counter[str]
    derived: Counter[str]


def judge(source: Source, tables: Tables, people: Mapping[str, int], last_day: Mapping[int, str]) -> Judged:
    """The rows of one table, tried against its rules and the demands of every event.

    `people`: subject_id -> person_id of those who are in the export; `last_day`: person_id -> the last day observed.
    """
    import pandas as pd

    table = tables[source.name].reset_index(drop=True)
    target = pd.Series(source.table, index=table.index, dtype=object)
    rule = pd.Series(None, index=table.index, dtype=object)
    for one in load_rules().of(source.name):
        broken = _broken(one, table, tables) & rule.isna() & (target == source.table)
        if one.to:
            target[broken] = one.to
        else:
            rule[broken] = one.id
    person = table[SUBJECT_ID].map(dict(people))
    start = first_day(table, source.start)
    rule[rule.isna() & person.isna()] = PERSON
    rule[rule.isna() & start.isna()] = DAY
    kept = rule.isna()
    frame = _event(source, table, start)
    frame["person_id"], frame["target"] = person, target
    frame = frame[kept].reset_index(drop=True)
    frame["person_id"] = frame["person_id"].astype("int64")
    if source.name == "condition":
        qualified = frame["target"] == "observation"
        frame.loc[qualified, "qualifier_code"] = frame.loc[qualified, "status_code"]
    if source.name == "outcome_event":
        frame.loc[_deaths(frame), "target"] = "death"
    derived = _with_ends(source, frame, last_day)
    return Judged(source, len(table), frame, Counter(rule.dropna()), derived)


def first_day(table: pd.DataFrame, columns: tuple[str, ...]) -> pd.Series[Any]:
    """Of the columns that are there the first that has a day, as YYYY-MM-DD; None for a row without one."""
    import pandas as pd

    found: list[str | None] = [None] * len(table)
    for column in columns:
        if column in table.columns:
            days = {value: _day(value) for value in table[column].dropna().unique()}
            found = [day or days.get(value) for day, value in zip(found, table[column], strict=True)]
    return pd.Series(found, index=table.index, dtype=object)


def texts(table: pd.DataFrame, column: str) -> pd.Series[Any]:
    """A column as text, None where nothing stands or the column is not there; booleans as true and false."""
    import pandas as pd

    there = table[column] if column in table.columns else [None] * len(table)
    return pd.Series([_text(value) for value in there], index=table.index, dtype=object)


def _text(value: Any) -> str | None:
    import pandas as pd

    if pd.isna(value) or value == "":
        return None
    text = str(value)
    return text.lower() if text in ("True", "False") else text


def _day(value: Any) -> str | None:
    text = str(value)
    try:
        return date.fromisoformat(text).isoformat() if len(text) == len("2026-01-31") else None
    except ValueError:
        return None


# -- rules -----------------------------------------------------------------------------------------


def _broken(rule: Rule, table: pd.DataFrame, tables: Tables) -> pd.Series[Any]:
    import pandas as pd

    nowhere = pd.Series(False, index=table.index)
    if rule.instead:
        return ~nowhere if rule.instead in tables else nowhere
    if rule.also_in:
        return _also_in(table, tables.get(rule.also_in))
    values = texts(table, rule.column)
    absent = values.isna()
    if rule.empty:
        broken = ~absent
    elif rule.never:
        broken = values.isin(rule.never)
    else:
        broken = ~values.isin(rule.only) & (~absent if rule.absent_kept else ~nowhere)
    column, wanted = rule.when
    return broken & texts(table, column).fillna("").isin(wanted) if column else broken


def _also_in(table: pd.DataFrame, other: pd.DataFrame | None) -> pd.Series[Any]:
    """Whether the same record has rows in another table of the lock: both have its source line."""
    import pandas as pd

    if other is None or SOURCE_ROW not in table.columns or SOURCE_ROW not in other.columns:
        return pd.Series(False, index=table.index)
    return table[SOURCE_ROW].isin(set(other[SOURCE_ROW].dropna()))


def _deaths(frame: pd.DataFrame) -> list[bool]:
    deaths = load_rules().deaths
    rows = zip(frame["system"], frame["source_code"], frame["value_code"], strict=True)
    return [row in deaths for row in rows]


# -- what an event says ----------------------------------------------------------------------------


def _event(source: Source, table: pd.DataFrame, start: pd.Series[Any]) -> pd.DataFrame:
    import pandas as pd

    system, code = source.code
    frame = pd.DataFrame(
        {
            "start": start,
            "written_end": first_day(table, source.end),
            "system": texts(table, system),
            "source_code": texts(table, code),
            "type_concept_id": _types(source, table),
            "record": table[SOURCE_ROW] if SOURCE_ROW in table.columns else None,
            "status": texts(table, "status"),
            "supply": _numbers(table, source.days),
        },
        index=table.index,
    )
    for name, column in source.columns.items():
        read: Callable[..., Any] = _numbers if name in NUMBERS else texts
        frame[name] = read(table, column)
    frame["cost_domain"] = _OBSERVATION if source.also == "cost" else None
    for name in ("status_code", "qualifier_code", "value_code"):
        if name not in frame.columns:
            frame[name] = None
    return frame


NUMBERS = frozenset(
    {"value", "quantity", "days_supply", "amount", "fund_amount", "own_payment_amount", "own_expense_amount"}
)


def _numbers(table: pd.DataFrame, column: str) -> pd.Series[Any]:
    import pandas as pd

    if column not in table.columns:
        return pd.Series(float("nan"), index=table.index)
    return pd.to_numeric(table[column], errors="coerce").astype("Float64").astype("float64")


def _types(source: Source, table: pd.DataFrame) -> pd.Series[Any]:
    """The type concept of every row: what kind of record it is, and no more than the record says (f2o-052)."""
    import pandas as pd

    types = pd.Series(source.type_concept, index=table.index, dtype="int64")
    for column, by_value in source.type_by.items():
        values = texts(table, column)
        for value, concept in by_value.items():
            types[values == value] = concept
    return types


# -- ends ------------------------------------------------------------------------------------------


def _with_ends(source: Source, frame: pd.DataFrame, last_day: Mapping[int, str]) -> Counter[str]:
    """Adds `end`: as written, or derived where the model requires one. Returns how many were derived, and how."""
    import pandas as pd

    ends, derived = [], Counter[str]()
    inpatient = {word for word, concept in load_concepts()["visit"].items() if concept == _INPATIENT}
    columns = ("person_id", "start", "written_end", "status", "source_code", "supply")
    for person, start, written, status, code, supply in zip(*(frame[name] for name in columns), strict=True):
        end, how = written, ""
        if source.name == "visit" and status in _UNDER_WAY:
            stays = code in inpatient
            end, how = (last_day.get(person, start) if stays else start), "under-way"
        elif end is None and source.table == "drug_exposure":
            end, how = _last_day_of_supply(start, supply)
        elif end is None and source.table in _MUST_END:
            end, how = start, "no-end"
        if end is not None and end < start:
            end, how = (start if source.table in _MUST_END else None), "end-before-start"
        ends.append((end, bool(how)))
        if how:
            derived[f"{source.table}.end.{how}"] += 1
    frame["end"] = pd.Series([end for end, _ in ends], index=frame.index, dtype=object)
    if (
        source.name == "visit"
    ):  # f2o-071; a drug's kind of record is worth more than the mark, see written_end
        frame.loc[[how for _, how in ends], "type_concept_id"] = _DERIVED_TYPE
    return derived


def _last_day_of_supply(start: str, supply: float) -> tuple[str, str]:
    """A supply of one day ends on the day it starts."""
    if not supply >= 1:
        return start, "no-end"
    try:
        return (date.fromisoformat(start) + timedelta(days=int(supply) - 1)).isoformat(), "days-supply"
    except OverflowError:
        return start, "no-end"
