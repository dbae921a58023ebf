"""Numbers as printed: no minus before nought, and decimals enough not to contradict what was decided about them."""

from __future__ import annotations

_MOST = 12


def fixed(value: float, decimals: int, *, signed: bool = False) -> str:
    """`-0.12`, `+0.12` where `signed`; what rounds to nought is nought and carries no sign."""
    text = f"{value:{'+' if signed else ''}.{decimals}f}"
    return text if text.strip("+-0.") else text.lstrip("+-")


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
