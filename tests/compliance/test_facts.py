"""Small cells: the counts that could point at persons."""

from __future__ import annotations

import pytest

from rwd_platform.compliance.facts import SmallCell, small_cells


def row(
    statistic: str = "n", value: object = 100, n: object = 100, events: object = None
) -> dict[str, object]:
    return {"id": "a.b", "statistic": statistic, "value": value, "n": n, "events": events}


@pytest.mark.parametrize(
    ("count", "small"), [(0, False), (1, True), (9, True), (10, False), (9.0, True), (None, False)]
)
def test_one_to_nine_is_small(count: object, small: bool) -> None:
    """Nobody and ten are no small cell; nine is, also when it travelled as 9.0."""
    assert bool(small_cells([row(value=count)])) is small


def test_the_denominators_of_a_ratio_are_looked_at_too() -> None:
    """A hazard ratio from three events tells about three persons; the ratio itself is no count."""
    found = small_cells([row("hazard_ratio", 2, n=120, events=3)])
    assert found == (SmallCell("a.b", "events", 3),)


@pytest.mark.parametrize("statistic", ["n", "events", "n_missing", "max_n", "censored", "subjects"])
def test_statistics_that_count_persons(statistic: str) -> None:
    """Counts are known by their name, also with a prefix or suffix."""
    assert small_cells([row(statistic, 4)]) == (SmallCell("a.b", "value", 4),)


@pytest.mark.parametrize("statistic", ["mean", "df", "median", "smd", "hazard_ratio"])
def test_statistics_that_do_not_count_persons(statistic: str) -> None:
    """Two degrees of freedom are not two persons."""
    assert small_cells([row(statistic, 2)]) == ()


def test_other_thresholds_and_odd_values() -> None:
    """The threshold belongs to the recipient's rule; text, truth values and infinities are no counts."""
    assert small_cells([row(value=19)], threshold=20)
    odd = [row(value=value, n=None) for value in ("3", True, float("inf"), float("nan"), -3, 2.5)]
    assert small_cells(odd) == ()
    assert small_cells([]) == () and small_cells([{}]) == ()


def test_what_is_not_checked_is_said() -> None:
    """An empty answer is not yet anonymity, and the function's own words say so."""
    assert small_cells.__doc__ is not None
    assert "secondary disclosure" in small_cells.__doc__
