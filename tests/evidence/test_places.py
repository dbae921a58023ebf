"""Where a number stands, in words a reader knows: the table, its row and column; the figure; the section."""

from __future__ import annotations

import pytest

from studies.evidence.places import Places, printed
from tests.evidence.report_forms.made import Made, made


@pytest.fixture(scope="module")
def report() -> Made:
    return made("rotterdam", drawn=False)


@pytest.fixture(scope="module")
def places(report) -> Places:
    return Places.of_report(report.report.as_dict())


def test_every_place_of_a_report_is_said_in_both_languages(report, places):
    """No number of the register is left with a code for a place."""
    for one in report.book.as_dict()["numbers"]:
        zh, en = places.say(one)
        assert one["place"] not in (zh, en) and "_" not in en.partition(",")[0]
        kind = one["place"].partition(":")[0]
        start = {"table": ("表 ", "Table "), "figure": ("图 ", "Figure "), "text": ("", "")}[kind]
        assert zh.startswith(start[0]) and en.startswith(start[1])


def test_a_cell_is_named_by_its_table_row_and_column(report, places):
    number = next(
        one for one in report.book.as_dict()["numbers"] if one["place"] == "table:reconciliation:1:2"
    )
    table = next(one for one in report.report.tables if one.key == "reconciliation")
    count = 1 + report.report.tables.index(table)
    row, column = table.rows[0][0].plain("en"), table.head[2].plain("en")
    assert places.say(number).en == f"Table {count}, row '{row}', column '{column}'"
    zh = f"表 {count}，“{table.rows[0][0].plain('zh')}”一行，“{table.head[2].plain('zh')}”一列"
    assert places.say(number).zh == zh


def test_a_sentence_is_named_by_its_section_and_a_caption_by_its_table(report, places):
    numbers = report.book.as_dict()["numbers"]
    answer = next(one for one in numbers if one["place"] == "text:answer")
    assert places.say(answer) == ("正文“回答”一节", "text under 'The answer'")
    caption = next(
        one for one in numbers if one["place"].startswith("text:cox_") and "caption" in one["place"]
    )
    assert places.say(caption).en.startswith("title or notes of Table ")
    figure = next(one for one in numbers if one["place"].startswith("figure:forest:0"))
    assert places.say(figure).en.startswith("Figure 1: Hazard ratios by analysis")


@pytest.mark.parametrize("place", ["table:gone:1:2", "figure:gone:1", "odd", "table:reconciliation:999:1"])
def test_a_place_that_the_report_does_not_have_is_no_error(places, place):
    zh, en = places.say({"id": "n1", "place": place})
    assert zh and en


def test_without_a_report_the_register_is_told_as_it_is():
    assert Places(known=False).say({"id": "n1", "place": "text:answer"}) == ("text:answer", "text:answer")


def test_a_brace_in_a_cell_is_a_brace():
    text = {"zh": [{"t": "{row}"}], "en": [{"t": "{n}{}"}]}
    table = {
        "kind": "table",
        "key": "a",
        "caption": text,
        "notes": [],
        "head": [text, text],
        "rows": [[text, text]],
    }
    of = Places.of_report({"summary": [], "body": [table]})
    assert "{n}{}" in of.say({"id": "n1", "place": "table:a:1:1"}).en


def test_the_sign_of_equality_stays_in_the_sentence():
    assert printed("= 0.030") == "0.030" and printed("< 0.001") == "< 0.001" and printed("0.80") == "0.80"


def test_the_plain_page_has_a_name():
    assert Places().say({"id": "p0001", "place": "plain:x"}).en == "the page in plain language"
