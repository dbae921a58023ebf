"""Adverse events in the report (table T13), and what of them a reader abroad may see."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from deidentify.disclosure.check import check
from studies.evidence.aggregate import coarsened
from studies.evidence.aggregate_safety import SafetyLines
from studies.evidence.documents import json_documents
from studies.evidence.inputs import PackageInputs
from studies.evidence.report.blocks import Report, Table, Text
from studies.evidence.report.content import make_report
from studies.results import ArdRow, ResultSet, Series
from studies.run import run_analyses
from tests.evidence.fixtures import with_results
from tests.studies.adverse_lock import analysed, planned
from tests.studies.valve import TEXT, protocol, valve_dataset

SHOWN = ("all.criterion", "all.crude", "all.safety")


@pytest.fixture(scope="module")
def inputs() -> PackageInputs:
    plan = protocol()
    plan = dataclasses.replace(plan, analyses=tuple(one for one in plan.analyses if one.id in SHOWN))
    results = run_analyses(valve_dataset(), plan, "lock-3f9a0c5d")
    return with_results(results, protocol_text=TEXT, protocol=plan)


@pytest.fixture(scope="module")
def report(inputs: PackageInputs) -> Report:
    return made(inputs)


def made(inputs: PackageInputs) -> Report:
    return make_report(inputs, json_documents(inputs))[0]


def abroad(inputs: PackageInputs) -> PackageInputs:
    return coarsened(dataclasses.replace(inputs, audience="aggregate")).inputs


def spoken(report: Report, language: Any) -> str:
    texts = [block.text for block in report.blocks if hasattr(block, "text")]
    return "\n".join(one.plain(language) for one in texts if isinstance(one, Text))


def table(report: Report, key: str) -> Table:
    return next(one for one in report.tables if one.key == key)


def cells(table: Table, language: Any = "en") -> list[list[str]]:
    return [[cell.plain(language) for cell in row] for row in table.rows]


def numbers_of(results: ResultSet, stem: str) -> tuple[str, str, str]:
    """Subjects, share and events as the table has to print them."""
    share = results.row(f"{stem}.affected_percent")
    return (
        str(results.row(f"{stem}.affected").value),
        f"{share.value:.1f} ({share.ci_low:.1f}–{share.ci_high:.1f})",
        str(results.row(f"{stem}.adverse_events").value),
    )


def test_the_overview_prints_every_kind_of_both_arms_from_the_results(report, inputs):
    rows = cells(table(report, "safety_all_safety"))
    assert [row[0] for row in rows[::2]] == [
        "Any adverse event", "Serious", "Related to what was used (possible or more)", "Leading to death",
        "Device deficiency", "Seriousness not judged", "Relatedness not judged",
    ]  # fmt: skip
    assert [row[1] for row in rows[:2]] == ["Exposed", "Comparator"]
    assert tuple(rows[0][2:5]) == numbers_of(inputs.results, "all.safety.any.exposed")
    assert rows[1][2:5] == ["0", "0.0 (0.0–2.6)", "0"] and rows[1][-1] == "—"
    assert cells(table(report, "safety_all_safety"), "zh")[8][0] == "器械缺陷"


def test_terms_have_the_protocols_names_with_their_codes_most_frequent_first(report):
    rows = cells(table(report, "safety_terms_all_safety"))[::2]
    assert rows[0][0] == "Complete atrioventricular block (I44.2)"
    assert [int(row[2]) for row in rows] == sorted((int(row[2]) for row in rows), reverse=True)
    notes = " ".join(one.plain("en") for one in table(report, "safety_terms_all_safety").notes)
    assert "(ICD-10)" in notes and "no dictionary is shipped" in notes


def test_a_silent_hospital_is_said_and_the_zeros_are_not_believed(report):
    assert "for 140 of 140 subjects the hospital sent no adverse event at all" in spoken(report, "en")
    assert "140 例中有 140 例所在机构没有报来任何不良事件" in spoken(report, "zh")
    assert "would with 95% confidence be below 2.1%" in spoken(report, "en")


def test_what_was_counted_apart_and_deaths_that_differ_are_said(report, inputs):
    rows = {row[0]: row[1:] for row in cells(table(report, "safety_apart_all_safety"))}
    assert rows["almost happened (a deficiency still counts as one)"] == ["1", "0"]
    alone = inputs.results.row("all.safety.deaths_only_outcome.reconciled").value
    assert f"in the outcome's source alone, {alone}" in spoken(report, "en")
    assert "The two do not agree" in spoken(report, "en") and "两处记录不一致" in spoken(report, "zh")


def test_safety_is_called_descriptive(report):
    rows = {row[0]: row[1:] for row in cells(table(report, "claims"))}
    assert rows["Adverse events and device deficiencies"][0] == "descriptive"


def small(people: str, events: str, **plan: Any) -> Report:
    return made(with_results(analysed(people, events, **plan), protocol=planned(**plan)))


PEOPLE = "subject | arm | days\nA | new | 100\nB | new | 200\nD | old | 300"


def test_a_study_without_any_event_prints_its_zeros_and_says_what_they_exclude():
    report = small(PEOPLE, "")
    assert len(table(report, "safety_all_safety").rows) == 14
    assert not any(one.key.startswith("safety_terms") for one in report.tables)
    assert "no adverse event is recorded among 2 subjects" in spoken(report, "en")
    assert "The protocol names no source of deaths" in spoken(report, "en")
    assert "No report was left out" in spoken(report, "en")


def test_a_single_arm_has_one_line_an_event_and_unnamed_codes_stand_as_they_are():
    report = small(
        "subject | arm | days\nA | new | 100", "subject | code | day\nA | X9 | 4\nA | - | 5", until=90
    )
    assert len(table(report, "safety_all_safety").rows) == 7
    assert [row[0] for row in cells(table(report, "safety_terms_all_safety"))] == ["Not coded", "X9"]
    assert "up to day 90" in spoken(report, "en") and "最长 90 天" in spoken(report, "zh")


def test_of_very_many_codes_the_most_frequent_are_printed_and_the_rest_is_counted():
    codes = "\n".join(f"A | C{number:03d} | 4" for number in range(70))
    report = small(PEOPLE, f"subject | code | day\n{codes}")
    terms = table(report, "safety_terms_all_safety")
    assert len(terms.rows) == 120 and "There are 70 codes; the 60 most frequent" in terms.notes[0].plain("en")


# -- for a reader abroad ---------------------------------------------------------------------------------------------


def test_abroad_lines_of_a_few_and_their_complements_are_gone(inputs):
    """Twenty-odd had an event and two fewer a serious one: the serious would tell of the two."""
    results = abroad(inputs).results
    left = {row.id for row in results.rows}
    assert "all.safety.any.exposed.affected" in left
    for line in ("serious", "fatal", "deficiency", "term.T81_0"):
        assert not any(id.startswith(f"all.safety.{line}.exposed") for id in left), line
    assert not any(row.statistic in ("adverse_events", "codes", "reconciled") for row in results.rows)
    assert "all.safety" not in results.not_done, "of safety single lines are withheld, not everything"
    for row in results.rows:
        if row.analysis == "all.safety" and row.statistic in ("affected", "reports"):
            assert row.value == 0 or row.value >= 10, row.id
            assert row.statistic == "reports" or row.n - row.value >= 10, row.id


def test_abroad_a_code_of_a_few_is_named_nowhere(inputs):
    """Not in results, report or account: the code alone would tell that somebody had it."""
    withheld = coarsened(dataclasses.replace(inputs, audience="aggregate"))
    told = json.dumps([withheld.inputs.results.as_dict(), withheld.account])
    printed = spoken(made(withheld.inputs), "en") + json.dumps(
        [cells(one) for one in made(withheld.inputs).tables]
    )
    for code in ("T81_0", "T81.0", "I46_9", "I46.9"):
        assert code not in told and code not in printed
    assert "all.safety.term" in withheld.account["withheld_results"]


@pytest.mark.parametrize("recipient", ["sponsor", "researcher"])
def test_what_is_left_passes_the_output_check_and_the_whole_does_not(inputs, recipient):
    """Only what a person has to declare is asked for; zeros of safety are results, and are let pass."""

    def rules(results: ResultSet) -> set[str]:
        mine = tuple(row for row in results.rows if row.analysis == "all.safety")
        series = tuple(one for one in results.series if one.analysis == "all.safety")
        told = dataclasses.replace(results, rows=mine, series=series, not_done={})
        return {one.rule for one in check(told.as_dict(), recipient, propose=False).findings}

    assert rules(abroad(inputs).results) <= {"condition"}
    assert "small_cell" in rules(inputs.results)


def test_abroad_the_table_says_what_a_dash_is(inputs):
    overview = table(made(abroad(inputs)), "safety_all_safety")
    assert cells(overview)[2][2:] == ["—"] * 6
    assert "fewer than 10 people" in " ".join(one.plain("en") for one in overview.notes)


def line(name: str, count: int, n: int = 100, analysis: str = "all.safety", arm: str = "exposed") -> ArdRow:
    section, _, variable = name.partition(".")
    id = f"{analysis}.{name}.{arm}.affected"
    return ArdRow(
        id, analysis, "m", arm, variable if section == "term" else "", "affected", count, n=n, row_set="all"
    )


def withheld(*rows: ArdRow, plans: tuple[str, ...] = ("all.safety",)) -> set[str]:
    lines = SafetyLines(ResultSet("s", "0", "l", rows), dict.fromkeys(plans, "all"), 10)
    return {row.id.removesuffix(".exposed.affected") for row in rows if not lines.is_open(row)}


def test_a_difference_of_a_few_from_any_event_withholds_the_part():
    assert withheld(line("any", 40), line("serious", 35)) == {"all.safety.serious"}
    assert withheld(line("any", 40), line("term.X", 35)) == {"all.safety.term.X"}
    assert withheld(line("any", 40), line("serious", 40), line("related", 20)) == set()


def test_all_but_a_few_are_as_telling_as_a_few():
    assert withheld(line("any", 95)) == {"all.safety.any"}
    assert withheld(line("any", 9)) == {"all.safety.any"} and withheld(line("any", 90)) == set()


def test_that_everybody_had_an_event_tells_it_of_each():
    assert withheld(line("any", 100)) == {"all.safety.any"} and withheld(line("any", 0)) == set()


def test_what_two_exclusive_lines_leave_of_any_withholds_one():
    """40 with any event, 20 serious and 15 not judged: five not serious."""
    rows = (line("any", 40), line("serious", 20), line("serious_unknown", 15))
    assert withheld(*rows) == {"all.safety.serious_unknown"}


def test_a_second_plan_on_the_same_people_tells_of_no_few_by_its_difference():
    rows = (line("any", 30), line("any", 33, analysis="all.later"))
    assert withheld(*rows, plans=("all.safety", "all.later")) == {"all.safety.any", "all.later.any"}
    far = (line("any", 30), line("any", 45, analysis="all.later"))
    assert withheld(*far, plans=("all.safety", "all.later")) == set()


def test_a_zero_of_a_term_does_not_tell_that_the_other_arm_had_it():
    rows = (line("term.X", 3), line("term.X", 0, arm="comparator"))
    lines = SafetyLines(ResultSet("s", "0", "l", rows), {"all.safety": "all"}, 10)
    assert not any(lines.is_open(row) for row in rows)
    series = Series("all.safety.terms", "all.safety", ("variable",), (("X",), ("Y",)))
    assert lines.terms(series).points == ()
