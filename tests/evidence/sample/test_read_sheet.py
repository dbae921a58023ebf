"""A sheet that came back is read whole or said to be wrong line by line, whoever and whatever filled it in."""

from __future__ import annotations

import codecs
import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from studies.evidence.sample.read_sheet import Returned, read_sheet
from studies.evidence.sample.sheet import COLUMNS, SheetLine, sheet, sheet_lines
from studies.evidence.sample.trace import sample_of
from tests.evidence.sample.made import (
    PLACES,
    Fill,
    as_platform,
    changed,
    filled,
    line_of,
    policy_with,
    returned,
    rows_of,
    stent_inputs,
    stent_results,
    stent_sample,
    stent_table,
    written,
)
from tests.studies.small import small_protocol

SAMPLE = stent_sample()
A = "org-a"
FILLED = filled(SAMPLE, A)
WEIGHT = line_of(SAMPLE, A, "weight_kg", 2)
# Nobody's real name; it must never come back in a message.
SECRET = "张三丰13900000000"


def read(content: bytes, hospital: str = A) -> Returned:
    return read_sheet(content, SAMPLE, hospital)


def problem(content: bytes) -> PlatformError:
    """The one problem of a sheet that is otherwise right."""
    found = read(content).problems
    assert len(found) == 1, [one.en for one in found]
    return found[0]


def refused(content: bytes) -> PlatformError:
    with pytest.raises(PlatformError) as raised:
        read(content)
    return raised.value


# --- sheets as they should be -------------------------------------------------------------------------------


def test_what_was_filled_in_is_read_back() -> None:
    found = read(FILLED)
    assert found.accepted
    assert found.sha256 == sha256_hex(FILLED)
    assert found.encoding == "utf-8"
    lines = sheet_lines(SAMPLE, A)
    assert len(found.answers) == len(lines)
    for answer, line in zip(found.answers, lines, strict=True):
        assert (answer.place, answer.variable) == line.key
        assert answer.row == line.row.drawn.row
        assert (answer.status, answer.says, answer.reason) == ("value", "yes", "")
        assert answer.value == line.row.values[answer.variable]


def test_an_untouched_sheet_is_unanswered_throughout() -> None:
    found = read(sheet(SAMPLE, A))
    assert found.accepted
    assert {one.status for one in found.answers} == {"unanswered"}


def test_gbk_as_a_chinese_spreadsheet_saves_it_is_read_alike() -> None:
    found = read(filled(SAMPLE, A, encoding="gbk"))
    assert found.accepted
    assert found.encoding == "gb18030"
    assert found.answers == read(FILLED).answers


def test_utf_8_without_a_byte_order_mark_is_read_alike() -> None:
    assert read(filled(SAMPLE, A, encoding="utf-8")).answers == read(FILLED).answers


def test_lines_in_another_order_are_found_by_their_place_and_variable() -> None:
    rows = rows_of(FILLED)
    assert read(written([rows[0], *reversed(rows[1:])])).answers == read(FILLED).answers


def test_columns_in_another_order_are_found_by_their_names() -> None:
    turned = [list(reversed(row)) for row in rows_of(FILLED)]
    assert read(written(turned)).answers == read(FILLED).answers


def test_what_a_spreadsheet_leaves_below_is_passed_over() -> None:
    rows = rows_of(FILLED)
    empty = [[""] * len(COLUMNS), ["", " "], []]
    wide = [[*row, "", ""] for row in rows]
    assert read(written([*wide, *empty])).answers == read(FILLED).answers


def test_spaces_around_a_cell_mean_nothing() -> None:
    rows = [[f" {cell} " for cell in row] for row in rows_of(FILLED)]
    assert read(written(rows)).answers == read(FILLED).answers


def test_the_two_ways_of_having_no_value_are_kept_apart() -> None:
    content = changed(FILLED, WEIGHT, in_chart="", agrees="否", why_not="未找到病历")
    content = changed(content, WEIGHT + 1, in_chart="", agrees="no", why_not="not recorded")
    found = read(content)
    assert found.accepted
    answers = found.answers[WEIGHT - 2 : WEIGHT]
    assert [one.status for one in answers] == ["chart_not_found", "not_recorded"]
    assert [one.value for one in answers] == [None, None]


# --- the whole file is wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "sheet_empty"),
        (codecs.BOM_UTF8, "sheet_empty"),
        (b"\n\n\n", "sheet_empty"),
        (b"\x00" * 100, "sheet_not_text"),
        (b"PK\x03\x04" + b"x" * 50, "sheet_not_text"),  # a workbook, renamed
        (codecs.BOM_UTF16_LE + FILLED.decode("utf-8-sig").encode("utf-16-le"), "sheet_not_text"),
        (codecs.BOM_UTF16_BE + FILLED.decode("utf-8-sig").encode("utf-16-be"), "sheet_not_text"),
        (b"\xff" + FILLED, "sheet_not_text"),
        (FILLED.replace(b",", b";"), "sheet_column_missing"),
        (FILLED.replace(b",", b"\t"), "sheet_column_missing"),
        (b"a,b,c\n1,2,3\n", "sheet_column_missing"),
        (FILLED.split(b"\n", 1)[1], "sheet_column_missing"),  # without its first line
        (FILLED + b'"an open quotation', "sheet_broken"),
        (FILLED + b'"' + b"x" * 200_000 + b'"', "sheet_cell_long"),  # a cell larger than csv reads
        (FILLED + b"x" * 5_000_000, "sheet_too_large"),
        (FILLED + b"1,2\n" * 300, "sheet_too_large"),
    ],
    ids=[
        "empty", "mark alone", "blank", "zeros", "workbook", "utf-16-le", "utf-16-be", "mixed", "semicolons", "tabs",
        "another", "headless", "quoted", "cell", "large", "long",
    ],
)  # fmt: skip
def test_a_file_that_is_no_such_sheet_is_refused_whole(content: bytes, code: str) -> None:
    assert refused(content).code == f"verification.{code}"


def test_the_column_that_is_missing_is_named() -> None:
    rows = [row[:10] + row[11:] for row in rows_of(FILLED)]
    assert COLUMNS[10] in refused(written(rows)).zh


def test_a_column_that_stands_twice_is_named() -> None:
    rows = [[*row, row[9]] for row in rows_of(FILLED)]
    assert COLUMNS[9] in refused(written(rows)).en


def test_an_extra_column_is_named_by_its_place_and_not_by_what_it_says() -> None:
    """A hospital that adds the patient's name is told so without the name going anywhere."""
    rows = [[*row, SECRET] for row in rows_of(FILLED)]
    found = refused(written(rows))
    assert found.code == "verification.sheet_column_extra"
    assert "14" in found.en
    assert SECRET not in " ".join(found.as_dict().values())


def test_the_sheet_of_another_lock_is_refused() -> None:
    results = stent_results(stent_table(), small_protocol(), lock="lock-earlier")
    earlier = sample_of(stent_inputs(results=results), stent_table(), known_until="2025-12-31")
    found = refused(filled(earlier, A))
    assert found.code == "verification.sheet_other"
    assert SAMPLE.lock_id in found.next_en
    assert SAMPLE.lock_id in found.next_zh


def test_the_sheet_of_another_hospital_is_refused() -> None:
    with pytest.raises(PlatformError, match=r"verification\.sheet_other"):
        read(filled(SAMPLE, "org-b"))


def test_an_id_that_a_spreadsheet_counted_on_is_refused_with_its_line() -> None:
    """Dragging a cell down makes SV-...5 into SV-...6."""
    found = refused(changed(FILLED, 9, sheet="SV-00000000000000000006"))
    assert found.code == "verification.sheet_other"
    assert found.details["line"] == 9


def test_a_hospital_outside_of_the_sample_cannot_return_one() -> None:
    with pytest.raises(PlatformError, match=r"verification\.hospital_unknown"):
        read(FILLED, "org-z")


# --- single lines are wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"file": "A-09.ndjson"}, "line_edited"),
        ({"sha256": "0" * 64}, "line_edited"),
        ({"line": "1.20E+01"}, "line_edited"),
        ({"digest": "abc"}, "line_edited"),
        ({"title": "体重"}, "line_edited"),
        ({"check": "c-0000000000"}, "line_edited"),
        ({"place": "99"}, "line_unknown"),
        ({"place": "-1"}, "line_unknown"),
        ({"place": "²"}, "line_unknown"),
        ({"place": "9" * 5000}, "line_unknown"),
        ({"place": "03"}, "line_edited"),  # place 3, as a text
        ({"place": SECRET}, "line_unknown"),
        ({"variable": SECRET}, "line_unknown"),
        ({"in_chart": "=1+1"}, "cell_formula"),
        ({"in_chart": "5-Jan"}, "cell_date"),
        ({"in_chart": SECRET}, "cell_number"),
        ({"agrees": SECRET}, "cell_not_an_answer"),
        ({"agrees": "否", "why_not": SECRET}, "cell_not_an_answer"),
        ({"agrees": ""}, "line_contradicts"),
        ({"agrees": "否"}, "line_contradicts"),
        ({"why_not": "单位"}, "line_contradicts"),
        ({"in_chart": ""}, "line_contradicts"),
        ({"in_chart": "", "agrees": "否"}, "line_contradicts"),
        ({"in_chart": "", "agrees": "否", "why_not": "单位"}, "line_contradicts"),
        ({"in_chart": "", "agrees": "", "why_not": "单位"}, "line_contradicts"),
        ({"agrees": "否", "why_not": "未找到病历"}, "line_contradicts"),
        ({"in_chart": "", "agrees": "是", "why_not": "病历未记载"}, "line_contradicts"),
        ({"in_chart": "", "agrees": "", "why_not": "未找到病历"}, "line_contradicts"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_line_that_is_wrong_is_named_with_its_number(cells: dict[str, str], code: str) -> None:
    found = read(changed(FILLED, WEIGHT, **cells))
    assert not found.accepted
    first = found.problems[0]
    assert first.code == f"verification.{code}"
    assert first.details["line"] == WEIGHT
    # A line whose item is unknown is missing as well; nothing else is.
    assert [one.code for one in found.problems[1:]] == (
        ["verification.lines_missing"] if code == "line_unknown" else []
    )
    told = " ".join(text for one in found.problems for text in one.as_dict().values())
    assert SECRET not in told
    assert SECRET not in repr([one.details for one in found.problems])


def test_how_to_answer_may_read_as_a_later_version_words_it() -> None:
    assert read(changed(FILLED, WEIGHT, how="Write the weight.")).accepted


def test_an_item_twice_is_named_with_both_lines() -> None:
    rows = rows_of(FILLED)
    found = problem(written([*rows, rows[WEIGHT - 1]]))
    assert found.code == "verification.line_twice"
    assert (found.details["line"], found.details["first"]) == (len(rows) + 1, WEIGHT)


def test_lines_that_are_missing_are_counted_and_the_first_is_named() -> None:
    rows = rows_of(FILLED)
    found = problem(written(rows[: WEIGHT - 1]))
    assert found.code == "verification.lines_missing"
    assert found.details["count"] == len(rows) - WEIGHT + 1
    assert found.details["variable"] == "weight_kg"


@pytest.mark.parametrize("cells", [3, 12])
def test_a_line_that_was_cut_off_is_named(cells: int) -> None:
    """The last column is never empty, so that a line cut off behind its answers shows as well."""
    rows = rows_of(FILLED)
    rows[-1] = rows[-1][:cells]
    codes = [one.code for one in read(written(rows)).problems]
    assert codes == ["verification.line_cells", "verification.lines_missing"]


def test_a_comma_in_a_value_is_a_cell_too_many() -> None:
    lines = FILLED.split(b"\r\n")
    text = lines[WEIGHT - 1].split(b",")
    text.insert(-3, b"5")  # 70,5 without quotation marks
    lines[WEIGHT - 1] = b",".join(text)
    assert read(b"\r\n".join(lines)).problems[0].code == "verification.line_cells"


@pytest.mark.parametrize("size", [1, 5, 60, 400, 3000, 9000, len(FILLED) - 30])
def test_a_truncated_file_is_never_accepted(size: int) -> None:
    try:
        found = read(FILLED[:size])
    except PlatformError as whole:
        assert whole.code.startswith("verification.sheet_")
    else:
        assert not found.accepted


def test_every_problem_of_a_sheet_is_told_at_once_in_the_order_of_lines() -> None:
    content = changed(FILLED, 3, in_chart="=1")
    content = changed(content, 8, agrees="")
    content = changed(content, 5, digest="")
    assert [one.details["line"] for one in read(content).problems] == [3, 5, 8]


def test_answers_of_the_lines_that_are_right_are_there_beside_the_problems() -> None:
    found = read(changed(FILLED, WEIGHT, in_chart="70 kg"))
    assert len(found.answers) == len(read(FILLED).answers) - 1


def test_a_large_number_of_days_is_refused_by_the_policys_limit() -> None:
    sample = sample_of(
        stent_inputs(), stent_table(), chosen=policy_with(most_days=10), known_until="2025-12-31"
    )

    def eleven(line: SheetLine) -> Fill:
        return ("11", "是", "") if line.variable.name == "time_days" else as_platform(line)

    codes = {one.code for one in read_sheet(filled(sample, A, eleven), sample, A).problems}
    assert codes == {"verification.cell_days"}


def test_titles_that_gbk_cannot_write_do_not_spoil_a_sheet() -> None:
    """A spreadsheet writes `?` for a sign that GBK has not; everything that names the item is ASCII."""
    age = dataclasses.replace(small_protocol().covariates[0], title=Bilingual("年龄😀", "Âge 😀"))
    protocol = dataclasses.replace(small_protocol(), covariates=(age, *small_protocol().covariates[1:]))
    sample = sample_of(stent_inputs(protocol=protocol), stent_table())
    rows = rows_of(filled(sample, A))
    lossy = [[cell.encode("gbk", "replace").decode("gbk") for cell in row] for row in rows]
    found = read_sheet(written(lossy, "gbk"), sample, A)
    assert found.accepted
    assert found.encoding == "gb18030"


def test_titles_in_gb18030_keep_signs_that_gbk_has_not() -> None:
    """GB18030 writes every character of Unicode: what came back is what was sent."""
    age = dataclasses.replace(small_protocol().covariates[0], title=Bilingual("年龄😀", "Âge 😀"))
    protocol = dataclasses.replace(small_protocol(), covariates=(age, *small_protocol().covariates[1:]))
    sample = sample_of(stent_inputs(protocol=protocol), stent_table())
    assert read_sheet(filled(sample, A, encoding="gb18030"), sample, A).accepted


@pytest.mark.parametrize("ending", [b"\n", b"\r"])
def test_the_line_endings_of_other_systems_are_read_alike(ending: bytes) -> None:
    assert read(FILLED.replace(b"\r\n", ending)).answers == read(FILLED).answers


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_one_cell_is_changed_into_nothing_but_that_item_changes(data: st.DataObject) -> None:
    line = data.draw(st.integers(2, len(sheet_lines(SAMPLE, A)) + 1))
    name = data.draw(st.sampled_from(sorted(PLACES)))
    text = data.draw(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
    )
    try:
        found = read(changed(FILLED, line, **{name: text}))
    except PlatformError as whole:
        assert whole.code in ("verification.sheet_other", "verification.sheet_broken")
        return
    usual = {(one.place, one.variable): one for one in read(FILLED).answers}
    others = [one for one in found.answers if usual[one.place, one.variable] != one]
    assert len(others) <= 1
    assert len(found.answers) >= len(usual) - 1


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_bytes_of_any_kind_are_refused_and_never_crash(content: bytes) -> None:
    assert refused(content).code.startswith("verification.sheet_")


@pytest.mark.parametrize("fill", [as_platform, lambda _: ("", "", "")], ids=["filled", "untouched"])
def test_reading_twice_gives_the_same(fill: Callable[[SheetLine], Fill]) -> None:
    assert returned(SAMPLE, "org-c", fill) == returned(SAMPLE, "org-c", fill)
