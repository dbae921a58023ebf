"""How texts become ASCII, labels of 40 bytes, and characters that an XML document may hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from studies.evidence.submission.spelling import LABEL_BYTES, TEXT_BYTES, ascii_text, label_of, xml_text


def test_the_limits_are_those_of_the_transport_format():
    """TS-140: a label has 40 bytes, a text 200."""
    assert (LABEL_BYTES, TEXT_BYTES) == (40, 200)


@pytest.mark.parametrize(
    ("text", "written", "change"),
    [
        ("plain (text) 1.5%", "plain (text) 1.5%", ""),
        ("≤20 mm", "<=20 mm", "respelled"),
        ("20–50 mm", "20-50 mm", "respelled"),
        ("naïve", "naive", "respelled"),
        ("ｆｍｏｌ／Ｌ", "fmol/L", "respelled"),
        ("µg", "ug", "respelled"),
        ("年龄", "??", "replaced"),
        ("age 年", "age ?", "replaced"),
        ("≤年", "<=?", "replaced"),
        ("a\tb\nc", "a b c", "control"),
        ("\x00", " ", "control"),
        ("a\x7fb", "a b", "control"),
        ("年\n", "? ", "replaced"),
        ("é\n", "e ", "control"),
        ("😀", "?", "replaced"),
        ("", "", ""),
    ],
)
def test_each_sign_is_written_as_is_usual_or_said_to_be_lost(text, written, change):
    made = ascii_text(text)
    assert (made.text, made.change, made.cut) == (written, change, False)


def test_a_text_of_two_hundred_is_whole_and_a_longer_one_is_cut():
    assert ascii_text("x" * 200) == ascii_text("x" * 200, 200)
    assert not ascii_text("x" * 200).cut
    longer = ascii_text("x" * 201)
    assert longer.cut and longer.text == "x" * 200


def test_a_text_that_grows_by_its_spelling_is_measured_as_it_is_written():
    grown = ascii_text("≤" * 150)
    assert grown.cut and grown.text == "<=" * 100


@given(st.text(max_size=300))
def test_whatever_comes_in_printable_ascii_goes_out(text):
    made = ascii_text(text)
    assert all(" " <= letter <= "~" for letter in made.text)
    assert len(made.text) <= TEXT_BYTES
    if made.change == "" and not made.cut:
        assert made.text == text  # what is said to be unchanged is unchanged


@given(st.text(max_size=120))
def test_every_label_fits_and_is_on_one_line(text):
    label = label_of(text)
    assert len(label) <= LABEL_BYTES and label == " ".join(label.split()) and label.isascii()


def test_a_label_that_fits_is_left_as_it_is():
    whole = "Days from surgery to the last contact ok"
    assert len(whole) == 40 and label_of(whole) == whole


def test_a_longer_label_ends_at_a_word():
    assert (
        label_of("Left ventricular ejection fraction at baseline (%)")
        == "Left ventricular ejection fraction at"
    )
    ends_there = "Left ventricular ejection fraction at 12 months"  # the 40 bytes end with a word
    assert label_of(ends_there) == ends_there[:40] == "Left ventricular ejection fraction at 12"


def test_a_label_of_one_long_word_is_cut_within_it():
    assert label_of("x" * 60) == "x" * 40
    assert label_of("Age " + "x" * 60) == "Age " + "x" * 36


def test_a_label_has_no_line_ends_and_no_doubled_blanks():
    assert label_of(" Age\n at \t surgery ") == "Age at surgery"


@given(st.text(max_size=200))
def test_what_is_written_for_xml_can_be_read_by_an_xml_parser(text):
    element = etree.Element("x", {"a": xml_text(text)})
    element.text = xml_text(text)
    read = etree.fromstring(etree.tostring(element))
    assert read.get("a") == xml_text(text)


def test_a_character_that_no_xml_may_hold_is_replaced_by_one_that_says_so():
    assert xml_text("a\x00b\x0bc\ufffe") == "a\ufffdb\ufffdc\ufffd"
    assert xml_text("年\t\n龄 <&>") == "年\t\n龄 <&>"
