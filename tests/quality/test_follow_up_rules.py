"""What the store asks of every hospital's follow-up, whatever studies it takes part in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quality.checks import Judged, judged_tables
from quality.suite import load_suites
from tests.quality.tables import frames, row

SUITES = load_suites()
OUTCOME = "https://rwd-platform.example/CodeSystem/demo-outcome"


def verdicts(rule: str, *rows: dict[str, object]) -> dict[str, str]:
    """Of each of sixty patients (p0 …) what the rule says: kept, broken or silent."""
    people = [row("patient", "h", f"p{n}", f"p{n}", gender="female") for n in range(60)]
    tables: dict[str, list[dict[str, object]]] = {"patient": people}
    for one in rows:
        tables.setdefault("outcome_event" if one["resource_type"] else "observation_period", []).append(one)
    asked = tuple(one for one in SUITES["patient"].rules if one.id == rule)
    suites = {name: replace(SUITES[name], rules=()) for name in ("outcome_event", "observation_period")}
    with judged_tables(
        frames(tables), {**suites, "patient": replace(SUITES["patient"], rules=asked)}
    ) as judged:
        found = judged["patient"].flagged([0], "patient_id").execute().set_index("patient_id")
    words = {(True, False): "kept", (True, True): "broken", (False, False): "silent"}
    both = zip(found[Judged.applies(0)], found[Judged.fails(0)], strict=True)
    return dict(zip(found.index, (words[bool(one), bool(two)] for one, two in both), strict=True))


def seen(patient: str, last: str | None = "2024-05-01") -> dict[str, object]:
    return row("observation_period", "h", patient, "", last_date=last)


def recurrence(patient: str) -> dict[str, object]:
    values = {"code_system": OUTCOME, "code": "recurrence-status", "value_code": "no-recurrence"}
    return row("outcome_event", "h", patient, f"r-{patient}", effective_date="2024-05-01", **values)


def test_any_contact_or_death_says_until_when_a_patient_was_known_to_live():
    """A hospital that sends none of the demo's codes is no worse for it; who was never seen at all is told."""
    found = verdicts("patient.has_vital_status", *(seen(f"p{n}") for n in range(59)))
    assert {found.pop("p59"), *found.values()} == {"broken", "kept"} and set(found.values()) == {"kept"}


def test_follow_up_of_recurrence_is_asked_of_a_hospital_that_sends_it():
    """It is what one study needs; whether it has enough of it is told by that study's fitness."""
    assert set(verdicts("patient.has_recurrence_status").values()) == {"silent"}
    found = verdicts("patient.has_recurrence_status", recurrence("p0"), recurrence("p1"))
    assert [name for name, word in found.items() if word == "kept"] == ["p0", "p1"]
    assert set(found.values()) == {"kept", "broken"}


@pytest.mark.parametrize("table", sorted(SUITES))
def test_no_critical_rule_of_all_patients_asks_for_a_code_of_one_study(table: str):
    """A rule that every patient must keep closes the gate of every hospital that the study is not about."""
    for rule in SUITES[table].rules:
        asks = rule.kind in ("has_row", "reference") and rule.severity == "critical" and not rule.where
        named = [value for other in rule.others for column, value in other.where if column == "code"]
        assert not (asks and named), rule.id
