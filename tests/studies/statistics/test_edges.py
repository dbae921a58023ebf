"""Data at the edge of what can be estimated: a reason that says what is wrong, or the right number, never NaN."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from studies.reasons import NOT_ESTIMABLE, CannotEstimate
from studies.statistics.bridging.maic import ArmSummary, maic
from studies.statistics.causal.bootstrap import bootstrap, jackknife
from studies.statistics.causal.logistic import fit_logistic
from studies.statistics.causal.weighted_means import ipw_means, jackknife_ipw_means, weighted_means
from studies.statistics.causal.weights import tilted
from studies.statistics.counts.exact_tests import fisher_test
from studies.statistics.counts.modified_poisson import log_binomial, modified_poisson, poisson_regression
from studies.statistics.inputs import weight_column
from studies.statistics.missing.reference_based import reference_based
from studies.statistics.missing.tipping_point import count_map, tipping_continuous
from studies.statistics.repeated.gee import fit_gee
from studies.statistics.survival import subdistribution
from studies.statistics.survival.aalen_johansen import aalen_johansen
from studies.statistics.survival.cox import fit_cox
from studies.statistics.survival.fine_gray import fit_fine_gray
from studies.statistics.survival.gray import gray_test
from studies.statistics.survival.kaplan_meier import kaplan_meier
from studies.statistics.survival.rmst import rmst

N = 60
RNG = np.random.default_rng(11)
X = RNG.normal(size=(N, 2))
TREATED = (RNG.random(N) < 1.0 / (1.0 + np.exp(-X[:, 0]))).astype(float)
Y = X[:, 0] + TREATED + RNG.normal(size=N)
TIME = RNG.exponential(size=N) + 0.01
EVENT = (RNG.random(N) < 0.7).astype(float)
STATUS = np.where(EVENT == 1, RNG.integers(1, 3, N), 0)
WEIGHTS = RNG.uniform(0.5, 2.0, N)


@pytest.fixture(autouse=True)
def _no_warnings() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def code_of(function: Callable[..., Any], *given: Any, **named: Any) -> str:
    with pytest.raises(CannotEstimate) as refused:
        function(*given, **named)
    assert refused.value.text.zh and refused.value.text.en
    return refused.value.reason.code


# Outcomes without variation


@pytest.mark.parametrize("options", [{}, {"cluster": np.arange(N) // 4}, {"weights": WEIGHTS}])
def test_a_risk_of_1_for_everybody_has_no_robust_error(options: dict[str, Any]) -> None:
    with pytest.raises(CannotEstimate, match="x1, x2") as refused:
        modified_poisson(np.ones(N), X, **options)
    assert refused.value.reason.code == "no_robust_error"


def test_a_risk_of_0_for_everybody_is_no_model() -> None:
    assert code_of(modified_poisson, np.zeros(N), X) == "no_events_to_model"


def test_counts_that_the_model_gives_exactly_have_model_based_errors_only() -> None:
    counts = np.where(TREATED == 1, 2.0, 5.0)
    assert code_of(poisson_regression, counts, TREATED, covariance="HC0") == "no_robust_error"
    assert (poisson_regression(counts, TREATED).se > 0).all()


def test_equal_outcomes_leave_gee_no_scale() -> None:
    assert code_of(fit_gee, np.ones(N), X, np.arange(N) // 3) == "perfect_fit"


def test_a_working_correlation_of_1_is_refused_whatever_its_structure() -> None:
    same = np.repeat(Y[: N // 3], 3)
    for structure in ("exchangeable", "ar1", "unstructured"):
        found = code_of(fit_gee, same, None, np.repeat(np.arange(N // 3), 3), correlation=structure)
        assert found in ("not_a_correlation", "gee_not_converged")


def test_an_arm_of_equal_outcomes_has_exactly_their_mean_whatever_the_weights() -> None:
    """0.1 has no exact sum: the mean is taken around a value of the arm, so that no error is made of rounding."""
    outcome = np.where(TREATED == 1, 0.1, Y)
    for made in (weighted_means(outcome, TREATED, WEIGHTS), ipw_means(outcome, TREATED, X)):
        assert (made.mean_treated.value, made.mean_treated.p) == (0.1, None)
    assert weighted_means(outcome, TREATED, WEIGHTS).mean_treated.se == 0.0
    events = ipw_means(np.where(TREATED == 1, 1.0, Y > 0), TREATED, X)
    assert (events.mean_treated.value, events.mean_treated.se, events.odds_ratio) == (1.0, 0.0, None)
    assert events.difference.se == pytest.approx(events.mean_comparator.se)


# Visits


def _visits() -> np.ndarray[Any, Any]:
    table = np.column_stack([Y, Y + RNG.normal(size=N), Y + RNG.normal(size=N)])
    table[:6, 2] = np.nan
    return table


def _imputed(table: Any, **options: Any) -> Any:
    return reference_based(table, TREATED, seed=1, m=2, burn_in=3, thin=1, **options)


@pytest.mark.parametrize(
    ("visit", "values"),
    [
        ("2", lambda y: np.full(N, 3.0)),
        ("2", lambda y: 5.0 + TREATED),
        ("2", lambda y: y[:, 0]),
        ("2", lambda y: 2.0 * y[:, 0] - 1.0),
        ("2", lambda y: 1e8 + 0.0 * y[:, 0]),
        ("1", lambda y: None),
    ],
    ids=["constant", "the arm", "repeated", "a multiple", "large constant", "constant first visit"],
)
def test_a_visit_without_variation_of_its_own_is_named(visit: str, values: Callable[..., Any]) -> None:
    table = _visits()
    if visit == "1":
        table[:, 0] = 7.0
    else:
        table[:, 1] = values(table)
    with pytest.raises(CannotEstimate, match=f"visit {visit} ") as refused:
        _imputed(table)
    assert refused.value.reason.code == "visit_without_spread"


def test_a_visit_that_one_of_each_arm_came_to_is_named() -> None:
    table = _visits()
    table[:, 2] = np.nan
    table[np.flatnonzero(TREATED == 1)[0], 2], table[np.flatnonzero(TREATED == 0)[0], 2] = 1.0, 2.0
    assert code_of(_imputed, table) == "visit_without_spread"
    assert code_of(_imputed, table, covariates=X[:, 1]) == "visit_without_spread"


def test_ordinary_visits_are_not_called_flat_on_any_scale() -> None:
    table = _visits()
    plain = _imputed(table).difference.estimate
    for scale in (1e-12, 1e12):
        assert _imputed(table * scale).difference.estimate == pytest.approx(plain * scale, rel=1e-6)


def test_the_number_of_data_sets_and_the_level_of_a_tipping_map_are_checked() -> None:
    gone = np.where(np.arange(N) < 6, np.nan, Y)
    options: dict[str, Any] = {"seed": 1, "delta_reference": [0.0], "delta_treated": [0.0, 1.0]}
    for m in (-1, 0, 1):
        assert code_of(tipping_continuous, gone, TREATED, m=m, **options) == "too_few_imputations"
    binary = np.where(np.isnan(gone), np.nan, gone > 0)
    assert code_of(count_map, binary, TREATED, conf_level=1.5) == "bad_argument"


# Resampling


def test_a_jackknife_says_how_many_of_its_fits_failed() -> None:
    """Three people carry a covariate; without one of them the statistic has no value."""

    def statistic(counts: Any) -> Any:
        if counts[:3].sum() < 3:
            raise CannotEstimate(NOT_ESTIMABLE, statistic="mean")
        return np.array([counts.sum()])

    with pytest.raises(CannotEstimate, match="3 of the 10 fits") as refused:
        jackknife(statistic, 10)
    assert (
        refused.value.reason.code == "leave_one_out_failed" and "10 次拟合中有 3 次" in refused.value.text.zh
    )


def test_a_resampled_statistic_that_is_no_number_counts_as_failed() -> None:
    def statistic(counts: Any) -> Any:
        return np.array([np.nan if counts[0] == 0 else 1.0])

    with pytest.raises(CannotEstimate, match="1 of the 10 fits"):
        jackknife(statistic, 10)
    with pytest.raises(CannotEstimate, match="of 200 resamples") as refused:
        bootstrap(statistic, 10, replications=200, seed=1)
    assert refused.value.reason.code == "too_many_failed"


def test_a_matched_comparison_says_how_many_of_its_resamples_failed() -> None:
    """Neither of the two people with an event drawn, and the log odds have no value: more than 5 % of resamples."""
    outcome = np.zeros(N)
    outcome[:2] = 1.0
    with pytest.raises(CannotEstimate, match="of 200 resamples") as refused:
        maic(
            outcome, X, anchored="unanchored", measure="odds_ratio", comparator=ArmSummary(0.3, 0.05, 100),
            names=["a", "b"], target_mean=[0.1, 0.1], prognostic_factors=["a", "b"], effect_modifiers=[],
            variance="bootstrap", samples=200, seed=1,
        )  # fmt: skip
    assert refused.value.reason.code == "too_many_failed"


def test_a_jackknife_of_weights_with_a_single_carrier_of_a_covariate_is_refused() -> None:
    covariate = np.zeros(N)
    covariate[[np.flatnonzero(TREATED == 1)[0], np.flatnonzero(TREATED == 0)[0]]] = 1.0
    assert code_of(jackknife_ipw_means, Y, TREATED, covariate) == "leave_one_out_failed"


def test_a_score_of_exactly_1_is_harmless_for_a_treated_outlier_and_a_reason_for_a_comparator() -> None:
    score, exposed = np.array([1.0, 0.5, 0.5]), np.array([True, True, False])
    assert tilted(score, exposed, "ATE")[0].tolist() == [1.0, 2.0, 2.0]
    assert tilted(score, exposed, "ATT")[0].tolist() == [1.0, 1.0, 1.0]
    for estimand in ("ATE", "ATT"):
        assert code_of(tilted, score, ~exposed, estimand) == "score_outside"


def test_a_far_outlier_gives_a_jackknife_or_a_reason_without_warnings() -> None:
    for far in (30.0, 1e3, 1e8):
        x = X.copy()
        x[np.flatnonzero(TREATED == 1)[0], 0] = far
        try:
            made = jackknife_ipw_means(Y, TREATED, x)
        except CannotEstimate as refused:
            assert refused.reason.code in ("leave_one_out_failed", "separation", "outcome_separated")
        else:
            assert np.isfinite(made.se).all()


# Size


@pytest.mark.parametrize(
    "table",
    [
        [[10**8, 10**8], [10**8, 10**8 + 500]],
        [[1e300, 2], [1, 1]],
        np.ones((40, 50)),
        np.ones((2, 5000)),
        np.ones((1000, 3)),
        [[10**6, 10**6, 5], [10**6, 10**6, 6]],
    ],
    ids=["2 x 2 of a hundred million", "no count", "40 x 50", "2 x 5000", "1000 x 3", "two million"],
)
def test_a_table_that_cannot_be_enumerated_is_refused_before_it_is_tried(table: Any) -> None:
    assert code_of(fisher_test, table) == "table_too_large"


def test_a_large_thin_table_of_two_by_two_is_still_exact() -> None:
    assert fisher_test([[3, 10**9], [9, 10**9]]).p == pytest.approx(0.14599609375, rel=1e-6)


def test_null_and_side_belong_to_two_by_two_tables() -> None:
    wide = [[3, 2, 1], [1, 4, 6]]
    assert code_of(fisher_test, wide, null=2.0) == "bad_argument"
    assert code_of(fisher_test, [[3, 2], [1, 4], [0, 0]], alternative="less") == "bad_argument"
    assert code_of(fisher_test, [[0, 0], [0, 0]]) == "not_a_table"


def test_rows_of_finegray_are_counted_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = fit_fine_gray(X, TIME, STATUS, variant="finegray")
    monkeypatch.setattr(subdistribution, "MOST_ROWS", 100)
    with pytest.raises(CannotEstimate, match=r'variant="crr"') as refused:
        fit_fine_gray(X, TIME, STATUS, variant="finegray")
    assert refused.value.reason.code == "too_many_rows"
    linear = fit_fine_gray(X, TIME, STATUS, variant="crr", gtol=1e-12, max_iterations=30)
    np.testing.assert_allclose(linear.coef, made.coef, rtol=1e-6)


def test_a_hundred_thousand_subjects_with_own_times_are_refused_at_once() -> None:
    """They would be half a thousand million rows."""
    many = 100_000
    time = np.random.default_rng(1).random(many) + 0.1
    status = np.arange(many) % 3
    assert code_of(fit_fine_gray, time % 0.1, time, status, variant="finegray") == "too_many_rows"


# Weights


def test_weights_whose_squares_leave_the_numbers_are_refused_by_size() -> None:
    for scale in (1e300, 1e51, 1e-51, 1e-300):
        assert code_of(weight_column, WEIGHTS * scale) == "weights_out_of_reach"
    assert weight_column([0.0, 1e50, 1e-50]).tolist() == [0.0, 1e50, 1e-50]
    assert code_of(weight_column, [1.0, -1e-300]) == "bad_weights"


@pytest.mark.parametrize("scale", [1e49, 1e-48])
def test_robust_results_do_not_know_the_size_of_the_weights(scale: float) -> None:
    first, scaled = (
        kaplan_meier(TIME, EVENT, weights=one, robust=True) for one in (WEIGHTS, WEIGHTS * scale)
    )
    np.testing.assert_allclose(scaled.surv, first.surv, rtol=1e-9)
    np.testing.assert_allclose(scaled.std_err, first.std_err, rtol=1e-9)
    binary = (Y > 0).astype(float)
    for fit in (
        lambda w: fit_cox(X, TIME, EVENT, weights=w, robust=True),
        lambda w: fit_logistic(binary, X, weights=w, covariance="HC0"),
        lambda w: modified_poisson(binary, X[:, 1], weights=w),
        lambda w: fit_gee(Y, X, np.arange(N) // 3, weights=w),
    ):
        one, other = fit(WEIGHTS), fit(WEIGHTS * scale)
        np.testing.assert_allclose(other.coef, one.coef, rtol=1e-6)
        np.testing.assert_allclose(other.se, one.se, rtol=1e-6)


def test_model_based_errors_of_a_logistic_model_shrink_with_the_root_of_the_weights() -> None:
    binary = (Y > 0).astype(float)
    one, other = (fit_logistic(binary, X, weights=w) for w in (WEIGHTS, WEIGHTS * 1e40))
    np.testing.assert_allclose(other.se * 1e20, one.se, rtol=1e-5)


def test_weights_a_hundred_magnitudes_apart_give_curves_or_reasons_but_no_warning() -> None:
    uneven = np.where(np.arange(N) % 2 == 0, 1e49, 1e-49)
    curve = kaplan_meier(TIME, EVENT, weights=uneven, robust=True)
    assert np.isfinite(curve.surv).all() and (np.diff(curve.surv) <= 0).all()
    heavy = kaplan_meier(TIME[::2], EVENT[::2], robust=True)
    np.testing.assert_allclose(
        curve.surv[np.isin(curve.time, heavy.time)], heavy.surv, rtol=1e-12, atol=1e-15
    )
    assert np.isfinite(aalen_johansen(TIME, STATUS, weights=uneven).cif).all()
    assert np.isfinite(rmst(TIME, EVENT, weights=uneven, tau=1.0).rmst.value)
    assert np.isfinite(log_binomial((Y > 1).astype(float), TREATED, weights=WEIGHTS * 1e49).se).all()


# Options out of range


def test_a_tolerance_and_a_number_of_steps_have_to_be_positive() -> None:
    assert code_of(fit_cox, X, TIME, EVENT, tolerance=-1.0) == "bad_argument"
    assert code_of(fit_cox, X, TIME, EVENT, max_iterations=0) == "bad_argument"


def test_a_power_of_grays_weight_that_overflows_is_refused() -> None:
    assert code_of(gray_test, TIME, STATUS, TREATED, rho=-1e40) == "bad_argument"
