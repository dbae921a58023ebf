"""How many decimals a number needs so that what is printed cannot contradict what was decided about it."""

from __future__ import annotations

_MOST = 12


def decimals_apart(value: float, limit: float, least: int = 3) -> int:
    """The fewest decimals, `least` or more, at which `value` and `limit` as printed lie as they do in truth.

    0.04996 against 0.05 is printed 0.0500 with four decimals and 0.04996 with five: five. Equal numbers need no more
    than `least`; numbers that differ by less than 1e-12 get 12.
    """
    for decimals in range(least, _MOST):
        shown, edge = round(value, decimals), round(limit, decimals)
        if (shown < edge) == (value < limit) and (shown > edge) == (value > limit):
            return decimals
    return _MOST if value != limit else least
