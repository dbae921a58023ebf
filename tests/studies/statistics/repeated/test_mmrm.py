"""MMRM: closed forms, structures, missing visits, least-squares means, and what it refuses."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.repeated import likelihood
from studies.statistics.repeated.mixed import fit_mixed
from studies.statistics.repeated.mmrm import analyse_visits, fit_mmrm
from studies.statistics.repeated.visit_covariance import STRUCTURES, VisitCovariance

N, T = 40, 4
SUBJECT = np.repeat(np.arange(N), T)
VISIT = np.tile(np.arange(T), N)
ARM = (SUBJECT % 2) * 1.0
_rng = np.random.default_rng(6)
Y = (_rng.normal(size=(N, 1)) + np.cumsum(_rng.normal(size=(N, T)), axis=1)).ravel() + ARM * VISIT
BASE = np.repeat(_rng.normal(size=N), T)
GAPS = np.where(_rng.random(N * T) < 0.2, np.nan, Y)


def test_complete_data_give_the_two_sample_t_test_at_every_visit() -> None:
    """Unstructured without covariates: the difference, its error and df = N - 2 are those of a t test."""
    from scipy.stats import ttest_ind

    table = Y.reshape(N, T)
    for df_method in ("satterthwaite", "kenward_roger"):
        result = analyse_visits(Y, SUBJECT, VISIT, ARM, df_method=df_method)  # type: ignore[arg-type] # checked names
        for k, one in enumerate(result.differences):
            t = ttest_ind(table[1::2, k], table[::2, k])
            assert one.difference.statistic == pytest.approx(t.statistic, rel=1e-8)
            assert one.difference.df == pytest.approx(N - 2, rel=1e-7)
            assert one.difference.p == pytest.approx(t.pvalue, rel=1e-6)


def test_complete_data_give_the_pooled_covariance() -> None:
    table = Y.reshape(N, T)
    rest = np.concatenate([table[k::2] - table[k::2].mean(axis=0) for k in (0, 1)])
    assert analyse_visits(Y, SUBJECT, VISIT, ARM).fit.sigma == pytest.approx(
        rest.T @ rest / (N - 2), rel=1e-8
    )


def test_hotelling_is_the_kenward_roger_test_of_all_visits() -> None:
    """For complete data Kenward and Roger's F is exact: Hotelling's T squared."""
    from scipy.stats import f as f_distribution

    table = Y.reshape(N, T)
    result = analyse_visits(Y, SUBJECT, VISIT, ARM, df_method="kenward_roger")
    away = table[1::2].mean(axis=0) - table[::2].mean(axis=0)
    t2 = away @ np.linalg.solve(result.fit.sigma, away) * 10.0
    f = t2 * (N - 2 - T + 1) / ((N - 2) * T)
    assert result.overall is not None
    assert result.overall.statistic == pytest.approx(f, rel=1e-6)
    assert result.overall.df_denominator == pytest.approx(N - 2 - T + 1, rel=1e-6)
    assert result.overall.p == pytest.approx(f_distribution.sf(f, T, N - 2 - T + 1), rel=1e-5)


@pytest.mark.parametrize("df_method", ["satterthwaite", "kenward_roger"])
def test_compound_symmetry_is_the_random_intercept_model(df_method: Any) -> None:
    seen = ~np.isnan(GAPS)
    x = np.column_stack([VISIT, ARM, VISIT * ARM, BASE])
    a = fit_mmrm(GAPS, x, SUBJECT, VISIT, covariance="compound_symmetry", df_method=df_method)
    b = fit_mixed(GAPS[seen], x[seen], SUBJECT[seen], df_method=df_method)
    assert a.loglik == pytest.approx(b.loglik, rel=1e-10)
    assert a.coef == pytest.approx(b.coef, rel=1e-8)
    assert a.se == pytest.approx(b.se, rel=1e-8)
    assert list(a.df) == pytest.approx(list(b.df), rel=1e-7)
    assert a.theta[1] == pytest.approx(b.random_covariance[0, 0], rel=1e-7)


def test_richer_structures_fit_better() -> None:
    chains = (
        ("compound_symmetry", "toeplitz", "heterogeneous_toeplitz", "unstructured"),
        ("compound_symmetry", "heterogeneous_compound_symmetry", "unstructured"),
        ("ar1", "heterogeneous_ar1", "unstructured"),
    )
    for chain in chains:
        values = [analyse_visits(GAPS, SUBJECT, VISIT, ARM, covariance=one).fit.loglik for one in chain]  # type: ignore[arg-type] # checked names
        assert all(a <= b + 1e-9 for a, b in pairwise(values)), chain


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("estimation", ["reml", "ml"])
def test_the_analytic_gradient_and_hessian_are_those_of_the_likelihood(
    structure: Any, estimation: Any
) -> None:
    seen = ~np.isnan(GAPS)
    x = np.column_stack([np.ones(N * T), VISIT, ARM])[seen]
    turned = likelihood.basis(x, GAPS[seen])
    model = VisitCovariance(turned.rest, turned.q, SUBJECT[seen], VISIT[seen], T, structure)
    phi = model.start() * 1.03
    state = likelihood._state(model, model.point(phi), estimation)
    for k, step in enumerate(np.eye(len(phi)) * 1e-5):
        up, down = (likelihood._value(model, model.point(phi + s).theta, estimation) for s in (step, -step))
        assert up is not None and down is not None
        assert (up - down) / 2e-5 == pytest.approx(state.gradient[k], rel=1e-5, abs=1e-4)
        up_state, down_state = (
            likelihood._state(model, model.point(phi + s), estimation) for s in (step, -step)
        )
        change = (up_state.gradient - down_state.gradient) / 2e-5
        assert change == pytest.approx(state.hessian[k], rel=1e-4, abs=1e-3)


def test_rows_of_missed_visits_change_nothing() -> None:
    seen = ~np.isnan(GAPS)
    a = analyse_visits(GAPS, SUBJECT, VISIT, ARM, covariates=BASE)
    b = analyse_visits(GAPS[seen], SUBJECT[seen], VISIT[seen], ARM[seen], covariates=BASE[seen])
    assert a.fit.loglik == b.fit.loglik and a.fit.n == int(seen.sum())


def test_the_reference_switched_changes_the_sign() -> None:
    a = analyse_visits(GAPS, SUBJECT, VISIT, ARM, by_visit=BASE)
    b = analyse_visits(GAPS, SUBJECT, VISIT, ARM, by_visit=BASE, reference=1.0)
    for one, other in zip(a.differences, b.differences, strict=True):
        assert one.difference.estimate == pytest.approx(-other.difference.estimate)
        assert one.difference.df == pytest.approx(other.difference.df)  # type: ignore[arg-type] # numbers here


def test_differences_are_differences_of_the_means_and_their_average_is_that_of_the_visits() -> None:
    a = analyse_visits(GAPS, SUBJECT, VISIT, ARM, covariates=BASE)
    means = {(one.visit, one.arm): one.mean.estimate for one in a.means}
    for one in a.differences:
        assert one.difference.estimate == pytest.approx(means[one.visit, 1.0] - means[one.visit, 0.0])
    assert a.average[0].estimate == pytest.approx(np.mean([one.difference.estimate for one in a.differences]))
    assert [one.observed for one in a.means if one.visit == 0] == [
        int((~np.isnan(GAPS) & (VISIT == 0) & (k == ARM)).sum()) for k in (0, 1)
    ]


def test_three_arms_are_compared_with_the_reference() -> None:
    three = np.array(["a", "b", "c"])[SUBJECT % 3]
    result = analyse_visits(GAPS, SUBJECT, VISIT, three, reference="b", covariance="ar1")
    assert {(one.arm, one.reference) for one in result.differences} == {("a", "b"), ("c", "b")}
    assert result.overall is not None and result.overall.df == 2 * T
    assert result.interaction is not None and result.interaction.df == 2 * (T - 1)


def test_a_hundred_thousand_subjects_take_seconds() -> None:
    rng = np.random.default_rng(4)
    subject, visit = np.repeat(np.arange(100_000), T), np.tile(np.arange(T), 100_000)
    y = rng.normal(size=100_000)[subject] + rng.normal(size=400_000)
    y[rng.random(400_000) < 0.1] = np.nan
    fit = analyse_visits(y, subject, visit, subject % 2).fit
    assert fit.sigma[0, 1] == pytest.approx(1.0, abs=0.03)


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("nobody", {"y": [], "subject": [], "visit": [], "arm": []}, "no_subjects"),
    ("all missing", {"y": np.full(N * T, np.nan)}, "no_subjects"),
    ("infinite", {"y": np.where(VISIT == 0, np.inf, Y)}, "not_a_number"),
    ("text", {"y": ["a"] * (N * T)}, "not_a_number"),
    ("lengths", {"subject": SUBJECT[:5]}, "lengths_differ"),
    ("covariate lengths", {"covariates": BASE[:5]}, "lengths_differ"),
    ("covariate missing", {"covariates": np.where(SUBJECT == 0, np.nan, BASE)}, "not_a_number"),
    ("names", {"covariates": BASE, "names": ["a", "b"]}, "lengths_differ"),
    ("one arm", {"arm": np.ones(N * T)}, "one_arm"),
    ("reference", {"reference": "placebo"}, "bad_argument"),
    ("empty cell", {"y": np.where((VISIT == 3) & (ARM == 1), np.nan, Y)}, "empty_cell"),
    ("visit twice", {"visit": np.zeros(N * T)}, "repeated_visit"),
    ("one visit", {"y": np.where(VISIT == 0, Y, np.nan)}, "no_repeats"),
    ("one visit each", {"y": np.where(VISIT == SUBJECT // 2 % T, Y, np.nan)}, "no_repeats"),
    ("never together", {"y": np.where((VISIT == 3) == (SUBJECT < 20), Y, np.nan)}, "pair_never_seen"),
    ("constant covariate", {"covariates": np.ones(N * T)}, "dependent"),
    ("collinear", {"covariates": np.column_stack([BASE, 2 * BASE])}, "dependent"),
    ("few subjects", {"y": np.where(SUBJECT < 3, Y, np.nan)}, "too_many_terms"),
    ("perfect", {"y": VISIT + ARM}, "perfect_fit"),
    ("structure", {"covariance": "spatial"}, "bad_argument"),
    ("estimation", {"estimation": "bayes"}, "bad_argument"),
    ("df", {"df_method": "kr"}, "bad_argument"),
    ("kenward roger for AR(1)", {"df_method": "kenward_roger", "covariance": "ar1"}, "bad_argument"),
    ("level", {"conf_level": 2.0}, "bad_argument"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "changed", "code"), BAD, ids=[one[0] for one in BAD])
def test_what_cannot_be_estimated_is_refused_by_name(what: str, changed: dict[str, Any], code: str) -> None:
    given: dict[str, Any] = {"y": Y, "subject": SUBJECT, "visit": VISIT, "arm": ARM, **changed}
    with pytest.raises(CannotEstimate) as refused:
        analyse_visits(given.pop("y"), given.pop("subject"), given.pop("visit"), given.pop("arm"), **given)
    assert refused.value.reason.code == code


def test_a_covariance_without_a_maximum_is_refused_by_name() -> None:
    """Two visits that repeat each other: the correlation runs to one."""
    y = Y.copy()
    y[VISIT == 3] = y[VISIT == 2]
    with pytest.raises(CannotEstimate, match="covariance_not_converged"):
        analyse_visits(y, SUBJECT, VISIT, ARM)
