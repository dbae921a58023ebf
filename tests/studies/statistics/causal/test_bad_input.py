"""Every public function of the causal methods answers bad input with a reason in two languages, never a number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.causal.adjusted_curves import iptw_curves, simultaneous_band, weighted_curves
from studies.statistics.causal.aipw import aipw, aipw_from
from studies.statistics.causal.balance import balance, c_statistic, overlap_coefficient
from studies.statistics.causal.bootstrap import bootstrap, jackknife
from studies.statistics.causal.cem import match_cem
from studies.statistics.causal.censoring_weights import censoring_weights, ipcw_at
from studies.statistics.causal.entropy_balancing import entropy_balance, entropy_balanced_means
from studies.statistics.causal.g_computation import (
    bootstrap_g_computation,
    g_computation,
    g_computation_model,
    jackknife_g_computation,
)
from studies.statistics.causal.g_estimation import g_estimation, g_estimation_by_test
from studies.statistics.causal.g_estimation_aft import g_estimation_aft
from studies.statistics.causal.iptw_cox import bootstrap_iptw_cox, iptw_cox, jackknife_iptw_cox
from studies.statistics.causal.least_squares import fit_least_squares
from studies.statistics.causal.logistic import auc, fit_logistic
from studies.statistics.causal.matched_effect import abadie_imbens, matched_difference
from studies.statistics.causal.matching import match_nearest
from studies.statistics.causal.pooled_logistic import person_periods, pooled_logistic_curves
from studies.statistics.causal.propensity import propensity_score
from studies.statistics.causal.smd_limit import smd_limit, smd_limit_simulated
from studies.statistics.causal.subclassification import subclassify
from studies.statistics.causal.weighted_hazards import bootstrap_weighted_curves
from studies.statistics.causal.weighted_means import (
    bootstrap_ipw_means,
    ipw_means,
    jackknife_ipw_means,
    weighted_means,
)
from studies.statistics.causal.weights import (
    CommonSupport,
    Crump,
    Percentile,
    effective_sample_size,
    optimal_cut,
    weights,
)
from tests.studies.statistics.causal.people import people

P = people(1, 80)
N = len(P)
SCORE = propensity_score(P.treated, P.x).score
W = weights(SCORE, P.treated).weights
END = np.where(P.event, P.time, 70.0)
MATCHED = match_nearest(P.treated, SCORE)

# Each function with good arguments by name; the tests spoil one of them.
CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "fit_logistic": (fit_logistic, {"y": P.died, "x": P.x, "weights": W}),
    "auc": (auc, {"score": SCORE, "y": P.died}),
    "fit_least_squares": (fit_least_squares, {"y": P.y, "x": P.x, "weights": W}),
    "propensity_score": (propensity_score, {"treated": P.treated, "x": P.x}),
    "weights": (weights, {"score": SCORE, "treated": P.treated}),
    "effective_sample_size": (effective_sample_size, {"weights": W}),
    "optimal_cut": (optimal_cut, {"score": SCORE}),
    "weighted_means": (weighted_means, {"y": P.y, "treated": P.treated, "weights": W}),
    "ipw_means": (ipw_means, {"y": P.y, "treated": P.treated, "x": P.x}),
    "bootstrap_ipw_means": (
        bootstrap_ipw_means,
        {"y": P.y, "treated": P.treated, "x": P.x, "replications": 9, "seed": 1},
    ),
    "jackknife_ipw_means": (jackknife_ipw_means, {"y": P.y, "treated": P.treated, "x": P.x}),
    "balance": (balance, {"x": P.x, "treated": P.treated, "weights": W}),
    "c_statistic": (c_statistic, {"score": SCORE, "treated": P.treated, "weights": W}),
    "overlap_coefficient": (overlap_coefficient, {"score": SCORE, "treated": P.treated, "weights": W}),
    "smd_limit_simulated": (smd_limit_simulated, {"x": P.x, "treated": P.treated, "draws": 9, "seed": 1}),
    "match_nearest": (match_nearest, {"treated": P.treated, "distance": SCORE}),
    "match_nearest by x": (match_nearest, {"treated": P.treated, "x": P.x}),
    "matched_difference": (matched_difference, {"y": P.y, "treated": P.treated, "matched": MATCHED}),
    "abadie_imbens": (abadie_imbens, {"y": P.y, "treated": P.treated, "matched": MATCHED, "distance": SCORE}),
    "subclassify": (subclassify, {"treated": P.treated, "score": SCORE}),
    "entropy_balance": (entropy_balance, {"treated": P.treated, "x": P.x}),
    "entropy_balanced_means": (entropy_balanced_means, {"y": P.y, "treated": P.treated, "x": P.x}),
    "aipw": (aipw, {"y": P.y, "treated": P.treated, "x": P.x}),
    "aipw cross-fitted": (aipw, {"y": P.y, "treated": P.treated, "x": P.x, "folds": 3, "seed": 1}),
    "aipw_from": (aipw_from, {"y": P.y, "treated": P.treated, "score": SCORE, "predicted": np.zeros((N, 2))}),
    "g_computation": (g_computation, {"y": P.y, "treated": P.treated, "x": P.x}),
    "g_computation_model": (g_computation_model, {"y": P.y, "treated": P.treated, "x": P.x}),
    "bootstrap_g_computation": (
        bootstrap_g_computation,
        {"y": P.y, "treated": P.treated, "x": P.x, "replications": 9, "seed": 1},
    ),
    "jackknife_g_computation": (jackknife_g_computation, {"y": P.y, "treated": P.treated, "x": P.x}),
    "g_estimation": (g_estimation, {"y": P.y, "treated": P.treated, "x": P.x, "weights": W}),
    "g_estimation_by_test": (
        g_estimation_by_test,
        {"y": P.y, "treated": P.treated, "x": P.x, "grid": [0.0, 1.0, 2.0]},
    ),
    "g_estimation_aft": (
        g_estimation_aft,
        {"time": END, "event": P.event, "treated": P.treated, "x": P.x, "end": 70.0},
    ),
    "censoring_weights": (censoring_weights, {"censored": ~P.event, "x": P.x}),
    "ipcw_at": (ipcw_at, {"time": P.time, "event": P.event, "tau": 10.0}),
    "person_periods": (person_periods, {"last": P.time, "event": P.event}),
    "pooled_logistic_curves": (
        pooled_logistic_curves,
        {"last": P.time, "event": P.event, "treated": P.treated, "x": P.x},
    ),
    "bootstrap_weighted_curves": (
        bootstrap_weighted_curves,
        {
            "last": P.time,
            "event": P.event,
            "treated": P.treated,
            "x": P.x,
            "at": 5,
            "replications": 9,
            "seed": 1,
        },
    ),
    "iptw_cox": (iptw_cox, {"time": P.time, "event": P.event, "treated": P.treated, "x": P.x}),
    "bootstrap_iptw_cox": (
        bootstrap_iptw_cox,
        {"time": P.time, "event": P.event, "treated": P.treated, "x": P.x, "replications": 9, "seed": 1},
    ),
    "jackknife_iptw_cox": (
        jackknife_iptw_cox,
        {"time": P.time, "event": P.event, "treated": P.treated, "x": P.x},
    ),
    "weighted_curves": (
        weighted_curves,
        {"time": P.time, "event": P.event, "treated": P.treated, "weights": W},
    ),
    "iptw_curves": (iptw_curves, {"time": P.time, "event": P.event, "treated": P.treated, "x": P.x}),
}
COLUMNS = (
    "y",
    "x",
    "score",
    "treated",
    "weights",
    "time",
    "event",
    "last",
    "censored",
    "distance",
    "predicted",
)


def columns_of(name: str) -> list[str]:
    return [one for one in COLUMNS if one in CALLS[name][1]]


def cases(skip: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    return [(name, column) for name in CALLS for column in columns_of(name) if column not in skip]


def refused(name: str, **spoiled: Any) -> CannotEstimate:
    function, arguments = CALLS[name]
    with pytest.raises(CannotEstimate) as refusal:
        function(**{**arguments, **spoiled})
    assert refusal.value.text.zh and refusal.value.text.en
    assert "{" not in refusal.value.text.zh + refusal.value.text.en
    return refusal.value


@pytest.mark.parametrize("name", list(CALLS))
def test_the_good_arguments_are_good(name):
    """Otherwise the tests below would pass for the wrong reason."""
    function, arguments = CALLS[name]
    function(**arguments)


@pytest.mark.parametrize(("name", "column"), cases())
def test_a_missing_value_is_refused(name, column):
    spoiled = np.array(CALLS[name][1][column], dtype=float)
    spoiled.flat[3] = np.nan
    refused(name, **{column: spoiled})


@pytest.mark.parametrize(("name", "column"), cases())
def test_an_infinite_value_is_refused(name, column):
    spoiled = np.array(CALLS[name][1][column], dtype=float)
    spoiled.flat[3] = np.inf
    refused(name, **{column: spoiled})


@pytest.mark.parametrize(("name", "column"), cases())
def test_text_is_refused(name, column):
    refused(name, **{column: ["a"] * N})


@pytest.mark.parametrize(
    ("name", "column"), [(name, column) for name, column in cases() if len(columns_of(name)) > 1]
)
def test_columns_of_unequal_length_are_refused(name, column):
    refused(name, **{column: np.asarray(CALLS[name][1][column])[:-1]})


@pytest.mark.parametrize("name", list(CALLS))
def test_nobody_is_refused(name):
    refused(name, **{column: np.asarray(CALLS[name][1][column])[:0] for column in columns_of(name)})


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in CALLS
        if name
        not in ("effective_sample_size", "optimal_cut", "person_periods", "ipcw_at", "censoring_weights")
    ],
)
def test_one_person_is_refused(name):
    refused(name, **{column: np.asarray(CALLS[name][1][column])[:1] for column in columns_of(name)})


@pytest.mark.parametrize("name", [name for name in CALLS if "treated" in CALLS[name][1]])
@pytest.mark.parametrize("value", [0, 1])
def test_one_arm_is_refused(name, value):
    reason = refused(name, treated=np.full(N, value)).reason
    assert reason.code == "one_arm"


@pytest.mark.parametrize("name", [name for name in CALLS if "treated" in CALLS[name][1]])
def test_treatment_coded_1_and_2_is_refused(name):
    assert refused(name, treated=P.treated + 1).reason.code == "bad_codes"


@pytest.mark.parametrize("name", [name for name in CALLS if "weights" in CALLS[name][1]])
def test_negative_weights_are_refused(name):
    refused(name, weights=np.where(np.arange(N) == 3, -1.0, 1.0))


MAY_BE_CONSTANT = (
    "balance",
    "smd_limit_simulated",
    "match_nearest",
    "entropy_balance",
    "entropy_balanced_means",
)
NEEDS_X_TO_VARY = [name for name in CALLS if "x" in CALLS[name][1] and name.split()[0] not in MAY_BE_CONSTANT]


@pytest.mark.parametrize("name", NEEDS_X_TO_VARY)
def test_a_constant_covariate_is_refused(name):
    assert refused(name, x=np.column_stack([P.x[:, 0], np.ones(N)])).reason.code == "constant"


@pytest.mark.parametrize("name", NEEDS_X_TO_VARY)
def test_collinear_covariates_are_refused(name):
    assert refused(name, x=np.column_stack([P.x, P.x @ [2.0, -1.0]])).reason.code == "dependent"


WITH_SCORE = [
    "propensity_score",
    "ipw_means",
    "aipw",
    "g_estimation",
    "iptw_cox",
    "iptw_curves",
    "bootstrap_weighted_curves",
]


@pytest.mark.parametrize("name", WITH_SCORE)
def test_a_covariate_that_decides_treatment_is_refused(name):
    code = refused(name, x=np.column_stack([P.x, P.treated * 2.0 + P.x[:, 0] / 9])).reason.code
    assert code in ("separation", "outcome_separated")


WITH_EVENTS = [
    name
    for name in CALLS
    if "event" in CALLS[name][1] and name not in ("person_periods", "ipcw_at", "censoring_weights")
]


@pytest.mark.parametrize("name", WITH_EVENTS)
@pytest.mark.parametrize("arm", ["treated", "comparator", "all"])
def test_an_arm_without_events_is_refused(name, arm):
    alive = {"treated": P.treated, "comparator": ~P.treated, "all": np.ones(N, dtype=bool)}[arm]
    spoiled = {"event": P.event & ~alive}
    if name == "g_estimation_aft":
        spoiled["time"] = np.where(spoiled["event"], END, 70.0)
    assert refused(name, **spoiled).reason.code == "no_events_in_arm"


@pytest.mark.parametrize(
    "name", [name for name in CALLS if "time" in CALLS[name][1] or "last" in CALLS[name][1]]
)
def test_a_negative_time_is_refused(name):
    column = "time" if "time" in CALLS[name][1] else "last"
    spoiled = np.array(CALLS[name][1][column], dtype=float)
    spoiled[5] = -1.0
    refused(name, **{column: spoiled})


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("fit_logistic", "covariance", "HC9"),
        ("fit_logistic", "conf_level", 1.5),
        ("fit_logistic", "cluster", ["one"] * N),
        ("fit_logistic", "names", ("only one",)),
        ("fit_least_squares", "covariance", "robust"),
        ("fit_least_squares", "reference", "cauchy"),
        ("weights", "estimand", "ATX"),
        ("weights", "trim", "crump"),
        ("weights", "trim", Crump(0.6)),
        ("weights", "trim", Crump(0.499)),
        ("weights", "trim", Percentile(0.9, 0.1)),
        ("weights", "truncate", (0.9, 0.1)),
        ("ipw_means", "estimand", "ATX"),
        ("ipw_means", "conf_level", 0.0),
        ("bootstrap_ipw_means", "replications", 1),
        ("bootstrap_ipw_means", "estimand", "ATX"),
        ("jackknife_ipw_means", "conf_level", 2.0),
        ("balance", "denominator", "median"),
        ("balance", "binary", "logit"),
        ("match_nearest", "ratio", 0),
        ("match_nearest", "caliper", -0.2),
        ("match_nearest", "caliper", np.nan),
        ("match_nearest", "order", "closest"),
        ("match_nearest", "order", "random"),
        ("match_nearest", "estimand", "ATE"),
        ("match_nearest", "search", "optimal"),
        ("match_nearest", "distance", None),
        ("match_nearest by x", "search", "MatchIt 4.5.1"),
        ("match_nearest by x", "caliper", 0.2),
        ("abadie_imbens", "x", P.x),
        ("abadie_imbens", "neighbours", 0),
        ("abadie_imbens", "neighbours", N),
        ("subclassify", "subclass", 1),
        ("subclassify", "subclass", 60),
        ("subclassify", "subclass", [0.5, 1.5]),
        ("subclassify", "min_n", -1),
        ("subclassify", "estimand", "ATO"),
        ("entropy_balance", "moments", 3),
        ("entropy_balance", "estimand", "ATO"),
        ("aipw", "family", "poisson"),
        ("aipw", "estimand", "ATO"),
        ("aipw", "folds", 500),
        ("aipw_from", "score", np.where(np.arange(N) == 0, 1.0, SCORE)),
        ("g_computation", "family", "logistic"),
        ("g_computation", "estimand", "ATO"),
        ("g_computation", "observed", np.zeros(N)),
        ("g_estimation_by_test", "grid", [1.0]),
        ("g_estimation_by_test", "grid", [900.0, 950.0, 999.0]),
        ("g_estimation", "conf_level", 1.0),
        ("abadie_imbens", "conf_level", 1.0),
        ("g_estimation_aft", "end", 30.0),
        ("censoring_weights", "subject", np.arange(N)),
        ("censoring_weights", "truncate", (0.5, 0.2)),
        ("ipcw_at", "tau", -1.0),
        ("ipcw_at", "tau", np.nan),
        ("pooled_logistic_curves", "degree", 0),
        ("pooled_logistic_curves", "periods", 999),
        ("pooled_logistic_curves", "weights", -np.ones(N)),
        ("bootstrap_weighted_curves", "at", 0),
        ("iptw_cox", "ties", "exact"),
        ("iptw_cox", "estimand", "ATX"),
        ("iptw_cox", "conf_level", -1.0),
        ("weighted_curves", "conf_type", "cloglog"),
        ("weighted_curves", "times", [1e9]),
        ("iptw_curves", "estimand", "ATX"),
    ],
)  # fmt: skip
def test_an_option_out_of_its_range_is_refused(name, option, value):
    refused(name, **{option: value})


@pytest.mark.parametrize(("one", "zero", "p"), [(1, 30, 3), (30, 1, 3), (30, 30, 0)])
def test_smd_limit_needs_two_people_an_arm_and_a_covariate(one, zero, p):
    with pytest.raises(CannotEstimate):
        smd_limit(one, zero, p)


def test_stabilised_weights_are_refused_where_they_mean_nothing():
    for estimand in ("ATO", "ATM"):
        refused("weights", estimand=estimand, stabilised=True)


def test_a_score_of_0_or_1_is_refused():
    for value in (0.0, 1.0):
        spoiled = np.where(np.arange(N) == 0, value, SCORE)
        assert refused("weights", score=spoiled).reason.code == "score_outside"


def test_scores_that_do_not_meet_have_no_common_support():
    apart = np.where(P.treated, 0.9, 0.1) + SCORE / 100
    assert refused("weights", score=apart, trim=CommonSupport()).reason.code == "no_overlap"


def test_no_match_within_the_caliper_is_refused():
    apart = np.where(P.treated, 100.0, 0.0) + SCORE
    assert refused("match_nearest", distance=apart, caliper=0.01).reason.code == "no_matches"


def test_cem_refuses_bad_columns_and_rules():
    good = {"a": P.x[:, 0], "b": P.x[:, 1]}
    for spoiled, options in (
        ({}, {}),
        ({"a": np.full(N, np.nan)}, {}),
        ({"a": np.ones(N)}, {}),
        ({"a": P.x[:-1, 0]}, {}),
        (good, {"cutpoints": "thirds"}),
        (good, {"cutpoints": -2}),
        (good, {"cutpoints": {"a": [np.nan]}}),
        (good, {"estimand": "ATO"}),
        ({"a": P.treated.astype(float)}, {}),
    ):
        with pytest.raises(CannotEstimate):
            match_cem(P.treated, spoiled, **options)


def test_matched_difference_refuses_overlapping_sets():
    overlapping = match_nearest(P.treated, SCORE, replace=True)
    refused("matched_difference", matched=overlapping)


def test_bands_refuse_ranges_in_which_nothing_moves():
    curves = weighted_curves(P.time, P.event, P.treated, W)
    for options in ({"of": "everybody"}, {"of": "treated", "kind": "scheffe"}, {"of": "treated", "start": 1e6},
                    {"of": "treated", "draws": 1}, {"of": "difference", "kind": "hall-wellner"}):  # fmt: skip
        with pytest.raises(CannotEstimate):
            simultaneous_band(curves, seed=1, **options)


def test_resampling_gives_up_when_too_many_resamples_fail():
    def never(counts):
        if counts.min() < 1:
            raise CannotEstimate(refused("auc", y=np.zeros(N)).reason, variable="y")
        return np.zeros(1)

    with pytest.raises(CannotEstimate):
        bootstrap(never, 10, replications=20, seed=1)
    with pytest.raises(CannotEstimate):
        jackknife(never, 10)
    with pytest.raises(CannotEstimate):
        jackknife(lambda counts: counts[:1], 2)


def test_ipcw_is_refused_where_everybody_is_censored_before():
    with pytest.raises(CannotEstimate):
        ipcw_at([1.0, 2.0, 3.0], [0, 0, 0], 5.0)
    with pytest.raises(CannotEstimate):
        censoring_weights(np.ones(5), np.arange(5.0))


def test_an_unreachable_moment_is_named():
    """Nobody of the comparators is as old as the treated are on average."""
    random = np.random.default_rng(1)
    treated = np.repeat([True, False], 30)
    x = np.column_stack([random.normal(size=60), np.where(treated, 80.0, 40.0) + random.normal(size=60)])
    with pytest.raises(CannotEstimate) as refusal:
        entropy_balance(treated, x, names=("sex", "age"))
    assert "'age'" in refusal.value.text.en and "“age”" in refusal.value.text.zh
