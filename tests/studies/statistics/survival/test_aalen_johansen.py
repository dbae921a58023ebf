"""aalen_johansen, gray_test and fit_fine_gray: identities and invariances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.statistics.survival.aalen_johansen import aalen_johansen, aalen_johansen_by
from studies.statistics.survival.cox import fit_cox
from studies.statistics.survival.fine_gray import fit_fine_gray
from studies.statistics.survival.gray import gray_test
from studies.statistics.survival.kaplan_meier import kaplan_meier

RNG = np.random.default_rng(12)
N = 150
TIME = RNG.integers(1, 30, N).astype(float)
STATUS = RNG.integers(0, 3, N)
GROUP = RNG.integers(0, 3, N)
X = np.column_stack([RNG.normal(size=N), RNG.integers(0, 2, N)])
WEIGHTS = RNG.uniform(0.3, 2.5, N)


def incidence_by_hand(time: Any, status: Any, weights: Any, entry: Any, cause: int) -> np.ndarray:
    """The estimate alone, time by time."""
    left, total, curve = 1.0, 0.0, []
    for t in np.unique(time):
        at = (entry < t) & (time >= t)
        y = weights[at].sum()
        total += left * weights[(time == t) & (status == cause)].sum() / y
        left *= 1 - weights[(time == t) & (status > 0)].sum() / y
        curve.append(total)
    return np.array(curve)


def test_incidences_and_event_free_share_add_up_to_one() -> None:
    """At every time; with weights and delayed entry, too."""
    for options in ({}, {"weights": WEIGHTS}, {"entry": np.floor(TIME / 3)}):
        found = aalen_johansen(TIME, STATUS, **options)
        np.testing.assert_allclose(found.cif.sum(axis=1) + found.surv, 1.0, atol=1e-12)


def test_with_one_cause_it_is_one_minus_kaplan_meier() -> None:
    """Estimate and error, by the robust and by cuminc's formula where nobody is tied."""
    event = STATUS > 0
    one = aalen_johansen(TIME, event.astype(int))
    km = kaplan_meier(TIME, event, robust=True)
    np.testing.assert_allclose(one.cif[:, 0], 1 - km.surv, atol=1e-12)
    np.testing.assert_allclose(one.std_err[:, 0], km.std_err, atol=1e-10)
    assert one.surv_std_err is not None
    np.testing.assert_allclose(one.surv_std_err, km.std_err, atol=1e-12)


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_the_jackknife_error_is_that_of_small_changes_of_weight(seed: int) -> None:
    """The derivative by each cluster's weight, taken numerically."""
    rng = np.random.default_rng(seed)
    n = 20
    entry = rng.integers(0, 4, n).astype(float)
    time = entry + rng.integers(1, 9, n)
    status, weights, cluster = rng.integers(0, 3, n), rng.uniform(0.5, 2, n), rng.integers(0, 8, n)
    status[0] = 1
    found = aalen_johansen(time, status, entry=entry, weights=weights, cluster=cluster)
    small = 1e-6
    squares = np.zeros(len(found.time))
    for one in np.unique(cluster):
        up, down = (np.where(cluster == one, weights * (1 + sign * small), weights) for sign in (1, -1))
        moved = [incidence_by_hand(time, status, w, entry, found.causes[0]) for w in (up, down)]
        squares += ((moved[0] - moved[1]) / (2 * small)) ** 2
    np.testing.assert_allclose(
        found.cif[:, 0], incidence_by_hand(time, status, weights, entry, found.causes[0]), atol=1e-12
    )
    # The sums cancel to 1e-14 where the error is 0, and its root is 1e-7.
    np.testing.assert_allclose(found.std_err[:, 0], np.sqrt(squares), rtol=1e-5, atol=1e-6)


def test_swapping_the_causes_swaps_the_columns() -> None:
    """And the order of rows does not matter."""
    one = aalen_johansen(TIME, STATUS)
    swapped = np.where(STATUS > 0, 3 - STATUS, 0)
    order = RNG.permutation(N)
    other = aalen_johansen(TIME[order], swapped[order])
    np.testing.assert_allclose(one.cif, other.cif[:, ::-1], atol=1e-12)
    np.testing.assert_allclose(one.std_err, other.std_err[:, ::-1], atol=1e-12)


def test_a_cause_keeps_its_code() -> None:
    """Causes 2 and 5; groups are curves of their own."""
    found = aalen_johansen_by(GROUP, TIME, np.where(STATUS == 1, 5, STATUS))
    assert found[0].causes == (2, 5)
    mine = GROUP == 2
    alone = aalen_johansen(TIME[mine], STATUS[mine])
    np.testing.assert_allclose(found[2].cif[:, 1], alone.cif[:, 0])


def test_incidence_is_not_read_beyond_follow_up_unless_asked() -> None:
    """`known` says so."""
    found = aalen_johansen(TIME, STATUS)
    assert found.at([0.0, 31.0]).known.tolist() == [True, False]
    assert found.at(0.0).cif.tolist() == [[0.0, 0.0]] and found.at(0.0).surv[0] == 1.0
    np.testing.assert_allclose(found.at(31.0, extend=True).cif[0], found.cif[-1])


def test_gray_does_not_depend_on_the_order_of_groups() -> None:
    """The last group is left out of the score: any may be the last."""
    one = gray_test(TIME, STATUS, GROUP)
    for other in ((GROUP + 1) % 3, 2 - GROUP):
        assert gray_test(TIME, STATUS, other).chisq == pytest.approx(one.chisq, rel=1e-9)


def test_gray_adds_up_over_strata() -> None:
    """Scores and variances; one stratum is none."""
    strata = RNG.integers(0, 2, N)
    whole = gray_test(TIME, STATUS, GROUP, strata=strata)
    parts = [gray_test(TIME[strata == s], STATUS[strata == s], GROUP[strata == s]) for s in (0, 1)]
    np.testing.assert_allclose(whole.score, parts[0].score + parts[1].score)
    np.testing.assert_allclose(whole.variance, parts[0].variance + parts[1].variance)


def test_fine_gray_without_competing_events_is_cox() -> None:
    """Breslow's ties; the sandwich is then Lin and Wei's."""
    event = (STATUS == 1).astype(int)
    cox = fit_cox(X, TIME, event, ties="breslow", robust=True)
    for variant in ("crr", "finegray"):
        fit = fit_fine_gray(X, TIME, event, variant=variant, gtol=1e-12, ties="breslow")
        np.testing.assert_allclose(fit.coef, cox.coef, rtol=1e-8)
        np.testing.assert_allclose(fit.se, cox.se, rtol=1e-8)
        assert fit.loglik == pytest.approx(cox.loglik)


def test_units_of_covariates_change_only_units() -> None:
    """Both variants; and a moved covariate moves nothing but the baseline."""
    for variant in ("crr", "finegray"):
        one = fit_fine_gray(X, TIME, STATUS, variant=variant, gtol=1e-12)
        other = fit_fine_gray(X * [10.0, 1.0] + [5.0, -2.0], TIME, STATUS, variant=variant, gtol=1e-12)
        np.testing.assert_allclose(one.coef, other.coef * [10.0, 1.0], rtol=1e-7)
        np.testing.assert_allclose(one.se, other.se * [10.0, 1.0], rtol=1e-7)
    one, other = (fit_fine_gray(x, TIME, STATUS, gtol=1e-12) for x in (X, X + 3.0))
    np.testing.assert_allclose(
        one.predict([[0.2, 1.0]], [5, 20]), other.predict([[3.2, 4.0]], [5, 20]), rtol=1e-8
    )


def test_predicted_incidence_rises_from_zero_with_time_and_risk() -> None:
    """And the finegray variant has no prediction to give."""
    fit = fit_fine_gray(X, TIME, STATUS)
    curve = fit.predict([[0.0, 0.0], [1.0, 0.0]], [0.5, 5, 10, 25])
    assert (curve[0] == 0).all() and (np.diff(curve, axis=0) > 0).all()
    assert ((curve[1:, 1] > curve[1:, 0]) == (fit.coef[0] > 0)).all()


def test_finegray_weights_of_two_are_two_subjects() -> None:
    """Case weights multiply; clusters keep twins together."""
    twice = np.tile(np.arange(N), 2)
    one = fit_fine_gray(X, TIME, STATUS, variant="finegray", weights=np.full(N, 2.0), ties="breslow")
    other = fit_fine_gray(
        X[twice], TIME[twice], STATUS[twice], variant="finegray", cluster=twice, ties="breslow"
    )
    np.testing.assert_allclose(one.coef, other.coef, rtol=1e-8)
    np.testing.assert_allclose(one.se, other.se, rtol=1e-7)


def test_hundred_thousand_rows_take_seconds() -> None:
    """Incidence, Gray's test and both regressions."""
    rng = np.random.default_rng(1)
    n = 100_000
    time, status, x = rng.integers(1, 400, n).astype(float), rng.integers(0, 3, n), rng.normal(size=(n, 3))
    assert aalen_johansen(time, status).cif[-1].sum() > 0.5
    assert 0 <= gray_test(time, status, rng.integers(0, 2, n)).p <= 1
    assert np.isfinite(fit_fine_gray(x, time, status).se).all()
