"""Competing events in a report: the figure, the two tables, what is missing with its reason, and what is withheld."""

from __future__ import annotations

import dataclasses
import math
import zipfile
from io import BytesIO
from itertools import pairwise

import pytest

from studies.evidence.aggregate import coarsened
from studies.evidence.aggregate_curves import GRID_DAYS, ToldDays, kept_days
from studies.evidence.documents import json_documents
from studies.evidence.inputs import PackageInputs
from studies.evidence.report.blocks import Points
from studies.evidence.report.content import make_report
from studies.evidence.templates import verify as standalone
from studies.results import Series
from tests.evidence.fixtures import rotterdam_inputs, small_inputs, with_changes

PLAN = "restricted.incidence"
FIGURE = "incidence_restricted_incidence"
EVERY_DAY = (365, 730, 1096, 1461, 1826, 2557, 3652)
CELL = 10


def made(inputs: PackageInputs):
    return make_report(inputs, json_documents(inputs))


@pytest.fixture(scope="module")
def report():
    return made(rotterdam_inputs())


@pytest.fixture(scope="module")
def told():
    """The demonstration for a reader abroad."""
    return coarsened(with_changes(rotterdam_inputs(), audience="aggregate"))


def cells(report, key: str, language: str = "en") -> list[list[str]]:
    table = next(one for one in report.tables if one.key == key)
    return [[cell.plain(language) for cell in row] for row in table.rows]


def test_the_table_prints_both_kinds_in_both_arms_at_every_planned_day(report):
    """R's cuminc on the same rows: 0.6376 (0.556-0.708) after ten years, and so on."""
    rows = cells(report[0], "incidences_restricted_incidence")
    assert rows[0] == ["n", "339", "1,207", "339", "1,207"]
    assert rows[1] == ["Events", "182", "792", "19", "66"]
    assert [row[0] for row in rows[2:]] == [f"At {year} y" for year in (1, 2, 3, 4, 5, 7, 10)]
    last = ["63.8% (55.6%–70.8%)", "67.8% (64.8%–70.5%)", "8.7% (4.8%–14.1%)", "5.1% (3.9%–6.5%)"]
    assert rows[-1][1:] == last


def test_the_comparison_prints_grays_test_and_both_ratios(report):
    """R: Gray 6.5322; coxph 0.8179 and 1.1672; crr 0.8035 and 1.1434."""
    assert cells(report[0], "competing_restricted_incidence") == [
        ["Recurrence", "6.53", "0.011", "0.82 (0.70–0.96)", "0.015", "0.80 (0.69–0.94)", "0.007"],
        [
            "Death without recurrence",
            "1.02",
            "0.312",
            "1.17 (0.70–1.96)",
            "0.557",
            "1.14 (0.69–1.91)",
            "0.607",
        ],
    ]
    assert cells(report[0], "competing_restricted_incidence", "zh")[0][0] == "复发"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh", ("复发", "无复发死亡", "累积发生率", "使用演示药 A", "风险人数", "起始日后年数")),
        (
            "en",
            ("Recurrence", "Death without recurrence", "Cumulative incidence", "Demo product A", "At risk"),
        ),
    ],
)
def test_the_figure_names_both_kinds_both_arms_and_those_at_risk(report, language, words):
    """Text stays text in the drawing, and each number under it is one of the register."""
    _, book, drawings = report
    svg = drawings[f"{FIGURE}_{language}"].svg.decode()
    assert all(word in svg for word in words)
    numbers = [one for one in book.numbers if one.place.startswith(f"figure:{FIGURE}:")]
    assert len(numbers) == 2 * (1 + len(EVERY_DAY))
    assert all(f"num.{one.id}" in svg and one.in_language(language) in svg for one in numbers)
    assert drawings[f"{FIGURE}_{language}"].png.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("language", "note"),
    [
        ("zh", "以 1 减该曲线得到两种事件合计的发生率"),
        ("en", "the share with either, not with the first kind"),
    ],
)
def test_the_kaplan_meier_figure_says_that_its_complement_is_not_the_incidence(report, language, note):
    figure = next(one for one in report[0].blocks if getattr(one, "key", "") == "km_restricted_kaplan_meier")
    assert any(note in text.plain(language) for text in figure.notes)


def test_page_and_documents_show_it_in_both_languages(package):
    """One package: the page, both PDFs and both DOCX have the heading, the figure and the table."""
    page = (package.folder / standalone.INDEX_HTML).read_text("utf-8")
    for words in ("竞争风险与累积发生函数", "Competing risks and cumulative incidence"):
        assert words in page
    assert f"{FIGURE}-en-" in page and f"{FIGURE}-zh-" in page
    documents = sorted(package.folder.rglob("*.docx"))
    assert len(documents) == 2
    texts = [
        zipfile.ZipFile(BytesIO(one.read_bytes())).read("word/document.xml").decode() for one in documents
    ]
    for words in ("部分分布风险比", "Subdistribution HR"):
        assert sum(words in text for text in texts) == 1
    assert all(one.stat().st_size > 10_000 for one in package.folder.rglob("*.pdf"))


def test_what_could_not_be_estimated_stands_under_the_table_with_its_reason():
    """An arm without the event has no ratio: a dash in the table, a sentence beneath."""
    inputs = rotterdam_inputs()
    part = f"{PLAN}.fine_gray.competing"
    rows = tuple(row for row in inputs.results.rows if not row.id.startswith(f"{part}."))
    not_done = {part: "没有观察到。 / None was seen."}
    results = dataclasses.replace(inputs.results, rows=rows, not_done=not_done)
    report, _, _ = made(with_changes(inputs, results=results))
    assert cells(report, "competing_restricted_incidence")[1][-2:] == ["—", "—"]
    beneath = [text.plain("en") for one in report.body if isinstance(one, Points) for text in one.items]
    assert "Subdistribution hazard ratio (Death without recurrence): None was seen." in beneath


def test_without_the_analysis_there_is_no_part_on_competing_risks():
    inputs = rotterdam_inputs()
    results = dataclasses.replace(inputs.results, not_done={PLAN: "没有人。 / Nobody."})
    report, _, drawings = made(with_changes(inputs, results=results))
    assert not any(key.startswith("incidence") for key in drawings)
    assert not any(one.key.startswith("incidences") for one in report.tables)


# -- for readers abroad ------------------------------------------------------------------------------------------


def test_a_few_competing_deaths_close_the_whole_analysis():
    """Every fifth patient: fewer than ten died without recurrence in an arm, so that nothing of it leaves."""
    inputs = small_inputs()
    assert 0 < inputs.results.row(f"{PLAN}.competing.exposed.observed").value < CELL
    results = coarsened(with_changes(inputs, audience="aggregate")).inputs.results
    assert not [row for row in results.rows if row.analysis == PLAN]
    assert not [one for one in results.series if one.analysis == PLAN]
    assert "fewer than" in results.not_done[PLAN]


def planned_days(rows, analysis: str, arm: str, statistic: str) -> set[int]:
    wanted = (analysis, arm, statistic)
    return {
        int(row.id.rpartition("_")[2]) for row in rows if (row.analysis, row.group, row.statistic) == wanted
    }


@pytest.mark.parametrize("arm", ["exposed", "comparator"])
def test_between_two_days_that_are_told_nobody_or_enough_had_each_kind_of_event(told, arm):
    """In the curve and the rows together, and never on a day that the Kaplan-Meier curve withholds."""
    behind = next(one for one in rotterdam_inputs().results.series if one.id == f"{PLAN}.causes.{arm}")
    results = told.inputs.results
    curve = next(one for one in results.series if one.id == f"{PLAN}.incidence.{arm}")
    rows = planned_days(results.rows, PLAN, arm, "cumulative_incidence")
    days = sorted({0, *rows, *(int(point[0]) for point in curve.points)})
    # Of the exposed nineteen had the rarer kind: no day parts them into ten and ten.
    assert (len(days) > 1) is (arm == "comparator")
    assert all(day % GRID_DAYS == 0 or day in EVERY_DAY for day in days)
    for before, day in pairwise([*days, math.inf]):
        inside = [point for point in behind.points if before < point[0] <= day]
        for kind in (2, 3):
            count = sum(point[kind] for point in inside)
            assert count == 0 or count >= CELL, (before, day, kind)
        assert (
            day == math.inf or next(point[1] for point in behind.points if point[0] >= day) >= CELL
        )  # at risk
    assert rows <= planned_days(results.rows, "restricted.kaplan_meier", arm, "survival")
    # Beside the curve of both, one kind would tell the other.
    assert rows == planned_days(results.rows, PLAN, arm, "competing_incidence")


def test_no_series_by_kind_of_event_leaves_and_the_report_still_renders(told):
    assert not [one for one in told.inputs.results.series if ".causes." in one.id]
    assert f"{PLAN}.exposed.competing_incidence.day_365" in told.account["withheld_results"]
    report, _, drawings = made(told.inputs)
    rows = cells(report, "incidences_restricted_incidence")
    assert rows[2][1:] == ["—"] * 4 and "—" not in rows[3][2]
    assert "…" not in drawings[f"{FIGURE}_en"].svg.decode()
    figure = next(one for one in report.blocks if getattr(one, "key", "") == FIGURE)
    assert any("only join them" in text.plain("en") for text in figure.notes)


def test_days_are_kept_by_the_rarer_kind():
    """Ten of one kind in a quarter, and nine of the other in three: the day has to wait for the tenth."""
    points = tuple((float(day), 500 - day // 10, 10, 3) for day in range(80, 1100, 90))
    behind = Series("a.causes.x", "a", ("time_days", "at_risk", "events", "competing"), points)
    # 90: 3 of the other kind; 180: 6; 270: 9; 360: 12.
    assert kept_days(behind, CELL)[:2] == [360, 720]
    alone = Series("a.steps.x", "a", ("time_days", "at_risk", "events"), tuple(one[:3] for one in points))
    assert kept_days(alone, CELL)[:4] == [90, 180, 270, 360]
    assert kept_days(behind, CELL, among={90, 180, 720}) == [720]


def test_a_second_plan_on_the_same_people_tells_no_further_day():
    """Two plans with other days: their difference would tell the few in between."""
    results = rotterdam_inputs().results
    again = tuple(
        dataclasses.replace(row, id=row.id.replace(PLAN, "restricted.again"), analysis="restricted.again")
        for row in results.rows
        if row.analysis == PLAN
    )
    series = tuple(
        dataclasses.replace(one, id=one.id.replace(PLAN, "restricted.again"), analysis="restricted.again")
        for one in results.series
        if one.analysis == PLAN
    )
    moved = tuple(
        dataclasses.replace(row, id=row.id.replace("day_1096", "day_1100").replace("day_730", "day_740"))
        for row in again
    )
    both = dataclasses.replace(results, rows=(*results.rows, *moved), series=(*results.series, *series))
    days = ToldDays(both, CELL)
    for arm in ("exposed", "comparator"):
        assert set(days.shares["restricted.again", arm]) <= set(days.shares[PLAN, arm])
        assert set(days.at_risk["restricted.again", arm]) <= set(days.at_risk[PLAN, arm])
