"""Lines for a drawing: nothing lost, nothing too long, words whole where they can be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.evidence.harper.wrapping import wrapped


def breadth(line: str) -> int:
    return sum(2 if ord(letter) > 0x2E7F else 1 for letter in line)


@given(text=st.text(alphabet=st.sampled_from("ab cd，。中文字（）-")), size=st.integers(4, 60))
def test_no_letter_is_lost_and_none_is_added(text: str, size: int) -> None:
    assert "".join(wrapped(text, size)).replace(" ", "") == text.replace(" ", "")


@given(text=st.text(alphabet=st.sampled_from("ab cd 中文字")), size=st.integers(8, 60))
def test_a_line_is_not_broader_than_asked(text: str, size: int) -> None:
    assert all(breadth(line) <= size for line in wrapped(text, size))


def test_a_latin_word_stays_whole_and_chinese_breaks_anywhere() -> None:
    assert wrapped("hormonal therapy after surgery", 16) == ("hormonal therapy", "after surgery")
    assert wrapped("淋巴结阳性乳腺癌", 8) == ("淋巴结阳", "性乳腺癌")


def test_a_word_longer_than_a_line_is_broken_and_not_dropped() -> None:
    lines = wrapped("x" * 25, 10)
    assert "".join(lines) == "x" * 25 and max(map(len, lines)) <= 10


@pytest.mark.parametrize("text", ["", "   "])
def test_nothing_is_one_empty_line(text: str) -> None:
    assert wrapped(text, 10) == ("",)


def test_a_closing_mark_stands_with_what_it_closes() -> None:
    assert all(not line.startswith(("，", "。", "）")) for line in wrapped("（甲乙丙，丁戊己）。", 8))
