"""Counts of what is missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.missing.pattern import loss_by_time, loss_by_visit, missing_map

NAN = float("nan")


def test_variables_patterns_and_arms_are_counted() -> None:
    columns = {"age": [1, 2, 3, 4], "bmi": [1.0, NAN, NAN, 2.0], "chl": [1.0, NAN, 3.0, NAN]}
    found = missing_map(columns, arm=["a", "a", "b", "b"])
    assert (found.n, found.complete, found.monotone, found.monotone_order) == (4, 1, False, None)
    bmi = found.variables[1]
    assert (bmi.variable, bmi.missing, bmi.share, bmi.by_arm) == ("bmi", 2, 0.5, {"a": (1, 2), "b": (1, 2)})
    assert {one.observed: one.subjects for one in found.patterns} == {
        (True, True, True): 1, (True, True, False): 1, (True, False, True): 1, (True, False, False): 1,
    }  # fmt: skip
    assert found.patterns[0].observed == (True, True, True) and found.patterns[0].by_arm == {"a": 1, "b": 0}


def test_a_monotone_pattern_is_recognised_in_any_order_of_columns() -> None:
    found = missing_map({"late": [1.0, NAN, NAN], "first": [1.0, 2.0, 3.0], "middle": [1.0, 2.0, NAN]})
    assert found.monotone and found.monotone_order == ("first", "middle", "late")


def test_every_kind_of_missing_value_counts() -> None:
    columns = {
        "text": ["a", None, "b"],
        "date": pd.Series(pd.to_datetime(["2024-01-01", None, "2024-01-02"])),
        "whole": pd.array([1, None, 2], dtype="Int64"),
        "mixed": pd.Series([1, pd.NaT, "x"], dtype=object),
        "flag": [True, False, True],
    }
    assert [one.missing for one in missing_map(columns).variables] == [1, 1, 1, 1, 0]


def test_loss_by_visit_tells_dropout_from_a_missed_visit() -> None:
    outcome = [[1, 2, 3], [1, NAN, 3], [1, NAN, NAN], [NAN, NAN, NAN]]
    found = loss_by_visit(outcome, ["w0", "w4", "w8"])
    assert [(one.observed, one.dropped, one.gone, one.intermittent) for one in found] == [
        (3, 1, 1, 0), (1, 1, 2, 1), (2, 0, 2, 0),
    ]  # fmt: skip
    by_arm = loss_by_visit(outcome, [0, 1, 2], arm=[0, 0, 1, 1])
    assert sum(one.dropped for one in by_arm) == 2 and len(by_arm) == 6


def test_loss_by_time_gives_events_losses_and_other_ends() -> None:
    found = loss_by_time([1.0, 2.0, 3.0, 5.0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 2, 4, 6])
    assert [(one.at_risk, one.events, one.lost, one.ended) for one in found] == [
        (4, 1, 1, 0),
        (2, 0, 0, 1),
        (1, 0, 0, 1),
    ]


def test_bad_input_is_refused_by_name() -> None:
    for columns, code in (
        ({}, "no_subjects"),
        ({"a": []}, "no_subjects"),
        ({"a": [1], "b": [1, 2]}, "lengths_differ"),
    ):
        with pytest.raises(CannotEstimate, match=code):
            missing_map(columns)
    with pytest.raises(CannotEstimate, match="lengths_differ"):
        missing_map({"a": [1, 2]}, arm=["x"])
    with pytest.raises(CannotEstimate, match="lengths_differ"):
        loss_by_visit([[1.0, 2.0]], ["w0"])
    with pytest.raises(CannotEstimate, match="no_subjects"):
        loss_by_visit(np.empty((0, 1)), ["w0"])
    for event, lost, breaks in (([1, 0], [1, 0], [0, 5]), ([1, 0], [0, 0], [5, 0]), ([1, 0], [0, 0], [5])):
        with pytest.raises(CannotEstimate, match="bad_argument"):
            loss_by_time([1.0, 2.0], event, lost, breaks)


def test_a_million_rows_are_counted() -> None:
    rng = np.random.default_rng(1)
    table = {f"v{k}": np.where(rng.random(1_000_000) < 0.1, np.nan, 1.0) for k in range(4)}
    found = missing_map(table, arm=np.arange(1_000_000) % 2)
    assert sum(one.subjects for one in found.patterns) == 1_000_000
