"""An arm of which an aggregate edition draws no curve: the figure says so, and by which rule."""

from __future__ import annotations

import dataclasses

import pytest

from rwd_platform.core.text import Bilingual
from studies.evidence.figures import Curve, SurvivalLabels, draw, survival, with_numbers
from studies.evidence.incidence_plot import IncidenceCurve, IncidenceLabels, incidence
from studies.evidence.numbers import Number
from studies.evidence.report.blocks import Figure, Table
from tests.evidence.fixtures import rotterdam_inputs, with_changes
from tests.evidence.report_forms.made import Made, make

FIGURE, TABLE = "incidence_restricted_incidence", "incidences_restricted_incidence"
KM = "km_restricted_kaplan_meier"


def cut(kinds: tuple[str, ...], *, audience: str = "aggregate", drawn: bool = True) -> Made:
    """The demonstration with so few days of the exposed arm's curves that none but the start is left."""
    inputs = with_changes(rotterdam_inputs(), audience=audience)
    results = inputs.results
    series = tuple(
        dataclasses.replace(one, points=one.points[:1])
        if any(one.id.endswith(f".{kind}.exposed") for kind in kinds)
        else one
        for one in results.series
    )
    inputs = dataclasses.replace(inputs, results=dataclasses.replace(results, series=series))
    return make(inputs, drawn=drawn)


def block(of: Made, kind: type, key: str):
    return next(one for one in of.report.blocks if isinstance(one, kind) and one.key == key)


def notes(one: Figure | Table, language: str) -> str:
    return "\n".join(note.plain(language) for note in one.notes)


@pytest.fixture(scope="module")
def closed() -> Made:
    return cut(("incidence", "causes"))


def test_the_figure_says_of_the_arm_without_a_curve_that_it_is_withheld_and_why(closed):
    figure = block(closed, Figure, FIGURE)
    assert "The curve of 'Demo product A'" in notes(figure, "en")
    assert "at least 10 events of each kind" in notes(figure, "en")
    assert "“使用演示药 A”的曲线" in notes(figure, "zh") and "隐去" in notes(figure, "zh")
    for language, words in (("en", "curve withheld, see the note"), ("zh", "曲线隐去，原因见图注")):
        assert words in closed.drawings[f"{FIGURE}_{language}"].svg.decode()


def test_the_table_says_what_its_dashes_are(closed):
    table = block(closed, Table, TABLE)
    assert "withheld in this edition ('—' in the table)" in notes(table, "en")
    assert {row[1].plain("en") for row in table.rows[2:]} == {"—"}


def test_an_arm_that_is_told_and_an_authoritys_edition_have_no_such_word():
    for of in (cut(()), cut(("incidence", "causes"), audience="authority", drawn=False)):
        assert "withheld" not in notes(block(of, Figure, KM), "en").replace(
            "smaller numbers are withheld", ""
        )
    authority = cut(("incidence", "causes"), audience="authority", drawn=False)
    assert "withheld" not in notes(block(authority, Figure, FIGURE), "en")


def test_a_survival_curve_without_a_day_is_not_drawn_as_if_nobody_had_the_event():
    of = cut(("curve", "steps"))
    figure, table = block(of, Figure, KM), block(of, Table, "median_restricted_kaplan_meier")
    assert "The curve of 'Demo product A'" in notes(figure, "en")
    assert "withheld in this edition" in notes(table, "en")
    assert "curve withheld, see the note" in of.drawings[f"{KM}_en"].svg.decode()


def test_an_arm_without_any_number_at_risk_has_no_row_of_dashes():
    number = Number("n0001", "figure:x:0", "data", "int", "12", "12", ard_id="a")
    name, other = Bilingual("甲", "FirstArm"), Bilingual("乙", "SecondArm")
    curves = [
        IncidenceCurve(name, "#000000", ([(0.0, 0.0, None, None)],), True, (None, None)),
        IncidenceCurve(
            other, "#000000", ([(0.0, 0.0, None, None), (90.0, 0.2, 0.1, 0.3)],), True, (number, None)
        ),
    ]
    assert with_numbers(curves) == [curves[1]]
    labels = IncidenceLabels((Bilingual("事件", "Event"),), name, name, Bilingual("风险人数", "At risk"))
    svg = draw("x", incidence(curves, (0, 90), labels))["x_en"].svg.decode()
    assert "SecondArm" in svg and svg.count("–") <= 1
    lines = [Curve(one.title, one.colour, [(0.0, 1.0, None, None)], one.at_risk) for one in curves]
    svg = draw("y", survival(lines, (0, 90), SurvivalLabels(other, other, other)))["y_en"].svg.decode()
    assert svg.count("–") <= 1
