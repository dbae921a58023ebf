"""Reference-based imputation: against the likelihood under MAR, and against the conditional means by rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.missing.reference_based import reference_based
from studies.statistics.repeated.mmrm import analyse_visits

N, T = 400, 3
ARM = np.arange(N) % 2
_rng = np.random.default_rng(2)
FULL = _rng.normal(size=(N, 1)) + 0.8 * _rng.normal(size=(N, T)) + 0.5 * ARM[:, None] * np.arange(T)
LAST = np.where(
    FULL[:, 0] + _rng.normal(size=N) < -0.8, 0, np.where(FULL[:, 1] + _rng.normal(size=N) < -0.8, 1, 2)
)
Y = np.where(np.arange(T) > LAST[:, None], np.nan, FULL)


def likelihood() -> Any:
    """The maximum-likelihood fit of the same model, for what the imputations should average to."""
    return analyse_visits(
        Y.ravel(), np.repeat(np.arange(N), T), np.tile(np.arange(T), N), np.repeat(ARM, T), estimation="ml"
    )


def expected(rule: str) -> float:
    """The difference at the last visit when every missing value is its conditional mean at the likelihood's fit."""
    fit = likelihood()
    mu = np.array([[one.mean.estimate for one in fit.means if one.arm == a] for a in (0, 1)])
    filled = Y.copy()
    for k in range(N):
        gone = np.arange(T) > LAST[k]
        if not gone.any():
            continue
        own, other = mu[ARM[k]], mu[0]
        mean = own.copy()
        if rule == "jump_to_reference":
            mean = np.where(gone, other, own)
        elif rule == "copy_reference":
            mean = other
        elif rule == "copy_increments":
            mean = np.where(gone, other + own[LAST[k]] - other[LAST[k]], own)
        sigma, kept = fit.fit.sigma, ~gone
        slope = np.linalg.solve(sigma[np.ix_(kept, kept)], sigma[np.ix_(kept, gone)])
        filled[k, gone] = mean[gone] + (Y[k, kept] - mean[kept]) @ slope
    return float(filled[ARM == 1, -1].mean() - filled[ARM == 0, -1].mean())


@pytest.mark.parametrize(
    "rule", ["missing_at_random", "jump_to_reference", "copy_reference", "copy_increments"]
)
def test_the_imputations_average_to_the_conditional_means_of_the_rule(rule: Any) -> None:
    found = reference_based(Y, ARM, rule=rule, seed=1, m=300, thin=5)
    error = float(np.sqrt(found.difference.between / 300))
    assert found.difference.estimate == pytest.approx(expected(rule), abs=4 * error)


def test_at_random_the_result_is_that_of_the_likelihood() -> None:
    found = reference_based(Y, ARM, rule="missing_at_random", seed=1, m=200, thin=5).difference
    last = likelihood().differences[-1].difference
    assert found.estimate == pytest.approx(last.estimate, abs=0.02)
    assert found.se == pytest.approx(last.se, rel=0.08)


def test_an_effect_shrinks_when_dropouts_lose_what_they_gained() -> None:
    estimates = [
        reference_based(Y, ARM, rule=rule, seed=1, m=100, thin=5).difference.estimate  # type: ignore[arg-type] # names
        for rule in ("missing_at_random", "copy_increments", "jump_to_reference")
    ]
    assert max(estimates[1:]) < estimates[0] - 0.3


def test_observed_values_and_the_reference_arm_are_left_alone_by_the_rule() -> None:
    a, b = (
        reference_based(Y, ARM, rule=rule, seed=3, m=2, burn_in=20)
        for rule in ("missing_at_random", "copy_reference")
    )  # type: ignore[arg-type] # names
    seen = ~np.isnan(Y)
    assert (b.completed[:, seen] == Y[seen]).all()
    assert (a.completed[0][ARM == 0] == b.completed[0][ARM == 0]).all()


def test_a_delta_moves_the_difference_by_the_share_of_dropouts() -> None:
    plain, worse = (
        reference_based(Y, ARM, seed=3, m=5, burn_in=20, delta=d).difference.estimate for d in (0.0, -2.0)
    )
    assert worse - plain == pytest.approx(-2.0 * np.isnan(Y[ARM == 1, -1]).mean())


def test_the_seed_decides() -> None:
    a, b, c = (reference_based(Y, ARM, seed=s, m=2, burn_in=5).completed for s in (1, 1, 2))
    assert (a == b).all() and (a != c).any()


def test_visits_missed_in_between_are_imputed_at_random() -> None:
    y = Y.copy()
    y[LAST == 2, 1] = np.where(np.arange((LAST == 2).sum()) % 3 == 0, np.nan, y[LAST == 2, 1])
    found = reference_based(y, ARM, seed=1, m=3, burn_in=20, covariates=_rng.normal(size=N))
    assert np.isfinite(found.completed).all()


BAD: list[tuple[Any, Any, dict[str, Any], str]] = [
    (np.empty((0, 3)), [], {}, "no_subjects"),
    (FULL, ARM, {}, "nothing_missing"),
    (Y[:, 0], ARM, {}, "lengths_differ"),
    (Y, ARM[:5], {}, "lengths_differ"),
    (np.where(np.isnan(Y), np.inf, Y), ARM, {}, "not_a_number"),
    ([["a"] * 3] * N, ARM, {}, "not_a_number"),
    (Y, np.ones(N), {}, "one_arm"),
    (Y, np.arange(N) % 3, {}, "not_two_arms"),
    (Y[:5], ARM[:5], {}, "arm_never_observed"),
    (np.where((ARM == 1)[:, None] & (np.arange(T) == 2), np.nan, Y), ARM, {}, "arm_never_observed"),
    (Y, ARM, {"rule": "last_value"}, "bad_argument"),
    (Y, ARM, {"m": 0}, "bad_argument"),
    (Y, ARM, {"m": 1}, "too_few_imputations"),
    (Y, ARM, {"delta": [1.0]}, "lengths_differ"),
    (Y, ARM, {"delta": np.nan}, "not_a_number"),
    (Y, ARM, {"covariates": ARM * 2.0}, "dependent"),
    (Y, ARM, {"covariates": np.full(N, np.nan)}, "not_a_number"),
]


@pytest.mark.parametrize(("y", "arm", "options", "code"), BAD)
def test_what_cannot_be_imputed_is_refused_by_name(
    y: Any, arm: Any, options: dict[str, Any], code: str
) -> None:
    with pytest.raises(CannotEstimate) as refused:
        reference_based(y, arm, **{"seed": 1, "burn_in": 2, **options})
    assert refused.value.reason.code == code
