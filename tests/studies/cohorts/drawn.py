"""Cohort definitions and small stores drawn by a seed, over a model with what makes engines differ.

Dates are FHIR text, some not known to the day; codes have systems; patients have no, one or two observation
periods; a diagnosis may have an end, a visit, a site; some rows belong to nobody in the store.
"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
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
    Window,
)
from studies.cohorts.engine import Engine
from studies.cohorts.plain import PlainEngine
from studies.cohorts.tables import End, EventTable, Lookup, Model

Rows = dict[str, list[dict[str, Any]]]
DAY_0 = date(2020, 1, 1)
ICD, OWN = "urn:icd", "urn:own"

MODEL = Model(
    name="drawn",
    events={
        "condition": EventTable(
            name="condition", source="condition", patient="patient_id", id=("resource_id",), start="onset_date",
            ends=(End(column="abatement_date"),), codes={"code": ("code_system", "code")},
            columns={"status": "status", "value": "value"}, visit="visit_id", site="site_id",
        ),
        "drug": EventTable(
            name="drug", source="drug", patient="patient_id", id=("resource_id",), start="given_date",
            ends=(End(days_column="days"), End(days=1)), codes={"code": ("", "code")},
            columns={"status": "status", "days_supplied": "days"}, visit="visit_id",
        ),
    },
    lookups={
        "patient": Lookup("patient", "patient_id", {"gender": "gender", "hospital": "organisation_id"}),
        "visit": Lookup("visit", "visit_id", {"kind": "kind"}, patient="patient_id"),
        "site": Lookup("site", "site_id", {"place": "place"}),
    },
    birth=("birth_date",),
    observation=("observation_period", "patient_id", "first_date", "last_date"),
)  # fmt: skip

COLUMNS: dict[str, dict[str, str]] = {
    "patient": dict.fromkeys(("patient_id", "gender", "organisation_id", "birth_date"), "string"),
    "observation_period": dict.fromkeys(("patient_id", "first_date", "last_date"), "string"),
    "condition": {
        **dict.fromkeys(
            ("resource_id", "patient_id", "onset_date", "abatement_date", "code_system", "code", "status"),
            "string",
        ),
        **dict.fromkeys(("visit_id", "site_id"), "string"),
        "value": "float64",
    },
    "drug": {
        **dict.fromkeys(("resource_id", "patient_id", "given_date", "code", "status", "visit_id"), "string"),
        "days": "int64",
    },
    "visit": dict.fromkeys(("visit_id", "patient_id", "kind"), "string"),
    "site": dict.fromkeys(("site_id", "place"), "string"),
}


def plain(rows: Rows) -> PlainEngine:
    return PlainEngine(MODEL, rows)


def duckdb(rows: Rows) -> Engine:
    """The same rows as Ibis tables; an empty one keeps its columns."""
    import ibis
    import pyarrow as pa

    types = {"string": pa.string(), "float64": pa.float64(), "int64": pa.int64()}
    tables = {}
    for name, columns in COLUMNS.items():
        schema = pa.schema([(column, types[kind]) for column, kind in columns.items()])
        tables[name] = ibis.memtable(pa.Table.from_pylist(rows.get(name, []), schema))
    return Engine(MODEL, tables)


class Draw:
    """One store and one definition by one seed."""

    def __init__(self, seed: int, patients: int = 12) -> None:
        self.random = Random(seed)
        self.patients = [f"P{number:02}" for number in range(patients)]

    def maybe(self, share: float) -> bool:
        return self.random.random() < share

    def day(self) -> str:
        return (DAY_0 + timedelta(self.random.randrange(0, 400))).isoformat()

    def date_text(self) -> str | None:
        """A day, seldom with its time, a month, a year, nothing, or nonsense."""
        day = self.day()
        kinds = [day] * 20 + [f"{day}T08:30:00+08:00", day[:7], day[:4], None, "2020-02-31", "unknown"]
        return self.random.choice(kinds)

    # -- rows --------------------------------------------------------------------------------------

    def rows(self) -> Rows:
        nobody = "P99"  # has events and is not in the store
        owners = [*self.patients, nobody]
        visits = [
            {
                "visit_id": f"V{number}",
                "patient_id": self.random.choice(owners),
                "kind": self.random.choice("IO"),
            }
            for number in range(8)
        ]
        return {
            "patient": [self._patient(one) for one in self.patients if self.maybe(0.95)],
            "observation_period": [row for one in self.patients for row in self._periods(one)],
            "condition": [
                self._condition(number, owners) for number in range(self.random.choice([0, 40, 80]))
            ],
            "drug": [self._drug(number, owners) for number in range(self.random.choice([0, 30, 60]))],
            "visit": visits,
            "site": [{"site_id": "S1", "place": "ward"}, {"site_id": "S2", "place": None}],
        }

    def _patient(self, patient: str) -> dict[str, Any]:
        return {
            "patient_id": patient,
            "gender": self.random.choice(["female", "male", None, ""]),
            "organisation_id": self.random.choice(["hospital-a", "hospital-b"]),
            "birth_date": self.random.choice(["1950-02-28", "1990-06-15", "2020-05-01", "1970-03", None]),
        }

    def _periods(self, patient: str) -> list[dict[str, Any]]:
        first = DAY_0 + timedelta(self.random.randrange(-60, 60))
        second = first + timedelta(self.random.randrange(150, 250))
        periods = [(first, first + timedelta(140)), (second, second + timedelta(120))]
        chosen = periods[: self.random.choice([0, 1, 1, 2])]
        return [
            {"patient_id": patient, "first_date": start.isoformat(), "last_date": end.isoformat()}
            for start, end in chosen
        ]

    def _condition(self, number: int, owners: list[str]) -> dict[str, Any]:
        return {
            "resource_id": f"c{number:03}",
            "patient_id": self.random.choice(owners),
            "onset_date": self.date_text(),
            "abatement_date": self.day() if self.maybe(0.3) else None,
            "code_system": self.random.choice([ICD, ICD, OWN, None]),
            "code": self.random.choice(["A", "A", "B", None]),
            "status": self.random.choice(["confirmed", "refuted", None]),
            "value": self.random.choice([None, 1.0, 2.5, 10.0]),
            "visit_id": self.random.choice([None, "V1", "V2", "V3"]),
            "site_id": self.random.choice([None, "S1", "S2"]),
        }

    def _drug(self, number: int, owners: list[str]) -> dict[str, Any]:
        return {
            "resource_id": f"d{number:03}",
            "patient_id": self.random.choice(owners),
            "given_date": self.date_text(),
            "code": self.random.choice(["X", "Y", None]),
            "status": self.random.choice(["done", None]),
            "visit_id": self.random.choice([None, "V1", "V2"]),
            "days": self.random.choice([None, 7, 30]),
        }

    # -- definitions -------------------------------------------------------------------------------

    def cohort(self) -> Cohort:
        window = sorted((self.day(), self.day())) if self.maybe(0.3) else ["", ""]
        return Cohort(
            name="drawn",
            entry=Entry(
                tuple(self.events(0.2) for _ in range(self.random.choice([1, 1, 2]))),
                self.random.choice([0, 0, 30]),
                self.random.choice([0, 0, 30]),
                self.pick(),
            ),
            qualify=self.group(1) if self.maybe(0.4) else Group(),
            qualify_limit=self.pick(),
            rules=tuple(
                Rule(f"rule-{number}", Bilingual("规则", "rule"), self.group(2))
                for number in range(self.random.randrange(0, 4))
            ),
            limit=self.pick(),
            exit=self.exit(),
            censors=(self.events(0.0),) if self.maybe(0.3) else (),
            era_gap_days=self.random.choice([0, 0, 20]),
            window=(window[0], window[1]),
        )

    def pick(self) -> Any:
        return self.random.choice(["all", "all", "first", "last"])

    def exit(self) -> FixedExit | ExposureExit | None:
        kind = self.random.randrange(4)
        if kind == 0:
            return FixedExit(self.random.choice(["start", "end"]), self.random.choice([0, 30, -5]))
        if kind == 1:
            supply = self.random.choice([None, 14])
            return ExposureExit((self.events(0.0, "drug"),), self.random.choice([0, 30]), 3, supply)
        return None

    def events(self, nested: float, table: str = "") -> Events:
        table = table or self.random.choice(["condition", "drug"])
        return Events(
            table=table,
            codes=(CodeTest(self.codes(table), excluded=self.maybe(0.1)),) if self.maybe(0.7) else (),
            first=self.maybe(0.15),
            shift=DateShift("start", -3, "end", 2) if self.maybe(0.1) else None,
            tests=tuple(self.test(table) for _ in range(self.random.choice([0, 0, 1]))),
            dates=("", "2020-12-31") if self.maybe(0.05) else ("", ""),
            pick=self.random.choice(["all", "all", "all", "first", "last"]),
            within=self.group(0) if self.maybe(nested) else None,
        )

    def codes(self, table: str) -> Codes:
        systems = [ICD, OWN] if table == "condition" else [""]
        known = ["A", "B"] if table == "condition" else ["X", "Y"]
        pairs = [(one, code) for one in systems for code in known]
        return Codes("", frozenset(self.random.sample(pairs, self.random.choice([1, 1, 2]))))

    def test(self, table: str) -> Test:
        tests = [
            Test("status", self.random.choice(["eq", "ne"]), ("confirmed",)),
            Test("status", "is_null"),
            Test("age", "ge", (18,)),
            Test("patient.gender", "in", ("female", "male")),
            Test("start_date", "ge", ("2020-03-01",)),
            Test("days", "le", (10,)),
        ]
        if table == "condition":
            tests += [Test("value", "not_between", (2, 5)), Test("site.place", "not_null")]
        else:
            tests += [Test("days_supplied", "gt", (7,)), Test("visit.kind", "eq", ("I",))]
        return self.random.choice(tests)

    def group(self, depth: int) -> Group:
        operator: Any = self.random.choice(["all", "any", "any", "at_least", "at_most"])
        about = [
            Test("age", "ge", (18,)),
            Test("patient.gender", "eq", ("female",)),
            Test("days", "le", (30,)),
        ]
        return Group(
            operator,
            self.random.choice([0, 1, 2]) if operator in ("at_least", "at_most") else 0,
            related=tuple(self.related() for _ in range(self.random.choice([0, 1, 1, 2]))),
            about_patient=((self.random.choice(about),),) if self.maybe(0.4) else (),
            groups=(self.group(depth - 1),) if depth and self.maybe(0.4) else (),
        )

    def related(self) -> Related:
        events = self.events(0.0)
        first, last = sorted((self.random.randrange(-90, 90), self.random.randrange(-90, 90)))
        start = Bound(None, -1) if self.maybe(0.3) else Bound(first, -1)
        end = Bound(None, 1) if self.maybe(0.3) else Bound(last, 1)
        side: Any = self.random.choice(["start", "start", "end"])
        then = (self.test(events.table),) if self.maybe(0.2) else ()
        return Related(
            events=events,
            windows=(Window(start, end, event=side, index=self.random.choice(["start", "end"])),),
            count=Count(
                self.random.choice(["at_least", "at_least", "at_most", "exactly"]),
                self.random.choice([0, 1, 2]),
                self.random.choice(["", "", "start_date", "code"]),
            ),
            observed=self.maybe(0.8),
            same_visit=self.maybe(0.1),
            of=self.random.choice(["all", "all", "first", "last"]),
            then=then,
        )
