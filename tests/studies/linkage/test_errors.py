"""The share of false links, told from attributes that disagree, against populations whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from studies.linkage.charts import charts_of
from studies.linkage.errors import ErrorEstimate, PairCounts, estimate, judged, share
from tests.studies.linkage.population import Population, population


def of(found: Population) -> ErrorEstimate:
    (one,) = estimate(charts_of(found.places, found.linked))
    return one


def test_the_estimate_finds_the_share_of_numbers_in_the_wrong_chart() -> None:
    """5 % of numbers mixed up, 1 % of dates and 0.5 % of sexes mistyped: the interval holds the truth, and the bound,
    which takes typing errors for false pairs, lies above it.
    """
    truth = population(7, 4000, mixed_up=0.05, wrong_date=0.01, wrong_sex=0.005)
    found = of(truth)
    share_false = truth.false_pairs / truth.pairs
    assert found.roles == ("care", "payment") and found.counts.pairs == truth.pairs == 4000
    assert found.false_pairs is not None and found.at_most is not None
    assert found.false_pairs.low < share_false < found.false_pairs.high
    assert found.false_pairs.estimate == pytest.approx(share_false, abs=0.012)
    assert share_false < found.at_most.estimate == pytest.approx(share_false + 0.015, abs=0.006)
    # A random pair: birth dates on 25000 days, two sexes.
    assert found.counts.any_random == pytest.approx(1.0, abs=1e-3)
    assert found.counts.both_random == pytest.approx(0.5, abs=0.01)


def test_with_coarse_dates_false_pairs_pass_and_are_told_by_number() -> None:
    """Where half of the dates are years alone, a false pair agrees once in about 270: the links that are wrong although
    they agree are within what the estimate says.
    """
    counted = expected = 0.0
    for seed in range(6):
        truth = population(seed, 1500, mixed_up=0.2, years_only=0.9)
        found = of(truth)
        assert found.false_links is not None and found.counts.any_random < 0.997
        counted += truth.false_links
        expected += found.false_links.estimate * len(truth.linked)
    assert counted > 5
    assert expected == pytest.approx(counted, rel=0.5)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """95 % intervals over 4000 draws of 600 pairs, 3 % of them false, 1.5 % of the true ones mistyped in one attribute.

    The exact interval is conservative. The bound takes mistyped pairs for false ones: it lies above the truth.
    """
    chance, rounds = np.random.default_rng(20260101), 4000
    false = 0.03
    shares = [false * 0.5 + (1 - false) * 0.01, (1 - false) * 0.005, false * 0.5]
    covered = bounded = 0
    for birth_date, gender, both, _ in chance.multinomial(600, [*shares, 1 - sum(shares)], rounds):
        found = judged(
            ("care", "payment"), PairCounts(600, int(birth_date), int(gender), int(both), 1.0, 0.5)
        )
        assert found.false_pairs is not None and found.at_most is not None
        covered += found.false_pairs.low <= false <= found.false_pairs.high
        bounded += found.at_most.high >= false
    assert 0.95 <= covered / rounds <= 0.99
    assert bounded / rounds >= 0.975


@pytest.mark.long
def test_the_interval_covers_the_truth_of_whole_populations() -> None:
    """As above in 300 populations of 600 charts, with the chances of a random pair counted and not given."""
    rounds, covered, bounded = 300, 0, 0
    for seed in range(rounds):
        truth = population(1000 + seed, 600, mixed_up=0.03, wrong_date=0.01, wrong_sex=0.005)
        found = of(truth)
        assert found.false_pairs is not None and found.at_most is not None
        covered += found.false_pairs.low <= 0.03 <= found.false_pairs.high
        bounded += found.at_most.high >= 0.03
    assert covered / rounds >= 0.93
    assert bounded / rounds >= 0.97


def test_no_disagreement_still_leaves_an_upper_bound() -> None:
    """None of 100 pairs: Clopper and Pearson's upper limit is 1 - 0.025 ** (1 / 100) = 3.62 %."""
    found = share(0, 100, 1.0)
    assert found is not None
    assert (found.estimate, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 100))
    everything = share(5, 5, 0.5)
    assert everything is not None and (everything.estimate, everything.high) == (1.0, 1.0)


def test_what_a_random_pair_never_does_tells_nothing() -> None:
    """Patients of one sex: no pair can disagree in both, so the estimate is not there, and the bound is."""
    found = judged(("care", "payment"), PairCounts(50, 2, 0, 0, any_random=0.99, both_random=0.0))
    assert found.false_pairs is None and found.false_links is None
    assert found.at_most is not None and found.at_most.estimate == pytest.approx(2 / 50 / 0.99)
    assert found.links_at_most is not None
    assert found.links_at_most.estimate == pytest.approx(2 / 50 / 0.99 * 50 * 0.01 / 48)
    assert judged(("care", "care"), PairCounts(3, 0, 0, 3, 0.9, 0.5)).false_links is None
