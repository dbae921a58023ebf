"""Margins: verdicts and bounds tell the same, sizes have their power, a margin needs its reason."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.reasons import CannotEstimate
from studies.statistics.counts.non_inferiority import (
    Margin,
    compare_log_hazard_ratio,
    compare_means,
    compare_proportions,
)
from studies.statistics.counts.trial_size import (
    means_power,
    means_size,
    proportions_power,
    proportions_size,
    schoenfeld_events,
    schoenfeld_power,
)
from studies.statistics.counts.two_by_two import risk_difference, risk_ratio

TEN = Margin(0.1, "half of the effect of the control in the pivotal trial")
RATIO = Margin(1.25, "agreed with the regulator", "ratio")


@given(st.integers(0, 40), st.integers(0, 50), st.sampled_from(["beneficial", "harmful"]))
@settings(max_examples=60, deadline=None)
def test_the_verdict_is_shown_exactly_when_the_bound_is_inside_the_margin(a, b, outcome):
    result = compare_proportions((a, b), (40, 50), TEN, outcome=outcome)
    shown = risk_difference((a, b), (40, 50))
    assert (result.lower, result.upper) == pytest.approx((shown.lower, shown.upper), abs=1e-9)
    inside = result.lower > -0.1 if outcome == "beneficial" else result.upper < 0.1
    outside = result.upper < -0.1 if outcome == "beneficial" else result.lower > 0.1
    assert (result.verdict == "shown") == inside
    assert (result.verdict == "refuted") == outside
    # Failures instead of successes, and the outcome's meaning turned: the same verdict.
    turned = compare_proportions(
        (40 - a, 50 - b), (40, 50), TEN, outcome="harmful" if outcome == "beneficial" else "beneficial"
    )
    assert turned.verdict == result.verdict and turned.p == pytest.approx(result.p, rel=1e-6)


def test_a_ratio_margin_is_read_from_the_side_of_the_loss():
    result = compare_proportions((85, 90), (100, 100), RATIO, outcome="beneficial")
    shown = risk_ratio((85, 90), (100, 100))
    assert (result.lower, result.upper) == pytest.approx((shown.lower, shown.upper))
    assert result.p == pytest.approx(risk_ratio((85, 90), (100, 100), null=1 / 1.25, alternative="greater").p)
    harmful = compare_proportions((15, 10), (100, 100), RATIO, outcome="harmful")
    assert harmful.p == pytest.approx(risk_ratio((15, 10), (100, 100), null=1.25, alternative="less").p)


def test_equivalence_needs_both_bounds():
    inside = compare_proportions((880, 900), (1000, 1000), Margin(0.06, "x"), aim="equivalence")
    assert inside.verdict == "shown" and inside.lower > -0.06 and inside.upper < 0.06
    wide = compare_proportions((88, 90), (100, 100), Margin(0.06, "x"), aim="equivalence")
    assert wide.verdict == "not shown"
    far = compare_proportions((50, 90), (100, 100), Margin(0.06, "x"), aim="equivalence")
    assert far.verdict == "refuted"


def test_a_hazard_ratio_is_judged_by_its_upper_bound():
    result = compare_log_hazard_ratio(math.log(1.05), 0.1, Margin(1.3, "x", "ratio"))
    assert result.upper == pytest.approx(1.05 * math.exp(1.959963985 * 0.1)) and result.verdict == "shown"
    assert compare_log_hazard_ratio(math.log(1.2), 0.1, Margin(1.3, "x", "ratio")).verdict == "not shown"
    assert compare_log_hazard_ratio(math.log(2.0), 0.1, Margin(1.3, "x", "ratio")).verdict == "refuted"
    assert "1.3" in result.claim.en and "非劣效性成立" in result.claim.zh


def test_means_of_equal_arms_have_the_same_t_either_way():
    welch = compare_means((10, 11), (3, 3), (30, 30), Margin(2, "x"))
    student = compare_means((10, 11), (3, 3), (30, 30), Margin(2, "x"), equal_variances=True)
    assert (welch.z, welch.p) == pytest.approx((student.z, student.p), rel=1e-12)


@pytest.mark.parametrize(
    ("p1", "p2", "margin", "allocation"),
    [(0.85, 0.85, 0.1, 1.0), (0.9, 0.85, 0.1, 2.0), (0.7, 0.5, 0.0, 0.5)],
)
def test_a_size_has_its_power_and_one_fewer_has_not(p1, p2, margin, allocation):
    size = proportions_size(p1, p2, margin=margin, allocation=allocation)
    assert size.power >= 0.8 - 1e-9
    fewer = (math.floor(size.exact_n1 - 1), math.floor((size.exact_n1 - 1) / allocation))
    assert proportions_power(p1, p2, fewer, margin=margin) < 0.8
    exact = proportions_power(p1, p2, (size.n1, size.n2), margin=margin, exact=True)
    assert exact == pytest.approx(size.power, abs=0.03)


def test_the_exact_size_of_the_score_test_is_near_its_level():
    """At the margin itself the score test of Farrington and Manning rejects 2.5 % or a little more."""
    for p2 in (0.5, 0.7, 0.85, 0.95):
        assert 0.01 < proportions_power(p2 - 0.1, p2, (100, 100), margin=0.1, exact=True) < 0.032


def test_events_and_power_of_a_hazard_ratio_are_inverse():
    events = schoenfeld_events(0.7, power=0.9)
    assert events == pytest.approx(4 * (1.959963985 + 1.281551566) ** 2 / math.log(0.7) ** 2, rel=1e-8)
    assert schoenfeld_power(0.7, events) == pytest.approx(0.9, rel=1e-9)
    assert schoenfeld_power(1.0, schoenfeld_events(1.0, margin=1.3), margin=1.3) == pytest.approx(
        0.8, rel=1e-9
    )


def test_means_size_is_the_smallest():
    size = means_size(0.0, 2.0, margin=1.0, power=0.9, allocation=2.0)
    assert size.power >= 0.9 > means_power(0.0, 2.0, (size.n1 - 1, math.ceil((size.n1 - 1) / 2)), margin=1.0)
    assert means_size(10.0, 1.0).n1 == 2


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: Margin(0.1, "  "), "no_justification"),
        (lambda: Margin(0.0, "x"), "bad_margin"),
        (lambda: Margin(0.9, "x", "ratio"), "bad_margin"),
        (lambda: Margin(0.1, "x", "odds"), "bad_argument"),
        (lambda: Margin(float("nan"), "x"), "not_a_number"),
        (lambda: compare_proportions((1, 2), (10, 10), Margin(1.0, "x")), "bad_margin"),
        (lambda: compare_proportions((0, 2), (10, 10), RATIO), "no_spread"),
        (lambda: compare_proportions((1, 2), (10, 0), TEN), "not_a_count"),
        (lambda: compare_proportions((1, 2), (10, 10), TEN, outcome="good"), "bad_argument"),
        (lambda: compare_proportions((1, 2), (10, 10), TEN, aim="superiority"), "bad_argument"),
        (lambda: compare_proportions((1, 2), (10, 10), TEN, alpha=0), "out_of_range"),
        (lambda: compare_log_hazard_ratio(0.1, 0.1, TEN), "bad_margin"),
        (lambda: compare_log_hazard_ratio(0.1, 0.0, RATIO), "out_of_range"),
        (lambda: compare_log_hazard_ratio(float("inf"), 0.1, RATIO), "not_a_number"),
        (lambda: compare_means((1, 2), (0, 0), (10, 10), TEN), "no_spread"),
        (lambda: compare_means((1, 2), (1, 1), (1, 10), TEN), "not_a_count"),
        (lambda: compare_means((1, 2), (1, 1), (10, 10), RATIO), "bad_margin"),
        (lambda: proportions_size(0.7, 0.85, margin=0.1), "no_power"),
        (lambda: proportions_size(1.2, 0.85, margin=0.1), "out_of_range"),
        (lambda: proportions_power(0.7, 0.85, (9000, 9000), exact=True), "tables_too_many"),
        (lambda: schoenfeld_events(1.0), "no_power"),
        (lambda: schoenfeld_events(-1.0), "out_of_range"),
        (lambda: schoenfeld_power(0.7, 0), "out_of_range"),
        (lambda: means_size(-1, 1.0, margin=0.5), "no_power"),
        (lambda: means_size(1e-9, 1.0), "no_power"),
        (lambda: means_power(0.0, -1.0, (10, 10)), "out_of_range"),
        (lambda: means_power(0.0, 1.0, (1, 10)), "not_a_count"),
    ],
)
def test_what_cannot_be_compared_with_a_margin_is_refused_by_name(call, code):
    with pytest.raises(CannotEstimate) as refused:
        call()
    assert refused.value.reason.code == code
