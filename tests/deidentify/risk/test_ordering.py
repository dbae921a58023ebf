"""One order of a sensitive column's values for the measures and for the search."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from deidentify.risk.ordering import are_numbers, places_of_numbers
from tests.deidentify.risk.tables import measured

# values | whether they are numbers
COLUMNS = [
    (["1", "1.0", "-3.5", "1e6", " 7 ", ".5", "5."], True),
    (["9007199254740992", "9007199254740993"], True),
    (["1" * 400], False),
    (["1e400"], False),
    (["1e-400", "1e-999999999999999999"], True),
    (["1", "x"], False),
    (["nan"], False),
    (["inf"], False),
    (["1_000"], False),
    (["１２"], False),
    (["0x10"], False),
    ([""], False),
    ([], False),
]


@pytest.mark.parametrize(("values", "numbers"), COLUMNS, ids=lambda case: str(case)[:30])
def test_what_a_number_is_is_the_same_for_both(tmp_path: Path, values: list[str], numbers: bool) -> None:
    """What Python alone would take for a number (1_000, full-width digits) is none; nor is one beyond a float."""
    assert are_numbers(values) is numbers
    if values and all(values):
        rows = "\n".join(f"a,{value}" for value in values)
        assert measured(tmp_path, f"q,s\n{rows}\n", ["q"], "s").numeric is numbers


def test_equal_numbers_share_a_place_and_the_absent_stands_first() -> None:
    assert places_of_numbers([None, "2", "1.0", "1", "-1e0"]) == {
        None: 0,
        "-1e0": 1,
        "1": 2,
        "1.0": 2,
        "2": 3,
    }
    assert places_of_numbers([]) == {}


def test_the_search_and_the_measures_take_the_same_distance(tmp_path: Path) -> None:
    """The ordered distance by hand from these places, against that of the measures: seeded, long numbers, gaps."""
    draw = random.Random(7)
    for _ in range(20):
        values = [
            draw.choice([None, str(2**53 + draw.randrange(4)), f"{draw.randrange(3)}.0"]) for _ in range(12)
        ]
        groups = [draw.choice("AB") for _ in values]
        if len(set(groups)) < 2 or not any(values):
            continue
        text = "q,s\n" + "\n".join(f"{g},{v or ''}" for g, v in zip(groups, values, strict=True)) + "\n"
        found = measured(tmp_path, text, ["q"], "s")
        places = places_of_numbers(set(values))
        codes = np.array([places[value] for value in values])
        kinds = len(set(places.values()))
        whole = np.bincount(codes, minlength=kinds) / len(codes)
        apart = [
            np.abs(
                np.cumsum(
                    np.bincount(codes[np.array(groups) == g], minlength=kinds) / groups.count(g) - whole
                )
            ).sum()
            for g in set(groups)
        ]
        assert found.t == pytest.approx(max(apart) / max(1, kinds - 1))
