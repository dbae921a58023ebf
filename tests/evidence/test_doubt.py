"""Tipping points and specifications in the report: sentences, tables and figures, from result rows alone."""

from __future__ import annotations

import dataclasses
import re
from itertools import pairwise

import pandas as pd
import pytest

from studies.evidence.aggregate import coarsened
from studies.evidence.documents import json_documents
from studies.evidence.figures import Drawing
from studies.evidence.report.blocks import Figure, Report
from studies.evidence.report.content import make_report
from studies.evidence.report.specification_part import _said
from studies.evidence.templates import verify as standalone
from studies.evidence.tipping_figures import _SHADES
from studies.planned import PlannedAnalysis
from studies.results import ResultSet
from studies.run import run_analyses
from tests.evidence.fixtures import with_results
from tests.evidence.test_designs import cells, spoken, table
from tests.studies.test_doubt import TITLE, lost_at, many, plans, with_criterion
from tests.studies.valve import protocol, valve_dataset

DATASET = valve_dataset()
NAMES = ("all.criterion", "all.weighted", "all.crude", "all.adjusted", "all.rmst")
DOUBT = ("all.tipping", "all.tipping_arms", "all.specification")


def made(
    *analyses: PlannedAnalysis, frame: pd.DataFrame = DATASET.frame, audience: str = "authority"
) -> tuple[Report, dict[str, Drawing], ResultSet]:
    of = dataclasses.replace(protocol(), analyses=analyses)
    results = run_analyses(dataclasses.replace(DATASET, frame=frame), of, "lock-1")
    written = coarsened(dataclasses.replace(with_results(results, protocol=of), audience=audience)).inputs
    report, _, drawings = make_report(written, json_documents(written))
    return report, drawings, written.results


@pytest.fixture(scope="module")
def report() -> Report:
    return made(*plans(*NAMES, *DOUBT))[0]


def figures(report: Report) -> dict[str, Figure]:
    return {one.key: one for one in report.blocks if isinstance(one, Figure)}


def letters(drawing: Drawing) -> str:
    return " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", drawing.svg.decode()))


# -- the single arm ----------------------------------------------------------------------------------


def test_the_single_arm_is_told_at_both_ends_and_line_by_line(report):
    text = spoken(report, "en")
    assert "Of 60 subjects 6 were lost before the horizon." in text
    assert (
        "the one-sided bound would be 77.4% and the criterion of 80.0% would not be shown to be met" in text
    )
    assert "However many of them failed, the verdict is the same." in text
    assert "失访者中无论有多少例失败，结论都相同。" in spoken(report, "zh")
    rows = [cells(row) for row in table(report, "tipping_all_tipping").rows]
    assert [row[0] for row in rows] == [str(k) for k in range(7)]
    assert (rows[0][1], rows[-1][1]) == ("77.4%", "65.8%") and {row[2] for row in rows} == {"not shown"}


def test_the_number_at_which_the_verdict_turns_stands_in_a_sentence():
    """Criterion 0.75: the exact test no longer rejects from that number on (tests/studies/test_doubt.py)."""
    report, drawings, results = made(with_criterion(value=0.75), *plans("all.tipping"))
    turn = results.row("all.tipping.exposed.failures_to_overturn").value
    assert f"The verdict turns at {turn} failures among those lost" in spoken(report, "en")
    assert f"失访者中失败达到 {turn} 例时，结论改变" in spoken(report, "zh")
    assert "criterion 75.0%" in letters(drawings["tipping_all_tipping_en"])
    assert {"met", "not shown"} <= set(
        re.findall(r"not shown|met", letters(drawings["tipping_all_tipping_en"]))
    )


def test_thousands_lost_say_that_the_figure_is_coarser_than_the_numbers():
    analyses = (with_criterion(value=0.7), *plans("all.tipping", "all.tipping_arms"))
    report, drawings, results = made(*analyses, frame=many(12, 0.3))
    notes = [note.plain("en") for one in figures(report).values() for note in one.notes]
    step = results.row("all.tipping.exposed.grid_step").value
    assert any(f"every {step} there is a point" in note for note in notes)
    assert any("the last of each is there; the numbers in the text are exact" in note for note in notes)
    assert not any(one.key == "tipping_all_tipping" for one in report.tables)  # a table of thousands is none
    assert "num." not in drawings["tipping_all_tipping_arms_en"].svg.decode()  # nor a number in each cell
    assert max(len(one.svg) for one in drawings.values()) < 2_000_000


def test_nobody_lost_says_so_where_the_map_would_stand():
    report, drawings, _ = made(*plans("all.criterion", "all.tipping", "all.tipping_arms"), frame=lost_at(400))
    text = spoken(report, "en")
    assert text.count("no result. Nobody was lost before the horizon") == 2
    assert "没有受试者失访，没有可以变动的结局" in spoken(report, "zh")
    assert not any("tipping" in key for key in drawings)


# -- two arms ----------------------------------------------------------------------------------------


def test_the_map_says_its_boundary_in_words(report):
    text = spoken(report, "en")
    assert "6 of 60 subjects with demo valve V (Lecheng) and 7 of 140 with demo valve S" in text
    assert "differs by −7.3 percentage points (95% CI −17.4 to 5.6): no difference shown" in text
    assert "Of the 56 ways in which those lost could have turned out, 1 would give another verdict." in text
    assert "it would be shown to fail less often from 7 failures among the 7 lost with" in text
    assert "more often" not in text  # that never happens here
    rows = {cells(row)[0]: cells(row)[1:] for row in table(report, "tipping_cases_all_tipping_arms").rows}
    assert rows["left out (those followed alone)"] == ["−7.3 (−17.4 to 5.6)", "no difference shown"]
    assert rows["none failed with demo valve V (Lecheng), all with demo valve S (external control)"] == [
        "−12.6 (−22.3 to −0.3)", "fewer failures shown",
    ]  # fmt: skip


def test_every_cell_prints_its_number_and_shades_tell_verdicts_apart_in_grey():
    _, drawings, results = made(*plans("all.tipping_arms"))
    svg = drawings["tipping_all_tipping_arms_en"].svg.decode()
    points = next(one for one in results.series if one.id == "all.tipping_arms.map").points
    assert svg.count('id="num.') == len(points) == 56
    drawn = letters(drawings["tipping_all_tipping_arms_en"])
    assert all(standalone.number_text(point[2], "points.0", "en") in drawn for point in points)
    greys = sorted(_luminance(one) for one in _SHADES.values())
    assert all(b - a > 0.2 for a, b in pairwise(greys))


def _luminance(colour: str) -> float:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("failed", "says"),
    [
        ((0, 40), "would no longer be shown to fail less often from"),
        ((20, 5), "it would no longer be shown to fail more often from"),
    ],
)
def test_a_difference_that_was_shown_is_told_with_what_would_undo_it(failed, says):
    """So many fail in each arm, a fifth of the others is lost."""
    frame = DATASET.frame.copy()
    frame["event"], frame["time_days"] = 0, 400.0
    for arm, number in ((1, failed[0]), (0, failed[1])):
        members = frame.index[frame["valve_v"] == arm]
        frame.loc[members[:number], ["event", "time_days"]] = [1, 50.0]
        frame.loc[members[number : number + len(members) // 5], "time_days"] = 60.0
    report = made(*plans("all.tipping_arms"), frame=frame)[0]
    assert says in spoken(report, "en")


def test_an_arm_that_lost_nobody_is_a_single_line_of_cells():
    frame = DATASET.frame.copy()
    stayed = (frame["valve_v"] == 0) & (frame["event"] == 0)
    frame["time_days"] = frame["time_days"].where(~stayed, 400)
    _, drawings, results = made(*plans("all.tipping_arms"), frame=frame)
    assert len(next(one for one in results.series if one.id == "all.tipping_arms.map").points) == 7
    assert drawings["tipping_all_tipping_arms_zh"].svg.count(b'id="num.') == 7


# -- specifications ----------------------------------------------------------------------------------


def test_the_matrix_has_a_row_an_estimator_and_a_column_an_assumption(report):
    found = table(report, "specification_all_specification")
    assert [one.plain("en") for one in found.head] == [
        "Estimator",
        "weighting to the exposed arm (ATT)",
        "no control of confounding",
        "adjusted for covariates",
    ]
    rows = [cells(row) for row in found.rows]
    assert rows[0] == ["Cox, hazard ratio", "0.99 (0.41–2.38)", "0.57 (0.25–1.31)", "0.80 (0.33–1.90)"]
    assert rows[1][0].startswith("Difference of mean event-free days") and rows[1][1] == rows[1][3] == "—"
    assert rows[1][2] == "3.9 (−20.7 to 28.5)"


def test_agreement_is_said_in_a_sentence_and_spread_without_a_joint_test(report):
    text = spoken(report, "en")
    assert (
        "Of 4 planned ways 4 gave a result: 4 point in favour of demo valve V (Lecheng) and 0 against it"
        in text
    )
    assert "They point the same way, but none of them is enough to conclude." in text
    assert "The hazard ratios lie between 0.57 and 0.99, the middle one 0.80." in text


def test_the_forest_of_specifications_is_in_the_protocols_order_with_what_was_not_done():
    late = dataclasses.replace(protocol().analysis("all.rmst"), id="all.late", tau=5000)
    ways = PlannedAnalysis(
        "all.ways", "specification", TITLE, of="all.adjusted", compares=("all.late", "all.crude")
    )
    report, drawings, _ = made(*plans("all.adjusted", "all.crude"), late, ways)
    drawn = letters(drawings["specification_all_ways_en"])
    assert drawn.index("control, adjusted") < drawn.index("control, crude")
    assert "no result" in drawn and "无结果" in letters(drawings["specification_all_ways_zh"])
    notes = [note.plain("en") for note in table(report, "specification_all_ways").notes]
    assert any("beyond follow-up" in note for note in notes)
    assert "no result" in [
        cell for row in table(report, "specification_all_ways").rows for cell in cells(row)
    ]


def test_ways_of_a_criterion_are_its_handlings_of_those_lost():
    ways = PlannedAnalysis("all.ways", "specification", TITLE, of="all.criterion")
    report, drawings, _ = made(*plans("all.criterion"), ways)
    row = cells(table(report, "specification_all_ways").rows[0])
    assert row == [
        "Exact test, proportion",
        "78.3% (65.8%–87.9%)",
        "87.0% (75.1%–94.6%)",
        "88.3% (77.4%–95.2%)",
    ]
    assert "2 lie on the good side of the criterion and 1 on the other" in spoken(report, "en")
    assert "the line is the criterion" in letters(drawings["specification_all_ways_en"])


# -- packages ----------------------------------------------------------------------------------------


def test_every_number_drawn_in_a_cell_is_registered_at_its_place():
    """So the package's own check finds it in the drawing; tests/evidence/test_designs.py verifies a whole package."""
    of = dataclasses.replace(protocol(), analyses=plans("all.tipping_arms"))
    results = run_analyses(DATASET, of, "lock-1")
    written = with_results(results, protocol=of)
    _, book, drawings = make_report(written, json_documents(written))
    drawn = [one for one in book.numbers if one.place.startswith("figure:tipping_all_tipping_arms:")]
    assert len(drawn) == 56 and {one.file for one in drawn} == {standalone.ARD_JSON}
    svg = drawings["tipping_all_tipping_arms_zh"].svg.decode()
    assert all(f'id="num.{one.id}"' in svg for one in drawn)


def test_abroad_neither_map_nor_bound_nor_a_range_with_a_withheld_end_leaves():
    """Six and seven were lost: fewer than ten. The restricted mean is withheld, so the specification is too."""
    report, drawings, results = made(*plans(*NAMES, *DOUBT), audience="aggregate")
    assert "all.rmst" in results.not_done
    assert not {row.analysis for row in results.rows} & set(DOUBT)
    assert not {one.analysis for one in results.series} & set(DOUBT)
    assert set(DOUBT) <= set(results.not_done) and not any("tipping" in one for one in drawings)
    title = "How many failures among those lost would change the verdict on the criterion"
    assert f"{title}: done, and not told in this edition" in spoken(report, "en")
    assert f"{title}: no result" not in spoken(report, "en")


def test_a_specification_of_what_may_leave_leaves_and_one_with_a_withheld_way_does_not():
    frame = many(4, 0)
    open_ways = PlannedAnalysis(
        "all.ways", "specification", TITLE, of="all.crude", compares=("all.adjusted",)
    )
    report, _, results = made(
        *plans("all.crude", "all.adjusted"), open_ways, frame=frame, audience="aggregate"
    )
    assert "all.ways.pointing_better" in {row.id for row in results.rows}
    assert table(report, "specification_all_ways")


def test_abroad_large_losses_are_told_without_their_lines():
    """More than ten lost and failed everywhere: sentences and extremes leave, the map of single counts does not."""
    analyses = (with_criterion(value=0.7), *plans("all.tipping", "all.tipping_arms"))
    report, drawings, results = made(*analyses, frame=many(12, 0.3), audience="aggregate")
    kept = {row.id for row in results.rows}
    assert {"all.tipping_arms.worst.difference", "all.tipping.exposed.failures_to_overturn"} <= kept
    assert not any(one.id.endswith((".map", ".bounds", ".tipping")) for one in results.series)
    assert "The verdict turns at" in spoken(report, "en")
    assert not any("tipping" in key for key in drawings)


def test_no_bound_looks_as_if_it_lay_on_the_other_side_of_the_criterion():
    """A criterion a hair above a bound: decimals enough to see which is which, in sentence, table and figure."""
    (plan,) = plans("all.criterion")
    bound = made(plan, *plans("all.tipping"))[2].row("all.tipping.none_failed.bound").value
    report, drawings, results = made(with_criterion(value=round(bound + 2e-5, 6)), *plans("all.tipping"))
    assert results.row("all.tipping.none_failed.verdict").value == "not shown"
    shown = next(cells(row)[1] for row in table(report, "tipping_all_tipping").rows)
    criterion = re.search(r"criterion ([0-9.]+%)", letters(drawings["tipping_all_tipping_en"]))
    assert criterion is not None and float(shown[:-1]) < float(criterion[1][:-1])


@pytest.mark.parametrize(
    ("planned", "done", "better", "worse", "shown_better", "shown_worse", "said"),
    [
        (3, 3, 3, 0, 3, 0, "agree"),
        (3, 3, 0, 3, 0, 3, "agree"),
        (3, 3, 3, 0, 1, 0, "some"),
        (3, 3, 3, 0, 0, 0, "none"),
        (3, 3, 2, 1, 1, 0, "mixed"),
        (3, 3, 2, 1, 1, 1, "contradict"),
        (3, 3, 0, 0, 0, 0, "unclear"),
        (3, 3, 2, 0, 0, 0, "partly"),
        (3, 3, 2, 0, 2, 0, "partly"),
        (4, 3, 3, 0, 3, 0, "agree_of_done"),
        (4, 3, 3, 0, 1, 0, "some_of_done"),
        (4, 3, 3, 0, 0, 0, "none_of_done"),
        (4, 1, 1, 0, 1, 0, "too_few"),
        (4, 1, 0, 0, 0, 0, "too_few"),
        (1, 1, 1, 0, 1, 0, "too_few"),
    ],
)
def test_the_word_for_agreement_follows_from_the_counts(
    planned, done, better, worse, shown_better, shown_worse, said
):
    """ "All" is said of all that were planned, and one result agrees with nothing."""
    counts = {
        "planned": planned,
        "done": done,
        "better": better,
        "worse": worse,
        "shown_better": shown_better,
        "shown_worse": shown_worse,
    }
    assert _said(counts) == said


def test_one_of_two_ways_done_is_not_called_agreement():
    late = dataclasses.replace(protocol().analysis("all.rmst"), id="all.late", tau=5000)
    ways = PlannedAnalysis("all.ways", "specification", TITLE, of="all.crude", compares=("all.late",))
    report = made(*plans("all.crude"), late, ways)[0]
    said = {language: spoken(report, language) for language in ("zh", "en")}
    assert "Fewer than two gave a result, so there is no agreement to tell." in said["en"]
    assert "无从比较是否一致" in said["zh"]
    assert "They all say the same" not in said["en"] and "point the same way" not in said["en"]


def test_handlings_of_nobody_lost_are_one_number_and_no_agreement():
    """Three ways as planned and three results, but the same one."""
    frame = DATASET.frame.assign(time_days=DATASET.frame["time_days"].where(DATASET.frame["event"] == 1, 400))
    ways = PlannedAnalysis("all.ways", "specification", TITLE, of="all.criterion")
    report = made(*plans("all.criterion"), ways, frame=frame)[0]
    english, chinese = spoken(report, "en"), spoken(report, "zh")
    assert "These results are one number, so there is no agreement to tell." in english
    assert "Nobody was lost, so the three handlings of those lost give one number" in english
    assert "这些结果是同一个数" in chinese and "无人失访" in chinese
    assert "They all say the same" not in english
    some_lost = spoken(made(*plans("all.criterion"), ways)[0], "en")
    assert "Nobody was lost, so the three" not in some_lost
