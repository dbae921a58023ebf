"""Tipping maps: the cell without a shift, monotone maps, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.missing.tipping_point import count_map, tipping_binary, tipping_continuous
from studies.statistics.missing.tipping_time import PieceHazard, tipping_time_to_event
from studies.statistics.survival.cox import fit_cox

N = 300
_rng = np.random.default_rng(12)
ARM = np.arange(N) % 2
X = _rng.normal(size=N)
FULL = 1 + 0.6 * ARM + X + _rng.normal(size=N)
Y = np.where(_rng.random(N) < 0.2, np.nan, FULL)
YES = np.where(np.isnan(Y), np.nan, (FULL > 1.2) * 1.0)
_event, _loss = _rng.exponential(size=N) / np.where(ARM == 1, 0.6, 1.0), _rng.exponential(4.0, size=N)
TIME = np.minimum(np.minimum(_event, _loss), 3.0)
EVENT = (_event <= _loss) & (_event <= 3.0)
LOST = (_loss < _event) & (_loss < 3.0)
GRID: dict[str, Any] = {"delta_reference": [-1, 0, 1], "delta_treated": [-2, -1, 0, 1], "seed": 4, "m": 40}
RATIOS: dict[str, Any] = {"delta_reference": [0.5, 1, 2], "delta_treated": [1, 2, 5], "seed": 4, "m": 20}


def test_without_a_shift_the_map_gives_the_analysis_under_missing_at_random() -> None:
    found = tipping_continuous(Y, ARM, covariates=X, **GRID)
    seen = ~np.isnan(Y)
    design = np.column_stack([np.ones(N), ARM, X])[seen]
    complete = np.linalg.lstsq(design, Y[seen], rcond=None)[0][1]
    row, column = found.primary
    assert (found.delta_reference[row], found.delta_treated[column]) == (0, 0)
    assert found.estimate[row, column] == pytest.approx(complete, abs=0.03)
    assert not found.tipped[row, column]


def test_a_shift_moves_the_estimate_by_the_share_missing() -> None:
    """Without covariates a delta in one arm moves its mean by delta times the share missing there, exactly."""
    found = tipping_continuous(Y, ARM, **GRID)
    share = np.isnan(Y[ARM == 1]).mean()
    assert np.diff(found.estimate, axis=1) == pytest.approx(np.full((3, 3), share))
    share = np.isnan(Y[ARM == 0]).mean()
    assert np.diff(found.estimate, axis=0) == pytest.approx(np.full((2, 4), -share))


@pytest.mark.parametrize("make", [tipping_continuous, tipping_binary])
def test_maps_are_monotone_and_repeatable(make: Any) -> None:
    y = Y if make is tipping_continuous else YES
    found, again = make(y, ARM, covariates=X, **GRID), make(y, ARM, covariates=X, **GRID)
    assert (np.diff(found.estimate, axis=1) > 0).all() and (np.diff(found.estimate, axis=0) < 0).all()
    assert (found.estimate == again.estimate).all()
    assert found.missing_reference + found.missing_treated == int(np.isnan(Y).sum())


def test_a_significant_result_tips_where_it_loses_its_significance() -> None:
    found = tipping_continuous(
        Y, ARM, covariates=X, delta_reference=[0], delta_treated=np.arange(-6, 1), seed=1, m=40
    )
    assert found.significant[found.primary]
    assert (found.tipped == (~found.significant | (found.estimate < 0))).all()
    assert found.tipped.any()


def test_the_binary_map_runs_from_the_worst_to_the_best_case() -> None:
    """A huge delta turns every missing outcome into an event: the corners of the map of counts."""
    far = tipping_binary(YES, ARM, delta_reference=[-500, 0, 500], delta_treated=[-500, 0, 500], seed=1, m=5)
    counts = count_map(YES, ARM)
    for row, at_row in ((0, 0), (2, -1)):
        for column, at_column in ((0, 0), (2, -1)):
            assert far.estimate[row, column] == pytest.approx(counts.difference[at_row, at_column])
            assert far.p[row, column] == pytest.approx(counts.p[at_row, at_column], rel=1e-3)


def test_the_map_of_counts_has_a_cell_for_every_number_of_events() -> None:
    found = count_map([1, 0, np.nan, 1, 0, np.nan, np.nan], ["a", "a", "a", "b", "b", "b", "b"])
    assert found.difference.shape == (2, 3)
    assert found.difference[0, 0] == pytest.approx(1 / 4 - 1 / 3)
    assert found.difference[1, 2] == pytest.approx(3 / 4 - 2 / 3)


def test_the_time_map_without_a_shift_is_near_cox_and_rises_with_the_hazard_of_the_lost() -> None:
    found = tipping_time_to_event(TIME, EVENT, ARM, LOST, horizon=3.0, **RATIOS)
    cox = fit_cox(ARM[:, None], TIME, EVENT)
    assert found.estimate[found.primary] == pytest.approx(cox.coef[0], abs=0.5 * cox.se[0])
    assert found.se[found.primary] >= 0.95 * cox.se[0]
    assert (np.diff(found.estimate, axis=1) > 0).all() and (np.diff(found.estimate, axis=0) < 0).all()


def test_only_the_lost_are_imputed_and_never_beyond_their_horizon() -> None:
    """A horizon at the loss itself leaves nothing to impute: every cell is the analysis of the data."""
    cox = fit_cox(ARM[:, None], TIME, EVENT)
    found = tipping_time_to_event(TIME, EVENT, ARM, LOST, horizon=np.maximum(TIME, 0), **RATIOS)
    assert found.estimate == pytest.approx(np.full((3, 3), cox.coef[0]), rel=1e-9)
    assert found.se == pytest.approx(np.full((3, 3), cox.se[0]), rel=1e-9)


def test_a_piecewise_hazard_is_inverted_exactly() -> None:
    hazard = PieceHazard(
        np.array([0.0, 1.0, 2.0]),
        np.array([0.5, 2.0, 0.1]),
        np.array([0.2, 1.5, 4.0]),
        np.array([0.1, 3.0, 0.7]),
    )
    for delta in (0.5, 1.0, 3.0):
        when = hazard.time_after(delta)
        gained = hazard.cumulative(when) - hazard.cumulative(np.array([0.2, 1.5, 4.0]))
        assert gained == pytest.approx(np.array([0.1, 3.0, 0.7]) / delta)


def test_the_reference_named_is_the_reference() -> None:
    a = tipping_binary(YES, ARM, **GRID)
    b = tipping_binary(
        YES, ARM, reference=1, delta_reference=[-2, -1, 0, 1], delta_treated=[-1, 0, 1], seed=4, m=40
    )
    assert a.arms == (0, 1) and b.arms == (1, 0)
    assert b.estimate[b.primary] == pytest.approx(-a.estimate[a.primary], abs=0.03)


BAD: list[tuple[Any, Any, dict[str, Any], str]] = [
    ([], [], {}, "no_subjects"),
    (Y, ARM[:5], {}, "lengths_differ"),
    (FULL, ARM, {}, "nothing_missing"),
    (Y, np.zeros(N), {}, "one_arm"),
    (Y, np.arange(N) % 3, {}, "not_two_arms"),
    (np.where(ARM == 1, np.nan, FULL), ARM, {}, "arm_never_observed"),
    (Y, ARM, {"reference": 9}, "bad_argument"),
    (Y, ARM, {"delta_treated": [1, 2]}, "bad_argument"),
    (Y, ARM, {"delta_treated": [0, np.nan]}, "not_a_number"),
    (Y, ARM, {"covariates": np.full(N, np.nan)}, "not_a_number"),
    (Y, ARM, {"covariates": np.ones(N)}, "dependent"),
    (["a"] * N, ARM, {}, "not_a_number"),
    (Y, ARM, {"m": 1}, "too_few_imputations"),
    (Y, ARM, {"conf_level": 0.0}, "bad_argument"),
]


@pytest.mark.parametrize(("y", "arm", "options", "code"), BAD)
def test_what_cannot_be_mapped_is_refused_by_name(
    y: Any, arm: Any, options: dict[str, Any], code: str
) -> None:
    with pytest.raises(CannotEstimate) as refused:
        tipping_continuous(y, arm, **{**GRID, **options})
    assert refused.value.reason.code == code


def test_what_cannot_be_mapped_over_time_is_refused_by_name() -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"lost": np.zeros(N)}, "nothing_missing"),
        ({"lost": np.ones(N)}, "bad_argument"),
        ({"horizon": 0.01}, "bad_argument"),
        ({"horizon": [3.0]}, "lengths_differ"),
        ({"delta_treated": [0, 1]}, "bad_argument"),
        ({"delta_treated": [2]}, "bad_argument"),
        ({"pieces": 0}, "bad_argument"),
        ({"event": EVENT & (ARM == 0), "lost": LOST & (ARM == 0)}, "no_events_in_arm"),
        ({"time": -TIME}, "negative_time"),
    ]
    for changed, code in cases:
        given: dict[str, Any] = {
            "time": TIME,
            "event": EVENT,
            "arm": ARM,
            "lost": LOST,
            "horizon": 3.0,
            **RATIOS,
            **changed,
        }
        first = [given.pop(name) for name in ("time", "event", "arm", "lost")]
        with pytest.raises(CannotEstimate) as refused:
            tipping_time_to_event(*first, **given)
        assert refused.value.reason.code == code, changed
    with pytest.raises(CannotEstimate, match="bad_argument"):
        tipping_binary(Y, ARM, **GRID)
    with pytest.raises(CannotEstimate, match="bad_argument"):
        count_map(Y, ARM)
