"""A synthetic twin of a study's data lock: tables of the same shape, made from the protocol alone.

No row of data goes in, so it can tell nothing about anybody. What it is for: whoever has the package but not the
lock can run the analyses and see that they give the numbers that they gave here. Its results mean nothing.

Each subject has a need (0 to 9) that goes together with covariates, arm and outcome, so that models can be fitted.
One in eight is odd in turn - a value missing or in another unit, records of the exposure or of the outcome that
contradict each other, none at all - so that every reason to leave the analysis occurs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from rwd_platform.core.errors import Problem
from studies.dataset import MONTHS_ONLY
from studies.evidence.twin import adverse, exposures
from studies.evidence.twin.baseline import AGE_COLUMN, Baseline, ages, genders, range_of, value_of
from studies.evidence.twin.cohort_rows import Row, entry_codes, entry_day, record_row, rows_of, tables_of
from studies.evidence.twin.draw import Draw
from studies.evidence.twin.outcomes import Chooser, States, end_of, value_rows
from studies.evidence.twin.tables import Tables
from studies.protocol import Covariate, Protocol, Records
from studies.tables import ADVERSE_EVENT_TABLE, EVENT_TABLES, SUBJECT_TABLE

SEED = 20261101
SUBJECTS = 300
FEWEST, MOST = 100, 5000
SITES = ("TWIN-SITE-1", "TWIN-SITE-2", "TWIN-SITE-3")
_ODD_EVERY, _ODD_OFTENEST = 8, 3  # oftener where there are more ways to be odd than every eighth has room for
_NEEDS = 10
_QUARTERS = ("2024-Q1", "2024-Q2", "2024-Q3", "2024-Q4")

SIZE_REFUSED = Problem(
    code="twin.size_refused",
    zh="合成数据的人数须在 {fewest} 与 {most} 之间。",
    en="A synthetic twin has between {fewest} and {most} subjects.",
    next_zh="人数过少时，方案中的许多情形不会出现；请改用允许的人数。",
    next_en="With fewer, much of what the protocol speaks of would not occur. Choose a number between the two.",
)


@dataclass
class _Maker:
    """One twin in the making."""

    protocol: Protocol
    draw: Draw
    tables: Tables
    chooser: Chooser
    odd: tuple[tuple[str, str], ...]
    every: int  # so many subjects, one of them odd

    def subject(self, number: int) -> None:
        """All records of one subject. `odd` of them, in turn, leave the analysis for a reason of their own."""
        place, rest = divmod(number, self.every)
        kind, what = self.odd[place % len(self.odd)] if rest == self.every - 1 else ("", "")
        id, site = f"TWIN-{number + 1:04d}", self.draw.one_of(SITES)
        need = self.draw.below(_NEEDS)
        exposed = exposures.is_exposed(need, self.draw)
        add = _adder(self.tables, id, site)
        self._baseline(add, need, kind, what)
        self._arm(add, exposed, what if kind == "exposure" else "")
        end = end_of(self.protocol, need, exposed, self.draw)
        states = self.chooser.states(end, self.draw)
        if states is not None:
            self._outcome(add, states, what if kind == "outcome" else "")
        if adverse.is_planned(self.protocol):
            for report in adverse.reports(self.protocol, end.day, self._death(states), self.draw):
                add(ADVERSE_EVENT_TABLE, report)

    def _baseline(self, add: _Add, need: int, kind: str, what: str) -> None:
        youngest, oldest = ages(self.protocol)
        person: dict[str, object] = {
            AGE_COLUMN: self.draw.middling(youngest, oldest),
            "gender": self.draw.one_of(genders(self.protocol)),
            "index_quarter": self.draw.one_of(_QUARTERS),
        }
        for one in self.protocol.covariates:
            value = value_of(one, self.protocol, need, self.draw)
            absent = kind == "missing" and what == one.name
            if one.kind == "subject":
                person[one.column] = None if absent else _in_column(one, self.protocol, value)
            elif one.kind == "record":
                self._record(add, one, bool(value))
            elif not (absent and self.draw.chance(50)):
                self._measurement(add, one, need, value, "SYNTHETIC-UNIT" if absent else one.unit)
        add(SUBJECT_TABLE, person)

    def _record(self, add: _Add, covariate: Covariate, there: bool) -> None:
        if there and covariate.records is not None:
            add(*record_row(covariate.records, self.draw.between(*covariate.days), self.draw))

    def _measurement(self, add: _Add, covariate: Covariate, need: int, value: Baseline, unit: str) -> None:
        """The value that counts, and for one in four another on an earlier day. An odd unit makes both unusable."""
        assert covariate.records is not None  # noqa: S101 - the reader guarantees it for this kind
        first, last = covariate.days
        if first < last and self.draw.chance(25):
            older = value_of(covariate, self.protocol, need, self.draw)
            middle = self.draw.between(first, last - 1)
            add(*self._measured(covariate, covariate.records, middle, older, unit))
            first = middle + 1
        add(*self._measured(covariate, covariate.records, self.draw.between(first, last), value, unit))

    def _measured(self, covariate: Covariate, records: Records, day: int, value: Baseline, unit: str) -> Row:
        table, row = record_row(records, day, self.draw)
        code = next((level.code for level in covariate.levels if level.id == value), None)
        if code is not None:
            return table, {**row, "value_code": code if unit == covariate.unit else "SYNTHETIC-CODE"}
        return table, {**row, "value": value, "value_text": f"{value:.12g}", "unit_code": unit or None}

    def _arm(self, add: _Add, exposed: bool, oddity: str) -> None:
        exposure = self.protocol.exposure
        made = (
            exposures.odd_rows(exposure, oddity, self.draw)
            if oddity
            else exposures.arm_rows(exposure, exposed, self.draw)
        )
        first, last = exposure.grace_days
        day = entry_day(self.protocol)
        has_entry = False
        for table, row in made:
            spec = EVENT_TABLES[table]
            is_entry = (table, row[spec.system], row[spec.code]) in entry_codes(self.protocol)
            if is_entry and row[spec.day] >= first and first <= day <= last:
                row[spec.day] = day  # the first use is the index event, where use is
                has_entry = True
            add(table, row)
        for table, row in rows_of(self.protocol, exposures.arm_codes(exposure), has_entry, self.draw):
            add(table, row)

    def _outcome(self, add: _Add, states: States, oddity: str) -> None:
        """`absent`: nobody looked; `early`: before time zero; `contradicting`: alive after death."""
        if oddity == "absent":
            return
        for source in self.protocol.outcome.sources:
            if source.name not in states:
                continue
            state, day = states[source.name]
            day = -5 if oddity == "early" else day
            for value, on in value_rows(source, state, day, self.draw):
                table, row = record_row(source.records, on, self.draw)
                add(table, {**row, "value_code": value})
        if oddity == "contradicting":
            source = next(one for one in self.protocol.outcome.sources if one.final and one.free_values)
            after = max(day for _, day in states.values()) + 1
            for on, values in ((1, source.event_values), (after, source.free_values)):
                table, row = record_row(source.records, on, self.draw)
                add(table, {**row, "value_code": self.draw.one_of(values)})

    def _death(self, states: States | None) -> int | None:
        """The day of death by the source that a safety analysis names."""
        for one in self.protocol.analyses:
            state, day = (states or {}).get(one.deaths, ("free", 0))
            if one.deaths and state == "event":
                return day
        return None


_Add = Callable[[str, Mapping[str, object]], None]


def _adder(tables: Tables, id: str, site: str) -> _Add:
    return lambda table, values: tables.add(table, id, site, values)


def make_twin(protocol: Protocol, seed: int = SEED, subjects: int = SUBJECTS) -> dict[str, pd.DataFrame]:
    """Lock tables by name, as `studies.dataset.build` takes them: days since the index date.

    The same protocol, seed and number of subjects give the same tables on every machine. Raises `twin.size_refused`,
    and `study.months_only` of a protocol whose lock has months: of it no analysis is made.
    """
    if not FEWEST <= subjects <= MOST:
        raise SIZE_REFUSED.error(fewest=FEWEST, most=MOST)
    if protocol.lock.dates == "month":
        raise MONTHS_ONLY.error()
    tables = Tables()
    for name, columns in _needed(protocol):
        tables.need(name, columns)
    odd = tuple(_odd(protocol))
    every = max(_ODD_OFTENEST, min(_ODD_EVERY, subjects // len(odd)))
    maker = _Maker(protocol, Draw(seed), tables, Chooser(protocol.outcome), odd, every)
    for number in range(subjects):
        maker.subject(number)
    return tables.frames()


def _odd(protocol: Protocol) -> Iterator[tuple[str, str]]:
    yield from (("exposure", one) for one in exposures.oddities(protocol.exposure))
    yield from (("missing", one.name) for one in protocol.covariates if one.kind != "record")
    yield from (("outcome", one) for one in ("absent", "early"))
    if any(source.final and source.free_values for source in protocol.outcome.sources):
        yield "outcome", "contradicting"


def _in_column(covariate: Covariate, protocol: Protocol, value: Baseline) -> Baseline:
    """A number of the subject table: whole where its range is in whole numbers."""
    return int(value) if range_of(covariate, protocol).scale == 1 else value


def _needed(protocol: Protocol) -> Iterator[tuple[str, dict[str, str]]]:
    kinds = {
        one.column: "whole" if range_of(one, protocol).scale == 1 else "number"
        for one in protocol.covariates
        if one.kind == "subject"
    }
    yield SUBJECT_TABLE, {AGE_COLUMN: "whole", **kinds}
    yield from tables_of(protocol)
    records = [one.records for one in protocol.covariates] + [one.records for one in protocol.outcome.sources]
    for found in (*records, protocol.exposure.records, protocol.exposure.comparator):
        if found is not None:
            yield found.table, {}
    if adverse.is_planned(protocol):
        yield ADVERSE_EVENT_TABLE, {}
