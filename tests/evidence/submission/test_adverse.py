"""ADAE: each event of an analysed subject once, in the lock's own words and codes."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from rwd_platform.core.text import Bilingual
from studies.adverse_events import codes_of
from studies.evidence.submission import datasets
from studies.evidence.submission.xpt import xpt_table
from studies.planned import EventTerm
from tests.evidence.submission.made import named, valve, valve_table
from tests.studies.adverse_lock import dataset_of, planned
from tests.studies.small import table
from tests.studies.valve import protocol as valve_protocol

PEOPLE = table("""
    subject | arm | days
    P1      | new | 400
    P2      | old | 300
    P3      | new | 200
""")
BLEEDING = EventTerm("urn:ae", "B1", Bilingual("出血", "Bleeding"))


def adae(events: str, *terms: EventTerm, people=PEOPLE):
    protocol = planned(terms=terms)
    return named(datasets(dataset_of(people, events, protocol), protocol), "ADAE")


def rows(made) -> list[tuple]:
    wanted = [
        "USUBJID",
        "AESEQ",
        "AETERM",
        "AEDAY0",
        "AESER",
        "AEREL",
        "AESDTH",
        "AEACTFL",
        "AEDDFL",
        "AEREPS",
    ]
    frame = made.frame[wanted].astype(object).where(made.frame[wanted].notna(), None)
    return [tuple(row) for row in frame.itertuples(index=False)]


def test_each_event_is_a_row_with_what_was_judged_of_it():
    made = adae("""
        subject | code | day | serious          | cause    | outcome | deficiency | actuality
        P1      | B1   | 10  | hospitalisation  | possible | fatal   | -          | -
        P2      | X9   | 3   | -                | -        | -       | x          | potential
    """, BLEEDING)  # fmt: skip
    first, second = rows(made)
    assert first[:4] == ("P1", 1, "出血", 10) and first[6:] == ("Y", "Y", "N", 1)
    assert first[4] == "Y"  # whoever died of it had a serious event
    assert second == ("P2", 1, "X9", 3, "U", "U", "N", "N", "Y", 1)


def test_events_of_a_subject_are_numbered_by_day_and_those_without_a_day_come_last():
    made = adae("""
        subject | code | day | line
        P1      | C    | -   | l1
        P1      | B    | 30  | l2
        P1      | A    | 30  | l3
        P2      | A    | 1   | l4
        P1      | D    | -2  | l5
    """)
    assert [one[:4] for one in rows(made)] == [
        ("P1", 1, "D", -2), ("P1", 2, "A", 30), ("P1", 3, "B", 30), ("P1", 4, "C", None), ("P2", 1, "A", 1),
    ]  # fmt: skip
    assert made.keys == ("STUDYID", "USUBJID", "AESEQ")
    assert not made.frame.duplicated(list(made.keys)).any()


def test_one_event_under_several_codes_is_one_row_that_has_them_all():
    made = adae("""
        subject | code | day | line
        P1      | B1   | 5   | l1
        P1      | Z2   | 5   | l1
    """, BLEEDING)  # fmt: skip
    assert len(made.frame) == 1
    assert made.frame["AETERM"][0] == "出血; Z2"
    assert made.frame["AECODES"][0] == "urn:ae|B1; urn:ae|Z2"
    assert made.frame["AENCODES"][0] == 2
    assert xpt_table(made).frame["AETERM"][0] == "Bleeding; Z2"


def test_an_event_without_a_code_has_none_and_no_name_is_invented():
    made = adae("""
        subject | code | day
        P1      | -    | 5
    """)
    assert made.frame[["AETERM", "AECODES"]].iloc[0].tolist() == ["", ""]
    assert made.frame["AENCODES"][0] == 0


def test_the_same_code_of_another_system_is_not_the_protocols():
    made = adae("""
        subject | code | day | system
        P1      | B1   | 5   | urn:other
    """, BLEEDING)  # fmt: skip
    assert made.frame["AETERM"][0] == "B1"


def test_reports_of_one_event_are_counted():
    made = adae("""
        subject | code | day | line
        P1      | B1   | 5   | l1
        P1      | B1   | 5   | l2
    """)
    assert made.frame["AEREPS"].tolist() == [2]


def test_events_of_subjects_who_are_not_analysed_stay_out():
    protocol = planned()
    given = dataset_of(PEOPLE, "subject | code | day\nP1 | A | 1\nP2 | A | 2\nP3 | A | 3", protocol)
    fewer = replace(given, frame=given.frame[given.frame["subject_id"] != "P2"])
    made = named(datasets(fewer, protocol), "ADAE")
    assert made.frame["USUBJID"].tolist() == ["P1", "P3"]


def test_no_event_at_all_gives_an_empty_dataset_with_every_variable():
    made = adae("subject | code | day")
    assert len(made.frame) == 0
    assert list(made.frame.columns) == list(adae("subject | code | day\nP1 | A | 1").frame.columns)


@pytest.mark.parametrize("code", ["=cmd|'/C calc'!A0", "<script>", "年", "a; b", "x" * 300])
def test_a_hostile_code_is_kept_as_it_is_in_the_dataset_and_counted_where_xpt_cannot(code):
    events = pd.DataFrame(
        {
            "subject_id": ["P1"], "code_system": ["urn:ae"], "code": [code], "event_day": [1], "detected_day": [1],
            "actuality": ["actual"], "seriousness_code": [None], "causality_code": [None], "outcome_code": [None],
            "device_deficiency": [False], "source_row": ["l1"],
        }
    )  # fmt: skip
    protocol = planned()
    made = named(datasets(dataset_of(PEOPLE, events, protocol), protocol), "ADAE")
    assert made.frame["AECODES"][0] == f"urn:ae|{code}"
    kept = xpt_table(made).frame["AECODES"][0] == f"urn:ae|{code}"
    lost = [one for one in xpt_table(made).losses if one.variable == "AECODES"]
    assert kept == (not lost)


def test_the_demonstrations_events_are_all_there_with_their_codes():
    held = valve_table().adverse_events.events
    made = named(valve(), "ADAE")
    inside = held[held["subject_id"].isin(set(valve_table().frame["subject_id"]))]
    assert len(made.frame) == len(inside) > 10
    assert made.frame["AEREPS"].sum() == inside["reports"].sum()
    assert made.frame["USUBJID"].value_counts().to_dict() == inside["subject_id"].value_counts().to_dict()
    codes = codes_of(inside.reset_index(drop=True))["code"]
    assert made.frame["AENCODES"].sum() == (codes != "").sum()
    terms = [one for plan in valve_protocol().analyses for one in plan.terms]
    for term in terms:
        named_so = made.frame["AECODES"].str.contains(f"|{term.code}", regex=False)
        assert (
            named_so.any()
            and made.frame.loc[named_so, "AETERM"].str.contains(term.title.zh, regex=False).all()
        )


def test_arm_and_population_of_an_event_are_its_subjects():
    made, adsl = named(valve(), "ADAE").frame, named(valve(), "ADSL").frame.set_index("USUBJID")
    for name in ("SITEID", "TRT01A", "TRT01AN", "ALLFL"):
        assert made[name].tolist() == adsl.loc[made["USUBJID"], name].tolist()
    assert named(valve(), "ADAE").variable("ALLFL").predecessor == "ADSL.ALLFL"


def test_no_dictionary_that_is_not_shipped_is_pretended():
    names = {one.name for one in named(valve(), "ADAE").variables}
    assert not names & {"AEBODSYS", "AESOC", "AEDECOD", "AEPT", "AELLT"}
