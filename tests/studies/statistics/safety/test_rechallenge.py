"""De- and re-challenge from dated records."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studies.statistics.safety.rechallenge import ANSWERS, challenges, rules
from tests.studies.statistics.safety.test_rates import refused

NO = None


def one(**changes: Any) -> tuple[str, str]:
    """An event on day 10, stopped on 12, gone on 20, seen until day 400."""
    record: dict[str, Any] = {
        "stopped": 12, "ended": 20, "restarted": NO, "recurred": NO, "observed_until": 400,
    }  # fmt: skip
    record |= changes
    found = challenges([10], **{name: [value] for name, value in record.items()})
    return found.dechallenge[0], found.rechallenge[0]


@pytest.mark.parametrize(
    ("changes", "dechallenge", "rechallenge"),
    [
        ({}, "positive", "not_done"),
        ({"ended": 43}, "negative", "not_done"),
        ({"ended": 42}, "positive", "not_done"),  # the last day of the window
        ({"ended": NO}, "negative", "not_done"),
        ({"ended": NO, "observed_until": 30}, "not_assessable", "not_done"),
        ({"stopped": NO}, "not_done", "not_done"),
        ({"stopped": 9}, "not_done", "not_done"),  # withdrawn before the event began
        ({"ended": 12}, "not_assessable", "not_done"),  # over before withdrawal could act
        ({"fatal": 1, "ended": NO}, "not_assessable", "not_done"),
        ({"treated": 1}, "not_assessable", "not_done"),
        ({"restarted": 60, "recurred": 65}, "positive", "positive"),
        ({"restarted": 60, "recurred": 91}, "positive", "negative"),
        ({"restarted": 60}, "positive", "negative"),
        ({"restarted": 60, "observed_until": 70}, "positive", "not_assessable"),
        ({"restarted": 15, "recurred": NO}, "not_assessable", "not_assessable"),  # given again before the end
        ({"ended": NO, "restarted": 60}, "negative", "not_assessable"),
    ],
)
def test_the_answers_follow_the_dates(changes: dict[str, Any], dechallenge: str, rechallenge: str):
    assert one(**changes) == (dechallenge, rechallenge)


def test_the_answers_of_the_rechallenge_have_their_icsr_codes():
    found = challenges(
        [10, 10, 10, 10],
        stopped=[12, 12, 12, 12],
        ended=[20, 20, 20, 20],
        restarted=[60, 60, 60, NO],
        recurred=[61, NO, NO, NO],
        observed_until=[400, 400, 62, 400],
    )
    assert list(found.e2b) == [1, 2, 3, 4]
    assert found.counts()["rechallenge"] == dict.fromkeys(ANSWERS, 1)


def test_shifting_every_date_changes_nothing():
    base = {"stopped": 12, "ended": 20, "restarted": 60, "recurred": 61, "observed_until": 400}
    moved = {name: [value + 1000] for name, value in base.items()}
    assert (
        challenges([1010], **moved).rechallenge
        == challenges([10], **{name: [value] for name, value in base.items()}).rechallenge
    )


def test_the_windows_are_policy_and_can_be_set():
    assert rules()["dechallenge"]["window_days"] == 30
    found = challenges(
        [10],
        stopped=[12],
        ended=[43],
        restarted=[NO],
        recurred=[NO],
        observed_until=[400],
        dechallenge_window=60,
    )
    assert found.dechallenge == ("positive",)
    assert "60" in found.method and rules()["edition"] in found.method


def test_impossible_dates_are_refused():
    columns: dict[str, Any] = {
        "stopped": [12], "ended": [20], "restarted": [NO], "recurred": [NO], "observed_until": [400],
    }  # fmt: skip
    refused("bad_argument", challenges, [10], **{**columns, "ended": [9]})
    refused("bad_argument", challenges, [10], **{**columns, "restarted": [12]})
    refused("bad_argument", challenges, [10], **{**columns, "recurred": [30]})
    refused("bad_argument", challenges, [10], **{**columns, "observed_until": [15]})
    refused("lengths_differ", challenges, [10], **{**columns, "ended": [20, 21]})
    refused("not_a_number", challenges, [10], **{**columns, "ended": ["soon"]})
    refused("no_subjects", challenges, [], **columns)
    refused("bad_argument", challenges, [10], **columns, rechallenge_window=0)


def test_a_million_events_are_classified_at_once():
    onset = np.arange(1_000_000) % 100
    found = challenges(
        onset,
        stopped=onset + 1.0,
        ended=onset + 5.0,
        restarted=np.full(len(onset), np.nan),
        recurred=np.full(len(onset), np.nan),
        observed_until=onset + 100,
    )
    assert found.counts()["dechallenge"]["positive"] == 1_000_000
