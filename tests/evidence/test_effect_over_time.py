"""The effect over time: the curve of the ARD is the one drawn, and it does not leave with an aggregate package."""

from __future__ import annotations

import re

import numpy as np
import pytest

from rwd_platform.core.text import Bilingual
from studies.evidence.effect_plot import effect_over_time
from studies.evidence.figures import draw
from studies.results import ResultSet
from studies.run import run_analyses
from studies.statistics.survival.cox import fit_cox
from studies.statistics.survival.ph_test import ph_test, smooth
from tests.studies.small import dataset, small_protocol

DAYS, YEARS, RATIO = Bilingual("天", "Days"), Bilingual("年", "Years"), Bilingual("风险比", "Hazard ratio")


@pytest.fixture(scope="module")
def results() -> ResultSet:
    return run_analyses(dataset(200), small_protocol(), "lock-1")


def series_of(results: ResultSet):
    return next(one for one in results.series if one.id == "all.adjusted.over_time")


def test_the_series_is_the_smooth_of_the_exposure(results: ResultSet):
    """Against a fit made here, of the same columns."""
    frame = dataset(200).frame
    x = np.column_stack(
        [frame["stent"], frame["age"], frame["weight_kg"], frame["frailty"] == "frail", frame["surgery"]]
    ).astype(float)
    curve = smooth(ph_test(fit_cox(x, frame["time_days"], frame["event"])))
    found = np.array(series_of(results).points, dtype=float)
    assert found[:, 1] == pytest.approx(curve.time, rel=1e-9)
    assert found[:, 2] == pytest.approx(np.exp(curve.estimate), rel=1e-9)
    assert found[:, 3] == pytest.approx(np.exp(curve.lower), rel=1e-9)
    assert len(found) == 40


def test_a_model_whose_hazards_are_not_tested_has_no_curve(results: ResultSet):
    assert [one.id for one in results.series if one.id.endswith("over_time")] == ["all.adjusted.over_time"]


def test_too_few_distinct_times_for_a_curve_are_told_and_the_test_stays():
    """Three days with events cannot carry four coefficients."""
    days = np.tile([10, 20, 30, 40], 50)
    people = dataset(200, time_days=days, event=(days < 40).astype(int))
    results = run_analyses(people, small_protocol(), "lock-1")
    assert "all.adjusted.over_time" in results.not_done
    assert results.row("all.adjusted.ph.global.p_value").value is not None


def svg(points, constant=0.8) -> dict[str, str]:
    drawings = draw("over_time", effect_over_time(points, constant, (DAYS, YEARS), RATIO))
    return {key: one.svg.decode() for key, one in drawings.items()}


def labels(drawing: str) -> list[str]:
    return re.findall(r">([^<>]+)</text>", drawing)


def line(days: np.ndarray, low: float = 0.5, high: float = 1.2):
    return [
        (place, day, 0.8, low, high) for place, day in zip(np.linspace(0, 0.6, len(days)), days, strict=True)
    ]


def test_a_short_study_is_told_in_days_and_a_long_one_in_years():
    short, long = svg(line(np.linspace(5, 365, 40))), svg(line(np.linspace(50, 4000, 40)))
    assert "Days" in labels(short["over_time_en"]) and "300" in labels(short["over_time_en"])
    assert "年" in labels(long["over_time_zh"]) and "10" in labels(long["over_time_zh"])


def test_a_band_without_bounds_stays_in_the_figure():
    """One is on the axis whatever the limits are; what lies beyond 20-fold is cut off."""
    for low, high in ((1e-9, 1e9), (0.79, 0.81), (2.0, 3.0)):
        shown = labels(svg(line(np.linspace(5, 365, 40), low, high))["over_time_en"])
        assert "1" in shown, (low, high)


def test_the_same_points_give_the_same_bytes():
    points = line(np.linspace(5, 365, 40))
    assert svg(points) == svg(points)
