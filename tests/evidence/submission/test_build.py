"""Which datasets a study has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from studies.evidence.submission import datasets
from tests.evidence.submission.made import emptied, rotterdam, rotterdam_table, valve, valve_table
from tests.studies.adverse_lock import dataset_of, planned
from tests.studies.rotterdam_lock import rotterdam_protocol
from tests.studies.small import dataset, small_protocol, table
from tests.studies.valve import protocol as valve_protocol


def names(made) -> list[str]:
    return [one.name for one in made]


def test_a_study_without_safety_has_subjects_and_times():
    assert names(rotterdam()) == ["ADSL", "ADTTE"]


def test_a_study_with_safety_has_its_events_too():
    assert names(valve()) == ["ADSL", "ADTTE", "ADAE"]


def test_a_lock_too_old_to_hold_events_has_no_dataset_of_them():
    """An empty ADAE would say that nobody had an event."""
    given = dataset_of(table("subject | arm | days\nP1 | new | 5"), None, planned())
    assert given.adverse_events is None
    assert names(datasets(given, planned())) == ["ADSL", "ADTTE"]


def test_events_that_nobody_planned_to_analyse_stay_in_the_lock():
    protocol = valve_protocol()
    without = replace(protocol, analyses=tuple(one for one in protocol.analyses if one.method != "safety"))
    assert names(datasets(valve_table(), without)) == ["ADSL", "ADTTE"]


@pytest.mark.parametrize(
    ("given", "protocol"), [(rotterdam_table(), rotterdam_protocol()), (valve_table(), valve_protocol())]
)
def test_a_cohort_that_nobody_entered_has_every_dataset_without_rows(given, protocol):
    full, empty = datasets(given, protocol), datasets(emptied(given), protocol)
    assert names(full) == names(empty)
    for one, other in zip(full, empty, strict=True):
        assert list(one.frame.columns) == list(other.frame.columns) and len(other.frame) == 0


def test_only_subjects_of_adsl_are_in_the_others():
    for made in (rotterdam(), valve()):
        known = set(made[0].frame["USUBJID"])
        assert all(set(one.frame["USUBJID"]) <= known for one in made)


def test_a_list_of_one_id_is_one_list_in_every_dataset():
    for made in (rotterdam(), valve(), datasets(dataset(40), small_protocol())):
        lists: dict[str, object] = {}
        for one in (variable for data in made for variable in data.variables if variable.codes):
            assert lists.setdefault(one.codes.id, one.codes) == one.codes


def test_every_coded_value_is_in_its_list():
    for made in (rotterdam(), valve(), datasets(dataset(40), small_protocol())):
        for data in made:
            for one in data.variables:
                if one.codes:
                    listed = {code.value for code in one.codes.codes}
                    found = {str(value) for value in data.frame[one.name].dropna()} - {""}
                    assert found <= listed, (data.name, one.name)


def test_the_keys_tell_every_row_from_every_other():
    for made in (rotterdam(), valve()):
        for one in made:
            assert not one.frame.duplicated(list(one.keys)).any()
            assert (one.frame[list(one.keys)] != "").all().all()


def test_two_builds_are_the_same():
    again = datasets(rotterdam_table(), rotterdam_protocol())
    once = datasets(rotterdam_table(), rotterdam_protocol())
    for one, other in zip(again, once, strict=True):
        assert one.frame.equals(other.frame) and one.variables == other.variables
