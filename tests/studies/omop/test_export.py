"""A lock as OMOP CDM 5.4: which rows are handed on, and an account that adds up to the row."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pandas as pd
import pytest

from ingestion.derived.compute import _rows
from studies.omop.rules import load_fields, load_rules, load_sources
from tests.studies.omop.locks import DAY, ICD10, SNOMED, drawn, exported, lock, row, rows_of, subjects

# table of the lock, changes, table of OMOP that gets the row ("" for none), rule
STATUSES: list[tuple[str, dict[str, Any], str, str]] = [
    *(("visit", {"status": one}, "visit_occurrence", "") for one in ("finished", "in-progress", "arrived", "triaged")),
    *(
        ("visit", {"status": one}, "", "f2o-060.visit")
        for one in ("planned", "cancelled", "entered-in-error", "unknown", None)
    ),
    ("condition", {"verification_status": "confirmed"}, "condition_occurrence", ""),
    ("condition", {"verification_status": None}, "condition_occurrence", ""),
    *(
        ("condition", {"verification_status": one}, "observation", "")
        for one in ("provisional", "differential", "refuted")
    ),
    *(
        ("condition", {"verification_status": one}, "", "f2o-060.condition")
        for one in ("unconfirmed", "entered-in-error")
    ),
    ("procedure", {"status": "completed"}, "procedure_occurrence", ""),
    *(
        ("procedure", {"status": one}, "", "f2o-060.procedure")
        for one in ("preparation", "in-progress", "not-done", "on-hold", "stopped", "unknown", "entered-in-error", None)
    ),
    *(("measurement", {"status": one}, "measurement", "") for one in ("final", "amended", "corrected")),
    *(
        ("measurement", {"status": one}, "", "f2o-060.measurement")
        for one in ("registered", "preliminary", "cancelled", "entered-in-error", "unknown", None)
    ),
    ("measurement", {"absent_reason_code": "unknown"}, "", "f2o-060.data-absent"),
    ("drug_exposure", {"source": "request", "intent_code": "instance-order"}, "drug_exposure", ""),
    ("drug_exposure", {"source": "request", "intent_code": "instance-order", "status": "active"}, "drug_exposure", ""),
    *(
        ("drug_exposure", {"source": "request", "intent_code": one}, "", "f2o-060.request-intent")
        for one in ("proposal", "plan", "order", "original-order", "reflex-order", "filler-order", "option", None)
    ),
    *(
        (
            "drug_exposure",
            {"source": "request", "intent_code": "instance-order", "status": one},
            "",
            "f2o-060.request",
        )
        for one in ("draft", "on-hold", "cancelled", "stopped", "entered-in-error", "unknown")
    ),
    *(
        ("drug_exposure", {"source": "statement", "status": one}, "drug_exposure", "")
        for one in ("active", "completed")
    ),
    *(
        ("drug_exposure", {"source": "statement", "status": one}, "", "f2o-060.statement")
        for one in ("entered-in-error", "intended", "stopped", "on-hold", "unknown", "not-taken")
    ),
    *(("drug_exposure", {"source": one}, "drug_exposure", "") for one in ("administration", "dispense", None)),
    ("drug_exposure", {"source": "dispense", "status": "entered-in-error"}, "", "rwd.dispense"),
    ("drug_exposure", {"source": "administration", "status": "not-done"}, "", "rwd.administration"),
    ("drug_exposure", {"source": "somewhere"}, "", "rwd.drug-source"),
    ("drug_exposure", {"returned": True}, "", "rwd.returned"),
    ("device_exposure", {}, "device_exposure", ""),
    ("device_exposure", {"status": "entered-in-error"}, "", "rwd.device"),
    ("device_exposure", {"action": "explanted"}, "", "rwd.explanted"),
    ("patient_reported", {}, "observation", ""),
    ("patient_reported", {"status": "entered-in-error"}, "", "rwd.patient-reported"),
    ("adverse_event", {}, "observation", ""),
    ("adverse_event", {"actuality": "potential"}, "", "rwd.adverse-event"),
    ("outcome_event", {}, "death", ""),
    ("outcome_event", {"code": "recurrence", "value_code": "recurrence"}, "observation", ""),
    ("outcome_event", {"status": "entered-in-error"}, "", "f2o-060.outcome"),
    ("outcome_event", {"adjudication_code": "refuted"}, "", "rwd.outcome-refuted"),
    ("cost_line", {}, "observation", ""),
    ("cost_line", {"status": "entered-in-error"}, "", "rwd.cost"),
]  # fmt: skip


def test_a_row_is_handed_on_only_where_its_status_says_that_it_happened() -> None:
    """HL7's tables of status and intent, value by value, each for a person of its own."""
    people = [f"s{number:03}" for number in range(len(STATUSES))]
    rows: dict[str, list[dict[str, Any]]] = {}
    for person, (table, changes, _, _) in zip(people, STATUSES, strict=True):
        rows.setdefault(table, []).append(row(table, person, **changes))
    found = exported(lock(rows, *people))
    of_person = {number: name for name, number in found.people.items()}
    filled: dict[str, set[str]] = {person: set() for person in people}
    for name, table in found.tables.items():
        if name not in ("person", "cdm_source", "cost"):
            for number in table.column("person_id").to_pylist():
                filled[of_person[number]].add(name)
    for person, (table, changes, target, _) in zip(people, STATUSES, strict=True):
        assert filled[person] == ({target} if target else set()), (table, changes)
    for account in found.report.accounts[1:]:
        rules = Counter(rule for table, _, _, rule in STATUSES if table == account.source and rule)
        assert account.left_out == rules, account.source
    assert found.report.adds_up


def test_a_diagnosis_that_was_only_considered_is_an_observation_with_its_qualifier() -> None:
    found = exported(lock({"condition": [row("condition", verification_status="refuted")]}))
    (one,) = rows_of(found, "observation")
    assert (one["observation_source_value"], one["qualifier_source_value"]) == ("C50.9", "refuted")
    assert one["qualifier_concept_id"] == 0
    assert ("observation", "qualifier_concept_id", "word_unknown", 1) in [
        (zero.table, zero.field, zero.why, zero.rows) for zero in found.report.unmapped
    ]


@pytest.mark.parametrize(
    ("changes", "end", "type_concept"),
    [
        ({}, "2024-05-09", 32827),
        ({"end_date": None}, DAY, 32882),
        ({"end_date": "2024-05-01"}, DAY, 32882),
        ({"status": "in-progress"}, "2024-08-01", 32882),
        ({"status": "in-progress", "class_code": "AMB"}, DAY, 32882),
    ],
)
def test_the_end_of_a_visit_that_goes_on_is_derived_and_marked(
    changes: dict[str, Any], end: str, type_concept: int
) -> None:
    """An inpatient stays until the last day observed, an outpatient leaves on the day of coming."""
    tables = lock({"visit": [row("visit", **changes)]})
    tables["observation_period"] = pd.DataFrame(
        [{"subject_id": "s1", "first_date": "2020-01-01", "last_date": "2024-08-01"}]
    )
    found = exported(tables)
    (one,) = rows_of(found, "visit_occurrence")
    assert (str(one["visit_end_date"]), one["visit_type_concept_id"]) == (end, type_concept)
    assert sum(found.report.derived.values()) == (type_concept == 32882)


@pytest.mark.parametrize(
    ("changes", "end", "written"),
    [
        ({"event_end_date": "2024-05-20"}, "2024-05-20", "2024-05-20"),
        ({"days_supply": 28.0}, "2024-06-02", "None"),
        ({}, DAY, "None"),
        ({"days_supply": 1e15}, DAY, "None"),
        ({"days_supply": -3.0}, DAY, "None"),
    ],
)
def test_the_end_of_a_drug_exposure_says_what_was_written_and_what_was_derived(
    changes: dict[str, Any], end: str, written: str
) -> None:
    (one,) = rows_of(exported(lock({"drug_exposure": [row("drug_exposure", **changes)]})), "drug_exposure")
    assert (str(one["drug_exposure_end_date"]), str(one["verbatim_end_date"])) == (end, written)


@pytest.mark.parametrize(
    "written", [None, "", "2024", "2024-05", "2024-02-30", "20240506", "'; drop table x", "<NA>"]
)
def test_a_row_without_a_day_is_left_out_and_no_day_is_made_up(written: str | None) -> None:
    found = exported(lock({"condition": [row("condition", onset_date=written)]}))
    assert rows_of(found, "condition_occurrence") == []
    assert found.report.accounts[-1].left_out == {"f2o-070.day": 1}


def test_a_person_has_the_year_of_birth_that_age_and_index_date_give() -> None:
    """Half a year before the index date less the age: right to one year, whatever the birthday."""
    tables = {"subject": subjects("s1", index_date="2024-03-01", age_years=52)}
    (one,) = rows_of(exported(tables), "person")
    assert (one["year_of_birth"], one["gender_concept_id"], one["month_of_birth"]) == (1971, 8532, None)
    assert one["person_source_value"] is None


def test_a_person_without_a_year_of_birth_is_left_out_with_every_row() -> None:
    tables = lock({"condition": [row("condition", "s1"), row("condition", "s2")]})
    tables["subject"] = pd.concat([subjects("s1"), subjects("s2", age_years=None)], ignore_index=True)
    found = exported(tables)
    persons, conditions = found.report.accounts
    assert (persons.handed_on, persons.left_out) == ({"person": 1}, {"rwd.birth-year": 1})
    assert (conditions.handed_on, conditions.left_out) == ({"condition_occurrence": 1}, {"rwd.person": 1})
    assert found.report.adds_up


def test_a_person_dies_once_on_the_earliest_day() -> None:
    days = ("2024-06-02", "2024-06-01", "2024-06-03")
    found = exported(lock({"outcome_event": [row("outcome_event", effective_date=day) for day in days]}))
    (one,) = rows_of(found, "death")
    assert str(one["death_date"]) == "2024-06-01"
    assert found.report.accounts[-1].left_out == {"rwd.died-once": 2}


def test_which_outcomes_are_deaths_is_said_once() -> None:
    """The rooms do not know each other; their lists of deaths are the same."""
    listed = {(one["code_system"], one["code"], one["value_code"]) for one in _rows("deaths.csv")}
    assert load_rules().deaths == listed


def test_a_cost_stands_beside_the_charged_item() -> None:
    found = exported(
        lock({"cost_line": [row("cost_line"), row("cost_line", amount=7.0, service_date="2024-01-01")]})
    )
    items = {one["observation_id"]: str(one["observation_date"]) for one in rows_of(found, "observation")}
    costs = {items[one["cost_event_id"]]: one for one in rows_of(found, "cost")}
    assert {day: one["total_charge"] for day, one in costs.items()} == {"2024-01-01": 7.0, DAY: 100.25}
    first = costs[DAY]
    assert (first["paid_by_payer"], first["paid_by_patient"], first["drg_source_value"]) == (
        60.0,
        40.25,
        "RC1",
    )
    assert {(zero.table, zero.field) for zero in found.report.unmapped} >= {("cost", "currency_concept_id")}
    assert found.report.second == {"cost": 2}


def test_the_product_part_of_a_udi_goes_out_whole_and_the_single_device_never() -> None:
    """UDI-DI in unique_device_id; production_id would hold UDI-PI, which is a direct identifier."""
    devices = [{"subject_id": "s1", "site_id": "S1", "udi_di": "06901234567892", "start_date": DAY,
                "product_system": "urn:x", "product_code": "LC-D1", "explant_date": "2025-01-01"}]  # fmt: skip
    found = exported(lock({"device_use": devices, "device_exposure": [row("device_exposure")]}))
    (one,) = rows_of(found, "device_exposure")
    assert (one["unique_device_id"], one["production_id"]) == ("06901234567892", None)
    assert (one["device_source_value"], str(one["device_exposure_end_date"])) == ("LC-D1", "2025-01-01")
    assert found.report.adds_up


def test_an_instrument_is_handed_on_once() -> None:
    """A survey's result stands in two tables of the lock, under one source line."""
    tables = lock(
        {
            "measurement": [row("measurement", source_row="r1"), row("measurement", source_row="r2")],
            "patient_reported": [row("patient_reported", source_row="r1")],
        }
    )
    found = exported(tables)
    assert (found.report.tables["measurement"], found.report.tables["observation"]) == (1, 1)
    (one,) = rows_of(found, "observation")
    assert one["observation_type_concept_id"] == 32865


def test_a_table_that_is_not_carried_is_named_with_its_rows() -> None:
    found = exported(lock({"consent": [{"subject_id": "s1", "status": "active"}]}))
    assert found.report.accounts[-1].left_out == {"rwd.no-map": 1}
    assert found.report.adds_up


# -- the account adds up ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
def test_every_row_of_a_lock_is_handed_on_or_left_out_by_a_rule(seed: int) -> None:
    tables = drawn(seed, 60)
    found = exported(tables)
    by_source = {one.source: one for one in found.report.accounts}
    for name, table in tables.items():
        account = by_source[name]
        assert account.rows == len(table)
        assert len(table) == sum(account.handed_on.values()) + sum(account.left_out.values())
    assert found.report.adds_up
    assert sum(sum(one.left_out.values()) for one in found.report.accounts) > 50


def test_an_account_that_does_not_add_up_is_seen() -> None:
    from dataclasses import replace

    report = exported(lock({"visit": [row("visit")]})).report
    assert report.adds_up
    assert not replace(report, tables={**report.tables, "visit_occurrence": 2}).adds_up
    short = replace(report.accounts[1], rows=2)
    assert not replace(report, accounts=(report.accounts[0], short)).adds_up
    assert "合计不符" in replace(report, accounts=(report.accounts[0], short)).text("zh")


def test_the_report_is_one_document_in_both_languages() -> None:
    report = exported(drawn(1, 30)).report
    told = json.loads(json.dumps(report.as_dict(), ensure_ascii=False))
    assert told["adds_up"] and told["vocabulary"] == "none" and len(told["rules"]["sha256"]) == 64
    assert "合计相符" in report.text("zh") and "add up" in report.text("en")
    assert all(one["zh"] and one["en"] for source in told["sources"] for one in source["left_out"])


# -- several codings of one fact -------------------------------------------------------------------


def test_of_several_codings_of_one_record_one_is_handed_on() -> None:
    """Two codes of one diagnosis are not two diagnoses; without a vocabulary the order of vocabularies decides."""
    codings = [
        row("condition", source_row="r1"),
        row("condition", source_row="r1", code_system=SNOMED, code="254837009"),
    ]
    other = row("condition", source_row="r2", code_system=ICD10, code="C50.1")
    found = exported(lock({"condition": [*codings, other]}))
    kept = [one["condition_source_value"] for one in rows_of(found, "condition_occurrence")]
    assert sorted(kept) == ["254837009", "C50.1"]
    assert found.report.accounts[-1].left_out == {"f2o-034.coding": 1}


def test_every_rule_has_a_known_place() -> None:
    """A misspelt source, column or table would make a rule that never holds."""
    fields = load_fields()
    for rule in load_rules().rules:
        assert rule.reason.zh and rule.reason.en
        assert not rule.source or rule.source in load_sources(), rule.id
        assert not rule.to or rule.to in fields, rule.id
    for source in load_sources().values():
        assert source.table in fields and (not source.also or source.also in fields)
