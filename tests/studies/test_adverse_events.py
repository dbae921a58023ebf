"""One row an event: lines of one report belong together, and reports of one event count once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.errors import PlatformError
from studies.adverse_events import DEATHS, EVENTS, AdverseEvents, code_rules, codes_of, read_adverse_events
from studies.dataset import build
from studies.tables import ADVERSE_EVENT_COLUMNS
from tests.studies.adverse_lock import COLUMNS, planned, reports
from tests.studies.small import lock, small_protocol

SUBJECTS = pd.DataFrame({"subject_id": ["A", "B", "C"], "site_id": ["s1", "s1", "s2"]})


def read(text: str | pd.DataFrame, **plan: Any) -> AdverseEvents:
    table = reports(text) if isinstance(text, str) else text
    held, _ = read_adverse_events({"subject": SUBJECTS, "adverse_event": table}, planned(**plan))
    assert held is not None
    return held


def only(text: str) -> dict[str, Any]:
    events = read(text).events
    assert len(events) == 1
    return dict(events.iloc[0])


def test_what_no_plan_asks_for_is_not_read():
    held, lines = read_adverse_events({"subject": SUBJECTS, "adverse_event": reports("")}, small_protocol())
    assert held is None and lines.empty


def test_a_lock_without_the_table_gives_nothing_and_one_with_an_empty_table_gives_no_event():
    """That nobody looked is another thing than that nobody had anything."""
    assert read_adverse_events({"subject": SUBJECTS}, planned())[0] is None
    held = read("")
    assert held.events.empty and not held.reporting_sites and held.rows_of(["A"], [EVENTS, DEATHS]) == []


def test_a_table_that_lacks_a_column_is_named():
    table = reports("subject | code | day\nA | X | 1").drop(columns="seriousness_code")
    with pytest.raises(PlatformError) as refused:
        read(table)
    assert refused.value.code == "study.column_missing" and "seriousness_code" in refused.value.en


def test_the_lines_of_one_report_are_one_event_with_the_gravest_that_any_says():
    """The lake has a line for each code and each suspected product."""
    event = only("""
        subject | code | day | serious     | cause    | line
        A       | X    | 3   | Non-serious | Unlikely | one
        A       | Y    | 3   | Non-serious | Possible | one
    """)
    assert (event["serious"], event["related"], event["day"], event["reports"]) == ("no", "yes", 3, 1)
    assert event["codes"].split("\x1f") == ["urn:ae|X", "urn:ae|Y"]


def test_the_same_event_reported_twice_on_a_day_is_one_and_the_repetition_is_counted():
    event = only("""
        subject | code | day | serious
        A       | X    | 3   | Non-serious
        A       | X    | 3   | Serious
    """)
    assert (event["reports"], event["serious"]) == (2, "yes")


@pytest.mark.parametrize(
    "other",
    [
        "B | X | 3 | actual",  # another person
        "A | Y | 3 | actual",  # another code
        "A | X | 4 | actual",  # another day
        "A | X | - | actual",  # no day: nobody can say that it is the same
        "A | - | 3 | actual",  # no code: the same
        "A | X | 3 | potential",  # it almost happened, and the other did
    ],
)
def test_what_differs_in_person_code_day_or_reality_is_another_event(other: str):
    assert len(read(f"subject | code | day | actuality\nA | X | 3 | actual\n{other}").events) == 2


def test_two_reports_without_a_code_stay_two():
    assert len(read("subject | code | day\nA | - | 3\nA | - | 3").events) == 2


@pytest.mark.parametrize(
    ("serious", "outcome", "expected"),
    [
        ("Serious", None, ("yes", False)),
        ("serious", None, ("yes", False)),
        ("SeriousIsLifeThreatening", None, ("yes", False)),
        ("Non-serious", None, ("no", False)),
        ("Non-serious", "fatal", ("yes", True)),
        (None, "fatal", ("yes", True)),
        ("SeriousResultsInDeath", "unknown", ("yes", True)),
        (None, "resolved", ("unknown", False)),
        ("grave", None, ("unknown", False)),
    ],
)
def test_seriousness_is_what_the_codes_say_and_death_is_serious(serious, outcome, expected):
    """ICH E2A: an event that ends in death is serious, whatever its code says; an unknown code says nothing."""
    event = only(f"subject | code | day | serious | outcome\nA | X | 1 | {serious or '-'} | {outcome or '-'}")
    assert (event["serious"], event["fatal"]) == expected


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        ("Certain", "yes"), ("Probably-Likely", "yes"), ("POSSIBLE", "yes"), ("Unlikely", "no"),
        ("Unassessable-Unclassifiable", "unknown"), ("Conditional-Classified", "unknown"), (None, "unknown"),
    ],
)  # fmt: skip
def test_related_is_possible_and_above_on_the_scale_of_who(cause, expected):
    assert only(f"subject | code | day | cause\nA | X | 1 | {cause or '-'}")["related"] == expected


def test_an_event_without_its_own_day_has_the_day_it_was_found():
    events = read("subject | code | day | detected\nA | X | - | 7\nB | X | 2 | 7\nC | X | - | -").events
    assert [one if one == one else None for one in events["day"]] == [7, 2, None]


def test_what_was_entered_in_error_does_not_count_and_is_counted_apart():
    """FHIR R4 has no status of an adverse event; where a table has one, it is heeded."""
    held = read(
        "subject | code | day | status\nA | X | 1 | entered-in-error\nA | X | 2 | completed\nB | X | 1 | -"
    )
    assert sorted(zip(held.events["subject_id"], held.events["day"], strict=True)) == [("A", 2), ("B", 1)]
    assert held.taken_back.to_dict() == {"A": 1}


def test_a_deficiency_that_almost_did_harm_is_kept_as_one():
    event = only("subject | code | day | actuality | deficiency\nA | X | 0 | potential | yes")
    assert (event["actual"], event["deficiency"]) == (False, True)


def test_the_sites_that_sent_anything_are_known():
    assert read("subject | code | day\nC | X | 1").reporting_sites == {"s2"}


def test_each_code_of_an_event_is_a_row_and_an_event_without_one_keeps_its_row():
    events = read("subject | code | day | line\nA | X | 1 | one\nA | Y | 1 | one\nB | - | 1 | two").events
    pairs = codes_of(events)
    assert sorted(zip(pairs["event"], pairs["code"], strict=True)) == [
        (0, "urn:ae|X"),
        (0, "urn:ae|Y"),
        (1, ""),
    ]


def test_the_order_of_rows_does_not_matter():
    text = "subject | code | day | serious\nA | X | 3 | Serious\nB | Y | 1 | -\nA | X | 3 | -\nA | - | - | -"
    there = reports(text)
    back = there.iloc[::-1].reset_index(drop=True)
    columns = ["subject_id", "day", "codes", "serious", "reports"]
    pd.testing.assert_frame_equal(read(there).events[columns], read(back).events[columns])


def test_what_is_hashed_are_json_values_of_the_subjects_asked_for():
    held = read("subject | code | day\nA | X | 1\nA | X | -\nB | X | 1")
    rows = held.rows_of(["A"], [EVENTS])
    assert [(row["subject_id"], len(row["events"])) for row in rows] == [("A", 2)]
    assert canonical_json(rows) and held.rows_of(["A"], ["age"]) == []


def test_a_hundred_thousand_reports_are_read_in_one_pass():
    random, m = np.random.default_rng(3), 100_000
    table = pd.DataFrame({name: pd.Series([None] * m, dtype="object") for name in COLUMNS}).assign(
        subject_id=random.integers(0, 5_000, m).astype(str),
        code_system="urn:ae",
        code=random.integers(0, 400, m).astype(str),
        event_day=pd.array(random.integers(-50, 900, m), dtype="Int64"),
        detected_day=pd.array([None] * m, dtype="Int64"),
        seriousness_code=random.choice(["Serious", "Non-serious"], m),
        device_deficiency=False,
        source_row=[f"line-{number}" for number in range(m)],
    )
    held = read(table)
    same = table.drop_duplicates(["subject_id", "code", "event_day"])
    assert len(held.events) == len(same) and int(held.events["reports"].sum()) == m


def test_every_code_stands_in_one_list_alone():
    """A code that were serious and not serious would be decided by the order of the program."""
    rules = code_rules()
    for section in ("seriousness", "causality"):
        yes, no = ({one.casefold() for one in rules[section][name]} for name in ("yes", "no"))
        assert not yes & no
    assert {one.casefold() for one in rules["seriousness"]["fatal"]} <= {
        one.casefold() for one in rules["seriousness"]["yes"]
    }


def test_a_lock_gives_events_deaths_and_the_lines_that_they_stand_in():
    """From the tables of a lock to the dataset; each report and each record of death is traced."""
    drawn = lock(
        "subject | age\nP1 | 60\nP2 | 61",
        """
        table         | subject | code   | day | value
        procedure     | P1      | P1     | 0   | -
        procedure     | P2      | P1     | 0   | -
        drug_exposure | P1      | NEW    | 0   | -
        drug_exposure | P2      | OLD    | 0   | -
        measurement   | P1      | WEIGHT | 0   | 70
        measurement   | P2      | WEIGHT | 0   | 71
        outcome_event | P1      | VITAL  | 9   | dead
        outcome_event | P2      | VITAL  | 50  | alive
        """,
    )
    drawn["adverse_event"] = reports("subject | code | day | line\nP1 | X | 5 | ae-1\nP9 | X | 5 | ae-2")
    protocol = replace(planned(deaths="life"), covariates=())
    made = build(drawn, protocol)
    assert made.adverse_events is not None and made.adverse_events.deaths == {"all.safety": {"P1"}}
    traced = made.lineage[made.lineage["variable"].isin([EVENTS, DEATHS])]
    assert sorted(zip(traced["subject_id"], traced["variable"], strict=True)) == [
        ("P1", EVENTS),
        ("P1", DEATHS),
    ]
    assert set(ADVERSE_EVENT_COLUMNS) < set(COLUMNS)
