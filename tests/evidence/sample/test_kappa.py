"""Kappa and limits of agreement against published examples, and against statsmodels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from studies.evidence.sample.kappa import cohen_kappa, limits_of_agreement

Table = Sequence[Sequence[int]]


def pairs(table: Table) -> list[tuple[int, int]]:
    return [
        (row, column) for row, counts in enumerate(table) for column, n in enumerate(counts) for _ in range(n)
    ]


# Fleiss, Levin & Paik, Statistical Methods for Rates and Proportions, 3rd ed., section 18.1: 100 diagnoses
# (psychotic, neurotic, organic) of two raters; kappa .68.
FLEISS: Table = [[75, 1, 4], [5, 4, 1], [0, 0, 10]]
# Cohen (1968), Psychological Bulletin 70:213, table 1: 200 cases (personality disorder, neurosis, psychosis); kappa
# .492, which the help of R's psych::cohen.kappa repeats with the same table.
COHEN: Table = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]
# SAS/STAT User's Guide, PROC FREQ, "Agreement Study": four grades of a skin condition by two dermatologists.
SKIN: Table = [[10, 4, 1, 0], [5, 10, 12, 2], [2, 4, 12, 5], [0, 2, 6, 13]]
# Another table of SAS PROC FREQ, as statsmodels' own tests keep its printout.
SAS: Table = [[0, 4, 1], [0, 8, 0], [0, 1, 5]]


def test_the_textbook_of_fleiss() -> None:
    found = cohen_kappa(pairs(FLEISS))
    assert found.kappa is not None and found.se is not None
    assert round(found.kappa, 2) == 0.68
    assert found.observed == pytest.approx(0.89)
    assert found.expected == pytest.approx(0.66)
    assert found.se == pytest.approx(0.0877, abs=5e-5)  # as statsmodels has it


def test_the_example_of_cohen() -> None:
    found = cohen_kappa(pairs(COHEN))
    assert found.kappa is not None
    assert round(found.kappa, 3) == 0.492


@pytest.mark.parametrize(
    ("table", "printed"),
    [(SKIN, (0.3449, 0.0724, 0.2030, 0.4868)), (SAS, (0.4842, 0.1380, 0.2137, 0.7547))],
    ids=["skin", "raters"],
)
def test_the_printouts_of_sas(table: Table, printed: tuple[float, ...]) -> None:
    """Kappa, ASE and 95 % limits."""
    found = cohen_kappa(pairs(table))
    numbers = [found.kappa, found.se, found.lower, found.upper]
    assert [round(one, 4) for one in numbers if one is not None] == list(printed)


def square(size: int) -> st.SearchStrategy[list[list[int]]]:
    row = st.lists(st.integers(0, 30), min_size=size, max_size=size)
    return st.lists(row, min_size=size, max_size=size)


@pytest.mark.filterwarnings(
    "ignore:invalid value:RuntimeWarning"
)  # statsmodels, where its variance is below 0
@given(st.integers(2, 5).flatmap(square))
def test_statsmodels_gives_the_same_kappa_and_error(table: list[list[int]]) -> None:
    found = cohen_kappa(pairs(table))
    if found.kappa is None or found.se is None:
        return
    other = cohens_kappa(table)
    assert found.kappa == pytest.approx(other.kappa, abs=1e-10)
    assert found.se == pytest.approx(math.sqrt(max(0.0, other.var_kappa)), abs=1e-6)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), max_size=60))
def test_kappa_lies_between_minus_one_and_one_or_is_not_given(readings: list[tuple[str, str]]) -> None:
    found = cohen_kappa(readings)
    assert found.n == len(readings)
    if found.kappa is not None:
        assert -1 <= found.kappa <= 1
        assert (
            found.lower is None or found.upper is None or -1 <= found.lower <= found.kappa <= found.upper <= 1
        )


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("ab")), min_size=1), st.randoms())
def test_neither_order_nor_who_read_first_changes_kappa(
    readings: list[tuple[str, str]], random: Random
) -> None:
    mixed = list(readings)
    random.shuffle(mixed)
    assert cohen_kappa(mixed) == cohen_kappa(readings)
    turned = cohen_kappa([(other, one) for one, other in readings])
    assert turned.kappa == cohen_kappa(readings).kappa


def test_one_category_alone_leaves_kappa_undefined() -> None:
    """All alike in one category: agreement is 1, and there is nothing beyond chance to measure."""
    found = cohen_kappa([("no", "no")] * 40)
    assert found.observed == 1
    assert (found.kappa, found.se, found.lower, found.upper) == (None, None, None, None)


def test_one_category_of_one_reader_alone_is_kappa_zero() -> None:
    """The other reader knows two: kappa is defined, and there is no agreement beyond chance."""
    found = cohen_kappa([("no", "no")] * 30 + [("no", "yes")] * 10)
    assert found.kappa == 0


def test_full_agreement_in_two_categories_is_one_without_an_interval() -> None:
    found = cohen_kappa([("no", "no")] * 3 + [("yes", "yes")] * 2)
    assert (found.kappa, found.se, found.lower, found.upper) == (1, 0, None, None)


def test_full_disagreement_is_minus_one() -> None:
    found = cohen_kappa([("no", "yes")] * 5 + [("yes", "no")] * 5)
    assert found.kappa == -1


def test_nothing_to_compare_gives_nothing() -> None:
    found = cohen_kappa([])
    assert (found.n, found.kappa, found.observed) == (0, None, None)


# --- numbers ------------------------------------------------------------------------------------------------

# Bland & Altman (1986, Lancet i:307): peak flow of 17 people, first readings of the Wright and the mini meter. Mean
# difference (Wright - mini) -2.1 l/min, SD 38.8.
WRIGHT = (494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427)
MINI = (512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451)


def test_the_peak_flow_meters_of_bland_and_altman() -> None:
    found = limits_of_agreement(list(zip(MINI, WRIGHT, strict=True)))
    assert found.mean is not None and found.sd is not None
    assert found.lower is not None and found.upper is not None
    assert round(found.mean, 1) == -2.1
    assert round(found.sd, 1) == 38.8
    # The paper takes 2 SD: -79.7 and 75.5; with 1.96 the limits are narrower by 0.04 SD.
    assert found.lower == pytest.approx(-79.7 + 0.04 * 38.8, abs=0.1)
    assert found.upper == pytest.approx(75.5 - 0.04 * 38.8, abs=0.1)


def test_one_pair_has_a_difference_and_no_limits() -> None:
    assert limits_of_agreement([(1.0, 3.0)]).mean == 2
    assert limits_of_agreement([(1.0, 3.0)]).sd is None
    assert limits_of_agreement([]).mean is None


def test_equal_readings_have_limits_of_no_width() -> None:
    found = limits_of_agreement([(1.5, 1.5), (7.0, 7.0)])
    assert (found.mean, found.sd, found.lower, found.upper) == (0, 0, 0, 0)
