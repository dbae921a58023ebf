"""The choice of a curve for the time after the data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from studies.statistics.economics.extrapolation import (
    Bound,
    Criteria,
    LifeTable,
    capped_survival,
    choose_curve,
    hazard_shape,
    mean_survival,
)
from studies.statistics.survival.parametric import fit_distribution
from tests.studies.statistics.safety.test_rates import refused

RNG = np.random.default_rng(8)
DEATH = 3 * RNG.weibull(1.4, 250)
TIME, EVENT = np.minimum(DEATH, 2.5), DEATH <= 2.5
LIVES = LifeTable((0.0, 10.0, 20.0, 40.0), (1.0, 0.9, 0.7, 0.05), "an invented table")


def test_a_choice_by_information_alone_is_refused():
    refused("information_only", choose_curve, TIME, EVENT, horizon=10, criteria=Criteria())


def test_the_lowest_criterion_wins_among_those_that_meet_the_rest():
    choice = choose_curve(TIME, EVENT, horizon=20, criteria=Criteria(shapes=("rising",)))
    assert choice.chosen.distribution in ("weibull", "gompertz", "gengamma")
    left = [one for one in choice.candidates if one.curve is not None and not one.excluded]
    assert choice.chosen.aic == min(one.curve.aic for one in left if one.curve is not None)
    out = {one.distribution: one.excluded for one in choice.candidates if one.excluded}
    assert {"exponential", "lognormal", "loglogistic"} <= set(out)
    assert all(text.zh and text.en for texts in out.values() for text in texts)
    assert "AIC" in choice.method and "shape" in choice.method


def test_clinical_bounds_exclude_long_tails():
    bounded = Criteria(bounds=(Bound(10, 0.0, 0.01),), information="bic")
    choice = choose_curve(TIME, EVENT, horizon=20, criteria=bounded)
    out = {one.distribution for one in choice.candidates if one.excluded}
    assert {"lognormal", "loglogistic"} <= out
    assert float(choice.chosen.survival([10])[0]) <= 0.01
    refused(
        "no_curve_left", choose_curve, TIME, EVENT, horizon=20, criteria=Criteria(bounds=(Bound(1, 0.99, 1),))
    )


def test_nobody_outlives_the_general_population():
    short = LifeTable((0.0, 5.0, 30.0), (1.0, 0.35, 1e-4), "an invented table of very old people")
    choice = choose_curve(TIME, EVENT, horizon=30, criteria=Criteria(population=short))
    assert (choice.chosen.survival(np.linspace(0, 30, 50)) <= short.at(np.linspace(0, 30, 50)) + 0.0101).all()
    assert any("general population" in text.en for one in choice.candidates for text in one.excluded)


def test_hazards_have_the_shapes_of_their_families():
    shapes = {name: hazard_shape(fit_distribution(TIME, EVENT, distribution=name), 30)
              for name in ("exponential", "weibull", "gompertz", "lognormal", "loglogistic")}  # fmt: skip
    assert shapes["exponential"] == "constant"
    assert shapes["weibull"] == shapes["gompertz"] == "rising"
    assert shapes["lognormal"] == shapes["loglogistic"] == "rising then falling"


def test_the_mean_of_an_exponential_curve_has_its_closed_form():
    curve = fit_distribution(TIME, EVENT, distribution="exponential")
    rate, horizon = curve.parameters["rate"], 8.0
    found = mean_survival(curve, horizon)
    assert found.value == pytest.approx(-math.expm1(-rate * horizon) / rate, rel=1e-10)
    slope = (rate * horizon * math.exp(-rate * horizon) + math.expm1(-rate * horizon)) / rate
    assert found.se == pytest.approx(abs(slope) / math.sqrt(EVENT.sum()), rel=1e-6)


def test_a_cap_acts_only_where_the_population_dies_faster():
    curve = fit_distribution(TIME, EVENT, distribution="lognormal")
    grid = np.linspace(0, 40, 161)
    capped, first = capped_survival(curve, grid, LIVES)
    own = curve.survival(grid)
    assert (capped <= own + 1e-15).all()
    assert first is not None and capped[grid <= first] == pytest.approx(own[grid <= first], rel=1e-12)
    falls, general = np.diff(np.log(capped)), np.diff(np.log(LIVES.at(grid)))
    assert (falls <= general + 1e-12).all()
    never, when = capped_survival(fit_distribution(TIME, EVENT, distribution="exponential"), grid[:41], LIVES)
    assert when is None and never[-1] == pytest.approx(math.exp(-10 * -math.log(never[1]) * 4), rel=1e-9)


def test_what_cannot_be_chosen_is_refused():
    stated = Criteria(shapes=("rising",))
    refused("no_events", choose_curve, TIME, np.zeros(250), horizon=9, criteria=stated)
    refused("bad_argument", choose_curve, TIME, EVENT, horizon=0, criteria=stated)
    refused("bad_argument", choose_curve, TIME, EVENT, horizon=9, criteria=Criteria(shapes=("flat",)))  # type: ignore[arg-type]  # wrong on purpose
    refused("bad_argument", choose_curve, TIME, EVENT, horizon=9, criteria=stated, distributions=("normal",))
    any_shape: Any = Criteria(shapes=("rising",), information="dic")
    refused("bad_argument", choose_curve, TIME, EVENT, horizon=9, criteria=any_shape)
    refused("bad_argument", LIVES.at, [50.0])
    refused("bad_argument", LifeTable((0.0, 1.0), (1.0, 1.1), "rising").at, [0.5])
    curve = fit_distribution(TIME, EVENT, distribution="weibull")
    refused("bad_argument", capped_survival, curve, [1.0, 2.0], LIVES)
    refused("bad_argument", mean_survival, curve, -1)
    refused("bad_argument", hazard_shape, curve, 0)
