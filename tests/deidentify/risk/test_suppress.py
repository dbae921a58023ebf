"""Local suppression: single cells are blanked until every class has k records."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deidentify.risk import suppress
from deidentify.risk.suppress import Suppression, suppress_cells
from rwd_platform.core.errors import PlatformError


def released(columns: dict[str, list[int]], found: Suppression) -> list[tuple[int | None, ...]]:
    """The records that stay, with their blanks; None is a value of its own."""
    names = list(columns)
    return [
        tuple(None if found.blank[name][row] else columns[name][row] for name in names)
        for row in range(len(columns[names[0]]))
        if not found.removed[row]
    ]


def suppressed(columns: dict[str, list[int]], k: int) -> Suppression:
    return suppress_cells({name: np.array(values) for name, values in columns.items()}, k)


def test_the_one_cell_that_stands_in_the_way_is_blanked():
    """Two women of 71 and 72 in one county: without their ages they are two alike."""
    columns = {"age": [60, 60, 71, 72], "sex": [0, 0, 1, 1], "county": [5, 5, 6, 6]}
    found = suppressed(columns, 2)
    assert found.cells == {"age": 2, "sex": 0, "county": 0} and not found.removed.any() and found.k == 2
    assert found.blank["age"].tolist() == [False, False, True, True]


def test_of_sets_that_help_equally_the_first_column_is_blanked():
    columns = {"a": [1, 1, 2, 3], "b": [1, 1, 2, 2], "c": [1, 1, 7, 7]}
    assert suppressed(columns, 2).cells == {"a": 2, "b": 0, "c": 0}
    columns = {"a": [1, 1, 2, 2, 8, 8], "b": [1, 1, 2, 3, 5, 6], "c": [1, 1, 7, 7, 9, 9]}
    assert suppressed(columns, 2).cells == {"a": 0, "b": 4, "c": 0}


def test_who_cannot_be_hidden_is_removed_and_counted():
    """One record alone: with blanks in all columns it would still be the only one with blanks."""
    columns = {"a": [1, 1, 1, 2], "b": [1, 1, 1, 9]}
    found = suppressed(columns, 3)
    assert found.removed.tolist() == [False, False, False, True]
    assert found.cells == {"a": 0, "b": 0} and found.k == 3


def test_a_record_left_over_joins_those_blanked_alike_before():
    """After the first pair is hidden behind a blank age, a third with the same rest may follow it."""
    columns = {"age": [1, 2, 3, 9, 9], "sex": [0, 0, 0, 1, 1]}
    found = suppressed(columns, 2)
    assert found.cells == {"age": 3, "sex": 0} and found.k == 2


def test_a_table_that_meets_k_is_left_as_it_is():
    columns = {"a": [1, 1, 2, 2], "b": [3, 3, 4, 4]}
    found = suppressed(columns, 2)
    assert found.cells == {"a": 0, "b": 0} and released(columns, found) == list(
        zip(*columns.values(), strict=True)
    )


def test_everybody_different_and_nothing_can_stay_of_it():
    """Four people who share nothing: only their number is left."""
    columns = {"a": [1, 2, 3, 4], "b": [5, 6, 7, 8]}
    found = suppressed(columns, 4)
    assert found.cells == {"a": 4, "b": 4} and found.k == 4 and not found.removed.any()


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 4).flatmap(
        lambda w: st.lists(st.tuples(*[st.integers(0, 3)] * w), min_size=2, max_size=40)
    ),
    st.integers(2, 6),
)
def test_what_is_released_has_k_and_nobody_who_had_it_is_touched(rows: list[tuple[int, ...]], k: int):
    """k is counted again here from the records; the same call gives the same blanks."""
    k = min(k, len(rows))
    columns = {f"c{place}": list(values) for place, values in enumerate(zip(*rows, strict=True))}
    found = suppressed(columns, k)
    sizes = Counter(released(columns, found))
    assert not sizes or min(sizes.values()) == found.k >= k
    assert found.removed.sum() < k
    before = Counter(rows)
    for place, row in enumerate(rows):
        touched = found.removed[place] or any(found.blank[name][place] for name in columns)
        assert not (touched and before[row] >= k)
    assert {name: int(flags.sum()) for name, flags in found.blank.items()} == found.cells
    again = suppressed(columns, k)
    assert all((found.blank[name] == again.blank[name]).all() for name in columns)


@pytest.mark.parametrize("k", [1, 0, -3, 5])
def test_a_k_that_cannot_be_is_named(k: int):
    with pytest.raises(PlatformError, match=r"suppress\.bad_k"):
        suppressed({"a": [1, 1, 2, 2]}, k)


def test_no_columns_are_no_table():
    with pytest.raises(PlatformError, match=r"suppress\.bad_k"):
        suppress_cells({}, 2)


def test_too_many_records_and_columns_are_refused_before_the_search(monkeypatch: pytest.MonkeyPatch):
    """Sets of columns double with each column; generalising first is the remedy, and the message says so."""
    monkeypatch.setattr(suppress, "MOST_STEPS", 7)
    with pytest.raises(PlatformError) as caught:
        suppressed({"a": [1, 2, 3, 3], "b": [1, 2, 3, 3]}, 2)  # two records below k, four sets
    assert caught.value.code == "suppress.too_many_sets"
    monkeypatch.setattr(suppress, "MOST_STEPS", 8)
    assert suppressed({"a": [1, 2, 3, 3], "b": [1, 2, 3, 3]}, 2).k == 2
