"""What a definition means: YAML, rows and the intervals that come of them, on both engines."""

from __future__ import annotations

from functools import cache

import pytest

from tests.studies.cohorts.language_cases import codes, definition, lake, read, rules_met, run, short

CONDITIONS = """
    patient | code | start      | status    | visit
    A       | A    | 2000-03-01 | confirmed | v1
    A       | A    | 2000-06-01 | confirmed | v2
    A       | B    | 2000-06-10 | refuted   | -
    B       | A    | 2000-05-01 | confirmed | v3
    B       | B    | 2000-04-20 | confirmed | -
    C       | B    | 2000-05-01 | confirmed | -
    D       | A    | 2000-05    | confirmed | -
    E       | A    | 1999-12-31 | confirmed | -
"""
DRUGS = """
    patient | code | start      | visit
    A       | S1   | 2000-02-20 | v1
    A       | S2   | 2000-05-25 | v2
    A       | S1   | 2000-06-01 | v1
    B       | S1   | 2000-05-11 | -
    B       | X    | 2000-04-30 | v3
"""
VALUES = """
    patient | code | start      | value | unit
    A       | G    | 2000-01-10 | 90    | mL/min
    A       | G    | 2000-02-10 | 20    | mL/min
    A       | G    | 2000-04-01 | 80    | mL/min
    B       | G    | 2000-04-01 | 55    | mL/min
    B       | G    | 2000-04-02 | 900   | mL/h
"""
STAYS = """
    patient | start      | end        | class | status
    A       | 2000-02-25 | 2000-03-05 | IMP   | finished
    B       | 2000-05-01 | 2000-05-02 | AMB   | finished
"""
STORE = lake(condition=CONDITIONS, drug_exposure=DRUGS, measurement=VALUES, visit=STAYS)
FIRST = "A 03-01..12-31 | B 05-01..12-31"
ONLY_A, ONLY_B, NOBODY = "A 03-01..12-31", "B 05-01..12-31", ""


# What stands for what in the cases below.
SHORT = {
    "$STATIN": "table: drug_exposure, codes: {list: statins@1}",
    "$DRUG": "{table: drug_exposure, codes: {list: statins@1}}",
    "$GFR": f"{{table: measurement, codes: {codes('G')}}}",
    "$DX": f"{{table: condition, codes: {codes('A')}}}",
    "$A": codes("A"),
    "$B": codes("B"),
    "$G": codes("G"),
}


def long(text: str) -> str:
    for name, whole in SHORT.items():
        text = text.replace(name, whole)
    return text


def entry(text: str) -> str:
    lines = "".join(f"  {line}\n" for line in long(text).splitlines())
    return f"entry:\n  title: {{zh: 诊断, en: Diagnosis}}\n{lines}"


ENTRIES = [
    ("the first, within observation, to the day", "events: [$DX]", FIRST),
    ("the last", "pick: last\nevents: [$DX]", "A 06-01..12-31 | B 05-01..12-31"),
    ("all: intervals that overlap are one", "pick: all\nevents: [$DX]", FIRST),
    ("the first with ninety days before it observed",
     "observed: {before: 90}\nevents: [$DX]", "A 06-01..12-31 | B 05-01..12-31"),
    ("two hundred days after must be observed", "observed: {after: 240}\nevents: [$DX]", FIRST),
    ("of several kinds the first",
     "events: [{table: condition, codes: {system: 'urn:x', any_of: [A, B]}}]",
     "A 03-01..12-31 | B 04-20..12-31 | C 05-01..12-31"),
    ("the index date in a season", 'between: {from: "2000-04-01", to: "2000-05-31"}\nevents: [$DX]', ONLY_B),
    ("a later first, when the season begins later",
     'between: {from: "2000-05-15"}\nevents: [$DX]', "A 06-01..12-31"),
    ("the first ever, and in the season",
     'between: {from: "2000-05-15"}\nevents: [{table: condition, codes: $A, first: true}]', NOBODY),
    ("a status",
     "events: [{table: condition, codes: $B, where: {status: confirmed}}]",
     "B 04-20..12-31 | C 05-01..12-31"),
    ("one of several statuses",
     "events: [{table: condition, codes: $B, where: {status: [confirmed, refuted]}}]",
     "A 06-10..12-31 | B 04-20..12-31 | C 05-01..12-31"),
    ("new use: nothing of the kind before", "pick: all\nnew_user: {washout_days: 365}\nevents: [$DX]", FIRST),
    ("new use after a short washout",
     "pick: last\nnew_user: {washout_days: 30}\nevents: [$DX]", "A 06-01..12-31 | B 05-01..12-31"),
    ("new use after a long washout", "pick: last\nnew_user: {washout_days: 92}\nevents: [$DX]", FIRST),
    ("a landmark moves the index date",
     "landmark_days: 30\nevents: [$DX]", "A 03-31..12-31 | B 05-31..12-31"),
    ("a landmark past observation lets nobody in", "landmark_days: 300\nevents: [$DX]", "A 12-26..12-31"),
    ("a washout counts from the event, not from the landmark",
     "pick: last\nlandmark_days: 10\nnew_user: {washout_days: 92}\nevents: [$DX]",
     "A 03-11..12-31 | B 05-11..12-31"),
    ("an event that has another near it",
     "events: [{table: condition, codes: $A, within: {events: {table: condition, codes: $B}, days: "
     "[-30, 0]}}]", ONLY_B),
    ("codes of a list",
     "events: [{table: drug_exposure, codes: {list: statins@1}}]", "A 02-20..12-31 | B 05-11..12-31"),
    ("every code but",
     "events: [{table: drug_exposure, codes: {system: 'urn:x', any_of: [S1], except: true}}]",
     "A 05-25..12-31 | B 04-30..12-31"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "text", "expected"), ENTRIES, ids=[one[0] for one in ENTRIES])
def test_who_enters_and_on_which_day(what, text, expected):
    """An entry is a dated event inside the observation period; of one patient the first, the last or all."""
    assert short(run(read(definition(entry=entry(text))), STORE)) == expected


CONDITIONS_OF = [
    ("one in the window", "{events: $DRUG, days: [-30, 0]}", ONLY_A),
    ("none in the window", "{no_events: $DRUG, days: [-30, 0]}", ONLY_B),
    ("before the index date, however long", "{events: $DRUG, days: [null, -1]}", ONLY_A),
    ("a window of one day", "{events: $DRUG, days: [-10, -10]}", ONLY_A),
    ("a day short of it", "{events: $DRUG, days: [-9, 0]}", NOBODY),
    ("a washout ends the day before", "{washout: $DRUG, days: 10}", ONLY_B),
    ("a washout of a day less", "{washout: $DRUG, days: 9}", FIRST),
    ("at least two", "{events: $DRUG, days: [-30, 120], count: {at_least: 2}}", ONLY_A),
    ("exactly one", "{events: $DRUG, days: [-30, 60], count: {exactly: 1}}", FIRST),
    ("at most one", "{events: $DRUG, days: [-30, 120], count: {at_most: 1}}", ONLY_B),
    ("two different codes",
     "{events: $DRUG, days: [-30, 120], count: {at_least: 2, distinct: code}}", ONLY_A),
    ("three different codes",
     "{events: $DRUG, days: [-30, 120], count: {at_least: 3, distinct: code}}", NOBODY),
    ("three different days",
     "{events: $DRUG, days: [-30, 120], count: {at_least: 3, distinct: day}}", ONLY_A),
    ("in the same visit", "{events: $DRUG, days: [-30, 0], same_visit: true}", ONLY_A),
    ("no visit is no same visit", "{events: $DRUG, days: [0, 30], same_visit: true}", NOBODY),
    ("a value with its unit",
     "{events: {table: measurement, codes: $G, where: {value: {at_least: 500, unit: mL/min}}}, days: "
     "[-90, 0]}", NOBODY),
    ("some value in a range",
     "{events: {table: measurement, codes: $G, where: {value: {between: [85, 95], unit: mL/min}}}, "
     "days: [-90, 0]}", ONLY_A),
    ("the last value",
     "{events: $GFR, days: [-90, 0], of: last, then: {value: {at_least: 30, unit: mL/min}}}", NOBODY),
    ("the first value",
     "{events: $GFR, days: [-90, 0], of: first, then: {value: {at_least: 30, unit: mL/min}}}", FIRST),
    ("a stay that has ended by then",
     "{events: {table: visit, where: {class: IMP}}, days: [-30, -1], dates: {event: end}}", NOBODY),
    ("a stay that began before", "{events: {table: visit, where: {class: IMP}}, days: [-30, -1]}", ONLY_A),
    ("the patient's age", "{patient: {age: {at_least: 50, at_most: 50}}}", FIRST),
    ("the patient's sex", "{patient: {gender: male}}", NOBODY),
    ("both of two", "{all: [{events: $DRUG, days: [-30, 0]}, {events: $GFR, days: [-30, 0]}]}", ONLY_A),
    ("either of two", "{any: [{events: $DRUG, days: [-30, 0]}, {events: $GFR, days: [-30, 0]}]}", FIRST),
    ("neither of two", "{none: [{events: $DRUG, days: [-30, 0]}, {events: $GFR, days: [-60, -31]}]}", ONLY_B),
    ("two of three",
     "{at_least: {number: 2, of: [{events: $DRUG, days: [-30, 0]}, {events: $GFR, days: [-30, 0]}, "
     "{patient: {gender: male}}]}}", ONLY_A),
    ("at most one of two",
     "{at_most: {number: 1, of: [{events: $DRUG, days: [-30, 0]}, {events: $GFR, days: [-30, 0]}]}}", ONLY_B),
    ("groups in groups",
     "{any: [{all: [{events: $DRUG, days: [-30, 0]}, {patient: {gender: male}}]}, {none: [{events: "
     "$DRUG, days: [-30, 0]}]}]}", ONLY_B),
    ("an event with another one around it",
     "{events: {$STATIN, within: {events: $GFR, days: [-20, 0]}}, days: [-30, 0]}", ONLY_A),
    ("none with another one around it",
     "{no_events: {$STATIN, within: {events: $GFR, days: [-5, 0]}}, days: [-30, 0]}", FIRST),
]  # fmt: skip


@cache
def who_meets(part: str) -> dict[str, str]:
    """Every condition as a rule of one definition, which is asked once: what it says -> who meets it."""
    rules = [
        f"  - {long(condition)[:-1]}, id: r{number}, reason: {{zh: 甲, en: A}}}}\n"
        for number, (_, condition, _) in enumerate(CONDITIONS_OF)
        if part == "require" or "washout" not in condition
    ]
    cohort = read(definition(f"{part}:\n" + "".join(rules)))
    met = rules_met(cohort, STORE)
    found = {f"r{number}": what for number, (what, _, _) in enumerate(CONDITIONS_OF)}
    return {
        found[id]: " | ".join(one for one in FIRST.split(" | ") if one[0] in people)
        for id, people in met.items()
    }


@pytest.mark.parametrize(("what", "expected"), [(a, c) for a, _, c in CONDITIONS_OF])
def test_what_is_asked_around_the_index_date(what, expected):
    """Windows count days from the index date, both ends included; a missing value passes no test."""
    assert who_meets("require")[what] == expected


@pytest.mark.parametrize(("what", "expected"), [(a, c) for a, b, c in CONDITIONS_OF if "washout" not in b])
def test_an_exclusion_is_the_same_condition_turned_round(what, expected):
    """Who meets it leaves: everybody else of the first entries stays."""
    others = " | ".join(one for one in FIRST.split(" | ") if one not in expected)
    assert who_meets("exclude")[what] == others


ALL = entry("pick: all\nevents: [$DX]")
LATER = "{events: $DRUG, days: [-10, -1], id: drug, reason: {zh: 无, en: None}}"
WHOLE = [
    ("the first that is left after the rules",
     "require:\n  - $LATER\nlimit: first\n", ONLY_A),
    ("the last that is left after the rules",
     "require:\n  - $LATER\nlimit: last\n", "A 06-01..12-31"),
    ("the last that qualifies", "qualify: {events: $DRUG, days: [-10, -1], pick: last}\n", "A 06-01..12-31"),
    ("a fixed exit", "exit: {days: 30, from: start}\n", "A 03-01..03-31 | A 06-01..07-01 | B 05-01..05-31"),
    ("an exit past observation", "exit: {days: 900, from: start}\n", FIRST),
    ("the end of observation, said", "exit: {at: end_of_observation}\n", FIRST),
    ("eras bring together what is near",
     "exit: {days: 30, from: start}\nera_gap_days: 62\n", "A 03-01..07-01 | B 05-01..05-31"),
    ("eras a day too far apart",
     "exit: {days: 30, from: start}\nera_gap_days: 61\n", "A 03-01..03-31 | A 06-01..07-01 | B 05-01..05-31"),
    ("a censoring event", "censor:\n  - {table: condition, codes: $B}\n", "A 03-01..06-10 | B 05-01..12-31"),
    ("a censoring event before the entry censors nobody",
     "censor:\n  - $GFR\nlimit: last\n", "A 06-01..12-31 | B 05-01..12-31"),
    ("a window cuts", 'window: {from: "2000-04-01", to: "2000-06-30"}\n', "A 04-01..06-30 | B 05-01..06-30"),
    ("a window without an end", 'window: {from: "2000-05-15"}\n', "A 05-15..12-31 | B 05-15..12-31"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "text", "expected"), WHOLE, ids=[one[0] for one in WHOLE])
def test_limits_exits_censoring_eras_and_the_calendar(what, text, expected):
    """Rules choose among entry events, then an interval begins that an exit or a censoring event ends."""
    assert short(run(read(definition(long(text.replace("$LATER", LATER)), ALL)), STORE)) == expected


USES = """
    patient | code | start      | origin         | days_supply | returned | status
    A       | S1   | 2000-03-01 | dispense       | 10          | -        | completed
    A       | S1   | 2000-03-20 | dispense       | 10          | -        | completed
    A       | S1   | 2000-05-30 | dispense       | 5           | -        | completed
    A       | S1   | 2000-06-10 | dispense       | 5           | true     | completed
    B       | S1   | 2000-03-01 | administration | -           | -        | completed
"""
USE = "{table: drug_use, codes: {list: statins@1}, where: {returned: false}}"
EXITS = [
    ("as long as supply lasts", "gap_days: 0", "A 03-01..03-11 | B 03-01..03-01"),
    ("gaps that are bridged", "gap_days: 9", "A 03-01..03-30 | B 03-01..03-01"),
    ("a gap a day too long", "gap_days: 8", "A 03-01..03-11 | B 03-01..03-01"),
    ("days after the last", "gap_days: 9, extra_days: 7", "A 03-01..04-06 | B 03-01..03-08"),
    ("a length of one's own", "gap_days: 0, supply_days: 30", "A 03-01..04-19 | B 03-01..03-31"),
    ("a wide gap takes the third in", "gap_days: 61", "A 03-01..06-04 | B 03-01..03-01"),
]


@pytest.mark.parametrize(("what", "parts", "expected"), EXITS, ids=[one[0] for one in EXITS])
def test_follow_up_ends_with_continuous_exposure(what, parts, expected):
    """A flag that is not recorded is false; a return to the pharmacy is no exposure."""
    text = definition(
        f"exit: {{exposure: [{USE}], {parts}}}\n",
        f"entry:\n  title: {{zh: 用药, en: Use}}\n  events: [{USE}]\n",
    )
    assert short(run(read(text), lake(drug_use=USES))) == expected


DEVICES = """
    patient | model | start      | end
    A       | M     | 2000-02-01 | -
    B       | M     | 2000-02-01 | 2000-04-01
    C       | M     | 2000-02-01 | 2000-04
    D       | N     | 2000-02-01 | -
"""
SEEN = """
    patient | code | start
    A       | A    | 2000-05-01
    B       | A    | 2000-05-01
    C       | A    | 2000-05-01
    D       | A    | 2000-05-01
"""
IMPLANTS = lake(device_use=DEVICES, condition=SEEN)
M = "table: device_use, codes: {column: model, any_of: [M]}"
IN_PLACE = [
    ("taken out before the index date", "events: {%s}, days: [-365, 0], dates: {event: end}", "B"),
    ("not known to be taken out", "no_events: {%s}, days: [-365, 0], dates: {event: end}", "ACD"),
    ("taken out, whenever", "events: {%s}, days: [null, null], dates: {event: end}, observed_only: false", "B"),
    ("an end is recorded", "events: {%s, where: {end_date: {recorded: true}}}, days: [-365, 0]", "B"),
    ("an end by some day", "events: {%s, where: {end_date: {at_most: '2000-12-31'}}}, days: [-365, 0]", "B"),
    ("an end after some day", "events: {%s, where: {end_date: {more_than: '2000-12-31'}}}, days: [-365, 0]", ""),
    ("in for thirty days", "events: {%s, where: {days: {at_least: 30}}}, days: [-365, 0]", "AB"),
    ("in to the last day observed", "events: {%s, where: {days: 334}}, days: [-365, 0]", "A"),
    ("in for at most sixty days", "events: {%s, where: {days: {at_most: 60}}}, days: [-365, 0]", "B"),
    ("the age when it came out", "events: {%s, where: {age_at_end: {at_least: 0}}}, days: [-365, 0]", "B"),
    ("taken to begin with its end",
     "events: {%s, shift: {start_from: end}}, days: [-365, 0]", "B"),
    ("something after it came out",
     "events: {%s, within: {events: {table: condition, codes: $A}, days: [0, 40], dates: {index: end}}}, "
     "days: [-365, 0]", "B"),
]  # fmt: skip


def test_what_was_never_taken_out_has_no_last_day_and_lasts_as_long_as_one_looks():
    """A of IN_PLACE is still in; B came out; of C it is known that it came out, and not when; D has another."""
    rules = [
        f"  - {{{long(condition % M if '%s' in condition else condition)}, id: r{at}, reason: {{zh: 甲, en: A}}}}\n"
        for at, (_, condition, _) in enumerate(IN_PLACE)
    ]
    met = rules_met(read(definition("require:\n" + "".join(rules))), IMPLANTS)
    assert {IN_PLACE[int(id[1:])][0]: "".join(sorted(who)) for id, who in met.items()} == {
        what: expected for what, _, expected in IN_PLACE
    }


@pytest.mark.parametrize(
    ("exit", "expected"),
    [
        ("exposure: [{%s}]", "A 02-01..12-31 | B 02-01..04-01 | C 02-01..02-01"),
        ("exposure: [{%s}], extra_days: 30", "A 02-01..12-31 | B 02-01..05-01 | C 02-01..03-02"),
        ("exposure: [{%s}], supply_days: 10", "A 02-01..02-11 | B 02-01..02-11 | C 02-01..02-11"),
        ("days: 10, from: end", "A 02-01..12-31 | B 02-01..04-11 | C 02-01..02-11"),
    ],
)
def test_follow_up_while_an_implant_is_in(exit, expected):
    """To the day it comes out, or to the end of observation. When C's came out nobody knows: one day is sure."""
    text = definition(
        f"exit: {{{exit.replace('%s', M)}}}\n",
        f"entry:\n  title: {{zh: 植入, en: Implant}}\n  events: [{{{M}}}]\n",
    )
    assert short(run(read(text), IMPLANTS)) == expected


def test_an_implant_after_the_last_day_observed_lasts_no_known_time():
    """Nobody has looked."""
    store = lake(device_use=DEVICES.replace("2000-02-01 | -", "2001-02-01 | -"), condition=SEEN)
    text = definition(
        "require:\n  - {id: r0, reason: {zh: 甲, en: A}, "
        f"events: {{{M}, where: {{days: {{at_least: -999}}}}}}, days: [-365, 365], observed_only: false}}\n"
    )
    assert rules_met(read(text), store)["r0"] == {"B"}


def test_a_visit_says_of_what_class_a_row_is():
    """A diagnosis made in hospital: a column of the visit that the row names."""
    store = lake(condition=CONDITIONS, visit=STAYS)
    for number, row in enumerate(store["visit"], start=1):
        row["resource_id"] = {1: "v1", 2: "v3"}[number]
    text = entry("events: [{table: condition, codes: $A, where: {visit.class: IMP}}]")
    assert short(run(read(definition(entry=text)), store)) == ONLY_A


def test_an_empty_store_gives_an_empty_cohort():
    """Tables without rows have columns, and nobody is in."""
    assert run(read(definition(f"require:\n  - {long(LATER)}\n")), lake(condition="patient | start")) == []
