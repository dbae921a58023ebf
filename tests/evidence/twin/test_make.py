"""A synthetic twin: lock tables from a protocol alone, in which everything that the protocol speaks of happens."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest

from rwd_platform.core.errors import PlatformError
from studies.dataset import build
from studies.evidence.twin import SEED, SUBJECTS, make_twin, twin_results
from studies.evidence.twin.make import FEWEST, MOST
from studies.protocol import Records
from studies.tables import EVENT_TABLES
from tests.evidence.twin.pcg64 import Pcg64
from tests.evidence.twin.protocols import (
    NAMES,
    assert_same,
    changed,
    dataset_of,
    protocol_of,
    results_of,
    text_of,
    twin_of,
)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_protocol_seed_and_number_give_the_same_tables(name):
    assert_same(make_twin(protocol_of(name)), twin_of(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_tables_are_those_that_a_generator_written_without_numpy_gives(name, monkeypatch):
    """Nothing but the fixed stream of words goes in: no other random numbers, no clock, no logarithm."""

    class Plain:
        def __init__(self, seed: int) -> None:
            self._own = Pcg64(seed)

        def random_raw(self) -> int:
            return self._own.word()

    expected = twin_of(name)
    monkeypatch.setattr("studies.evidence.twin.draw.np.random.PCG64", Plain)
    assert_same(make_twin(protocol_of(name)), expected)


def test_random_numbers_of_the_caller_neither_matter_nor_move():
    np.random.seed(1)
    make_twin(protocol_of("stent"), subjects=100)
    after = np.random.random()
    np.random.seed(1)
    assert after == np.random.random()


def test_another_seed_gives_other_people():
    one, other = (make_twin(protocol_of("stent"), seed) for seed in (SEED, SEED + 1))
    assert not one["subject"]["age_years"].equals(other["subject"]["age_years"])
    assert not one["outcome_event"].equals(other["outcome_event"])


def test_only_a_protocol_a_seed_and_a_number_go_in():
    """There is no place through which anybody's data could come."""
    assert list(inspect.signature(make_twin).parameters) == ["protocol", "seed", "subjects"]
    assert (SEED, SUBJECTS) == (20261101, 300)


@pytest.mark.parametrize("subjects", [FEWEST, 101, 777])
def test_there_are_as_many_subjects_as_asked_for_each_named_as_invented(subjects):
    twin = make_twin(protocol_of("stent"), subjects=subjects)
    ids = twin["subject"]["subject_id"]
    assert len(ids) == subjects and ids.is_unique and ids.str.startswith("TWIN-").all()
    for frame in twin.values():
        assert frame["subject_id"].isin(ids).all()
        assert frame["source_row"].is_unique and frame["source_row"].str.startswith("twin:").all()


@pytest.mark.parametrize("subjects", [FEWEST - 1, MOST + 1, 0, -1, 10**9])
def test_too_few_and_too_many_subjects_are_refused(subjects):
    with pytest.raises(PlatformError) as error:
        make_twin(protocol_of("stent"), subjects=subjects)
    assert error.value.code == "twin.size_refused"
    assert str(FEWEST) in error.value.zh and str(MOST) in error.value.en


def test_a_protocol_whose_lock_has_months_is_refused():
    """Of such a lock nothing is analysed, so that there is nothing to recompute."""
    months = changed("stent", lambda text: text.update(lock={"dates": "month"}, analyses=[]))
    with pytest.raises(PlatformError) as error:
        make_twin(months)
    assert error.value.code == "study.months_only"


def test_a_lock_of_shifted_dates_has_a_twin_in_days_and_gives_the_same():
    """Days and shifted dates are the same table to an analysis."""
    shifted = changed("stent", lambda text: text.update(lock={"dates": "shift"}))
    assert_same(make_twin(shifted), twin_of("stent"))


@pytest.mark.parametrize("name", NAMES)
def test_every_table_that_the_protocol_reads_is_there_with_its_columns(name):
    protocol, twin = protocol_of(name), twin_of(name)
    found = [protocol.exposure.records, protocol.exposure.comparator]
    found += [one.records for one in (*protocol.covariates, *protocol.outcome.sources)]
    for records in found:
        if isinstance(records, Records):
            spec = EVENT_TABLES[records.table]
            assert {spec.system, spec.code, spec.day, spec.status} <= set(twin[records.table].columns)
    safety = any(one.method == "safety" for one in protocol.analyses)
    assert ("adverse_event" in twin) == safety


@pytest.mark.parametrize("name", NAMES)
def test_both_arms_every_end_and_more_than_one_site_occur(name):
    frame, protocol = dataset_of(name).frame, protocol_of(name)
    assert frame[protocol.exposure.name].value_counts().min() > 50
    assert frame["event"].value_counts().reindex([0, 1]).min() > 30
    if protocol.outcome.competing is not None:
        assert frame["status"].value_counts().reindex([0, 1, 2]).min() > 5
    for _, arm in frame.groupby(protocol.exposure.name):
        assert arm["site_id"].nunique() >= 2 and arm["event"].nunique() == 2


def test_the_demonstration_has_competing_events():
    """Otherwise the line above would test nothing."""
    assert protocol_of("rotterdam").outcome.competing is not None
    assert 2 in set(dataset_of("rotterdam").frame["status"])


@pytest.mark.parametrize("name", NAMES)
def test_every_level_of_every_covariate_occurs_in_both_arms(name):
    frame, protocol = dataset_of(name).frame, protocol_of(name)
    for covariate in protocol.covariates:
        for _, arm in frame.groupby(protocol.exposure.name):
            if covariate.levels:
                assert set(arm[covariate.name]) == {one.id for one in covariate.levels}
            elif covariate.type == "record":
                assert set(arm[covariate.name]) == {0, 1}
            else:
                assert arm[covariate.name].nunique() > 10


@pytest.mark.parametrize("name", NAMES)
def test_every_population_has_people_in_it_and_people_outside(name):
    frame = dataset_of(name).frame
    sets = results_of(name).row_sets
    for population in protocol_of(name).populations:
        assert len(sets[population.id]) > 0
        assert not population.restrictions or len(sets[population.id]) < len(frame)


@pytest.mark.parametrize("name", NAMES)
def test_somebody_leaves_for_every_reason_that_there_is(name):
    """Prevalent use, contradictions, no arm, each covariate missing, no outcome, an outcome before time zero."""
    protocol = protocol_of(name)
    left = {one.reason.en: one.left for one in dataset_of(name).attrition}
    expected = [
        "No usable record of the outcome or of follow-up",
        "The records of the outcome contradict each other",
    ]
    expected += ["The outcome or the end of follow-up is before the index date"]
    expected += [f"Covariate missing: {one.title.en}" for one in protocol.covariates if one.kind != "record"]
    if protocol.exposure.washout_days:
        expected.append("Used the product before the index date")
    if protocol.exposure.contradicting_statuses:
        expected.append("The records of the exposure contradict each other")
    if protocol.exposure.comparator is not None:
        expected += ["Had both the product and the comparator", "Had neither the product nor the comparator"]
    assert [one for one in expected if left.get(one, 0) == 0] == []
    assert len(dataset_of(name).frame) > 0.8 * SUBJECTS


@pytest.mark.parametrize("name", NAMES)
def test_every_planned_analysis_is_done_or_has_its_reason(name):
    results = results_of(name)
    done = {one.analysis for one in results.rows}
    for planned in protocol_of(name).analyses:
        assert planned.id in done or planned.method == "forest" or results.not_done[planned.id]
    estimates = [one for one in results.rows if one.statistic == "hazard_ratio" and one.value is not None]
    assert len(estimates) >= 4 and len(results.rows) > 200


@pytest.mark.parametrize("subjects", [100, 101, 150, 999])
@pytest.mark.parametrize("name", NAMES)
def test_also_small_and_large_twins_can_be_analysed(name, subjects):
    protocol = protocol_of(name)
    results = twin_results(protocol, make_twin(protocol, subjects=subjects))
    done = {one.analysis for one in results.rows}
    missing = [one.id for one in protocol.analyses if one.id not in done and one.id not in results.not_done]
    assert [one for one in missing if "forest" not in one] == []


@pytest.mark.parametrize("seed", [0, 1, 2**63, 2**130])
def test_any_seed_makes_a_twin_with_both_arms_and_events(seed):
    frame = build(make_twin(protocol_of("stent"), seed), protocol_of("stent")).frame
    assert set(frame["stent"]) == {0, 1} and set(frame["event"]) == {0, 1}


def days_of(twin, table: str, code: str) -> pd.Series:
    spec = EVENT_TABLES[table]
    rows = twin[table][twin[table][spec.code] == code]
    return rows.groupby("subject_id")[spec.day].apply(list)


def test_a_subject_has_met_the_criteria_of_a_cohort_in_the_protocols_own_words():
    """Rotterdam: a woman of age, operated on day 0, with the diagnosis in the 60 days up to it."""
    twin, analysed = twin_of("rotterdam"), set(dataset_of("rotterdam").frame["subject_id"])
    people = twin["subject"].set_index("subject_id").loc[sorted(analysed)]
    assert set(people["gender"]) == {"female"} and people["age_years"].min() >= 18
    operated, diagnosed = days_of(twin, "procedure", "85.4"), days_of(twin, "condition", "C50.9")
    assert all(0 in operated[one] for one in analysed)
    assert all(any(-60 <= day <= 0 for day in diagnosed[one]) for one in analysed)
    assert any(day < 0 for days in diagnosed for day in days)


def test_a_subject_has_met_the_criteria_of_a_cohort_in_the_cohort_language():
    """The second demonstration: a valve implanted on day 0 - one of the two arms' - and stenosis before it."""
    twin, frame = twin_of("valve"), dataset_of("valve").frame
    diagnosed = days_of(twin, "condition", "I35.0")
    assert all(any(-60 <= day <= 0 for day in diagnosed[one]) for one in frame["subject_id"])
    for code, arm in (("06970000000017", 1), ("06970000000024", 0)):
        implanted = days_of(twin, "device_use", code)
        assert all(implanted[one] == [0] for one in frame[frame["valve_v"] == arm]["subject_id"])
    lineage = dataset_of("valve").lineage
    assert set(lineage[lineage["variable"] == "index"]["subject_id"]) == set(frame["subject_id"])


def test_what_a_criterion_forbids_is_recorded_of_nobody():
    """Earlier tumours keep people out of the invented study."""
    assert "C80" in text_of("stent")
    assert "C80" not in set(twin_of("stent")["condition"]["code"])
    assert twin_of("stent")["subject"]["age_years"].between(18, 90).all()


def test_an_older_value_than_the_one_that_counts_is_there_for_some():
    """So that the rule of the latest day has something to choose from."""
    twin = twin_of("stent")
    counted = twin["measurement"].groupby(["subject_id", "code"]).size()
    assert 20 < (counted > 1).sum() < len(counted) / 2
    for _, rows in twin["measurement"].groupby(["subject_id", "code"]):
        days = rows["effective_day"].tolist()
        assert days == sorted(set(days)), "the one that counts comes last, on a day of its own"


def test_the_exposed_and_the_others_differ_at_baseline_as_in_real_life():
    """Those of greater need are treated more: without confounding a package would have no weighting to recompute."""
    rows = [one for one in results_of("rotterdam").rows if one.statistic == "smd_unweighted"]
    assert max(abs(one.value) for one in rows) > 0.1
