"""rmst, pseudo-values and the regression on them: identities and invariances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.statistics.survival.aalen_johansen import aalen_johansen
from studies.statistics.survival.kaplan_meier import kaplan_meier
from studies.statistics.survival.pseudo_regression import fit_pseudo_regression
from studies.statistics.survival.pseudo_values import pseudo_incidence, pseudo_rmst, pseudo_survival
from studies.statistics.survival.rmst import rmst, rmst_difference

RNG = np.random.default_rng(6)
N = 90
TIME = RNG.integers(1, 25, N).astype(float)
EVENT = RNG.random(N) < 0.6
STATUS = np.where(EVENT, RNG.integers(1, 3, N), 0)
GROUP = RNG.integers(0, 2, N)
WEIGHTS = RNG.uniform(0.2, 3, N)


def test_without_censoring_the_restricted_mean_is_a_mean() -> None:
    """Of min(time, tau), with its standard deviation over sqrt(n)."""
    found = rmst(TIME, np.ones(N), tau=10.0)
    cut = np.minimum(TIME, 10)
    assert found.rmst.value == pytest.approx(cut.mean())
    assert found.se == pytest.approx(cut.std() / np.sqrt(N))
    assert found.rmtl.value == pytest.approx(10 - cut.mean()) and found.rmtl.se == found.rmst.se


def test_two_constant_hazards_have_the_area_of_the_integral() -> None:
    """A fine grid of exponential quantiles: (1 - exp(-h tau)) / h."""
    time = -np.log(1 - (np.arange(100_000) + 0.5) / 100_000) / 0.1
    assert rmst(time, np.ones(len(time)), tau=12.0).rmst.value == pytest.approx(
        (1 - np.exp(-1.2)) / 0.1, rel=1e-5
    )


def test_weights_of_two_are_two_rows_and_clusters_keep_them_together() -> None:
    """Greenwood with whole weights; the jackknife with twins in one cluster."""
    twice = np.tile(np.arange(N), 2)
    whole = rmst(TIME, EVENT, tau=20, weights=np.full(N, 2.0))
    assert whole.se == pytest.approx(rmst(TIME[twice], EVENT[twice], tau=20).se)
    doubled = rmst(TIME, EVENT, tau=20, weights=2 * WEIGHTS)
    apart = rmst(TIME[twice], EVENT[twice], tau=20, weights=WEIGHTS[twice], cluster=twice)
    assert doubled.se == pytest.approx(apart.se) and doubled.rmst.value == pytest.approx(apart.rmst.value)


def test_cutting_follow_up_in_two_changes_nothing() -> None:
    """With a cluster for the person."""
    cut = TIME > 6
    found = rmst(
        np.concatenate([np.minimum(TIME, 6), TIME[cut]]),
        np.concatenate([np.where(cut, 0, EVENT), EVENT[cut]]),
        entry=np.concatenate([np.zeros(N), np.full(cut.sum(), 6.0)]),
        cluster=np.concatenate([np.arange(N), np.flatnonzero(cut)]),
        tau=20,
    )
    whole = rmst(TIME, EVENT, tau=20, robust=True)
    assert found.rmst.value == pytest.approx(whole.rmst.value) and found.se == pytest.approx(whole.se)


def test_the_error_is_the_sum_of_squared_pseudo_influences() -> None:
    """Infinitesimal pseudo-values less the estimate are n times the influence."""
    moved = pseudo_rmst(TIME, EVENT, 20.0, method="infinitesimal")
    influence = (moved.values - moved.estimate)[:, 0] / N
    assert rmst(TIME, EVENT, tau=20, robust=True).se == pytest.approx(np.sqrt((influence**2).sum()))


def test_switching_the_groups_changes_the_sign() -> None:
    """Of the difference; the ratio becomes its inverse."""
    one, other = rmst_difference(TIME, EVENT, GROUP, tau=18), rmst_difference(TIME, EVENT, 1 - GROUP, tau=18)
    assert one.difference.value == pytest.approx(-other.difference.value)
    assert one.difference.p == pytest.approx(other.difference.p)
    assert one.ratio.value == pytest.approx(1 / other.ratio.value) and one.ratio.lower == pytest.approx(
        1 / other.ratio.upper
    )
    assert one.rmtl_ratio is not None
    assert one.rmtl_ratio.value == pytest.approx(one.arms[1].rmtl.value / one.arms[0].rmtl.value)


def test_tau_is_the_shorter_follow_up_unless_given() -> None:
    """The smaller of the arms' largest times."""
    found = rmst_difference(TIME, EVENT, GROUP)
    assert found.tau == min(TIME[GROUP == 0].max(), TIME[GROUP == 1].max())


def test_pairs_across_the_arms_count_their_covariance() -> None:
    """The same persons in both arms: no difference, and no error."""
    twice = np.tile(np.arange(N), 2)
    found = rmst_difference(TIME[twice], EVENT[twice], np.repeat([0, 1], N), tau=15, cluster=twice)
    assert found.difference.value == 0 and found.difference.se == pytest.approx(0, abs=1e-9)
    apart = rmst_difference(TIME[twice], EVENT[twice], np.repeat([0, 1], N), tau=15)
    assert apart.difference.se is not None and apart.difference.se > 0.5


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_pseudo_values_are_those_of_leaving_out(seed: int) -> None:
    """All three quantities against doing it, subject by subject, ties and last events included."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 14))
    time, status = rng.integers(1, 7, n).astype(float), rng.integers(0, 3, n)
    status[0] = 1
    event, at = status > 0, float(time.max())
    fast = {
        "S": pseudo_survival(time, event, at).values[:, 0],
        "A": pseudo_rmst(time, event, at).values[:, 0],
        "F": pseudo_incidence(time, status, at).values[:, 0],
    }

    def value(what: str, keep: np.ndarray) -> float:
        curve = kaplan_meier(time[keep], event[keep])
        if what == "S":
            return float(curve.at(at, extend=True).surv[0])
        if what == "A":
            steps = np.diff(np.concatenate([[0], np.minimum(curve.time, at), [at]]))
            return float(steps @ np.concatenate([[1.0], curve.surv]))
        if not (status[keep] == 1).any():
            return 0.0
        return float(aalen_johansen(time[keep], status[keep]).at(at, extend=True).cif[0, 0])

    every = np.arange(n)
    for what, values in fast.items():
        whole = value(what, every)
        slow = [n * whole - (n - 1) * value(what, np.delete(every, i)) for i in range(n)]
        np.testing.assert_allclose(values, slow, atol=1e-9, err_msg=what)


def test_without_censoring_pseudo_values_are_the_data() -> None:
    """Indicators of being alive, and the restricted times themselves."""
    np.testing.assert_allclose(pseudo_survival(TIME, np.ones(N), 10.0).values[:, 0], TIME > 10, atol=1e-9)
    np.testing.assert_allclose(
        pseudo_rmst(TIME, np.ones(N), 10.0).values[:, 0], np.minimum(TIME, 10), atol=1e-8
    )


def test_a_regression_on_a_group_gives_the_difference_of_means() -> None:
    """Identity link; log link gives their ratio; without censoring these are the two-sample numbers."""
    pseudo = pseudo_rmst(TIME, np.ones(N), 12.0)
    y = np.minimum(TIME, 12)
    means = [y[g == GROUP].mean() for g in (0, 1)]
    fit = fit_pseudo_regression(pseudo, GROUP)
    np.testing.assert_allclose(fit.coef, [means[0], means[1] - means[0]])
    spread = np.sqrt(sum(y[g == GROUP].var() / (g == GROUP).sum() for g in (0, 1)))
    assert fit.se[1] == pytest.approx(spread)
    ratio = fit_pseudo_regression(pseudo, GROUP, link="log")
    assert ratio.effect(1).value == pytest.approx(means[1] / means[0])


def test_links_are_inverses_of_their_means() -> None:
    """With the group alone, every link reproduces the two means."""
    pseudo = pseudo_survival(TIME, np.ones(N), 12.0)
    y = (TIME > 12).astype(float)
    for link, back in (
        ("logit", lambda e: 1 / (1 + np.exp(-e))),
        ("cloglog", lambda e: 1 - np.exp(-np.exp(e))),
    ):
        coef = fit_pseudo_regression(pseudo, GROUP, link=link).coef
        np.testing.assert_allclose([back(coef[0]), back(coef.sum())], [y[g == GROUP].mean() for g in (0, 1)])


def test_a_million_pseudo_values_take_seconds() -> None:
    """One pass over the sorted times."""
    rng = np.random.default_rng(0)
    n = 300_000
    found = pseudo_rmst(rng.integers(1, 2000, n), rng.random(n) < 0.4, 1500.0)
    assert found.values.mean() == pytest.approx(float(found.estimate[0]), rel=1e-4)
