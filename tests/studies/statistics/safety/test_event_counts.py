"""All lines of an adverse-event table from one sort: the same counts as line by line, and refusals that say why."""

from __future__ import annotations

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.safety.event_counts import EventCounts, event_counts
from studies.statistics.safety.event_table import adverse_event_table


def drawn(n: int = 60, m: int = 300, seed: int = 1, lines: int = 5):
    random = np.random.default_rng(seed)
    time, group = random.integers(1, 400, n).astype(float), random.integers(0, 2, n)
    who = random.integers(0, n, m)
    when = np.floor(random.uniform(size=m) * (time[who] + 1))
    return time, group, who, when, random.integers(0, lines, m)


def counted(time, group, who, when, line, *, lines: int = 5, groups: int = 2) -> EventCounts:
    return event_counts(
        time, group, groups=groups, event_subject=who, event_time=when, line=line, lines=lines
    )


def test_it_gives_what_the_table_gives_line_by_line():
    """`safety.event_table.adverse_event_table` walks through the lines one after the other."""
    time, group, who, when, line = drawn()
    found = counted(time, group, who, when, line)
    slow = adverse_event_table(
        np.arange(len(time)), time, event_subject=who, event_time=when, term=line, group=group
    )
    for row in slow.rows:
        if row.term is not None:
            cell = int(row.term), int(row.group)
            assert found.subjects[cell] == row.subjects
            assert found.events[cell] == row.event_rate.events
            assert found.person_time[cell] == pytest.approx(row.incidence.person_time, rel=1e-12)


def test_onsets_are_the_first_events_of_the_line_in_order():
    time, group = [10.0, 10.0, 10.0], [0, 0, 1]
    found = counted(time, group, [0, 0, 1, 2, 0], [7, 3, 1, 9, 5], [1, 1, 1, 1, 0], lines=3)
    assert found.onset_of(1, 0).tolist() == [1, 3] and found.onset_of(1, 1).tolist() == [9]
    assert found.onset_of(0, 0).tolist() == [5] and found.onset_of(2, 1).tolist() == []
    assert found.person_time[1].tolist() == [3 + 1, 9] and found.person_time[2].tolist() == [20, 10]


def test_no_event_leaves_everybody_at_risk_to_the_end():
    found = counted([5.0, 7.0], [0, 1], [], [], [])
    assert not found.subjects.any() and found.person_time.tolist() == [[5, 7]] * 5 and len(found.onset) == 0


def test_a_group_without_anybody_has_no_time():
    found = counted([5.0], [0], [0], [0.0], [0], groups=3)
    assert found.person_time[0].tolist() == [0, 0, 0] and found.subjects[0].tolist() == [1, 0, 0]


def test_the_order_of_events_does_not_matter_and_the_order_of_subjects_only_renames_them():
    time, group, who, when, line = drawn()
    found, order = counted(time, group, who, when, line), np.random.default_rng(2).permutation(len(who))
    again = counted(time, group, who[order], when[order], line[order])
    people = np.random.default_rng(3).permutation(len(time))
    place = np.argsort(people)
    renamed = counted(time[people], group[people], place[who], when, line)
    for other in (again, renamed):
        assert (other.subjects == found.subjects).all() and (other.events == found.events).all()
        assert other.person_time == pytest.approx(found.person_time) and (other.onset == found.onset).all()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"who": [9]}, "bad_codes"),
        ({"line": [5]}, "bad_codes"),
        ({"group": [0, 2]}, "bad_codes"),
        ({"when": [-1.0]}, "bad_codes"),
        ({"when": [6.0]}, "bad_codes"),
        ({"when": [float("nan")]}, "not_a_number"),
        ({"time": [-1.0, 5.0]}, "bad_argument"),
        ({"time": []}, "no_subjects"),
        ({"line": [0, 1]}, "lengths_differ"),
        ({"line": [0.5]}, "bad_argument"),
    ],
)
def test_what_cannot_be_counted_is_refused(changes, code):
    columns = {"time": [5.0, 7.0], "group": [0, 1], "who": [0], "when": [1.0], "line": [0], **changes}
    with pytest.raises(CannotEstimate) as refused:
        counted(**columns)
    assert refused.value.reason.code == code


def test_a_million_events_of_a_thousand_kinds_are_counted_at_once():
    time, group, who, when, line = drawn(100_000, 1_000_000, lines=1000)
    found = counted(time, group, who, when, line, lines=1000)
    assert found.events.sum() == 1_000_000 and (found.subjects <= found.events).all()
