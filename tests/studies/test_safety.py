"""Adverse events of each arm, counted by hand: who, how often, what lies outside, and what nothing says."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from rwd_platform.demo.implant_events import RISKS
from studies.planned import EventTerm
from studies.protocol import Protocol, load_protocol
from studies.reasons import in_language
from studies.results import ResultSet
from studies.run import run_analyses
from studies.sealing import open_part, planned_methods
from tests.studies.adverse_lock import COLUMNS, PLAN, analysed, dataset_of, planned, value
from tests.studies.small import small_protocol, small_text, table
from tests.studies.valve import protocol, valve_dataset

PEOPLE = """
    subject | arm | days
    A       | new | 100
    B       | new | 365
    C       | new | 0
    D       | old | 200
    E       | old | 400
"""
KINDS = (
    "before_time_zero",
    "after_observation",
    "undated",
    "almost_happened",
    "repeated_reports",
    "taken_back",
)


def numbers(results: ResultSet, stem: str) -> tuple[int, int]:
    """Subjects and events of a line."""
    return value(results, f"{stem}.affected"), value(results, f"{stem}.adverse_events")


def apart(results: ResultSet, arm: str = "exposed") -> dict[str, int]:
    counts = {kind: value(results, f"{kind}.{arm}.reports") for kind in KINDS}
    return {kind: count for kind, count in counts.items() if count}


def ids(results: ResultSet) -> set[str]:
    return {row.id for row in results.rows}


# -- counting ------------------------------------------------------------------------------------------------------


def test_each_person_counts_once_and_each_event_counts():
    results = analysed(
        PEOPLE, "subject | code | day | serious\nA | X | 5 | Serious\nA | Y | 9 | -\nB | X | 0 | Non-serious"
    )
    assert numbers(results, "any.exposed") == (2, 3)
    assert numbers(results, "serious.exposed") == (1, 1)
    assert numbers(results, "serious_unknown.exposed") == (1, 1)
    assert numbers(results, "term.X.exposed") == (2, 2) and numbers(results, "term.Y.exposed") == (1, 1)
    assert value(results, "any.exposed.affected_percent") == pytest.approx(200 / 3)
    assert apart(results) == {}


def test_the_clock_of_a_line_stops_at_its_own_first_event():
    """A: 5 days to any event; B: 365 without; C: none at all. Of Y, A is at risk to the end of observation."""
    results = analysed(PEOPLE, "subject | code | day\nA | X | 5\nA | X | 50")
    assert value(results, "any.exposed.person_years") == pytest.approx((5 + 365 + 0) / 365.25)
    assert value(results, "serious.exposed.person_years") == pytest.approx(465 / 365.25)
    assert value(results, "exposed.person_years") == pytest.approx(465 / 365.25)
    assert value(results, "any.exposed.rate_per_100_person_years") == pytest.approx(100 * 365.25 / 370)
    assert value(results, "any.exposed.median_onset") == 5


def test_observation_ends_with_follow_up_or_with_the_day_of_the_plan():
    events = "subject | code | day\nB | X | 90\nB | X | 91\nA | X | 100\nA | X | 101"
    assert apart(analysed(PEOPLE, events)) == {"after_observation": 1}
    short = analysed(PEOPLE, events, until=90)
    assert numbers(short, "any.exposed") == (1, 1) and apart(short) == {"after_observation": 3}
    assert value(short, "exposed.person_years") == pytest.approx(180 / 365.25)


def test_an_event_before_time_zero_is_counted_apart_and_one_on_the_day_itself_counts():
    results = analysed(PEOPLE, "subject | code | day\nA | X | -1\nB | X | 0\nC | X | 0")
    assert numbers(results, "any.exposed") == (2, 2) and apart(results) == {"before_time_zero": 1}
    assert value(results, "any.exposed.median_onset") == 0


def test_what_has_no_day_or_almost_happened_or_was_said_again_is_counted_apart():
    results = analysed(
        PEOPLE,
        """
        subject | code | day | actuality | status           | deficiency
        A       | X    | -   | actual    | -                | -
        A       | X    | 3   | actual    | -                | -
        A       | X    | 3   | actual    | -                | -
        A       | Z    | 4   | potential | -                | -
        B       | X    | 4   | actual    | entered-in-error | -
        B       | U    | 4   | potential | -                | yes
        """,
    )
    assert apart(results) == {"undated": 1, "almost_happened": 2, "repeated_reports": 1, "taken_back": 1}
    assert numbers(results, "any.exposed") == (1, 1)
    assert numbers(results, "deficiency.exposed") == (1, 1), "it counts although no harm came of it"
    assert not any(".Z." in id or ".U." in id for id in ids(results)), "what did not happen is no term"


def test_an_event_with_two_codes_stands_under_both_and_counts_once():
    results = analysed(PEOPLE, "subject | code | day | line\nA | X | 5 | one\nA | Y | 5 | one")
    assert numbers(results, "any.exposed") == (1, 1)
    assert numbers(results, "term.X.exposed") == numbers(results, "term.Y.exposed") == (1, 1)


def test_one_code_of_two_systems_is_two_terms_and_both_have_a_place():
    results = analysed(PEOPLE, "subject | code | day | system\nA | I44.2 | 5 | urn:a\nA | I44.2 | 5 | urn:b")
    assert {"all.safety.term.I44_2.exposed.affected", "all.safety.term.I44_2__2.exposed.affected"} <= ids(
        results
    )
    series = next(one for one in results.series if one.id == "all.safety.terms")
    assert [point[1] for point in series.points] == ["urn:a", "urn:b"]


def test_terms_are_sorted_by_persons_then_events_and_named_by_the_protocol():
    """B2 has two persons; of the others A1 has more events."""
    events = "subject | code | day\nA | C3 | 1\nB | A1 | 1\nB | A1 | 2\nA | B2 | 1\nD | B2 | 1\nA | - | 1"
    title = Bilingual("出血", "Bleeding")
    results = analysed(PEOPLE, events, terms=(EventTerm("urn:ae", "B2", title),))
    series = next(one for one in results.series if one.id == "all.safety.terms")
    assert [point[0] for point in series.points] == ["B2", "A1", "uncoded", "C3"]
    assert series.points[0] == ("B2", "urn:ae", "B2", "出血", "Bleeding")
    assert series.points[2][2:] == ("", None, None) and value(results, "codes") == 4


def test_events_of_people_outside_the_population_are_nobodys():
    results = analysed(PEOPLE, "subject | code | day\nZ | X | 5")
    assert numbers(results, "any.exposed") == (0, 0) and apart(results) == {}


# -- the edges -----------------------------------------------------------------------------------------------------


def test_no_event_at_all_is_zeros_with_their_exact_upper_limits_and_never_an_empty_table():
    """1 - 0.05^(1/3) of three; the two-sided limit stands beside it; the rate's is Garwood's -ln(0.025)/T."""
    results = analysed(PEOPLE, "")
    assert numbers(results, "any.exposed") == (0, 0)
    assert value(results, "any.exposed.upper_limit") == pytest.approx(100 * (1 - 0.05 ** (1 / 3)))
    row = results.row("all.safety.any.exposed.affected_percent")
    assert (row.value, row.ci_low) == (0, 0) and row.ci_high == pytest.approx(100 * (1 - 0.025 ** (1 / 3)))
    rate = results.row("all.safety.any.exposed.rate_per_100_person_years")
    assert rate.ci_high == pytest.approx(-100 * np.log(0.025) / (465 / 365.25))
    assert len([id for id in ids(results) if id.endswith(".affected_percent")]) == 14
    assert next(one for one in results.series if one.id == "all.safety.terms").points == ()


def test_zeros_of_sites_that_never_reported_carry_a_warning():
    people = "subject | arm | days | site\nA | new | 9 | s1\nB | new | 9 | s2\nD | old | 9 | s2"
    results = analysed(people, "subject | code | day\nA | X | 1")
    assert (
        value(results, "exposed.silent_subjects") == 1 and value(results, "comparator.silent_subjects") == 1
    )
    warning = results.row("all.safety.comparator.silent_subjects").warnings[0]
    assert "没有上报" in warning and "none was reported" in warning
    assert not results.row("all.safety.exposed.subjects").warnings


def test_a_subject_of_one_with_and_without_an_event():
    one = "subject | arm | days\nA | new | 10"
    results = analysed(one, "subject | code | day\nA | X | 4")
    row = results.row("all.safety.any.exposed.affected_percent")
    assert (row.value, row.ci_low, row.ci_high) == (100, pytest.approx(2.5), 100)
    assert value(analysed(one, ""), "any.exposed.upper_limit") == pytest.approx(95)
    assert in_language(results.not_done["all.safety.comparator"], "en").startswith("There is nobody")


def test_everybody_with_an_event_on_the_first_day_has_a_share_and_no_rate():
    results = analysed(PEOPLE, "subject | code | day\nA | X | 0\nB | X | 0\nC | X | 0")
    assert value(results, "any.exposed.affected_percent") == 100
    row = results.row("all.safety.any.exposed.rate_per_100_person_years")
    assert row.value is None and "no time at risk" in row.warnings[0]


def test_a_population_without_anybody_is_a_reason():
    protocol_of = replace(planned(), analyses=(replace(PLAN, id="old.safety", population="old"),))
    results = run_analyses(dataset_of(table(PEOPLE), "", protocol_of), protocol_of, "lock-1")
    assert "nobody in this population" in in_language(results.not_done["old.safety"], "en")


def test_an_old_lock_without_the_table_gives_a_typed_reason():
    results = run_analyses(dataset_of(table(PEOPLE), None, planned()), planned(), "lock-1")
    assert "lock the data again" in in_language(results.not_done["all.safety"], "en")
    assert "重新锁定" in in_language(results.not_done["all.safety"], "zh")


def test_the_hash_of_what_went_in_changes_with_the_events_and_not_with_their_order():
    def digest(events: str) -> str:
        return analysed(PEOPLE, events).row("all.safety.any.exposed.affected").data_hash

    two = "subject | code | day\nA | X | 4\nB | Y | 5"
    back = "subject | code | day\nB | Y | 5\nA | X | 4"
    assert digest(two) == digest(back) != digest("subject | code | day\nA | X | 4\nB | Y | 6")


def test_deaths_of_the_outcome_are_held_against_fatal_events():
    """Over both arms together: what is open at any time must not tell one arm's outcome."""
    people = "subject | arm | days | died\nA | new | 10 | yes\nB | new | 20 | yes\nD | old | 30 | -"
    events = "subject | code | day | outcome\nA | X | 10 | fatal\nD | Y | 30 | fatal"
    results = analysed(people, events, deaths="life")
    found = {
        name: value(results, f"deaths_{name}.reconciled") for name in ("both", "only_outcome", "only_events")
    }
    assert found == {"both": 1, "only_outcome": 1, "only_events": 1}
    assert {row.group for row in results.rows if row.statistic == "reconciled"} == {""}
    assert not any(row.statistic == "reconciled" for row in analysed(people, events).rows)


def test_a_hundred_thousand_events_of_many_codes_are_counted_at_once():
    random, m, n = np.random.default_rng(5), 100_000, 4_000
    people = [
        {"subject": f"P{at}", "arm": "new" if at % 2 else "old", "days": str(at % 700)} for at in range(n)
    ]
    table_of = pd.DataFrame(
        {
            "subject_id": [f"P{at}" for at in random.integers(0, n, m)],
            "code_system": "urn:ae",
            "code": [f"C{at}" for at in random.integers(0, 300, m)],
            "event_day": pd.array(random.integers(0, 700, m), dtype="Int64"),
            "detected_day": pd.array([None] * m, dtype="Int64"),
            "actuality": "actual",
            "seriousness_code": "Serious",
            "causality_code": "Possible",
            "outcome_code": "resolved",
            "device_deficiency": False,
            "source_row": [f"line-{at}" for at in range(m)],
        }
    )[list(COLUMNS)]
    results = run_analyses(dataset_of(people, table_of, planned()), planned(), "lock-1")
    rows = {row.id: row.value for row in results.rows}
    whole = rows["all.safety.any.exposed.adverse_events"]
    terms = sum(rows[f"all.safety.term.C{at}.exposed.adverse_events"] for at in range(300))
    assert whole == terms > 10_000
    assert canonical_json(results.as_dict())


# -- the plan ------------------------------------------------------------------------------------------------------

SAFETY = "  - {id: all.safety, method: safety, title: {zh: 安全性, en: Safety}, population: all%s}\n"


def with_plan(more: str) -> str:
    return small_text().replace("diagnostics:", SAFETY % more + "diagnostics:")


def test_a_plan_says_until_when_and_which_source_knows_of_deaths():
    read = load_protocol(with_plan(", until: 30, deaths: life")).analysis("all.safety")
    assert (read.until, read.deaths, read.terms, read.role) == (30, "life", (), "secondary")


TERM = "{code_system: urn:ae, code: X, title: {zh: 甲, en: A}}"


@pytest.mark.parametrize(
    ("more", "path"),
    [
        (", until: 0", "until"),
        (", until: -3", "until"),
        (", deaths: nobody", "deaths"),
        (", role: primary", "role"),
        (f", terms: [{TERM}, {TERM}]", "terms"),
        (", terms: [{code: X}]", "terms"),
        (", covariates: [age]", "covariates"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused_with_its_place(more: str, path: str):
    with pytest.raises(PlatformError) as refused:
        load_protocol(with_plan(more))
    assert refused.value.code == "protocol.refused" and path in refused.value.en


def test_a_source_after_which_life_goes_on_is_no_source_of_deaths():
    text = with_plan(", deaths: life")
    assert load_protocol(text).analyses
    with pytest.raises(PlatformError, match="no final event"):
        load_protocol(text.replace("final: true", "final: false"))


def test_columns_that_safety_reads_cannot_be_generalised():
    text = with_plan("") + "lock: {generalise: {adverse_event.code: drop}}\n"
    with pytest.raises(PlatformError) as refused:
        load_protocol(text)
    assert "adverse_event.code" in refused.value.en
    assert load_protocol(small_text() + "lock: {generalise: {adverse_event.code: drop}}\n")


def test_safety_describes_and_is_never_claimed_as_more():
    results = analysed(PEOPLE, "")
    assert value(results, "claim_level") == "descriptive"


# -- the seal ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demonstration() -> tuple[Protocol, ResultSet]:
    """The second study, with what its safety is seen beside of."""
    shown = ("all.safety", "all.criterion", "all.crude", "all.rmst")
    plan = replace(protocol(), analyses=tuple(one for one in protocol().analyses if one.id in shown))
    return plan, run_analyses(valve_dataset(), plan, "lock-1")


def test_safety_is_there_before_unsealing_and_the_effect_is_not(demonstration):
    """The demonstration's run: every number of safety is open; no ratio, success or curve is in what is open."""
    plan, results = demonstration
    seen = open_part(results, planned_methods(plan))
    mine = [row for row in results.rows if row.analysis == "all.safety"]
    waits = {"reconciled", "person_years", "rate_per_100_person_years"}
    assert len(mine) > 100
    assert [row for row in seen.rows if row.analysis == "all.safety"] == [
        row for row in mine if row.statistic not in waits
    ]
    assert any(one.id == "all.safety.terms" for one in seen.series)
    told = json.dumps(seen.as_dict())
    for id in ("all.criterion.proportion", "all.crude.valve_v.hazard_ratio", "all.rmst.difference"):
        assert results.row(id).value is not None and id not in told
        assert str(results.row(id).value) not in told


def test_a_reason_why_safety_could_not_be_done_is_open_too():
    plan = replace(small_protocol(), analyses=(*small_protocol().analyses, PLAN))
    results = run_analyses(dataset_of(table(PEOPLE), None, plan), plan, "lock-1")
    told = open_part(results, planned_methods(plan)).not_done
    assert "all.safety" in told and "all.crude" in results.not_done.keys() - told.keys()


def test_nothing_that_is_open_leads_to_an_arms_deaths_or_to_its_time(demonstration):
    """An arm whose hospital reports nothing has all the deaths that only the outcome knows."""
    plan, results = demonstration
    seen = open_part(results, planned_methods(plan))
    assert [row for row in results.rows if row.statistic == "reconciled"]
    assert not [row for row in seen.rows if row.statistic == "reconciled"]


def test_no_number_of_a_sealed_result_stands_in_what_is_open():
    """Neither as a value nor as a limit: of what is measured, and not counted, the same number is the same fact."""
    plan = protocol()
    results = run_analyses(valve_dataset(), plan, "lock-1")
    seen = open_part(results, planned_methods(plan))
    held = {row.id for row in seen.rows}

    def measured(rows):
        numbers = ((row.id, one) for row in rows for one in (row.value, row.ci_low, row.ci_high))
        return {one: id for id, one in numbers if isinstance(one, float) and one != round(one, 3)}

    # A gate repeats the diagnostic that it judges.
    sealed = measured(row for row in results.rows if row.id not in held and ".gate." not in row.id)
    shown = measured(seen.rows)
    assert len(sealed) > 100
    assert {sealed[one]: shown[one] for one in sealed.keys() & shown.keys()} == {}


# -- the demonstration ---------------------------------------------------------------------------------------------


def test_the_demonstration_has_the_events_of_its_model_and_says_that_its_control_reports_none(demonstration):
    _, results = demonstration
    rows = {row.id.removeprefix("all.safety."): row for row in results.rows if row.analysis == "all.safety"}
    assert rows["exposed.subjects"].value == 60 and rows["deficiency.exposed.affected"].value == 1
    assert rows["almost_happened.exposed.reports"].value == 1
    for risk in RISKS.values():
        share = rows[f"term.{risk.code.replace('.', '_')}.exposed.affected_percent"]
        assert share.ci_low < 100 * risk.chance < share.ci_high, "the truth lies within the limits"
    assert rows["comparator.silent_subjects"].value == 140
    assert rows["deaths_only_events.reconciled"].value == 0 < rows["deaths_only_outcome.reconciled"].value
