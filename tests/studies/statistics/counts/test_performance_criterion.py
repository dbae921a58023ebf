"""A single arm against a criterion: verdicts, bounds, loss to follow-up, sites, power and sample size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from studies.reasons import CannotEstimate
from studies.statistics.counts.criterion_power import criterion_power, criterion_sample_size
from studies.statistics.counts.performance_criterion import (
    Criterion,
    against_criterion,
    by_site,
    loss_to_follow_up,
    survival_against_criterion,
)
from studies.statistics.counts.proportions import proportion

AT_LEAST = Criterion(0.8, "a published series")
AT_MOST = Criterion(0.2, "a published series", "at most")


@given(st.integers(1, 150).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.01, 0.1))
@settings(max_examples=200, deadline=None)
def test_met_means_that_the_exact_bound_is_beyond_the_criterion(count, alpha):
    x, n = count
    result = against_criterion(x, n, AT_LEAST, alpha=alpha)
    bound = proportion(x, n, conf_level=1 - alpha, alternative="greater").lower
    assert result.bound == pytest.approx(bound, rel=1e-12)
    assert (result.verdict == "met") == (bound >= 0.8)
    assert (result.verdict == "not met") == (result.upper <= 0.8)
    # Complications instead of successes: the same study, told the other way round.
    mirrored = against_criterion(n - x, n, AT_MOST, alpha=alpha)
    assert mirrored.verdict == result.verdict
    assert (mirrored.p, mirrored.bound) == pytest.approx((result.p, 1 - result.bound), rel=1e-9)


def test_the_claim_is_made_of_the_numbers_in_both_languages():
    """Its bound is rounded away from the claim: 80.1167 % is printed 80.1 %, an upper 11.21 % would be 11.3 %."""
    result = against_criterion(45, 50, AT_LEAST, alpha=0.05)
    assert result.claim.en == (
        "Observed 45/50, 90.0%; one-sided 95% lower bound 80.1% against a criterion of at least 80% "
        "(one-sided p=0.0480): the criterion is met."
    )
    assert result.claim.zh == (
        "观察值 45/50，90.0%；单侧 95% 置信下限 80.1%，目标值为不低于 80%（单侧 P=0.0480）：达到目标值。"
    )
    upper = against_criterion(1, 50, AT_MOST)
    assert upper.bound == pytest.approx(0.10647, abs=1e-5) and "10.7%" in upper.claim.en
    assert "not shown" in against_criterion(42, 50, AT_LEAST).claim.en
    assert against_criterion(20, 50, AT_LEAST).verdict == "not met"


def test_the_lost_are_counted_every_way_and_the_tipping_point_is_the_first_overturn():
    result = loss_to_follow_up(52, 55, 5, AT_LEAST)
    assert result.observed.n == 55 and result.as_failures.n == result.as_successes.n == 60
    assert (result.as_failures.events, result.as_successes.events) == (52, 57)
    brute = [against_criterion(52 + 5 - k, 60, AT_LEAST).verdict for k in range(6)]
    assert list(result.verdicts) == brute
    assert result.failures_to_overturn == brute.index("not shown") == 3
    turned = loss_to_follow_up(3, 55, 5, AT_MOST)
    assert turned.verdicts == result.verdicts and turned.failures_to_overturn == 3
    assert (turned.as_failures.events, turned.as_successes.events) == (8, 3)


def test_a_tipping_point_of_none_means_that_the_lost_cannot_overturn():
    assert loss_to_follow_up(58, 59, 1, AT_LEAST).failures_to_overturn is None
    assert loss_to_follow_up(40, 50, 4, AT_LEAST).failures_to_overturn == 0
    nobody = loss_to_follow_up(58, 60, 0, AT_LEAST)
    assert nobody.observed == nobody.as_failures == nobody.as_successes and len(nobody.verdicts) == 1


def test_each_site_is_shown_and_left_out():
    outcome = [1] * 18 + [0] * 2 + [1] * 20 + [1] * 10 + [0] * 10
    site = ["A"] * 20 + ["B"] * 20 + ["C"] * 20
    result = by_site(outcome, site, AT_LEAST)
    assert result.sites == ("A", "B", "C")
    assert [(one.events, one.n) for one in result.results] == [(18, 20), (20, 20), (10, 20)]
    assert [one.verdict for one in result.without] == ["not shown", "not shown", "met"]
    order = np.random.default_rng(4).permutation(60)
    again = by_site(np.array(outcome)[order], np.array(site)[order], AT_LEAST)
    assert again == result
    with pytest.raises(CannotEstimate) as refused:
        by_site([1, 0, 1], ["A", "A", "A"], AT_LEAST)
    assert refused.value.reason.code == "one_site"


def test_survival_against_a_criterion_is_the_log_log_bound_turned_into_a_test():
    """The bound meets the criterion exactly where p is alpha."""
    result = survival_against_criterion(12, 0.9, 0.03, Criterion(0.85, "x"))
    at_bound = survival_against_criterion(12, 0.9, 0.03, Criterion(result.bound, "x"))
    assert at_bound.p == pytest.approx(0.025, rel=1e-9)
    assert result.verdict == ("met" if result.bound >= 0.85 else "not shown")
    assert survival_against_criterion(12, 0.97, 0.01, Criterion(0.9, "x")).verdict == "met"
    assert survival_against_criterion(12, 0.7, 0.01, Criterion(0.9, "x")).verdict == "not met"
    rare = survival_against_criterion(12, 0.1, 0.02, Criterion(0.2, "x", "at most"))
    assert rare.verdict == "met" and rare.bound > 0.1
    for survival, se in ((1.0, 0.0), (0.0, 0.0), (0.9, 0.0)):
        with pytest.raises(CannotEstimate) as refused:
            survival_against_criterion(12, survival, se, AT_LEAST)
        assert refused.value.reason.code == "flat_curve"


@pytest.mark.parametrize("criterion", [AT_LEAST, AT_MOST])
def test_power_is_the_probability_that_the_verdict_is_met(criterion):
    """By enumeration of the verdicts themselves, not of critical counts."""
    for n in (1, 7, 30, 60):
        for truth in (0.05, 0.2, 0.8, 0.93, 1.0):
            met = [against_criterion(x, n, criterion).verdict == "met" for x in range(n + 1)]
            power = binom.pmf(np.arange(n + 1), n, truth)[met].sum()
            result = criterion_power(n, truth, criterion)
            assert result.power == pytest.approx(power, abs=1e-12)
            assert result.size <= 0.025
            assert (result.critical is None) == (not any(met))


@pytest.mark.parametrize(("p1", "power", "alpha"), [(0.9, 0.8, 0.025), (0.95, 0.9, 0.05), (1.0, 0.8, 0.025)])
def test_the_sample_size_has_the_power_and_so_have_all_larger_ones(p1, power, alpha):
    """The first n may be lost again (sawtooth); n may not. Checked one by one far beyond it."""
    result = criterion_sample_size(p1, AT_LEAST, power=power, alpha=alpha)
    powers = [criterion_power(n, p1, AT_LEAST, alpha=alpha).power for n in range(1, result.n + 150)]
    assert powers[result.first_n - 1] >= power and max(powers[: result.first_n - 1], default=0) < power
    assert min(powers[result.n - 1 :]) >= power
    assert result.n == 1 or powers[result.n - 2] < power
    turned = criterion_sample_size(1 - p1, AT_MOST, power=power, alpha=alpha)
    assert (turned.n, turned.first_n) == (result.n, result.first_n)


def test_a_size_that_no_study_could_have_is_refused():
    for p1, code in ((0.8, "no_difference"), (0.7, "no_difference"), (0.80001, "too_close")):
        with pytest.raises(CannotEstimate) as refused:
            criterion_sample_size(p1, AT_LEAST)
        assert refused.value.reason.code == code


@pytest.mark.parametrize(
    ("value", "source", "direction", "code"),
    [
        (0.8, " ", "at least", "no_source"),
        (1.2, "x", "at least", "out_of_range"),
        (0.0, "x", "at least", "out_of_range"),
        (0.8, "x", "above", "bad_argument"),
        (float("nan"), "x", "at least", "not_a_number"),
    ],
)
def test_a_criterion_without_source_or_sense_is_refused(value, source, direction, code):
    with pytest.raises(CannotEstimate) as refused:
        Criterion(value, source, direction)
    assert refused.value.reason.code == code


def test_bad_counts_and_levels_are_refused():
    for call, code in (
        (lambda: against_criterion(11, 10, AT_LEAST), "more_events_than_subjects"),
        (lambda: against_criterion(1, 0, AT_LEAST), "not_a_count"),
        (lambda: against_criterion(1, 10, AT_LEAST, alpha=0.0), "out_of_range"),
        (lambda: loss_to_follow_up(1, 10, -1, AT_LEAST), "not_a_count"),
        (lambda: by_site([], [], AT_LEAST), "no_subjects"),
        (lambda: by_site([1, 2], ["A", "B"], AT_LEAST), "bad_codes"),
        (lambda: by_site([1, 0], ["A"], AT_LEAST), "lengths_differ"),
        (lambda: criterion_power(0, 0.9, AT_LEAST), "not_a_count"),
        (lambda: criterion_power(10, 1.9, AT_LEAST), "out_of_range"),
        (lambda: survival_against_criterion(-1, 0.9, 0.1, AT_LEAST), "out_of_range"),
        (lambda: survival_against_criterion(1, 0.9, -0.1, AT_LEAST), "out_of_range"),
    ):
        with pytest.raises(CannotEstimate) as refused:
            call()
        assert refused.value.reason.code == code
