"""Why a patient is in or out: the path, the rows that decided, and that it agrees with the counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from rwd_platform.core.text import Bilingual
from studies.cohorts import steps
from studies.cohorts.definition import Bound, Count, Events, Group, Related, Rule, Window
from studies.cohorts.explain import Explanation, RowSeen, explain
from tests.studies.cohorts.drawn import Draw, duckdb, plain
from tests.studies.cohorts.test_steps import BOTH, COHORT, STORE, A

AGAIN = Rule(
    "again",
    Bilingual("九十天内未再次诊断", "Not diagnosed again within ninety days"),
    Group(
        related=(
            Related(
                Events("condition", A), (Window(Bound(1, 1), Bound(92, 1)),), Count("at_least", 1), line=30
            ),
        )
    ),
    29,
)


def step(found: Explanation, id: str):
    return next(one for one in found.steps if one.id == id)


@BOTH
def test_the_path_names_the_rows_the_window_and_the_number_needed(engine):
    found = explain(engine(STORE), replace(COHORT, rules=(AGAIN,)), "P1")
    assert found.included
    assert found.intervals == (("2020-03-01", "2020-12-31"),)
    [judged] = step(found, "again").judged
    assert judged.row == RowSeen("condition", ("c1",), "2020-03-01", "2020-03-01", "A")
    [looked] = judged.why.parts
    assert looked.windows == (("2020-03-02", "2020-06-01"),)
    assert (looked.counted, looked.operator, looked.needed, looked.held) == (1, "at_least", 1, True)
    assert looked.rows == (RowSeen("condition", ("c2",), "2020-06-01", "2020-06-01", "A"),)
    assert looked.line == 30


@BOTH
def test_a_patient_who_is_out_left_at_one_step_and_later_ones_were_not_asked(engine):
    found = explain(engine(STORE), replace(COHORT, rules=(AGAIN,)), "P2")
    assert (found.in_store, found.included, found.left_at) == (True, False, "again")
    assert [one.passed for one in found.steps][-3:] == [False, None, None]
    [looked] = step(found, "again").judged[0].why.parts
    assert (looked.counted, looked.needed, looked.rows) == (0, 1, ())


@BOTH
def test_a_date_that_is_no_day_is_shown_as_it_is_written(engine):
    found = explain(engine(STORE), COHORT, "P3")
    assert found.left_at == "dated"
    [judged] = step(found, "dated").judged
    assert (judged.row.date, judged.held) == ("2020-03", False)


@BOTH
def test_the_test_that_failed_shows_what_is_recorded(engine):
    found = explain(engine(STORE), COHORT, "P2")
    [about] = step(found, "adult").judged[0].why.parts
    assert [(one.column, one.values, one.found, one.passed) for one in about.tests] == [
        ("age", (18,), 4, False)
    ]


@BOTH
def test_the_observation_that_was_missing_is_shown(engine):
    found = explain(engine(STORE), COHORT, "P5")
    why = step(found, "observed").judged[0].why
    assert why.windows == (("2020-06-15", "2020-06-15"),)
    assert [(one.date, one.end_date) for one in why.rows] == [("2020-01-01", "2020-02-01")]


@BOTH
@pytest.mark.parametrize("name", ["P99", "", "' OR 1=1 --", "患者", "P1 "])
def test_a_patient_who_is_not_in_the_store_is_said_to_be_not(engine, name: str):
    found = explain(engine(STORE), COHORT, name)
    assert (found.in_store, found.included, found.steps) == (False, False, ())


@BOTH
def test_of_a_withdrawn_patient_nothing_is_shown(engine):
    found = explain(engine(STORE), COHORT, "P1", excluding={"P1"})
    assert (found.in_store, found.left_at, len(found.steps)) == (True, "withdrawn", 1)
    assert found.steps[0].judged == ()


@pytest.mark.parametrize("seed", range(40))
def test_over_drawn_definitions_the_paths_of_all_patients_are_the_attrition(seed: int):
    draw = Draw(seed)
    rows, cohort = draw.rows(), draw.cohort()
    engine = plain(rows)
    result = steps.run(engine, cohort, excluding={"P03"})
    paths = [explain(engine, cohort, one, {"P03"}) for one in [*draw.patients, "P99"]]
    left = Counter(one.left_at for one in paths if one.in_store and not one.included)
    assert left == {one.id: one.left for one in result.steps if one.left}
    intervals = sorted((one.patient_id, *days) for one in paths for days in one.intervals)
    assert intervals == [tuple(row) for row in result.rows.itertuples(index=False)]


@pytest.mark.parametrize("seed", range(3))
def test_the_path_read_from_duckdb_is_the_same(seed: int):
    draw = Draw(seed)
    rows, cohort = draw.rows(), draw.cohort()
    for patient in draw.patients[:4]:
        assert explain(duckdb(rows), cohort, patient) == explain(plain(rows), cohort, patient)
