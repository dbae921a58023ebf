"""The self-controlled case series and the pieces it is fitted to."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from studies.statistics.safety.case_intervals import case_intervals
from studies.statistics.safety.sccs import sccs, upper_bound
from tests.studies.statistics.safety.test_rates import refused

WINDOWS = {"week 1": (0, 6), "weeks 2-4": (7, 27)}


def cases(seed: int = 1, m: int = 300, effect: float = 1.0, **changes: Any) -> dict[str, Any]:
    """One event a case, more frequent by exp(effect) in the 28 days from exposure on."""
    rng = np.random.default_rng(seed)
    start = np.zeros(m)
    end = np.full(m, 364.0)
    exposure = rng.integers(0, 330, m).astype(float)
    weight = np.ones((m, 365))
    day = np.arange(365)
    weight[(day >= exposure[:, None]) & (day < exposure[:, None] + 28)] = math.exp(effect)
    cumulated = weight.cumsum(axis=1)
    event = (cumulated < rng.random((m, 1)) * cumulated[:, -1:]).sum(axis=1)
    columns: dict[str, Any] = {
        "start": start,
        "end": end,
        "event_case": np.arange(m),
        "event_day": event,
        "exposure_case": np.arange(m),
        "exposure_day": exposure,
        "risk_windows": WINDOWS,
    }
    return columns | changes


def test_pieces_cover_every_day_once_and_hold_every_event():
    pieces = case_intervals(**cases(pre_exposure=14, age_cuts=[100, 200]))
    assert np.bincount(pieces.case, pieces.days) == pytest.approx(np.full(300, 365))
    assert pieces.events.sum() == 300
    assert (pieces.days > 0).all()
    assert pieces.risk_names == ("baseline", "week 1", "weeks 2-4", "pre-exposure")
    assert pieces.age_names == ("<100", "100-", "200-")


def test_the_pieces_are_those_that_counting_days_gives():
    """Two exposures: the later one counts where windows overlap, and risk overrules pre-exposure."""
    pieces = case_intervals(
        [1], [60], event_case=[0, 0], event_day=[1, 60], exposure_case=[0, 0], exposure_day=[30, 20],
        risk_windows=WINDOWS, pre_exposure=5, age_cuts=[40],
    )  # fmt: skip
    level = np.repeat(pieces.risk, pieces.days.astype(int))
    expected = np.zeros(61, dtype=int)
    expected[15:20] = 3
    for exposure in (20, 30):
        expected[exposure : exposure + 7] = 1
        expected[exposure + 7 : exposure + 28] = 2
    assert list(level) == list(expected[1:61])
    assert list(np.repeat(pieces.age, pieces.days.astype(int))) == [0] * 39 + [1] * 21
    assert pieces.events[0] == 1 and pieces.events[-1] == 1


def test_one_window_without_age_has_the_solution_of_a_simple_equation():
    """Same exposure length for all: RI = (events inside / days inside) / (outside / outside days)."""
    n, inside = 40, 26
    pieces = case_intervals(
        np.zeros(n), np.full(n, 99), event_case=np.arange(n),
        event_day=np.where(np.arange(n) < inside, 10, 80), exposure_case=np.arange(n),
        exposure_day=np.zeros(n), risk_windows={"risk": (0, 19)},
    )  # fmt: skip
    fit = sccs(pieces)
    assert fit.risks[0].estimate.value == pytest.approx((inside / 20) / ((n - inside) / 80), rel=1e-10)
    assert fit.risks[0].estimate.se == pytest.approx(math.sqrt(1 / inside + 1 / (n - inside)), rel=1e-9)


def test_the_effect_that_was_put_in_is_found():
    fit = sccs(case_intervals(**cases(m=2000)))
    assert fit.coef == pytest.approx([1.0, 1.0], abs=0.2)
    assert fit.cases == 2000 and fit.events == 2000


def test_the_order_of_cases_and_cutting_more_finely_change_nothing():
    plain = sccs(case_intervals(**cases()))
    columns = cases()
    turn = np.random.default_rng(0).permutation(300)
    place = np.argsort(turn)
    columns |= {
        "start": columns["start"][turn],
        "end": columns["end"][turn],
        "event_case": place[columns["event_case"]],
        "exposure_case": place[columns["exposure_case"]],
    }
    assert sccs(case_intervals(**columns)).coef == pytest.approx(plain.coef, rel=1e-9)
    halved = {"a": (0, 2), "b": (3, 6), "weeks 2-4": (7, 27)}
    assert sccs(case_intervals(**cases(risk_windows=halved))).risks[2].events == plain.risks[1].events


def test_each_case_twice_is_half_the_variance():
    columns = cases()
    twice = {
        name: np.concatenate([columns[name], columns[name]])
        for name in ("start", "end", "event_day", "exposure_day")
    }
    both = np.concatenate([np.arange(300), np.arange(300, 600)])
    one, two = (
        sccs(case_intervals(**columns)),
        sccs(case_intervals(**columns | twice | {"event_case": both, "exposure_case": both})),
    )
    assert two.coef == pytest.approx(one.coef, rel=1e-9)
    assert two.covariance == pytest.approx(one.covariance / 2, rel=1e-8)


def test_people_without_an_event_add_nothing():
    columns = cases()
    more = columns | {"start": np.zeros(350), "end": np.full(350, 364.0)}
    assert sccs(case_intervals(**more)).loglik == pytest.approx(sccs(case_intervals(**columns)).loglik)


def test_profile_limits_are_close_to_walds_with_many_events():
    pieces = case_intervals(**cases(m=2000))
    wald, profile = sccs(pieces).risks[0].estimate, sccs(pieces, conf_type="profile").risks[0].estimate
    assert (profile.lower, profile.upper) == pytest.approx((wald.lower, wald.upper), rel=0.02)


def test_a_window_without_events_has_a_bound_and_no_estimate():
    """20 cases, all their events outside a 10-day window of 100 days: (1 - share)^20 = 0.05 gives the bound."""
    pieces = case_intervals(
        np.zeros(20), np.full(20, 99), event_case=np.arange(20), event_day=np.full(20, 80),
        exposure_case=np.arange(20), exposure_day=np.zeros(20), risk_windows={"risk": (0, 9)},
    )  # fmt: skip
    refused("no_events_in_window", sccs, pieces)
    bound = upper_bound(pieces, "risk")
    # 20 log(90/(90 + 10 RI)) = -z^2/2 with the one-sided z of 95 %.
    assert bound == pytest.approx(9 * (math.exp(1.6448536269514722**2 / 40) - 1), rel=1e-8)
    refused("bad_argument", upper_bound, pieces, "another")
    refused("bad_argument", upper_bound, pieces, "risk", conf_level=0.4)


def test_warnings_say_what_speaks_against_the_method():
    codes = [one.en for one in sccs(case_intervals(**cases())).warnings]
    assert any("no pre-exposure window" in text for text in codes)
    # An event on day 50 to 200 keeps everybody from exposure for 40 days.
    rng = np.random.default_rng(3)
    event = rng.integers(50, 200, 400).astype(float)
    exposure = np.where(rng.random(400) < 0.5, event + rng.integers(40, 100, 400), rng.integers(0, 30, 400))
    columns = cases(m=400) | {"event_day": event, "exposure_day": exposure}
    columns |= {"risk_windows": {"four months": (0, 119)}, "pre_exposure": 60}
    assert any("may change later exposure" in one.en for one in sccs(case_intervals(**columns)).warnings)
    ended = cases(m=300)
    ended |= {"end": np.minimum(364.0, ended["event_day"] + 5.0)}
    keep = ended["exposure_day"] <= ended["end"]
    ended |= {"exposure_case": np.flatnonzero(keep), "exposure_day": ended["exposure_day"][keep]}
    assert any("left observation" in one.en for one in sccs(case_intervals(**ended)).warnings)


def test_series_that_cannot_be_fitted_are_refused():
    refused("no_events", case_intervals, **cases(event_case=[], event_day=[]))
    refused("outside_observation", case_intervals, **cases(event_day=np.full(300, 400)))
    refused("bad_argument", case_intervals, **cases(event_case=np.full(300, 300)))
    refused("bad_argument", case_intervals, **cases(end=np.full(300, -1.0)))
    refused("bad_argument", case_intervals, **cases(exposure_day=np.full(300, 0.5)))
    refused("bad_argument", case_intervals, **cases(risk_windows={}))
    refused("bad_argument", case_intervals, **cases(risk_windows={"a": (0, 9), "b": (9, 12)}))
    refused("bad_argument", case_intervals, **cases(risk_windows={"a": (-3, 9)}))
    refused("bad_argument", case_intervals, **cases(pre_exposure=-1))
    refused("not_a_number", case_intervals, **cases(event_day=np.full(300, np.nan)))
    everybody = cases(exposure_day=np.zeros(300), risk_windows={"all": (0, 400)})
    refused("events_only_in_window", sccs, case_intervals(**everybody))
    refused("bad_argument", sccs, case_intervals(**cases()), robust=True, conf_type="profile")
    refused("bad_argument", sccs, case_intervals(**cases()), conf_level=2)
    # Exposed and unexposed time are never seen in one case:
    apart = case_intervals(
        [0, 0], [9, 9], event_case=[0, 1], event_day=[3, 3], exposure_case=[0], exposure_day=[0],
        risk_windows={"risk": (0, 30)},
    )  # fmt: skip
    refused("nothing_to_contrast", sccs, apart)
    refused("nothing_to_contrast", upper_bound, apart, "risk")


def test_a_hundred_thousand_cases_are_fitted_in_seconds():
    columns = cases(m=2000)
    times = 50
    shift = np.repeat(np.arange(times) * 2000, 2000)
    many = {name: np.tile(columns[name], times) for name in ("start", "end", "event_day", "exposure_day")}
    many |= {name: np.tile(columns[name], times) + shift for name in ("event_case", "exposure_case")}
    fit = sccs(case_intervals(**many, risk_windows=WINDOWS, age_cuts=[90, 180, 270]))
    assert fit.events == 100_000
    assert fit.coef[:2] == pytest.approx(
        sccs(case_intervals(**columns, age_cuts=[90, 180, 270])).coef[:2], rel=1e-8
    )
