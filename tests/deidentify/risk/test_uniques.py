"""Minimal sample uniques: the few values that already single somebody out."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deidentify.risk import uniques
from deidentify.risk.uniques import combine, find_minimal_uniques
from rwd_platform.core.errors import PlatformError

# Benschop, Machingauta & Welch, Statistical Disclosure Control for Microdata: A Practice Guide (IHSN), table 4.4;
# SUDA scores of table 4.5 (largest set 3) and what sdcMicro printed in example 4.7 (original_scores = FALSE).
# residence gender education labour | score, table 4.5 | score, example 4.7 | DIS-SUDA, example 4.7
GUIDE = """
Urban Female secondary-incomplete Employed   |  0 | 0.00 | 0.000000000
Urban Female secondary-incomplete Employed   |  0 | 0.00 | 0.000000000
Urban Female primary-incomplete   Non-LF     |  6 | 1.75 | 0.005120313
Urban Male   secondary-complete   Employed   |  0 | 0.00 | 0.000000000
Rural Female secondary-complete   Unemployed | 12 | 3.25 | 0.010702061
Urban Male   secondary-complete   Employed   |  0 | 0.00 | 0.000000000
Urban Female primary-complete     Non-LF     |  6 | 1.75 | 0.005120313
Urban Male   post-secondary       Unemployed | 10 | 2.75 | 0.008775093
Urban Female secondary-incomplete Non-LF     |  0 | 0.00 | 0.000000000
Urban Female secondary-incomplete Non-LF     |  0 | 0.00 | 0.000000000
"""
ROWS = [line.split("|") for line in GUIDE.strip().splitlines()]
NAMES = ("residence", "gender", "education", "labour")
COLUMNS = {
    name: np.unique(values, return_inverse=True)[1]
    for name, values in zip(NAMES, zip(*(row[0].split() for row in ROWS), strict=True), strict=True)
}


def test_the_practice_guides_scores_come_out():
    """Record 5 has four MSUs: {Rural}, and three pairs; 3·2·1 + 2·1 + 2·1 + 2·1 = 12."""
    found = find_minimal_uniques(COLUMNS, most_columns=3)
    assert found.score.tolist() == [float(row[1]) for row in ROWS]
    assert [chosen for chosen, records in found.minimal.items() if 4 in records] == [
        ("residence",),
        ("gender", "education"),
        ("gender", "labour"),
        ("education", "labour"),
    ]
    assert found.special == 4


def test_the_scores_that_sdcmicro_printed_come_out_to_nine_decimals():
    """Sampling fraction 0.01, as sdcMicro assumes; four unique records and six in pairs."""
    found = find_minimal_uniques(COLUMNS, most_columns=4, scoring="ihsn")
    assert found.score.tolist() == pytest.approx([float(row[2]) for row in ROWS], abs=1e-12)
    assert found.dis_score.tolist() == pytest.approx([float(row[3]) for row in ROWS], abs=5e-10)
    assert found.dis == pytest.approx(4 * 0.01 / (4 * 0.01 + 6 * 0.99))


def test_a_columns_contribution_is_its_share_of_the_scores():
    """Record 5: {Rural} brings 6 of 12, and each of the other three columns is in two pairs, 4 of 12."""
    found = find_minimal_uniques(COLUMNS, most_columns=3)
    assert {name: part[4] for name, part in found.contribution.items()} == {
        "residence": 6 / 12,
        "gender": 4 / 12,
        "education": 4 / 12,
        "labour": 4 / 12,
    }
    assert found.contribution["education"][0] == 0


tables = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.tuples(*[st.integers(0, 3)] * width), min_size=1, max_size=25)
)


@settings(max_examples=150, deadline=None)
@given(tables, st.integers(1, 5))
def test_the_sets_found_are_those_that_the_definition_gives(rows: list[tuple[int, ...]], most: int):
    """Alone on the set, and on no part of it: checked record by record in plain Python."""
    width = len(rows[0])
    columns = {f"c{place}": np.array([row[place] for row in rows]) for place in range(width)}
    found = find_minimal_uniques(columns, most_columns=most)

    def alone(record: int, places: tuple[int, ...]) -> bool:
        seen = Counter(tuple(row[place] for place in places) for row in rows)
        return seen[tuple(rows[record][place] for place in places)] == 1

    truth: dict[tuple[str, ...], list[int]] = {}
    for size in range(1, min(most, width) + 1):
        for places in combinations(range(width), size):
            records = [
                record
                for record in range(len(rows))
                if alone(record, places)
                and not any(
                    alone(record, part) for less in range(size) for part in combinations(places, less)
                )
            ]
            if records:
                truth[tuple(f"c{place}" for place in places)] = records
    # A table of one record is unique on no columns at all; a set of one column is then already more than needed.
    if len(rows) > 1:
        assert {chosen: records.tolist() for chosen, records in found.minimal.items()} == truth
    assert ((found.dis_score >= 0) & (found.dis_score <= 1)).all()
    assert ((found.dis_score > 0) <= (found.score > 0)).all()


def test_a_record_that_has_a_twin_has_no_minimal_unique():
    found = find_minimal_uniques({"a": np.array([1, 1, 2, 2]), "b": np.array([5, 5, 6, 6])}, most_columns=2)
    assert found.special == 0 and found.minimal == {} and found.dis_score.tolist() == [0, 0, 0, 0]


def test_codes_too_large_for_one_word_are_numbered_anew():
    """Twelve columns of a million values each: their product has 240 bits."""
    rng = np.random.default_rng(3)
    columns = [rng.integers(0, 1_000_000, 500) for _ in range(12)]
    columns = [np.concatenate([one, one[:100]]) for one in columns]
    numbers = combine(columns)
    assert len(np.unique(numbers)) == 500 and (numbers[:100] == numbers[500:]).all()


def test_a_search_that_would_take_too_long_is_refused_before_it_begins(monkeypatch: pytest.MonkeyPatch):
    """The bound is on records times sets of columns, known beforehand; memory follows it."""
    monkeypatch.setattr(uniques, "MOST_STEPS", 7 * 10 - 1)  # 7 distinct records; 4 single columns and 6 pairs
    with pytest.raises(PlatformError) as caught:
        find_minimal_uniques(COLUMNS, most_columns=2)
    assert caught.value.code == "uniques.too_many_sets" and caught.value.exit == 3
    monkeypatch.setattr(uniques, "MOST_STEPS", 7 * 10)
    assert find_minimal_uniques(COLUMNS, most_columns=2).special == 4


@pytest.mark.parametrize(
    "asked",
    [{"most_columns": 0}, {"sampling_fraction": 0.0}, {"sampling_fraction": 1.5}, {"scoring": "suda"}],
)
def test_impossible_parameters_are_named(asked: dict[str, object]):
    with pytest.raises(PlatformError) as caught:
        find_minimal_uniques(COLUMNS, **asked)  # type: ignore[arg-type]
    assert caught.value.code == "uniques.bad_parameter" and next(iter(asked)) in caught.value.en


def test_without_columns_nobody_can_be_unique():
    with pytest.raises(PlatformError, match=r"uniques\.bad_parameter"):
        find_minimal_uniques({})
