"""The page of classes and levels: every column, found by class, level and sensitivity, in both languages."""

from __future__ import annotations

import re

import pytest

from deidentify.classification import load_catalogue
from tests.server.conftest import LogIn
from tests.server.test_pages import visible_text

LABELS = load_catalogue().labels


def rows(page: str) -> int:
    """Lines of the tables of columns; the table of levels has five of its own."""
    return len(re.findall(r"<tr><th scope=\"row\">", page)) - 5


@pytest.mark.parametrize("login", ["hospital-a", "researcher", "regulator", "privacy", "operator"])
def test_everybody_who_works_here_may_read_how_columns_are_to_be_handled(as_user: LogIn, login: str):
    """Labels are rules, not data: each role sees all of them, with the meaning of the levels."""
    page = as_user(login).get("/classification").text
    assert rows(page) == len(LABELS)
    for words in load_catalogue().meanings["levels"].values():
        assert words["zh"] in page and words["who_zh"] in page
    assert load_catalogue().sha256 in page and "不构成合规结论" in page


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("level=5", lambda one: one.level == 5),
        (
            "category=health_status&sensitive=yes",
            lambda one: one.category == "health_status" and one.sensitive,
        ),
        ("zone=package", lambda one: one.zone == "package"),
        (
            "zone=lake&level=4&sensitive=no",
            lambda one: (one.zone, one.level, one.sensitive) == ("lake", 4, False),
        ),
        ("sensitive=no", lambda one: not one.sensitive),
    ],
)
def test_filters_are_plain_addresses_and_can_be_passed_on(as_user: LogIn, query: str, fits):
    """A link with a filter shows the same lines to whoever opens it."""
    page = as_user("privacy").get(f"/classification?{query}").text
    wanted = [one for one in LABELS if fits(one)]
    assert rows(page) == len(wanted) > 0
    assert f"显示 {len(wanted)} 项，共 {len(LABELS)} 项" in page


@pytest.mark.parametrize(
    "query", ["level=6", "zone=moon", "category=payroll", "level=3'%20OR%201=1", "sensitive=x"]
)
def test_a_filter_that_fits_nothing_says_so(as_user: LogIn, query: str):
    """Unknown values are no error and open nothing."""
    answer = as_user("privacy").get(f"/classification?{query}")
    assert answer.status_code == 200 and rows(answer.text) == 0 and "没有符合条件的列" in answer.text


def test_a_filter_as_long_as_a_book_is_refused(as_user: LogIn):
    """Forty characters name every value there is."""
    assert as_user("privacy").get("/classification", params={"zone": "x" * 5000}).status_code == 422


def test_the_page_in_english_is_english(as_user: LogIn):
    """Reasons and descriptions have both languages; none of the other one is left over."""
    page = visible_text(as_user("privacy", language="en").get("/classification").text)
    left = re.findall(r"[\u4e00-\u9fff]+", page.replace("张", "").replace("中文", ""))
    assert left == []
    chinese = visible_text(as_user("privacy").get("/classification").text)
    assert load_catalogue().reasons["true-date"].en not in chinese
    assert load_catalogue().reasons["true-date"].zh in chinese
