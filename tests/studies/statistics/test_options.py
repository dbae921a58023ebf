"""Single arguments of every public function: what is no number, word or yes/no is refused by name."""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, Literal, get_args, get_type_hints

import numpy as np
import pytest

import studies.statistics
from studies.reasons import CannotEstimate
from studies.statistics.options import checked, single_arguments
from studies.statistics.probability import normal_quantile

# Modules whose functions are steps of the methods: they are called with what a public function has checked.
STEPS = {
    "bridging.arguments", "causal.contrasts", "causal.designs", "causal.matchit_search", "causal.nearest",
    "causal.outcome_models", "causal.strata_weights", "counts.freeman_halton", "counts.log_link", "counts.measure",
    "counts.recursion", "counts.score", "estimate", "inputs", "missing.draws", "options", "probability",
    "repeated.contrasts", "repeated.design", "repeated.families", "repeated.likelihood",
    "repeated.working_correlation", "safety.checks", "survival.chi_squares", "survival.column_checks",
    "survival.columns", "survival.curve_limits", "survival.event_table", "survival.influence",
    "survival.risk_sets", "survival.subdistribution",
}  # fmt: skip
# The same, function by function, in modules that have public ones too.
STEP_FUNCTIONS = {
    "bridging.maic.bootstrap_error", "bridging.maic.transformed", "bridging.regression.mean_and_slope",
    "causal.balance.ecdf_distance", "causal.balance.weighted_variance", "causal.cem.bin_count",
    "causal.cem.stratified", "causal.logistic.irls", "causal.weights.tilted", "counts.proportions.binomial_p",
    "counts.proportions.limits", "doubt.parameters.draw", "doubt.parameters.draw_pair",
    "missing.tipping_point.checked_deltas", "missing.tipping_point.fill_map", "survival.cox.column_names",
    "survival.cox.maximise", "survival.kaplan_meier.is_robust", "survival.log_rank.event_weights",
    "survival.log_rank.quadratic_form", "survival.max_combo.largest_exceeds", "survival.prediction.baseline_ties",
}  # fmt: skip


def _public() -> Iterator[tuple[str, Callable[..., Any]]]:
    for found in pkgutil.walk_packages(studies.statistics.__path__, "studies.statistics."):
        short = found.name.removeprefix("studies.statistics.")
        if found.ispkg or short in STEPS:
            continue
        module = importlib.import_module(found.name)
        for name, function in vars(module).items():
            if name.startswith("_") or f"{short}.{name}" in STEP_FUNCTIONS:
                continue
            if inspect.isfunction(function) and function.__module__ == found.name:
                yield f"{short}.{name}", function


PUBLIC = {name: function for name, function in _public() if single_arguments(function)}


def test_every_public_function_with_single_arguments_checks_them() -> None:
    assert len(PUBLIC) > 250
    unchecked = [name for name, function in PUBLIC.items() if not hasattr(function, "__wrapped__")]
    assert not unchecked


def test_what_is_called_a_step_exists() -> None:
    for step in STEPS:
        importlib.import_module(f"studies.statistics.{step}")
    for step in STEP_FUNCTIONS:
        module, _, name = step.rpartition(".")
        assert inspect.isfunction(getattr(importlib.import_module(f"studies.statistics.{module}"), name))


def _kind(annotation: str) -> str:
    """The annotation without None: float, int, bool, str, or Literal (also by its name)."""
    bare = annotation.strip("'\"").replace(" | None", "")
    return bare if bare in ("float", "int", "bool", "str") else "Literal"


BAD = {
    "float": ["x", [1.0, 2.0], math.nan, math.inf, -math.inf, True, np.bool_(False), {}, 1j, 10**400],
    "int": ["x", [1, 2], math.nan, math.inf, True, 1.5, (), 10**400],
    "bool": ["x", [True], math.nan, 1, 0.0, np.array([True, False])],
    "str": [[1, 2], math.nan, True, 3, b"x", ("two-sided",)],
    "Literal": ["x", [1, 2], math.nan, True, np.array(["a", "b"]), {}],
}
GOOD = {"float": 0.5, "int": 1, "bool": True, "str": "x"}


@pytest.mark.parametrize("name", PUBLIC)
def test_an_option_of_another_kind_is_refused_by_its_name(name: str) -> None:
    """Options are checked first, so that the columns given here need not be any."""
    function = PUBLIC[name]
    parameters = inspect.signature(function).parameters
    looked_at = single_arguments(function)
    given = {
        each: _allowed(function, each) if each in looked_at else None
        for each, one in parameters.items()
        if one.default is one.empty
    }
    for option in looked_at:
        one = parameters[option]
        if one.kind is not one.KEYWORD_ONLY and one.default is one.empty:
            continue  # what is analysed, not an option: the tests of the function
        bad = list(BAD[_kind(str(one.annotation))])
        if "None" not in str(one.annotation):
            bad.append(None)
        for value in bad:
            with pytest.raises(CannotEstimate) as refused:
                function(**{**given, option: value})
            assert refused.value.reason.code == "bad_argument", (option, value)
            assert f"'{option}'" in refused.value.text.en and f"“{option}”" in refused.value.text.zh


def _allowed(function: Callable[..., Any], argument: str) -> object:
    """Something that the check of this argument lets pass."""
    for value in (0.5, 1, True, "x", *_words(function, argument)):
        try:
            single_arguments(function)[argument](value, argument)
        except CannotEstimate:
            continue
        return value
    raise AssertionError(argument)


def _words(function: Callable[..., Any], argument: str) -> tuple[object, ...]:
    return get_args(get_type_hints(function)[argument])


@checked
def asked(
    number: float,
    *,
    level: float = 0.95,
    rounds: int = 10,
    seed: int | None = None,
    robust: bool = False,
    name: str = "a",
    side: Literal[1, 2, "both"] = 1,
    limits: tuple[float, float] | None = None,
) -> tuple[object, ...]:
    """Gives back what it was given."""
    return number, level, rounds, seed, robust, name, side, limits


def test_numbers_of_numpy_and_whole_floats_are_taken_for_what_they_are() -> None:
    given = asked(np.int64(3), level=np.float32(0.5), rounds=20.0, seed=np.int32(4), robust=np.bool_(True))  # type: ignore[arg-type]  # a count as a float is understood
    assert given[:5] == (3.0, 0.5, 20, 4, True)
    assert isinstance(given[2], int) and isinstance(given[4], bool)
    assert asked(1.0, level=Fraction(1, 2))[1] == 0.5  # type: ignore[arg-type]  # any real number
    assert asked(2)[:1] == (2,) and asked(1.0, side="both")[6] == "both"


def test_none_passes_only_where_the_signature_has_it() -> None:
    assert asked(1.0, seed=None)[3] is None
    with pytest.raises(CannotEstimate, match="'rounds'"):
        asked(1.0, rounds=None)  # type: ignore[arg-type]  # what is tested


def test_a_negative_seed_is_refused_and_other_whole_numbers_may_be_negative() -> None:
    assert asked(1.0, rounds=-3)[2] == -3
    with pytest.raises(CannotEstimate, match="'seed'"):
        asked(1.0, seed=-1)


def test_true_is_not_the_option_1() -> None:
    with pytest.raises(CannotEstimate, match="1, 2, both"):
        asked(1.0, side=True)  # type: ignore[arg-type]  # what is tested


def test_what_is_analysed_is_refused_as_no_number_not_as_an_option() -> None:
    for value in (math.nan, "x", None, [1.0]):
        with pytest.raises(CannotEstimate) as refused:
            asked(value)  # type: ignore[arg-type]  # what is tested
        assert refused.value.reason.code == "not_a_number"


def test_other_arguments_pass_as_they_are() -> None:
    pair = (0.1, 0.9)
    assert asked(1.0, limits=pair)[7] is pair


def test_a_wrong_number_of_arguments_stays_a_fault_of_the_program() -> None:
    with pytest.raises(TypeError):
        asked()  # type: ignore[call-arg]  # what is tested


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 1.5, math.nan, "x"])
def test_no_quantile_of_an_impossible_level(level: Any) -> None:
    with pytest.raises(CannotEstimate, match="'conf_level'"):
        normal_quantile(level)
