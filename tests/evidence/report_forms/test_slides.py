"""The slides, read back by the library: everything is inside, everything fits, and every number is the report's."""

from __future__ import annotations

import dataclasses
import io
import re
import subprocess
import sys
import zipfile
from typing import Any

import pytest

from rwd_platform.core.text import Bilingual
from studies.evidence.profiles.profile import profile
from studies.evidence.report.blocks import Figure, Points, Table
from studies.evidence.report.slides import FONT, render
from tests.evidence.report_forms.made import (
    AUDIENCES,
    STUDIES,
    lines_needed,
    made,
    pictures,
    running,
    slides,
    slides_bytes,
)

DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
POINT = 12700
EVERY = [
    (study, audience, language) for study in STUDIES for audience in AUDIENCES for language in ("zh", "en")
]
SUBJECTS = [
    "基本信息",
    "安全性",
    "有效性",
    "创新性",
    "公平性",
    "这份证据不能说明什么",
    "数据来源与核验",
    "每个数字的出处",
]
STATEMENTS = {
    "gap": Bilingual("回答现有目录药品在该人群中是否有替代作用的问题", "Whether it can stand in for listed drugs"),
    "priority_situation": Bilingual("doubtful_data", "doubtful_data"),
    "reimbursed_comparator": Bilingual("对照未使用药物，因此没有报销", "No drug, so nothing is reimbursed"),
    "value_clinical": Bilingual("临床价值的陈述，含申报方的数字 99.9%", "Clinical value, with their number: 99.9%"),
    "value_social": Bilingual("社会价值与公平性的陈述" * 30, "Social value and equity, stated. " * 30),
    "not_claimed": Bilingual("不主张优于任何其他治疗", "Not claimed to be superior to any other treatment"),
}  # fmt: skip


@pytest.fixture(scope="module", params=EVERY, ids="-".join)
def deck(request) -> Any:
    """(what it was made from, language, the slides), of every study, audience and language."""
    study, audience, language = request.param
    of = made(study, audience)
    return of, language, slides(of, language, STATEMENTS)


def title(slide: Any) -> str:
    return slide.shapes.title.text


def subject(slide: Any) -> str:
    return re.sub(r"[（ ]*\(?\d+/\d+[）)]?$", "", title(slide))


def of_subject(deck: Any, name: str) -> list[Any]:
    return [slide for slide in deck.slides if subject(slide) == name]


def paragraphs(slide: Any) -> list[Any]:
    return [one for shape in slide.shapes if shape.has_text_frame for one in shape.text_frame.paragraphs]


def cells(slide: Any) -> list[list[str]]:
    return [
        [cell.text for cell in row.cells]
        for shape in slide.shapes
        if shape.has_table
        for row in shape.table.rows
    ]


def shown(slide: Any) -> str:
    return "\n".join(
        [*(one.text for one in paragraphs(slide)), *(cell for row in cells(slide) for cell in row)]
    )


def notes(slide: Any) -> dict[str, str]:
    """id -> number, as the notes of a slide list them."""
    text = slide.notes_slide.notes_text_frame.text
    return {id: number for number, id in re.findall(r"(?:^|; |\n)([^;\n]+?) → (n\d+)", text)}


# -- inside, and fitting -------------------------------------------------------------------------------------------


def test_every_shape_lies_inside_the_slide_and_none_overlaps_another(deck):
    _, _, file = deck
    assert (file.slide_width, file.slide_height) == (960 * POINT, 540 * POINT)  # 16:9
    for slide in file.slides:
        boxes = []
        for shape in slide.shapes:
            assert shape.left >= 0 and shape.top >= 0
            assert shape.left + shape.width <= file.slide_width
            assert shape.top + shape.height <= file.slide_height
            boxes.append((shape.left, shape.top, shape.left + shape.width, shape.top + shape.height))
        for place, (left, top, right, foot) in enumerate(boxes):
            for other in boxes[place + 1 :]:
                apart = other[0] >= right or other[2] <= left or other[1] >= foot or other[3] <= top
                assert apart, (title(slide), (left, top, right, foot), other)


def test_an_empty_cell_is_as_high_as_its_row_was_planned(deck):
    """Where nothing is said of its type a program takes 18 points, and the table runs over what stands below it."""
    _, _, file = deck
    grids = [shape.table for slide in file.slides for shape in slide.shapes if shape.has_table]
    empty = [cell for grid in grids for cell in grid.iter_cells() if not cell.text]
    for cell in empty:
        (paragraph,) = cell.text_frame.paragraphs
        assert not paragraph.runs
        assert int(paragraph._p.find(f"{DRAWING}endParaRPr").get("sz")) < 1200


def test_every_text_fits_its_box_in_a_real_chinese_font(deck):
    """Set by another measure than the one that placed it: the font's own advances."""
    _, _, file = deck
    for slide in file.slides:
        for shape in slide.shapes:
            if not shape.has_text_frame:
                continue
            height = 0.0
            for one in shape.text_frame.paragraphs:
                indent = int(one._p.pPr.get("marL") or 0)
                lines = lines_needed(one.text, (shape.width - indent) / POINT, one.runs[0].font.size.pt)
                height += lines * one.line_spacing.pt + (one.space_after.pt if one.space_after else 0)
            assert height <= shape.height / POINT + 0.1, (title(slide), shape.text_frame.text[:40])


def test_every_cell_fits_its_row_in_a_real_chinese_font(deck):
    _, _, file = deck
    for slide in file.slides:
        for table in [shape.table for shape in slide.shapes if shape.has_table]:
            for row in table.rows:
                for column, cell in zip(table.columns, row.cells, strict=True):
                    one = cell.text_frame.paragraphs[0]
                    wide = (column.width - cell.margin_left - cell.margin_right) / POINT
                    size = one.runs[0].font.size.pt if one.runs else 1  # an empty cell has a test of its own
                    high = lines_needed(one.text, wide, size) * one.line_spacing.pt
                    assert high + (cell.margin_top + cell.margin_bottom) / POINT <= row.height / POINT + 0.1


def test_the_tables_are_as_high_and_as_wide_as_their_rows_and_columns(deck):
    """A viewer takes the rows' heights; a frame that says otherwise would be laid over what follows."""
    _, _, file = deck
    for shape in [shape for slide in file.slides for shape in slide.shapes if shape.has_table]:
        assert abs(sum(row.height for row in shape.table.rows) - shape.height) <= POINT
        assert abs(sum(column.width for column in shape.table.columns) - shape.width) <= POINT


def test_no_slide_is_blank_and_each_has_a_title(deck):
    _, _, file = deck
    for slide in file.slides:
        assert title(slide).strip()
        assert len(slide.shapes) > 3  # the title and both ends of the footer alone would be a blank slide


# -- what they say -------------------------------------------------------------------------------------------------


def test_the_subjects_stand_in_the_order_of_the_meeting(deck):
    of, language, file = deck
    names = list(dict.fromkeys(subject(slide) for slide in file.slides))
    assert names[0] == of.report.title.plain(language)
    assert len(names) == len(SUBJECTS) + 1
    if language == "zh":
        assert names[1:] == SUBJECTS


def test_every_number_beside_the_applicants_words_is_one_of_the_reports(deck):
    """Whatever looks like a number in a result's sentence or table is registered, and the notes say under which id."""
    of, language, file = deck
    book = {one.id: one.in_language(language) for one in of.book.numbers}
    for slide in file.slides:
        listed = notes(slide)
        for id, number in listed.items():
            assert book[id] == number
            assert number in shown(slide)


def test_the_numbers_of_the_answer_and_of_the_main_table_are_all_in_the_notes(deck):
    of, language, file = deck
    wanted = {
        span.id
        for block in [one for one in of.report.summary if one.kind == "paragraph"]
        for span in block.text.spans(language)
        if not isinstance(span, str)
    }
    listed = {id for slide in file.slides for id in notes(slide)}
    assert wanted <= listed


def test_the_last_slides_say_where_each_number_comes_from(deck):
    of, language, file = deck
    listed = {id for slide in file.slides for id in notes(slide)}
    name = {"zh": "每个数字的出处", "en": "Where each number comes from"}[language]
    rows = [row for slide in of_subject(file, name) for row in cells(slide)]
    told = {id: row[0] for row in rows for id in re.findall(r"n\d+", row[1])}
    assert set(told) == listed
    sources = {one.id: one.ard_id or one.file for one in of.book.numbers}
    named = {id: source for id, source in told.items() if source}  # empty where a row goes on
    assert named and all(sources[id] == source for id, source in named.items())


def test_the_main_table_is_a_real_table_with_the_reports_own_cells(deck):
    of, language, file = deck
    stems = ("criterion_", "sensitivity", "median_")
    main = next((one for stem in stems for one in of.report.tables if one.key.startswith(stem)), None)
    name = {"zh": "有效性", "en": "Effectiveness"}[language]
    found = [row for slide in of_subject(file, name) for row in cells(slide)]
    if main is None:
        assert not found
    else:
        assert found == [[cell.plain(language) for cell in row] for row in (main.head, *main.rows)]


def test_the_main_figure_is_the_reports_picture_with_its_alternative_text(deck):
    of, language, file = deck
    figure = next((one for one in of.report.summary if isinstance(one, Figure)), None)
    found = [shape for slide in file.slides for shape in slide.shapes if shape.shape_type == 13]
    if figure is None:
        figure = next(
            (one for one in of.report.body if isinstance(one, Figure) and one.key.startswith("km_")), None
        )
    if figure is None:
        assert not found
        return
    assert [one.image.blob for one in found] == [pictures(of)[f"{figure.key}_{language}"]]
    assert found[0]._element.nvPicPr.cNvPr.get("descr") == figure.alt.plain(language)
    wide, high = found[0].image.size
    assert found[0].height / found[0].width == pytest.approx(high / wide, rel=0.001)


def test_the_caption_has_the_number_that_the_table_has_in_the_report():
    of = made("rotterdam")
    number = 1 + [one.key for one in of.report.tables].index("sensitivity")
    text = "\n".join(map(shown, of_subject(slides(of), "有效性")))
    assert f"报告表 {number}  " in text and "报告图 1  " in text


def test_what_it_does_not_show_is_all_there(deck):
    of, language, file = deck
    name = {"zh": "这份证据不能说明什么", "en": "What this evidence does not show"}[language]
    text = "".join(shown(slide) for slide in of_subject(file, name)).replace("\n", "")
    for block in of.report.summary:
        if isinstance(block, Points) and block.tone == "caution":
            assert all(item.plain(language) in text for item in block.items)
    assert all(one.in_language(language) in text for one in of.inputs.protocol.limits)
    assert {"zh": "经济性资料须另行提交", "en": "no budget impact analysis"}[language] in text
    assert STATEMENTS["not_claimed"].in_language(language) in text


def test_the_safety_slides_say_what_the_report_says_silence_included():
    of = made("valve")
    found = of_subject(slides(of, "en"), "Safety")
    text = "\n".join(map(shown, found))
    assert "of 60 subjects observed for" in text and "sent no adverse event at all" in text
    table = next(one for one in of.report.tables if one.key.startswith("safety_"))
    head, *rows = ([cell.plain("en") for cell in row] for row in (table.head, *table.rows))
    parts = [shown_rows for slide in found if (shown_rows := cells(slide))]
    assert [part[0] for part in parts] == [head] * len(parts)  # repeated where the table goes on
    assert [row for part in parts for row in part[1:]] == rows


@pytest.mark.parametrize(("name", "words"), [
    ("安全性", "报告没有不良事件的结果"),
    ("创新性", "本研究没有评价创新性。"),
])  # fmt: skip
def test_what_the_study_lacks_is_said_in_one_line(name, words):
    (slide,) = of_subject(slides(made("rotterdam"), "zh", STATEMENTS), name)
    body = [one.text for one in paragraphs(slide)][1:-2]  # without the title and the footer
    assert len(body) == 1 and body[0].startswith(words)


def test_a_study_that_found_nobody_says_so_and_shows_no_figure_or_table():
    text = "\n".join(map(shown, of_subject(slides(made("nothing")), "有效性")))
    for words in ("没有给出可以引用的主要结果", "没有主要结果的图", "没有主要结果的表"):
        assert words in text


def test_a_summary_without_a_forest_shows_the_curves():
    of = made("rotterdam")
    summary = tuple(block for block in of.report.summary if not isinstance(block, Figure))
    other = dataclasses.replace(of, report=dataclasses.replace(of.report, summary=summary))
    found = [shape.name for slide in slides(other).slides for shape in slide.shapes if shape.shape_type == 13]
    assert found == ["km_restricted_kaplan_meier"]


# -- statements ----------------------------------------------------------------------------------------------------


def test_the_applicants_words_stand_under_what_was_asked_and_are_marked(deck):
    _, language, file = deck
    text = "\n".join(map(shown, file.slides))
    joined = text.replace("\n", "")
    for id, written in STATEMENTS.items():
        asks = profile("nhsa").statement(id).asks.in_language(language)
        assert {"zh": f"申报方陈述：{asks}", "en": f"Stated by the applicant: {asks}"}[language] in text
        if id != "priority_situation":
            assert written.in_language(language).strip() in joined
    assert {"zh": "不是本平台计算的结果", "en": "not computed by the platform"}[language] in text
    assert "99.9" not in "".join(notes(slide).get(id, "") for slide in file.slides for id in notes(slide))


def test_a_choice_is_shown_in_words():
    text = "\n".join(map(shown, slides(made("rotterdam"), "zh", STATEMENTS).slides))
    assert "数据存疑或确证性研究延迟" in text and "doubtful_data" not in text


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("given", [{}, {"gap": Bilingual("", "")}, {"gap": Bilingual(" \n\t ", "\u200b")}])
def test_a_statement_that_is_missing_or_empty_is_said_to_be_missing(language, given):
    text = "\n".join(map(shown, slides(made("nothing"), language, given).slides))
    line = {"zh": "申报方没有填写这一项。", "en": "The applicant has not filled this in."}[language]
    assert text.count(line) == 6


def test_a_statement_in_one_language_is_shown_in_the_other_rather_than_lost():
    given = {"value_social": Bilingual("只写了中文的陈述", "")}
    assert "只写了中文的陈述" in "\n".join(map(shown, slides(made("nothing"), "en", given).slides))


@pytest.mark.parametrize("length", [2000, 4000, 20000])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_long_statement_goes_on_over_slides_without_losing_a_letter(length, language):
    written = {
        "zh": "各地患者均可及，费用由基金承担；",
        "en": "Patients everywhere can get it, at the fund's cost. ",
    }[language]
    text = (written * length)[: length - 1] + "。"
    file = slides(made("nothing"), language, {"value_social": Bilingual(text, text)})
    found = of_subject(file, {"zh": "公平性", "en": "Fairness"}[language])
    assert len(found) > 1 and title(found[0]).endswith(
        {"zh": f"（1/{len(found)}）", "en": f"(1/{len(found)})"}[language]
    )
    said = [one.text for slide in found for one in paragraphs(slide)[1:-2]]  # without titles and footers
    assert text in "".join(said)


def test_an_own_statement_on_innovation_takes_the_place_of_the_line_that_there_is_none():
    given = {"innovation": Bilingual("作用机制为首创", "First in class")}
    (slide,) = of_subject(slides(made("nothing"), "zh", given), "创新性")
    assert "作用机制为首创" in shown(slide) and "没有评价创新性" not in shown(slide)


@pytest.mark.parametrize("bad", [
    "甲\x00乙", "<script>alert(1)</script>", "&amp;<a:t>", "甲\u202e乙", "{lock} [[n]] %s", "\ud800甲", "]]>",
])  # fmt: skip
def test_hostile_statements_are_text_and_nothing_else(bad):
    file = slides(made("nothing"), "zh", {"value_clinical": Bilingual(bad, bad)})
    text = "\n".join(map(shown, file.slides))
    kept = "".join(one for one in bad if one not in "\x00\x0b\u202e\ud800")
    assert kept in text


def test_paragraphs_of_a_statement_stay_paragraphs():
    file = slides(
        made("nothing"), "zh", {"value_clinical": Bilingual("第一段\n\n  第二段\r\n第三段\x0b第四段", "")}
    )
    said = [one.text for slide in file.slides for one in paragraphs(slide)]
    assert {"第一段", "第二段", "第三段", "第四段"} <= set(said)


# -- the file ------------------------------------------------------------------------------------------------------


def test_the_same_report_gives_the_same_bytes():
    of = made("valve")
    assert slides_bytes(of, "zh", STATEMENTS) == slides_bytes(of, "zh", STATEMENTS)
    assert slides_bytes(of, "zh", STATEMENTS) != slides_bytes(of, "zh", {})


def test_the_archive_is_sorted_undated_and_without_the_librarys_leftovers():
    with zipfile.ZipFile(io.BytesIO(slides_bytes(made("nothing")))) as archive:
        names = archive.namelist()
        assert names == sorted(names) and len(set(names)) == len(names)
        assert names[0] == "[Content_Types].xml"
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert not [name for name in names if "thumbnail" in name or "printer" in name.lower()]


def test_the_properties_are_the_reports():
    of = made("rotterdam")
    core = slides(of, "en").core_properties
    assert core.title == of.report.title.plain("en") and core.author == core.last_modified_by == "platform"
    assert core.created.date().isoformat() == core.modified.date().isoformat() == of.report.dated
    assert core.revision == 1 and core.language == "en-GB" and not core.comments


def test_every_run_names_a_font_that_has_chinese_letters_for_both_scripts(deck):
    _, language, file = deck
    for slide in file.slides:
        runs = [run for one in paragraphs(slide) for run in one.runs]
        for shape in slide.shapes:
            if shape.has_table:
                runs += [
                    run for cell in shape.table.iter_cells() for run in cell.text_frame.paragraphs[0].runs
                ]
        for run in runs:
            properties = run._r.rPr
            named = [properties.find(f"{DRAWING}{name}") for name in ("latin", "ea", "cs")]
            assert [one.get("typeface") for one in named] == [FONT] * 3
            assert properties.get("lang") == {"zh": "zh-CN", "en": "en-GB"}[language]


ORDER = {  # CT_TextParagraphProperties, CT_TextCharacterProperties and CT_TableCellProperties of ECMA-376 part 1, 21.1
    "pPr": ["lnSpc", "spcBef", "spcAft", "buNone", "buChar", "defRPr"],
    "rPr": ["ln", "solidFill", "latin", "ea", "cs"],
    "tcPr": ["lnL", "lnR", "lnT", "lnB", "noFill", "solidFill"],
}


@pytest.mark.parametrize("name", sorted(ORDER))
def test_properties_stand_in_the_order_of_the_schema(name):
    """PowerPoint offers to repair a file in which they do not."""
    for slide in slides(made("valve"), "zh", STATEMENTS).slides:
        for one in slide._element.iter(f"{DRAWING}{name}"):
            found = [child.tag.removeprefix(DRAWING) for child in one]
            assert found == sorted(found, key=ORDER[name].index)


def test_tables_and_pictures_can_be_heard(deck):
    _, _, file = deck
    for slide in file.slides:
        for shape in slide.shapes:
            if shape.has_table:
                assert shape._element.nvGraphicFramePr.cNvPr.get("descr").strip()
                assert shape.table.first_row  # its first row is the head


def test_whoever_adds_a_slide_finds_its_places_inside():
    file = slides(made("nothing"))
    for layout in file.slide_layouts:
        for shape in layout.placeholders:
            assert shape.left >= 0 and shape.left + shape.width <= file.slide_width
    body = file.slide_layouts[1].placeholders[1]
    assert body.width > file.slide_width * 0.8


@pytest.mark.parametrize("wanted", ["study" * 200, "研究标题" * 300, "短"])
def test_a_title_of_any_length_stays_in_its_box(wanted):
    of = made("nothing")
    from studies.evidence.report.blocks import Text

    report = dataclasses.replace(of.report, title=Text((wanted,), (wanted,)))
    from pptx import Presentation

    file = Presentation(io.BytesIO(render(report, "zh", pictures(of), running("zh", foot=wanted), {})))
    shape = file.slides[0].shapes.title
    one = shape.text_frame.paragraphs[0]
    lines = lines_needed(one.text, shape.width / POINT, one.runs[0].font.size.pt)
    assert lines * one.line_spacing.pt <= shape.height / POINT
    assert one.text == wanted or one.text.endswith("…")
    feet = [shape for shape in file.slides[1].shapes if shape.top > 500 * POINT]
    assert len(feet) == 2 and all(
        lines_needed(one.text_frame.text, one.width / POINT, 9.0) == 1 for one in feet
    )


def test_a_table_of_two_hundred_rows_goes_on_over_slides():
    of = made("rotterdam")
    long = next(one for one in of.report.tables if one.key == "sensitivity")
    many = dataclasses.replace(long, rows=long.rows * 40)
    body = tuple(many if block is long else block for block in of.report.body)
    other = dataclasses.replace(of, report=dataclasses.replace(of.report, body=body))
    found = of_subject(slides(other), "有效性")
    heads = [cells(slide)[0] for slide in found if cells(slide)]
    assert len(heads) > 5 and len({tuple(head) for head in heads}) == 1
    assert sum(len(cells(slide)) - 1 for slide in found if cells(slide)) == 200


def test_an_aggregate_deck_prints_only_what_the_aggregate_report_prints():
    """Nothing is looked up beside the report: what was coarsened away cannot come back."""
    of = made("valve", "aggregate")
    printed = {
        span.id
        for block in of.report.blocks
        for table in ([block] if isinstance(block, Table) else [])
        for row in (table.head, *table.rows)
        for cell in row
        for span in cell.zh
        if not isinstance(span, str)
    } | {span.id for block in of.report.blocks if block.kind == "paragraph" for span in block.text.zh
         if not isinstance(span, str)}  # fmt: skip
    listed = {id for slide in slides(of).slides for id in notes(slide)}
    assert listed and listed <= printed


def test_the_library_is_loaded_only_when_slides_are_made():
    code = "import sys, studies.evidence.report.slides; sys.exit('pptx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_valve_study_has_such_cells():
    """The second arm of an adverse event does not name the event again."""
    tables = [
        shape.table for slide in slides(made("valve")).slides for shape in slide.shapes if shape.has_table
    ]
    assert any(not cell.text for table in tables for cell in table.iter_cells())
