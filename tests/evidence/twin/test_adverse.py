"""Adverse events of the twin: every answer that a report can give."""

from __future__ import annotations

from dataclasses import replace

from studies.adverse_events import code_rules
from studies.evidence.twin import make_twin, twin_results
from studies.evidence.twin.adverse import is_planned, reports
from studies.evidence.twin.draw import Draw
from studies.tables import ADVERSE_EVENT_COLUMNS
from tests.evidence.twin.protocols import changed, dataset_of, protocol_of, results_of, twin_of


def many(protocol, follow_up: int = 100, died_on: int | None = None):
    draw = Draw(1)
    return [list(reports(protocol, follow_up, died_on, draw)) for _ in range(1500)]


def test_reports_are_made_where_safety_is_planned_and_nowhere_else():
    assert is_planned(protocol_of("valve")) and "adverse_event" in twin_of("valve")
    assert not is_planned(protocol_of("rotterdam")) and "adverse_event" not in twin_of("rotterdam")


def test_some_have_no_event_some_one_and_some_more():
    counts = [len(one) for one in many(protocol_of("valve"))]
    assert counts.count(0) > 500 and counts.count(1) > 100 and sum(one > 1 for one in counts) > 100


def test_a_report_has_the_columns_that_a_lock_has():
    for one in (report for each in many(protocol_of("valve")) for report in each):
        assert set(one) == set(ADVERSE_EVENT_COLUMNS)


def test_every_code_that_the_protocol_names_occurs_and_some_have_none():
    protocol = protocol_of("valve")
    named = {(term.code_system, term.code) for one in protocol.analyses for term in one.terms}
    found = {(one["code_system"], one["code"]) for each in many(protocol) for one in each}
    assert found == named | {(None, None)} and len(named) == 4


def test_without_named_codes_there_are_some_that_are_plainly_invented():
    protocol = protocol_of("valve")
    bare = replace(protocol, analyses=tuple(replace(one, terms=()) for one in protocol.analyses))
    codes = {one["code"] for each in many(bare) for one in each}
    assert codes == {"SYNTHETIC-1", "SYNTHETIC-2", None}


def test_every_judgement_and_none_occur():
    """Serious or not, related or not, not judged yet: of what studies knows and nothing else."""
    rules = code_rules()
    found = [one for each in many(protocol_of("valve")) for one in each]
    for column, kind in (("seriousness_code", "seriousness"), ("causality_code", "causality")):
        said = {one[column] for one in found}
        assert said & set(rules[kind]["yes"]) and said & set(rules[kind]["no"]) and None in said
        assert said <= {*rules[kind]["yes"], *rules[kind]["no"], None}
    assert {one["device_deficiency"] for one in found} == {True, False}
    assert {one["actuality"] for one in found} == {"actual", *rules["actuality"]["almost"]}


def test_days_before_during_and_after_follow_up_and_none_occur():
    found = [one for each in many(protocol_of("valve")) for one in each]
    days = [one["event_day"] for one in found if one["event_day"] is not None]
    assert min(days) < 0 and max(days) > 100 and sum(0 <= day <= 100 for day in days) > 0.85 * len(days)
    assert len(days) < len(found)
    assert all((one["event_day"] is None) == (one["detected_day"] is None) for one in found)
    seen = [(one["event_day"], one["detected_day"]) for one in found if one["event_day"] is not None]
    assert all(0 <= detected - day <= 3 for day, detected in seen)


def test_one_event_reported_twice_occurs():
    assert any(one[at] == one[at + 1] for one in many(protocol_of("valve")) for at in range(len(one) - 1))


def test_the_dead_often_have_a_fatal_event_on_the_day_of_death_and_the_living_never():
    fatal = set(code_rules()["outcome"]["fatal"])
    of_the_dead = [
        [r for r in one if r["outcome_code"] in fatal] for one in many(protocol_of("valve"), 100, 77)
    ]
    assert 500 < sum(bool(one) for one in of_the_dead) < 1000
    for one in (report for each in of_the_dead for report in each):
        assert (one["event_day"], one["detected_day"], one["actuality"]) == (77, 77, "actual")
        assert one["seriousness_code"] in code_rules()["seriousness"]["fatal"]
    assert not any(r["outcome_code"] in fatal for one in many(protocol_of("valve")) for r in one)


def test_follow_up_of_no_days_is_no_obstacle():
    assert any(many(protocol_of("valve"), 0, 0))


def test_the_safety_analysis_of_the_twin_finds_events_of_every_kind():
    rows = {one.id: one for one in results_of("valve").rows if one.analysis == "all.safety"}
    affected = [
        one.value for id, one in rows.items() if one.statistic == "affected" and one.group == "exposed"
    ]
    assert len(affected) >= 8 and sum(bool(one) for one in affected) >= 8
    assert dataset_of("valve").adverse_events is not None


def test_safety_may_be_all_that_is_planned():
    only = changed(
        "valve",
        lambda text: text.update(analyses=[one for one in text["analyses"] if one["method"] == "safety"]),
    )
    results = twin_results(only, make_twin(only, subjects=100))
    assert {one.analysis for one in results.rows} >= {"all.safety"} and not results.not_done
