"""Subgroup effects: identities, what is reported when a level cannot be estimated, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.subgroups import (
    CoxOutcome,
    LinearOutcome,
    LogisticOutcome,
    adjust_p,
    leave_one_site_out,
    subgroup_effects,
)

N = 400
_rng = np.random.default_rng(31)
ARM = np.arange(N) % 2
SITE = np.array(["a", "b", "c", "d"])[_rng.integers(0, 4, N)]
X = _rng.normal(size=N)
VALUE = 0.5 * ARM + X + _rng.normal(size=N)
YES = VALUE + _rng.normal(size=N) > 0.3
_event, _end = _rng.exponential(np.exp(-0.5 * ARM)), _rng.exponential(2.0, size=N)
TIME, EVENT = np.minimum(_event, _end), _event <= _end
OUTCOMES: list[Any] = [CoxOutcome(TIME, EVENT), LogisticOutcome(YES), LinearOutcome(VALUE)]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=["cox", "logistic", "linear"])
def test_counts_add_up_and_every_level_has_its_effect(outcome: Any) -> None:
    (found,) = subgroup_effects(outcome, ARM, {"site": SITE}, covariates=X)
    assert sum(one.n_control + one.n_treated for one in found.levels) == N
    assert [one.level for one in found.levels] == ["a", "b", "c", "d"]
    assert found.interaction is not None and found.interaction.df == 3
    assert all(one.effect is not None and one.not_estimated is None for one in found.levels)
    if outcome.events() is None:
        assert all(one.events_control is None for one in found.levels)
    else:
        assert sum((one.events_control or 0) + (one.events_treated or 0) for one in found.levels) == int(
            outcome.events().sum()
        )


def test_without_covariates_a_logistic_level_is_its_own_two_by_two_table() -> None:
    (found,) = subgroup_effects(LogisticOutcome(YES), ARM, {"site": SITE})
    for one in found.levels:
        a, b = one.events_treated, one.n_treated - (one.events_treated or 0)
        c, d = one.events_control, one.n_control - (one.events_control or 0)
        assert a and c and one.effect is not None
        assert one.effect.value == pytest.approx(a * d / (b * c), rel=1e-8)
        assert one.effect.se == pytest.approx(np.sqrt(1 / a + 1 / b + 1 / c + 1 / d), rel=1e-7)


@pytest.mark.parametrize("outcome", OUTCOMES, ids=["cox", "logistic", "linear"])
def test_the_arms_switched_turn_every_effect_around(outcome: Any) -> None:
    (a,), (b,) = (subgroup_effects(outcome, arm, {"site": SITE}, covariates=X) for arm in (ARM, 1 - ARM))
    for one, other in zip(a.levels, b.levels, strict=True):
        assert one.effect is not None and other.effect is not None
        turned = -other.effect.value if outcome.scale == "identity" else 1 / other.effect.value
        assert one.effect.value == pytest.approx(turned, rel=1e-6)
    assert a.interaction is not None and b.interaction is not None
    assert a.interaction.p == pytest.approx(b.interaction.p, rel=1e-6)


def test_a_level_with_one_arm_is_named_and_left_out_of_the_test() -> None:
    arm = np.where(SITE == "c", 1, ARM)
    (found,) = subgroup_effects(LinearOutcome(VALUE), arm, {"site": SITE})
    third = found.levels[2]
    assert third.effect is None and third.not_estimated is not None
    assert third.not_estimated.reason.code == "arm_empty_at_level"
    assert found.interaction is not None and found.interaction.df == 2


def test_a_level_without_events_in_an_arm_is_named_and_left_out_of_the_test() -> None:
    quiet = EVENT & ~((SITE == "b") & (ARM == 1))
    (found,) = subgroup_effects(CoxOutcome(TIME, quiet), ARM, {"site": SITE})
    second = found.levels[1]
    assert second.not_estimated is not None and second.not_estimated.reason.code == "no_events_in_arm"
    assert found.interaction is not None and found.interaction.df == 2


def test_a_variable_of_one_level_has_an_effect_and_no_test() -> None:
    (found,) = subgroup_effects(LinearOutcome(VALUE), ARM, {"all": np.ones(N)})
    assert found.interaction is None and found.no_interaction is not None
    assert found.no_interaction.reason.code == "one_level"
    assert found.levels[0].effect is not None
    assert found.levels[0].effect.value == pytest.approx(VALUE[ARM == 1].mean() - VALUE[ARM == 0].mean())


def test_adjustment_covers_the_tests_that_were_done() -> None:
    variables: dict[str, Any] = {"site": SITE, "half": X > 0, "all": np.ones(N)}
    plain = subgroup_effects(LinearOutcome(VALUE), ARM, variables)
    holm = subgroup_effects(LinearOutcome(VALUE), ARM, variables, adjust="holm")
    p = [one.interaction.p for one in plain if one.interaction]
    assert [one.interaction.p_adjusted for one in plain if one.interaction] == p
    assert [one.interaction.p_adjusted for one in holm if one.interaction] == pytest.approx(
        adjust_p(p, "holm")
    )
    assert all(one.interaction.adjustment == "holm" for one in holm if one.interaction)


def test_hochberg_is_never_larger_than_holm() -> None:
    p = list(np.random.default_rng(1).random(12))
    assert all(a <= b for a, b in zip(adjust_p(p, "hochberg"), adjust_p(p, "holm"), strict=True))
    assert adjust_p([], "holm") == []


def test_a_site_left_out_is_the_analysis_of_the_others() -> None:
    found = leave_one_site_out(LinearOutcome(VALUE), ARM, SITE)
    assert [one.site for one in found] == ["a", "b", "c", "d"]
    for one in found:
        rest = one.site != SITE
        assert one.n == int(rest.sum()) and one.n + one.n_left_out == N
        assert one.effect is not None
        assert one.effect.value == pytest.approx(
            VALUE[rest & (ARM == 1)].mean() - VALUE[rest & (ARM == 0)].mean()
        )


def test_a_site_without_which_one_arm_is_left_is_reported_with_the_reason() -> None:
    arm = (SITE == "a") * 1
    found = leave_one_site_out(LinearOutcome(VALUE), arm, SITE)
    assert found[0].effect is None and found[0].not_estimated is not None
    assert found[0].not_estimated.reason.code == "one_arm"


@pytest.mark.parametrize("test", ["likelihood_ratio", "wald"])
@pytest.mark.parametrize("outcome", ["cox", "logistic", "linear"])
def test_the_interaction_test_keeps_its_type_i_error_in_short(outcome: str, test: Any) -> None:
    assert type_i(outcome, test, 120) <= 0.12


@pytest.mark.long
@pytest.mark.parametrize("test", ["likelihood_ratio", "wald"])
@pytest.mark.parametrize("outcome", ["cox", "logistic", "linear"])
def test_the_interaction_test_keeps_its_type_i_error(outcome: str, test: Any) -> None:
    assert abs(type_i(outcome, test, 2000) - 0.05) <= 0.02


def type_i(outcome: str, test: Any, replications: int) -> float:
    """How often an effect that is the same at three levels is found to differ, n = 240."""
    rejected = 0
    for k in range(replications):
        rng = np.random.default_rng([5, k])
        arm, level = np.arange(240) % 2, rng.integers(0, 3, 240)
        mean = 0.5 * arm + 0.3 * level
        made: Any
        if outcome == "cox":
            event, end = rng.exponential(np.exp(-mean)), rng.exponential(2.0, 240)
            made = CoxOutcome(np.minimum(event, end), event <= end)
        elif outcome == "logistic":
            made = LogisticOutcome(rng.random(240) < 1 / (1 + np.exp(0.5 - mean)))
        else:
            made = LinearOutcome(mean + rng.normal(size=240))
        (found,) = subgroup_effects(made, arm, {"level": level}, test=test)
        rejected += found.interaction is not None and found.interaction.p < 0.05
    return rejected / replications


def test_bad_input_is_refused_by_name() -> None:
    cases: list[tuple[Any, str]] = [
        (lambda: subgroup_effects(LinearOutcome(VALUE), np.ones(N), {"site": SITE}), "one_arm"),
        (lambda: subgroup_effects(LinearOutcome(VALUE), ARM[:5], {"site": SITE}), "lengths_differ"),
        (lambda: subgroup_effects(LinearOutcome(VALUE), ARM + 1, {"site": SITE}), "bad_codes"),
        (lambda: subgroup_effects(LinearOutcome(VALUE), ARM, {"site": SITE[:5]}), "lengths_differ"),
        (lambda: subgroup_effects(LinearOutcome(VALUE), ARM, {"site": [None] * N}), "bad_labels"),
        (lambda: subgroup_effects(LinearOutcome(VALUE), ARM, {"s": SITE}, covariates=X * np.nan), "not_a_number"),
        (lambda: subgroup_effects(LinearOutcome(VALUE), ARM, {"s": SITE}, test="score"), "bad_argument"),  # type: ignore[arg-type] # wrong on purpose
        (lambda: subgroup_effects(LinearOutcome(VALUE), ARM, {"s": SITE}, adjust="sidak"), "bad_argument"),  # type: ignore[arg-type] # wrong on purpose
        (lambda: leave_one_site_out(LinearOutcome(VALUE), ARM, np.ones(N)), "one_level"),
        (lambda: adjust_p([0.5, 1.5], "holm"), "bad_argument"),
        (lambda: LinearOutcome([]), "no_subjects"),
        (lambda: LogisticOutcome([1, 2]), "bad_codes"),
        (lambda: CoxOutcome([1.0, -1.0], [1, 0]), "negative_time"),
        (lambda: CoxOutcome([1.0, 2.0], [1, 0], entry=[2.0, 0.0]), "entry_after_exit"),
    ]  # fmt: skip
    for call, code in cases:
        with pytest.raises(CannotEstimate) as refused:
            call()
        assert refused.value.reason.code == code


def test_a_collinear_covariate_leaves_the_reason_at_the_test() -> None:
    (found,) = subgroup_effects(
        LinearOutcome(VALUE), ARM, {"site": SITE}, covariates=np.column_stack([X, 2 * X])
    )
    assert found.interaction is None and found.no_interaction is not None
    assert found.no_interaction.reason.code == "dependent"


def test_separation_at_a_level_is_a_reason_and_not_a_number() -> None:
    split = np.where((SITE == "a") & (X > 0), True, np.where((SITE == "a") & (X < 0), False, YES))
    (found,) = subgroup_effects(LogisticOutcome(split), ARM, {"s": SITE == "a"}, covariates=X * (SITE == "a"))
    assert found.interaction is None and found.no_interaction is not None
    assert found.no_interaction.reason.code == "glm_not_converged"
