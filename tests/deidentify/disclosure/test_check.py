"""The verdict: each rule at its threshold, for each kind of recipient."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest

from deidentify.disclosure.check import check
from deidentify.disclosure.fields import load_fields
from deidentify.disclosure.mitigate import mitigate
from deidentify.disclosure.recipients import load_recipients
from deidentify.disclosure.rules.curve_steps import Time, reconstructed_events
from deidentify.disclosure.rules.dominance import is_nk_dominated, is_within_p_percent
from rwd_platform.core.errors import PlatformError
from tests.deidentify.disclosure.results import PURPOSE, curve, held, row, steps

AUTHORITY = {
    "purpose": "再评价", "authorisation": "药监函〔2026〕12号", "encryption": "tls-1.3",
    "approvers": ["a", "b"], "requester": "c",
}  # fmt: skip


SMALL = held([row("ae.death", "count", 1, n=40)])


def rules(results: dict[str, Any], recipient: str = "sponsor", **more: Any) -> set[str]:
    return {finding.rule for finding in check(results, recipient, PURPOSE, **more).findings}


def test_acros_published_defaults_are_the_sponsors_thresholds():
    """acro/default.yaml of AI-SDC/ACRO: 10, dof 10, NK 2 and 0.90, p 0.10, survival 10, zeros disclosive."""
    one = load_recipients()["sponsor"]
    assert (one.minimum_cell, one.dof, one.nk_n, one.nk_k, one.p_percent) == (10, 10, 2, 0.90, 0.10)
    assert (one.km_events, one.zeros) == (10, True)
    assert load_recipients()["insurer"].minimum_cell == 11  # CMS: no cell of 1 to 10


@pytest.mark.parametrize(
    ("contributions", "nk_1_90", "p_10"),
    [
        ([50_000, 49_000, *[1] * 1000], False, True),
        ([52_000, 50_000, *[1] * 8000], False, False),
        ([99.0, *[0.02] * 50], True, True),
    ],
)
def test_the_examples_of_the_handbook_on_disclosure_control(contributions, nk_1_90, p_10):
    """Handbook on SDC, 2nd edition 2024, 4.2.1: example 1 (100,000 of which 50,000 and 49,000: safe by (1,90),
    told to within 2 % by the second), example 2 (110,000 of which 52,000 and 50,000: told to within 15.4 %,
    safe at p = 10 and yet not by the (2, 90.9) rule), example 1d (one company holds 99 %)."""
    assert is_nk_dominated(contributions, 1, 0.90) is nk_1_90
    assert is_within_p_percent(contributions, 0.10) is p_10


def test_example_2_of_the_handbook_is_where_the_two_rules_differ():
    """x1 + x2 = 102,000 is more than 100/110 of 110,000."""
    assert is_nk_dominated([52_000, 50_000, *[1] * 8000], 2, 100 / 110)


@pytest.mark.parametrize(
    ("contributions", "found"),
    [
        ([100.0] * 20, set()),
        ([100.0] * 9, {"small_cell"}),
        ([1000.0, 900.0, *[1.0] * 20], {"nk_dominance", "p_percent"}),
        ([1000.0, 900.0, *[10.0] * 20], {"nk_dominance"}),
        ([1000.0, 900.0, *[10.0] * 22], set()),
        ([1000.0, 5.0, *[4.0] * 22], {"nk_dominance", "p_percent"}),
        (None, {"contributions_unknown"}),
        ([-5.0, *[100.0] * 20], {"contributions_unknown"}),
    ],
)
def test_a_sum_needs_its_contributions_and_is_no_one_persons_sum(contributions, found):
    """A cost line: without contributions a person has to look; they come from the enclave."""
    total = sum(contributions or [1.0])
    one = held([row("cost.total_cost", "total_cost", total)])
    support = held([row("cost.total_cost", "total_cost", total, contributions=contributions)])
    assert rules(one, support=support) == found


@pytest.mark.parametrize(
    ("count", "found"),
    [
        (0, {"zero_or_all"}),
        (1, {"small_cell"}),
        (9, {"small_cell"}),
        (10, set()),
        (190, set()),
        (191, {"small_cell"}),
        (200, {"zero_or_all"}),
    ],
)
def test_a_count_of_two_hundred(count, found):
    """1 to 9 are small, so are the others; nobody and everybody say something about each person."""
    one = held([row("ae.nausea", "count", count, variable="nausea", n=200, group="")])
    assert rules(one) - {"secondary"} == found


@pytest.mark.parametrize(
    ("statistic", "value", "n", "more", "rule"),
    [
        ("mean", 61.2, 9, {}, "small_cell"),
        ("mean", 61.2, 10, {}, None),
        ("median", 60.0, 19, {}, "small_cell"),
        ("median", 60.0, 20, {}, None),
        ("lower_quartile", 50.0, 39, {}, "small_cell"),
        ("lower_quartile", 50.0, 40, {}, None),
        ("median", 1344.0, 400, {"unit": "days"}, "single_value"),
        ("median", 1350.0, 400, {"unit": "days"}, None),
        ("median", 1350.0, 400, {"unit": "days", "ci_low": 1219.0}, "single_value"),
        ("propensity_maximum", 0.93, 400, {}, "single_value"),
        ("weight_maximum", 3.1, 400, {}, "single_value"),
        ("events", 9, 400, {"events": 9}, "small_cell"),
        ("mean", 61.2, 400, {"events": 9}, "small_cell"),
        ("hazard_ratio", 0.8, 400, {"events": 10, "variable": "x"}, "degrees_of_freedom"),
        ("hazard_ratio", 0.8, 400, {"events": 11, "variable": "x"}, None),
        ("shoe_size", 41, 400, {}, "undeclared"),
        ("mean", "sixty-one", 400, {}, "undeclared"),
    ],
)  # fmt: skip
def test_each_statistic_at_its_threshold(statistic, value, n, more, rule):
    """What stands behind the number decides; what nobody declared is for a person to look at."""
    assert rules(held([row("a.x", statistic, value, n=n, **more)])) == ({rule} if rule else set())


def test_degrees_of_freedom_count_the_terms_of_the_model():
    """Eleven events and two coefficients leave nine."""
    rows = [
        row(f"cox.{name}.coefficient", "coefficient", 0.1, variable=name, n=400, events=11) for name in "xy"
    ]
    assert rules(held(rows)) == {"degrees_of_freedom"}


def test_every_statistic_and_series_of_the_studies_is_declared():
    """Run on the published Rotterdam data: nothing that studies.analyses writes is unknown here."""
    pytest.importorskip("lifelines")
    from tests.evidence.fixtures import small_inputs

    results = small_inputs().results.as_dict()
    fields = load_fields()
    written = {one["statistic"] for one in results["rows"] if one["analysis"] != "overseas"}
    assert len(written) > 30 and written <= fields.statistics.keys()
    for one in results["series"]:
        kind = one["id"].removeprefix(f"{one['analysis']}.").partition(".")[0]
        assert set(one["columns"]) == set(fields.series[kind].columns or {}), one["id"]
    assert not {"undeclared", "curve_not_proven"} & rules(results)


def test_what_the_studies_write_passes_after_mitigation_for_every_kind():
    """Whole results of every analysis: coarsened with an account, deterministic, and never stricter than needed."""
    pytest.importorskip("lifelines")
    from tests.evidence.fixtures import small_inputs

    results = small_inputs().results.as_dict()
    for kind in ("sponsor", "insurer", "researcher"):
        made = mitigate(results, kind)
        assert check(made.results, kind, PURPOSE, support=results).outcome == "pass"
        assert made == mitigate(results, kind) and made.account
        assert any(one["statistic"] == "hazard_ratio" for one in made.results["rows"])


# -- curves --------------------------------------------------------------------------------------------------------

STEPS = [(30, 100, 4), (60, 90, 6), (90, 80, 10), (120, 60, 3), (150, 50, 20), (300, 9, 2)]


@pytest.mark.parametrize(
    ("days", "left_out"),
    [
        ([0, 60, 90], set()),
        ([0, 30, 60, 90], {1}),
        ([0, 60, 120, 150], set()),
        ([0, 60, 90, 120, 150], {3}),
        ([0, 90, 300], {2}),
        ([0, 20, 60], set()),
    ],
)
def test_a_curve_changes_only_where_enough_happened(days, left_out):
    """None or ten events between two printed times, ten still followed at the last; support has the steps."""
    one = held([], [curve([(day, 1 - day / 1000) for day in days])], all_exposed=100)
    found = check(one, "sponsor", PURPOSE, support=held([], [steps(STEPS)])).findings
    assert {int(finding.where.partition("[")[2][:-1]) for finding in found} == left_out


def test_a_planned_day_beside_a_point_of_the_curve_tells_the_events_between_them():
    """Survival at 360 from the drawing and at 365 from the table: the difference is a few events."""
    at = {"group": "exposed", "n": 100, "row_set": "all.exposed"}
    rows = [
        row("km.exposed.survival.day_65", "survival", 0.9, **at),
        row("km.exposed.at_risk.day_65", "at_risk", 85, **at),
    ]
    one = held(rows, [curve([(0, 1.0), (120, 0.8)])], all_exposed=100)
    with_point = held(rows, [curve([(0, 1.0), (30, 0.96), (120, 0.8)])], all_exposed=100)
    support = held([], [steps(STEPS)])
    assert rules(one, support=support) == set()
    found = check(with_point, "sponsor", PURPOSE, support=support).findings
    assert [finding.where for finding in found] == ["km.curve.exposed[1]"]


def test_events_are_reconstructed_from_the_curve_and_its_limits():
    """One step of d among n: log-log limits (Kalbfleisch and Prentice) give Greenwood's sum back exactly."""
    z = 1.959963984540054

    def at(day: float, survival: float, greenwood: float) -> Time:
        theta, spread = math.log(-math.log(survival)), z * math.sqrt(greenwood) / abs(math.log(survival))
        low, high = (math.exp(-math.exp(theta + sign * spread)) for sign in (1, -1))
        return Time(day, survival, low, high, "x", True)

    first = 5 / (100 * 95)
    before = at(30, 0.95, first)
    after = at(60, 0.95 * (1 - 7 / 80), first + 7 / (80 * 73))
    assert reconstructed_events(Time(0, 1.0, None, None, "x", True), before) == pytest.approx(5, rel=1e-9)
    assert reconstructed_events(before, after) == pytest.approx(7, rel=1e-9)


def test_a_curve_without_limits_and_without_steps_is_for_a_person_to_look_at():
    verdict = check(held([], [curve([(0, 1.0), (90, 0.8)])]), "sponsor", PURPOSE)
    assert (verdict.outcome, verdict.findings[0].rule) == ("review", "curve_not_proven")


def test_numbers_at_risk_fall_by_nobody_or_by_enough():
    """100, then 93: seven people's follow-up ended, told by subtraction."""
    one = {
        "id": "km.at_risk",
        "analysis": "km",
        "columns": ["time_days", "exposed"],
        "points": [[0, 100], [365, 93], [730, 80]],
    }
    found = check(held([], [one]), "sponsor", PURPOSE).findings
    assert [(finding.rule, finding.where) for finding in found] == [("at_risk_step", "km.at_risk[1].exposed")]
    made = mitigate(held([], [one]), "sponsor").results
    assert made["series"][0]["points"] == [[0, 100], [365, None], [730, 80]]


# -- rounding for the public ------------------------------------------------------------------------------------------


def test_the_public_receives_rounded_counts_and_percentages_of_rounded_parts():
    """34 of 127 is 26.77 %; rounded, 35 of 125, which is 28 %."""
    at = {"variable": "frail", "group": "exposed", "n": 127, "row_set": "all.exposed"}
    exact = held(
        [
            row("b.frail.subjects", "subjects", 34, **at),
            row("b.frail.percent", "percent", 100 * 34 / 127, **at),
        ],
        all_exposed=127,
    )
    assert rules(exact, "public") >= {"rounding", "percent_of_rounded"}
    made = mitigate(exact, "public").results["rows"]
    assert [(one["value"], one["n"]) for one in made] == [(35, 125), (28.0, 125)]


def test_a_count_that_was_rounded_up_over_the_threshold_is_still_small():
    """18 is shown as 20: the enclave knows better."""
    shown = held([row("ae.x", "count", 20, n=200)])
    true = held([row("ae.x", "count", 18, n=200)])
    assert rules(shown, "public", support=true) == {"small_cell"}


# -- recipients and conditions ---------------------------------------------------------------------------


@pytest.mark.parametrize("without", ["purpose", "authorisation", "encryption", "approvers", "requester"])
def test_an_authority_gets_full_listings_and_not_without_one_condition(without):
    """The same small table: passes with all conditions, is refused by the name of the one that is missing."""
    listing = {
        "id": "safety.safety_listing",
        "analysis": "safety",
        "columns": ["subject", "day"],
        "points": [["s1", 3]],
    }
    small = held([row("ae.death", "count", 1, n=40)], [listing])
    assert check(small, "sponsor", PURPOSE).outcome == "fail"
    passed = check(small, "competent_authority", AUTHORITY)
    assert (passed.outcome, passed.findings) == ("pass", ())
    assert mitigate(small, "competent_authority").results == small
    refused = check(
        small, "competent_authority", {name: one for name, one in AUTHORITY.items() if name != without}
    )
    name = "approvers" if without == "requester" else without
    assert [(one.rule, one.where) for one in refused.findings] == [("condition", f"condition.{name}")]


@pytest.mark.parametrize(
    "approvers", [["a"], ["a", "a"], ["a", "c"], ["c", "c"], [], "ab", [1, 2], ["a", ""]]
)
def test_two_approvers_are_two_and_neither_asked(approvers):
    verdict = check(SMALL, "competent_authority", {**AUTHORITY, "approvers": approvers})
    assert [one.where for one in verdict.findings] == ["condition.approvers"]


@pytest.mark.parametrize("encryption", ["ab" * 32, "tls-1.3", "sm2-tls"])
def test_a_declared_key_or_transport_is_taken_by_its_form(encryption):
    assert check(SMALL, "competent_authority", {**AUTHORITY, "encryption": encryption}).outcome == "pass"


def test_an_unknown_recipient_is_named():
    with pytest.raises(PlatformError) as refused:
        check(held([]), "neighbour")
    assert refused.value.code == "disclosure.recipient_unknown" and "sponsor" in refused.value.next_en


# -- size and malice -------------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", [{}, held([]), held([], all=200)])
@pytest.mark.parametrize("kind", ["sponsor", "competent_authority"])
def test_results_without_a_result_are_malformed(nothing, kind):
    """Nothing to look at is nothing that passes: an empty file is a mistake of whoever made it."""
    with pytest.raises(PlatformError) as refused:
        check(nothing, kind, PURPOSE)
    assert refused.value.code == "disclosure.results_malformed"


def test_a_hundred_thousand_rows_are_checked_and_their_findings_counted():
    """The first five hundred are told one by one, the rest is counted."""
    rows = [row(f"t.{number}", "count", number % 40, n=1000) for number in range(100_000)]
    began = time.monotonic()
    verdict = check(held(rows), "sponsor", PURPOSE, propose=False)
    assert time.monotonic() - began < 60
    assert verdict.outcome == "fail" and len(verdict.findings) == 501
    assert "24,500" in verdict.findings[-1].en or "24500" in verdict.findings[-1].en


def test_hostile_labels_are_shown_short_and_printable():
    """A label is somebody's text: no control characters, no braces filled in, no novel."""
    label = "{0.__class__}\x1b[31m" + "x" * 400
    verdict = check(held([row("a.b", label, 3)]), "sponsor", PURPOSE)
    assert "\x1b" not in verdict.findings[0].en and len(verdict.findings[0].en) < 200


def test_the_verdict_is_json_and_holds_no_small_number(tmp_path: Path):
    """Findings are logged and mailed: they name rule, place and remedy, never the count."""
    verdict = check(held([row("ae.x", "count", 7, variable="x", n=200)]), "sponsor", PURPOSE).as_dict()
    text = json.dumps(verdict, ensure_ascii=False)
    assert json.loads(text) == verdict
    assert " 7 " not in text and "7 人" not in text
    assert {change["action"] for change in verdict["smallest_change"]} == {"withhold"}
