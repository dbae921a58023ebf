"""Numbers that the state gives to a person, in every way that people write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deidentify.identifiers_cn import check_digit, scan
from deidentify.identifiers_cn.regions import TABLE, place_names, region_of, regions, short_name, was_region
from deidentify.identifiers_cn.resident_id import (
    faults_of_resident_id,
    is_old_resident_id,
    is_permanent_residence_id,
)

ID = "11010519491231002X"  # the example of GB 11643-1999


def kinds(text: str) -> list[tuple[str, str]]:
    return [(one.kind, text[one.start : one.end]) for one in scan(text)]


WRITTEN = [
    ("solid", ID),
    ("full-width", "１１０１０５１９４９１２３１００２Ｘ"),
    ("one full-width digit", "1101051949123１002X"),
    ("a space inside", "110105 19491231002X"),
    ("in groups", "110105 1949 1231 002X"),
    ("with hyphens", "110105-19491231-002X"),
    ("a space between all", " ".join(ID)),
    ("a line break inside", "110105194912\n31002X"),
    ("a zero-width space inside", "110105\u200b19491231002X"),
    ("right-to-left mark inside", "110105\u200f19491231002X"),
    ("small x", ID.lower()),
    ("a wrong check digit", "110105194912310021"),
]


@pytest.mark.parametrize(("how", "number"), WRITTEN, ids=[case[0] for case in WRITTEN])
@pytest.mark.parametrize("around", ["证{}入院", "12 {} 34", "（{}）", "ID:{}。", "{}"])
def test_an_id_is_found_however_it_is_written(how: str, number: str, around: str):
    """An id with a full-width digit or a space inside is found, whole, and nothing more of the text."""
    assert kinds(around.format(number)) == [("resident-id", number)]


NAMED = [
    ("starred out", "身份证号：460025********4810", "460025********4810"),
    ("cut short", "身份证号码为4600251971", "4600251971"),
    ("the tail alone", "身份证尾号4810", "4810"),
    ("the last four", "身份证后四位：481X", "481X"),
]


@pytest.mark.parametrize(("how", "text", "value"), NAMED, ids=[case[0] for case in NAMED])
def test_after_the_words_for_an_id_card_a_part_of_one_counts(how: str, text: str, value: str):
    """Four digits and the ward are enough to know somebody by."""
    assert kinds(text) == [("resident-id", value)]


OTHERS = [
    ("residence permit, Hong Kong", "810000198001010019", "resident-id"),
    ("residence permit, Macau", "820000198001010014", "resident-id"),
    ("residence permit, Taiwan", "83000019800101001X", "resident-id"),
    ("permanent residence since 2023", "911156198108030024", "permanent-residence-id"),
    ("permanent residence before", "USA110081080301", "permanent-residence-id"),
    ("15 digits", "110105491231002", "old-resident-id"),
    ("15 digits, spaced", "110105 491231 002", "old-resident-id"),
]


@pytest.mark.parametrize(("what", "number", "kind"), OTHERS, ids=[case[0] for case in OTHERS])
def test_cards_of_foreigners_and_of_hong_kong_macau_and_taiwan(what: str, number: str, kind: str):
    """Built like a resident id, with prefixes of their own."""
    solid = number.replace(" ", "")
    if len(solid) == 18:
        number = solid[:17] + check_digit(solid[:17])
    assert kinds(f"证件{number}，") == [(kind, number)]


FAULTS = [
    (ID, ()),
    ("110105194912310021", ("check-digit",)),
    ("990105194912310021", ("region", "check-digit")),
    ("110105194902300020", ("birth-date",)),
    ("110105194902300021", ("birth-date", "check-digit")),
    ("1101051949", ("length",)),
    ("", ("length",)),
]


@pytest.mark.parametrize(("number", "faults"), FAULTS)
def test_what_is_wrong_with_an_id_is_told_by_part(number: str, faults: tuple[str, ...]):
    """A data manager mends a birth date otherwise than a region."""
    assert faults_of_resident_id(number) == faults


def test_a_code_that_ended_before_the_birth_cannot_stand_in_the_id():
    """110103 (崇文区) ended in 2010: nobody born in 2015 was registered there."""
    assert region_of("110103") == "崇文区"
    assert was_region("110103", 1975)
    assert not was_region("110103", 2015)
    assert not was_region("999999", 1975)


@settings(deadline=None)
@given(st.sampled_from(sorted(regions())), st.integers(1930, 1979), st.integers(0, 999))
def test_every_code_of_the_table_makes_valid_ids(code: str, year: int, sequence: int):
    """Historical codes too: whoever was born before the table begins may have any of them."""
    first = f"{code}{year}0615{sequence:03}"
    if code[:2] in ("71", "83"):
        return
    assert faults_of_resident_id(first + check_digit(first)) == ()


def test_the_table_of_regions_is_whole_and_says_where_it_is_from():
    """Names and counts that are known from elsewhere; a size that a repository can carry."""
    header = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert any("MIT" in line for line in header)
    assert Path(TABLE).stat().st_size < 300_000
    known = {
        "110000": "北京市",
        "460000": "海南省",
        "469002": "琼海市",
        "460100": "海口市",
        "810000": "香港特别行政区",
    }
    assert {code: region_of(code) for code in known} == known
    current = [code for code, named in regions().items() if named[-1].until is None]
    assert len([code for code in current if code.endswith("0000")]) == 35  # 34 and 830000
    assert all(len(code) == 6 and code.isdigit() for code in regions())
    assert all(one.until is None or one.since <= one.until for named in regions().values() for one in named)


def test_names_lose_their_rank_but_never_all_of_themselves():
    """Counties keep theirs: 和平 and 东方 are words."""
    assert (
        short_name("海南省") == "海南"
        and short_name("广西壮族自治区") == "广西"
        and short_name("沙市") == "沙市"
    )
    assert {"琼海市"} <= place_names()["county"] and "琼海" not in place_names()["county"]
    assert not {"市辖区", "县"} & set().union(*place_names().values())


@pytest.mark.parametrize("text", ["", "1", "11010549123100", "990105491231002", "110105491331002", "abc"])
def test_what_is_no_old_id_is_none(text: str):
    """15 digits, a province, a real date."""
    assert not is_old_resident_id(text)
    assert not is_permanent_residence_id(text)


CLINICAL = [
    "血压120/80mmHg，心率72次/分，呼吸18次/分，体温36.5℃，血氧98%",
    "12 34 56 78 90 12 34 56 78 90 12 34 56 78",
    "UDI 01069123456789011724010110ABC123，规格18650",
    "2023-11-05 10:30:00 2023-11-06 08:00:00",
    "白细胞 4.31 5.20 6.10 7.00 8.15 9.23",
]


@pytest.mark.parametrize("text", CLINICAL)
def test_rows_of_numbers_are_no_ids(text: str):
    """Spaced digits count only with a region that was, a real date and the right check digit."""
    assert kinds(text) == []
