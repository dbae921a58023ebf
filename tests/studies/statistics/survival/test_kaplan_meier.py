"""kaplan_meier: identities, invariances, and the influence sums against their definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.statistics.survival.kaplan_meier import RISK_SET_EMPTY, Curve, kaplan_meier, kaplan_meier_by

EXACT = 1e-11


def late_rows(n: int, seed: int) -> dict[str, Any]:
    """Tied times, delayed entry, weights, four rows a cluster."""
    rng = np.random.default_rng(seed)
    entry = rng.integers(0, 6, n)
    return {
        "time": entry + rng.integers(1, 12, n),
        "event": rng.integers(0, 2, n),
        "entry": entry,
        "weights": rng.uniform(0.2, 3.0, n),
        "cluster": np.arange(n) // 4,
    }


def same_curve(one: Curve, other: Curve, *fields: str) -> None:
    for name in fields or (
        "time",
        "surv",
        "std_err",
        "cumhaz",
        "std_chaz",
        "lower",
        "upper",
        "n_risk",
        "n_event",
    ):
        np.testing.assert_allclose(
            getattr(one, name), getattr(other, name), rtol=EXACT, atol=1e-12, err_msg=name
        )


def influence_by_definition(rows: dict[str, Any], times: Any) -> np.ndarray:
    """(clusters, k): the derivative of S(t) by each cluster's weight, one row and one time after the other."""
    time, event, entry, w = (np.asarray(rows[name], float) for name in ("time", "event", "entry", "weights"))
    found = np.zeros((int(np.max(rows["cluster"])) + 1, len(times)))
    for i in range(len(time)):
        total = 0.0
        for k, t in enumerate(times):
            at = (entry < t) & (time >= t)
            y, d = w[at].sum(), w[(time == t) & (event == 1)].sum()
            if at[i] and y - d > 1e-9:
                total += (float(time[i] == t and event[i] == 1) - d / y) / (y - d)
            found[rows["cluster"][i], k] += w[i] * -total
    return found


def test_without_censoring_the_curve_is_the_share_still_alive() -> None:
    """And its error is the binomial one."""
    curve = kaplan_meier([1, 2, 2, 3, 4], [1, 1, 1, 1, 1])
    np.testing.assert_allclose(curve.surv, [0.8, 0.4, 0.2, 0.0])
    np.testing.assert_allclose(curve.std_err[:3], np.sqrt([0.8 * 0.2 / 5, 0.4 * 0.6 / 5, 0.2 * 0.8 / 5]))
    np.testing.assert_allclose(curve.cumhaz, [0.2, 0.2 + 0.5, 0.7 + 0.5, 1.2 + 1.0])


def test_a_weight_of_two_is_two_rows() -> None:
    """Greenwood's formula with whole weights; the estimate with any."""
    time, event, weights = [1, 2, 2, 3, 5, 6], [1, 0, 1, 1, 0, 1], [2, 1, 3, 1, 2, 2]
    same_curve(
        kaplan_meier(time, event, weights=weights),
        kaplan_meier(np.repeat(time, weights), np.repeat(event, weights)),
    )


def test_robust_errors_of_twins_in_one_cluster_are_those_of_weight_two() -> None:
    """A person written down twice is still one person."""
    rows = late_rows(40, 3)
    twice = {
        name: np.concatenate([rows[name], rows[name]])
        for name in ("time", "event", "entry", "weights", "cluster")
    }
    rows["weights"] = 2 * rows["weights"]
    same_curve(kaplan_meier(**rows), kaplan_meier(**twice))


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_the_robust_error_is_the_sum_of_squared_influences(seed: int) -> None:
    """The running moments against the definition, with entry, weights, ties and clusters."""
    rows = late_rows(24, seed)
    curve = kaplan_meier(**rows)
    influence = influence_by_definition(rows, curve.time)
    np.testing.assert_allclose(
        curve.std_err, curve.surv * np.sqrt((influence**2).sum(axis=0)), rtol=1e-9, atol=1e-12
    )


def test_the_order_of_rows_does_not_matter() -> None:
    """Nor does the name of a cluster."""
    rows = late_rows(60, 5)
    order = np.random.default_rng(0).permutation(60)
    moved = {name: rows[name][order] for name in rows}
    moved["cluster"] = [f"ward {code}" for code in moved["cluster"]]
    same_curve(kaplan_meier(**rows), kaplan_meier(**moved))


def test_cutting_follow_up_in_two_changes_nothing() -> None:
    """A row (0, 9] is the rows (0, 4] and (4, 9] of one cluster."""
    time, event, who = np.array([9.0, 3, 7, 12, 7, 10]), np.array([1, 1, 0, 0, 1, 1]), np.arange(6)
    cut = time > 4
    curve = kaplan_meier(
        np.concatenate([np.minimum(time, 4), time[cut]]),
        np.concatenate([np.where(cut, 0, event), event[cut]]),
        entry=np.concatenate([np.zeros(6), np.full(cut.sum(), 4.0)]),
        cluster=np.concatenate([who, who[cut]]),
    )
    whole = kaplan_meier(time, event, cluster=who)
    at = [1, 3, 5, 7, 9, 10, 11]
    for name in ("surv", "std_err", "lower", "upper", "n_risk", "cumhaz"):
        np.testing.assert_allclose(
            getattr(curve.at(at), name), getattr(whole.at(at), name), rtol=EXACT, err_msg=name
        )


def test_without_weights_and_entry_the_robust_error_is_greenwoods() -> None:
    """Exactly, not only in large samples, where nobody dies out."""
    rng = np.random.default_rng(1)
    time, event = rng.integers(1, 30, 200), rng.integers(0, 2, 200)
    event[time == time.max()] = 0
    robust, plain = kaplan_meier(time, event, robust=True), kaplan_meier(time, event)
    same_curve(robust, plain, "surv", "std_err", "lower", "upper")


def test_entry_at_zero_is_no_delayed_entry() -> None:
    """And the unit of time does not matter."""
    rows = late_rows(50, 9)
    plain = kaplan_meier(rows["time"], rows["event"])
    same_curve(kaplan_meier(rows["time"], rows["event"], entry=np.zeros(50)), plain)
    same_curve(kaplan_meier(rows["time"] / 365.25, rows["event"]), plain, "surv", "std_err", "lower")


def test_times_that_differ_by_rounding_are_one_time() -> None:
    """0.1 + 0.2 is 0.3."""
    curve = kaplan_meier([0.1 + 0.2, 0.3, 0.5], [1, 1, 0])
    assert len(curve.time) == 2 and curve.n_event[0] == 2


def test_numbers_at_risk_balance() -> None:
    """At risk = at risk before - events - censored + entered."""
    curve = kaplan_meier(**late_rows(80, 11))
    np.testing.assert_allclose(
        curve.n_risk[1:], (curve.n_risk - curve.n_event - curve.n_censor)[:-1] + curve.n_entered[1:]
    )


def test_a_risk_set_that_runs_empty_is_flagged() -> None:
    """With delayed entry everybody may leave before the next comes: S stays 0, as in R, with a warning."""
    curve = kaplan_meier([2, 3, 7, 8], [1, 1, 1, 0], entry=[0, 0, 5, 5])
    assert curve.warnings == (RISK_SET_EMPTY,)
    assert (curve.surv[1:] == 0).all()
    assert kaplan_meier([2, 3, 7, 8], [1, 1, 1, 0]).warnings == ()


def test_the_curve_is_not_read_beyond_follow_up_unless_asked() -> None:
    """`known` says so; `extend` carries the last value on."""
    curve = kaplan_meier([1, 2, 3], [1, 0, 0])
    read = curve.at([0, 2.5, 4])
    assert read.known.tolist() == [True, True, False]
    assert np.isnan(read.surv[2]) and read.surv[0] == 1.0 and read.lower[0] == 1.0
    assert curve.at([4], extend=True).surv[0] == curve.surv[-1]
    assert curve.n_risk_at([0, 1, 1.5, 4]).tolist() == [3, 3, 2, 0]


def test_events_between_times_add_up_in_any_order() -> None:
    """As in R's summary(times=)."""
    curve = kaplan_meier([1, 2, 3, 4, 5], [1, 1, 0, 1, 1])
    read = curve.at([5, 2, 4])
    assert read.n_event.tolist() == [1.0, 2.0, 1.0] and read.n_censor.tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("conf_type", ["log", "log-log", "plain", "logit", "arcsin"])
def test_limits_enclose_the_curve_and_stay_inside_zero_and_one(conf_type: Any) -> None:
    """Wherever they exist; a higher level makes them wider."""
    rows = late_rows(60, 21)
    wide = kaplan_meier(**rows, conf_type=conf_type, conf_level=0.99)
    curve = kaplan_meier(**rows, conf_type=conf_type)
    here = np.isfinite(curve.lower)
    assert here.sum() > 5
    assert (curve.lower[here] >= 0).all() and (curve.upper[here] <= 1).all()
    assert (curve.lower[here] <= curve.surv[here]).all() and (curve.surv[here] <= curve.upper[here]).all()
    assert (wide.lower[here] <= curve.lower[here] + 1e-15).all()


def test_groups_are_curves_of_their_own() -> None:
    """kaplan_meier_by; one choice of robust errors for all groups, as in R."""
    rows = late_rows(60, 2)
    group = np.arange(60) % 2
    curves = kaplan_meier_by(group, **rows)
    mine = group == 1
    same_curve(curves[1], kaplan_meier(**{name: rows[name][mine] for name in rows}))
    assert list(curves) == [0, 1]


def test_a_million_rows_take_seconds() -> None:
    """No loop over rows or times."""
    rng = np.random.default_rng(4)
    time, event = rng.integers(1, 4000, 1_000_000), rng.random(1_000_000) < 0.3
    curve = kaplan_meier(time, event, weights=rng.uniform(0.5, 2, 1_000_000))
    assert curve.robust and np.isfinite(curve.std_err[:3000]).all()
