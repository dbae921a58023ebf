"""One spelling for what can be typed in many, and the way back to the text as written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deidentify.identifiers_cn import NormalText

SPELLINGS = [
    ("full-width digits", "１３８７６５４３２１０", "13876543210"),
    ("full-width X", "００２Ｘ", "002X"),
    ("mathematical digits", "𝟏𝟑𝟖", "138"),
    ("Arabic-Indic digits", "٣٤", "34"),
    ("zero-width space", "138\u200b7654", "1387654"),
    ("zero-width joiner and mark", "1\u200d3\u200e8\u202e", "138"),
    ("byte order mark", "\ufeff138", "138"),
    ("soft hyphen", "13\u00ad8", "138"),
    ("control characters", "13\x008\x07", "138"),
    ("ideographic space", "张\u3000伟", "张 伟"),
    ("no-break space", "138\u00a07654", "138 7654"),
    ("dashes", "138—7654–3210−1", "138-7654-3210-1"),
    ("middle dots", "阿依古丽•买买提", "阿依古丽·买买提"),
    ("variation selector", "葛\U000e0100洪", "葛洪"),
    ("compatibility ideograph", "\uf9e8", "裡"),
    ("spelled out", "电话一三八七六五四三二一〇", "电话13876543210"),
    ("too short to be spelled out", "二〇二三年", "二〇二三年"),
    ("circled number stays", "①138", "①138"),
    ("superscript stays", "10⁹/L", "10⁹/L"),
    ("line breaks stay", "a\r\n\tb", "a\r\n\tb"),
    ("empty", "", ""),
]


@pytest.mark.parametrize(("what", "text", "plain"), SPELLINGS, ids=[case[0] for case in SPELLINGS])
def test_what_looks_alike_is_written_alike(what: str, text: str, plain: str):
    """Detectors read this form only, so each spelling of a number is the same number."""
    assert NormalText(text).plain == plain


def test_a_place_in_the_normal_form_is_a_place_in_the_text():
    """Unseen characters inside a number belong to it; those around it do not."""
    text = "电话\u200b１３８\u200b７６５４３２１０，"
    normal = NormalText(text)
    start = normal.plain.index("138")
    first, last = normal.place(start, start + 11)
    assert text[first:last] == "１３８\u200b７６５４３２１０"


@settings(deadline=None)
@given(st.text(max_size=200))
def test_every_text_has_a_normal_form_whose_places_lie_in_it_and_in_order(text: str):
    """Lone surrogates, control characters and marks of direction included."""
    normal = NormalText(text)
    places = [normal.place(at, at + 1) for at in range(len(normal.plain))]
    assert all(0 <= start < end <= len(text) for start, end in places)
    assert places == sorted(places)


def test_characters_that_grow_keep_their_place():
    """㎎ is two letters in its normal form; both stand where it stands."""
    normal = NormalText("5㎎张")
    assert normal.plain == "5mg张"
    assert [normal.place(at, at + 1) for at in range(4)] == [(0, 1), (1, 2), (1, 2), (2, 3)]
