"""Bad input to every function of curves and tests: a typed reason, never a number and never NumPy's error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.survival.aalen_johansen import aalen_johansen, aalen_johansen_by
from studies.statistics.survival.fine_gray import fit_fine_gray
from studies.statistics.survival.gray import gray_test
from studies.statistics.survival.kaplan_meier import kaplan_meier, kaplan_meier_by
from studies.statistics.survival.landmark import known_at, landmark_subjects
from studies.statistics.survival.log_rank import log_rank
from studies.statistics.survival.max_combo import max_combo
from studies.statistics.survival.pseudo_regression import fit_pseudo_regression
from studies.statistics.survival.pseudo_values import pseudo_incidence, pseudo_rmst, pseudo_survival
from studies.statistics.survival.quantiles import median_follow_up, quantiles
from studies.statistics.survival.recurrent import (
    fit_recurrent,
    mcf_difference,
    mean_cumulative_function,
    recurrent_rows,
)
from studies.statistics.survival.rmst import rmst, rmst_difference

N = 12
GOOD: dict[str, Any] = {
    "time": [3.0, 5, 5, 7, 8, 9, 11, 12, 12, 14, 15, 16],
    "event": [1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1],
    "status": [1, 0, 2, 1, 0, 1, 2, 0, 1, 2, 0, 1],
    "group": [0, 1] * 6,
    "x": [[0.1], [0.7], [0.3], [0.9], [0.2], [0.8], [0.15], [0.4], [0.35], [0.6], [0.5], [0.05]],
    "id": list(range(N)),
}


def call(function: Callable[..., Any], *names: str, **fixed: Any) -> Callable[..., Any]:
    """The function with its columns by name, so that one of them can be spoiled."""

    def made(**changed: Any) -> Any:
        columns = [changed.pop(name) if name in changed else GOOD[name] for name in names]
        return function(*columns, **{**fixed, **changed})

    return made


CALLS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {}


def _register(function: Callable[..., Any], *names: str, **fixed: Any) -> None:
    CALLS[function.__name__] = (call(function, *names, **fixed), names)


_register(kaplan_meier, "time", "event")
_register(kaplan_meier_by, "group", "time", "event")
_register(median_follow_up, "time", "event")
_register(rmst, "time", "event")
_register(rmst_difference, "time", "event", "group")
_register(log_rank, "time", "event", "group")
_register(max_combo, "time", "event", "group")
_register(aalen_johansen, "time", "status")
_register(aalen_johansen_by, "group", "time", "status")
_register(gray_test, "time", "status", "group")
_register(fit_fine_gray, "x", "time", "status")
_register(pseudo_survival, "time", "event", times=[6.0])
_register(pseudo_rmst, "time", "event", tau=[6.0])
_register(pseudo_incidence, "time", "status", times=[6.0])
_register(mean_cumulative_function, "id", "time", "event")
_register(mcf_difference, "id", "time", "event", "group")
_register(recurrent_rows, "id", "time", "event")
_register(fit_recurrent, "x", "id", "time", "event")
_register(landmark_subjects, "time", "status", landmark=4.0)

EVERY = list(CALLS)
TAKE_ENTRY = [
    "kaplan_meier", "kaplan_meier_by", "median_follow_up", "rmst", "rmst_difference", "log_rank", "max_combo",
    "aalen_johansen", "aalen_johansen_by", "landmark_subjects",
]  # fmt: skip
TAKE_WEIGHTS = [
    "kaplan_meier", "kaplan_meier_by", "median_follow_up", "rmst", "rmst_difference", "aalen_johansen",
    "aalen_johansen_by", "mean_cumulative_function", "mcf_difference",
]  # fmt: skip


def refused(name: str, **changed: Any) -> str:
    with pytest.raises(CannotEstimate) as refusal:
        CALLS[name][0](**changed)
    assert refusal.value.text.zh and refusal.value.text.en
    return refusal.value.reason.code


def spoiled(column: str, value: float) -> list[float]:
    values = list(map(float, GOOD[column]))
    values[3] = value
    return values


@pytest.mark.parametrize("name", EVERY)
def test_good_input_gives_a_result(name: str) -> None:
    """The calls below differ from this one in one thing each."""
    assert CALLS[name][0]() is not None


@pytest.mark.parametrize("name", EVERY)
def test_nobody_is_a_reason(name: str) -> None:
    """Empty columns."""
    empty = {column: np.empty((0, 1)) if column == "x" else [] for column in CALLS[name][1]}
    assert refused(name, **empty) in ("no_subjects", "not_a_number")


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_time_that_is_no_number_is_a_reason(name: str, value: float) -> None:
    """NaN and infinite follow-up."""
    assert refused(name, time=spoiled("time", value)) == "not_a_number"


@pytest.mark.parametrize("name", EVERY)
def test_a_negative_time_is_a_reason(name: str) -> None:
    """Time before the start."""
    assert refused(name, time=spoiled("time", -1.0)) == "negative_time"


@pytest.mark.parametrize("name", EVERY)
def test_text_for_a_time_is_a_reason(name: str) -> None:
    """A column of words."""
    assert refused(name, time=["a"] * N) == "not_a_number"


@pytest.mark.parametrize("name", EVERY)
def test_columns_of_different_length_are_a_reason(name: str) -> None:
    """One time too few."""
    assert refused(name, time=GOOD["time"][:-1]) == "lengths_differ"


@pytest.mark.parametrize("name", EVERY)
def test_codes_that_are_not_allowed_are_a_reason(name: str) -> None:
    """R's 1/2, halves, negative kinds of event."""
    column = "event" if "event" in CALLS[name][1] else "status"
    assert refused(name, **{column: spoiled(column, 0.5)}) == "bad_codes"
    assert refused(name, **{column: spoiled(column, -1)}) == "bad_codes"


@pytest.mark.parametrize("name", [name for name in EVERY if "group" in CALLS[name][1]])
def test_a_group_that_is_missing_is_a_reason(name: str) -> None:
    """None among the labels."""
    assert refused(name, group=[None, *GOOD["group"][1:]]) == "bad_labels"


@pytest.mark.parametrize("name", TAKE_ENTRY)
def test_entry_at_or_after_exit_is_a_reason(name: str) -> None:
    """Nobody leaves before coming; and entry may not be negative, missing or short."""
    assert refused(name, entry=GOOD["time"]) == "entry_after_exit"
    assert refused(name, entry=[-1.0] * N) == "negative_time"
    assert refused(name, entry=[np.nan] * N) == "not_a_number"
    assert refused(name, entry=[0.0]) == "lengths_differ"


@pytest.mark.parametrize("name", TAKE_WEIGHTS)
@pytest.mark.parametrize(
    ("value", "code"), [(0.0, "bad_weights"), (-1.0, "bad_weights"), (np.inf, "not_a_number")]
)
def test_a_weight_that_is_no_weight_is_a_reason(name: str, value: float, code: str) -> None:
    """0, negative and infinite weights."""
    assert refused(name, weights=[1.0] * (N - 1) + [value]) == code


ONE = {"time": [3.0], "event": [1], "status": [1], "group": [0], "x": [[0.1]], "id": [0]}


@pytest.mark.parametrize("name", EVERY)
def test_one_subject_gives_a_result_or_a_reason(name: str) -> None:
    """A curve of one is a curve; a comparison, a regression or a pseudo-value of one is not."""
    columns = {column: ONE[column] for column in CALLS[name][1]}
    if name in ("kaplan_meier", "kaplan_meier_by", "median_follow_up", "rmst", "aalen_johansen",
                "aalen_johansen_by", "recurrent_rows"):  # fmt: skip
        assert CALLS[name][0](**columns) is not None
    else:
        assert refused(name, **columns) in (
            "one_arm", "two_groups", "too_many_terms", "not_estimable", "nobody_at_landmark", "one_cluster",
        )  # fmt: skip


@pytest.mark.parametrize("name", EVERY)
def test_no_events_give_a_flat_curve_or_a_reason(name: str) -> None:
    """All censored."""
    column = "event" if "event" in CALLS[name][1] else "status"
    calm = {column: [0] * N}
    if name in ("kaplan_meier", "kaplan_meier_by", "median_follow_up", "rmst", "rmst_difference", "pseudo_survival",
                "pseudo_rmst", "mean_cumulative_function", "landmark_subjects"):  # fmt: skip
        assert CALLS[name][0](**calm) is not None
    else:
        assert refused(name, **calm) == "no_events"


@pytest.mark.parametrize("name", ["log_rank", "max_combo", "gray_test", "rmst_difference", "mcf_difference"])
def test_one_group_is_a_reason(name: str) -> None:
    """Nothing to compare."""
    assert refused(name, group=[1] * N) in ("one_arm", "two_groups")


@pytest.mark.parametrize("name", ["max_combo", "rmst_difference", "mcf_difference"])
def test_three_groups_are_a_reason_where_two_are_compared(name: str) -> None:
    """Tests and differences of two."""
    assert refused(name, group=[0, 1, 2] * 4) == "two_groups"


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("kaplan_meier", {"conf_type": "wald"}),
        ("kaplan_meier", {"conf_level": 1.0}),
        ("kaplan_meier", {"conf_level": 0.0}),
        ("kaplan_meier", {"stype": 3}),
        ("kaplan_meier", {"conf_lower": "lower"}),
        ("kaplan_meier", {"conf_lower": "peto", "robust": True}),
        ("fit_fine_gray", {"robust_by": "site"}),
        ("kaplan_meier", {"ctype": 0}),
        ("kaplan_meier", {"cluster": GOOD["id"], "robust": False}),
        ("kaplan_meier_by", {"conf_type": "hall"}),
        ("median_follow_up", {"conf_type": "x"}),
        ("rmst", {"tau": 0.0}),
        ("rmst", {"tau": -5.0}),
        ("rmst", {"tau": float("nan")}),
        ("rmst", {"conf_level": 2.0}),
        ("log_rank", {"rho": -1.0}),
        ("log_rank", {"gamma": float("nan")}),
        ("log_rank", {"weighting": "peto"}),
        ("log_rank", {"weighting": "tarone-ware", "rho": 1.0}),
        ("log_rank", {"scores": [1.0, 1.0]}),
        ("max_combo", {"rho_gamma": []}),
        ("max_combo", {"alternative": "both"}),
        ("max_combo", {"rho_gamma": [(-1.0, 0.0)]}),
        ("aalen_johansen", {"variance": "greenwood"}),
        ("aalen_johansen", {"variance": "aalen", "weights": [1.5] * N}),
        ("aalen_johansen", {"variance": "aalen", "cluster": GOOD["id"]}),
        ("aalen_johansen", {"conf_type": "x"}),
        ("gray_test", {"rho": float("inf")}),
        ("fit_fine_gray", {"variant": "both"}),
        ("fit_fine_gray", {"entry": [0.0] * N}),
        ("fit_fine_gray", {"weights": [1.0] * N}),
        ("fit_fine_gray", {"gtol": 0.0}),
        ("fit_fine_gray", {"variant": "finegray", "ties": "exact"}),
        ("pseudo_survival", {"method": "bootstrap"}),
        ("pseudo_rmst", {"tau": [0.0]}),
        ("mean_cumulative_function", {"conf_type": "logit"}),
        ("recurrent_rows", {"model": "frailty"}),
        ("recurrent_rows", {"max_events": 0}),
        ("landmark_subjects", {"landmark": -1.0}),
        ("landmark_subjects", {"horizon": 2.0}),
    ],
)
def test_an_unknown_option_is_a_reason(name: str, option: dict[str, Any]) -> None:
    """What is allowed is said."""
    assert refused(name, **option) == "bad_argument"


def test_a_cause_that_never_happens_is_a_reason() -> None:
    """Also cause 0, which is censoring."""
    for name in ("gray_test", "fit_fine_gray", "pseudo_incidence"):
        assert refused(name, cause=7) == "no_events"
        assert refused(name, cause=0) == "no_events"


def test_tau_beyond_the_shorter_arm_is_a_reason() -> None:
    """The area is not known there; unless the curve has come down to 0."""
    censored_last = [*GOOD["event"][:-1], 0]
    assert refused("rmst", tau=17.0, event=censored_last) == "tau_beyond"
    assert refused("rmst_difference", tau=17.0) == "tau_beyond"
    assert CALLS["rmst"][0](tau=17.0).rmst.value == CALLS["rmst"][0](tau=16.0).rmst.value


def test_times_beyond_follow_up_have_no_pseudo_values() -> None:
    """As no curve reaches there."""
    assert refused("pseudo_survival", times=[17.0]) == "time_beyond_follow_up"
    assert refused("pseudo_incidence", times=[np.nan]) == "not_a_number"


@pytest.mark.parametrize("variant", ["crr", "finegray"])
def test_columns_that_carry_nothing_are_a_reason(variant: str) -> None:
    """Constant, the same twice, more columns than events, and one that separates."""
    x = np.array(GOOD["x"])
    run = CALLS["fit_fine_gray"][0]
    with pytest.raises(CannotEstimate, match="constant"):
        run(x=np.ones((N, 1)), variant=variant)
    with pytest.raises(CannotEstimate, match="dependent"):
        run(x=np.hstack([x, 2 * x]), variant=variant)
    with pytest.raises(CannotEstimate, match="too_many_terms"):
        run(x=np.random.default_rng(1).normal(size=(N, 8)), variant=variant)
    only_without = np.where(np.array(GOOD["status"]) == 1, 0.0, 1.0)[:, None]
    with pytest.raises(CannotEstimate, match="monotone_likelihood"):
        run(x=only_without, variant=variant, **({} if variant == "finegray" else {"max_iterations": 60}))


def test_regression_on_pseudo_values_refuses_what_it_cannot_fit() -> None:
    """Columns without information, too many of them, unknown links, another number of rows."""
    pseudo = pseudo_survival(GOOD["time"], GOOD["event"], [6.0])
    for x, code in (
        (np.ones((N, 1)), "constant"),
        (np.hstack([GOOD["x"], GOOD["x"]]), "dependent"),
        (np.random.default_rng(1).normal(size=(N, N)), "too_many_terms"),
        (np.ones((3, 1)), "lengths_differ"),
        (np.full((N, 1), np.nan), "not_a_number"),
    ):
        with pytest.raises(CannotEstimate, match=code):
            fit_pseudo_regression(pseudo, x)
    with pytest.raises(CannotEstimate, match="bad_argument"):
        fit_pseudo_regression(pseudo, GOOD["x"], link="probit")


def test_rows_of_a_subject_may_not_overlap() -> None:
    """Nor may a subject belong to both groups; WLW cannot take gaps."""
    rows = {"id": [1, 1, 2], "stop": [5.0, 9.0, 7.0], "event": [1, 0, 1]}
    with pytest.raises(CannotEstimate, match="rows_overlap"):
        recurrent_rows(**rows, start=[0.0, 4.0, 0.0])
    with pytest.raises(CannotEstimate, match="rows_overlap"):
        mean_cumulative_function(**rows)
    with pytest.raises(CannotEstimate, match="subject_in_two_groups"):
        mcf_difference(**rows, start=[0.0, 5.0, 0.0], group=[0, 1, 1])
    with pytest.raises(CannotEstimate, match="bad_argument"):
        recurrent_rows(**rows, start=[0.0, 6.0, 0.0], model="wlw")


def test_quantiles_and_readings_refuse_what_is_no_probability_or_time() -> None:
    """Below 0, above 1, NaN."""
    curve = kaplan_meier(GOOD["time"], GOOD["event"])
    for bad in (-0.1, 1.1, np.nan):
        with pytest.raises(CannotEstimate):
            quantiles(curve, bad)
    with pytest.raises(CannotEstimate):
        quantiles(curve, 0.5, tolerance=-1.0)
    with pytest.raises(CannotEstimate, match="not_a_number"):
        curve.at([np.nan])
    with pytest.raises(CannotEstimate, match="no_subjects"):
        curve.n_risk_at([])


def test_a_landmark_with_nobody_left_is_a_reason() -> None:
    """And so are measurements without a subject or of a negative age."""
    assert refused("landmark_subjects", landmark=16.0) == "nobody_at_landmark"
    with pytest.raises(CannotEstimate, match="lengths_differ"):
        known_at([1], [1, 2], [0.0], [3.0], 5.0)
    with pytest.raises(CannotEstimate, match="bad_argument"):
        known_at([1], [1], [0.0], [3.0], 5.0, max_age=-1.0)
