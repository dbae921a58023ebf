"""What every method asks of its numbers: the same checks, the same reasons."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.causal.least_squares import fit_least_squares
from studies.statistics.inputs import case_weights, cluster_labels, follow_up, labels, matrix, numbers, yes_no
from studies.statistics.survival.cox import fit_cox
from studies.statistics.survival.gray import gray_test
from studies.statistics.survival.kaplan_meier import kaplan_meier


def refused(code: str):
    return pytest.raises(CannotEstimate, match=f"^{code}:")


@pytest.mark.parametrize(
    "values",
    [
        [1, np.nan],
        [1, np.inf],
        ["1", "2"],
        [None, 1],
        [[1, 2], [3, 4]],
        pd.Series(pd.to_timedelta([10, 20], "D")),
        pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02"])),
        [1 + 2j, 3],
        object(),
    ],
    ids=["NaN", "infinite", "text", "None", "table", "spans of time", "dates", "complex", "object"],
)
def test_what_is_no_column_of_numbers_is_refused(values):
    """Days as a timedelta would silently become nanoseconds."""
    with refused("not_a_number"):
        numbers(values, "time")


def test_empty_and_unequal_columns_are_refused():
    with refused("no_subjects"):
        numbers([], "time")
    with refused("lengths_differ"):
        numbers([1, 2], "time", 3)
    with refused("lengths_differ"):
        matrix([[1], [2]], 3)
    with refused("no_subjects"):
        matrix(np.empty((0, 2)))


def test_events_are_coded_0_and_1():
    assert yes_no([True, False, 1, 0], "event").tolist() == [True, False, True, False]
    with refused("bad_codes"):
        yes_no([1, 2], "event")


def test_groups_are_anything_that_can_be_told_apart():
    assert labels(["b", "a", "b"], "group").levels == ("a", "b")
    assert labels(["b", 1, "b"], "group").codes.tolist() == [1, 0, 1]
    for missing in (["a", None], [1.0, np.nan]):
        with refused("bad_labels"):
            labels(missing, "group")


@pytest.mark.parametrize("weights", [[1, 0], [1, -1]])
def test_weights_are_above_0(weights):
    with refused("bad_weights"):
        case_weights(weights, 2)


def test_follow_up_runs_forward_from_0():
    with refused("negative_time"):
        follow_up([-1.0], [1])
    with refused("negative_time"):
        follow_up([1.0], [1], entry=[-1.0])
    with refused("entry_after_exit"):
        follow_up([1.0], [1], entry=[1.0])


def test_one_cluster_alone_gives_no_error():
    """Its scores sum to 0: every standard error would be 0, and every p too."""
    with refused("one_cluster"):
        cluster_labels(["x", "x"], 2)
    random = np.random.default_rng(1)
    x, time, event = random.normal(size=(40, 1)), random.exponential(size=40), np.ones(40)
    with refused("one_cluster"):
        fit_cox(x, time, event, cluster=np.ones(40))
    with refused("one_cluster"):
        kaplan_meier(time, event, cluster=np.ones(40))


def test_an_outcome_that_never_varies_has_no_slopes():
    with refused("constant"):
        fit_least_squares(np.full(20, 3.0), np.arange(20.0))


def test_a_stratum_in_which_nothing_happens_adds_nothing_to_grays_test():
    """R's cuminc: 3.19240999921 and 1.77661314398 for the two causes."""
    time = [*range(1, 11), 1, 2, 3, 4]
    status = [1, 2, 1, 1, 0, 2, 1, 0, 1, 2, 0, 0, 0, 0]
    group, strata = [0, 1] * 7, [1] * 10 + [2] * 4
    for cause, chisq in ((1, 3.19240999921), (2, 1.77661314398)):
        assert gray_test(time, status, group, cause=cause, strata=strata).chisq == pytest.approx(
            chisq, rel=1e-9
        )
