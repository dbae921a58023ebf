"""The page of classes and levels: every column, found by class, level and sensitivity, in both languages."""

from __future__ import annotations

import html
import re
from itertools import pairwise

import pytest
from fastapi.testclient import TestClient

from deidentify.classification import load_catalogue
from tests.server.conftest import LogIn
from tests.server.test_pages import visible_text

LABELS = load_catalogue().labels


def rows(page: str) -> int:
    """Lines of the tables of columns; the table of levels has five of its own."""
    return len(re.findall(r"<tr><th scope=\"row\">", page)) - 5


def walk(client: TestClient, address: str) -> list[str]:
    """The page and every page that its "next" link leads to."""
    pages = []
    while address:
        pages.append(client.get(address).text)
        found = re.search(r'<a href="(/classification[^"]*)#columns" rel="next">', pages[-1])
        address = html.unescape(found[1]) if found else ""
    return pages


@pytest.mark.parametrize("login", ["hospital-a", "researcher", "regulator", "privacy", "operator"])
def test_everybody_who_works_here_may_read_how_columns_are_to_be_handled(as_user: LogIn, login: str):
    """Labels are rules, not data: each role sees all of them, with the meaning of the levels."""
    pages = walk(as_user(login), "/classification")
    assert sum(rows(page) for page in pages) == len(LABELS) and len(pages) > 1
    page = pages[0]
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
        ("table=measurement", lambda one: one.table == "measurement"),
        ("table=*&zone=lock", lambda one: (one.table, one.zone) == ("*", "lock")),
        ("table=data/05_results/tables/*", lambda one: one.table == "data/05_results/tables/*"),
    ],
)
def test_filters_are_plain_addresses_and_can_be_passed_on(as_user: LogIn, query: str, fits):
    """A link with a filter shows the same lines to whoever opens it."""
    pages = walk(as_user("privacy"), f"/classification?{query}")
    wanted = [one for one in LABELS if fits(one)]
    assert sum(rows(page) for page in pages) == len(wanted) > 0
    assert max(rows(page) for page in pages) <= 100
    for page in pages:
        assert f"符合条件的有 {len(wanted)} 项，共 {len(LABELS):,} 项" in page


@pytest.mark.parametrize(
    "query",
    [
        "level=6",
        "table=payroll",
        "zone=package&table=measurement",
        "zone=moon",
        "category=payroll",
        "level=3'%20OR%201=1",
        "sensitive=x",
    ],
)
def test_a_filter_that_fits_nothing_says_so(as_user: LogIn, query: str):
    """Unknown values are no error and open nothing."""
    answer = as_user("privacy").get(f"/classification?{query}")
    assert answer.status_code == 200 and rows(answer.text) == 0 and "没有符合条件的列" in answer.text


def test_columns_stand_by_table_and_no_table_comes_twice(as_user: LogIn):
    """Each table has its own heading; one that is cut by the end of a page says on the next that it goes on."""
    pages = walk(as_user("privacy"), "/classification")
    captions = [
        [visible_text(one).split() for one in re.findall(r"<caption>(.*?)</caption>", page, re.DOTALL)]
        for page in pages
    ]
    on_two_pages = sum(found[0][-1] == "（续）" for found in captions)
    assert sum(map(len, captions)) == len({(one.zone, one.table) for one in LABELS}) + on_two_pages
    assert not any(caption[-1] == "（续）" for found in captions for caption in found[1:])
    for before, after in pairwise(captions):
        goes_on = after[0][-1] == "（续）"
        assert not goes_on or after[0][:-1] == [word for word in before[-1] if word != "（续）"]


@pytest.mark.parametrize(
    ("query", "status"),
    [("page=0", 422), ("page=-1", 422), ("page=x", 422), ("page=99", 200), ("page=10000", 200)],
)
def test_a_page_beyond_the_last_leads_back(as_user: LogIn, query: str, status: int):
    """An address that was shortened or made up is no error of the server's."""
    answer = as_user("privacy").get(f"/classification?{query}")
    assert answer.status_code == status
    if status == 200:
        assert rows(answer.text) == 0 and "回到第一页" in answer.text


def test_the_filter_offers_the_tables_of_the_chosen_zone(as_user: LogIn):
    """With a zone chosen, tables of other zones are not offered: they would fit nothing."""
    page = as_user("privacy").get("/classification?zone=lock").text
    choice = page.partition('name="table"')[2].partition("</select>")[0]
    offered = set(re.findall(r'<option value="([^"]*)"', choice))
    assert offered == {"", *(one.table for one in LABELS if one.zone == "lock")}


def test_a_filter_as_long_as_a_book_is_refused(as_user: LogIn):
    """Forty characters name every value there is."""
    assert as_user("privacy").get("/classification", params={"zone": "x" * 5000}).status_code == 422


def test_the_page_in_english_is_english(as_user: LogIn):
    """Reasons and descriptions have both languages; none of the other one is left over."""
    page = visible_text("".join(walk(as_user("privacy", language="en"), "/classification")))
    left = re.findall(r"[\u4e00-\u9fff]+", page.replace("张", "").replace("中文", ""))
    assert left == []
    chinese = visible_text("".join(walk(as_user("privacy"), "/classification")))
    assert load_catalogue().reasons["true-date"].en not in chinese
    assert load_catalogue().reasons["true-date"].zh in chinese
