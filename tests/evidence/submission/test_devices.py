"""The device of a subject: the one that decided its arm, never a person, never a later one."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from rwd_platform.core.errors import PlatformError
from studies.evidence.submission import datasets
from studies.evidence.submission.devices import COLUMNS
from tests.evidence.submission.made import UDI, VALVE_S, VALVE_V, device, devices, named, valve, valve_table
from tests.studies.small import dataset, small_protocol
from tests.studies.valve import protocol as valve_protocol


def adsl_with(table: pd.DataFrame):
    return named(datasets(valve_table(), valve_protocol(), table), "ADSL")


def subject(arm: int = 1) -> str:
    frame = valve_table().frame
    return frame.loc[frame["valve_v"] == arm, "subject_id"].iloc[0]


def of(made, who: str) -> dict:
    return made.frame.set_index("USUBJID").loc[who].to_dict()


def test_each_arm_has_its_own_product_and_every_subject_one_device():
    frame = named(valve(), "ADSL").frame
    assert set(zip(frame["TRT01AN"], frame["UDIDI"], strict=True)) == {(1, VALVE_V), (0, VALVE_S)}
    assert set(frame["UDIISS"]) == {UDI} and set(frame["DEVDAY0"]) == {0}
    assert len(frame) == len(valve_table().frame)  # a second device makes no second row


def test_operator_and_centre_stand_beside_the_device():
    frame = named(valve(), "ADSL").frame
    assert frame["OPERORD"].tolist() == [place % 3 + 1 for place in range(len(frame))]
    assert frame["OPERCASE"].tolist() == [place + 1 for place in range(len(frame))]
    assert (frame["SITEID"] != "").all()


def test_a_device_of_a_later_day_is_not_the_one_of_time_zero():
    who = subject()
    made = adsl_with(devices(device(who, VALVE_S, start_day=30), device(who, VALVE_V)))
    assert of(made, who)["UDIDI"] == VALVE_V


@pytest.mark.parametrize(
    "other",
    [
        {"udi_di": "06900000000000"}, {"udi_issuer": "urn:another-issuer"}, {"start_action": "explanted"},
        {"start_day": -1}, {"start_day": 1}, {"start_day": None},
    ],
)  # fmt: skip
def test_a_row_that_does_not_decide_the_arm_is_not_the_subjects_device(other):
    who = subject()
    made = adsl_with(devices(device(who, VALVE_V, model_code="decoy", **other), device(who, VALVE_V)))
    assert of(made, who)["DEVMODEL"] == "M-23"
    alone = adsl_with(devices(device(who, VALVE_V, **other)))
    assert of(alone, who)["UDIDI"] == ""


def test_of_two_on_one_day_the_first_row_of_the_lock_decides():
    who = subject()
    rows = devices(device(who, VALVE_V, model_code="first"), device(who, VALVE_V, model_code="second"))
    assert of(adsl_with(rows), who)["DEVMODEL"] == "first"
    assert of(adsl_with(rows.iloc[::-1]), who)["DEVMODEL"] == "first"


def test_a_subject_without_a_device_has_blanks():
    made = adsl_with(devices(device(subject(), VALVE_V)))
    other = of(made, subject(arm=0))
    assert other["UDIDI"] == "" and pd.isna(other["OPERORD"])


def test_a_device_of_somebody_who_is_not_analysed_is_nobodys():
    made = adsl_with(devices(device("stranger", VALVE_V)))
    assert "stranger" not in set(made.frame["USUBJID"]) and set(made.frame["UDIDI"]) == {""}


def test_an_empty_table_gives_blanks():
    made = adsl_with(devices(device("x", VALVE_V)).iloc[:0])
    assert set(made.frame["UDIDI"]) == {""} and made.frame["DEVDAY0"].isna().all()


def test_a_column_that_the_lock_left_out_gives_no_variable():
    made = adsl_with(devices(device(subject(), VALVE_V)).drop(columns=["operator_ordinal", "explant_day"]))
    names = {one.name for one in made.variables}
    assert not {"OPERORD", "DEVEXDY0"} & names and {"UDIDI", "OPERCASE"} <= names


@pytest.mark.parametrize("column", ["subject_id", "start_day", "udi_issuer", "udi_di", "start_action"])
def test_a_table_that_cannot_say_who_had_what_is_refused_with_the_column(column):
    with pytest.raises(PlatformError) as error:
        adsl_with(devices(device(subject(), VALVE_V)).drop(columns=column))
    assert error.value.code == "submission.devices_without_days"
    assert error.value.details == {"column": column}


def test_where_no_device_decides_the_arm_it_is_the_first_one_of_those_days():
    given = dataset(4)
    rows = devices(
        device("P0000", "later", start_day=2),
        device("P0000", "first", start_day=1),
        device("P0001", "x", start_day=3),
    )  # the small study's arm is decided on days 0 to 2, by what was dispensed
    made = named(datasets(given, small_protocol(), rows), "ADSL")
    assert made.frame["UDIDI"].tolist() == ["first", "", "", ""]
    assert made.variable("UDIDI").source == ()
    assert "that the protocol lists" not in made.variable("UDIDI").derivation.en
    assert "that the protocol lists" in named(valve(), "ADSL").variable("UDIDI").derivation.en


def test_where_a_device_decides_the_arm_its_cell_goes_home_by_the_exposure():
    assert named(valve(), "ADSL").variable("UDIDI").source == ("valve_v",)
    assert named(valve(), "ADSL").variable("UDIDI").predecessor == "device_use.udi_di"
    assert "0" in named(valve(), "ADSL").variable("UDIDI").derivation.en


def test_without_the_table_there_are_no_variables_of_a_device():
    made = named(datasets(valve_table(), valve_protocol()), "ADSL")
    assert not set(COLUMNS.values()) & {one.name for one in made.variables}


def test_no_variable_is_the_production_part_of_a_udi_or_a_person():
    names = set(COLUMNS)
    assert not [
        one for one in names if any(word in one for word in ("serial", "lot", "name", "practitioner"))
    ]


def test_the_table_is_left_as_it_was():
    rows = devices(device(subject(), VALVE_V))
    before = rows.copy(deep=True)
    adsl_with(rows)
    assert rows.equals(before)


def test_a_study_without_a_comparator_product_takes_the_exposures_alone():
    protocol = replace(valve_protocol(), exposure=replace(valve_protocol().exposure, comparator=None))
    made = named(datasets(valve_table(), protocol, devices(device(subject(0), VALVE_S))), "ADSL")
    assert set(made.frame["UDIDI"]) == {""}
