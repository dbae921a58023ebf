"""Generalised estimating equations: identities, invariances, and what they refuse."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

from studies.reasons import CannotEstimate
from studies.statistics.repeated.families import family_of, glm
from studies.statistics.repeated.gee import fit_gee

CLUSTER = np.repeat(np.arange(40), 4)
_rng = np.random.default_rng(20)
VISIT = np.tile(np.arange(4), 40)
X = _rng.normal(size=(160, 2))
COUNT = _rng.poisson(np.exp(0.3 * X[:, 0] + 0.5 * _rng.normal(size=40)[CLUSTER])).astype(float)
YES = (COUNT > 0) * 1.0
VALUE = X[:, 0] + _rng.normal(size=40)[CLUSTER] + _rng.normal(size=160)


@pytest.mark.parametrize(("family", "y"), [("gaussian", VALUE), ("binomial", YES), ("poisson", COUNT)])
def test_independence_gives_the_coefficients_of_independent_rows(family: Any, y: Any) -> None:
    design = np.column_stack([np.ones(160), X])
    assert fit_gee(y, X, CLUSTER, family=family).coef == pytest.approx(
        glm(y, design, family_of(family)).coef, abs=1e-9
    )


@pytest.mark.parametrize("kind", ["independence", "exchangeable", "ar1"])
@pytest.mark.parametrize(("family", "y"), [("binomial", YES), ("poisson", COUNT)])
def test_the_fixed_point_is_the_one_of_a_second_program(kind: Any, family: Any, y: Any) -> None:
    """With a tight tolerance the equations hold: the score is zero at the estimate, whatever the path there."""
    fit = fit_gee(y, X, CLUSTER, family=family, correlation=kind, tolerance=1e-12, max_iterations=200)
    alpha = {"independence": 0.0, "exchangeable": fit.alpha[0] if len(fit.alpha) else 0.0, "ar1": 0.0}[kind]
    gap = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    r = fit.alpha[0] ** gap if kind == "ar1" else np.where(gap == 0, 1.0, alpha)
    design = np.column_stack([np.ones(160), X])
    mu = family_of(family).mean(design @ fit.coef)
    v = family_of(family).variance(mu)
    total = np.zeros(3)
    for c in range(40):
        rows = slice(4 * c, 4 * c + 4)
        root = np.diag(np.sqrt(v[rows]))
        total += (design[rows] * v[rows, None]).T @ np.linalg.solve(root @ r @ root, y[rows] - mu[rows])
    assert np.abs(total).max() < 1e-8


def test_statsmodels_agrees_on_independence_and_on_the_correction_of_mancl_and_derouen() -> None:
    design = np.column_stack([np.ones(160), X])
    theirs = sm.GEE(YES, design, groups=CLUSTER, family=sm.families.Binomial())
    robust = theirs.fit(scale=1.0)
    ours = fit_gee(YES, X, CLUSTER, family="binomial")
    assert list(ours.se) == pytest.approx(list(robust.bse), rel=1e-6)
    reduced = theirs.fit(cov_type="bias_reduced", scale=1.0)
    corrected = fit_gee(YES, X, CLUSTER, family="binomial", variance="mancl_derouen")
    assert list(corrected.se) == pytest.approx(list(reduced.bse), rel=1e-6)


def test_errors_grow_from_robust_to_kauermann_carroll_to_mancl_derouen() -> None:
    kinds: list[Any] = ["robust", "kauermann_carroll", "mancl_derouen"]
    se = [fit_gee(VALUE, X, CLUSTER, correlation="exchangeable", variance=kind).se for kind in kinds]
    assert (se[0] < se[1]).all() and (se[1] < se[2]).all()


@pytest.mark.parametrize("kind", ["independence", "exchangeable", "ar1", "unstructured"])
def test_the_order_of_clusters_does_not_matter(kind: Any) -> None:
    visit = np.tile(np.arange(4), 40)
    order = np.random.default_rng(3).permutation(160)
    a = fit_gee(VALUE, X, CLUSTER, wave=visit, correlation=kind, variance="mancl_derouen")
    b = fit_gee(
        VALUE[order], X[order], CLUSTER[order], wave=visit[order], correlation=kind, variance="mancl_derouen"
    )
    assert a.coef == pytest.approx(b.coef, rel=1e-9)
    assert a.se == pytest.approx(b.se, rel=1e-9)


def test_a_weight_of_two_for_whole_clusters_is_each_cluster_twice_under_independence() -> None:
    twice = fit_gee(
        np.concatenate([YES, YES]),
        np.vstack([X, X]),
        np.concatenate([CLUSTER, CLUSTER + 40]),
        family="binomial",
    )
    weighted = fit_gee(YES, X, CLUSTER, family="binomial", weights=np.full(160, 2.0))
    assert weighted.coef == pytest.approx(twice.coef, rel=1e-9)
    assert weighted.se_model == pytest.approx(twice.se_model, rel=1e-9)
    assert weighted.se == pytest.approx(twice.se * np.sqrt(2.0), rel=1e-9)


def test_clusters_of_one_row_need_no_correlation() -> None:
    single = np.arange(160)
    assert fit_gee(VALUE, X, single).coef == pytest.approx(
        np.linalg.lstsq(np.column_stack([np.ones(160), X]), VALUE, rcond=None)[0]
    )


def test_the_label_of_an_arm_switched_changes_the_sign() -> None:
    arm = (CLUSTER % 2) * 1.0
    a, b = (fit_gee(VALUE, one, CLUSTER, correlation="exchangeable") for one in (arm, 1 - arm))
    assert a.coef[1] == pytest.approx(-b.coef[1], rel=1e-9)
    assert a.p[1] == pytest.approx(b.p[1], rel=1e-9)


def test_a_t_test_uses_clusters_less_terms() -> None:
    z, t = (fit_gee(VALUE, X, CLUSTER, test=kind) for kind in ("z", "t"))  # type: ignore[arg-type] # checked names
    assert t.df == 37 and (t.p > z.p).all() and (t.upper > z.upper).all()


def test_a_hundred_thousand_clusters_take_seconds() -> None:
    rng = np.random.default_rng(1)
    cluster = np.repeat(np.arange(100_000), 3)
    x = rng.normal(size=(300_000, 3))
    y = (rng.random(300_000) < 1 / (1 + np.exp(-x[:, 0] - rng.normal(size=100_000)[cluster]))) * 1.0
    start = time.perf_counter()
    fit = fit_gee(y, x, cluster, family="binomial", correlation="exchangeable")
    assert time.perf_counter() - start < 30
    assert fit.clusters == 100_000 and 0.1 < fit.alpha[0] < 0.3


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("nobody", {"y": [], "x": np.empty((0, 2)), "cluster": []}, "no_subjects"),
    ("one subject", {"y": VALUE[:4], "x": X[:4], "cluster": CLUSTER[:4]}, "few_clusters"),
    ("NaN", {"y": np.where(np.arange(160) == 3, np.nan, VALUE)}, "not_a_number"),
    ("NaN in x", {"x": np.where(np.arange(160)[:, None] == 3, np.nan, X)}, "not_a_number"),
    ("text", {"y": np.array(["a"] * 160)}, "not_a_number"),
    ("lengths", {"x": X[:100]}, "lengths_differ"),
    ("names", {"names": ["a"]}, "lengths_differ"),
    ("clusters missing", {"cluster": np.where(CLUSTER == 0, np.nan, CLUSTER)}, "bad_labels"),
    ("constant", {"x": np.column_stack([X, np.ones(160)])}, "constant"),
    ("collinear", {"x": np.column_stack([X, X[:, 0] - 2 * X[:, 1]])}, "dependent"),
    ("many terms", {"x": _rng.normal(size=(160, 60))}, "few_clusters"),
    ("separated", {"y": (X[:, 0] > 0) * 1.0, "family": "binomial"}, "glm_not_converged"),
    ("all alike", {"y": np.ones(160), "family": "binomial"}, "glm_not_converged"),
    ("all alike, continuous", {"y": np.ones(160)}, "perfect_fit"),
    ("no counts", {"y": np.zeros(160), "family": "poisson"}, "glm_not_converged"),
    ("negative count", {"y": -COUNT - 1, "family": "poisson"}, "outcome_out_of_range"),
    ("yes is 2", {"y": YES + 1, "family": "binomial"}, "outcome_out_of_range"),
    ("weight 0", {"weights": np.zeros(160)}, "bad_weights"),
    ("weight below 0", {"weights": -np.ones(160)}, "bad_weights"),
    ("infinite weight", {"weights": np.full(160, np.inf)}, "not_a_number"),
    ("family", {"family": "beta"}, "bad_argument"),
    ("link", {"link": "probit"}, "bad_argument"),
    ("correlation", {"correlation": "toeplitz"}, "bad_argument"),
    ("variance", {"variance": "jackknife"}, "bad_argument"),
    ("test", {"test": "chi"}, "bad_argument"),
    ("level", {"conf_level": 1.0}, "bad_argument"),
    ("wave twice", {"wave": np.zeros(160)}, "repeated_visit"),
    ("half a wave", {"wave": np.tile([0, 0.5, 1, 2], 40)}, "not_a_number"),
    ("qic with weights", {"weights": np.ones(160) * 2, "qic": True}, "bad_argument"),
    ("never together", {"wave": CLUSTER % 2 * 4 + VISIT, "correlation": "unstructured"}, "pair_never_seen"),
    ("rounds", {"correlation": "exchangeable", "max_iterations": 1}, "gee_not_converged"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "changed", "code"), BAD, ids=[one[0] for one in BAD])
def test_what_cannot_be_estimated_is_refused_by_name(what: str, changed: dict[str, Any], code: str) -> None:
    given: dict[str, Any] = {"y": VALUE, "x": X, "cluster": CLUSTER, **changed}
    with pytest.raises(CannotEstimate) as refused:
        fit_gee(given.pop("y"), given.pop("x"), given.pop("cluster"), **given)
    assert refused.value.reason.code == code
    assert refused.value.text.zh and refused.value.text.en


def test_a_term_that_one_cluster_decides_has_no_small_sample_variance() -> None:
    only = (CLUSTER == 7) * 1.0
    assert np.isfinite(fit_gee(VALUE, only, CLUSTER).se).all()
    with pytest.raises(CannotEstimate, match="one_cluster_decides"):
        fit_gee(VALUE, only, CLUSTER, variance="mancl_derouen")
