"""Patient-reported outcomes: definitions on small tables, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.repeated.patient_reported import change_curves, responders, time_to_deterioration

NAN = float("nan")


def test_a_change_of_the_minimal_important_difference_itself_counts() -> None:
    found = responders(
        [0.3, 50, 50, 50], [0.1, 60, 40, NAN], minimal_important_difference=0.2, better="lower"
    )
    assert list(found.improved) == [True, False, True, False]
    assert list(found.worsened) == [False, True, False, False]
    assert list(found.known) == [True, True, True, False]


def test_the_lost_can_count_as_failures() -> None:
    found = responders(
        [50, 50], [60, NAN], minimal_important_difference=5, better="higher", lost_is_failure=True
    )
    assert list(found.known) == [True, True] and list(found.improved) == [True, False]


def test_the_direction_switched_switches_better_and_worse() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 50))
    up, down = (responders(a, b, minimal_important_difference=0.5, better=one) for one in ("higher", "lower"))  # type: ignore[arg-type] # names
    assert (up.improved == down.worsened).all() and (up.worsened == down.improved).all()


@pytest.mark.parametrize(
    ("definition", "time", "event"),
    [
        ("first", [1, 1, 2, 3, 0], [1, 1, 1, 0, 0]),
        ("confirmed", [1, 3, 2, 3, 0], [1, 1, 1, 0, 0]),
        ("definitive", [3, 3, 2, 3, 0], [1, 1, 1, 0, 0]),
    ],
)
def test_deterioration_follows_its_definition(definition: Any, time: list[float], event: list[int]) -> None:
    """Worse by 10: A at 1, 2 and 3 but not between; B at 1 and 3; C at 2 (its last); D never; E baseline only."""
    rows = [
        ("A", 0, 50), ("A", 1, 40), ("A", 2, 39), ("A", 2.5, 50), ("A", 3, 30),
        ("B", 0, 50), ("B", 1, 40), ("B", 2, 50), ("B", 3, 30),
        ("C", 0, 50), ("C", 1, 45), ("C", 2, 40), ("C", 3, NAN),
        ("D", 0, 50), ("D", 3, 41), ("E", 0, 50),
    ]  # fmt: skip
    subject, when, value = zip(*rows, strict=True)
    found = time_to_deterioration(
        subject, when, value, minimal_important_difference=10, better="higher", definition=definition
    )
    assert found.subjects == ("A", "B", "C", "D", "E")
    assert list(found.time) == time and list(found.event) == [bool(one) for one in event]


def test_the_order_of_rows_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    subject, when = np.repeat(np.arange(30), 5), np.tile(np.arange(5.0), 30)
    value, order = rng.normal(size=150), rng.permutation(150)
    for definition in ("first", "confirmed", "definitive"):
        a, b = (
            time_to_deterioration(
                subject[k],
                when[k],
                value[k],
                minimal_important_difference=0.5,
                better="lower",
                definition=definition,  # type: ignore[arg-type] # names
            )
            for k in (np.arange(150), order)
        )
        assert (a.time == b.time).all() and (a.event == b.event).all()


def test_the_curves_give_the_share_at_every_threshold() -> None:
    one, other = change_curves([1, 2, 2, 5, NAN], ["a", "a", "a", "a", "a"]) + change_curves([0.0], ["b"])
    assert list(one.change) == [1, 2, 5] and list(one.share) == [1.0, 0.75, 0.25] and one.n == 4
    assert other.arm == "b"


def test_bad_input_is_refused_by_name() -> None:
    cases: list[tuple[Any, str]] = [
        (lambda: responders([], [], minimal_important_difference=1, better="higher"), "no_subjects"),
        (lambda: responders([1], [1, 2], minimal_important_difference=1, better="higher"), "lengths_differ"),
        (lambda: responders(["x"], [1], minimal_important_difference=1, better="higher"), "not_a_number"),
        (lambda: responders([1], [2], minimal_important_difference=0, better="higher"), "bad_argument"),
        (lambda: responders([1], [2], minimal_important_difference=1, better="up"), "bad_argument"),  # type: ignore[arg-type] # wrong on purpose
        (lambda: _when([1, 1], [0, 0], [1, 2]), "bad_argument"),
        (lambda: _when([1, 2], [0, 1], [1, 2]), "bad_argument"),
        (lambda: _when([1, 2], [0, 0], [1, NAN]), "bad_argument"),
        (lambda: _when([1, 1], [0, -1], [1, 2]), "bad_argument"),
        (lambda: _when([1, 1], [0, 1], [1]), "lengths_differ"),
        (lambda: _when([1, 1], [0, 1], [1, 2], definition="sustained"), "bad_argument"),
        (lambda: change_curves([NAN], ["a"]), "no_subjects"),
    ]
    for call, code in cases:
        with pytest.raises(CannotEstimate) as refused:
            call()
        assert refused.value.reason.code == code


def _when(*columns: Any, **options: Any) -> Any:
    return time_to_deterioration(*columns, minimal_important_difference=1, better="higher", **options)
