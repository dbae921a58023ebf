"""Counts before a freeze: no outcome, nothing small, the same answer to the same question, nobody singled out."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from studies.cohorts.definition import Codes, CodeTest, Cohort, Entry, Events, Group, Rule
from studies.cohorts.definition import Test as ColumnTest
from studies.cohorts.feasibility import feasibility, protection
from studies.cohorts.patient_keys import PatientWeights, characters_of
from tests.studies.cohorts.drawn import ICD, MODEL, Rows, duckdb, plain
from tests.studies.cohorts.test_steps import BOTH, EMPTY

KEY = b"k" * 32
A = Events("condition", (CodeTest(Codes("", frozenset({(ICD, "A")}))),))
COHORT = Cohort("case", Entry((A,)))
FEMALE = Rule(
    "female",
    Bilingual("非女性", "Not female"),
    Group(about_patient=((ColumnTest("patient.gender", "eq", ("female",)),),)),
)


def store(patients: int, female: int = 0) -> Rows:
    """So many patients with the diagnosis, the first `female` of them women."""
    names = [f"P-{Random(number).getrandbits(60):015x}" for number in range(patients)]
    return {
        **EMPTY,
        "patient": [
            {
                "patient_id": name,
                "gender": "female" if number < female else "male",
                "organisation_id": "hospital-a",
                "birth_date": "1950-01-01",
            }
            for number, name in enumerate(names)
        ],
        "observation_period": [
            {"patient_id": name, "first_date": "2020-01-01", "last_date": "2020-12-31"} for name in names
        ],
        "condition": [
            {
                "resource_id": f"c{number}", "patient_id": name, "onset_date": "2020-06-01", "abatement_date": None,
                "code_system": ICD, "code": "A", "status": None, "visit_id": None, "site_id": None, "value": None,
            }
            for number, name in enumerate(names)
        ],
    }  # fmt: skip


@BOTH
def test_every_number_is_a_rounded_one_near_the_truth(engine):
    found = feasibility(engine(store(137)), COHORT, KEY)
    rules = protection()
    assert found.patients is not None
    assert found.patients % rules.base == 0
    assert abs(found.patients - 137) <= rules.noise + rules.base / 2
    assert [one.left for one in found.steps][1:] == [None] * (len(found.steps) - 1)


@BOTH
@pytest.mark.parametrize("female", [0, 1, 9])
def test_none_one_and_nine_look_alike(engine, female: int):
    found = feasibility(engine(store(40, female)), replace(COHORT, rules=(FEMALE,)), KEY)
    assert found.patients is None
    assert found.steps[-1].left is None


def test_an_empty_store_gives_every_step_and_no_number():
    found = feasibility(plain(EMPTY), COHORT, KEY)
    assert [one.remaining for one in found.steps] == [None] * 7


def test_the_same_question_gets_the_same_answer_on_every_engine():
    rows = store(60, 31)
    cohort = replace(COHORT, rules=(FEMALE,))
    answers = [feasibility(engine(rows), cohort, KEY) for engine in (plain, duckdb, plain)]
    assert answers[0] == answers[1] == answers[2]
    renamed = replace(cohort, name="other words", rules=(replace(FEMALE, id="f", line=3),))
    assert [one.remaining for one in feasibility(plain(rows), renamed, KEY).steps] == [
        one.remaining for one in answers[0].steps
    ]


def test_one_patient_more_tells_nothing_about_that_patient():
    """Over many stores the difference that one patient makes is as often up, down and none as without them.

    With rounding alone a count of 42 and one of 43 would always show 40 and 45.
    """
    seen: dict[int, set[int]] = {42: set(), 43: set()}
    for key in range(40):
        for women in seen:
            found = feasibility(plain(store(50, women)), replace(COHORT, rules=(FEMALE,)), bytes([key]) * 32)
            seen[women].add(found.patients or 0)
    assert len(seen[42] & seen[43]) >= 2


def test_later_steps_are_never_larger_and_hidden_numbers_stay_hidden():
    rows = store(60, 30)
    rules = tuple(replace(FEMALE, id=f"again-{number}") for number in range(6))
    numbers = [one.remaining for one in feasibility(plain(rows), replace(COHORT, rules=rules), KEY).steps]
    known = [one for one in numbers if one is not None]
    assert known == sorted(known, reverse=True)
    none_left = replace(FEMALE, id="none", group=Group(about_patient=((ColumnTest("age", "gt", (200,)),),)))
    hidden = feasibility(plain(rows), replace(COHORT, rules=(none_left, FEMALE)), KEY).steps
    assert [one.remaining for one in hidden][-4:] == [None] * 4


@BOTH
def test_who_is_lost_is_protected_alike(engine):
    found = feasibility(engine(store(60, 31)), replace(COHORT, rules=(FEMALE,)), KEY, characteristics=True)
    lost = next(one for one in found.steps if one.id == "female").lost
    assert lost is not None
    numbers = [n for values in lost.counts.values() for n in values.values()]
    assert all(n is None or n % 5 == 0 for n in numbers)
    assert found.kept is not None
    assert set(found.kept.counts["sex"]) == {"female"}


def asked(*rules: Rule):
    return replace(COHORT, rules=rules)


def everybody(id: str) -> Rule:
    return replace(FEMALE, id=id, group=Group(about_patient=((ColumnTest("age", "ge", (0,)),),)))


@BOTH
def test_other_words_another_order_and_conditions_that_nobody_fails_draw_no_other_noise(engine):
    """One could ask 80 times and take the mean. Every number of a set of people is the one number of that set."""
    there = engine(store(90, 43))
    asked_again = [
        *(asked(replace(FEMALE, id=f"r{number}")) for number in range(2 if engine is duckdb else 60)),
        *(
            asked(*map(everybody, "abcdefgh"[:number]), FEMALE)
            for number in range(1 if engine is duckdb else 9)
        ),
        asked(FEMALE, everybody("after")),
        replace(asked(), qualify=FEMALE.group),
        asked(
            replace(FEMALE, group=Group("at_most", 0, groups=(Group("at_most", 0, groups=(FEMALE.group,)),)))
        ),
    ]
    found = [feasibility(there, cohort, KEY, characteristics=True) for cohort in asked_again]
    lost = [next(one.lost for one in each.steps if one.lost and one.lost.counts["sex"]) for each in found]
    assert len({each.patients for each in found}) == 1
    assert len({repr(each.kept) for each in found}) == 1
    assert len({repr(each) for each in lost}) == 1
    assert lost[0].counts["sex"]["male"] == lost[0].n


def test_who_else_is_lost_draws_no_other_noise_for_those_who_are_the_same():
    """All women leave each time, with more and more of the men: the number of the women says nothing new."""
    rows = store(90, 43)
    for number, row in enumerate(rows["patient"]):
        row["birth_date"] = "1900-01-01" if number < 43 else f"{1920 + number}-01-01"
    women = set()
    for age in range(30, 75, 3):
        either = Group(
            "any",
            about_patient=(
                (ColumnTest("patient.gender", "eq", ("female",)),),
                (ColumnTest("age", "lt", (age,)),),
            ),
        )
        rule = replace(FEMALE, group=Group("at_most", 0, groups=(either,)))
        lost = feasibility(plain(rows), asked(rule), KEY, characteristics=True).steps
        women |= {one.lost.counts["sex"]["female"] for one in lost if one.id == "female" and one.lost}
    assert len(women) == 1 and women != {None}


@BOTH
def test_outcomes_are_refused_by_name_and_line(engine):
    there = engine(store(12))
    there = replace_model(there)
    with pytest.raises(PlatformError) as refused:
        feasibility(there, replace(COHORT, entry=Entry((replace(A, line=7),))), KEY)
    assert refused.value.code == "feasibility.outcomes"
    assert refused.value.details == {"names": "condition", "lines": "7"}
    assert refused.value.exit == 3


def replace_model(engine):
    model = replace(MODEL, outcomes=frozenset({"condition"}))
    if hasattr(engine, "observed"):
        return type(engine)(model, engine.tables)
    return replace(engine, model=model)


def test_a_patients_number_is_the_same_on_every_engine():
    import ibis

    names = ["P-0123456789abcdef", "short", "", "患者甲", "x" * 300]
    weights = PatientWeights(KEY)
    table = ibis.memtable({"name": names})
    found = (
        table.select(n=weights.of_characters(characters_of(table["name"])))
        .to_pyarrow()
        .column("n")
        .to_pylist()
    )
    assert found == [weights.of(name) for name in names]
    assert len({weights.of(name) for name in names}) == len(names)
    assert PatientWeights(b"other" * 6).of(names[0]) != weights.of(names[0])
    assert "k" * 8 not in repr(weights)
