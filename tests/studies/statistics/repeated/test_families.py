"""Generalised linear models of independent rows, and the design they need."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

from studies.reasons import CannotEstimate
from studies.statistics.repeated.design import design
from studies.statistics.repeated.families import family_of, glm

_rng = np.random.default_rng(3)
X = np.column_stack([np.ones(120), _rng.normal(size=(120, 2))])
YES = (_rng.random(120) < 1 / (1 + np.exp(-X[:, 1]))) * 1.0
COUNT = _rng.poisson(np.exp(0.4 * X[:, 1])).astype(float)
WEIGHTS, OFFSET = _rng.uniform(0.5, 2.0, 120), _rng.normal(size=120) / 4


@pytest.mark.parametrize(
    ("name", "y", "theirs"),
    [
        ("gaussian", COUNT, sm.families.Gaussian()),
        ("binomial", YES, sm.families.Binomial()),
        ("poisson", COUNT, sm.families.Poisson()),
    ],
)
def test_glm_agrees_with_a_second_program(name: str, y: Any, theirs: Any) -> None:
    fit = glm(y, X, family_of(name), offset=OFFSET)
    other = sm.GLM(y, X, family=theirs, offset=OFFSET).fit(tol=1e-14)
    assert fit.coef == pytest.approx(other.params, rel=1e-7)
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(other.bse, rel=1e-6)
    assert fit.deviance == pytest.approx(other.deviance, rel=1e-9)


@pytest.mark.parametrize(("name", "y"), [("binomial", YES), ("poisson", COUNT)])
def test_a_weight_of_two_is_the_row_twice(name: str, y: Any) -> None:
    whole = np.where(np.arange(120) < 60, 2.0, 1.0)
    rows = np.repeat(np.arange(120), whole.astype(int))
    weighted, twice = glm(y, X, family_of(name), weights=whole), glm(y[rows], X[rows], family_of(name))
    assert weighted.coef == pytest.approx(twice.coef, rel=1e-9)
    assert weighted.covariance == pytest.approx(twice.covariance, rel=1e-8)


def test_separation_has_no_maximum_and_is_refused() -> None:
    flag = X[:, 1] > 0.5
    half = np.column_stack([X, flag])
    for table, y in ((X, (X[:, 1] > 0) * 1.0), (half, np.where(flag, 1.0, YES))):
        with pytest.raises(CannotEstimate, match="glm_not_converged"):
            glm(y, table, family_of("binomial"))


def test_names_that_are_unknown_are_refused() -> None:
    for name, link in (("gamma", None), ("binomial", "probit"), ("poisson", "identity")):
        with pytest.raises(CannotEstimate, match="bad_argument"):
            family_of(name, link)


def test_the_design_names_the_column_that_is_at_fault() -> None:
    year = np.round(2024 + _rng.normal(size=120))
    assert design(np.column_stack([X[:, 1], year]), 120, ["x", "year"]).names == ("(Intercept)", "x", "year")
    assert design(None, 3).matrix.tolist() == [[1], [1], [1]]
    cases: list[tuple[Any, Any, str]] = [
        (np.column_stack([X[:, 1], np.full(120, 7)]), ["x", "seven"], "seven"),
        (np.column_stack([X[:, 1], year, year - X[:, 1]]), ["x", "year", "both"], "both"),
        (np.column_stack([X[:, 1], year, 2 * year + 1]), ["x", "year", "again"], "again"),
    ]
    for table, names, culprit in cases:
        with pytest.raises(CannotEstimate, match=culprit):
            design(table, 120, names)
    with pytest.raises(CannotEstimate, match="too_many_terms"):
        design(_rng.normal(size=(5, 5)), 5)
