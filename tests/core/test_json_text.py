"""JSON as evidence: what parsers repair in silence is refused; what is read is written back the same."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rwd_platform.core.json_text import MAX_DEPTH, REFUSALS, JsonRefused, decimal_text, dumps, loads

REFUSED = [
    ("two equal keys", b'{"a":1,"a":2}', "json.duplicate_key"),
    ("two equal keys deep inside", b'[{"x":{"a":1,"b":2,"a":1}}]', "json.duplicate_key"),
    ("two keys that are equal once unescaped", b'{"a":1,"\\u0061":2}', "json.duplicate_key"),
    ("not a number", b'{"a":NaN}', "json.not_a_number"),
    ("infinity", b"[Infinity]", "json.not_a_number"),
    ("minus infinity", b"-Infinity", "json.not_a_number"),
    ("a number that overflows", b"1e999", "json.number_range"),
    ("a number that overflows downwards", b"-1e999", "json.number_range"),
    ("a number that vanishes", b"1e-9999", "json.number_range"),
    ("an exponent of thirty digits", b"1e" + b"9" * 30, "json.number_range"),
    ("an integer of 5,000 digits", b"1" * 5000, "json.number_length"),
    ("an integer of 101 digits", b"1" * 101, "json.number_length"),
    ("a fraction of 5,000 digits", b"0." + b"1" * 5000, "json.number_length"),
    ("half of a surrogate pair", b'"\\ud800"', "json.character"),
    ("the other half, as a key", b'{"\\uDFFF":1}', "json.character"),
    ("NUL, escaped", b'{"a":"x\\u0000"}', "json.character"),
    ("NUL, raw", b'{"a":"x\x00"}', "json.control_character"),
    ("a line break inside a string", b'{"a":"x\ny"}', "json.control_character"),
    ("nothing", b"", "json.truncated"),
    ("only blanks", b" \n ", "json.truncated"),
    ("cut inside a string", b'{"a":"x', "json.truncated"),
    ("cut inside an escape", b'{"a":"\\u12', "json.truncated"),
    ("cut behind a colon", b'{"a":', "json.truncated"),
    ("cut inside a word", b'{"a":tru', "json.truncated"),
    ("cut behind a sign", b'{"a":-', "json.truncated"),
    ("cut before the closing brace", b'{"a":[1,2]', "json.truncated"),
    ("two documents", b"{} {}", "json.extra"),
    ("a key without quotes", b"{a:1}", "json.syntax"),
    ("single quotes", b"{'a':1}", "json.syntax"),
    ("a comma too many", b'{"a":1,}', "json.syntax"),
    ("a leading zero", b"[012]", "json.syntax"),
    ("a comment", b'{"a":1 /* why */}', "json.syntax"),
    ("GB18030", '{"name":"张三，女"}'.encode("gb18030"), "encoding.gb18030"),
    ("Latin-1", '{"name":"Müller"}'.encode("latin-1"), "encoding.utf8"),
    ("cut inside a character", '"张'.encode()[:-1], "json.truncated"),
    ("an exponent that adds nothing but length", b"0e0000000000", "json.number_range"),
    ("zero with an exponent of thirty digits", b"0.0e" + b"9" * 30, "json.number_range"),
    ("UTF-16 with its mark", '{"a":1}'.encode("utf-16"), "encoding.utf16"),
    ("UTF-16 without", '{"a":1}'.encode("utf-16-le"), "encoding.utf16"),
    ("UTF-32", '{"a":1}'.encode("utf-32"), "encoding.utf16"),
    ("a byte order mark", b"\xef\xbb\xbf{}", "encoding.byte_order_mark"),
    ("a byte order mark inside", b'{"a":\xef\xbb\xbf1}', "encoding.byte_order_mark"),
]


@pytest.mark.parametrize(("what", "raw", "rule"), REFUSED, ids=[case[0] for case in REFUSED])
def test_what_another_parser_would_guess_about_is_refused(what: str, raw: bytes, rule: str) -> None:
    """A refusal has a stable name, so that rejects can be grouped, and texts in both languages."""
    with pytest.raises(JsonRefused) as refused:
        loads(raw)
    assert refused.value.rule == rule, what
    assert rule in REFUSALS
    assert refused.value.zh and refused.value.en and refused.value.next_zh and refused.value.next_en


@pytest.mark.parametrize("bracket", ["[", '{"a":'])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 1_000, 100_000])
def test_depth_is_refused_before_a_parser_can_run_out_of_stack(bracket: str, depth: int) -> None:
    closing = {"[": "]", '{"a":': "}"}[bracket]
    for text in (bracket * depth, bracket * depth + "1" + closing * depth):
        with pytest.raises(JsonRefused) as refused:
            loads(text)
        assert refused.value.rule == "json.depth"


def test_sixty_four_levels_are_allowed_and_brackets_in_strings_do_not_count() -> None:
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert dumps(loads(deep)) == deep
    text = '{"a":"' + '[{\\"' * 200 + '\\\\"}'
    assert loads(text) == {"a": '[{"' * 200 + "\\"}


def test_many_brackets_side_by_side_are_not_deep() -> None:
    wide = "[" + ",".join(['{"a":[1]}'] * 500) + "]"
    assert len(loads(wide)) == 500


DECIMALS = [
    "0.40",
    "12500.00",
    "1E+245",
    "0.0000000",
    "-0.0",
    "0.00000012",
    "100.0",
    "3.14159265358979323846",
]


@pytest.mark.parametrize("text", DECIMALS)
def test_a_decimal_keeps_its_own_digits(text: str) -> None:
    """A laboratory that writes 0.40 has measured to two places: 0.4 would be another statement."""
    assert loads(text) == Decimal(text)
    assert dumps(loads(text)) == text


def test_an_exponent_is_written_the_one_way() -> None:
    assert dumps(loads("1.0e5")) == "1.0E+5"
    assert loads("1.0E+5").as_tuple() == loads("1.0e5").as_tuple()


def test_integers_stay_integers_and_long_ones_exact() -> None:
    assert dumps(loads("[0,-7,12345678901234567890123]")) == "[0,-7,12345678901234567890123]"


def test_the_order_of_keys_and_every_character_survive() -> None:
    text = '{"z":1,"a":{"名":"张\\"\\\\\\n三","b":[null,true,false,1.10]},"m":"😀"}'
    assert dumps(loads(text)) == text


def test_a_key_that_is_no_element_name_is_not_repeated_in_the_message() -> None:
    """The key of a broken record may be anything, a patient's name included."""
    with pytest.raises(JsonRefused) as refused:
        loads('{"张三 460000199001010011":1,"张三 460000199001010011":2}')
    assert "张三" not in str(refused.value) + refused.value.zh
    with pytest.raises(JsonRefused, match="birthDate"):
        loads('{"birthDate":1,"birthDate":2}')


def test_what_cannot_be_written_is_an_error() -> None:
    for value in (float("nan"), float("inf"), Decimal("NaN"), Decimal("Infinity"), [Decimal("sNaN")]):
        with pytest.raises(ValueError):
            dumps(value)
    with pytest.raises(TypeError):
        dumps({"a": {1, 2}})
    with pytest.raises(TypeError):
        dumps([Decimal("1.0"), b"bytes"])


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20)
    | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(json_values)
def test_what_is_written_is_read_back_the_same(value: Any) -> None:
    """And the standard library, which we did not write, reads the same from it (with floats for decimals)."""
    text = dumps(value)
    again = loads(text)
    assert dumps(again) == text
    assert json.loads(text, parse_float=Decimal) == again


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(alphabet='[]{}",:\\ \n0123eE.-+truefalsn\ud800\0é', max_size=40) | st.binary(max_size=40))
def test_any_text_is_either_read_or_refused(raw: str | bytes) -> None:
    """Nothing else may escape: whoever reads a file must be able to go on behind a bad line."""
    try:
        value = loads(raw)
    except JsonRefused:
        return
    # What we accept, the standard library accepts with the same meaning: we are only stricter.
    assert json.loads(raw, parse_float=Decimal) == value


def test_decimal_text_never_adds_zeros_that_were_not_there() -> None:
    assert decimal_text(Decimal("1E+30")) == "1E+30"
    assert decimal_text(Decimal("1E-300")) == "1E-300"
