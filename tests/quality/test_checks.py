"""Each kind of rule, asked of rows typed by hand and of rows judged a second way."""

from __future__ import annotations

import calendar
import random
from datetime import date
from typing import Any

import pandas as pd
import pytest

from quality.checks import Judged, judged_tables
from quality.suite import Suite, load_suites, parse_suite
from tests.quality.tables import frames, row

HEAD = """
format_version: 2
table: {table}
version: 1
title: {{zh: 表, en: Table}}
columns: {columns}
rules: {rules}
"""
RULE = (
    "{{id: {table}.r, category: plausibility, context: verification, severity: critical,"
    " reference: fhir.date, zh: 错。, en: Wrong., {what}}}"
)
COLUMNS = {
    "patient": "{patient_id: string, gender: code, birth_date: date}",
    "visit": "{patient_id: string, class_code: code, start_date: date, end_date: date, status: code}",
    "measurement": "{patient_id: string, code: code, value: decimal, value_text: string, effective_date: date}",
    "outcome_event": "{patient_id: string, code: code, effective_date: date}",
}


def suites(**rules: str) -> dict[str, Suite]:
    """Suites of the four tables; the tables named have one rule each."""
    found = {}
    for table, columns in COLUMNS.items():
        listed = f"[{RULE.format(table=table, what=rules[table])}]" if table in rules else "[]"
        found[table] = parse_suite(HEAD.format(table=table, columns=columns, rules=listed))
    return found


def judge(table: str, rule: str, rows: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    """resource_id -> what the rule says of the row: passes, fails, or is silent."""
    with judged_tables(frames(rows), suites(**{table: rule})) as judged:
        found = judged[table].flagged([0], "resource_id").execute()
    words = {(True, True): "fails", (True, False): "passes", (False, False): "silent"}
    return {
        name: words[bool(applies), bool(fails)]
        for name, applies, fails in found.itertuples(index=False, name=None)
    }


def patient(name: str, birth: str | None = "1950-06-15", hospital: str = "h1", **more: Any) -> dict[str, Any]:
    return row("patient", hospital, name, f"pat-{name}", birth_date=birth, **more)


def visit(
    name: str, start: str | None, patient: str = "p", hospital: str = "h1", **more: Any
) -> dict[str, Any]:
    return row("visit", hospital, patient, name, start_date=start, **more)


@pytest.mark.parametrize(
    ("rule", "values", "expected"),
    [
        ("kind: not_null, column: value", [None, 0.0, float("nan")], ["fails", "passes", "fails"]),
        (
            "kind: range, column: value, min: 0, max: 60",
            [0.0, 60.0, 60.0001, -0.001, 999.0, float("inf"), None, float("nan")],
            ["passes", "passes", "fails", "fails", "fails", "fails", "silent", "silent"],
        ),
    ],
)
def test_numbers(rule: str, values: list[float | None], expected: list[str]):
    """Bounds belong to the range. A missing number is not out of range: that it is missing is another rule."""
    rows = [row("measurement", "h1", "p", f"m{n}", value=value) for n, value in enumerate(values)]
    assert list(judge("measurement", rule, {"measurement": rows}).values()) == expected


@pytest.mark.parametrize(
    ("rule", "texts", "expected"),
    [
        (
            "kind: in_set, column: code, values: [a, 'B b']",
            ["a", "A", "B b", "", " a", None],
            ["passes", "fails", "passes", "fails", "fails", "silent"],
        ),
        (
            r"kind: regex, column: code, pattern: '^\d+$'",
            ["12", "1x", "", "１２", "1\n", None],
            ["passes", "fails", "fails", "fails", "fails", "silent"],
        ),
    ],
)
def test_codes(rule: str, texts: list[str | None], expected: list[str]):
    """A code is compared letter by letter; full-width digits are not digits, and a line end is not the end."""
    rows = [row("measurement", "h1", "p", f"m{n}", code=text) for n, text in enumerate(texts)]
    assert list(judge("measurement", rule, {"measurement": rows}).values()) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1987-02-28", "passes"),
        ("1988-02-29", "passes"),
        ("1987-02", "passes"),
        ("1987", "passes"),
        ("1987-02-28T23:59:59+08:00", "passes"),
        ("1987-02-29", "fails"),
        ("1987-13-01", "fails"),
        ("1987-00", "fails"),
        ("1987-1-1", "fails"),
        ("87-01-01", "fails"),
        ("0000-01-01", "fails"),
        ("1987/01/01", "fails"),
        ("19870101", "fails"),
        ("1987-01-01 10:00", "fails"),
        ("１９８７-01-01", "fails"),
        ("unknown", "fails"),
        ("", "fails"),
        (None, "silent"),
    ],
)
def test_a_date_must_be_one_that_the_calendar_has(text: str | None, expected: str):
    """Partial dates are dates: FHIR lets a hospital say only the year, and the lake keeps it so."""
    assert judge("visit", "kind: date, column: start_date", {"visit": [visit("v", text)]}) == {"v": expected}


def test_where_says_about_which_rows_a_rule_speaks():
    """The range of lymph nodes is not asked of a receptor."""
    rows = [
        row("measurement", "h1", "p", f"m{n}", code=code, value=999.0)
        for n, code in enumerate(["nodes", "receptor", None])
    ]
    rule = "kind: range, column: value, min: 0, max: 60, where: {code: nodes}"
    assert judge("measurement", rule, {"measurement": rows}) == {
        "m0": "fails",
        "m1": "silent",
        "m2": "silent",
    }


def test_a_reference_must_lead_to_a_patient_of_the_same_hospital():
    """Another hospital's patient of the same pseudonym is somebody else."""
    rows = {
        "patient": [patient("p"), patient("q", hospital="h2")],
        "visit": [visit("v1", None), visit("v2", None, patient="q"), visit("v3", None, patient="nobody")],
    }
    rows["visit"].append(row("visit", "h1", None, "v4"))  # type: ignore[arg-type]
    rule = "kind: reference, column: patient_id, other: {table: patient, column: patient_id}"
    assert judge("visit", rule, rows) == {"v1": "passes", "v2": "fails", "v3": "fails", "v4": "silent"}


def test_without_a_patient_table_every_reference_leads_nowhere():
    """A hospital that sent visits and no patients has sent nobody's visits."""
    rule = "kind: reference, column: patient_id, other: {table: patient, column: patient_id}"
    tables = {"visit": frames({"visit": [visit("v", None)]})["visit"]}
    with judged_tables(tables, suites(visit=rule)) as judged:
        assert judged["visit"].flagged([0])[Judged.fails(0)].execute().tolist() == [True]


def test_a_patient_must_have_a_row_elsewhere():
    """Every patient needs a follow-up of vital status; one of recurrence does not count."""
    outcomes = [
        row("outcome_event", "h1", "p", "o1", code="vital-status"),
        row("outcome_event", "h1", "p", "o2", code="vital-status"),
        row("outcome_event", "h1", "q", "o3", code="recurrence-status"),
        row("outcome_event", "h2", "q", "o4", code="vital-status"),
    ]
    rule = "kind: has_row, other: {table: outcome_event, column: code, where: {code: vital-status}}"
    rows = {"patient": [patient("p"), patient("q")], "outcome_event": outcomes}
    assert judge("patient", rule, rows) == {"pat-p": "passes", "pat-q": "fails"}


def test_what_is_unique_fails_in_every_row_that_shares_it():
    """Which of two is right cannot be known here. A row without the value shares nothing."""
    rows = [
        patient("p"),
        {**patient("p"), "resource_id": "again"},
        patient("p", hospital="h2"),
        patient("q"),
        {**patient("r"), "patient_id": None},
    ]
    rule = "kind: unique, columns: [organisation_id, patient_id]"
    with judged_tables(frames({"patient": rows}), suites(patient=rule)) as judged:
        found = judged["patient"].flagged([0], "organisation_id", "resource_id").execute()
    failing = found.loc[found[Judged.fails(0)], ["organisation_id", "resource_id"]]
    assert sorted(failing.itertuples(index=False, name=None)) == [("h1", "again"), ("h1", "pat-p")]


def test_a_value_of_the_patient_can_be_asked_for():
    """A male patient with a menopausal status is two patients under one name."""
    rows = {
        "patient": [patient("p", gender="male"), patient("q", gender="female"), patient("r")],
        "measurement": [row("measurement", "h1", name, f"m-{name}", code="meno") for name in "pqr"],
    }
    rule = "kind: other_in_set, column: code, values: [female], other: {table: patient, column: gender}"
    assert judge("measurement", rule, rows) == {"m-p": "fails", "m-q": "passes", "m-r": "silent"}


def test_of_several_rows_the_rule_picks_the_first_or_the_last():
    """The last contact is the latest of a patient's follow-ups."""
    outcomes = [
        row("outcome_event", "h1", "p", f"o{n}", code="vital-status", effective_date=day)
        for n, day in enumerate(["1990-01-01", "1992-01-01", None])
    ]
    rows = {"visit": [visit("v", "1991-01-01")], "outcome_event": outcomes}
    rule = "kind: not_after, column: start_date, other: {{table: outcome_event, column: effective_date, pick: {0}}}"
    assert judge("visit", rule.format("max"), rows) == {"v": "passes"}
    assert judge("visit", rule.format("min"), rows) == {"v": "fails"}


def some_date(source: random.Random) -> str:
    """A date of one of FHIR's precisions, often near to the others."""
    day = date(
        source.choice([1949, 1950, 1950, 1951]), source.randint(1, 12), source.randint(1, 28)
    ).isoformat()
    return source.choice([day, day, day[:7], day[:4], f"{day}T10:00:00Z"])


def first(text: str) -> date:
    """The earliest day that a date can mean."""
    return date.fromisoformat((text + "-01-01")[:10])


def last(text: str) -> date:
    """The latest day that a date can mean."""
    year, *rest = (int(part) for part in text[:10].split("-"))
    month = rest[0] if rest else 12
    return date(year, month, rest[1] if len(rest) > 1 else calendar.monthrange(year, month)[1])


PAIRS = [(some_date(source), some_date(source)) for source in [random.Random(20)] for _ in range(1500)]


@pytest.mark.parametrize(
    ("kind", "certainly_wrong"),
    [
        ("not_before", lambda end, start: last(end) < first(start)),
        ("not_after", lambda end, start: first(end) > last(start)),
    ],
)
def test_dates_are_out_of_order_only_if_every_day_they_can_mean_is(kind: str, certainly_wrong: Any):
    """1987-03 is neither before nor after 1987. Judged again here by intervals of days, over 1,500 pairs."""
    rows = [visit(f"v{n}", start, end_date=end) for n, (end, start) in enumerate(PAIRS)]
    found = judge("visit", f"kind: {kind}, column: end_date, other: {{column: start_date}}", {"visit": rows})
    expected = {
        f"v{n}": "fails" if certainly_wrong(end, start) else "passes" for n, (end, start) in enumerate(PAIRS)
    }
    assert found == expected
    assert len(set(expected.values())) == 2


def completed_years(birth: date, day: date) -> int:
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def test_an_age_fails_only_if_no_age_that_the_dates_allow_is_within_bounds():
    """With full dates the age is exact; with partial ones the patient has the benefit of the doubt."""
    rows = {
        "patient": [patient(f"p{n}", birth) for n, (_, birth) in enumerate(PAIRS)],
        "visit": [
            visit(f"v{n}", f"19{80 + n % 3}{day[4:]}", patient=f"p{n}") for n, (day, _) in enumerate(PAIRS)
        ],
    }
    rule = "kind: age, column: start_date, min: 30, max: 31, other: {table: patient, column: birth_date}"
    found = judge("visit", rule, rows)
    for n, (_, birth) in enumerate(PAIRS):
        day = rows["visit"][n]["start_date"]
        lowest, highest = completed_years(last(birth), first(day)), completed_years(first(birth), last(day))
        if lowest <= 31 and highest >= 30:
            assert found[f"v{n}"] == "passes", (birth, day)
        elif len(birth) >= 10 and len(day) >= 10:
            assert found[f"v{n}"] == "fails", (birth, day)
    assert set(found.values()) == {"passes", "fails"}


@pytest.mark.parametrize("text", ["", "x", "1950-6-1", "unknown", "-", "9" * 10_000])
def test_what_is_no_date_is_left_to_the_rule_about_dates(text: str):
    """A comparison with something that is no date says nothing, and does not break."""
    rows = {"patient": [patient("p", text)], "visit": [visit("v", "1980-01-01", end_date=text)]}
    age = "kind: age, column: start_date, min: 0, max: 1, other: {table: patient, column: birth_date}"
    assert judge("visit", age, rows) == {"v": "silent"}
    order = "kind: not_before, column: end_date, other: {column: start_date}"
    assert judge("visit", order, rows) == {"v": "silent"}


@pytest.mark.parametrize("tables", [{}, frames({})])
def test_a_table_without_a_row_has_nothing_to_judge(tables: dict[str, pd.DataFrame]):
    """Nothing is asked of the engine: not one row, and no verdict either."""
    with judged_tables(tables, load_suites()) as judged:
        assert {table.rows for table in judged.values()} == {None}


@pytest.mark.parametrize(
    ("column", "values"), [("code", [1]), ("value", ["secret"]), ("value", None), ("status", None)]
)
def test_a_column_that_is_missing_or_of_another_type_breaks_its_own_rules_alone(
    column: str, values: list[Any] | None
):
    """Each rule that needs it says so, with table and column and no value; every other rule is asked."""
    frame = frames({"measurement": [row("measurement", "h1", "p", "m", value=1.0)]})["measurement"]
    frame = frame.drop(columns=column) if values is None else frame.assign(**{column: pd.Series(values)})
    suite = load_suites()["measurement"]
    with judged_tables({"measurement": frame}, load_suites()) as judged:
        broken = judged["measurement"].broken
    needing = {
        number
        for number, rule in enumerate(suite.rules)
        if column in (rule.column, *rule.columns, *(name for name, _ in rule.where))
        or any(column in other.key for other in rule.others)
    }
    assert set(broken) == needing
    for error in broken.values():
        assert error.code == "quality.table_malformed"
        assert column in error.en
        assert "secret" not in str(error)
