"""Matching, subclassification and coarsened exact matching against MatchIt (causal_matching.json and .R).

`weight_checksum` is the sum of each weight times its row: it tells one set of pairs from another.
"""

from __future__ import annotations

import numpy as np
import pytest

from studies.statistics.causal.balance import balance
from studies.statistics.causal.cem import match_cem
from studies.statistics.causal.matching import match_nearest
from studies.statistics.causal.propensity import propensity_score
from studies.statistics.causal.subclassification import subclassify
from studies.statistics.causal.weighted_means import weighted_means
from tests.golden.r.causal_frames import (
    ESTIMATE,
    columns,
    expected,
    lalonde,
    lalonde_x,
    rotterdam,
    rotterdam_x,
)

R = expected("causal_matching")
MATCHIT = "MatchIt 4.5.1"
SEARCHES = {
    "nn": {},
    "nn_smallest": {"order": "smallest"},
    "nn_data": {"order": "data"},
    "nn_2": {"ratio": 2},
    "nn_replace": {"replace": True},
    "nn_caliper": {"caliper": 0.2},
    "nn_caliper_logit": {"caliper": 0.2},
    "nn_caliper_logit_fixed": {"caliper": 1.5, "std_caliper": False},
    "nn_logit_replace": {"replace": True},
    "nn_logit_2": {"ratio": 2},
    "nn_atc": {"estimand": "ATC", "replace": True},
}
VECTORS = {
    "mahalanobis": {},
    "mahalanobis_2": {"ratio": 2},
    "mahalanobis_replace": {"replace": True},
}
SUBCLASSES = {
    "subclass": {},
    "subclass_10": {"subclass": 10},
    "subclass_ate": {"subclass": 5, "estimand": "ATE"},
    "subclass_atc": {"subclass": 5, "estimand": "ATC"},
    "subclass_quantiles": {"subclass": [0.25, 0.5, 0.9]},
    "subclass_min": {"subclass": 8, "min_n": 4},
    "subclass_drop": {"subclass": 20, "min_n": 0},
}
COARSE = {
    "cem": (("race", "married", "nodegree", "educ"), {}),
    "cem_age": (("age", "race", "married", "re74"), {}),
    "cem_ate": (("age", "married", "nodegree"), {"estimand": "ATE"}),
    "cem_atc": (("age", "married", "nodegree"), {"estimand": "ATC"}),
    "cem_fd": (("age", "educ"), {"cutpoints": "fd"}),
    "cem_scott": (("age", "educ"), {"cutpoints": "scott"}),
    "cem_q4": (("age", "educ"), {"cutpoints": "q4"}),
    "cem_cuts": (("age", "educ", "race"), {"cutpoints": {"age": [20, 30, 40], "educ": 4}}),
    "cem_exact": (("educ", "race"), {"cutpoints": {"educ": 0}}),
}


def people(data: str):
    """Treatment, covariates of the score, outcome."""
    if data == "lalonde":
        d = lalonde()
        return d.treat.to_numpy(), lalonde_x(), d.re78.to_numpy(dtype=float)
    d = rotterdam()
    return d.hormon.to_numpy(), rotterdam_x(size=False), d.dtime.to_numpy(dtype=float)


def check(name: str, made, treated, y):
    wanted = R[name]["values"]
    assert made.matched_treated == wanted["n_treated"]
    assert made.matched_comparator == wanted["n_comparator"]
    assert weighted_means(y, treated, made.weights).difference.value == pytest.approx(
        wanted["att"], rel=ESTIMATE
    )
    assert made.ess_comparator == pytest.approx(wanted["ess_comparator"], rel=ESTIMATE)
    assert made.weights @ np.arange(1, len(y) + 1) == pytest.approx(wanted["weight_checksum"], rel=ESTIMATE)
    assert (made.weights**2).sum() == pytest.approx(wanted["weight_sum_squares"], rel=ESTIMATE)


@pytest.mark.parametrize("name", list(SEARCHES))
@pytest.mark.parametrize("data", ["lalonde", "rotterdam"])
def test_match_nearest_repeats_the_search_of_matchit(data, name):
    treated, x, y = people(data)
    score = propensity_score(treated, x)
    on_logit = "logit" in name
    made = match_nearest(treated, score.logit if on_logit else score.score, search=MATCHIT, **SEARCHES[name])
    check(f"{data}_{name}", made, treated, y)


@pytest.mark.parametrize(("data", "by"), [("lalonde", "married"), ("rotterdam", "meno")])
def test_match_nearest_repeats_the_search_of_matchit_within_exact_strata(data, by):
    treated, x, y = people(data)
    frame = lalonde() if data == "lalonde" else rotterdam()
    made = match_nearest(treated, propensity_score(treated, x).score, exact=frame[by], search=MATCHIT)
    check(f"{data}_nn_exact", made, treated, y)


@pytest.mark.parametrize("name", list(VECTORS))
@pytest.mark.parametrize("data", ["lalonde", "rotterdam"])
def test_match_nearest_by_mahalanobis_gives_matchit(data, name):
    treated, x, y = people(data)
    if data == "lalonde":
        x = columns(lalonde(), "age", "educ", "married", "nodegree", "re74", "re75")
    check(f"{data}_{name}", match_nearest(treated, x=x, **VECTORS[name]), treated, y)


@pytest.mark.parametrize("name", list(SUBCLASSES))
@pytest.mark.parametrize("data", ["lalonde", "rotterdam"])
def test_subclassify_gives_matchit(data, name):
    treated, x, y = people(data)
    check(
        f"{data}_{name}",
        subclassify(treated, propensity_score(treated, x).score, **SUBCLASSES[name]),
        treated,
        y,
    )


@pytest.mark.parametrize("name", list(COARSE))
def test_match_cem_gives_matchit(name):
    names, options = COARSE[name]
    d = lalonde()
    made = match_cem(d.treat, {one: d[one].to_numpy() for one in names}, **options)
    check(f"lalonde_{name}", made, d.treat.to_numpy(), d.re78.to_numpy(dtype=float))


def test_match_cem_gives_matchit_on_rotterdam():
    d = rotterdam()
    made = match_cem(d.hormon, {one: d[one].to_numpy() for one in ("age", "meno", "grade", "nodes")})
    check("rotterdam_cem", made, d.hormon.to_numpy(), d.dtime.to_numpy(dtype=float))


@pytest.mark.parametrize("data", ["lalonde", "rotterdam"])
@pytest.mark.parametrize(
    ("name", "denominator"),
    [("subclass", "treated"), ("subclass_ate", "pooled"), ("subclass_atc", "comparator")],
)
def test_balance_gives_the_summary_of_matchit(data, name, denominator):
    """Means, SMD, variance ratio, eCDF mean and max, before and after; the score first, R's dummies of race."""
    treated, x, _ = people(data)
    score = propensity_score(treated, x).score
    if data == "lalonde":
        black = (lalonde().race == "black").to_numpy(dtype=float)
        x = np.column_stack([x[:, :2], black, x[:, 2:]])
    made = subclassify(treated, score, **SUBCLASSES[name])
    wanted = R[f"{data}_{name}"]["values"]
    for part, w in (("all", None), ("matched", made.weights)):
        found = balance(
            np.column_stack([score, x]), treated, weights=w, denominator=denominator, binary="bernoulli"
        )
        rows = wanted[part][-len(found.covariates) :]
        for one, row in zip(found.covariates, rows, strict=True):
            ours = [
                one.mean_treated,
                one.mean_comparator,
                one.smd,
                one.variance_ratio,
                one.ecdf_mean,
                one.ecdf_max,
            ]
            assert ours == [
                value if value is None else pytest.approx(value, rel=ESTIMATE, abs=1e-11) for value in row
            ]


@pytest.mark.parametrize("name", ["nn", "nn_2", "nn_replace", "nn_atc"])
@pytest.mark.parametrize("data", ["lalonde", "rotterdam"])
def test_balance_after_matching_gives_the_summary_of_matchit(data, name):
    treated, x, _ = people(data)
    score = propensity_score(treated, x).score
    if data == "lalonde":
        black = (lalonde().race == "black").to_numpy(dtype=float)
        x = np.column_stack([x[:, :2], black, x[:, 2:]])
    made = match_nearest(treated, score, search=MATCHIT, **SEARCHES[name])
    denominator = "comparator" if name == "nn_atc" else "treated"
    found = balance(
        np.column_stack([score, x]),
        treated,
        weights=made.weights,
        denominator=denominator,
        binary="bernoulli",
    )
    for one, row in zip(found.covariates, R[f"{data}_{name}"]["values"]["matched"], strict=True):
        ours = [
            one.mean_treated,
            one.mean_comparator,
            one.smd,
            one.variance_ratio,
            one.ecdf_mean,
            one.ecdf_max,
        ]
        assert ours == [
            value if value is None else pytest.approx(value, rel=ESTIMATE, abs=1e-11) for value in row
        ]
