"""One proportion: closed forms, symmetries, exact coverage by enumeration, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.reasons import CannotEstimate
from studies.statistics.counts.proportions import METHODS, binomial_test, coverage, proportion

TRUTHS = np.arange(1, 1000) / 1000.0
# The lowest exact coverage of 95 % intervals over p = 0.001 ... 0.999 at n = 10, 30, 60. Wilson's dips beside 0 and 1
# and Wald's collapse there are in Brown, Cai & DasGupta (2001); Wald counts the point it shrinks to at 0 and n.
LOWEST = {
    "clopper-pearson": (0.9611, 0.9537, 0.9514),
    "wilson": (0.8424, 0.8604, 0.8868),
    "wilson-cc": (0.9511, 0.9570, 0.9529),
    "agresti-coull": (0.9245, 0.9339, 0.9367),
    "jeffreys": (0.8683, 0.8887, 0.8829),
    "mid-p": (0.9266, 0.9246, 0.9238),
    "wald": (0.0100, 0.0296, 0.0583),
}
counts = st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize("method", METHODS)
def test_the_lowest_exact_coverage_of_each_method_is_as_stated(method):
    for n, lowest in zip((10, 30, 60), LOWEST[method], strict=True):
        assert coverage(n, TRUTHS, method=method).min() == pytest.approx(lowest, abs=6e-5)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.975, 0.99])
def test_clopper_pearson_never_covers_less_than_its_level(alternative, level):
    """Also just beside its own limits, where the coverage of a discrete interval is lowest."""
    for n in (1, 5, 10, 30, 60):
        ends = [proportion(x, n, conf_level=level, alternative=alternative) for x in range(n + 1)]
        limits = np.unique([one.lower for one in ends] + [one.upper for one in ends])
        beside = np.clip(np.concatenate([limits - 1e-9, limits + 1e-9]), 0.0, 1.0)
        assert coverage(n, beside, conf_level=level, alternative=alternative).min() >= level - 1e-7
        assert coverage(n, TRUTHS, conf_level=level, alternative=alternative).min() >= level


def test_one_sided_coverage_of_the_exact_bound_reaches_its_level_closely():
    """At n = 60 no other bound is much better: somewhere it covers 95 % almost exactly."""
    assert coverage(60, TRUTHS, alternative="greater").min() == pytest.approx(0.95, abs=2e-3)


@pytest.mark.parametrize("n", [10, 30, 60])
@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_the_exact_test_rejects_a_true_null_no_more_often_than_alpha(n, alternative):
    for p0 in (0.05, 0.1, 0.3, 0.5, 0.8, 0.95):
        p = np.array([binomial_test(x, n, p0, alternative=alternative).p for x in range(n + 1)])
        from scipy.stats import binom

        chances = binom.pmf(np.arange(n + 1), n, p0)
        for alpha in (0.01, 0.025, 0.05, 0.2):
            assert chances[p <= alpha].sum() <= alpha + 1e-12


@given(counts, st.sampled_from(METHODS))
@settings(max_examples=200, deadline=None)
def test_counting_failures_instead_of_successes_mirrors_the_interval(count, method):
    x, n = count
    if method == "wald" and x in (0, n):
        return
    one, other = proportion(x, n, method=method), proportion(n - x, n, method=method)
    assert (one.lower, one.upper) == pytest.approx((1 - other.upper, 1 - other.lower), abs=1e-9)
    assert 0 <= one.lower <= one.estimate <= one.upper <= 1


@given(counts, st.floats(0.01, 0.99))
@settings(max_examples=200, deadline=None)
def test_the_two_sided_p_is_the_sum_of_the_outcomes_that_are_no_more_likely(count, p0):
    from scipy.stats import binom

    x, n = count
    pmf = binom.pmf(np.arange(n + 1), n, p0)
    assert binomial_test(x, n, p0).p == pytest.approx(
        min(1.0, pmf[pmf <= pmf[x] * (1 + 1e-7)].sum()), rel=1e-9
    )


@given(counts, st.sampled_from(["greater", "less"]), st.floats(0.8, 0.99))
@settings(max_examples=100, deadline=None)
def test_the_exact_bound_excludes_a_null_exactly_when_its_test_rejects(count, alternative, level):
    x, n = count
    result = binomial_test(x, n, 0.37, alternative=alternative, conf_level=level)
    outside = result.lower > 0.37 if alternative == "greater" else result.upper < 0.37
    assert outside == (result.p < 1 - level)


def test_no_event_gives_the_closed_forms():
    """0 of n: the exact upper bound is 1 - alpha^(1/n) ("rule of three"), its mid-P 1 - (2 alpha)^(1/n)."""
    assert proportion(0, 20, alternative="less").upper == pytest.approx(1 - 0.05 ** (1 / 20), rel=1e-12)
    assert proportion(0, 20, alternative="less", method="mid-p").upper == pytest.approx(
        1 - 0.1 ** (1 / 20), rel=1e-12
    )
    assert proportion(0, 20).lower == 0.0 and proportion(20, 20).upper == 1.0
    assert binomial_test(0, 7, 0.0).p == 1.0 and binomial_test(1, 7, 0.0).p == 0.0
    assert binomial_test(7, 7, 1.0).p == 1.0 and binomial_test(0, 1, 0.3).p == pytest.approx(1.0)


def test_the_interval_and_the_test_hold_for_a_registry_of_ten_million():
    result = binomial_test(50_200, 10_000_000, 0.005)
    assert result.p == pytest.approx(0.3699, abs=1e-3)  # z = 0.8967 with variance npq
    assert 0.004976 < result.lower < 0.00502 < result.upper < 0.005064


def test_a_statement_of_another_package_agrees():
    from statsmodels.stats.proportion import proportion_confint

    for ours, theirs in (("wilson", "wilson"), ("agresti-coull", "agresti_coull"), ("jeffreys", "jeffreys")):
        one = proportion(7, 60, method=ours)
        assert (one.lower, one.upper) == pytest.approx(proportion_confint(7, 60, method=theirs), rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((5, 0), "not_a_count"),
        ((-1, 10), "not_a_count"),
        ((2.5, 10), "not_a_count"),
        ((11, 10), "more_events_than_subjects"),
        ((float("nan"), 10), "not_a_number"),
        ((1, float("inf")), "not_a_number"),
        (("many", 10), "not_a_number"),
    ],
)
def test_counts_that_are_none_are_refused(arguments, code):
    for call in (lambda: proportion(*arguments), lambda: binomial_test(*arguments, 0.5)):
        with pytest.raises(CannotEstimate) as refused:
            call()
        assert refused.value.reason.code == code


def test_unknown_options_and_levels_are_refused():
    for options, code in (
        ({"method": "exact"}, "bad_argument"),
        ({"alternative": "up"}, "bad_argument"),
        ({"conf_level": 95}, "out_of_range"),
        ({"conf_level": 1.0}, "out_of_range"),
    ):
        with pytest.raises(CannotEstimate) as refused:
            proportion(3, 10, **options)
        assert refused.value.reason.code == code
    with pytest.raises(CannotEstimate) as refused:
        binomial_test(3, 10, 1.2)
    assert refused.value.reason.code == "out_of_range"
    with pytest.raises(CannotEstimate) as refused:
        coverage(10, [0.2, 1.5])
    assert refused.value.reason.code == "out_of_range"


@pytest.mark.parametrize("events", [0, 10])
def test_a_wald_interval_without_width_is_refused(events):
    with pytest.raises(CannotEstimate) as refused:
        proportion(events, 10, method="wald")
    assert refused.value.reason.code == "degenerate_wald"
