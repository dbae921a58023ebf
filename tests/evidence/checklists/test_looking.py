"""What stands at a place, and why nothing does: gone, unreadable, nowhere, empty, or a flag that says no."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rwd_platform.core.text import Bilingual
from studies.evidence.checklists.looking import (
    EMPTY,
    GONE,
    NOWHERE,
    SAYS_NO,
    THERE,
    UNREADABLE,
    Found,
    look,
)
from studies.evidence.checklists.model import Action, Place
from studies.evidence.checklists.package_view import PackageView
from studies.evidence.documents import UNSEALING_JSON
from studies.evidence.templates.verify import REPORT_JSON
from tests.evidence.fixtures import small_inputs

SAID = Bilingual("写", "write")
FILE = "data/02_governance/thing.json"


def place(file: str = FILE, **more: Any) -> Place:
    return Place("one", SAID, Action(SAID, SAID), file, **more)


def view(files: dict[str, bytes]) -> PackageView:
    inputs = small_inputs()
    return PackageView(files, inputs.protocol, inputs.results, "authority")


def looked(value: Any, pointer: str = "/a", **more: Any) -> Found | Bilingual:
    return look(place(pointer=pointer, **more), view({FILE: json.dumps({"a": value}).encode()}))


def test_a_file_that_is_not_there_is_gone_and_one_without_a_letter_is_empty() -> None:
    assert look(place(), view({})) == GONE
    assert look(place(), view({FILE: b" \n "})) == EMPTY


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000])
def test_json_that_cannot_be_read_is_unreadable(content: bytes) -> None:
    assert look(place(pointer="/a"), view({FILE: content})) == UNREADABLE


@pytest.mark.parametrize("value", [None, "", "  ", [], {}, [None, ""], {"zh": "有", "en": ""}, {"x": [{}]}])
def test_what_holds_nothing_is_empty(value: Any) -> None:
    assert looked(value) == EMPTY


@pytest.mark.parametrize("value", [0, False, "x", ["x"], {"zh": "有", "en": "some"}, {"x": 1}])
def test_what_holds_something_is_found_nought_and_no_included(value: Any) -> None:
    assert isinstance(looked(value), Found)


@pytest.mark.parametrize("pointer", ["/b", "/a/b", "/a/0", "/a/*/b"])
def test_a_pointer_that_leads_nowhere_is_named(pointer: str) -> None:
    assert looked("text", pointer) == NOWHERE


def test_a_flag_answers_where_it_says_yes() -> None:
    assert looked(False, holds=True) == SAYS_NO and looked("yes", holds=True) == SAYS_NO
    assert looked(True, holds=True) == Found(Bilingual("是", "yes"))


def test_a_star_asks_every_element() -> None:
    assert isinstance(looked([{"b": "x"}, {"b": "y"}], "/a/*/b"), Found)
    assert looked([{"b": "x"}, {"b": ""}], "/a/*/b") == EMPTY
    assert looked([{"b": "x"}, {}], "/a/*/b") == NOWHERE
    assert looked([], "/a/*/b") == EMPTY


def test_one_element_of_the_asked_kind_is_enough_and_one_without_a_value_is_none() -> None:
    where = (("statistic", ("hazard_ratio", "rmst")),)
    rows = [{"id": "r1", "statistic": "n", "value": 3}, {"id": "r2", "statistic": "rmst", "value": 2.0}]
    assert looked(rows, where=where) == Found(Bilingual("1 项，如 r2", "1 entries, such as r2"))
    assert looked(rows[:1], where=where) == NOWHERE
    assert looked([{**rows[1], "value": None}], where=where) == NOWHERE
    assert looked("text", where=where) == NOWHERE


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("data/04_quality/a.csv", b"head\n", EMPTY),
        ("data/04_quality/a.csv", b"head\nrow\n\n", Found(Bilingual("1 行", "1 rows"))),
        ("data/09_audit/a.jsonl", b"{}\n{}\n", Found(Bilingual("2 行", "2 rows"))),
        ("data/05_results/figures/a.svg", b"<html>", UNREADABLE),
        ("data/05_results/figures/a.svg", b"<svg></svg>", Found(THERE)),
        ("data/06_report/a.pdf", b"%PDF", Found(THERE)),
    ],
)
def test_a_whole_file_answers_with_what_a_person_would_read_in_it(
    file: str, content: bytes, expected: Found | Bilingual
) -> None:
    assert look(place(file), view({file: content})) == expected


def test_what_changes_between_two_assemblies_is_linked_and_not_quoted() -> None:
    files = {UNSEALING_JSON: json.dumps({"a": "user-17 at 09:31"}).encode()}
    assert look(place(UNSEALING_JSON, pointer="/a"), view(files)) == Found(THERE)


def report(*blocks: dict[str, Any]) -> dict[str, bytes]:
    return {REPORT_JSON: json.dumps({"summary": [], "body": list(blocks)}).encode()}


def spans(text: str) -> dict[str, Any]:
    return {"zh": [{"t": text}], "en": [{"t": text}]}


def test_a_table_of_the_report_answers_where_it_has_a_filled_row() -> None:
    table = {"kind": "table", "key": "cox_a", "caption": spans("Cox"), "rows": [[spans("1.2")]]}
    wanted = place(REPORT_JSON, blocks=("cox_*",))
    assert look(wanted, view(report(table))) == Found(Bilingual("Cox", "Cox"), "cox_a")
    assert look(wanted, view(report({**table, "rows": []}))) == EMPTY
    assert look(wanted, view(report({**table, "rows": [[spans(" ")]]}))) == EMPTY
    assert look(wanted, view(report({**table, "key": "km_a"}))) == NOWHERE


def test_under_a_heading_something_must_stand_before_the_next() -> None:
    from studies.evidence.checklists.package_view import heading_texts

    key, words = next(iter(heading_texts().items()))
    head = {"kind": "heading", "level": 1, "text": {"zh": [{"t": "标题"}], "en": [{"t": words}]}}
    other = {"kind": "heading", "level": 1, "text": spans("other")}
    said = {"kind": "paragraph", "text": spans("said")}
    wanted = place(REPORT_JSON, heading=key)
    found = look(wanted, view(report(head, said, other)))
    assert isinstance(found, Found) and found.anchor == key and words in found.says.en
    assert look(wanted, view(report(head, other, said))) == EMPTY
    assert look(wanted, view(report(other, said))) == NOWHERE


@pytest.mark.parametrize("document", [[], {"body": "text"}, {"summary": None, "body": [1, "x"]}])
def test_a_report_of_another_form_holds_no_block(document: Any) -> None:
    wanted = place(REPORT_JSON, blocks=("cox_*",))
    assert look(wanted, view({REPORT_JSON: json.dumps(document).encode()})) == NOWHERE


def test_a_quoted_value_is_one_short_line() -> None:
    found = looked("<b>\n" + "x" * 10_000 + "\x00\u202e")
    assert isinstance(found, Found) and len(found.says.en) <= 140 and len(found.says.zh) <= 70
    assert found.says.en.isprintable() and "\n" not in found.says.en
