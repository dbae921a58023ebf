"""When follow-up ends and what the records say of it: every line of the decision table is gone through."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from studies.evidence.twin.draw import Draw
from studies.evidence.twin.outcomes import Chooser, End, end_of, longest, value_rows
from studies.planned import Horizon
from studies.protocol import CENSORED, COMPETING_EVENT
from tests.evidence.twin.protocols import NAMES, dataset_of, protocol_of, twin_of


def first_rule(outcome, states):
    """The decision table as its docstring has it, written for these tests: the first line whose conditions hold."""
    for rule in outcome.rules:
        holds = all(name in states and states[name][0] == state for name, state in rule.when)
        if holds and rule.earlier is not None:
            before, after = rule.earlier
            holds = states[before][1] < states[after][1]
        if holds:
            return rule
    return None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("event", [True, False])
def test_the_states_give_the_day_and_the_kind_that_were_asked_for(name, event):
    """An event where one was drawn, a censoring where none was - on its day."""
    outcome, draw = protocol_of(name).outcome, Draw(1)
    chooser = Chooser(outcome)
    for day in (2, 3, 30, 400, 9000):
        for _ in range(40):
            states = chooser.states(End(day, event), draw)
            rule = first_rule(outcome, states)
            assert rule is not None and states[rule.time_of][1] == day
            status = outcome.status_of(rule)
            assert (status == CENSORED) is not event or COMPETING_EVENT in {
                outcome.status_of(one) for one in outcome.rules
            }
            assert event == (status != CENSORED)


@pytest.mark.parametrize("name", NAMES)
def test_no_line_of_the_decision_table_is_left_out(name):
    outcome, draw = protocol_of(name).outcome, Draw(1)
    chooser = Chooser(outcome)
    ends = [End(100, at % 2 == 0) for at in range(200)]
    used = {id(first_rule(outcome, chooser.states(end, draw))) for end in ends}
    assert used == {id(rule) for rule in outcome.rules}


@pytest.mark.parametrize("name", NAMES)
def test_no_day_is_before_time_zero(name):
    outcome, draw = protocol_of(name).outcome, Draw(1)
    chooser = Chooser(outcome)
    for day in (0, 1, 2):
        for event in (True, False):
            assert all(on >= 0 for _ in range(60) for _, on in chooser.states(End(day, event), draw).values())


def test_a_source_that_has_no_word_for_being_free_is_never_said_to_be_free():
    """A register of deaths knows the dead alone."""
    outcome = protocol_of("rotterdam").outcome
    register = replace(outcome, sources=(outcome.sources[0], replace(outcome.sources[1], free_values=())))
    chooser, draw = Chooser(register), Draw(1)
    for at in range(200):
        states = chooser.states(End(100, at % 2 == 0), draw)
        assert states is None or states.get("death", ("event", 0))[0] == "event"


def test_competing_events_come_where_the_protocol_has_them_and_nowhere_else():
    for name, expected in (("rotterdam", True), ("valve", False), ("stent", False)):
        outcome, draw = protocol_of(name).outcome, Draw(1)
        chooser = Chooser(outcome)
        kinds = {
            outcome.status_of(first_rule(outcome, chooser.states(End(50, True), draw))) for _ in range(200)
        }
        assert (COMPETING_EVENT in kinds) == expected and 1 in kinds


def test_follow_up_goes_beyond_the_last_day_that_an_analysis_looks_at():
    """Else the estimates at that day would not exist."""
    assert longest(protocol_of("rotterdam")) == 3652 * 11 // 10
    assert longest(protocol_of("stent")) == 9000 * 11 // 10
    protocol = protocol_of("stent")
    bare = replace(protocol.analyses[0], days=())
    assert longest(replace(protocol, analyses=(bare,))) == 365 * 11 // 10
    horizon = replace(bare, horizon=Horizon(1000, 50))
    assert longest(replace(protocol, analyses=(horizon,))) == 1050 * 11 // 10
    assert longest(replace(protocol, analyses=(replace(bare, tau=2000),))) == 2200
    assert longest(replace(protocol, analyses=(replace(bare, until=500),))) == 550


def shares(protocol, need: int, exposed: bool) -> Counter:
    draw = Draw(5)
    ends = [end_of(protocol, need, exposed, draw) for _ in range(3000)]
    assert all(0 < one.day <= longest(protocol) for one in ends)
    return Counter(
        "event" if one.event else "end" if one.day == longest(protocol) else "lost" for one in ends
    )


def test_some_have_the_event_some_are_lost_and_some_reach_the_end():
    for name in NAMES:
        found = shares(protocol_of(name), 4, True)
        assert min(found["event"], found["lost"], found["end"]) > 300


def test_greater_need_means_more_events_and_the_exposed_have_fewer():
    protocol = protocol_of("stent")
    assert shares(protocol, 9, False)["event"] > shares(protocol, 0, False)["event"] + 200
    assert shares(protocol, 4, True)["event"] < shares(protocol, 4, False)["event"] - 100


def test_where_the_event_is_wanted_the_exposed_have_more():
    """A cure: the better arm has it sooner."""
    protocol = protocol_of("stent")
    wanted = replace(protocol, outcome=replace(protocol.outcome, wanted=True))
    assert shares(wanted, 4, True)["event"] > shares(wanted, 4, False)["event"] + 100


def test_the_record_that_decides_comes_last_and_an_earlier_visit_is_free():
    source, draw = protocol_of("rotterdam").outcome.sources[0], Draw(1)
    lengths = set()
    for _ in range(100):
        rows = list(value_rows(source, "event", 100, draw))
        lengths.add(len(rows))
        assert rows[-1][0] in source.event_values and rows[-1][1] == 100
        assert all(value in source.free_values and 0 <= day <= 50 for value, day in rows[:-1])
    assert lengths == {1, 2}
    assert list(value_rows(source, "free", 1, draw)) == [("no-recurrence", 1)]


def test_a_source_without_a_free_word_has_one_record():
    source = replace(protocol_of("rotterdam").outcome.sources[1], free_values=())
    draw = Draw(1)
    assert all(len(list(value_rows(source, "event", 100, draw))) == 1 for _ in range(50))


@pytest.mark.parametrize("name", NAMES)
def test_days_and_states_of_the_twin_are_what_studies_read_of_it(name):
    """From the raw records by the decision table's own words: time and event of each analysed subject."""
    outcome, records = protocol_of(name).outcome, twin_of(name)["outcome_event"]
    rows = records[records["status"] != "entered-in-error"]
    by_subject = {str(subject): frame for subject, frame in rows.groupby("subject_id")}
    for one in dataset_of(name).frame.itertuples():
        states = {}
        for source in outcome.sources:
            mine = by_subject[one.subject_id]
            mine = mine[
                (mine["code"].isin(source.records.codes)) & mine["status"].isin(source.records.statuses)
            ]
            events = mine[mine["value_code"].isin(source.event_values)]["effective_day"]
            free = mine[mine["value_code"].isin(source.free_values)]["effective_day"]
            if len(events):
                states[source.name] = ("event", int(events.min()))
            elif len(free):
                states[source.name] = ("free", int(free.max()))
        rule = first_rule(outcome, states)
        assert (one.time_days, bool(one.event)) == (states[rule.time_of][1], rule.event)
