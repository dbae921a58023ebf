"""The gate: tables that may not be used, and rows that are held back."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest

from quality.gate import HELD, Gate, decide, quarantined_rows, without
from quality.report import QualityReport, RuleResult
from quality.suite import load_suites
from tests.quality.tables import frames, rotterdam, row

SUITES = load_suites()


def report(**failing: int) -> QualityReport:
    """A report on one hospital with 200 rows a table; `failing` rows of the rules named (`table__rule`)."""
    results = []
    for suite in SUITES.values():
        for rule in suite.rules:
            broken = failing.get(rule.id.replace(".", "__"), 0)
            outcome = "pass" if (200 - broken) / 200 >= rule.mostly else "fail"
            for scope in (None, "hospital-a"):
                results.append(RuleResult(suite.table, rule.id, scope, 200, 200, broken, outcome))
    return QualityReport(tuple(SUITES.values()), tuple(results))


def emptied(whole: QualityReport, table: str) -> QualityReport:
    """The report as it would be had the table no row."""
    nothing = {"rows": 0, "applicable": 0, "failing": 0, "status": "not_applicable"}
    results = [replace(r, **nothing) if r.table == table else r for r in whole.results]
    return QualityReport(whole.suites, tuple(results))


def verdicts(gate: Gate) -> dict[str, str]:
    return {verdict.table: verdict.verdict for verdict in gate.tables}


def test_tables_whose_rules_hold_are_admitted():
    """One row in two hundred may be wrong where a rule allows one in a hundred."""
    gate = decide(report(measurement__nodes_range=1))
    assert set(verdicts(gate).values()) == {"admit"}
    assert gate.verdict == "admit"
    assert all(not verdict.reasons for verdict in (*gate.tables, *gate.hospitals))


def test_a_table_with_too_many_wrong_rows_is_quarantined_with_its_reasons():
    """Three in two hundred is no slip of the keyboard. The other tables stay in use; the reasons are sentences."""
    gate = decide(report(measurement__nodes_range=3, measurement__er_unit=200))
    assert gate.verdict == "quarantine"
    assert {table for table, verdict in verdicts(gate).items() if verdict == "quarantine"} == {"measurement"}
    (verdict,) = [verdict for verdict in gate.tables if verdict.verdict == "quarantine"]
    assert [reason.rule for reason in verdict.reasons] == ["measurement.nodes_range", "measurement.er_unit"]
    assert "3/200" in verdict.reasons[0].text.en
    assert "1.00%" in verdict.reasons[0].text.zh
    assert "淋巴结" in verdict.reasons[0].text.zh


def test_a_table_without_rows_is_neither_admitted_nor_wrong():
    """Nobody was given the product: there is nothing to admit, and the rest goes on."""
    gate = decide(emptied(report(), "drug_exposure"))
    assert verdicts(gate)["drug_exposure"] == "not_applicable"
    assert gate.verdict == "admit"


def test_without_patients_nothing_goes_on():
    """The patient table is required: with no patient there is no study, and the reason says so."""
    gate = decide(emptied(report(), "patient"))
    assert verdicts(gate)["patient"] == "quarantine"
    (verdict,) = [verdict for verdict in gate.tables if verdict.table == "patient"]
    assert verdict.reasons[0].text == ("患者表没有任何行。", "The table patient has no row at all.")


def test_a_gate_with_nothing_behind_it_admits_nothing():
    """If not even the patient table were required, an empty lake would still not be an admitted one."""
    whole = report()
    for table in SUITES:
        whole = emptied(whole, table)
    optional = tuple(replace(suite, required=False) for suite in whole.suites)
    assert decide(QualityReport(optional, whole.results)).verdict == "not_applicable"


def test_each_hospital_has_its_own_verdicts_and_all_is_json():
    """A hospital sees its own; the package holds all."""
    gate = decide(report(patient__once=3))
    assert {(v.organisation_id, v.table): v.verdict for v in gate.hospitals}[
        ("hospital-a", "patient")
    ] == "quarantine"
    facts = json.loads(json.dumps(gate.as_dict(), ensure_ascii=False))
    assert facts["verdict"] == "quarantine"
    assert len(facts["tables"]) == len(facts["hospitals"]) == len(SUITES)
    (patient,) = [verdict for verdict in facts["tables"] if verdict["table"] == "patient"]
    assert set(patient["reasons"][0]) == {"rule", "zh", "en"}


@pytest.fixture(scope="module")
def real() -> dict[str, pd.DataFrame]:
    return rotterdam()


def test_no_row_of_a_real_patient_is_held_back(real: dict[str, pd.DataFrame]):
    """All 2,982 stay whole: 34 nodes and a receptor of 5,004 fmol/L are rare, and true."""
    held = quarantined_rows(real, SUITES)
    assert set(held) == set(SUITES)
    assert {name: len(frame) for name, frame in held.items()} == dict.fromkeys(SUITES, 0)
    assert all(tuple(frame.columns) == HELD for frame in held.values())


def test_the_row_that_cannot_be_true_is_held_back_and_nothing_else(real: dict[str, pd.DataFrame]):
    """A second count of nodes, 999, was sent for a patient: it stays out of locks, the true count stays in."""
    extra = row(
        "measurement", "hospital-a", "p0", "extra", code="positive-nodes", value=999.0, value_text="999"
    )
    extra |= {"unit_code": "{nodes}", "effective_date": real["measurement"]["effective_date"][0]}
    planted = frames({"measurement": [{**extra, "status": "final"}]})["measurement"]
    tables = {**real, "measurement": pd.concat([real["measurement"], planted], ignore_index=True)}
    held = quarantined_rows(tables, SUITES)
    (found,) = held["measurement"].to_dict("records")
    assert found == {
        **{"organisation_id": "hospital-a", "source_system": "his", "resource_type": "Observation"},
        **{"resource_id": "extra", "row_index": 0, "patient_id": "p0", "rule": "measurement.nodes_range"},
    }
    admitted = without(tables, held)
    pd.testing.assert_frame_equal(admitted["measurement"], real["measurement"])
    assert len(tables["measurement"]) == len(real["measurement"]) + 1, "what was given is not changed"
    assert all(admitted[name] is tables[name] for name in tables if name != "measurement")


def test_a_row_that_breaks_two_rules_names_both_and_is_held_back_once():
    """A dangling reference and 999 nodes in one row."""
    wrong = row("measurement", "h", "nobody", "m", code="positive-nodes", value=999.0)
    right = row("measurement", "h", "p", "n", code="positive-nodes", value=9.0)
    rows = {"measurement": [wrong, right], "patient": [row("patient", "h", "p", "pat")]}
    tables = frames(rows)
    held = quarantined_rows(tables, SUITES)["measurement"]
    assert held["rule"].tolist() == ["measurement.nodes_range", "measurement.patient_known"]
    assert set(held["resource_id"]) == {"m"}
    assert without(tables, {"measurement": held})["measurement"]["resource_id"].tolist() == ["n"]


def test_a_row_that_only_breaks_a_rule_to_keep_is_kept():
    """No gender on record is a gap to count, not a reason to leave the patient out."""
    held = quarantined_rows(frames({"patient": [row("patient", "h", "p", "pat")]}), SUITES)
    assert held["patient"].empty


def test_rows_are_told_apart_by_the_whole_merge_key():
    """The same id in another hospital, or another row of the same resource, is not held back with it."""
    wrong = row("measurement", "h1", "p", "m", code="positive-nodes", value=999.0)
    rows = [wrong, {**wrong, "organisation_id": "h2", "value": 1.0}, {**wrong, "row_index": 1, "value": 2.0}]
    patients = [row("patient", hospital, "p", "pat") for hospital in ("h1", "h2")]
    tables = frames({"measurement": rows, "patient": patients})
    kept = without(tables, quarantined_rows(tables, SUITES))["measurement"]
    assert sorted(kept["value"]) == [1.0, 2.0]


@pytest.mark.parametrize("tables", [{}, frames({})])
def test_an_empty_lake_holds_nothing_back(tables: dict[str, pd.DataFrame]):
    """No rows in, none out, and the frames have their columns."""
    held = quarantined_rows(tables, SUITES)
    assert all(frame.empty and tuple(frame.columns) == HELD for frame in held.values())
    assert set(without(tables, held)) == set(tables)
