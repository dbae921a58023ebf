"""The page of a package says where its numbers stand, and offers nothing that a package of papers alone lacks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rwd_platform.flows.platform import Platform
from rwd_platform.server import package_places
from studies.evidence.templates import verify as standalone
from tests.server import reading, seed
from tests.server.conftest import LogIn
from tests.server.reading import pair, part
from tests.server.test_pages import visible_text

ONE = "/packages/EP-read-1"


@pytest.fixture
def study(platform: Platform) -> Platform:
    seed.seed_upload(platform)
    seed.seed_study(platform)
    return platform


def text(zh: str, en: str, number: str = "") -> dict[str, Any]:
    span = {"n": number} if number else {}
    return {"zh": [{"t": zh, **span}], "en": [{"t": en, **span}]}


def report() -> bytes:
    table = {
        "kind": "table", "key": "sensitivity", "caption": text("同一问题", "The same question"), "notes": [],
        "head": [text("分析", "Analysis"), text("P 值", "P value")],
        "rows": [[text("调整后", "Adjusted"), text("0.030", "0.030", "n0002")]],
    }  # fmt: skip
    heading = {"kind": "heading", "level": 2, "text": text("回答", "The answer")}
    answer = {"kind": "paragraph", "tone": "lead", "text": text("47", "47", "n0001")}
    return json.dumps({"summary": [heading, answer], "body": [table]}).encode()


def numbers(*given: dict[str, Any]) -> bytes:
    return json.dumps({"format_version": 1, "numbers": list(given)}).encode()


def number(id: str, place: str, shown: str) -> dict[str, Any]:
    return {
        "id": id, "place": place, "file": "data/05_results/ard.json", "ard_id": "all.adjusted", "field": "value",
        "format": "p_is", "zh": shown, "en": shown,
    }  # fmt: skip


TWO = numbers(number("n0001", "text:answer", "= 0.047"), number("n0002", "table:sensitivity:1:1", "0.030"))


def put(study: Platform, **files: bytes) -> None:
    mine = {package_places.REPORT: report(), standalone.NUMBERS_JSON: TWO, **files}
    reading.put(study, payload={**reading.files(), **mine})


def put_contents(study: Platform, document: dict[str, Any]) -> None:
    reading.put(study, payload=reading.files(contents=document))


def test_the_table_of_numbers_says_places_in_words_in_both_languages(study: Platform, as_user: LogIn) -> None:
    put(study)
    page = as_user("regulator").get(ONE).text
    assert "正文“回答”一节" in page and "表 1，“调整后”一行，“P 值”一列" in page
    assert "text:answer" not in page and "table:sensitivity" not in page and "= 0.047" not in page


def test_a_place_can_be_searched_by_its_words(study: Platform, as_user: LogIn) -> None:
    put(study)
    page = visible_text(as_user("regulator").get(f"{ONE}?find=调整后").text)
    assert "0.030" in page and "0.047" not in page


@pytest.mark.parametrize("broken", [b"", b"[]", b"{}", b'{"summary": 1, "body": []}', b"\xff"])
def test_a_report_that_cannot_be_read_does_not_take_the_page_with_it(
    study: Platform, as_user: LogIn, broken: bytes
) -> None:
    put(study, **{package_places.REPORT: broken})
    answer = as_user("regulator").get(ONE)
    assert answer.status_code == 200 and "text:answer" in answer.text


def test_a_package_without_numbers_offers_neither_search_nor_questions_about_one(
    study: Platform, as_user: LogIn
) -> None:
    put(study, **{standalone.NUMBERS_JSON: numbers()})
    page = as_user("regulator").get(ONE).text
    for gone in ('href="#numbers"', 'id="find"', "都能追到来源", "打开任何一个数字"):
        assert gone not in page, gone
    assert "还没有提问" in page


def test_a_column_of_places_stands_only_where_a_part_has_one(study: Platform, as_user: LogIn) -> None:
    document = reading.contents()
    put_contents(study, document)
    assert "归档位置" in as_user("regulator").get(ONE).text


def test_no_part_with_a_place_no_column(study: Platform, as_user: LogIn) -> None:
    document = reading.contents()
    document["parts"] = [{**one, "place": None} for one in document["parts"]]
    put_contents(study, document)
    page = as_user("regulator").get(ONE).text
    assert "归档位置" not in page and "文献检索" in page


def test_a_statement_is_answered_and_a_file_is_there(study: Platform, as_user: LogIn) -> None:
    """ "There" beside a statement that there is none would say the opposite of it."""
    none = {
        "id": "certificate",
        "asks": pair("注册证", "Certificate"),
        "said": pair("没有注册证", "There is none"),
    }
    document = reading.contents()
    document["parts"] = [
        part(pair("注册证", "Certificate"), "found", statement=none),
        part(pair("研究报告", "Study report"), "found", files=[reading.REPORT]),
    ]
    put_contents(study, document)
    page = as_user("regulator").get(ONE).text
    first, second = page.split('<th scope="row">注册证</th>')[1].split('<th scope="row">研究报告</th>')
    assert "已答" in first and "已答" not in second
