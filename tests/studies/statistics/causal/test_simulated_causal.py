"""Intervals against the truth: how often they contain it, with fixed seeds.

The short form runs always (200 draws, Monte-Carlo error of 95 % is 1.5 points); the long form has 2000
(0.5 points). Errors that take the weights as known are too wide by design for the ATE (Lunceford &
Davidian 2004). Influence-function errors are too narrow in small samples: at 60 people with two covariates they cover
92 to 94 %, which is why the jackknife stands beside them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.causal.adjusted_curves import iptw_curves, simultaneous_band
from studies.statistics.causal.aipw import aipw
from studies.statistics.causal.entropy_balancing import entropy_balanced_means
from studies.statistics.causal.g_computation import g_computation, jackknife_g_computation
from studies.statistics.causal.g_estimation import g_estimation
from studies.statistics.causal.iptw_cox import iptw_cox, jackknife_iptw_cox
from studies.statistics.causal.matched_effect import abadie_imbens, matched_difference
from studies.statistics.causal.matching import match_nearest
from studies.statistics.causal.propensity import propensity_score
from studies.statistics.causal.weighted_means import ipw_means, jackknife_ipw_means, weighted_means
from studies.statistics.causal.weights import weights
from tests.studies.statistics.causal.people import EFFECT, People, people

Limits = tuple[float, float]


def known(p: People) -> Limits:
    w = weights(propensity_score(p.treated, p.x).score, p.treated).weights
    found = weighted_means(p.y, p.treated, w).difference
    return found.lower, found.upper


def estimated(estimand: str) -> Callable[[People], Limits]:
    def limits(p: People) -> Limits:
        found = ipw_means(p.y, p.treated, p.x, estimand=estimand).difference
        return found.lower, found.upper

    return limits


def of_means(estimator: Callable, **options: object) -> Callable[[People], Limits]:
    def limits(p: People) -> Limits:
        found = estimator(p.y, p.treated, p.x, **options).difference
        return found.lower, found.upper

    return limits


def left_out(estimator: Callable) -> Callable[[People], Limits]:
    def limits(p: People) -> Limits:
        found = estimator(p.y, p.treated, p.x)
        return float(found.lower[2]), float(found.upper[2])

    return limits


def nested(p: People) -> Limits:
    found = g_estimation(p.y, p.treated, p.x).effects[0]
    return found.lower, found.upper


def paired(p: People) -> Limits:
    made = match_nearest(p.treated, propensity_score(p.treated, p.x).logit, caliper=0.2)
    found = matched_difference(p.y, p.treated, made).difference
    return found.lower, found.upper


def one_covariate_matched(p: People) -> Limits:
    """Matching on the one covariate that matters, with replacement: nothing about the score is estimated."""
    y = p.y - 0.7 * p.x[:, 1]
    made = match_nearest(p.treated, p.x[:, 0], replace=True)
    found = abadie_imbens(y, p.treated, made, distance=p.x[:, 0]).difference
    return found.lower, found.upper


def coverage(limits: Callable[[People], Limits], n: int, draws: int, truth: float = EFFECT) -> float:
    """The share of samples whose limits contain the truth; samples without a score are drawn again."""
    inside = []
    seed = 0
    while len(inside) < draws:
        seed += 1
        try:
            low, high = limits(people([n, seed], n))
        except CannotEstimate:
            continue
        inside.append(low <= truth <= high)
    return float(np.mean(inside))


# The range that 2000 draws have to fall into at 200 and at 60 people.
RIGHT, A_LITTLE_NARROW, WIDE = (0.935, 0.968), (0.905, 0.95), (0.965, 1.0)
INTERVALS = {
    "known weights": (known, WIDE, WIDE),
    "estimated score, ATE": (estimated("ATE"), RIGHT, A_LITTLE_NARROW),
    "estimated score, ATT": (estimated("ATT"), RIGHT, A_LITTLE_NARROW),
    "estimated score, ATO": (estimated("ATO"), RIGHT, A_LITTLE_NARROW),
    "AIPW": (of_means(aipw), RIGHT, A_LITTLE_NARROW),
    "AIPW, ATT": (of_means(aipw, estimand="ATT"), RIGHT, A_LITTLE_NARROW),
    "AIPW, cross-fitted": (of_means(aipw, folds=5, seed=1), RIGHT, (0.935, 0.98)),
    "g-computation": (of_means(g_computation), RIGHT, A_LITTLE_NARROW),
    "g-estimation": (nested, RIGHT, A_LITTLE_NARROW),
    "entropy balancing, ATT": (of_means(entropy_balanced_means), RIGHT, (0.89, 0.945)),
    "entropy balancing, ATE": (of_means(entropy_balanced_means, estimand="ATE"), RIGHT, (0.89, 0.945)),
    "matched pairs, caliper": (paired, WIDE, WIDE),
    "Abadie-Imbens": (one_covariate_matched, (0.93, 0.968), (0.92, 0.968)),
}


@pytest.mark.parametrize("name", list(INTERVALS))
def test_coverage_at_200_people(name):
    """200 draws: three Monte-Carlo errors beside the range of the long form."""
    limits, (low, high), _ = INTERVALS[name]
    assert low - 0.03 <= coverage(limits, 200, 200) <= min(high + 0.03, 1.0)


@pytest.mark.long
@pytest.mark.parametrize("name", list(INTERVALS))
def test_coverage_at_200_and_at_60_people_in_2000_draws(name):
    limits, at_200, at_60 = INTERVALS[name]
    for n, (low, high) in ((200, at_200), (60, at_60)):
        assert low <= coverage(limits, n, 2000) <= high


@pytest.mark.parametrize("estimator", [jackknife_ipw_means, jackknife_g_computation])
def test_the_jackknife_covers_at_30_people(estimator):
    assert 0.88 <= coverage(left_out(estimator), 30, 50) <= 1.0


@pytest.mark.long
@pytest.mark.parametrize("estimator", [jackknife_ipw_means, jackknife_g_computation])
@pytest.mark.parametrize("n", [30, 60])
def test_the_jackknife_covers_at_30_and_60_people_in_2000_draws(estimator, n):
    assert 0.94 <= coverage(left_out(estimator), n, 2000) <= 0.98


def survivors(seed: list[int], n: int) -> People:
    """Survival depends on x, not on treatment: the marginal hazard ratio is 1. Times are whole, so they tie."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 2))
    treated = random.uniform(size=n) < 1 / (1 + np.exp(-(0.6 * x[:, 0] - 0.4 * x[:, 1])))
    life = random.exponential(20 * np.exp(-0.5 * x[:, 0]))
    censored = random.uniform(5, 60, size=n)
    return People(x, treated, life, life > 1, np.ceil(np.minimum(life, censored)), life <= censored)


def cox_coverage(n: int, draws: int) -> dict[str, float]:
    """How often the three kinds of limits contain a hazard ratio of 1."""
    inside: dict[str, list[bool]] = {"known": [], "estimated": [], "jackknife": []}
    for seed in range(draws):
        p = survivors([n, seed], n)
        try:
            found = iptw_cox(p.time, p.event, p.treated, p.x, stabilised=True)
            jack = jackknife_iptw_cox(p.time, p.event, p.treated, p.x) if n < 100 else None
        except CannotEstimate:
            continue
        for name, one in (("known", found.hr_known_weights), ("estimated", found.hr_estimated_score)):
            inside[name].append(one.lower <= 1 <= one.upper)
        if jack is not None:
            inside["jackknife"].append(bool(jack.lower[0] <= 0 <= jack.upper[0]))
    return {name: float(np.mean(one)) for name, one in inside.items() if one}


def test_the_weighted_cox_model_covers_at_200_people():
    found = cox_coverage(200, 120)
    assert 0.89 <= found["estimated"] <= 1.0
    assert found["known"] >= found["estimated"]


@pytest.mark.long
def test_the_weighted_cox_model_covers_in_2000_draws():
    found = cox_coverage(200, 2000)
    assert 0.93 <= found["estimated"] <= 0.965 and 0.95 <= found["known"] <= 0.99


@pytest.mark.long
def test_the_jackknife_of_the_weighted_cox_model_covers_at_60_people():
    found = cox_coverage(60, 500)
    assert 0.93 <= found["jackknife"] <= 0.99 and found["estimated"] < found["jackknife"]


def true_survival(times: np.ndarray) -> np.ndarray:
    """Averaged over x by Gauss-Hermite; whole times mean that the event by t is counted at t."""
    node, w = np.polynomial.hermite_e.hermegauss(60)
    rate = np.exp(0.5 * node) / 20
    return np.exp(-np.outer(times, rate)) @ w / w.sum()


def curve_coverage(n: int, draws: int) -> tuple[float, float]:
    """Pointwise at 10, of the treated; and the band's over 3 to 20."""
    point, whole = [], []
    for seed in range(draws):
        p = survivors([n, seed], n)
        curves = iptw_curves(p.time, p.event, p.treated, p.x, times=np.arange(3.0, 21.0))
        truth = true_survival(curves.time)
        at = int(np.searchsorted(curves.time, 10.0))
        point.append(curves.treated.lower[at] <= truth[at] <= curves.treated.upper[at])
        band = simultaneous_band(curves, "treated", start=3.0, end=20.0, draws=400, seed=seed)
        whole.append(bool(((band.lower <= truth) & (truth <= band.upper)).all()))
    return float(np.mean(point)), float(np.mean(whole))


def test_curves_and_bands_cover_at_200_people():
    point, whole = curve_coverage(200, 50)
    assert 0.86 <= point <= 1.0 and 0.86 <= whole <= 1.0


@pytest.mark.long
def test_curves_and_bands_cover_in_2000_draws():
    point, whole = curve_coverage(200, 2000)
    assert 0.93 <= point <= 0.965 and 0.93 <= whole <= 0.97
