"""How much of each variable is missing: against counts made by hand, and against values that were taken away."""

from __future__ import annotations

import random

import pandas as pd
import pytest

from studies.missingness import ANY, Missing, missingness
from tests.studies.rotterdam_lock import Lock, rotterdam_lock, rotterdam_protocol
from tests.studies.small import lock, small_protocol

SUBJECTS = """
    subject | age
    A       | 50
    B       | 60
    C       | -
    D       | 70
    E       | 80
"""
# A has all. B: weight in another unit, a code of frailty that is not listed. C: no age, no outcome, weight too early.
# D: the product a day after the grace days, so no arm. E: has all, with the comparator.
EVENTS = """
    table         | subject | code   | day | value | unit
    drug_exposure | A       | NEW    | 0   | -     | -
    drug_exposure | B       | NEW    | 1   | -     | -
    drug_exposure | C       | OLD    | 2   | -     | -
    drug_exposure | D       | NEW    | 3   | -     | -
    drug_exposure | E       | OLD    | 0   | -     | -
    outcome_event | A       | VITAL  | 90  | dead  | -
    outcome_event | B       | VITAL  | 95  | alive | -
    outcome_event | D       | VITAL  | 20  | alive | -
    outcome_event | E       | VITAL  | 30  | dead  | -
    measurement   | A       | WEIGHT | -5  | 70    | kg
    measurement   | B       | WEIGHT | -5  | 150   | lb
    measurement   | C       | WEIGHT | -31 | 80    | kg
    measurement   | D       | WEIGHT | 0   | 80    | kg
    measurement   | E       | WEIGHT | -30 | 81    | kg
    measurement   | A       | FRAIL  | 0   | F0    | -
    measurement   | B       | FRAIL  | 0   | F7    | -
    measurement   | C       | FRAIL  | 0   | F1    | -
    measurement   | D       | FRAIL  | 0   | F1    | -
    measurement   | E       | FRAIL  | 0   | F1    | -
"""


def counted(found: tuple[Missing, ...]) -> dict[str, tuple[int, ...]]:
    """Variable -> missing of all, then subjects and missing of each arm."""
    return {
        one.variable: (
            one.missing, one.exposed, one.exposed_missing, one.comparator, one.comparator_missing
        )
        for one in found
    }  # fmt: skip


def test_each_variable_of_a_drawn_lock_is_counted_as_by_hand() -> None:
    found = missingness(lock(SUBJECTS, EVENTS), small_protocol())
    assert {one.subjects for one in found} == {5}
    assert counted(found) == {
        "stent": (1, 2, 0, 2, 0),  # D
        "death": (1, 2, 0, 2, 1),  # C
        "age": (1, 2, 0, 2, 1),  # C
        "weight_kg": (2, 2, 1, 2, 1),  # B, C
        "frailty": (1, 2, 1, 2, 0),  # B
        ANY: (3, 2, 1, 2, 1),  # B, C, D
    }
    assert [one.variable for one in found] == ["stent", "death", "age", "weight_kg", "frailty", ANY]
    assert all(one.title.zh and one.title.en for one in found)


def test_a_record_that_is_not_there_is_a_no_and_never_missing() -> None:
    variables = {one.variable for one in missingness(lock(SUBJECTS, EVENTS), small_protocol())}
    assert "surgery" in {one.name for one in small_protocol().covariates} and "surgery" not in variables


def test_who_has_records_that_contradict_each_other_has_no_value() -> None:
    """NEW and OLD on one day; dead, and seen alive later."""
    more = EVENTS + (
        "    drug_exposure | A       | OLD    | 0   | -     | -\n"
        "    outcome_event | E       | VITAL  | 60  | alive | -\n"
    )
    found = counted(missingness(lock(SUBJECTS, more), small_protocol()))
    assert found["stent"] == (2, 1, 0, 2, 0) and found["death"] == (2, 1, 0, 2, 2)
    assert found[ANY] == (5, 1, 1, 2, 2)


def test_an_empty_lock_has_nobody_and_nobody_is_missing() -> None:
    nobody = {name: frame.iloc[:0] for name, frame in lock(SUBJECTS, EVENTS).items()}
    found = missingness(nobody, small_protocol())
    assert len(found) == 6 and {one.subjects for one in found} == {0}
    assert set(counted(found).values()) == {(0, 0, 0, 0, 0)}


def test_people_without_any_record_are_missing_everywhere() -> None:
    tables = {
        name: frame if name == "subject" else frame.iloc[:0] for name, frame in lock(SUBJECTS, EVENTS).items()
    }
    found = counted(missingness(tables, small_protocol()))
    assert found.pop("age")[0] == 1
    assert {missing for missing, *_ in found.values()} == {5}


def test_records_of_people_who_are_not_in_the_lock_count_for_nobody() -> None:
    strangers = EVENTS + "    measurement   | Z       | WEIGHT | -5  | 70    | kg\n"
    strangers += "    outcome_event | Z       | VITAL  | 90  | dead  | -\n"
    strangers += "    drug_exposure | Z       | NEW    | 0   | -     | -\n"
    drawn, as_before = (missingness(lock(SUBJECTS, some), small_protocol()) for some in (strangers, EVENTS))
    assert counted(drawn) == counted(as_before)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), None])
def test_a_number_that_is_none_is_missing(value: float | None) -> None:
    tables = lock(SUBJECTS, EVENTS)
    measured = tables["measurement"]
    measured.loc[(measured["code"] == "WEIGHT") & (measured["subject_id"] == "A"), "value"] = value
    assert counted(missingness(tables, small_protocol()))["weight_kg"] == (3, 2, 2, 2, 1)


def test_the_order_of_the_rows_tells_nothing() -> None:
    tables = lock(SUBJECTS, EVENTS)
    shuffled = {name: frame.sample(frac=1, random_state=7) for name, frame in tables.items()}
    assert missingness(shuffled, small_protocol()) == missingness(tables, small_protocol())


def test_the_lock_is_left_as_it_was() -> None:
    tables = lock(SUBJECTS, EVENTS)
    before = {name: frame.copy() for name, frame in tables.items()}
    missingness(tables, small_protocol())
    for name, frame in before.items():
        pd.testing.assert_frame_equal(tables[name], frame)


# The published data, of which nothing is missing but what is taken away


def without(tables: Lock, code: str, subjects: set[str]) -> Lock:
    """The same with one measure of some people blank, in half of them, and gone in the others."""
    measured = tables["measurement"].copy()
    hit = (measured["code"] == code) & measured["subject_id"].isin(subjects)
    assert hit.sum() == len(subjects)
    first = measured.index[hit][::2]
    measured.loc[first, ["value", "value_code"]] = None
    return {**tables, "measurement": measured.drop(index=measured.index[hit][1::2])}


def test_of_the_published_table_nothing_is_missing() -> None:
    found = missingness(rotterdam_lock(), rotterdam_protocol())
    treated = len(rotterdam_lock()["drug_exposure"])
    assert {one.subjects for one in found} == {2982} and {one.missing for one in found} == {0}
    assert {(one.exposed, one.comparator) for one in found} == {(treated, 2982 - treated)}


def test_what_is_taken_away_is_counted_where_it_was_taken() -> None:
    """Each measure of a drawn set of people: their number, by arm, and the union of all sets as `any`."""
    tables, chance = rotterdam_lock(), random.Random(20261123)
    everybody = sorted(tables["subject"]["subject_id"])
    treated = set(tables["drug_exposure"]["subject_id"])
    taken: dict[str, set[str]] = {}
    for one in rotterdam_protocol().covariates:
        if one.kind == "measurement" and one.records is not None:
            (code,) = one.records.codes
            taken[one.name] = set(chance.sample(everybody, chance.randrange(1, 400)))
            tables = without(tables, code, taken[one.name])
    assert len(taken) >= 4
    found = counted(missingness(tables, rotterdam_protocol()))
    for name, gone in {**taken, ANY: set().union(*taken.values())}.items():
        arms = (len(treated), len(gone & treated), 2982 - len(treated), len(gone - treated))
        assert found[name] == (len(gone), *arms), name
    untouched = set(found) - set(taken) - {ANY}
    assert untouched and all(found[name][0] == 0 for name in untouched)
