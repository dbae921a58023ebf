"""Prediction: limits and averages against their definitions, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.survival.cox import fit_cox
from studies.statistics.survival.prediction import (
    baseline_hazard,
    predict,
    predict_survival,
)
from studies.statistics.survival.residuals import residuals
from studies.statistics.survival.standardization import standardized_difference, standardized_survival
from tests.studies.statistics.survival.cohorts import people


@pytest.fixture
def fit():
    p = people(31)
    return fit_cox(p.x, p.time, p.event, strata=p.strata, names=["a", "b"])


def test_expected_events_are_observed_less_the_martingale_residuals(fit):
    assert predict(fit, "expected").value == pytest.approx(people(31).event - residuals(fit), abs=1e-12)


def test_new_rows_that_are_the_old_ones_are_predicted_alike():
    """With Breslow's ties nobody is taken out of a tie, so the rows of the fit and new rows cannot differ."""
    p = people(36)
    fit = fit_cox(p.x, p.time, p.event, entry=p.entry, strata=p.strata, ties="breslow")
    for kind in ("lp", "risk", "expected", "survival"):
        for reference in ("strata", "sample", "zero"):
            old = predict(fit, kind, reference=reference)
            new = predict(fit, kind, x=p.x, time=p.time, entry=p.entry, strata=p.strata, reference=reference)
            assert new.value == pytest.approx(old.value, rel=1e-9, abs=1e-12)
            assert new.se == pytest.approx(old.se, rel=1e-9, abs=1e-12)


def test_expected_events_of_a_split_row_add_up():
    p = people(37)
    fit = fit_cox(p.x, p.time, p.event)
    whole = predict(fit, "expected", x=[[0.2, 1.0]], time=[9.0]).value
    parts = predict(fit, "expected", x=[[0.2, 1.0]] * 2, time=[4.0, 9.0], entry=[0.0, 4.0]).value
    assert parts.sum() == pytest.approx(whole[0], rel=1e-12)


def test_curves_start_at_one_fall_and_stay_within_their_limits(fit):
    for conf_type in ("log", "log-log", "plain", "logit", "arcsin"):
        found = predict_survival(
            fit, [[0.3, 1], [2.0, 0]], np.arange(0, 30), strata=[0.0, 2.0], conf_type=conf_type
        )
        assert (found.surv[0] == 1).all() and (np.diff(found.surv, axis=0) <= 0).all()
        assert (found.lower <= found.surv).all() and (found.surv <= found.upper).all()
        assert (found.lower >= 0).all() and (found.upper <= 1).all()
        assert found.surv == pytest.approx(np.exp(-found.cumhaz))


def test_a_baseline_and_a_person_of_zeros_are_the_same(fit):
    base = baseline_hazard(fit)
    for stratum in (0, 1, 2):
        mine = base.stratum == stratum
        person = predict_survival(fit, [[0, 0]], base.time[mine], strata=[float(stratum)])
        assert person.cumhaz[:, 0] == pytest.approx(base.cumhaz[mine], rel=1e-12)
    factor = np.exp(fit.coef @ people(31).x.mean(axis=0))
    assert baseline_hazard(fit, centered=True).cumhaz == pytest.approx(base.cumhaz * factor, rel=1e-12)


def test_the_average_of_one_person_is_that_person(fit):
    """Value and error: the delta method on the average is then that on the curve."""
    one = predict_survival(fit, [[0.4, 1]], [3, 8], strata=[1.0])
    mean = standardized_survival(fit, [[0.4, 1]], [3, 8], strata=[1.0])
    assert mean.surv == pytest.approx(one.surv[:, 0], rel=1e-12)
    assert mean.se == pytest.approx(one.se[:, 0] * one.surv[:, 0], rel=1e-12)


def test_the_average_is_the_mean_of_the_curves_and_weights_are_people(fit):
    p = people(31)
    curves = predict_survival(fit, p.x, [5, 9], strata=p.strata)
    plain = standardized_survival(fit, p.x, [5, 9], strata=p.strata)
    assert plain.surv == pytest.approx(curves.surv.mean(axis=1), rel=1e-12)
    twice = np.repeat(np.arange(80), 1 + np.arange(80) % 2)
    weighted = standardized_survival(fit, p.x, [5, 9], strata=p.strata, weights=1.0 + np.arange(80) % 2)
    copies = standardized_survival(fit, p.x[twice], [5, 9], strata=p.strata[twice])
    assert weighted.surv == pytest.approx(copies.surv) and weighted.se == pytest.approx(copies.se)


def test_switching_the_arms_switches_the_sign_of_the_difference(fit):
    p = people(31)
    treated, untreated = p.x * [1, 0] + [0, 1], p.x * [1, 0]
    one = standardized_difference(fit, treated, untreated, [5], strata=p.strata)
    two = standardized_difference(fit, untreated, treated, [5], strata=p.strata)
    assert one.difference[0].value == pytest.approx(-two.difference[0].value)
    assert one.difference[0].se == pytest.approx(two.difference[0].se)
    assert one.difference[0].value == pytest.approx(one.first.surv[0] - one.second.surv[0])
    same = standardized_difference(fit, treated, treated, [5], strata=p.strata)
    assert same.difference[0].value == same.difference[0].se == 0.0


def test_a_time_that_is_off_by_rounding_is_the_event_time_it_means():
    p = people(32)
    fit = fit_cox(p.x, p.time / 10, p.event)
    exact = predict_survival(fit, [[0, 0]], [0.3])
    assert predict_survival(fit, [[0, 0]], [0.3 * (1 - 1e-15)]).surv == exact.surv


@pytest.mark.parametrize(
    "options, code",
    [
        ({"x": [[1.0, 2.0, 3.0]]}, "bad_argument"),
        ({"x": np.empty((0, 2))}, "no_subjects"),
        ({"x": [[np.nan, 0.0]]}, "not_a_number"),
        ({"times": [-1.0]}, "negative_time"),
        ({"times": []}, "no_subjects"),
        ({"times": [np.inf]}, "not_a_number"),
        ({"strata": None}, "bad_argument"),
        ({"strata": [9.0]}, "bad_labels"),
        ({"strata": [0.0, 1.0]}, "bad_argument"),
        ({"stype": 3}, "bad_argument"),
        ({"ctype": 3}, "bad_argument"),
        ({"conf_type": "none"}, "bad_argument"),
    ],
)
def test_bad_input_is_refused_with_a_reason(fit, options, code):
    given = {"x": [[0.0, 1.0]], "times": [3.0], "strata": [0.0]} | options
    with pytest.raises(CannotEstimate, match=code):
        predict_survival(fit, given.pop("x"), given.pop("times"), **given)


@pytest.mark.parametrize(
    "options",
    [{"kind": "hazard"}, {"reference": "mean"}, {"kind": "expected", "x": [[0, 0]], "strata": [0.0]}],
)
def test_unknown_predictions_are_refused(fit, options):
    with pytest.raises(CannotEstimate, match="bad_argument"):
        predict(fit, **options)


def test_an_offset_in_the_fit_must_be_given_for_new_people():
    p = people(33)
    fit = fit_cox(p.x, p.time, p.event, offset=p.weights)
    with pytest.raises(CannotEstimate, match="offset"):
        predict_survival(fit, [[0, 0]], [3])
    assert predict_survival(fit, [[0, 0]], [3], offset=[1.0]).surv[0, 0] < 1


def test_survival_of_zero_has_no_limits_on_a_log_scale():
    """Kalbfleisch and Prentice's curve ends at 0 where the last one dies."""
    p = people(34)
    event = np.where(p.time == p.time.max(), 1.0, p.event)
    fit = fit_cox(p.x, p.time, event)
    with pytest.raises(CannotEstimate, match="not_estimable"):
        predict_survival(fit, [[0, 0]], [p.time.max()], stype=1)
    assert predict_survival(fit, [[0, 0]], [p.time.max()], stype=1, conf_type="plain").surv[0, 0] == 0
