"""Every step of a definition: who leaves, why, who they are, and that nothing is lost between two rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from studies.cohorts import steps
from studies.cohorts.characteristics import AGE, FOLLOW_UP, HOSPITAL, MISSING, SEX, YEAR
from studies.cohorts.definition import Codes, CodeTest, Cohort, Entry, Events, FixedExit, Group, Rule
from studies.cohorts.definition import Test as ColumnTest
from tests.studies.cohorts.drawn import COLUMNS, ICD, Draw, Rows, duckdb, plain

BOTH = pytest.mark.parametrize("engine", [plain, duckdb], ids=["plain", "duckdb"])
A = (CodeTest(Codes("", frozenset({(ICD, "A")}))),)
EMPTY: Rows = {name: [] for name in COLUMNS}


def table(text: str) -> list[dict[str, str | None]]:
    lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    head, *body = lines
    return [{k: None if v == "-" else v for k, v in zip(head, line, strict=True)} for line in body]


STORE: Rows = {
    **EMPTY,
    "patient": table("""
        patient_id | gender | organisation_id | birth_date
        P1         | female | hospital-a      | 1950-02-28
        P2         | male   | hospital-a      | 2015-06-15
        P3         | female | hospital-b      | -
        P4         | -      | hospital-b      | 1970-03
        P5         | female | hospital-b      | 1990-01-01
    """),
    "observation_period": table("""
        patient_id | first_date | last_date
        P1         | 2020-01-01 | 2020-12-31
        P2         | 2020-01-01 | 2020-12-31
        P3         | 2020-01-01 | 2020-12-31
        P4         | 2020-01-01 | 2020-12-31
        P5         | 2020-01-01 | 2020-02-01
    """),
    "condition": [
        {
            "abatement_date": None,
            "status": "confirmed",
            "value": None,
            "visit_id": None,
            "site_id": None,
            **row,
        }
        for row in table("""
        resource_id | patient_id | onset_date | code_system | code
        c1          | P1         | 2020-03-01 | urn:icd     | A
        c2          | P1         | 2020-06-01 | urn:icd     | A
        c3          | P2         | 2020-03-05 | urn:icd     | A
        c4          | P3         | 2020-03    | urn:icd     | A
        c5          | P5         | 2020-06-15 | urn:icd     | A
        c6          | P4         | 2020-03-01 | urn:icd     | B
    """)
    ],
}
ADULT = Rule(
    "adult",
    Bilingual("未满 18 周岁", "Under 18"),
    Group(about_patient=((ColumnTest("age", "ge", (18,)),),)),
    12,
)
COHORT = Cohort("case", Entry((Events("condition", A),), limit="first"), rules=(ADULT,))


@BOTH
def test_each_step_says_who_left_and_who_remains(engine):
    """P4 has another diagnosis, P3 one of a month, P5's lies after the last contact, P2 is a child."""
    result = steps.run(engine(STORE), COHORT)
    assert [(one.id, one.left, one.remaining, one.events) for one in result.steps] == [
        ("store", 0, 5, None),
        ("recorded", 1, 4, 5),
        ("dated", 1, 3, 4),
        ("entry", 0, 3, 4),
        ("observed", 1, 2, 3),
        ("entry_limit", 0, 2, 2),
        ("adult", 1, 1, 1),
        ("exit", 0, 1, 1),
        ("era", 0, 1, 1),
    ]
    assert result.rows.to_dict("records") == [
        {"patient_id": "P1", "start_date": "2020-03-01", "end_date": "2020-12-31"}
    ]
    assert result.patients == 1


@BOTH
def test_those_lost_are_described_and_what_is_not_recorded_is_said(engine):
    result = {one.id: one for one in steps.run(engine(STORE), COHORT).steps}
    unknown_day = result["dated"].lost
    assert unknown_day.counts == {
        SEX: {"female": 1},
        AGE: {MISSING: 1},
        HOSPITAL: {"hospital-b": 1},
        YEAR: {MISSING: 1},
        FOLLOW_UP: {MISSING: 1},
    }
    after_the_last_contact = result["observed"].lost
    assert after_the_last_contact.counts[FOLLOW_UP] == {"before": 1}
    assert after_the_last_contact.counts[YEAR] == {"2020": 1}
    child = result["adult"].lost
    assert child.counts[AGE] == {"0-17": 1}
    assert child.counts[FOLLOW_UP] == {"180-364": 1}
    assert result["recorded"].lost.counts[SEX] == {MISSING: 1}


def test_a_rule_brings_its_reason_and_its_line():
    step = next(one for one in steps.run(plain(STORE), COHORT).steps if one.kind == "rule")
    assert (step.id, step.reason, step.line) == ("adult", ADULT.reason, 12)


@BOTH
def test_a_step_with_nobody_left_still_has_all_later_rows(engine):
    nobody = replace(ADULT, id="nobody", group=Group(about_patient=((ColumnTest("age", "gt", (200,)),),)))
    cohort = replace(COHORT, rules=(nobody, ADULT), exit=FixedExit("start", 30), window=("2020-01-01", ""))
    result = steps.run(engine(STORE), cohort)
    assert [one.id for one in result.steps][-5:] == ["nobody", "adult", "exit", "era", "window"]
    assert [one.remaining for one in result.steps][-5:] == [0, 0, 0, 0, 0]
    assert len(result.rows) == 0
    assert list(result.rows.columns) == ["patient_id", "start_date", "end_date"]


@BOTH
def test_an_empty_store_gives_rows_of_zero(engine):
    result = steps.run(engine(EMPTY), COHORT)
    assert [(one.left, one.remaining) for one in result.steps] == [(0, 0)] * 9
    assert result.kept.n == 0


@BOTH
def test_the_withdrawn_are_a_step_and_are_not_described(engine):
    """Of whoever withdrew consent nothing is read: not their sex, not whether they had the disease."""
    result = steps.run(engine(STORE), COHORT, excluding={"P1", "somebody else"})
    withdrawn = result.steps[1]
    assert (withdrawn.id, withdrawn.left, withdrawn.remaining, withdrawn.lost) == ("withdrawn", 1, 4, None)
    assert result.patients == 0
    assert steps.run(engine(STORE), COHORT, excluding=()).steps[1].left == 0


@BOTH
def test_the_exit_and_the_window_are_steps_too(engine):
    leaves_before = replace(COHORT, rules=(), exit=FixedExit("start", -1))
    by_id = {one.id: one for one in steps.run(engine(STORE), leaves_before).steps}
    assert by_id["exit"].left == 2
    outside = replace(COHORT, rules=(), window=("2021-01-01", "2021-12-31"))
    assert steps.run(engine(STORE), outside).steps[-1].left == 2


@BOTH
def test_counts_alone_are_the_same_numbers(engine):
    whole = steps.run(engine(STORE), COHORT, excluding={"P2"})
    counted = steps.count(engine(STORE), COHORT, excluding={"P2"})
    assert [(one.id, one.left, one.remaining) for one in counted] == [
        (one.id, one.left, one.remaining) for one in whole.steps
    ]


def test_a_patient_of_no_table_is_nobody_in_the_store():
    """Rows whose patient has neither an entry in the patient table nor an observation period count for nothing."""
    stray = {**STORE, "condition": [{**row, "patient_id": "P9"} for row in STORE["condition"]]}
    for engine in (plain, duckdb):
        result = steps.run(engine(stray), COHORT)
        assert (result.steps[0].remaining, result.steps[1].remaining) == (5, 0)


def test_counts_that_do_not_add_up_are_refused():
    result = steps.run(plain(STORE), COHORT)
    wrong = replace(result, steps=(*result.steps[:3], replace(result.steps[3], left=2), *result.steps[4:]))
    with pytest.raises(PlatformError, match="add up"):
        wrong.check_adds_up()
    lost = replace(result.steps[1].lost, counts={SEX: {"female": 7}})
    with pytest.raises(PlatformError, match="add up"):
        replace(
            result, steps=(result.steps[0], replace(result.steps[1], lost=lost), *result.steps[2:])
        ).check_adds_up()


def same_on_both(seed: int) -> None:
    draw = Draw(seed)
    rows, cohort = draw.rows(), draw.cohort()
    one = steps.run(plain(rows), cohort, excluding={"P03"})
    other = steps.run(duckdb(rows), cohort, excluding={"P03"})
    assert one.steps == other.steps
    assert one.kept == other.kept
    assert one.rows.to_dict("records") == other.rows.to_dict("records")


@pytest.mark.parametrize("seed", range(4))
def test_drawn_definitions_give_the_same_steps_and_rows_on_plain_rows_and_duckdb(seed: int):
    same_on_both(seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4, 104))
def test_a_hundred_drawn_definitions_give_the_same_steps_and_rows(seed: int):
    same_on_both(seed)
