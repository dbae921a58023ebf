"""A number beside its limit is printed so that text and verdict agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.evidence.templates.verify import number_text
from studies.rounding import decimals_apart

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
