"""Rates, two rates and standardised rates: exact coverage, identities, symmetries, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import poisson

from studies.reasons import CannotEstimate
from studies.statistics.counts.rate_comparison import rate_difference, rate_ratio
from studies.statistics.counts.rates import person_years, poisson_test, rate, rate_heterogeneity
from studies.statistics.counts.standardised_rates import standardised_rate, standardised_ratio

MEANS = np.linspace(0.05, 40.0, 800)
# The lowest exact coverage over these means. Byar's is close to the exact one; mid-P holds 95 % on average only.
LOWEST = {"garwood": 0.95, "byar": 0.9507, "mid-p": 0.9165}


def coverage_of(method: str) -> np.ndarray:
    counts = np.arange(0, 140)
    limits = [rate(int(x), 1.0, method=method) for x in counts]
    low, high = (np.array([getattr(one, end) for one in limits])[:, None] for end in ("lower", "upper"))
    return (poisson.pmf(counts[:, None], MEANS) * ((low <= MEANS) & (high >= MEANS))).sum(axis=0)


@pytest.mark.parametrize("method", LOWEST)
def test_the_lowest_exact_coverage_of_a_rate_is_as_stated(method):
    lowest = coverage_of(method).min()
    if method == "garwood":
        assert lowest >= 0.95
    else:
        assert lowest == pytest.approx(LOWEST[method], abs=2e-4)


def test_the_exact_tests_of_one_and_two_rates_hold_their_level():
    counts = np.arange(0, 60)
    for mean in (0.7, 3.0, 11.5):
        p = np.array([poisson_test(int(x), 1.0, mean).p for x in counts])
        assert poisson.pmf(counts[p <= 0.05], mean).sum() <= 0.05
    p = np.array([[rate_ratio((a, b), (1.0, 2.0)).p if a + b else 1.0 for b in range(30)] for a in range(25)])
    for mean in (0.5, 2.0, 5.0):
        chances = np.outer(poisson.pmf(np.arange(25), mean), poisson.pmf(np.arange(30), 2 * mean))
        assert chances[p <= 0.05].sum() <= 0.05


@pytest.mark.parametrize("method", ["conditional", "mid-p", "wald", "score"])
def test_exchanging_the_groups_inverts_the_rate_ratio(method):
    one = rate_ratio((7, 19), (130.0, 200.5), method=method)
    other = rate_ratio((19, 7), (200.5, 130.0), method=method)
    assert (one.estimate, one.lower, one.upper) == pytest.approx(
        (1 / other.estimate, 1 / other.upper, 1 / other.lower), rel=1e-9
    )
    assert one.p == pytest.approx(other.p, rel=1e-9)


@pytest.mark.parametrize("method", ["wald", "score"])
def test_exchanging_the_groups_turns_the_rate_difference(method):
    one = rate_difference((7, 19), (130.0, 200.5), method=method)
    other = rate_difference((19, 7), (200.5, 130.0), method=method)
    assert (one.estimate, one.lower, one.upper) == pytest.approx(
        (-other.estimate, -other.upper, -other.lower), rel=1e-9
    )


def test_the_limits_of_a_test_have_its_p_at_their_null():
    for method in ("conditional", "mid-p", "score"):
        shown = rate_ratio((7, 19), (130.0, 200.5), method=method)
        tail = rate_ratio((7, 19), (130.0, 200.5), method=method, null=shown.lower, alternative="greater").p
        assert tail == pytest.approx(0.025, rel=1e-7)
    shown = rate_difference((7, 19), (130.0, 200.5))
    tail = rate_difference((7, 19), (130.0, 200.5), null=shown.upper, alternative="less").p
    assert tail == pytest.approx(0.025, rel=1e-7)


def test_another_unit_of_time_changes_only_the_unit():
    days, years = rate(9, 3652.5, method="mid-p"), rate(9, 10.0, method="mid-p", per=1 / 365.25)
    assert (days.estimate, days.lower, days.upper) == pytest.approx(
        (years.estimate, years.lower, years.upper)
    )


def test_without_events_one_side_stays_open_and_says_so():
    nobody = rate(0, 50.0)
    assert nobody.lower == 0.0 and nobody.upper == pytest.approx(-math.log(0.025) / 50)
    assert rate(0, 50.0, alternative="greater").upper is None
    first, second = rate_ratio((0, 5), (100, 100)), rate_ratio((5, 0), (100, 100))
    assert first.estimate == 0.0 and first.lower == 0.0 and "1" in first.statement.en
    assert second.estimate is None and second.upper is None and second.lower == pytest.approx(1 / first.upper)
    both = rate_difference((0, 0), (100, 100))
    assert both.estimate == 0.0 and both.lower == pytest.approx(-both.upper) and both.p == 1.0


def test_splitting_follow_up_changes_no_person_years():
    whole = person_years([10, 5, 8], [1, 0, 1])
    split = person_years([4, 10, 5, 2, 8], [0, 1, 0, 0, 1], entry=[0, 4, 0, 0, 2])
    assert whole.rates[0].estimate == split.rates[0].estimate == 2 / 23
    assert whole.groups == ("all",) and whole.n == (3,)
    many = np.random.default_rng(1).exponential(1.0, 1_000_000)
    assert person_years(many, many > 1, group=many > 0.5).rates[0].events == 0


def test_equal_rates_are_homogeneous_and_the_two_statistics_agree_for_large_counts():
    assert rate_heterogeneity([10, 20, 30], [1, 2, 3]).p == pytest.approx(1.0)
    for method in ("likelihood-ratio", "pearson"):
        assert rate_heterogeneity([1000, 1100], [1, 1], method=method).chisq == pytest.approx(4.76, abs=0.01)


def test_a_standard_with_one_stratum_changes_nothing_and_the_gamma_interval_is_garwood():
    one = standardised_rate([7], [100.0], [55.0])
    exact = rate(7, 100.0)
    assert (one.estimate, one.lower, one.upper) == pytest.approx(
        (exact.estimate, exact.lower, exact.upper), rel=1e-9
    )
    assert one.crude == one.estimate
    ratio = standardised_ratio([7, 0], [100.0, 20.0], [0.05, 0.1])
    assert ratio.expected == pytest.approx(7.0) and ratio.ratio.estimate == pytest.approx(1.0)
    empty = standardised_rate([0, 0], [10.0, 20.0], [1, 1])
    assert empty.estimate == empty.lower == 0.0 and empty.upper == pytest.approx(0.05 * -math.log(0.025))


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: rate(-1, 10), "not_a_count"),
        (lambda: rate(1, 0), "out_of_range"),
        (lambda: rate(1, float("nan")), "not_a_number"),
        (lambda: rate(1, 10, method="exact"), "bad_argument"),
        (lambda: rate(0, 10, method="wald"), "no_events_by_wald"),
        (lambda: rate(0, 10, method="log-wald"), "no_events_by_wald"),
        (lambda: rate(1, 10, conf_level=2), "out_of_range"),
        (lambda: poisson_test(1, 10, -0.5), "out_of_range"),
        (lambda: rate_ratio((0, 0), (1, 1)), "no_events_at_all"),
        (lambda: rate_ratio((1, 0), (1, 1), method="wald"), "no_events_by_wald"),
        (lambda: rate_ratio((1, 2), (1, 0)), "out_of_range"),
        (lambda: rate_ratio((1, 2), (1, 1), null=0), "out_of_range"),
        (lambda: rate_ratio((1.5, 2), (1, 1)), "not_a_count"),
        (lambda: rate_ratio((1, 2, 3), (1, 1, 1)), "one_group"),
        (lambda: rate_difference((0, 0), (1, 1), method="wald"), "no_events_by_wald"),
        (lambda: rate_difference((1, 2), (1, 1), method="exact"), "bad_argument"),
        (lambda: rate_heterogeneity([3], [1]), "one_group"),
        (lambda: rate_heterogeneity([0, 0], [1, 1]), "no_events_at_all"),
        (lambda: rate_heterogeneity([1, 2], [1]), "lengths_differ"),
        (lambda: rate_heterogeneity([], []), "no_subjects"),
        (lambda: person_years([1, -2], [0, 1]), "negative_time"),
        (lambda: person_years([1, 2], [0, 1], entry=[0, 2]), "entry_after_exit"),
        (lambda: person_years([0, 0], [0, 1]), "out_of_range"),
        (lambda: person_years([1, 2], [0, 2]), "bad_codes"),
        (lambda: person_years([1, 2], [0, 1], group=["a", None]), "bad_labels"),
        (lambda: standardised_rate([1, 2], [1, 1], [1, -1]), "out_of_range"),
        (lambda: standardised_rate([0, 0], [1, 1], [1, 1], method="wald"), "no_events_by_wald"),
        (lambda: standardised_ratio([1, 2], [1, 1], [0, 0]), "out_of_range"),
        (lambda: standardised_ratio([0, 0], [1, 1], [1, 1], method="log-wald"), "no_events_by_wald"),
    ],
)
def test_what_cannot_be_a_rate_is_refused_by_name(call, code):
    with pytest.raises(CannotEstimate) as refused:
        call()
    assert refused.value.reason.code == code


@pytest.mark.parametrize("level", [0.05, 0.3, 0.5, 0.8])
def test_one_sided_limits_of_any_level_have_that_p_at_their_null(level):
    """Also below one half, where the limit lies on the other side of the estimate."""
    for function, methods in (
        (rate_ratio, ("conditional", "mid-p", "wald", "score")),
        (rate_difference, ("wald", "score")),
    ):
        for method in methods:
            limit = function(
                (7, 19), (130.0, 200.5), method=method, conf_level=level, alternative="greater"
            ).lower
            p = function((7, 19), (130.0, 200.5), method=method, null=limit, alternative="greater").p
            assert p == pytest.approx(1 - level, rel=1e-6)
    for x in (1, 9):
        low = rate(x, 10.0, method="mid-p", conf_level=level, alternative="greater").lower * 10
        assert 1 - poisson.cdf(x, low) + poisson.pmf(x, low) / 2 == pytest.approx(1 - level, rel=1e-9)
