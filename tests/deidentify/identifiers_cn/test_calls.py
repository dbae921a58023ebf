"""What people call one another in a ward: 护工王姐, 家属李总, 陈工."""

from __future__ import annotations

import pytest

from deidentify.free_text.detector import TextContext
from deidentify.free_text.rules import Rules
from deidentify.identifiers_cn.calls import find_calls

CALLED = [
    ("护工王姐陪同", "王"),
    ("请陈工校准,护士在场", "陈"),
    ("家属李总要求转院", "李"),
    ("由欧阳哥推送入病房", "欧阳"),
]


@pytest.mark.parametrize(("text", "surname"), CALLED)
def test_a_surname_before_a_word_of_every_day_is_a_name_beside_a_clinical_role(text: str, surname: str):
    """As the rules report it too; the word after the surname stays."""
    assert [text[one.start : one.end] for one in find_calls(text)] == [surname]
    spans = Rules().find(text, TextContext("p", "R", b"k" * 32))
    assert surname in {text[span.start : span.end] for span in spans if span.kind == "name"}


@pytest.mark.parametrize(
    "text",
    [
        "", "总", "患者施工时受伤", "护士查总胆红素", "患者行人工关节置换", "会场由王总主持", "护工协助翻身",
        "由王总主持。护士记录",
    ],
)  # fmt: skip
def test_ordinary_words_and_people_far_from_a_ward_are_none(text: str):
    """施工 begins with a surname; the role must stand in the same clause."""
    assert list(find_calls(text)) == []
