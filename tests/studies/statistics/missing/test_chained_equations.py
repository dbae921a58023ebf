"""Chained equations: the exact pieces, seeds, order, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.reasons import CannotEstimate
from studies.statistics.missing.chained_equations import impute, survival_predictors
from studies.statistics.missing.draws import augmented, bayesian_draw, multinomial, nearest_donors

N = 120
_rng = np.random.default_rng(5)
A = _rng.normal(size=N)
B = A + _rng.normal(size=N)
YES = (B + _rng.normal(size=N) > 0) * 1.0
KIND = np.floor(3 * _rng.random(N))


def holes(column: Any, share: float = 0.25, seed: int = 1) -> Any:
    return np.where(np.random.default_rng(seed).random(N) < share, np.nan, column)


def test_the_bayesian_draw_is_the_written_formula() -> None:
    x, z = np.column_stack([np.ones(N), A]), np.array([0.3, -1.1])
    beta, drawn, sigma = bayesian_draw(x, B, z, 110.0)
    residual = B - x @ beta
    assert beta == pytest.approx(np.linalg.lstsq(x, B, rcond=None)[0])
    assert sigma == pytest.approx(np.sqrt(residual @ residual / 110.0))
    # The step has the length that z has, in the metric of X'X.
    step = drawn - beta
    assert step @ (x.T @ x) @ step == pytest.approx(sigma**2 * z @ z)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 10_000))
def test_donors_are_the_nearest(n: int, donors: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    observed, wanted = np.round(rng.normal(size=n), 1), rng.normal(size=7)
    found = nearest_donors(observed, wanted, donors, rng.random(7))
    k = min(donors, n)
    assert found.shape == (7, k)
    for row, value in zip(found, wanted, strict=True):
        assert len(set(row)) == k
        distances = np.sort(np.abs(observed - value))[:k]
        assert np.sort(np.abs(observed[row] - value)) == pytest.approx(distances)


def test_donors_that_are_equal_take_turns() -> None:
    """Twenty donors with the same prediction: the random place makes all of them serve."""
    found = nearest_donors(np.zeros(20), np.zeros(400), 3, np.random.default_rng(1).random(400))
    assert len(set(found.ravel())) == 20


def test_the_multinomial_fit_of_two_levels_is_logistic_regression() -> None:
    from studies.statistics.repeated.families import family_of, glm

    x = np.column_stack([np.ones(N), A])
    coef, information = multinomial(x, YES, np.ones(N), 2, "yes")
    fit = glm(YES, x, family_of("binomial"))
    assert coef[0] == pytest.approx(fit.coef, rel=1e-6)
    assert np.linalg.inv(information) == pytest.approx(fit.covariance, rel=1e-5)


def test_the_multinomial_fit_is_that_of_a_second_program() -> None:
    import statsmodels.api as sm

    x = np.column_stack([np.ones(N), A, B])
    coef, _ = multinomial(x, KIND, np.ones(N), 3, "kind")
    theirs = sm.MNLogit(KIND, x).fit(disp=0, tol=1e-12)
    assert pytest.approx(np.asarray(theirs.params), rel=1e-5, abs=1e-7) == coef.T


def test_perfect_prediction_is_prevented_by_rows_of_small_weight() -> None:
    """Separated data have no maximum; with the added rows there is one, and the weights add up to p + 1."""
    x = np.column_stack([np.ones(N), A])
    y = (A > 0) * 1.0
    more_x, more_y, weights = augmented(x, y, 2)
    assert weights[N:].sum() == pytest.approx(2.0)
    coef, _ = multinomial(more_x, more_y, weights, 2, "y")
    assert np.isfinite(coef).all()
    done = impute({"a": A, "y": holes(y)}, {"y": "logistic"}, seed=1, m=2, iterations=2)
    assert set(np.unique(done.completed(0)["y"])) == {0.0, 1.0}


def test_observed_values_stay_and_missing_ones_are_filled() -> None:
    columns = {"a": holes(A), "b": holes(B, seed=2), "yes": holes(YES, seed=3), "kind": holes(KIND, seed=4)}
    methods: dict[str, Any] = {"a": "normal", "b": "pmm", "yes": "logistic", "kind": "multinomial"}
    done = impute(columns, methods, seed=3, m=3, iterations=4)
    for number in range(3):
        whole = done.completed(number)
        for name, column in columns.items():
            seen = ~np.isnan(column)
            assert (whole[name][seen] == column[seen]).all() and np.isfinite(whole[name]).all()
        assert set(np.unique(whole["kind"])) <= {0.0, 1.0, 2.0}
        assert np.isin(whole["b"], B).all()  # matching gives values that exist
    assert done.chain_mean["a"].shape == (3, 4)


def test_the_seed_decides_and_more_data_sets_do_not_change_the_first() -> None:
    columns = {"a": holes(A), "b": B}
    a, b, c = (
        impute(columns, {"a": "pmm"}, seed=seed, m=m, iterations=3).drawn["a"]
        for seed, m in ((1, 3), (1, 5), (2, 3))
    )
    assert (a == b[:3]).all() and (a != c).any()


def test_nothing_measured_later_predicts_what_came_before() -> None:
    """With the times given, the later column cannot change the imputation of the earlier one."""
    methods: dict[str, Any] = {"a": "normal"}
    when = {"a": 0.0, "b": 1.0}
    one, other = (
        impute({"a": holes(A), "b": b, "c": YES}, methods, seed=1, m=2, iterations=2, measured=when).drawn[
            "a"
        ]
        for b in (B, B[::-1])
    )
    assert (one == other).all()


def test_the_predictors_named_are_the_ones_used() -> None:
    methods: dict[str, Any] = {"a": "normal"}
    one, other = (
        impute(
            {"a": holes(A), "b": b, "c": YES}, methods, seed=1, m=2, iterations=2, predictors={"a": ["c"]}
        ).drawn["a"]
        for b in (B, B[::-1])
    )
    assert (one == other).all()


def test_a_predictor_that_follows_from_others_is_left_out_and_named() -> None:
    done = impute(
        {"a": holes(A), "b": B, "twice": 2 * B, "one": np.ones(N)}, {"a": "pmm"}, seed=1, m=2, iterations=1
    )
    assert done.dropped["a"] == ("one", "twice")


def test_without_anything_missing_the_data_come_back() -> None:
    done = impute({"a": A, "b": B}, {}, seed=1, m=2)
    assert (done.completed(1)["a"] == A).all() and not done.drawn


def test_the_cumulative_hazard_is_that_of_nelson_and_aalen_at_the_subjects_own_time() -> None:
    found = survival_predictors([1.0, 2.0, 2.0, 3.0, 4.0], [1, 1, 0, 0, 1])
    assert list(found["cumulative_hazard"]) == pytest.approx([0.2, 0.45, 0.45, 0.45, 1.45])
    assert list(found["event"]) == [1, 1, 0, 0, 1]
    late = survival_predictors([1.0, 2.0, 3.0], [1, 1, 1], entry=[0.0, 1.5, 0.0])
    assert list(late["cumulative_hazard"]) == pytest.approx([0.5, 0.5, 0.5 + 0.5 + 1.0])


def test_chains_that_agree_have_a_small_r_hat() -> None:
    done = impute({"a": holes(A), "b": B}, {"a": "normal"}, seed=1, m=5, iterations=40)
    assert done.r_hat["a"] is not None and done.r_hat["a"] < 1.1
    assert impute({"a": holes(A), "b": B}, {"a": "normal"}, seed=1, m=5, iterations=1).r_hat["a"] is None


BAD: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], str]] = [
    ("no columns", {}, {}, {}, "no_subjects"),
    ("no rows", {"a": []}, {}, {}, "no_subjects"),
    ("lengths", {"a": A, "b": B[:5]}, {}, {}, "lengths_differ"),
    ("text", {"a": ["x"] * N}, {}, {}, "not_a_number"),
    ("infinite", {"a": np.full(N, np.inf)}, {}, {}, "not_a_number"),
    ("no method", {"a": holes(A), "b": B}, {}, {}, "no_method"),
    ("unknown method", {"a": holes(A), "b": B}, {"a": "forest"}, {}, "bad_argument"),
    ("unknown variable", {"a": A}, {"z": "pmm"}, {}, "unknown_variable"),
    ("never observed", {"a": np.full(N, np.nan), "b": B}, {"a": "pmm"}, {}, "never_observed"),
    ("one value", {"a": holes(np.ones(N)), "b": B}, {"a": "logistic"}, {}, "constant"),
    ("codes", {"a": holes(KIND + 1), "b": B}, {"a": "multinomial"}, {}, "bad_codes"),
    ("codes of yes and no", {"a": holes(YES + 1), "b": B}, {"a": "logistic"}, {}, "bad_codes"),
    ("m", {"a": holes(A), "b": B}, {"a": "pmm"}, {"m": 0}, "bad_argument"),
    ("donors", {"a": holes(A), "b": B}, {"a": "pmm"}, {"donors": 0}, "bad_argument"),
    ("rounds", {"a": holes(A), "b": B}, {"a": "pmm"}, {"iterations": 0}, "bad_argument"),
    ("predictor", {"a": holes(A), "b": B}, {"a": "pmm"}, {"predictors": {"a": ["z"]}}, "unknown_variable"),
    ("visit order", {"a": holes(A), "b": holes(B)}, {"a": "pmm", "b": "pmm"}, {"visit_order": ["a"]}, "bad_argument"),
    ("two subjects", {"a": [np.nan, 1.0], "b": [1.0, 2.0]}, {"a": "pmm"}, {}, "too_many_terms"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "columns", "methods", "options", "code"), BAD, ids=[one[0] for one in BAD])
def test_what_cannot_be_imputed_is_refused_by_name(
    what: str, columns: Any, methods: Any, options: Any, code: str
) -> None:
    with pytest.raises(CannotEstimate) as refused:
        impute(columns, methods, **{"seed": 1, "m": 2, "iterations": 2, **options})
    assert refused.value.reason.code == code


def test_a_data_set_beyond_the_last_is_refused() -> None:
    done = impute({"a": holes(A), "b": B}, {"a": "pmm"}, seed=1, m=2, iterations=1)
    with pytest.raises(CannotEstimate, match="bad_argument"):
        done.completed(2)
