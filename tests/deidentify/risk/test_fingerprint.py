"""What a few known events single out: worked out by hand, and brute force over every set of events."""

from __future__ import annotations

import random
from itertools import combinations

import pandas as pd
import pytest

from deidentify.risk import fingerprint as module
from deidentify.risk.fingerprint import fingerprint

COLUMNS = ["person", "item", "day"]


def events(text: str) -> pd.DataFrame:
    return pd.DataFrame([line.split() for line in text.strip().splitlines()], columns=COLUMNS)


def test_a_rare_device_on_a_known_day_singles_a_patient_out() -> None:
    """Three patients share every common drug day; one of them also got a device that nobody else has.

    A alone holds the device. B and C have the same history: nothing that is known tells them apart.
    """
    found = fingerprint(
        events("A drug 1\nB drug 1\nC drug 1\nA device 9\nB drug 2\nC drug 2"),
        persons=4,
        seed=1,
        rare_below=2,
    )
    assert (found.items, found.rare_items, found.with_events) == (2, 1, 3)
    assert found.by_rare_item == 1 / 4, "of four persons; the fourth has no event"
    assert found.by_all_events == 1 / 4
    # Of A's two events one is A's alone; B's and C's are shared. With two known, A is certain.
    assert found.by_events[1] == pytest.approx(0.5 / 4)
    assert found.by_events[2] == found.by_events[3] == 1 / 4
    assert found.exact


def test_two_common_events_together_can_be_one_persons() -> None:
    """Each event is held by two of the three; only A has both."""
    found = fingerprint(events("A x 1\nB x 1\nA y 2\nC y 2"), persons=3, seed=1)
    assert found.by_events[1] == 0.0
    assert found.by_events[2] == 1 / 3


def test_any_histories_are_counted_as_trying_every_set_does() -> None:
    draw = random.Random(5)
    rows = {(f"p{draw.randrange(25)}", f"i{draw.randrange(4)}", str(draw.randrange(6))) for _ in range(110)}
    found = fingerprint(pd.DataFrame(sorted(rows), columns=COLUMNS), persons=25, seed=1)
    own: dict[str, set[tuple[str, str]]] = {}
    for person, item, day in rows:
        own.setdefault(person, set()).add((item, day))
    for known in (1, 2, 3):
        shares = []
        for history in own.values():
            sets = list(combinations(sorted(history), min(known, len(history))))
            alone = [sum(set(one) <= other for other in own.values()) == 1 for one in sets]
            shares.append(sum(alone) / len(alone))
        assert found.by_events[known] == pytest.approx(sum(shares) / 25, abs=1e-12)
    assert found.by_all_events == sum(sum(h <= o for o in own.values()) == 1 for h in own.values()) / 25


def test_what_is_drawn_is_drawn_again_with_the_same_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large histories and many persons are sampled; the report says so, and the seed gives the same draw."""
    monkeypatch.setattr(module, "MOST_SUBSETS", 3)
    monkeypatch.setattr(module, "MOST_PERSONS", 10)
    draw = random.Random(2)
    frame = pd.DataFrame(
        [(f"p{place % 40}", f"i{draw.randrange(3)}", str(draw.randrange(30))) for place in range(400)],
        columns=COLUMNS,
    )
    first, again, other = (fingerprint(frame, persons=40, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.by_events != other.by_events
    assert (first.exact, first.persons_looked_at) == (False, 10)


def test_events_without_a_day_are_left_out_and_counted() -> None:
    frame = pd.DataFrame([("A", "x", "1"), ("A", "x", None), ("B", None, "1")], columns=COLUMNS)
    found = fingerprint(frame, persons=2, seed=1)
    assert (found.undated, found.with_events) == (2, 1)


def test_a_table_without_events_singles_nobody_out() -> None:
    found = fingerprint(pd.DataFrame(columns=COLUMNS), persons=5, seed=1)
    assert (found.by_rare_item, found.by_all_events, found.with_events) == (0.0, 0.0, 0)
    assert found.as_dict()["by_events"] == {"1": 0.0, "2": 0.0, "3": 0.0}
