"""Which columns tell people apart: ARX's table worked out by hand, and brute force."""

from __future__ import annotations

import random
from itertools import combinations
from pathlib import Path

import pytest

from deidentify.risk.measures import measure
from deidentify.risk.quasi import rank_quasi_identifiers, without_each
from tests.deidentify.risk.tables import as_csv, opened

# ARX's TestRiskQuasiIdentifiers: five people; distinction and separation of each set of columns, by hand.
FIVE = "age,sex,state\n20,Female,CA\n30,Female,CA\n40,Female,TX\n20,Male,NY\n40,Male,CA\n"
BY_HAND = {
    ("sex",): (0.4, 0.6),
    ("state",): (0.6, 0.7),
    ("age",): (0.6, 0.8),
    ("sex", "state"): (0.8, 0.9),
    ("age", "sex"): (1.0, 1.0),
    ("age", "state"): (1.0, 1.0),
    ("age", "sex", "state"): (1.0, 1.0),
}


def test_distinction_and_separation_are_those_of_arxs_table(tmp_path: Path) -> None:
    """Smaller sets come first; within a size, what tells people apart best."""
    with opened(tmp_path, FIVE) as table:
        measure(table, ["age", "sex", "state"], "state")
        ranks = rank_quasi_identifiers(table, ["age", "sex", "state"])
    assert {one.columns: (one.distinction, one.separation) for one in ranks} == BY_HAND
    assert [one.columns for one in ranks[:3]] == [("age",), ("state",), ("sex",)]
    assert ranks[-1].columns == ("age", "sex", "state")


def test_any_table_ranks_as_counting_every_pair_does(tmp_path: Path) -> None:
    draw = random.Random(7)
    rows = [{name: draw.choice(["", "x", "y", "z"]) for name in "abcd"} for _ in range(60)]
    with opened(tmp_path, as_csv(rows, list("abcd"))) as table:
        measure(table, list("abcd"), "d")
        ranks = {one.columns: one for one in rank_quasi_identifiers(table, list("abcd"))}
    assert len(ranks) == 4 + 6 + 4, "sets of one, two and three"
    for columns, rank in ranks.items():
        keys = [tuple(row[name] for name in columns) for row in rows]
        apart = [left != right for left, right in combinations(keys, 2)]
        assert rank.distinction == len(set(keys)) / 60
        assert rank.separation == pytest.approx(sum(apart) / len(apart), abs=1e-15)


def test_one_record_has_no_pair_to_tell_apart(tmp_path: Path) -> None:
    with opened(tmp_path, "a,s\n1,2\n") as table:
        measure(table, ["a"], "s")
        (rank,) = rank_quasi_identifiers(table, ["a"])
        assert without_each(table, ["a"]) == ()
    assert (rank.distinction, rank.separation) == (1.0, 0.0)


def test_leaving_a_column_out_gives_the_classes_of_the_others(tmp_path: Path) -> None:
    """Without age the five people fall into classes of 2, 1, 1 and 1; without sex all stay alone."""
    with opened(tmp_path, FIVE) as table:
        measure(table, ["age", "sex", "state"], "state")
        left = {one.column: one for one in without_each(table, ["age", "sex", "state"])}
    assert left["age"].class_sizes == {1: 3, 2: 1}
    assert left["sex"].class_sizes == {1: 5}
    assert left["age"].records_below(2) == 3
