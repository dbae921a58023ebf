"""Rubin's rules: closed forms, scales, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.missing.pooling import barnard_rubin, pool, pool_survival, pool_test

Q, SE = [1.0, 1.2, 0.8, 1.1], [0.3, 0.32, 0.29, 0.31]


def test_the_rules_are_those_of_rubin() -> None:
    one = pool(Q, SE)
    within, between = np.mean(np.square(SE)), np.var(Q, ddof=1)
    assert one.estimate == pytest.approx(np.mean(Q))
    assert one.total == pytest.approx(within + 1.25 * between)
    assert one.lambda_ == pytest.approx(1.25 * between / one.total)
    assert one.df == pytest.approx(3 / one.lambda_**2)


def test_degrees_of_freedom_never_exceed_those_of_complete_data() -> None:
    for share in (0.0, 0.1, 0.5, 0.9):
        assert barnard_rubin(50, share, 20) < 20
    assert barnard_rubin(5, 0.3, 1e12) == pytest.approx(barnard_rubin(5, 0.3), rel=1e-9)


def test_equal_estimates_give_the_error_of_one_of_them() -> None:
    one = pool([2.0] * 5, [0.5] * 5, df_complete=30)
    assert (one.se, one.lambda_, one.riv) == (0.5, 0.0, 0.0)


def test_ratios_are_pooled_on_the_log_scale() -> None:
    ratio, log = pool(Q, SE, scale="log"), pool(Q, SE)
    assert (ratio.estimate, ratio.lower, ratio.upper) == pytest.approx(
        (math.exp(log.estimate), math.exp(log.lower), math.exp(log.upper))
    )
    assert (ratio.se, ratio.p) == (log.se, log.p)


def test_survival_is_pooled_as_log_minus_log() -> None:
    one = pool_survival([0.7, 0.72, 0.69], [0.05, 0.05, 0.05])
    assert one.estimate == pytest.approx(np.exp(-np.exp(np.mean(np.log(-np.log([0.7, 0.72, 0.69]))))))
    assert 0 < one.lower < one.estimate < one.upper < 1


def test_a_single_parameter_tested_by_d1_is_its_t_squared() -> None:
    both = pool_test(np.array(Q)[:, None], np.square(SE)[:, None, None])
    one = pool(Q, SE)
    assert both.statistic == pytest.approx(one.statistic**2, rel=1e-12)
    assert both.riv == pytest.approx(one.riv)


def test_d1_does_not_depend_on_how_the_parameters_are_written() -> None:
    rng = np.random.default_rng(1)
    q = rng.normal(size=(6, 3)) * 0.1 + [1, 2, 0.5]
    u = np.array([np.diag([0.3, 0.2, 0.4]) + 0.05 * rng.random() for _ in range(6)])
    turn = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0], [3.0, 0.0, 1.0]])
    a, b = pool_test(q, u, df_complete=60), pool_test(q @ turn.T, turn @ u @ turn.T, df_complete=60)
    assert (a.statistic, a.df_denominator, a.p) == pytest.approx(
        (b.statistic, b.df_denominator, b.p), rel=1e-9
    )


BAD: list[tuple[Any, Any, dict[str, Any], str]] = [
    ([], [], {}, "no_subjects"),
    ([1.0], [0.3], {}, "too_few_imputations"),
    (Q, SE[:2], {}, "lengths_differ"),
    ([1, np.nan, 2, 3], SE, {}, "not_a_number"),
    (Q, [0.3, 0.0, 0.2, 0.1], {}, "bad_errors"),
    (Q, SE, {"scale": "sqrt"}, "bad_argument"),
    (Q, SE, {"conf_level": 1.5}, "bad_argument"),
    (Q, SE, {"df_complete": 0}, "bad_argument"),
]


@pytest.mark.parametrize(("q", "se", "options", "code"), BAD)
def test_what_cannot_be_pooled_is_refused_by_name(
    q: Any, se: Any, options: dict[str, Any], code: str
) -> None:
    with pytest.raises(CannotEstimate) as refused:
        pool(q, se, **options)
    assert refused.value.reason.code == code


def test_what_cannot_be_tested_is_refused_by_name() -> None:
    eye = np.stack([np.eye(2)] * 4)
    q = np.array(Q)[:, None] * [1, 2]
    cases: list[tuple[Any, Any, dict[str, Any], str]] = [
        (q, eye[:3], {}, "lengths_differ"),
        (q, eye * np.nan, {}, "not_a_number"),
        (q, -eye, {}, "bad_errors"),
        (q[:1], eye[:1], {}, "too_few_imputations"),
        (q, eye, {"null": [0.0]}, "lengths_differ"),
        (q[:2, :1], eye[:2, :1, :1], {"df_complete": 20}, "not_estimable"),
        (q, eye * 1e-4, {"df_complete": 9}, "not_estimable"),
    ]
    for estimates, covariances, options, code in cases:
        with pytest.raises(CannotEstimate) as refused:
            pool_test(estimates, covariances, **options)
        assert refused.value.reason.code == code
    for s, se, scale, code in (
        ([0.5, 1.0], [0.1, 0.1], "cloglog", "probability_at_edge"),
        ([0.5, 0.6], [0.1, 0.1], "log", "bad_argument"),
    ):
        with pytest.raises(CannotEstimate, match=code):
            pool_survival(s, se, scale=scale)  # type: ignore[arg-type] # a wrong name on purpose
