"""Draws databases and cohort definitions from a seed, so that engines can be shown to agree.

A draw is small and mean: few patients with many events, ties of one day, ends before starts, dates that are not
known to the day, codes that are missing, observation periods with gaps. What stands in a definition and what stands
in the tables come from the same few values, so that most conditions hold for some patients and not for others.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.cohorts.definition import (
    Bound,
    Codes,
    CodeTest,
    Cohort,
    Count,
    DateShift,
    Entry,
    Events,
    ExposureExit,
    FixedExit,
    Group,
    Related,
    Rule,
    Test,
    Value,
    Window,
)
from studies.cohorts.tables import EventTable, Model, load_model

Row = dict[str, Any]
FIRST_DAY, DAYS = date(2019, 6, 1), 900
PATIENTS, ROWS = 20, 160
SYSTEMS = ("urn:a", "urn:b")
CODES = ("1", "2", "3")
WORDS = ("final", "entered-in-error", "AMB")
NUMBERS = (-1, 0, 1, 2, 40, 365)


@dataclass(frozen=True)
class World:
    """A database of one model: its rows for the plain engine, and as Arrow tables for files."""

    model: Model
    seed: int
    rows: dict[str, list[Row]]
    arrow: dict[str, Any]


def draw_world(name: str, seed: int) -> World:
    """Rows of every table that the model's event tables, lookups and observation periods stand in."""
    import pyarrow as pa

    model, chance = load_model(name), random.Random(f"{name} {seed}")
    columns = _columns(model)
    rows = {
        table: _rows(model, table, sorted(of_table), chance) for table, of_table in sorted(columns.items())
    }
    types = {
        "whole": pa.int64(),
        "number": pa.float64(),
        "flag": pa.bool_(),
        "day": pa.date32(),
        "text": pa.string(),
    }
    arrow = {
        table: pa.Table.from_pylist(
            found, pa.schema([(column, types[_kind(model, column)]) for column in sorted(columns[table])])
        )
        for table, found in rows.items()
    }
    return World(model, seed, rows, arrow)


def files_of(world: World, folder: Path) -> dict[str, list[str]]:
    """The database as Parquet files, each table in two: {table: paths}."""
    import pyarrow.parquet as pq

    files: dict[str, list[str]] = {}
    for table, rows in world.arrow.items():
        half = len(rows) // 2
        for part in (rows.slice(0, half), rows.slice(half)):
            path = folder / f"{world.model.name}-{world.seed}-{table}-{len(files.get(table, []))}.parquet"
            pq.write_table(part, path)
            files.setdefault(table, []).append(str(path))
    return files


# -- rows --------------------------------------------------------------------------------------------


def _columns(model: Model) -> dict[str, set[str]]:
    columns: dict[str, set[str]] = {}
    for table in model.events.values():
        named = [*table.codes, *table.columns, *table.derived]
        stored = {column for name in named for column in table.stored(name)}
        links = {column for column in (table.provider, table.site) if column}
        columns.setdefault(table.source, set()).update(stored, links, table.always_read())
    for lookup in model.lookups.values():
        own = {lookup.key, *lookup.columns.values(), *([lookup.patient] if lookup.patient else [])}
        columns.setdefault(lookup.source, set()).update(own)
    columns[model.lookups["patient"].source].update(model.birth)
    source, *of_period = model.observation
    columns.setdefault(source, set()).update(of_period)
    return columns


_DECIMAL = ("quantity", "value_as_number", "range_low", "range_high", "dose_value", "effective_drug_dose")
_TEXT = ("stop_reason", "lot_number", "unique_device_id", "value_as_string", "specimen_source_id")


def _kind(model: Model, column: str) -> str:
    """Of which kind a column's values are: whole, number, flag, day or text."""
    if model.name == "omop":
        kinds = {**dict.fromkeys(_DECIMAL, "number"), **dict.fromkeys(_TEXT, "text")}
        return kinds.get(column, "day" if column.endswith("_date") else "whole")
    events = model.events.values()
    if column == "row_index" or any(column == end.days_column for event in events for end in event.ends):
        return "whole"
    flags = {event.columns[name] for event in events for name, fill in event.fills.items() if fill is False}
    amounts = {event.columns[name] for event in events for name in event.quantities}
    return "flag" if column in flags else "number" if column in amounts else "text"


def _rows(model: Model, table: str, columns: Sequence[str], chance: random.Random) -> list[Row]:
    source = model.observation[0]
    keys = {lookup.source: lookup.key for lookup in model.lookups.values()}
    if table == source:
        return [row for one in range(1, PATIENTS) for row in _periods(model, one, columns, chance)]
    number = PATIENTS if table == model.lookups["patient"].source else ROWS
    rows = []
    for one in range(1, number + 1):
        row = {column: _cell(model, column, chance) for column in columns}
        for event in (event for event in model.events.values() if event.source == table):
            row[event.patient] = _patient(model, chance.randint(1, PATIENTS))
            row |= dict.fromkeys(event.id, _patient(model, one))
            row |= {"row_index": one % 2} if "row_index" in event.id else {}
        if table in keys:
            row[keys[table]] = _patient(model, one)
        rows.append(row)
    return rows


def _periods(model: Model, patient: int, columns: Sequence[str], chance: random.Random) -> list[Row]:
    """One stretch of time, or two with a gap; the last patient has none at all."""
    _, owner, first, last = model.observation
    start = FIRST_DAY + timedelta(chance.randint(-100, 200))
    lengths = [chance.randint(0, 900)] if chance.random() < 0.7 else [200, chance.randint(0, 400)]
    rows = []
    for number, length in enumerate(lengths):
        end = start + timedelta(length)
        row = {column: _cell(model, column, chance) for column in columns}
        days = {first: start, last: end}
        row |= {name: day if model.name == "omop" else day.isoformat() for name, day in days.items()}
        row[owner] = _patient(model, patient)
        row |= {"observation_period_id": patient * 2 + number} if "observation_period_id" in row else {}
        rows.append(row)
        start = end + timedelta(chance.randint(2, 90))
    return rows


def _patient(model: Model, number: int) -> int | str:
    """Keys of every kind: the second half of a text sorts unlike a number."""
    return number if model.name == "omop" else f"k{number}"


def _cell(model: Model, column: str, chance: random.Random) -> Any:
    kind = _kind(model, column)
    if kind == "whole" and column == "year_of_birth":
        return chance.choice([None, 1950, 1990, 2004])
    if kind == "whole" and column in ("month_of_birth", "day_of_birth"):
        return chance.choice([None, 1, 6, 12])
    open_ends = {one for table in model.events.values() if table.open_end for one in table.end_columns()}
    if chance.random() < (0.5 if column in open_ends else 0.12):
        return None
    if kind == "flag":
        return chance.choice([True, False])
    if kind == "number":
        return chance.choice([float(number) for number in NUMBERS])
    if kind == "whole":
        return chance.randint(1, 30) if column.startswith("visit_") else chance.choice([1, 2, 3, 40])
    day = FIRST_DAY + timedelta(chance.randint(0, DAYS) // 7 * 7)  # ties of one day are common
    if kind == "day":
        return day
    if column.endswith("_date"):
        return _written(day, chance)
    if column.endswith("_system"):
        return chance.choice(SYSTEMS)
    return chance.choice(CODES if column.endswith("code") else WORDS)


def _written(day: date, chance: random.Random) -> str:
    """A FHIR date as hospitals write it; what is not known to the day, or is no day, is no event."""
    text = day.isoformat()
    odd = [
        f"{text}T23:30:00+08:00",
        text[:7],
        text[:4],
        "2021-02-30",
        f"{text} 10:00",
        f"{text}x",
        "",
        "0000-00-00",
    ]
    return chance.choice(odd) if chance.random() < 0.3 else text


# -- definitions ---------------------------------------------------------------------------------------


def draw_cohort(model: Model, seed: int) -> Cohort:
    """A definition that any engine of the language must be able to run."""
    return _Drawer(model, random.Random(f"{model.name} cohort {seed}")).cohort(f"drawn-{seed}")


class _Drawer:
    def __init__(self, model: Model, chance: random.Random) -> None:
        self.model = model
        self.chance = chance

    def often(self, share: float) -> bool:
        return self.chance.random() < share

    def pick(self) -> Any:
        return self.chance.choice(["all", "all", "first", "last"])

    def some(self, draw: Callable[[], Any], most: int) -> tuple[Any, ...]:
        return tuple(draw() for _ in range(self.chance.randint(0, most)))

    def cohort(self, name: str) -> Cohort:
        entries = tuple(self.events(tests=1) for _ in range(self.chance.choice([1, 1, 1, 2])))
        rules = [
            Rule(f"r{n}", Bilingual("规则", "rule"), self.group())
            for n in range(self.chance.choice([0, 1, 1, 2]))
        ]
        edges = [(FIRST_DAY + timedelta(days)).isoformat() for days in (200, 700)]
        window = tuple(edge if self.often(0.3) else "" for edge in edges)
        return Cohort(
            name=name,
            entry=Entry(
                entries, self.chance.choice([0, 30, 180]), self.chance.choice([0, 0, 60]), self.pick()
            ),
            qualify=self.group() if self.often(0.25) else Group(),
            qualify_limit=self.pick(),
            rules=tuple(rules),
            limit=self.pick(),
            exit=self.exit(),
            censors=tuple(self.events() for _ in range(self.chance.choice([0, 0, 0, 0, 1]))),
            era_gap_days=self.chance.choice([0, 0, 30]),
            window=(window[0], window[1]),
        )

    def exit(self) -> FixedExit | ExposureExit | None:
        kind = self.chance.choice(["none", "none", "fixed", "fixed", "exposure"])
        if kind == "none":
            return None
        if kind == "fixed":
            return FixedExit(self.chance.choice(["start", "end"]), self.chance.choice([0, 30, 365]))
        days = self.chance.choice([None, None, 14])
        return ExposureExit((self.events(),), self.chance.choice([0, 30]), self.chance.choice([0, 7]), days)

    def events(self, tests: int = 0, deep: bool = True) -> Events:
        lasting = [one for one in sorted(self.model.events) if self.model.events[one].open_end]
        name = self.chance.choice([*sorted(self.model.events), *lasting * 4])
        table = self.model.table(name)
        within = self.group(deep=False) if deep and self.often(0.05) else None
        dates = ("", "2021-01-01") if self.often(0.03) else ("", "")
        return Events(
            name,
            codes=tuple(self.codes(table, column) for column in sorted(table.codes) if self.often(0.5)),
            first=self.often(0.15),
            shift=self.shift() if self.often(0.08) else None,
            tests=self.some(lambda: self.test(name), tests),
            dates=dates,
            pick=self.chance.choice(["all", "all", "all", "first", "last"]),
            within=within,
        )

    def codes(self, table: EventTable, column: str) -> CodeTest:
        own = SYSTEMS if table.codes[column][0] else ("",)
        systems = (*own, *own, *SYSTEMS)  # a list may also name what the table cannot hold
        count = self.chance.randint(0, 4)
        pairs = frozenset((self.chance.choice(systems), self.chance.choice(CODES)) for _ in range(count))
        return CodeTest(Codes("drawn", pairs), column, self.often(0.1))

    def shift(self) -> DateShift:
        sides = [self.chance.choice(["start", "end"]) for _ in range(2)]
        return DateShift(sides[0], self.chance.choice([-30, 0, 7]), sides[1], self.chance.choice([0, 14]))  # type: ignore[arg-type]  # a list's sides are texts to mypy

    def test(self, table: str | None) -> Test:
        """On a row of a table, or (None) on an index event and its patient."""
        columns = self.testable(table)
        column = self.chance.choice(sorted(columns))
        kind = columns[column]
        if self.often(0.1):
            return Test(column, self.chance.choice(["is_null", "not_null"]))
        if kind == "flag":
            return Test(column, "eq", (self.often(0.5),))
        if kind == "text":
            operator = self.chance.choice(["in", "not_in", "starts", "not_contains", "eq"])
            return Test(
                column,
                operator,
                tuple(self.chance.sample([*CODES, *WORDS, "female"], 2))[: 2 - (operator == "eq")],
            )
        values = self.values(kind)
        operator = self.chance.choice(["lt", "le", "eq", "ne", "ge", "gt", "between", "not_between"])
        return Test(column, operator, values if "between" in operator else values[:1])

    def values(self, kind: str) -> tuple[Value, ...]:
        if kind == "day":
            days = sorted(self.chance.sample(range(DAYS), 2))
            return tuple((FIRST_DAY + timedelta(day)).isoformat() for day in days)
        pool = {"age": (0, 18, 29, 30, 70), "whole": (1, 2, 3, 40)}.get(kind, NUMBERS)
        return tuple(sorted(self.chance.sample(pool, 2)))

    def testable(self, name: str | None) -> dict[str, str]:
        """What a test may speak of, and of which kind its values are."""
        found = {
            "start_date": "day",
            "end_date": "day",
            "days": "number",
            "age": "age",
            "calendar_age": "age",
        }
        found["age_at_end"] = "age"
        for scope, lookup in self.model.lookups.items():
            if scope == "patient" or (name and self.model.table(name).link(scope)):
                found |= {
                    f"{scope}.{one}": _kind(self.model, column) for one, column in lookup.columns.items()
                }
        if name:
            table = self.model.table(name)
            found |= {one: _kind(self.model, column) for one, column in table.columns.items()}
            found |= dict.fromkeys(table.derived, "number")
        return {
            column: kind
            for column, kind in found.items()
            if kind != "day" or column in ("start_date", "end_date")
        }

    def group(self, deep: bool = True) -> Group:
        about = [(self.test(None),)] if self.often(0.4) else []
        related = [self.related(deep) for _ in range(self.chance.choice([0, 1, 1, 1, 2] if deep else [0, 1]))]
        groups = [self.group(deep=False)] if deep and self.often(0.1) else []
        operator = self.chance.choice(["all", "all", "any", "at_least", "at_most"])
        return Group(operator, self.chance.randint(0, 2), tuple(related), tuple(about), tuple(groups))

    def related(self, deep: bool) -> Related:
        events = self.events(tests=1, deep=deep)
        table = self.model.table(events.table)
        distinct = ["", "", "", "start_date", *table.codes, *(["visit"] if table.visit else [])]
        return Related(
            events,
            windows=self.some(self.window, 2),
            count=Count(
                self.chance.choice(["at_least", "at_most", "exactly"]),
                self.chance.choice([0, 1, 1, 2]),
                self.chance.choice(distinct),
            ),
            observed=self.often(0.8),
            same_visit=bool(table.visit) and self.often(0.1),
            of=self.pick(),
            then=self.some(lambda: self.test(events.table), 1),
        )

    def window(self) -> Window:
        first, last = sorted(self.chance.sample([-365, -90, -30, -1, 0, 1, 30, 365], 2))
        start = Bound(None, -1) if self.often(0.2) else Bound(first, -1)
        end = Bound(None, 1) if self.often(0.2) else Bound(last, 1)
        sides = [self.chance.choice(["start", "start", "end"]) for _ in range(2)]
        return Window(start, end, sides[0], sides[1])  # type: ignore[arg-type]  # a list's sides are texts to mypy
