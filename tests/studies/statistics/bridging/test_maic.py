"""MAIC and STC: identities, what stands beside the result, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.bridging.indirect import Contrast
from studies.statistics.bridging.maic import ArmSummary, arm_of_events, maic, maic_hazard_ratio
from studies.statistics.bridging.maic_weights import maic_weights
from studies.statistics.bridging.stc import TargetCovariate, stc, target_population

RNG = np.random.default_rng(1)
N = 200
X = np.column_stack([RNG.normal(60, 10, N), RNG.random(N) < 0.4]).astype(float)
Y = (RNG.random(N) < 1 / (1 + np.exp(-(X[:, 0] - 60) / 10 + X[:, 1]))).astype(int)
ARM = (np.arange(N) % 2).astype(int)
GOAL: dict[str, Any] = {"names": ["age", "female"], "target_mean": [63.0, 0.5]}
WHAT: dict[str, Any] = {"prognostic_factors": ["age", "female", "stage"], "effect_modifiers": []}


def test_the_weighted_moments_are_the_target():
    made = maic_weights(X, **GOAL, target_sd=[8.0, None])
    assert made.after == pytest.approx(made.target)
    assert made.weights.mean() == pytest.approx(1.0)
    assert made.ess == pytest.approx(made.weights.sum() ** 2 / (made.weights**2).sum())
    sd = math.sqrt(np.average(X[:, 0] ** 2, weights=made.weights) - 63.0**2)
    assert sd == pytest.approx(8.0)


def test_our_own_means_give_equal_weights():
    made = maic_weights(X, names=["age", "female"], target_mean=X.mean(axis=0))
    assert made.weights == pytest.approx(1.0)
    assert made.ess_share == pytest.approx(1.0)


def test_units_and_order_of_rows_do_not_matter():
    made = maic_weights(X, **GOAL)
    scaled = maic_weights(X * [1000, 1] + [5, 0], names=["age", "female"], target_mean=[63005.0, 0.5])
    assert scaled.weights == pytest.approx(made.weights, rel=1e-8)
    assert maic_weights(X[::-1], **GOAL).weights == pytest.approx(made.weights[::-1])


def test_one_binary_covariate_is_standardisation():
    """Weights are the ratio of shares, so the weighted outcome is the directly standardised one."""
    made = maic(
        Y, X[:, 1:], anchored="unanchored", measure="risk_difference", comparator=arm_of_events(30, 100),
        names=["female"], target_mean=[0.7], **WHAT,
    )  # fmt: skip
    p1, p0 = Y[X[:, 1] == 1].mean(), Y[X[:, 1] == 0].mean()
    assert made.ours.value == pytest.approx(0.7 * p1 + 0.3 * p0)
    n1, n0 = (X[:, 1] == 1).sum(), (X[:, 1] == 0).sum()
    variance = 0.49 * p1 * (1 - p1) / n1 + 0.09 * p0 * (1 - p0) / n0
    assert made.ours.se == pytest.approx(math.sqrt(variance), rel=1e-9)
    assert made.effect.se == pytest.approx(math.sqrt(variance + 0.3 * 0.7 / 100), rel=1e-9)


def test_the_target_out_of_range_is_named_and_out_of_reach_is_found():
    with pytest.raises(CannotEstimate, match=r"target_out_of_range.*'age'"):
        maic_weights(X, names=["age", "female"], target_mean=[120.0, 0.5])
    line = np.column_stack([np.linspace(0, 1, 50), np.linspace(0, 1, 50) + np.tile([0.0, 0.05], 25)])
    with pytest.raises(CannotEstimate, match="target_out_of_reach"):
        maic_weights(line, names=["a", "b"], target_mean=[0.2, 0.8])


def test_a_spread_that_nobody_can_have_is_out_of_reach():
    with pytest.raises(CannotEstimate, match="target_out_of"):
        maic_weights(X, **GOAL, target_sd=[60.0, None])


@pytest.mark.parametrize(
    ("x", "options"),
    [
        (np.empty((0, 2)), GOAL),
        (X[:1], GOAL),
        (X[:3], GOAL),
        (np.column_stack([X[:, 0], np.ones(N)]), GOAL),
        (np.column_stack([X[:, 0], 2 * X[:, 0]]), {"names": ["a", "b"], "target_mean": [63, 126]}),
        (np.where(X > 80, np.nan, X), GOAL),
        (X, {"names": ["age"], "target_mean": [63.0]}),
        (X, {"names": ["age", "female"], "target_mean": [63.0, math.nan]}),
        (X, {**GOAL, "target_sd": [0.0, None]}),
        (X, {**GOAL, "target_sd": [8.0]}),
        (X, {**GOAL, "target_sd": [None, 0.5]}),
    ],
)
def test_bad_columns_and_targets_are_refused(x: Any, options: Any):
    """The last: the square of a binary covariate is the covariate itself."""
    with pytest.raises(CannotEstimate):
        maic_weights(x, **options)


def test_a_million_patients_are_weighed_at_once():
    big = np.random.default_rng(2).normal(size=(1_000_000, 2))
    assert maic_weights(big, names=["a", "b"], target_mean=[0.2, -0.1]).after == pytest.approx([0.2, -0.1])


def test_the_missing_factor_is_listed_and_the_bias_is_bounded():
    made = maic(
        Y, X, anchored="unanchored", measure="odds_ratio", comparator=arm_of_events(20, 100), **GOAL, **WHAT
    )
    assert made.factors.missing == ("stage",)
    assert made.bias.e_value is not None and made.bias.to_null == pytest.approx(
        abs(math.log(made.effect.value))
    )
    assert made.effect.value == pytest.approx(made.ours.value / (1 - made.ours.value) / 0.25)


def test_the_bootstrap_agrees_with_the_sandwich_and_repeats_by_its_seed():
    def run(variance: Any, seed: int | None) -> Any:
        return maic(
            Y, X, anchored="unanchored", measure="risk_difference", comparator=arm_of_events(20, 100),
            variance=variance, samples=600, seed=seed, **GOAL, **WHAT,
        )  # fmt: skip

    one = run("bootstrap", 3)
    assert one.effect == run("bootstrap", 3).effect
    assert one.ours.se == pytest.approx(run("estimated_weights", None).ours.se, rel=0.12)
    with pytest.raises(CannotEstimate):
        run("bootstrap", None)


def test_anchored_with_equal_weights_is_the_plain_contrast_through_bucher():
    made = maic(
        Y, X, anchored="anchored", measure="odds_ratio", comparator=Contrast("B", "C", 0.3, 0.2), treatment=ARM,
        names=["age", "female"], target_mean=X.mean(axis=0), variance="fixed_weights", effect_modifiers=["age"],
    )  # fmt: skip
    a, b = Y[ARM == 1].sum(), (ARM == 1).sum() - Y[ARM == 1].sum()
    c, d = Y[ARM == 0].sum(), (ARM == 0).sum() - Y[ARM == 0].sum()
    assert math.log(made.effect.value) == pytest.approx(math.log(a * d / (b * c)) - 0.3)
    assert made.effect.se == pytest.approx(math.sqrt(1 / a + 1 / b + 1 / c + 1 / d + 0.04))
    assert made.factors.missing == ()


@pytest.mark.parametrize(
    "options",
    [
        {"anchored": "unanchored", "comparator": Contrast("B", "C", 0.1, 0.1)},
        {"anchored": "unanchored", "comparator": arm_of_events(2, 10), "treatment": ARM},
        {"anchored": "anchored", "comparator": arm_of_events(2, 10), "treatment": ARM},
        {"anchored": "anchored", "comparator": Contrast("B", "C", 0.1, 0.1)},
        {"anchored": "anchored", "comparator": Contrast("B", "C", 0.1, 0.1), "treatment": np.ones(N)},
        {"anchored": "anchored", "comparator": Contrast("B", "C", 0.1, 0.1, "identity"), "treatment": ARM},
        {"anchored": "sometimes", "comparator": arm_of_events(2, 10)},
        {"anchored": "unanchored", "comparator": arm_of_events(0, 10)},
        {"anchored": "unanchored", "comparator": arm_of_events(2, 10), "effect_modifiers": None},
        {"anchored": "unanchored", "comparator": arm_of_events(2, 10), "prognostic_factors": []},
        {"anchored": "unanchored", "comparator": arm_of_events(2, 10), "measure": "hazard"},
        {"anchored": "unanchored", "comparator": arm_of_events(2, 10), "variance": "best"},
        {"anchored": "unanchored", "comparator": arm_of_events(2, 10), "conf_level": 95},
    ],
)
def test_designs_that_do_not_fit_are_refused(options: Any):
    with pytest.raises(CannotEstimate):
        maic(Y, X, **{"measure": "odds_ratio", **GOAL, **WHAT, **options})


def test_outcomes_that_cannot_be_used_are_refused():
    arm = arm_of_events(2, 10)
    for outcome in (Y[:-1], Y + 1, np.where(Y == 1, np.nan, 0.0), np.zeros(N)):
        with pytest.raises(CannotEstimate):
            maic(outcome, X, anchored="unanchored", measure="odds_ratio", comparator=arm, **GOAL, **WHAT)
    with pytest.raises(TypeError):
        maic(Y, X, measure="odds_ratio", comparator=arm, **GOAL, **WHAT)  # type: ignore[call-arg]  # no default


def test_the_hazard_ratio_of_a_group_with_itself_is_1():
    time = np.random.default_rng(4).exponential(10, N)
    event = np.ones(N, int)
    made = maic_hazard_ratio(
        time, event, X, anchored="unanchored", names=["age", "female"], target_mean=X.mean(axis=0),
        comparator_time=time, comparator_event=event, **WHAT,
    )  # fmt: skip
    assert made.effect.value == pytest.approx(1.0, abs=1e-9)
    for change in ({"treatment": ARM}, {"comparator_time": None}, {"comparator_event": np.zeros(3)}):
        with pytest.raises(CannotEstimate):
            maic_hazard_ratio(
                time, event, X, **{"anchored": "unanchored", "comparator_time": time, "comparator_event": event,
                **GOAL, **WHAT, **change},
            )  # fmt: skip


AGE, FEMALE = TargetCovariate("age", 63, 8), TargetCovariate("female", 0.5, shape="binary")


def test_a_linear_stc_is_the_prediction_at_the_mean():
    """Only with an identity link is plugging in the mean the same as averaging."""
    y = X @ [0.1, 2.0] + np.random.default_rng(5).normal(size=N)
    made = stc(
        y, X, anchored="unanchored", measure="mean_difference", comparator=ArmSummary(5.0, 0.1, 50),
        target=[AGE, FEMALE], points=2**14, seed=1, **WHAT,
    )  # fmt: skip
    at_mean = float(np.array([1, 63, 0.5]) @ made.model.coef)
    assert made.predicted[0] == pytest.approx(at_mean, abs=1e-3)
    assert made.effect.value == pytest.approx(at_mean - 5.0, abs=1e-3)


def test_the_target_has_the_margins_and_the_correlation_asked_for():
    drug = TargetCovariate("dose", 20, 15, "log_normal")
    people = target_population(
        [AGE, FEMALE, drug], [[1, 0, 0.5], [0, 1, 0], [0.5, 0, 1]], points=2**15, seed=2
    )
    assert people.mean(axis=0) == pytest.approx([63, 0.5, 20], rel=2e-3)
    assert people[:, 0].std() == pytest.approx(8, rel=2e-3)
    assert people[:, 2].std() == pytest.approx(15, rel=2e-2)
    assert np.corrcoef(people[:, 0], np.log(people[:, 2]))[0, 1] == pytest.approx(0.5, abs=0.01)


def test_an_anchored_stc_without_interactions_has_one_odds_ratio_before_averaging():
    made = stc(
        Y, X, anchored="anchored", measure="odds_ratio", comparator=Contrast("B", "C", 0.0, 0.1), treatment=ARM,
        target=[AGE, FEMALE], interactions=["age"], effect_modifiers=["age"], seed=1,
    )  # fmt: skip
    assert made.model.names == ("intercept", "age", "female", "treatment", "treatment:age")
    one, zero = made.predicted
    assert made.effect.value == pytest.approx(one / (1 - one) / (zero / (1 - zero)))
    assert made.outside == ()


def test_a_rate_ratio_uses_person_time():
    rng = np.random.default_rng(6)
    time = rng.uniform(1, 5, N)
    events = rng.poisson(0.5 * time)
    made = stc(
        events, X, anchored="unanchored", measure="rate_ratio", comparator=ArmSummary(0.5, 0.05, 80),
        target=[AGE, FEMALE], exposure=time, seed=1, **WHAT,
    )  # fmt: skip
    assert made.effect.value == pytest.approx(1.0, abs=0.3)


@pytest.mark.parametrize(
    "change",
    [
        {"anchored": "anchored"},
        {"treatment": ARM},
        {"interactions": ["age"]},
        {"target": [AGE]},
        {"target": [AGE, TargetCovariate("female", 1.5, shape="binary")]},
        {"target": [TargetCovariate("age", 63), FEMALE]},
        {"correlation": [[1, 2], [2, 1]]},
        {"correlation": [[1, 1], [1, 1]]},
        {"points": 1000},
        {"exposure": np.ones(N)},
        {"measure": "rate"},
        {"prognostic_factors": None},
    ],
)
def test_stc_refuses_what_does_not_fit(change: Any):
    given: dict[str, Any] = {
        "anchored": "unanchored", "measure": "odds_ratio", "comparator": arm_of_events(2, 10),
        "target": [AGE, FEMALE], "seed": 1, **WHAT, **change,
    }  # fmt: skip
    with pytest.raises(CannotEstimate):
        stc(Y, X, **given)


def test_separation_in_the_outcome_model_is_refused():
    for outcome in ((X[:, 0] > 60).astype(int), np.zeros(N)):
        with pytest.raises(CannotEstimate):
            stc(
                outcome, X, anchored="unanchored", measure="odds_ratio", comparator=arm_of_events(2, 10),
                target=[AGE, FEMALE], seed=1, **WHAT,
            )  # fmt: skip
