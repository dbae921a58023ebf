"""The arm of each invented subject, and the records that say it - or that contradict each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from studies.evidence.twin.draw import Draw
from studies.evidence.twin.exposures import arm_codes, arm_rows, is_exposed, odd_rows, oddities
from studies.tables import EVENT_TABLES
from tests.evidence.twin.protocols import protocol_of


def exposure(name: str, **changes):
    return replace(protocol_of(name).exposure, **changes)


def read(rows, of):
    """(code, day, status) of the records."""
    spec = EVENT_TABLES[of.records.table]
    return [(row[spec.code], row[spec.day], row[spec.status]) for _, row in rows]


def test_greater_need_is_treated_more_often_and_never_always():
    """Confounding by indication, with both arms at every need."""
    draw = Draw(1)
    shares = [sum(is_exposed(need, draw) for _ in range(2000)) / 2000 for need in (0, 4, 9)]
    assert 0.2 < shares[0] < shares[1] < shares[2] < 0.8


def test_the_exposed_have_their_product_in_the_grace_days():
    of, draw = exposure("stent"), Draw(1)
    found = [read(arm_rows(of, True, draw), of) for _ in range(100)]
    assert all(len(one) == 1 and one[0][0] == "NEW" and one[0][2] == "completed" for one in found)
    assert {one[0][1] for one in found} == {0, 1, 2}


def test_an_active_comparator_has_its_own_record_and_no_comparator_none():
    of, draw = exposure("stent"), Draw(1)
    assert {read(arm_rows(of, False, draw), of)[0][0] for _ in range(20)} == {"OLD"}
    assert list(arm_rows(exposure("rotterdam"), False, draw)) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("stent", {"contradicting", "used_before", "both", "neither"}),
        ("rotterdam", {"contradicting", "used_before"}),
        ("valve", {"both", "neither"}),
    ],
)
def test_a_subject_can_be_odd_in_the_ways_that_the_protocol_asks_about(name, expected):
    assert set(oddities(exposure(name))) == expected


def test_contradicting_records_are_of_the_same_grace_days():
    of, draw = exposure("stent"), Draw(1)
    for _ in range(50):
        (first, on, status), (second, again, against) = read(odd_rows(of, "contradicting", draw), of)
        assert (first, second, status, against) == (
            "NEW",
            "NEW",
            "completed",
            "declined",
        ) and on == again in (0, 1, 2)


def test_earlier_use_is_within_the_washout_and_before_the_grace_days():
    of, draw = exposure("stent"), Draw(1)
    days = {read(odd_rows(of, "used_before", draw), of)[1][1] for _ in range(2000)}
    assert min(days) == -100 and max(days) == -1
    early = exposure("stent", grace_days=(-7, 0), washout_days=30)
    days = {read(odd_rows(early, "used_before", draw), early)[1][1] for _ in range(2000)}
    assert min(days) == -30 and max(days) == -8


def test_a_washout_that_the_grace_days_swallow_still_has_a_day():
    """Seven days of washout, ten of grace before the index: what is made is a day, whatever it leads to."""
    of, draw = exposure("stent", grace_days=(-10, 0), washout_days=7), Draw(1)
    assert {read(odd_rows(of, "used_before", draw), of)[1][1] for _ in range(50)} == {-11}


def test_both_products_on_one_day_and_neither():
    of, draw = exposure("stent"), Draw(1)
    both = read(odd_rows(of, "both", draw), of)
    assert [code for code, _, _ in both] == ["NEW", "OLD"] and both[0][1] == both[1][1]
    assert list(odd_rows(of, "neither", draw)) == []


def test_the_codes_of_the_arms_are_those_of_both():
    assert {code for _, _, code in arm_codes(exposure("stent"))} == {"NEW", "OLD"}
    assert {code for _, _, code in arm_codes(exposure("rotterdam"))} == {"DEMO-A"}
