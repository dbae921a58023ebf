"""log_rank and max_combo: closed forms, symmetries, and their relation to Cox's score test."""

from __future__ import annotations

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.probability import chi_square_p, two_sided_p
from studies.statistics.survival.cox import fit_cox
from studies.statistics.survival.log_rank import log_rank
from studies.statistics.survival.max_combo import largest_exceeds, max_combo

RNG = np.random.default_rng(8)
N = 120
TIME = RNG.integers(1, 40, N).astype(float)
EVENT = RNG.random(N) < 0.6
GROUP = RNG.integers(0, 2, N)
THREE = RNG.integers(0, 3, N)
STRATA = RNG.integers(0, 4, N)


def test_one_event_time_is_the_hypergeometric_test() -> None:
    """Three of ten die at once, all in the second group of five: E = 1.5, V = 3 x 1/4 x 7/9."""
    found = log_rank([1, 1, 1] + [2] * 7, [1, 1, 1] + [0] * 7, [1, 1, 1, 1, 1, 0, 0, 0, 0, 0])
    assert found.z == pytest.approx(1.5 / np.sqrt(3 * 0.25 * 7 / 9))
    assert found.chisq == pytest.approx(1.5**2 / (3 * 0.25 * 7 / 9))


def test_without_ties_it_is_the_score_test_of_cox() -> None:
    """Also with delayed entry and strata, for which survdiff has no option."""
    rng = np.random.default_rng(3)
    entry = rng.random(80)
    time, event = entry + rng.exponential(2.0, 80), rng.random(80) < 0.7
    group, strata = rng.integers(0, 3, 80), rng.integers(0, 2, 80)
    found = log_rank(time, event, group, entry=entry, strata=strata)
    dummies = np.column_stack([group == 1, group == 2]).astype(float)
    cox = fit_cox(dummies, time, event, entry=entry, strata=strata)
    assert found.chisq == pytest.approx(cox.score.chisq, rel=1e-10)
    assert found.df == 2 and found.p == pytest.approx(cox.score.p, rel=1e-9)


@pytest.mark.parametrize(("rho", "gamma"), [(0, 0), (1, 0), (0, 1), (0.5, 2)])
def test_switching_the_labels_changes_only_the_sign(rho: float, gamma: float) -> None:
    """Two groups."""
    one = log_rank(TIME, EVENT, GROUP, rho=rho, gamma=gamma)
    other = log_rank(TIME, EVENT, 1 - GROUP, rho=rho, gamma=gamma)
    assert one.z == pytest.approx(-other.z) and one.p == pytest.approx(other.p)


def test_observed_and_expected_add_up() -> None:
    """To the events, for the unweighted test; each row of the variance adds up to 0."""
    found = log_rank(TIME, EVENT, THREE, strata=STRATA)
    assert found.observed.sum() == pytest.approx(EVENT.sum())
    assert found.expected.sum() == pytest.approx(EVENT.sum())
    np.testing.assert_allclose(found.variance.sum(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(found.events, [EVENT[g == THREE].sum() for g in range(3)])


def test_strata_add_their_sums() -> None:
    """Observed, expected and variance; and one stratum is none."""
    whole = log_rank(TIME, EVENT, GROUP, strata=STRATA)
    parts = [log_rank(TIME[s == STRATA], EVENT[s == STRATA], GROUP[s == STRATA]) for s in range(4)]
    np.testing.assert_allclose(whole.expected, sum(part.expected for part in parts))
    np.testing.assert_allclose(whole.variance, sum(part.variance for part in parts))
    assert log_rank(TIME, EVENT, GROUP, strata=["x"] * N).chisq == pytest.approx(
        log_rank(TIME, EVENT, GROUP).chisq
    )


def test_a_stratum_without_events_adds_nothing() -> None:
    """Nor does a group that was never at risk at an event: it costs no degree of freedom."""
    more = log_rank(np.append(TIME, [3, 4]), np.append(EVENT, [0, 0]), np.append(GROUP, [0, 1]),
                    strata=np.append(STRATA, [9, 9]))  # fmt: skip
    assert more.chisq == pytest.approx(log_rank(TIME, EVENT, GROUP, strata=STRATA).chisq)
    third = log_rank(np.append(TIME, [0.5]), np.append(EVENT, [0]), np.append(GROUP, [2]))
    assert third.df == 1 and third.chisq == pytest.approx(log_rank(TIME, EVENT, GROUP).chisq)


def test_gehan_and_tarone_ware_weight_by_the_number_at_risk() -> None:
    """By hand, time by time."""
    for weighting, power in (("gehan-wilcoxon", 1.0), ("tarone-ware", 0.5)):
        score = variance = 0.0
        for t in np.unique(TIME[EVENT]):
            at, dead = t <= TIME, (t == TIME) & EVENT
            n, d, m = at.sum(), dead.sum(), (at & (GROUP == 1)).sum()
            score += n**power * ((dead & (GROUP == 1)).sum() - d * m / n)
            if n > 1:
                variance += n ** (2 * power) * d * (n - d) / (n - 1) * m / n * (1 - m / n)
        found = log_rank(TIME, EVENT, GROUP, weighting=weighting)
        assert found.z == pytest.approx(score / np.sqrt(variance))


def test_a_trend_over_two_groups_is_the_test_itself() -> None:
    """And scores may be moved and stretched."""
    plain = log_rank(TIME, EVENT, GROUP, scores=[0, 1])
    assert plain.trend is not None and plain.trend.chisq == pytest.approx(plain.chisq)
    one = log_rank(TIME, EVENT, THREE).trend
    other = log_rank(TIME, EVENT, THREE, scores=[10, 30, 50]).trend
    assert one is not None and other is not None and one.z == pytest.approx(other.z)


def test_max_combo_of_one_is_that_test() -> None:
    """Two-sided and one-sided."""
    plain = log_rank(TIME, EVENT, GROUP)
    found = max_combo(TIME, EVENT, GROUP, rho_gamma=[(0, 0)])
    assert found.z[0] == pytest.approx(plain.z) and found.p == pytest.approx(plain.p, rel=1e-9)
    side = max_combo(TIME, EVENT, GROUP, rho_gamma=[(0, 0)], alternative="greater")
    assert side.p == pytest.approx(
        two_sided_p(abs(side.z[0])) / 2 if side.z[0] > 0 else 1 - plain.p / 2, rel=1e-6
    )


def test_the_first_of_the_four_is_the_sum_of_the_next_two() -> None:
    """S + (1 - S) = 1: the correlation is singular, and p is between the least p and four times it."""
    found = max_combo(TIME, EVENT, GROUP, strata=STRATA)
    assert np.linalg.matrix_rank(found.correlation, tol=1e-9) == 3
    least = two_sided_p(found.statistic)
    assert least <= found.p <= 4 * least
    assert found.statistic == pytest.approx(abs(found.z[found.best]))


def test_switching_the_labels_switches_the_one_sided_alternatives() -> None:
    """The two-sided p stays, to the accuracy of the integration."""
    one, other = max_combo(TIME, EVENT, GROUP), max_combo(TIME, EVENT, 1 - GROUP)
    assert one.p == pytest.approx(other.p, rel=1e-3)
    greater = max_combo(TIME, EVENT, GROUP, alternative="greater")
    less = max_combo(TIME, EVENT, 1 - GROUP, alternative="less")
    assert greater.p == pytest.approx(less.p, rel=1e-3)


@pytest.mark.parametrize("threshold", [0.5, 2.0, 4.0, 8.0])
def test_the_tail_of_independent_statistics_is_exact(threshold: float) -> None:
    """1 - (1 - p)^m, also far out where 1 - p is 1 in floating point."""
    p, error = largest_exceeds(threshold, np.eye(3), two_sided=True, seed=1)
    exact = -np.expm1(3 * np.log1p(-two_sided_p(threshold)))
    assert p == pytest.approx(exact, rel=5e-4)
    assert abs(p - exact) < 6 * error + 1e-12 * exact


def test_the_same_seed_gives_the_same_p() -> None:
    """And another seed almost the same."""
    first, again, third = (max_combo(TIME, EVENT, GROUP, seed=seed).p for seed in (1, 1, 2))
    assert first == again and first == pytest.approx(third, rel=1e-3)


def test_many_rows_take_seconds() -> None:
    """Half a million rows, three groups."""
    rng = np.random.default_rng(0)
    n = 500_000
    found = log_rank(rng.integers(1, 3000, n), rng.random(n) < 0.5, rng.integers(0, 3, n), rho=1)
    assert found.p == pytest.approx(chi_square_p(found.chisq, 2))


def test_strata_that_decide_the_group_leave_nothing_to_compare():
    """What is left of the variance is rounding, and rounding is no evidence."""
    time = np.arange(1.0, 41.0)
    event = np.ones(40)
    group = np.arange(40) % 2
    for rho in (0.0, 1.0):
        with pytest.raises(CannotEstimate):
            log_rank(time, event, group, strata=group, rho=rho)
