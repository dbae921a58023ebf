"""Recurrent events and landmarks: shapes, identities, invariances."""

from __future__ import annotations

import numpy as np
import pytest

from studies.statistics.survival.kaplan_meier import kaplan_meier
from studies.statistics.survival.landmark import known_at, landmark_subjects
from studies.statistics.survival.recurrent import (
    fit_recurrent,
    mcf_difference,
    mean_cumulative_function,
    recurrent_rows,
)

# A: events at 3 and 7, left at 10. B: event at 5, left then. C: none, left at 8.
ROWS = {
    "id": ["A", "A", "A", "B", "C"],
    "start": [0.0, 3, 7, 0, 0],
    "stop": [3.0, 7, 10, 5, 8],
    "event": [1, 1, 0, 1, 0],
}


def many(people: int, seed: int) -> dict[str, np.ndarray]:
    """Up to five events a person."""
    rng = np.random.default_rng(seed)
    columns: dict[str, list[float]] = {"id": [], "start": [], "stop": [], "event": [], "x": []}
    for person in range(people):
        now, end, x = 0.0, rng.uniform(4, 12), float(rng.normal())
        for _ in range(6):
            nxt = now + rng.exponential(4 * np.exp(-0.4 * x))
            row = (person, now, min(nxt, end), float(nxt < end), x)
            for name, value in zip(columns, row, strict=True):
                columns[name].append(value)
            if nxt >= end:
                break
            now = nxt
    return {name: np.array(values) for name, values in columns.items()}


def test_the_mean_number_of_events_by_hand() -> None:
    """1/3 at 3, 1/3 at 5, 1/2 at 7 (B has left)."""
    found = mean_cumulative_function(ROWS["id"], ROWS["stop"], ROWS["event"], start=ROWS["start"])
    assert found.subjects == 3 and found.events == 3
    np.testing.assert_allclose([found.at(t).value for t in (2, 3, 6, 7, 9)], [0, 1 / 3, 2 / 3, 7 / 6, 7 / 6])


def test_one_event_at_most_is_nelson_aalen() -> None:
    """Estimate and robust error."""
    rng = np.random.default_rng(0)
    time, event = rng.integers(1, 20, 60), rng.random(60) < 0.5
    found = mean_cumulative_function(np.arange(60), time, event)
    curve = kaplan_meier(time, event, robust=True)
    np.testing.assert_allclose(found.mcf, curve.cumhaz)
    np.testing.assert_allclose(found.std_err, curve.std_chaz)


def test_cutting_rows_changes_nothing() -> None:
    """A row without an event may be cut anywhere; rows in any order."""
    data = many(40, 2)
    one = mean_cumulative_function(data["id"], data["stop"], data["event"], start=data["start"])
    middle = (data["start"] + data["stop"]) / 2
    order = np.random.default_rng(1).permutation(2 * len(middle))
    other = mean_cumulative_function(
        np.tile(data["id"], 2)[order],
        np.concatenate([middle, data["stop"]])[order],
        np.concatenate([np.zeros(len(middle)), data["event"]])[order],
        start=np.concatenate([data["start"], middle])[order],
    )
    for t in (2, 4, 8):
        assert one.at(t).value == pytest.approx(other.at(t).value)
        assert one.at(t).se == pytest.approx(other.at(t).se)


def test_switching_the_groups_changes_the_sign_of_the_difference() -> None:
    """And inverts the ratio."""
    data = many(60, 5)
    group = data["id"] % 2
    one, other = (
        mcf_difference(data["id"], data["stop"], data["event"], g, start=data["start"], tau=6.0)
        for g in (group, 1 - group)
    )
    assert one.difference.value == pytest.approx(-other.difference.value)
    assert one.ratio is not None and other.ratio is not None
    assert one.ratio.value == pytest.approx(1 / other.ratio.value)


def test_shapes_of_the_models() -> None:
    """The three people above."""
    ag = recurrent_rows(**ROWS)
    assert ag.stratum is None and ag.row.tolist() == [0, 1, 2, 3, 4]
    total = recurrent_rows(**ROWS, model="pwp-total")
    assert total.stratum is not None and total.stratum.tolist() == [1, 2, 3, 1, 1]
    assert total.entry is not None and total.entry.tolist() == ROWS["start"]
    gap = recurrent_rows(**ROWS, model="pwp-gap")
    assert gap.entry is None and gap.time.tolist() == [3, 4, 3, 5, 8]
    first_two = recurrent_rows(**ROWS, model="pwp-gap", max_events=2)
    assert first_two.row.tolist() == [0, 1, 3, 4]
    wlw = recurrent_rows(**ROWS, model="wlw")
    assert wlw.stratum is not None and wlw.stratum.tolist() == [1, 1, 1, 2, 2, 2]
    assert wlw.time.tolist() == [3, 5, 8, 7, 5, 8] and wlw.event.tolist() == [
        True,
        True,
        False,
        True,
        False,
        False,
    ]


def test_gap_time_goes_on_over_rows_without_an_event() -> None:
    """A change of covariates between two events does not start the clock anew."""
    rows = recurrent_rows(["A"] * 4, [2.0, 5, 6, 9], [1, 0, 1, 0], start=[0.0, 2, 5, 6], model="pwp-gap")
    assert rows.entry is not None
    assert rows.entry.tolist() == [0, 0, 3, 0] and rows.time.tolist() == [2, 3, 4, 3]
    assert rows.stratum is not None and rows.stratum.tolist() == [1, 2, 2, 3]


def test_the_order_of_rows_does_not_matter_to_a_model() -> None:
    """Rows shuffled, subjects renamed."""
    data = many(50, 8)
    order = np.random.default_rng(0).permutation(len(data["id"]))
    for model in ("andersen-gill", "pwp-total", "pwp-gap", "wlw"):
        one = fit_recurrent(data["x"], data["id"], data["stop"], data["event"], start=data["start"], model=model,
                            max_events=3)  # fmt: skip
        other = fit_recurrent(data["x"][order], [f"p{i:03.0f}" for i in data["id"][order]], data["stop"][order],
                              data["event"][order], start=data["start"][order], model=model, max_events=3)  # fmt: skip
        assert one.coef[0] == pytest.approx(other.coef[0], rel=1e-8)
        assert one.se[0] == pytest.approx(other.se[0], rel=1e-8)


def test_many_rows_take_seconds() -> None:
    """A hundred thousand people with three rows each."""
    rng = np.random.default_rng(3)
    people = 100_000
    gaps = rng.integers(1, 200, (people, 3)).astype(float)
    stop = np.cumsum(gaps, axis=1)
    found = mean_cumulative_function(
        np.repeat(np.arange(people), 3), stop.ravel(), np.tile([1, 1, 0], people), start=(stop - gaps).ravel()
    )
    assert found.mcf[-1] > 1.5 and np.isfinite(found.std_err).all()


def test_who_has_an_event_at_the_landmark_itself_is_past_it() -> None:
    """Counted by the way they left; the clock starts anew."""
    found = landmark_subjects([3, 5, 5, 6, 9, 12], [1, 2, 0, 1, 0, 2], 5.0, entry=[0, 0, 0, 0, 0, 7])
    assert found.rows.tolist() == [3, 4] and found.time.tolist() == [1, 4] and found.status.tolist() == [1, 0]
    assert found.excluded_events == ((1, 1), (2, 1))
    assert (found.excluded_censored, found.not_yet_entered) == (1, 1)
    assert found.kept.sum() + 2 + found.excluded_censored + found.not_yet_entered == 6


def test_follow_up_is_cut_at_the_horizon() -> None:
    """Events after it are censored there; an event at it counts."""
    found = landmark_subjects([6, 8, 9, 20], [1, 1, 2, 0], 5.0, horizon=8.0)
    assert found.time.tolist() == [1, 3, 3, 3] and found.status.tolist() == [1, 1, 0, 0]


def test_the_last_value_before_the_landmark_is_known() -> None:
    """In any order of rows; later measurements are not; old ones may be too old."""
    who, when, what = ["a", "b", "a", "a"], [4.0, 1.0, 2.0, 6.0], [40.0, 10.0, 20.0, 60.0]
    values, known = known_at(["b", "a", "c"], who, when, what, 5.0)
    assert values[:2].tolist() == [10.0, 40.0] and known.tolist() == [True, True, False]
    values, known = known_at(["b", "a"], who, when, what, 5.0, max_age=2.0)
    assert known.tolist() == [False, True]
    values, _ = known_at(["a"], ["a", "a"], [2.0, 2.0], [1.0, 9.0], 5.0)
    assert values[0] == 9.0
