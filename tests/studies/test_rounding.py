"""A number beside its limit is printed so that text and verdict agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.evidence.templates.verify import number_text
from studies.rounding import decimals_apart, fixed

SHARES = st.floats(min_value=0, max_value=1, allow_nan=False)


@pytest.mark.parametrize(
    ("value", "limit", "decimals"),
    [
        (0.04, 0.05, 3),
        (0.0496, 0.05, 4),
        (0.04996, 0.05, 5),
        (0.0504, 0.05, 4),
        (0.05, 0.05, 3),
        (0.8, 0.05, 3),
        (0.2, 0.2 + 1e-15, 12),
    ],
)
def test_decimals_are_added_only_where_rounding_would_cross_the_limit(value, limit, decimals):
    assert decimals_apart(value, limit) == decimals


@given(SHARES, SHARES)
def test_what_is_printed_lies_on_the_side_that_was_decided(value, limit):
    decimals = decimals_apart(value, limit)
    shown, edge = round(value, decimals), round(limit, decimals)
    if abs(value - limit) > 1e-11:
        assert (shown < edge) == (value < limit) and (shown > edge) == (value > limit)


def test_a_p_value_prints_as_many_decimals_as_its_form_says():
    assert number_text(0.04996, "p", "en") == "0.050"
    assert number_text(0.04996, "p.5", "en") == "0.04996"
    assert number_text(0.04996, "p_is.5", "zh") == "= 0.04996"
    assert number_text(0.0004, "p.5", "en") == "<0.001"


@pytest.mark.parametrize(
    ("value", "plain", "signed"),
    [
        (-0.001, "0.00", "0.00"),
        (-0.0, "0.00", "0.00"),
        (0.0, "0.00", "0.00"),
        (-0.006, "-0.01", "-0.01"),
        (1.5, "1.50", "+1.50"),
    ],
)
def test_nought_has_no_sign(value, plain, signed):
    assert (fixed(value, 2), fixed(value, 2, signed=True)) == (plain, signed)


@given(st.floats(-1e6, 1e6), st.integers(0, 6))
def test_a_fixed_number_is_pythons_but_for_the_sign_of_nought(value, decimals):
    assert float(fixed(value, decimals)) == float(f"{value:.{decimals}f}")
    assert fixed(value, decimals).startswith("-") == (float(f"{value:.{decimals}f}") < 0)
