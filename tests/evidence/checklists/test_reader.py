"""The shipped checklists are whole, and one that is not is refused by file and place."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from studies.evidence.checklists.model import Checklist, Item, Place, Statement
from studies.evidence.checklists.package_view import heading_texts
from studies.evidence.checklists.predicates import PREDICATES
from studies.evidence.checklists.reader import (
    ALWAYS,
    CHECKLISTS,
    FOLDER,
    checklist,
    every_checklist,
    read_checklist,
    read_words,
    shared,
)

HAN = re.compile(r"[一-鿿]")
PLACES = """\
roles:
  researcher: {zh: 研究者, en: the researcher}
places:
  title:
    {file: data/01_protocol/protocol.json, pointer: /title, label: {zh: 名称, en: Title}, who: researcher,
     next: {zh: 写, en: write}}
"""
STATEMENTS = """\
statements:
  funding: {label: {zh: 资金, en: Funding}, who: researcher, next: {zh: 写, en: write}}
reasons:
  no_linkage: {zh: 未关联, en: nothing was linked}
unless:
  devices: {zh: 无器械, en: no device}
"""
SMALL = """\
id: SMALL
name: {zh: 小, en: small}
source: {zh: 无, en: none}
applies: always
sections:
  one: {zh: 一, en: one}
items:
  - {id: "1", section: one, asks: {zh: 名称, en: title}, answered_by: [title]}
  - {id: "2", section: one, asks: {zh: 资金, en: funding}, needs: [funding], not_applicable_when: [no_linkage]}
"""


def texts_of(one: Checklist) -> Iterator[Bilingual]:
    yield from (one.name, one.source, *one.reasons.values())
    for item in one.items:
        yield from (item.section, item.asks)
        stated = [*item.needs, *([item.otherwise] if item.otherwise else [])]
        words: list[Place | Statement] = [*item.answered_by, *item.also, *stated]
        for named in words:
            yield from (named.label, named.action.who, named.action.next)


@pytest.mark.parametrize("id", CHECKLISTS)
def test_every_text_of_a_checklist_is_in_both_languages(id: str) -> None:
    for text in texts_of(checklist(id)):
        assert text.zh.strip() and text.en.strip() and not HAN.search(text.en), text
        assert HAN.search(text.zh) or text.zh == text.en, text


@pytest.mark.parametrize(("id", "count"), [("TARGET", 21), ("STROBE", 22), ("CHEERS", 28)])
def test_a_published_checklist_has_as_many_items_as_its_instrument(id: str, count: int) -> None:
    ids = [item.id for item in checklist(id).items]
    assert ids == [str(number) for number in range(1, count + 1)]


def test_every_file_in_the_folder_is_a_checklist_that_is_listed() -> None:
    found = {path.stem for path in FOLDER.glob("*.yaml")} - {"places", "statements"}
    assert found == set(CHECKLISTS) and [one.id for one in every_checklist()] == list(CHECKLISTS)


def test_every_shared_word_is_used_and_every_heading_exists_in_the_report_s_texts() -> None:
    items: list[Item] = [item for one in every_checklist() for item in one.items]
    used = {place.id for item in items for place in (*item.answered_by, *item.also)}
    said = {each.id for item in items for each in (*item.needs, *filter(None, [item.otherwise]))}
    assert used == set(shared().places) and said == set(shared().statements)
    assert {name for item in items for name in item.not_applicable} == set(shared().reasons)
    assert {one.applies for one in every_checklist()} - {ALWAYS} == set(shared().unless)
    assert {*shared().reasons, *shared().unless} <= set(PREDICATES)
    headings = {place.heading for place in shared().places.values()} - {""}
    assert headings <= set(heading_texts())


def test_an_item_of_memory_says_that_it_is_to_be_confirmed() -> None:
    """The Chinese guidelines and TARGET were not read in their official text."""
    for id in ("TARGET", "CN-2021-27", "CN-2023", "CN-2020-77"):
        assert all(item.confirm for item in checklist(id).items)


def test_the_smallest_checklist_is_read() -> None:
    words = read_words(PLACES, STATEMENTS)
    one = read_checklist(SMALL, "SMALL.yaml", words)
    assert [item.id for item in one.items] == ["1", "2"]
    assert one.items[0].answered_by[0].pointer == "/title" and one.items[0].mandatory
    assert one.items[1].needs[0].id == "funding" and one.items[1].not_applicable == ("no_linkage",)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('id: "2"', 'id: "1"', "stand twice: 1"),
        ("[title]", "[titel]", "unknown: titel"),
        ("[funding]", "[founding]", "unknown: founding"),
        ("[no_linkage]", "[moonshine]", "unknown: moonshine"),
        ("section: one, asks: {zh: 名称", "section: two, asks: {zh: 名称", "unknown: two"),
        ("applies: always", "applies: sometimes", "unknown: sometimes"),
        (", answered_by: [title]", "", "nothing could answer"),
        ("{zh: 名称, en: title}", "{zh: 名称}", "asks.en"),
        ("id: SMALL\n", "", "id"),
        ("items:", "extra: 1\nitems:", "extra"),
        ("id: SMALL", "id: &a SMALL", "YAML"),
    ],
)
def test_a_checklist_that_is_wrong_is_refused_with_its_file_and_place(old: str, new: str, named: str) -> None:
    assert SMALL.count(old) == 1
    with pytest.raises(PlatformError, match=r"checklist\.refused") as refused:
        read_checklist(SMALL.replace(old, new), "SMALL.yaml", read_words(PLACES, STATEMENTS))
    assert "SMALL.yaml" in refused.value.en and named in refused.value.en


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("file: data/01_protocol/protocol.json, pointer: /title", "file: ../protocol.json"),
        ("file: data/01_protocol/protocol.json, pointer: /title", "file: /etc/passwd"),
        ("file: data/01_protocol/protocol.json, pointer: /title", "file: data/01_protocol/../x"),
        ("pointer: /title", "pointer: title"),
        ("pointer: /title", "pointer: /a//b"),
        ("pointer: /title", "blocks: [cohort]"),
        ("file: data/01_protocol/protocol.json, pointer: /title", "blocks: []"),
        ("file: data/01_protocol/protocol.json, pointer: /title", "heading: 'Not A Key'"),
        ("who: researcher", "who: nobody"),
        ("label: {zh: 名称, en: Title}, ", ""),
    ],
)
def test_a_place_that_is_wrong_or_reaches_out_of_the_package_is_refused(old: str, new: str) -> None:
    assert PLACES.count(old) == 1
    with pytest.raises(PlatformError, match=r"checklist\.refused") as refused:
        read_words(PLACES.replace(old, new), STATEMENTS)
    assert "places.yaml" in refused.value.en


def test_a_checklist_that_is_none_is_refused() -> None:
    with pytest.raises(PlatformError, match=r"checklist\.refused"):
        checklist("PRISMA")
