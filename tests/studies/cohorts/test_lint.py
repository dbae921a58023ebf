"""What the linter finds: each case is a definition with one thing wrong in it, what that is, and its line.

The line counts from the first of the definition: `language: 2` is line 1, `entry` line 3, the first rule line 8.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from rwd_platform.core.text import Bilingual
from studies.cohorts.circe import read_circe
from studies.cohorts.definition import Cohort, Entry, Events, Group, Rule, Test
from studies.cohorts.lint import errors, lint
from studies.cohorts.lint_findings import FINDINGS
from tests.studies.cohorts.language_cases import HEAD, MODEL, codes, node, read, reader
from tests.studies.cohorts.lint_cases import BEFORE, CASES, DRUG, DX, ENTRY, OTHER, WHY, entry, rule


def found(text: str, **more) -> list[tuple[str, int]]:
    text = HEAD + (text if text.startswith("entry") else ENTRY + text)
    written = node(text)
    cohort = reader().cohort(written, "case")
    return [(one.code, one.line) for one in lint(cohort, MODEL, node=written, **more)]


@pytest.mark.parametrize(("what", "text"), BEFORE, ids=[one[0] for one in BEFORE])
def test_what_is_known_on_the_index_date_may_be_asked(what, text):
    """A length that is reached by then, an end that has come, an implant that is in."""
    assert found(text) == []


@pytest.mark.parametrize(("what", "text", "code", "line"), CASES, ids=[one[0] for one in CASES])
def test_what_is_wrong_is_found_with_its_line_and_nothing_else_is(what, text, code, line):
    """One planted fault, one finding."""
    assert [(one, at) for one, at in found(text) if one != "absence_not_observed" or code == one] == [
        (code, line)
    ]


def test_every_kind_of_finding_has_a_case():
    """A check without a definition that it finds would not be known to work."""
    elsewhere = {
        "table_unknown", "column_unknown", "entry_empty", "rule_empty", "code_list_unsigned",
        "several_index_dates", "follow_up_in_protocol", "exposure_after_index",
    }  # fmt: skip
    assert {one[2] for one in CASES} | elsewhere == set(FINDINGS)


def test_every_finding_is_told_in_both_languages():
    """What is wrong and what to do, neither language standing for the other."""
    for level, zh, en, todo_zh, todo_en in FINDINGS.values():
        assert level in ("error", "warning")
        for chinese, english in ((zh, en), (todo_zh, todo_en)):
            assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese)
            assert not any("\u4e00" <= letter <= "\u9fff" for letter in english)


def test_a_table_that_the_protocol_takes_its_outcome_from_is_an_outcome():
    """Adverse events may be baseline history, unless the protocol counts them as its outcome."""
    text = rule(f"events: {{table: adverse_event, codes: {codes('E')}}}, days: [-90, 0]", "exclude")
    assert found(text) == []
    assert found(text, outcomes={"adverse_event"}) == [("outcome_before_freeze", 8)]


def test_a_list_that_nobody_signed_off_is_refused():
    text = rule(f"events: {DRUG}, days: [-90, 0]")
    assert found(text) == []
    assert found(text, unsigned={"statins@1"}) == [("code_list_unsigned", 8)]


@pytest.mark.parametrize(
    ("text", "codes_found"),
    [
        ("", []),
        ("limit: first\n", []),
        ("exit: {days: 30, from: start}\n", [("follow_up_in_protocol", 7)]),
        ("era_gap_days: 30\n", [("follow_up_in_protocol", 7)]),
        ('window: {from: "2000-01-01"}\n', [("follow_up_in_protocol", 7)]),
        (f"censor: [{OTHER}]\n", [("follow_up_in_protocol", 7)]),
        (entry("  pick: all\n"), [("several_index_dates", 3)]),
        (entry("  pick: all\n") + "limit: first\n", []),
    ],
)
def test_a_protocol_needs_one_index_date_a_person_and_its_follow_up_stands_elsewhere(text, codes_found):
    """An exit that no analysis reads would promise what is not done."""
    assert found(text, protocol=True) == codes_found


def test_what_only_another_maker_of_definitions_can_get_wrong_is_found_too():
    """Circe, a page or a program may hand over what the reader would have refused."""
    dx = read(HEAD + ENTRY).entry.events[0]
    whole = Cohort("x", Entry((dx,)))
    reason = FINDINGS["rule_empty"]
    cases = {
        "entry_empty": replace(whole, entry=Entry(())),
        "table_unknown": replace(whole, censors=(Events("no_such"),)),
        "column_unknown": replace(whole, censors=(replace(dx, tests=(Test("colour", "eq", ("red",)),)),)),
        "rule_empty": replace(whole, rules=(Rule("r", Bilingual("无", "None"), Group()),)),
    }  # fmt: skip
    assert reason[0] == "warning"
    for code, cohort in cases.items():
        assert [one.code for one in lint(cohort, MODEL)] == [code]


def test_a_circe_definition_is_judged_by_the_same_rules():
    """A condition after the index date is a look ahead, whoever wrote it."""
    import json

    from studies.cohorts.tables import load_model
    from tests.studies.cohorts.circe_cases import expression, group, related, window

    drug = {"DrugExposure": {"CodesetId": 2}}
    entry_event = {"ConditionOccurrence": {"CodesetId": 1}}
    for days, expected in (((-30, 0), []), ((0, 30), ["look_ahead"])):
        text = json.dumps(
            expression(
                entry_event, limit="First", AdditionalCriteria=group("ALL", related(drug, window(*days)))
            )
        )
        cohort = read_circe(text, None, "case")
        assert [one.code for one in lint(cohort, load_model("omop"))] == expected


# -- definitions without a fault ---------------------------------------------------------------------


def clean(random: random.Random) -> str:
    """A definition in which nothing is wrong: its conditions lie before the index date, and in observed time."""
    rules = [_condition(random, number) for number in range(random.randint(0, 5))]
    text = ENTRY + "".join(f"{part}:\n" + "".join(of) for part in ("require", "exclude") if (of := [
        f"  - {{id: r{number}, {WHY}, {one}}}\n" for number, (where, one) in enumerate(rules) if where == part
    ]))  # fmt: skip
    return text + random.choice(
        ["", "exit: {days: 30, from: start}\n", "era_gap_days: 3\n", "limit: first\n"]
    )


def _condition(random: random.Random, number: int) -> tuple[str, str]:
    """Each on codes of its own, so that no two can contradict each other."""
    last = random.randint(-300, 0)
    days = f"days: [{last - random.randint(0, 300)}, {last}]"
    table = random.choice(["condition", "procedure", "drug_exposure"])
    query = f"{{table: {table}, codes: {codes(f'R{number}')}}}"
    plain = f"events: {query}, {days}"
    measured = f"events: {{table: measurement, codes: {codes(f'M{number}')}}}, {days}"
    return random.choice(
        [
            ("require", plain),
            ("exclude", plain),
            ("require", f"no_events: {query}, {days}"),
            ("require", f"washout: {query}, days: {random.randint(1, 730)}"),
            ("require", f"events: {query}, {days}, count: {{at_least: {random.randint(1, 3)}}}"),
            (
                "require",
                f"{measured}, of: last, then: {{value: {{at_least: {random.randint(1, 9)}, unit: g}}}}",
            ),
            ("require", f"any: [{{{plain}}}, {{patient: {{age: {{at_least: {random.randint(0, 90)}}}}}}}]"),
            ("exclude", f"all: [{{{plain}}}, {{patient: {{gender: male}}}}]"),
            ("require", f"at_least: {{number: 1, of: [{{{plain}}}, {{{measured}}}]}}"),
        ]
    )


def test_definitions_without_a_fault_have_no_finding():
    """100 drawn definitions; a linter that cries wolf is switched off."""
    drawn = random.Random(20)
    for _ in range(100):
        text = clean(drawn)
        assert found(text) == [], text


def test_a_fault_planted_in_a_drawn_definition_is_the_only_one_found():
    """Whatever stands around it."""
    drawn = random.Random(21)
    planted = {
        "look_ahead": f"events: {{table: imaging, codes: {codes('Z')}}}, days: [-3, 3]",
        "window_reversed": f"events: {{table: imaging, codes: {codes('Z')}}}, days: [-3, -30]",
        "unit_missing": f"events: {{table: measurement, codes: {codes('Z')}, "
        "where: {value: {less_than: 3}}}, days: [-3, 0]",
        "excludes_entry": f"no_events: {DX}, days: [-3, 0]",
        "contradiction": "patient: {age: {at_least: 18, less_than: 18}}",
        "outcome_before_freeze": f"events: {{table: outcome_event, codes: {codes('Z')}}}, days: [-3, 0]",
    }  # fmt: skip
    for _ in range(60):
        code = drawn.choice(sorted(planted))
        text = clean(drawn)
        fault = f"  - {{id: fault, {WHY}, {planted[code]}}}\n"
        text = (
            text.replace("require:\n", f"require:\n{fault}")
            if "require:" in text
            else text + f"require:\n{fault}"
        )
        line = 1 + (HEAD + text).splitlines().index(fault.rstrip())
        assert found(text) == [(code, line)], text
    assert errors(lint(read(HEAD + text), MODEL))
