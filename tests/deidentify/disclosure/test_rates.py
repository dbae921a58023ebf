"""A rate times its person-time is a number of events, whether that is printed or not."""

from __future__ import annotations

import pytest

from deidentify.disclosure.check import check
from deidentify.disclosure.fields import load_fields
from deidentify.disclosure.read import table_mapping
from tests.deidentify.disclosure.results import PURPOSE, held, row

RATE = "rate_per_100_person_years"


def arm(count: int, years: float, /, **without: None) -> list[dict]:
    """What the platform writes of an arm; the names in `without` are left out, and so are the rows' own events."""
    at = {"group": "exposed", "n": 100}
    values = {"subjects": 100, "events": count, "person_years": years, RATE: 100 * count / years}
    return [
        row(f"follow.exposed.{name}", name, value, **at)
        for name, value in values.items()
        if name not in without
    ]


def rules(rows, support=None) -> list[tuple[str, str]]:
    behind = held(support) if support is not None else None
    found = check(held(rows), "sponsor", PURPOSE, support=behind, propose=False).findings
    return [(one.rule, one.outcome) for one in found if one.rule.startswith("rate_")]


@pytest.mark.parametrize("events", [1, 4, 9])
def test_a_small_numerator_is_found_where_the_events_are_not_printed(events: int):
    """4 events in 312.5 person-years print as 1.28 per 100: whoever multiplies has the 4."""
    assert rules(arm(events, 312.5, events=None)) == [("rate_small_numerator", "fail")]


@pytest.mark.parametrize("events", [0, 10, 40])
def test_a_numerator_that_is_none_or_large_enough_is_not(events: int):
    assert rules(arm(events, 312.5, events=None)) == []


@pytest.mark.parametrize(("missing", "what"), [("events", "events"), ("person_years", "person-time")])
def test_what_the_enclave_has_and_the_package_withholds_is_told_by_the_other_two(missing: str, what: str):
    rows, support = arm(40, 312.5, **{missing: None}), arm(40, 312.5)
    assert rules(rows, support) == [("rate_tells", "fail")]
    found = check(held(rows), "sponsor", PURPOSE, support=held(support), propose=False).findings
    assert what in found[0].en


def test_without_the_rate_nothing_is_told():
    assert rules(arm(4, 312.5, events=None, **{RATE: None}), arm(4, 312.5)) == []


def test_the_smallest_change_is_to_withhold_the_rate():
    rows, support = arm(40, 312.5, events=None), arm(40, 312.5)
    verdict = check(held(rows), "sponsor", PURPOSE, support=held(support))
    assert {one["where"] for one in verdict.smallest_change} == {f"follow.exposed.{RATE}"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"arm,n,person_years,{RATE}\na,100,312.5,1.28\n", [("rate_small_numerator", "fail")]),
        # 12.8 printed as 12.8: 40 events, rounding considered
        (f"arm,n,person_years,{RATE}\na,100,312.5,12.8\n", []),
        # 5 may be 4.5 rounded: 9 events fit as well as 10
        (f"arm,n,person_years,{RATE}\na,100,200,5\n", [("rate_small_numerator", "fail")]),
        # of an unknown unit: per 1,000 it would be 4
        ("arm,n,person_years,rate\na,100,312.5,12.8\n", [("rate_small_numerator", "review")]),
        (f"arm,n,events,person_years,{RATE}\na,100,*,312.5,12.8\n", [("rate_tells", "fail")]),
        (f"arm,n,events,person_years,{RATE}\na,100,40,*,12.8\n", [("rate_tells", "fail")]),
        (f"arm,n,events,person_years,{RATE}\na,100,40,312.5,*\n", []),
        ("组,样本量,事件数,人年,每100人年发生率\n甲,100,*,312.5,12.8\n", [("rate_tells", "fail")]),
    ],
)
def test_a_table_is_asked_line_by_line(text: str, expected):
    """Printed with few decimals the product is an interval; each whole number in it may be the count."""
    found = check(table_mapping(text.encode()), "sponsor", PURPOSE, propose=False).findings
    assert [(one.rule, one.outcome) for one in found if one.rule.startswith("rate_")] == expected


def test_a_rate_without_its_persons_is_not_passed():
    """Denominator: the persons behind it, as the fields' table says of every rate."""
    found = check(held([row("a.x", RATE, 12.8)]), "sponsor", PURPOSE, propose=False)
    assert [one.rule for one in found.findings] == ["support_unknown"]


def test_every_rate_names_what_it_is_of_and_what_it_gives():
    rates = [one for one in load_fields().statistics.values() if "rate" in one.name.split("_")]
    assert rates and all(one.of == "person_years" and one.gives == "events" for one in rates)
