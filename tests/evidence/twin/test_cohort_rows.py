"""The rows that let an invented subject into the cohort, in both ways of writing a cohort down."""

from __future__ import annotations

import copy
from dataclasses import replace

import pandas as pd
import pytest
import yaml

from studies.cohorts.plain_values import compare, has_code
from studies.cohorts.tables import load_model
from studies.dataset import build
from studies.evidence.twin import make_twin
from studies.evidence.twin.cohort_rows import (
    entry_codes,
    entry_day,
    event_row,
    record_row,
    rows_of,
    tables_of,
)
from studies.evidence.twin.draw import Draw
from studies.evidence.twin.exposures import arm_codes
from studies.protocol import DefinedCohort
from studies.protocol_rows import MODEL, index_rows
from tests.evidence.twin.protocols import changed, protocol_of, text_of

ICD = "http://hl7.org/fhir/sid/icd-10"


def entry_of(protocol):
    assert isinstance(protocol.cohort, DefinedCohort)
    return protocol.cohort.definition.entry.events


def with_entry(*events, **entry):
    """The second demonstration with another index event."""

    def change(text) -> None:
        text["cohort"]["entry"] = {
            "title": {"zh": "某", "en": "One"},
            "pick": "first",
            "events": list(events),
            **entry,
        }

    return changed("valve", change)


def required(**rule):
    def change(text) -> None:
        text["cohort"]["require"].append(
            {"id": "more", "reason": {"zh": "某", "en": "More"}, **copy.deepcopy(rule)}
        )

    return changed("valve", change)


CONDITION = {"table": "condition", "codes": {"system": ICD, "any_of": ["I35.0", "I35.1"]}}
MEASURED = {"table": "measurement", "codes": {"system": "urn:measure", "any_of": ["m1", "m2"]}}


@pytest.mark.parametrize(
    "events",
    [
        CONDITION,
        {**CONDITION, "where": {"status": "confirmed"}},
        {**CONDITION, "where": {"status": ["confirmed", "provisional"]}},
        {**CONDITION, "where": {"status": {"starts_with": "conf"}}},
        {**MEASURED, "where": {"value": {"at_least": 3, "unit": "mg"}}},
        {**MEASURED, "where": {"value": {"more_than": 3, "less_than": 30, "unit": "mg"}}},
        {**MEASURED, "where": {"value": {"between": [3, 5], "unit": "mg"}}},
        {**MEASURED, "where": {"value": {"at_most": -1.5, "unit": "mg"}}},
    ],
)
def test_an_event_row_is_one_that_the_cohort_language_finds(events):
    """Held against the language's own reading of codes and values, which knows nothing of twins."""
    protocol = with_entry(events)
    spec = load_model(MODEL).table(events["table"])
    for seed in range(30):
        (wanted,) = entry_of(protocol)
        table, row = event_row(wanted, 0, Draw(seed), frozenset())
        assert table == spec.source
        assert all(has_code(row, spec, one) for one in wanted.codes)
        assert all(
            compare(one, row[spec.columns[one.column]]) for one in wanted.tests if one.column in spec.columns
        )


def test_a_code_that_is_not_one_of_those_is_still_a_code():
    """`none of these` is passed by another code; a row without any passes no test of codes."""
    (wanted,) = entry_of(with_entry(CONDITION))
    other = replace(wanted, codes=(replace(wanted.codes[0], excluded=True),))
    _, row = event_row(other, 0, Draw(1), frozenset())
    assert has_code(row, load_model(MODEL).table("condition"), other.codes[0])


def test_every_subject_has_an_index_event_that_studies_find():
    """Also where what brings into the cohort is not what makes the arm."""
    protocol = with_entry({**CONDITION, "where": {"status": "confirmed"}})
    twin = make_twin(protocol, subjects=150)
    found = index_rows(twin, protocol.cohort)
    assert set(found["subject_id"]) == set(twin["subject"]["subject_id"])


def test_where_the_definition_moves_the_index_the_event_lies_before_day_0():
    """A landmark of 30 days: the lock's day 0 is the thirtieth day after the event."""
    protocol = with_entry({**CONDITION, "where": {"status": "confirmed"}}, landmark_days=30)
    assert entry_day(protocol) == -30 and entry_day(protocol_of("valve")) == 0
    twin = make_twin(protocol, subjects=150)
    assert set(index_rows(twin, protocol.cohort)["subject_id"]) == set(twin["subject"]["subject_id"])


def test_what_every_rule_requires_is_in_its_window():
    protocol = required(events={**CONDITION, "codes": {"system": ICD, "any_of": ["Z95.2"]}}, days=[-20, -10])
    twin = make_twin(protocol, subjects=150)
    rows = twin["condition"][twin["condition"]["code"] == "Z95.2"]
    assert set(rows["subject_id"]) == set(twin["subject"]["subject_id"])
    assert rows["onset_day"].between(-20, -10).all() and rows["onset_day"].nunique() > 5


def test_a_rule_that_forbids_makes_no_row():
    protocol = required(
        events={**CONDITION, "codes": {"system": ICD, "any_of": ["C80"]}},
        days=[-365, 0],
        count={"at_most": 0},
    )
    assert "C80" not in set(make_twin(protocol, subjects=150)["condition"]["code"])


def test_the_arm_does_not_come_by_chance():
    """Of the index event's two devices none is given to who was made to have neither."""
    protocol, draw = protocol_of("valve"), Draw(1)
    avoid = arm_codes(protocol.exposure)
    rows = [row for _ in range(200) for row in rows_of(protocol, avoid, has_entry=False, draw=draw)]
    assert {table for table, _ in rows} == {"condition"}
    stent = protocol_of("stent")
    free = [
        row
        for _ in range(50)
        for row in rows_of(stent, arm_codes(stent.exposure), has_entry=False, draw=draw)
    ]
    assert {row["code"] for table, row in free if table == "procedure"} == {"P1", "P2"}


def test_an_exposure_that_is_the_index_event_needs_no_second_row():
    draw, protocol = Draw(1), protocol_of("stent")
    rows = list(rows_of(protocol, arm_codes(protocol.exposure), has_entry=True, draw=draw))
    assert [table for table, _ in rows] == ["condition"]


def test_a_record_has_a_code_and_a_status_of_those_listed_or_the_status_asked_for():
    records, draw = protocol_of("rotterdam").outcome.sources[0].records, Draw(1)
    found = [record_row(records, 5, draw)[1] for _ in range(60)]
    assert {one["status"] for one in found} == {"final", "amended", "corrected"}
    assert {one["effective_day"] for one in found} == {5}
    assert record_row(records, 5, draw, "cancelled")[1]["status"] == "cancelled"


def test_every_table_that_the_cohort_reads_is_named():
    assert {table for table, _ in tables_of(protocol_of("stent"))} == {"procedure", "condition"}
    assert {table for table, _ in tables_of(protocol_of("valve"))} == {"device_use", "condition"}
    columns = dict(tables_of(protocol_of("valve")))["condition"]
    assert columns["onset_day"] == "whole" and columns["verification_status"] == "text"


def test_entry_codes_are_of_the_table_as_it_is_stored():
    assert {code for table, _, code in entry_codes(protocol_of("valve")) if table == "device_use"} == {
        "06970000000017",
        "06970000000024",
    }
    assert entry_codes(protocol_of("rotterdam")) == {
        ("procedure", "http://hl7.org/fhir/sid/icd-9-cm", "85.4")
    }


def test_grace_days_that_begin_later_leave_the_index_event_its_own_row():
    """First use on days 3 to 5 after the operation: the operation is still on day 0."""
    later = changed("stent", lambda text: text["exposure"].update(grace_days=[3, 5]))
    twin = make_twin(later, subjects=150)
    frame = build(twin, later).frame
    assert set(index_rows(twin, later.cohort)["subject_id"]) == set(twin["subject"]["subject_id"])
    used = twin["drug_exposure"].groupby("subject_id")["handed_over_day"].max()
    assert pd.Series([used[one] for one in frame["subject_id"]]).between(3, 5).all()


def test_the_language_of_the_second_demonstration_is_the_one_tested():
    assert yaml.safe_load(text_of("valve"))["cohort"]["language"] == 2
