"""Units in words: what says a unit and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deidentify.ages import unit_words
from deidentify.identifiers_cn import scan
from deidentify.unit_texts import _words, is_unit_text

UNITS = (
    "mmol/L|次/分|次/分钟|岁|毫米汞柱|IU/L|mmHg|g/L|mg/24h|μmol/L|µmol/L|10^9/L|×10^12/L|/HP|bpm|ml/min/1.73m2|万单位"
    "|个/高倍视野|片|%|％|℃|MMOL/L|ug/kg/min|{score}|10*9/L|毫克/日|100ml|国际单位/升|片/次|mg / dL|ＭＭＨＧ"
)
NO_UNITS = (
    "王小明|Wang|WangXiaoming|Wang Xiaoming|13812345678|/|//|Li/Na|1990|1990年3月7日|周升|张/米|wang/L|1990/03/07|12床"
    "|E12345678||.|a@b.cn|mg/L/王|192.168.1.77|110101199003077571|克/克/克/克/克|mmHg;Wang|住院号"
)


@pytest.mark.parametrize("text", UNITS.split("|"))
def test_a_unit_as_people_write_it(text: str):
    """Chinese and English, half and full width, with a number before the last part."""
    assert is_unit_text(text) and is_unit_text(f" {text} ")


@pytest.mark.parametrize("text", NO_UNITS.split("|"))
def test_a_name_a_date_and_a_number_are_no_unit(text: str):
    """A surname that is a unit's word too (周, 米) says nothing alone, and a given name beside it is none."""
    assert not is_unit_text(text)


def test_every_word_of_an_age_is_a_unit():
    """Where ages are pooled by their unit in words, that unit may stay."""
    assert all(map(is_unit_text, unit_words()))


def test_no_word_is_a_number_of_a_person():
    """And none holds a slash, which would never be found."""
    assert not any(scan(word) or "/" in word for word in _words())


@given(st.text(alphabet="0123456789", min_size=4, max_size=40))
def test_no_number_is_a_unit(digits: str):
    """10*3 is one, 1000 and its like are UCUM's numbers of a unit; nothing longer, and no year."""
    assert not is_unit_text(digits) or set(digits[1:]) == {"0"}


def test_a_huge_text_costs_nothing():
    """A unit is short."""
    assert not is_unit_text("克/" * 500_000) and not is_unit_text("{" * 1_000_000)


@pytest.mark.parametrize("text", [
    "138次/123次/456次/78次", "m1.m3.m8.m1.m2.m3.m4.m5.m6.m7.m8", "m1/m3/m8/m1/m2/m3/m4", "10*11.10*10.10*5.10*19",
    "10*3.10*8/L",
    "m138.m2.m345.m67", "13次/80次", "m.m.m.m.m", "１３８次/１２３次", "10^12/10^12/10^12", "m2/m3/cm3/10^6/10e9",
])  # fmt: skip
def test_a_number_in_pieces_is_no_unit(text: str) -> None:
    """One count, four factors and fewer digits than a telephone number has, in words and in UCUM."""
    assert not is_unit_text(text)


@pytest.mark.parametrize("text", [
    "mL/min/{1.73_m2}", "mL/min/1.73m2", "10*9/L", "10^12/L", "mg/24h",
    "mL/cm[H2O]/kg/min", "次/48小时", "12次/分", "kg.m2.s-2",
])  # fmt: skip
def test_units_with_numbers_in_them_stay_units(text: str) -> None:
    assert is_unit_text(text)
