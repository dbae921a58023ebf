"""The HARPER document: all sections in order, everything that the protocol says, nothing that nobody said."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from rwd_platform.core.text import Bilingual
from studies.evidence.harper.document import AMENDMENTS, FOLDER, PAGE, harper_document, harper_files
from studies.evidence.harper.facts import Amended, Basis, HarperFacts
from studies.evidence.report.blocks import Block, Facts, Figure, Heading, Paragraph, Points, Report, Table
from studies.protocol import Protocol
from studies.protocol_amendments import Amendment
from tests.evidence.harper.test_windows import valve
from tests.studies.rotterdam_lock import rotterdam_protocol

PLATFORM = Bilingual("乐城平台", "Lecheng platform")
FACTS = HarperFacts(
    PLATFORM,
    (Basis(Bilingual("甲医院", "Hospital A"), "DUA-1", "IC-2", "EC-3"),),
    {"funding": Bilingual("省科技厅资助，不参与分析", "Funded by the province, which took no part")},
    frozen_before_first_lock=True,
)
AMENDED = (
    Amended(Amendment("1", "ab" * 32, "2026-03-04", Bilingual("7.5", "7.5"),
                      Bilingual("增加敏感性分析", "A sensitivity analysis more"),
                      Bilingual("审评意见", "The authority asked"), "no"), "no"),
    Amended(Amendment("2", "cd" * 32, "2026-05-06", Bilingual("7.4", "7.4"), Bilingual("改窗口", "Another window"),
                      Bilingual("录入错误", "A slip"), "no"), "yes"),
)  # fmt: skip
STUDIES = {"rotterdam": rotterdam_protocol(), "valve": valve()}
HOSTILE = '<script>alert(1)</script> & "quoted" {braces} \u202e'


@pytest.fixture(scope="module", params=sorted(STUDIES))
def protocol(request: pytest.FixtureRequest) -> Protocol:
    return STUDIES[request.param]


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return harper_files(rotterdam_protocol(), FACTS, AMENDED)


def blocks(report: Report) -> list[Block]:
    return [*report.summary, *report.body]


def said(report: Report, language: str) -> str:
    """Every word of the document."""
    found: list[str] = [report.title.plain(language), report.subtitle.plain(language)]  # type: ignore[arg-type]  # zh or en
    for block in blocks(report):
        texts: list[Any] = []
        if isinstance(block, Heading | Paragraph):
            texts = [block.text]
        elif isinstance(block, Points):
            texts = list(block.items)
        elif isinstance(block, Facts):
            texts = [one for row in block.rows for one in row]
        elif isinstance(block, Table):
            texts = [block.caption, *block.head, *(cell for row in block.rows for cell in row), *block.notes]
        elif isinstance(block, Figure):
            texts = [block.caption]
        found += [text.plain(language) for text in texts]
    return "\n".join(found)


def test_the_sections_are_harpers_in_order_and_numbered(protocol: Protocol) -> None:
    heads = [block for block in blocks(harper_document(protocol, FACTS)) if isinstance(block, Heading)]
    numbers = [re.match(r"[\d.]+", one.text.plain("en")) for one in heads]
    assert all(numbers)
    order = [tuple(int(part) for part in one[0].strip(".").split(".")) for one in numbers if one]
    assert order == sorted(order) and [one[0] for one in order if len(one) == 1] == list(range(1, 13))
    assert [one.level for one in heads] == [len(one) for one in order]
    for one in heads:
        assert re.search(r"[一-鿿]", one.text.plain("zh")) and not re.search(r"[一-鿿]", one.text.plain("en"))


def test_everything_that_the_protocol_says_is_in_the_document(protocol: Protocol) -> None:
    report = harper_document(protocol, FACTS)
    zh, en = said(report, "zh"), said(report, "en")
    pairs = [
        protocol.title, protocol.question, protocol.why_real_world_data, protocol.prior_knowledge,
        protocol.cohort.source, protocol.cohort.index_title, protocol.exposure.exposed,
        protocol.exposure.comparator_title, protocol.outcome.title, protocol.estimand.population,
        protocol.estimand.summary_measure, *protocol.limits,
        *(one.title for one in protocol.covariates), *(one.title for one in protocol.populations),
        *(rule.reason for rule in protocol.outcome.rules),
        *(text for row in protocol.target_trial for text in (row.element, row.trial, row.emulation)),
    ]  # fmt: skip
    for pair in pairs:
        assert pair.zh in zh and pair.en in en, pair
    for plan in protocol.analyses:
        assert f"{plan.title.en} ({plan.id})" in en and f"{plan.title.zh}（{plan.id}）" in zh
    records = [one.records for one in protocol.covariates if one.records]
    records += [protocol.exposure.records, *(one.records for one in protocol.outcome.sources)]
    for one in records:
        assert all(code in en for code in one.codes)
    assert protocol.sha256 in en and protocol.version in en


def test_what_was_passed_in_is_said_and_what_nobody_stated_is_named_with_who_should(
    protocol: Protocol,
) -> None:
    report = harper_document(protocol, FACTS)
    zh, en = said(report, "zh"), said(report, "en")
    assert all(word in en for word in ("Hospital A", "DUA-1", "IC-2", "EC-3"))
    assert "省科技厅资助，不参与分析" in zh
    without = said(harper_document(protocol, HarperFacts(PLATFORM)), "zh")
    assert "省科技厅" not in without and "EC-3" not in without and "申办者" in without


@pytest.mark.parametrize("language", ["zh", "en"])
def test_amendments_say_whether_data_were_seen_and_none_is_said_to_be_none(language: str) -> None:
    with_them = said(harper_document(rotterdam_protocol(), FACTS, AMENDED), language)
    for one in AMENDED:
        assert one.stated.dated in with_them and one.stated.reason.in_language(language) in with_them  # type: ignore[arg-type]  # zh or en
    rows = [
        [cell.plain("en") for cell in row]
        for block in blocks(harper_document(rotterdam_protocol(), FACTS, AMENDED))
        if isinstance(block, Table) and block.key == "harper_amendments"
        for row in block.rows
    ]
    assert [row[-1].lower() for row in rows] == ["no", "yes"]
    assert not [
        block
        for block in blocks(harper_document(rotterdam_protocol(), FACTS))
        if isinstance(block, Table) and block.key == "harper_amendments"
    ]


def test_the_amendments_are_data_too_and_an_empty_list_says_so(files: dict[str, bytes]) -> None:
    document = json.loads(files[AMENDMENTS])
    assert [one["data_seen"] for one in document["amendments"]] == ["no", "yes"]
    empty = json.loads(harper_files(rotterdam_protocol(), FACTS)[AMENDMENTS])
    assert empty["amendments"] == [] and empty["says"]["zh"] and empty["says"]["en"]


def test_the_files_are_two_documents_a_page_two_drawings_and_the_amendments(files: dict[str, bytes]) -> None:
    assert sorted(files) == sorted(
        [
            AMENDMENTS, PAGE, *(f"{FOLDER}/protocol_HARPER_{language}.docx" for language in ("zh", "en")),
            *(f"{FOLDER}/design_diagram_{language}.svg" for language in ("zh", "en")),
        ]
    )  # fmt: skip


def test_two_builds_are_the_same_bytes(files: dict[str, bytes]) -> None:
    again = harper_files(rotterdam_protocol(), FACTS, AMENDED)
    assert {name for name in files if files[name] != again[name]} == set()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_docx_opens_and_holds_every_table_and_the_picture(files: dict[str, bytes], language: str) -> None:
    import docx

    opened = docx.Document(io.BytesIO(files[f"{FOLDER}/protocol_HARPER_{language}.docx"]))
    report = harper_document(rotterdam_protocol(), FACTS, AMENDED)
    tables = [block for block in blocks(report) if isinstance(block, Table | Facts)]
    assert len(opened.tables) == len(tables) and len(opened.inline_shapes) == 1
    words = "\n".join(paragraph.text for paragraph in opened.paragraphs)
    cells = "\n".join(cell.text for table in opened.tables for row in table.rows for cell in row.cells)
    assert rotterdam_protocol().title.in_language(language) in words  # type: ignore[arg-type]  # zh or en
    assert rotterdam_protocol().covariates[-1].title.in_language(language) in cells  # type: ignore[arg-type]  # zh or en


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_drawing_is_xml_with_its_own_letters_and_the_protocols_days(
    files: dict[str, bytes], language: str
) -> None:
    content = files[f"{FOLDER}/design_diagram_{language}.svg"]
    root = ElementTree.fromstring(content)
    words = " ".join("".join(one.itertext()) for one in root.iter() if one.tag.endswith("text"))
    first, last = rotterdam_protocol().exposure.grace_days
    for day in {first, last, 0}:
        assert f"{day}".replace("-", "−") in words
    assert b"@font-face" in content and b"base64," in content
    assert not re.search(rb"(?:href|src)=\"https?://", content)


def test_hostile_words_stay_words() -> None:
    text = Bilingual(HOSTILE, HOSTILE)
    protocol = dataclasses.replace(rotterdam_protocol(), title=text, question=text, limits=(text,))
    facts = dataclasses.replace(FACTS, statements={"funding": Bilingual(HOSTILE, HOSTILE)})
    made = harper_files(
        protocol, facts, (Amended(dataclasses.replace(AMENDED[0].stated, change=text), "no"),)
    )
    page = made[PAGE].decode()
    assert "<script>alert" not in page and "&lt;script&gt;" in page
    for name, content in made.items():
        if name.endswith(".svg"):
            ElementTree.fromstring(content)


def test_a_protocol_with_the_least_in_it_still_makes_a_whole_document() -> None:
    least = dataclasses.replace(
        rotterdam_protocol(), target_trial=(), limits=(), analyses=(), populations=(), overseas=None,
        overseas_series=(), genetic_resources=None, outcomes_known=None,
    )  # fmt: skip
    report = harper_document(least, HarperFacts(PLATFORM))
    assert [block for block in blocks(report) if isinstance(block, Figure)]
    harper_files(least, HarperFacts(PLATFORM))
