"""The sheet of one hospital: enough to find its own lines, and nothing of what the platform has."""

from __future__ import annotations

import dataclasses

import pytest

from rwd_platform.core.errors import PlatformError
from studies.evidence.sample.guide import GUIDE
from studies.evidence.sample.sheet import (
    COLUMNS,
    WHY_WORDS,
    is_asked,
    sheet,
    sheet_id,
    sheet_lines,
    sheets,
)
from studies.evidence.sample.trace import Sample, sample_of
from tests.evidence.sample.made import (
    PLACES,
    SIZES,
    file_of,
    policy_with,
    rows_of,
    stent_inputs,
    stent_lineage,
    stent_results,
    stent_sample,
    stent_sources,
    stent_table,
)
from tests.evidence.submission.made import HOSTILE_TEXT, hostile
from tests.studies.small import small_protocol


def other_values() -> Sample:
    """The same sample of a platform that has other values: who is drawn, and every line, are the same."""
    sample = stent_sample()
    rows = []
    for row in sample.rows:
        values = {
            name: "1"
            if value == "0"
            else "0"
            if value == "1"
            else "fit"
            if isinstance(value, str)
            else value + 1
            for name, value in row.values.items()
        }
        rows.append(dataclasses.replace(row, values=values))
    return dataclasses.replace(sample, rows=tuple(rows))


def test_a_sheet_has_a_line_for_each_row_and_variable() -> None:
    sample = stent_sample()
    for hospital in SIZES:
        rows = rows_of(sheet(sample, hospital))
        assert tuple(rows[0]) == COLUMNS
        assert len(rows) - 1 == len(sample.of(hospital)) * len(sample.variables)
        items = [(row[PLACES["place"]], row[PLACES["variable"]]) for row in rows[1:]]
        assert len(set(items)) == len(items)


def test_the_cells_for_answers_are_empty() -> None:
    for row in rows_of(sheet(stent_sample(), "org-b"))[1:]:
        assert [row[PLACES[name]] for name in ("in_chart", "agrees", "why_not")] == ["", "", ""]


def test_a_spreadsheet_opens_it_as_chinese() -> None:
    content = sheet(stent_sample(), "org-a")
    assert content.startswith(b"\xef\xbb\xbf")
    assert "病历中的值 / in chart" in content.decode("utf-8-sig")


def test_the_platforms_values_leave_no_mark_on_the_sheet() -> None:
    """Other values, the same bytes: nothing on it is made from them, the check code neither."""
    for hospital in SIZES:
        assert sheet(other_values(), hospital) == sheet(stent_sample(), hospital)


def test_the_lines_shown_are_as_many_whatever_happened_to_the_patient() -> None:
    """For arm, outcome and earlier operation it is the line of the index event, with the event or without."""
    for line in sheet_lines(stent_sample(), "org-c"):
        shown = line.cells["行号 / line"]
        if line.variable.own_line:
            assert shown == str(line.row.lines[line.variable.name][0].number)
        else:
            assert shown == str(line.row.index.number)


def test_a_hospital_sees_its_own_files_alone() -> None:
    sample = stent_sample()
    for hospital in SIZES:
        hashes = {row[PLACES["sha256"]] for row in rows_of(sheet(sample, hospital))[1:]}
        assert hashes <= {file_of(hospital, "charts"), file_of(hospital, "events")}


def test_a_value_that_another_hospital_sent_is_not_asked_here() -> None:
    lineage = stent_lineage(stent_table())
    moved = lineage["variable"] == "weight_kg"
    at_a = lineage["source_file_sha256"] == file_of("org-a", "events")
    lineage.loc[moved & at_a, "source_file_sha256"] = file_of("org-b", "events")
    sample = sample_of(stent_inputs(lineage=lineage), stent_table())
    asked = {line.variable.name for line in sheet_lines(sample, "org-a")}
    assert asked == {one.name for one in sample.variables} - {"weight_kg"}
    weight = sample.variable("weight_kg")
    assert not any(is_asked(row, weight) for row in sample.of("org-a"))
    assert all(is_asked(row, weight) for row in sample.of("org-b"))


def test_no_subject_no_ordinal_and_no_date_of_the_index_is_on_it() -> None:
    content = sheet(stent_sample(), "org-b").decode()
    assert not any(subject in content for subject in stent_table().frame["subject_id"])
    header = content.splitlines()[0]
    assert "row" not in header
    assert "date" not in header


def test_the_same_sample_gives_the_same_bytes() -> None:
    again = sample_of(stent_inputs(), stent_table(), known_until="2025-12-31")
    assert sheets(again) == sheets(stent_sample())


def test_another_lock_another_hospital_and_another_day_have_another_sheet() -> None:
    results = stent_results(stent_table(), small_protocol(), lock="lock-later")
    later = sample_of(stent_inputs(results=results), stent_table(), known_until="2025-12-31")
    ids = {
        sheet_id(stent_sample(), "org-a"),
        sheet_id(stent_sample(), "org-b"),
        sheet_id(later, "org-a"),
        sheet_id(sample_of(stent_inputs(), stent_table()), "org-a"),
    }
    assert len(ids) == 4


def test_nothing_on_it_is_taken_for_a_number_or_a_date_by_a_spreadsheet() -> None:
    """`123e4567` would become 1.23E+4569, `MAR-03` a day in March."""
    for row in rows_of(sheet(stent_sample(), "org-a"))[1:]:
        assert row[PLACES["sheet"]].startswith("SV-")
        assert row[PLACES["check"]].startswith("c-")


def test_every_line_ends_in_a_code_of_its_own() -> None:
    """It follows from the line, so that a code copied down from the line above shows."""
    rows = rows_of(sheet(stent_sample(), "org-b"))[1:]
    codes = [row[PLACES["check"]] for row in rows]
    assert len(set(codes)) == len(codes)
    assert not any(row[-1] == "" for row in rows)


def test_a_formula_in_a_title_does_not_run() -> None:
    """A protocol's titles are somebody's text, too."""
    protocol = hostile()
    inputs = stent_inputs(protocol=protocol, results=stent_results(stent_table(), protocol))
    sample = sample_of(inputs, stent_table())
    titles = [row[PLACES["title"]] for row in rows_of(sheet(sample, "org-a"))[1:]]
    assert any(HOSTILE_TEXT.splitlines()[0] in title for title in titles)
    assert not any(title.startswith(("=", "+", "-", "@")) for title in titles)


def test_only_hospitals_of_the_sample_have_a_sheet() -> None:
    assert set(sheets(stent_sample())) == set(SIZES)
    with pytest.raises(PlatformError, match=r"verification\.hospital_unknown"):
        sheet(stent_sample(), "org-z")


def test_a_hospital_without_a_row_in_the_sample_has_none() -> None:
    sample = sample_of(stent_inputs(sources=stent_sources()[1:]), stent_table(), chosen=policy_with(total=40))
    assert set(sheets(sample)) == {"org-b", "org-c"}


def test_the_guide_names_every_step_and_the_columns_every_reason() -> None:
    for text in GUIDE:
        assert [f"{number}." for number in range(1, 8) if f"\n{number}. " in text] == [
            f"{n}." for n in range(1, 8)
        ]
    why = COLUMNS[PLACES["why_not"]]
    assert all(word.zh in why and word.en in why for word in WHY_WORDS.values())
