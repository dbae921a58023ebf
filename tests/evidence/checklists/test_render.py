"""A checklist as data and as a page that opens offline from the package's folder."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser

import pytest

from rwd_platform.core.text import Bilingual
from studies.evidence.checklists.answer import answer
from studies.evidence.checklists.package_view import PackageView
from studies.evidence.checklists.reader import CHECKLISTS, checklist, shared
from studies.evidence.checklists.render import FOLDER, ROOT, render, render_all
from studies.evidence.package import BuiltPackage
from tests.evidence.checklists.views import view_of

SAID = dict.fromkeys(shared().statements, Bilingual("已写明", "stated"))
HOSTILE = '"><script>alert(1)</script><img src=x onerror=1>'


@pytest.fixture(scope="module")
def view(package: BuiltPackage) -> PackageView:
    return view_of(package.folder)


class Page(HTMLParser):
    """Tags, links and the base of a page."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.base = ""
        self.feed(content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        held = dict(attrs)
        if tag == "base":
            self.base = held.get("href") or ""
        if tag == "a":
            self.links.append(held.get("href") or "")


@pytest.mark.parametrize("id", CHECKLISTS)
def test_the_json_has_every_item_with_its_answer_and_the_counts_add_up(view: PackageView, id: str) -> None:
    content, _ = render(answer(checklist(id), view, SAID))
    document = json.loads(content)
    assert [one["id"] for one in document["items"]] == [item.id for item in checklist(id).items]
    assert sum(document["counts"].values()) == len(document["items"])
    for one in document["items"]:
        assert one["asks"]["zh"] and one["asks"]["en"]
        assert (one["status"] == "not_applicable") == (one["reason"] is not None)
        assert bool(one["lacks"]) == (one["status"] in ("missing", "needs_statement"))


@pytest.mark.parametrize("id", ["TARGET", "STROBE", "CN-2021-27"])
def test_every_link_of_the_page_leads_to_a_file_of_the_package(view: PackageView, id: str) -> None:
    _, content = render(answer(checklist(id), view, SAID))
    page = Page(content)
    assert page.base == ROOT and len(FOLDER.split("/")) == ROOT.count("../")
    links = [link for link in page.links if not link.startswith("#")]
    assert links and all(link.split("#")[0] in view.files for link in links), links


@pytest.mark.parametrize("id", ["TARGET", "CHEERS"])
def test_the_page_asks_nobody_else_for_anything(view: PackageView, id: str) -> None:
    _, content = render(answer(checklist(id), view, SAID))
    page = Page(content)
    assert "script" not in page.tags and "iframe" not in page.tags and "link" not in page.tags
    assert not re.search(rb"(?:src|href)=[\"'](?:https?:)?//", content) and b"@import" not in content


def test_both_languages_are_on_the_page_and_english_is_marked(view: PackageView) -> None:
    _, content = render(answer(checklist("STROBE"), view, SAID))
    text = content.decode()
    for item in checklist("STROBE").items:
        assert item.asks.zh in text and f'lang="en">{item.asks.en.replace(chr(39), "&#x27;")}' in text


def test_a_hostile_statement_is_words_on_the_page(view: PackageView) -> None:
    said = dict.fromkeys(SAID, Bilingual(HOSTILE, HOSTILE))
    content, page = render(answer(checklist("STROBE"), view, said))
    assert HOSTILE in json.dumps(json.loads(content), ensure_ascii=False).replace('\\"', '"')
    tags = Page(page).tags
    assert "script" not in tags and "img" not in tags


def test_two_renderings_are_the_same_bytes(view: PackageView) -> None:
    first, second = (render(answer(checklist("DataSAT"), view, SAID)) for _ in range(2))
    assert first == second


def test_what_is_missing_is_named_with_who_acts_and_not_linked(view: PackageView) -> None:
    answered = answer(checklist("DataSAT"), view, {})
    lacks = [lack for one in answered.items for lack in one.lacks if lack.file]
    assert lacks
    _, content = render(answered)
    text = content.decode()
    for lack in lacks:
        assert lack.next.zh in text
        assert lack.file in view.files or f'href="{lack.file}"' not in text


def test_a_reason_stands_on_the_page_and_in_the_data_beside_what_is_not_there(view: PackageView) -> None:
    one = checklist("DataSAT")
    why = Bilingual("本研究没有此项 <b>", "This study has none <b>")
    reasons = {f"DataSAT.{item.id}": why for item in one.items}
    answered = answer(one, view, SAID | reasons)
    explained = [each for each in answered.items if each.status == "explained"]
    assert explained
    content, page = render(answered)
    items = {each["id"]: each for each in json.loads(content)["items"]}
    for each in explained:
        told = items[each.item.id]
        assert told["status"] == "explained" and told["reason"] == {"zh": why.zh, "en": why.en}
        assert len(told["lacks"]) == len(each.lacks) > 0
    text = page.decode()
    assert (
        text.count("本研究没有此项 &lt;b&gt;")
        == text.count("This study has none &lt;b&gt;")
        == len(explained)
    )
    assert text.count('class="state explained"') == len(explained)
    assert "未提供，已说明原因" in text and "not provided, with the reason" in text
    assert json.loads(content)["counts"]["explained"] == len(explained)


def test_together_or_alone_the_pages_say_the_same(view: PackageView) -> None:
    """Rendered together they share one set of letters; nothing else differs, and the data not at all."""
    answered = [answer(checklist(id), view, SAID) for id in ("TARGET", "DataSAT")]
    together = render_all(answered)
    assert len(together) == 2
    content, page = together[1]
    alone = render(answered[1])
    assert content == alone[0]
    assert without_font(page) == without_font(alone[1]) != page
    assert len({font(page) for _, page in together}) == 1, "one set of letters"


def test_the_shared_letters_hold_every_sign_of_every_page(view: PackageView) -> None:
    """A rare character that one page alone has is in the font of all; fontTools reads the font."""
    rare = Bilingual("龘与𠮷", "rare")
    said = {**SAID, "funding": rare}
    pages = [
        page for _, page in render_all([answer(checklist(id), view, said) for id in ("STROBE", "TARGET")])
    ]
    from fontTools.ttLib import TTFont

    letters = set(TTFont(io.BytesIO(base64.b64decode(font(pages[1])))).getBestCmap())
    shown = {ord(one) for page in pages for one in re.sub(rb"<[^>]*>", b"", without_font(page)).decode()}
    chinese = {one for one in shown if 0x4E00 <= one <= 0x9FFF}
    assert ord("龘") in chinese and chinese <= letters


def test_nothing_to_render_is_nothing() -> None:
    assert render_all([]) == []


def font(page: bytes) -> bytes:
    found = re.search(rb"base64,([A-Za-z0-9+/=]+)", page)
    assert found
    return found[1]


def without_font(page: bytes) -> bytes:
    return page.replace(font(page), b"")
