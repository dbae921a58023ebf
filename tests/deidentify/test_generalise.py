"""Hierarchies: codes to chapters, places to provinces, ages to bands; nothing unknown is passed on."""

from __future__ import annotations

import itertools
import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deidentify.account import DropCounter
from deidentify.generalise import (
    band_of_age,
    generalise,
    generalise_frame,
    hierarchy_named,
    load_hierarchies,
)
from rwd_platform.core.errors import PlatformError

VALUES = [
    # value, hierarchy, levels 0, 1, 2, ...
    ("C50.9", "icd10", ["C50.9", "C50", "II"]),
    ("C50.900x001", "icd10", ["C50.900X001", "C50", "II"]),  # 国临版
    ("c50", "icd10", ["C50", "C50", "II"]),
    ("Ｃ５０．９", "icd10", ["C50.9", "C50", "II"]),
    ("A17.0†", "icd10", ["A17.0†", "A17", "I"]),
    ("D48.9", "icd10", ["D48.9", "D48", "II"]),
    ("D50.0", "icd10", ["D50.0", "D50", "III"]),
    ("H59.9", "icd10", ["H59.9", "H59", "VII"]),
    ("H60.0", "icd10", ["H60.0", "H60", "VIII"]),
    ("T98.3", "icd10", ["T98.3", "T98", "XIX"]),
    ("U07.1", "icd10", ["U07.1", "U07", "XXII"]),
    ("L01XC03", "atc", ["L01XC03", "L01XC", "L01X", "L01", "L"]),
    ("L01", "atc", ["L01", "L01", "L01", "L01", "L"]),
    ("460107", "region", ["460107", "460100", "460000", "CN"]),
    ("海口市", "region", ["460100", "460100", "460000", "CN"]),
    ("海口", "region", ["460100", "460100", "460000", "CN"]),
    ("琼海市", "region", ["469002", "469000", "460000", "CN"]),
    ("海南省", "region", ["460000", "460000", "460000", "CN"]),
    ("内蒙古", "region", ["150000", "150000", "150000", "CN"]),
    ("2024-05-09", "date", ["2024-05-09", "2024-05", "2024-Q2", "2024"]),
    ("2024-12-31T23:30:00+08:00", "date", ["2024-12-31T23:30:00+08:00", "2024-12", "2024-Q4", "2024"]),
    ("2024", "date", ["2024", "2024", "2024", "2024"]),
    (0, "age", ["0", "0-4", "0-9", "0-19"]),
    (89, "age", ["89", "85-89", "80-89", "80-89"]),
    (90, "age", ["90", "90+", "90+", "90+"]),
    ("104", "age", ["104", "90+", "90+", "90+"]),
    (64.99, "age", ["64.99", "60-64", "60-69", "60-79"]),
    (19, "number", ["19", "[10,20)", "[0,100)", "[0,1000)"]),
    (-1, "number", ["-1", "[-10,0)", "[-100,0)", "[-1000,0)"]),
]
UNKNOWN = [
    ("C5", "icd10"),
    ("D49.0", "icd10"),  # between two of WHO's chapters
    ("E99", "icd10"),
    ("王璟琰", "icd10"),
    ("11010519491231002X", "icd10"),
    ("13812345678", "region"),
    ("990101", "region"),
    ("46", "region"),
    ("虚构市", "region"),
    ("Boston", "region"),
    ("L01XC0", "atc"),
    ("E01", "atc"),  # ATC has no group E
    ("2024-13-01", "date"),
    ("昨天", "date"),
    (-1, "age"),
    ("九十", "age"),
    (float("nan"), "age"),
    (math.inf, "number"),
    ("1e9", "number"),
    (True, "number"),
    (None, "icd10"),
    (None, "number"),
    (7, "icd10"),
    ("", "date"),
]


@pytest.mark.parametrize(("value", "hierarchy", "levels"), VALUES, ids=lambda value: str(value)[:24])
def test_a_value_becomes_coarser_level_by_level(value: str | float, hierarchy: str, levels: list[str]):
    """ICD-10 to category and chapter, ATC by its length, GB/T 2260 by its digits, dates, ages, numbers."""
    assert [generalise(value, hierarchy, level) for level in range(len(levels))] == levels
    assert len(hierarchy_named(hierarchy).levels) == len(levels) - 1


@pytest.mark.parametrize(("value", "hierarchy"), UNKNOWN, ids=lambda value: str(value)[:24])
def test_what_a_hierarchy_does_not_know_is_never_passed_on(value: str | float | None, hierarchy: str):
    """An unknown value gives nothing at every level, the value as written among them."""
    for level in range(len(hierarchy_named(hierarchy).levels) + 1):
        assert generalise(value, hierarchy, level) is None


def test_whos_chapters_follow_each_other_and_do_not_overlap():
    """22 chapters, in the order of their letters but for U, which WHO counts last."""
    ranges = list(load_hierarchies()["icd10"].ranges.items())
    assert [name for name, _ in ranges][-2:] == ["XXI", "XXII"] and len(ranges) == 22
    in_order = sorted(limits for _, limits in ranges)
    assert all(low <= high for low, high in in_order)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(in_order))


def test_places_are_those_of_gb_t_2260():
    """34 provinces, each name with one code; the code of a prefecture begins as its province's does."""
    names = load_hierarchies()["region"].names
    provinces = {code for code in names.values() if code.endswith("0000")}
    assert len(provinces) == 34
    assert {code[:2] + "0000" for code in names.values()} == provinces
    pattern = load_hierarchies()["region"].pattern
    assert pattern is not None and all(pattern.fullmatch(code) for code in names.values())
    assert (names["吉林"], names["吉林市"]) == ("220000", "220200"), "of two places of one name, the larger"


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 130), st.integers(1, 30))
def test_a_band_holds_the_age_it_was_made_of(age: int, width: int):
    """Below 90 an age lies in its band of `width` years; from 90 on there is one band."""
    low = band_of_age(age, width)
    assert low == 90 if age >= 90 else low <= age < low + width and low % width == 0


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(max_size=30), st.sampled_from(sorted(load_hierarchies())))
def test_two_values_of_one_category_stay_together_at_every_coarser_level(text: str, name: str):
    """Levels nest: what is known at one level is known at the next, and texts of any kind give no error."""
    known = [generalise(text, name, level) is None for level in range(len(hierarchy_named(name).levels) + 1)]
    assert len(set(known)) == 1


def test_codes_of_one_chapter_never_part_at_a_coarser_level():
    """A risk measure on a coarser level never finds smaller classes: every category has one chapter."""
    for first in "ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        for number in range(100):
            category = f"{first}{number:02d}"
            chapters = {generalise(f"{category}.{sub}", "icd10", 2) for sub in range(10)}
            assert len(chapters) == 1


@pytest.mark.parametrize("level", [-1, 9, 4])
def test_an_unknown_hierarchy_or_level_is_refused_by_name(level: int):
    """The refusal names what there is, in both languages."""
    with pytest.raises(PlatformError) as refusal:
        generalise("C50", "icd11", 1)
    assert refusal.value.code == "generalise.hierarchy_unknown"
    assert "icd11" in refusal.value.zh and "icd10" in refusal.value.next_en
    with pytest.raises(PlatformError) as refusal:
        generalise("C50", "icd10", level)
    assert refusal.value.code == "generalise.level_unknown"
    assert "category" in refusal.value.next_zh


# -- a table -----------------------------------------------------------------------------------------


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age_years": pd.array([93, 41, None, 4], dtype="Int64"),
            "diagnosis": ["C50.9", "Ü", None, "C50.1"],
            "city": ["460107", "460200", "x", "海口"],
            "note": ["a", "b", "c", "d"],
            "gender": ["f", "m", "f", "m"],
        },
        index=[5, 3, 9, 1],
    )


PLAN = {
    "subject.age_years": "age-band:5",
    "subject.diagnosis": "generalise:icd10:chapter",
    "subject.city": "generalise:region:2",
    "subject.note": "drop",
    "other.gender": "drop",
}


def test_a_plan_makes_the_columns_of_one_table_coarser_and_counts_what_it_could_not_place():
    """What is unknown becomes missing and is counted; what the plan does not name stays as it is."""
    account = DropCounter()
    before = frame()
    coarse = generalise_frame(before, PLAN, account, table="subject")
    assert list(coarse.columns) == ["age_years", "diagnosis", "city", "gender"]
    assert list(coarse.index) == [5, 3, 9, 1]
    assert coarse["age_years"].dtype == "Int64"
    assert coarse["age_years"].to_list() == [90, 40, pd.NA, 0]
    assert coarse["diagnosis"].to_list() == ["II", None, None, "II"]
    assert coarse["city"].to_list() == ["460000", "460000", None, "460000"]
    assert account.as_dict() == {
        "subject.city: unknown": 1,
        "subject.diagnosis: unknown": 1,
        "subject.note": 4,
    }
    pd.testing.assert_frame_equal(before, frame())


@pytest.mark.parametrize(
    ("plan", "left"),
    [
        ({"value": "age-band:5"}, ["value", "unit"]),
        ({"value": "drop"}, ["unit"]),
        ({"value": "age-band:5", "ucum_value": "age-band:5"}, ["value", "unit", "ucum_value"]),
        ({"unit": "drop"}, ["value", "value_text", "ucum_value", "ucum_value_text"]),
    ],
    ids=str,
)
def test_a_column_that_says_the_same_exactly_goes_with_the_one_made_coarser(
    plan: dict[str, str], left: list[str]
):
    rows = pd.DataFrame(
        {
            "value": [51.0],
            "value_text": ["51.0"],
            "unit": ["a"],
            "ucum_value": [51.0],
            "ucum_value_text": ["51.0"],
        }
    )
    account = DropCounter()
    found = generalise_frame(
        rows, {f"measurement.{key}": one for key, one in plan.items()}, account, "measurement"
    )
    assert list(found.columns) == left
    assert account.as_dict().get("measurement.value_text", 0) == (1 if "value" in plan else 0)


def test_an_empty_table_and_an_empty_plan_are_no_fault():
    """Nothing in, nothing out; without a plan the table is the same."""
    account = DropCounter()
    assert generalise_frame(frame().iloc[:0], PLAN, account, table="subject").empty
    pd.testing.assert_frame_equal(generalise_frame(frame(), {}, account), frame())
    assert account.as_dict() == {}


@pytest.mark.parametrize(
    ("plan", "code"),
    [
        ({"weight": "drop"}, "generalise.plan_unfit"),
        ({"age_years": "hide"}, "generalise.plan_unfit"),
        ({"age_years": "age-band:0"}, "generalise.plan_unfit"),
        ({"age_years": "age-band:31"}, "generalise.plan_unfit"),
        ({"age_years": "drop:it"}, "generalise.plan_unfit"),
        ({"diagnosis": "generalise:icd11:1"}, "generalise.hierarchy_unknown"),
        ({"diagnosis": "generalise:icd10:block"}, "generalise.level_unknown"),
        ({"diagnosis": "generalise:icd10"}, "generalise.level_unknown"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused_before_anything_changes(
    plan: dict[str, str], code: str
):
    """A column that is not there and an action that nobody knows are named."""
    account = DropCounter()
    with pytest.raises(PlatformError) as refusal:
        generalise_frame(frame(), plan, account)
    assert refusal.value.code == code
    assert refusal.value.zh and refusal.value.next_zh
    assert account.as_dict() == {}
