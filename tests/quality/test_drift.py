"""Drift, follow-up, and a rule that stops: what no single row passes or fails."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest

from quality import kinds
from quality.drift import drifts, stability_index
from quality.engine import check_tables
from quality.gate import decide
from quality.lookups import Surroundings
from quality.report import Distribution, QualityReport
from quality.rules import DRIFT
from quality.suite import load_suites
from tests.quality.tables import frames, row

SUITES = load_suites()
DRIFTS = [rule for suite in SUITES.values() for rule in suite.rules if rule.kind in DRIFT]


def test_the_index_is_the_sum_over_bins_of_what_the_shares_differ_in():
    """(0.3 - 0.7) ln(0.3/0.7) twice, with half a row added to each bin; alike is 0, and an empty bin is finite."""
    these, those = {"a": 300, "b": 700}, {"a": 700, "b": 300}
    p, q = 300.5 / 1001, 700.5 / 1001
    assert stability_index(these, those) == pytest.approx(2 * (p - q) * math.log(p / q))
    assert stability_index(these, these) == 0
    assert math.isfinite(stability_index({"a": 1000, "b": 0}, {"a": 0, "b": 1000}))


@pytest.mark.parametrize("rule", DRIFTS, ids=lambda rule: rule.id)
def test_two_samples_of_one_population_do_not_drift(rule):
    """At the fewest rows that are compared, 1,000 draws from one population: not one is called drift."""
    source = random.Random(7)
    bins = [f"b{number}" for number in range(len(rule.values) + len(rule.cuts) + 2)]
    weights = [1 / (number + 1) for number in range(len(bins))]

    def draw() -> Counter[str]:
        return Counter(source.choices(bins, weights, k=rule.min_rows))

    assert max(stability_index(draw(), draw()) for _ in range(1000)) < rule.limit


def drift(rule_id: str, *uploads: tuple[str, dict[str, int]]) -> dict[str | None, tuple[int, int]]:
    rule = next(rule for rule in DRIFTS if rule.id == rule_id)
    listed = [
        Distribution(rule_id, hospital, f"u{n}", counts) for n, (hospital, counts) in enumerate(uploads)
    ]
    return {name: (found.comparisons, found.drifted) for name, found in drifts(rule, listed).items()}


def test_too_few_rows_are_not_compared():
    """199 rows on one side: no comparison, and so no pass."""
    few, many = {"male": 199}, {"female": 5000}
    assert drift("patient.gender_drift_uploads", ("h", many), ("h", few)) == {"h": (0, 0), None: (0, 0)}
    assert drift("patient.gender_drift_hospitals", ("h", many)) == {"h": (0, 0), None: (0, 0)}


def test_only_the_hospital_whose_newest_upload_differs_has_drifted():
    """The newest upload stands against all before it, in the hospital alone."""
    even, male = {"male": 200, "female": 200}, {"male": 390, "female": 10}
    found = drift("patient.gender_drift_uploads", ("a", even), ("a", male), ("b", even), ("b", even))
    assert found == {"a": (1, 1), "b": (1, 0), None: (2, 1)}


def visits(hospital: str, upload: str, classes: dict[str, int]) -> pd.DataFrame:
    codes = [code for code, count in classes.items() for _ in range(count)]
    one = frames({"visit": [row("visit", hospital, "p", "v", start_date="2024-01-01", status="finished")]})[
        "visit"
    ]
    rows = one.loc[[0] * len(codes)].reset_index(drop=True)
    ids = [f"{upload}-{number}" for number in range(len(codes))]
    return rows.assign(class_code=codes, upload_id=upload, resource_id=ids)


def test_planted_drift_is_found_by_its_rules_and_by_no_other():
    """Hospital a's second upload is all emergencies. Uploads come in the order in which they were received."""
    usual = {"AMB": 200, "IMP": 100}
    parts = [visits("a", "second", {"EMER": 300}), visits("a", "first", usual), visits("b", "b1", usual)]
    table = pd.concat([*parts, visits("b", "b2", usual)], ignore_index=True)
    received = [
        ("a", "second", "2024-06-01"),
        ("a", "first", "2024-01-01"),
        ("b", "b1", "2024-01-02"),
        ("b", "b2", "2024-06-02"),
    ]
    uploads = pd.DataFrame(received, columns=["organisation_id", "upload_id", "received_date"])
    report = check_tables(
        {"visit": table}, {"visit": SUITES["visit"], **_others()}, Surroundings(uploads=uploads)
    )
    failed = {(one.organisation_id, one.rule) for one in report.results if one.status == "fail"}
    found = {(place, rule) for place, rule in failed if "drift" in rule}
    assert found == {
        ("a", "visit.class_drift_uploads"),
        (None, "visit.class_drift_uploads"),
        # Of two hospitals each is unlike the other.
        *((place, "visit.class_drift_hospitals") for place in ("a", "b", None)),
    }
    assert [one.upload_id for one in report.uploads if one.organisation_id == "a"] == ["first", "second"]


def _others() -> dict[str, object]:
    return {name: SUITES[name] for name in ("patient", "outcome_event")}


def test_the_index_of_completeness_is_time_followed_of_time_that_could_have_been():
    """Clark's C. Closing is 2024-01-31, the hospital's latest contact; who has died was followed to the end.

    a: 30 of 30 days. b: 10 of 30. c: died on day 20, last seen on day 5: 20 of 20. d: no contact known: not asked.
    """
    last = {"a": "2024-01-31", "b": "2024-01-11", "c": "2024-01-06", "d": None}
    periods = pd.DataFrame(
        [("h", name, "2024-01-01", day, day) for name, day in last.items()],
        columns=["organisation_id", "patient_id", "first_date", "last_date", "last_contact_date"],
    )
    died = row(
        "outcome_event", "h", "c", "o", code="vital-status", value_code="dead", effective_date="2024-01-21"
    )
    tables = {
        "observation_period": periods,
        "outcome_event": frames({"outcome_event": [died]})["outcome_event"],
    }
    report = check_tables(tables, SUITES)
    (found,) = [one for one in report.of("observation_period", "h") if one.rule.endswith("follow_up")]
    assert (found.applicable, found.failing, found.status) == (80, 20, "fail")
    assert report.rule(found.rule).unit == "person_days"


def test_a_rule_that_stops_is_an_error_of_its_own_and_hides_no_other(monkeypatch: pytest.MonkeyPatch):
    """The engine stops on a text that is no number: that rule has no verdict, the gate closes, the rest is the same."""
    rows = [row("visit", "h", "p", f"v{n}", class_code="secret", status="finished") for n in range(5)]
    tables = frames({"visit": rows})
    whole = check_tables({"visit": tables["visit"]}, SUITES)

    def stops(seen: kinds.Seen) -> kinds.Verdict:
        column = seen.rows["class_code"] if seen.rule.id == "visit.status_code" else seen.value
        return column.notnull(), ~seen.value.isin(seen.rule.values) | (column.cast("int64") < 0)

    monkeypatch.setattr(kinds, "_KINDS", {**kinds._KINDS, "in_set": stops})
    suite = SUITES["visit"]
    only = replace(suite, rules=tuple(rule for rule in suite.rules if rule.id != "visit.class_code"))
    report = check_tables({"visit": tables["visit"]}, {**SUITES, "visit": only})
    (error, _) = [one for one in report.results if one.status == "error"]
    assert error.rule == "visit.status_code"
    assert error.error is not None
    assert error.error["code"] == "quality.rule_raised"
    assert "secret" not in str(error.error)
    others = [one for one in whole.results if one.rule not in ("visit.status_code", "visit.class_code")]
    assert [one for one in report.results if one.rule != "visit.status_code"] == others
    visit = next(one for one in decide(report).tables if one.table == "visit")
    assert (visit.verdict, "visit.status_code" in {reason.rule for reason in visit.reasons}) == (
        "quarantine",
        True,
    )
    assert isinstance(report, QualityReport)
