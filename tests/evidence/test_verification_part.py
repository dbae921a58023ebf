"""The report's part on source verification: what it prints is in the file, and it is not there without sheets."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from typing import Any

import pytest

from studies.evidence.documents import json_documents
from studies.evidence.inputs import PackageInputs
from studies.evidence.numbers import NumberBook
from studies.evidence.report.blocks import Paragraph, Table
from studies.evidence.report.content import TEXTS, facts_of
from studies.evidence.report.context import Context
from studies.evidence.report.phrases import Phrases
from studies.evidence.report.verification_part import verification
from studies.evidence.sample.agreement import Agreement, agreement
from studies.evidence.sample.files import VERIFICATION_JSON, sample_files
from studies.evidence.sample.policy import policy
from studies.evidence.sample.rounds import OpenRound, Verified
from studies.evidence.sample.sheet import SheetLine
from tests.evidence.sample.made import FilledBy, as_platform, closed, returned, stent_inputs, stent_sample

ALL = ("org-a", "org-b", "org-c")
WAITS = OpenRound(9, "2026-01-31", policy(), issued=3, returned=1)
HOSTILE = "=HYPERLINK('x')\n<b>第二轮</b> {lock} [[n]] 医院未交回"


def some_differ(line: SheetLine) -> tuple[str, str, str]:
    """Every fourth frailty is another, every ninth is not recorded, every eleventh chart is not found."""
    place, usual = line.row.drawn.place, as_platform(line)
    if line.variable.name != "frailty":
        return usual
    if place % 11 == 0:
        return "", "否", "未找到病历"
    if place % 9 == 0:
        return "", "否", "病历未记载"
    if place % 4 == 0:
        return next(code for code, _ in line.variable.answers if code != usual[0]), "否", "编码"
    return usual


def agreed(*hospitals: str, by: FilledBy = some_differ) -> Agreement:
    sample = stent_sample()
    return agreement(sample, [returned(sample, one, by) for one in hospitals or ALL])


@cache
def document(audience: str = "authority", verified: Verified | None = None) -> dict[str, Any]:
    verified = verified or Verified((closed(agreed(), 1),))
    files = sample_files(stent_sample(), audience=audience, verified=verified)  # type: ignore[arg-type]  # one of the two
    made: dict[str, Any] = json.loads(files[VERIFICATION_JSON])
    return made


@cache
def redrawn(audience: str = "authority") -> dict[str, Any]:
    """A round of three hospitals, some of whose charts differ; and a later one with one sheet, in which none does."""
    later = closed(agreed("org-c", by=as_platform), 4)
    return document(audience, Verified((later, closed(agreed(), 2, HOSTILE)), WAITS))


def part(
    found: dict[str, Any] | None, inputs: PackageInputs | None = None
) -> tuple[Any, NumberBook, dict[str, Any]]:
    inputs = inputs or stent_inputs()
    documents = json_documents(inputs) | ({} if found is None else {VERIFICATION_JSON: found})
    book = NumberBook(inputs.results, documents)
    context = Context(inputs, book, Phrases.load(TEXTS, book, facts_of(inputs)))
    return verification(context, documents), book, documents


def table_of(blocks: Any, key: str = "verification") -> Table:
    (one,) = [block for block in blocks if isinstance(block, Table) and block.key == key]
    return one


def keys(blocks: Any) -> list[str]:
    return [block.key for block in blocks if isinstance(block, Table)]


def said(blocks: Any, language: Any = "en") -> str:
    return " ".join(block.text.plain(language) for block in blocks if isinstance(block, Paragraph))


def cells(table: Table, language: Any = "en") -> dict[str, list[str]]:
    return {row[0].plain(language): [cell.plain(language) for cell in row[1:]] for row in table.rows}


def test_without_a_sheet_there_is_no_part() -> None:
    assert part(None)[0] == []


def test_each_variable_has_one_line_of_all_hospitals_together() -> None:
    blocks, _, _ = part(document())
    shown = cells(table_of(blocks))
    lines = [one for one in document()["lines"] if not one["hospital"]]
    assert list(shown) == [one["title"]["en"] for one in lines]


def test_what_is_printed_of_a_category_is_what_the_file_says() -> None:
    """Counts, share with its Wilson limits, kappa with its own, and the two kinds of absence."""
    frailty = next(
        one for one in document()["lines"] if (one["variable"], one["hospital"]) == ("frailty", "")
    )
    shown = cells(table_of(part(document())[0]))[frailty["title"]["en"]]
    share, kappa = frailty, frailty["kappa"]
    assert shown == [
        str(frailty["compared"]),
        str(frailty["agreed"]),
        f"{share['share']:.1%} ({share['lower']:.1%}–{share['upper']:.1%})",
        f"{kappa['kappa']:.2f} ({kappa['lower']:.2f}–{kappa['upper']:.2f})",
        str(frailty["chart_not_found"]),
        str(frailty["not_recorded"]),
    ]
    assert frailty["agreed"] < frailty["compared"] and frailty["chart_not_found"] and frailty["not_recorded"]


def test_a_number_has_no_kappa() -> None:
    age = next(one for one in document()["lines"] if one["variable"] == "age" and not one["hospital"])
    assert cells(table_of(part(document())[0]))[age["title"]["en"]][3] == "—"


@pytest.mark.parametrize("audience", ["authority", "aggregate"])
def test_every_number_is_registered_and_points_into_the_file(audience: str) -> None:
    from studies.evidence.templates import verify as standalone

    _, book, documents = part(redrawn(audience), dataclasses.replace(stent_inputs(), audience=audience))
    for key, least in (("verification", 7), ("verification_rounds", 4), ("verification_earlier", 14)):
        mine = [one for one in book.numbers if one.place.startswith(f"table:{key}:")]
        assert len(mine) >= least and {one.file for one in mine} == {VERIFICATION_JSON}, key
        for one in mine:
            value = standalone.pointed(documents[one.file], one.pointer)
            assert standalone.number_text(value, one.format, "en") == one.en


def test_an_earlier_round_is_told_with_its_share_and_kappa_and_why_it_was_closed() -> None:
    blocks = part(redrawn())[0]
    assert keys(blocks) == ["verification", "verification_rounds", "verification_earlier"]
    alone = document()
    frailty = next(one for one in alone["lines"] if (one["variable"], one["hospital"]) == ("frailty", ""))
    first = cells(table_of(part(alone)[0]))[frailty["title"]["en"]]
    earlier = [[cell.plain("en") for cell in row] for row in table_of(blocks, "verification_earlier").rows]
    assert ["2", frailty["title"]["en"], *first[:4]] in earlier and len(earlier) == len(
        stent_sample().variables
    )
    rounds = [[cell.plain("en") for cell in row] for row in table_of(blocks, "verification_rounds").rows]
    assert rounds[0][:4] == ["4", "2025-12-31", "1", "3"] and rounds[1][:4] == ["2", "2025-12-31", "3", "3"]
    assert rounds[0][4] == "Hospital 1 (invented), Hospital 2 (invented)" and rounds[1][4] == "—"
    # One line, and no formula where somebody opens the table in a spreadsheet.
    assert rounds[1][5] == "'=HYPERLINK('x') <b>第二轮</b> {lock} [[n]] 医院未交回"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_an_open_round_is_said_to_be_open_and_shows_no_number(language: Any) -> None:
    words = {"zh": "仍在进行", "en": "still open"}[language]
    assert words in said(part(redrawn())[0], language)
    blocks, book, _ = part(document(verified=Verified((), WAITS)))
    assert words in said(blocks, language) and keys(blocks) == [] and not book.numbers
    assert words not in said(part(document())[0], language)


def test_a_round_that_can_no_longer_be_read_is_said_to_be_one() -> None:
    lost = dataclasses.replace(closed(agreed(), 1), agreement=None)
    blocks = part(document(verified=Verified((closed(agreed(), 2), lost))))[0]
    assert keys(blocks) == ["verification", "verification_rounds"]
    assert "can no longer be read" in said(blocks)
    alone = part(document(verified=Verified((lost,))))[0]
    assert keys(alone) == ["verification_rounds"] and "can no longer be read" in said(alone)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_both_languages_have_every_head(language: Any) -> None:
    table = table_of(part(document())[0])
    heads = [head.plain(language) for head in table.head]
    assert len(heads) == 7 and all(heads) and (language == "en" or "一致" in "".join(heads))


def test_an_aggregate_part_has_counts_alone_and_a_dash_where_one_is_not_told() -> None:
    found = document("aggregate")
    inputs = dataclasses.replace(stent_inputs(), audience="aggregate")
    blocks, book, _ = part(found, inputs)
    table = table_of(blocks)
    assert len(table.head) == 3
    shown = [cell for row in cells(table).values() for cell in row]
    told = [one[name] for one in found["lines"] for name in ("compared", "agreed")]
    assert shown == ["—" if one is None else f"{one:,}" for one in told]
    assert "—" in shown, "few differ in frailty"
    assert not any("org-" in str(one.pointer) for one in book.numbers)
    assert keys(blocks) == ["verification"] and "Not every hospital" not in said(blocks)


def test_an_aggregate_part_counts_the_rounds_and_names_no_hospital_and_no_reason() -> None:
    inputs = dataclasses.replace(stent_inputs(), audience="aggregate")
    blocks, _, _ = part(redrawn("aggregate"), inputs)
    assert keys(blocks) == ["verification", "verification_rounds", "verification_earlier"]
    rounds = [[cell.plain("en") for cell in row] for row in table_of(blocks, "verification_rounds").rows]
    assert [row[0] for row in rounds] == ["4", "2"]
    everything = said(blocks) + str(
        [
            [cell.as_dict() for cell in row]
            for block in blocks
            if isinstance(block, Table)
            for row in block.rows
        ]
    )
    assert "HYPERLINK" not in everything and "Hospital 1" not in everything
    assert "Not every hospital returned" in said(blocks) and "still open" in said(blocks)


def test_an_aggregate_part_says_that_a_round_is_not_told() -> None:
    inputs = dataclasses.replace(stent_inputs(), audience="aggregate")
    verified = Verified((closed(agreed("org-b", "org-c"), 2), closed(agreed(), 1)))
    found = json.loads(
        sample_files(stent_sample(), audience="aggregate", verified=verified, cell=13)[VERIFICATION_JSON]
    )
    blocks = part(found, inputs)[0]
    assert keys(blocks) == ["verification_rounds", "verification_earlier"]
    rounds = [[cell.plain("en") for cell in row] for row in table_of(blocks, "verification_rounds").rows]
    assert rounds[0] == ["2", "—"] and rounds[1][0] == "1" and "are not told" in said(blocks)


def test_charts_that_were_never_found_give_a_dash_and_no_share() -> None:
    sample = stent_sample()

    def never(line: SheetLine) -> tuple[str, str, str]:
        return ("", "否", "未找到病历") if line.variable.name == "frailty" else as_platform(line)

    found = agreement(sample, [returned(sample, "org-a", never)])
    verified = Verified((closed(found),))
    made = json.loads(sample_files(sample, audience="authority", verified=verified)[VERIFICATION_JSON])
    frailty = next(one for one in made["lines"] if (one["variable"], one["hospital"]) == ("frailty", ""))
    shown = cells(table_of(part(made)[0]))[frailty["title"]["en"]]
    assert shown[:4] == ["0", "0", "—", "—"] and shown[4] == str(frailty["asked"])
