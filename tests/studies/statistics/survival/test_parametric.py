"""Distributions for extrapolation: closed forms, how they contain each other, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gamma as gamma_function

from studies.reasons import CannotEstimate
from studies.statistics.survival.aft import fit_aft
from studies.statistics.survival.parametric import DISTRIBUTIONS, fit_distribution
from tests.studies.statistics.survival.cohorts import people


@pytest.fixture(scope="module", params=list(DISTRIBUTIONS))
def fit(request):
    random = np.random.default_rng(71)
    life, until = random.weibull(1.4, 300) * 900, random.uniform(100, 2000, 300)
    return fit_distribution(np.minimum(life, until), life <= until, distribution=request.param)


@pytest.mark.parametrize("kind", ["exponential", "weibull", "lognormal", "loglogistic"])
def test_without_covariates_the_accelerated_model_is_the_distribution(kind):
    """Two programs for one likelihood, with weights and delayed entry."""
    p = people(72, 200)
    options = {"entry": p.entry, "weights": p.weights, "distribution": kind}
    one, two = fit_distribution(p.time, p.event, **options), fit_aft(None, p.time, p.event, **options)
    assert (one.loglik, one.aic, one.bic) == pytest.approx((two.loglik, two.aic, two.bic), rel=1e-10)
    ours, other = one.survival_limits([4.0, 9.0]), two.survival(np.empty((1, 0)), [4.0, 9.0])
    for mine, theirs in zip((ours.surv, ours.lower, ours.upper), other, strict=True):
        assert mine == pytest.approx(theirs[:, 0], rel=1e-6)


def test_means_have_their_closed_forms():
    p = people(73, 200)
    closed = {
        "exponential": lambda q: 1 / q["rate"],
        "weibull": lambda q: q["scale"] * gamma_function(1 + 1 / q["shape"]),
        "lognormal": lambda q: np.exp(q["meanlog"] + q["sdlog"] ** 2 / 2),
        "loglogistic": lambda q: q["scale"] * np.pi / q["shape"] / np.sin(np.pi / q["shape"]),
        "gamma": lambda q: q["shape"] / q["rate"],
    }
    for kind, mean in closed.items():
        found = fit_distribution(p.time, p.event, distribution=kind)
        assert found.mean() == pytest.approx(mean(found.parameters), rel=1e-9)


def test_hazard_density_survival_and_quantile_belong_together(fit):
    """The hazard is the slope of the cumulative hazard; S at a quantile is its share; a mean is an area."""
    t = np.array([50.0, 400.0, 1500.0])
    h = 1e-4 * t
    slope = (fit.cumulative_hazard(t + h) - fit.cumulative_hazard(t - h)) / (2 * h)
    assert fit.hazard(t) == pytest.approx(slope, rel=1e-5)
    assert fit.survival(fit.quantile(0.3)) == pytest.approx(0.7, rel=1e-9)
    grid = np.linspace(0, 800, 200_001)
    assert fit.mean(800.0) == pytest.approx(np.trapezoid(fit.survival(grid), grid), rel=1e-6)
    assert fit.survival(0.0) == 1.0 and fit.survival([[0.0, 1.0], [2.0, 3.0]]).shape == (2, 2)
    limits = fit.survival_limits(t)
    assert (limits.lower < limits.surv).all() and (limits.surv < limits.upper).all()
    assert fit.survival(1e7) >= 0 and np.isfinite(fit.log_survival(5000.0))


def test_days_and_years_are_the_same_fit(fit):
    random = np.random.default_rng(71)
    life, until = random.weibull(1.4, 300) * 900, random.uniform(100, 2000, 300)
    years = fit_distribution(np.minimum(life, until) / 365.25, life <= until, distribution=fit.distribution)
    assert years.theta == pytest.approx(fit.theta, abs=1e-6)
    assert years.survival(2.0) == pytest.approx(fit.survival(730.5), rel=1e-7)
    assert years.loglik - fit.loglik == pytest.approx(fit.events * np.log(365.25), rel=1e-9)


def test_the_generalised_gamma_contains_the_others():
    """Its likelihood is at least theirs, and with a Weibull sample its q is near 1."""
    random = np.random.default_rng(74)
    time = random.weibull(1.5, 3000) * 10
    event = np.ones(3000)
    fits = {
        kind: fit_distribution(time, event, distribution=kind)
        for kind in ("weibull", "lognormal", "gamma", "gengamma")
    }
    for kind in ("weibull", "lognormal", "gamma"):
        assert fits["gengamma"].loglik >= fits[kind].loglik - 1e-6
    q, se = fits["gengamma"].parameters["q"], fits["gengamma"].se[2]
    assert abs(q - 1.0) < 3 * se
    assert min(fits.values(), key=lambda one: one.bic).distribution == "weibull"


def test_a_gompertz_that_flattens_has_no_mean():
    """A falling hazard leaves a share that never has the event."""
    random = np.random.default_rng(75)
    time = np.where(random.uniform(size=500) < 0.5, random.exponential(1.0, 500), 10.0)
    fit = fit_distribution(np.minimum(time, 10.0), time < 10.0, distribution="gompertz")
    assert fit.parameters["shape"] < 0
    with pytest.raises(CannotEstimate, match="no_finite_mean"):
        fit.mean()
    with pytest.raises(CannotEstimate, match="no_finite_mean"):
        fit.quantile(0.9)
    assert 4 < fit.mean(10.0) < 7


@pytest.mark.parametrize(
    "change, code",
    [
        ({"time": [], "event": []}, "no_subjects"),
        ({"event": np.zeros(80)}, "no_events"),
        ({"time": np.zeros(80)}, "no_time"),
        ({"time": np.full(80, np.inf)}, "not_a_number"),
        ({"weights": -np.ones(80)}, "bad_weights"),
        ({"distribution": "pareto"}, "bad_argument"),
        ({"event": (np.arange(80) == 3).astype(float)}, "too_many_terms"),
    ],
)
def test_bad_input_is_refused_with_a_reason(change, code):
    p = people(76)
    given = {"time": p.time, "event": p.event, "distribution": "weibull"} | change
    with pytest.raises(CannotEstimate, match=code):
        fit_distribution(given.pop("time"), given.pop("event"), **given)


@pytest.mark.parametrize(
    "ask",
    [
        lambda f: f.hazard(0.0),
        lambda f: f.survival(-1.0),
        lambda f: f.survival(np.nan),
        lambda f: f.quantile(0.0),
        lambda f: f.mean(-3.0),
        lambda f: f.survival_limits([0.0]),
    ],
)
def test_what_cannot_be_asked_is_refused(fit, ask):
    with pytest.raises(CannotEstimate):
        ask(fit)
