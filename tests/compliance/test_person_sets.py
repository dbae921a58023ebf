"""Persons are counted exactly, each once, whatever the order; the case that is made of the counts says the same."""

from __future__ import annotations

import copy
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rwd_platform.compliance.case import read_case
from rwd_platform.compliance.person_sets import KEY_BYTES, PersonSet, count, distinct
from tests.compliance.test_decide import case_with

FEW = st.frozensets(st.integers(0, 12), max_size=8)  # few persons, so that sets meet


def key(number: int) -> bytes:
    return number.to_bytes(KEY_BYTES, "big")


def persons(general: frozenset[int] = frozenset(), sensitive: frozenset[int] = frozenset()) -> PersonSet:
    return PersonSet.of([key(one) for one in general], [key(one) for one in sensitive])


def after(sets: list[tuple[frozenset[int], frozenset[int]]]) -> tuple[int, int]:
    """The counts by Python's own sets: sensitive ones leave the general set."""
    sensitive = frozenset[int]().union(*(one for _, one in sets))
    general = frozenset[int]().union(*(one for one, _ in sets)) - sensitive
    return len(general), len(sensitive)


@given(FEW, FEW, st.lists(st.tuples(FEW, FEW), max_size=4))
def test_counts_are_those_of_sets(
    general: frozenset[int], sensitive: frozenset[int], year: list[tuple[frozenset[int], frozenset[int]]]
) -> None:
    """Before, after, and the transfer by itself; a person of both kinds counts as sensitive."""
    counted = count(persons(general, sensitive), [persons(*one) for one in year])
    assert (counted.year_general, counted.year_sensitive) == after(year)
    assert (counted.after_general, counted.after_sensitive) == after([*year, (general, sensitive)])
    assert counted.transfer_general + counted.transfer_sensitive == len(general | sensitive)


@given(FEW, FEW, st.lists(st.tuples(FEW, FEW), max_size=4))
def test_the_cases_ranges_have_the_same_counts(
    general: frozenset[int], sensitive: frozenset[int], year: list[tuple[frozenset[int], frozenset[int]]]
) -> None:
    """What the decision reads out of the ranges is what was counted, though they name nobody."""
    counted = count(persons(general, sensitive), [persons(*one) for one in year])
    case = read_case({**copy.deepcopy(case_with({})), **counted.ranges})
    assert (case.ledger_this_year.general, case.ledger_this_year.sensitive.count) == after(year)
    assert (case.ledger_after.general, case.ledger_after.sensitive.count) == after(
        [*year, (general, sensitive)]
    )
    assert case.persons == len(general | sensitive)
    everybody_sensitive = frozenset[int]().union(sensitive, *(one for _, one in year))
    assert case.sensitive_persons == len((general | sensitive) & everybody_sensitive)


@given(st.lists(st.tuples(FEW, FEW), min_size=2, max_size=4))
def test_the_order_of_transfers_does_not_matter(year: list[tuple[frozenset[int], frozenset[int]]]) -> None:
    made = [persons(*one) for one in year]
    assert len({distinct(order) for order in permutations(made)}) == 1


@given(FEW, FEW, FEW)
def test_one_more_person_never_lowers_the_sensitive_count(
    general: frozenset[int], sensitive: frozenset[int], more: frozenset[int]
) -> None:
    """Nor the number of people in all: a threshold once reached stays reached."""
    less = count(persons(general, sensitive), [])
    bigger = count(persons(general, sensitive | more), [])
    assert bigger.after_sensitive >= less.after_sensitive
    assert bigger.after_general + bigger.after_sensitive >= less.after_general + less.after_sensitive


@given(FEW, FEW, st.lists(st.tuples(FEW, FEW, st.booleans()), max_size=4))
def test_who_is_in_marked_sets_or_in_the_transfer_is_counted_once(
    general: frozenset[int],
    sensitive: frozenset[int],
    year: list[tuple[frozenset[int], frozenset[int], bool]],
) -> None:
    marked = {place for place, (_, _, chosen) in enumerate(year) if chosen}
    counted = count(persons(general, sensitive), [persons(*one[:2]) for one in year], marked)
    wanted = (general | sensitive).union(*(one[0] | one[1] for one in year if one[2]))
    assert counted.in_marked == len(wanted)


def test_nobody_is_counted_as_nobody() -> None:
    nobody = count(PersonSet.of(), [])
    assert (nobody.after_general, nobody.after_sensitive, nobody.transfer_sensitive) == (0, 0, 0)
    assert distinct([]) == (0, 0)


def test_two_keys_that_share_their_first_half_are_two_persons() -> None:
    """Chance never makes them; an exact count does not rest on chance."""
    one, other = b"\x01" * 8 + b"\x02" * 8, b"\x01" * 8 + b"\x03" * 8
    third = b"\x01" * 8 + b"\x01" * 8
    counted = count(PersonSet.of(sensitive=[one, other]), [PersonSet.of([other, third], [])])
    assert (counted.after_general, counted.after_sensitive, counted.year_sensitive) == (1, 2, 0)


def test_the_same_person_given_twice_is_one() -> None:
    assert PersonSet.of(sensitive=[key(1), key(1)]).size == 1


@given(FEW, FEW)
def test_a_set_is_read_back_from_its_bytes(general: frozenset[int], sensitive: frozenset[int]) -> None:
    """And one set has one form, however it was put together."""
    made = persons(general, sensitive)
    read = PersonSet.from_bytes(made.to_bytes())
    assert read.to_bytes() == made.to_bytes()
    assert (len(read.general), len(read.sensitive)) == (len(general), len(sensitive))
    shuffled = PersonSet(made.general[::-1], made.sensitive[::-1])
    assert shuffled.to_bytes() == made.to_bytes()


@pytest.mark.parametrize("raw", [b"", b"\x00" * 7, b"\x00" * 8 + b"x", (2).to_bytes(8, "big") + b"\x00" * 16])
def test_bytes_of_something_else_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="not a set of persons"):
        PersonSet.from_bytes(raw)


@pytest.mark.parametrize("wrong", [b"", b"short", b"\x00" * 17])
def test_a_key_of_another_length_is_refused(wrong: bytes) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        PersonSet.of([wrong])


def test_a_million_persons_are_counted_exactly() -> None:
    """A hundred transfers of 10,000, of which every second repeats the one before by half."""
    random = np.random.default_rng(20261123)
    sets, expected = [], 0
    previous = np.empty((0, 2), dtype=np.uint64)
    for number in range(100):
        fresh = random.integers(0, 2**64, (10_000, 2), dtype=np.uint64)
        if number % 2:
            fresh[:5_000] = previous[:5_000]
            expected += 5_000
        else:
            expected += 10_000
        previous = fresh
        sets.append(PersonSet(np.empty((0, 2), dtype=np.uint64), fresh))
    assert distinct(sets) == (0, expected)


@pytest.mark.parametrize("size", [0, 1, 2, 1_000])
def test_one_person_is_found_in_a_set_by_both_halves_of_the_key(size: int) -> None:
    """Against Python's own sets; keys that share one half are other people."""
    keys = [(7).to_bytes(8, "big") + number.to_bytes(8, "big") for number in range(size)]
    general, sensitive = keys[::2], keys[1::2]
    held = PersonSet.from_bytes(PersonSet.of(general, sensitive).to_bytes())
    turned = [key[8:] + key[:8] for key in keys]
    for key in (*keys, *turned, bytes(16), b"\xff" * 16):
        assert held.holds_any([key]) is (key in keys)
    assert held.holds_any([]) is False
    assert held.holds_any([b"\xff" * 16, *keys[-1:]]) is bool(keys)
    with pytest.raises(ValueError):
        held.holds_any([b"short"])
