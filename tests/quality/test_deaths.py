"""Nothing comes after a death: which records are a death, by which day, and which rows come after it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from quality.checks import Judged, judged_tables
from quality.deaths import death_codes
from quality.failing_rows import failing_rows
from quality.suite import load_suites
from tests.quality.tables import KEY, frames, row

SUITES = load_suites()
RULE = "visit.not_after_death"
# That one rule alone: a case takes a tenth of a second.
ONE = {
    "visit": replace(SUITES["visit"], rules=tuple(one for one in SUITES["visit"].rules if one.id == RULE)),
    "outcome_event": replace(SUITES["outcome_event"], rules=()),
}
BASE = "https://rwd-platform.example/CodeSystem/"
RECORD, FOLLOW_UP = (f"{BASE}outcome", "death"), (f"{BASE}demo-outcome", "vital-status")


def death(day: str | None, told: tuple[str, str] = RECORD, **more: Any) -> dict[str, Any]:
    values = {"code_system": told[0], "code": told[1], "value_code": "dead", "effective_date": day, **more}
    return row("outcome_event", "h1", "p", f"o-{day}-{told[1]}", **{"status": "final", **values})


def after(visit: str | None, *outcomes: dict[str, Any], columns: dict[str, Any] | None = None) -> bool:
    """Whether a visit of that day is one after death."""
    tables = frames(
        {"visit": [row("visit", "h1", "p", "v", start_date=visit)], "outcome_event": list(outcomes)}
    )
    tables["outcome_event"] = tables["outcome_event"].assign(**(columns or {}))
    return not failing_rows(tables, ONE, RULE, "h1").empty


@pytest.mark.parametrize(
    ("visit", "died", "comes_after"),
    [
        ("2024-03-11", "2024-03-10", True),
        ("2024-03-10", "2024-03-10", False),
        ("2024-03-10T23:00:00+08:00", "2024-03-10", False),
        ("2024-03-11", "2024-03", False),
        ("2024-04-01", "2024-03", True),
        ("2024-03", "2024-03-10", False),
        ("2024", "2023-12-31", True),
        ("2024-12-31", "2024", False),
        ("2025-01", "2024", True),
        ("2024-03-11", None, False),
        ("2024-03-11", "unknown", False),
        (None, "2024-03-10", False),
        ("yesterday", "2024-03-10", False),
    ],
)
@pytest.mark.parametrize("told", [RECORD, FOLLOW_UP], ids=["patient", "follow-up"])
def test_a_visit_is_after_death_only_if_every_day_they_can_mean_is(
    visit: str | None, died: str | None, comes_after: bool, told: tuple[str, str]
):
    """The patient's own record of death counts as a follow-up does."""
    assert after(visit, death(died, told)) is comes_after


def test_of_two_deaths_the_earlier_counts():
    """The observation of a patient ends there too, so what it leaves out is what this rule finds."""
    assert after("2024-03-15", death("2024-03-20"), death("2024-03-10", FOLLOW_UP))


NO_DEATHS = [
    death("2024-03-10", FOLLOW_UP, value_code="alive"),
    death("2024-03-10", (FOLLOW_UP[0], "recurrence-status")),
    death("2024-03-10", ("http://hospital.example/codes", "death")),
    death("2024-03-10", status="entered-in-error"),
    death("2024-03-10", status="cancelled"),
    death("2024-03-10", status="registered"),
]


@pytest.mark.parametrize(
    "outcome", NO_DEATHS, ids=lambda one: f"{one['code']}-{one['value_code']}-{one['status']}"
)
def test_what_is_no_death_ends_nothing(outcome: dict[str, Any]):
    assert not after("2024-03-15", outcome)


def test_a_death_that_adjudication_refuted_is_none_and_a_status_is_not_needed():
    assert not after("2024-03-15", death("2024-03-10"), columns={"adjudication_code": "refuted"})
    assert after("2024-03-15", death("2024-03-10"), columns={"adjudication_code": None})
    assert after("2024-03-15", death("2024-03-10", status=None))


def test_a_death_at_one_hospital_is_not_looked_for_at_another():
    """Pseudonyms are a hospital's own."""
    other = {**death("2024-03-10"), "organisation_id": "h2"}
    assert not after("2024-03-15", other)


def test_the_rule_is_asked_of_every_date_so_that_the_dead_cannot_be_counted_by_it():
    """Were it asked of the dead alone, a scorecard would say how many rows are theirs, before any study."""
    visits = [row("visit", "h1", name, name, start_date="2024-03-15") for name in ("p", "q", "r")]
    tables = frames(
        {"visit": [*visits, row("visit", "h1", "q", "undated")], "outcome_event": [death("2024-03-20")]}
    )
    with judged_tables(tables, ONE) as judged:
        found = judged["visit"].flagged([0], "resource_id").execute().set_index("resource_id")
    assert found[Judged.applies(0)].to_dict() == {"p": True, "q": True, "r": True, "undated": False}
    assert not found[Judged.fails(0)].any()


def test_a_table_of_outcomes_without_its_columns_breaks_the_rule_and_not_the_check():
    tables = frames({"visit": [row("visit", "h1", "p", "v", start_date="2024-03-15")]})
    tables["outcome_event"] = pd.DataFrame([dict.fromkeys(KEY, "x")]).assign(row_index=0)
    both = tuple(one for one in SUITES["visit"].rules if one.id in (RULE, "visit.start_valid"))
    with judged_tables(tables, {**ONE, "visit": replace(ONE["visit"], rules=both)}) as judged:
        suite, broken = judged["visit"].suite, judged["visit"].broken
    found = {suite.rules[number].id: error.code for number, error in broken.items()}
    assert found == {RULE: "quality.table_malformed"}


def test_every_table_that_care_dates_has_the_rule():
    """With its own reason in both languages; where a table is dated in two ways, each date is asked."""
    rules = {
        rule.id: rule for suite in SUITES.values() for rule in suite.rules if rule.kind == "not_after_if_any"
    }
    assert {rule.table for rule in rules.values()} == {
        *("visit", "procedure", "device_exposure", "condition", "drug_exposure", "measurement"),
        *("patient_reported", "imaging", "special_food_exposure"),
    }
    assert {rule.reference for rule in rules.values()} == {"dqd.plausibleBeforeDeath"}
    assert (
        len({rule.text.zh for rule in rules.values()})
        == len({rule.text.en for rule in rules.values()})
        == len(rules)
    )


def test_what_is_a_death_is_one_list_with_the_one_that_ends_observation():
    from ingestion.derived.compute import _rows

    assert {tuple(one.values()) for one in _rows("deaths.csv")} == set(death_codes())
