"""Single arguments of the bridging and doubt methods: checked once, with reasons that name them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

from studies.reasons import BAD_ARGUMENT, NOT_A_NUMBER, CannotEstimate, Reason

Anchored = Literal["anchored", "unanchored"]

NO_OPTIMUM = Reason(
    "no_optimum",
    "数值求解没有收敛，未找到最优解。",
    "The numerical search did not settle: no optimum was found.",
)


def choice(value: object, argument: str, allowed: Sequence[str]) -> str:
    """`value`, which must be one of the allowed words. Raises `CannotEstimate(BAD_ARGUMENT)`."""
    if not isinstance(value, str) or value not in allowed:
        raise CannotEstimate(BAD_ARGUMENT, argument=argument, allowed=", ".join(allowed))
    return value


def anchoring(value: object) -> str:
    """ "anchored" (the trials share a comparator arm) or "unanchored" (a single arm on either side)."""
    return choice(value, "anchored", get_args(Anchored))


def number(
    value: object,
    argument: str,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """One finite number in [low, high], or in the open end where `open_low`, `open_high` say so."""
    try:
        one = float(value)  # type: ignore[arg-type]  # whatever float() cannot read is refused below
    except (TypeError, ValueError) as no_number:
        raise CannotEstimate(NOT_A_NUMBER, variable=argument) from no_number
    if not math.isfinite(one):
        raise CannotEstimate(NOT_A_NUMBER, variable=argument)
    too_low = one <= low if open_low else one < low
    too_high = one >= high if open_high else one > high
    if too_low or too_high:
        left, right = "(" if open_low else "[", ")" if open_high else "]"
        raise CannotEstimate(BAD_ARGUMENT, argument=argument, allowed=f"{left}{low:g}, {high:g}{right}")
    return one


def positive(value: object, argument: str) -> float:
    """One finite number above 0."""
    return number(value, argument, 0.0, open_low=True)


def share(value: object, argument: str) -> float:
    """One number strictly between 0 and 1: a confidence level, a probability that is neither 0 nor 1."""
    return number(value, argument, 0.0, 1.0, open_low=True, open_high=True)


def whole(value: object, argument: str, low: float = 0, high: float = math.inf) -> int:
    """One whole number in [low, high]."""
    one = number(value, argument, low, high)
    if one != math.floor(one):
        raise CannotEstimate(BAD_ARGUMENT, argument=argument, allowed="0, 1, 2, ...")
    return int(one)
