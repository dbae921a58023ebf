"""Exposure-adjusted rates and the adverse-event table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.reasons import CannotEstimate
from studies.statistics.safety.event_table import adverse_event_table
from studies.statistics.safety.rates import (
    event_rate,
    exact_rate,
    incidence_rate,
    observed_days,
    rate_difference,
)


def refused(code: str, function: Any, *args: Any, **options: Any) -> None:
    with pytest.raises(CannotEstimate) as caught:
        function(*args, **options)
    assert caught.value.reason.code == code
    assert caught.value.text.zh and caught.value.text.en


def test_the_clock_of_the_incidence_rate_stops_at_the_first_event():
    rate = incidence_rate([2.0, 5.0, 1.0], [1, 0, 1], per=1)
    assert (rate.n, rate.events, rate.person_time, rate.rate) == (3, 2, 8.0, 0.25)


def test_without_an_event_the_one_sided_upper_limit_is_minus_log_alpha_over_time():
    """The rule of three, 3/T, is this number rounded."""
    rate = exact_rate(0, 250, per=1)
    assert rate.rate == rate.lower == 0
    assert rate.upper_one_sided == pytest.approx(-math.log(0.05) / 250, rel=1e-13)
    assert rate.upper == pytest.approx(-math.log(0.025) / 250, rel=1e-13)


def test_splitting_follow_up_changes_nothing():
    whole = incidence_rate([5.0, 3.0], [1, 0])
    split = incidence_rate([2.0, 5.0, 3.0], [0, 1, 0], entry=[0.0, 2.0, 0.0])
    assert (split.rate, split.lower, split.upper) == (whole.rate, whole.lower, whole.upper)


def test_events_in_clusters_widen_the_robust_limits_and_not_the_exact_ones():
    even, clustered = event_rate([2, 2, 2, 2], [1, 1, 1, 1]), event_rate([8, 0, 0, 0], [1, 1, 1, 1])
    assert (even.lower, even.upper) == (clustered.lower, clustered.upper)
    assert even.robust_upper == pytest.approx(even.rate)
    assert clustered.robust_upper > clustered.upper


def test_swapping_the_arms_turns_the_differences_round():
    one, two = exact_rate(4, 30), exact_rate(9, 55)
    there, back = rate_difference(one, two), rate_difference(two, one)
    assert there.value == pytest.approx(-back.value)
    assert (there.lower, there.upper) == pytest.approx((-back.upper, -back.lower))


@given(
    x=st.integers(0, 60),
    time=st.floats(0.1, 1e5),
    level=st.sampled_from([0.8, 0.9, 0.95, 0.99]),
)
@settings(max_examples=60, deadline=None)
def test_limits_enclose_the_rate_and_widen_with_the_level(x: int, time: float, level: float):
    rate, wider = exact_rate(x, time, conf_level=level), exact_rate(x, time, conf_level=(1 + level) / 2)
    assert wider.lower <= rate.lower <= rate.rate <= rate.upper_one_sided <= rate.upper <= wider.upper


def test_what_cannot_be_a_rate_is_refused_with_a_reason():
    refused("no_subjects", incidence_rate, [], [])
    refused("lengths_differ", incidence_rate, [1.0, 2.0], [1])
    refused("negative_time", incidence_rate, [-1.0], [1])
    refused("not_a_number", incidence_rate, [math.nan], [1])
    refused("bad_codes", incidence_rate, [1.0], [2])
    refused("entry_after_exit", incidence_rate, [1.0], [1], entry=[1.0])
    refused("no_time_at_risk", incidence_rate, [0.0], [0])
    refused("no_time_at_risk", event_rate, [0], [0.0])
    refused("not_a_number", exact_rate, 1, math.inf)
    refused("bad_argument", exact_rate, 1, 2.0, conf_level=1.0)
    refused("bad_argument", exact_rate, 1, 2.0, conf_level=math.nan)
    refused("bad_argument", exact_rate, -1, 2.0)
    refused("bad_argument", event_rate, [1.5], [1.0])
    refused("bad_argument", rate_difference, exact_rate(1, 2), exact_rate(1, 2, per=1))
    refused("bad_argument", observed_days, [3], [2])


def test_both_days_of_a_treatment_count():
    assert list(observed_days([1, 10], [1, 14])) == [1, 5]


SUBJECTS: dict[str, Any] = {
    "subject": ["a", "b", "c", "d"],
    "time": [10.0, 20.0, 30.0, 40.0],
    "group": ["new", "new", "old", "old"],
}
EVENTS: dict[str, Any] = {
    "event_subject": ["a", "a", "c", "d", "b"],
    "event_time": [3.0, 5.0, 12.0, 60.0, 0.0],
    "soc": ["skin", "skin", "skin", "eye", "eye"],
    "term": ["rash", "itch", "rash", "pain", "pain"],
}


def test_the_event_table_has_a_line_for_any_event_each_class_and_each_term():
    table = adverse_event_table(**SUBJECTS, **EVENTS, per=1)
    assert [(one.soc, one.term) for one in table.rows[::2]] == [
        (None, None), ("eye", None), ("eye", "pain"), ("skin", None), ("skin", "itch"), ("skin", "rash"),
    ]  # fmt: skip
    assert table.outside == 1  # d's event began after d's time at risk
    any_new, any_old = table.rows[:2]
    assert (any_new.subjects, any_new.incidence.person_time) == (2, 3.0 + 0.0)
    assert (any_new.event_rate.events, any_new.event_rate.person_time) == (3, 30.0)
    assert (any_old.subjects, any_old.incidence.person_time) == (1, 12.0 + 40.0)
    rash_new = table.rows[-2]
    assert (rash_new.subjects, rash_new.incidence.person_time) == (1, 3.0 + 20.0)


def test_the_order_of_rows_does_not_matter():
    turned = {name: column[::-1] for name, column in SUBJECTS.items()}
    events = {name: column[::-1] for name, column in EVENTS.items()}
    assert adverse_event_table(**turned, **events) == adverse_event_table(**SUBJECTS, **EVENTS)


def test_differences_are_against_the_reference():
    table = adverse_event_table(**SUBJECTS, **EVENTS, reference="old")
    first = table.differences[0]
    assert (first.group, first.reference) == ("new", "old")
    assert first.proportion.estimate == pytest.approx(2 / 2 - 1 / 2)
    assert first.incidence.value == pytest.approx(100 * (2 / 3 - 1 / 52))
    assert len(table.differences) == len(table.rows) // 2


def test_a_study_without_events_still_has_its_line():
    table = adverse_event_table(["a", "b"], [1.0, 2.0], event_subject=[], event_time=[], term=[])
    assert len(table.rows) == 1
    assert table.rows[0].incidence.upper_one_sided == pytest.approx(-100 * math.log(0.05) / 3)


def test_an_event_table_of_impossible_rows_is_refused():
    refused(
        "repeated_subject", adverse_event_table, ["a", "a"], [1, 2], event_subject=[], event_time=[], term=[]
    )
    refused("no_subjects", adverse_event_table, [], [], event_subject=[], event_time=[], term=[])
    stranger: dict[str, Any] = {"event_subject": ["z"], "event_time": [1.0], "term": ["rash"]}
    refused("unknown_subject", adverse_event_table, ["a"], [1.0], **stranger)
    refused(
        "one_arm", adverse_event_table, ["a"], [1.0], **{**stranger, "event_subject": ["a"]}, reference="new"
    )
    refused("bad_argument", adverse_event_table, **SUBJECTS, **EVENTS, reference="other")
    refused("no_time_at_risk", adverse_event_table, ["a"], [0.0], event_subject=[], event_time=[], term=[])
    refused("lengths_differ", adverse_event_table, **SUBJECTS, **{**EVENTS, "term": ["rash"]})


def test_a_million_subjects_are_counted_without_a_loop_over_them():
    rng = np.random.default_rng(1)
    n, m = 1_000_000, 300_000
    table = adverse_event_table(
        np.arange(n),
        rng.uniform(1, 2, n),
        event_subject=rng.integers(0, n, m),
        event_time=rng.uniform(0, 1, m),
        term=rng.integers(0, 5, m),
    )
    assert table.rows[0].event_rate.events == m
    assert sum(one.event_rate.events for one in table.rows[1:]) == m
