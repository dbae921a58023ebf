"""How a data model keeps events: which columns of which table are patient, dates, codes and the rest.

A model is a TOML file beside this one: `lecheng.toml` for the study store, `omop.toml` for OMOP CDM 5.4. The
engines read rows only through it, so one definition language speaks of both.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from rwd_platform.core.errors import Problem

HERE = Path(__file__).parent
MODELS = ("lecheng", "omop")
PATIENT, VISIT, PROVIDER, SITE = "patient", "visit", "provider", "site"

TABLE_UNKNOWN = Problem(
    code="cohort.table_unknown",
    zh="数据模型 {model} 中没有事件表 {table}。",
    en="The data model {model} has no event table {table}.",
    next_zh="可用的表：{known}。",
    next_en="Its tables are: {known}.",
)
COLUMN_UNKNOWN = Problem(
    code="cohort.column_unknown",
    zh="事件表 {table} 没有可供条件使用的列 {column}。",
    en="The event table {table} has no column {column} that a condition could speak of.",
    next_zh="可用的列：{known}。",
    next_en="Its columns are: {known}.",
)


@dataclass(frozen=True)
class End:
    """One way to know an event's end: a column, or the start and some days, or the start and a column of days.

    The first that gives a day is taken.
    """

    column: str = ""
    days: int | None = None
    days_column: str = ""


@dataclass(frozen=True)
class Ratio:
    """A column divided by another; missing where the divisor is 0."""

    number: str
    by: str


@dataclass(frozen=True)
class Outside:
    """1 where a value is below or above its own limits or its coded form says so, else 0."""

    value: str
    low: str
    high: str
    code: str
    codes: tuple[str, ...]


@dataclass(frozen=True)
class EventTable:
    """
    source  -- the table as stored
    id      -- columns that tell a patient's rows apart; they break ties between rows of one day
    codes   -- name in a definition -> (column of the code system or "", column of the code)
    columns -- name in a definition -> column as stored
    derived -- name in a definition -> how it is computed from columns as stored
    fills   -- name in a definition -> what stands for a missing value of that column
    quantities -- name in a definition of a column of numbers -> name of the column of its unit, "" where the
               table fixes the unit
    flags   -- names in a definition of columns that are true or false; where nothing is recorded, it is false
    open_end -- whether a row of whose end nothing is recorded has not ended (`open_ends.py`); else it is one day
    later   -- flags that become true after the event's day only
    """

    name: str
    source: str
    patient: str
    id: tuple[str, ...]
    start: str
    ends: tuple[End, ...]
    codes: Mapping[str, tuple[str, str]]
    columns: Mapping[str, str]
    visit: str = ""
    provider: str = ""
    site: str = ""
    derived: Mapping[str, Ratio | Outside] = field(default_factory=dict)
    fills: Mapping[str, int] = field(default_factory=dict)
    quantities: Mapping[str, str] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()
    open_end: bool = False
    later: frozenset[str] = frozenset()

    def link(self, scope: str) -> str:
        """The column by which a row names its patient, visit, provider or site; "" where it names none."""
        return {PATIENT: self.patient, VISIT: self.visit, PROVIDER: self.provider, SITE: self.site}[scope]

    def stored(self, name: str) -> tuple[str, ...]:
        """The columns as stored that a test on `name` reads."""
        if name in self.codes:
            return tuple(column for column in self.codes[name] if column)
        if name in self.columns:
            return (self.columns[name],)
        rule = self.derived.get(name)
        if isinstance(rule, Ratio):
            return (rule.number, rule.by)
        if isinstance(rule, Outside):
            return (rule.value, rule.low, rule.high, rule.code)
        scope = name.rpartition(".")[0]
        return (self.link(scope),) if scope else ()

    def always_read(self) -> tuple[str, ...]:
        """The columns as stored that every event is made of."""
        named = (self.patient, self.start, *self.id, *self.end_columns(), self.visit)
        return tuple(column for column in named if column)

    def end_columns(self) -> tuple[str, ...]:
        """The columns as stored that say when an event ended."""
        return tuple(column for end in self.ends for column in (end.column, end.days_column) if column)


@dataclass(frozen=True)
class Lookup:
    """A table that a row names by a key: its patient, visit, provider or site.

    patient -- where given, what is named must be of the row's own patient
    """

    source: str
    key: str
    columns: Mapping[str, str]
    patient: str = ""


@dataclass(frozen=True)
class Model:
    """
    birth -- columns of the patient that say when the patient was born: a date, or year, month, day
    ties  -- what comes first of entry events of one patient and day: the smaller `id` whatever the table
             (every table then has one id, a number), or the query that stands first in the definition
    outcomes -- event tables and columns (`patient.<column>`) that nobody reads before a protocol is frozen
    """

    name: str
    events: Mapping[str, EventTable]
    lookups: Mapping[str, Lookup]
    birth: tuple[str, ...]
    observation: tuple[str, str, str, str]  # table, patient, first day, last day
    ties: Literal["id", "query"] = "query"
    outcomes: frozenset[str] = frozenset()

    def table(self, name: str) -> EventTable:
        if name not in self.events:
            raise TABLE_UNKNOWN.error(model=self.name, table=name, known=", ".join(sorted(self.events)))
        return self.events[name]


_DERIVED = ("start_date", "end_date", "days", "age", "age_at_end", "calendar_age", "calendar_age_at_end")


def check_column(model: Model, table: EventTable, column: str) -> None:
    """Raises `cohort.column_unknown` unless a test may speak of `column` (see `definition.Test`)."""
    known = known_columns(model, table)
    if column not in known:
        raise COLUMN_UNKNOWN.error(table=table.name, column=column, known=", ".join(known))


def known_columns(model: Model, table: EventTable | None) -> tuple[str, ...]:
    """What a test may speak of: of a table's rows, or (None) of an index event and its patient alone."""
    known = [*_DERIVED, *table.columns, *table.derived] if table else list(_DERIVED)
    for name, lookup in model.lookups.items():
        if name == PATIENT or (table and table.link(name)):
            known += [f"{name}.{one}" for one in lookup.columns]
    return tuple(sorted(known))


@cache
def load_model(name: str) -> Model:
    """A model by its name; the file is ours and read once."""
    facts = tomllib.loads((HERE / f"{name}.toml").read_text(encoding="utf-8"))
    table, patient, first, last = facts["observation"]
    return Model(
        name=name,
        events={key: _event_table(key, one) for key, one in facts["events"].items()},
        lookups={key: Lookup(**one) for key, one in facts["lookups"].items()},
        birth=tuple(facts["birth"]),
        observation=(table, patient, first, last),
        ties=facts.get("ties", "query"),
        outcomes=frozenset(facts.get("outcomes", ())),
    )


def _event_table(name: str, facts: Mapping[str, Any]) -> EventTable:
    return EventTable(
        name=name,
        source=facts["source"],
        patient=facts["patient"],
        id=tuple(facts["id"]),
        start=facts["start"],
        ends=tuple(_end(text) for text in facts["ends"]),
        codes={key: _code(text) for key, text in facts.get("codes", {}).items()},
        columns=facts.get("columns", {}),
        visit=facts.get("visit", ""),
        provider=facts.get("provider", ""),
        site=facts.get("site", ""),
        derived={key: _derived(one) for key, one in facts.get("derived", {}).items()},
        fills={**facts.get("fills", {}), **dict.fromkeys(facts.get("flags", ()), False)},
        quantities=facts.get("quantities", {}),
        flags=frozenset(facts.get("flags", ())),
        open_end=facts.get("open_end", False),
        later=frozenset(facts.get("later", ())),
    )


def _derived(facts: Mapping[str, Any]) -> Ratio | Outside:
    """`{ ratio = [number, by] }`, or `{ outside = [value, low, high], code = column, codes = [code, ...] }`."""
    if "ratio" in facts:
        number, by = facts["ratio"]
        return Ratio(number, by)
    value, low, high = facts["outside"]
    return Outside(value, low, high, facts["code"], tuple(str(code) for code in facts["codes"]))


def _code(text: str) -> tuple[str, str]:
    """`system | code`, or `code` alone where the table's codes are of one system."""
    system, _, code = text.rpartition("|")
    return system.strip(), code.strip()


def _end(text: str) -> End:
    """`<column>`, `start + <days>` or `start + <column of days>`."""
    added = re.fullmatch(r"start \+ (\w+)", text)
    if not added:
        return End(column=text)
    return End(days=int(added[1])) if added[1].isdigit() else End(days_column=added[1])
