"""How numbers are printed, and where their sources are."""

from __future__ import annotations

import pytest

from rwd_platform.core.errors import PlatformError
from studies.evidence.numbers import NumberBook
from studies.evidence.templates.verify import number_text, pointed
from studies.results import ArdRow, ResultSet

ROW = ArdRow(
    "a.hr", "a", "Cox", "", "x", "hazard_ratio", 0.6695, ci_low=0.5694, ci_high=None, n=1546, events=1059
)
BOOK_OF = ResultSet("study", "0" * 64, "lock", (ROW,))


@pytest.mark.parametrize(
    ("value", "form", "printed"),
    [
        (0.6695251692, "fixed.2", "0.67"),
        (1546, "int", "1,546"),
        (1344.0, "int", "1,344"),
        (12345.678, "fixed.1", "12,345.7"),
        (0.882, "percent.1", "88.2%"),
        (-0.0734, "points.1", "\u22127.3"),
        (-0.0001, "points.1", "0.0"),
        (-0.8532, "fixed.3", "\u22120.853"),
        (-0.0004, "fixed.3", "0.000"),
        (0.02851, "p", "0.029"),
        (0.00099, "p", "<0.001"),
        (0.001, "p", "0.001"),
        (0.00099, "p_is", "< 0.001"),
        (0.1046, "p_is", "= 0.105"),
        ("Cox", "text", "Cox"),
    ],
)
def test_a_value_has_one_printed_form(value, form, printed):
    """The same rule prints the report and checks it, so a form is part of the format and never changes."""
    assert number_text(value, form, "zh") == number_text(value, form, "en") == printed


def test_not_reached_is_a_result_and_is_said_in_words():
    """A median that was not reached is printed so, in each language."""
    assert (number_text(None, "int", "zh"), number_text(None, "int", "en")) == ("未达到", "not reached")


def test_an_unknown_form_is_refused():
    """A form nobody can check must not be printed."""
    with pytest.raises(ValueError, match="unknown form"):
        number_text(1.0, "roman", "en")


def test_every_number_knows_its_row_and_field():
    """Value, limits, n and events of a row are numbers of their own."""
    book = NumberBook(BOOK_OF, {"x.json": {"list": [{"a/b": 5}]}})
    book.result("text:answer", "a.hr", "fixed.2")
    book.result("text:answer", "a.hr", "int", "events")
    book.fact("text:answer", "x.json", "/list/0/a~1b")
    first, second, third = book.as_dict()["numbers"]
    assert (first["id"], first["ard_id"], first["field"], first["zh"]) == ("n0001", "a.hr", "value", "0.67")
    assert (second["field"], second["en"]) == ("events", "1,059")
    assert (third["file"], third["pointer"], third["zh"]) == ("x.json", "/list/0/a~1b", "5")


@pytest.mark.parametrize(("ard_id", "field"), [("a.unknown", "value"), ("a.hr", "engine")])
def test_a_number_without_a_result_is_refused(ard_id, field):
    """A report cannot print what the analyses did not give."""
    with pytest.raises(PlatformError, match="no_such_result"):
        NumberBook(BOOK_OF, {}).result("text:x", ard_id, "fixed.2", field)


def test_a_fact_that_is_not_there_is_refused():
    """A pointer must lead to something in a file of the package."""
    with pytest.raises(PlatformError, match="no_such_result"):
        NumberBook(BOOK_OF, {"x.json": {}}).fact("text:x", "x.json", "/absent")


@pytest.mark.parametrize(("pointer", "found"), [("", {"a": [1, {"~": 2}]}), ("/a/0", 1), ("/a/1/~0", 2)])
def test_pointers_are_those_of_rfc_6901(pointer, found):
    """The standard's escapes: ~0 is a tilde, ~1 a slash."""
    assert pointed({"a": [1, {"~": 2}]}, pointer) == found
