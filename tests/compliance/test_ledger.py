"""Counting persons: each once, sensitive first, exactly, in any order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rwd_platform.compliance.ledger import Ledger, Persons, total

ranges = st.tuples(st.integers(0, 60), st.integers(0, 25))
persons = st.lists(ranges, max_size=5)
transfers = st.lists(st.tuples(persons, persons), max_size=5)


def union(parts: list[tuple[int, int]]) -> Persons:
    result = Persons()
    for first, count in parts:
        result = result | Persons.of(first, count)
    return result


def keys(parts: list[tuple[int, int]]) -> set[int]:
    """The same persons one by one: slow and obvious."""
    return {key for first, count in parts for key in range(first, first + count)}


def expand(some: Persons) -> set[int]:
    return {key for start, end in some.intervals for key in range(start, end)}


@settings(max_examples=60, deadline=None)
@given(persons, persons)
def test_sets_of_ranges_behave_like_sets(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    """Union, difference and intersection agree with Python's own sets of every single key."""
    left, right = union(a), union(b)
    assert expand(left | right) == keys(a) | keys(b)
    assert expand(left - right) == keys(a) - keys(b)
    assert expand(left & right) == keys(a) & keys(b)
    assert (left | right).count == len(keys(a) | keys(b))


@settings(max_examples=40, deadline=None)
@given(persons)
def test_a_set_has_one_form(parts: list[tuple[int, int]]) -> None:
    """Equal sets are equal objects, however they were put together."""
    assert union(parts) == union(list(reversed(parts)))


@settings(max_examples=40, deadline=None)
@given(transfers, st.randoms(use_true_random=False))
def test_the_order_of_transfers_does_not_change_the_count(made: list, random) -> None:  # type: ignore[no-untyped-def,type-arg]
    """A year's ledger is the same whichever transfer was posted first; sensitive wins over general."""
    posted = [Ledger(union(general), union(sensitive)) for general, sensitive in made]
    shuffled = random.sample(posted, len(posted))
    assert total(posted) == total(shuffled)
    sensitive = set().union(*(keys(one) for _, one in made))
    general = set().union(*(keys(one) for one, _ in made)) - sensitive
    ledger = total(posted)
    assert (ledger.general, ledger.sensitive.count) == (len(general), len(sensitive))
    assert ledger.everybody == len(general) + len(sensitive)


def test_nobody_is_nobody_whatever_the_key() -> None:
    """A range of count 0 is empty and joins nothing."""
    assert Persons.of(7, 0) == Persons()
    assert (Persons.of(0, 5) | Persons.of(5, 0)).count == 5


def test_a_billion_persons_cost_as_much_as_one() -> None:
    """Ranges are never expanded."""
    many = Persons.of(0, 10**15) - Persons.of(5, 10**12)
    assert many.count == 10**15 - 10**12
