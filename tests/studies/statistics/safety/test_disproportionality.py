"""PRR, ROR, IC and EBGM."""

from __future__ import annotations

import math

import numpy as np
import pytest

from studies.statistics.safety.disproportionality import (
    information_component,
    proportional_reporting_ratio,
    report_counts,
    reporting_odds_ratio,
)
from studies.statistics.safety.gamma_poisson import (
    GammaPoissonPrior,
    fit_gamma_poisson_prior,
    shrink,
)
from tests.studies.statistics.safety.test_rates import refused


def test_the_criteria_of_evans_ask_for_all_three():
    assert proportional_reporting_ratio(25, 475, 400, 96000).evans
    assert not proportional_reporting_ratio(2, 20, 400, 96000).evans  # two reports
    assert not proportional_reporting_ratio(3000, 3000, 3000, 4000).evans  # a ratio below 2
    assert not proportional_reporting_ratio(3, 100, 15, 1200).evans  # too little evidence


def test_swapping_products_inverts_both_ratios():
    for ratio in (proportional_reporting_ratio, reporting_odds_ratio):
        there, back = ratio(12, 88, 30, 400).ratio, ratio(30, 400, 12, 88).ratio
        assert there.value == pytest.approx(1 / back.value)
        assert there.lower == pytest.approx(1 / back.upper)


def test_yates_never_turns_a_small_difference_over():
    assert proportional_reporting_ratio(5, 5, 5, 5).chisq == 0
    assert proportional_reporting_ratio(5, 5, 5, 6).chisq == 0


def test_norens_limits_are_close_to_the_quantiles_they_stand_for():
    """He gives them as accurate to about 0.1 for counts from 1 on, apart from the smallest."""
    observed, expected = np.arange(1, 200), np.full(199, 5.0)
    quick = information_component(observed, expected)
    exact = information_component(observed, expected, interval="gamma")
    assert np.abs(quick.lower - exact.lower)[2:].max() < 0.12
    assert np.abs(quick.upper - exact.upper)[2:].max() < 0.12
    assert (quick.signal == (quick.lower > 0)).all()


def test_the_formula_of_norens_limits():
    found = information_component([4], [1.5])
    assert found.ic[0] == pytest.approx(math.log2(4.5 / 2))
    assert found.lower[0] == pytest.approx(math.log2(2.25) - 3.3 / math.sqrt(4.5) - 2 / 4.5**1.5)
    assert found.upper[0] == pytest.approx(math.log2(2.25) + 2.4 / math.sqrt(4.5) - 0.5 / 4.5**1.5)


def test_tables_come_from_report_lines_and_repeats_count_once():
    tables = report_counts(
        ["r1", "r1", "r1", "r2", "r3", "r3"],
        ["x", "x", "y", "x", "y", "y"],
        ["rash", "rash", "rash", "pain", "pain", "rash"],
    )
    pairs = {
        (tables.products[p], tables.events[e]): (int(a), int(b), int(c), int(d))
        for p, e, a, b, c, d in zip(
            tables.product, tables.event, tables.a, tables.b, tables.c, tables.d, strict=True
        )
    }
    assert pairs == {
        ("x", "pain"): (1, 1, 1, 0),
        ("x", "rash"): (1, 1, 1, 0),
        ("y", "pain"): (1, 1, 1, 0),
        ("y", "rash"): (2, 0, 0, 1),
    }
    assert tables.expected == pytest.approx([2 * 2 / 3] * 4)


PRIOR = GammaPoissonPrior(0.2, 0.1, 2.0, 4.0, 1 / 3, 0.0, 0, "DuMouchel's start")


def test_the_shrinker_agrees_with_brute_force_integration():
    """EBGM = exp(E log lambda) and the percentiles, by a sum over a fine grid of lambda."""
    from scipy.stats import gamma, poisson

    grid = np.exp(np.linspace(np.log(1e-60), np.log(300), 400_000))
    prior = gamma.pdf(grid, 0.2, scale=10) / 3 + 2 * gamma.pdf(grid, 2, scale=0.25) / 3
    for n, e in ((0, 1.3), (1, 0.4), (8, 2.5)):
        density = prior * poisson.pmf(n, grid * e) * grid  # on the log scale
        cumulated = np.cumsum(density) / density.sum()
        found = shrink([n], [e], PRIOR)
        assert found.ebgm[0] == pytest.approx(
            np.exp((density * np.log(grid)).sum() / density.sum()), rel=2e-3
        )
        assert found.eb05[0] == pytest.approx(grid[np.searchsorted(cumulated, 0.05)], rel=2e-3)
        assert found.eb95[0] == pytest.approx(grid[np.searchsorted(cumulated, 0.95)], rel=2e-3)


def test_few_reports_are_shrunk_more_than_many():
    few, many = shrink([2], [0.2], PRIOR), shrink([200], [20.0], PRIOR)
    assert few.ebgm[0] < many.ebgm[0] < 10
    assert few.eb05[0] < few.ebgm[0] < few.eb95[0]


def simulated(seed: int, pairs: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    expected = np.exp(rng.uniform(-2, 4, pairs))
    rare = rng.random(pairs) < 0.1
    rate = np.where(rare, rng.gamma(2.0, 1 / 0.4, pairs), rng.gamma(6.0, 1 / 6.5, pairs))
    return rng.poisson(rate * expected), expected


def test_the_prior_that_made_the_pairs_is_found_again():
    prior = fit_gamma_poisson_prior(*simulated(1))
    assert prior.alpha1 / prior.beta1 < prior.alpha2 / prior.beta2
    assert prior.alpha1 / prior.beta1 == pytest.approx(6 / 6.5, rel=0.05)
    assert prior.alpha2 / prior.beta2 == pytest.approx(5, rel=0.2)
    assert prior.p == pytest.approx(0.9, abs=0.05)


def test_pairs_without_reports_may_be_missing_when_this_is_said():
    """Conditional on at least one report the same prior is found; unsaid, the common component moves up."""
    observed, expected = simulated(2, 6000)
    some = observed > 0
    whole = fit_gamma_poisson_prior(observed, expected)
    told = fit_gamma_poisson_prior(observed[some], expected[some], smallest_count=1)
    untold = fit_gamma_poisson_prior(observed[some], expected[some])
    mean = whole.alpha1 / whole.beta1
    assert told.alpha1 / told.beta1 == pytest.approx(mean, rel=0.05)
    assert abs(untold.alpha1 / untold.beta1 - mean) > 2 * abs(told.alpha1 / told.beta1 - mean)
    parts = fit_gamma_poisson_prior(observed[some], expected[some], smallest_count=1, truncation="components")
    assert parts.p != pytest.approx(told.p, rel=1e-6)


def test_impossible_tables_are_refused():
    refused("no_reports_in_cell", proportional_reporting_ratio, 0, 5, 5, 5)
    refused("no_reports_in_cell", proportional_reporting_ratio, 5, 5, 0, 5)
    refused("no_reports_in_cell", reporting_odds_ratio, 5, 0, 5, 5)
    refused("bad_argument", reporting_odds_ratio, 5, -1, 5, 5)
    refused("bad_argument", proportional_reporting_ratio, 1.5, 1, 5, 5)
    refused("nothing_expected", information_component, [1], [0.0])
    refused("bad_argument", information_component, [1], [1.0], conf_level=0.9)
    refused("bad_argument", information_component, [1], [1.0], interval="bate")
    refused("lengths_differ", information_component, [1, 2], [1.0])
    refused("no_subjects", report_counts, [], [], [])
    refused("lengths_differ", report_counts, ["r"], ["x", "y"], ["rash"])
    refused("too_many_terms", fit_gamma_poisson_prior, [1, 2], [1.0, 1.0])
    refused("no_prior", fit_gamma_poisson_prior, [1] * 20, [1.0] * 20)
    refused("bad_argument", fit_gamma_poisson_prior, [0] * 20, np.arange(1, 21), smallest_count=1)
    refused("bad_argument", shrink, [1], [0.0], PRIOR)
    refused("bad_argument", shrink, [1], [1.0], GammaPoissonPrior(-1, 1, 1, 1, 0.5, 0, 0, ""))
