"""The quality check of whole tables: counted by the query engine, judged by Great Expectations."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quality.engine import check_tables
from quality.report import QualityReport, RuleResult
from quality.suite import load_suites
from tests.quality.tables import COLUMNS, HOSPITALS, frames, rotterdam, row

SUITES = load_suites()
Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def real() -> Tables:
    return rotterdam()


@pytest.fixture(scope="module")
def real_report(real: Tables) -> QualityReport:
    return check_tables(real, SUITES)


def result(report: QualityReport, rule: str, organisation: str | None = None) -> RuleResult:
    (found,) = [r for r in report.results if (r.rule, r.organisation_id) == (rule, organisation)]
    return found


def test_the_real_patients_keep_every_rule(real_report: QualityReport):
    """2,982 real patients: 0-34 nodes, receptors up to 5,004, ages 24-90. No rule is so narrow that it calls
    one of them wrong; a rule that found no row to speak about has not passed."""
    spoken = [found for found in real_report.results if found.applicable]
    assert {found.outcome for found in spoken} == {"pass"}
    assert {found.failing for found in real_report.results} == {0}
    assert {found.outcome for found in real_report.results if not found.applicable} == {"not_applicable"}
    assert {found.table for found in spoken} == set(COLUMNS)
    assert real_report.organisations == HOSPITALS


def test_what_was_asked_of_whom_adds_up(real: Tables, real_report: QualityReport):
    """The hospitals' rows are all rows; a rule about one measure was asked of that measure's rows."""
    for suite in real_report.suites:
        assert real_report.of(suite.table)[0].rows == len(real.get(suite.table, ()))
        for whole in real_report.of(suite.table):
            parts = [result(real_report, whole.rule, hospital) for hospital in HOSPITALS]
            assert sum(part.rows for part in parts) == whole.rows
            assert sum(part.applicable for part in parts) == whole.applicable
    assert result(real_report, "measurement.nodes_range").applicable == 2982
    assert result(real_report, "measurement.status_code").applicable == 6 * 2982
    assert result(real_report, "condition.breast_cancer_age").applicable == 2982


def damaged(real: Tables) -> Tables:
    """One hospital has recorded what cannot be: in one row in forty, of one measure or another."""
    tables = {name: frame.copy() for name, frame in real.items()}
    measurement = tables["measurement"]
    mine = measurement["organisation_id"] == "hospital-b"
    nodes = measurement.index[mine & (measurement["code"] == "positive-nodes")][::40]
    measurement.loc[nodes, "value"] = 999.0
    receptor = measurement.index[mine & (measurement["code"] == "oestrogen-receptor")][::40]
    measurement.loc[receptor, "unit_code"] = "ng/mL"
    tables["patient"].loc[tables["patient"].index[1::120], "birth_date"] = None
    return tables


def test_one_hospitals_mistakes_fail_where_they_were_made(real: Tables):
    """25 of 994 patients in one hospital have 999 nodes: it fails there, and passes among all (25 of 2,982)."""
    report = check_tables(damaged(real), SUITES)
    there, all_ = (
        result(report, "measurement.nodes_range", "hospital-b"),
        result(report, "measurement.nodes_range"),
    )
    assert (there.applicable, there.failing, there.outcome) == (994, 25, "fail")
    assert (all_.applicable, all_.failing, all_.outcome) == (2982, 25, "pass")
    assert result(report, "measurement.nodes_range", "hospital-a").outcome == "pass"
    assert result(report, "measurement.er_unit", "hospital-b").outcome == "fail"
    born = result(report, "patient.birth_date_present", "hospital-b")
    assert (born.failing, born.outcome) == (25, "pass"), "2.5 % lack it, and 5 % may"


def test_great_expectations_counts_the_same_on_the_rows_themselves(real: Tables):
    """Stock Great Expectations on pandas is the oracle: the same rules asked of every row, without our engine."""
    measurement = damaged(real)["measurement"]
    report = check_tables({**real, "measurement": measurement}, SUITES)
    compared = 0
    for rule in SUITES["measurement"].rules:
        if rule.kind not in ("not_null", "in_set", "range", "regex"):
            continue
        rows = measurement
        for column, value in rule.where:
            rows = rows[rows[column] == value]
        answer = stock(rule, rows.reset_index(drop=True))
        ours = result(report, rule.id)
        missing = 0 if rule.kind == "not_null" else answer["missing_count"]
        assert ours.applicable == answer["element_count"] - missing, rule.id
        assert ours.failing == answer["unexpected_count"], rule.id
        compared += 1
    assert compared >= 14


def stock(rule: Any, rows: pd.DataFrame) -> dict[str, Any]:
    import great_expectations as gx

    kinds = {
        "not_null": lambda: gx.expectations.ExpectColumnValuesToNotBeNull(column=rule.column),
        "in_set": lambda: gx.expectations.ExpectColumnValuesToBeInSet(
            column=rule.column, value_set=list(rule.values)
        ),
        "range": lambda: gx.expectations.ExpectColumnValuesToBeBetween(
            column=rule.column, min_value=rule.min, max_value=rule.max
        ),
        "regex": lambda: gx.expectations.ExpectColumnValuesToMatchRegex(
            column=rule.column, regex=rule.pattern
        ),
    }
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("rows").get_batch({"dataframe": rows})
    answer: dict[str, Any] = batch.validate(kinds[rule.kind](), result_format="SUMMARY").result
    return answer


@pytest.mark.parametrize(("failing", "outcome"), [(0, "pass"), (1, "pass"), (2, "fail"), (100, "fail")])
def test_the_threshold_belongs_to_the_passing_side(failing: int, outcome: str):
    """99 % must keep the rule: with one row in a hundred wrong exactly 99 % do, and that is enough."""
    rows = [
        row("measurement", "h", "p", f"m{n}", code="positive-nodes", value=999.0 if n < failing else 3.0)
        for n in range(100)
    ]
    report = check_tables(frames({"measurement": rows}), SUITES)
    found = result(report, "measurement.nodes_range", "h")
    assert (found.applicable, found.failing, found.outcome) == (100, failing, outcome)


@pytest.mark.parametrize("tables", [{}, frames({})])
def test_where_there_is_no_row_nothing_passes(tables: Tables):
    """A denominator of 0 is "not applicable", never "pass": also when a table is not there at all."""
    report = check_tables(tables, SUITES)
    assert {found.outcome for found in report.results} == {"not_applicable"}
    assert {found.rows for found in report.results} == {0}
    assert report.organisations == ()
    assert len(report.results) == sum(len(suite.rules) for suite in SUITES.values())


def test_a_hospital_that_sent_nothing_of_a_kind_is_not_applicable_there():
    """Hospital h2 has no measurement: it gets no good mark for them."""
    rows = {
        "patient": [
            row("patient", h, "p", "pat", birth_date="1950-01-01", gender="female") for h in ("h1", "h2")
        ],
        "measurement": [row("measurement", "h1", "p", "m", code="positive-nodes", value=1.0)],
    }
    report = check_tables(frames(rows), SUITES)
    assert result(report, "measurement.nodes_range", "h1").outcome == "pass"
    assert result(report, "measurement.nodes_range", "h2").outcome == "not_applicable"
    assert result(report, "measurement.er_range", "h1").outcome == "not_applicable"
    assert result(report, "patient.gender_present", "h2").outcome == "pass"


def test_the_report_is_json_with_the_rules_it_asked(real_report: QualityReport):
    """It is stored and packed as it is: suites by hash, rules in both languages, results."""
    facts = json.loads(json.dumps(real_report.as_dict(), ensure_ascii=False))
    assert {suite["table"]: suite["sha256"] for suite in facts["suites"]} == {
        name: suite.sha256 for name, suite in SUITES.items()
    }
    nodes = next(rule for rule in facts["rules"] if rule["id"] == "measurement.nodes_range")
    assert (nodes["kahn"], nodes["row_action"], nodes["mostly"]) == ("plausibility", "quarantine", 0.99)
    assert "淋巴结" in nodes["zh"]
    assert len(facts["results"]) == len(real_report.results)


def test_the_order_of_rows_does_not_matter(real: Tables, real_report: QualityReport):
    """The same facts give the same report, to the byte."""
    few = {name: frame.head(300) for name, frame in real.items()}
    turned = {name: frame.iloc[::-1].set_index(np.arange(len(frame)) + 9) for name, frame in few.items()}
    assert check_tables(few, SUITES).as_dict() == check_tables(turned, SUITES).as_dict()


def test_a_hundred_thousand_rows_take_seconds():
    """Counting is one pass of the engine; Great Expectations sees counts only, however many rows there are."""
    count = 100_000
    one = frames({"measurement": [row("measurement", "h", "p", "m", code="positive-nodes", value=1.0)]})
    rows = one["measurement"].loc[np.zeros(count, dtype=int)].reset_index(drop=True)
    rows["resource_id"] = [f"m{n}" for n in range(count)]
    rows.loc[::1000, "value"] = 999.0
    found = result(check_tables({"measurement": rows}, SUITES), "measurement.nodes_range")
    assert (found.applicable, found.failing, found.outcome) == (count, 100, "pass")


def test_a_column_that_is_not_there_is_an_error_of_its_rules_alone(real: Tables):
    """It cannot be checked, and is not taken for an empty one: its rules are errors, the others have verdicts."""
    few = {name: frame.head(60) for name, frame in real.items()}
    whole = check_tables(few, SUITES)
    report = check_tables({**few, "patient": few["patient"].drop(columns="gender")}, SUITES)
    found = {one.rule for one in report.results if one.status == "error"}
    assert found == {
        "patient.gender_code",
        "patient.gender_present",
        "patient.gender_drift_hospitals",
        "patient.gender_drift_uploads",
        "measurement.menopause_sex",
    }
    error = result(report, "patient.gender_code").error
    assert error is not None
    assert error["code"] == "quality.table_malformed"
    others = [one for one in whole.results if one.rule not in found]
    assert [one for one in report.results if one.rule not in found] == others


def test_reading_the_room_loads_no_heavy_library_and_no_telemetry():
    """Great Expectations takes seconds to import: only a check that runs pays for it, and it sends nothing."""
    script = (
        "import sys, quality.engine, quality.gate, quality.scorecard\n"
        "print(sorted({'great_expectations', 'ibis', 'duckdb', 'pyarrow.dataset'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=root, check=True
    )
    assert done.stdout.strip() == "[]"


def test_telemetry_is_off(real_report: QualityReport):
    """Set before the library is imported, whatever the environment said."""
    assert real_report.results
    assert os.environ["GX_ANALYTICS_ENABLED"] == "false"
