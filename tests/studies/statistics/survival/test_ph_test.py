"""The test of proportional hazards: its definition as a score test, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.survival.cox import fit_cox
from studies.statistics.survival.ph_test import GLOBAL, ph_test, smooth
from studies.statistics.survival.residuals import schoenfeld
from tests.studies.statistics.survival.cohorts import people


def with_time_terms(p, beta, gamma, g):
    """The log-likelihood of x beta + x g(t) gamma: rows split at every event time, Efron's ties."""
    times = np.unique(p.time[p.event == 1])
    rows = [(i, t) for i in range(len(p.time)) for t in times if p.entry[i] < t <= p.time[i]]
    who, when = np.array([i for i, _ in rows]), np.array([t for _, t in rows])
    total = 0.0
    for t in times:
        here = who[when == t]
        eta = p.x[here] @ beta + (p.x[here] @ gamma) * g(t)
        dead = (p.time[here] == t) & (p.event[here] == 1)
        d = dead.sum()
        for number in range(d):
            total -= np.log(np.exp(eta).sum() - number / d * np.exp(eta[dead]).sum())
        total += eta[dead].sum()
    return total


def test_the_test_is_the_score_test_of_the_enlarged_model():
    """Score and information of (beta, gamma) at (fit, 0), by finite differences of the likelihood's definition."""
    p = people(21, 40)
    fit = fit_cox(p.x, p.time, p.event, entry=p.entry, tolerance=1e-14)
    test = ph_test(fit, "identity")
    mean = p.time[p.event == 1].mean()
    theta = np.concatenate([fit.coef, np.zeros(2)])
    f = lambda v: with_time_terms(p, v[:2], v[2:], lambda t: t - mean)  # noqa: E731
    h = 1e-3 * np.array([1, 1, 0.1, 0.1])
    e = np.diag(h)
    score = np.array([(f(theta + e[j]) - f(theta - e[j])) / (2 * h[j]) for j in range(4)])
    info = np.array(
        [
            [
                -(
                    f(theta + e[i] + e[j])
                    - f(theta + e[i] - e[j])
                    - f(theta - e[i] + e[j])
                    + f(theta - e[i] - e[j])
                )
                / (4 * h[i] * h[j])
                for j in range(4)
            ]
            for i in range(4)
        ]
    )
    assert test.line(GLOBAL).chisq == pytest.approx(score @ np.linalg.solve(info, score), rel=1e-3)
    assert test.line(GLOBAL).df == 2


def test_a_function_of_time_is_used_as_given_and_a_shift_of_it_does_not_matter():
    p = people(22)
    fit = fit_cox(p.x, p.time, p.event)
    square, shifted = ph_test(fit, lambda t: t**2), ph_test(fit, lambda t: 5.0 - 3.0 * t**2)
    assert [one.chisq for one in square.lines] == pytest.approx(
        [one.chisq for one in shifted.lines], rel=1e-8
    )
    named = ph_test(fit, np.sqrt, global_test=False)
    assert named.transform == "sqrt" and len(named.lines) == 2


def test_the_points_are_scaled_schoenfeld_residuals_on_average_the_coefficient():
    p = people(23)
    fit = fit_cox(p.x, p.time, p.event, tolerance=1e-14)
    test = ph_test(fit)
    assert test.y == pytest.approx(schoenfeld(fit, scaled=True).values, rel=1e-9)
    assert test.y.mean(axis=0) == pytest.approx(fit.coef, abs=1e-8)


def test_terms_of_several_columns_are_tested_together():
    p = people(24)
    x = np.column_stack([p.x, p.x[:, 0] ** 2])
    fit = fit_cox(x, p.time, p.event, names=["a", "b", "a2"])
    test = ph_test(fit, terms={"a": ["a", "a2"], "b": [1]})
    assert [(one.term, one.df) for one in test.lines] == [("a", 2), ("b", 1), (GLOBAL, 3)]
    assert test.y.shape == (int(p.event.sum()), 2)
    with pytest.raises(CannotEstimate, match="bad_argument"):
        test.line("c")


def test_the_smooth_is_the_straight_line_where_the_points_are_one():
    """A natural cubic spline holds straight lines: through points on a line it is that line, with no width left out."""
    p = people(25, 200)
    test = ph_test(fit_cox(p.x, p.time, p.event))
    straight = test.__class__(**{**test.__dict__, "y": 2.0 - 3.0 * test.x[:, None] * [1.0, 0.5]})
    line = smooth(straight, 1)
    assert line.estimate == pytest.approx(2.0 - 1.5 * line.x, abs=1e-9)
    assert (line.lower < line.estimate).all() and (line.upper > line.estimate).all()
    assert len(line.x) == 40 and (np.diff(line.time) >= 0).all()


@pytest.mark.parametrize("df, term", [(1, 0), (4, 7), (400, 0)])
def test_a_smooth_that_cannot_be_is_refused(df, term):
    p = people(26)
    with pytest.raises(CannotEstimate, match="bad_argument"):
        smooth(ph_test(fit_cox(p.x, p.time, p.event)), term, df=df)


@pytest.mark.parametrize(
    "options, code",
    [
        ({"transform": "sqrt"}, "bad_argument"),
        ({"transform": lambda t: t[:3]}, "not_a_number"),
        ({"transform": lambda t: t * np.nan}, "not_a_number"),
        ({"terms": {}}, "bad_argument"),
        ({"terms": {"a": [0], "b": [0]}}, "bad_argument"),
        ({"terms": {"a": []}}, "bad_argument"),
        ({"terms": {"a": ["z"]}}, "bad_argument"),
    ],
)
def test_bad_options_are_refused(options, code):
    p = people(27)
    with pytest.raises(CannotEstimate, match=code):
        ph_test(fit_cox(p.x, p.time, p.event), **options)


def test_a_single_event_time_cannot_be_tested():
    p = people(28)
    with pytest.raises(CannotEstimate, match="ph_not_tested"):
        ph_test(fit_cox(p.x, np.full(80, 5.0), p.event, ties="breslow"))


def test_a_time_of_zero_has_no_logarithm():
    p = people(29)
    with pytest.raises(CannotEstimate, match="not_a_number"):
        ph_test(fit_cox(p.x, p.time - p.time.min(), p.event), "log")
