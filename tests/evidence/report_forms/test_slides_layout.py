"""Measuring and placing: nothing is lost, nothing runs over, and the measure is never less than a real font's."""

from __future__ import annotations

import string
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.evidence.numbers import Number
from studies.evidence.report.blocks import Text
from studies.evidence.report.slides_layout import (
    BODY_HEIGHT,
    BODY_WIDTH,
    CELL_X,
    CELL_Y,
    HEIGHT,
    LEFT,
    TOP,
    WIDTH,
    Grid,
    Item,
    Line,
    Page,
    Picture,
    pages,
)
from studies.evidence.report.slides_letters import LEADING, Said, breadth, clean, lines_of, said
from tests.evidence.report_forms.made import advance, lines_needed

CHINESE = "在常规诊疗中，原发乳腺癌手术后使用演示药（内分泌治疗）的患者，无复发生存是否更长？"
MIXED = "风险比为 0.67（95% CI 0.57–0.79）；结论级别：支持性。Hazard ratio of demo product A, "
LETTERS = st.text(
    st.sampled_from(string.ascii_letters + string.digits + "  .,%()“”（），。、；中文患者研究—≤χ²"),
    max_size=300,
)


def number(id: str, text: str) -> Number:
    return Number(id, "text:x", "data/05_results/ard.json", "int", text, text, ard_id="a.b", field="value")


def texts_of(page: Page) -> list[str]:
    return [line.said.text for one in page.placed for line in one.lines]


def grids_of(made: list[Page]) -> list[Grid]:
    return [one.grid for page in made for one in page.placed if one.grid]


def table(rows: int, columns: int = 3, cell: str = "12.3") -> Grid:
    head = tuple(Said(f"列 {place}") for place in range(columns))
    body = tuple(tuple(Said(f"{row}·{place} {cell}") for place in range(columns)) for row in range(rows))
    return Grid("caption", head, body, ("left",) * columns)


# -- the measure ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", [*string.printable[:95], *CHINESE, *"“”–—·≤≥χ²−％→←…"])
def test_no_letter_is_measured_narrower_than_in_a_real_chinese_font(letter):
    """Noto Sans SC is among the wider of its kind; Microsoft YaHei's Latin letters are no wider."""
    assert breadth(letter) >= min(advance(letter), 1.0) - 0.001


@pytest.mark.parametrize("text", [CHINESE * 6, MIXED * 8, "word " * 200, "a" * 900, CHINESE, ""])
@pytest.mark.parametrize(("width", "size"), [(872.0, 16.0), (872.0, 10.5), (90.0, 11.0), (40.0, 11.0)])
def test_a_real_font_never_takes_more_lines_than_were_measured(text, width, size):
    assert len(lines_of(text, width, size)) >= lines_needed(text, width, size)


@given(LETTERS, st.floats(20, 900), st.sampled_from([9.0, 11.0, 16.0, 20.0]))
@settings(max_examples=200, deadline=None)
def test_lines_cover_the_text_without_a_gap_and_none_is_too_long(text, width, size):
    lines = lines_of(text, width, size)
    assert lines[0][0] == 0 and lines[-1][1] == len(text)
    assert all(one[1] == other[0] for one, other in pairwise(lines))
    assert all(end > start for start, end in lines) or not text
    for start, end in lines:
        shown = text[start:end].rstrip()
        assert sum(map(breadth, shown)) * size <= max(width, size) + 1e-6 or len(shown) <= 2


@pytest.mark.parametrize("width", range(160, 400, 7))
def test_no_line_begins_with_a_closing_mark_or_ends_with_an_opening_one(width):
    text = (CHINESE + MIXED) * 2
    for start, end in lines_of(text, width, 16.0):
        assert text[start] not in "，。、；：！？）”"
        assert text[start:end].rstrip()[-1] not in "（“《"


@pytest.mark.parametrize("width", range(180, 500, 13))
def test_an_english_word_stays_whole(width):
    text = "the hazard ratio for recurrence-free survival after control of confounding " * 3
    whole = set(text.split())
    assert {word for start, end in lines_of(text, width, 16.0) for word in text[start:end].split()} <= whole


def test_a_word_longer_than_a_line_is_broken_rather_than_left_to_run_over():
    hashed = "0f" * 200
    lines = lines_of(f"SHA-256 {hashed}", 200.0, 16.0)
    assert len(lines) > 10 and "".join(hashed[0:0] or f"SHA-256 {hashed}"[a:b] for a, b in lines).endswith(
        "0f"
    )


# -- what cannot be shown ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad", ["\x00", "\x0b", "\x1f", "\u202e", "\u2066", "\ud800", "\ufffe", "\ue000", "\u200b"]
)
def test_what_xml_cannot_hold_and_what_turns_the_reading_is_left_out(bad):
    assert clean(f"甲{bad}乙") == "甲乙"


def test_a_text_keeps_its_numbers_with_their_places():
    one = said(Text(("n = ", number("n0001", "1,546"), "\n人"), ("x",)), "zh")
    assert one.text == "n = 1,546 人" and one.printed == ((4, 9, one.numbers[0]),)
    assert one.part(0, 6).numbers == one.part(6, 11).numbers == one.numbers  # broken over two: of both
    assert one.part(9, 11).numbers == []


# -- text over slides ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 60, 400, 2000, 4000, 20000])
def test_a_statement_of_any_length_goes_on_over_slides_and_loses_nothing(length):
    text = (CHINESE * 500)[:length]
    made = pages([Line(Said(text), "said")])
    assert "".join(one for page in made for one in texts_of(page)) == text
    assert len(made) == pytest.approx(length / 950, abs=1.5)


def test_the_rest_of_a_point_on_the_next_slide_has_no_dash_of_its_own():
    made = pages([Line(Said(CHINESE * 40), point=True)])
    flags = [line.goes_on for page in made for one in page.placed for line in one.lines]
    assert len(made) > 1 and flags == [False, *[True] * (len(flags) - 1)]


@pytest.mark.parametrize("before", range(8, 19))
@pytest.mark.parametrize("length", [60, 110, 160, 220])
def test_the_end_of_a_paragraph_is_never_left_alone_on_a_slide(before, length):
    """Wherever a paragraph begins, three lines of it or more go over, or all of it with what stood above."""
    filled = [Line(Said("一行"), point=True) for _ in range(before)]
    made = pages([*filled, Line(Said((CHINESE * 9)[:length]), point=True)])
    last = [line for one in made[-1].placed for line in one.lines]
    assert sum(len(line.lines) for line in last) >= 3
    assert "".join(one for page in made for one in texts_of(page)) == "一行" * before + (CHINESE * 9)[:length]


def test_a_label_goes_with_the_paragraph_that_is_taken_along():
    lines = [Line(Said("一行")) for _ in range(12)]
    for more in range(6):
        made = pages(
            [
                *lines,
                *lines[:more],
                Line(Said("标签"), "label", keep=True),
                Line(Said("甲")),
                Line(Said("乙")),
            ]
        )
        texts = [texts_of(page) for page in made]
        assert all(one[-1] != "标签" for one in texts) and sum(one.count("标签") for one in texts) == 1


@pytest.mark.parametrize("before", range(10, 20))
def test_a_label_is_never_left_alone_at_the_foot_of_a_slide(before):
    filled = [Line(Said("一行")) for _ in range(before)]
    made = pages([*filled, Line(Said("标签"), "label", keep=True), Line(Said(CHINESE * 3))])
    for page in made:
        assert texts_of(page)[-1] != "标签"


@pytest.mark.parametrize("before", range(1, 14))
def test_a_caption_stands_with_its_table_which_stays_whole_if_a_slide_can_hold_it(before):
    filled = [Line(Said("一行")) for _ in range(before)]
    made = pages([*filled, Line(Said("caption"), "small", keep=True), table(10)])
    with_grid = [page for page in made if any(one.grid for one in page.placed)]
    assert len(with_grid) == 1 and texts_of(with_grid[0])[-1] == "caption"


# -- tables --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", range(3, 60))
@pytest.mark.parametrize("notes", [1, 4, 12])
def test_the_notes_of_a_table_stand_under_some_of_its_rows(rows, notes):
    note = Line(Said(MIXED * notes), tone="small")
    made = pages([Line(Said("表题"), tone="small", keep=True), table(rows), note])

    assert sum(len(grid.rows) for grid in grids_of(made)) == rows
    with_notes = [page for page in made if any(MIXED in text for text in texts_of(page))]
    assert grids_of(with_notes[:1])
    assert len(with_notes) == 1


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (5, 6), (200, 3), (200, 8), (37, 12)])
def test_a_table_goes_on_with_its_head_and_every_row_stands_once_in_order(rows, columns):
    grid = table(rows, columns)
    parts = grids_of(pages([grid]))
    assert [row for part in parts for row in part.rows] == list(grid.rows)
    assert all(part.head == grid.head for part in parts)
    assert all(sum(part.heights) <= BODY_HEIGHT and sum(part.columns) <= BODY_WIDTH + 0.01 for part in parts)


@pytest.mark.parametrize("columns", [1, 2, 5, 9])
def test_a_cell_higher_than_a_slide_goes_on_in_rows_beneath_it(columns):
    long = CHINESE * 150
    grid = Grid("c", tuple(Said("h") for _ in range(columns)), ((Said(long), *[Said("1")] * (columns - 1)),),
                ("left",) * columns)  # fmt: skip
    parts = grids_of(pages([grid]))
    rows = [row for part in parts for row in part.rows]
    assert len(rows) > 1 and "".join(row[0].text for row in rows) == long
    assert [row[-1].text for row in rows][: 2 if columns > 1 else 0] in ([], ["1", ""])


def test_a_head_that_would_fill_the_slide_is_cut_and_says_so():
    grid = Grid("c", (Said(CHINESE * 90), Said("n")), ((Said("a"), Said("1")),) * 3, ("left", "right"))
    part = grids_of(pages([grid]))[0]
    assert part.head[0].text.endswith("…") and part.heights[0] < BODY_HEIGHT / 2 and len(part.rows) == 3


@pytest.mark.parametrize("text", ["1,546", CHINESE, MIXED * 2, "restricted.adjusted.hormon.hazard_ratio" * 3])
def test_every_cell_fits_its_row_with_a_real_font(text):
    rows = tuple((Said(text), Said("0.67 (0.57–0.79)"), Said(text[::-1])) for _ in range(9))
    grid = Grid("c", (Said("a"), Said("b"), Said("c")), rows, ("left",) * 3)
    for part in grids_of(pages([grid])):
        for row, height in zip((part.head, *part.rows), part.heights, strict=True):
            for cell, width in zip(row, part.columns, strict=True):
                lines = lines_needed(cell.text, width - 2 * CELL_X, part.size)
                assert lines * part.size * LEADING + 2 * CELL_Y <= height + 0.01


def test_a_column_that_needs_little_keeps_its_width_beside_a_wide_one():
    rows = ((Said("1,546"), Said(MIXED * 5)),) * 2
    part = grids_of(pages([Grid("c", (Said("n"), Said("text")), rows, ("right", "left"))]))[0]
    assert lines_of("1,546", part.columns[0] - 2 * CELL_X, part.size) == [(0, 5)]
    assert part.columns[1] > 4 * part.columns[0]


# -- pictures and the whole ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [0.05, 0.3, 0.56, 1.0, 3.0])
def test_a_picture_keeps_its_shape_and_its_caption(ratio):
    made = pages([Line(Said(CHINESE * 5)), Picture("p", "alt", ratio), Line(Said("caption"), "small")])
    page = next(page for page in made if page.pictures)
    placed = next(one for one in page.placed if one.picture)
    assert placed.height / placed.width == pytest.approx(ratio)
    assert placed.left >= LEFT - 0.01 and placed.left + placed.width <= WIDTH - LEFT + 0.01
    assert texts_of(page)[-1] == "caption"


ITEMS = st.one_of(
    st.builds(
        Line,
        st.builds(Said, st.text("中文字，。word 12", min_size=0, max_size=3000)),
        st.sampled_from(["plain", "lead", "caution", "small", "label", "said"]),
        st.booleans(),
        st.booleans(),
    ),
    st.builds(table, st.integers(1, 60), st.integers(1, 10), st.sampled_from(["1", CHINESE, "word " * 30])),
    st.builds(Picture, st.just("p"), st.just("alt"), st.floats(0.1, 3.0)),
)


@given(st.lists(ITEMS, max_size=8))
@settings(max_examples=60, deadline=None)
def test_whatever_comes_stands_inside_the_body_and_nothing_overlaps(items: list[Item]):
    made = pages(items)
    assert made
    for page in made:
        foot = TOP
        for one in page.placed:
            assert one.top >= foot - 0.01 and one.left >= LEFT - 0.01
            assert one.left + one.width <= WIDTH - LEFT + 0.01
            foot = one.top + one.height
        assert foot <= TOP + BODY_HEIGHT + 12 <= HEIGHT - 28
    shown = "".join(one for page in made for one in texts_of(page))
    assert shown == "".join(item.said.text for item in items if isinstance(item, Line))
    kept = [row for part in grids_of(made) for row in part.rows]
    assert len(kept) >= sum(len(item.rows) for item in items if isinstance(item, Grid))


def test_no_items_make_one_empty_slide():
    assert [page.placed for page in pages([])] == [[]]
