"""A cell is what it says, or a problem that names line and column - and never what was written there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rwd_platform.core.errors import PlatformError
from studies.evidence.sample.cells import Cell, agrees, chart_value, why_not
from studies.evidence.sample.trace import Value
from studies.evidence.sample.variables import Variable, variables_of
from tests.studies.small import small_protocol

ASKED: dict[str, Variable] = {one.name: one for one in variables_of(small_protocol())}
MOST_DAYS = 30_000


def value(variable: str, text: str) -> Value:
    return chart_value(Cell(text, 7, "in chart"), ASKED[variable], MOST_DAYS)


@pytest.mark.parametrize(
    ("variable", "text", "meant"),
    [
        ("weight_kg", "70.5", 70.5),
        ("weight_kg", "70", 70.0),
        ("weight_kg", "-3", -3.0),
        ("weight_kg", "+3.50", 3.5),
        ("weight_kg", "７０．５", 70.5),  # full width, as a Chinese keyboard writes it
        ("time_days", "0", 0),
        ("time_days", "365", 365),
        ("time_days", "365.0", 365),
        ("time_days", "30000", 30_000),
        ("frailty", "frail", "frail"),
        ("frailty", "FRAIL", "frail"),
        ("frailty", "是", "frail"),  # the protocol's word for it
        ("stent", "1", "1"),
        ("stent", "１", "1"),
        ("stent", "新支架", "1"),
        ("stent", "old stent", "0"),
        ("surgery", "否", "0"),
        ("surgery", "yes", "1"),
        ("event", "1", "1"),
    ],
)
def test_a_value_is_read_as_the_analysis_table_has_it(variable: str, text: str, meant: Value) -> None:
    found = value(variable, text)
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize(
    ("variable", "text", "code"),
    [
        # What a spreadsheet makes of 1-5, 3/4 or a date that somebody wrote.
        ("weight_kg", "2024-01-05", "cell_date"),
        ("weight_kg", "2024/1/5 0:00", "cell_date"),
        ("weight_kg", "5-Jan", "cell_date"),
        ("weight_kg", "Jan-24", "cell_date"),
        ("weight_kg", "1月5日", "cell_date"),
        ("weight_kg", "2024年1月", "cell_date"),
        ("weight_kg", "3/4", "cell_date"),
        ("frailty", "1-5", "cell_date"),
        ("time_days", "2024.01.05", "cell_date"),
        # A date as a spreadsheet stores it: 45296 is 5 January 2024.
        ("time_days", "45296", "cell_days"),
        ("time_days", "-1", "cell_days"),
        ("time_days", "12.5", "cell_days"),
        # Formulas, those that run among them.
        ("weight_kg", "=70+0.5", "cell_formula"),
        ("weight_kg", '=HYPERLINK("http://evil.example","x")', "cell_formula"),
        ("weight_kg", "@SUM(A1:A9)", "cell_formula"),
        ("weight_kg", "+A1", "cell_formula"),
        ("weight_kg", "-2+3", "cell_formula"),
        ("frailty", "=1", "cell_formula"),
        ("stent", "＝1", "cell_formula"),
        ("weight_kg", "-(2)", "cell_formula"),
        ("weight_kg", "-", "cell_number"),
        ("weight_kg", "-5 kg", "cell_number"),
        ("frailty", "-", "cell_not_listed"),
        # Numbers that can be read in two ways, or that were changed.
        ("weight_kg", "1,200", "cell_number"),
        ("weight_kg", "70,5", "cell_number"),
        ("weight_kg", "7.05E+01", "cell_number"),
        ("weight_kg", "70 kg", "cell_number"),
        ("weight_kg", "70%", "cell_number"),
        ("weight_kg", "70~75", "cell_number"),
        ("weight_kg", "<70", "cell_number"),
        ("weight_kg", "70-75", "cell_date"),
        ("weight_kg", "#####", "cell_number"),
        ("weight_kg", "nan", "cell_number"),
        ("weight_kg", "inf", "cell_number"),
        ("weight_kg", "0x10", "cell_number"),
        ("weight_kg", "1_000", "cell_number"),
        ("weight_kg", "٧٠", "cell_number"),
        ("weight_kg", "9" * 400, "cell_number"),
        ("weight_kg", "'70", "cell_number"),
        # Words that are none of those allowed.
        ("frailty", "maybe", "cell_not_listed"),
        ("frailty", "1", "cell_not_listed"),
        ("stent", "2", "cell_not_listed"),
        ("stent", "1.0", "cell_not_listed"),
        ("event", "是", "cell_not_listed"),
    ],
)
def test_a_cell_that_is_not_clear_is_a_problem_of_its_kind(variable: str, text: str, code: str) -> None:
    with pytest.raises(PlatformError) as refused:
        value(variable, text)
    assert refused.value.code == f"verification.{code}"
    assert refused.value.details["line"] == 7
    assert refused.value.details["column"] == "in chart"


@given(st.text(max_size=40), st.sampled_from(sorted(ASKED)))
def test_any_text_is_a_value_or_a_problem_and_nothing_else(text: str, variable: str) -> None:
    try:
        found = value(variable, text)
    except PlatformError as refused:
        assert refused.code.startswith("verification.cell_")
    else:
        assert isinstance(found, str | int | float)


@given(st.text(alphabet="QXZqxz张李王", min_size=6, max_size=20), st.sampled_from(sorted(ASKED)))
def test_no_problem_repeats_what_was_written(text: str, variable: str) -> None:
    with pytest.raises(PlatformError) as refused:
        value(variable, text)
    told = " ".join(refused.value.as_dict().values())
    assert text not in told
    assert text not in str(refused.value)
    assert text not in repr(refused.value.details)


def test_a_word_that_two_codes_share_stands_for_neither() -> None:
    from rwd_platform.core.text import Bilingual

    same = Bilingual("未知", "unknown")
    twice = Variable("x", same, "category", same, (("a", same), ("b", same)))
    with pytest.raises(PlatformError, match="cell_not_listed"):
        chart_value(Cell("unknown", 2, "c"), twice, MOST_DAYS)
    assert chart_value(Cell("b", 2, "c"), twice, MOST_DAYS) == "b"


@pytest.mark.parametrize(
    ("text", "meant"), [("是", "yes"), ("YES", "yes"), (" no ", "no"), ("否", "no"), ("", "")]
)
def test_agrees_takes_yes_no_and_nothing(text: str, meant: str) -> None:
    assert agrees(Cell(text, 2, "agrees")) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("转录错误", "transcription"),
        ("Unit", "unit"),
        ("编码", "coding"),
        ("chart not found", "chart_not_found"),
        ("chart_not_found", "chart_not_found"),
        ("病历未记载", "not_recorded"),
        ("其他", "other"),
        ("", ""),
    ],
)
def test_why_not_takes_the_reasons_by_code_or_word(text: str, meant: str) -> None:
    assert why_not(Cell(text, 2, "why not")) == meant


@pytest.mark.parametrize("read", [agrees, why_not])
@pytest.mark.parametrize("text", ["perhaps", "√", "1", "是否", "yes no"])
def test_another_answer_is_refused_with_those_allowed(read: Callable[[Cell], str], text: str) -> None:
    with pytest.raises(PlatformError) as refused:
        read(Cell(text, 3, "a column"))
    assert refused.value.code == "verification.cell_not_an_answer"
    told = refused.value
    assert ("是、否" in told.zh and "yes, no" in told.en) or (
        "单位" in told.zh and "chart not found" in told.en
    )
    assert "病历未记载" not in told.next_zh, "what to do about a value that the chart lacks is no help here"
