"""Outcomes by the demonstration's decision table: recurrence, death and the check in between."""

from __future__ import annotations

import pandas as pd
import pytest

from rwd_platform.core.text import Bilingual
from studies.attrition import Attrition
from studies.outcome import derive_outcome
from tests.studies.rotterdam_lock import OUTCOMES, rotterdam_protocol
from tests.studies.small import line_of

START = Bilingual("起", "Start")


def derive(rows: list[tuple[str, str, int]]):
    codes = {"recurrence": "recurrence-status", "no-recurrence": "recurrence-status"}
    table = pd.DataFrame(
        {
            "subject_id": [subject for subject, _, _ in rows],
            "code_system": OUTCOMES,
            "code": [codes.get(value, "vital-status") for _, value, _ in rows],
            "value_code": [value for _, value, _ in rows],
            "effective_day": pd.array([day for *_, day in rows], dtype="Int64"),
            "status": "final",
            "row_order": range(len(rows)),
            "source_row": [f"file:{number}:digest" for number in range(1, len(rows) + 1)],
        }
    )
    attrition = Attrition.of(sorted({subject for subject, _, _ in rows}), START)
    return derive_outcome({"outcome_event": table}, rotterdam_protocol().outcome, attrition), attrition


@pytest.mark.parametrize(
    ("first", "second", "days", "event"),
    [
        (("recurrence", 300), ("dead", 900), 300, 1),
        (("recurrence", 300), ("alive", 900), 300, 1),
        (("no-recurrence", 700), ("dead", 900), 700, 0),
        (("no-recurrence", 900), ("dead", 900), 900, 1),
        (("no-recurrence", 900), ("alive", 900), 900, 0),
        (("no-recurrence", 700), ("alive", 900), 900, 0),
        (("no-recurrence", 0), ("alive", 0), 0, 0),
    ],
)
def test_the_first_rule_that_holds_decides(first, second, days, event):
    """The table of the protocol, line by line. A day of 0 is follow-up, if none to speak of."""
    outcomes, attrition = derive([("A", *first), ("A", *second)])
    assert (outcomes.time_days, outcomes.event) == ({"A": days}, {"A": event})
    assert attrition.ids == ["A"]


def test_a_recurrence_alone_is_not_enough_for_the_other_rules():
    """Without a check for recurrence, a death or last contact says nothing about recurrence."""
    outcomes, attrition = derive([("A", "dead", 900), ("B", "recurrence", 10), ("C", "no-recurrence", 10)])
    assert outcomes.time_days == {"B": 10}
    assert attrition.steps[-2].left == 2


def test_the_time_has_one_line_and_the_event_all_that_were_looked_at():
    """Censored at the last check: the day is the check's; that it is no event of any kind follows from both records."""
    outcomes, _ = derive([("A", "no-recurrence", 700), ("A", "dead", 900)])
    lines = (
        outcomes.lineage.groupby("variable")["source_row"]
        .agg(lambda names: list(map(line_of, names)))
        .to_dict()
    )
    assert lines == {"time_days": [1], "event": [1, 2], "status": [1, 2]}


def test_alive_after_death_is_a_contradiction_and_free_after_recurrence_is_not():
    """Death is final; a remission after a recurrence is a course of disease."""
    _, attrition = derive([("A", "no-recurrence", 9), ("A", "dead", 10), ("A", "alive", 11)])
    assert attrition.ids == []
    outcomes, attrition = derive([("A", "recurrence", 10), ("A", "no-recurrence", 50), ("A", "alive", 60)])
    assert outcomes.time_days == {"A": 10} and outcomes.event == {"A": 1}
