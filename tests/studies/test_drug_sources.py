"""Which records of a drug are exposure: the rule of each product and route, as tables."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from rwd_platform.core.errors import PlatformError
from studies.drug_reconciliation import CANNOT_TELL, FED_WITHOUT_USE, MATCHED, USED_WITHOUT_FEED, reconcile
from studies.drug_sources import SOURCES, SourceRule, drug_sources, verdict_of


def table(text: str) -> pd.DataFrame:
    """A table of texts; `-` is absent, `yes` and `no` are booleans, a column named `quantity` is of numbers."""
    head, *lines = (line for line in text.strip().splitlines() if line.strip())
    names = [name.strip() for name in head.split("|")]
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    known: dict[str, Any] = {"-": None, "yes": True, "no": False}
    frame = pd.DataFrame(
        [[known.get(cell, cell) for cell in row] for row in rows], columns=names, dtype=object
    )
    if "quantity" in frame:
        frame["quantity"] = frame["quantity"].map(lambda text: None if text is None else float(text))
    return frame


def verdicts(frame: pd.DataFrame, *rules: SourceRule) -> list[str]:
    """`verdict`, and behind it why the row is no exposure."""
    rows = drug_sources(frame, rules).rows
    return [f"{one.verdict} / {one.left_out}" if one.left_out else one.verdict for one in rows.itertuples()]


# source | status | intent | executed | verdict
STATUSES = """
    administration | completed        | -           | no  | complete
    administration | stopped          | -           | no  | partial
    administration | in-progress      | -           | no  | partial
    administration | on-hold          | -           | no  | partial
    administration | not-done         | -           | no  | never
    administration | entered-in-error | -           | no  | unknown
    administration | unknown          | -           | no  | unknown
    administration | -                | -           | no  | unknown
    dispense       | completed        | -           | no  | complete
    dispense       | stopped          | -           | no  | partial
    dispense       | cancelled        | -           | no  | never
    dispense       | declined         | -           | no  | never
    dispense       | preparation      | -           | no  | ordered
    dispense       | in-progress      | -           | no  | ordered
    dispense       | on-hold          | -           | no  | ordered
    dispense       | entered-in-error | -           | no  | unknown
    request        | active           | order       | no  | ordered
    request        | completed        | order       | no  | ordered
    request        | completed        | order       | yes | complete
    request        | active           | instance-order | yes | complete
    request        | stopped          | order       | yes | partial
    request        | stopped          | order       | no  | ordered
    request        | cancelled        | order       | yes | never
    request        | draft            | order       | no  | unknown
    request        | completed        | plan        | yes | unknown
    request        | completed        | proposal    | no  | unknown
    statement      | active           | -           | no  | complete
    statement      | not-taken        | -           | no  | never
    statement      | intended         | -           | no  | ordered
    statement      | stopped          | -           | no  | partial
    statement      | unknown          | -           | no  | unknown
    something      | completed        | -           | no  | unknown
"""


@pytest.mark.parametrize("line", STATUSES.strip().splitlines(), ids=str.strip)
def test_a_status_says_complete_partial_never_or_only_ordered(line: str):
    """`stopped` is partial, `not-done` is never, and an order is exposure only where it was carried out."""
    source, status, intent, executed, expected = (cell.strip() for cell in line.split("|"))
    found = verdict_of(
        source,
        None if status == "-" else status,
        intent=None if intent == "-" else intent,
        executed=executed == "yes",
    )
    assert found == expected


FOUR_TIMES = table("""
    patient_id | product_code | route_code | source         | status    | intent_code | executed
    A          | LC-1         | iv         | request        | completed | order       | yes
    A          | LC-1         | iv         | dispense       | completed | -           | -
    A          | LC-1         | iv         | administration | completed | -           | -
    A          | LC-1         | iv         | administration | stopped   | -           | -
    A          | LC-1         | iv         | statement      | active    | -           | -
    B          | LC-1         | iv         | request        | active    | order       | no
    C          | LC-1         | iv         | administration | not-done  | -           | -
    C          | LC-1         | iv         | dispense       | completed | -           | -
""")


def test_one_dose_recorded_four_times_is_counted_from_the_source_that_the_protocol_trusts_most():
    """B was only ordered. C's dose was handed over to the ward and not given: the record of not giving it decides."""
    rule = SourceRule(("administration", "dispense", "request"))
    assert verdicts(FOUR_TIMES, rule) == [
        "complete / other source",
        "complete / other source",
        "complete",
        "partial",
        "complete / source not named",
        "ordered / verdict",
        "never / verdict",
        "complete / other source",
    ]


def test_another_order_of_sources_is_another_exposure():
    rule = SourceRule(("request",))
    exposed = drug_sources(FOUR_TIMES, [rule]).exposure
    assert list(exposed["source"]) == ["request"] and list(exposed["patient_id"]) == ["A"]


def test_patients_with_an_order_and_nothing_else_are_counted_for_the_reader():
    found = drug_sources(FOUR_TIMES, [SourceRule(("administration", "dispense"))])
    assert found.ordered_only.to_dict("records") == [{"product_code": "LC-1", "rows": 1, "patients": 1}]


def test_the_counts_add_up_to_the_rows():
    """Nothing vanishes: each row is under one product, route, source and verdict."""
    found = drug_sources(FOUR_TIMES, [SourceRule(("administration", "dispense"))])
    assert found.counts["rows"].sum() == len(FOUR_TIMES)
    assert found.counts["counted"].sum() == len(found.exposure) == 2


def test_the_rule_of_a_product_and_a_route_stands_before_the_general_one():
    """Infusions are counted as given, tablets as handed over, and a product without a rule counts nowhere."""
    rows = table("""
        patient_id | product_code | route_code | source         | status
        A          | LC-1         | iv         | administration | completed
        A          | LC-1         | iv         | dispense       | completed
        A          | LC-1         | po         | administration | completed
        A          | LC-1         | po         | dispense       | completed
        A          | LC-2         | po         | dispense       | completed
    """)
    rules = (
        SourceRule(("administration",), product_code="LC-1"),
        SourceRule(("dispense",), product_code="LC-1", route_code="po"),
    )
    assert verdicts(rows, *rules) == [
        "complete",
        "complete / source not named",
        "complete / source not named",
        "complete",
        "complete / no rule",
    ]


def test_what_is_taken_home_is_not_covered_by_what_was_given_on_the_ward():
    """The first dose is given in the zone, the rest is handed over to be taken home: both are exposure."""
    rows = table("""
        patient_id | product_code | source         | status    | take_home
        A          | LC-1         | administration | completed | no
        A          | LC-1         | dispense       | completed | no
        A          | LC-1         | dispense       | completed | yes
    """)
    assert verdicts(rows, SourceRule(("administration", "dispense"))) == [
        "complete",
        "complete / other source",
        "complete",
    ]


def test_each_hospital_is_counted_from_the_best_source_that_it_sends():
    """One sends what was given, the other only what was handed over; a patient of both has both."""
    rows = table("""
        patient_id | organisation_id | product_code | source         | status
        A          | H1              | LC-1         | administration | completed
        A          | H1              | LC-1         | dispense       | completed
        A          | H2              | LC-1         | dispense       | completed
    """)
    assert verdicts(rows, SourceRule(("administration", "dispense"))) == [
        "complete",
        "complete / other source",
        "complete",
    ]


RETURNS = """
    case                     | handed over | came back | verdicts
    all of it                | 28          | 28        | returned
    a part                   | 28          | 10        | partial
    the last, then the one before | 28 28  | 40        | partial returned
    more than was given      | 28          | 30        | returned
    nobody says how much     | 28          | -         | partial
    nobody says how much was given | -     | 5         | partial
"""


@pytest.mark.parametrize("line", RETURNS.strip().splitlines()[1:], ids=str.strip)
def test_what_is_given_back_was_not_taken(line: str):
    """退药: a whole return undoes the dispensing, a part makes it partial; the latest dispensing is undone first."""
    _, given, back, expected = (cell.strip() for cell in line.split("|"))
    lines = [
        f"A | LC-1 | dispense | completed | no | r1 | {quantity} | 2024-01-0{day}"
        for day, quantity in enumerate(given.split(), 1)
    ]
    lines.append(f"A | LC-1 | dispense | completed | yes | r1 | {back} | 2024-01-09")
    lines.append("A | LC-1 | dispense | completed | no | r2 | 7 | 2024-01-08")  # another order
    head = "patient_id | product_code | source | status | returned | request_id | quantity | event_date"
    found = drug_sources(table("\n".join([head, *lines])), [SourceRule(("dispense",))]).rows
    assert list(found["verdict"]) == [*expected.split(), "returned", "complete"]
    assert list(found["counts"]) == [one == "partial" for one in expected.split()] + [False, True]


def test_a_return_without_an_order_belongs_to_dispensings_without_one():
    rows = table("""
        patient_id | product_code | source   | status    | returned | request_id | quantity
        A          | LC-1         | dispense | completed | no       | -          | 5
        A          | LC-1         | dispense | completed | no       | r1         | 5
        A          | LC-1         | dispense | completed | yes      | -          | 5
        B          | LC-1         | dispense | completed | no       | -          | 5
    """)
    assert list(drug_sources(rows, [SourceRule(("dispense",))]).rows["verdict"]) == [
        "returned",
        "complete",
        "returned",
        "complete",
    ]


def test_a_return_entered_in_error_takes_nothing_back():
    rows = table("""
        patient_id | product_code | source   | status           | returned | request_id | quantity
        A          | LC-1         | dispense | completed        | no       | r1         | 5
        A          | LC-1         | dispense | entered-in-error | yes      | r1         | 5
    """)
    assert list(drug_sources(rows, [SourceRule(("dispense",))]).rows["verdict"]) == ["complete", "unknown"]


def test_no_rows_give_no_rows_and_the_rows_of_a_lock_do_as_well():
    empty = FOUR_TIMES.iloc[:0]
    found = drug_sources(empty, [SourceRule(("dispense",))])
    assert found.rows.empty and found.counts.empty and found.ordered_only.empty
    lock = FOUR_TIMES.rename(columns={"patient_id": "subject_id"})
    assert drug_sources(lock, [SourceRule(("administration", "dispense"))]).exposure.shape[0] == 2


def test_the_rows_keep_their_index_and_their_columns():
    rows = FOUR_TIMES.set_index(pd.Index(range(100, 108)))
    found = drug_sources(rows, [SourceRule(SOURCES)]).rows
    assert list(found.index) == list(rows.index)
    assert list(found.columns) == [*rows.columns, "verdict", "counts", "left_out"]


@pytest.mark.parametrize(
    "rules",
    [
        [SourceRule(())],
        [SourceRule(("dispense", "dispense"))],
        [SourceRule(("guess",))],  # type: ignore[arg-type]  # what a protocol may hold before it is checked
        [SourceRule(("dispense",)), SourceRule(("request",))],
    ],
    ids=str,
)
def test_a_rule_that_cannot_be_obeyed_is_refused(rules: list[SourceRule]):
    with pytest.raises(PlatformError) as refused:
        drug_sources(FOUR_TIMES, rules)
    assert refused.value.code == "drug_sources.rule"


@pytest.mark.parametrize("column", ["patient_id", "product_code", "source", "status"])
def test_a_table_without_a_needed_column_is_refused_by_name(column: str):
    with pytest.raises(PlatformError, match=column) as refused:
        drug_sources(FOUR_TIMES.drop(columns=column), [SourceRule(("dispense",))])
    assert refused.value.code == "drug_sources.column_missing"


# --- against the traceability feed ---

USES = table("""
    patient_id | product_code | lot_id
    A          | LC-1         | lot1
    B          | LC-1         | lot2
    C          | LC-1         | -
    D          | LC-2         | lot9
    E          | other        | -
""")
FEED = table("""
    patient_id | product_code | lot_id | status      | returned
    A          | LC-1         | -      | completed   | no
    -          | LC-1         | lot2   | completed   | no
    -          | LC-1         | lot3   | completed   | no
    Z          | LC-1         | lot1   | completed   | no
    -          | LC-1         | -      | completed   | no
    C          | LC-1         | -      | in-progress | no
    C          | LC-1         | -      | completed   | yes
    D          | LC-2         | lot9   | completed   | -
""")


def test_each_use_and_each_supply_is_matched_or_told():
    """B's lot came without a name; C's supply never arrived or went back; nobody used lot 3; Z used nothing."""
    found = reconcile(USES, FEED)
    assert list(zip(found.uses["patient_id"], found.uses["verdict"], strict=True)) == [
        ("A", MATCHED),
        ("B", MATCHED),
        ("C", USED_WITHOUT_FEED),
        ("D", MATCHED),
    ]
    assert list(found.supplies["verdict"]) == [
        MATCHED,
        MATCHED,
        FED_WITHOUT_USE,
        FED_WITHOUT_USE,
        CANNOT_TELL,
        MATCHED,
    ]
    assert found.counts["uses"].sum() == 4 and found.counts["supplies"].sum() == 6


def test_without_a_feed_nothing_is_expected_of_it_and_without_use_all_is_unused():
    assert reconcile(USES, FEED.iloc[:0]).counts.empty
    found = reconcile(USES.iloc[:0], FEED)
    assert set(found.supplies["verdict"]) == {FED_WITHOUT_USE, CANNOT_TELL}


@pytest.mark.parametrize("column", ["patient_id", "product_code", "status"])
def test_a_feed_without_a_needed_column_is_refused_by_name(column: str):
    with pytest.raises(PlatformError, match=column):
        reconcile(USES, FEED.drop(columns=column))
