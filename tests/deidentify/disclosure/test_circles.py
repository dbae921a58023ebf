"""One holder is one holder, however its name is written, and two names of one legal entity are one holder."""

from __future__ import annotations

import random

import pytest

from deidentify.disclosure.circles import Circle, called, is_credit_code, of_one_entity
from rwd_platform.core.text import Bilingual

CIRCLES = [
    Circle("circle-1", "sponsor", Bilingual("赞助商A", "Sponsor A"), "甲有限公司", "914403001922038216"),
    Circle("circle-2", "insurer", Bilingual("甲保险部", "A Insurance"), "甲（深圳）有限公司", "914403001922038216"),
    Circle("circle-3", "researcher", Bilingual("甲研究院", "A Institute"), "甲 （深圳） 有限公司"),
    Circle("circle-4", "sponsor", Bilingual("乙公司", "Sponsor B"), "乙有限公司"),
]  # fmt: skip


@pytest.mark.parametrize("code", ["914403001922038216", "9144030071526726XG", "91330100799655058B"])
def test_codes_that_companies_publish_are_valid(code: str):
    """Three listed companies' own codes, from their annual reports: nothing that was computed here."""
    assert is_credit_code(code)


@pytest.mark.parametrize(
    "code",
    ["", "91440300192203821", "914403001922038217", "914403001922038261", "91440300192203821I", "９" * 18, "9" * 400],
)  # fmt: skip
def test_a_code_with_one_wrong_character_is_none(code: str):
    """Too short, another check, two digits exchanged, a letter that the standard leaves out, full-width."""
    assert not is_credit_code(code)


@pytest.mark.parametrize("seed", range(20))
def test_no_single_wrong_character_keeps_the_check(seed: int):
    """Property of the check: the weights and 31 have no common factor."""
    chance, code = random.Random(seed), "9144030071526726XG"
    place = chance.randrange(len(code))
    other = chance.choice(sorted(set("0123456789ABCDEFGHJKLMNPQRTUWXY") - {code[place]}))
    assert not is_credit_code(code[:place] + other + code[place + 1 :])


@pytest.mark.parametrize(
    "text",
    [
        "Sponsor A",
        "sponsor-a",
        "ＳＰＯＮＳＯＲ（Ａ）",
        "赞助商A",
        "赞助商·ａ",
        "CIRCLE-1",
        "甲有限公司",
        "Spon\u200bsor a.",
    ],
)
def test_every_spelling_is_the_same_circle(text: str):
    assert [one.id for one in called(CIRCLES, text)] == ["circle-1"]


@pytest.mark.parametrize("text", ["", " ", "-", "Sponsor", "赞助商", "Sponsor AB", "x" * 10_000])
def test_another_name_is_no_circle(text: str):
    assert called(CIRCLES, text) == []


def test_circles_of_one_code_or_one_legal_name_are_one_holder():
    """1 and 2 share a code, 2 and 3 a legal name: what 1 holds, 3 can read."""
    for own in ("circle-1", "circle-2", "circle-3"):
        assert of_one_entity(CIRCLES, own) == {"circle-1", "circle-2", "circle-3"}
    assert of_one_entity(CIRCLES, "circle-4") == {"circle-4"}
    assert of_one_entity(CIRCLES, "unknown") == {"unknown"}
