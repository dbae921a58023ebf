"""Anybody can repeat the draw; nobody can choose who is in it."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from studies.evidence.sample.draw import Candidate, Draw, allocation, draw, probabilities, rank_of, seed_of
from studies.evidence.sample.policy import Policy, policy
from tests.evidence.sample.made import policy_with

SEED = seed_of("f" * 64, "lock-1")
SMALL = policy_with(total=12, least=3, events=2)

frames = st.lists(
    st.tuples(st.sampled_from(["org-a", "org-b", "org-c", "org-d"]), st.booleans()), min_size=0, max_size=120
).map(lambda rows: [Candidate(place, hospital, event) for place, (hospital, event) in enumerate(rows)])
policies = st.builds(
    lambda total, least, events: policy_with(total=total, least=least, events=events),
    st.integers(1, 60),
    st.integers(1, 20),
    st.integers(0, 8),
)


def by_hand(candidates: list[Candidate], hospital: str, n: int, events: int) -> set[int]:
    """The rule as the rule file says it, with nothing but hashlib."""
    mine = [one for one in candidates if one.hospital == hospital]
    order = sorted(mine, key=lambda one: hashlib.sha256(f"{'f' * 64}|lock-1|{one.row}".encode()).hexdigest())
    chosen = order[:n]
    for one in order[n:]:
        if one.event and sum(each.event for each in chosen) < events:
            chosen.append(one)
    return {one.row for one in chosen}


def rows_of(made: Draw, hospital: str) -> set[int]:
    return {one.row for one in made.rows if one.hospital == hospital}


def test_a_rank_is_the_hash_that_a_command_line_gives() -> None:
    """printf 'aa|lock-7|42' | sha256sum"""
    expected = hashlib.sha256(b"aa|lock-7|42").hexdigest()
    assert rank_of(seed_of("aa", "lock-7"), 42) == expected


@given(frames, policies)
def test_the_draw_is_the_rule_repeated_by_hand(candidates: list[Candidate], chosen: Policy) -> None:
    made = draw(candidates, SEED, chosen)
    for one in made.hospitals:
        expected = by_hand(candidates, one.hospital, one.by_rank, chosen.events)
        assert rows_of(made, one.hospital) == expected


@given(frames, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(candidates: list[Candidate], random: Random) -> None:
    mixed = list(candidates)
    random.shuffle(mixed)
    assert draw(mixed, SEED, SMALL) == draw(candidates, SEED, SMALL)


@given(frames, policies)
def test_nobody_is_drawn_twice_and_only_candidates_are(candidates: list[Candidate], chosen: Policy) -> None:
    made = draw(candidates, SEED, chosen)
    drawn = [one.row for one in made.rows]
    assert len(drawn) == len(set(drawn))
    known = {(one.row, one.hospital, one.event) for one in candidates}
    assert {(one.row, one.hospital, one.event) for one in made.rows} <= known


@given(frames, policies)
def test_the_account_adds_up(candidates: list[Candidate], chosen: Policy) -> None:
    made = draw(candidates, SEED, chosen)
    counted = Counter(one.hospital for one in candidates)
    assert {one.hospital: one.rows for one in made.hospitals} == counted
    for one in made.hospitals:
        mine = [row for row in made.rows if row.hospital == one.hospital]
        assert one.drawn == len(mine) == one.by_rank + one.added
        assert one.drawn_events == sum(row.event for row in mine)
        assert one.added == sum(row.chosen == "event" for row in mine)
        assert [row.place for row in mine] == list(range(1, len(mine) + 1))


@given(frames, policies)
def test_enough_events_are_verified_where_there_are_enough(
    candidates: list[Candidate], chosen: Policy
) -> None:
    made = draw(candidates, SEED, chosen)
    for one in made.hospitals:
        assert one.drawn_events >= min(chosen.events, one.events)
        # No more are added than are missing.
        assert not one.added or one.drawn_events == min(chosen.events, one.events)


@given(frames, policies)
def test_a_small_hospital_is_verified_whole(candidates: list[Candidate], chosen: Policy) -> None:
    made = draw(candidates, SEED, chosen)
    for one in made.hospitals:
        if one.rows <= chosen.least:
            assert one.drawn == one.rows
            assert one.probability_event in (None, 1.0)
            assert one.probability_other in (None, 1.0)


@given(
    st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(1, 10**6), max_size=12), policies
)
def test_each_hospital_gets_between_the_minimum_and_what_it_has(rows: dict[str, int], chosen: Policy) -> None:
    shared = allocation(rows, chosen)
    assert set(shared) == set(rows)
    for name, count in shared.items():
        assert min(chosen.least, rows[name]) <= count <= rows[name]
    at_least = sum(min(chosen.least, count) for count in rows.values())
    total = min(sum(rows.values()), max(chosen.total, at_least))
    assert at_least <= sum(shared.values())
    assert sum(shared.values()) <= max(total, at_least)


def test_the_total_is_shared_by_square_roots() -> None:
    """100 : 400 : 900 rows are 1 : 2 : 3; of 60 rows 10, 20 and 30."""
    rows = {"a": 100, "b": 400, "c": 900}
    assert allocation(rows, policy_with(total=60, least=5)) == {"a": 10, "b": 20, "c": 30}


def test_what_a_small_hospital_does_not_use_goes_to_the_others() -> None:
    rows = {"a": 4, "b": 400, "c": 900}
    assert allocation(rows, policy_with(total=54, least=5)) == {"a": 4, "b": 20, "c": 30}


def test_a_hospital_below_its_minimum_share_gets_the_minimum_first() -> None:
    """By roots a would get 100 * 10/110 = 9.1 of 100: it gets 20, and b what is left."""
    assert allocation({"a": 100, "b": 10_000}, policy_with(total=100, least=20)) == {"a": 20, "b": 80}


def test_a_total_larger_than_all_rows_draws_all() -> None:
    assert allocation({"a": 30, "b": 50}, policy_with(total=500, least=20)) == {"a": 30, "b": 50}


def test_minimums_may_exceed_the_total() -> None:
    rows = dict.fromkeys("abcdef", 100)
    assert allocation(rows, policy_with(total=10, least=5)) == dict.fromkeys(rows, 5)


def test_equal_remainders_go_to_the_first_by_name() -> None:
    assert allocation({"b": 100, "a": 100, "c": 100}, policy_with(total=31, least=5)) == {
        "a": 11,
        "b": 10,
        "c": 10,
    }


def test_without_rows_nothing_is_drawn() -> None:
    made = draw([], SEED, policy())
    assert made.rows == ()
    assert made.hospitals == ()


def test_a_row_that_stands_twice_is_a_fault() -> None:
    with pytest.raises(ValueError, match="twice"):
        draw([Candidate(1, "a", False), Candidate(1, "b", False)], SEED, policy())


def test_another_lock_draws_other_rows() -> None:
    candidates = [Candidate(row, "org-a", row % 2 == 0) for row in range(1000)]
    one = draw(candidates, seed_of("f" * 64, "lock-1"), policy())
    other = draw(candidates, seed_of("f" * 64, "lock-2"), policy())
    assert rows_of(one, "org-a") != rows_of(other, "org-a")


def test_the_place_says_nothing_of_why_a_row_was_drawn() -> None:
    """Places follow the ordinals; rows added for their event do not stand at the end."""
    candidates = [Candidate(row, "org-a", row < 6) for row in range(400)]
    made = draw(candidates, SEED, policy_with(total=20, least=20, events=6))
    added = [one.place for one in made.rows if one.chosen == "event"]
    assert added
    assert max(added) <= 6
    assert [one.row for one in made.rows] == sorted(one.row for one in made.rows)


# --- probabilities ------------------------------------------------------------------------------------------


@given(st.integers(1, 60), st.data())
def test_probabilities_are_those_of_the_hypergeometric_distribution(rows: int, data: st.DataObject) -> None:
    """scipy's hypergeometric, summed over every number of events that the first n can hold."""
    events = data.draw(st.integers(0, rows))
    size = data.draw(st.integers(1, rows))
    least = data.draw(st.integers(0, 8))
    of_event, of_other = probabilities(rows, events, size, least)
    assert of_other == Fraction(size, rows)
    if events:
        wanted = min(least, events)
        law = hypergeom(rows, events, size)
        expected = sum(max(seen, wanted) * law.pmf(seen) for seen in range(events + 1)) / events
        assert float(of_event) == pytest.approx(expected, abs=1e-12)
    assert 0 < of_event <= 1


def test_probabilities_are_the_shares_of_many_draws() -> None:
    """4000 locks: how often the event row 0 and the other row 39 are drawn, against the probabilities stated."""
    candidates = [Candidate(row, "org-a", row < 4) for row in range(40)]
    chosen = policy_with(total=10, least=10, events=3)
    seen: Counter[int] = Counter()
    locks = 4000
    for lock in range(locks):
        made = draw(candidates, seed_of("f", f"lock-{lock}"), chosen)
        seen.update(one.row for one in made.rows)
    of_event, of_other = probabilities(40, 4, 10, 3)
    for row, expected in ((0, float(of_event)), (39, float(of_other))):
        error = math.sqrt(expected * (1 - expected) / locks)
        assert abs(seen[row] / locks - expected) < 4 * error


@settings(deadline=None, max_examples=20)
@given(st.integers(20_000, 100_000))
def test_large_hospitals_are_counted_exactly_too(rows: int) -> None:
    of_event, of_other = probabilities(rows, 3, 60, 5)
    assert of_event == 1  # all three are added where the first 60 do not hold them
    assert float(of_other) == pytest.approx(60 / rows)
